"""One minimisation: steps until something ends it, and what is said of the end."""

import math

import numpy as np
from scipy.optimize import OptimizeResult

from .._log import say
from .function import EPS, NEARBY, norm
from .learning_rate import MAX_HALVINGS

# Random directions in which a stationary point is compared with points NEARBY: at most,
# and where there are more variables than MANY, which no number of directions covers.
DIRECTIONS, FEW, MANY = 20, 2, 1000
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


class Stopping:
    """The criteria that judge a step; the parameters are those of `minimize`."""

    def __init__(self, tol, xtol, ftol, n_iter_no_change):
        self.tol, self.xtol, self.ftol = tol, xtol, ftol
        self.patience = n_iter_no_change
        self.short = self.flat = 0

    def after_step(self, run):
        """(status, message) if one of the criteria is met, else None."""
        if self.xtol > 0.0:
            length = norm(run.x - run.last[0])
            small = length <= self.xtol * max(1.0, norm(run.x))
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
        largest = f"the largest entry of the gradient is {run.largest_gradient():.3g}"
        return end[0], f"{end[1]}; {largest}."


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
                largest, eta = self.largest_gradient(), self.eta_path[-1]
                say(
                    f"step {len(self.eta_path)}: fun {self.value:.8g}, gradient "
                    f"{largest:.3g}, learning rate {eta:.4g}"
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
                f"No step lowers fun, down to a learning rate of {eta:.3g}{self.why()}",
            )
        self.fresh, self.value = False, value
        if math.isfinite(value):
            self.gradient = self.function.gradient(self.x, value)
        self.eta_path.append(float(eta))
        return None

    def why(self):
        """Why no step may lower the function: the end of a sentence, and remedies."""
        largest, jac = self.largest_gradient(), self.function.jac
        said = f"; the largest entry of the gradient is {largest:.3g}. "
        if largest > LARGE:
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
            f"{what}: the learning rate {eta:.3g} is too large, or the path leaves the "
            "domain of fun. Use a smaller one, learning_rate='auto' or bounds. The "
            "best point before is kept."
        )

    def largest_gradient(self):
        """Largest entry of the gradient, without those that push against a bound."""
        free = self.function.free_gradient(self.x, self.gradient)
        return float(np.abs(free).max())

    def stationary(self, tol):
        """(status, message) where the gradient is at most ``tol``, else None."""
        largest = self.largest_gradient()
        if not largest <= tol:
            return None
        reached = f"The largest entry of the gradient is {largest:.3g}, tol is {tol:g}"
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
                "from another x0, for example one near this point."
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
            p *= reach * size / norm(p)
            for at in (x + p, x - p):
                function.project(at)
                value = function.value(at)
                changes = changes or value != self.value
                first_order = np.abs(self.gradient * (at - x)).sum()
                rounding = 1e3 * EPS * max(largest, abs(value))
                fall = self.value - value
                if fall > max(first_order + rounding, drop):
                    drop, distance = fall, norm(at - x)
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
            f"it was {self.fun_path[0]:.3g}: the learning rate {self.eta_path[-1]:.3g} "
            "is too large. Use a smaller one, or learning_rate='auto'. The best point "
            "is kept."
        )

    def impatience(self, max_iter):
        """What to say of a run that ends before it has arrived."""
        said = (
            f"max_iter={max_iter} steps were not enough: the largest entry of the "
            f"gradient is {self.largest_gradient():.3g}"
        )
        if self.zigzags():
            return (
                f"{said}, and successive steps lead to and fro across a ravine. Use an "
                "optimizer with momentum, or one that scales each variable."
            )
        return (
            f"{said}. Increase max_iter, or the learning rate if progress is slow; a "
            "fun without a minimum falls without end."
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
