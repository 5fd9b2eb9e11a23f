"""Threads: epochs of full batches and of mini-batches of 1024 with n_jobs 1, 2, ...

The coefficients must be equal bit for bit. "reading X" is what the machine gives:
NumPy's sums of its parts, by as many threads.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import scipy.sparse as sp
from joblib import cpu_count

from libraries import Steps
from libraries.bench_sklgd import GD
from measurements import say
from objective import Objective
from problems import Problem, mean_square_norm
from timing import epoch_times, seconds

BATCH = 1024
METHODS = {
    "full batch (nesterov)": ("nesterov", "full"),
    "full batch (lbfgs)": ("lbfgs", "full"),
    f"mini-batch {BATCH} (sgd)": ("sgd", BATCH),
    f"mini-batch {BATCH} (adam)": ("adam", BATCH),
}


def n_jobs_tried():
    """1, 2, 4, ... as far as there are processors, but always 2."""
    found = [1, 2]
    while 2 * found[-1] <= cpu_count():
        found.append(2 * found[-1])
    return found


def problems(options):
    n = options.pick(400_000, 100_000, 2000)
    yield Problem(n, 100, n_classes=2)
    if options.level != "smoke":
        yield Problem(n // 8, 784)
        yield Problem(n // 2, 47_000, nnz=62, n_classes=2)
    if options.level == "full":
        yield Problem(n // 4, 100, n_classes=10)
        yield Problem(n, 100, "float32", n_classes=2)


def read_times(X, jobs, repeats=5):
    """Seconds of reading X once by so many threads."""
    arrays = (X.data, X.indices) if sp.issparse(X) else (X.reshape(-1),)
    parts = [part for array in arrays for part in np.array_split(array, jobs)]
    with ThreadPoolExecutor(jobs) as pool:
        return min(
            seconds(lambda: list(pool.map(np.sum, parts))) for _ in range(repeats)
        )


def run(options):
    jobs = n_jobs_tried()
    for problem in problems(options):
        X, y = problem.make()
        say(f"  {problem.name}")
        for n in jobs:
            yield {
                "problem": problem.describe(),
                "library": "reading X",
                "n_jobs": n,
                "epoch_ms": {"min": 1e3 * read_times(X, n)},
            }
        eta = 0.05 / mean_square_norm(X)
        for method, (optimizer, batch_size) in METHODS.items():
            found = {}
            for n in jobs:
                step = 1e-3 if optimizer == "adam" else eta
                solver = GD(method, "", optimizer, batch_size, optimizer == "lbfgs")
                steps = replace(Steps(eta0=step), n_jobs=n)
                solver.set_objective(X, y, Objective(problem.loss), steps)
                found[n] = solver
            times = epoch_times(
                {n: solver.run for n, solver in found.items()},
                repeats=options.pick(7, 3, 2),
                limit=options.pick(4.0, 1.0, 0.2),
                least=options.pick(0.2, 0.1, 0.005),
            )
            results = {}
            for n, solver in found.items():
                solver.run(3)
                results[n] = solver.model
            one = results[1]
            for n in jobs:
                equal = np.array_equal(results[n].coef_, one.coef_) and np.array_equal(
                    results[n].intercept_, one.intercept_
                )
                record = times[n].record()
                ratio = times[1].record()["epoch_ms"]["min"] / record["epoch_ms"]["min"]
                say(
                    f"    {method:28} n_jobs={n}: {record['epoch_ms']['min']:8.2f} ms, "
                    f"{ratio:.2f} times as fast{'' if equal else ', OTHER BITS'}"
                )
                yield {
                    "problem": problem.describe(),
                    "library": method,
                    "n_jobs": n,
                    **record,
                    "same_bits": bool(equal),
                }
