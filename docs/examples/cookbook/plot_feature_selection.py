"""
=================
Feature selection
=================

With an l1 penalty many coefficients are exactly zero. How many features does a model
need?
"""

# %%
# Models of different sizes
# -------------------------
# The larger ``alpha`` is, the fewer features are left. They are scaled here, because
# the penalty should treat all of them alike.

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer
from sklearn.feature_selection import SelectFromModel
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklgd import GDClassifier, GDClassifierCV

X, y = load_breast_cancer(return_X_y=True)
alphas = [0.3, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003]
sizes, scores = [], []
for alpha in alphas:
    model = make_pipeline(StandardScaler(), GDClassifier(penalty="l1", alpha=alpha))
    scores.append(cross_val_score(model, X, y, cv=5).mean())
    sizes.append(int((model.fit(X, y)[-1].coef_ != 0).sum()))
    print(f"alpha {alpha:<7} {sizes[-1]:2} features, accuracy {scores[-1]:.3f}")

figure, ax = plt.subplots(figsize=(5.2, 3.2), layout="constrained")
ax.plot(sizes, scores, "o-", color="#0072B2")
ax.set_title("Accuracy against the number of features")
ax.set_xlabel("features in the model")
ax.set_xticks(sizes)
ax.set_ylabel("accuracy in cross-validation")
plt.show()

# %%
# In a pipeline
# -------------
# ``GDClassifierCV`` chooses ``alpha``; ``select="1se"`` takes the smallest model within
# one standard error of the best. ``SelectFromModel`` then keeps its features for
# another estimator.

lasso = GDClassifierCV(penalty="l1", select="1se")
selection = make_pipeline(StandardScaler(), SelectFromModel(lasso), GDClassifier())
kept = selection.fit(X, y)[1].get_support().sum()
print(f"{kept} of {X.shape[1]} features, "
      f"accuracy {cross_val_score(selection, X, y, cv=3).mean():.3f}")  # fmt: skip
