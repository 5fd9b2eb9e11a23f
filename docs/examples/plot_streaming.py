"""
==========================
Learning from a stream
==========================

Rows arrive in chunks, too many to keep, and what they say changes with time.
`partial_fit` learns from each chunk and forgets it; the step size decides how fast it
forgets.
"""

# %%
# The stream: 300 chunks of 50 rows, ten features of very different size, two classes.
# For a third of the time the truth stays as it is, then it drifts slowly, and after two
# thirds it changes all at once.

import matplotlib.pyplot as plt
import numpy as np

from sklgd import GDClassifier
from sklgd.display import LossCurveDisplay
from sklgd.schedules import InvScaling

n_chunks, n_rows, n_features = 300, 50, 10
rng = np.random.default_rng(0)
sizes = 10.0 ** rng.uniform(-2.0, 3.0, n_features)
first, second, third = rng.normal(size=(3, n_features))


def truth(chunk):
    """Coefficients of the (standardised) features."""
    drifted = np.clip((chunk - n_chunks / 3) / (n_chunks / 3), 0.0, 1.0)
    if chunk >= 2 * n_chunks / 3:
        return 2.0 * third
    return 2.0 * ((1.0 - drifted) * first + drifted * second)


def chunks():
    rng = np.random.default_rng(1)
    for chunk in range(n_chunks):
        X = rng.normal(size=(n_rows, n_features))
        z = X @ truth(chunk) + 0.3
        yield (
            X * sizes,
            (rng.uniform(size=n_rows) < 1.0 / (1.0 + np.exp(-z))).astype(int),
        )


# %%
# Each chunk is first predicted and then learnt from ("test, then train"), so that every
# row is a test row once. The learners:
#
# - "auto" learns single rows, with learning rates that follow from the sizes of the
#   features and fall as t^(-2/3): in the long run it assumes that there is one truth to
#   find. Where the last iterate predicts better than the average, it takes that;
# - Adam with a constant step size never stops learning; the step size is a guess, which
#   is for features that somebody has scaled, so it gets them scaled;
# - the same with steps that fall as 1/√t from the beginning;
# - a model that learns from the first 50 chunks and is left as it is then.
#
# No penalty: that of raw coefficients would weigh most on the smallest features.

adam = {"optimizer": "adam", "batch_size": 10, "penalty": None, "random_state": 0}
learners = {
    "auto": (GDClassifier(penalty=None, random_state=0), 1.0, n_chunks),
    "constant step": (GDClassifier(learning_rate=0.05, **adam), sizes, n_chunks),
    "falling step": (
        GDClassifier(learning_rate=InvScaling(0.1, 0.5), **adam),
        sizes,
        n_chunks,
    ),
    "first 50 only": (GDClassifier(learning_rate=0.05, **adam), sizes, 50),
}
accuracy = {name: [] for name in learners}
for chunk, (X, y) in enumerate(chunks()):
    for name, (model, unit, last) in learners.items():
        if chunk > 0:
            accuracy[name].append(model.score(X / unit, y))
        if chunk < last:
            model.partial_fit(X / unit, y, classes=[0, 1])

# %%
# The means over 10 chunks show three acts.
#
# - While the truth holds, all are equally good. There is nothing more to learn.
# - During the drift the falling steps become too small to follow.
# - After the sudden change the constant step recovers within some chunks, the others
#   slowly. The model that has stopped learning is worth little more than a coin.

width = 10
figure, ax = plt.subplots(figsize=(8, 4.6), layout="constrained")
smooth = {
    name: np.convolve(scores, np.full(width, 1.0 / width), mode="valid")
    for name, scores in accuracy.items()
}
places = np.arange(width, n_chunks) * n_rows
LossCurveDisplay(smooth, x=dict.fromkeys(smooth, places), x_name="rows seen").plot(ax)
ax.set(ylabel=f"accuracy on the next chunk (mean of {width})")
for place, text in ((1 / 3, " drift"), (2 / 3, " change")):
    ax.axvline(place * n_chunks * n_rows, color="0.6", linewidth=1.0, linestyle=":")
    ax.text(place * n_chunks * n_rows, 0.02, text,
            transform=ax.get_xaxis_transform())  # fmt: skip
plt.show()

# %%
# In figures:

thirds = {"steady": (0, 100), "drifting": (100, 200), "after the change": (200, 299)}
print(f"{'accuracy':16}" + "".join(f"{name:>18}" for name in thirds))
for name, scores in accuracy.items():
    means = [np.mean(scores[low:high]) for low, high in thirds.values()]
    print(f"{name:16}" + "".join(f"{mean:18.3f}" for mean in means))

# %%
# Where a stream may drift, keep the steps from falling: give a constant
# ``learning_rate``. `LearningRateDisplay` finds one from the first chunks.
#
# ``loss_curve_`` has one entry for each call. With "auto" it is the mean loss of its
# rows before they were learnt, with the others the objective after that. ``t_`` - 1 is
# the number of rows.

model = learners["constant step"][0]
print(f"{model.n_iter_} calls, {model.t_ - 1} rows")
figure, ax = plt.subplots(figsize=(8, 3.8), layout="constrained")
shown = {name: learners[name][0] for name in ("constant step", "falling step")}
LossCurveDisplay.from_estimator(shown, x="rows", ax=ax, line_kw={"linewidth": 0.9})
ax.set(ylabel="objective F on the chunk")
plt.show()
