"""Merged rows: a lower bound of the loss of all rows, exact where they were merged."""

from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose

from sklgd import losses
from sklgd._fit.merged_rows import Merged, MergeRows
from sklgd._solvers.near_rows import Quadratic
from sklgd.blocks import from_iterable

CASES = [
    (losses.Hinge(), True),
    (losses.AbsoluteError(), False),
    (losses.Quantile(0.3), False),
    (losses.EpsilonInsensitive(0.2), False),
]


class AsTheyAre(SimpleNamespace):
    """Blocks whose targets and weights need no encoding."""

    def __call__(self, block):
        return block.X, block.y, block.sample_weight


def merged(loss, labelled, rng, coef, form=np.asarray, reach=0.1, share=0.5):
    """The merged rows of three blocks, and all rows."""
    X = form(rng.normal(size=(300, 3)))
    z = X @ coef[:-1, 0] + coef[-1, 0]
    y = np.where(z > 0.0, 1.0, -1.0) if labelled else z + rng.normal(size=300)
    s = rng.uniform(0.5, 2.0, 300)
    task = MergeRows(
        AsTheyAre(labelled=labelled), loss, 1, True, 1, coef, np.array([reach]), share,
        np.zeros(3), np.ones((4, 1)), 1,
    )  # fmt: skip
    total = None
    parts = [(X[i : i + 100], y[i : i + 100], s[i : i + 100]) for i in (0, 100, 200)]
    for block in from_iterable(lambda: iter(parts)):
        found = task(block)
        if total is None:
            total = found
        else:
            total += found
    return total, (X, y, s)


def value(loss, rows, coef):
    X, y, s = rows
    return loss.evaluate(y, X @ coef[:-1] + coef[-1], s)[0]


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize(("loss", "labelled"), CASES)
def test_the_loss_of_merged_rows_is_a_lower_bound(loss, labelled, form, rng):
    coef = rng.normal(size=(4, 1))
    total, rows = merged(loss, labelled, rng, coef, form)
    few = total.outputs[0].data()
    assert len(few[1]) < 150
    assert_allclose(few[2].sum(), rows[2].sum())
    assert_allclose(value(loss, few, coef), value(loss, rows, coef))
    assert_allclose(total.values[0, 0], value(loss, rows, coef))
    for size in 1e-3, 1e-2, 0.1, 1.0, 10.0:
        there = coef + size * rng.normal(size=(4, 1))
        less, more = value(loss, few, there), value(loss, rows, there)
        assert less <= more * (1.0 + 1e-12)
        if size == 1e-3:
            assert_allclose(less, more)


@pytest.mark.parametrize(("loss", "labelled"), CASES)
def test_the_gradient_of_merged_rows_is_that_of_their_losses(loss, labelled, rng):
    coef = rng.normal(size=(4, 1))
    total, (X, y, s) = merged(loss, labelled, rng, coef)
    one = total.outputs[0]
    near = sum(part[2].sum() for part in one.kept)
    weight, gradient = one.far_gradient()
    assert_allclose(weight + near, s.sum())
    slopes = loss.evaluate(y, X @ coef[:-1] + coef[-1], s)[1][:, 0]
    X_near, y_near, s_near = one.near()
    z = X_near @ coef[:-1] + coef[-1]
    of_near = loss.evaluate(y_near, z, s_near)[1][:, 0]
    expected = np.append(
        X.T @ slopes - X_near.T @ of_near, slopes.sum() - of_near.sum()
    )
    assert_allclose(gradient, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_stored_rows_are_the_same_to_the_bit(form, rng):
    total, _ = merged(losses.Hinge(), True, rng, rng.normal(size=(4, 1)), form)
    stored = Merged.unpack(total.pack())
    assert (stored.values == total.values).all()
    for a, b in zip(stored.outputs, total.outputs, strict=True):
        assert list(a.merged) == list(b.merged)
        for x, y in zip(a.data() + a.near(), b.data() + b.near(), strict=True):
            assert (x != y).sum() == 0
        for x, y in zip(a.moments, b.moments, strict=True):
            assert (x == y).all()


def test_a_block_keeps_no_more_rows_than_its_share(rng):
    total, _ = merged(
        losses.AbsoluteError(), False, rng, np.ones((4, 1)), reach=1e9, share=0.1
    )
    assert sum(len(part[1]) for part in total.outputs[0].kept) <= 60


def test_the_model_of_the_merged_rows_is_a_quadratic_function(rng):
    A = rng.normal(size=(4, 4))
    at, gradient, u = rng.normal(size=(3, 4, 1))
    model = Quadratic(at, gradient, A @ A.T)
    step = u - at
    expected = gradient.T @ step + 0.5 * step.T @ A @ A.T @ step
    assert_allclose(model.value(u), expected.item())
    assert_allclose(model.gradient_at(u), gradient + A @ A.T @ step)
