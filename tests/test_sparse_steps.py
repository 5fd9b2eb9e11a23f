"""Steps on rows with few non-zeros are those on the same rows stored densely.

Whatever the compiled loop saves on coordinates that a batch passes by, the iterates are
those of the dense step to rounding: 1e-8 relative, after any number of epochs.
"""

import copy
import pickle
import random
from dataclasses import dataclass, replace

import numpy as np
import pytest
import reference
from conftest import RULES, objective
from scipy import sparse
from sklearn.base import clone
from test_dense_vs_csr import duplicated, unsorted, widened, with_stored_zeros

from sklgd import GDClassifier, GDRegressor
from sklgd._fit.plan import moves_by_features
from sklgd.optimizers import OPTIMIZERS
from sklgd.penalties import ElasticNet
from sklgd.schedules import (
    Adaptive,
    Cosine,
    Exponential,
    InvScaling,
    Linear,
    Schedule,
    Step,
    WarmUp,
)

# Few epochs are enough here.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module", autouse=True)
def active_features_wherever_possible():
    """Small problems do not keep the compiled loop from its cheap steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklgd._fit.plan.MARGIN", 0)
        yield


RTOL = 1e-8
PENALTIES = [None, "l2", "l1", "elasticnet"]
TASKS = ["regression", "two targets", "binary", "softmax", "hinge"]
VARIANCE_REDUCED = list(reference.VARIANCE_REDUCED)
# A step that suits the problems below, and the parameters of each rule: its defaults,
# the ends of their range and others. (Defaults for a rule that is not listed.)
ETA = {"sgd": 0.03, "adagrad": 0.2, "adadelta": 1.0, "ftrl": 0.2}
DECAYS = [{}, {"beta_1": 0.0}, {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}]
PARAMETERS = {
    "sgd": [{}],
    "momentum": [{}, {"momentum": 0.0}, {"momentum": 0.99}],
    "nesterov": [{}, {"momentum": 0.0}, {"momentum": 0.99}],
    "adagrad": [{}, {"epsilon": 1e-3, "initial_accumulator": 0.5}],
    "rmsprop": [{}, {"epsilon": 0.1}, {"rho": 0.0, "epsilon": 0.1}, {"rho": 0.99}],
    "adadelta": [{}, {"rho": 0.0, "epsilon": 1e-3}, {"rho": 0.9, "epsilon": 1e-4}],
    "adam": [*DECAYS, {"epsilon": 0.1}],
    "amsgrad": [*DECAYS, {"epsilon": 0.1}],
    "nadam": [*DECAYS, {"epsilon": 0.1}],
    "adamax": [*DECAYS, {"epsilon": 0.1}],
    "ftrl": [{}, {"beta": 0.1}],
} | {name: [{}] for name in VARIANCE_REDUCED}
# Near a minimiser these rules divide a gradient near zero by its own size, and their
# coordinates circle it chaotically: two runs that differ in the last digit of X part
# ways. A larger epsilon damps that, as in test_optimizers.
DAMPED = {
    name: {"epsilon": 0.1} for name in ("rmsprop", "adam", "amsgrad", "nadam", "adamax")
}


# ------------------------------------------------------------------------ problems


def sparse_problem(kind, task="regression", seed=0, n=None):
    """Dense X with few non-zeros, and targets.

    tall      more rows than features, half of the entries are zero
    wide      more features than rows
    gaps      features that occur in the first and in the last row only, in the first
              three rows, or once in the middle; the other rows have three entries
    full row  the same with one row in the middle that has every feature

    All of them have rows without entries and features that never occur. The values are
    normal, so that no row lands on a jump of the hinge.
    """
    rng = np.random.default_rng(seed)
    default_n, d, density = {"tall": (45, 6, 0.5), "wide": (20, 130, 0.03)}.get(
        kind, (110, 70, 0.0)
    )
    n = n or default_n
    X = rng.normal(size=(n, d))
    mask = rng.random((n, d)) < density
    if density == 0.0:
        mask[np.arange(n)[:, None], rng.integers(8, d, size=(n, 3))] = True
        mask[:, :8] = False
        mask[[0, -1], :3] = True
        mask[:3, 3:5] = True
        mask[n // 2, 5] = True
    empty = [n // 3, n // 3 + 1, n - 2]
    mask[empty] = False
    if kind == "full row":
        mask[n // 2] = True
    mask[:, d - 1] = False
    X *= mask
    z = X @ rng.normal(size=(d, 3)) + rng.normal(size=3)
    if task == "regression":
        return X, z[:, 0]
    if task == "two targets":
        return X, z[:, :2]
    if task == "binary":
        y = (z[:, 0] > 0.3).astype(int)
        y[:2] = 0, 1
        return X, y
    y = np.argmax(z, axis=1)
    y[:3] = 0, 1, 2
    return X, y


def estimator(task, **parameters):
    parameters = {"tol": None, "random_state": 0, "l1_ratio": 0.4} | parameters
    if task in ("regression", "two targets"):
        return GDRegressor(**parameters)
    return GDClassifier(loss="hinge" if task == "hinge" else "log_loss", **parameters)


class Jumpy(Schedule):
    """Learning rates without any order, zeros among them."""

    def __init__(self, eta0=0.01, shares=(1.0,)):
        self.eta0 = eta0
        self.shares = shares

    def eta(self, t):
        steps = np.asarray(t).astype(int) - 1
        return self.eta0 * np.array(self.shares)[steps % len(self.shares)]


class Listed:
    """The same as a user's function."""

    def __init__(self, eta0, shares):
        self.eta0, self.shares = eta0, shares

    def __call__(self, t):
        return self.eta0 * self.shares[(t - 1) % len(self.shares)]


