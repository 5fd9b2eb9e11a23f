"""`minimize`: the optimizers of `sklgd.optimizers` on any differentiable function."""

import math
from inspect import signature
from numbers import Integral, Real

import numpy as np
from scipy.optimize import OptimizeResult

from ._function import EPS, Function
from ._log import say
from .optimizers import OPTIMIZERS, Optimizer
from .schedules import as_schedule

# What a step size found on the way is multiplied with after a step that lowered the
# function, and after one that did not; so many of the latter in a row are the end.
GROW, SHRINK, MAX_HALVINGS = 1.25, 0.5, 60
# Distance, relative to max(1, |x|), from which a stationary point is looked at, in so
# many directions: at most, and where there are more variables than MANY, which no
# number of random directions covers.
NEARBY, DIRECTIONS, FEW, MANY = 1e-3, 20, 2, 1000
# A gradient that is at most tol promises a gain of about tol max(1, |x|). More than so
# many times that, found by steps that grow by the factor STRIDE, is a variable whose
# scale differs from that of the others.
TIMES, STRIDE, STRIDES = 10.0, 10.0, 15
# Distance up to which a function that does not change is followed.
FARTHEST = 1e3
# Gradients above this overflow when they are squared.
LARGE = 1e150
# A ravine: the mean cosine between successive steps of the end of the path.
ZIGZAG, ENOUGH = -0.5, 20
# A function that has fallen so far, relative to its start, falls for ever.
ENDLESS = 1e50
# Names that scipy uses for parameters.
NAMES = {
    "maxiter": "max_iter",
    "gtol": "tol",
    "disp": "verbose",
    "return_all": "store_path",
    "xatol": "xtol",
    "fatol": "ftol",
}
# Options of scipy's methods that have no counterpart, and what to do.
ELSEWHERE = {
    "eps": "Choose the differences with jac='2-point' or '3-point'.",
    "finite_diff_rel_step": "Choose the differences with jac='2-point' or '3-point'.",
    "norm": "tol bounds the largest entry of the gradient.",
    "maxfun": "Use max_iter.",
    "maxfev": "Use max_iter.",
}
TOL = 1e-5


