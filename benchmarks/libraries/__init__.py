"""The libraries compared, one file each: bench_<library>.py.

A file imports its library at the top (if that fails, the library is left out, and the
results say why), names the distribution in DISTRIBUTION and lists `Solver` objects in
SOLVERS. The interface is benchopt's: `set_objective` and what it converts is not timed,
`run` is, `get_result` hands out coefficients that `Objective.value` judges.

Parameters are mapped so that every solver minimises the same objective,

    F(w, b) = mean_i loss(y_i, x_i.w + b) + l1 |w|_1 + l2/2 |w|^2;

where a library cannot, `deviates` says in what, and the solver takes part in the
comparison of times only.
"""

import importlib
import importlib.metadata
import pkgutil
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Steps:
    """Size of the steps and of the batches, for solvers that take them.

    Attributes
    ----------
    batch_size : int
    eta0 : float
    learning_rate : {"constant", "invscaling", "optimal"}
        As in SGD*: eta0, eta0 / t^power_t, or Bottou's heuristic.
    power_t : float
    n_jobs : int
    """

    batch_size: int = 1
    eta0: float = 0.01
    learning_rate: str = "constant"
    power_t: float = 0.5
    n_jobs: int = 1


class Solver:
    """One way of one library to minimise the objective.

    Attributes
    ----------
    name : str
    kind : {"sgd", "stochastic", "minibatch", "sweep", "full", "auto"}
        Plain stochastic gradient steps on single rows; other methods whose epoch is a
        pass of single rows; mini-batches; one gradient of all rows an iteration; better
        methods on all rows; a library's own choice.
    tunable : bool
        Whether `Steps` matter for the quality of the result.
    max_rows : int or None
        Where a run would take too long the times are those of so many rows, multiplied.
    """

    tunable = False
    max_rows = None

    def __init__(self, name, kind):
        self.name, self.kind = name, kind

    def skip(self, X, y, objective):
        """Why the solver cannot take this problem, or None."""

    def deviates(self, X, y, objective):
        """In what its objective is another one, or None."""

    def set_objective(self, X, y, objective, steps):
        """Take the problem; conversions to the library's own format happen here."""
        raise NotImplementedError

    def run(self, n_iter):
        """Fit from the start with so many iterations (epochs where there are any)."""
        raise NotImplementedError

    def get_result(self):
        """Coefficients (n_outputs, n_features) and intercepts (n_outputs,)."""
        raise NotImplementedError


class EstimatorSolver(Solver):
    """A solver that is a scikit-learn estimator with ``max_iter``."""

    def estimator(self, X, y, objective, steps):
        """The estimator, ready but for ``max_iter``."""
        raise NotImplementedError

    def set_objective(self, X, y, objective, steps):
        self.X, self.y = X, y
        self.model = self.estimator(X, y, objective, steps)

    def run(self, n_iter):
        self.model.set_params(max_iter=n_iter).fit(self.X, self.y)

    def get_result(self):
        coef = np.atleast_2d(np.asarray(self.model.coef_, dtype=np.float64))
        return coef, np.atleast_1d(self.model.intercept_).astype(np.float64)


def n_outputs(y, objective):
    """Columns of coefficients: the classes from three on, else 1."""
    n_classes = int(y.max()) + 1 if objective.classifies else 2
    return n_classes if n_classes > 2 else 1


def signs(y):
    """Classes 0, 1 as -1.0, 1.0."""
    return np.where(y > 0, 1.0, -1.0)


def available(only=None):
    """Solvers of the libraries that are installed.

    Parameters
    ----------
    only : collection of str or None
        Names of libraries, the rest of their file names.

    Returns
    -------
    solvers : list of Solver
    versions : dict
        Of the libraries found.
    missing : dict
        Library -> why it is left out.
    """
    solvers, versions, missing = [], {}, {}
    names = [m.name for m in pkgutil.iter_modules(__path__) if "bench_" in m.name]
    # sklgd first, so that it leads every table.
    for name in sorted(names, key=lambda name: (name != "bench_sklgd", name)):
        library = name.removeprefix("bench_")
        if only and library not in only:
            continue
        try:
            module = importlib.import_module(f"{__name__}.{name}")
        except ImportError as error:
            missing[library] = f"{type(error).__name__}: {error}"
            continue
        solvers.extend(module.SOLVERS)
        version = getattr(module, "VERSION", None)
        if version is None:
            version = importlib.metadata.version(module.DISTRIBUTION)
        versions[module.DISTRIBUTION] = version
    return solvers, versions, missing


def takers(solvers, X, y, objective, kinds, exact=False):
    """Those of the given kinds that take a problem, and why others do not.

    With ``exact`` only those with the very same objective.
    """
    taking, reasons = [], {}
    for solver in solvers:
        if solver.kind not in kinds:
            continue
        reason = solver.skip(X, y, objective)
        if reason is None and exact:
            reason = solver.deviates(X, y, objective)
        if reason is None:
            taking.append(solver)
        else:
            reasons[solver.name] = reason
    return taking, reasons
