"""The plan of a fit: the optimizer, batch size and learning rate that "auto" means."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..optimizers import OPTIMIZERS, Optimizer, optimizer_name
from ..schedules import as_schedule, schedule_of, step_is_explicit
from .cost import (
    MAX_FACTOR,
    has_costly_hessians,
    has_few_rows,
    has_slow_hessians,
)
from .feature_scaling import FeatureScaling, rotate
from .row_blocks import batches
from .statistics import interpolate, raw_curvatures, scaled_curvature

# Features up to which scaled coefficients may be rotated.
ROTATED = 1000
# All rows are used in each step up to so many entries of X times outputs, where an
# epoch takes milliseconds. For sparse X the limit is larger, because mini-batches take
# a dense step each.
SMALL = 2_000_000
SMALL_SPARSE = 500_000_000
# Mini-batches of an epoch: with a rotation; where X is too wide for one and a step
# costs O(n_features); and of a non-smooth loss, whose gradient does not fade.
STEPS, STEPS_WIDE, STEPS_NON_SMOOTH = 64, 16, 200
# A step of the active features of a sparse batch is taken if it is so many times
# cheaper than a step of all features (`Optimizer.price`).
MARGIN = 1.0
# With more rows, rules that could use all of them take mini-batches for softmax.
MANY = 20_000


@dataclass
class Plan:
    """The plan of a fit, with every "auto" resolved.

    Attributes
    ----------
    optimizer : Optimizer
    batch_size : int or "full"
    schedule : Schedule
        Learning rates; of the scaled coefficients where there is a scaling.
    guarded : bool
        True if the learning rate was found from the data: then an epoch that makes
        the objective worse is undone and the learning rate halved (but not for a
        degenerate loss, whose objective does not measure the model).
    adaptive : bool
        True if the learning rate also follows what an epoch gained
        (`RuleSolver.accept`).
    scaling : FeatureScaling or None
        Of the coefficients that the optimizer sees; None means raw ones.
    preconditioner : Preconditioner or None
        Of a variance-reduced method.
    """

    optimizer: Optimizer
    batch_size: Any
    schedule: Any
    guarded: bool
    adaptive: bool = False
    scaling: FeatureScaling | None = None
    preconditioner: Any = None

    @property
    def streams(self):
        """True if `partial_fit` can continue with it."""
        return self.optimizer.why_no_stream is None

    @property
    def rotated(self):
        """True if the scaled coefficients mix the features."""
        return self.scaling is not None and self.scaling.rotation is not None


def choose(settings, data, explicit, stream):
    """Optimizer object and batch size of an estimator, "auto" resolved."""
    n_samples, n_features = data.n_rows, data.width
    sparse, per_row = data.sparse, data.entries_per_row
    limit = SMALL_SPARSE if sparse else SMALL
    small = n_samples * per_row * data.n_outputs <= limit
    optimizer, batch_size = settings.optimizer, settings.batch_size
    if not isinstance(batch_size, str):
        batch_size = int(batch_size)
    # (The optimum of a degenerate loss is of no use, so any batch size will do.)
    full = (data.loss.smooth or data.loss.degenerate) and small and not stream
    name = optimizer_name(optimizer)
    automatic = name == "auto"
    if automatic:
        name = choose_optimizer(settings, data, explicit, stream, full)
    if name is not None:
        optimizer = OPTIMIZERS[name]()
    optimizer.check_run(settings, data.loss)
    if optimizer.rule is None:
        rows = optimizer.resolve_batch_size(batch_size, n_features, per_row)
        return optimizer, rows
    if batch_size == "auto":
        many = data.loss.coupled(data.n_outputs) and n_samples > MANY
        if explicit:
            batch_size = optimizer.default_batch_size
        elif full and automatic:
            batch_size = "full"
        elif (
            data.loss.smooth
            and not stream
            and not optimizer.normalised
            and (full and sparse if n_features > ROTATED else not many)
        ):
            # A rotation makes each step worth an epoch of small ones, unless these are
            # many and the rotation has no more than the blocks of softmax. For wide
            # sparse X an epoch of small steps would cost much more.
            batch_size = "full"
        else:
            # Rules that normalise the gradient have an error from its noise, however
            # small their steps are. So batches are as large as an epoch of some steps
            # allows.
            if n_features > ROTATED:
                rows = n_samples / STEPS_WIDE
            else:
                rows = n_samples / (STEPS if data.loss.smooth else STEPS_NON_SMOOTH)
            batch_size = int(np.clip(rows, 32 if n_samples > 2000 else 8, 1024))
    return optimizer, batch_size


def choose_optimizer(settings, data, explicit, stream, full):
    """Name of the optimizer that "auto" stands for.

    With an explicit learning rate it is SGD, as in SGD*. Streams, averages, schedules
    and degenerate losses need a rule: Nesterov's momentum over all rows, or Adam for
    mini-batches. A penalty without a closed form needs FISTA. Otherwise the batch size
    decides: Point-SAGA for single rows, SVRG for mini-batches, and over all rows
    Newton's method if n_features^2 numbers fit into memory or there are few rows.
    Beyond that, and where Hessians take too long, it is L-BFGS, or FISTA with an l1
    penalty.
    """
    if explicit:
        return "sgd"
    batch_size, loss = settings.batch_size, data.loss
    if (
        stream
        or settings.average
        or loss.degenerate
        or settings.learning_rate != "auto"
    ):
        all_rows = batch_size == "full" or (batch_size == "auto" and full)
        return "nesterov" if all_rows else "adam"
    if not settings.penalty.closed_form:
        return "fista"
    if batch_size == 1:
        return "point_saga"
    if batch_size not in ("auto", "full"):
        return "svrg" if loss.smooth else "adam"
    wide = data.width >= MAX_FACTOR
    if not settings.penalty.smooth:
        return "fista" if wide or has_costly_hessians(data) else "newton"
    few = settings.penalty.same_for_features() and has_few_rows(data)
    by_gradients = (wide and not few) or has_slow_hessians(data)
    return "lbfgs" if by_gradients else "newton"


def make_plan(settings, data, stream=False):
    """Resolve "auto" in an estimator's optimizer and batch size.

    Parameters
    ----------
    settings : Settings
    data : Data
    stream : bool, default=False
        True if the data are a chunk of a stream.

    Returns
    -------
    plan : Plan
        Complete where the learning rate is explicit; otherwise `add_scaling` gives it
        the scaling and the learning rates.
    """
    explicit = step_is_explicit(settings)
    optimizer, batch_size = choose(settings, data, explicit, stream)
    automatic = settings.learning_rate == "auto"
    if not optimizer.takes_learning_rate:
        explicit, automatic = False, True
    guarded = not explicit and not data.loss.degenerate
    plan = Plan(
        optimizer, batch_size, None, guarded, guarded and automatic and not stream
    )
    if explicit:
        schedule = schedule_of(settings)
        schedule.check_run(settings, data.loss, optimizer, batch_size)
        plan.schedule = bind(schedule, settings, data, batch_size)
    return plan


def make_plan_of_blocks(settings, data):
    """The plan of a fit to blocks, by an optimizer that uses all rows in every step.

    Raises
    ------
    ValueError
        If the optimizer is another one, or the learning rate the user's.
    """
    remedy = (
        "Use optimizer='auto', 'newton', 'lbfgs' or 'fista'; or learn from one block "
        "after the other with partial_fit_blocks."
    )
    optimizer, name = settings.optimizer, optimizer_name(settings.optimizer)
    if data.loss.degenerate:
        raise ValueError(
            f"loss={data.loss.name!r} is not possible with fit_blocks: its minimum "
            "is at zero coefficients, whatever the data are. Use another loss; or "
            "learn from one block after the other with partial_fit_blocks."
        )
    if name == "auto":
        if step_is_explicit(settings):
            raise ValueError(
                f"learning_rate={settings.learning_rate!r} is not possible with "
                "fit_blocks, which finds the length of each step itself. Use "
                "learning_rate='auto'; or learn from one block after the other with "
                "partial_fit_blocks."
            )
        # (Newton's method turns to FISTA where an l1 penalty leaves no other choice.)
        chosen = "newton" if settings.penalty.closed_form else "fista"
        optimizer = OPTIMIZERS[chosen]()
    elif name is not None:
        optimizer = OPTIMIZERS[name]()
    if not optimizer.estimates_gap:
        raise ValueError(
            f"optimizer={optimizer.name!r} is not possible with fit_blocks, which "
            f"needs an optimizer that uses all rows in every step. {remedy}"
        )
    if settings.batch_size not in ("auto", "full"):
        raise ValueError(
            f"batch_size={settings.batch_size!r} is not possible with fit_blocks, "
            "which uses all rows in every step. Use batch_size='auto'; or learn from "
            "one block after the other with partial_fit_blocks."
        )
    optimizer.check_run(settings, data.loss)
    return Plan(optimizer, "full", None, True, True)


def add_scaling(plan, settings, data, statistics, penalty):
    """Give a plan its feature scaling and the learning rate that suits it.

    Where steps shall move the active features only, the columns are not centred.
    Rules along the gradient then stay in raw coordinates altogether: one penalty for
    all features allows lagged updates in closed form.
    """
    normalised = plan.optimizer.normalised
    summed = bool(settings.average) or (plan.adaptive and normalised)
    constant = settings.learning_rate == "auto"
    by_features = moves_by_features(
        data,
        plan.optimizer,
        plan.batch_size,
        settings.penalty,
        not normalised and settings.penalty.uniform,
        summed,
        constant,
    )
    if by_features and not normalised:
        plan.scaling = None
        (curvature,) = raw_curvatures(data, statistics, [plan.batch_size])
    else:
        rotated = not by_features and _worth_rotating(settings, data, plan)
        plan.scaling = FeatureScaling.in_units_of_loss(
            data, statistics, penalty.l2, rotated, not by_features
        )
        share = None
        if rotated:
            start = np.zeros_like(plan.scaling.scale)
            share = rotate(plan.scaling, data, statistics, penalty.l2, start, 1.0)
        if share is None:
            curvature = scaled_curvature(
                plan.scaling, data, statistics, plan.batch_size
            )
        else:
            curvature = interpolate(data.n_rows, plan.batch_size, 1.1, 1.0 + share)
    set_pace(plan, settings, data, curvature)


def renew_rotation(plan, settings, data, statistics, l2, coef, damping):
    """Compute a rotation from the Hessian at ``coef``, and the learning rates anew."""
    share = rotate(plan.scaling, data, statistics, l2, coef, damping)
    if share is None:
        return
    largest = 1.1
    if data.loss.coupled(data.n_outputs):
        # diag(p) - pp' <= 2 diag(p (1 - p)): softmax without its off-diagonal blocks.
        largest *= 2.0 - damping
    curvature = interpolate(data.n_rows, plan.batch_size, largest, 1.0 + share)
    set_pace(plan, settings, data, curvature)


def set_pace(plan, settings, data, curvature):
    """Learning rates for the largest curvature that a batch sees."""
    eta0 = plan.optimizer.unit_step(curvature, plan.batch_size == "full")
    name = "constant" if settings.learning_rate == "auto" else settings.learning_rate
    schedule = as_schedule(name, eta0, settings.power_t)
    plan.schedule = bind(schedule, settings, data, plan.batch_size)


def _worth_rotating(settings, data, plan):
    """True if a rotation suits the penalty and costs little beside the rows."""
    if not plan.adaptive or not settings.penalty.smooth or not data.loss.smooth:
        return False
    n_features = data.X.shape[1]
    rows = batches(data.n_rows, plan.batch_size)[0]
    return n_features <= min(ROTATED, max(100, 8 * rows))


def moves_by_features(data, optimizer, batch_size, *case):
    """True if a step moves the active features only, which is exact, and cheaper.

    ``case`` are the arguments of `Optimizer.price`. A lazy rule always does so, unless
    a batch has all rows.
    """
    if not data.sparse:
        return False
    rows = batches(data.n_rows, batch_size)[0]
    if rows == data.n_rows or optimizer.lazy:
        return rows < data.n_rows
    active = rows * data.entries_per_row
    return MARGIN * optimizer.price(*case) * active < data.width


def bind(schedule, settings, data, batch_size):
    """Give a schedule the penalty, the length of the run and the loss."""

    def derivative(y, z):
        return data.loss.evaluate(np.array([float(y)]), np.array([[float(z)]]))[
            1
        ].item()

    total_steps = settings.max_iter * batches(data.n_rows, batch_size)[1]
    return schedule.bind(
        alpha=settings.alpha, total_steps=total_steps, dloss=derivative
    )
