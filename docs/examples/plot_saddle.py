"""
====================================
Local minima, saddles, plateaus
====================================

The objective of a linear model is convex: gradient descent reaches its minimum from any
starting point. Other functions, such as those of neural networks, can have several
minima, and points where the gradient is zero that are no minima. This example shows
what gradient descent does there.
"""

# %%
# A local minimum, and momentum
# -----------------------------
# F(x) = x⁴/4 - x³/3 - x² + 0.4 cos 6x has several local minima. Plain gradient descent
# ends in the first one. Momentum still has velocity there, and its steps continue over
# the next hump to the deepest minimum. Each arc is a step.

import textwrap
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np

from sklgd import minimize
from sklgd.display import DescentPathDisplay
from sklgd.optimizers import Momentum


def dips(x):
    x = x[0]
    return x**4 / 4.0 - x**3 / 3.0 - x**2 + 0.4 * np.cos(6.0 * x)


def dips_gradient(x):
    return x**3 - x**2 - 2.0 * x - 2.4 * np.sin(6.0 * x)


def draw_step(ax, a, b):
    """An arc from one point of the curve to another, above the curve."""
    bend = 0.5 if b[0] < a[0] else -0.5
    arrow = {"arrowstyle": "->", "connectionstyle": f"arc3,rad={bend}"}
    ax.annotate("", b, a, arrowprops={**arrow, "color": "#D55E00"})


runs = {"Plain gradient descent": "sgd", "Momentum 0.8": Momentum(0.8)}
results = {
    name: minimize(
        dips,
        3.0,
        jac=dips_gradient,
        optimizer=optimizer,
        learning_rate=0.025,
        max_iter=300,
    )
    for name, optimizer in runs.items()
}
x = np.linspace(-0.2, 3.1, 300)
figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained", sharey=True)
for ax, (name, result) in zip(axes, results.items(), strict=True):
    points = np.column_stack([result.path, result.fun_path])
    ax.plot(x, dips([x]), color="0.6", zorder=0)
    for a, b in pairwise(points[:11]):
        draw_step(ax, a, b)
    ax.plot(*points[:11].T, "o", color="#D55E00", markersize=4)
    ax.plot(*points[0], "o", color="white", markeredgecolor="black", markersize=9)
    ax.plot(*points[-1], "*", color="#0072B2", markersize=15)
    title = f"{name}: 10 steps, and the end at x = {result.x[0]:.2f}"
    ax.set(xlabel="x", ylabel="F(x)", title=title)
    ax.label_outer()
plt.show()

# %%
for name, result in results.items():
    print(f"{name}: x = {result.x[0]:.3f}, F = {result.fun:.3f}")
    print(textwrap.indent(textwrap.fill(result.message), "  "))

# %%
# In both cases the gradient is zero: each run ends at a local minimum. No method that
# only uses the gradient can find out whether there is a deeper one. Try several
# starting points (`scipy.optimize.basinhopping` takes `minimize` as its local method).
#
# A saddle
# --------
# F = x² - y² + y⁴/4 has a saddle point at the origin. It grows along x, and falls along
# y towards two minima at y = ±√2. Gradient descent that starts at y = 0 exactly stays
# there. With any other start it reaches a minimum, but near the saddle point the
# gradient is small, and plain gradient descent needs many steps to leave it.


def saddle(x):
    return x[0] ** 2 - x[1] ** 2 + x[1] ** 4 / 4.0


def saddle_gradient(x):
    return np.array([2.0 * x[0], -2.0 * x[1] + x[1] ** 3])


result = minimize(saddle, [1.8, 0.0], jac=saddle_gradient, learning_rate=0.1)
print(result.success, textwrap.fill(result.message), sep="\n")

# %%
# A zero gradient is no proof of a minimum. `minimize` evaluates the function at a few
# nearby points before it reports success, and finds lower values here.

runs = {
    "plain gradient descent": {"optimizer": "sgd", "learning_rate": 0.05},
    "momentum": {"optimizer": Momentum(0.6), "learning_rate": 0.05},
    "Adam": {"optimizer": "adam", "learning_rate": 0.05},
}
results = {
    name: minimize(saddle, [1.8, 1e-4], jac=saddle_gradient, max_iter=400, **run)
    for name, run in runs.items()
}
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
DescentPathDisplay.from_result(
    results, saddle, ax=left, limits=[(-1.0, 2.0), (-0.6, 2.2)]
)
left.set_title("Three paths past a saddle point, from y = 0.0001")
for (name, result), style in zip(results.items(), ["-", "--", "-."], strict=True):
    right.plot(result.fun_path, style, label=name)
right.axhline(0.0, color="0.6", linewidth=0.8)
right.text(148, 0.08, "F at the saddle point", color="0.4", ha="right")
right.set(xlabel="step", ylabel="F", xlim=(0, 150), title="F along the three paths")
right.legend()
plt.show()

# %%
# The velocity of momentum grows with each step away from the saddle. Adam divides by
# the size of past gradients, so that its steps are not short where the gradient is
# small.
#
# A plateau
# ---------
# Far from its minimum at 0, 1 - exp(-x²) is nearly flat: the derivative at 3 is 7e-4,
# and at 6 it is 3e-15. There no learning rate helps, but another starting point does.


def plateau(x):
    return 1.0 - np.exp(-x @ x)


def plateau_gradient(x):
    return 2.0 * x * np.exp(-x @ x)


for start in (1.0, 3.0, 4.0):
    result = minimize(plateau, start, jac=plateau_gradient)
    print(f"from {start}: x = {result.x[0]:.3f} after {result.nit} steps")
    print(textwrap.indent(textwrap.fill(result.message), "  "))

# %%
# A monkey saddle
# ---------------
# x³ - 3xy² falls from the origin in three directions and grows in three others. At the
# origin even all second derivatives are zero.


def monkey(x):
    return x[0] ** 3 - 3.0 * x[0] * x[1] ** 2


def monkey_gradient(x):
    return np.array([3.0 * x[0] ** 2 - 3.0 * x[1] ** 2, -6.0 * x[0] * x[1]])


box = [(-1, 1), (-1, 1)]
results = [
    minimize(monkey, start, jac=monkey_gradient, learning_rate=0.03, bounds=box)
    for start in [(0.9, -0.04), (-0.4, 0.8), (-0.45, -0.75)]
]
display = DescentPathDisplay.from_result(
    results, monkey, limits=[(-1.05, 1.05), (-1.05, 1.05)]
)
display.ax_.get_legend().remove()
display.ax_.set(title="Three paths down a monkey saddle, inside a box", aspect="equal")
plt.show()