def minimize(
    fun,
    x0,
    args=(),
    *,
    jac=None,
    optimizer="sgd",
    learning_rate="auto",
    eta0=None,
    bounds=None,
    max_iter=1000,
    tol=None,
    xtol=0.0,
    ftol=0.0,
    n_iter_no_change=5,
    callback=None,
    store_path=True,
    check_minimum=True,
    verbose=0,
    **options,
):
    r"""Minimise a differentiable function of one or several variables.

    .. math:: \min_{l \le x \le u} f(x)

    by the steps of an optimizer, x_{k+1} = P(x_k - step(gradient of f at x_k)), where P
    moves to the closest point inside the bounds. The rules are those that the
    estimators use, compiled, in their textbook form.

    Parameters
    ----------
    fun : callable
        ``fun(x, *args)`` returns the value of the function, a float, at x, a float64
        array of shape (n,).
    x0 : array-like of shape (n,) or float
        Starting point; moved inside the bounds.
    args : tuple, default=()
        Further arguments of ``fun`` and ``jac``.
    jac : callable, True, None, "2-point" or "3-point", default=None
        ``jac(x, *args)`` returns the gradient, of shape (n,). True: ``fun`` returns the
        pair (value, gradient). None or "2-point": forward differences
        (`scipy.optimize.approx_fprime`), n further values of ``fun`` a step; "3-point":
        central differences, 2 n values.
    optimizer : str or Optimizer, default="sgd"
        "sgd" (gradient descent), "momentum", "nesterov", "adagrad", "rmsprop",
        "adadelta", "adam", "amsgrad", "nadam", "adamax", "ftrl", or an object of
        `sklgd.optimizers` such as ``Momentum(momentum=0.8)``.
    learning_rate : str, float, Schedule or callable, default="auto"
        "auto" finds the step sizes on the way: each step that lowers the function
        makes the next one 1.25 times as long; one that does not is undone, the
        optimizer starts afresh from there, and the step size is halved (the "bold
        driver" [1]_), so the function values never rise. That needs values without
        noise. A float is a constant step size; a name ("constant", "invscaling",
        "adaptive", "linear", "cosine", "step", "exponential", "warmup") takes its
        first step from ``eta0``; an object of `sklgd.schedules` or any function of the
        step number 1, 2, ... gives the step sizes itself. All these take the textbook's
        steps, wherever they lead.
    eta0 : float, default=None
        First step size of a named schedule.
    bounds : sequence of (lower, upper) or scipy.optimize.Bounds, default=None
        Limits of each variable, None standing for no limit.
    max_iter : int, default=1000
        Most steps.
    tol : float, default=None
        Stop where no entry of the gradient is larger; entries that push against a
        bound do not count. None means 1e-5.
    xtol : float, default=0.0
        Stop after ``n_iter_no_change`` successive steps that are no longer than
        ``xtol * max(1, |x|)``, Euclidean lengths. 0 never stops.
    ftol : float, default=0.0
        Stop after ``n_iter_no_change`` successive steps that change the function by no
        more than ``ftol * max(1, |f|)``. 0 never stops.
    n_iter_no_change : int, default=5
        See ``xtol`` and ``ftol``; also the steps without a new lowest value after which
        "adaptive" lowers its step size.
    callback : callable, default=None
        Called after each step: ``callback(intermediate_result=...)`` with an
        `OptimizeResult` (x, fun, jac, nit, nfev, njev, eta) if that is its parameter's
        name, else ``callback(x)``. It ends the run by raising StopIteration.
    store_path : bool, default=True
        Keep the points of the path, (max_iter + 1) n numbers at most.
    check_minimum : bool, default=True
        Evaluate the function around a point where the gradient is at most ``tol``, to
        tell a minimum from a saddle point, a maximum or a plateau, and from a point
        that is far from the minimum in a variable of another scale. See Notes.
    verbose : int, default=0
        1 logs a line a step to the logger "sklgd".
    **options : dict
        Names that `scipy.optimize.minimize` uses: ``maxiter``, ``gtol``, ``disp``,
        ``return_all``, ``xatol`` and ``fatol`` are ``max_iter``, ``tol``, ``verbose``,
        ``store_path``, ``xtol`` and ``ftol``. They may also come in a dict, as
        ``options={"maxiter": 5}``. scipy also passes ``hess``, ``hessp`` and
        ``constraints``, which must be empty.

    Returns
    -------
    result : OptimizeResult
        x : ndarray of shape (n,)
            The last point; after a failure (status 4 or 5) the best one.
        fun, jac : float, ndarray of shape (n,)
            Value and gradient there.
        path, fun_path : ndarrays of shape (nit + 1, n) and (nit + 1,)
            Points from x0 to the last, and their values.
        eta_path : ndarray of shape (nit,)
            Step sizes.
        nit, nfev, njev : int
            Steps, values of ``fun`` and gradients.
        success, status, message : bool, int, str
            Why the run ended: 0 the gradient is at most ``tol``, 1 ``max_iter``, 2
            ``xtol``, 3 ``ftol``, 4 a value that is not finite, 5 the function ended
            above its start, 6 a stationary point that is no minimum (a saddle point, a
            maximum, a plateau), 7 no step lowers the function, 99 the callback. Success
            is 0, 2 or 3.
        optimizer, learning_rate : Optimizer, Schedule or "auto"
            What was used.

    Raises
    ------
    ValueError
        For a parameter, a function value or a gradient that makes no sense.

    Notes
    -----
    Nesterov's points are the look-ahead ones, where the gradient is evaluated.

    A zero gradient does not tell a minimum from a saddle point. Where the run ends at
    one, the function is evaluated at up to 40 points around it (4 if there are more
    than 1000 variables): status 6 if one of them lies lower than a minimum allows. A
    function that has not changed yet is followed further, to tell a plateau. Then one
    variable after the other (20 at most, those with the largest gradients) is moved
    along its gradient: status 6, too, if that lowers the function by much more than a
    gradient of ``tol`` lets expect. In many dimensions a direction of descent may be
    missed.

    References
    ----------
    .. [1] T. P. Vogl, J. K. Mangis, A. K. Rigler, W. T. Zink and D. L. Alkon,
       "Accelerating the convergence of the back-propagation method", Biological
       Cybernetics 59, 1988.

    Examples
    --------
    >>> import numpy as np
    >>> from sklgd import minimize
    >>> def bowl(x):
    ...     return x[0] ** 2 + x[0] * x[1] + x[1] ** 2
    >>> def slope(x):
    ...     return np.array([2 * x[0] + x[1], x[0] + 2 * x[1]])
    >>> result = minimize(bowl, [2.0, -1.0], jac=slope, learning_rate=0.1, max_iter=3)
    >>> result.path.round(3)
    array([[ 2.   , -1.   ],
           [ 1.7  , -1.   ],
           [ 1.46 , -0.97 ],
           [ 1.265, -0.922]])

    As a method of SciPy, with momentum:

    >>> import scipy.optimize
    >>> result = scipy.optimize.minimize(
    ...     bowl, [2.0, -1.0], jac=slope, method=minimize,
    ...     options={"optimizer": "momentum"})
    >>> result.success, result.x.round(3) + 0.0
    (True, array([0., 0.]))
    """
    given = _translate(options)
    max_iter, tol = given.get("max_iter", max_iter), given.get("tol", tol)
    xtol, ftol = given.get("xtol", xtol), given.get("ftol", ftol)
    verbose = given.get("verbose", verbose)
    store_path = given.get("store_path", store_path)
    tol = TOL if tol is None else tol
    verbose = int(verbose) if isinstance(verbose, (bool, np.bool_)) else verbose
    _check(
        max_iter=max_iter,
        tol=tol,
        xtol=xtol,
        ftol=ftol,
        n_iter_no_change=n_iter_no_change,
        verbose=verbose,
    )
    x = _start(x0)
    function = Function(fun, jac, args, bounds, x.size)
    optimizer = _find_optimizer(optimizer)
    found = isinstance(learning_rate, str) and learning_rate == "auto"
    if found and eta0 is not None:
        raise ValueError(
            f"eta0={eta0!r} would be ignored with learning_rate='auto'. Leave "
            "eta0=None, or use a schedule's name such as learning_rate='constant'."
        )
    steps = Found() if found else Scheduled(_schedule(learning_rate, eta0, max_iter))
    tell = _teller(callback)
    stopping = Stopping(tol, xtol, ftol, n_iter_no_change)
    # Values that are not finite are looked for, and said in the result.
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        run = Run(function, x, optimizer, steps, store_path, check_minimum)
        run.go(stopping, max_iter, tell, verbose)
    return run.result()


