"""scikit-learn's own checks, in every batch mode."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklgd import GDClassifier, GDRegressor

SGD_REASON = (
    "a stochastic step sees one row: a weight k is one step k times as long, not k "
    "steps (scikit-learn's SGD* expects the same failure)"
)


def expected_failed_checks(estimator):
    """Sample weights are equivalent to repetitions in batch descent only."""
    if estimator.batch_size in ("auto", "full"):
        return {}
    return {
        "check_sample_weight_equivalence_on_dense_data": SGD_REASON,
        "check_sample_weight_equivalence_on_sparse_data": SGD_REASON,
    }


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks(
    [
        estimator(batch_size=batch_size, **step)
        for estimator in (GDClassifier, GDRegressor)
        for batch_size, step in (
            # Predictions are compared to seven digits.
            ("auto", {"tol": 1e-13}),
            ("full", {"tol": 1e-13}),
            (16, {"max_iter": 100}),
            (1, {"max_iter": 100}),
            ("full", {"optimizer": "sgd", "learning_rate": 0.01, "max_iter": 200}),
            (16, {"optimizer": "adam", "learning_rate": 0.01, "max_iter": 50}),
            (
                1,
                {
                    "optimizer": "sgd",
                    "learning_rate": "invscaling",
                    "eta0": 0.01,
                    "max_iter": 20,
                },
            ),
        )
    ],
    expected_failed_checks=expected_failed_checks,
)
def test_sklearn_check(estimator, check):
    check(estimator)
