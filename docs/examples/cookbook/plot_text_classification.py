"""
===================
Text classification
===================

Which of six data sets does a sentence describe? The texts are the descriptions of the
data sets that scikit-learn bundles. The programs are the same for larger collections,
such as ``fetch_20newsgroups``.
"""

# %%
# The sentences
# -------------

import re

import matplotlib.pyplot as plt
from sklearn import datasets
from sklearn.feature_extraction.text import HashingVectorizer, TfidfVectorizer
from sklearn.model_selection import StratifiedKFold, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline

from sklgd import GDClassifier

names = ["iris", "wine", "digits", "diabetes", "breast_cancer", "linnerud"]
sentences, labels = [], []
for name in names:
    text = getattr(datasets, f"load_{name}")().DESCR.replace(name, "")
    found = [s for s in re.split(r"[.\n]+", text) if len(s.split()) >= 4]
    sentences += found
    labels += [name] * len(found)
print(len(sentences), "sentences, for example:", sentences[57].strip())

# %%
# Words as features
# -----------------
# ``TfidfVectorizer`` makes a sparse matrix with a column for each word. No scaler is
# needed, and with text none should be used: it would make the matrix dense.

model = make_pipeline(
    TfidfVectorizer(token_pattern="[a-z]{3,}", ngram_range=(1, 2), sublinear_tf=True),
    GDClassifier(alpha=1e-3),
)
folds = StratifiedKFold(5, shuffle=True, random_state=0)
scores = cross_val_score(model, sentences, labels, cv=folds)
print(f"accuracy {scores.mean():.2f}; always the largest class: "
      f"{max(map(labels.count, names)) / len(labels):.2f}")  # fmt: skip

# %%
# Which words are typical of a class? Those with the largest coefficients.

model.fit(sentences, labels)
words = model[0].get_feature_names_out()
figure, axes = plt.subplots(1, 3, figsize=(8, 2.6), layout="constrained")
for ax, name in zip(axes, ["digits", "diabetes", "wine"], strict=True):
    coef = model[-1].coef_[list(model.classes_).index(name)]
    best = coef.argsort()[-6:]
    ax.barh(words[best], coef[best], color="#0072B2")
    ax.set_title(name)
    ax.set_xlabel("coefficient")
plt.show()

# %%
# A stream of texts
# -----------------
# ``HashingVectorizer`` needs no vocabulary, so it suits texts that arrive over time.
# ``partial_fit`` learns from chunks, without a learning rate to choose. All classes
# have to be named in the first call.

train, test, y_train, y_test = train_test_split(sentences, labels, random_state=0)
hashing = HashingVectorizer(n_features=2**14)
stream = GDClassifier()
for start in range(0, len(train), 20):
    chunk = slice(start, start + 20)
    stream.partial_fit(hashing.transform(train[chunk]), y_train[chunk], classes=names)
print(f"accuracy after one pass: {stream.score(hashing.transform(test), y_test):.2f}")