def schedules(eta0, shares, n_steps):
    """Estimators' parameters for each schedule."""
    objects = {
        "constant": eta0,
        "invscaling": InvScaling(eta0, power_t=0.3),
        "adaptive": Adaptive(eta0),
        "linear": Linear(eta0, total_steps=n_steps),
        "cosine": Cosine(eta0, total_steps=n_steps),
        "step": Step(eta0, every=max(1, n_steps // 5)),
        "exponential": Exponential(eta0, every=max(1, n_steps // 3)),
        "warm-up": WarmUp(eta0, steps=max(1, n_steps // 2)),
        "warm-up cosine": WarmUp(Cosine(eta0, total_steps=n_steps), steps=10),
        "jumpy": Jumpy(eta0, shares),
        "function": Listed(eta0, shares),
    }
    return {name: {"learning_rate": value} for name, value in objects.items()} | {
        "named": {"learning_rate": "invscaling", "eta0": eta0, "power_t": 0.5},
    }


SCHEDULES = list(schedules(0.01, (1.0,), 10))


def n_batches(n_rows, batch_size):
    return 1 if batch_size == "full" else -(-n_rows // batch_size)


# ------------------------------------------------------------------------- courses


def by_fit(model, X, y, weight, epochs):
    return model.set_params(max_iter=epochs).fit(X, y, sample_weight=weight)


def learn(model, X, y, weight):
    if isinstance(model, GDClassifier):
        return model.partial_fit(X, y, classes=np.unique(y), sample_weight=weight)
    return model.partial_fit(X, y, sample_weight=weight)


def in_calls(model, X, y, weight, epochs):
    for _ in range(epochs):
        learn(model, X, y, weight)
    return model


def in_chunks(model, X, y, weight, epochs):
    """The rows come in two parts of different sizes, labels of all classes in each."""
    parts = np.arange(len(y)) % 3 == 0
    classes = {"classes": np.unique(y)} if isinstance(model, GDClassifier) else {}
    for _ in range(epochs):
        for rows in (np.flatnonzero(parts), np.flatnonzero(~parts)):
            part = None if weight is None else weight[rows]
            model.partial_fit(X[rows], y[rows], sample_weight=part, **classes)
    return model


def pickled(model, X, y, weight, epochs):
    model = in_calls(model, X, y, weight, 1)
    model = pickle.loads(pickle.dumps(model))
    in_calls(model, X, y, weight, 1)
    return in_calls(copy.deepcopy(model), X, y, weight, epochs)


def warm_started(model, X, y, weight, epochs):
    """Two fits from coefficients that are zero nowhere, not even where no row is."""
    if isinstance(model, GDClassifier):
        n_outputs = len(np.unique(y)) if len(np.unique(y)) > 2 else 1
    else:
        n_outputs = y.size // len(y)
    start = np.linspace(-0.3, 0.5, n_outputs * X.shape[1]).reshape(n_outputs, -1)
    model.set_params(max_iter=epochs, warm_start=True)
    model.fit(X, y, sample_weight=weight, coef_init=start)
    return model.fit(X, y, sample_weight=weight)


COURSES = {
    "fit": by_fit,
    "partial_fit": in_calls,
    "chunks": in_chunks,
    "pickled": pickled,
    "warm start": warm_started,
}
STORAGES = {
    "csr_array": sparse.csr_array,
    "csr_matrix": sparse.csr_matrix,
    "int64": widened,
    "unsorted": unsorted,
    "duplicates": duplicated,
    "stored zeros": with_stored_zeros,
}


# ----------------------------------------------------------------------- judgement


def published(optimizer):
    """The parameters that the oracle knows, too."""
    return {k: v for k, v in optimizer.get_params().items() if k != "sparse_update"}


def numbers(model):
    """Coefficients and intercepts in one array."""
    return np.column_stack(reference.iterate(model))


def distance(one, other):
    """Largest difference of two models, relative to the largest entry."""
    a, b = numbers(one), numbers(other)
    assert a.shape == b.shape
    assert np.isfinite(a).all()
    return np.abs(a - b).max() / max(np.abs(b).max(), 1e-8)


def curves_agree(one, other, rtol=RTOL):
    return one.n_iter_ == other.n_iter_ and one.loss_curve_ == pytest.approx(
        other.loss_curve_, rel=rtol, abs=1e-12
    )


def assert_same(one, other, rtol=RTOL):
    assert distance(one, other) < rtol
    assert curves_agree(one, other, rtol)
    assert one.t_ == other.t_
    assert one.stop_reason_ == other.stop_reason_


# ------------------------------------------------------------------ any fit at all


@dataclass
class Case:
    """Data, a model and a course of training."""

    task: str
    kind: str
    seed: int
    dtype: str
    storage: str
    penalty: str
    alpha: float
    schedule: str
    shares: list
    batch_size: int
    average: int
    fit_intercept: bool
    weighted: bool
    shuffle: bool
    course: str
    epochs: int
    # Rows that the compiled loop takes in a call.
    call: int
    # Which of the rule's parameters.
    choice: int
    # 0: features make lagged steps in whatever batch; 1: where that is cheaper.
    margin: float

    def problem(self):
        X, y = sparse_problem(self.kind, self.task, self.seed)
        weight = None
        if self.weighted:
            rng = np.random.default_rng(self.seed)
            weight = rng.random(len(y)) * (rng.random(len(y)) < 0.8)
            weight[:4] = 1.0
        return X.astype(self.dtype), y, weight

    def model(self, optimizer, n_samples):
        choices = PARAMETERS.get(optimizer, [{}])
        params = choices[self.choice % len(choices)]
        eta0 = ETA.get(optimizer, 0.01)
        eta0 *= 0.1 if params.get("momentum") == 0.99 else 1.0
        n_steps = 3 * n_batches(n_samples, self.batch_size)
        return estimator(
            self.task,
            optimizer=OPTIMIZERS[optimizer](**params),
            penalty=self.penalty,
            alpha=self.alpha,
            batch_size=self.batch_size,
            average=self.average,
            fit_intercept=self.fit_intercept,
            shuffle=self.shuffle,
            **schedules(eta0, [1.0, *self.shares], n_steps)[self.schedule],
        )


# The values of each field of a case, of which some are drawn more often.
FIELDS = {
    "task": TASKS,
    "kind": ["tall", "wide", "gaps", "full row"],
    "seed": range(10_000),
    "dtype": ["float64", "float64", "float32"],
    "storage": list(STORAGES),
    "penalty": PENALTIES,
    "alpha": [0.002, 0.03, 0.3],
    "schedule": SCHEDULES,
    "batch_size": [1, 1, 2, 7, "full"],
    "average": [False, False, True, 60],
    "fit_intercept": [False, True],
    "weighted": [False, True],
    "shuffle": [False, True],
    "course": list(COURSES),
    "epochs": [1, 2, 3, 4],
    "call": [65536, 65536, 24],
    "choice": range(12),
    "margin": [0.0, 0.0, 1.0],
}


def drawn(rng):
    """A case at random."""
    values = {name: rng.choice(values) for name, values in FIELDS.items()}
    return Case(shares=[0.0, 0.0, 3.0, 0.3, 0.001][: rng.randrange(6)], **values)


def assert_textbook(optimizer, case):
    """The same steps by the formulas of the papers; False if they diverge."""
    case = replace(case, dtype="float64", shuffle=False)
    X, y, weight = case.problem()
    model = case.model(optimizer, len(y)).set_params(max_iter=case.epochs)
    model.fit(STORAGES[case.storage](X), y, sample_weight=weight)
    if model.stop_reason_ == "diverged":
        return False
    schedule = model.learning_rate_

    coef, intercept = reference.descend(
        X,
        y,
        loss=model.loss,
        optimizer=optimizer,
        optimizer_params=published(model.optimizer),
        eta=lambda t: float(schedule.eta(np.array([t]))[0]),
        penalty=case.penalty,
        alpha=case.alpha,
        l1_ratio=model.l1_ratio,
        batch_size=case.batch_size,
        n_epochs=case.epochs,
        sample_weight=weight,
        fit_intercept=case.fit_intercept,
        average=case.average,
    )
    expected = np.column_stack([coef, intercept])
    # With a strong l1 penalty all of them may be zero.
    scale = max(np.abs(expected).max(), 1e-8)
    assert np.abs(numbers(model) - expected).max() < RTOL * scale
    return True


@pytest.mark.parametrize("optimizer", RULES)
def test_any_fit_is_textbook(optimizer):
    rng = random.Random(0)
    assert sum(assert_textbook(optimizer, drawn(rng)) for _ in range(3)) > 1


# -------------------------------------------------------------- which steps are cheap

# Rules whose missed steps have an exact form with any penalty; the others have one
# without l2. The sum of FTRL's steps, for an average, has none with a penalty.
ANY_PENALTY = ["sgd", "momentum", "nesterov", "adagrad", "ftrl"]
WORTHWHILE = [
    (optimizer, penalty, average)
    for optimizer in RULES
    if OPTIMIZERS[optimizer]().price(ElasticNet(), True, False, True) < np.inf
    for penalty in (PENALTIES if optimizer in ANY_PENALTY else [None, "l1"])
    for average in (False, True)
    if not (optimizer == "ftrl" and penalty and average)
]


@pytest.mark.some_cases
@pytest.mark.parametrize("batch_size", [1, 4])
@pytest.mark.parametrize(("optimizer", "penalty", "average"), WORTHWHILE)
def test_active_features_only(optimizer, penalty, average, batch_size, monkeypatch):
    """No step of the size of the model where there is an exact form without."""
    monkeypatch.setattr("sklgd._fit.plan.MARGIN", 1.0)
    answers = []

    def asked(*args, **kwargs):
        answers.append(moves_by_features(*args, **kwargs))
        return answers[-1]

    monkeypatch.setattr("sklgd._solvers.rules.moves_by_features", asked)
    rng = np.random.default_rng(0)
    # Three entries in a row, one in a column.
    X = sparse.csr_array(
        (rng.normal(size=999), rng.permutation(999), range(0, 1000, 3))
    )
    y = rng.normal(size=333)
    model = model_of(optimizer, penalty, average=average, batch_size=batch_size)
    model.set_params(max_iter=2, learning_rate=0.01).fit(X, y)
    assert answers and all(answers)
    answers.clear()
    model.set_params(batch_size="full").fit(X, y)
    assert not any(answers)


# ----------------------------------------------------------------------- long gaps


@pytest.mark.exhaustive
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("optimizer", RULES)
def test_gap_of_two_thousand_steps(optimizer, penalty):
    """Features of the first rows that come again in the last row, or never."""
    X, y = sparse_problem("gaps", n=2000)
    params = DAMPED.get(optimizer, {}) if penalty else {}
    eta0, settings = ETA.get(optimizer, 0.01), {"penalty": penalty, "alpha": 0.003}
    models = [
        estimator(
            "regression",
            optimizer=OPTIMIZERS[optimizer](**params),
            learning_rate=InvScaling(eta0, power_t=0.2),
            shuffle=False,
            batch_size=1,
            max_iter=1,
            **settings,
        ).fit(storage(X), y)
        for storage in (np.asarray, sparse.csr_array)
    ]
    coef, intercept = reference.descend(
        X,
        y,
        optimizer=optimizer,
        optimizer_params=params,
        eta=lambda t: eta0 / t**0.2,
        l1_ratio=0.4,
        **settings,
    )
    for model in models:
        assert reference.distance(reference.iterate(model)[0], coef) < RTOL
        assert reference.distance(reference.iterate(model)[1], intercept) < RTOL
        assert np.array_equal(reference.iterate(model)[0] == 0, coef == 0)
    # The gap matters: without its steps the coefficients of rows 0 to 2 would differ.
    first = clone(models[0]).fit(X[:3], y[:3])
    if penalty is not None or optimizer in ("momentum", "nesterov"):
        assert np.abs(first.coef_[3:5] - coef[0, 3:5]).max() > 1e-3


@pytest.mark.exhaustive
@pytest.mark.parametrize("task", ["two targets", "softmax", "hinge"])
@pytest.mark.parametrize("batch_size", [1, 2, 7])
@pytest.mark.parametrize("optimizer", RULES)
def test_long_runs_of_several_outputs(optimizer, batch_size, task):
    """Several hundred steps to several thousand, under a schedule with jumps."""
    X, y = sparse_problem("gaps", task, n=2000)
    model = estimator(
        task,
        optimizer=OPTIMIZERS[optimizer](**DAMPED.get(optimizer, {})),
        penalty="elasticnet",
        alpha=0.003,
        learning_rate=Jumpy(ETA.get(optimizer, 0.01), (1.0, 0.0, 0.3, 2.0, 0.0, 0.0)),
        batch_size=batch_size,
        average=1000,
        max_iter=2,
    )
    dense = clone(model).fit(X, y)
    assert_same(clone(model).fit(sparse.csr_array(X), y), dense)
    assert np.abs(dense.coef_).max() > 1e-2


@pytest.mark.all_cases
@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("optimizer", RULES)
def test_batches_without_entries(optimizer, penalty):
    """Only the intercept has a gradient, and penalty and momentum go on."""
    rng = np.random.default_rng(0)
    X = np.zeros((90, 40))
    X[:3, :10] = rng.normal(size=(3, 10))
    X[-1, 5:20] = rng.normal(size=15)
    y = X @ rng.normal(size=40) + 1.0
    model = estimator(
        "regression",
        optimizer=OPTIMIZERS[optimizer](**(DAMPED.get(optimizer, {}))),
        penalty=penalty,
        alpha=0.05,
        learning_rate=ETA.get(optimizer, 0.02),
        batch_size=2,
        shuffle=False,
        max_iter=3,
    )
    dense = clone(model).fit(X, y)
    assert_same(clone(model).fit(sparse.csr_array(X), y), dense)
    assert np.all(dense.coef_[20:] == 0)


@pytest.mark.some_cases
@pytest.mark.parametrize("optimizer", RULES)
def test_steps_of_size_zero(optimizer):
    """Nothing but what a rule's memory still has to say."""
    X, y = sparse_problem("gaps")
    model = estimator(
        "regression",
        optimizer=optimizer,
        penalty="elasticnet",
        alpha=0.01,
        learning_rate=Jumpy(ETA.get(optimizer, 0.01), (1.0,) * 40 + (0.0,) * 1000),
        batch_size=1,
        max_iter=4,
    )
    dense = clone(model).fit(X, y)
    assert_same(clone(model).fit(sparse.csr_array(X), y), dense)


# ------------------------------------------------------------------ lagged steps done

STATEFUL = [
    (optimizer, penalty) for optimizer in RULES for penalty in (None, "elasticnet")
]


def model_of(optimizer, penalty, task="regression", **more):
    return estimator(
        task,
        optimizer=OPTIMIZERS[optimizer](**DAMPED.get(optimizer, {})),
        penalty=penalty,
        alpha=0.01,
        learning_rate=InvScaling(ETA.get(optimizer, 0.01), power_t=0.2),
        **{"batch_size": 2} | more,
    )


@pytest.mark.some_cases
@pytest.mark.parametrize(("optimizer", "penalty"), STATEFUL)
@pytest.mark.parametrize("average", [False, 150])
@pytest.mark.parametrize("task", ["regression", "softmax"])
def test_every_epoch_ends_with_all_lagged_steps_made(optimizer, penalty, average, task):
    """Objective and score of epoch e are those of the coefficients after e epochs."""
    X, y = sparse_problem("gaps", task)
    A, rows = sparse.csr_array(X), slice(60, None)
    model = model_of(optimizer, penalty, task, average=average)
    whole = clone(model).set_params(max_iter=4).fit(A, y, X_val=A[rows], y_val=y[rows])
    for epochs in (1, 2, 4):
        part = clone(model).set_params(max_iter=epochs).fit(A, y)
        F = objective(part, X, y)
        assert part.loss_curve_[-1] == pytest.approx(F, rel=1e-10)
        if epochs < 4:
            # Only what is reported at the end has the zeros of the l1 penalty.
            coef, intercept = reference.iterate(part)
            part.coef_ = coef.reshape(part.coef_.shape)
            part.intercept_ = intercept.reshape(np.shape(part.intercept_))
        F = objective(part, X, y)
        assert whole.loss_curve_[epochs - 1] == pytest.approx(F, rel=1e-10)
        score = part.score(X[rows], y[rows])
        assert whole.validation_scores_[epochs - 1] == pytest.approx(score, rel=1e-9)
    np.testing.assert_array_equal(part.coef_, whole.coef_)


@pytest.mark.some_cases
@pytest.mark.parametrize(("optimizer", "penalty"), STATEFUL)
def test_every_call_ends_with_all_lagged_steps_made(optimizer, penalty):
    """`partial_fit` hands out true coefficients, and goes on from them."""
    X, y = sparse_problem("gaps")
    A = sparse.csr_array(X)
    ours, theirs = (model_of(optimizer, penalty) for _ in range(2))
    # Features of the first chunk are in no row of the ones that follow.
    for rows in (slice(0, 5), slice(5, 60), slice(60, 100), slice(20, 90)):
        ours.partial_fit(A[rows], y[rows])
        theirs.partial_fit(X[rows], y[rows])
        assert_same(ours, theirs)
        assert ours.loss_curve_[-1] == pytest.approx(
            objective(ours, X[rows], y[rows]), rel=1e-10
        )
        before, kept = ours.coef_, ours.coef_.copy()
        ours, copied = copy.deepcopy(ours), ours
        restored = pickle.loads(pickle.dumps(ours))
        for twin in (copied, restored):
            twin.partial_fit(A[40:80], y[40:80])
        np.testing.assert_array_equal(copied.coef_, restored.coef_)
        # A twin's steps are not its copy's, nor those of coefficients handed out.
        np.testing.assert_array_equal(before, kept)
        np.testing.assert_array_equal(ours.coef_, kept)
    assert np.abs(theirs.coef_).max() > 1e-2


class Interruptible(Schedule):
    """A learning rate that Ctrl-C can hit at a given step."""

    def __init__(self, eta0=0.01):
        self.eta0 = eta0

    at = np.inf

    def eta(self, t):
        if np.max(t) > Interruptible.at:
            raise KeyboardInterrupt
        return np.full(len(t), self.eta0)


@pytest.mark.some_cases
@pytest.mark.parametrize(("optimizer", "penalty"), STATEFUL)
@pytest.mark.parametrize("average", [False, True])
def test_interrupted_call(optimizer, penalty, average, monkeypatch):
    """Ctrl-C between two calls of the compiled loop, in the middle of an epoch."""
    monkeypatch.setattr("sklgd._solvers.rules.CHUNK_ROWS", 8)
    X, y = sparse_problem("gaps")
    models = []
    for storage in (np.asarray, sparse.csr_array):
        model = model_of(optimizer, penalty, batch_size=1, average=average)
        model.set_params(learning_rate=Interruptible(ETA.get(optimizer, 0.01)))
        in_calls(model, storage(X), y, None, 2)
        before = model.coef_.copy()
        monkeypatch.setattr(Interruptible, "at", 2 * len(y) + 50)
        with pytest.raises(KeyboardInterrupt):
            model.partial_fit(storage(X), y)
        np.testing.assert_array_equal(model.coef_, before)
        monkeypatch.setattr(Interruptible, "at", np.inf)
        # The next call goes on from there, without the features of some rows.
        models.append(in_calls(model, storage(X)[10:40], y[10:40], None, 1))
    assert_same(models[1], models[0])


@pytest.mark.some_cases
@pytest.mark.parametrize(("optimizer", "penalty"), STATEFUL)
@pytest.mark.parametrize("task", ["regression", "hinge"])
def test_early_stopping(optimizer, penalty, task):
    """The coefficients of the best epoch come back, and none of a later one."""
    X, y = sparse_problem("gaps", task)
    y = y[np.random.default_rng(0).permutation(len(y))]  # nothing to learn
    model = model_of(optimizer, penalty, task, early_stopping=True, n_iter_no_change=2)
    model.set_params(validation_fraction=0.3, max_iter=30, tol=1e-4)
    dense, csr = (
        clone(model).fit(form(X), y) for form in (np.asarray, sparse.csr_array)
    )
    assert csr.stop_reason_ == "early_stopping"
    assert_same(csr, dense)
    assert csr.validation_scores_ == pytest.approx(dense.validation_scores_, rel=RTOL)
    assert csr.best_validation_score_ == max(csr.validation_scores_)
    # One of the epochs that have the best score.
    best = csr.best_validation_score_
    epochs = [k for k, s in enumerate(csr.validation_scores_, start=1) if s == best]
    if epochs[-1] < csr.n_iter_:
        parts = [
            clone(model).set_params(max_iter=k).fit(sparse.csr_array(X), y)
            for k in epochs
        ]
        assert any((csr.coef_ == part.coef_).all() for part in parts)


@pytest.mark.some_cases
@pytest.mark.parametrize(("optimizer", "penalty"), STATEFUL)
@pytest.mark.parametrize("average", [True, 77, 300])
def test_average(optimizer, penalty, average):
    """The mean of all iterates from the one that `average` rows were before."""
    X, y = sparse_problem("gaps")
    model = model_of(optimizer, penalty, batch_size=1, average=average, shuffle=False)
    model.set_params(max_iter=2).fit(sparse.csr_array(X), y)
    coef, intercept = reference.descend(
        X,
        y,
        optimizer=optimizer,
        optimizer_params=published(model.optimizer),
        eta=model.learning_rate,
        penalty=penalty,
        alpha=model._alpha(),
        l1_ratio=model.l1_ratio,
        n_epochs=2,
        average=average,
    )
    assert reference.distance(reference.iterate(model)[0], coef) < RTOL
    assert reference.distance(reference.iterate(model)[1], intercept) < RTOL


@pytest.mark.one_case
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "momentum", "adagrad"])
def test_the_average_of_a_scaled_run_has_the_scale_of_the_coefficients(optimizer):
    """Columns of different size, and too many of them to be centred."""
    rng = np.random.default_rng(0)
    X = sparse.random_array((400, 500), density=0.02, rng=rng, format="csr")
    X = sparse.csr_array(X * 10.0 ** rng.uniform(-3.0, 3.0, size=500))
    scale = np.sqrt(np.maximum(X.power(2).mean(axis=0), 1e-300))
    y = X @ (rng.normal(size=500) / scale)
    model = GDRegressor(
        optimizer=optimizer, average=True, batch_size=1, max_iter=20, tol=None,
        penalty=None, random_state=0,
    ).fit(X, y)  # fmt: skip
    assert model.score(X, y) > 0.2
