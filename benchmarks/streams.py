"""One pass over raw streams: progressive loss, held-out score, time of a call.

    SKLGD_DATA=folder OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \\
        python benchmarks/streams.py --chunks 1 32 256 --output streams.json

Rows are permuted with a seed, at most 20000 of them. The first three quarters are
learnt once, chunk by chunk, each chunk being predicted before it is learnt; the rest is
held out. The learners are GDClassifier and GDRegressor with their defaults;
SGDClassifier (log loss) and SGDRegressor with theirs, raw and behind a scaler that
was fitted to the first 1000 rows (StandardScaler, for CSR MaxAbsScaler); and, where
they can be imported, Vowpal Wabbit and river's linear models behind its StandardScaler,
which learn one row at a time.

The loss is half the squared error, or minus the logarithm of the probability of the
class. The table gives it relative to that of the running constant model, so that 1 is
no better than no features at all; the score is R2 or the accuracy. ``--calls`` times
single calls of `partial_fit` instead. Sets that come with scikit-learn are used in any
case, those of the folder SKLGD_DATA if it is set.
"""

import argparse
import json
import time
import warnings

import numpy as np
import scipy.sparse as sp
from scipy.special import log_softmax, logsumexp
from sklearn import datasets
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from problems import data_folder, load_raw
from sklgd import GDClassifier, GDRegressor

MOST_ROWS, HELD_OUT, SCALED_BY = 20_000, 0.25, 1000
BUNDLED = {
    "breast cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
    "diabetes": lambda **options: datasets.load_diabetes(scaled=False, **options),
}
SETS = (
    "a9a", "abalone", "sms_spam", "rcv1_small", "imdb", "banking77",
    "california_housing", "diamonds", "magic", "kdd99_10pct", "adult", "letter",
)  # fmt: skip


def load(name, seed):
    """X, y (class codes or numbers) and whether they are classes; rows permuted."""
    if name in BUNDLED:
        X, y = BUNDLED[name](return_X_y=True)
        classifies = name != "diabetes"
    else:
        X, y, loss = load_raw(name)
        classifies = loss == "log_loss"
    order = np.random.default_rng(seed).permutation(X.shape[0])[:MOST_ROWS]
    X, y = X[order], np.asarray(y)[order]
    X = sp.csr_matrix(X, dtype=float) if sp.issparse(X) else np.asarray(X, dtype=float)
    y = np.unique(y, return_inverse=True)[1] if classifies else y.astype(float)
    return X, y, classifies


class Learner:
    """An estimator with `partial_fit`, behind a scaler of the first rows or none."""

    def __init__(self, model, scaler=None):
        self.model, self.scaler = model, scaler

    def begin(self, X, classes):
        self.classes = classes
        if self.scaler is not None:
            self.scaler.fit(X[:SCALED_BY])

    def scaled(self, X):
        return X if self.scaler is None else self.scaler.transform(X)

    def learn(self, X, y):
        arguments = {} if self.classes is None else {"classes": self.classes}
        self.model.partial_fit(self.scaled(X), y, **arguments)

    def predict(self, X):
        """Predictions, or the logarithms of the probabilities of the classes."""
        X = self.scaled(X)
        if self.classes is None:
            return self.model.predict(X)
        if isinstance(self.model, SGDClassifier) and len(self.classes) > 2:
            # One against the rest; `predict_proba` loses what is far below one.
            z = -np.logaddexp(0.0, -self.model.decision_function(X))
            return z - logsumexp(z, axis=1, keepdims=True)
        z = self.model.decision_function(X)
        if z.ndim == 1:
            z = np.column_stack([np.zeros(len(z)), z])
        return log_softmax(z, axis=1)


