"""
=================================
A small neural network
=================================

`minimize` takes any function with a gradient. This example trains a network with two
inputs, eight hidden units and one output, written with NumPy alone, on two interleaved
half circles that no straight line can separate.
"""

# %%
# The network
# -----------
# For a row x: h = tanh(x W₁ + b₁), z = h w₂ + b₂, and the probability of class 1 is
# 1/(1 + exp(-z)). The objective is the mean log loss. Its gradient follows from the
# chain rule, from the output to the input (backpropagation; Rumelhart, Hinton and
# Williams 1986): the derivative of the loss with respect to z is p - y, that of z with
# respect to w₂ is h, and that of tanh is 1 - h². The 33 parameters are one vector, as
# `minimize` expects. They start at random values: if all started at zero, the hidden
# units would remain equal.

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import check_grad
from sklearn.datasets import make_moons

from sklgd import GDClassifier, minimize
from sklgd.optimizers import Adam, Momentum

X, y = make_moons(300, noise=0.15, random_state=0)
n_hidden = 8
sizes = [2 * n_hidden, n_hidden, n_hidden, 1]


def layers(theta):
    W1, b1, w2, b2 = np.split(theta, np.cumsum(sizes)[:-1])
    return W1.reshape(2, n_hidden), b1, w2, b2[0]


def output(theta, X):
    W1, b1, w2, b2 = layers(theta)
    return np.tanh(X @ W1 + b1) @ w2 + b2


def loss_and_gradient(theta, X, y):
    W1, b1, w2, b2 = layers(theta)
    h = np.tanh(X @ W1 + b1)
    z = h @ w2 + b2
    loss = np.mean(np.logaddexp(0.0, z) - y * z)
    dz = (1.0 / (1.0 + np.exp(-z)) - y) / len(y)
    dh = np.outer(dz, w2) * (1.0 - h**2)
    gradient = [(X.T @ dh).ravel(), dh.sum(axis=0), h.T @ dz, [dz.sum()]]
    return loss, np.concatenate(gradient)


# %%
# Finite differences check the gradient before anything is trained. This is the distance
# between the two gradients:

theta0 = np.random.RandomState(0).normal(scale=0.7, size=sum(sizes))
print(
    check_grad(
        lambda theta: loss_and_gradient(theta, X, y)[0],
        lambda theta: loss_and_gradient(theta, X, y)[1],
        theta0,
    )
)

# %%
# Training
# --------
# ``jac=True`` says that the function returns its value and its gradient. ``args`` are
# further arguments of the function.

runs = {
    "SGD, η = 0.5": {"optimizer": "sgd", "learning_rate": 0.5},
    "momentum 0.9, η = 0.2": {"optimizer": Momentum(0.9), "learning_rate": 0.2},
    "Adam, η = 0.05": {"optimizer": Adam(), "learning_rate": 0.05},
    "Adam, auto": {"optimizer": Adam()},
}
results = {
    name: minimize(loss_and_gradient, theta0, (X, y), jac=True, max_iter=500, **run)
    for name, run in runs.items()
}
figure, ax = plt.subplots(figsize=(8.6, 4), layout="constrained")
for (name, result), style in zip(results.items(), ["-", "--", "-.", ":"], strict=True):
    ax.semilogy(result.fun_path, style, label=name)
linear = GDClassifier(penalty=None).fit(X, y)
ax.axhline(linear.loss_curve_[-1], color="0.6", linewidth=0.8)
ax.annotate("the best linear model", (500, linear.loss_curve_[-1] * 1.05), ha="right")
ax.set(xlabel="step (all 300 rows)", ylabel="mean log loss", title="Four optimizers")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
plt.show()

# %%
# What it has learned
# -------------------

grid = np.stack(np.meshgrid(np.linspace(-1.6, 2.6, 200), np.linspace(-1.1, 1.6, 200)))
theta = results["Adam, η = 0.05"].x
z = output(theta, grid.reshape(2, -1).T).reshape(200, 200)
figure, ax = plt.subplots(figsize=(6.4, 4.2), layout="constrained")
shades = ax.contourf(
    *grid, 1.0 / (1.0 + np.exp(-z)), levels=np.linspace(0, 1, 11), cmap="RdBu_r",
    alpha=0.6,
)  # fmt: skip
ax.contour(*grid, z, levels=[0.0], colors="k")
for label, marker in ((0, "o"), (1, "^")):
    ax.scatter(*X[y == label].T, s=14, marker=marker, edgecolors="k", linewidths=0.4)
figure.colorbar(shades, label="probability of class 1")
accuracy = np.mean((output(theta, X) > 0.0) == y)
ax.set_title(
    f"Accuracy {accuracy:.3f}; a straight line reaches {linear.score(X, y):.3f}"
)
plt.show()

# %%
# Mini-batches
# ------------
# A function may use other rows in each call. Its values and gradients are then noisy,
# so the learning rate follows a schedule, and the run makes all of its steps.

rng = np.random.RandomState(1)


def on_a_batch(theta):
    rows = rng.randint(len(X), size=32)
    return loss_and_gradient(theta, X[rows], y[rows])


result = minimize(
    on_a_batch, theta0, jac=True, optimizer="adam", learning_rate="cosine", eta0=0.05,
    max_iter=500,
)  # fmt: skip
print(
    f"{loss_and_gradient(result.x, X, y)[0]:.4f} after {result.nit} batches of 32 rows"
)
