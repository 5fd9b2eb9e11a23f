"""The pictures of guide/optimizers.md: one function for all optimizers."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from sklgd import GDClassifier, minimize
from sklgd.display import DescentPathDisplay
from sklgd.optimizers import OPTIMIZERS

# Step sizes that suit each rule on the ravine. They are not comparable: a step of plain
# descent is as long as the gradient, one of Adam about as long as the step size.
RULES = {
    "sgd": 0.09,
    "momentum": 0.02,
    "nesterov": 0.04,
    "adagrad": 1.0,
    "rmsprop": 0.2,
    "adadelta": 20.0,
    "adam": 0.4,
    "amsgrad": 0.4,
    "nadam": 0.4,
    "adamax": 0.6,
    "ftrl": 1.0,
}


def ravine(x):
    """Value and gradient of (x^2 + 20 y^2)/2."""
    weights = np.array([1.0, 20.0])
    return weights @ x**2 / 2.0, weights * x


def draw(name):
    draw_path(name) if name in RULES else draw_gaps(name)


def draw_path(name):
    """40 steps down a ravine, and plain descent beside them."""
    results = {
        f"{rule}, eta = {RULES[rule]:g}": minimize(
            ravine, [-4.0, 1.2], jac=True, optimizer=rule, learning_rate=RULES[rule],
            max_iter=40, tol=0.0,
        )
        for rule in dict.fromkeys(["sgd", name])
    }  # fmt: skip
    ax = plt.figure(figsize=(7, 2.6)).subplots()
    DescentPathDisplay.from_result(
        results, lambda x: ravine(x)[0], ax=ax, limits=[(-4.6, 2.0), (-1.6, 1.6)]
    )


def draw_gaps(name):
    """Objective gaps on 569 scaled rows, and those of plain descent beside them.

    Methods that step row by row are compared with single rows and the same constant
    step size, methods that see all rows with the gradient and the step size 1/L.
    """
    X, y = load_breast_cancer(return_X_y=True)
    X = StandardScaler().fit_transform(X)
    by_rows = hasattr(OPTIMIZERS[name], "by_rows")
    common = dict(alpha=1e-2, penalty="l1" if name == "fista" else "l2", random_state=0)
    plain = dict(optimizer="sgd", batch_size="full", learning_rate=0.3)
    special = dict(optimizer=name)
    if by_rows:
        plain |= dict(batch_size=1, learning_rate=0.02)
        special |= dict(batch_size=1, learning_rate=0.02)
    best = GDClassifier(**common, tol=1e-13).fit(X, y).loss_curve_[-1]
    ax = plt.figure(figsize=(7, 2.6)).subplots()
    for label, arguments in (("sgd", plain), (name, special)):
        model = GDClassifier(**common, **arguments, max_iter=60, tol=None).fit(X, y)
        gaps = np.array(model.loss_curve_) - best
        gaps[gaps < 1e-13] = np.nan
        ax.semilogy(np.arange(1, len(gaps) + 1), gaps, ".-", label=label)
    ax.set(xlabel="epoch", ylabel="F - F*")
    ax.legend(frameon=False)
