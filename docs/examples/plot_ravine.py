"""
=====================
A ravine and momentum
=====================

Where a function is steep in one direction and flat in another, its contours are long
ovals: a ravine. The gradient points across the ravine and hardly along it, so gradient
descent zigzags. Momentum adds up past gradients. Components that change their sign in
every step cancel, and components that keep their sign add up.
"""

# %%
# The function is (x² + κ y²)/2 with κ = 40, the ratio of the two curvatures. The first
# picture uses the same learning rate with and without momentum. It is close to the
# largest one for which gradient descent converges, 2/κ = 0.05.

import textwrap

import matplotlib.pyplot as plt
import numpy as np

from sklgd import minimize
from sklgd.display import DescentPathDisplay
from sklgd.optimizers import SGD, Momentum, Nesterov

kappa = 40.0
curvature = np.array([1.0, kappa])
start = [-4.0, 0.5]


def ravine(x):
    return 0.5 * curvature @ x**2


def gradient(x):
    return curvature * x


def descend(optimizer, learning_rate, n_steps):
    return minimize(
        ravine,
        start,
        jac=gradient,
        optimizer=optimizer,
        learning_rate=learning_rate,
        max_iter=n_steps,
        tol=0.0,
    )


def draw(results):
    _, axes = plt.subplots(
        len(results),
        1,
        figsize=(8, 2.4 * len(results)),
        sharex=True,
        layout="constrained",
    )
    for ax, (name, result) in zip(axes, results.items(), strict=True):
        DescentPathDisplay.from_result(
            result, ravine, ax=ax, limits=[(-4.5, 1.5), (-1.3, 1.3)]
        )
        ax.set_title(f"{name}: {ravine(result.path[-1]):.1e} after {result.nit} steps")
        ax.label_outer()
    plt.show()


draw(
    {
        "Without momentum": descend(SGD(), 0.047, 40),
        "Momentum 0.5, same learning rate": descend(Momentum(0.5), 0.047, 40),
    }
)

# %%
# For such a quadratic function the best parameters are known:
#
# - gradient descent: η = 2/(1 + κ). Each step multiplies the distance from the minimum
#   by (κ - 1)/(κ + 1) = 0.95.
# - momentum (Polyak 1964): η = (2/(1 + √κ))², μ = ((√κ - 1)/(√κ + 1))². A step
#   multiplies the distance by about (√κ - 1)/(√κ + 1) = 0.73.
# - Nesterov: η = 1/κ, μ = (√κ - 1)/(√κ + 1). A step multiplies the distance by about
#   1 - 1/√κ = 0.84.
#
# The square root makes the difference. With κ = 10000 gradient descent needs a hundred
# times as many steps as momentum.

root = np.sqrt(kappa)
results = {
    "Gradient descent": descend(SGD(), 2.0 / (1.0 + kappa), 60),
    "Momentum": descend(
        Momentum(((root - 1.0) / (root + 1.0)) ** 2), (2.0 / (1.0 + root)) ** 2, 60
    ),
    "Nesterov": descend(Nesterov((root - 1.0) / (root + 1.0)), 1.0 / kappa, 60),
}
draw(results)

# %%
# The distance from the minimum after each step. With these parameters momentum first
# swings further than gradient descent, and reaches the minimum long before it.

figure, ax = plt.subplots(figsize=(6.4, 4), layout="constrained")
for (name, result), style in zip(results.items(), ["-", "--", "-."], strict=True):
    ax.semilogy(np.linalg.norm(result.path, axis=1), style, label=name)
ax.set(xlabel="step", ylabel="distance from the minimum", title="Convergence")
ax.legend()
plt.show()

# %%
# The factor by which a step multiplies the distance, from the last ten steps:

for name, result in results.items():
    distance = np.linalg.norm(result.path, axis=1)
    print(f"{name:16} {(distance[-1] / distance[-11]) ** 0.1:.3f}")

# %%
# The message of a run that ends while it still zigzags names the cause:

result = minimize(ravine, [-4.0, 0.6], jac=gradient, learning_rate=0.049, max_iter=40)
print(textwrap.fill(result.message))

# %%
# In linear models, ravines are caused by features of different scale and by features
# that are strongly correlated: :ref:`sphx_glr_auto_examples_plot_feature_scale.py`.
