"""One pass over raw streams: progressive loss, held-out score, time of a call.

    SKLGD_DATA=folder OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \\
        python benchmarks/streams.py --chunks 1 32 256 --seeds 0 1 2 \\
        --output streams.json --picture streams.png

prints a line for every stream and learner, then a table of all sets, and draws it.
``--from streams.json`` makes table and picture of figures that were measured before;
``--sets``, ``--rows`` and ``--only`` (learners) measure less. ``--calls`` times single
calls of `partial_fit` instead. Vowpal Wabbit and river take part where they can be
imported (``pip install vowpalwabbit river``).

Rows are permuted with a seed, at most 20000 of them. The first three quarters are
learnt once, chunk by chunk, and each chunk but the first is predicted before any of its
rows is learnt; the rest is held out. Nobody is tuned:

- GDClassifier and GDRegressor with their defaults;
- SGDClassifier (log loss) and SGDRegressor with theirs, raw and behind a scaler that
  was fitted to the first 1000 rows (StandardScaler, for CSR MaxAbsScaler);
- Vowpal Wabbit with its defaults (for labels the logistic loss and, from three classes
  on, one against all), with more bits where columns and classes need them;
- river's LinearRegression or LogisticRegression (one against the rest from three
  classes on) behind its StandardScaler. Rows of a CSR matrix have their stored entries
  only.

Vowpal Wabbit and river learn one row at a time, so one pass serves all sizes of chunks.

The loss is half the squared error (of counts, too), or minus the logarithm of the
probability of the class, which is at least 1e-15. The tables give it relative to that
of the running constant model, so that 1 is no better than no features at all; the score
is R2 or the accuracy. Where a learner fails, its loss is infinite. Sets that come with
scikit-learn are used in any case, those of the folder SKLGD_DATA if it is set.
"""

import argparse
import json
import math
import time
import warnings

import numpy as np
import scipy.sparse as sp
from scipy.special import log_softmax, logsumexp
from sklearn import datasets
from sklearn.linear_model import SGDClassifier, SGDRegressor
from sklearn.preprocessing import MaxAbsScaler, StandardScaler

from problems import data_folder, load_raw, problem_names
from sklgd import GDClassifier, GDRegressor

MOST_ROWS, HELD_OUT, SCALED_BY = 20_000, 0.25, 1000
SMALLEST = 1e-15  # probability
BUNDLED = {
    "breast cancer": datasets.load_breast_cancer,
    "digits": datasets.load_digits,
    "iris": datasets.load_iris,
    "wine": datasets.load_wine,
    "diabetes": lambda **options: datasets.load_diabetes(scaled=False, **options),
}
OWN, CONSTANT = "sklgd", "constant"
# A set is as good as the best of the others up to these.
LOSS_FACTOR, SCORE_MARGIN = 1.02, 0.005


def load(name, seed, most_rows):
    """X, y (class codes or numbers) and whether they are classes; rows permuted."""
    if name in BUNDLED:
        X, y = BUNDLED[name](return_X_y=True)
        classifies = name != "diabetes"
    else:
        X, y, loss = load_raw(name)
        classifies = loss == "log_loss"
    order = np.random.default_rng(seed).permutation(X.shape[0])[:most_rows]
    X, y = X[order], np.asarray(y)[order]
    X = sp.csr_matrix(X, dtype=float) if sp.issparse(X) else np.asarray(X, dtype=float)
    y = np.unique(y, return_inverse=True)[1] if classifies else y.astype(float)
    return X, y, classifies


# ------------------------------------------------------------------------ learners


