"""scikit-learn's own checks: every loss, in every mode.

The suite runs every loss in batch mode, and every other mode on some of the losses, so
that each loss is met at least once more. All losses in all modes (two minutes):

    python -m pytest tests/test_sklearn_api.py --all-modes
"""

import warnings

import matplotlib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator

from sklgd import GDClassifier, GDRegressor, to_sklearn
from sklgd.display import DescentPathDisplay
from sklgd.losses import LOSSES
from sklgd.optimizers import OPTIMIZERS, BatchOptimizer, Optimizer

# Predictions are compared to seven digits, which takes a tight tolerance.
EXACT = {"tol": 1e-13}
MODES = {
    "auto": EXACT,
    "batch": {"batch_size": "full"} | EXACT,
    "mini-batches": {"batch_size": 16, "max_iter": 100},
    "single rows": {"batch_size": 1, "max_iter": 100},
    "explicit batch": {
        "optimizer": "sgd", "batch_size": "full", "learning_rate": 0.1, "max_iter": 200,
        "tol": None,
    },
    "explicit mini-batches": {
        "optimizer": "adam", "batch_size": 16, "learning_rate": 0.01, "max_iter": 50
    },
    "explicit single rows": {
        "optimizer": "sgd", "batch_size": 1, "learning_rate": "invscaling",
        "eta0": 0.01, "max_iter": 100,
    },
    "newton": {"optimizer": "newton"} | EXACT,
    "lbfgs": {"optimizer": "lbfgs"} | EXACT,
    "fista": {"optimizer": "fista", "tol": 1e-18},
    "saga": {"optimizer": "saga"},
    "svrg": {"optimizer": "svrg"},
    "point_saga": {"optimizer": "point_saga"},
}  # fmt: skip
# Modes in which weights and repetitions give the same sums, and the same coefficients.
SUMS_ALL_ROWS = "auto", "batch", "explicit batch", "newton"
SGD_REASON = (
    "a stochastic step sees one row: a weight k is one step k times as long, not k "
    "steps (scikit-learn's SGD* expects the same failure)"
)
SEARCH_REASON = (
    "the search ends where the objective does not change any more, which leaves the "
    "coefficients fewer digits than the check asks for"
)
# Losses for which it does so too early for the check.
SEARCH_IS_ROUGH = {
    "lbfgs": set(LOSSES),
    # (Of the absolute error and of quantiles it ends at max_iter.)
    "fista": {
        "absolute_error", "epsilon_insensitive", "hinge", "log_loss", "quantile"
    },
}  # fmt: skip
CERTAIN_REASON = (
    "the probabilities of this loss may be exactly 0 or 1 (Zhang 2002), and the check "
    "wants them strictly between"
)
POSITIVE_REASON = "the check ignores the tag positive_only and gives negative targets"


def make(loss, **params):
    regression = LOSSES[loss].task == "regression"
    return (GDRegressor if regression else GDClassifier)(loss, **params)


def cases():
    """Pairs (loss, mode) that can be fitted."""
    for mode in MODES:
        for loss, cls in LOSSES.items():
            optimizer = OPTIMIZERS.get(MODES[mode].get("optimizer"), Optimizer)
            smooth = cls.smooth or getattr(optimizer, "takes_non_smooth", True)
            proper = not (cls.degenerate and issubclass(optimizer, BatchOptimizer))
            if smooth and proper:
                yield loss, mode


def covering():
    """Those that the suite runs; of "auto" all, of other modes every seventh loss."""
    names = list(LOSSES)
    return [
        (loss, mode)
        for loss, mode in cases()
        if mode == "auto" or (names.index(loss) - list(MODES).index(mode)) % 7 == 0
    ]


def ranked(loss, mode):
    """The case, which takes a second, marked as exhaustive but for a few."""
    few = mode == "auto" and loss in ("squared_error", "log_loss")
    return pytest.param(loss, mode, marks=[] if few else pytest.mark.exhaustive)


