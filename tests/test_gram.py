"""Moments of the columns and Gram matrices, compared with NumPy's."""

import subprocess
import sys

import numpy as np
import pytest
import reference
import scipy.sparse as sp

from sklgd._fit.cost import gram_cost, sweep_cost
from sklgd.kernels._gram import column_statistics, softmax_hessian, weighted_gram
from sklgd.kernels._rows import Rows


def backwards(X):
    """CSR with the entries of each row in falling order of the columns."""
    csr = sp.csr_array(X)
    rows = np.repeat(np.arange(len(X)), np.diff(csr.indptr))
    order = np.lexsort((-csr.indices, rows))
    csr.data, csr.indices = csr.data[order], csr.indices[order]
    return csr


def wide(X):
    """CSR with indices of 64 bits."""
    csr = sp.csr_array(X)
    csr.indices, csr.indptr = csr.indices.astype("q"), csr.indptr.astype("q")
    return csr


# X in every storage that the kernels read; values are exact in float32.
STORAGES = {
    "float64": lambda X: X,
    "float32": lambda X: X.astype(np.float32),
    "csr": sp.csr_array,
    "csr float32": lambda X: sp.csr_array(X.astype(np.float32)),
    "csr int64": wide,
    "csr float32 int64": lambda X: wide(X).astype(np.float32),
    "csr unsorted": backwards,
}


def sample(n, d, density, seed=0):
    """Small integers, with a column of ones, one of zeros and one without zeros."""
    rng = np.random.default_rng(seed)
    X = rng.integers(-8, 9, size=(n, d)) * (rng.random((n, d)) < density)
    if d > 3:
        X[:, 0], X[:, 1], X[:, 2] = 1.0, 0.0, rng.integers(1, 9, n)
    return X.astype(np.float64)


def assert_close(ours, theirs, rtol=1e-12):
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol * np.abs(b).max())


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize("density", [0.05, 0.9])
@pytest.mark.parametrize("rows", ["all", "subset"])
@pytest.mark.parametrize("weights", [None, "some", "few", "strided"])
@pytest.mark.parametrize("centred", [False, True])
def test_gram(storage, density, rows, weights, centred):
    X = sample(700, 40, density)
    rng = np.random.default_rng(1)
    subset = None if rows == "all" else np.sort(rng.permutation(700)[:450])
    h = None
    if weights is not None:
        h = rng.random((700, 3))[:, 1] * (rng.random(700) < 0.8)
        h = h if weights == "strided" else np.ascontiguousarray(h)
        if weights == "few":
            h[rng.permutation(700)[:690]] = 0.0
    # Not the mean itself: v would be rounding alone.
    centre = X.mean(axis=0) + 0.25 if centred else None
    ours = weighted_gram(Rows(STORAGES[storage](X)), h, subset, centre)
    assert_close(ours, reference.weighted_gram(X, h, subset, centre))
    assert np.array_equal(ours[0], ours[0].T)


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize(("n", "d"), [(1, 1), (1, 5), (3, 1), (2000, 1), (300, 130)])
def test_shapes(storage, n, d):
    X = sample(n, d, 0.3)
    ours = weighted_gram(Rows(STORAGES[storage](X)), centre=X[0])
    assert_close(ours, reference.weighted_gram(X, None, None, X[0]))


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_rows_without_weight(form):
    X = form(sample(50, 5, 0.5))
    A, v, total = weighted_gram(Rows(X), np.zeros(50), None, np.ones(5))
    assert not A.any() and not v.any() and total == 0.0
    one = np.zeros(50)
    one[7] = 2.0
    ours = weighted_gram(Rows(X), one, np.arange(20), np.ones(5))
    assert_close(
        ours, reference.weighted_gram(sample(50, 5, 0.5), one, [7], np.ones(5))
    )


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize(("d", "density"), [(12, 0.9), (80, 0.05)])
def test_threads(storage, d, density):
    """The same bits for any number of threads, and into the caller's array."""
    X = STORAGES[storage](sample(10_000, d, density))
    h = np.random.default_rng(0).random(10_000)
    mean = np.asarray(X.mean(axis=0), dtype=np.float64)
    one = weighted_gram(Rows(X), h, None, mean)
    for n_threads in (2, 3, 8):
        out = np.full((d, d), np.nan)
        other = weighted_gram(Rows(X), h, None, mean, n_threads, out)
        assert other[0] is out
        for a, b in zip(one, other, strict=True):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("d", [6, 60])
