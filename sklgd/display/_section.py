"""Which section through the objective of an estimator a picture shows."""

from numbers import Integral

from .._validation import parameters_of

# Parameters that the objective depends on.
OBJECTIVE = (
    "loss", "penalty", "alpha", "l1_ratio", "fit_intercept", "class_weight", "epsilon",
    "quantile", "power",
)  # fmt: skip
# What the picture of an estimator says about its contours.
SECTION = "contours: section at the fitted values of the other coefficients"


def others_exist(estimator, objective, places):
    """True if there are coefficients beside those that the picture shows."""
    n_coefs = estimator.n_features_in_ + bool(estimator.fit_intercept)
    return n_coefs * objective.data.n_outputs > len(places)


def check_same_objective(named):
    """Raise ValueError unless all estimators minimise the same F."""
    (first, model), *others = named.items()
    wanted = parameters_of(model) | {"alpha": model._alpha()}
    for name, other in others:
        params = parameters_of(other) | {"alpha": other._alpha()}
        for key in OBJECTIVE:
            if params.get(key) != wanted.get(key):
                raise ValueError(
                    f"{first!r} has {key}={wanted.get(key)!r}, but {name!r} has "
                    f"{params.get(key)!r}: one picture shows one objective. Draw the "
                    "paths on separate axes."
                )


def coordinates(estimator, features):
    """Rows of the coefficients, and what the axes are called."""
    if len(features) not in (1, 2) or len(set(features)) < len(features):
        raise ValueError(
            f"features must hold one or two different ones, got {features!r}."
        )
    known = list(getattr(estimator, "feature_names_in_", ()))
    n_features = estimator.n_features_in_
    places, names = [], []
    for feature in features:
        if feature == "intercept" and feature not in known:
            if not estimator.fit_intercept:
                raise ValueError(
                    "features holds 'intercept', but the estimator has "
                    "fit_intercept=False."
                )
            places.append(n_features)
            names.append("intercept")
            continue
        place = known.index(feature) if feature in known else feature
        if not isinstance(place, Integral) or not 0 <= int(place) < n_features:
            raise ValueError(
                f"features holds {feature!r}; give numbers from 0 to {n_features - 1}, "
                "names of columns, or 'intercept'."
            )
        places.append(int(place))
        name = known[place] if known else f"feature {place}"
        names.append(f"coefficient of {name}")
    return places, names
