"""Hints in error messages, and arrays of numbers whose errors give hints.

A hint is the nearest valid value, or says where a parameter is found.
"""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any

import numpy as np

# What other libraries call a value -> what it is called here.
SYNONYMS = {
    "log": "log_loss",
    "logistic": "log_loss",
    "cross_entropy": "log_loss",
    "squared_loss": "squared_error",
    "mse": "squared_error",
    "mae": "absolute_error",
    "pinball": "quantile",
    "gd": "sgd",
    "l1l2": "elasticnet",
}
OPTIMIZER_HINT = (
    "It is a parameter of an optimizer: optimizer=Momentum(momentum=0.9), "
    "optimizer=Adam(beta_1=0.9, beta_2=0.999), with the classes of sklgd.optimizers."
)
STRENGTH_HINT = "The strength of the penalty is alpha."
LEARNING_RATE_HINT = "The learning rate is learning_rate."
EPOCHS_HINT = "The number of epochs is max_iter."
METHOD_HINT = "The method is optimizer, for example optimizer='lbfgs'."
SIGNS_HINT = (
    "The signs of the coefficients are positive=True or monotonic_cst=[1, 0, -1, ...]."
)
# What the estimators do not have, but other libraries do -> what to do instead.
PARAMETERS_OF_OTHERS = {
    "C": "The strength of the penalty is alpha, which is 1/(C * n_samples).",
    **dict.fromkeys(
        ("lambda_", "lambda", "lam", "reg_lambda", "reg_alpha", "weight_decay"),
        STRENGTH_HINT,
    ),
    "l1": "The l1 penalty is penalty='l1', its strength is alpha.",
    "l2": "The l2 penalty is penalty='l2', its strength is alpha.",
    "regularization": "The kind of penalty is penalty, its strength is alpha.",
    **dict.fromkeys(
        ("lr", "eta", "learning_rate_init", "step_size"), LEARNING_RATE_HINT
    ),
    **dict.fromkeys(
        ("epochs", "n_epochs", "n_iter", "num_epochs", "nb_epoch"), EPOCHS_HINT
    ),
    **dict.fromkeys(("solver", "method", "algorithm"), METHOD_HINT),
    "multi_class": "From three classes on, loss='log_loss' is multinomial, and the "
    "other losses are one-vs-rest. For log_loss one-vs-rest, use "
    "sklearn.multiclass.OneVsRestClassifier.",
    "dual": "There is no dual form; optimizer='auto' chooses the method.",
    **dict.fromkeys(
        ("non_negative", "nonnegative", "lower_bounds", "upper_bounds"), SIGNS_HINT
    ),
    **dict.fromkeys(("monotone_constraints", "monotonic_constraints"), SIGNS_HINT),
    "intercept_scaling": "It has no counterpart: the intercept has no penalty here.",
    "normalize": "With standardize=True the penalty is that of standardised features. "
    "To scale the features themselves, use StandardScaler in a pipeline.",
    "random_seed": "The seed is random_state.",
    "seed": "The seed is random_state.",
    **dict.fromkeys(
        (
            "momentum",
            "nesterov",
            "nesterovs_momentum",
            "betas",
            "beta_1",
            "beta_2",
            "rho",
        ),
        OPTIMIZER_HINT,
    ),
}
# The same for the searches.
PARAMETERS_OF_OTHER_SEARCHES = {
    **PARAMETERS_OF_OTHERS,
    **dict.fromkeys(
        ("C", "Cs"),
        "The strengths of the penalty are alphas, which are 1/(C * n_samples), "
        "n_samples being the number of rows in a training set.",
    ),
    **dict.fromkeys(
        ("alpha", "n_alphas"),
        "The alphas, or how many there are, are alphas.",
    ),
    "l1_ratios": "Several values of l1_ratio are a list.",
    "store_cv_results": "All scores are in cv_results_ and scores_.",
    "param_grid": "The alphas are alphas. Other parameters are searched by "
    "GridSearchCV around this estimator.",
}
# Objects that a message may propose in place of a name.
EXAMPLES = {
    "optimizer": "optimizer=Adam(beta_1=0.9) of sklgd.optimizers",
    "learning_rate": "learning_rate=Cosine(eta0=0.1) of sklgd.schedules",
}


def did_you_mean(value, choices):
    """A question that names the choice which a wrong value resembles, or nothing.

    Parameters
    ----------
    value : object
        Only a string resembles anything.
    choices : iterable of str or None

    Returns
    -------
    str
        Empty, or a sentence that begins with a space.
    """
    if not isinstance(value, str):
        return ""
    by_text = {str(choice).lower(): choice for choice in choices}
    text = value.strip().lower().replace("-", "_").replace(" ", "_")
    text = SYNONYMS.get(text, text)
    found = get_close_matches(text, by_text, n=1)
    return f" Did you mean {by_text[found[0]]!r}?" if found else ""


def grid_of_dicts(optimizer, batch_sizes, other):
    """How to search over optimizers that take different batch sizes.

    Parameters
    ----------
    optimizer : str
        The one that does not take all batch sizes.
    batch_sizes : list
        Those that it takes.
    other : list
        Batch sizes for other optimizers.
    """
    return (
        "A grid over both parameters is a list of dicts, one for each group of "
        f"optimizers: [{{'optimizer': [{optimizer!r}], 'batch_size': {batch_sizes}}}, "
        f"{{'optimizer': ['sgd', 'adam'], 'batch_size': {other}}}]."
    )


