"""
======================
Several labels per row
======================

A row can have several labels at the same time, or none. The target is a matrix with a
column of zeros and ones for each label.
"""

# %%
# Three labels of a digit
# -----------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.metrics import f1_score, hamming_loss
from sklearn.model_selection import train_test_split

from sklgd import GDClassifier

X, digit = load_digits(return_X_y=True)
labels = ["even", "has a loop", "above 4"]
Y = np.column_stack([digit % 2 == 0, np.isin(digit, [0, 6, 8, 9]), digit > 4]).astype(
    int
)
X_train, X_test, Y_train, Y_test = train_test_split(X, Y, random_state=0)

# %%
# One estimator
# -------------
# `GDClassifier` trains one model per label in the same fit, with any loss. ``predict``
# returns a matrix like Y, and ``predict_proba`` the probability of each label.

model = GDClassifier(alpha=1e-3).fit(X_train, Y_train)
predicted = model.predict(X_test)
print("coefficients:", model.coef_.shape)
print(f"wrong labels: {hamming_loss(Y_test, predicted):.1%}")
print(f"rows with all labels right: {model.score(X_test, Y_test):.1%}")

# %%
# How well each label is found
# ----------------------------

scores = f1_score(Y_test, predicted, average=None)
figure, ax = plt.subplots(figsize=(5, 2.2), layout="constrained")
ax.barh(labels, scores, color="#0072B2")
ax.set_xlim(0, 1)
ax.set_xlabel("F1 score on new digits")
ax.set_title("Three labels of a digit")
plt.show()