def test_mean_far_from_zero(form, d):
    """Means of 1e6 standard deviations cost a column without zeros no digits."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(500, d)) * (rng.random((500, d)) < 6 / (2 * d))
    X[:, 2] = rng.normal(size=500)
    shift = np.zeros(d)
    shift[2] = 2.0**20
    X[:, 2] = (shift[2] + X[:, 2]) - shift[2]  # what is left of it after rounding
    h = rng.random(500)
    mean = h @ X / h.sum()
    ours = weighted_gram(Rows(form(X + shift)), h, None, mean + shift)
    exact = reference.weighted_gram(X, h, None, mean)
    np.testing.assert_allclose(ours[0], exact[0], rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(ours[1], exact[1], atol=1e-6)


# ----------------------------------------------------------------- column statistics


@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize(
    ("n", "d"), [(1, 1), (2, 7), (701, 40), (30, 700), (40_003, 12)]
)
@pytest.mark.parametrize("rows", ["all", "subset"])
@pytest.mark.parametrize("weighted", [False, True])
def test_statistics(storage, n, d, rows, weighted):
    X = sample(n, d, 0.4)
    rng = np.random.default_rng(1)
    subset = None if rows == "all" else np.sort(rng.permutation(n)[: n // 2 + 1])
    s = rng.random(n) * (rng.random(n) < 0.8) + 1e-3 if weighted else None
    kernel_rows = Rows(STORAGES[storage](X))
    ours = column_statistics(kernel_rows, s, subset)
    assert_close(ours, reference.column_statistics(X, s, subset))
    for n_threads in (2, 3):
        other = column_statistics(kernel_rows, s, subset, n_threads)
        assert all(np.array_equal(a, b) for a, b in zip(ours, other, strict=True))


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_statistics_far_from_zero(form):
    """Means of 1e6 standard deviations, and sizes from 1e-150 to 1e150."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(5000, 4))
    s = rng.random(5000)
    X += 2.0**20
    shifted = X - 2.0**20
    _, mean, var = column_statistics(Rows(form(X)), s)
    _, exact_mean, exact_var = reference.column_statistics(shifted, s)
    np.testing.assert_allclose(mean - 2.0**20, exact_mean, atol=1e-9)
    np.testing.assert_allclose(var, exact_var, rtol=1e-9)
    size = 10.0 ** np.array([-150.0, -50.0, 50.0, 150.0])
    _, mean, var = column_statistics(Rows(form(shifted * size)), s)
    np.testing.assert_allclose(mean / size, exact_mean, rtol=1e-9)
    np.testing.assert_allclose(np.sqrt(var) / size, np.sqrt(exact_var), rtol=1e-9)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_statistics_without_spread(form):
    """Rounding is no spread; a value whose square overflows is an error."""
    rng = np.random.default_rng(0)
    X = np.full((1000, 3), 1e8)
    X[:, 1] += rng.integers(0, 3, 1000) * np.spacing(1e8)
    X[:, 2] = 0.0
    s = rng.random(1000)
    _, mean, var = column_statistics(Rows(form(X)), s)
    assert not var.any()
    np.testing.assert_allclose(mean, [1e8, 1e8, 0.0])
    X[5, 2] = 1e200
    with pytest.raises(ValueError, match="column 2"):
        column_statistics(Rows(form(X)), s)


# ------------------------------------------------------------------- softmax Hessian


@pytest.mark.some_cases
@pytest.mark.parametrize("storage", STORAGES)
@pytest.mark.parametrize(("d", "n_classes"), [(1, 2), (4, 5), (33, 3)])
@pytest.mark.parametrize("rows", ["all", "subset"])
@pytest.mark.parametrize("weighted", [False, True])
def test_softmax_hessian(storage, d, n_classes, rows, weighted):
    X = sample(300, d, 0.4)
    rng = np.random.default_rng(1)
    p = rng.dirichlet(np.ones(n_classes), 300)
    subset = None if rows == "all" else np.sort(rng.permutation(300)[:170])
    s = rng.random(300) * (rng.random(300) < 0.7) if weighted else None
    centre = X.mean(axis=0) if weighted else None
    kernel_rows = Rows(STORAGES[storage](X))
    ours = softmax_hessian(kernel_rows, p, s, subset, centre)
    exact = reference.softmax_hessian(X, p, s, subset, centre)
    np.testing.assert_allclose(ours, exact, rtol=1e-11, atol=1e-11 * exact.max())
    assert np.array_equal(ours, ours.T)
    # The layout is that of coef.ravel(): the same constant for every class changes
    # nothing.
    same = np.repeat(rng.normal(size=d + 1), n_classes)
    np.testing.assert_allclose(ours @ same, 0.0, atol=1e-9 * exact.max())


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_softmax_hessian_threads(form):
    X = form(sample(9000, 10, 0.4))
    p = np.random.default_rng(0).dirichlet(np.ones(4), 9000)
    one = softmax_hessian(Rows(X), p)
    for n_threads in (2, 5):
        assert np.array_equal(one, softmax_hessian(Rows(X), p, n_threads=n_threads))
    none = softmax_hessian(Rows(X), p, np.zeros(9000))
    assert none.shape == (44, 44) and not none.any()


