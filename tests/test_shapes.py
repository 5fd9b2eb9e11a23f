"""Every batch method on every shape of data: at the optimum, or refused."""

import itertools
import warnings
from copy import copy

import numpy as np
import pytest
import scipy.sparse as sp
from conftest import BATCH_METHODS, takes
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from sklgd import GDClassifier, GDRegressor
from sklgd.losses import LOSSES
from sklgd.optimizers import OPTIMIZERS
from sklgd.penalties import PENALTIES

ALPHA = 0.05
SHAPES = {
    "60 x 3000": (60, 3000, False),
    "60 x 400": (60, 400, False),
    "80 x 4000 CSR": (80, 4000, True),
    "100 x 1": (100, 1, False),
    "600 x 5": (600, 5, False),
    "50 x 50": (50, 50, False),
}
# Loss and number of outputs or classes.
TASKS = [("squared_error", 1), ("squared_error", 2), ("log_loss", 1), ("log_loss", 3)]


def make_data(shape, loss, K):
    n, d, sparse = SHAPES[shape]
    rng = np.random.default_rng(n + d)
    if sparse:
        X = sp.random(n, d, 0.05, format="csr", rng=rng)
    else:
        X = rng.normal(size=(n, d)) * np.logspace(-1, 1, d)
    z = X[:, :10] @ np.ones(min(d, 10))
    z = (z - z.mean()) / z.std() + 0.3 * rng.normal(size=n)
    if loss == "squared_error":
        return X, z if K == 1 else np.column_stack([z, 1.0 - 2.0 * z])
    return X, np.digitize(z, np.quantile(z, np.arange(1, max(K, 2)) / max(K, 2)))


class Oracle:
    """F and its minimum by SciPy's L-BFGS-B, with the two signs of each coefficient."""

    def __init__(self, X, y, loss, K, penalty):
        self.X = X.toarray() if sp.issparse(X) else X
        self.y, self.loss, self.K = y, loss, K
        l1_ratio = {"l1": 1.0, "elasticnet": 0.5}.get(penalty, 0.0)
        alpha = 0.0 if penalty is None else ALPHA
        self.l1, self.l2 = alpha * l1_ratio, alpha * (1.0 - l1_ratio)

    def fit_term(self, w, b):
        """Mean loss and its gradients."""
        n, z = len(self.X), self.X @ w + b
        if self.loss == "squared_error":
            g = z - self.y.reshape(z.shape)
            value = 0.5 * (g**2).sum()
        elif self.K == 1:
            sign = 2.0 * self.y[:, None] - 1.0
            value = np.logaddexp(0.0, -sign * z).sum()
            g = -sign / (1.0 + np.exp(sign * z))
        else:
            z = z - z.max(axis=1, keepdims=True)
            log_p = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
            value, g = -log_p[np.arange(n), self.y].sum(), np.exp(log_p)
            g[np.arange(n), self.y] -= 1.0
        return value / n, self.X.T @ g / n, g.sum(axis=0) / n

    def __call__(self, w, b):
        penalty = self.l1 * np.abs(w).sum() + 0.5 * self.l2 * (w**2).sum()
        return self.fit_term(w, b)[0] + penalty

    def gradient(self, w, b):
        """Of all but the l1 penalty, with respect to w."""
        return self.fit_term(w, b)[1] + self.l2 * w

    def solve(self, w, b):
        """The minimum over the features that matter at w, where these suffice."""
        size = np.abs(self.gradient(w, b))
        kept = np.flatnonzero(((w != 0.0) | (size > 0.9 * self.l1)).any(axis=1))
        # No other coefficient can leave zero.
        rest = np.delete(size, kept, axis=0)
        assert (rest <= self.l1).all()
        part = copy(self)
        part.X = self.X[:, kept]
        return part.minimum()

    def minimum(self):
        shape = self.X.shape[1], self.K
        size, signs = shape[0] * shape[1], 1 + (self.l1 > 0.0)

        def split(t):
            w = t[:size] - t[size : 2 * size] if signs == 2 else t[:size]
            w, b = w.reshape(shape), t[signs * size :]
            value, g, g_b = self.fit_term(w, b)
            g = (g + self.l2 * w).ravel()
            value += self.l1 * t[: signs * size].sum() * (signs - 1)
            value += 0.5 * self.l2 * (w**2).sum()
            parts = [g + self.l1, self.l1 - g][:signs]
            return value, np.concatenate([*parts, g_b])

        low = 0.0 if signs == 2 else None
        bounds = [(low, None)] * (signs * size) + [(None, None)] * self.K
        options = {"maxiter": 1000, "maxfun": 10**5, "ftol": 1e-12, "gtol": 0.0}
        return minimize(
            split, np.zeros(len(bounds)), jac=True, method="L-BFGS-B", bounds=bounds,
            options=options,
        ).fun  # fmt: skip


