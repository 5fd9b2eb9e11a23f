"""Time per epoch of shuffled single-row steps, every library on the same data.

The learning rate is constant and the same for all that take one: a twentieth of the
inverse of mean |x_i|^2. The objective at the end of the last long fit is recorded, to
show that the fit did its work (libraries make different numbers of epochs in it).
"""

from dataclasses import replace

from libraries import Steps, available, takers
from measurements import say
from objective import Objective
from problems import Problem, mean_square_norm
from timing import epoch_times

KINDS = ("sgd", "stochastic")


def problems(options):
    """(problem, penalty, whether all libraries take part)."""
    dense = options.pick(
        [(1_000_000, 10), (200_000, 30), (200_000, 100), (40_000, 784), (100_000, 784)],
        [(200_000, 10), (30_000, 100), (10_000, 784)],
        [(2000, 10)],
    )
    # This size and the text are enough for the others.
    shared = options.pick([(200_000, 30)], [(30_000, 100)], dense)
    for size in dense:
        for dtype in ("float64", "float32"):
            for classes in (None, 2):
                if options.level == "quick" and classes and dtype == "float32":
                    continue
                everyone = size in shared and dtype == "float64"
                yield Problem(*size, dtype, n_classes=classes), "l2", everyone
    n, d = options.pick((200_000, 47_000), (30_000, 47_000), (500, 1000))
    text = Problem(n, d, nnz=62, n_classes=2)
    yield text, "l2", True
    yield text, "elasticnet", options.level == "full"
    if options.level == "quick":
        return
    yield replace(text, n_classes=None), "l2", False
    yield replace(text, dtype="float32"), "l2", False
    yield replace(text, dtype="float32"), "elasticnet", False


def run(options):
    solvers, _, _ = available(options.libraries)
    pair = [s for s in solvers if s.name in ("sklgd sgd", "SGD*")]
    for problem, penalty, everyone in problems(options):
        X, y = problem.make()
        objective = Objective(problem.loss, penalty=penalty)
        steps = Steps(eta0=0.05 / mean_square_norm(X))
        chosen = solvers if everyone else pair
        say(f"  {problem.name}, {penalty}")
        # So many libraries share the time.
        limit = options.pick(4.0 if everyone else 8.0, 1.5, 0.3)
        yield from measure(
            options, chosen, KINDS, problem, X, y, objective, steps, limit=limit
        )


def measure(options, solvers, kinds, problem, X, y, objective, steps, **settings):
    """Records of epoch times of all solvers of some kinds that take the problem."""
    taking, reasons = takers(solvers, X, y, objective, kinds)
    rows = {}
    for solver in taking:
        rows[solver.name] = n = min(solver.max_rows or len(y), len(y))
        part = (X, y) if n == len(y) else (X[:n], y[:n])
        solver.set_objective(*part, objective, steps)
    settings = {
        "repeats": options.pick(5, 3, 2),
        "limit": options.pick(4.0, 1.5, 0.3),
        "least": options.pick(0.2, 0.05, 0.005),
    } | settings
    times = epoch_times({s.name: s.run for s in taking}, **settings)
    for solver in taking:
        n = rows[solver.name]
        part = (X, y) if n == len(y) else (X[:n], y[:n])
        record = {
            "problem": problem.describe(),
            "penalty": objective.penalty,
            "batch_size": steps.batch_size,
            "library": solver.name,
            "kind": solver.kind,
            **times[solver.name].record(len(y) / n),
            "rows": n,
            "objective": objective.value(*part, *solver.get_result()),
            "deviates": solver.deviates(X, y, objective),
        }
        say(
            f"    {solver.name:28}{record['epoch_ms']['min']:10.2f} ms per epoch, "
            f"F {record['objective']:.6g}"
        )
        yield record
    for name, reason in reasons.items():
        yield {
            "problem": problem.describe(),
            "penalty": objective.penalty,
            "library": name,
            "skipped": reason,
        }