def expected_failures(estimator, mode):
    failures = {}
    if mode not in SUMS_ALL_ROWS and estimator.loss in SEARCH_IS_ROUGH.get(
        mode, LOSSES
    ):
        reason = SEARCH_REASON if mode in SEARCH_IS_ROUGH else SGD_REASON
        for kind in ("dense", "sparse"):
            failures[f"check_sample_weight_equivalence_on_{kind}_data"] = reason
    if get_tags(estimator).target_tags.positive_only:
        failures["check_regressor_multioutput"] = POSITIVE_REASON
    if estimator.loss == "modified_huber":
        name = "check_classifiers_multilabel_output_format_predict_proba"
        failures[name] = CERTAIN_REASON
    return failures


def pytest_generate_tests(metafunc):
    if "mode" in metafunc.fixturenames:
        every = metafunc.config.getoption("all_modes")
        found = cases() if every else covering()
        metafunc.parametrize("loss, mode", [ranked(*case) for case in found])


@pytest.mark.all_cases
@pytest.mark.filterwarnings("ignore")
def test_check_estimator(loss, mode):
    estimator = make(loss, **MODES[mode])
    results = check_estimator(
        estimator,
        expected_failed_checks=expected_failures(estimator, mode),
        on_skip=None,
        on_fail=None,
    )
    failed = [
        (result["check_name"], str(result["exception"]))
        for result in results
        if result["status"] == "failed"
    ]
    assert not failed


def test_the_suite_meets_every_loss_in_two_modes():
    for loss in LOSSES:
        assert sum(name == loss for name, _ in covering()) >= 2
    assert {mode for _, mode in covering()} == set(MODES)


# -------------------------------------------------------------------------------- tags


@pytest.mark.parametrize("loss", LOSSES)
def test_positive_only_is_what_the_loss_declares(loss):
    positive = get_tags(make(loss)).target_tags.positive_only
    assert positive == (loss in ("poisson", "gamma", "tweedie"))


def test_positive_only_follows_the_power_of_tweedie():
    for power, positive in ((0.0, False), (1.0, True), (1.5, True), (3.0, True)):
        tags = get_tags(GDRegressor("tweedie", power=power))
        assert tags.target_tags.positive_only is positive


@pytest.mark.parametrize("loss", ["no such loss", None, ["huber"], 3])
def test_tags_are_given_for_parameters_that_fit_refuses(loss):
    assert not get_tags(GDRegressor(loss)).target_tags.positive_only
    assert not get_tags(GDRegressor("tweedie", power="a")).target_tags.positive_only
    assert not get_tags(GDClassifier(loss)).classifier_tags.poor_score


@pytest.mark.parametrize("loss", ["poisson", "gamma", "tweedie"])
def test_positive_losses_take_several_outputs(loss, rng):
    """scikit-learn's check of it gives negative targets to these."""
    X, y = rng.normal(size=(40, 3)), rng.gamma(2.0, size=(40, 5))
    assert get_tags(GDRegressor(loss)).target_tags.multi_output
    assert GDRegressor(loss).fit(X, y).predict(X).shape == y.shape


def test_poor_score_is_for_exact_solvers_of_the_perceptron():
    """Their minimum is at zero; descent learns from it all the same."""
    X, y = make_blobs(300, random_state=0)
    for optimizer, cls in OPTIMIZERS.items():
        model = GDClassifier("perceptron", optimizer=optimizer)
        poor = get_tags(model).classifier_tags.poor_score
        assert poor == (cls.why_no_stream is not None)
        assert not get_tags(
            GDClassifier(optimizer=optimizer)
        ).classifier_tags.poor_score
    assert GDClassifier("perceptron").fit(X, y).score(X, y) > 0.85


