"""The chosen model: a fit of all rows that starts at the end of the search."""

from .._validation import parameter_names


def refit(model, view, data, models, y, sample_weight, offset=None):
    """Fit the chosen model to all rows.

    The run starts near its end, at the coefficients that the search has found, if it
    has any that save time. It is a run of `fit` in all else, so that it reaches the
    same tolerance and sets the same attributes.

    Parameters
    ----------
    model : GDRegressor or GDClassifier
        With the chosen alpha and l1_ratio, unfitted.
    view : GDRegressor or GDClassifier
        It has checked X and y.
    data : Data
        All rows.
    models : Models
        At the end of the search.
    y : ndarray
        As `view` has checked it.
    sample_weight : float64 array or None
    offset : float64 array of shape (n_samples, n_outputs) or (n_samples, 1), or None
        Is added to the raw predictions.
    """
    parameters = set(parameter_names(type(model)))
    seen = {name: v for name, v in vars(view).items() if name not in parameters}
    model.__dict__.update(seen)
    model._fit(
        data.X, y, data.target, data.weights, data.n_outputs,
        models.of_all_rows(model.alpha, model.l1_ratio), None, sample_weight, offset,
        models.known_moments(),
    )  # fmt: skip
