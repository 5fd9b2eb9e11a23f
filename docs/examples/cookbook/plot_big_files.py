"""
========================
Files larger than memory
========================

A file is read block by block, and never as a whole. ``fit_blocks`` finds the same
minimum as ``fit`` in a few passes, and ``partial_fit_blocks`` makes epochs of online
learning.
"""

# %%
# A file
# ------
# The file of this example is small, so that it runs in a moment. `sklgd.blocks` also
# reads CSV, Parquet and svmlight files and sparse matrices.

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_digits

from sklgd import GDClassifier
from sklgd.blocks import read_npy

X, y = load_digits(return_X_y=True)
folder = tempfile.TemporaryDirectory()
X_path, y_path = Path(folder.name) / "X.npy", Path(folder.name) / "y.npy"
np.save(X_path, X)
np.save(y_path, y)

# %%
# Two blocks of 200 rows are in memory at the same time.

blocks = read_npy(X_path, y_path, rows=200)
exact = GDClassifier().fit_blocks(blocks)
print(f"fit_blocks: {exact.n_passes_} passes, {exact.stop_reason_}")

# %%
# The same model as in memory
# ---------------------------

in_memory = GDClassifier().fit(X, y)
same = (exact.predict(X) == in_memory.predict(X)).mean()
print(f"{same:.1%} of the predictions are equal to those of fit")

# %%
# Epochs of online learning
# -------------------------
# A pass of ``partial_fit_blocks`` is cheap, and the first one already gives a useful
# model.

online = GDClassifier(random_state=0)
scores = []
for _ in range(5):
    online.partial_fit_blocks(blocks, classes=np.arange(10))
    scores.append(online.score(X, y))

figure, ax = plt.subplots(figsize=(5.2, 3), layout="constrained")
ax.plot(range(1, 6), scores, "o-", color="#0072B2", label="partial_fit_blocks")
ax.axhline(exact.score(X, y), color="#D55E00", ls="--", label="fit_blocks")
ax.set_title("Online learning from a file, pass by pass")
ax.set_xlabel("passes over the file")
ax.set_ylabel("accuracy on the training data")
ax.set_xticks(range(1, 6))
ax.legend(frameon=False)
plt.show()
folder.cleanup()
