"""
=================================
The optimizers on one contour
=================================

One landscape, one start, and every rule of descent that `minimize` knows. Beale's
function has a narrow curved valley between steep walls; its minimum, 0, is at (3, 1/2).
"""

# %%
# The rules differ in what they remember. Momentum and Nesterov add up past gradients.
# Adagrad, RMSprop, Adadelta and Adam divide each coordinate by the size of its own past
# gradients, so that flat directions get longer steps; Adam and its kin do both. Each
# has a step size that suits it: there is no common one, since a step of plain descent
# is as long as the gradient, while one of Adam is about as long as the step size.

import matplotlib.pyplot as plt
import numpy as np

from sklgd import minimize
from sklgd.display import DescentPathDisplay
from sklgd.optimizers import OPTIMIZERS


def beale(x):
    powers = np.array([1.0, 2.0, 3.0])
    return ((np.array([1.5, 2.25, 2.625]) - x[0] + x[0] * x[1] ** powers) ** 2).sum()


def slope(x):
    powers = np.array([1.0, 2.0, 3.0])
    rest = np.array([1.5, 2.25, 2.625]) - x[0] + x[0] * x[1] ** powers
    inner = np.array([x[1] ** powers - 1.0, x[0] * powers * x[1] ** (powers - 1.0)])
    return 2.0 * inner @ rest


start = [1.0, 1.6]
step_sizes = {
    "sgd": 0.005, "momentum": 0.001, "nesterov": 0.001, "adagrad": 0.4,
    "rmsprop": 0.02, "adadelta": 5.0, "adam": 0.1,
}  # fmt: skip
results = {
    name: minimize(
        beale, start, jac=slope, optimizer=name, learning_rate=eta, max_iter=600
    )
    for name, eta in step_sizes.items()
}

figure, ax = plt.subplots(figsize=(9, 6), layout="constrained")
display = DescentPathDisplay.from_result(
    results, beale, ax=ax, limits=[(-0.5, 4.2), (-1.6, 2.0)], levels=24
)
ax.plot(3.0, 0.5, "k*", markersize=14)
ax.set_title("600 steps on Beale's function; the star is the minimum")
plt.show()

# %%
# The same paths as values. All are quick in the beginning, down the walls. Then comes
# the way along the valley's floor, where the slope is small.

figure, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
for (name, result), line in zip(results.items(), display.lines_, strict=True):
    label = f"{name}, η = {step_sizes[name]}"
    ax.semilogy(result.fun_path, color=line.get_color(), label=label)
ax.set(xlabel="step", ylabel="Beale's function", ylim=(1e-9, 50))
ax.legend(ncols=2)
plt.show()

# %%
# All eleven rules, with step sizes found on the way (``learning_rate="auto"``): how
# many steps, and how many values of the function, until no entry of the gradient is
# above 1e-5?

names = [name for name, cls in OPTIMIZERS.items() if cls.training == "descent"]
print(f"{'optimizer':10} {'steps':>6} {'values':>7}  minimum found")
for name in names:
    result = minimize(beale, start, jac=slope, optimizer=name, max_iter=5000)
    print(f"{name:10} {result.nit:6} {result.nfev:7}  {result.x.round(4)}")

# %%
# `DescentPathDisplay.animate` shows the race as a film, and `save` writes a GIF:

display = DescentPathDisplay.from_result(
    {name: results[name] for name in ("sgd", "momentum", "adagrad", "adam")},
    beale,
    limits=[(-0.5, 4.2), (-1.6, 2.0)],
)
plt.close(display.figure_)
animation = display.animate(interval=50)
plt.show()
