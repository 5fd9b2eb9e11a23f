"""Runs with several outputs, of which each thread takes a group."""

from itertools import pairwise

import numpy as np

from ..kernels._engine import Descent, run_together

# Outputs of a group: a multiple of the length of a vector, but for the last group.
LANES = 4
# Smallest number of entries of X times outputs in a call for several threads.
WORTH = 100_000


def descend(
    problem, rule, make_rule, penalties, batch_size, work, *, rotation=None,
    ridge=None, **options,
):  # fmt: skip
    """A `Descent`, or one for each group of outputs if threads should share these.

    There are no groups if the loss couples the outputs, if a rotation applies to all of
    them (BLAS might add in another order), or if threads share the rows of each batch.

    Parameters
    ----------
    problem, rule, rotation, ridge, **options
        As for `Descent`.
    make_rule, penalties
        As for `OutputGroups`.
    batch_size : int
    work : int
        Entries of X times outputs in a call of `run`.
    """
    descent = Descent(problem, rule, rotation=rotation, ridge=ridge, **options)
    groups = bounds(problem.n_outputs, problem.n_threads)
    if (
        len(groups) == 2
        or work < WORTH
        or rotation is not None
        or problem.loss.coupled(problem.n_outputs)
        or descent.shares_rows(batch_size)
    ):
        return descent
    return OutputGroups(problem, rule, make_rule, penalties, groups, **options)


def bounds(n_outputs, n_groups):
    """First outputs of at most ``n_groups`` groups, and the end of the last group."""
    n_groups = max(1, min(n_groups, n_outputs // LANES))
    n_vectors = -(-n_outputs // LANES)
    first = [LANES * (i * n_vectors // n_groups) for i in range(n_groups)]
    return [*first, n_outputs]


class OutputGroups:
    """A `Descent` for each of some groups of outputs, and a thread for each.

    If the loss is a sum over outputs, rules and penalties are separate, too. The steps
    of an output have the same bits whichever others are in its group. Each group has
    its own array of coefficients, (n_features + 1, outputs of the group). `flush`
    copies the results of all groups into the given arrays, and `refresh` does the
    reverse. The other methods are those of `Descent`.

    Parameters
    ----------
    problem : Problem
    rule : Rule
        Of all outputs: the groups' rules continue from its state.
    make_rule : callable
        ``make_rule(position, l1, l2, state)`` gives the rule of a group.
    penalties : (l1, l2), arrays shaped like coef
    bounds : list of int
        Where the groups begin, and where the last one ends.
    coef, position, average, mean, average_count, scale, gradient_scale, **options
        As for `Descent`, without a rotation.
    """

    def __init__(self, problem, rule, make_rule, penalties, bounds, coef, position, *,
                 average=None, mean=None, average_count=0, scale=None,
                 gradient_scale=None, **options):  # fmt: skip
        self.problem, self.coef = problem, coef
        self.slices = [slice(a, b) for a, b in pairwise(bounds)]
        self.source, self.sources = problem, self.split(problem)
        arrays = {"coef": coef, "average": average, "mean": mean}
        if position is not coef:
            arrays["position"] = position
        self.pairs, self.descents, state = [], [], rule.state()
        for part, own_problem in zip(self.slices, self.sources, strict=True):
            own = {k: of_its_own(v, part) for k, v in arrays.items() if v is not None}
            self.pairs += [(arrays[k], v, part) for k, v in own.items()]
            own.setdefault("position", own["coef"])
            l1, l2 = (columns(v, part) for v in penalties)
            own_state = part_of_state(state, part, coef.shape)
            descent = Descent(
                own_problem,
                make_rule(own["position"], l1, l2, own_state),
                scale=columns(scale, part),
                gradient_scale=columns(gradient_scale, part),
                average_count=average_count,
                **own,
                **options,
            )
            self.descents.append(descent)

    def split(self, problem):
        """The parts of a problem that the groups have."""
        return [problem.part(part.start, part.stop) for part in self.slices]

    def run(self, *args, source=None, **options):
        """`Descent.run`."""
        source = self.problem if source is None else source
        if source is not self.source:
            self.source, self.sources = source, self.split(source)
        for descent, part in zip(self.descents, self.sources, strict=True):
            descent.prepare(*args, source=part, **options)
        run_together(self.descents)

    def flush(self):
        """Settle pending work, and copy what the groups have found."""
        for descent in self.descents:
            descent.flush()
        for whole, own, part in self.pairs:
            whole[:, part] = own

    def refresh(self):
        """Take note of coordinates that were changed from outside."""
        for whole, own, part in self.pairs:
            own[...] = whole[:, part]
        for descent in self.descents:
            descent.refresh()
        for whole, own, part in self.pairs:
            whole[:, part] = own

    def value(self, keep_gradient):
        """Mean loss at the current coefficients; the gradient is not kept."""
        return self.problem.value(self.coef)

    def state(self):
        """State of the rule of all outputs."""
        states = [descent.state() for descent in self.descents]
        return whole_state(states, self.coef.shape)

    @property
    def average_count(self):
        """Steps that the average holds."""
        return self.descents[0].average_count

    @property
    def mean_count(self):
        """Steps that the mean holds."""
        return self.descents[0].mean_count

    @mean_count.setter
    def mean_count(self, count):
        for descent in self.descents:
            descent.mean_count = count


def columns(array, part):
    """Contiguous columns, or None for None."""
    return None if array is None else np.ascontiguousarray(array[:, part])


def of_its_own(array, part):
    """A copy of some columns, in cache lines of its own: threads write to it."""
    shape = len(array), part.stop - part.start
    size = shape[0] * shape[1]
    out = np.empty(size + 16)[8 : 8 + size].reshape(shape)
    out[...] = array[:, part]
    return out


def part_of_state(state, part, shape):
    """The state of a rule for some outputs, coordinates being of this shape."""
    return {
        k: columns(v.reshape(shape), part).reshape(-1) if np.ndim(v) else v
        for k, v in state.items()
    }


def whole_state(states, shape):
    """The reverse, from the states for all groups."""
    return {
        k: np.hstack([s[k].reshape(shape[0], -1) for s in states]).reshape(-1)
        if np.ndim(v)
        else v
        for k, v in states[0].items()
    }
