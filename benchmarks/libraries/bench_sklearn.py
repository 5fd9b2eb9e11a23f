"""scikit-learn: SGD*, LogisticRegression, Ridge and MLP* without a hidden layer.

SGD*                alpha, penalty, l1_ratio as they are; one-vs-rest from three classes
                    on, which is another objective.
LogisticRegression  C sum_i loss + |w|^2/2, so C = 1/(alpha n_samples). liblinear also
                    penalises the intercept; intercept_scaling makes that little.
Ridge               |y - Xw|^2 + a |w|^2, so a = alpha n_samples.
MLP*                the loss of a batch of m rows bears a |w|^2 / (2 m), so
                    a = alpha batch_size; Adam as published, the decay in the gradient.

tol = 0 makes all iterations.
"""

import scipy.sparse as sp
from sklearn.linear_model import (
    LogisticRegression,
    PoissonRegressor,
    Ridge,
    SGDClassifier,
    SGDRegressor,
)
from sklearn.neural_network import MLPClassifier, MLPRegressor

from libraries import EstimatorSolver, n_outputs

DISTRIBUTION = "scikit-learn"


class SGD(EstimatorSolver):
    tunable = True

    def skip(self, X, y, objective):
        return "no such loss" if objective.loss == "poisson" else None

    def deviates(self, X, y, objective):
        return "one-vs-rest" if n_outputs(y, objective) > 1 else None

    def estimator(self, X, y, objective, steps):
        cls = SGDClassifier if objective.classifies else SGDRegressor
        rate = steps.learning_rate
        return cls(
            loss=objective.loss,
            penalty=objective.penalty,
            alpha=objective.alpha,
            l1_ratio=objective.l1_ratio,
            learning_rate=rate,
            eta0=steps.eta0,
            power_t=steps.power_t,
            tol=None,
            random_state=0,
        )


class Logistic(EstimatorSolver):
    def __init__(self, solver, kind):
        super().__init__(f"LogisticRegression {solver}", kind)
        self.solver = solver

    def skip(self, X, y, objective):
        if not objective.classifies:
            return "a classifier"
        if objective.penalty != "l2" and self.solver != "saga":
            return "no l1 penalty"
        outputs = n_outputs(y, objective)
        if outputs > 1 and self.solver == "liblinear":
            return "two classes only"
        if self.solver == "newton-cholesky" and outputs * (X.shape[1] + 1) > 5000:
            return "the Hessian would be too large"
        return None

    def deviates(self, X, y, objective):
        return "penalises the intercept" if self.solver == "liblinear" else None

    def estimator(self, X, y, objective, steps):
        model = LogisticRegression(
            C=1.0 / (objective.alpha * X.shape[0]),
            solver=self.solver,
            tol=0.0,
            random_state=0,
        )
        if self.solver == "liblinear":
            model.set_params(intercept_scaling=100.0, tol=1e-12)
        if objective.penalty == "elasticnet":
            model.set_params(penalty="elasticnet", l1_ratio=objective.l1_ratio)
        return model


class RidgeSolver(EstimatorSolver):
    def __init__(self, solver, kind):
        super().__init__(f"Ridge {solver}", kind)
        self.solver = solver

    def skip(self, X, y, objective):
        if objective.loss != "squared_error":
            return "squared error only"
        if objective.penalty != "l2":
            return "no l1 penalty"
        if sp.issparse(X) and self.solver in ("saga", "cholesky", "svd"):
            return "not on sparse rows with an intercept"
        if self.solver in ("cholesky", "svd") and X.shape[1] > 5000:
            return "too many features"
        return None

    def estimator(self, X, y, objective, steps):
        return Ridge(
            alpha=objective.alpha * X.shape[0],
            solver=self.solver,
            tol=0.0 if self.solver in ("sag", "saga") else 1e-12,
            random_state=0,
        )


class Poisson(EstimatorSolver):
    def __init__(self, solver):
        super().__init__(f"PoissonRegressor {solver}", "full")
        self.solver = solver

    def skip(self, X, y, objective):
        return None if objective.loss == "poisson" else "counts only"

    def estimator(self, X, y, objective, steps):
        return PoissonRegressor(alpha=objective.alpha, solver=self.solver, tol=1e-12)


class MLP(EstimatorSolver):
    tunable = True

    def __init__(self, rule):
        super().__init__(f"MLP* {rule}", "minibatch")
        self.rule = rule

    def skip(self, X, y, objective):
        if objective.loss == "poisson":
            return "no such loss"
        if objective.penalty != "l2":
            return "no l1 penalty"
        return None

    def estimator(self, X, y, objective, steps):
        cls = MLPClassifier if objective.classifies else MLPRegressor
        # Its "invscaling" is eta0 / t^power_t of plain SGD; Adam's step is constant.
        return cls(
            hidden_layer_sizes=(),
            solver=self.rule,
            alpha=objective.alpha * steps.batch_size,
            batch_size=min(steps.batch_size, X.shape[0]),
            learning_rate_init=steps.eta0,
            momentum=0.0,
            nesterovs_momentum=False,
            tol=0.0,
            n_iter_no_change=10**9,
            random_state=0,
        )

    def get_result(self):
        return self.model.coefs_[0].T, self.model.intercepts_[0]


SOLVERS = [
    SGD("SGD*", "sgd"),
    *(Logistic(solver, "stochastic") for solver in ("sag", "saga")),
    *(
        Logistic(solver, "full")
        for solver in ("lbfgs", "newton-cg", "newton-cholesky", "liblinear")
    ),
    *(RidgeSolver(solver, "stochastic") for solver in ("sag", "saga")),
    *(RidgeSolver(solver, "full") for solver in ("cholesky", "lsqr", "sparse_cg")),
    *(Poisson(solver) for solver in ("lbfgs", "newton-cholesky")),
    MLP("adam"),
    MLP("sgd"),
]
