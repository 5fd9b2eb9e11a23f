"""`minimize`: its parameters are read and checked here; `run.py` takes the steps."""

from inspect import signature
from numbers import Integral, Real

import numpy as np

from ..optimizers import OPTIMIZERS, Optimizer
from ..schedules import SCHEDULES, as_schedule
from .function import Function
from .learning_rate import Found, Scheduled
from .run import Run, Stopping

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
    moves to the closest point inside the bounds. The optimizers are those of the
    estimators, and follow their published formulas.

    Parameters
    ----------
    fun : callable
        Function to minimise. ``fun(x, *args)`` returns its value, a float, at x, a
        float64 array of shape (n,).
    x0 : array-like of shape (n,) or float
        Starting point. It is moved inside the bounds.
    args : tuple, default=()
        Further arguments of ``fun`` and ``jac``.
    jac : callable, True, None, "2-point" or "3-point", default=None
        Gradient. ``jac(x, *args)`` returns it in an array of shape (n,). True means
        that ``fun`` returns the pair (value, gradient). None and "2-point" mean forward
        differences (`scipy.optimize.approx_fprime`), which take n further values of
        ``fun`` per step; "3-point" means central differences, which take 2 n values.
    optimizer : str or Optimizer, default="sgd"
        Optimizer, given by name ("sgd", which is gradient descent, "momentum",
        "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "amsgrad", "nadam",
        "adamax", "ftrl") or as an object of `sklgd.optimizers`, such as
        ``Momentum(momentum=0.8)``.
    learning_rate : str, float, Schedule or callable, default="auto"
        Learning rate of each step. "auto" finds it during the run: after a step that
        lowers the function it is multiplied by 1.25; a step that does not is undone,
        the optimizer forgets its past gradients, and the learning rate is halved (the
        "bold driver" [1]_). The function then never increases. This needs values
        without noise. A float is a constant learning rate. A name ("constant",
        "invscaling", "adaptive", "linear", "cosine", "step", "exponential", "warmup")
        is a schedule that starts at ``eta0``. An object of `sklgd.schedules`, or any
        function of the step number 1, 2, ..., gives the learning rate of each step.
        With all of these the optimizer follows its published formula, whether the
        function falls or not.
    eta0 : float, default=None
        First learning rate of a schedule that is given by name.
    bounds : sequence of (lower, upper) or scipy.optimize.Bounds, default=None
        Limits of each variable. None stands for no limit.
    max_iter : int, default=1000
        Maximum number of steps.
    tol : float, default=None
        The run stops when no entry of the gradient is larger in absolute value. Entries
        that push against a bound do not count. None means 1e-5.
    xtol : float, default=0.0
        The run stops after ``n_iter_no_change`` steps in a row whose Euclidean length
        is at most ``xtol * max(1, |x|)``. 0 switches this criterion off.
    ftol : float, default=0.0
        The run stops after ``n_iter_no_change`` steps in a row that change the function
        by at most ``ftol * max(1, |f|)``. 0 switches this criterion off.
    n_iter_no_change : int, default=5
        Number of steps for ``xtol`` and ``ftol``, and number of steps without a new
        lowest value after which the schedule "adaptive" lowers its learning rate.
    callback : callable, default=None
        Function that is called after each step: ``callback(intermediate_result=...)``
        with an `OptimizeResult` (x, fun, jac, nit, nfev, njev, eta) if its parameter
        has this name, otherwise ``callback(x)``. It ends the run by raising
        StopIteration.
    store_path : bool, default=True
        Whether the points of the path are stored, which takes at most (max_iter + 1) n
        numbers.
    check_minimum : bool, default=True
        Whether the function is evaluated around a point at which the gradient is at
        most ``tol``. This distinguishes a minimum from a saddle point, a maximum or a
        plateau, and from a point that is far from the minimum in a variable of another
        scale. See Notes.
    verbose : int, default=0
        If 1, log a line per step to the logger "sklgd".
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
            The last point, or the best one after a failure (status 4 or 5).
        fun, jac : float, ndarray of shape (n,)
            Value and gradient at this point.
        path, fun_path : ndarrays of shape (nit + 1, n) and (nit + 1,)
            Points from x0 to the last, and their values.
        eta_path : ndarray of shape (nit,)
            Learning rates.
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
        If a parameter, a value of the function or a gradient is invalid.

    Notes
    -----
    The points of Nesterov's momentum are the look-ahead points, at which the gradient
    is evaluated.

    A gradient of zero does not distinguish a minimum from a saddle point. If the run
    ends at such a point, the function is evaluated at up to 40 points around it (4 with
    more than 1000 variables). The status is 6 if one of them is lower than a minimum
    allows. If the function has not changed at all, points farther away are evaluated,
    to find out whether it is a plateau. Then the variables with the largest gradients,
    at most 20, are moved along their gradients one after the other. The status is also
    6 if this lowers the function by much more than a gradient of ``tol`` allows. In
    many dimensions a direction in which the function falls can be missed.

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


def _start(x0):
    """A copy of x0 as a float64 vector."""
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
    usable = [name for name, cls in OPTIMIZERS.items() if cls.rule is not None]
    if not isinstance(optimizer, Optimizer) or optimizer.rule is None:
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
    named = SCHEDULES.get(learning_rate) if isinstance(learning_rate, str) else None
    if named is not None and "alpha" in named.parameters:
        raise ValueError(
            f"learning_rate={learning_rate!r} depends on the penalty alpha and the "
            "loss of an estimator; fun has none. Use 'auto', 'invscaling' or a number."
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