class River:
    """river's linear or logistic regression behind its scaler."""

    def begin(self, X, classes):
        from river import linear_model, multiclass, preprocessing

        self.classes = classes
        if classes is None:
            model = linear_model.LinearRegression()
        else:
            model = linear_model.LogisticRegression()
            if len(classes) > 2:
                model = multiclass.OneVsRestClassifier(model)
        self.model = preprocessing.StandardScaler() | model

    def rows(self, X):
        X = sp.csr_matrix(X)
        for i in range(X.shape[0]):
            entries = slice(X.indptr[i], X.indptr[i + 1])
            columns, values = X.indices[entries].tolist(), X.data[entries].tolist()
            yield dict(zip(columns, values, strict=True))

    def learn(self, X, y):
        for row, target in zip(self.rows(X), y.tolist(), strict=True):
            self.model.learn_one(row, target)

    def predict(self, X):
        if self.classes is None:
            return np.array([self.model.predict_one(row) for row in self.rows(X)])
        p = np.full((X.shape[0], len(self.classes)), 1e-15)
        for i, row in enumerate(self.rows(X)):
            for label, share in self.model.predict_proba_one(row).items():
                p[i, int(label)] = max(share, 1e-15)
        return np.log(p / p.sum(axis=1, keepdims=True))


class VowpalWabbit:
    """Vowpal Wabbit with its defaults; one against all and logistic for classes."""

    def begin(self, X, classes):
        from vowpalwabbit import Workspace

        self.classes, arguments = classes, "--quiet -b 22"
        if classes is not None:
            arguments += (
                f" --oaa {len(classes)} --probabilities --loss_function logistic"
            )
        self.model = Workspace(arguments)

    def rows(self, X):
        X = sp.csr_matrix(X)
        for i in range(X.shape[0]):
            entries = range(X.indptr[i], X.indptr[i + 1])
            yield " ".join(f"{X.indices[p]}:{X.data[p]:.8g}" for p in entries)

    def learn(self, X, y):
        for row, target in zip(self.rows(X), y.tolist(), strict=True):
            label = target if self.classes is None else target + 1
            self.model.learn(f"{label} | {row}")

    def predict(self, X):
        z = np.array([self.model.predict(f"| {row}") for row in self.rows(X)])
        return z if self.classes is None else np.log(np.maximum(z, 1e-15))


def learners(X, classifies):
    """Name -> learner; None where the package is not installed."""
    plain = SGDClassifier if classifies else SGDRegressor
    own = GDClassifier if classifies else GDRegressor
    options = {"loss": "log_loss"} if classifies else {}
    scaler = MaxAbsScaler() if sp.issparse(X) else StandardScaler()
    found = {
        "sklgd": Learner(own(random_state=0)),
        "SGD*": Learner(plain(random_state=0, **options)),
        "SGD* scaled": Learner(plain(random_state=0, **options), scaler),
    }
    for name, module, cls in (
        ("Vowpal Wabbit", "vowpalwabbit", VowpalWabbit), ("river", "river", River),
    ):  # fmt: skip
        try:
            __import__(module)
        except ImportError:
            continue
        found[name] = cls()
    return found


def loss_of(y, predicted, classifies):
    """Loss of each row."""
    with np.errstate(over="ignore"):
        if not classifies:
            return 0.5 * (y - predicted) ** 2
        return -predicted[np.arange(len(y)), y]


def constant_losses(y, classifies):
    """Losses of the running constant model: mean, or shares plus one half each."""
    if not classifies:
        means = np.cumsum(y) / np.arange(1, len(y) + 1)
        return 0.5 * (y[1:] - means[:-1]) ** 2
    onehot = np.eye(y.max() + 1)[y]
    counts = np.cumsum(onehot, axis=0) + 0.5
    shares = counts[:-1] / counts[:-1].sum(axis=1, keepdims=True)
    return -np.log(shares[np.arange(len(y) - 1), y[1:]])


