"""The sections of the tour: each prints an explanation and a table.

Those whose loss curves are drawn return them, and the minimum of the objective.
"""

import re
import time
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_linnerud,
    load_wine,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from .. import GDClassifier, GDRegressor, minimize
from ..optimizers import OPTIMIZERS, Adam, Momentum
from .text import number, quote, say, show_code, show_table, sparkline

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
    show_code("""
        from sklgd import GDClassifier, GDRegressor

        model = make_pipeline(StandardScaler(), GDClassifier())
        model.fit(X_train, y_train).score(X_test, y_test)
    """)
    say("""Both are scikit-learn estimators. Without further parameters they choose the
        optimizer, the batch size and the learning rate from the data.""")
    rows = []
    for title, estimator, data in [
        ("breast cancer, 2 classes", GDClassifier, split(load_breast_cancer, seed)),
        ("digits, 10 classes", GDClassifier, split(load_digits, seed)),
        ("diabetes, a number", GDRegressor, split(load_diabetes, seed, scaled=False)),
    ]:
        X_train, X_test, y_train, y_test = data
        model = make_pipeline(StandardScaler(), estimator(random_state=seed))
        timed_fit(model, X_train, y_train)
        last = model[-1]
        score = "accuracy" if estimator is GDClassifier else "R2"
        rows.append(
            [
                title,
                f"{score} {model.score(X_test, y_test):.3f}",
                str(last.n_iter_),
                last.stop_reason_,
                f"{last.optimizer_}, {last.batch_size_}",
            ]
        )
    header = ["data", "test score", "epochs", "stop_reason_", "optimizer_, batch_size_"]
    show_table(header, rows)


@cache
def minimum_of_cancer(seed):
    """The least objective of sections 2 and 3, by Newton's method."""
    X_train, _, y_train, _ = standardised(load_breast_cancer, seed)
    exact = GDClassifier(optimizer="newton", alpha=ALPHA, tol=1e-12)
    return min(exact.fit(X_train, y_train).loss_curve_)


def cancer_curve(seed, **parameters):
    """Loss curve of a run on the data of sections 2 and 3."""
    X_train, _, y_train, _ = standardised(load_breast_cancer, seed)
    model = GDClassifier(
        alpha=ALPHA, max_iter=EPOCHS, tol=None, random_state=seed, **parameters
    )
    return timed_fit(model, X_train, y_train).model.loss_curve_


def curve_cells(curve, minimum):
    """The last distance from the minimum, and the curve of these distances."""
    gaps = np.array(curve) - minimum
    return [f"{gaps[-1]:.1e}", sparkline(gaps)]


