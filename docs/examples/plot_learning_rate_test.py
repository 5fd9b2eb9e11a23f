"""
==========================
Which learning rate?
==========================

Too small a step and nothing happens, too large a one and the run diverges; between
them lie the few learning rates worth having. A range test tries them all, for a few
epochs each, and shows the choice in one picture.
"""

# %%
# `LearningRateDisplay` makes a short run from the same start for each learning rate,
# and draws the objective at its end. The range need not be given: it begins where
# hardly anything is gained and ends where the runs end above their start.

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
plt.show()

# %%
# Read it from the left:
#
# - flat, at the height of the start: the steps are too small to matter;
# - falling: the larger the step, the further the run gets;
# - the floor: any of these will do;
# - rising, with a wide band: the iterates jump about. The band goes up to the highest
#   objective in the second half of a run, and a wide one is noise;
# - shaded: no run ends below its start.
#
# The suggestion is the learning rate whose worst epoch in the second half is best. It
# is at most half of the first one in the shaded region, and was tried in a run ten
# times as long.

print(f"suggestion {display.suggestion:.3g}, too large from {display.limit:.3g} on")

# %%
# What do learning rates left and right of it do in longer runs? A tenth of the
# suggestion is slower, ten times as much is noisier, a hundred times as much is of no
# use.

models = {}
for factor in (0.1, 1.0, 10.0, 100.0):
    eta = factor * display.suggestion
    models[f"{eta:.2g}"] = GDClassifier(
        optimizer="sgd", batch_size=16, learning_rate=eta, max_iter=30, tol=None,
        random_state=0,
    )  # fmt: skip
with warnings.catch_warnings():
    warnings.simplefilter("ignore", ConvergenceWarning)
    for slower_or_wilder in models.values():
        slower_or_wilder.fit(X, y)

figure, ax = plt.subplots(figsize=(7, 4.2), layout="constrained")
LossCurveDisplay.from_estimator(models, ax=ax)
ax.set(yscale="log")
ax.get_legend().set_title("learning_rate")
plt.show()

# %%
# Every optimizer has a scale of its own: a step of plain descent is as long as the
# gradient, Adam's is about as long as the learning rate. A value that was right for one
# of them says nothing about another. Here on the digits, ten classes, in batches of 32.

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
# The same for a function: one tests the steps of `minimize`. On Rosenbrock's curved
# valley plain descent has hardly any room between too slow and too large.

figure, axes = plt.subplots(1, 2, figsize=(11, 4.4), layout="constrained")
for ax, name in zip(axes, ("sgd", "adam"), strict=True):
    display = LearningRateDisplay.from_function(
        rosen, np.array([-1.2, 1.0]), jac=rosen_der, optimizer=name, n_steps=100, ax=ax
    )
    ax.set_title(name)
plt.show()

# %%
# Smith's original test raises the learning rate within a single run (L. N. Smith,
# *Cyclical learning rates for training neural networks*, 2017): one pass gives the
# whole picture, but each point inherits what the smaller steps have done. Linear models
# are quick enough for runs of their own.
#
# And with ``learning_rate="auto"``, the default, no test is needed at all.