class Batches:
    """An estimator with `partial_fit`, behind a scaler of the first rows or none."""

    def __init__(self, make, scaler=None):
        self.make, self.scaler = make, scaler

    def passes(self, X, y, classes, chunks):
        """For each size of chunks: it, predictions of all rows but the first, time."""
        if self.scaler is not None:
            self.scaler.fit(X[:SCALED_BY])
        self.classes = classes
        for chunk in chunks:
            self.model, predicted, elapsed = self.make(), [], 0.0
            for start in range(0, len(y), chunk or len(y)):
                rows = slice(start, start + (chunk or len(y)))
                if start:
                    predicted.append(self.predict(X[rows]))
                piece = self.scaled(X[rows])
                begin = time.process_time()
                self.learn(piece, y[rows])
                elapsed += time.process_time() - begin
            yield chunk, predicted, elapsed

    def scaled(self, X):
        return X if self.scaler is None else self.scaler.transform(X)

    def learn(self, X, y):
        arguments = {} if self.classes is None else {"classes": self.classes}
        self.model.partial_fit(X, y, **arguments)

    def predict(self, X):
        """Predictions, or the logarithms of the probabilities of the classes."""
        X = self.scaled(X)
        if self.classes is None:
            return self.model.predict(X)
        z = self.model.decision_function(X)
        if z.ndim == 1:
            z = np.column_stack([np.zeros(len(z)), z])
        elif isinstance(self.model, SGDClassifier):
            # One against the rest; `predict_proba` loses what is far below one.
            z = -np.logaddexp(0.0, -z)
            return z - logsumexp(z, axis=1, keepdims=True)
        return log_softmax(z, axis=1)


class Rows:
    """A learner of single rows: `begin`, `convert`, `learn_row` and `predict_row`."""

    def passes(self, X, y, classes, chunks):
        self.begin(X, classes)
        chunks = [chunk or len(y) for chunk in chunks]
        predicted = {chunk: [] for chunk in chunks}
        elapsed, block = 0.0, max(chunks)
        for first in range(0, len(y), block):
            rows = list(self.convert(X[first : first + block]))
            for i, (row, target) in enumerate(
                zip(rows, y[first : first + block].tolist(), strict=True)
            ):
                for chunk in chunks:
                    if (first + i) % chunk == 0 and first + i:
                        ahead = [
                            self.predict_row(other) for other in rows[i : i + chunk]
                        ]
                        predicted[chunk].append(np.array(ahead))
                begin = time.process_time()
                self.learn_row(row, target)
                elapsed += time.process_time() - begin
        for chunk in chunks:
            yield chunk, predicted[chunk], elapsed

    def predict(self, X):
        return np.array([self.predict_row(row) for row in self.convert(X)])


def entries(X):
    """Columns and values of each row as lists: all of dense rows, the stored of CSR."""
    if not sp.issparse(X):
        columns = list(range(X.shape[1]))
        for row in X:
            yield columns, row.tolist()
        return
    for begin, end in zip(X.indptr, X.indptr[1:], strict=False):
        yield X.indices[begin:end].tolist(), X.data[begin:end].tolist()


class River(Rows):
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
                # As the others, it knows from the start which classes there are.
                for label in classes.tolist():
                    model.classifiers[label] = model.classifier.clone()
        self.model = preprocessing.StandardScaler() | model

    def convert(self, X):
        return (dict(zip(*entry, strict=True)) for entry in entries(X))

    def learn_row(self, row, target):
        self.model.learn_one(row, target)

    def predict_row(self, row):
        if self.classes is None:
            return self.model.predict_one(row)
        shares = self.model.predict_proba_one(row)
        p = np.maximum([shares.get(label, 0.0) for label in self.classes], SMALLEST)
        return np.log(p / p.sum())


class VowpalWabbit(Rows):
    """Vowpal Wabbit with its defaults; one against all and logistic for classes."""

    def begin(self, X, classes):
        from vowpalwabbit import Workspace

        n_models = 1 if classes is None or len(classes) == 2 else len(classes)
        bits = max(18, 2 + math.ceil(math.log2(X.shape[1] * n_models)))
        arguments = f"--quiet -b {bits}"
        self.labels, self.binary = None, False
        if classes is not None:
            arguments += " --loss_function logistic"
            self.binary = n_models == 1
            if self.binary:
                arguments += " --link logistic"
                self.labels = ("-1", "1")
            else:
                arguments += f" --oaa {n_models} --probabilities"
                self.labels = [str(1 + label) for label in range(n_models)]
        self.model = Workspace(arguments)

    def convert(self, X):
        for columns, values in entries(X):
            yield "| " + " ".join(
                [f"{j}:{v:.8g}" for j, v in zip(columns, values, strict=True) if v]
            )

    def learn_row(self, row, target):
        label = repr(target) if self.labels is None else self.labels[target]
        self.model.learn(f"{label} {row}")

    def predict_row(self, row):
        z = self.model.predict(row)
        if self.labels is None:
            return z
        p = np.maximum([1.0 - z, z] if self.binary else z, SMALLEST)
        return np.log(p / p.sum())


