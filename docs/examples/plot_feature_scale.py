"""
==========================
The scale of the features
==========================

Grams or kilograms? To a linear model it makes no difference: the coefficient changes by
a factor of 1000, the predictions stay. To gradient descent it makes all the difference.
"""

# %%
# Two features that matter alike, in units that differ by a factor of 5: a coefficient
# of 1 and one of 0.2. In the first picture the model sees them raw, in the second
# standardised. The contours are those of the objective over the two coefficients; the
# paths are 25 epochs of batch descent, with the best constant learning rate there is
# for each (2 over the sum of the largest and the smallest curvature).

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_wine
from sklearn.preprocessing import StandardScaler

from sklgd import GDClassifier, GDRegressor
from sklgd.display import DescentPathDisplay, LossCurveDisplay

rng = np.random.default_rng(0)
X = rng.normal(size=(300, 2)) * [1.0, 5.0]
y = X @ [1.0, 0.2] + 0.3 * rng.normal(size=300)
X, y = X - X.mean(axis=0), y - y.mean()
scaled = X / X.std(axis=0)


def best_step(X):
    """Learning rate of batch descent, and the ratio of the curvatures."""
    curvature = np.linalg.eigvalsh(X.T @ X / len(X))
    return 2.0 / (curvature[0] + curvature[-1]), curvature[-1] / curvature[0]


data_sets = {"raw": X, "scaled": scaled}
figure, axes = plt.subplots(1, 2, figsize=(10.5, 5.4), layout="constrained")
for ax, (name, data) in zip(axes, data_sets.items(), strict=True):
    eta, ratio = best_step(data)
    model = GDRegressor(
        optimizer="sgd", batch_size="full", learning_rate=eta, penalty=None,
        fit_intercept=False, max_iter=25, tol=None,
    ).fit(data, y)  # fmt: skip
    best = np.linalg.lstsq(data, y, rcond=None)[0]
    limits = [(b - 1.2, b + 1.2) for b in best]
    DescentPathDisplay.from_estimator(model, data, y, limits=limits, ax=ax)
    ax.plot(*best, "k+", markersize=12)
    ax.set(
        aspect="equal",
        title=f"{name}: learning rate {eta:.2g},\ncurvatures 1 : {ratio:.3g}",
        xlabel="coefficient of feature 0",
        ylabel="coefficient of feature 1",
    )
plt.show()

# %%
# Raw, the learning rate must be small enough for the large feature, along whose
# coefficient the objective is steep; there the path jumps from side to side, and the
# other coefficient creeps. Scaled, the bowl is round, the gradient points to its
# centre, and one step goes nearly all the way. (The plus is the minimum, the star the
# end.)
#
# What divides the distance in each step is the ratio of the curvatures, κ: a share of
# about 1 - 2/κ is left.

for name, data in data_sets.items():
    ratio = best_step(data)[1]
    steps = np.log(1e-3) / np.log((ratio - 1.0) / (ratio + 1.0))
    print(f"{name:6}: κ = {ratio:6.2f}, {steps:6.1f} steps to 1/1000 of the distance")

# %%
# Real data are worse. The wines have 13 features, from hues around 1 to proline around
# 750. Raw, batch descent with its largest safe step learns next to nothing in 200
# epochs; scaled, it is nearly there. Adam, which gives each coefficient a pace of its
# own, suffers less but suffers.
#
# "auto" is plain descent, too, with ``learning_rate="auto"``: on raw data, without a
# scaler. It takes its steps in coordinates in which the features are centred and have
# curvature one, without a copy of X, and the penalty stays that of the raw
# coefficients. So it minimises the same objective as the other raw runs. (Scaled, the
# same ``alpha`` weighs other coefficients: that curve has another minimum.)

X, y = load_wine(return_X_y=True)
scaled = StandardScaler().fit_transform(X)


def stable_step(X):
    rows = np.column_stack([X, np.ones(len(X))])
    # Softmax has a curvature of at most 1/2.
    return 1.0 / (0.5 * np.linalg.eigvalsh(rows.T @ rows / len(X))[-1])


common = {"batch_size": "full", "max_iter": 200, "tol": None, "alpha": 1e-3}
models = {
    "raw, plain descent": GDClassifier(
        optimizer="sgd", learning_rate=stable_step(X), **common
    ).fit(X, y),
    "raw, Adam": GDClassifier(optimizer="adam", learning_rate=0.01, **common).fit(X, y),
    "raw, auto": GDClassifier(optimizer="sgd", learning_rate="auto", **common).fit(
        X, y
    ),
    "scaled, plain descent": GDClassifier(
        optimizer="sgd", learning_rate=stable_step(scaled), **common
    ).fit(scaled, y),
}
figure, ax = plt.subplots(figsize=(7.5, 4.5), layout="constrained")
LossCurveDisplay.from_estimator(models, ax=ax)
ax.set(yscale="log")
plt.show()

for name, model in models.items():
    data = scaled if name.startswith("scaled") else X
    print(f"{name:22} accuracy {model.score(data, y):.3f}")

# %%
# The penalty is the one thing that scaling should be thought of for: ``alpha`` weighs
# the raw coefficients or the scaled ones. Standardise where all features should be
# shrunk alike; for the descent itself you need not.
