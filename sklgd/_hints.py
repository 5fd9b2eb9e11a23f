"""Hints in error messages: the nearest valid value, and where a parameter is found."""

import inspect
from difflib import get_close_matches
from functools import cache

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
