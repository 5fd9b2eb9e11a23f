"""The online learner: its rule against its twin, and what it promises."""

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose

from sklgd.kernels._online import OnlineLearner
from sklgd.kernels._rows import Rows
from sklgd.losses import LOSSES

PENALTIES = {"none": (0.0, 0.0), "l2": (0.0, 3e-3), "l1": (2e-3, 0.0)}


def make_learner(loss, X, n_outputs=1, *, centred=True, l1=0.0, l2=0.0, params=None):
    loss = LOSSES[loss](**(params or {}))
    return OnlineLearner(
        loss, X.shape[1], n_outputs, fit_intercept=True, centred=centred,
        coupled=n_outputs > 1 and loss.name == "log_loss",
        quadratic=loss.name == "squared_error",
        classifies=loss.task == "classification",
        reach=2.0 if loss.link == "log" else 8.0, power=2 / 3, average=2.0, l1=l1,
        l2=l2,
    )  # fmt: skip


def make_stream(loss, n=70, seed=0):
    """Rows with columns in several units, one of them rare, and targets."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 5)) * [1.0, 100.0, 1e-3, 1.0, 1.0]
    X[:, 3] *= rng.random(n) < 0.2
    X[:, 4] = rng.integers(0, 3, n)
    X[50, 0] = 500.0
    z = X @ [1.0, 0.01, 500.0, 2.0, -0.5] + rng.normal(size=n)
    if LOSSES[loss].task == "classification":
        return X, np.where(z > 0.0, 1.0, -1.0)
    if LOSSES[loss].link == "log":
        y = rng.poisson(np.exp(np.clip(0.5 * z, -2.0, 2.0))).astype(float)
        return X, y + (loss == "gamma")
    return X, 3.0 * z + 10.0


@pytest.mark.parametrize(
    ("centred", "penalty"), [(True, "none"), (True, "l1"), (False, "l2")]
)
@pytest.mark.parametrize("loss", LOSSES)
def test_the_rule_is_that_of_the_twin(loss, centred, penalty):
    X, y = make_stream(loss)
    weights = np.random.default_rng(1).choice([0.0, 0.5, 1.0, 3.0], len(y))
    l1, l2 = PENALTIES[penalty]
    twin = reference.Online(loss, X.shape[1], centred=centred, l1=l1, l2=l2)
    for row in zip(X, y, weights, strict=True):
        twin.learn(*row)
    learner = make_learner(loss, X, centred=centred, l1=l1, l2=l2)
    assert learner.learn(Rows(X), y, weights, np.arange(len(y)))
    expected = twin.coefficients()
    scale = np.append(np.abs(X).mean(axis=0), 1.0)[:, None]
    assert_allclose(
        learner.coefficients() * scale, expected * scale, rtol=1e-6, atol=1e-7
    )
    for slot, total in ((11, twin.total), (12, twin.constant_total)):
        assert_allclose(learner.output_table[slot].sum(), total, rtol=1e-6, atol=1e-20)


@pytest.mark.parametrize("centred", [True, False])
def test_the_rule_of_several_classes_is_that_of_the_twin(centred):
    X, y = make_stream("squared_error")
    codes = np.digitize(y, np.quantile(y, [0.3, 0.6])).astype(float)
    twin = reference.Online("log_loss", X.shape[1], 3, centred=centred)
    for row in zip(X, codes.astype(int), strict=True):
        twin.learn(*row)
    learner = make_learner("log_loss", X, 3, centred=centred)
    assert learner.learn(Rows(X), codes, None, np.arange(len(codes)))
    scale = np.append(np.abs(X).mean(axis=0), 1.0)[:, None]
    # (The proximal step is found to a millionth.)
    assert_allclose(
        learner.coefficients() * scale,
        twin.coefficients() * scale,
        rtol=1e-3,
        atol=1e-4,
    )
