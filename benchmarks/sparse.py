"""Defaults on text and clicks, one CSR matrix for all: scores, times, zeros.

    SKLGD_DATA=folder OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \\
        python benchmarks/sparse.py PART --output results

Parts:

scores    test score and time of the default fit, of SGD*, LogisticRegression (lbfgs,
          saga) and, where it imports, Vowpal Wabbit; and the time that ours takes to
          reach the best test score of any SGD*, by its own methods ("ours") and by
          optimizer="sgd" with the settings of SGD* ("steps")
sparsity  coefficients that are not zero under an elasticnet penalty, ours against those
          of LogisticRegression(saga)

Every learner gets the same rows; "scaled" ones a MaxAbsScaler, whose time counts.
Strengths of the penalty are those of the objective of objective.py.
"""

import argparse
import itertools
import tempfile
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.metrics import accuracy_score, r2_score
from threadpoolctl import threadpool_limits

import objective as ob
from auto import Results, cases
from peers import CLOCKS, clock, coefficients, scaler_of, timed_fit, use_clock

SETS = [
    "a9a", "w8a", "banking77", "imdb", "news20", "flights", "kdd99_10pct",
    "news20_bigram",
]  # fmt: skip
ALPHAS = [1e-3, 1e-4, 1e-5, 1e-6]
EPOCHS = 16  # of SGD*
OUR_EPOCHS = 60  # of batch methods; of others as many as SGD*
CURVE_SECONDS = 6.0  # no curve of scores takes longer


# ------------------------------------------------------------------ scores by epoch


@dataclass
class Curve:
    """Test score after each epoch of one setting.

    Attributes
    ----------
    make : callable
        ``make(n_epochs)`` is the estimator that makes so many.
    setting : str
    scores : list of float
    seconds : float
        Of all epochs, about.
    """

    make: object
    setting: str
    scores: list
    seconds: float

    def first(self, target):
        """Epochs until the target is reached, or None."""
        reached = np.flatnonzero(np.asarray(self.scores) >= target)
        return int(reached[0]) + 1 if len(reached) else None

    @property
    def best(self):
        return max(self.scores, default=-np.inf)


def test_score(case, prediction):
    """Accuracy, or R2."""
    if not np.isfinite(prediction).all() if not case.classes else False:
        return -np.inf
    return (accuracy_score if case.classes else r2_score)(case.y_test, prediction)


def sgd_curve(case, X, X_test, **setting):
    """`Curve` of SGD* by `partial_fit`."""
    cls = SGDClassifier if case.classes else SGDRegressor

    def make(n_epochs, seed=0):
        return cls(random_state=seed, max_iter=n_epochs, tol=None, **setting)

    # An integer as seed would shuffle every epoch alike.
    model, scores, spent = make(1, np.random.RandomState(0)), [], 0.0
    labels = {"classes": np.unique(case.y)} if case.classes else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(EPOCHS):
            start = clock()
            try:
                model.partial_fit(X, case.y, **labels)
            except ValueError:  # overflow
                break
            spent += clock() - start
            scores.append(test_score(case, model.predict(X_test)))
            if spent > CURVE_SECONDS:
                break
    return Curve(make, setting, scores, spent)


def sgd_curves(case, X, X_test):
    """Sensible settings: the default learning rates, others at the best of those."""
    losses = ["squared_error"]
    if case.classes:
        losses = ["log_loss", "hinge", "squared_hinge"]
    default = "optimal" if case.classes else "invscaling"
    curves = [
        sgd_curve(case, X, X_test, loss=loss, alpha=alpha, learning_rate=default)
        for loss, alpha in itertools.product(losses, ALPHAS)
    ]
    best = max(curves, key=lambda curve: curve.best).setting
    for name, eta0 in itertools.product(
        ["constant", "invscaling"], [0.1, 1.0] if case.classes else [0.001, 0.1]
    ):
        changed = {**best, "learning_rate": name, "eta0": eta0}
        curves.append(sgd_curve(case, X, X_test, **changed))
    return curves


def our_curve(case, **setting):
    """`Curve` of our estimator, its scores from a validation set that stops nothing."""

    def make(n_epochs, **more):
        return case.ours(max_iter=n_epochs, **setting, **more)

    watch = {"early_stopping": True, "n_iter_no_change": 10**6}
    test = {"X_val": case.X_test, "y_val": case.y_test}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        epochs = 1
        for _ in range(2):
            model = make(epochs, **watch)
            start = clock()
            model.fit(case.X, case.y, **test)
            seconds = clock() - start
            most = EPOCHS if "batch_size" in setting else OUR_EPOCHS
            epochs = int(min(most, max(1.0, CURVE_SECONDS / seconds)))
    return Curve(make, setting, list(model.validation_scores_), seconds)


