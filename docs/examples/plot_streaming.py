"""
======================
Learning from a stream
======================

Rows arrive in chunks, too many to keep, and what they say changes with time.
`partial_fit` learns the rows of each chunk once. Its default needs neither scaled
features nor a learning rate; this example compares it with optimizers that do.
"""

# %%
# The stream has 300 chunks of 50 rows, ten features of very different size, and two
# classes. In the first third the true coefficients stay as they are, in the second they
# drift slowly, and at the end of it they change all at once.

import matplotlib.pyplot as plt
import numpy as np

from sklgd import GDClassifier
from sklgd.display import LossCurveDisplay
from sklgd.schedules import InvScaling

n_chunks, n_rows, n_features = 300, 50, 10
rng = np.random.default_rng(0)
sizes = 10.0 ** rng.uniform(-2.0, 3.0, n_features)
first, second, third = rng.normal(size=(3, n_features))


def true_coefficients(chunk):
    """Coefficients of the features, each divided by its size."""
    drifted = np.clip((chunk - n_chunks / 3) / (n_chunks / 3), 0.0, 1.0)
    if chunk >= 2 * n_chunks / 3:
        return 2.0 * third
    return 2.0 * ((1.0 - drifted) * first + drifted * second)


def chunks():
    rng = np.random.default_rng(1)
    for chunk in range(n_chunks):
        X = rng.normal(size=(n_rows, n_features))
        probability = 1.0 / (1.0 + np.exp(-X @ true_coefficients(chunk) - 0.3))
        yield X * sizes, (rng.uniform(size=n_rows) < probability).astype(int)


# %%
# Each chunk is predicted first and learnt after that, so that every row is a test row
# once. The learners are:
#
# - the default, ``GDClassifier()``, which learns single rows from the raw features;
# - Adam with a constant learning rate. It suits scaled features, so this model gets the
#   features divided by their sizes, which are not known in practice;
# - the same with a learning rate that falls as 1/√t;
# - the same with a constant learning rate, but it learns the first 50 chunks only.

adam = {"optimizer": "adam", "batch_size": 10, "penalty": None, "random_state": 0}
falling = InvScaling(0.1, 0.5)
learners = {
    "default": (GDClassifier(random_state=0), 1.0, n_chunks),
    "constant rate": (GDClassifier(learning_rate=0.05, **adam), sizes, n_chunks),
    "falling rate": (GDClassifier(learning_rate=falling, **adam), sizes, n_chunks),
    "first 50 chunks": (GDClassifier(learning_rate=0.05, **adam), sizes, 50),
}
accuracy = {name: [] for name in learners}
for chunk, (X, y) in enumerate(chunks()):
    for name, (model, unit, last) in learners.items():
        if chunk > 0:
            accuracy[name].append(model.score(X / unit, y))
        if chunk < last:
            model.partial_fit(X / unit, y, classes=[0, 1])

# %%
# The curves are means over ten chunks:
#
# - While the true coefficients stay as they are, all models are equally good.
# - During the drift, the falling learning rate becomes too small to follow.
# - After the sudden change, the default and the constant learning rate recover within
#   some twenty chunks, the falling one takes the rest of the stream. The model that has
#   stopped learning is worth little more than a guess.

width = 10
figure, ax = plt.subplots(figsize=(8, 4.6), layout="constrained")
smooth = {
    name: np.convolve(scores, np.full(width, 1.0 / width), mode="valid")
    for name, scores in accuracy.items()
}
places = np.arange(width, n_chunks) * n_rows
LossCurveDisplay(smooth, x=dict.fromkeys(smooth, places), x_name="rows seen").plot(ax)
ax.set(ylabel=f"accuracy on the next chunk (mean of {width})")
ax.set_title("Four learners in a stream that drifts and then changes")
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
# The default judges itself, since it predicts every row before it learns it.
# ``progressive_score_`` is the accuracy of these predictions since the stream began.
# ``loss_curve_`` holds their mean loss for each call and shows where the stream
# changes. No rows have to be held out for either.

model = learners["default"][0]
print(f"{model.n_iter_} calls, {model.t_ - 1} rows")
print(f"progressive accuracy {model.progressive_score_:.3f}")
figure, ax = plt.subplots(figsize=(8, 3.8), layout="constrained")
LossCurveDisplay.from_estimator(model, x="rows", ax=ax, line_kw={"linewidth": 0.9})
ax.set(ylabel="mean loss of the rows before they are learnt")
ax.set_title("The loss of the default, which grows where the stream changes")
plt.show()