class Scheduled:
    """Step sizes of a schedule; every step is taken.

    Parameters
    ----------
    schedule : Schedule
    """

    def __init__(self, schedule):
        self.schedule, self.factor = schedule, 1.0

    def begin(self, run):
        """Nothing to find out."""

    def eta(self, t):
        """Size of step t."""
        return self.factor * self.schedule(t)

    def accept(self, run, value):
        """True."""
        return True

    def plateau(self, eta):
        """Lower the step size of an "adaptive" schedule."""
        change = self.schedule.plateau
        if change is not None and eta > change[1]:
            self.factor *= change[0]


class Found:
    """Step sizes found on the way: longer after a gain, half after a loss."""

    schedule = "auto"

    def begin(self, run):
        """Find the first step size.

        Rules that follow the length of the gradient start from the inverse curvature
        along it; the others move each variable by about their step size.
        """
        x, g = run.x, run.gradient
        self.unseen = 0
        if run.optimizer.normalised:
            self.size = run.optimizer.unit_step(1.0, True) * max(1.0, np.abs(x).max())
            return
        size, slope = max(1.0, _length(x)), _length(g)
        at = x - NEARBY * size / slope * g
        run.function.project(at)
        distance, value = _length(at - x), run.function.value(at)
        curvature = 0.0
        if distance > 0.0 and math.isfinite(value):
            change = run.function.gradient(at, value) - g
            curvature = _length(change) / distance
        # A straight line, or no way to tell: a step as long as x.
        if not EPS * slope < curvature * size < np.inf:
            curvature = slope / size
        self.size = run.optimizer.unit_step(curvature, True)

    def eta(self, t):
        """The present step size."""
        return self.size

    def accept(self, run, value):
        """True if the step stands. What is tried next is longer or shorter.

        A rule with a memory is forgiven once: it starts afresh at the same step size
        (O'Donoghue and Candes 2015). Where rounding hides the gain, a few steps more
        are taken than can be seen to lower the function.
        """
        self.unseen = 0 if value < run.value else self.unseen + (value == run.value)
        if value <= run.value and self.unseen < MAX_HALVINGS:
            self.size *= GROW
            return True
        if run.fresh or not run.rule.slots or not math.isfinite(value):
            self.size *= SHRINK
        return False

    def plateau(self, eta):
        """Nothing to do: the step size changes in every step."""


