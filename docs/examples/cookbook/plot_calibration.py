"""
========================
Calibrated probabilities
========================

Of the rows that get a probability of 0.8, about 80 % should be positive. The log loss
gives such probabilities. A support vector machine has none; ``CalibratedClassifierCV``
adds them.
"""

# %%
# A reliability diagram
# ---------------------

import matplotlib.pyplot as plt
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.datasets import make_classification
from sklearn.metrics import brier_score_loss
from sklearn.model_selection import train_test_split

from sklgd import GDClassifier

X, y = make_classification(
    n_samples=6000, n_features=20, n_informative=4, class_sep=0.6, flip_y=0.1,
    random_state=0,
)  # fmt: skip
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.5, random_state=0)
models = {
    "log loss": GDClassifier(),
    "modified Huber": GDClassifier(loss="modified_huber"),
    "hinge, calibrated": CalibratedClassifierCV(GDClassifier(loss="hinge"), cv=3),
}
figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
for name, model in models.items():
    probability = model.fit(X_train, y_train).predict_proba(X_test)[:, 1]
    score = brier_score_loss(y_test, probability)
    CalibrationDisplay.from_predictions(
        y_test, probability, n_bins=10, strategy="quantile", ax=ax,
        name=f"{name}: Brier score {score:.3f}",
    )  # fmt: skip
ax.set_title("Reliability of three models")
ax.legend(loc="lower right", fontsize=8, frameon=False)
plt.show()

# %%
# The curve of a calibrated model lies on the diagonal. The Brier score, the mean
# squared error of the probabilities, measures calibration and sharpness together.
# Smaller is better.
