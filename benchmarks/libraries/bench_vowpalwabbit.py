"""Vowpal Wabbit from its binary cache: plain SGD, and its adaptive normalised rule.

Writing and parsing the text is not timed, reading the cache of float32 values from the
disk's buffer is, as each pass does it. Rows keep their order: it cannot shuffle. Its
squared loss lacks the factor 1/2, so --sgd takes half the step and twice the l2. The l2
of the adaptive rule shrinks weights by its nominal learning rate and heads for another
objective.
"""

import tempfile
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from vowpalwabbit import Workspace

from libraries import Solver, n_outputs, signs

DISTRIBUTION = "vowpalwabbit"
CONSTANT = 11650396  # number of VW's feature of the intercept


def lines(X, target):
    """Rows as Vowpal Wabbit reads them."""
    rows = sp.csr_matrix(X)
    for i, y in enumerate(target):
        part = slice(rows.indptr[i], rows.indptr[i + 1])
        cells = zip(rows.indices[part], rows.data[part], strict=True)
        features = " ".join(f"{j}:{value:.9g}" for j, value in cells)
        yield f"{y:.17g} | {features}\n"


class VW(Solver):
    max_rows = 10_000  # what is written as text in a second or two

    def __init__(self, name, kind, plain):
        super().__init__(name, kind)
        self.plain = self.tunable = plain
        self.written = None, None
        self.model = None

    def skip(self, X, y, objective):
        return "two classes only" if n_outputs(y, objective) > 1 else None

    def deviates(self, X, y, objective):
        return None if self.plain else "another l2 penalty"

    def set_objective(self, X, y, objective, steps):
        self.n_features = X.shape[1]
        bits = max(18, int(np.ceil(np.log2(self.n_features))) + 1)
        name = {"log_loss": "logistic", "poisson": "poisson"}.get(
            objective.loss, "squared"
        )
        data = self._write(X, signs(y) if objective.classifies else y)
        read = f"-d {data} --cache_file {data}.cache --holdout_off --quiet -b {bits}"
        Workspace(f"{read} --passes 1").finish()
        self.command = f"{read} --loss_function {name}"
        if self.plain:
            half = 2.0 if objective.loss == "squared_error" else 1.0
            power = {"constant": 0.0, "invscaling": steps.power_t}[steps.learning_rate]
            self.command += (
                f" --sgd -l {steps.eta0 / half!r} --power_t {power} --initial_t 1"
                f" --decay_learning_rate 1 --l2 {half * objective.l2!r}"
            )
            if objective.l1:
                self.command += f" --l1 {half * objective.l1!r}"
        else:
            self.command += f" --l2 {objective.l2!r}"

    def _write(self, X, target):
        """The text file of these rows; written once."""
        key, folder = self.written
        if key is not X:
            folder = tempfile.TemporaryDirectory(prefix="vw")
            with (Path(folder.name) / "rows.txt").open("w") as file:
                file.writelines(lines(X, target))
            self.written = X, folder
        return Path(folder.name) / "rows.txt"

    def run(self, n_iter):
        self._close()
        self.model = Workspace(f"{self.command} --passes {n_iter}")

    def _close(self):
        if self.model is not None:
            self.model.finish()
            self.model = None

    def get_result(self):
        # Only a saved model has its weights multiplied with what the l2 penalty left.
        with tempfile.TemporaryDirectory(prefix="vw") as folder:
            path = f"{folder}/model"
            self.model.save(path)
            self._close()
            saved = Workspace(f"-i {path} -t --quiet")
        coef = np.array([[saved.get_weight(j) for j in range(self.n_features)]])
        intercept = np.array([saved.get_weight(CONSTANT)])
        saved.finish()
        return coef, intercept


SOLVERS = [VW("VW sgd", "sgd", True), VW("VW adaptive", "stochastic", False)]