class Stopping:
    """The criteria that look at a step; the parameters are those of `minimize`."""

    def __init__(self, tol, xtol, ftol, n_iter_no_change):
        self.tol, self.xtol, self.ftol = tol, xtol, ftol
        self.patience = n_iter_no_change
        self.short = self.flat = 0

    def after_step(self, run):
        """(status, message) if one of the criteria is met, else None."""
        if self.xtol > 0.0:
            length = _length(run.x - run.last[0])
            small = length <= self.xtol * max(1.0, _length(run.x))
            self.short = self.short + 1 if small else 0
        if self.ftol > 0.0:
            change = abs(run.value - run.last[1])
            same = change <= self.ftol * max(1.0, abs(run.value))
            self.flat = self.flat + 1 if same else 0
        if self.short >= self.patience:
            end = 2, f"{self.short} successive steps were no longer than xtol"
        elif self.flat >= self.patience:
            end = 3, f"{self.flat} successive steps changed fun by no more than ftol"
        else:
            return None
        return end[0], f"{end[1]}; the largest slope is {run.slope():.3g}."


class Run:
    """One minimisation: the point, the path, the end.

    Parameters
    ----------
    function : Function
    x : float64 array of shape (n,)
        The start; updated in place.
    optimizer : Optimizer
    steps : Scheduled or Found
    store_path, check_minimum : bool
    """

    def __init__(self, function, x, optimizer, steps, store_path, check_minimum):
        self.check_minimum = check_minimum
        self.function, self.x, self.optimizer = function, x, optimizer
        self.steps, self.penalty = steps, np.zeros(x.size)
        function.project(x)
        self.restart()
        self.value = function.value(x)
        self.gradient = function.gradient(x, self.value)
        self.path = [x.copy()] if store_path else None
        self.fun_path, self.eta_path = [self.value], []
        self.best = self.last = x.copy(), self.value, self.gradient
        self.since_best = 0
        self.status, self.message = 1, ""

    def restart(self):
        """Give the rule a fresh start at the point."""
        self.rule = self.optimizer.make_rule(self.x, self.penalty, self.penalty)
        self.fresh = True

    def go(self, stopping, max_iter, tell, verbose):
        """Take steps until something ends the run.

        Parameters
        ----------
        stopping : Stopping
        max_iter : int
        tell : callable or None
            Called with an OptimizeResult after each step.
        verbose : int
        """
        end = self.not_finite() or self.stationary(stopping.tol)
        if end is None:
            self.steps.begin(self)
        while end is None and len(self.eta_path) < max_iter:
            end = self.step() or self.not_finite()
            if end is not None:
                break
            self.note(stopping.patience)
            if verbose:
                say(
                    f"step {len(self.eta_path)}: fun {self.value:.8g}, largest slope "
                    f"{self.slope():.3g}, step size {self.eta_path[-1]:.4g}"
                )
            if tell is not None:
                try:
                    tell(self.so_far())
                except StopIteration:
                    end = 99, "The callback raised StopIteration."
                    break
            end = self.stationary(stopping.tol)
            end = end or stopping.after_step(self)
        self.status, self.message = end or (1, self.impatience(max_iter))
        if self.status in (1, 2, 3) and self.value > self.fun_path[0]:
            self.status, self.message = 5, self.above_start()
        if self.status in (4, 5):
            self.x[...], self.value, self.gradient = self.best
        if verbose:
            say(self.message)

    def step(self):
        """Take a step; (status, message) if none lowers the function, else None."""
        self.last = self.x.copy(), self.value, self.gradient
        t = len(self.eta_path) + 1
        for _ in range(2 * MAX_HALVINGS):
            eta = self.steps.eta(t)
            self.rule.take_step(self.gradient, eta)
            self.function.project(self.x)
            value = self.function.value(self.x)
            if self.steps.accept(self, value):
                break
            self.x[...] = self.last[0]
            self.restart()
        else:
            return (
                7,
                f"No step lowers fun, down to a step size of {eta:.3g}{self.why()}",
            )
        self.fresh, self.value = False, value
        if math.isfinite(value):
            self.gradient = self.function.gradient(self.x, value)
        self.eta_path.append(float(eta))
        return None

    def why(self):
        """Why no step may lower the function: the end of a sentence, and remedies."""
        slope, jac = self.slope(), self.function.jac
        said = f"; the largest slope is {slope:.3g}. "
        if slope > LARGE:
            return (
                f"{said}The squares of such gradients overflow float64. Divide fun "
                "(and jac) by a large number."
            )
        if jac in (None, False, "2-point"):
            return (
                f"{said}One-sided differences are no more accurate than this, or fun "
                "is not smooth here. Use jac='3-point', or give the gradient."
            )
        return (
            f"{said}That is as far as rounding lets it, or fun is not smooth here, or "
            "jac is not its gradient (scipy.optimize.check_grad tells)."
        )

    def note(self, patience):
        """Note the point after a step; ``patience`` steps without a gain are many."""
        self.fun_path.append(self.value)
        if self.path is not None:
            self.path.append(self.x.copy())
        self.since_best += 1
        if self.value < self.best[1]:
            self.best = self.x.copy(), self.value, self.gradient
            self.since_best = 0
        elif self.since_best >= patience:
            self.steps.plateau(self.eta_path[-1])
            self.since_best = 0

    def not_finite(self):
        """(status, message) where a value or the gradient is not finite, else None."""
        if math.isfinite(self.value):
            if np.isfinite(self.gradient).all():
                return None
            j = int(np.argmin(np.isfinite(self.gradient)))
            what = f"jac is {self.gradient[j]} in variable {j}"
        else:
            what = f"fun is {self.value}"
        where = f"at x = {np.array2string(self.x, precision=4, threshold=6)}"
        if not self.eta_path:
            return 4, f"{what} at the start, {where}. Start from another x0."
        what = f"{what} after {len(self.eta_path)} steps, {where}"
        eta = self.eta_path.pop()
        last, start = self.last[1], self.fun_path[0]
        if self.value == -np.inf or last < -ENDLESS * max(1.0, abs(start)):
            return (
                4,
                f"{what}, and {last:.3g} before: it has no minimum without bounds.",
            )
        return 4, (
            f"{what}: the step size {eta:.3g} is too large, or the way leads out of "
            "the domain of fun. Use a smaller one, learning_rate='auto' or bounds. The "
            "best point before is kept."
        )

    def slope(self):
        """Largest entry of the gradient, without those that push against a bound."""
        free = self.function.free_gradient(self.x, self.gradient)
        return float(np.abs(free).max())

    def stationary(self, tol):
        """(status, message) where the gradient is at most ``tol``, else None."""
        slope = self.slope()
        if not slope <= tol:
            return None
        reached = f"The largest entry of the gradient is {slope:.3g}, tol is {tol:g}"
        trouble = self.no_minimum(tol) if self.check_minimum else None
        if trouble is None:
            return 0, f"{reached}."
        return 6, f"{reached}, but {trouble}"

    def no_minimum(self, tol):
        """What shows that a stationary point is no minimum, or None."""
        drop, distance, changes = self.look_around(NEARBY)
        flat = max(self.fun_path) == min(self.fun_path) and not self.gradient.any()
        if flat:
            reach = NEARBY
            while not changes and reach < FARTHEST:
                reach *= STRIDE
                drop, distance, changes = self.look_around(reach)
            if not changes:
                return (
                    "fun has the same value everywhere near the start. It is a "
                    "plateau: start from another x0."
                )
        if drop > 0.0:
            return (
                f"this is no minimum: fun is lower by {drop:.3g} at a distance of "
                f"{distance:.3g}. It is a saddle point, a maximum or a plateau: start "
                "from another x0, for example a little beside this one."
            )
        lower = self.lower_far(tol)
        if lower is None:
            return None
        return (
            f"fun is lower by {lower[1]:.3g} where variable {lower[0]} is "
            f"{lower[2]:.3g}. The variables differ in scale: divide each by its "
            "typical size, or take a smaller tol."
        )

    def look_around(self, reach):
        """Largest drop below what convexity allows, its distance, and if fun changes.

        At points of the distance ``reach`` max(1, |x|).

        Near a minimum fun is convex, so f(x + p) >= f(x) + g p. Points on opposite
        sides, in random directions, which see any curvature but the rarest.
        """
        function, x = self.function, self.x
        rng = np.random.RandomState(0)
        size = max(1.0, float(np.abs(x).max()))
        largest = max(abs(self.fun_path[0]), abs(self.value))
        drop = distance = 0.0
        changes = False
        n_directions = FEW if x.size > MANY else min(DIRECTIONS, 2 * x.size)
        for _ in range(n_directions):
            p = rng.standard_normal(x.size)
            p *= reach * size / _length(p)
            for at in (x + p, x - p):
                function.project(at)
                value = function.value(at)
                changes = changes or value != self.value
                first_order = np.abs(self.gradient * (at - x)).sum()
                rounding = 1e3 * EPS * max(largest, abs(value))
                fall = self.value - value
                if fall > max(first_order + rounding, drop):
                    drop, distance = fall, _length(at - x)
        return drop, distance, changes

    def lower_far(self, tol):
        """(variable, drop, where) of a point far along one variable, or None.

        A small gradient in a variable whose unit is small is no sign of a minimum.
        """
        function, x = self.function, self.x
        free = function.free_gradient(x, self.gradient)
        for j in np.argsort(-np.abs(free), kind="stable")[:DIRECTIONS]:
            if free[j] == 0.0:
                break
            size = max(1.0, abs(float(x[j])))
            at, best, place = x.copy(), self.value, x[j]
            for power in range(STRIDES):
                length = NEARBY * size * STRIDE**power
                at[j] = x[j] - np.copysign(length, free[j])
                function.project(at)
                value = function.value(at)
                if not value < best or at[j] == place:
                    break
                best, place = value, at[j]
            if self.value - best > TIMES * tol * size:
                return int(j), self.value - best, float(place)
        return None

    def above_start(self):
        """What to say of a run that ends higher than it began."""
        return (
            f"After {len(self.eta_path)} steps fun is {self.value:.3g}, at the start "
            f"it was {self.fun_path[0]:.3g}: the step size {self.eta_path[-1]:.3g} is "
            "too large. Use a smaller one, or learning_rate='auto'. The best point is "
            "kept."
        )

    def impatience(self, max_iter):
        """What to say of a run that ends before it has arrived."""
        said = (
            f"max_iter={max_iter} steps were not enough: the largest slope is "
            f"{self.slope():.3g}"
        )
        if self.zigzags():
            return (
                f"{said}, and successive steps lead to and fro across a ravine. Use an "
                "optimizer with momentum, or one that scales each variable."
            )
        return (
            f"{said}. Increase max_iter, or the step size if progress is slow; a fun "
            "without a minimum falls for ever."
        )

    def zigzags(self):
        """True if successive steps at the end of the path are opposed."""
        if self.path is None or len(self.path) < ENOUGH:
            return False
        moves = np.diff(self.path[-ENOUGH:], axis=0)
        lengths = np.linalg.norm(moves, axis=1)
        products = (moves[1:] * moves[:-1]).sum(axis=1)
        return products.sum() < ZIGZAG * (lengths[1:] * lengths[:-1]).sum()

    def here(self):
        """The point and what it took to get here, as both results below have it."""
        return {
            "x": self.x.copy(),
            "fun": self.value,
            "jac": self.gradient.copy(),
            "nit": len(self.eta_path),
            "nfev": self.function.n_values,
            "njev": self.function.n_gradients,
        }

    def so_far(self):
        """What a callback gets."""
        return OptimizeResult(**self.here(), eta=self.eta_path[-1])

    def result(self):
        """What `minimize` returns."""
        path = {} if self.path is None else {"path": np.array(self.path)}
        return OptimizeResult(
            **self.here(),
            success=self.status in (0, 2, 3),
            status=self.status,
            message=self.message,
            **path,
            fun_path=np.array(self.fun_path),
            eta_path=np.array(self.eta_path),
            optimizer=self.optimizer,
            learning_rate=self.steps.schedule,
        )


