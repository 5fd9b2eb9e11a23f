"""X is not copied: the memory of a fit is small beside the data."""

import tracemalloc

import numpy as np
import pytest
import scipy.sparse as sp

from sklgd import GDClassifier, GDRegressor

MODES = {
    "auto": {},
    "full": {"batch_size": "full", "optimizer": "adam", "learning_rate": 0.01},
    "mini-batch": {"batch_size": 64, "optimizer": "adam", "learning_rate": 0.01},
    "stochastic": {"batch_size": 1, "optimizer": "sgd", "learning_rate": 1e-4},
    "averaged": {"batch_size": 64, "learning_rate": 1e-3, "average": True},
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("storage", ["float64", "float32", "csr", "csr int64"])
@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_peak(cls, storage, mode):
    rng = np.random.default_rng(0)
    n, d = 60_000, 64
    if storage.startswith("csr"):
        indices = rng.integers(0, d, size=(n, d // 2), dtype=np.int32)
        indptr = np.arange(0, indices.size + 1, d // 2, dtype=np.int32)
        X = sp.csr_array((rng.random(indices.size), indices.ravel(), indptr), (n, d))
        X.sum_duplicates()
        if storage.endswith("int64"):
            X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
        size = X.data.nbytes + X.indices.nbytes + X.indptr.nbytes
    else:
        X = rng.random((n, d), dtype=storage)
        size = X.nbytes
    y = X @ rng.standard_normal(d)
    if cls is GDClassifier:
        y = np.digitize(y, np.quantile(y, [0.3, 0.6]))
    model = cls(max_iter=1, tol=None, random_state=0, **MODES[mode])
    tracemalloc.start()
    try:
        model.fit(X, y)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Targets, weights, order and blocks of rows: O(n) and a fixed amount. Batch methods
    # keep raw predictions, their slopes, and a direction among them.
    outputs = 1 if cls is GDRegressor else 3
    kept = 0 if mode != "auto" else 5 * 8 * n * outputs
    assert peak < (0.35 if mode != "auto" else 0.15) * size + kept
