"""What do threads gain on idle processors, and cost on busy ones?

    python benchmarks/threads.py [--busy 0 2] [--fits 15]

Times fits with n_jobs=1 and with n_jobs=2, in turns, while so many other processes
compute without a pause. The table has the medians in milliseconds and their ratio.
Batches of 256 rows are too small for threads; they show what n_jobs=2 costs there.
"""

import argparse
import multiprocessing
import os
import sys

import numpy as np

from timing import environment, seconds, summary

BATCHES = (256, 1024, 8192, "full")


def compute():
    while True:
        pass


def measure(busy, n_fits, report, n_rows=40_000):
    from sklgd import GDClassifier, GDRegressor

    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_rows, 50))
    z = X @ rng.standard_normal(50) + rng.standard_normal(len(X))
    models = {
        f"Adam, batch_size={size}": GDClassifier(
            optimizer="adam", learning_rate=1e-3, batch_size=size, tol=None,
            max_iter=40 if size == "full" else 8, random_state=0,
        )
        for size in BATCHES
    }  # fmt: skip
    models["log loss, default"] = GDClassifier()
    models["absolute error, default"] = GDRegressor("absolute_error")
    others = [multiprocessing.Process(target=compute, daemon=True) for _ in range(busy)]
    for other in others:
        other.start()
    for name, model in models.items():
        target = z > 0.0 if isinstance(model, GDClassifier) else z
        times = {1: [], 2: []}
        for _ in range(n_fits):
            for n_jobs, found in times.items():
                model.set_params(n_jobs=n_jobs)
                found.append(seconds(model.fit, X, target))
        report(name, *(summary(found)["median"] for found in times.values()))
    for other in others:
        other.terminate()


def print_row(name, one, two):
    print(f"{name:26} {one:8.1f} {two:8.1f} {two / one:8.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--busy", type=int, nargs="*", default=[0, 2])
    parser.add_argument("--fits", type=int, default=15)
    arguments = parser.parse_args()
    for busy in arguments.busy:
        print(f"\n{os.cpu_count()} processors, {busy} other processes")
        print(f"{'ms':26} {'n_jobs=1':>8} {'n_jobs=2':>8} {'ratio':>8}")
        measure(busy, arguments.fits, print_row)


if __name__ == "__main__":
    # Two threads may be used, and BLAS has one; these count only from the start.
    wanted = environment(2)
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], wanted)
    main()