def _length(x):
    """Euclidean length; neither overflow nor underflow of squares changes it."""
    square = float(x @ x)
    if 0.0 < square < np.inf:
        return math.sqrt(square)
    largest = float(np.abs(x).max())
    if not 0.0 < largest < np.inf:
        return largest
    return largest * math.sqrt(float(((x / largest) ** 2).sum()))


def _start(x0):
    """x0 as a float64 vector of its own."""
    if np.ma.is_masked(x0):
        raise ValueError(
            "x0 must be a finite number or a vector of finite numbers, but some of its "
            "entries are masked. Fill them: x0.filled(0.0)."
        )
    if np.iscomplexobj(x0):
        raise ValueError(
            f"x0 must be a finite number or a vector of finite numbers, got {x0!r}, "
            "which is complex. Use the real and imaginary parts as variables."
        )
    x = np.array(x0, dtype=float, ndmin=1)
    if x.ndim != 1 or x.size == 0 or not np.isfinite(x).all():
        raise ValueError(
            f"x0 must be a finite number or a vector of finite numbers, got {x0!r}."
        )
    return x


def _find_optimizer(optimizer):
    """The checked parameter object; only rules of descent fit any function."""
    if isinstance(optimizer, str) and optimizer in OPTIMIZERS:
        optimizer = OPTIMIZERS[optimizer]()
    usable = [name for name, cls in OPTIMIZERS.items() if cls.training == "descent"]
    if not isinstance(optimizer, Optimizer) or optimizer.training != "descent":
        needs = (
            ""
            if not isinstance(optimizer, Optimizer)
            else " That one needs the sum over rows that an estimator minimises; for "
            "quasi-Newton steps use scipy.optimize.minimize(method='L-BFGS-B')."
        )
        raise ValueError(
            f"optimizer={optimizer!r} is not possible: it must be one of "
            f"{', '.join(map(repr, usable))}, or an object of these classes in "
            f"sklgd.optimizers.{needs}"
        )
    optimizer.check()
    return optimizer


