"""What became slower or faster between two versions of sklgd.

    python benchmarks/compare.py main .            # a git revision and a folder
    python benchmarks/compare.py HEAD~3 HEAD --only minibatch small --repeats 15

A folder is a checkout; it is built if it has no compiled kernels. A revision is checked
out and built in a temporary folder. Both versions make the same fits in turn, each in a
process of its own on one thread; times are processor time (--clock wall: the clock on
the wall) and minima. Each turn gives a ratio of two fits made one after the other. A
cell is slower if the ratio of the minima and three quarters of those ratios exceed 1 by
the threshold, and if it is found again with twice as many turns; faster likewise. Exits
with 1 if a cell is slower.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from timing import CLOCKS, environment, seconds, use_clock

HERE = Path(__file__).resolve().parent
LEAST = 0.05  # seconds of a timed call


# ----------------------------------------------------------------------- what is run


def cells(size):
    """(group, name, problem, parameters of GD*, epochs); None is one call of fit.

    ``size`` multiplies the rows.
    """
    from problems import Problem

    sgd = {"optimizer": "sgd", "batch_size": 1}
    adam = {"optimizer": "adam", "batch_size": 256}
    full = {"optimizer": "nesterov", "batch_size": "full"}
    auto = {"auto": True}

    def rows(n):
        return max(int(n * size), 100)

    text = Problem(rows(50_000), 47_000, nnz=62, n_classes=2)
    dense = [(200_000, 10), (100_000, 30), (50_000, 100), (15_000, 784)]
    for n, d in dense:
        for dtype in ("float64", "float32"):
            for classes in (None, 2):
                yield "sgd", Problem(rows(n), d, dtype, n_classes=classes), sgd
    yield "sgd", text, sgd
    yield "sgd", text, {**sgd, "penalty": "elasticnet"}
    yield "sgd", text, {**sgd, "optimizer": "adagrad"}
    yield "sgd", Problem(rows(20_000), 100, n_classes=10), sgd
    for n, d in ((50_000, 100), (15_000, 784)):
        for classes in (None, 2, 10):
            for dtype in ("float64", "float32"):
                yield "minibatch", Problem(rows(n), d, dtype, n_classes=classes), adam
    yield "minibatch", text, {**adam, "optimizer": "sgd"}
    for problem in (
        Problem(rows(100_000), 100, n_classes=2),
        Problem(rows(100_000), 100, "float32"),
        Problem(rows(30_000), 100, n_classes=10),
        text,
    ):
        yield "full", problem, full
        yield "full", problem, auto
    # Ends that a bound proves, columns without an entry, few rows, many classes.
    hashed = Problem(rows(20_000), 2**20, nnz=50, n_classes=2)
    yield "text", Problem(rows(15_000), 50_000, nnz=100, n_classes=20), auto
    yield "text", Problem(rows(20_000), 50_000, nnz=100, n_classes=5), full
    yield "text", hashed, auto
    yield "text", hashed, {**adam, "penalty": None}
    yield "text", hashed, adam
    yield "shapes", Problem(200, 2900, n_classes=2), {**auto, "loss": "hinge"}
    for classes in (30, 100):
        yield "shapes", Problem(rows(10_000), 50, n_classes=classes), auto
    yield "shapes", Problem(rows(1500), 600, n_classes=26), auto
    for classes in (None, 2):
        yield "stochastic", Problem(rows(50_000), 100, n_classes=classes), {
            **auto, "batch_size": 1,
        }  # fmt: skip
        yield "stochastic", Problem(rows(50_000), 100, n_classes=classes), {
            **auto, "batch_size": 256,
        }  # fmt: skip
        small = Problem(100, 10, n_classes=classes)
        yield "small", small, {**sgd, "max_iter": 5}
        yield "small", small, auto


GROUPS = ("sgd", "minibatch", "full", "text", "shapes", "stochastic", "small")


def label(problem, parameters):
    shown = {k: v for k, v in parameters.items() if k != "auto"}
    settings = ", ".join(f"{k}={v!r}" for k, v in shown.items()) or "defaults"
    return f"{problem.name}: {settings}"


def estimator(problem, parameters, X):
    """GDRegressor or GDClassifier of a cell."""
    import sklgd
    from problems import mean_square_norm

    parameters = dict(parameters)
    cls = sklgd.GDClassifier if problem.n_classes else sklgd.GDRegressor
    if parameters.pop("auto", False):
        # Enough for a whole fit: the first steps of two versions may differ.
        return cls(random_state=0, **{"max_iter": 200, **parameters})
    eta = 1e-3 if parameters["optimizer"] == "adam" else 0.05 / mean_square_norm(X)
    fixed = {"learning_rate": "constant", "eta0": eta, "tol": None, "max_iter": 4}
    return cls(random_state=0, **fixed | parameters)


# ---------------------------------------------------------------------- the workers


def work(size):
    """Answer requests on stdin: {"cell": i} prepares a cell, {"time": n} times it."""
    import warnings

    from threadpoolctl import threadpool_limits

    import sklgd

    warnings.simplefilter("ignore")
    every = list(cells(size))
    answer({"file": sklgd.__file__})
    with threadpool_limits(1, user_api="blas"):
        for line in sys.stdin:
            request = json.loads(line)
            try:
                if "cell" in request:
                    _, problem, parameters = every[request["cell"]]
                    X, y = problem.make()
                    model = estimator(problem, parameters, X)
                    model.fit(X, y)
                    answer({"seconds": seconds(model.fit, X, y)})
                else:
                    answer({"seconds": timed(model, X, y, request["time"])})
            except Exception as error:  # an older version may lack something
                answer({"error": f"{type(error).__name__}: {error}"})


def timed(model, X, y, number):
    """Seconds of a fit, from so many in a row."""

    def loop():
        for _ in range(number):
            model.fit(X, y)

    return seconds(loop) / number


def answer(message):
    print(json.dumps(message), flush=True)


class Worker:
    """A process that runs the cells with the package of one folder."""

    def __init__(self, folder, given):
        variables = environment() | {"PYTHONPATH": os.fspath(folder)}
        command = [sys.executable, os.fspath(HERE / "compare.py"), "--work"]
        command += [str(given.size), given.clock]
        self.process = subprocess.Popen(
            command, env=variables, cwd=folder, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        found = Path(self._read()["file"]).resolve()
        if Path(folder).resolve() not in found.parents:
            raise SystemExit(f"{folder}: Python imports {found} instead")

    def _read(self):
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a worker has died")
        return json.loads(line)

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return self._read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


# --------------------------------------------------------------------- the versions


def build(folder):
    """Compile the kernels of a checkout in place."""
    print(f"building {folder}", flush=True)
    done = subprocess.run(
        [sys.executable, "setup.py", "build_ext", "--inplace"],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{folder} does not build:\n{done.stderr[-3000:]}")


def compiled(folder):
    kernels = Path(folder) / "sklgd" / "kernels"
    return any(kernels.glob("*.so")) or any(kernels.glob("*.pyd"))


def checkout(version, stack):
    """Folder of a version, ready to be imported from."""
    if Path(version).is_dir():
        folder = Path(version).resolve()
        if not compiled(folder):
            build(folder)
        return folder
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sklgd")))
    git = ["git", "-C", os.fspath(HERE.parent)]
    archive = subprocess.run([*git, "archive", version], capture_output=True)
    if archive.returncode:
        raise SystemExit(
            f"{version} is neither a folder nor a revision: {archive.stderr.decode()}"
        )
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    build(folder)
    return folder


# ------------------------------------------------------------------- the comparison


@dataclass
class Cell:
    """Times of one cell with both versions."""

    before: list
    after: list

    def extend(self, workers, number, repeats):
        """More turns; who goes first alternates."""
        times = self.before, self.after
        for turn in range(repeats):
            for i in (0, 1) if turn % 2 else (1, 0):
                times[i].append(workers[i].ask(time=number)["seconds"])

    @property
    def ratio(self):
        """Time after over time before."""
        return min(self.after) / min(self.before)

    @property
    def quartiles(self):
        """Lower and upper quartile of the ratios of fits made in one turn."""
        pairs = zip(self.before, self.after, strict=True)
        found = statistics.quantiles((b / a for a, b in pairs), method="inclusive")
        return found[0], found[2]

    def verdict(self, threshold):
        low, high = self.quartiles
        if min(self.ratio, low) > 1.0 + threshold:
            return "slower"
        return "faster" if max(self.ratio, high) < 1.0 / (1.0 + threshold) else ""


def measure(workers, index, given):
    """Times of both versions, or the error of one that cannot run the cell."""
    first = [worker.ask(cell=index) for worker in workers]
    for found in first:
        if "error" in found:
            return found["error"]
    number = max(1, int(LEAST / max(found["seconds"] for found in first)))
    cell = Cell([], [])
    cell.extend(workers, number, given.repeats)
    if cell.verdict(given.threshold):
        # Chance does not strike twice.
        again = Cell([], [])
        again.extend(workers, number, 2 * given.repeats)
        return again
    return cell


def compare(workers, given):
    """Run and print all cells; name -> `Cell`."""
    found = {}
    print(f"{'before':>10}{'after':>10}{'ratio':>7}{'quartiles':>14}  (ms)")
    for index, (group, problem, parameters) in enumerate(cells(given.size)):
        if group not in given.only:
            continue
        name = label(problem, parameters)
        cell = measure(workers, index, given)
        if isinstance(cell, str):
            print(f"{'':43}{name}: {cell:.100}", flush=True)
            continue
        found[name] = cell
        low, high = cell.quartiles
        print(
            f"{1e3 * min(cell.before):10.3f}{1e3 * min(cell.after):10.3f}"
            f"{cell.ratio:7.2f}{low:8.2f}{high:6.2f}  "
            f"{cell.verdict(given.threshold):7} {name}",
            flush=True,
        )
    return found


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", help="folder or git revision")
    parser.add_argument("after", help="folder or git revision")
    parser.add_argument("--only", nargs="+", choices=GROUPS, default=list(GROUPS))
    parser.add_argument("--repeats", type=int, default=9, help="at least 2")
    parser.add_argument("--clock", choices=list(CLOCKS), default="cpu")
    parser.add_argument("--threshold", type=float, default=0.05)
    parser.add_argument("--size", type=float, default=1.0, help="factor of the rows")
    return parser.parse_args()


def main():
    if sys.argv[1:2] == ["--work"]:
        use_clock(sys.argv[3])
        work(float(sys.argv[2]))
        return 0
    given = parse()
    with ExitStack() as stack:
        folders = [checkout(version, stack) for version in (given.before, given.after)]
        workers = [stack.enter_context(Worker(folder, given)) for folder in folders]
        found = compare(workers, given)
    total = {"slower": [], "faster": []}
    for name, cell in found.items():
        verdict = cell.verdict(given.threshold)
        if verdict:
            total[verdict].append((cell.ratio, name))
    print(f"\n{len(found)} cells")
    for verdict, some in total.items():
        print(f"{verdict}: {len(some)}")
        for ratio, name in sorted(some, reverse=verdict == "slower"):
            print(f"{ratio:7.2f}  {name}")
    return 1 if total["slower"] else 0


if __name__ == "__main__":
    sys.exit(main())
