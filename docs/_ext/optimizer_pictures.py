"""The pictures of guide/optimizers.md: one function for all optimizers."""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from sklgd import GDClassifier, minimize
from sklgd.display import DescentPathDisplay
from sklgd.optimizers import OPTIMIZERS, Adadelta, Momentum, Nesterov

STEPS = 40
START = [-4.0, 1.0]
# Candidates for the learning rate of every optimizer.
LEARNING_RATES = np.geomspace(1e-3, 1.0, 61)
# Optimizers whose defaults are meant for longer runs than 40 steps: a momentum of 0.9
# averages over more steps than that, and Adadelta's epsilon sets its first steps.
SPECIAL = {
    "momentum": Momentum(0.6),
    "nesterov": Nesterov(0.7),
    "adadelta": Adadelta(epsilon=0.02),
}


def ravine(x):
    """Value and gradient of (x^2 + 40 y^2)/2."""
    weights = np.array([1.0, 40.0])
    return weights @ x**2 / 2.0, weights * x


def descend(optimizer, learning_rate):
    return minimize(
        ravine, START, jac=True, optimizer=optimizer, learning_rate=learning_rate,
        max_iter=STEPS, tol=0.0,
    )  # fmt: skip


def best_learning_rate(optimizer):
    """The candidate with which the last of the steps has the lowest value."""
    if getattr(optimizer, "name", None) == "adadelta":
        return 1.0  # that of the paper

    def last_value(learning_rate):
        return ravine(descend(optimizer, learning_rate).path[-1])[0]

    return float(min(LEARNING_RATES, key=last_value))


def draws_path(name):
    return OPTIMIZERS[name].training == "descent"


def draw(name):
    (draw_path if draws_path(name) else draw_gaps)(name)


def alt_text(name):
    """What the picture of an optimizer shows."""
    if draws_path(name):
        others = "SGD" if name == "sgd" else f"{name} and of SGD, each"
        return (
            f"Contours of a ravine with {STEPS} steps of {others} from the same "
            "start at the best learning rate. The title gives the objective at the end."
        )
    return (
        f"The distance of the objective from its minimum against the epoch, on a "
        f"logarithmic scale, for {name} and for SGD."
    )


def draw_path(name):
    """Steps down a ravine, and those of SGD, each at its own best learning rate."""
    results, last = {}, []
    for optimizer in dict.fromkeys(["sgd", name]):
        parameters = SPECIAL.get(optimizer, optimizer)
        learning_rate = best_learning_rate(parameters)
        label = parameters if isinstance(parameters, str) else repr(parameters)
        result = descend(parameters, learning_rate)
        results[f"{label}, learning rate {learning_rate:.2g}"] = result
        last.append(f"{optimizer} {ravine(result.path[-1])[0]:.1e}")
    ax = plt.figure(figsize=(7, 2.6)).subplots()
    DescentPathDisplay.from_result(
        results, lambda x: ravine(x)[0], ax=ax, limits=[(-4.6, 2.0), (-1.7, 1.7)]
    )
    ax.set_title(f"Objective after {STEPS} steps: {', '.join(last)}", fontsize=9)


def draw_gaps(name):
    """Distance from the optimum on 569 scaled rows, and that of SGD beside it.

    Optimizers that visit row by row are compared with SGD on single rows at the same
    constant learning rate, those that see all rows with gradient descent at 1/L.
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
    ax.set(xlabel="epoch", ylabel="objective - minimum")
    ax.legend(frameon=False)