def our_curves(case):
    """The default at each alpha, and other losses and batch sizes."""
    curves = [our_curve(case, alpha=alpha) for alpha in ALPHAS]
    best = max(curves, key=lambda curve: curve.best).setting["alpha"]
    curves += [our_curve(case, alpha=alpha) for alpha in (best / 3, best * 3)]
    near = [best, best / 3]
    curves += [our_curve(case, alpha=alpha, batch_size=1) for alpha in near]
    if case.classes:
        curves += [our_curve(case, alpha=alpha, loss="hinge") for alpha in near]
        # Margins want a stronger penalty than probabilities.
        curves += [
            our_curve(case, alpha=alpha, loss="squared_hinge")
            for alpha in (best, 3 * best, 10 * best)
        ]
        curves.append(our_curve(case, alpha=3 * best, loss="hinge", batch_size=1))
    return curves


def same_steps(case, curves, n=3):
    """Our plain SGD with the settings of the best curves of SGD*."""
    best = sorted(curves, key=lambda curve: -curve.best)[:n]
    return [
        our_curve(case, optimizer="sgd", batch_size=1, **settings)
        for settings in (
            # A regressor's loss is the case's.
            {k: v for k, v in curve.setting.items() if case.classes or k != "loss"}
            for curve in best
        )
    ]


# ------------------------------------------------------------------- Vowpal Wabbit


def vw_runs(case, seconds=20.0):
    """(setting, score, seconds) of Vowpal Wabbit by loss and number of passes.

    On X as it is, its adaptive normalised rule without a penalty, one against all for
    several classes, from its binary cache: writing and parsing text is not counted.
    """
    try:
        from libraries.bench_vowpalwabbit import Workspace, lines
    except ImportError:
        return []
    labels = np.unique(case.y)
    bits = max(18, int(np.ceil(np.log2(case.X.shape[1] * case.n_outputs))) + 1)

    def codes(y):
        if not case.classes:
            return y
        code = np.searchsorted(labels, y)
        return code + 1 if case.n_outputs > 1 else 2.0 * code - 1.0

    found, spent = [], 0.0
    with tempfile.TemporaryDirectory() as folder:
        train, test = Path(folder) / "train", Path(folder) / "test"
        for path, X, y in ((train, case.X, case.y), (test, case.X_test, case.y_test)):
            with path.open("w") as file:
                file.writelines(lines(X, codes(y)))
        for loss in ["logistic", "hinge"] if case.classes else ["squared"]:
            kind = f"--loss_function {loss} -b {bits}"
            if case.n_outputs > 1:
                kind += f" --oaa {case.n_outputs}"
            command = f"-d {train} --cache_file {train}.cache --holdout_off --quiet "
            Workspace(command + kind + " --passes 1").finish()
            for passes in (1, 2, 4, 8, 16):
                start = time.perf_counter(), time.process_time()
                model = Workspace(
                    f"{command}{kind} --passes {passes} -f {folder}/model"
                )
                ends = time.perf_counter(), time.process_time()
                model.finish()
                # Its parser has a thread of its own.
                taken = min(b - a for a, b in zip(start, ends, strict=True))
                out = Path(folder) / "out"
                Workspace(f"-i {folder}/model -t -d {test} -p {out} --quiet").finish()
                z = np.loadtxt(out)
                if case.n_outputs > 1:
                    prediction = labels[z.astype(int) - 1]
                elif case.classes:
                    prediction = labels[(z > 0.0).astype(int)]
                else:
                    prediction = z
                found.append((f"{loss} {passes}", test_score(case, prediction), taken))
                spent += taken
                if spent > seconds:
                    break
    return found


# -------------------------------------------------------------------------- scores


def describe(setting):
    """A setting in few letters."""
    return " ".join(
        f"{value:.0e}" if isinstance(value, float) else str(value)
        for value in setting.values()
    )


def fit_and_score(case, model, X, X_test):
    seconds, _ = timed_fit(model, X, case.y)
    return seconds, test_score(case, model.predict(X_test))


