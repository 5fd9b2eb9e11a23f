"""Data sets and helpers that several test files share."""

import ast
import functools
import gc
import itertools
import os
import pickle
import re
import zlib
from pathlib import Path

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
# Of a test that is marked so it takes as many. Each such test has others.
SOME_CASES = 3
# How a file says that all of its tests are exhaustive.
ALL_EXHAUSTIVE = re.compile(r"^pytestmark = (\[\s*)?pytest\.mark\.exhaustive\b", re.M)


def pytest_addoption(parser):
    parser.addoption(
        "--all-modes",
        action="store_true",
        help="run scikit-learn's checks for every loss in every mode",
    )


def pytest_configure(config):
    """Collect no garbage while modules are imported and tests are collected."""
    gc.disable()
    # The plugin of hypothesis imports hypothesis at the end, which takes a second.
    # All tests that use it are exhaustive.
    plugin = config.pluginmanager.get_plugin("hypothesispytest")
    if only_fast_tier(config) and plugin:
        config.pluginmanager.unregister(plugin)


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
        ids = [item.nodeid.partition("[")[2].removesuffix("]") for item in cases]
        left_out = [item.get_closest_marker("exhaustive") is not None for item in cases]
        for item, kept in zip(
            cases, in_fast_tier(cases[0], ids, left_out), strict=True
        ):
            if not kept:
                item.add_marker("exhaustive")


@pytest.hookimpl(wrapper=True)
def pytest_generate_tests(metafunc):
    """Make only the cases that the fast tier takes, where no others are asked for.

    They would be left out by their mark a moment later, but making them costs seconds.
    """
    yield
    cases = getattr(metafunc, "_calls", ())
    if only_fast_tier(metafunc.config) and len(cases) > 1:
        test = metafunc.definition
        whole = test.get_closest_marker("exhaustive") is not None
        marks = [any(mark.name == "exhaustive" for mark in c.marks) for c in cases]
        kept = in_fast_tier(test, [c.id for c in cases], [whole or m for m in marks])
        cases[:] = itertools.compress(cases, kept) if any(kept) else cases[:1]


def pytest_ignore_collect(collection_path, config):
    """Leave out files of exhaustive tests alone, and the imports of these files."""
    if only_fast_tier(config) and collection_path.suffix == ".py":
        named = {Path(arg.partition("::")[0]).resolve() for arg in config.args}
        text = collection_path.read_text(encoding="utf-8")
        if collection_path not in named and ALL_EXHAUSTIVE.search(text):
            return True
    return None


def only_fast_tier(config):
    return config.option.markexpr == "not exhaustive"


def in_fast_tier(test, ids, left_out):
    """True for each case of a test that the fast tier takes.

    ``left_out`` says which cases are exhaustive by a mark of their own.
    """
    one = len(ids) > 1 and test.get_closest_marker("one_case")
    few = len(ids) <= FEW_CASES or test.get_closest_marker("all_cases")
    if few and not one:
        return [not out for out in left_out]
    candidates = [name for name, out in zip(ids, left_out, strict=True) if not out]
    kept = in_fixed_order(candidates)[:1] if one else covering_ids(candidates)
    if test.get_closest_marker("some_cases"):
        kept = in_fixed_order(kept, test.nodeid.partition("[")[0])[:SOME_CASES]
    return [name in kept for name in ids]


def in_fixed_order(ids, salt=""):
    """Ids in an order that depends on nothing but them and the salt."""
    return sorted(ids, key=lambda name: zlib.crc32((salt + name).encode()))


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
