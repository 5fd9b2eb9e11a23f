"""What to learn from: synthetic problems of any size, and real data sets.

`Problem` makes rows of a linear model, dense or CSR, in blocks, so that it takes the
memory of its X. `load_problem` reads a real set: the folder named by the environment
variable SKLGD_DATA holds the sets, a module ``load.py`` with ``names()`` and
``load(name) -> X, y, info``. Without it the sets are those that scikit-learn bundles or
fetches.

The target decides the loss (objective.py): squared_error, poisson (counts) or log_loss.
"""

import importlib
import os
import sys
from dataclasses import asdict, dataclass

import numpy as np
import scipy.sparse as sp
from sklearn import datasets
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

# ----------------------------------------------------------------------- synthetic

BLOCK = 2**22  # entries of X that are drawn at a time


@dataclass(frozen=True)
class Problem:
    """A synthetic problem.

    Attributes
    ----------
    n_samples, n_features : int
    dtype : {"float64", "float32"}
        Of X.
    nnz : int or None
        Entries of each row of a CSR matrix, None for dense X.
    n_classes : int or None
        None for regression.
    """

    n_samples: int
    n_features: int
    dtype: str = "float64"
    nnz: int | None = None
    n_classes: int | None = None

    @property
    def loss(self):
        return "squared_error" if self.n_classes is None else "log_loss"

    @property
    def entries(self):
        return self.n_samples * (self.n_features if self.nnz is None else self.nnz)

    @property
    def n_bytes(self):
        """Size of X."""
        entry = np.dtype(self.dtype).itemsize
        if self.nnz is None:
            return entry * self.entries
        return (entry + 4) * self.entries + 4 * (self.n_samples + 1)

    @property
    def name(self):
        kind = "dense" if self.nnz is None else f"CSR ({self.nnz} a row)"
        target = {None: "squared error", 2: "log loss"}.get(
            self.n_classes, f"{self.n_classes} classes"
        )
        size = f"{self.n_samples} x {self.n_features}"
        return f"{kind} {size} {self.dtype}, {target}"

    def describe(self):
        return {"name": self.name, "loss": self.loss, **asdict(self)}

    def make(self, seed=0):
        """X and y: y float64, or class numbers 0, 1, ..."""
        rng = np.random.default_rng(seed)
        n, d, k = self.n_samples, self.n_features, max(self.n_classes or 1, 1)
        W = rng.standard_normal((d, 1 if k <= 2 else k))
        X = self._empty(rng)
        y = np.empty(n, dtype=np.int64 if self.n_classes else np.float64)
        rows = max(1, BLOCK // (d if self.nnz is None else max(self.nnz, k)))
        for start in range(0, n, rows):
            part = slice(start, min(n, start + rows))
            if self.nnz is None:
                rng.standard_normal(out=X[part], dtype=X.dtype)
            z = X[part] @ W
            # Noise as large as the signal: the optimum is neither 0 nor at infinity.
            z += rng.standard_normal(z.shape) * z.std(axis=0)
            if self.n_classes is None:
                y[part] = z[:, 0]
            else:
                y[part] = z[:, 0] > 0.0 if k == 2 else np.argmax(z, axis=1)
        if self.n_classes:
            y[:k] = np.arange(k)  # every class occurs
        return X, y

    def _empty(self, rng):
        """Dense X still to be filled, or the whole CSR matrix."""
        n, d, nnz = self.n_samples, self.n_features, self.nnz
        if nnz is None:
            return np.empty((n, d), dtype=self.dtype)
        # Columns fall off in frequency as a power law, as words do; adding 0, 1, ... to
        # sorted draws makes those of a row distinct.
        indices = np.empty((n, nnz), dtype=np.int32)
        data = np.empty((n, nnz), dtype=self.dtype)
        rows = max(1, BLOCK // nnz)
        for start in range(0, n, rows):
            part = slice(start, min(n, start + rows))
            u = rng.random(indices[part].shape)
            drawn = np.sort(((d - nnz + 1) * u**3).astype(np.int32), axis=1)
            indices[part] = drawn + np.arange(nnz, dtype=np.int32)
            data[part] = rng.random(data[part].shape)
        indptr = np.arange(0, indices.size + 1, nnz, dtype=np.int32)
        return sp.csr_matrix((data.ravel(), indices.ravel(), indptr), shape=(n, d))


def mean_square_norm(X):
    """Mean |x_i|^2 of some rows: stable steps are a fraction of its inverse."""
    rows = X[: min(X.shape[0], 1000)]
    squares = rows.multiply(rows) if sp.issparse(rows) else rows * rows
    return float(squares.sum()) / rows.shape[0]


# ----------------------------------------------------------------------- real sets

LOSS_OF_TASK = {
    "regression": "squared_error",
    "count": "poisson",
    "binary": "log_loss",
    "multiclass": "log_loss",
}
# Name -> (loader of scikit-learn, its arguments, loss).
FALLBACK = {
    "diabetes": (datasets.load_diabetes, {"scaled": False}, "squared_error"),
    "breast_cancer": (datasets.load_breast_cancer, {}, "log_loss"),
    "wine": (datasets.load_wine, {}, "log_loss"),
    "digits": (datasets.load_digits, {}, "log_loss"),
    "california": (datasets.fetch_california_housing, {}, "squared_error"),
    "covtype": (datasets.fetch_covtype, {}, "log_loss"),
    "20newsgroups": (datasets.fetch_20newsgroups_vectorized, {}, "log_loss"),
}


def _loader():
    """The module load.py of the folder SKLGD_DATA, or None."""
    folder = os.environ.get("SKLGD_DATA")
    if not folder:
        return None
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module("load")


def problem_names():
    loader = _loader()
    return list(FALLBACK) if loader is None else list(loader.names())


def load_raw(name):
    """X (float64 ndarray or CSR), y and the loss of a set."""
    loader = _loader()
    if loader is None:
        fetch, arguments, loss = FALLBACK[name]
        X, y = fetch(return_X_y=True, **arguments)
        X = X.tocsr() if sp.issparse(X) else np.ascontiguousarray(X)
        return X.astype(np.float64), y, loss
    X, y, info = loader.load(name)
    return X, y, LOSS_OF_TASK[info["task"]]


def _strata(y):
    """Labels to stratify by: a class of one row joins the largest class."""
    _, code, counts = np.unique(y, return_inverse=True, return_counts=True)
    code[counts[code] < 2] = int(np.argmax(counts))
    return code if counts.max() >= 2 else None


def load_problem(name, cap=50_000, seed=0):
    """Training and test part of a set, the same at every call.

    Parameters
    ----------
    name : str
    cap : int
        Most rows, drawn at random; a quarter of them is held out (stratified by class).
    seed : int

    Returns
    -------
    X_train, X_test : C-contiguous float64 ndarrays or canonical CSR
    y_train, y_test : ndarrays
        float64, or labels.
    loss : {"squared_error", "poisson", "log_loss"}
    """
    X, y, loss = load_raw(name)
    rng = np.random.RandomState(seed)
    if X.shape[0] > cap:
        rows = np.sort(rng.permutation(X.shape[0])[:cap])
        X, y = X[rows], y[rows]
    classes = loss == "log_loss"
    if not classes:
        y = np.asarray(y, dtype=np.float64)
    train, test = train_test_split(
        np.arange(len(y)),
        test_size=0.25,
        random_state=seed,
        stratify=_strata(y) if classes else None,
    )
    parts = [X[train], X[test]]
    if sp.issparse(X):
        for part in parts:
            part.sum_duplicates()
    return (*parts, y[train], y[test], loss)


def data_folder():
    """The folder of real sets, or None."""
    return os.environ.get("SKLGD_DATA") or None


def load_scaled(name, cap):
    """Training part of a set, its columns scaled, as every library likes it.

    Standardised if dense, divided by the largest value if sparse; labels are class
    numbers 0, 1, ...; targets of a regression have unit variance.
    """
    X, _, y, _, loss = load_problem(name, cap)
    scaler = MaxAbsScaler() if sp.issparse(X) else StandardScaler()
    X = scaler.fit_transform(X)
    if loss == "log_loss":
        y = np.unique(y, return_inverse=True)[1]
    elif loss == "squared_error":
        y = (y - y.mean()) / y.std()
    return X, y, loss