def _schedule(learning_rate, eta0, max_iter):
    """The schedule, complete with the length of the run."""
    if isinstance(learning_rate, str) and learning_rate == "optimal":
        raise ValueError(
            "learning_rate='optimal' depends on the penalty alpha and the loss of an "
            "estimator; fun has none. Use 'auto', 'invscaling' or a number."
        )
    return as_schedule(learning_rate, eta0).bind(total_steps=max_iter)


def _teller(callback):
    """The callback as a function of an OptimizeResult, or None."""
    if callback is None:
        return None
    if not callable(callback):
        raise ValueError(
            f"callback={callback!r} is not possible: it must be a function of x, or of "
            "intermediate_result."
        )
    try:
        names = set(signature(callback).parameters)
    except (TypeError, ValueError):  # a function in C may not tell
        names = set()
    if names == {"intermediate_result"}:
        return lambda result: callback(intermediate_result=result)
    return lambda result: callback(result.x)


def _check(**parameters):
    """Raise ValueError for a count or a tolerance that makes no sense."""
    least = {"max_iter": 0, "n_iter_no_change": 1, "verbose": 0}
    for name, value in parameters.items():
        kind = Integral if name in least else Real
        low = least.get(name, 0.0)
        if not isinstance(value, kind) or not low <= float(value) < np.inf:
            raise ValueError(
                f"{name}={value!r} is not possible: it must be "
                f"{'an integer' if name in least else 'a finite number'} of at least "
                f"{low:g}."
            )


def _translate(options):
    """Parameters given under scipy's names; an error for what would be ignored."""
    given = {}
    nested = options.pop("options", None) or {}
    for name, value in (options | nested).items():
        if name in NAMES or (name in nested and name in NAMES.values()):
            given[NAMES.get(name, name)] = value
        elif name in ("hess", "hessp", "constraints"):
            if value is not None and not np.array_equal(value, ()):
                raise ValueError(
                    f"{name} is given, but gradient descent does not use it. Remove "
                    "it; limits of the variables are `bounds`."
                )
        else:
            hint = f" {ELSEWHERE[name]}" if name in ELSEWHERE else ""
            if name in nested and not hint:
                hint = " Options are scipy's names; give others as arguments."
            raise TypeError(f"minimize() has no parameter {name!r}.{hint}")
    return given
