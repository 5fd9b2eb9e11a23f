"""Runs of an optimizer that is a rule: its epochs, and when they are undone."""

from typing import Any

import numpy as np

from .._fit.column_statistics import column_statistics
from .._fit.cost import COPY_BYTES
from .._fit.l1_zeros import with_zeros
from .._fit.plan import add_scaling, moves_by_features, renew_rotation
from .._fit.row_blocks import batches
from .base import Point, Solver
from .mixed_rows import rows_are_mixed
from .output_threads import descend
from .proof import bound_at
from .row_order import (
    ArrayOrder,
    BlockOrder,
    WorkingCopy,
    kind_of_order,
    new_order,
    permutation,
    size_of,
)

# Rows per call of the kernel, and entries of X times outputs (about a tenth of a
# second): learning rates are computed for so many rows at a time, and Ctrl-C is
# answered between calls.
CHUNK_ROWS = 32768
CHUNK_ENTRIES = 20_000_000
# A copy of X saves more time than it takes from so many epochs on.
WORTH_COPYING = 4
# Largest number of epochs whose objectives are computed together, and entries of X up
# to which the coefficients of these epochs may take more memory than a share of X.
LONGEST_RUN = 8
FEW_ENTRIES = 2**20
# Steps after which the learning rate found for a stream starts to fall, as 1/sqrt(t).
STREAM_STEPS = 1000
# Factors of the learning rate: after an epoch that gained; after one of mini-batches
# whose last iterate was better than the mean; and after one of mini-batches that was
# undone.
GROW, STRIDE, CUT = 1.25, 1.5, 0.25
# How far the last iterate of mini-batches may lie above their mean, relative to what
# the epoch gained, for the learning rate to grow, and for it not to be halved.
QUIET, LOUD = 0.5, 4.0
# Mini-batches: a learning rate below this share of the first one is not cut any further
# before the run may end.
LEAST = 1e-3
# Share of the bound in the Hessian of a renewed rotation: its first value, the factor
# after epochs with or without trouble, and its least value. A rotation is kept LONGER
# times as long as the one before.
DAMPING, MORE, LOWEST, LONGER = 0.1, 4.0, 1e-4, 1.5


