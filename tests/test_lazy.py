"""Rules with sparse_update="lazy": other iterates, the same objective."""

import copy
import pickle

import numpy as np
import pytest
import reference
from conftest import make_problem, objective
from scipy import sparse
from sklearn.linear_model import ElasticNet
from sklearn.model_selection import GridSearchCV

from sklgd import GDClassifier, GDRegressor
from sklgd.optimizers import OPTIMIZERS, Adam

LAZY = [
    name for name, cls in OPTIMIZERS.items() if "sparse_update" in cls().get_params()
]


def lazy(optimizer, **parameters):
    return OPTIMIZERS[optimizer](sparse_update="lazy", **parameters)


def orders(n, epochs, seed=0):
    rng = np.random.RandomState(seed)
    return [rng.permutation(n) for _ in range(epochs)]


def test_who_is_lazy():
    assert LAZY == ["rmsprop", "adadelta", "adam", "amsgrad", "nadam", "adamax"]


@pytest.mark.parametrize("average", [False, 20])
@pytest.mark.parametrize("batch_size", [1, 6])
@pytest.mark.parametrize("penalty", [None, "l2", "l1", "elasticnet"])
@pytest.mark.parametrize("optimizer", LAZY)
def test_oracle(optimizer, penalty, batch_size, average):
    X, y = make_problem(n=40, d=9, density=0.15)
    model = GDRegressor(
        optimizer=lazy(optimizer, epsilon=1e-3), penalty=penalty, alpha=0.01,
        l1_ratio=0.4, batch_size=batch_size, learning_rate=0.02, max_iter=4, tol=None,
        random_state=0, average=average,
    ).fit(sparse.csr_array(X), y)  # fmt: skip
    coef, intercept = reference.descend(
        X, y, optimizer=optimizer, optimizer_params={"epsilon": 1e-3}, eta=0.02,
        penalty=penalty, alpha=0.01, l1_ratio=0.4, batch_size=batch_size, n_epochs=4,
        orders=orders(40, 4), average=average, lazy=True,
    )  # fmt: skip
    assert reference.distance(model.coef_, coef[0]) < 1e-9
    assert reference.distance(model.intercept_, intercept) < 1e-9


@pytest.mark.parametrize("optimizer", LAZY)
def test_other_iterates(optimizer):
    X, y = make_problem(n=40, d=9, density=0.15)
    settings = {"batch_size": 1, "learning_rate": 0.02, "max_iter": 3, "tol": None}
    settings |= {"random_state": 0}
    fits = [
        GDRegressor(optimizer=rule, **settings).fit(data, y)
        for rule, data in (
            (optimizer, sparse.csr_array(X)),
            (lazy(optimizer), sparse.csr_array(X)),
            (lazy(optimizer), X),
        )
    ]
    assert reference.distance(fits[0].coef_, fits[1].coef_) > 1e-4
    # On dense X, where a step touches everything, the rule is the textbook's.
    assert reference.distance(fits[0].coef_, fits[2].coef_) < 1e-12


@pytest.mark.parametrize("optimizer", LAZY)
def test_all_rows_at_once(optimizer):
    """A batch of all rows touches every feature there is."""
    X, y = make_problem(n=40, d=9, density=0.15)
    settings = {"batch_size": "full", "learning_rate": 0.02, "max_iter": 9, "tol": None}
    one, other = (
        GDRegressor(optimizer=rule, **settings).fit(sparse.csr_array(X), y)
        for rule in (optimizer, lazy(optimizer))
    )
    assert np.array_equal(one.coef_, other.coef_)


@pytest.mark.exhaustive
@pytest.mark.parametrize("l1_ratio", [0.0, 0.5])
@pytest.mark.parametrize("optimizer", ["rmsprop", "adam", "amsgrad", "nadam", "adamax"])
def test_one_optimum(optimizer, l1_ratio):
    """Rare features bear the documented penalty, not their share of it.

    With the plain penalty in the steps that touch a feature the gap would be 1e-2.
    """
    rng = np.random.default_rng(0)
    share = np.array([0.9, 0.5, 0.2, 0.1, 0.05])
    X = (rng.random((400, 5)) < share).astype(float)
    y = X @ np.array([1.0, -1.0, 1.0, 1.0, -1.0]) + 0.01 * rng.normal(size=400)
    settings = {"penalty": "elasticnet", "l1_ratio": l1_ratio, "alpha": 0.02}
    model = GDRegressor(
        optimizer=lazy(optimizer), batch_size=4, learning_rate="cosine", eta0=0.02,
        max_iter=300, tol=None, random_state=0, **settings,
    ).fit(sparse.csr_array(X), y)  # fmt: skip
    w = ElasticNet(alpha=0.02, l1_ratio=l1_ratio, tol=1e-12, max_iter=10**5)
    w = w.fit(X, y).coef_
    best = objective(model, X, y, (w, y.mean() - X.mean(axis=0) @ w))
    gap = (objective(model, X, y) - best) / (0.5 * y.var() - best)
    assert gap < 2e-4


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop"])
def test_frequencies_of_a_stream(optimizer):
    """Shares are those of all rows seen; copies and pickles go on alike."""
    X, y = make_problem(n=60, d=9, density=0.15)
    X = sparse.csr_array(X)
    settings = {"optimizer": lazy(optimizer), "alpha": 0.05, "batch_size": 5}
    settings |= {"learning_rate": 0.02, "random_state": 0, "tol": None}
    fitted = GDRegressor(max_iter=2, **settings).fit(X, y)
    model = GDRegressor(**settings).partial_fit(X, y)
    twins = [copy.deepcopy(model), pickle.loads(pickle.dumps(model)), model]
    for twin in twins:
        twin.partial_fit(X, y)
        assert np.array_equal(twin.coef_, fitted.coef_)
    # Rows in which the first feature is rare make its penalty per step larger.
    rare = sparse.csr_array(X.toarray() * (np.arange(9) > 0))
    other = GDRegressor(**settings).partial_fit(rare, y)
    assert other.partial_fit(X, y).coef_[0] != 0.0


def test_found_learning_rate():
    """With learning_rate="auto" the rule runs in scaled coordinates."""
    X, y = make_problem("log_loss", n=300, d=30, density=0.05)
    X = sparse.csr_array(X * 10.0 ** np.arange(-3, 3).repeat(5))
    model = GDClassifier(
        optimizer=lazy("adam"), batch_size=1, alpha=1e-3, max_iter=60, random_state=0
    ).fit(X, y)
    exact = GDClassifier(alpha=1e-3).fit(X, y)
    null = np.log(2.0)
    best = objective(exact, X.toarray(), y)
    assert objective(model, X.toarray(), y) - best < 0.05 * (null - best)


def test_it_is_a_parameter():
    X, y = make_problem(n=40, d=9, density=0.15)
    grid = {"optimizer__sparse_update": ["exact", "lazy"]}
    model = GDRegressor(optimizer=Adam(), learning_rate=0.05, max_iter=50)
    search = GridSearchCV(model, grid, cv=2)
    search.fit(sparse.csr_array(X), y)
    assert search.best_params_["optimizer__sparse_update"] in ("exact", "lazy")
    with pytest.raises(ValueError, match="got 'sloth'"):
        GDRegressor(optimizer=Adam(sparse_update="sloth")).fit(X, y)