@pytest.mark.exhaustive
@pytest.mark.parametrize("loss, K", TASKS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("penalty", ["l1", "elasticnet", "l2"])
def test_batch_methods_reach_the_optimum_whatever_the_shape_of_X(
    penalty, shape, loss, K
):
    """No method raises, and none ends above the optimum."""
    X, y = make_data(shape, loss, K)
    F = Oracle(X, y, loss, K, penalty)
    cls = GDRegressor if loss == "squared_error" else GDClassifier
    found = {}
    for optimizer in [*BATCH_METHODS, "auto"]:
        model = cls(
            loss, penalty=penalty, alpha=ALPHA, l1_ratio=0.5, optimizer=optimizer,
            tol=1e-6, max_iter=5000,
        )  # fmt: skip
        if not takes(optimizer, penalty):
            with pytest.raises(ValueError, match="Use optimizer='newton' or 'fista'"):
                model.fit(X, y)
            continue
        model.fit(X, y)
        found[optimizer] = np.atleast_2d(model.coef_).T, model.intercept_
    values = {optimizer: F(*at) for optimizer, at in found.items()}
    best = F.solve(*found[min(values, key=values.get)])
    unit = F(np.zeros((X.shape[1], K)), np.zeros(K))
    for optimizer, value in values.items():
        assert value <= best + 1e-4 * unit, optimizer


@pytest.mark.exhaustive
@pytest.mark.parametrize("shape", ["60 x 400", "80 x 4000 CSR", "100 x 1"])
@pytest.mark.parametrize("penalty", ["l1", "l2", None])
@pytest.mark.parametrize("optimizer", sorted(set(OPTIMIZERS) - set(BATCH_METHODS)))
def test_every_other_optimizer_takes_every_shape(optimizer, penalty, shape):
    """They end below the constant model, or say that they do not."""
    for loss, K in TASKS[1:3]:
        X, y = make_data(shape, loss, K)
        cls = GDRegressor if loss == "squared_error" else GDClassifier
        model = cls(loss, penalty=penalty, optimizer=optimizer, max_iter=10)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(X, y)
        assert np.isfinite(model.coef_).all()
        F = Oracle(X, y, loss, K, penalty)
        F.l1, F.l2 = (1e-4 * (v > 0.0) for v in (F.l1, F.l2))
        w = np.atleast_2d(model.coef_).T
        constant = cls(loss, penalty=penalty, alpha=1e6, optimizer="newton")
        constant.fit(np.zeros((X.shape[0], 1)), y)
        assert F(w, model.intercept_) <= F(0.0 * w, constant.intercept_) * (1 + 1e-9)


@pytest.mark.parametrize("optimizer", BATCH_METHODS)
def test_a_loss_with_a_trivial_minimum_is_refused(optimizer):
    """The perceptron's objective is zero at zero coefficients: these would be found."""
    X, y = make_data("100 x 1", "log_loss", 1)
    with pytest.raises(ValueError, match="minimum is at zero coefficients"):
        GDClassifier("perceptron", optimizer=optimizer).fit(X, y)


@pytest.mark.exhaustive
@pytest.mark.parametrize("penalty", ["l1", "l2", None])
@pytest.mark.parametrize("loss", ["squared_hinge", "hinge", "modified_huber"])
def test_fista_goes_on_beyond_rounding(loss, penalty):
    """Where F cannot fall any more, it stays, and the size of its steps with it."""
    for seed in range(4):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(200, 5))
        y = (X[:, 0] > 0).astype(int)
        model = GDClassifier(
            loss, optimizer="fista", penalty=penalty, tol=None, max_iter=800
        ).fit(X, y)
        curve = np.array(model.loss_curve_)
        assert np.isfinite(model.coef_).all()
        # (With a barrier, the objective that falls is the smoothed one.)
        if LOSSES[loss].smooth:
            assert curve[-1] <= curve.min() * (1 + 1e-9) + 1e-15


# ------------------------------------------------------- everything that is registered

TABLES = {
    "1 x 3": (1, 3, False),
    "30 x 1 CSR": (30, 1, True),
    "30 x 4": (30, 4, False),
    "8 x 3100 CSR": (8, 3100, True),
}
# Forms of y: one column, several columns or classes, labels of an indicator matrix.
FORMS = "one", "several", "labels"


def refusal(name, loss, penalty, signs, form):
    """Why the fit is refused, a regular expression; None if it is possible."""
    optimizer = OPTIMIZERS[name]
    if signs and form == "several" and loss.task == "classification":
        return "monotonic constraints are not supported for multiclass"
    if signs and optimizer.why_no_signs is not None:
        return "positive=True and monotonic_cst are not possible"
    if not takes(name, penalty):
        return "needs a smooth penalty"
    if loss.degenerate and optimizer.estimates_gap:
        return "minimum is at zero coefficients"
    if not loss.smooth and name in ("saga", "svrg"):
        return "needs a smooth loss"
    return None


@pytest.mark.exhaustive
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_what_is_registered_works_together_or_is_refused(
    optimizer, penalty, table, rng
):
    n, d, sparse = TABLES[table]
    X = rng.normal(size=(n, d)) * (rng.random((n, d)) < (0.3 if sparse else 1.0))
    X, labels = sp.csr_array(X) if sparse else X, np.arange(n) % 3
    # Every second case, half of them with signs; the others with other arguments.
    turn = [*PENALTIES].index(penalty) + [*TABLES].index(table)
    cases = list(itertools.product(LOSSES.values(), FORMS))[turn % 2 :: 2]
    for number, (loss, form) in enumerate(cases, start=turn // 2):
        # (Signs alone leave so many of 3100 coefficients that Newton's method takes
        # seconds.)
        signs = number % 2 == 0 and (d < 3000 or penalty not in ("l2", None))
        regresses = loss.task == "regression"
        if (n < 3 and not regresses) or (form == "labels" and not loss.classifies):
            continue
        y = labels + 1.0 if form == "one" else np.column_stack([labels + 1.0] * 2)
        cls = GDRegressor
        if form == "labels":
            y, cls = np.eye(3)[labels], GDClassifier
        elif not regresses:
            y, cls = (labels > 0 if form == "one" else labels), GDClassifier
        model = cls(
            loss.name, penalty=penalty, optimizer=optimizer, max_iter=2, positive=signs
        )
        if penalty is not None:
            model.set_params(alpha=0.1)
        why = refusal(optimizer, loss, penalty, signs, form)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ConvergenceWarning)
            if why is not None:
                with pytest.raises(ValueError, match=why):
                    model.fit(X, y)
                continue
            model.fit(X, y)
        assert np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all()
        assert not signs or (model.coef_ >= 0.0).all()
