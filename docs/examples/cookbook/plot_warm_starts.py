"""
===========
Warm starts
===========

A fit that starts from the coefficients of a similar fit needs fewer epochs: for the
next value of ``alpha``, or for the data of the next day.
"""

# %%
# A sequence of penalties
# -----------------------
# From strong to weak, each fit starts where the one before has ended. (`sklgd.path` and
# ``GDClassifierCV`` do this by themselves, and share work between the fits.)

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sklgd import GDClassifier

X, y = load_digits(return_X_y=True)
alphas = np.geomspace(1, 1e-3, 8)
epochs = {}
for warm_start in (False, True):
    model = GDClassifier(optimizer="lbfgs", warm_start=warm_start)
    epochs[warm_start] = [
        model.set_params(alpha=alpha).fit(X, y).n_iter_ for alpha in alphas
    ]
    print(f"warm_start={warm_start}: {sum(epochs[warm_start])} epochs in all")

figure, ax = plt.subplots(figsize=(5.4, 3.2), layout="constrained")
ax.semilogx(alphas, epochs[False], "o-", label="from zero", color="#D55E00")
ax.semilogx(alphas, epochs[True], "s--", label="warm start", color="#0072B2")
ax.set_title("Epochs of a fit along a sequence of penalties")
ax.set_xlabel("alpha, from large to small")
ax.set_ylabel("epochs")
ax.invert_xaxis()
ax.legend(frameon=False)
plt.show()

# %%
# New data
# --------
# Yesterday's model is the start of today's fit. ``coef_init`` takes coefficients from
# anywhere: from another program, from a file, from a model of another library.

yesterday = GDClassifier(optimizer="lbfgs").fit(X[:1500], y[:1500])
cold = GDClassifier(optimizer="lbfgs").fit(X, y)
warm = GDClassifier(optimizer="lbfgs").fit(
    X, y, coef_init=yesterday.coef_, intercept_init=yesterday.intercept_
)
print(f"epochs: {cold.n_iter_} from zero, {warm.n_iter_} from yesterday's model")
