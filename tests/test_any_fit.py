"""Random fits: those of sparse rows are those of dense ones, and textbook."""

import os
from dataclasses import replace

import numpy as np
import pytest
from conftest import BATCH_METHODS, RULES, objective, takes
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from test_sparse_steps import (
    COURSES,
    FIELDS,
    RTOL,
    STORAGES,
    VARIANCE_REDUCED,
    Case,
    assert_textbook,
    by_fit,
    curves_agree,
    distance,
    estimator,
    warm_started,
)  # fmt: skip
from test_variance_reduced import (
    METHODS,
    PENALTIES,
    assert_sparse_is_dense,
    sparse_rows,
    targets,
)  # fmt: skip

from sklgd._solvers import variance_reduced
from sklgd.schedules import InvScaling

pytestmark = [
    pytest.mark.exhaustive,
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
]

# The random examples are others on every machine, except where results must repeat.
examples = settings(deadline=None, derandomize="CI" in os.environ)
CASES = st.builds(
    Case,
    shares=st.lists(st.just(0.0) | st.floats(1e-3, 3.0), max_size=8),
    **{name: st.sampled_from(values) for name, values in FIELDS.items()},
).filter(
    # A warm start sets out from coefficients that were rounded to the type of X.
    lambda case: case.course != "warm start" or case.dtype == "float64"
)


@pytest.fixture(scope="module", autouse=True)
def active_features_wherever_possible():
    """Small problems do not keep the compiled loop from its cheap steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklgd._fit.plan.MARGIN", 0)
        yield


@pytest.mark.parametrize("optimizer", RULES)
@given(case=CASES)
@settings(examples, max_examples=50)
def test_any_fit(optimizer, case):
    X, y, weight = case.problem()
    model = case.model(optimizer, len(y))

    def course(X):
        return COURSES[case.course](clone(model), X, y, weight, case.epochs)

    # Coefficients of float32 data are rounded when they are handed out.
    rtol = RTOL if case.dtype == "float64" else 3e-7
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklgd._solvers.rules.CHUNK_ROWS", case.call)
        patch.setattr("sklgd._fit.plan.MARGIN", case.margin)
        csr, dense = course(STORAGES[case.storage](X)), course(X)
    assert distance(csr, dense) < rtol
    assert curves_agree(csr, dense)
    assert (csr.t_, csr.stop_reason_) == (dense.t_, dense.stop_reason_)


@pytest.mark.parametrize("optimizer", VARIANCE_REDUCED)
@given(
    case=CASES,
    # CSR with more columns than this is not copied into a dense matrix.
    columns=st.sampled_from([0, 300]),
)
@settings(examples, max_examples=40)
def test_any_variance_reduced_fit(optimizer, case, columns):
    """SAGA, Point-SAGA and SVRG: the same with fewer courses and schedules."""
    X, y, weight = case.problem()
    assume(case.task != "hinge" or optimizer == "point_saga")
    # A step with the hinge ends on the jump; a run that starts there takes the slope on
    # one side or the other, as the last digit of a product has it.
    assume(case.task != "hinge" or case.course != "warm start")
    case = replace(case, average=False)
    if optimizer != "svrg" or case.batch_size == "full":
        case = replace(case, batch_size=1)
    course = by_fit if case.course != "warm start" else warm_started
    model = case.model(optimizer, len(y))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklgd._solvers.variance_reduced.MATRIX_COLUMNS", columns)
        csr = course(clone(model), STORAGES[case.storage](X), y, weight, case.epochs)
    dense = course(clone(model), X, y, weight, case.epochs)
    assert distance(csr, dense) < (RTOL if case.dtype == "float64" else 3e-7)
    assert curves_agree(csr, dense)


@pytest.mark.parametrize("optimizer", ["auto", *BATCH_METHODS])
@given(case=CASES)
@settings(examples, max_examples=25)
def test_any_fit_by_all_rows_ends_at_the_same_minimum(optimizer, case):
    """Methods that choose the length of each step need not take the same steps."""
    X, y, weight = case.problem()
    # Classes that some hyperplane separates have no minimum without a penalty.
    assume(case.penalty is not None or case.task in ("regression", "two targets"))
    assume(takes(optimizer, case.penalty))
    tol = 1e-4 if case.task == "hinge" else 1e-8
    model = estimator(
        case.task, optimizer=optimizer, penalty=case.penalty, alpha=case.alpha,
        fit_intercept=case.fit_intercept, tol=tol, max_iter=5000,
    )  # fmt: skip
    csr = clone(model).fit(STORAGES[case.storage](X), y, sample_weight=weight)
    dense = model.fit(X, y, sample_weight=weight)
    zero = np.zeros_like(dense.coef_), np.zeros_like(dense.intercept_)
    unit = objective(dense, X, y, coef=zero, weight=weight)
    ours, theirs = (objective(fit, X, y, weight=weight) for fit in (csr, dense))
    # Far more than tol: what is left to gain is an estimate.
    assert abs(ours - theirs) < (1e-3 if case.task == "hinge" else 1e-5) * unit


@pytest.mark.parametrize("optimizer", RULES)
@given(case=CASES)
@settings(examples, max_examples=5)
def test_any_fit_is_textbook(optimizer, case):
    assume(assert_textbook(optimizer, case))


@settings(examples, max_examples=150)
@given(
    method=st.sampled_from(METHODS),
    penalty=st.sampled_from(PENALTIES),
    alpha=st.sampled_from([1e-9, 1e-3, 0.03]),
    batch_size=st.sampled_from([1, 2, 7, 30]),
    eta=st.sampled_from([0.05, InvScaling(0.2), InvScaling(0.1, power_t=2.0)]),
    classes=st.booleans(),
    n_outputs=st.sampled_from([1, 3]),
    fit_intercept=st.booleans(),
    columns=st.sampled_from([0, 300]),
    d=st.sampled_from([5, 40, 301]),
    zeros=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_sparse_rows_give_the_dense_iterates(
    method, penalty, alpha, batch_size, eta, classes, n_outputs, fit_intercept, columns,
    d, zeros, seed,
):  # fmt: skip
    """Whether a step touches few features or all, and on both sides of `narrow`."""
    X = sparse_rows(seed, n=25, d=d, entries=2, zeros=zeros)
    y = targets(X, n_outputs, classes, seed)
    job = {"optimizer": method, "penalty": penalty, "alpha": alpha, "l1_ratio": 0.5}
    job |= {"fit_intercept": fit_intercept, "learning_rate": eta, "max_iter": 4}
    job["batch_size"] = batch_size if method == "svrg" else 1
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(variance_reduced, "MATRIX_COLUMNS", columns)
        assert_sparse_is_dense(X, y, "log_loss" if classes else "squared_error", **job)
