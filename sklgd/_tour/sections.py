"""The sections of the tour: each prints an explanation and a table.

Those whose loss curves are worth a picture return them.
"""

import time
import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_wine
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .. import GDClassifier, GDRegressor
from ..optimizers import Adam, Momentum
from .text import heading, number, quote, say, show_code, show_table

# Learning rates that suit standardised features, one per textbook optimizer.
LEARNING_RATES = {
    "sgd": 0.1,
    "momentum": 0.02,
    "nesterov": 0.02,
    "adagrad": 0.1,
    "rmsprop": 0.01,
    "adadelta": 1.0,
    "adam": 0.02,
}
EPOCHS = 30
# Sections 2 and 3: strong enough for the minimum to be near within those epochs.
ALPHA = 0.01


class Fit(NamedTuple):
    """A fitted model, how long that took, and what it warned about."""

    model: Any
    seconds: float
    warnings: list[str]


def timed_fit(model, X, y):
    """Fit and return a `Fit`; warnings are collected instead of shown."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        start = time.perf_counter()
        model.fit(X, y)
        seconds = time.perf_counter() - start
    texts = [str(w.message) for w in caught if w.category is ConvergenceWarning]
    return Fit(model, seconds, texts)


def split(load, seed, **options):
    """Training and test part of one of scikit-learn's bundled data sets."""
    X, y = load(return_X_y=True, **options)
    classes = y if load is not load_diabetes else None
    return train_test_split(X, y, stratify=classes, random_state=seed)


def standardised(load, seed, **options):
    """Like `split`, with features of mean 0 and standard deviation 1."""
    X_train, X_test, y_train, y_test = split(load, seed, **options)
    scaler = StandardScaler().fit(X_train)
    return scaler.transform(X_train), scaler.transform(X_test), y_train, y_test


def pipelines(seed):
    """Show the two estimators as the last step of a pipeline."""
    heading(1, "A classifier and a regressor in a pipeline")
    show_code("""
        from sklgd import GDClassifier, GDRegressor

        model = make_pipeline(StandardScaler(), GDClassifier())
        model.fit(X_train, y_train).score(X_test, y_test)
    """)
    say("""Both are ordinary scikit-learn estimators. Without further parameters they
        choose the optimizer, the batch size and the learning rate from the data.""")
    rows = []
    for title, estimator, data in [
        ("breast cancer, 2 classes", GDClassifier, split(load_breast_cancer, seed)),
        ("digits, 10 classes", GDClassifier, split(load_digits, seed)),
        ("diabetes, a number", GDRegressor, split(load_diabetes, seed, scaled=False)),
    ]:
        X_train, X_test, y_train, y_test = data
        model = make_pipeline(StandardScaler(), estimator(random_state=seed))
        fit = timed_fit(model, X_train, y_train)
        last = model[-1]
        score = "accuracy" if estimator is GDClassifier else "R2"
        rows.append(
            [
                title,
                f"{score} {model.score(X_test, y_test):.3f}",
                f"{fit.seconds:.3f}",
                str(last.n_iter_),
                last.stop_reason_,
                f"{last.optimizer_}, {last.batch_size_}",
            ]
        )
    show_table(
        [
            "data",
            "test score",
            "seconds",
            "epochs",
            "stop_reason_",
            "optimizer_, batch_size_",
        ],
        rows,
    )