def learners(X, classifies):
    """Name -> learner, of those that are installed."""
    plain = SGDClassifier if classifies else SGDRegressor
    own = GDClassifier if classifies else GDRegressor
    options = {"loss": "log_loss"} if classifies else {}
    scaler = MaxAbsScaler() if sp.issparse(X) else StandardScaler()
    found = {
        OWN: Batches(lambda: own(random_state=0)),
        "SGD*": Batches(lambda: plain(random_state=0, **options)),
        "SGD* scaled": Batches(lambda: plain(random_state=0, **options), scaler),
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


# ----------------------------------------------------------------------- measuring


def losses_of(y, predicted, classifies):
    """Loss of each row."""
    with np.errstate(over="ignore", invalid="ignore"):
        if not classifies:
            return 0.5 * (y - predicted) ** 2
        return -np.maximum(predicted[np.arange(len(y)), y], math.log(SMALLEST))


def score_of(y, predicted, classifies):
    if classifies:
        return float((predicted.argmax(axis=1) == y).mean())
    with np.errstate(over="ignore", invalid="ignore"):
        return float(1.0 - np.square(y - predicted).mean() / y.var())


def constant_losses(y, classifies):
    """Losses of the running constant model: mean, or shares plus one half each."""
    if not classifies:
        means = np.cumsum(y) / np.arange(1, len(y) + 1)
        return 0.5 * (y[1:] - means[:-1]) ** 2
    onehot = np.eye(y.max() + 1)[y]
    counts = np.cumsum(onehot, axis=0) + 0.5
    shares = counts[:-1] / counts[:-1].sum(axis=1, keepdims=True)
    return -np.log(shares[np.arange(len(y) - 1), y[1:]])


def measure(learner, X, y, classifies, chunks, held_out):
    """For each size of chunks: relative progressive loss, score, microseconds a row.

    The loss is None if there is no second chunk.
    """
    X_test, y_test = held_out
    classes = np.arange(max(y.max(), y_test.max()) + 1) if classifies else None
    found = {chunk: {"loss": math.inf, "score": -math.inf} for chunk in chunks}
    constant = constant_losses(y, classifies)
    try:
        for chunk, predicted, elapsed in learner.passes(X, y, classes, chunks):
            loss, first = None, chunk or len(y)
            if predicted:
                losses = losses_of(y[first:], np.concatenate(predicted), classifies)
                loss = float(losses.sum() / constant[first - 1 :].sum())
                loss = loss if math.isfinite(loss) else math.inf
            score = score_of(y_test, learner.predict(X_test), classifies)
            score = score if math.isfinite(score) else -math.inf
            microseconds = 1e6 * elapsed / len(y)
            found[chunk] = {"loss": loss, "score": score, "microseconds": microseconds}
    except (ValueError, OverflowError) as error:
        # SGD* refuses to go on where its coefficients have left float64.
        print(f"{type(error).__name__}: {error}")
    return found


def compare(options):
    """The figures of all sets, learners and sizes of chunks."""
    names = options.sets or [*BUNDLED, *(problem_names() if data_folder() else ())]
    results = []
    print(f"{'set':20}{'seed':>5}{'chunk':>6}  {'learner':14}", end="")
    print(f"{'loss':>10}{'score':>9}{'us/row':>9}")
    for name in names:
        for seed in options.seeds:
            X, y, classifies = load(name, seed, options.rows)
            n = int((1.0 - HELD_OUT) * X.shape[0])
            held_out = X[n:], y[n:]
            case = {"set": name, "seed": seed, "rows": n}
            constant = (
                float((y[n:] == np.bincount(y[:n]).argmax()).mean())
                if classifies
                else score_of(y[n:], y[:n].mean(), False)
            )
            for chunk in options.chunks:
                figures = {"chunk": chunk, "learner": CONSTANT, "score": constant}
                results.append(case | figures | {"loss": 1.0})
            for label, learner in learners(X, classifies).items():
                if options.only and label not in options.only:
                    continue
                found = measure(
                    learner, X[:n], y[:n], classifies, options.chunks, held_out
                )
                for chunk in options.chunks:
                    figures = found[chunk]
                    results.append(case | {"chunk": chunk, "learner": label} | figures)
                    print(
                        f"{name:20}{seed:5}{chunk:6}  {label:14}"
                        f"{short(figures['loss']):>10}{short(figures['score']):>9}"
                        f"{figures.get('microseconds', math.nan):9.1f}",
                        flush=True,
                    )
            save(results, options.output)
    return results


def save(results, path):
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(results, file, indent=1)


# ------------------------------------------------------------------------- results


def means(results):
    """(set, chunk) -> learner -> mean loss (None if there is none) and mean score."""
    cases = {}
    for r in results:
        learner = cases.setdefault((r["set"], r["chunk"]), {})
        learner.setdefault(r["learner"], []).append((r["loss"], r["score"]))
    return {
        case: {
            name: (
                None if None in (losses := [f[0] for f in figures])
                else sum(losses) / len(losses),
                sum(f[1] for f in figures) / len(figures),
            )
            for name, figures in found.items()
        }
        for case, found in cases.items()
    }  # fmt: skip


def against_best(found):
    """Loss relative to the least of the others, score less the highest of them."""
    loss, score = found[OWN]
    others = [figures for name, figures in found.items() if name != OWN]
    ratio = None if loss is None else loss / min(figures[0] for figures in others)
    return ratio, score - max(figures[1] for figures in others)


def as_good(found):
    ratio, difference = against_best(found)
    return (ratio is None or ratio <= LOSS_FACTOR) and difference >= -SCORE_MARGIN


def table(results):
    """Lines of Markdown: loss and score of every learner, means over the seeds."""
    found = means(results)
    names = list(dict.fromkeys(r["learner"] for r in results))
    yield "| set | chunk | " + " | ".join(names) + " | loss / best | score - best | |"
    yield "|---|---|" + "---|" * (len(names) + 3)
    for (name, chunk), figures in found.items():
        cells = []
        for learner in names:
            loss, score = figures.get(learner, (None, None))
            cells.append(f"{short(loss)} / {short(score)}")
        ratio, difference = against_best(figures)
        ratio = "-" if ratio is None else f"{ratio:.3f}"
        verdict = "" if as_good(figures) else "worse"
        cells += [ratio, f"{difference:+.4f}", verdict]
        yield f"| {name} | {chunk or 'all'} | " + " | ".join(cells) + " |"
    for chunk in dict.fromkeys(r["chunk"] for r in results):
        cases = [figures for (_, size), figures in found.items() if size == chunk]
        yield ""
        yield (
            f"Chunks of {chunk or 'all'} rows: loss at most {LOSS_FACTOR} times the "
            f"best and score at least the best - {SCORE_MARGIN} on "
            f"{sum(map(as_good, cases))} of {len(cases)} sets."
        )


def short(value):
    if value is None:
        return "-"
    if math.isinf(value):
        return "fails"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:.0e}"


