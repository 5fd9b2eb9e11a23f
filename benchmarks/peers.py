"""The peers: other ways to minimise the objective of objective.py, and their clock.

`default_peers` are the estimators that a user would take, at their defaults;
`peers_of` the solvers of the same objective, with the number of their iterations free.
"""

import importlib.util
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import (
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

import objective as ob

# Processor seconds of one thread are the wall time of a machine without other work.
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
_clock = CLOCKS["wall"]


def use_clock(name):
    """Let `clock` read the wall or the processor time from now on."""
    global _clock
    _clock = CLOCKS[name]


def clock():
    return _clock()


def timed_fit(model, X, y):
    """Seconds of a fit, and the messages of its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = clock()
        model.fit(X, y)
        seconds = clock() - start
    return seconds, [str(warning.message) for warning in caught]


def scaler_of(X):
    """The scaler that a user of a peer would take."""
    return MaxAbsScaler() if sp.issparse(X) else StandardScaler()


def coefficients(model):
    """Coefficients (n_outputs, n_features) and intercept of a fitted estimator."""
    coef = np.atleast_2d(model.coef_).astype(np.float64)
    return coef, np.atleast_1d(model.intercept_).astype(np.float64)


def in_raw_units(coef, intercept, scaler):
    """Coefficients for scaled X as those for raw X."""
    if scaler is None:
        return coef, intercept
    coef = coef / scaler.scale_
    if getattr(scaler, "mean_", None) is not None:
        intercept = intercept - coef @ scaler.mean_
    return coef, intercept


def default_peers(loss):
    """(name, estimator, scaled) of the peers at their defaults."""
    if loss == "poisson":
        models = [("PoissonRegressor", PoissonRegressor, (False, True))]
    elif loss == "log_loss":
        models = [
            (
                "SGDClassifier(log_loss)",
                lambda: SGDClassifier(loss="log_loss", random_state=0),
                (True,),
            ),
            ("LogisticRegression", LogisticRegression, (False, True)),
        ]
    else:
        models = [
            ("SGDRegressor", lambda: SGDRegressor(random_state=0), (True,)),
            ("Ridge", Ridge, (False, True)),
        ]
    for name, make, variants in models:
        for scaled in variants:
            yield f"{name} {'scaled' if scaled else 'raw'}", make(), scaled


# ------------------------------------------------------------ the same objective


@dataclass(frozen=True)
class Peer:
    """A way to minimise the same objective.

    Attributes
    ----------
    name : str
    fit : callable
        ``fit(X, y, n_iter) -> (seconds, coef, intercept, n_iter_made)``.
    scaled : bool
        Whether it sees scaled X; the scaler's time counts.
    iterative : bool
        Whether ``n_iter`` matters.
    flops : float
        Of one iteration, where that may exceed the time limit; else 0.
    """

    name: str
    fit: Callable
    scaled: bool = False
    iterative: bool = True
    flops: float = 0.0


def sklearn_fit(make):
    """`Peer.fit` of a scikit-learn estimator made by ``make(n_iter)``."""

    def fit(X, y, n_iter):
        model = make(n_iter)
        seconds, _ = timed_fit(model, X, y)
        made = getattr(model, "n_iter_", None)
        made = n_iter if made is None else int(np.max(made))
        return seconds, *coefficients(model), made

    return fit


def logistic_peers(case):
    n_samples, n_features = case.X.shape
    common = {"C": 1.0 / (ob.ALPHA * n_samples), "tol": 1e-12, "random_state": 0}

    def logistic(solver):
        return sklearn_fit(
            lambda n_iter: LogisticRegression(solver=solver, max_iter=n_iter, **common)
        )

    def sgd(n_iter):
        return SGDClassifier(
            loss="log_loss", alpha=ob.ALPHA, max_iter=n_iter, tol=None, random_state=0
        )

    unknowns = (n_features + 1) * case.n_outputs
    newton_flops = n_samples * unknowns**2 + unknowns**3 / 3
    yield Peer("lbfgs scaled", logistic("lbfgs"), scaled=True)
    yield Peer("lbfgs raw", logistic("lbfgs"))
    yield Peer("newton-cholesky raw", logistic("newton-cholesky"), flops=newton_flops)
    yield Peer("saga scaled", logistic("saga"), scaled=True)
    if case.n_outputs == 1:
        # For more classes SGD* fits one against the rest, another objective.
        yield Peer("SGD scaled", sklearn_fit(sgd), scaled=True)


def ridge_peers(case):
    alpha = ob.ALPHA * case.X.shape[0]

    def ridge(solver):
        return sklearn_fit(
            lambda n_iter: Ridge(
                alpha=alpha, solver=solver, max_iter=n_iter, tol=1e-12, random_state=0
            )
        )

    def sgd(n_iter):
        return SGDRegressor(alpha=ob.ALPHA, max_iter=n_iter, tol=None, random_state=0)

    sparse = sp.issparse(case.X)
    # What Ridge offers for sparse X with an intercept.
    solvers = ("sparse_cg", "lsqr", "sag") if sparse else ("lsqr", "sag", "saga")
    for scaled in (False, True):
        end = "scaled" if scaled else "raw"
        if not sparse:
            yield Peer(f"cholesky {end}", ridge("cholesky"), scaled, iterative=False)
        for solver in solvers:
            yield Peer(f"{solver} {end}", ridge(solver), scaled)
    yield Peer("SGD scaled", sklearn_fit(sgd), scaled=True)


def poisson_peers(case):
    def poisson(solver):
        return sklearn_fit(
            lambda n_iter: PoissonRegressor(
                alpha=ob.ALPHA, solver=solver, max_iter=n_iter, tol=1e-12
            )
        )

    for solver in ("lbfgs", "newton-cholesky"):
        yield Peer(f"{solver} raw", poisson(solver))
        yield Peer(f"{solver} scaled", poisson(solver), scaled=True)


def snapml_peers(case):
    """Snap ML's dual coordinate descent; it penalises its intercept a little."""
    import snapml

    if case.n_outputs > 1 or case.loss == "poisson":
        return
    n_samples = case.X.shape[0]
    kind = snapml.LogisticRegression if case.classes else snapml.LinearRegression

    def fit(X, y, n_iter):
        model = kind(
            regularizer=ob.ALPHA * n_samples, fit_intercept=True, max_iter=n_iter,
            tol=1e-12, random_state=0,
        )  # fmt: skip
        target = np.where(y == np.unique(y)[-1], 1.0, -1.0) if case.classes else y
        seconds, _ = timed_fit(model, X, target)
        return seconds, *coefficients(model), n_iter

    yield Peer("snapml scaled", fit, scaled=True)


def vw_peers(case):
    """Vowpal Wabbit on raw X, its adaptive normalised rule, from its binary cache.

    Writing and parsing the text is not counted. Without a penalty: VW's l2 shrinks the
    weights by its nominal learning rate, not by the adaptive one, and heads elsewhere.
    """
    from libraries.bench_vowpalwabbit import CONSTANT, Workspace, lines

    if case.n_outputs > 1:
        return
    bits = max(18, int(np.ceil(np.log2(case.X.shape[1]))) + 1)
    name = {"log_loss": "logistic", "poisson": "poisson"}.get(case.loss, "squared")
    folder = tempfile.TemporaryDirectory()

    def fit(X, y, n_iter):
        data = Path(folder.name) / "rows.txt"
        command = f"-d {data} --cache_file {data}.cache --holdout_off --quiet -b {bits}"
        command += f" --loss_function {name}"
        if not data.exists():
            target = np.where(y == np.unique(y)[-1], 1.0, -1.0) if case.classes else y
            with data.open("w") as file:
                file.writelines(lines(X, target))
            Workspace(f"{command} --passes 1").finish()
        start = clock()
        model = Workspace(f"{command} --passes {n_iter}")
        seconds = clock() - start
        coef = np.array([[model.get_weight(j) for j in range(X.shape[1])]])
        intercept = np.array([model.get_weight(CONSTANT)])
        model.finish()
        return seconds, coef, intercept, n_iter

    yield Peer("vw raw", fit)


OPTIONAL = {"snapml": snapml_peers, "vowpalwabbit": vw_peers}


def optional_peers(case):
    """Those of other packages that import here."""
    for module, make in OPTIONAL.items():
        if importlib.util.find_spec(module) is not None:
            yield from make(case)


def peers_of(case):
    """Every `Peer` for the loss of a case."""
    makers = {
        "log_loss": logistic_peers,
        "squared_error": ridge_peers,
        "poisson": poisson_peers,
    }
    yield from makers[case.loss](case)
    yield from optional_peers(case)


@dataclass
class Fitted:
    """A fitted peer: seconds, coefficients for its own X, that X and its scaler."""

    seconds: float
    coef: np.ndarray
    intercept: np.ndarray
    n_iter: int
    X: object
    scaler: object

    def raw(self):
        """Coefficients and intercept for raw X."""
        return in_raw_units(self.coef, self.intercept, self.scaler)


def fit_peer(case, peer, n_iter):
    """Fit a peer with at most ``n_iter`` iterations; its scaler's time counts."""
    X, scaler, extra = case.X, None, 0.0
    if peer.scaled:
        start = clock()
        scaler = scaler_of(X)
        X = scaler.fit_transform(X)
        extra = clock() - start
    seconds, coef, intercept, made = peer.fit(X, case.y, n_iter)
    return Fitted(seconds + extra, coef, intercept, made, X, scaler)