def race(contestants, repeats, seconds=30.0):
    """Minimal seconds of the fits of (key, X, y, make), taking turns."""
    best, began = {}, clock()
    for turn in range(repeats):
        for key, X, y, make in contestants:
            taken, _ = timed_fit(make(), X, y)
            best[key] = min(best.get(key, np.inf), taken)
        if (clock() - began) * (turn + 2) / (turn + 1) > seconds:
            break
    return best


def likeliest(curves, target, n=3):
    """The curves that reach the target soonest, as (curve, epochs)."""
    found = [(curve, curve.first(target)) for curve in curves]
    found = [(curve, epochs) for curve, epochs in found if epochs]
    found.sort(key=lambda pair: pair[0].seconds * pair[1] / len(pair[0].scores))
    return found[:n]


def logistic(case, solver, alpha):
    return LogisticRegression(
        C=1.0 / (alpha * len(case.y)), solver=solver, random_state=0
    )


def scores_one(case, options):
    """Everything about one set."""
    start = clock()
    scaler = scaler_of(case.X).fit(case.X)
    scaled = scaler.transform(case.X)
    scaling = clock() - start
    both = {"raw": (case.X, case.X_test, 0.0)}
    if options.scaled:
        both["scaled"] = scaled, scaler.transform(case.X_test), scaling
    record = {"ours": {}, "sgd": {}, "peers": {}}
    say(f"{case.name}: {case.X.shape}, {case.X.nnz} entries, {case.n_outputs} outputs")

    # The plain defaults.
    peers = {}
    for kind in both:
        if case.classes:
            for loss in ("log_loss", "hinge"):
                peers[f"SGD {loss} {kind}"] = (
                    lambda loss=loss: SGDClassifier(loss=loss, random_state=0),
                    kind,
                )
            for solver in ("lbfgs", "saga"):
                peers[f"LR {solver} {kind}"] = (
                    lambda solver=solver: logistic(case, solver, ob.ALPHA),
                    kind,
                )
        else:
            peers[f"SGD {kind}"] = (lambda: SGDRegressor(random_state=0), kind)
            peers[f"Ridge {kind}"] = (
                lambda: Ridge(alpha=ob.ALPHA * len(case.y)),
                kind,
            )
    model = case.ours()
    seconds, score = fit_and_score(case, model, case.X, case.X_test)
    record["peers"]["ours, default"] = [score, seconds]
    for name, (make, kind) in peers.items():
        X, X_test, extra = both[kind]
        seconds, score = fit_and_score(case, make(), X, X_test)
        record["peers"][name] = [score, seconds + extra]
    for setting, score, seconds in vw_runs(case):
        record["peers"][f"VW {setting}"] = [score, seconds]
    for name, (score, seconds) in record["peers"].items():
        say(f"    {name:32}{score:9.4f}{1e3 * seconds:10.1f} ms")

    # Time to the best score of SGD*.
    ours = our_curves(case)
    record["ours"] = {describe(c.setting): [c.scores, c.seconds] for c in ours}
    for kind, (X, X_test, extra) in both.items():
        sgd = sgd_curves(case, X, X_test)
        record["sgd"][kind] = {describe(c.setting): [c.scores, c.seconds] for c in sgd}
        target = max(curve.best for curve in sgd)
        steps = same_steps(case, sgd) if kind == "raw" else []
        contestants = [
            ((who, describe(curve.setting), epochs), data, case.y,
             lambda curve=curve, epochs=epochs: curve.make(epochs))
            for who, data, curves in (
                ("sgd", X, sgd), ("ours", case.X, ours), ("steps", case.X, steps)
            )
            for curve, epochs in likeliest(curves, target)
        ]  # fmt: skip
        plain = [c for c in ours if c.setting == {"alpha": 1e-4}]
        best = race(contestants, options.repeats)
        line = f"    {kind}: best SGD {target:.4f}"
        for who in ("sgd", "ours", "steps")[: 3 if steps else 2]:
            times = {key[1:]: t for key, t in best.items() if key[0] == who}
            if times:
                key = min(times, key=times.get)
                t = times[key] + (extra if who == "sgd" else 0.0)
                line += f"; {who} {1e3 * t:.1f} ms ({key[0]}, {key[1]} epochs)"
                record[f"{who} to {kind}"] = [t, *key]
            else:
                top = max(ours if who == "ours" else steps, key=lambda c: c.best)
                line += f"; {who} never, best {top.best:.4f} ({describe(top.setting)})"
        say(line + f"; ours at alpha=1e-4: {plain[0].best:.4f}")
    return record


