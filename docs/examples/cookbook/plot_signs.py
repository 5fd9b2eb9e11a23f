"""
======================
Coefficients of a sign
======================

Sometimes it is known that an effect cannot be negative: a higher blood pressure does
not slow down a disease. ``positive`` and ``monotonic_cst`` build this knowledge into
the model.
"""

# %%
# Correlated features
# -------------------
# The six blood values of these patients are strongly correlated, and total cholesterol
# (s1) gets a large negative coefficient that is hard to believe.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_diabetes
from sklearn.model_selection import cross_val_score

from sklgd import GDRegressor

X, y = load_diabetes(return_X_y=True, as_frame=True)
models = {
    "any sign": GDRegressor(alpha=1e-5),
    "bmi, bp, s1 to s5 not negative": GDRegressor(
        alpha=1e-5,
        monotonic_cst={name: 1 for name in ["bmi", "bp", "s1", "s2", "s4", "s5"]},
    ),
    "none negative": GDRegressor(alpha=1e-5, positive=True),
}
for name, model in models.items():
    scores = cross_val_score(model, X, y, cv=5)
    zeros = int((model.fit(X, y).coef_ == 0).sum())
    print(f"{name:31} R2 {scores.mean():.3f}, {zeros} coefficients are zero")

# %%
# The signs that are known in advance hardly change the accuracy. The last model also
# excludes the negative effects of sex and s3, which the data show, and predicts worse.
# Coefficients at the limit are exactly zero.

figure, ax = plt.subplots(figsize=(6.4, 3.8), layout="constrained")
place = np.arange(X.shape[1])
for k, (name, model) in enumerate(models.items()):
    ax.bar(place + 0.27 * (k - 1), model.coef_, 0.27, label=name)
ax.set_xticks(place, X.columns)
ax.axhline(0, color="k", lw=0.8)
ax.set_ylabel("coefficient")
ax.set_title("Diabetes: coefficients with and without signs")
figure.legend(loc="outside lower center", ncols=3, frameon=False, fontsize=8)
plt.show()
