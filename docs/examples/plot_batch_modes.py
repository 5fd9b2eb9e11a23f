"""
=================================
Full, mini-batch and stochastic
=================================

The gradient of the objective is a mean over all rows. Batch gradient descent computes
it exactly, stochastic gradient descent estimates it from a single row, and mini-batch
gradient descent from some rows. This example compares their learning curves and costs.
"""

# %%
# The problem is logistic regression on 569 rows of 30 standardised features, without a
# penalty, so that the objective is the mean log loss. One step on some rows is one call
# of `partial_fit` with these rows and ``batch_size="full"``. After each step the
# example computes the objective on all rows.

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
    """The objective after each step, and the number of rows seen by then."""
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
# Both pictures show the same three curves, all with the learning rate 0.05. The cost of
# a step is the number of rows that it reads, which is the x axis of the right picture.
#
# - Against the number of steps (left) the curves fall alike: the gradient of a single
#   row is a rough estimate of the direction.
# - Against the number of rows (right) the stochastic curve falls much faster: while
#   batch gradient descent makes its first step, it makes 569.
# - The gradient of a single row is noisy, and the curve goes up and down. The mean of
#   32 rows has much less noise, and all rows have none.

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
# of the rows (1/2 - y) x. The distance between a batch's mean and the mean of all rows
# falls as one over the square root of the batch size: twice the accuracy needs four
# times the rows. Therefore small batches are efficient far from the minimum.

gradients = (0.5 - y)[:, None] * X
gradient = gradients.mean(axis=0)
print(f"length of the gradient: {np.linalg.norm(gradient):.2f}")
rng = np.random.default_rng(1)
for batch_size in (1, 4, 16, 64, 256):
    draws = rng.integers(n_samples, size=(300, batch_size))
    errors = gradients[draws].mean(axis=1) - gradient
    distance = np.sqrt((errors**2).sum(axis=1).mean())
    print(
        f"{batch_size:3} rows: off by {distance:.2f}, "
        f"times the root of the rows {distance * batch_size**0.5:.2f}"
    )

# %%
# The error of a single row is larger than the gradient itself, and its steps are still
# useful on average.
#
# Near the minimum the noise dominates. With a constant learning rate the stochastic
# iterates keep fluctuating around the minimum, and their objective stays above it. A
# decreasing learning rate solves this; here the schedule "cosine" reduces it to zero.
# (With a penalty, because without one these classes can almost be separated and there
# is no minimum. The minimum is that of Newton's method.)

common = {"alpha": 0.01, "tol": None, "max_iter": 100, "random_state": 0}
models = {
    "1 row": GDClassifier(optimizer="sgd", batch_size=1, learning_rate=0.05, **common),
    "32 rows": GDClassifier(
        optimizer="sgd", batch_size=32, learning_rate=0.05, **common
    ),
    "all rows": GDClassifier(
        optimizer="sgd", batch_size="full", learning_rate=0.05, **common
    ),
    "1 row, cosine schedule": GDClassifier(
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
ax.set_title("With a constant learning rate single rows keep their noise")
plt.show()

# %%
# Use small batches for many rows and an approximate solution, larger ones or a
# decreasing learning rate for an accurate one. ``batch_size="auto"`` and
# ``learning_rate="auto"`` choose both from the data. On data as small as these they use
# all rows and a second-order method.

auto = GDClassifier(alpha=0.01, tol=1e-8).fit(X, y)
print(
    f"auto: {auto.optimizer_.name}, batch_size={auto.batch_size_}, {auto.n_iter_} "
    f"epochs, gap {auto.loss_curve_[-1] - F_star:.1e}"
)
