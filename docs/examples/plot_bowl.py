"""
============================
A bowl, three learning rates
============================

Each step of gradient descent moves against the gradient, by the learning rate times the
gradient. This example minimises the two functions with which most introductions begin,
with a learning rate that is too small, one that is about right, and one that is too
large.
"""

# %%
# One variable
# ------------
# F(x) = x² + 1 has the derivative 2x, so a step is x ← x - η 2x = (1 - 2η) x: it
# multiplies the distance from the minimum by 1 - 2η. With a small η this factor is just
# below 1, and the iterates move slowly. With η = 1/2 one step reaches the minimum. With
# a larger η the factor is negative, and each step jumps over the minimum. From η = 1 on
# each step ends higher than the one before.

import textwrap

import matplotlib.pyplot as plt
import numpy as np

from sklgd import minimize
from sklgd.display import DescentPathDisplay


def parabola(x):
    return x[0] ** 2 + 1.0


def parabola_gradient(x):
    return 2.0 * x


learning_rates = {"too small": 0.03, "about right": 0.4, "too large": 1.05}
figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), layout="constrained")
for ax, (name, eta) in zip(axes, learning_rates.items(), strict=True):
    result = minimize(
        parabola, 2.0, jac=parabola_gradient, learning_rate=eta, max_iter=8, tol=0.0
    )
    DescentPathDisplay.from_result(
        result, parabola, ax=ax, limits=(-3.2, 3.2), variable_names=["x"]
    )
    ax.set(title=f"η = {eta}: {name}", ylabel="F(x) = x² + 1", ylim=(0.5, 11.5))
plt.show()

# %%
# The result contains the path, which agrees with the formula:

result = minimize(parabola, 2.0, jac=parabola_gradient, learning_rate=0.4, max_iter=8)
print(result.path[:, 0])
print(2.0 * (1 - 2 * 0.4) ** np.arange(9))

# %%
# With a learning rate that is too large `minimize` returns the best point and reports
# that the run failed:

result = minimize(parabola, 2.0, jac=parabola_gradient, learning_rate=1.05, max_iter=8)
print(result.success, result.x, textwrap.fill(result.message), sep="\n")

# %%
# Two variables
# -------------
# z = x² + xy + y² is a bowl. A function of two variables has two partial derivatives,
# its derivatives with respect to one variable while the other is held constant. Here
# they are 2x + y and x + 2y. Together they are the gradient, a vector that points in
# the direction in which z grows fastest.


def bowl(x):
    return x[0] ** 2 + x[0] * x[1] + x[1] ** 2


def bowl_gradient(x):
    return np.array([2.0 * x[0] + x[1], x[0] + 2.0 * x[1]])


# %%
# The same path of gradient descent in the bowl and over its contours. A contour line
# connects points of equal height, and each step crosses it at a right angle.

result = minimize(
    bowl, [-1.0, 2.6], jac=bowl_gradient, learning_rate=0.1, max_iter=20, tol=0.0
)
figure = plt.figure(figsize=(11, 4.8), layout="constrained")
left = figure.add_subplot(1, 2, 1, projection="3d")
right = figure.add_subplot(1, 2, 2)
for ax in (left, right):
    DescentPathDisplay.from_result(result, bowl, ax=ax, limits=[(-3, 3), (-3, 3)])
left.set(zlabel="z", title="The bowl z = x² + xy + y² and 20 steps in it")
left.view_init(elev=35)
right.set(title="Its contours and the same steps from above", aspect="equal")
plt.show()

# %%
# The curvature of this bowl is 3 along one diagonal and 1 along the other. These are
# the eigenvalues of the matrix of second derivatives. A step multiplies the distance
# from the minimum along these directions by 1 - 3η and 1 - η. The steep direction
# limits the learning rate, η < 2/3, and the flat direction determines the number of
# steps.

learning_rates = {"too small": 0.03, "about right": 0.5, "too large": 0.69}
figure, axes = plt.subplots(1, 3, figsize=(11, 3.9), layout="constrained")
results = {}
for ax, (name, eta) in zip(axes, learning_rates.items(), strict=True):
    results[f"η = {eta}"] = result = minimize(
        bowl, [2.0, 1.2], jac=bowl_gradient, learning_rate=eta, max_iter=25, tol=0.0
    )
    DescentPathDisplay.from_result(result, bowl, ax=ax, limits=[(-3, 3), (-3, 3)])
    ax.set(title=f"η = {eta}: {name}", aspect="equal")
plt.show()

# %%
# The values along the three paths are straight lines on a logarithmic scale: each step
# multiplies the value by about the same factor. This is called linear convergence.

figure, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
for (name, result), marker in zip(results.items(), "osD", strict=True):
    ax.semilogy(result.fun_path, label=name, marker=marker, markersize=3)
ax.set(xlabel="step", ylabel="z", title="z = x² + xy + y² along the three paths")
ax.legend()
plt.show()

# %%
# An automatic learning rate
# --------------------------
# The default ``learning_rate="auto"`` measures the curvature before the first step and
# adapts from there: the learning rate grows while the function falls, and a step that
# would increase the function is undone.

result = minimize(bowl, [2.0, 1.2], jac=bowl_gradient)
print(result.message, f"{result.nit} steps", result.x.round(6), sep="\n")
