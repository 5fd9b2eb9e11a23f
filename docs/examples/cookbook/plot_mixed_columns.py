"""
======================
Numbers and categories
======================

A data frame with numeric and categorical columns, in a pipeline with a
``ColumnTransformer``. The numeric columns are not scaled, which the default parameters
do not need.
"""

# %%
# The data
# --------
# 442 patients, and a measure of how their diabetes progressed within a year. The decade
# of age and the sex are categories.

import matplotlib.pyplot as plt
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from sklgd import GDRegressor

X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
X["decade"] = (X.pop("age") // 10 * 10).astype(int).astype(str)
X["sex"] = X["sex"].map({1.0: "A", 2.0: "B"})
print(X[["decade", "sex", "bmi", "bp"]].head(3))

# %%
# The pipeline
# ------------
# ``OneHotEncoder`` makes one column for each category. ``handle_unknown="ignore"``
# gives a category that was never seen zeros in all of them. The penalty keeps the
# coefficients of rare categories small.

encode = make_column_transformer(
    (OneHotEncoder(handle_unknown="ignore"), ["decade", "sex"]),
    remainder="passthrough",
    verbose_feature_names_out=False,
)
model = make_pipeline(encode, GDRegressor(alpha=1e-3))
scores = cross_val_score(model, X, y, cv=5)
print(f"R2 in cross-validation: {scores.mean():.2f}")

# %%
# The coefficients of the categories are in the units of y.

model.fit(X, y)
names = model[0].get_feature_names_out()
encoded = [j for j, name in enumerate(names) if name.startswith(("decade", "sex"))]
figure, ax = plt.subplots(figsize=(5.4, 3), layout="constrained")
ax.barh(names[encoded], model[-1].coef_[encoded], color="#0072B2")
ax.set_xlabel("effect on the progression")
ax.set_title("Effects of the categories")
plt.show()
