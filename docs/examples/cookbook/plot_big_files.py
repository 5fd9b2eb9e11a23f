"""
========================
Files larger than memory
========================

Files are read block by block, and never as a whole. ``fit_blocks`` finds the same
minimum as ``fit`` in a few passes, and ``partial_fit_blocks`` makes epochs of online
learning.
"""

# %%
# Files
# -----
# On this page the files have 4 MB, so that the example runs in a moment. With
# ``GIGABYTES=2 python plot_big_files.py`` they have 2 GB. Each file holds rows of 20
# columns of normal, correlated numbers, and labels of a logistic model. `sklgd.blocks`
# also reads CSV, Parquet and svmlight files and sparse matrices.

import os
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from sklgd import GDClassifier
from sklgd.blocks import read_npy

N_COLUMNS = 20
n_rows = int(float(os.environ.get("GIGABYTES", 0.004)) * 1e9 / (4 * N_COLUMNS))
n_files = max(10, n_rows // 250_000)
rng = np.random.default_rng(0)
truth = rng.normal(size=N_COLUMNS)
folder = tempfile.TemporaryDirectory()
X_files = [Path(folder.name) / f"X{k}.npy" for k in range(n_files)]
y_files = [Path(folder.name) / f"y{k}.npy" for k in range(n_files)]
for X_file, y_file in zip(X_files, y_files, strict=True):
    X = rng.standard_normal((n_rows // n_files, N_COLUMNS), dtype=np.float32)
    X[:, 1:] += X[:, :-1]
    np.save(X_file, X)
    np.save(y_file, X @ truth + rng.logistic(scale=4.0, size=len(X)) > 0.0)
size = sum(file.stat().st_size for file in (*X_files, *y_files))
print(f"{n_rows} rows, {size / 1e9:.3g} GB")

# %%
# The last file is held out. Blocks of 2000 rows make the small files of this page seem
# large; without ``rows`` a block has about 32 MB.

rows = 2000 if n_rows < 1e6 else None
blocks = read_npy(X_files[:-1], y_files[:-1], rows=rows)
X_val, y_val = np.load(X_files[-1])[:100_000], np.load(y_files[-1])[:100_000]

# %%
# The minimum of the objective
# ----------------------------
# ``n_passes_`` counts how often the files were read. Here all rows of the small files
# fit into the 64 MB that are kept in memory, so one pass suffices.

start = time.perf_counter()
exact = GDClassifier().fit_blocks(blocks)
seconds = time.perf_counter() - start
print(f"{exact.n_passes_} passes, {seconds:.2g} s, {exact.stop_reason_}")
print(f"optimality gap {exact.optimality_gap_:.1e}")

# %%
# The same model as in memory
# ---------------------------
# ``fit`` needs all rows in memory, so this comparison is made for small files only.

if n_rows < 1e6:
    X, y = (np.concatenate([np.load(f) for f in fs[:-1]]) for fs in (X_files, y_files))
    in_memory = GDClassifier().fit(X, y)
    same = (exact.predict(X_val) == in_memory.predict(X_val)).mean()
    print(f"{same:.1%} of the predictions are equal to those of fit")

# %%
# Epochs of online learning
# -------------------------
# A pass of ``partial_fit_blocks`` reads each block once, and the first one already
# gives a useful model.

online = GDClassifier(random_state=0)
scores = []
for _ in range(3):
    online.partial_fit_blocks(blocks, classes=[False, True])
    scores.append(online.score(X_val, y_val))

figure, ax = plt.subplots(figsize=(5.2, 3), layout="constrained")
ax.plot(range(1, 4), scores, "o-", color="#0072B2", label="partial_fit_blocks")
ax.axhline(exact.score(X_val, y_val), color="#D55E00", ls="--", label="fit_blocks")
ax.set_title("Online learning from files, pass by pass")
ax.set_xlabel("passes over the files")
ax.set_ylabel("accuracy on the last file")
ax.set_xticks(range(1, 4))
ax.legend(frameon=False)
plt.show()
folder.cleanup()
