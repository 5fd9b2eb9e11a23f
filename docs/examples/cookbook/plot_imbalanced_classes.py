"""
==================
Imbalanced classes
==================

One digit in ten is an 8. A classifier that never predicts an 8 is right in nine of ten
cases, so the accuracy is a poor measure. Two remedies change what the model does:
weights for the classes, and another decision threshold.
"""

# %%
# The data
# --------

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.metrics import (
    PrecisionRecallDisplay,
    balanced_accuracy_score,
    precision_score,
    recall_score,
)
from sklearn.model_selection import TunedThresholdClassifierCV, train_test_split

from sklgd import GDClassifier

X, digit = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split(
    X, digit == 8, stratify=digit == 8, random_state=0
)
print(f"{y_train.mean():.1%} of the rows are of the rare class")

# %%
# Three models
# ------------
# ``class_weight="balanced"`` gives both classes the same weight in the objective, so
# the probabilities change. ``TunedThresholdClassifierCV`` keeps the model and chooses
# the threshold with the best score in a cross-validation.

models = {
    "default": GDClassifier(alpha=0.01),
    "balanced weights": GDClassifier(alpha=0.01, class_weight="balanced"),
    "tuned threshold": TunedThresholdClassifierCV(
        GDClassifier(alpha=0.01), scoring="balanced_accuracy", cv=3
    ),
}
scores = {
    "balanced accuracy": balanced_accuracy_score,
    "precision": precision_score,
    "recall": recall_score,
}
for name, model in models.items():
    predicted = model.fit(X_train, y_train).predict(X_test)
    figures = [f"{k} {score(y_test, predicted):.2f}" for k, score in scores.items()]
    print(f"{name:17}", *figures)
print(f"threshold {models['tuned threshold'].best_threshold_:.2f}")

# %%
# Both remedies find more of the rare rows (recall) and raise more false alarms
# (precision). If the probabilities matter, use the threshold: balanced weights make
# them too large. Any other score can be tuned, such as ``"f1"`` or the cost of the
# decisions.

figure, ax = plt.subplots(figsize=(5.4, 3.6), layout="constrained")
for name in ("default", "balanced weights"):
    PrecisionRecallDisplay.from_estimator(
        models[name], X_test, y_test, name=name, ax=ax
    )
ax.set_title("Digits: is it an 8?")
plt.show()
