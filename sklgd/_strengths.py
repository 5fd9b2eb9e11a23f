"""Strengths of the penalty: ``penalty_factor``, ``standardize``, ``alpha`` as array."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._hints import as_numbers, is_dict, numbers_of_features


def check_penalty_factor(penalty_factor: Any) -> None:
    """Raise ValueError for values that are possible with no data.

    Parameters
    ----------
    penalty_factor : object
        The parameter.
    """
    if penalty_factor is None:
        return
    values = penalty_factor
    if is_dict(values):
        values = list(values.values())
    try:
        factors = as_numbers(values)
    except (TypeError, ValueError):
        factors = np.array([np.nan])
    if factors.ndim != 1 or not (np.isfinite(factors) & (factors >= 0.0)).all():
        raise ValueError(
            "penalty_factor must be an array of one finite number of zero or more for "
            "each feature, or a dict from names of features to such numbers, got "
            f"{penalty_factor!r}. Use 0 for a feature without a penalty, and leave "
            "columns out of X that shall have no coefficient."
        )


def check_alphas_of_targets(alpha: Any, task: str) -> None:
    """Raise ValueError for an array ``alpha`` that is possible with no data.

    Parameters
    ----------
    alpha : array-like
    task : {"regression", "classification"}
    """
    try:
        alphas = as_numbers(alpha)
    except (TypeError, ValueError):
        alphas = np.array([np.nan])
    if task == "classification":
        raise ValueError(
            "alpha must be 'auto' or a number in [0, inf) for a classifier, got "
            f"{alpha!r}. Only GDRegressor takes an alpha for each target."
        )
    if (
        alphas.ndim != 1
        or not alphas.size
        or not (np.isfinite(alphas) & (alphas >= 0.0)).all()
    ):
        raise ValueError(
            "alpha must be 'auto', a number in [0, inf) or an array of such numbers, "
            f"one for each target, got {alpha!r}."
        )


def check_number_of_alphas(alpha: Any, n_outputs: int) -> None:
    """Raise ValueError if an array ``alpha`` does not suit the targets.

    Parameters
    ----------
    alpha : float or ndarray
        With "auto" resolved.
    n_outputs : int
    """
    if isinstance(alpha, np.ndarray) and len(alpha) != n_outputs:
        raise ValueError(
            f"alpha has {len(alpha)} entries, but y has {n_outputs} target(s). Give "
            "one for each target, or a number."
        )


def factors_of_features(est: Any) -> np.ndarray | None:
    """The factors that ``penalty_factor`` asks for.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
        With ``n_features_in_``, and ``feature_names_in_`` where the features have
        names.

    Returns
    -------
    factors : float64 array of shape (n_features, 1) or None
        None if the parameter is None.

    Raises
    ------
    ValueError
        If the parameter does not suit the features.
    """
    if est.penalty_factor is None:
        return None
    return numbers_of_features("penalty_factor", est, 1.0)[:, None]


def has_strengths(est: Any) -> bool:
    """True if the parameters ask for other strengths of some coefficients.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
    """
    if est.penalty is None or isinstance(est.alpha, str) or not np.any(est.alpha):
        # (The last two mean that a stream of the online learner has no penalty.)
        return False
    if est.standardize:
        return True
    factors = factors_of_features(est)
    others = factors is not None and bool((factors != factors[:1]).any())
    return others or len(np.unique(est.alpha)) > 1


def without_names_of_factors(est: Any) -> dict[str, Any]:
    """The parameter as a list, for a fit of an array without the names of columns.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
        As in `factors_of_features`.

    Returns
    -------
    params : dict
        Empty if the parameter is no dict.
    """
    if not is_dict(est.penalty_factor):
        return {}
    factors: Any = factors_of_features(est)
    return {"penalty_factor": factors[:, 0].tolist()}
