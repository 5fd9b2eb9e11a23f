"""Data sets and helpers that several test files share."""

import ast
import functools
import gc
import os
import pickle
import zlib

# Read when scipy is imported: lets scikit-learn run its array API checks, too.
os.environ.setdefault("SCIPY_ARRAY_API", "1")

import numpy as np
import pytest
import reference
from reference import LOSSES

from sklgd.optimizers import OPTIMIZERS, BatchOptimizer

# Optimizers that step along the gradient of a batch by a rule.
RULES = [name for name, cls in OPTIMIZERS.items() if cls.rule is not None]
# Optimizers that use all rows in every step.
BATCH_METHODS = [n for n, cls in OPTIMIZERS.items() if issubclass(cls, BatchOptimizer)]


# Up to so many cases of a test are all in the fast tier; of more it takes those that
# cover the values of each parameter.
FEW_CASES = 4


def pytest_addoption(parser):
    parser.addoption(
        "--all-modes",
        action="store_true",
        help="run scikit-learn's checks for every loss in every mode",
    )


def pytest_configure():
    """Collect no garbage while modules are imported and tests are collected."""
    gc.disable()


def pytest_collection_finish():
    """Take what was collected out of the garbage collection, which would follow it.

    Thousands of cases stay until the end; looking at all of them costs seconds.
    """
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each worker neighbouring tests, which share what is computed once."""
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark as exhaustive the cases that ``-m "not exhaustive"`` leaves out."""
    tests = {}
    for item in items:
        tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for cases in tests.values():
        one = len(cases) > 1 and cases[0].get_closest_marker("one_case")
        few = len(cases) <= FEW_CASES or cases[0].get_closest_marker("all_cases")
        if few and not one:
            continue
        ids = [item.callspec.id for item in cases if not is_exhaustive(item)]
        kept = set(in_fixed_order(ids)[:1]) if one else covering_ids(ids)
        for item in cases:
            if item.callspec.id not in kept:
                item.add_marker("exhaustive")


def is_exhaustive(item):
    return item.get_closest_marker("exhaustive") is not None


def in_fixed_order(ids):
    """Ids in an order that depends on nothing but the ids."""
    return sorted(ids, key=lambda name: zlib.crc32(name.encode()))


def covering_ids(ids):
    """Ids of some cases of a test in which each value of each parameter occurs.

    The id of a case is made of values with hyphens between them, such as
    "hinge-csr-l1". The case with the most values that no case before it has is next; of
    several the first in an order that depends on nothing but the ids.
    """
    values = {name: set(enumerate(name.split("-"))) for name in in_fixed_order(ids)}
    kept, left = set(), set().union(*values.values())
    while left:
        name = max(values, key=lambda name: len(values[name] & left))
        kept.add(name)
        left -= values.pop(name)
    return kept


@functools.cache
def parsed(path):
    """The syntax tree of a file of the package."""
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.lru_cache(maxsize=500)
def _result(twin, job):
    args, kwargs = pickle.loads(job)
    return twin(*args, **kwargs)


def remembered(twin, *args, **kwargs):
    """The arrays that a slow twin returns, which cases with the same job share.

    The storage of X, for example, makes no difference to a twin.
    """
    job = pickle.dumps((args, kwargs))
    return tuple(array.copy() for array in _result(twin, job))


def takes(optimizer, penalty):
    """True if an optimizer, given by its name or "auto", takes a penalty."""
    smooth = penalty in ("l2", None)
    return (
        smooth or optimizer == "auto" or not OPTIMIZERS[optimizer].needs_smooth_penalty
    )


def most_penalties(optimizer):
    """The elastic net, or l2 for an optimizer that takes no l1 penalty."""
    return "elasticnet" if takes(optimizer, "elasticnet") else "l2"


def make_problem(loss="squared_error", n=40, d=6, n_outputs=1, density=0.7, seed=0):
    """Dense X with exact zeros in it, and targets that suit the loss.

    Classes come as codes 0, 1, ...; n_outputs >= 3 makes as many classes. Two of the
    features carry no signal, so that an l1 penalty has something to remove.
    """
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, d)) * (rng.random((n, d)) < density)
    w = rng.normal(size=(d, n_outputs))
    w[-2:] = 0.0
    z = X @ w + 0.5
    if LOSSES[loss].task == "regression":
        if loss in ("poisson", "tweedie"):
            y = rng.poisson(np.exp(0.25 * z)).astype(float)
        elif loss == "gamma":
            y = np.exp(0.25 * z) * rng.gamma(3.0, 1 / 3.0, size=z.shape)
        else:
            y = z + 0.5 * rng.normal(size=z.shape)
        return X, y[:, 0] if n_outputs == 1 else y
    z = z + 0.5 * rng.logistic(size=z.shape)
    y = np.argmax(z, axis=1) if n_outputs > 1 else (z[:, 0] > 0.5).astype(int)
    # Every class occurs, whatever the seed.
    y[: max(n_outputs, 2)] = np.arange(max(n_outputs, 2))
    return X, y


def objective(model, X, y, coef=None, weight=None):
    """F by the oracle, at the model's coefficients or at given ones."""
    params = model.get_params()
    coef = (model.coef_, model.intercept_) if coef is None else coef
    return reference.objective(
        *(X, y, *coef),
        loss=model.loss,
        loss_params={k: params[k] for k in LOSSES[model.loss].params},
        penalty=model.penalty,
        alpha=model._alpha(),
        l1_ratio=model.l1_ratio,
        sample_weight=weight,
    )


@pytest.fixture
def rng():
    return np.random.default_rng(12345)
