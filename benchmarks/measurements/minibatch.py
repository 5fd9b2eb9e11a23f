"""Time per epoch of mini-batches of 256 rows: Adam and plain SGD.

sklgd beside MLP* without a hidden layer and a PyTorch loop, for regression and ten
classes; the learning rates are the same for all.
"""

from libraries import Steps, available
from measurements import say
from measurements.epochs import measure
from objective import Objective
from problems import Problem

BATCH = 256


def run(options):
    solvers, _, _ = available(options.libraries)
    sizes = options.pick(
        [(100_000, 100), (60_000, 784)], [(20_000, 100), (8000, 784)], [(2000, 20)]
    )
    for n, d in sizes:
        for classes in (None, 10):
            for dtype in ("float64", "float32"):
                problem = Problem(n, d, dtype, n_classes=classes)
                X, y = problem.make()
                say(f"  {problem.name}")
                steps = Steps(batch_size=BATCH, eta0=1e-3)
                chosen = [s for s in solvers if s.name != "sklgd svrg"]
                if options.level == "quick":
                    chosen = [s for s in chosen if "adam" in s.name]
                yield from measure(
                    options, chosen, ("minibatch",), problem, X, y,
                    Objective(problem.loss), steps,
                )  # fmt: skip
