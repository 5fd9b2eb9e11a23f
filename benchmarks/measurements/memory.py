"""Peak memory of a fit beyond its data, each fit in a process of its own.

"rss" is the growth of the peak resident set over what was resident before the fit
(VmHWM, reset through /proc/self/clear_refs; where there is none, ru_maxrss), after a
small fit of the same kind. "traced" is the peak of tracemalloc, which sees NumPy's
arrays to the byte but not what C allocates, in a second fit. Both are given as a share
of the size of X.
"""

import json
import os
import subprocess
import sys
import tempfile
import tracemalloc
import warnings
from dataclasses import replace
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np
import scipy.sparse as sp

from measurements import say
from problems import Problem, mean_square_norm
from timing import environment

# name -> (classes only, estimator, parameters); ETA stands for a stable learning rate.
SGD_STEP = {"learning_rate": "constant", "eta0": "ETA", "tol": None, "max_iter": 3}
MODES = {
    "sklgd auto (full batch)": ("GD", {}),
    "sklgd lbfgs": ("GD", {"optimizer": "lbfgs", "max_iter": 5, "tol": None}),
    "sklgd sgd, b=1": ("GD", {"optimizer": "sgd", "batch_size": 1, **SGD_STEP}),
    "sklgd auto, b=1": ("GD", {"batch_size": 1, "max_iter": 3, "tol": None}),
    "sklgd adam, b=256": (
        "GD",
        {"optimizer": "adam", "batch_size": 256, **SGD_STEP, "eta0": 1e-3},
    ),
    "sklgd auto, b=256": ("GD", {"batch_size": 256, "max_iter": 3, "tol": None}),
    "sklgd sgd, full": ("GD", {"optimizer": "sgd", "batch_size": "full", **SGD_STEP}),
    "SGD*": ("SGD", {**SGD_STEP}),
    "lbfgs or Ridge lsqr": ("exact", {"max_iter": 5}),
    "MLP* adam": ("MLP", {"max_iter": 3, "batch_size": 256}),
}


def estimator(kind, parameters, n_classes, eta):
    """The estimator of a mode."""
    from sklearn.linear_model import (
        LogisticRegression,
        Ridge,
        SGDClassifier,
        SGDRegressor,
    )
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    import sklgd

    parameters = {k: eta if v == "ETA" else v for k, v in parameters.items()}
    kinds = {
        "GD": (sklgd.GDRegressor, sklgd.GDClassifier),
        "SGD": (SGDRegressor, SGDClassifier),
        "exact": (Ridge, LogisticRegression),
        "MLP": (MLPRegressor, MLPClassifier),
    }
    model = kinds[kind][n_classes is not None](**parameters)
    if kind == "SGD" and n_classes:
        model.set_params(loss="log_loss")
    if kind == "exact" and n_classes is None:
        model.set_params(solver="lsqr")
    if kind == "MLP":
        model.set_params(hidden_layer_sizes=())
    return model


# -------------------------------------------------------------------- in the child


def _status(field):
    """Bytes of a field of /proc/self/status, or None."""
    try:
        text = Path("/proc/self/status").read_text()
    except OSError:
        return None
    line = next(line for line in text.splitlines() if line.startswith(field + ":"))
    return 1024 * int(line.split()[1])


def peak_beyond(function):
    """Bytes by which the peak resident set exceeds the one before the call."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        import resource

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        function()
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return (after - before) * (1 if sys.platform == "darwin" else 1024)
    before = _status("VmRSS")
    function()
    return _status("VmHWM") - before


def load(folder):
    """X and y as `save` wrote them."""
    folder = Path(folder)
    y = np.load(folder / "y.npy")
    if (folder / "X.npy").exists():
        return np.load(folder / "X.npy"), y
    data, indices, indptr = (
        np.load(folder / f"{part}.npy") for part in ("data", "indices", "indptr")
    )
    shape = tuple(int(v) for v in np.load(folder / "shape.npy"))
    return sp.csr_matrix((data, indices, indptr), shape=shape), y


def child(folder, mode, n_classes):
    """Measure one mode and print JSON."""
    warnings.simplefilter("ignore")
    X, y = load(folder)
    eta = 0.05 / mean_square_norm(X)
    make = lambda: estimator(*MODES[mode], n_classes, eta)  # noqa: E731
    # All that a fit loads or starts once; copies, as a part of X shares its memory.
    make().fit(X[:500].copy(), y[:500].copy())
    rss = peak_beyond(lambda: make().fit(X, y))
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    make().fit(X, y)
    _, peak = tracemalloc.get_traced_memory()
    print(json.dumps({"rss": rss, "traced": peak - before}))


# ------------------------------------------------------------------- in the parent


def save(folder, X, y):
    """Write a problem for the children."""
    folder = Path(folder)
    np.save(folder / "y.npy", y)
    if sp.issparse(X):
        for part in ("data", "indices", "indptr"):
            np.save(folder / f"{part}.npy", getattr(X, part))
        np.save(folder / "shape.npy", np.array(X.shape))
    else:
        np.save(folder / "X.npy", X)


def problems(options):
    """(problem, modes)."""
    # More than 256 MB, so that the working copy of small data is not made.
    n = options.pick(400_000, 400_000, 4000)
    names = list(MODES)
    ours = [name for name in names if name.startswith("sklgd")]
    few = ["sklgd auto (full batch)", "sklgd sgd, b=1", "sklgd adam, b=256", "SGD*"]
    one = ["sklgd sgd, b=1"]
    dense, text = Problem(n, 100, n_classes=2), Problem(n, 47_000, nnz=62, n_classes=2)
    yield dense, options.pick(names, few, one)
    yield text, options.pick(names, few, one)
    if options.level == "full":
        yield replace(dense, n_samples=2 * n, dtype="float32"), ours
        yield replace(text, n_samples=2 * n, dtype="float32"), ours
        yield Problem(n // 4, 784, "float32", n_classes=10), ours
        yield Problem(n, 100), few


def run(options):
    for problem, modes in problems(options):
        say(f"  {problem.name}, {problem.n_bytes / 1e6:.0f} MB")
        with tempfile.TemporaryDirectory(prefix="sklgd") as folder:
            save(folder, *problem.make())
            for mode in modes:
                yield {
                    "problem": {**problem.describe(), "bytes": problem.n_bytes},
                    "library": mode,
                    **spawn(folder, mode, problem),
                }


def spawn(folder, mode, problem):
    """What a child says, or the error it died of."""
    # Arrays in pages of their own, which go back to the system when they are freed.
    variables = environment() | {"MALLOC_MMAP_THRESHOLD_": str(2**17)}
    arguments = [folder, mode, json.dumps(problem.n_classes)]
    done = subprocess.run(
        [sys.executable, os.fspath(Path(__file__).resolve()), *arguments],
        env=variables,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        error = (done.stderr.strip().splitlines() or ["no message"])[-1]
        say(f"    {mode:28}{error}")
        return {"skipped": error}
    found = json.loads(done.stdout.splitlines()[-1])
    shares = {key: value / problem.n_bytes for key, value in found.items()}
    say(
        f"    {mode:28}{100 * shares['rss']:8.1f} % resident, "
        f"{100 * shares['traced']:6.1f} % traced"
    )
    return {"bytes_beyond": found, "share": shares}


if __name__ == "__main__":
    child(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
