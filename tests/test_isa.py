"""The same coefficients, bit for bit, on every instruction set."""

import os
import subprocess
import sys

import pytest

from sklgd.kernels._isa import instruction_set

SCRIPT = """
import hashlib, warnings
import numpy as np, scipy.sparse as sp
from sklgd import GDClassifier, GDRegressor
from sklgd.kernels._isa import instruction_set

warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = rng.normal(size=(700, 29))
z = X @ rng.normal(size=(29, 5)) + rng.normal(size=(700, 5))
digest = hashlib.sha256()
sparse = sp.csr_matrix(X * (rng.random(X.shape) < 0.3))
for storage in (X, X.astype(np.float32), sparse):
    for batch_size, optimizer in ((1, "sgd"), (32, "adam"), ("full", "nesterov")):
        for model, y in (
            (GDRegressor(), z[:, 0]),
            (GDRegressor(loss="poisson"), np.exp(0.3 * z[:, 0])),
            (GDRegressor(), z),
            (GDClassifier(), z[:, 0] > 0.0),
            (GDClassifier(loss="hinge"), z.argmax(axis=1)),
            (GDClassifier(), z.argmax(axis=1)),
        ):
            model.set_params(
                batch_size=batch_size, optimizer=optimizer, learning_rate=1e-2,
                max_iter=3, tol=None, random_state=0,
            )
            model.fit(storage, y)
            for array in (model.coef_, model.intercept_, np.array(model.loss_curve_)):
                digest.update(np.ascontiguousarray(array).tobytes())
wide = rng.normal(size=(300, 77)).astype(np.float32)
for batch_size in (64, 150):
    model = GDClassifier(
        batch_size=batch_size, optimizer="adam", learning_rate=1e-2, max_iter=3,
        tol=None, random_state=0,
    )
    model.fit(wide, z[:300].argmax(axis=1))
    digest.update(np.array(model.loss_curve_).tobytes())
rows = sp.random(300, 3000, 0.002, "csr", random_state=rng)
model = GDClassifier(
    batch_size=5, optimizer="adam", penalty=None, learning_rate=1e-2, max_iter=3,
    tol=None, random_state=0,
)
digest.update(model.fit(rows, z[:300, 0] > 0.0).coef_.tobytes())
for storage in (X, X.astype(np.float32), sparse):
    for model, y, classes in (
        (GDRegressor(), z[:, 0], {}),
        (GDRegressor(loss="huber", penalty="l2", alpha=1e-3), z[:, 0], {}),
        (GDRegressor(), z, {}),
        (GDClassifier(), z[:, 0] > 0.0, {"classes": [False, True]}),
        (GDClassifier(), z.argmax(axis=1), {"classes": np.arange(5)}),
    ):
        model.set_params(random_state=0)
        for rows in np.array_split(np.arange(700), 3):
            model.partial_fit(storage[rows], y[rows], **classes)
        for array in (model.coef_, model.intercept_, model.progressive_loss_):
            digest.update(np.ascontiguousarray(array).tobytes())
print(instruction_set(), digest.hexdigest())
"""


def run(**environment):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.exhaustive
def test_same_bits():
    if instruction_set() == "base":
        pytest.skip("this machine has the base instruction set only")
    name, digest = run(SKLGD_ISA="base")
    assert name == "base"
    name, other = run(SKLGD_ISA="")
    assert name == "avx2"
    assert other == digest
