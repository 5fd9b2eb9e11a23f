"""
============================
A bowl, three learning rates
============================

Gradient descent walks downhill: at each point it computes the slope and moves against
it, by the learning rate times the slope. How far it moves decides everything. Here are
the two functions that most introductions begin with, and the three fates of a learning
rate.
"""

# %%
# One variable
# ------------
# F(x) = x² + 1 has the slope 2x, so a step is x ← x - η 2x = (1 - 2η) x: each step
# multiplies the distance from the minimum by 1 - 2η. A small η makes a factor just
# below one: descent crawls. At η = 1/2 it would arrive in one step. Beyond that the
# factor is negative: descent jumps over the minimum, and from η = 1 on it lands higher
# each time.

import textwrap

import matplotlib.pyplot as plt
import numpy as np

from sklgd import minimize
from sklgd.display import DescentPathDisplay


def parabola(x):
    return x[0] ** 2 + 1.0


def parabola_slope(x):
    return 2.0 * x


learning_rates = {"too small": 0.03, "about right": 0.4, "too large": 1.05}
figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
for ax, (name, eta) in zip(axes, learning_rates.items(), strict=True):
    result = minimize(
        parabola, 2.0, jac=parabola_slope, learning_rate=eta, max_iter=8, tol=0.0
    )
    DescentPathDisplay.from_result(
        result, parabola, ax=ax, limits=(-3.2, 3.2), variable_names=["x"]
    )
    ax.set(title=f"η = {eta}: {name}", ylabel="F(x) = x² + 1", ylim=(0.5, 11.5))
plt.show()

# %%
# The path is in the result, and it is what the formula says:

result = minimize(parabola, 2.0, jac=parabola_slope, learning_rate=0.4, max_iter=8)
print(result.path[:, 0])
print(2.0 * (1 - 2 * 0.4) ** np.arange(9))

# %%
# `minimize` does not hide a learning rate that is too large. It keeps the best point,
# and says so:

result = minimize(parabola, 2.0, jac=parabola_slope, learning_rate=1.05, max_iter=8)
print(result.success, result.x, textwrap.fill(result.message), sep="\n")

# %%
# Two variables
# -------------
# z = x² + xy + y² is a bowl with an oval rim. Its curvature is 3 along one diagonal and
# 1 along the other, the eigenvalues of the matrix of second derivatives. A step
# multiplies the distance along these directions by 1 - 3η and 1 - η. So the steep
# direction sets the limit, η < 2/3, and the flat one the pace.


def bowl(x):
    return x[0] ** 2 + x[0] * x[1] + x[1] ** 2


def bowl_slope(x):
    return np.array([2.0 * x[0] + x[1], x[0] + 2.0 * x[1]])


learning_rates = {"too small": 0.03, "about right": 0.5, "too large": 0.69}
figure, axes = plt.subplots(1, 3, figsize=(11, 3.9), layout="constrained")
results = {}
for ax, (name, eta) in zip(axes, learning_rates.items(), strict=True):
    results[f"η = {eta}"] = result = minimize(
        bowl, [2.0, 1.2], jac=bowl_slope, learning_rate=eta, max_iter=25, tol=0.0
    )
    DescentPathDisplay.from_result(result, bowl, ax=ax, limits=[(-3, 3), (-3, 3)])
    ax.set(title=f"η = {eta}: {name}", aspect="equal")
plt.show()

# %%
# The values along the three paths, on a logarithmic scale: straight lines, since each
# step takes the same share off what is left (linear convergence, as it is called) or
# adds to it.

figure, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
for (name, result), marker in zip(results.items(), "osD", strict=True):
    ax.semilogy(result.fun_path, label=name, marker=marker, markersize=3)
ax.set(xlabel="step", ylabel="z", title="z = x² + xy + y² along the three paths")
ax.legend()
plt.show()

# %%
# Without a learning rate of your own
# -----------------------------------
# The default ``learning_rate="auto"`` measures the curvature in front of the first step
# and adapts from there: steps grow while the function falls, and a step that would
# raise it is taken back.

result = minimize(bowl, [2.0, 1.2], jac=bowl_slope)
print(result.message, f"{result.nit} steps", result.x.round(6), sep="\n")