def run(learner, X, y, classifies, chunk, held_out):
    """Relative progressive loss, score on rows held out, microseconds per row."""
    n = X.shape[0]
    X_test, y_test = held_out
    classes = np.arange(max(y.max(), y_test.max()) + 1) if classifies else None
    learner.begin(X, classes)
    losses, elapsed = [], 0.0
    for start in range(0, n, chunk):
        rows = slice(start, start + chunk)
        if start:
            predicted = learner.predict(X[rows])
            losses.append(loss_of(y[rows], predicted, classifies))
        begin = time.process_time()
        learner.learn(X[rows], y[rows])
        elapsed += time.process_time() - begin
    base = constant_losses(y, classifies)[chunk - 1 :].sum()
    loss = float(np.concatenate(losses).sum() / base) if losses else float("nan")
    predicted = learner.predict(X_test)
    if classifies:
        score = float((predicted.argmax(axis=1) == y_test).mean())
    else:
        spread = np.square(y_test - y_test.mean()).sum()
        with np.errstate(over="ignore"):
            score = float(1.0 - np.square(y_test - predicted).sum() / spread)
    return {"loss": loss, "score": score, "microseconds": 1e6 * elapsed / n}


def compare(options):
    """The table of all sets, learners and sizes of chunks."""
    names = options.sets or [*BUNDLED, *(SETS if data_folder() else ())]
    results = []
    print(
        f"{'set':20}{'chunk':>7}  {'learner':14}{'loss':>10}{'score':>9}{'us/row':>9}"
    )
    for name in names:
        for seed in range(options.seeds):
            X, y, classifies = load(name, seed)
            n = int((1.0 - HELD_OUT) * X.shape[0])
            held_out = X[n:], y[n:]
            for chunk in options.chunks:
                for label, learner in learners(X, classifies).items():
                    if options.only and label not in options.only:
                        continue
                    found = run(learner, X[:n], y[:n], classifies, chunk or n, held_out)
                    case = {"set": name, "seed": seed, "chunk": chunk, "learner": label}
                    results.append(case | found)
                    print(
                        f"{name:20}{chunk:7}  {label:14}{found['loss']:10.4g}"
                        f"{found['score']:9.4f}{found['microseconds']:9.1f}",
                        flush=True,
                    )
    return results


def sparse_rows(rng, n, columns, entries):
    """CSR with so many entries in each row, in random columns."""
    indices = rng.integers(0, columns, (n, entries))
    values = rng.normal(size=indices.size)
    X = sp.csr_matrix(
        (values, indices.ravel(), np.arange(0, values.size + 1, entries)), (n, columns)
    )
    X.sum_duplicates()
    return X


def time_calls(options):
    """Milliseconds of a call of `partial_fit` with 32 rows, the least of 30."""
    results = []
    print(f"{'rows':28}{'SGD*':>10}{'sklgd':>10}{'ratio':>8}")
    cases = [("dense 32 x 100", 100, 2, None)]
    for columns, classes in ((4096, 2), (65536, 2), (2**20, 2), (2**18, 10)):
        cases.append((f"CSR 32 x {columns}, {classes} classes", columns, classes, 62))
    for name, columns, classes, entries in cases:
        rng = np.random.default_rng(0)
        if entries is None:
            chunks = [rng.normal(size=(32, columns)) for _ in range(40)]
        else:
            chunks = [sparse_rows(rng, 32, columns, entries) for _ in range(40)]
        labels = [rng.integers(0, classes, 32) for _ in chunks]
        found = {}
        for label, model in (
            ("SGD*", SGDClassifier("log_loss")),
            ("sklgd", GDClassifier()),
        ):
            times = []
            for X, y in zip(chunks, labels, strict=True):
                begin = time.perf_counter()
                model.partial_fit(X, y, classes=np.arange(classes))
                times.append(time.perf_counter() - begin)
            found[label] = 1e3 * min(times[10:])
        ratio = found["sklgd"] / found["SGD*"]
        print(f"{name:28}{found['SGD*']:10.4f}{found['sklgd']:10.4f}{ratio:8.2f}")
        results.append({"rows": name, **found})
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="*")
    parser.add_argument("--chunks", nargs="*", type=int, default=[32],
                        help="rows of a call; 0 is all")  # fmt: skip
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--only", nargs="*", help="learners")
    parser.add_argument("--calls", action="store_true")
    parser.add_argument("--output", help="a file for the figures, in JSON")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    results = time_calls(options) if options.calls else compare(options)
    if options.output:
        with open(options.output, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


if __name__ == "__main__":
    main()