def batch_modes(seed):
    """Run batch, mini-batch and stochastic descent side by side."""
    heading(2, "Batch, mini-batch and stochastic descent")
    show_code("""
        GDClassifier(optimizer="sgd", batch_size=32, learning_rate=0.01, alpha=0.01)
    """)
    say(f"""The same loss and {EPOCHS} epochs each; the rows per step differ. A step on
        the whole data is exact, but there is just one in an epoch; a step on a single
        row is rough, but there are hundreds. The first three share a learning rate;
        exact steps may be larger, as the last row shows. Given is the objective (mean
        loss
        plus penalty) after some epochs: lower is better.""")
    X_train, X_test, y_train, y_test = standardised(load_breast_cancer, seed)
    rows, curves = [], {}
    variants: list[tuple[str, Any, float]] = [
        ("stochastic", 1, 0.01),
        ("mini-batch", 32, 0.01),
        ("batch", "full", 0.01),
        ("batch", "full", 0.5),
    ]
    for title, batch_size, learning_rate in variants:
        model = GDClassifier(
            optimizer="sgd",
            batch_size=batch_size,
            learning_rate=learning_rate,
            alpha=ALPHA,
            max_iter=EPOCHS,
            tol=None,
            random_state=seed,
        )
        fit = timed_fit(model, X_train, y_train)
        rows_per_step = len(X_train) if batch_size == "full" else batch_size
        rows.append(
            [
                title,
                repr(batch_size),
                str(-(-len(X_train) // rows_per_step)),
                f"{learning_rate:g}",
                *curve_cells(model),
                f"{model.score(X_test, y_test):.3f}",
                f"{fit.seconds:.4f}",
            ]
        )
        curves[f"{title} ({batch_size}), step {learning_rate:g}"] = model.loss_curve_
    show_table(
        [
            "descent",
            "batch_size",
            "steps/epoch",
            "learning_rate",
            "epoch 1",
            "epoch 5",
            f"epoch {EPOCHS}",
            "accuracy",
            "seconds",
        ],
        rows,
    )
    return curves


def curve_cells(model):
    """Return the objective after the first, the fifth and the last epoch."""
    return [f"{model.loss_curve_[i]:.4f}" for i in (0, 4, -1)]


def optimizers(seed):
    """Run all seven textbook optimizers on the same problem."""
    heading(3, "Seven optimizers")
    show_code("""
        GDClassifier(optimizer="adam", batch_size=32, learning_rate=0.02, alpha=0.01)
    """)
    X_train, X_test, y_train, y_test = standardised(load_breast_cancer, seed)
    best = GDClassifier(
        batch_size="full", alpha=ALPHA, tol=1e-9, max_iter=5000, random_state=seed
    )
    timed_fit(best, X_train, y_train)
    minimum = min(best.loss_curve_)
    say(f"""Each with a learning rate that suits it, mini-batches of 32 rows, {EPOCHS}
        epochs. All of them head for the same minimum of the objective, {minimum:.4f}
        here (found by batch descent with a tiny tolerance). There are also amsgrad,
        nadam, adamax and ftrl.""")
    rows, curves = [], {}
    for name, learning_rate in LEARNING_RATES.items():
        model = GDClassifier(
            optimizer=name,
            batch_size=32,
            learning_rate=learning_rate,
            alpha=ALPHA,
            max_iter=EPOCHS,
            tol=None,
            random_state=seed,
        )
        fit = timed_fit(model, X_train, y_train)
        rows.append(
            [
                name,
                f"{learning_rate:g}",
                *curve_cells(model),
                f"{model.score(X_test, y_test):.3f}",
                f"{fit.seconds:.4f}",
            ]
        )
        curves[f"{name}, step {learning_rate:g}"] = model.loss_curve_
    show_table(
        [
            "optimizer",
            "learning_rate",
            "epoch 1",
            "epoch 5",
            f"epoch {EPOCHS}",
            "accuracy",
            "seconds",
        ],
        rows,
    )
    return curves, minimum


def grid_search(seed):
    """Search over the optimizer, the batch size and an optimizer's own parameter."""
    heading(4, "A grid search over optimizers and their own parameters")
    show_code("""
        GridSearchCV(
            make_pipeline(
                StandardScaler(),
                GDClassifier(learning_rate=0.01, max_iter=10, tol=None),
            ),
            [
                {
                    "gdclassifier__optimizer": [Adam()],
                    "gdclassifier__optimizer__beta_1": [0.5, 0.9],
                    "gdclassifier__batch_size": [8, 64],
                },
                {
                    "gdclassifier__optimizer": [Momentum()],
                    "gdclassifier__optimizer__momentum": [0.5, 0.9],
                    "gdclassifier__batch_size": [8, 64],
                },
            ],
        )
    """)
    say("""An optimizer is a name or an object such as Adam(beta_1=0.9). Objects are
        scikit-learn estimators, so a grid reaches their parameters through a pipeline.
        The table shows all candidates, best first, with the mean accuracy of a
        five-fold cross-validation.""")
    estimator = GDClassifier(
        learning_rate=0.01, max_iter=10, tol=None, random_state=seed
    )
    batch_sizes = {"gdclassifier__batch_size": [8, 64]}
    search = GridSearchCV(
        make_pipeline(StandardScaler(), estimator),
        [
            {
                "gdclassifier__optimizer": [Adam()],
                "gdclassifier__optimizer__beta_1": [0.5, 0.9],
                **batch_sizes,
            },
            {
                "gdclassifier__optimizer": [Momentum()],
                "gdclassifier__optimizer__momentum": [0.5, 0.9],
                **batch_sizes,
            },
        ],
    )
    X_train, X_test, y_train, y_test = split(load_wine, seed)
    fit = timed_fit(search, X_train, y_train)
    results = search.cv_results_
    rows = []
    for i in np.argsort(results["rank_test_score"], kind="stable"):
        found = dict(results["params"][i])
        optimizer = type(found.pop("gdclassifier__optimizer")).__name__
        batch_size = found.pop("gdclassifier__batch_size")
        [(own, value)] = found.items()
        mean, spread = results["mean_test_score"][i], results["std_test_score"][i]
        rows.append(
            [
                f"{optimizer}({own.rsplit('__')[-1]}={value})",
                str(batch_size),
                f"{mean:.3f} +- {spread:.3f}",
                f"{1e3 * results['mean_fit_time'][i]:.1f}",
            ]
        )
    show_table(["optimizer", "batch_size", "accuracy", "ms per fit"], rows)
    say(f"""{len(rows)} candidates on the wine data in {fit.seconds:.1f} s; the best
        one, fitted again, has test accuracy {search.score(X_test, y_test):.3f}.""")


def comparison(seed):
    """Compare the defaults with SGDClassifier and SGDRegressor."""
    heading(5, "Next to SGDClassifier and SGDRegressor")
    say("""All with default parameters, except that SGDClassifier gets the same loss
        (log_loss; one-vs-rest for several classes, where GDClassifier has softmax).
        "raw" is the data as it comes; "scaled" has passed a StandardScaler. The score
        is accuracy or R2 on the test part; 1 is perfect, and R2 below 0 is worse than
        predicting the mean. "exact" is LogisticRegression or Ridge with the same
        penalty, solved by a second-order method: the score to expect.""")
    rows = []
    for title, load, options in [
        ("breast cancer", load_breast_cancer, {}),
        ("wine", load_wine, {}),
        ("digits", load_digits, {}),
        ("diabetes", load_diabetes, {"scaled": False}),
    ]:
        scaled = standardised(load, seed, **options)
        raw = split(load, seed, **options)
        peers = estimators(load is load_diabetes, len(raw[0]), seed)
        expected = None
        for name, model in peers.items():
            row = [title, name]
            for X_train, X_test, y_train, y_test in (scaled, raw):
                fit = timed_fit(model, X_train, y_train)
                score = model.score(X_test, y_test)
                epochs = "-" if name == "exact" else str(model.n_iter_)
                row += [number(score), f"{fit.seconds:.4f}", epochs]
            if expected is None:
                # The exact solver comes first, and the raw data come last.
                expected = score
                row.append("")
            else:
                row.append(remark(score, expected, fit))
            rows.append(row)
    show_table(
        [
            "data",
            "estimator",
            "scaled",
            "seconds",
            "epochs",
            "raw",
            "seconds",
            "epochs",
            "on raw data",
        ],
        rows,
    )


def estimators(regression, n_samples, seed):
    """Return the estimators to compare by name, an exact solver first."""
    # Only the comparison needs these; sklgd itself does not import them.
    from sklearn.linear_model import (
        LogisticRegression,
        Ridge,
        SGDClassifier,
        SGDRegressor,
    )

    # They minimise the sum of the losses instead of the mean.
    penalty = 1e-4 * n_samples
    if regression:
        return {
            "exact": Ridge(alpha=penalty),
            "SGDRegressor": SGDRegressor(random_state=seed),
            "GDRegressor": GDRegressor(random_state=seed),
        }
    return {
        "exact": LogisticRegression(C=1.0 / penalty, solver="newton-cg"),
        "SGDClassifier": SGDClassifier(loss="log_loss", random_state=seed),
        "GDClassifier": GDClassifier(random_state=seed),
    }


def remark(score, expected, fit):
    """Say in a few words how a fit compares with the exact solution.

    A few hundred test rows do not show differences below two or three hundredths.
    """
    said = "with a warning" if fit.warnings else "silently"
    if score < -1.0:
        return f"diverges {said}"
    if score < expected - 0.025:
        return f"worse, {said}"
    return "as expected"


def too_large_a_step(seed):
    """Force a divergence and show the warning."""
    heading(6, "A learning rate that is too large")
    show_code("""
        GDRegressor(optimizer="sgd", batch_size=1, learning_rate=0.01)   # raw features
    """)
    say("""An explicit learning rate is used as it is, and on raw features it may be
        too large. The run is then stopped, says so, and keeps the best coefficients it
        has seen, here those it started from (all zero):""")
    X_train, X_test, y_train, y_test = split(load_diabetes, seed, scaled=False)
    rows = []
    for learning_rate in (0.01, "auto"):
        model = GDRegressor(
            optimizer="sgd",
            batch_size=1,
            learning_rate=learning_rate,
            random_state=seed,
        )
        fit = timed_fit(model, X_train, y_train)
        for text in fit.warnings:
            print(quote(f"ConvergenceWarning: {text}") + "\n")
            print(quote(f"diagnosis_['text']: {model.diagnosis_['text']}") + "\n")
        rows.append(
            [
                repr(learning_rate),
                model.stop_reason_,
                str(model.n_iter_),
                str(bool(np.isfinite(model.coef_).all())),
                number(model.score(X_test, y_test)),
            ]
        )
    say("The second row shows the same run with an automatic learning rate:")
    show_table(
        ["learning_rate", "stop_reason_", "epochs", "finite coefficients", "test R2"],
        rows,
    )
