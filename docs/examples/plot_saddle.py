"""
====================================
Local minima, saddles, plateaus
====================================

The objective of a linear model is convex: every way down leads to the one minimum.
Other functions, those of neural networks among them, have more than one valley, and
points where the gradient is zero though nothing is minimal there. Gradient descent sees
only the slope under its feet. What does it do?
"""

# %%
# A local minimum, and momentum
# -----------------------------
# F(x) = x⁴/4 - x³/3 - x² + 0.4 cos 6x has small dips on the way to its valley. Plain
# descent ends in the first one. With momentum the ball is fast enough to roll through.

import textwrap

import matplotlib.pyplot as plt
import numpy as np

from sklgd import minimize
from sklgd.display import DescentPathDisplay
from sklgd.optimizers import Momentum


def dips(x):
    x = x[0]
    return x**4 / 4.0 - x**3 / 3.0 - x**2 + 0.4 * np.cos(6.0 * x)


def dips_slope(x):
    return x**3 - x**2 - 2.0 * x - 2.4 * np.sin(6.0 * x)


runs = {"plain descent": "sgd", "momentum 0.8": Momentum(0.8)}
results = {
    name: minimize(
        dips, 3.2, jac=dips_slope, optimizer=optimizer, learning_rate=0.01, max_iter=300
    )
    for name, optimizer in runs.items()
}
display = DescentPathDisplay.from_result(results, dips, limits=(-2.2, 3.4))
display.ax_.set_title("Two balls on a bumpy slope")
plt.show()

# %%
for name, result in results.items():
    print(f"{name}: x = {result.x[0]:.3f}, F = {result.fun:.3f}. {result.message}")

# %%
# Both say that their gradient is zero, and both are right: each stands at a minimum.
# Whether a deeper one exists no local method can tell. Try several starts
# (`scipy.optimize.basinhopping` takes `minimize` as its local method).
#
# A saddle
# --------
# F = x² - y² + y⁴/4 rises along x and falls along y: at the origin it has a saddle. It
# is a pass between two valleys, at y = ±√2. Descent that starts exactly on the ridge,
# y = 0, never leaves it. The smallest push is enough to fall off, but near the saddle
# the slope is small and plain descent lingers.


def saddle(x):
    return x[0] ** 2 - x[1] ** 2 + x[1] ** 4 / 4.0


def saddle_slope(x):
    return np.array([2.0 * x[0], -2.0 * x[1] + x[1] ** 3])


on_the_ridge = minimize(saddle, [1.8, 0.0], jac=saddle_slope, learning_rate=0.1)
print(on_the_ridge.success, textwrap.fill(on_the_ridge.message), sep="\n")

# %%
# A zero gradient alone would be called a success. `minimize` looks around first: it
# evaluates the function at a few points nearby, and finds lower ones.

runs = {
    "plain descent": {"optimizer": "sgd", "learning_rate": 0.05},
    "momentum": {"optimizer": Momentum(0.6), "learning_rate": 0.05},
    "Adam": {"optimizer": "adam", "learning_rate": 0.05},
}
results = {
    name: minimize(saddle, [1.8, 1e-4], jac=saddle_slope, max_iter=400, **run)
    for name, run in runs.items()
}
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.6), layout="constrained")
DescentPathDisplay.from_result(
    results, saddle, ax=left, limits=[(-1.0, 2.0), (-0.6, 2.2)]
)
left.set_title("Off the ridge, by 0.0001")
for (name, result), style in zip(results.items(), ["-", "--", "-."], strict=True):
    right.plot(result.fun_path, style, label=name)
right.axhline(0.0, color="0.6", linewidth=0.8)
right.text(148, 0.08, "the saddle's height", color="0.4", ha="right")
right.set(xlabel="step", ylabel="F", xlim=(0, 150), title="Lingering at the saddle")
right.legend()
plt.show()

# %%
# Momentum gathers speed on the way out, and Adam, which divides by the size of the
# gradient, does not mind that the slope is small.
#
# A plateau
# ---------
# Far from its only dip, 1 - exp(-x²) is nearly flat: the gradient at 3 is 7e-4, and at
# 6 it is 3e-15, zero for all practical purposes. That is no minimum, and no learning
# rate helps; another start does.


def dent(x):
    return 1.0 - np.exp(-x @ x)


def dent_slope(x):
    return 2.0 * x * np.exp(-x @ x)


for start in (1.0, 3.0, 4.0):
    result = minimize(dent, start, jac=dent_slope)
    print(f"from {start}: x = {result.x[0]:.3f} after {result.nit} steps")
    print(textwrap.indent(textwrap.fill(result.message), "  "))

# %%
# A monkey saddle
# ---------------
# x³ - 3xy² has three ways down and three up (a monkey needs room for its tail). At the
# origin even all second derivatives are zero.


def monkey(x):
    return x[0] ** 3 - 3.0 * x[0] * x[1] ** 2


def monkey_slope(x):
    return np.array([3.0 * x[0] ** 2 - 3.0 * x[1] ** 2, -6.0 * x[0] * x[1]])


box = [(-1, 1), (-1, 1)]
results = [
    minimize(monkey, start, jac=monkey_slope, learning_rate=0.03, bounds=box)
    for start in [(0.9, -0.04), (-0.4, 0.8), (-0.45, -0.75)]
]
display = DescentPathDisplay.from_result(
    results, monkey, limits=[(-1.05, 1.05), (-1.05, 1.05)]
)
display.ax_.get_legend().remove()
display.ax_.set(title="Three ways down a monkey saddle, inside a box", aspect="equal")
plt.show()