# ------------------------------------------------------------------------------ costs


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_costs_follow_the_rows(form):
    X = np.tile(sample(1000, 20, 0.3), (4, 1))
    few, many = Rows(form(X[:1000])), Rows(form(X))
    half = np.arange(1000)
    assert gram_cost(many, half) == pytest.approx(gram_cost(few))
    assert sweep_cost(many) == pytest.approx(4 * sweep_cost(few))
    assert sweep_cost(many, 3, half) == pytest.approx(sweep_cost(few, 3))
    assert sweep_cost(few, 10) > sweep_cost(few, 3) > sweep_cost(few)


def test_costs_in_sweeps():
    """The order of magnitude that choices of a method depend on."""

    def ratio(rows):
        return gram_cost(rows) / sweep_cost(rows)

    assert ratio(Rows(np.ones((10_000, 10)))) < 2.0
    assert 30.0 < ratio(Rows(np.ones((10_000, 784)))) < 200.0
    rng = np.random.default_rng(0)
    sparse = sp.random_array((10_000, 120), density=0.1, format="csr", rng=rng)
    assert ratio(Rows(sparse)) < 5.0
    # Full rows are multiplied by BLAS.
    full = gram_cost(Rows(sp.csr_array(np.ones((500, 300)))))
    assert full == pytest.approx(gram_cost(Rows(np.ones((500, 300)))))


def test_almost_constant_columns_have_no_negative_second_moments():
    """The centre is subtracted at the end, which must not leave -1e-12 there."""
    rng = np.random.default_rng(0)
    X = np.zeros((40, 400))  # most columns are empty: entries are multiplied in pairs
    X[1:, :20] = rng.uniform(1.0, 1e3, size=20)
    h = np.append(1e-25, rng.uniform(size=39))
    mean = h @ X / h.sum()
    A, _, _ = weighted_gram(Rows(sp.csr_array(X)), h, None, mean)
    assert (np.diag(A) >= 0.0).all()
    np.testing.assert_allclose(A, 0.0, atol=1e-7)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", range(1, 10))
def test_statistics_of_a_few_weighted_rows(n, dtype):
    """Four rows are summed together, and the rest one by one."""
    rng = np.random.default_rng(n)
    X, s = rng.normal(size=(n, 3)).astype(dtype), rng.uniform(0.5, 3.0, size=n)
    total, mean, var = column_statistics(Rows(X), s, None)
    expected = np.average(X.astype(float), axis=0, weights=s)
    assert total == pytest.approx(s.sum(), rel=1e-12)
    np.testing.assert_allclose(mean, expected, rtol=1e-9, atol=1e-12)
    square = np.average((X - expected) ** 2, axis=0, weights=s)
    np.testing.assert_allclose(var, square, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_a_column_is_constant_if_it_is_so_where_rows_count(form):
    X = np.concatenate([[[1e8]], np.full((7, 1), 3.1)])
    s = np.r_[0.0, np.full(7, 0.3)]
    assert column_statistics(Rows(form(X)), s, None)[2] == 0.0


def test_the_weights_of_sparse_rows_are_counted_once():
    """More columns than one pass over the rows fills (`n_panels` above 1)."""
    X = sp.random_array((500, 600), density=0.01, rng=0, format="csr")
    mean = X.mean(axis=0)
    ours = weighted_gram(Rows(X), None, None, mean)
    assert ours[2] == 500.0
    expected = reference.weighted_gram(X.toarray(), None, None, mean)
    np.testing.assert_allclose(ours[0], expected[0], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("missing", [0, 7, 39])
def test_a_column_with_one_missing_entry_is_not_full(missing):
    """Only the columns without zeros are centred before they are multiplied."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 30)) * (rng.random((40, 30)) < 0.1)
    X[:, 0] = 3.0
    X[missing, 0] = 0.0
    mean = X.mean(axis=0)
    ours = weighted_gram(Rows(sp.csr_array(X)), None, None, mean)
    expected = reference.weighted_gram(X, None, None, mean)
    np.testing.assert_allclose(ours[0], expected[0], rtol=1e-12, atol=1e-12)


@pytest.mark.exhaustive
def test_a_blas_function_with_other_arguments_is_refused():
    """Kernels take the functions' addresses from SciPy, and check their signatures."""
    program = (
        "from scipy.linalg import cython_blas\n"
        "table = cython_blas.__pyx_capi__\n"
        "table['dgemm'] = table['dgemv']\n"
        "import sklgd.kernels._gram\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert run.returncode == 1
    assert "cython_blas.dgemm of the installed SciPy has other arguments" in run.stderr
