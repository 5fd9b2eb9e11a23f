"""
=====================
Many outputs at once
=====================

The lower half of a digit is predicted from its upper half: 32 features, 32 outputs, one
fit.
"""

# %%
# One model with 32 outputs
# -------------------------

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from sklgd import GDRegressor

images = load_digits().images
train, test = train_test_split(images, random_state=0, test_size=0.1)
upper, lower = train[:, :4].reshape(-1, 32), train[:, 4:].reshape(-1, 32)
model = GDRegressor(alpha=0.1).fit(upper, lower)
print("coefficients:", model.coef_.shape)
score = model.score(test[:, :4].reshape(-1, 32), test[:, 4:].reshape(-1, 32))
print(f"R2 on new digits: {score:.2f}")

# %%
# Some new digits (above) and their completions (below)
# -----------------------------------------------------

predicted = model.predict(test[:8, :4].reshape(-1, 32)).reshape(-1, 4, 8)
figure, axes = plt.subplots(2, 8, figsize=(8, 2.2), layout="constrained")
for k in range(8):
    completed = np.vstack([test[k, :4], predicted[k]])
    for ax, image in zip(axes[:, k], (test[k], completed), strict=True):
        ax.imshow(image, cmap="gray_r", vmin=0, vmax=16)
        ax.axhline(3.5, color="#D55E00", lw=1)
        ax.axis("off")
axes[0, 3].set_title("Digits and their completions")
plt.show()
