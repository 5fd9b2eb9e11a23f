"""
=================================
Full, mini-batch and stochastic
=================================

The gradient of the objective is a mean over all rows. Batch descent computes it
exactly, stochastic descent takes a single row for the whole, mini-batches lie between.
How do the three learning curves differ, and what do they cost?
"""

# %%
# The problem: logistic regression on 569 rows of 30 standardised features, without a
# penalty, so that the objective F is the mean log loss. One step on some rows is one
# call of `partial_fit` with these rows and ``batch_size="full"``, which lets us look at
# F, on all rows, after every single step.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

from sklgd import GDClassifier
from sklgd.display import LossCurveDisplay

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
n_samples = len(X)


def objective(model):
    z = model.decision_function(X)
    return np.logaddexp(0.0, np.where(y == 1, -z, z)).mean()


def curve(batch_size, n_epochs):
    """F after each step, and the number of rows seen by then."""
    model = GDClassifier(
        optimizer="sgd", learning_rate=0.05, batch_size="full", penalty=None
    )
    rng = np.random.default_rng(0)
    F, rows_seen = [], []
    for epoch in range(n_epochs):
        order = rng.permutation(n_samples)
        for first in range(0, n_samples, batch_size):
            rows = order[first : first + batch_size]
            model.partial_fit(X[rows], y[rows], classes=[0, 1])
            F.append(objective(model))
            rows_seen.append(epoch * n_samples + first + len(rows))
    return np.array(F), np.array(rows_seen)


sizes = {"stochastic, 1 row": 1, "mini-batch, 32 rows": 32, "full, 569 rows": 569}
curves = {
    name: curve(size, n_epochs=60 if size == n_samples else 3)
    for name, size in sizes.items()
}

# %%
# The same three curves twice, all with the learning rate 0.05. A step is cheap or dear
# according to the rows that it reads, and that is the unit of the right-hand picture.
#
# - Step by step (left) the curves fall alike: even a single row shows roughly the way.
# - Row by row (right) the stochastic curve is far ahead: by the time that batch descent
#   takes its first step, it has taken 569.
# - The price is noise. A row is not the mean of all, and the curve goes up and down;
#   32 rows even out most of it, and all rows leave none.

objectives = {name: F for name, (F, rows) in curves.items()}
rows_seen = {name: rows for name, (F, rows) in curves.items()}
line_kw = [{"linewidth": 0.8}, {}, {"marker": "o", "markersize": 3}]
figure, axes = plt.subplots(
    1, 2, figsize=(10.5, 4.2), layout="constrained", sharey=True
)
LossCurveDisplay(objectives, x_name="steps").plot(axes[0], line_kw=line_kw)
axes[0].set(xlim=(0, 50), title="the first 50 steps")
LossCurveDisplay(objectives, x=rows_seen, x_name="rows seen").plot(
    axes[1], line_kw=line_kw
)
axes[1].set(xlim=(-20, 3 * n_samples + 20), ylabel="", title="3 epochs")
plt.show()

# %%
# How noisy is the gradient? At the start, where all coefficients are 0, it is the mean
# of the rows (1/2 - y) x. The distance of a batch's mean from that of all rows falls as
# one over the root of the batch size: twice the accuracy costs four times the rows.
# That is why small batches pay off as long as much is left to gain.

slopes = (0.5 - y)[:, None] * X
gradient = slopes.mean(axis=0)
print(f"length of the gradient: {np.linalg.norm(gradient):.2f}")
rng = np.random.default_rng(1)
for batch_size in (1, 4, 16, 64, 256):
    draws = rng.integers(n_samples, size=(300, batch_size))
    errors = slopes[draws].mean(axis=1) - gradient
    distance = np.sqrt((errors**2).sum(axis=1).mean())
    print(
        f"{batch_size:3} rows: off by {distance:.2f}, "
        f"times the root of the rows {distance * batch_size**0.5:.2f}"
    )

# %%
# A single row is off by more than the whole gradient is long, and yet it pays.
#
# Later the noise decides. With a constant learning rate the stochastic iterates come
# near the minimum and then wander about it: their gap, F - F*, stays where the noise
# holds it. The way out is a learning rate that falls; here "cosine" takes it to zero.
# (A penalty now, so that there is a minimum at all: these classes can nearly be told
# apart. F* is that of Newton's method.)

common = {"alpha": 0.01, "tol": None, "max_iter": 100, "random_state": 0}
models = {
    "1 row": GDClassifier(optimizer="sgd", batch_size=1, learning_rate=0.05, **common),
    "32 rows": GDClassifier(
        optimizer="sgd", batch_size=32, learning_rate=0.05, **common
    ),
    "all rows": GDClassifier(
        optimizer="sgd", batch_size="full", learning_rate=0.05, **common
    ),
    "1 row, falling step": GDClassifier(
        optimizer="sgd", batch_size=1, learning_rate="cosine", eta0=0.05, **common
    ),
}
for model in models.values():
    model.fit(X, y)
F_star = (
    GDClassifier(alpha=0.01, optimizer="newton", tol=1e-12).fit(X, y).loss_curve_[-1]
)

figure, ax = plt.subplots(figsize=(7, 4.4), layout="constrained")
LossCurveDisplay.from_estimator(models, kind="gap", F_star=F_star, ax=ax)
plt.show()

# %%
# What to take: small batches for many rows and a rough answer, larger ones or a falling
# step for an accurate one. ``batch_size="auto"`` and ``learning_rate="auto"`` choose
# both from the data: on data as small as these they take all rows, with a second-order
# method.

auto = GDClassifier(alpha=0.01, tol=1e-8).fit(X, y)
print(
    f"auto: {auto.optimizer_.name}, batch_size={auto.batch_size_}, {auto.n_iter_} "
    f"epochs, gap {auto.loss_curve_[-1] - F_star:.1e}"
)
