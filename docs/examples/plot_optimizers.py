"""
===================================
The optimizers on the same function
===================================

This example compares optimizers on the same function from the same starting point.
Beale's function has a narrow curved valley between steep walls. Its minimum, 0, is at
(3, 1/2).
"""

# %%
# The optimizers differ in what they keep from past gradients. Momentum and Nesterov sum
# them. Adagrad, RMSprop, Adadelta and Adam divide each coordinate by the size of its
# past gradients, so that flat directions get larger steps. Adam and its variants do
# both.
#
# There is no common learning rate: a step of SGD is proportional to the gradient, while
# a step of Adam is about as long as the learning rate. Each optimizer is therefore
# shown at its own best learning rate, found by trying 31 values between 0.001 and 1.

import matplotlib.pyplot as plt
import numpy as np

from sklgd import minimize
from sklgd.display import DescentPathDisplay
from sklgd.optimizers import OPTIMIZERS, Adadelta


def beale(x):
    powers = np.array([1.0, 2.0, 3.0])
    return ((np.array([1.5, 2.25, 2.625]) - x[0] + x[0] * x[1] ** powers) ** 2).sum()


def gradient(x):
    powers = np.array([1.0, 2.0, 3.0])
    rest = np.array([1.5, 2.25, 2.625]) - x[0] + x[0] * x[1] ** powers
    inner = np.array([x[1] ** powers - 1.0, x[0] * powers * x[1] ** (powers - 1.0)])
    return 2.0 * inner @ rest


start = [1.0, 1.6]
candidates = np.geomspace(1e-3, 1.0, 31)


def descend(optimizer, learning_rate):
    return minimize(
        beale,
        start,
        jac=gradient,
        optimizer=optimizer,
        learning_rate=float(learning_rate),
        max_iter=200,
        tol=0.0,
    )


results, learning_rates = {}, {}
for name in ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam"]:
    # Adadelta's epsilon sets the length of its first steps.
    optimizer = Adadelta(epsilon=1e-3) if name == "adadelta" else name
    runs = {rate: descend(optimizer, rate) for rate in candidates}
    best = min(
        runs, key=lambda rate: np.nan_to_num(runs[rate].fun_path[-1], nan=np.inf)
    )
    results[name], learning_rates[name] = runs[best], best

figure, ax = plt.subplots(figsize=(10, 6), layout="constrained")
display = DescentPathDisplay.from_result(
    results, beale, ax=ax, limits=[(-0.5, 4.2), (-1.6, 2.0)], levels=24
)
ax.plot(3.0, 0.5, "k*", markersize=14)
ax.set_title("200 steps on Beale's function; the black star is the minimum")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
plt.show()

# %%
# The values along these paths: all fall quickly at the beginning, where the function is
# steep, and then slowly along the bottom of the valley, where the gradient is small.

figure, ax = plt.subplots(figsize=(9, 4.2), layout="constrained")
for (name, result), line in zip(results.items(), display.lines_, strict=True):
    label = f"{name}, η = {learning_rates[name]:.2g}"
    ax.semilogy(
        result.fun_path,
        color=line.get_color(),
        marker=line.get_marker(),
        markersize=4,
        markevery=20,
        label=label,
    )
ax.set(xlabel="step", ylabel="Beale's function", ylim=(1e-9, 50))
ax.set_title("Values along the seven paths")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
plt.show()

# %%
# With ``learning_rate="auto"`` the learning rate is found during the run. The table
# shows for all eleven optimizers how many steps and function values are needed until no
# entry of the gradient is above 1e-5.

names = [name for name, cls in OPTIMIZERS.items() if cls.training == "descent"]
print(f"{'optimizer':10} {'steps':>6} {'values':>7}  minimum found")
for name in names:
    result = minimize(beale, start, jac=gradient, optimizer=name, max_iter=5000)
    print(f"{name:10} {result.nit:6} {result.nfev:7}  {result.x.round(4)}")

# %%
# `DescentPathDisplay.animate` shows the paths as an animation, and `save` writes a GIF:

display = DescentPathDisplay.from_result(
    {name: results[name] for name in ("sgd", "momentum", "adagrad", "adam")},
    beale,
    limits=[(-0.5, 4.2), (-1.6, 2.0)],
)
plt.close(display.figure_)
animation = display.animate(n_frames=40, interval=120)
plt.show()
