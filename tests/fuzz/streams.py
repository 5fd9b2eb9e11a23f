"""What is promised of streams: `partial_fit` with the online learner.

The rows of a case become a stream that drifts: sorted, with columns that grow, ...
"""

import pickle
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fuzz.cases import Array, Case, Rng, one_of, task_of
from fuzz.checks import Broken, Fit, Refused, check, learning

# The parameters that have an effect on streams.
PARAMS = (
    "loss", "penalty", "alpha", "l1_ratio", "fit_intercept", "epsilon", "quantile",
    "power", "random_state",
)  # fmt: skip
# How much worse than the constant model a stream may be: a share of that model's loss,
# and the losses of so many rows; without a warning, and at all if nothing drifts.
WORSE, START, START_WITHOUT_DRIFT = 0.01, 5.0, 40.0
FEW_ROWS = 100
DENSE = ("C", "F", "list", "strided", "read-only", "memmap", "unaligned")
SPARSE = ("csr", "csr_matrix", "csr, int64 indices", "csr, out of order", "csc")


@dataclass(frozen=True)
class Stream:
    """Rows in the order in which they come.

    Attributes
    ----------
    case : Case
        Its rows are those of the stream.
    classes : array or None
        The argument of the first call.
    drift : str
        What happens on the way.
    """

    case: Case
    classes: Array | None
    drift: str

    def model(self, **params: Any) -> Fit:
        """A model that has learnt nothing yet."""
        return Fit(self.case.estimator(**{**self.case.params, **params}))

    def learn(self, model: Fit, rows: Any, layout: str) -> Fit:
        """A call of partial_fit with some rows."""
        piece = replace(self.case.of_rows(rows), layout=layout)
        args = {} if self.classes is None else {"classes": self.classes}
        with learning(model):
            model.model.partial_fit(
                piece.X, piece.y, sample_weight=piece.weights, **args
            )
        return model


def draw_stream(case: Case, rng: Rng) -> Stream:
    """A stream of the rows of a case."""
    params = {name: case.params[name] for name in PARAMS if name in case.params}
    # (One alpha for each target is not for the online learner.)
    if rng.random() < 0.6 or np.ndim(params.get("alpha", 0.0)):
        params.pop("alpha", None)
    if isinstance(case.params.get("class_weight"), dict):
        params["class_weight"] = case.params["class_weight"]
    n = len(case.y)
    rows = np.concatenate([rng.permutation(n) for _ in range(rng.integers(1, 4))])
    args = {} if case.weights is None else {"sample_weight": case.weights[rows]}
    classes = None
    if task_of(case.estimator) == "classification":
        classes = case.classes
        # (All labels of an indicator matrix are known.)
        more = len(classes) < 2 or rng.random() < 0.2
        if more and not case.several_labels:
            # Labels that never come.
            last, named = classes[-1], classes.dtype.kind in "OU"
            later = [last + str(k) if named else last + k for k in (1, 2)]
            classes = np.append(classes, later)
            params.pop("class_weight", None)
    tame = case.tame
    table, y, drift = case.table[rows], case.y[rows], []
    for _ in range(rng.choice([0, 1, 2], p=[0.2, 0.6, 0.2])):
        kind = one_of(rng, *DRIFTS)
        order = np.arange(len(y))
        table, y = DRIFTS[kind](table.copy(), y.copy(), rng, order, case)
        if args:
            args["sample_weight"] = args["sample_weight"][order]
        drift.append(kind)
    case = replace(
        case, params=params, table=table, y=y, fit_args=args, tame=tame, spoiled="",
    )  # fmt: skip
    return Stream(case, classes, ", ".join(drift))


def some_columns(table: Array, rng: Rng) -> Array:
    return rng.random(table.shape[1]) < one_of(rng, 0.25, 1.0)


def sort(table: Array, y: Array, rng: Rng, order: Array, case: Case) -> Any:
    order[:] = np.argsort(np.unique(y, axis=0, return_inverse=True)[1].ravel())
    return table[order], y[order]


