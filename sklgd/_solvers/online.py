"""The run of the online learner in `fit`: epochs of single rows."""

import numpy as np

from ..kernels._online import OnlineLearner
from ..kernels._rows import Rows
from ..schedules import Constant
from .base import Solver
from .row_order import new_order

# Share of ``Online.prior_scale`` for losses with a log link, whose raw predictions are
# exponents (fitted to the counts of three data sets: a half does as well).
LOG_LINK = 0.25


# Columns up to which the second-order rule learns, too. A row takes O(columns^2): with
# 100 columns 20 microseconds, seven times as long as without it.
NARROW = 64


def make_learner(optimizer, loss, n_features, n_outputs, *, fit_intercept, centred,
                 classifies, l1, l2):  # fmt: skip
    """A learner that has seen no row.

    Parameters
    ----------
    optimizer : Online
    loss : Loss
    n_features, n_outputs : int
    fit_intercept, centred, classifies : bool
        As in `OnlineLearner`.
    l1, l2 : float
        Penalty.
    """
    optimizer.check()
    centred = centred and fit_intercept
    second_order = (
        optimizer.second_order
        and centred
        and n_features <= NARROW
        and l1 == 0.0
        and loss.twice_smooth
        and loss.link == "identity"
        and (n_outputs == 1 or loss.quadratic)
    )
    return OnlineLearner(
        loss,
        n_features,
        n_outputs,
        fit_intercept=fit_intercept,
        centred=centred,
        classifies=classifies,
        reach=optimizer.prior_scale * (LOG_LINK if loss.link == "log" else 1.0),
        power=optimizer.power,
        average=optimizer.average,
        l1=l1,
        l2=l2,
        second_order=second_order,
    )


class OnlineSolver(Solver):
    """Epochs of the online learner.

    Parameters
    ----------
    data, state, l1, l2
        As the attributes of `Solver`.
    shuffle, average
        As the estimators' parameters; the learner averages in any case.
    """

    def __init__(self, data, state, l1, l2, shuffle, average):
        self.data, self.problem, self.state = data, data.problem(), state
        self.l1, self.l2 = l1, l2
        # A permutation unless another order is asked for by its name.
        self.order_kind = {True: "full", False: None}.get(shuffle, shuffle)
        n_features, n_outputs = data.X.shape[1], data.n_outputs
        self.learner = make_learner(
            state.plan.optimizer, data.loss, n_features, n_outputs,
            fit_intercept=data.fit_intercept, centred=isinstance(data.X, np.ndarray),
            classifies=data.loss.task == "classification", l1=l1, l2=l2,
        )  # fmt: skip
        if state.coef[:-1].any():
            # What a start is worth is not known: as much as one epoch.
            self.learner.start(state.coef, data.n_rows)

    @staticmethod
    def tune(plan, settings, data, statistics, l1, l2):
        """Nothing has to be found: the learner finds its learning rates itself."""
        plan.schedule = Constant(1.0)

    def epoch(self):
        """One pass over the training rows; the learning rates have no unit."""
        data, n = self.data, self.data.n_rows
        order = data.rows if data.rows is not None else np.arange(n, dtype=np.intp)
        if self.order_kind is not None:
            order = new_order(self.order_kind, self.state.rng, data).take(n)[0]
        learnt = self.learner.learn(
            Rows(data.X), data.target.reshape(-1), data.weights, order, undoable=False
        )
        if learnt:
            self.state.coef[...] = self.learner.coefficients()
        elif data.is_finite():
            raise data.size_error()
        else:
            # Somebody else has changed the data, as `can_recover` finds.
            self.state.coef[...] = np.nan
        self.state.steps += n
        self.state.rows += n
        return 1.0, 1.0

    def snapshot(self):
        """A copy of the coefficients."""
        return self.state.coef.copy()

    def restore(self, snapshot):
        """Report these coefficients; the learner itself goes on."""
        self.state.coef[...] = snapshot

    def keep(self):
        """Nothing more: a later `partial_fit` goes on from the coefficients."""
