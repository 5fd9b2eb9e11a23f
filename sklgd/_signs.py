"""The parameters ``positive`` and ``monotonic_cst``: which signs coefficients have."""

from __future__ import annotations

from typing import Any

import numpy as np

from ._compat import warn
from ._hints import as_numbers, is_dict, numbers_of_features

# What the numbers mean.
SIGNS_HINT = (
    "Use -1 for a feature whose coefficient must not be positive, 1 for one whose "
    "coefficient must not be negative, and 0 for others."
)


def check_monotonic_cst(monotonic_cst: Any, positive: Any) -> None:
    """Raise ValueError for values that are possible with no data.

    Parameters
    ----------
    monotonic_cst : object
        The parameter.
    positive : bool
        The parameter.
    """
    if monotonic_cst is None:
        return
    if positive:
        raise ValueError(
            "monotonic_cst is not possible with positive=True, which says of all "
            "coefficients that they must not be negative. Use positive=False."
        )
    values = list(monotonic_cst.values()) if is_dict(monotonic_cst) else monotonic_cst
    try:
        signs = as_numbers(values)
    except (TypeError, ValueError):
        signs = np.array([np.nan])
    wrong = ~np.isin(signs, (-1.0, 0.0, 1.0))
    if wrong.any() or signs.ndim != 1:
        raise ValueError(
            "monotonic_cst must be an array of one number for each feature, or a dict "
            f"from names of features to numbers, got {monotonic_cst!r}. {SIGNS_HINT}"
        )


def signs_of_features(est: Any) -> np.ndarray | None:
    """The signs that the parameters of an estimator ask for.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
        With ``n_features_in_``, and ``feature_names_in_`` where the features have
        names.

    Returns
    -------
    signs : int8 array of shape (n_features, 1) or None
        None if every coefficient may have either sign.

    Raises
    ------
    ValueError
        If ``monotonic_cst`` does not suit the features, or for more than two classes.
    """
    given = est.monotonic_cst
    if not est.positive and given is None:
        return None
    if est.positive:
        signs = np.ones(est.n_features_in_)
    else:
        signs = numbers_of_features("monotonic_cst", est, 0.0)
    if not signs.any():
        return None
    # (Each label of an indicator matrix has coefficients of its own.)
    separate = getattr(est, "_multilabel", False)
    if len(getattr(est, "classes_", ())) > 2 and not separate:
        name = "positive=True" if est.positive else "monotonic_cst"
        raise ValueError(
            f"{name}: monotonic constraints are not supported for multiclass "
            f"classification, and there are {len(est.classes_)} classes. Use "
            "sklearn.multiclass.OneVsRestClassifier, which fits each class against all "
            "others."
        )
    return signs.astype(np.int8)[:, None]


def without_names(est: Any) -> dict[str, Any]:
    """The parameter as an array, for a fit of an array without the names of columns.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
        As in `signs_of_features`.

    Returns
    -------
    params : dict
        Empty if the parameter is no dict.
    """
    if not is_dict(est.monotonic_cst):
        return {}
    signs = signs_of_features(est)
    return {"monotonic_cst": None if signs is None else signs[:, 0].tolist()}


def keep_signs(penalty: Any, coef: np.ndarray) -> bool:
    """Set starting coefficients to zero where they have the wrong sign, with a warning.

    Parameters
    ----------
    penalty : Penalty
    coef : ndarray of shape (n_features + 1, n_outputs)
        Changed in place.

    Returns
    -------
    changed : bool
    """
    changed = penalty.project(coef)
    if changed:
        warn(
            "The starting coefficients do not have the signs that positive or "
            "monotonic_cst asks for. Those of the wrong sign start at zero."
        )
    return changed