def batch_modes(seed):
    """Run batch, mini-batch and stochastic descent side by side."""
    show_code("""
        GDClassifier(optimizer="sgd", batch_size=32, learning_rate=0.05, alpha=0.01)
    """)
    say(f"""All rows of the table have the same objective (mean loss plus penalty) and
        {EPOCHS} epochs. They differ in the number of rows per step. A step on all rows
        is exact, but there is only one in an epoch. A step on a single row is noisy,
        but there are hundreds. The first three rows share a learning rate; exact steps
        may be larger, as the last row shows. The distance of the objective from its
        minimum is given after the last epoch, and drawn for all epochs on a logarithmic
        scale.""")
    minimum = minimum_of_cancer(seed)
    n_rows = len(standardised(load_breast_cancer, seed)[0])
    rows, curves = [], {}
    variants: list[tuple[str, Any, float]] = [
        ("stochastic, batch_size=1", 1, 0.05),
        ("mini-batch, batch_size=32", 32, 0.05),
        ("batch, batch_size='full'", "full", 0.05),
        ("batch, larger steps", "full", 0.5),
    ]
    for title, batch_size, learning_rate in variants:
        curve = cancer_curve(
            seed, optimizer="sgd", batch_size=batch_size, learning_rate=learning_rate
        )
        steps = -(-n_rows // (n_rows if batch_size == "full" else batch_size))
        cells = curve_cells(curve, minimum)
        rows.append([title, f"{learning_rate:g}", str(steps), *cells])
        curves[title] = curve
    header = ["descent", "learning_rate", "steps/epoch", "distance", "curve"]
    show_table(header, rows)
    return curves, minimum


def optimizers(seed):
    """Run all seven textbook optimizers on the same problem."""
    show_code("""
        GDClassifier(optimizer="adam", batch_size=32, learning_rate=0.02, alpha=0.01)
    """)
    minimum, n_more = minimum_of_cancer(seed), len(OPTIMIZERS) - len(LEARNING_RATES)
    say(f"""Each has a learning rate that suits it, mini-batches of 32 rows and {EPOCHS}
        epochs. All of them approach the same minimum of the objective, {minimum:.4f},
        which was found by Newton's method. sklgd has {n_more} more optimizers.""")
    rows, curves = [], {}
    for name, learning_rate in LEARNING_RATES.items():
        curve = cancer_curve(
            seed, optimizer=name, batch_size=32, learning_rate=learning_rate
        )
        rows.append([name, f"{learning_rate:g}", *curve_cells(curve, minimum)])
        curves[f"{name}, learning rate {learning_rate:g}"] = curve
    show_table(["optimizer", "learning_rate", "distance", "curve"], rows)
    return curves, minimum


def grid_search(seed):
    """Search over the optimizer, the batch size and an optimizer's own parameter."""
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
        The table shows all candidates on the wine data, best first, with the mean
        accuracy of a five-fold cross-validation.""")
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
    X_train, _, y_train, _ = split(load_wine, seed)
    results = timed_fit(search, X_train, y_train).model.cv_results_
    rows = []
    for i in np.argsort(results["rank_test_score"], kind="stable"):
        found = dict(results["params"][i])
        optimizer = type(found.pop("gdclassifier__optimizer")).__name__
        batch_size = found.pop("gdclassifier__batch_size")
        [(own, value)] = found.items()
        rows.append(
            [
                f"{optimizer}({own.rsplit('__')[-1]}={value})",
                str(batch_size),
                f"{results['mean_test_score'][i]:.3f}",
                f"{results['std_test_score'][i]:.3f}",
            ]
        )
    show_table(["optimizer", "batch_size", "accuracy", "standard deviation"], rows)


def comparison(seed):
    """Compare the defaults with SGDClassifier and SGDRegressor."""
    say("""All have default parameters, except that SGDClassifier gets the same loss
        (log_loss; one-vs-rest for several classes, where GDClassifier has softmax).
        "raw" is the data as it comes, and "scaled" has passed a StandardScaler. The
        score is the accuracy or R2 on the test part. R2 below 0 is worse than
        predicting the mean. "exact" is LogisticRegression or Ridge with the same
        penalty, solved by a second-order method. "seconds" is one fit on the raw
        data.""")
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
                row.append(number(score))
            row.append(f"{fit.seconds:.3f}")
            if expected is None:
                # The exact solver comes first, and the raw data come last.
                expected = score
                row.append("")
            else:
                row.append(remark(score, expected, fit))
            rows.append(row)
    header = ["data", "estimator", "scaled", "raw", "seconds", "on raw data"]
    show_table(header, rows)


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


def too_large_a_learning_rate(seed):
    """Force a divergence and show the warning."""
    show_code("""
        GDRegressor(optimizer="sgd", batch_size=1, learning_rate=0.01)   # raw features
    """)
    say("""A learning rate that you set is used as it is, and on raw features it may be
        too large. The run then stops with a warning, and the attribute diagnosis_ holds
        the causes:""")
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
                number(model.score(X_test, y_test)),
            ]
        )
    say("""The model keeps the best coefficients that the run has seen. Here they are
        those of the start, all zero, with an R2 below 0. The second row shows the same
        run with an automatic learning rate:""")
    show_table(["learning_rate", "stop_reason_", "epochs", "test R2"], rows)


def streaming(seed):
    """Learn the rows in chunks, each of which is predicted first."""
    from sklearn.linear_model import SGDClassifier

    show_code("""
        for X_chunk, y_chunk in stream:
            model.partial_fit(X_chunk, y_chunk, classes=[0, 1])
    """)
    say("""In partial_fit the default learns each row once. It needs neither scaled
        features nor a learning rate. Here the raw breast cancer data arrive in chunks
        of 50 rows. Each chunk is predicted before it is learnt, and the table gives the
        accuracy of all predictions so far.""")
    X, y = load_breast_cancer(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(X))
    models = {
        "GDClassifier": GDClassifier(random_state=seed),
        "SGDClassifier": SGDClassifier(loss="log_loss", random_state=seed),
    }
    right, rows = dict.fromkeys(models, 0), []
    for start in range(0, len(X), 50):
        chunk = order[start : start + 50]
        for name, model in models.items():
            if start > 0:
                right[name] += int((model.predict(X[chunk]) == y[chunk]).sum())
            model.partial_fit(X[chunk], y[chunk], classes=[0, 1])
        seen = start + len(chunk)
        if seen in (100, 200, 400, len(X)):
            scores = [f"{right[name] / (seen - 50):.3f}" for name in models]
            rows.append([str(seen), *scores])
    show_table(["rows seen", *models], rows)


def sparse_text(seed):
    """Classify sentences by their words, stored as sparse rows."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    show_code("""
        make_pipeline(TfidfVectorizer(), GDClassifier(alpha=1e-3))
    """)
    say("""Sparse data are never made dense: a step costs time in proportion to the
        words of its rows. The texts are the sentences that describe six data sets of
        scikit-learn, and the task is to name the data set. The last row always names
        the most frequent one.""")
    texts, names = sentences()
    parts = train_test_split(texts, names, stratify=names, random_state=seed)
    text_train, text_test, y_train, y_test = parts
    words = TfidfVectorizer(token_pattern="[a-z]{3,}", sublinear_tf=True)
    X_train, X_test = words.fit_transform(text_train), words.transform(text_test)
    rows = []
    for parameters in (
        {},
        {"penalty": "l1"},
        {"optimizer": "adagrad", "batch_size": 1, "max_iter": 10, "tol": None},
    ):
        model = GDClassifier(alpha=1e-3, random_state=seed, **parameters)
        timed_fit(model, X_train, y_train)
        used = (model.coef_ != 0.0).any(axis=0).sum()
        title = ", ".join(f"{key}={value!r}" for key, value in parameters.items())
        rows.append(
            [
                title or "default parameters",
                f"{model.score(X_test, y_test):.3f}",
                f"{used} of {X_train.shape[1]}",
            ]
        )
    _, counts = np.unique(y_test, return_counts=True)
    rows.append(
        ["no words", f"{counts.max() / len(y_test):.3f}", f"0 of {X_train.shape[1]}"]
    )
    show_table(["GDClassifier", "test accuracy", "words used"], rows)


def sentences():
    """Sentences about scikit-learn's data sets, and the names of these."""
    texts: list[str] = []
    names: list[str] = []
    for load in (load_iris, load_wine, load_digits, load_diabetes, load_breast_cancer,
                 load_linnerud):  # fmt: skip
        name = load.__name__.removeprefix("load_")
        parts = re.split(r"[.\n]+", load().DESCR.replace(name, ""))
        found = [part for part in parts if len(part.split()) >= 4]
        texts += found
        names += [name] * len(found)
    return texts, names


def any_function(seed):
    """Minimise a ravine with three optimizers."""
    show_code("""
        minimize(fun, [-4.0, 1.0], jac=gradient, optimizer=Momentum(0.6),
                 learning_rate=0.06)
    """)
    say("""minimize runs the same optimizers on any function, and returns the path. Here
        the function is a ravine, (x^2 + 40 y^2)/2, which is 40 times as steep along y
        as along x. Its minimum is 0.""")
    curvature = np.array([1.0, 40.0])
    runs: dict[str, dict[str, Any]] = {
        "sgd": {"optimizer": "sgd", "learning_rate": 0.045},
        "momentum": {"optimizer": Momentum(0.6), "learning_rate": 0.06},
        "adam": {"optimizer": "adam", "learning_rate": 0.15},
    }
    rows = []
    for name, run in runs.items():
        result = minimize(
            lambda x: curvature @ x**2 / 2.0,
            [-4.0, 1.0],
            jac=lambda x: curvature * x,
            max_iter=60,
            tol=0.0,
            **run,
        )
        values = [result.fun_path[k] for k in (10, 30, 60)]
        cells = [f"{value:.1e}" for value in values]
        rows.append([name, *cells, sparkline(result.fun_path)])
    show_table(["optimizer", "10 steps", "30 steps", "60 steps", "curve"], rows)


class Section(NamedTuple):
    """A section of the tour."""

    title: str
    run: Callable[[int], Any]
    has_curves: bool = False


SECTIONS = [
    Section("A classifier and a regressor in a pipeline", pipelines),
    Section("Batch, mini-batch and stochastic descent", batch_modes, True),
    Section("Seven optimizers", optimizers, True),
    Section("A grid search over optimizers and their own parameters", grid_search),
    Section("Next to SGDClassifier and SGDRegressor", comparison),
    Section("A learning rate that is too large", too_large_a_learning_rate),
    Section("Learning from a stream", streaming),
    Section("Sparse text", sparse_text),
    Section("Any function", any_function),
]
