"""
==========================
Which learning rate?
==========================

With a learning rate that is too small, the objective hardly changes. With one that is
too large, the run diverges. A range test tries learning rates over several powers of
ten, for a few epochs each, and shows the result in one picture.
"""

# %%
# `LearningRateDisplay` makes a short run from the same start for each learning rate and
# draws the objective at its end. It finds the range of learning rates by itself, from
# where the objective hardly changes to where the runs end above their start.

import warnings

import matplotlib.pyplot as plt
import numpy as np
from scipy.optimize import rosen, rosen_der
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler

from sklgd import GDClassifier
from sklgd.display import LearningRateDisplay, LossCurveDisplay

X, y = load_breast_cancer(return_X_y=True)
X = StandardScaler().fit_transform(X)
model = GDClassifier(optimizer="sgd", batch_size=16, random_state=0)

figure, ax = plt.subplots(figsize=(7, 4.5), layout="constrained")
display = LearningRateDisplay.from_estimator(model, X, y, ax=ax)
ax.set_title("Range test of SGD with batches of 16 rows")
plt.show()

# %%
# From left to right:
#
# - The curve is flat at the objective of the start: the learning rates are too small.
# - The curve falls: the larger the learning rate, the more progress in the same time.
# - The floor: all of these learning rates are suitable.
# - The curve rises with a wide band. The band extends to the largest objective in the
#   second half of a run. A wide band means that the iterates fluctuate.
# - The lighter region: in its second half each run rises above the start.
# - The darker region: no run ends below its start.
#
# The suggestion is the learning rate for which the largest objective in the second half
# of the run is lowest. It is at most half of the first learning rate in the darker
# region, and was tested in a run ten times as long.

print(f"suggestion {display.suggestion:.3g}, too large from {display.limit:.3g} on")

# %%
# Longer runs with learning rates on both sides of the suggestion: a tenth of it is
# slower, ten times as much fluctuates, and a hundred times as much is useless.

models = {}
for factor in (0.1, 1.0, 10.0, 100.0):
    eta = factor * display.suggestion
    models[f"{eta:.2g}"] = GDClassifier(
        optimizer="sgd", batch_size=16, learning_rate=eta, max_iter=30, tol=None,
        random_state=0,
    )  # fmt: skip
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    for other in models.values():
        other.fit(X, y)

figure, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
LossCurveDisplay.from_estimator(models, kind="objective", ax=ax)
ax.set(yscale="log", title="30 epochs at learning rates around the suggestion")
ax.get_legend().set_title("learning_rate")
plt.show()

# %%
# Suitable learning rates differ between optimizers: a step of SGD is the learning rate
# times the gradient, while a step of Adam is about as long as the learning rate itself.
# A value that suits one of them says nothing about another. The next pictures use the
# digits data, ten classes, in batches of 32.

X, y = load_digits(return_X_y=True)
X = X / 16.0
figure, axes = plt.subplots(2, 2, figsize=(11, 8), layout="constrained", sharey=True)
for ax, name in zip(axes.flat, ("sgd", "momentum", "adagrad", "adam"), strict=True):
    model = GDClassifier(optimizer=name, batch_size=32, random_state=0)
    display = LearningRateDisplay.from_estimator(model, X, y, n_epochs=5, ax=ax)
    ax.set(title=name, xlim=(1e-6, 1e2))
    ax.label_outer()
plt.show()

# %%
# `from_function` tests `minimize` in the same way. On Rosenbrock's function, a curved
# valley, SGD has few learning rates between too small and too large.

figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
for ax, name in zip(axes, ("sgd", "adam"), strict=True):
    display = LearningRateDisplay.from_function(
        rosen, np.array([-1.2, 1.0]), jac=rosen_der, optimizer=name, n_steps=100, ax=ax
    )
    ax.set_title(name)
plt.show()

# %%
# Smith's original test increases the learning rate within a single run (L. N. Smith,
# *Cyclical learning rates for training neural networks*, 2017). It needs one pass only,
# but each point depends on the steps before it. Linear models are fast enough for
# separate runs.
#
# With ``learning_rate="auto"``, the default, no test is needed.
