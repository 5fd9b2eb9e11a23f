"""Learning from files: fit_blocks against fits in memory, streams and other libraries.

    OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \\
        python benchmarks/blocks.py --rows 1e6 --folder folder

Makes a file of normal, correlated columns and labels of a logistic model, and fits the
logistic regression with alpha=1e-4 to it. Each learner runs in a process of its own.
For each: passes over the file, seconds (of the clock and of processors, without
imports), the peak memory of its process (and how much of it the imports take) and of
its workers, and the optimality gap of its coefficients, (F - F*) / (F_null - F*), with
F summed over the file and F* of a fit to tol=1e-10. The first line has the rate of a
plain read.

``--source`` chooses ``.npy`` files, a Parquet file or the arrays of a CSR matrix with
one entry in ten; ``--keep`` keeps the files. dask-ml and xgboost are used where they
are installed.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from numpy.lib import format as npy

ALPHA, CHUNK, SHARE = 1e-4, 2**18, 0.1


# ------------------------------------------------------------------------ the data


def chunks(rows, columns, sparse):
    """X in float32 and labels, some rows at a time."""
    rng = np.random.default_rng(0)
    truth = rng.normal(size=columns) / np.sqrt(columns)
    for start in range(0, rows, CHUNK):
        m = min(CHUNK, rows - start)
        X = rng.standard_normal((m, columns), dtype=np.float32)
        if sparse:
            X = sp.random_array((m, columns), density=SHARE, rng=rng, format="csr")
            X = X.astype(np.float32)
            X.data += 1.0
        else:
            X[:, 1:] += X[:, :-1]
        z = 3.0 * (X @ truth) + rng.logistic(size=m)
        yield X, (z > 0.0).astype(np.int8)


class NpyWriter:
    """Writes a ``.npy`` file piece by piece."""

    def __init__(self, path):
        self.path, self.length, self.file = path, 0, None

    def write(self, a):
        """Append rows."""
        if self.file is None:
            self.file, self.shape, self.dtype = self.path.open("wb"), a.shape, a.dtype
            self._header()
        self.file.write(np.ascontiguousarray(a).data)
        self.length += len(a)

    def _header(self):
        shape = self.length, *self.shape[1:]
        head = {"descr": self.dtype.str, "fortran_order": False, "shape": shape}
        npy.write_array_header_1_0(self.file, head)

    def close(self):
        """Write the number of rows. (A header has room for a longer number.)"""
        self.file.seek(0)
        self._header()
        self.file.close()


def make(folder, rows, columns, source):
    """Write the files of a source."""
    names = {"npy": ["X"], "csr": ["data", "indices", "indptr"], "parquet": []}
    files = {name: NpyWriter(folder / f"{name}.npy") for name in (*names[source], "y")}
    table, n_entries = None, 0
    if source == "csr":
        files["indptr"].write(np.zeros(1, dtype=np.int64))
    for X, y in chunks(rows, columns, source == "csr"):
        files["y"].write(y)
        if source == "npy":
            files["X"].write(X)
        elif source == "csr":
            files["data"].write(X.data)
            files["indices"].write(X.indices.astype(np.int32))
            files["indptr"].write(X.indptr[1:].astype(np.int64) + n_entries)
            n_entries += X.nnz
        else:
            import pyarrow as pa
            from pyarrow import parquet

            part = pa.table({**{f"x{j}": x for j, x in enumerate(X.T)}, "y": y})
            if table is None:
                table = parquet.ParquetWriter(folder / "X.parquet", part.schema)
            table.write_table(part)
    for file in (*files.values(), *([] if table is None else [table])):
        file.close()


def source_of(folder, columns):
    """The blocks of the files in a folder."""
    from sklgd.blocks import read_csr_npy, read_npy, read_parquet

    y = folder / "y.npy"
    if (folder / "X.npy").exists():
        return read_npy(folder / "X.npy", y)
    if (folder / "X.parquet").exists():
        return read_parquet(folder / "X.parquet", target="y")
    paths = [folder / f"{name}.npy" for name in ("data", "indices", "indptr")]
    return read_csr_npy(*paths, y, n_features=columns)


# -------------------------------------------------------------------- the learners
# Each returns coefficients, intercept, the number of passes over the file, and the
# peak memory of each worker in MB.


def in_memory(blocks, folder):
    """X and y as arrays, each row copied once."""
    if (folder / "X.npy").exists():
        return np.load(folder / "X.npy"), np.load(folder / "y.npy")
    X, y = zip(*((block.X, block.y) for block in blocks), strict=True)
    stack = partial(sp.vstack, format="csr") if sp.issparse(X[0]) else np.concatenate
    return stack(X), np.concatenate(y)


def of_model(model, n_passes):
    """Coefficients, intercept and passes of a linear model."""
    return np.ravel(model.coef_), float(np.ravel(model.intercept_)[0]), n_passes


def fit_blocks(blocks, folder, **params):
    from sklgd import GDClassifier

    model = GDClassifier(alpha=ALPHA, **params).fit_blocks(blocks)
    return of_model(model, model.n_passes_)


def on_dask(blocks, folder):
    from sklgd import GDClassifier
    from sklgd.dask import Engine

    with cluster() as client:
        model = GDClassifier(alpha=ALPHA)
        model.fit_blocks(blocks, engine=partial(Engine, client=client))
        return *of_model(model, model.n_passes_), *client.run(peak).values()


def fit(blocks, folder):
    from sklgd import GDClassifier

    model = GDClassifier(alpha=ALPHA).fit(*in_memory(blocks, folder))
    return of_model(model, 1)


def stream(blocks, folder, n_epochs):
    from sklgd import GDClassifier

    model = GDClassifier(alpha=ALPHA, random_state=0)
    model.partial_fit_blocks(blocks, n_epochs=n_epochs, classes=[0, 1])
    return of_model(model, n_epochs)


def sgd(blocks, folder, n_epochs):
    from sklearn.linear_model import SGDClassifier

    model = SGDClassifier(loss="log_loss", alpha=ALPHA, random_state=0)
    for _ in range(n_epochs):
        for block in blocks:
            model.partial_fit(block.X, block.y, classes=[0, 1])
    return of_model(model, n_epochs)


def dask_ml(blocks, folder):
    import dask.array as da
    from dask_ml.linear_model import LogisticRegression

    with cluster() as client:
        X = np.load(folder / "X.npy", mmap_mode="r")
        X = da.from_array(X, chunks=(CHUNK, X.shape[1]))
        y = da.from_array(np.load(folder / "y.npy"), chunks=CHUNK)
        C = 1.0 / (ALPHA * len(y))
        model = LogisticRegression(solver="lbfgs", C=C).fit(X, y)
        return *of_model(model, None), *client.run(peak).values()


def xgboost(blocks, folder):
    import xgboost

    X, y = in_memory(blocks, folder)
    data, rounds = xgboost.DMatrix(X, y, nthread=1), 20
    params = {"booster": "gblinear", "objective": "binary:logistic", "nthread": 1}
    model = xgboost.train({**params, "reg_lambda": ALPHA}, data, rounds)
    dump = json.loads(model.get_dump(dump_format="json")[0])
    return np.array(dump["weight"]), dump["bias"][0], rounds


def cluster():
    """A client of two local processes with a thread each."""
    from distributed import Client, LocalCluster

    options = {"dashboard_address": None, "worker_dashboard_address": None}
    return Client(LocalCluster(n_workers=2, threads_per_worker=1, **options))


LEARNERS = {
    "fit_blocks": fit_blocks,
    "fit_blocks on two Dask workers": on_dask,
    "fit in memory": fit,
    "partial_fit_blocks": partial(stream, n_epochs=1),
    "partial_fit_blocks, 5 epochs": partial(stream, n_epochs=5),
    "SGDClassifier.partial_fit": partial(sgd, n_epochs=1),
    "SGDClassifier.partial_fit, 5 epochs": partial(sgd, n_epochs=5),
    "xgboost gblinear, 20 rounds": xgboost,
    "dask-ml LogisticRegression": dask_ml,
    "optimum": partial(fit_blocks, tol=1e-10),
}
NEEDS = {
    "fit_blocks on two Dask workers": "distributed",
    "xgboost gblinear, 20 rounds": "xgboost",
    "dask-ml LogisticRegression": "dask_ml",
}
DENSE_FILES_ONLY = {"dask-ml LogisticRegression"}


# ------------------------------------------------------------------- the measures


def peak():
    """The most memory that this process has had, in MB."""
    status = Path("/proc/self/status")
    if status.exists():
        # (What `getrusage` says begins with the memory of the process that started it.)
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return int(lines["VmHWM"].split()[0]) / 1000.0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000.0


def measure(name, folder, columns):
    """A record of one learner, as JSON on the last line."""
    learner, blocks = LEARNERS[name], source_of(folder, columns)
    before = peak()
    clock, processor = time.perf_counter(), time.process_time()
    coef, intercept, n_passes, *workers = learner(blocks, folder)
    record = {
        "learner": name,
        "passes": n_passes,
        "seconds": time.perf_counter() - clock,
        "processor": time.process_time() - processor,
        "imports": before,
        "peak": [peak(), *workers],
        "coef": [*coef.tolist(), intercept],
    }
    print(json.dumps(record))


def objective(blocks, coef):
    """F at some coefficients, of which the last is the intercept."""
    total = n = 0
    w, b = np.array(coef[:-1]), coef[-1]
    for block in blocks:
        z = block.X @ w + b
        total += float(np.logaddexp(0.0, np.where(block.y > 0, -z, z)).sum())
        n += len(z)
    return total / n + 0.5 * ALPHA * float(w @ w)


def constant_objective(folder):
    """F of the best constant model."""
    p = np.load(folder / "y.npy").mean()
    return float(-p * np.log(p) - (1.0 - p) * np.log(1.0 - p))


def read_rate(folder):
    """Size of the files in MB, and MB per second of reading them."""
    n_bytes, start = 0, time.perf_counter()
    for path in folder.iterdir():
        with path.open("rb", buffering=0) as file:
            while piece := file.read(2**23):
                n_bytes += len(piece)
    return n_bytes / 1e6, n_bytes / 1e6 / (time.perf_counter() - start)


def run(folder, options):
    """Records of all learners that were asked for."""
    blocks, null = source_of(folder, options.columns), constant_objective(folder)
    records = []
    for name in ["optimum", *options.learners]:
        missing = name in NEEDS and find_spec(NEEDS[name]) is None
        if missing or (name in DENSE_FILES_ONLY and options.source != "npy"):
            continue
        command = [sys.executable, __file__, "--measure", name, "--folder", folder]
        command += ["--columns", str(options.columns)]
        # (Without the folder of this file, in which `sparse` is not the library.)
        out = subprocess.run(
            command, capture_output=True, text=True, check=False,
            env={**os.environ, "PYTHONSAFEPATH": "1"},
        )  # fmt: skip
        if out.returncode:
            print(f"{name}: {out.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            continue
        record = json.loads(out.stdout.splitlines()[-1])
        record["objective"] = objective(blocks, record.pop("coef"))
        records.append(record)
    best = min(record["objective"] for record in records)
    for record in records:
        record["gap"] = (record["objective"] - best) / (null - best)
    return records[1:]


def table(records):
    """Rows of a Markdown table."""
    yield "| learner | passes | s | processor s | imports MB | peak MB | gap |"
    yield "|---|---|---|---|---|---|---|"
    for r in records:
        memory = " + ".join(f"{megabytes:.0f}" for megabytes in r["peak"])
        yield (
            f"| {r['learner']} | {r['passes'] or ''} | {r['seconds']:.3g} | "
            f"{r['processor']:.3g} | {r['imports']:.0f} | {memory} | {r['gap']:.1e} |"
        )


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", type=float, default=1e6)
    parser.add_argument("--columns", type=int, default=20)
    parser.add_argument("--source", choices=["npy", "parquet", "csr"], default="npy")
    parser.add_argument("--folder", type=Path, help="a temporary one by default")
    parser.add_argument("--keep", action="store_true", help="keep the files")
    parser.add_argument("--learners", nargs="+", choices=LEARNERS, default=LEARNERS)
    parser.add_argument("--output", type=Path, help="JSON file with the records")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        measure(options.measure, options.folder, options.columns)
        return
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        make(folder, int(options.rows), options.columns, options.source)
        size, rate = read_rate(folder)
        print(f"{options.rows:g} rows, {size:.0f} MB, plain read {rate:.0f} MB/s\n")
        records = run(folder, options)
    finally:
        if not options.keep:
            shutil.rmtree(folder)
    print("\n".join(table(records)))
    if options.output:
        options.output.write_text(json.dumps(records, indent=1))


if __name__ == "__main__":
    main()
