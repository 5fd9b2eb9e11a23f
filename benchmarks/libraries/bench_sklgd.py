"""sklgd: the library under test.

alpha, penalty and l1_ratio are those of the objective. With an optimizer of one's own
the steps are those of `Steps`; "auto" finds its own.
"""

import sklgd
from libraries import EstimatorSolver

DISTRIBUTION, VERSION = "sklgd", sklgd.__version__


class GD(EstimatorSolver):
    """GDRegressor or GDClassifier with one optimizer.

    ``batch_size`` None takes that of `Steps`.
    """

    def __init__(self, name, kind, optimizer="auto", batch_size=None, auto=True):
        super().__init__(name, kind)
        self.optimizer, self.batch_size = optimizer, batch_size
        self.tunable = not auto

    def estimator(self, X, y, objective, steps):
        cls = sklgd.GDClassifier if objective.classifies else sklgd.GDRegressor
        model = cls(
            objective.loss,
            penalty=objective.penalty,
            alpha=objective.alpha,
            l1_ratio=objective.l1_ratio,
            optimizer=self.optimizer,
            batch_size=self.batch_size or steps.batch_size,
            tol=None,
            random_state=0,
            n_jobs=steps.n_jobs,
        )
        if self.tunable:
            model.set_params(learning_rate=steps.learning_rate, power_t=steps.power_t)
            if steps.learning_rate != "optimal":
                model.set_params(eta0=steps.eta0)
        return model


SOLVERS = [
    GD("sklgd sgd", "sgd", "sgd", 1, auto=False),
    GD("sklgd point_saga", "stochastic", "auto", 1),
    GD("sklgd saga", "stochastic", "saga", 1),
    GD("sklgd adam", "minibatch", "adam", auto=False),
    GD("sklgd sgd, batches", "minibatch", "sgd", auto=False),
    GD("sklgd svrg", "minibatch", "auto"),
    GD("sklgd nesterov", "sweep", "nesterov", "full", auto=False),
    GD("sklgd lbfgs", "full", "lbfgs", "full"),
    GD("sklgd auto", "auto", "auto", "auto"),
]
