"""
===========================
A ravine, and momentum
===========================

Where a function is steep in one direction and flat in another, its contours are long
ovals: a ravine. The gradient points across it, hardly along it, and plain descent
zigzags from wall to wall. Momentum keeps a part of the last move. What goes to and fro
cancels out, what goes the same way every time adds up.
"""

# %%
# The function is (x² + κ y²)/2 with κ = 40, the ratio of the two curvatures. For such a
# quadratic bowl the best step sizes are known:
#
# - plain descent: η = 2/(1 + κ); each step leaves (κ - 1)/(κ + 1) of the distance, 95
#   %;
# - momentum (Polyak 1964): η = (2/(1 + √κ))², μ = ((√κ - 1)/(√κ + 1))²; a step leaves
#   about (√κ - 1)/(√κ + 1) of it, 73 %.
#
# The square root is the whole point: with κ = 10000 plain descent needs a hundred times
# as many steps.

import textwrap

import matplotlib.pyplot as plt
import numpy as np

from sklgd import minimize
from sklgd.display import DescentPathDisplay
from sklgd.optimizers import Momentum, Nesterov

kappa = 40.0
curvature = np.array([1.0, kappa])


def ravine(x):
    return 0.5 * curvature @ x**2


def slope(x):
    return curvature * x


root = np.sqrt(kappa)
runs = {
    "plain descent": {"optimizer": "sgd", "learning_rate": 2.0 / (1.0 + kappa)},
    "momentum": {
        "optimizer": Momentum(((root - 1.0) / (root + 1.0)) ** 2),
        "learning_rate": (2.0 / (1.0 + root)) ** 2,
    },
    "Nesterov": {
        "optimizer": Nesterov((root - 1.0) / (root + 1.0)),
        "learning_rate": 1.0 / kappa,
    },
}
results = {
    name: minimize(ravine, [-4.0, 0.35], jac=slope, max_iter=60, tol=0.0, **run)
    for name, run in runs.items()
}

figure, axes = plt.subplots(3, 1, figsize=(8, 7), sharex=True, layout="constrained")
for ax, (name, result) in zip(axes, results.items(), strict=True):
    DescentPathDisplay.from_result(
        result, ravine, ax=ax, limits=[(-4.5, 1.5), (-1.3, 1.3)]
    )
    ax.set_title(name)
    ax.label_outer()
plt.show()

# %%
# How far from the minimum after each step? Momentum pays with detours, the speed that
# it has gathered carries it up the walls, and arrives long before plain descent.
# (Nesterov's form has the step size 1/κ, which removes the steep direction at once; the
# share that it leaves is 1 - 1/√κ, 84 %.)

figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for (name, result), style in zip(results.items(), ["-", "--", "-."], strict=True):
    ax.semilogy(np.linalg.norm(result.path, axis=1), style, label=name)
ax.set(xlabel="step", ylabel="distance from the minimum")
ax.legend()
plt.show()

# %%
# The share of the distance that a step leaves, from the last ten steps of each path:

for name, result in results.items():
    distance = np.linalg.norm(result.path, axis=1)
    print(f"{name:14} {(distance[-1] / distance[-11]) ** 0.1:.3f}")

# %%
# A run that ends while it still zigzags is told so:

result = minimize(ravine, [-4.0, 0.6], jac=slope, learning_rate=0.049, max_iter=40)
print(textwrap.fill(result.message))

# %%
# The ravines of linear models come from features of different size, or from features
# that say nearly the same: :ref:`sphx_glr_auto_examples_plot_feature_scale.py`.