@cache
def _keywords(cls):
    """Names that the constructor of a class takes; None if it takes any."""
    parameters = inspect.signature(cls.__init__).parameters.values()
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return [p.name for p in parameters if p.name != "self"]


class ExplainsKeywords:
    """Base of classes whose constructor says where an unknown keyword belongs.

    Attributes
    ----------
    keyword_hints : dict of str to str
        Keyword that users expect -> a sentence that says what to write. ``{name}`` is
        the name of the class.
    """

    keyword_hints: dict = {}

    def __new__(cls, *args, **kwargs):
        """Make an object, or raise TypeError for an unknown keyword."""
        if kwargs:
            known = _keywords(cls)  # type: ignore[arg-type]
            for keyword in kwargs if known is not None else ():
                if keyword not in known:
                    raise TypeError(_unknown_keyword(cls, keyword, known))
        return super().__new__(cls)


def _unknown_keyword(cls, keyword, known):
    """The message about a keyword that a constructor does not have."""
    hint = cls.keyword_hints.get(keyword)
    hint = did_you_mean(keyword, known) if hint is None else f" {hint}"
    return (
        f"{cls.__name__}() got an unexpected keyword argument {keyword!r}."
        f"{hint.format(name=cls.__name__)}"
    )


def as_numbers(value: Any, bools: bool = False) -> np.ndarray:
    """An array-like of numbers as a float64 array.

    NumPy would make numbers of strings and of True and False as well.

    Parameters
    ----------
    value : array-like
    bools : bool, default=False
        Whether entries may be True and False, as in weights that are a mask.

    Raises
    ------
    ValueError
        If an entry is no number.
    """
    array = value if isinstance(value, np.ndarray) else np.asarray(value)
    kinds = "iufb" if bools else "iuf"
    mixed = not bools and isinstance(value, (list, tuple))
    if array.dtype.kind == "O" or (mixed and array.dtype.kind in kinds):
        # (An array of objects; or a list, whose entries may be 1.0 and True.)
        entries = np.asarray(value, dtype=object).ravel()
        good = all(
            isinstance(entry, numbers.Real)
            and (bools or not isinstance(entry, (bool, np.bool_)))
            for entry in entries
        )
    else:
        good = array.dtype.kind in kinds or not array.size
    if not good:
        raise ValueError("there are entries that are no numbers")
    return np.asarray(array, dtype=np.float64)


def first_text(value: Any) -> Any:
    """The first entry of an array-like that is no number, or None.

    Parameters
    ----------
    value : array-like
        For instance a column of a data frame.
    """
    array = np.asarray(value)
    try:
        array.astype(np.float64)
    except (TypeError, ValueError):
        for entry in array.ravel():
            try:
                float(entry)
            except (TypeError, ValueError):
                return entry.item() if isinstance(entry, np.generic) else entry
    return None


def column_of_text(X: Any) -> str:
    """A sentence about the first column of X that has text, or nothing.

    Parameters
    ----------
    X : array-like of two dimensions, or data frame

    Returns
    -------
    str
        Empty if there is no such column.
    """
    names = getattr(X, "columns", None)
    if names is None:
        X = np.asarray(X, dtype=object)
        if X.ndim != 2:
            return ""
    width = X.shape[1] if names is None else len(names)
    for j in range(width):
        entry = first_text(X[:, j] if names is None else X[names[j]])
        if entry is not None:
            which = str(j) if names is None else repr(names[j])
            return (
                f"Column {which} of X has the entry {entry!r}, which is no number. "
                "Encode it before (OneHotEncoder), or leave it out of X."
            )
    return ""


def refuse_text(y: Any, name: str) -> None:
    """Raise ValueError if targets of regression have an entry that is no number.

    Parameters
    ----------
    y : array-like
    name : str
        For the message.
    """
    entry = first_text(y)
    if entry is not None:
        raise ValueError(
            f"{name} has the entry {entry!r}, which is no number. For labels of "
            "classes use GDClassifier or GDClassifierCV; otherwise convert it to "
            "numbers before."
        )


def is_dict(value: Any) -> bool:
    """True for a dict from names of features."""
    return isinstance(value, Mapping)


def numbers_of_features(name: str, est: Any, default: float) -> np.ndarray:
    """The parameter of an estimator that has a number for each feature.

    Parameters
    ----------
    name : str
        Of the parameter. Its value is an array-like of one number for each feature, or
        a dict from names of features to numbers.
    est : GDRegressor or GDClassifier
        With ``n_features_in_``, and ``feature_names_in_`` where the features have
        names.
    default : float
        The number of features that the dict does not name.

    Returns
    -------
    values : float64 array of shape (n_features,)

    Raises
    ------
    ValueError
        If the value does not suit the features.
    """
    given, n_features = getattr(est, name), est.n_features_in_
    if not is_dict(given):
        values = np.asarray(given, dtype=np.float64)
        if len(values) != n_features:
            raise ValueError(
                f"{name} has {len(values)} entries, but X has {n_features} features. "
                "Give one entry for each feature, or a dict from names."
            )
        return values
    names = getattr(est, "feature_names_in_", None)
    if names is None:
        raise ValueError(
            f"{name} is a dict, but X has no feature names. Pass a data frame, or an "
            "array of one number for each feature."
        )
    places = {feature: j for j, feature in enumerate(names)}
    values = np.full(n_features, default)
    for feature, value in given.items():
        if feature not in places:
            raise ValueError(
                f"{name} has the key {feature!r}, which is not the name of a feature."
                f"{did_you_mean(feature, names)} In a pipeline the names are those "
                "after the steps before."
            )
        values[places[feature]] = value
    return values
