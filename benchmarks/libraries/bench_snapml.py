"""Snap ML: dual coordinate descent, an epoch of which visits every row once.

sum_i loss + regularizer/2 |w|^2, so regularizer = alpha n_samples. Its intercept is the
coefficient of a constant column and bears the penalty, too.
"""

import snapml

from libraries import EstimatorSolver, n_outputs, signs

DISTRIBUTION = "snapml"


class Dual(EstimatorSolver):
    def skip(self, X, y, objective):
        if objective.loss == "poisson":
            return "no such loss"
        if objective.penalty != "l2":
            return "no l1 penalty in the dual"
        if n_outputs(y, objective) > 1:
            return "two classes only"
        return None

    def deviates(self, X, y, objective):
        return "penalises the intercept"

    def set_objective(self, X, y, objective, steps):
        target = signs(y) if objective.classifies else y
        super().set_objective(X, target, objective, steps)

    def estimator(self, X, y, objective, steps):
        name = "LogisticRegression" if objective.classifies else "LinearRegression"
        return getattr(snapml, name)(
            regularizer=objective.alpha * X.shape[0],
            fit_intercept=True,
            tol=1e-12,
            random_state=0,
        )


SOLVERS = [Dual("snapml SDCA", "stochastic")]