def jump(table: Array, y: Array, rng: Rng, order: Array, case: Case) -> Any:
    """The target jumps, or the classes change their names."""
    half = int(rng.integers(len(y) + 1))
    if task_of(case.estimator) == "regression":
        if case.param("loss") in ("poisson", "gamma", "tweedie"):
            y[half:] *= 30.0
        else:
            with np.errstate(over="ignore"):
                unit = np.abs(y).max()
            y[half:] += 100.0 * unit if unit < 1e290 else 0.0
    else:
        labels, codes = np.unique(y, return_inverse=True)
        y[half:] = labels[::-1][codes[half:]]
    return table, y


def grow(table: Array, y: Array, rng: Rng, order: Array, case: Case) -> Any:
    if np.abs(table).max(initial=0.0) < 1e290:
        table[int(rng.integers(len(y) + 1)) :, some_columns(table, rng)] *= 1000.0
    return table, y


def come_late(table: Array, y: Array, rng: Rng, order: Array, case: Case) -> Any:
    table[: int(rng.integers(len(y) + 1)), some_columns(table, rng)] = 0.0
    return table, y


def stray(table: Array, y: Array, rng: Rng, order: Array, case: Case) -> Any:
    """One entry in a hundred is an outlier."""
    if np.abs(table).max(initial=0.0) < 1e290:
        table[rng.random(table.shape) < 0.01] *= 1000.0
    return table, y


DRIFTS = {
    "sorted": sort, "a jump of the target": jump, "columns that grow": grow,
    "columns that come late": come_late, "outliers": stray,
}  # fmt: skip


