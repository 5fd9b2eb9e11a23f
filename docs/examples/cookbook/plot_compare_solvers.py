"""
=============================
The same model, other solvers
=============================

`SGDClassifier`, `LogisticRegression` and `GDClassifier` can minimise the same
objective. On raw features they do not come equally close to its minimum.
"""

# %%
# The objective
# -------------
# ``LogisticRegression`` measures the penalty by C: it is 1 / (n alpha).

import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.preprocessing import StandardScaler

from sklgd import GDClassifier

X, y = load_breast_cancer(return_X_y=True)
alpha = 1e-3


def objective(model, X):
    z = model.decision_function(X)
    mean_loss = np.mean(np.logaddexp(0.0, np.where(y == 1, -z, z)))
    return mean_loss + alpha / 2 * np.sum(model.coef_**2)


def models(epochs):
    yield (
        "SGDClassifier",
        SGDClassifier(
            loss="log_loss", alpha=alpha, max_iter=epochs, tol=None, random_state=0
        ),
    )
    yield (
        "LogisticRegression, lbfgs",
        LogisticRegression(C=1 / (alpha * len(X)), max_iter=epochs, tol=1e-12),
    )
    yield "GDClassifier, Adam, 32 rows", GDClassifier(
        optimizer="adam", batch_size=32, alpha=alpha, max_iter=epochs, tol=None,
        random_state=0,
    )  # fmt: skip
    yield "GDClassifier, default", GDClassifier(alpha=alpha, max_iter=epochs, tol=1e-12)


# %%
# Distance from the minimum
# -------------------------
# An epoch is a pass over the rows. The default optimizer of ``GDClassifier`` and lbfgs
# are stopped after as many iterations.

epochs = [1, 3, 10, 30]
figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), sharey=True, layout="constrained")
for ax, (title, rows) in zip(
    axes,
    {"raw features": X, "scaled features": StandardScaler().fit_transform(X)}.items(),
    strict=True,
):
    best = objective(GDClassifier(alpha=alpha, tol=1e-14).fit(rows, y), rows)
    curves = {}
    for n in epochs:
        for name, model in models(n):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                distance = objective(model.fit(rows, y), rows) - best
            curves.setdefault(name, []).append(max(distance, 1e-9))
    for (name, curve), marker in zip(curves.items(), "os^D", strict=True):
        ax.loglog(epochs, curve, marker + "-", label=name, ms=4)
    ax.set_title(title)
    ax.set_xlabel("epochs")
axes[0].set_ylabel("objective minus its minimum")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
plt.show()

# %%
# On the raw features, `SGDClassifier` stays far from the minimum, because one learning
# rate cannot suit features of such different sizes. On scaled features all of them
# approach it.
#
# Keras and PyTorch can minimise this objective as well. You then write the loop, choose
# the learning rate and scale the features yourself.
# :doc:`Keras </coming_from/keras>` and :doc:`PyTorch </coming_from/pytorch>` have
# programs of both libraries, and the calls of sklgd that take the same steps.
