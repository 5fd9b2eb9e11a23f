"""Kernels for several outputs: Z = X W + b and G = X'g."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

from sklgd.kernels._isa import instruction_set
from sklgd.kernels._problem import Problem
from sklgd.kernels._rows import Rows
from sklgd.losses import SquaredError

# Around the 128 features of a panel; 70 rows are more than the 64 of a batch of slopes.
FEATURES = [1, 7, 100, 128, 129, 300]
OUTPUTS = [2, 3, 4, 5, 7, 8, 10, 13, 16, 17, 20, 77]


def draw(n, d, K, dtype=np.float64):
    rng = np.random.default_rng(n + d + K)
    X = rng.normal(size=(n, d)).astype(dtype)
    return X, rng.normal(size=(d + 1, K)), rng.normal(size=(n, K))


def sparse(X, index=np.int32):
    """CSR with a third of the entries, and some rows of few or none."""
    X = X * (np.abs(X) > 1.0) * (np.arange(len(X)) % 9 > 0)[:, None]
    X[4::9, 2:] = 0.0
    X = sp.csr_array(X)
    return sp.csr_array(
        (X.data, X.indices.astype(index), X.indptr.astype(index)), shape=X.shape
    )


def products(X, W, G, subset=None):
    """X W + b and the mean of x_i g_i', over the rows of ``subset``."""
    K = W.shape[1]
    problem = Problem(
        Rows(X), np.zeros(X.shape[0] * K), None, SquaredError(), K, False, subset
    )
    Z, out = np.empty((problem.n_samples, K)), np.empty(W.shape)
    problem.raw_predictions(W, Z)
    problem.gradient(G if subset is None else np.ascontiguousarray(G[subset]), out)
    return Z, out[:-1]


def digest():
    """Of the bits of products of several shapes."""
    bits = hashlib.sha256()
    for K in OUTPUTS:
        for dtype in (np.float32, np.float64):
            X, W, G = draw(70, 130, K, dtype)
            for part in (*products(X, W, G), *products(sparse(X), W, G)):
                bits.update(part.tobytes())
    return bits.hexdigest()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", FEATURES)
@pytest.mark.parametrize("K", OUTPUTS)
def test_equals_the_definition(d, K, dtype):
    X, W, G = draw(70, d, K, dtype)
    for subset in (None, np.random.default_rng(0).permutation(70)[:67]):
        rows = slice(None) if subset is None else subset
        x = X[rows].astype(np.float64)
        Z, gradient = products(X, W, G, subset)
        assert_allclose(Z, x @ W[:-1] + W[-1], rtol=1e-12, atol=1e-12)
        assert_allclose(gradient, x.T @ G[rows] / len(x), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 65, 67, 68])
def test_few_rows_have_the_bits_of_many(n, dtype):
    """The gradient is a sum over rows in their order, whatever their number."""
    for K in (2, 3, 4, 7, 13, 26):
        X, W, G = draw(n, 135, K, dtype)
        total = np.zeros((135, K))
        for x, g in zip(X.astype(np.float64), G, strict=True):
            total += x[:, None] * g
        assert_array_equal(products(X, W, G)[1], total / n)


@pytest.mark.parametrize("index", [np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("d", [7, 3000])
@pytest.mark.parametrize("K", OUTPUTS)
def test_equals_the_definition_on_sparse_rows(d, K, dtype, index):
    """With 3000 features and many outputs coefficients are prefetched, too."""
    X, W, G = draw(41, d, K, dtype)
    X = sparse(X, index)
    x = X.toarray().astype(np.float64)
    Z, gradient = products(X, W, G)
    assert_allclose(Z, x @ W[:-1] + W[-1], rtol=1e-12, atol=1e-11)
    assert_allclose(gradient, x.T @ G / len(x), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("storage", [np.asarray, sparse])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bits_do_not_depend_on_what_is_computed_together(storage, dtype):
    """Threads may share out outputs and rows (40 make a single chunk)."""
    X, W, G = draw(40, 150, 22, dtype)
    X = storage(X)
    Z, gradient = products(X, W, G)
    for chosen in ([0, 1], [3, 4, 5], [21, 2, 9, 4], range(5, 18)):
        k = list(chosen)
        some_Z, some_gradient = products(
            X, np.ascontiguousarray(W[:, k]), np.ascontiguousarray(G[:, k])
        )
        assert_array_equal(some_Z, Z[:, k])
        assert_array_equal(some_gradient, gradient[:, k])
    for rows in ([5], [9, 3], range(7), range(40)[::-1]):
        subset = np.array(rows, dtype=np.intp)
        assert_array_equal(products(X, W, G, subset)[0], Z[subset])


@pytest.mark.exhaustive
def test_same_bits_on_every_instruction_set():
    environment = os.environ | {"SKLGD_ISA": "base"}
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parent), environment.get("PYTHONPATH", "")]
    )
    program = (
        "import test_outputs as t; assert t.instruction_set() == 'base'; "
        "print(t.digest())"
    )
    base = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert instruction_set() in ("base", "avx2")
    assert base == digest()


@pytest.mark.parametrize("storage", ["float64", "float32", "csr"])
@pytest.mark.parametrize("n_features", [1, 7, 8, 30, 511, 520, 1100])
@pytest.mark.parametrize("K", [1, 3])
def test_objectives_of_several_models(storage, n_features, K):
    """One read of X gives what each model gives by itself."""
    rng = np.random.default_rng(0)
    n = 37
    X = rng.normal(size=(n, n_features))
    X = sp.csr_matrix(X) if storage == "csr" else X.astype(storage)
    y = rng.normal(size=n * K)
    problem = Problem(Rows(X), y, None, SquaredError(), K, True)
    for n_models in (1, 2, 3, 4, 5, 8, 11):
        models = problem.empty_models(n_models)
        models[...] = rng.normal(size=models.shape)
        values = problem.values(models)
        alone = [problem.value(np.ascontiguousarray(model)) for model in models]
        np.testing.assert_allclose(values, alone, rtol=1e-14)
        z = np.stack([X @ model[:-1] + model[-1] for model in models])
        expected = 0.5 * np.square(z - y.reshape(n, K)).sum(axis=(1, 2)) / n
        np.testing.assert_allclose(values, expected, rtol=1e-5)
    assert problem.value(np.zeros((n_features + 1, K))) == pytest.approx(
        0.5 * np.square(y).sum() / n, rel=1e-14
    )
