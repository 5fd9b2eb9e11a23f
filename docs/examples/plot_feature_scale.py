"""
==========================
The scale of the features
==========================

If a feature is given in grams instead of kilograms, the coefficient of a linear model
changes by a factor of 1000, and the predictions remain the same. Gradient descent with
one learning rate for all coefficients, however, may become a thousand times slower.
"""

# %%
# Two features are equally important, in units that differ by a factor of 5: their
# coefficients are 1 and 0.2. The left picture uses the raw features, the right one
# standardised features. The contours are those of the objective over the two
# coefficients. The paths are 25 epochs of batch gradient descent, each with its best
# constant learning rate (2 over the sum of the largest and the smallest curvature).

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
        title=f"{name}: learning rate {eta:.2g}, curvatures 1 : {ratio:.3g}",
        xlabel="coefficient of feature 0",
        ylabel="coefficient of feature 1",
    )
plt.show()

# %%
# On the raw features the learning rate must be small enough for the large feature,
# because the objective is steep along its coefficient. There the path jumps from side
# to side, and the other coefficient changes slowly. On the scaled features the bowl is
# round, the gradient points at its centre, and one step nearly reaches it. (The plus is
# the minimum, the star the end of the path.)
#
# The ratio κ of the curvatures determines the progress: each step multiplies the
# distance from the minimum by about 1 - 2/κ.

for name, data in data_sets.items():
    ratio = best_step(data)[1]
    steps = np.log(1e-3) / np.log((ratio - 1.0) / (ratio + 1.0))
    print(f"{name:6}: κ = {ratio:6.2f}, {steps:6.1f} steps to 1/1000 of the distance")

# %%
# In real data the differences are larger. The wine data have 13 features, from hue
# (about 1) to proline (about 750). On the raw features, batch gradient descent at the
# largest safe learning rate hardly improves the objective in 200 epochs. Adam, which
# has a learning rate for each coefficient, is faster, but slow as well.
#
# "raw, auto" is plain gradient descent with ``learning_rate="auto"``, on the raw
# features without a scaler. sklgd centres and scales the features internally, without a
# copy of X, and the penalty remains that of the raw coefficients. It minimises the same
# objective as the other runs on raw features. On scaled features the same ``alpha``
# penalises other coefficients, so that this curve has a different minimum.

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
LossCurveDisplay.from_estimator(models, kind="objective", ax=ax)
ax.set(yscale="log", title="The wines, raw and scaled")
plt.show()

for name, model in models.items():
    data = scaled if name.startswith("scaled") else X
    print(f"{name:22} accuracy {model.score(data, y):.3f}")

# %%
# The penalty remains a reason for scaling: ``alpha`` applies to the coefficients of the
# features as they are given. Standardise them if all should be shrunk alike. For the
# descent itself no scaling is needed.