# ------------------------------------------------------------------------- partial_fit


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_partial_fit_is_there_where_the_optimizer_learns_from_streams(name, cls):
    able = OPTIMIZERS[name].training in ("descent", "online")
    for optimizer in (name, OPTIMIZERS[name]()):
        assert hasattr(cls(optimizer=optimizer), "partial_fit") == able
    assert hasattr(cls(), "partial_fit")
    # A wrong value is for the call to refuse.
    assert hasattr(cls(optimizer="no such optimizer"), "partial_fit")


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
def test_the_missing_partial_fit_says_what_to_do(cls):
    with pytest.raises(AttributeError) as caught:
        cls(optimizer="lbfgs").partial_fit([[0.0], [1.0]], [0, 1])
    # `available_if` says "has no attribute" and chains our text.
    text = str(caught.value.__cause__)
    for words in ("optimizer='lbfgs'", "all rows at once", "Use fit", "'adam'"):
        assert words in text


def test_capability_of_a_search_and_a_pipeline_follows():
    assert hasattr(MultiOutputClassifier(GDClassifier()), "partial_fit")
    assert not hasattr(
        MultiOutputClassifier(GDClassifier(optimizer="newton")), "partial_fit"
    )


@pytest.mark.parametrize("labels", [np.arange(60), np.arange(60).astype(str)])
def test_many_classes_in_a_chunk_are_no_regression_problem(labels, rng):
    """With ``classes`` given, and in the calls after that."""
    model = GDClassifier()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for call in range(3):
            y = rng.permutation(labels)[:50]
            X = rng.normal(size=(50, 4))
            model.partial_fit(X, y, classes=labels if call == 0 else None)
    assert len(model.classes_) == 60


def test_continuous_labels_are_refused_still(rng):
    X, y = rng.normal(size=(50, 4)), rng.normal(size=50)
    with pytest.raises(ValueError, match="Unknown label type"):
        GDClassifier().partial_fit(X, y, classes=[0, 1])
    y = np.r_[np.zeros(30), y[:20]]
    with pytest.raises(ValueError, match="not among the classes"):
        GDClassifier().partial_fit(X, y, classes=[0, 1])


class QuantileModel(GDRegressor):
    """A subclass whose constructor has other parameters than that of its base class."""

    def __init__(self, level=0.5):
        self.level = level
        super().__init__(loss="quantile", quantile=level, random_state=0)


class AdamClassifier(GDClassifier):
    """Likewise, where some values are not the defaults of the base class."""

    def __init__(self, strength=0.1):
        self.strength = strength
        super().__init__(
            alpha=strength, optimizer="adam", max_iter=20, tol=None, random_state=0
        )


@pytest.mark.one_case
@pytest.mark.parametrize(
    ("model", "plain"),
    [
        (
            QuantileModel(0.3),
            GDRegressor(loss="quantile", quantile=0.3, random_state=0),
        ),
        (
            AdamClassifier(0.2),
            GDClassifier(
                alpha=0.2, optimizer="adam", max_iter=20, tol=None, random_state=0
            ),
        ),
    ],
    ids=["regressor", "classifier"],
)
def test_subclasses_may_have_a_constructor_of_their_own(model, plain, rng):
    X = rng.normal(size=(60, 3))
    y, first = X[:, 0] + 0.1 * rng.normal(size=60), {}
    if isinstance(model, GDClassifier):
        y, first = (y > 0.0).astype(int), {"classes": [0, 1]}
    assert_array_equal(clone(model).fit(X, y).coef_, plain.fit(X, y).coef_)
    ours, theirs = (clone(m).partial_fit(X, y, **first) for m in (model, plain))
    assert_array_equal(ours.coef_, theirs.coef_)
    assert_allclose(to_sklearn(model.fit(X, y)).predict(X), plain.predict(X))
    (name,) = model.get_params()
    assert name in GridSearchCV(model, {name: [0.2, 0.4]}, cv=2).fit(X, y).best_params_
    with matplotlib.rc_context({"backend": "agg"}):
        DescentPathDisplay.from_estimator(model, X, y, n_grid=5)