def draw(results, path):
    """Loss relative to the best of the others and difference of the scores, by set."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    found = means(results)
    chunks = list(dict.fromkeys(chunk for _, chunk in found))
    sets = list(dict.fromkeys(name for name, _ in found))

    def ratio(name):
        values = [against_best(found[name, chunk])[0] for chunk in chunks]
        values = [value for value in values if value is not None]
        return max(values) if values else 1.0

    sets.sort(key=ratio)
    figure, axes = plt.subplots(
        1, 2, figsize=(9, 1.5 + 0.22 * len(sets)), sharey=True, layout="constrained"
    )
    markers = dict(zip(chunks, "osD^v<>", strict=False))
    for chunk in chunks:
        rows = [i for i, name in enumerate(sets) if (name, chunk) in found]
        pairs = [against_best(found[sets[i], chunk]) for i in rows]
        style = {
            "marker": markers[chunk],
            "linestyle": "",
            "markersize": 4,
            "alpha": 0.7,
        }
        label = f"chunks of {chunk}" if chunk else "one chunk"
        axes[0].plot([r or math.nan for r, _ in pairs], rows, label=label, **style)
        axes[1].plot([d for _, d in pairs], rows, label=label, **style)
    for axis, equal, limit in (
        (axes[0], 1.0, LOSS_FACTOR),
        (axes[1], 0.0, -SCORE_MARGIN),
    ):
        axis.axvline(equal, color="black", linewidth=0.8)
        axis.axvline(
            limit, color="tab:red", linewidth=0.8, linestyle=":", label="as good"
        )
        axis.grid(linewidth=0.3)
        axis.tick_params(labelsize=7)
        axis.margins(y=0.02)
    axes[0].set_yticks(range(len(sets)), sets)
    axes[0].set(xscale="log", xlabel="progressive loss / best of the others")
    axes[0].set_title("better than the others | worse", fontsize=9)
    axes[1].set_title("worse | better than the others", fontsize=9)
    axes[1].set_xscale("symlog", linthresh=0.02, linscale=1.0)
    axes[1].set(xlabel="held-out score - best of the others")
    ticks = [t for t in (0.05, 0.1, 0.2, 0.5, 0.7, 1.0, 1.2, 1.5, 2.0)
             if t >= 0.9 * axes[0].get_xlim()[0]]  # fmt: skip
    axes[0].set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes[0].minorticks_off()
    axes[1].set_xticks(
        [-0.1, -0.02, -0.01, 0.0, 0.01, 0.02, 0.1, 0.5],
        ["-0.1", "-0.02", "", "0", "", "0.02", "0.1", "0.5"],
    )
    axes[0].legend(loc="lower right", fontsize=7)
    figure.savefig(path, dpi=150)


# --------------------------------------------------------------------------- calls


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
    """Milliseconds of a call of `partial_fit`, the least of many."""
    results = []
    print(f"{'rows':28}{'SGD*':>10}{'sklgd':>10}{'ratio':>8}")
    cases = [("dense 32 x 100", 32, 100, 2, None)]
    for columns, classes in ((4096, 2), (65536, 2), (2**20, 2), (2**18, 10)):
        name = f"CSR 32 x {columns}, {classes} classes"
        cases.append((name, 32, columns, classes, 62))
    cases.append(("dense 10000 x 30", 10_000, 30, 2, None))
    cases.append(("CSR 10000 x 4096, 2 classes", 10_000, 4096, 2, 62))
    for name, rows, columns, classes, entries in cases:
        rng = np.random.default_rng(0)
        count = 40 if rows == 32 else 12
        if entries is None:
            chunks = [rng.normal(size=(rows, columns)) for _ in range(count)]
        else:
            chunks = [sparse_rows(rng, rows, columns, entries) for _ in range(count)]
        labels = [rng.integers(0, classes, rows) for _ in chunks]
        models = {"SGD*": SGDClassifier("log_loss"), "sklgd": GDClassifier()}
        times = {label: [] for label in models}
        # In turn, in time of the processor: other programs disturb both the same.
        for X, y in zip(chunks, labels, strict=True):
            for label, model in models.items():
                begin = time.process_time()
                model.partial_fit(X, y, classes=np.arange(classes))
                times[label].append(time.process_time() - begin)
        found = {label: 1e3 * min(t[count // 4 :]) for label, t in times.items()}
        ratio = found["sklgd"] / found["SGD*"]
        print(f"{name:28}{found['SGD*']:10.4f}{found['sklgd']:10.4f}{ratio:8.2f}")
        results.append({"rows": name, **found})
    return results


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--sets", nargs="*", help="names; all by default")
    add("--chunks", nargs="*", type=int, default=[32], help="rows of a call; 0 is all")
    add("--seeds", nargs="*", type=int, default=[0], help="permutations of each set")
    add("--rows", type=int, default=MOST_ROWS, help="most rows of a set")
    add("--only", nargs="*", help="learners")
    add("--calls", action="store_true", help="time single calls")
    add("--from", dest="files", nargs="*", help="figures that were measured before")
    add("--output", help="a file for the figures, in JSON")
    add("--picture", help="a file for the picture")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    if options.calls:
        save(time_calls(options), options.output)
        return
    results = []
    for name in options.files or ():
        with open(name, encoding="utf-8") as file:
            results += json.load(file)
    if not results:
        results = compare(options)
    own = {(r["set"], r["chunk"]) for r in results if r["learner"] == OWN}
    results = [r for r in results if (r["set"], r["chunk"]) in own]
    print("\n", *table(results), sep="\n")
    if options.picture and results:
        draw(results, options.picture)


if __name__ == "__main__":
    main()
