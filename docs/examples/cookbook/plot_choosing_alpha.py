"""
==============
Choosing alpha
==============

How strong should the penalty be? Cross-validation answers this in about the time of a
few fits, and a picture shows how much the answer matters.
"""

# %%
# One search
# ----------
# The ten columns of the diabetes data, their squares and their products are 65 columns
# for 442 patients: enough to fit noise. ``GDRegressorCV`` proposes alphas, holds out
# each fifth of the rows once, and fits the model with the best alpha to all rows.

import matplotlib.pyplot as plt
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.linear_model import LassoCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from sklgd import GDClassifierCV, GDRegressorCV
from sklgd.display import PathDisplay

X, y = load_diabetes(return_X_y=True, as_frame=True)
quadratic = PolynomialFeatures(2, include_bias=False).set_output(transform="pandas")
X = StandardScaler().set_output(transform="pandas").fit_transform(
    quadratic.fit_transform(X)
)  # fmt: skip
search = GDRegressorCV(alphas=30, store_path=True).fit(X, y)
print(f"alpha {search.alpha_:.2g}, mean squared error {-2 * search.best_score_:.0f}")

# %%
# The score against alpha
# -----------------------
# The band is the standard error of the mean score, and each thin line is a fold. Alphas
# whose scores differ by less than the band are about equally good. On the right the
# coefficients grow, and the score falls.

display = PathDisplay.from_estimator(search)
display.figure_.suptitle("Ridge regression: scores and coefficients against alpha")
plt.show()

# %%
# The simplest model that is about as good
# ----------------------------------------
# ``select="1se"`` chooses the largest alpha whose score is within one standard error of
# the best score. With an l1 penalty, that is the model with the fewest features. The
# axis at the top counts them.

lasso = GDRegressorCV(penalty="l1", alphas=30, select="1se", store_path=True).fit(X, y)
best = GDRegressorCV(penalty="l1", alphas=30).fit(X, y)
for name, model in (("1se", lasso), ("best", best)):
    n_features = (model.coef_ != 0).sum()
    print(f"{name:4}  alpha {model.alpha_:.2f}, {n_features} features, "
          f"mean squared error {-2 * model.best_score_:.0f}")  # fmt: skip
display = PathDisplay.from_estimator(lasso)
display.figure_.suptitle("Lasso: scores and coefficients against alpha")
plt.show()

# %%
# The same as scikit-learn's
# --------------------------
# ``LassoCV`` measures alpha as sklgd does. With the same alphas and folds it makes the
# same choice.

theirs = LassoCV(alphas=best.alphas_[0], cv=5, max_iter=10_000).fit(X, y)
print(f"LassoCV: alpha {theirs.alpha_:.2f}, GDRegressorCV: alpha {best.alpha_:.2f}")

# %%
# ``C`` of ``LogisticRegression`` is 1 / (alpha * n), where n is the number of rows:

X, y = load_breast_cancer(return_X_y=True)
logistic = make_pipeline(StandardScaler(), GDClassifierCV()).fit(X, y)
alpha = logistic[-1].alpha_
print(f"alpha {alpha:.2g}, which is C={1 / (alpha * len(y)):.2g}; "
      f"mean log loss {-logistic[-1].best_score_:.3f}")  # fmt: skip