def pieces(n: int, rng: Rng) -> Iterator[slice]:
    """Chunks of a stream of n rows: of one row, then of other sizes; not too many."""
    most = max(one_of(rng, 1, 8, n), n // 20)
    start, singles = 0, rng.integers(1, 10)
    while start < n:
        size = 1 if start < singles else int(rng.integers(1, most + 1))
        yield slice(start, start + size)
        start += size


def follow(stream: Stream, model: Fit, rng: Rng, layouts: tuple[str, ...]) -> Fit:
    """Learn a stream in chunks of random sizes, each in one of the layouts."""
    for rows in pieces(len(stream.case.y), rng):
        stream.learn(model, rows, one_of(rng, *layouts))
    return model


def is_refused(stream: Stream, refusal: Refused) -> None:
    """Raise `Broken` if there is nothing that may be refused."""
    if stream.case.tame:
        raise Broken(f"a stream ({stream.drift}) is refused: {refusal}") from refusal


def same_streams(a: Fit, b: Fit, what: str) -> None:
    """Raise `Broken` unless two streams are in the same state, up to their calls."""
    for name in ("coef_", "intercept_", "progressive_loss_", "progressive_score_"):
        one, other = getattr(a.model, name), getattr(b.model, name)
        if not np.array_equal(np.asarray(one), np.asarray(other), equal_nan=True):
            raise Broken(f"{what}: {name} differs")


def weighted(case: Case) -> bool:
    """True if rows count differently."""
    return case.weights is not None or "class_weight" in case.params


def is_finite(stream: Stream, model: Fit) -> None:
    what = f"stream of {len(stream.case.y)} rows ({stream.drift})"
    if not np.isfinite(model.parameters).all():
        raise Broken(f"{what}: coefficients are not finite")
    if stream.case.tame and np.isinf(model.model.progressive_loss_):
        raise Broken(f"{what}: the progressive loss is not finite")


@check(share=0.3, needs_fit=False)
def chunks_of_a_stream_do_not_matter(case: Case, first: Fit, rng: Rng) -> None:
    """However rows are cut into chunks and stored, the model is the same bit for bit.

    It is finite.
    """
    stream = draw_stream(case, rng)
    layouts = one_of(rng, DENSE, SPARSE)
    # (A piece of CSR is stored as CSR, of which the first call decides.)
    try:
        a = follow(stream, stream.model(shuffle=False), rng, layouts)
    except Refused as refusal:
        return is_refused(stream, refusal)
    is_finite(stream, a)
    b = follow(stream, stream.model(shuffle=False), rng, layouts)
    same_streams(a, b, f"other chunks ({stream.drift})")


@check(share=0.3, needs_fit=False)
def streams_that_fail_say_so(case: Case, first: Fit, rng: Rng) -> None:
    """The progressive loss is at most that of a constant model, or a warning is given.

    That is, at most 1 % and the losses of a few rows larger.
    """
    stream = draw_stream(case, rng)
    try:
        model = follow(stream, stream.model(), rng, one_of(rng, DENSE, SPARSE))
    except Refused as refusal:
        return is_refused(stream, refusal)
    is_finite(stream, model)
    learner = model.model._state.learner
    loss, weight = learner.progress()
    constant, n = learner.constant_loss(), learner.n_rows
    if n < FEW_ROWS or not np.isfinite(loss):
        return
    # (A row of weight 5 counts as five rows that agree, which is evidence of more than
    # there is.)
    plain = not stream.drift and not weighted(case)
    plain = plain and stream.case.tame and "alpha" not in stream.case.params
    excess, allowed = loss - constant, WORSE + START / n
    if plain:
        allowed = WORSE + START_WITHOUT_DRIFT / n
    if excess > allowed * abs(constant) and (plain or not model.warned):
        raise Broken(
            f"stream of {n} rows ({stream.drift}): progressive loss "
            f"{loss / weight:.4g}, that of a constant model {constant / weight:.4g}"
        )


@check(share=0.3, needs_fit=False)
def storage_of_a_stream_without_intercept_does_not_matter(
    case: Case, first: Fit, rng: Rng
) -> None:
    """Dense and CSR rows give the same bits where columns are not centred."""
    stream = draw_stream(case, rng)
    params = {"shuffle": False, "fit_intercept": False}
    try:
        a = follow(stream, stream.model(**params), rng, DENSE)
    except Refused as refusal:
        return is_refused(stream, refusal)
    is_finite(stream, a)
    b = follow(stream, stream.model(**params), rng, SPARSE)
    same_streams(a, b, f"dense and CSR ({stream.drift})")


def mistakes(stream: Stream, model: Fit, rows: slice, rng: Rng) -> None:
    """A call that is refused."""
    case = stream.case
    table, y, weights = case.table[rows].copy(), case.y[rows].copy(), None
    kind = one_of(rng, "NaN", "inf", "columns", "weights", "rows", "too large")
    if kind == "NaN":
        table[-1, -1] = np.nan
    elif kind == "inf":
        table[0, 0] = np.inf
    elif kind == "columns":
        table = np.column_stack([table, table])
    elif kind == "weights":
        weights = np.full(len(table), -1.0)
    elif kind == "rows":
        y = np.concatenate([y, y])
    else:
        table[-1, -1] = 1e300
    args = {} if stream.classes is None else {"classes": stream.classes}
    try:
        with learning(model):
            model.model.partial_fit(table, y, sample_weight=weights, **args)
    except Refused:
        return
    raise Broken(f"a mistake ({kind}) is not refused")


@check(share=0.3, needs_fit=False)
def what_a_stream_meets_between_calls_leaves_no_trace(
    case: Case, first: Fit, rng: Rng
) -> None:
    """Pickling, a refused call and asking for results change no bit of a stream.

    Parameters may change between the calls.
    """
    stream = draw_stream(case, rng)
    shuffle = bool(rng.random() < 0.5)
    plain, other = stream.model(shuffle=shuffle), stream.model(shuffle=shuffle)
    layouts = one_of(rng, DENSE, SPARSE)
    for number, rows in enumerate(pieces(len(stream.case.y), rng)):
        what = f"call {number} ({stream.drift})"
        if rng.random() < 0.2:
            changes = {
                "alpha": one_of(rng, 1e-4, 0.1, "auto"),
                "penalty": one_of(rng, "l1", "l2", None),
                "fit_intercept": bool(rng.random() < 0.8),
            }
            for one in (plain, other):
                one.model.set_params(**changes)
            what += f", changes {changes}"
        if number and rng.random() < 0.3:
            mistakes(stream, other, rows, rng)
            what += ", a mistake before it"
        if rng.random() < 0.3:
            other = Fit(pickle.loads(pickle.dumps(other.model)), other.warnings)
            what += ", pickled before it"
        if number and rng.random() < 0.3:
            other.model.predict(stream.case.table)
            what += ", predictions before it"
        layout, refused = one_of(rng, *layouts), []
        for one in (plain, other):
            try:
                stream.learn(one, rows, layout)
            except Refused as refusal:
                refused.append(str(refusal))
        if refused:
            if len(refused) == 1 or refused[0] != refused[1]:
                raise Broken(f"{what}: refused in one of two streams: {refused}")
            return
        same_streams(plain, other, what)
        is_finite(stream, plain)
