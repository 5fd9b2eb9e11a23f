"""sklearn-contrib-lightning: plain SGD and SAGA.

SGD has alpha as it is; the learning rate of this library is eta0 (constant) or
eta0 / (alpha t)^power_t. SAGA has no intercept, which is another objective. To install
it: `pip install "cython<3" wheel "setuptools<70"`, then `pip install --no-deps
--no-build-isolation sklearn-contrib-lightning`.
"""

import importlib.metadata

import numpy as np
from lightning.classification import SAGAClassifier, SGDClassifier
from lightning.regression import SAGARegressor, SGDRegressor

from libraries import EstimatorSolver, n_outputs

DISTRIBUTION = "sklearn-contrib-lightning"
# PyTorch Lightning is another package of the same import name.
importlib.metadata.version(DISTRIBUTION)


class LightningSolver(EstimatorSolver):
    def skip(self, X, y, objective):
        if objective.loss == "poisson":
            return "no such loss"
        if X.dtype != np.float64:
            return "float64 only"  # it would copy
        if objective.penalty != "l2":
            return "no elastic net"
        return None


class SGD(LightningSolver):
    tunable = True

    def estimator(self, X, y, objective, steps):
        rate = steps.learning_rate
        common = {
            "alpha": objective.alpha,
            "learning_rate": "constant" if rate == "constant" else "invscaling",
            "eta0": steps.eta0,
            "power_t": steps.power_t,
            "random_state": 0,
        }
        if objective.classifies:
            several = n_outputs(y, objective) > 1
            return SGDClassifier(loss="log", multiclass=several, **common)
        return SGDRegressor(loss="squared", **common)


class SAGA(LightningSolver):
    def skip(self, X, y, objective):
        if n_outputs(y, objective) > 1:
            return "two classes only"
        return super().skip(X, y, objective)

    def deviates(self, X, y, objective):
        return "no intercept"

    def estimator(self, X, y, objective, steps):
        cls = SAGAClassifier if objective.classifies else SAGARegressor
        loss = "log" if objective.classifies else "squared"
        return cls(
            loss=loss, alpha=objective.alpha, penalty=None, tol=0.0, random_state=0
        )

    def run(self, n_iter):
        # It writes the learning rate that it finds into its parameter.
        self.model.set_params(eta="auto")
        super().run(n_iter)

    def get_result(self):
        coef = np.atleast_2d(self.model.coef_)
        return coef, np.zeros(coef.shape[0])


SOLVERS = [SGD("lightning SGD", "sgd"), SAGA("lightning SAGA", "stochastic")]
