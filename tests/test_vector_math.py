"""The kernels' own exp and log1p: accuracy, special values, bits."""

import os
import subprocess
import sys

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklgd.kernels._vector_math import exp, log1p

# 64 bits of significand against 53: good enough to be the truth.
EXTENDED = np.finfo(np.longdouble).nmant >= 63

PRINT_BITS = """
import hashlib
import numpy as np
from sklgd.kernels._isa import instruction_set
from sklgd.kernels._vector_math import exp, log1p
from sklgd.losses import LOSSES

rng = np.random.default_rng(0)
x = np.concatenate([rng.uniform(-750, 712, 5001), rng.normal(size=5001)])
digest = hashlib.sha256(exp(x).tobytes() + log1p(np.abs(x)).tobytes())
z = rng.normal(scale=3.0, size=(1001, 7))
y = rng.integers(7, size=1001).astype(float)
for K in (1, 7):
    target = 2.0 * (y > 2) - 1.0 if K == 1 else y
    total, g = LOSSES["log_loss"]().evaluate(target, z[:, :K])
    digest.update(np.float64(total).tobytes() + g.tobytes())
print(instruction_set(), digest.hexdigest())
"""


def ulps(got, truth):
    """Largest error in units in the last place of the nearest double."""
    nearest = np.abs(truth.astype(np.float64))
    unit = np.nextafter(nearest, np.inf) - nearest
    return np.max(np.abs(got.astype(np.longdouble) - truth) / unit)


@pytest.mark.skipif(not EXTENDED, reason="long double is a double here")
@pytest.mark.parametrize(
    ("low", "high"),
    [(-0.35, 0.35), (-2.0, 2.0), (-40.0, 40.0), (-708.0, 709.7), (-745.0, -708.0)],
)
def test_exp_is_within_one_unit(low, high):
    x = np.random.default_rng(0).uniform(low, high, 200_000)
    assert ulps(exp(x), np.exp(x.astype(np.longdouble))) < 1.0


@pytest.mark.skipif(not EXTENDED, reason="long double is a double here")
def test_log1p_is_within_one_unit():
    rng = np.random.default_rng(0)
    for x in (
        rng.uniform(size=200_000),
        10.0 ** rng.uniform(-307, 0, 200_000),
        10.0 ** rng.uniform(0, 308, 200_000),
    ):
        assert ulps(log1p(x), np.log1p(x.astype(np.longdouble))) < 1.0


def test_special_values():
    inf, nan = np.inf, np.nan
    tiny = 5e-324
    x = [0.0, -0.0, inf, -inf, nan, 709.79, 1e308, -746.0, -1e308, -745.13, tiny]
    want = [1.0, 1.0, inf, 0.0, nan, inf, inf, 0.0, 0.0, tiny, 1.0]
    assert_array_equal(exp(x), want)
    assert_array_equal(exp([nan, 1e-17, -1e-17]), [nan, 1.0, 1.0])
    assert np.isfinite(exp([709.78])[0])
    x = [0.0, inf, nan, tiny, 1e-20, 1e-300]
    assert_array_equal(log1p(x), x)
    assert log1p([np.finfo(float).max])[0] == np.log(np.finfo(float).max)


@pytest.mark.parametrize("function", [exp, log1p])
def test_bits_do_not_depend_on_the_place_in_the_array(function):
    x = np.random.default_rng(0).uniform(0.0, 5.0, 67)
    single = [function(x[i : i + 1])[0] for i in range(len(x))]
    assert_array_equal(function(x), single)


@pytest.mark.exhaustive
def test_same_bits_on_every_instruction_set():
    out = {}
    for isa in ("base", "best"):
        environment = os.environ | {"SKLGD_ISA": isa}
        name, digest = subprocess.run(
            [sys.executable, "-c", PRINT_BITS],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        ).stdout.split()
        out[isa] = digest
        assert isa != "base" or name == "base"
    assert out["base"] == out["best"]
