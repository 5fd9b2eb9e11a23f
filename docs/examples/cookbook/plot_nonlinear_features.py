"""
====================
Non-linear relations
====================

A linear model of transformed features is a non-linear model of the original ones.
Splines bend the effect of each feature; the Nystroem approximation of a kernel also
finds interactions. Both stay convex problems with one minimum.
"""

# %%
# Three models of the same data
# -----------------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_moons
from sklearn.inspection import DecisionBoundaryDisplay
from sklearn.kernel_approximation import Nystroem
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import SplineTransformer

from sklgd import GDClassifier

X, y = make_moons(400, noise=0.25, random_state=0)
models = {
    "linear": GDClassifier(),
    "splines": make_pipeline(SplineTransformer(n_knots=6), GDClassifier()),
    "Nystroem": make_pipeline(
        Nystroem(gamma=2.0, n_components=60, random_state=0), GDClassifier()
    ),
}
figure, axes = plt.subplots(
    1, 3, figsize=(8, 2.8), sharex=True, sharey=True, layout="constrained"
)
for ax, (name, model) in zip(axes, models.items(), strict=True):
    accuracy = np.mean(cross_val_score(model, X, y, cv=5))
    DecisionBoundaryDisplay.from_estimator(
        model.fit(X, y), X, response_method="predict_proba", ax=ax, cmap="cividis",
        alpha=0.7, grid_resolution=60,
    )  # fmt: skip
    for label, marker in ((0, "o"), (1, "^")):
        ax.plot(*X[y == label].T, marker, ms=2.5, color="k" if label else "w")
    ax.set_title(f"{name}: accuracy {accuracy:.2f}")
plt.show()
