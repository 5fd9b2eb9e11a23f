"""How the time of an epoch grows with the rows, the features, the entries, the classes.

rows      dense n x 10, n from 1e3 to 2e7 (as far as the memory holds)
features  dense, the same number of entries, d from 10 to 1e4
columns   CSR with 50 entries a row, d from 1e3 to 1e7: steps cost what the entries cost
entries   CSR with 5 to 500 entries a row
classes   softmax (SGD*: one-vs-rest) with 2 to 150 classes

Along with epochs: whole default fits of sklgd, whose epochs cannot be told apart.
"""

import os

from libraries import Steps, available
from measurements import say
from measurements.epochs import measure
from objective import Objective
from problems import Problem, mean_square_norm
from timing import seconds, summary

SINGLE = ("sklgd sgd", "SGD*")
BATCHES = ("sklgd adam", "sklgd nesterov", "MLP* adam")


def memory():
    """Bytes of memory that are free, or 4 GB where that is unknown."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 4 * 10**9


def problems(options):
    """(axis, value, problem, solvers)."""
    for n in options.pick(
        [10**3, 10**4, 10**5, 10**6, 10**7, 2 * 10**7], [10**3, 10**4, 10**5, 10**6],
        [100, 1000],
    ):  # fmt: skip
        solvers = SINGLE + BATCHES[:2] + ("MLP* adam",) * (n <= 10**6)
        yield "rows", n, Problem(n, 10), solvers
    entries = options.pick(2 * 10**7, 2 * 10**6, 10**4)
    for d in options.pick(
        [10, 30, 100, 300, 1000, 3000, 10_000], [10, 100, 1000], [10, 100]
    ):
        yield "features", d, Problem(entries // d, d), SINGLE + BATCHES
    n = options.pick(50_000, 10_000, 200)
    sparse = (*SINGLE, "sklgd point_saga", "sklgd adagrad", "sklgd ftrl", "sklgd adam",
              "sklgd adam, no penalty")  # fmt: skip
    for d in options.pick(
        [10**3, 10**4, 10**5, 10**6, 10**7], [10**3, 10**4, 10**5, 10**6], [100, 1000]
    ):
        yield "columns", d, Problem(n, d, nnz=50, n_classes=2), sparse
    for nnz in options.pick([5, 10, 20, 50, 100, 200, 500], [5, 50, 500], [5, 20]):
        problem = Problem(n, 100_000, nnz=nnz, n_classes=2)
        yield "entries", nnz, problem, (*SINGLE, "sklgd point_saga", "sklgd lbfgs")
    n = options.pick(20_000, 5000, 600)
    for k in options.pick([2, 3, 5, 10, 20, 50, 100, 150], [2, 5, 20, 50], [2, 3]):
        yield "classes", k, Problem(n, 100, n_classes=k), SINGLE + BATCHES


def run(options):
    solvers, _, _ = available(options.libraries)
    solvers = {s.name: s for s in [*solvers, *extra(options)]}
    for axis, value, problem, names in problems(options):
        if 2.5 * problem.n_bytes > memory():
            say(f"  {problem.name}: not enough memory")
            continue
        X, y = problem.make()
        say(f"  {axis} {value}")
        chosen = [solvers[name] for name in names if name in solvers]
        for kinds, steps in (
            (("sgd", "stochastic"), Steps(1, 0.05 / mean_square_norm(X))),
            (("minibatch",), Steps(256, 1e-3)),
            (("sweep", "full"), Steps(1, 0.5 / mean_square_norm(X))),
        ):
            for record in measure(
                options, chosen, kinds, problem, X, y, Objective(problem.loss), steps,
                repeats=options.pick(3, 2, 1), limit=options.pick(4.0, 0.8, 0.2),
            ):  # fmt: skip
                yield {"axis": axis, "value": value, **record}
        if axis != "entries" and WHOLE in solvers:
            yield {"axis": axis, "value": value, **whole_fit(options, problem, X, y)}


WHOLE = "sklgd auto"


def whole_fit(options, problem, X, y):
    """A record of the default fit, as if it were an epoch."""
    from sklgd import GDClassifier, GDRegressor

    model = (GDRegressor if problem.n_classes is None else GDClassifier)()
    times = [seconds(model.fit, X, y)]
    while len(times) < options.pick(3, 2, 1) and sum(times) < options.pick(8, 2, 1):
        times.append(seconds(model.fit, X, y))
    return {
        "problem": problem.describe(),
        "library": "sklgd, a default fit",
        "epoch_ms": summary(times),
    }


def extra(options):
    """Rules of sklgd whose steps are lagged, which other parts do without."""
    if options.libraries and "sklgd" not in options.libraries:
        return []
    from libraries.bench_sklgd import GD

    class Unpenalised(GD):
        def deviates(self, X, y, objective):
            return "no penalty"

        def estimator(self, *args):
            return super().estimator(*args).set_params(penalty=None)

    return [
        Unpenalised("sklgd adam, no penalty", "minibatch", "adam", auto=False),
        GD("sklgd adagrad", "sgd", "adagrad", 1, auto=False),
        GD("sklgd ftrl", "sgd", "ftrl", 1, auto=False),
    ]
