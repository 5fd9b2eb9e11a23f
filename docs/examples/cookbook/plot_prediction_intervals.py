"""
====================
Prediction intervals
====================

A model of the mean says nothing about the spread. Two quantile regressions give an
interval that contains a chosen fraction of the targets.
"""

# %%
# Three quantiles
# ---------------
# One feature, so that the models can be drawn: the progression of diabetes against the
# body mass index.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split

from sklgd import GDRegressor

X, y = load_diabetes(return_X_y=True, scaled=False)
X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
bmi = [2]
grid = np.linspace(18, 42, 50)[:, None]
figure, ax = plt.subplots(figsize=(5.6, 3.4), layout="constrained")
ax.plot(X_train[:, 2], y_train, ".", color="0.7", label="training data")
for q, style in ((0.1, "--"), (0.5, "-"), (0.9, "--")):
    model = GDRegressor(loss="quantile", quantile=q, alpha=0.0)
    model.fit(X_train[:, bmi], y_train)
    ax.plot(grid, model.predict(grid), style, color="#0072B2", label=f"quantile {q}")
ax.set_title("Three quantiles of the progression")
ax.set_xlabel("body mass index")
ax.set_ylabel("progression")
ax.legend(frameon=False, fontsize=8)
plt.show()

# %%
# Coverage on new data
# --------------------
# With all features, the interval between the quantiles 0.1 and 0.9 should contain about
# 80 % of new targets. On training data it always does, so only held-out data are a
# test.

low, high = (
    GDRegressor(loss="quantile", quantile=q, alpha=0.0)
    .fit(X_train, y_train)
    .predict(X_test)
    for q in (0.1, 0.9)
)
covered = np.mean((low <= y_test) & (y_test <= high))
print(f"{covered:.0%} of {len(y_test)} held-out targets, mean width "
      f"{np.mean(high - low):.0f}")  # fmt: skip