class RuleSolver(Solver):
    """Descent by a rule of `sklgd.optimizers`: its epochs on one problem.

    Parameters
    ----------
    data : Data
        With normalised weights.
    state : State
        Updated in place.
    penalty : Penalty
        Of the raw coefficients.
    shuffle : bool
    average : bool or int
        As the estimators' parameter.
    """

    # (A bound takes the time of 0.6 to 3 of 25 measured kinds of epochs: dense rows of
    # 30 and 784 columns, CSR of 10000, batches of 256 and all rows, 1 to 10 outputs.)
    proves_after = 50

    def __init__(self, data, state, penalty, shuffle, average):
        data.gradient_limit = state.plan.schedule.gradient_limit
        self.data, self.problem, self.state = data, data.problem(), state
        self.penalty = penalty
        self.average_from = int(average)
        plan, scaling = state.plan, state.plan.scaling
        self.full = plan.batch_size == "full"
        self.order_kind = None
        if not self.full:
            self.order_kind = kind_of_order(
                shuffle,
                data.n_rows,
                lambda: data.n_used,
                plan.batch_size,
                lambda: rows_are_mixed(data),
            )
        penalty_1, penalty_2 = penalty.strengths(np.ones_like(state.coef))
        averaged = (
            plan.adaptive and not self.full and not average and scaling is not None
        )
        self.cumulative = (
            penalty.has_l1
            and penalty.uniform
            and penalty.signs is None
            and plan.schedule.cumulative_l1
            and self.steps_singly
        )
        self.by_features = (
            data.sparse
            and not self.cumulative
            and (
                scaling is None
                or (plan.optimizer.normalised and not scaling.centre.any())
            )
            and moves_by_features(
                data,
                plan.optimizer,
                plan.batch_size,
                penalty,
                scaling is None and penalty.uniform,
                bool(average) or averaged,
                plan.schedule.is_constant,
            )
        )
        if self.by_features and plan.optimizer.lazy:
            # A feature that is active in a share p of the steps takes 1/p of the
            # penalty: the mean step, and with it the minimiser, is the objective's.
            share = state.frequencies(data)[:, None]
            for array in (penalty_1[:-1], penalty_2[:-1]):
                np.divide(array, share, out=array, where=share > 0.0)
        if plan.rotated:
            # The compiled loop adds the l2 penalty to the gradient before the rotation.
            self.ridge = penalty_2[:-1].copy()
            penalty_2[...] = 0.0
        if scaling is not None:
            penalty_1 *= scaling.gradient_scale
            penalty_2 *= scaling.gradient_scale * scaling.scale
        if average and state.average is None:
            state.average = np.zeros_like(state.coef)
        self.rule = plan.optimizer.make_rule(
            state.position, penalty_1, penalty_2, state.rule
        )
        self.penalties = penalty_1, penalty_2
        # Iterates of mini-batches scatter about their mean, see `finish_epoch`.
        self.mean = np.zeros_like(state.position) if averaged else None
        self.noise = 0.0
        self.damping, self.refused, self.trouble, self.next_renewal = (
            DAMPING,
            0,
            False,
            1,
        )
        self.chunk_rows = self.rows_per_call()
        # (The cumulative penalty leaves zeros in iterates, but not in their average.)
        self.may_add_zeros = (
            not penalty.smooth
            and not (self.cumulative and not average)
            and not data.loss.degenerate
            and state.has_seen_only(data)
        )
        self.bind()

    mean = ridge = None
    # The rows in the order of the first epoch: their numbers, and a copy of them.
    permutation = copy = source = None

    @property
    def copies(self):
        """True if X may be copied, in the order of the first epoch."""
        plan, X = self.state.plan, self.data.X
        return (
            self.adds_rows
            and plan.scaling is None
            and plan.batch_size == 1
            and size_of(X) <= COPY_BYTES
        )

    @property
    def adds_rows(self):
        """True if rows are added directly to the coefficients, which is cheapest."""
        if self.penalty.signs is not None or not self.penalty.uniform:
            return False
        return self.steps_plainly and (self.cumulative or not self.average_from)

    @property
    def steps_plainly(self):
        """True if steps are multiples of the gradient."""
        return self.state.plan.optimizer.steps_plainly

    @property
    def steps_singly(self):
        """True for SGD's steps of single rows with a learning rate of the user's."""
        plan = self.state.plan
        return self.steps_plainly and plan.batch_size == 1 and plan.scaling is None

    @staticmethod
    def tune(plan, settings, data, statistics, penalty):
        """Give a plan its feature scaling and the learning rate that suits it."""
        add_scaling(plan, settings, data, statistics, penalty)

    def rows_per_call(self):
        """Rows per call of the kernel."""
        work = self.entries_per_row
        if not (self.by_features or self.adds_rows):
            # Every step updates all coefficients, however sparse the rows are.
            size, n = self.state.coef.size, self.problem.n_samples
            work = max(work, size // batches(n, self.state.plan.batch_size)[0])
        rows = min(CHUNK_ROWS, CHUNK_ENTRIES // work)
        if self.by_features:
            # Every call ends with a step of all features. There should be fewer of them
            # than entries, but the tables of its steps must not be larger than the
            # model.
            size = self.state.coef.size
            rows = max(
                rows, max(size, min(8 * size, CHUNK_ENTRIES)) // self.entries_per_row
            )
        return rows

    def bind(self):
        """Make the compiled loop for the present rule and coordinates."""
        state, scaling = self.state, self.state.plan.scaling
        lazy = self.by_features and state.plan.optimizer.lazy
        options = {
            "coef": state.coef,
            "position": state.position,
            "centre": None if scaling is None or self.by_features else scaling.centre,
            "scale": None if scaling is None else scaling.scale,
            "gradient_scale": None if scaling is None else scaling.gradient_scale,
            "rotation": None if scaling is None else scaling.rotation,
            "ridge": self.ridge if state.plan.rotated else None,
            "row_penalty": (self.penalty.l1, self.penalty.l2)
            if scaling is None and not lazy and self.penalty.uniform
            else None,
            "by_features": self.by_features and not self.adds_rows,
            "average": state.average if self.average_from else None,
            "average_count": state.average_count,
            "mean": self.mean,
            "aggressive": state.plan.schedule.aggressive,
            "cumulative": self.cumulative,
            "signs": self.penalty.signs_of_features(),
            # (Centred coordinates would magnify rounding where means are large.)
            "float32": scaling is None and not self.full,
        }
        if self.data.sparse:
            options["intercept_rate"] = state.plan.schedule.sparse_intercept
        n = self.problem.n_samples
        self.descent = descend(
            self.problem,
            self.rule,
            state.plan.optimizer.make_rule,
            self.penalties,
            batches(n, state.plan.batch_size)[0],
            0 if self.full else min(n, self.chunk_rows) * self.entries_per_row,
            **options,
        )
        self.descent.refresh()

    def rebind(self, coef):
        """Make the loop anew at coefficients whose objective is known.

        They keep their bits, which the scaled coefficients give to rounding only.
        """
        self.bind()
        self.state.coef[...] = coef

    def epoch(self):
        """One pass over the training rows.

        Returns
        -------
        last, largest : float
            Learning rates: the epoch's last and its largest.
        """
        state, n = self.state, self.problem.n_samples
        rows, n_batches = batches(n, state.plan.batch_size)
        order = self.make_order()
        source = self.source
        chunk = max(1, self.chunk_rows // rows)
        if self.copy is not None and source is None:
            chunk = min(chunk, self.copy.chunk_rows)
        largest, last_eta = 0.0, 0.0
        self.descent.mean_count = 0
        for first in range(0, n_batches, chunk):
            last = min(first + chunk, n_batches)
            t = np.arange(state.steps + first + 1, state.steps + last + 1, dtype=float)
            # Averaging starts once `average` rows were seen, counted as SGD* does.
            seen = 1 + state.rows + first * rows
            begin = max(0, -(-(self.average_from - seen) // rows))
            etas = state.plan.schedule.eta(t)
            if state.factor != 1.0:
                etas = etas * state.factor
            if state.stream:
                etas /= np.sqrt(1.0 + t / STREAM_STEPS)
            largest = max(largest, float(etas[etas.argmax()]))
            last_eta = float(etas[-1])
            averaged_from = begin, n_batches // 2 - first
            if order is None:
                self.descent.run(None, etas, rows, first * rows, *averaged_from)
                continue
            visit, fetch = order.take(min(last * rows, n) - first * rows)
            self.descent.run(
                visit, etas, rows, 0, *averaged_from,
                fetch=fetch, ahead=order.ahead, source=source,
            )  # fmt: skip
            if self.copy is not None and source is None:
                self.copy.add(visit)
        if self.copy is not None and source is None:
            self.permutation = None
            self.source = self.copy.problem()
        self.descent.flush()
        state.steps += n_batches
        state.rows += n
        state.average_count = self.descent.average_count
        return last_eta, largest

    def make_order(self):
        """The order of the rows in this epoch; None means their natural order."""
        state, data, n = self.state, self.data, self.problem.n_samples
        kind = self.order_kind
        if kind is None:
            return None
        if kind != "permuted":
            return new_order(kind, state.rng, data)
        first = state.order_seed is None
        if first:
            state.order_seed = int(state.rng.randint(2**31))
        if self.source is None and self.permutation is None:
            rng = np.random.RandomState(state.order_seed)
            self.permutation = permutation(rng, n, data.rows)
        if not first:
            return BlockOrder(state.rng, n, self.permutation)
        if self.copies and self.n_epochs >= WORTH_COPYING:
            self.copy = WorkingCopy(data, self.permutation)
        return ArrayOrder(self.permutation)

    def growth(self):
        """By how much an epoch of learning rate one can raise a degenerate objective.

        The derivatives of its loss are at most one. A step along the gradient of a row
        x' changes the prediction for x by x.x', and one of unit length for each
        coefficient by |x|_1: at most R max(R, sqrt(d)) in the mean, R^2 being the mean
        of |x|^2.
        """
        scaling = self.state.plan.scaling
        mean, var = column_statistics(self.data)
        squares = var + mean**2
        size = float(np.count_nonzero(squares) + 1)
        if scaling is None:
            square = 1.0 + float(squares.sum())
        else:
            square = size
        return self.data.n_rows * np.sqrt(square * max(square, size))

    @property
    def may_cut(self):
        """True if smaller steps of mini-batches are still worth a try."""
        state = self.state
        return state.plan.adaptive and not self.full and state.factor > LEAST

    @property
    def plain(self):
        """True for batch descent without a memory, which falls in every epoch."""
        return self.full and not self.rule.slots

    @property
    def coef(self):
        """The coefficients to report: the average once there is one."""
        if self.reported is not None:
            return self.reported
        if self.average_from and self.state.average_count:
            return self.state.average
        return self.state.coef

    def objective(self):
        """F at the coefficients to report."""
        coef = self.coef
        if coef is self.state.coef:
            loss = self.descent.value(self.full)
        else:
            loss = self.problem.value(coef)
        return loss / self.mean_weight + self.penalty.value(coef)

    @property
    def longest_run(self):
        """Epochs that may be run before F is found for all of them in one read of X.

        Their coefficients should take little memory beside X.
        """
        if self.full or self.state.plan.guarded:
            return 1
        entries = self.entries_per_row * self.problem.n_samples // self.data.n_outputs
        size = self.state.coef.size
        return max(1, min(LONGEST_RUN, max(entries, FEW_ENTRIES) // (32 * size)))

    def advance(self, n_epochs):
        """Run epochs, one or more of ``n_epochs``, at most `longest_run`."""
        if n_epochs == 1:
            return super().advance(1)
        if self.data.sparse:
            # Only powers of two fill vectors and cache lines: six models took twice the
            # time of four and two.
            n_epochs = 1 << (n_epochs.bit_length() - 1)
        points, penalties = [], []
        models = self.problem.empty_models(n_epochs)
        try:
            for model in models:
                last, largest = self.epoch()
                points.append(Point(self, last, largest, None))
                model[...] = self.coef
                penalties.append(self.penalty.value(self.coef))
        except KeyboardInterrupt:
            # Epochs that are complete are kept.
            points = points[: len(penalties)]
            if not points:
                raise
            self.interrupted = True
        for point, loss, penalised in zip(
            points, self.losses(models[: len(points)]), penalties, strict=True
        ):
            point.objective = float(loss) + penalised
        return points

    def losses(self, models):
        """Losses of several coefficients; Ctrl-C takes effect afterwards."""
        try:
            return self.problem.values(models) / self.mean_weight
        except KeyboardInterrupt:
            if self.interrupted:
                raise
            self.interrupted = True
            return self.losses(models)

    def finish_epoch(self):
        """F after an epoch, at its last iterate or at the mean of its second half.

        The coefficients become the better of the two. With a constant learning rate the
        mean of the iterates is closer to the minimiser than each of them (Polyak and
        Juditsky 1992; tail averages: Jain et al. 2018).
        """
        last = self.objective()
        if self.mean is None:
            return last
        position, kept = self.state.position, self.state.position.copy()
        position[...] = self.mean
        self.descent.refresh()
        mean = self.objective()
        self.noise = last - mean
        if mean <= last:
            return mean
        position[...] = kept
        self.descent.refresh()
        return last

    def add_zeros(self, objective):
        """Give the coefficients to report the zeros that the l1 penalty asks for.

        At the end of a run; ``objective`` is F at them. Nothing is done if the model
        has also learnt from other rows, because these rows alone do not determine the
        zeros.

        Returns
        -------
        objective : float
            F at the coefficients to report now.
        """
        if not (self.may_add_zeros and np.isfinite(objective)):
            return objective
        coef, after = with_zeros(
            self.data, self.problem, self.coef, self.penalty, objective
        )
        if coef is not self.coef:
            self.reported, objective = coef, after
        return objective

    def refresh_rotation(self, settings, epoch, accepted):
        """Renew the rotation when it is due; True if it was.

        It is due after 1, 2, 3, 4, 6, ... epochs, each time with less damping, because
        the Hessian of nearly separable data is far below its bound. After two epochs in
        a row that were undone it gets more damping (Levenberg 1944).
        """
        state = self.state
        if not (state.plan.rotated and state.plan.adaptive):
            return False
        if self.data.loss.quadratic:
            return False
        self.refused = 0 if accepted else self.refused + 1
        if self.refused >= 2 and self.damping < 1.0:
            self.damping = min(1.0, MORE * self.damping)
            self.trouble = True
            state.factor = 1.0 if self.full else state.factor * MORE
        elif accepted and epoch >= self.next_renewal:
            if not self.trouble and epoch > 1:
                eased = max(LOWEST, self.damping / MORE)
                if self.full:
                    state.factor = max(1.0, state.factor * eased / self.damping)
                self.damping = eased
            self.trouble = False
            self.next_renewal = max(epoch + 1, int(LONGER * epoch))
        else:
            return False
        self.refused = 0
        self.renew(settings)
        return True

    def renew(self, settings):
        """Compute the rotation from the Hessian at the present coefficients."""
        state = self.state
        renew_rotation(
            state.plan,
            settings,
            self.data,
            state.basis,
            self.penalty.l2,
            state.coef,
            self.damping,
        )
        state.place()
        self.rule = state.plan.optimizer.make_rule(
            state.position, *self.penalties, state.rule
        )
        self.rebind(state.coef.copy())

    def snapshot(self):
        """Copies of the coefficients that an epoch changes."""
        state = self.state
        position = None if state.position is state.coef else state.position.copy()
        average = None if state.average is None else state.average.copy()
        return state.coef.copy(), position, self.rotation, average, state.average_count

    def snapshot_of(self, state):
        """The same of another state, in the same coordinates, without copies."""
        position = None if state.position is state.coef else state.position
        count = state.average_count
        return state.coef, position, self.rotation, state.average, count

    @property
    def rotation(self):
        """The rotation, which is another array after each renewal."""
        scaling = self.state.plan.scaling
        return None if scaling is None else scaling.rotation

    def restore(self, snapshot):
        """Go back to a snapshot; the rule starts afresh."""
        state: Any = self.state
        coef, position, rotation, average, state.average_count = snapshot
        state.coef[...] = coef
        if position is not None:
            if rotation is not self.rotation:
                # The rotation was renewed since the snapshot.
                position = state.plan.scaling.to_scaled(coef)
            state.position[...] = position
        if average is not None:
            state.average[...] = average
        state.rule, state.fresh = None, True
        self.rule = state.plan.optimizer.make_rule(state.position, *self.penalties)
        self.rebind(coef)

    def proof(self, objective, null):
        """As in `Solver`, by one pass over X."""
        return bound_at(self, objective, null)

    def keep(self):
        """Store the rule in the state, at the end of a run."""
        self.state.rule = self.descent.state()

    def accept(self, before, after, snapshot, out_of_bounds):
        """Guard of a learning rate found from the data: undo an epoch that did harm.

        Descent over all rows with a momentum first restarts at the same learning rate
        (O'Donoghue and Candes 2015); otherwise, or if that does not help, the learning
        rate is halved, or divided by ten if the objective is out of bounds. In a stream
        the rows of one call are too few to judge by, so only an epoch with an objective
        out of bounds is undone. Returns True if the epoch is kept.
        """
        state = self.state
        if after <= before or (state.stream and not out_of_bounds):
            state.fresh = False
            if state.plan.adaptive:
                gain = before - after
                if self.mean is None:
                    state.factor *= GROW
                elif self.noise < QUIET * gain:
                    state.factor *= STRIDE if self.noise < 0.0 else GROW
                elif self.noise > LOUD * gain:
                    state.factor *= 0.5
            return True
        restart_only = (
            self.full and self.rule.slots and not state.fresh and not out_of_bounds
        )
        if not restart_only:
            noisy = state.plan.adaptive and not self.full
            state.factor *= 0.1 if out_of_bounds else CUT if noisy else 0.5
        self.restore(snapshot)
        return False
