"""river: online learning, one dict of features at a time.

The dicts are made beforehand. The l2 penalty is part of each row's gradient; on sparse
rows it reaches the features of that row only, which is another objective. Its squared
loss lacks the factor 1/2.
"""

import numpy as np
import scipy.sparse as sp
from river import linear_model, optim

from libraries import Solver, n_outputs

DISTRIBUTION = "river"


class Online(Solver):
    tunable = True
    max_rows = 1_000

    def skip(self, X, y, objective):
        if n_outputs(y, objective) > 1:
            return "two classes only"
        if objective.loss == "poisson" or objective.penalty != "l2":
            return "no such loss or penalty"
        return None

    def deviates(self, X, y, objective):
        return "lazy l2 penalty" if sp.issparse(X) else None

    def set_objective(self, X, y, objective, steps):
        self.n_features = X.shape[1]
        if sp.issparse(X):
            ends = zip(X.indptr[:-1], X.indptr[1:], strict=True)
            rows = (
                zip(X.indices[a:b].tolist(), X.data[a:b].tolist(), strict=True)
                for a, b in ends
            )
            self.rows = [dict(row) for row in rows]
        else:
            self.rows = [dict(enumerate(row)) for row in X.tolist()]
        self.targets = y.astype(bool).tolist() if objective.classifies else y.tolist()
        half = 2.0 if objective.loss == "squared_error" else 1.0
        cls = (
            linear_model.LogisticRegression
            if objective.classifies
            else linear_model.LinearRegression
        )
        eta = steps.eta0 / half
        if steps.learning_rate == "invscaling":
            eta = optim.schedulers.InverseScaling(eta, steps.power_t)
        self.make = lambda: cls(
            optimizer=optim.SGD(eta), l2=half * objective.l2, intercept_lr=eta
        )

    def run(self, n_iter):
        self.model = self.make()
        learn = self.model.learn_one
        rng = np.random.default_rng(0)
        for _ in range(n_iter):
            for i in rng.permutation(len(self.rows)).tolist():
                learn(self.rows[i], self.targets[i])

    def get_result(self):
        coef = np.zeros((1, self.n_features))
        for j, value in self.model.weights.items():
            coef[0, j] = value
        return coef, np.array([float(self.model.intercept)])


SOLVERS = [Online("river", "sgd")]