def scores(options):
    """Test scores and times."""
    results = Results(options.output, "sparse_scores")
    for case in cases(options, optimum_needed=False):
        results[case.name] = scores_one(case, options)


# ------------------------------------------------------------------------ sparsity


def elastic_objective(case, model, alpha, l1_ratio):
    """F with an elasticnet penalty."""
    coef, intercept = coefficients(model)
    smooth = ob.objective(
        case.X, case.y, case.loss, coef, intercept, alpha * (1.0 - l1_ratio)
    )
    return smooth + alpha * l1_ratio * np.abs(coef).sum()


def few_classes(case, n_classes):
    """The rows of the first classes only."""
    if not n_classes or case.n_outputs <= n_classes:
        return case
    kept = np.isin(case.y, np.unique(case.y)[:n_classes])
    return replace(case, X=case.X[kept], y=case.y[kept])


def sparsity_one(case, alpha, l1_ratio, saga_iter):
    """Non-zeros of our default fit, of an exact one of ours, and of saga's."""
    penalty = {"penalty": "elasticnet", "alpha": alpha, "l1_ratio": l1_ratio}
    saga = LogisticRegression(
        C=1.0 / (alpha * len(case.y)), penalty="elasticnet", l1_ratio=l1_ratio,
        solver="saga", tol=1e-6, max_iter=saga_iter, random_state=0,
    )  # fmt: skip
    models = {
        "default": case.ours(**penalty),
        "exact": case.ours(tol=1e-8, max_iter=10_000, **penalty),
        "saga": saga,
    }
    record = {}
    for name, model in models.items():
        seconds, _ = timed_fit(model, case.X, case.y)
        record[name] = {
            "nonzero": int(np.count_nonzero(model.coef_)),
            "F": elastic_objective(case, model, alpha, l1_ratio),
            "n_iter": int(np.max(model.n_iter_)),
            "seconds": seconds,
        }
    best = min(r["F"] for r in record.values())
    _, counts = np.unique(case.y, return_counts=True)
    share = counts / len(case.y)
    null = -float(share @ np.log(share))
    for r in record.values():
        r["gap"] = (r["F"] - best) / (null - best)
    return record


def sparsity(options):
    """Numbers of coefficients that are not zero."""
    results = Results(options.output, "sparsity")
    for case in cases(options, optimum_needed=False):
        if not case.classes:
            continue
        case = few_classes(case, options.classes)
        say(f"{case.name} {case.X.shape} {case.n_outputs} outputs")
        found = {}
        for alpha, ratio in itertools.product(options.alphas, options.l1_ratios):
            found[f"{alpha:g} {ratio:g}"] = r = sparsity_one(
                case, alpha, ratio, options.saga_iter
            )
            line = f"    alpha {alpha:g} l1_ratio {ratio:g}"
            for name, run in r.items():
                line += (
                    f"; {name} {run['nonzero']} gap {run['gap']:.0e} in "
                    f"{1e3 * run['seconds']:.0f} ms ({run['n_iter']})"
                )
            most = max(r["saga"]["nonzero"], 1)
            say(line + f"; ratio {r['default']['nonzero'] / most:.3f}")
        results[case.name] = found


def say(text):
    print(text, flush=True)


PARTS = {part.__name__: part for part in (scores, sparsity)}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--output", required=True, help="folder of the results")
    parser.add_argument("--sets", nargs="+", default=SETS)
    parser.add_argument("--cap", type=int, default=1_000_000, help="most rows of a set")
    parser.add_argument("--seed", type=int, default=0, help="of the subset and split")
    parser.add_argument("--repeats", type=int, default=5, help="of timed fits")
    parser.add_argument("--scaled", action="store_true", help="peers on scaled X too")
    parser.add_argument("--alphas", type=float, nargs="+", default=[1e-3, 1e-4])
    parser.add_argument("--l1-ratios", type=float, nargs="+", default=[0.15, 0.5, 1.0])
    parser.add_argument(
        "--classes", type=int, default=0, help="the first so many, 0 all"
    )
    parser.add_argument("--saga-iter", type=int, default=3000)
    parser.add_argument("--clock", choices=list(CLOCKS), default="cpu")
    options = parser.parse_args()
    use_clock(options.clock)
    with threadpool_limits(1):
        PARTS[options.part](options)


if __name__ == "__main__":
    main()
