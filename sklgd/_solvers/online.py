"""The run of the online learner in `fit`: epochs of single rows."""

import numpy as np

from .._fit.online_learner import make_learner
from ..schedules import Constant
from .base import Solver
from .row_order import new_order


class OnlineSolver(Solver):
    """Epochs of the online learner.

    Parameters
    ----------
    data, state, penalty
        As the attributes of `Solver`.
    shuffle, average
        As the estimators' parameters; the learner averages in any case.
    """

    def __init__(self, data, state, penalty, shuffle, average):
        self.data, self.problem, self.state = data, data.problem(), state
        self.penalty = penalty
        # A permutation unless another order is asked for by its name.
        self.order_kind = {True: "full", False: None}.get(shuffle, shuffle)
        n_features, n_outputs = data.X.shape[1], data.n_outputs
        self.learner = make_learner(
            state.plan.optimizer, data.loss, n_features, n_outputs,
            fit_intercept=data.fit_intercept, centred=isinstance(data.X, np.ndarray),
            classifies=data.loss.task == "classification", penalty=penalty,
        )  # fmt: skip
        # (The learner weighs the penalty against the weights of the losses.)
        self.learner.l1 /= data.mean_factor
        self.learner.l2 /= data.mean_factor
        if state.coef[:-1].any():
            # The initial coefficients count as much as one epoch.
            self.learner.start(state.coef, data.n_rows)

    @staticmethod
    def tune(plan, settings, data, statistics, penalty):
        """Set a schedule without effect: the learner has its own learning rates."""
        plan.schedule = Constant(1.0)

    def epoch(self):
        """One pass over the training rows; the learning rates have no unit."""
        data, n = self.data, self.data.n_rows
        order = data.rows if data.rows is not None else np.arange(n, dtype=np.intp)
        if self.order_kind is not None:
            order = new_order(self.order_kind, self.state.rng, data).take(n)[0]
        learnt = self.learner.learn(
            data.matrix, data.target.reshape(-1), data.weights, order, undoable=False
        )
        if learnt:
            self.state.coef[...] = self.learner.coefficients()
        elif data.is_finite():
            raise data.size_error()
        else:
            # The data were changed during the fit; `can_recover` is then False.
            self.state.coef[...] = np.nan
        self.state.steps += n
        self.state.rows += n
        return 1.0, 1.0

    def snapshot(self):
        """A copy of the coefficients."""
        return self.state.coef.copy()

    def restore(self, snapshot):
        """Report these coefficients; the learner itself is not changed."""
        self.state.coef[...] = snapshot

    def keep(self):
        """Nothing to keep: a later `partial_fit` continues from the coefficients."""
