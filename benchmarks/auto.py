"""Defaults on raw data against the peers: objective, time, scores, robustness.

    SKLGD_DATA=folder OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 \\
        python benchmarks/auto.py PART --output results

Parts:

optimum   F* and F_null of every set by an independent solver; run it first, the other
          parts judge by it. With --scaled also those of standardised X.
scores    test scores of the defaults, ours on raw X, the peers' on raw and on scaled X
speed     objective at the end of a default fit and its time, against the fewest
          iterations with which a peer comes within --target of the optimum
plot      objective gap against seconds from what `speed` found, and `growth` of ours
growth    objective gap of our fits with growing max_iter and tol=None
robust    outliers, wild units, shifted units: nothing diverges
named     named optimizers and small batches with learning_rate="auto", 50 epochs
gap       optimality_gap_ against the true gap

Each prints a table and writes its results, set by set, to a JSON file of its name in
the output folder. "gap" is (F - F*)/(F_null - F*) on the raw objective (objective.py)
everywhere. vowpalwabbit and snapml join the peers where they import.
"""

import argparse
import importlib.util
import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import scipy.sparse as sp
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import accuracy_score, d2_tweedie_score, r2_score
from threadpoolctl import threadpool_limits

import objective as ob
import problems as pb
from peers import (
    CLOCKS,
    OPTIONAL,
    clock,
    coefficients,
    default_peers,
    fit_peer,
    in_raw_units,
    optional_peers,
    peers_of,
    scaler_of,
    timed_fit,
    use_clock,
)
from sklgd import GDClassifier, GDRegressor

PEER_SECONDS = 20.0  # no run of a peer that is predicted to take longer
REPEAT_SECONDS = 60.0  # total time of the repeats of one set


class Results:
    """The results of one part, a JSON file that is written after every set."""

    def __init__(self, folder, part):
        self.path = Path(folder) / f"{part}.json"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.sets = json.loads(self.path.read_text()) if self.path.exists() else {}

    def __setitem__(self, name, record):
        self.sets[name] = record
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(self.sets, indent=1, default=float))
        os.replace(partial, self.path)


# ------------------------------------------------------------------------ problems


@dataclass
class Case:
    """One set to learn from, and what is known of its optimum."""

    name: str
    X: object
    X_test: object
    y: np.ndarray
    y_test: np.ndarray
    loss: str
    F_star: float = np.nan
    F_null: float = np.nan
    converged: bool = False
    F_star_scaled: float = np.nan
    F_null_scaled: float = np.nan
    target: float = 1e-3  # the gap at which a fit counts as done

    @property
    def classes(self):
        return self.loss == "log_loss"

    @property
    def n_outputs(self):
        n_classes = len(np.unique(self.y)) if self.classes else 2
        return n_classes if n_classes > 2 else 1

    def gap(self, coef, intercept):
        """(F - F*)/(F_null - F*) of raw coefficients; inf if not finite."""
        if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
            return np.inf
        with np.errstate(over="ignore", invalid="ignore"):
            F = ob.objective(self.X, self.y, self.loss, coef, intercept)
        gap = (F - self.F_star) / (self.F_null - self.F_star)
        return float(gap) if np.isfinite(gap) else np.inf

    def ours(self, **parameters):
        """Our estimator with its defaults, apart from the loss and ``parameters``."""
        if self.classes:
            return GDClassifier(random_state=0, **parameters)
        return GDRegressor(loss=self.loss, random_state=0, **parameters)


def cases(options, optimum_needed=True):
    """The sets of the command line, one at a time."""
    found = Results(options.output, "optimum").sets
    scaled = Results(options.output, "optimum_scaled").sets
    for name in options.sets:
        problem = pb.load_problem(name, options.cap, options.seed)
        case = Case(name, *problem, target=options.target)
        record = found.get(name)
        if record is not None and record["n_train"] == len(case.y):
            case.F_star, case.F_null = record["F_star"], record["F_null"]
            case.converged = record["converged"]
        elif optimum_needed:
            print(f"{name}: run `optimum` with this --cap first; skipped")
            continue
        record = scaled.get(name)
        if record is not None and record["n_train"] == len(case.y):
            case.F_star_scaled, case.F_null_scaled = record["F_star"], record["F_null"]
        yield case


def optimizer_name(model):
    """The chosen optimizer and batch size, shortly."""
    return f"{model.optimizer_.name}/{model.batch_size_}"


# ------------------------------------------------------------------------- optimum


def optimum(options):
    """F* and F_null of every set."""
    results = Results(options.output, "optimum_scaled" if options.scaled else "optimum")
    for name in options.sets:
        X, _, y, _, loss = pb.load_problem(name, options.cap, options.seed)
        if options.scaled:
            X = scaler_of(X).fit_transform(X)
        # The minimiser is kept: another call goes on where the time was over.
        kept = results.path.parent / f"{results.path.stem}_{name}_{len(y)}.npz"
        start = None
        if kept.exists():
            with np.load(kept) as stored:
                start = stored["coef"], stored["intercept"]
        found = ob.solve(X, y, loss, seconds=options.seconds, start=start)
        if not found.converged:
            np.savez(kept, coef=found.coef, intercept=found.intercept)
        record = {
            key: value
            for key, value in vars(found).items()
            if key not in ("coef", "intercept")
        }
        results[name] = {"loss": loss, "alpha": ob.ALPHA, **record}
        print(
            f"{name:20} {loss:14} {X.shape[0]:6} x {X.shape[1]:<6} "
            f"F* {found.F_star:<18.12g} F_null {found.F_null:<12.7g} "
            f"left {found.decrement:.0e} {found.seconds:.1f} s"
            f"{'' if found.converged else ' NOT CONVERGED'}",
            flush=True,
        )


# -------------------------------------------------------------------------- scores


def score(loss, y, prediction):
    """Accuracy, R2 or explained Poisson deviance (D2)."""
    if not np.isfinite(prediction).all():
        return -np.inf
    if loss == "log_loss":
        return accuracy_score(y, prediction)
    if loss == "poisson":
        positive = np.maximum(prediction, 1e-300)
        return d2_tweedie_score(y, positive, power=1)
    return r2_score(y, prediction)


def explain_loss(case, winner, model, scaler):
    """Why a peer scores higher: its objective, and ours with its penalty.

    The raw objective at alpha of our default at the peer's solution and at ours; and
    our test score on the peer's data (scaled if it was) with the peer's alpha.
    """
    X, X_test = case.X, case.X_test
    if scaler is not None:
        X, X_test = scaler.transform(X), scaler.transform(X_test)
    n_samples = len(case.y)
    alpha = {
        "LogisticRegression": 1.0 / n_samples,
        "Ridge": 1.0 / n_samples,
        "PoissonRegressor": 1.0,
    }.get(winner.split()[0], ob.ALPHA)
    same = case.ours(alpha=alpha, tol=1e-6)
    timed_fit(same, X, case.y)
    return {
        "gap_of_peer": case.gap(*in_raw_units(*coefficients(model), scaler)),
        "alpha_of_peer": alpha,
        "score_with_alpha_of_peer": score(case.loss, case.y_test, same.predict(X_test)),
    }


def score_others(case, n_iter=20):
    """Scores of peers with another objective.

    SGDClassifier() with its hinge loss on scaled X; Snap ML and Vowpal Wabbit, where
    they import, after 20 passes.
    """
    found = {}
    if case.classes:
        scaler = scaler_of(case.X)
        model = SGDClassifier(random_state=0)
        timed_fit(model, scaler.fit_transform(case.X), case.y)
        prediction = model.predict(scaler.transform(case.X_test))
        found["SGDClassifier(hinge)"] = score(case.loss, case.y_test, prediction)
    for peer in optional_peers(case):
        coef, intercept = fit_peer(case, peer, n_iter).raw()
        z = (case.X_test @ coef.T + intercept).ravel()
        if case.classes:
            z = np.unique(case.y)[(z > 0.0).astype(int)]
        elif case.loss == "poisson":
            z = np.exp(np.minimum(z, 700.0))
        found[peer.name] = score(case.loss, case.y_test, z)
    return found


def score_one(case):
    """Scores of our default and of each peer's on one set."""
    ours = case.ours()
    timed_fit(ours, case.X, case.y)
    record = {
        "ours": score(case.loss, case.y_test, ours.predict(case.X_test)),
        "gap": case.gap(ours.coef_, ours.intercept_),
        "peers": {},
    }
    fitted = {}
    for name, model, scaled in default_peers(case.loss):
        scaler = scaler_of(case.X).fit(case.X) if scaled else None
        X = scaler.transform(case.X) if scaled else case.X
        X_test = scaler.transform(case.X_test) if scaled else case.X_test
        timed_fit(model, X, case.y)
        record["peers"][name] = score(case.loss, case.y_test, model.predict(X_test))
        fitted[name] = (model, scaler)
    best = max(record["peers"], key=record["peers"].get)
    record["best_peer"] = best
    record["others"] = score_others(case)
    record["difference"] = record["ours"] - record["peers"][best]
    if record["difference"] < -0.003:
        record["explanation"] = explain_loss(case, best, *fitted[best])
    return record


def scores(options):
    """Test scores of the defaults."""
    results = Results(options.output, "scores")
    print(f"{'set':26}{'ours':>9}{'best':>9}{'diff':>9}  best peer")
    differences = []
    for case in cases(options, optimum_needed=False):
        # A count is also an ordinary number.
        variants = [case]
        if case.loss == "poisson":
            unknown = {"F_star": np.nan, "F_null": np.nan}
            name = f"{case.name} (R2)"
            variants.append(replace(case, name=name, loss="squared_error", **unknown))
        for variant in variants:
            results[variant.name] = record = score_one(variant)
            differences.append(record["difference"])
            line = (
                f"{variant.name:26}{record['ours']:9.4f}"
                f"{record['peers'][record['best_peer']]:9.4f}"
                f"{record['difference']:9.4f}  {record['best_peer']}"
            )
            why = record.get("explanation")
            if why is not None:
                line += (
                    f" | gaps: ours {record['gap']:.1e}, peer {why['gap_of_peer']:.1e};"
                    f" ours with alpha={why['alpha_of_peer']:.1e}: "
                    f"{why['score_with_alpha_of_peer']:.4f}"
                )
            for name, value in record["others"].items():
                line += f" | {name} {value:.4f}"
            print(line, flush=True)
    if differences:
        differences = np.array(differences)
        print(
            f"mean difference {differences.mean():.4f}; "
            f"{(differences < -0.01).sum()} of {len(differences)} worse by over 0.01"
        )


# --------------------------------------------------------------------------- speed


@dataclass
class Run:
    """One fit of a peer.

    ``gap`` is that of the raw objective, ``own_gap`` of the peer's own: the penalty of
    scaled coefficients is another one (nan unless `optimum --scaled` was run).
    """

    n_iter: int
    seconds: float
    gap: float
    own_gap: float


def run_peer(case, peer, n_iter):
    """Fit a peer with at most ``n_iter`` iterations; (`Run`, iterations made)."""
    fitted = fit_peer(case, peer, n_iter)
    gap = own = case.gap(*fitted.raw())
    if fitted.scaler is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            F = ob.objective(fitted.X, case.y, case.loss, fitted.coef, fitted.intercept)
        own = (F - case.F_star_scaled) / (case.F_null_scaled - case.F_star_scaled)
    return Run(n_iter, fitted.seconds, gap, float(own)), fitted.n_iter


def hopeless(runs, fastest):
    """True if more iterations will not make this peer the winner.

    The next run would take 10 times as long as the fastest peer so far (or too long at
    all), or four doublings have gained less than a tenth.
    """
    following = 2.0 * runs[-1].seconds
    if following > min(PEER_SECONDS, max(0.5, 10.0 * fastest)):
        return True
    gaps = [min(run.gap, run.own_gap) for run in runs]
    return len(gaps) > 8 and min(gaps[-4:]) > 0.9 * min(gaps[:-4])


def climb(case, peer, fastest):
    """Runs of a peer with twice the iterations each, until the target or `hopeless`.

    Between the last two the least sufficient number is then bisected.
    """
    if peer.flops / 1e10 > PEER_SECONDS:
        return []
    runs, n_iter = [], 1
    while True:
        try:
            run, made = run_peer(case, peer, n_iter)
        except (ValueError, FloatingPointError, np.linalg.LinAlgError) as error:
            print(f"  {peer.name}: {error!s:.100}")
            break
        runs.append(run)
        finished = not peer.iterative or made < n_iter or n_iter >= 2**14
        if run.gap <= case.target or finished or hopeless(runs, fastest):
            break
        n_iter *= 2
    for attribute in ("gap", "own_gap"):
        bisect(case, peer, runs, attribute)
    return sorted(runs, key=lambda run: run.n_iter)


def bisect(case, peer, runs, attribute):
    """Three more runs, between the last that misses the target and the first within."""
    first = cheapest(runs, case.target, attribute)
    if first is None:
        return
    high = first.n_iter
    low = max((run.n_iter for run in runs if run.n_iter < high), default=high)
    for _ in range(3):
        middle = (low + high) // 2
        if middle <= low:
            break
        run, _ = run_peer(case, peer, middle)
        runs.append(run)
        within = getattr(run, attribute) <= case.target
        low, high = (low, middle) if within else (middle, high)


def cheapest(runs, target, attribute="gap"):
    """The run with the fewest iterations that reaches the target, or None."""
    done = [run for run in runs if getattr(run, attribute) <= target]
    return min(done, key=lambda run: run.n_iter, default=None)


@dataclass
class Race:
    """Our default fit against the peers on one set."""

    seconds: float
    gap: float
    estimated_gap: float
    n_iter: int
    optimizer: str
    best_peer: str | None
    best_seconds: float
    best_own_peer: str | None
    best_own_seconds: float
    converged: bool
    peers: dict = field(default_factory=dict)

    @property
    def ratio(self):
        return self.seconds / self.best_seconds

    @property
    def own_ratio(self):
        return self.seconds / self.best_own_seconds


def repeat(case, contestants, repeats):
    """Minimal seconds of ours and of the contestants, taking turns."""
    best = {None: np.inf, **{key: np.inf for key in contestants}}
    start = clock()
    for turn in range(repeats):
        ours = case.ours()
        best[None] = min(best[None], timed_fit(ours, case.X, case.y)[0])
        for key, (peer, n_iter) in contestants.items():
            run, _ = run_peer(case, peer, n_iter)
            best[key] = min(best[key], run.seconds)
        spent = clock() - start
        if turn and spent * (turn + 2) / (turn + 1) > REPEAT_SECONDS:
            break
    return best, ours


def race(case, repeats):
    """`Race` on one set."""
    peers = list(peers_of(case))
    runs, fastest = {}, np.inf
    for peer in peers:
        runs[peer.name] = climb(case, peer, fastest)
        first = cheapest(runs[peer.name], case.target)
        fastest = min(fastest, np.inf if first is None else first.seconds)
    contestants = {}
    for attribute in ("gap", "own_gap"):
        found = []
        for peer in peers:
            run = cheapest(runs[peer.name], case.target, attribute)
            if run is not None:
                found.append((run, peer))
        found.sort(key=lambda pair: pair[0].seconds)
        for run, peer in found[:3]:
            contestants[attribute, peer.name] = (peer, run.n_iter)
    times, ours = repeat(case, contestants, repeats)

    def winner(attribute):
        keys = [key for key in contestants if key[0] == attribute]
        best = min(keys, key=times.get, default=None)
        return (None, np.nan) if best is None else (best[1], times[best])

    return Race(
        times[None], case.gap(ours.coef_, ours.intercept_), ours.optimality_gap_,
        ours.n_iter_, optimizer_name(ours), *winner("gap"), *winner("own_gap"),
        case.converged,
        {name: [vars(run) for run in found] for name, found in runs.items()},
    )  # fmt: skip


def speed(options):
    """Objective and time of default fits against the peers."""
    for module in OPTIONAL:
        if importlib.util.find_spec(module) is None:
            print(f"{module} does not import here: left out")
    results = Results(options.output, "speed")
    print(
        f"{'set':20}{'ms':>9}{'gap':>9}{'estim.':>9}{'best ms':>9}{'ratio':>7}  "
        "best peer; [the same where a scaled peer may solve its own objective]; ours"
    )
    races = {}
    for case in cases(options):
        races[case.name] = r = race(case, options.repeats)
        results[case.name] = vars(r)
        own = ""
        if np.isfinite(r.best_own_seconds):
            own = (
                f" [{1e3 * r.best_own_seconds:.1f} {r.own_ratio:.2f} {r.best_own_peer}]"
            )
        print(
            f"{case.name:20}{1e3 * r.seconds:9.1f}{r.gap:9.1e}{r.estimated_gap:9.1e}"
            f"{1e3 * r.best_seconds:9.1f}{r.ratio:7.2f}  {r.best_peer}{own}; "
            f"{r.optimizer} {r.n_iter} epochs",
            flush=True,
        )
        lowest = {p: min(run["gap"] for run in rs) for p, rs in r.peers.items() if rs}
        beaten = {p: gap for p, gap in lowest.items() if gap < -1e-8}
        if beaten:
            print(f"  below the optimum that is known: {beaten}")
    summary(races, options.target)


def summary(races, target):
    """How many sets were won and lost."""
    compared = [r for r in races.values() if r.best_peer is not None]
    if not races:
        return
    print(
        f"{len(races)} sets; within {target:g}: "
        f"{sum(r.gap <= target for r in races.values())}; "
        f"a peer gets there too: {len(compared)}; fastest and within: "
        f"{sum(r.gap <= target and not r.ratio > 1.0 for r in races.values())}; "
        f"more than 2x slower: {sum(r.ratio > 2.0 for r in compared)}"
    )


def growth(options):
    """Objective gap of our fits with growing max_iter, for the plot."""
    results = Results(options.output, "growth")
    for case in cases(options):
        points, max_iter = [], 1
        while max_iter <= 1024:
            seconds, gap, made = np.inf, np.inf, 0
            for _ in range(2):
                model = case.ours(max_iter=max_iter, tol=None)
                seconds = min(seconds, timed_fit(model, case.X, case.y)[0])
                gap, made = case.gap(model.coef_, model.intercept_), model.n_iter_
            points.append({"n_iter": made, "seconds": seconds, "gap": gap})
            if gap <= 1e-9 or made < max_iter or 2.0 * seconds > PEER_SECONDS:
                break
            max_iter *= 2
        results[case.name] = points
        ends = points[-1]
        print(f"{case.name:20}{ends['gap']:9.1e} after {ends['seconds']:.3g} s")


def curve(runs):
    """Seconds and gaps of runs in the order of their iterations.

    More iterations take no less time: what says so is noise and is taken out.
    """
    seconds = np.array([run["seconds"] for run in runs])
    seconds = np.minimum.accumulate(seconds[::-1])[::-1]
    return seconds, [np.clip(run["gap"], 1e-12, 1e3) for run in runs]


def plot(options):
    """Objective gap against seconds, a panel for each set."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    races = Results(options.output, "speed").sets
    growths = Results(options.output, "growth").sets
    names = [name for name in options.sets if name in races]
    if not names:
        print("nothing to plot: run `speed` first")
        return
    n_columns = min(6, len(names))
    n_rows = -(-len(names) // n_columns)
    height = 2.6 * n_rows + 1.2  # the last for the legend
    figure, axes = plt.subplots(
        n_rows, n_columns, figsize=(3.2 * n_columns, height), squeeze=False
    )
    peers = sorted({peer for name in names for peer in races[name]["peers"]})
    palette = dict(zip(peers, plt.get_cmap("tab20").colors * 2, strict=False))
    for axis, name in zip(axes.ravel(), names, strict=False):
        for peer, runs in races[name]["peers"].items():
            points = curve(runs)
            axis.plot(*points, ".-", lw=0.8, ms=3, color=palette[peer], label=peer)
        if name in growths:
            axis.plot(*curve(growths[name]), "k-", lw=1.6, label="sklgd")
        default = (races[name]["seconds"], max(races[name]["gap"], 1e-12))
        axis.plot(*default, "k*", ms=9, label="sklgd, default fit")
        axis.axhline(options.target, color="0.7", lw=0.7)
        axis.set(xscale="log", yscale="log", ylim=(1e-8, 3), title=name)
    for axis in axes.ravel()[len(names) :]:
        axis.axis("off")
    shown = {}
    for axis in axes.ravel():
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            shown.setdefault(label, handle)
    figure.supylabel("(F - F*) / (F_null - F*)", fontsize=9)
    figure.tight_layout(rect=(0.01, 1.1 / height, 1, 1))
    figure.legend(
        shown.values(), shown, loc="lower center", ncols=2 + n_columns // 2,
        fontsize=8, title="against seconds",
    )  # fmt: skip
    path = Path(options.output) / "gap_against_seconds.png"
    figure.savefig(path, dpi=130)
    print(path)


# -------------------------------------------------------------------------- robust


def outliers(X, rng):
    """0.1 % of the cells (of a sparse X: of the stored ones) times 1e4."""
    X = X.copy()
    cells = X.data if sp.issparse(X) else X.reshape(-1)
    hit = rng.choice(cells.size, size=max(1, cells.size // 1000), replace=False)
    cells[hit] *= 1e4
    return X


def wild_units(X, rng):
    """Columns times 10**uniform(-6, 6)."""
    factor = 10.0 ** rng.uniform(-6.0, 6.0, X.shape[1])
    return (X @ sp.diags(factor)).tocsr() if sp.issparse(X) else X * factor


def other_units(X, rng):
    """X * c + m (sparse: X * c) with the factors 10**uniform(-3, 3)."""
    factor = 10.0 ** rng.uniform(-3.0, 3.0, X.shape[1])
    if sp.issparse(X):
        return (X @ sp.diags(factor)).tocsr()
    shift = 10.0 * rng.standard_normal(X.shape[1]) * X.std(axis=0) * factor
    return X * factor + shift


def raw_prediction(model, X):
    if hasattr(model, "decision_function"):
        return model.decision_function(X)
    return model.predict(X)


def troubles(case, X):
    """What is wrong with a default fit on X: a list of words."""
    model = case.ours()
    try:
        _, messages = timed_fit(model, X, case.y)
    except ValueError as error:
        return [f"ValueError: {error}"]
    found = [message for message in messages if "diverge" in message.lower()]
    if model.stop_reason_ == "diverged":
        found.append("stop_reason_ diverged")
    if not (np.isfinite(model.coef_).all() and np.isfinite(model.intercept_).all()):
        found.append("coefficients not finite")
    elif not np.isfinite(raw_prediction(model, X)).all():
        found.append("predictions not finite")
    gain = model.loss_curve_[-1] - case.F_null
    if gain > 1e-6 * abs(case.F_null):
        found.append("worse than a constant model")
    return found


def unit_change(case, rng):
    """Relative change of the predictions of a fit without penalty in other units."""
    X = other_units(case.X, rng)
    predictions = []
    for data in (case.X, X):
        model = case.ours(alpha=0.0)
        timed_fit(model, data, case.y)
        predictions.append(raw_prediction(model, data))
    first, second = predictions
    spread = np.linalg.norm(first - first.mean(axis=0))
    return float(np.linalg.norm(first - second) / max(spread, 1e-300))


def robust(options):
    """Outliers, wild units and other units."""
    results = Results(options.output, "robust")
    kinds = {"plain": None, "outliers": outliers, "wild units": wild_units}
    bad, moved = 0, []
    for case in cases(options):
        record = {"change": 0.0}
        for kind, perturb in kinds.items():
            for seed in range(3 if perturb else 1):
                rng = np.random.default_rng(seed)
                X = perturb(case.X, rng) if perturb else case.X
                found = troubles(case, X)
                if found:
                    record[f"{kind} {seed}"] = found
                    bad += 1
        for seed in range(3):
            change = unit_change(case, np.random.default_rng(seed))
            record["change"] = max(record["change"], change)
        moved.append(record["change"])
        results[case.name] = record
        rest = {key: value for key, value in record.items() if key != "change"}
        print(
            f"{case.name:20} units move predictions by {record['change']:.1e}"
            f"{f'  {rest}' if rest else ''}",
            flush=True,
        )
    print(
        f"{bad} fits in trouble; units move predictions by more than 1e-3 on "
        f"{sum(change > 1e-3 for change in moved)} of {len(moved)} sets"
    )


# --------------------------------------------------------------------------- named

NAMED = {
    **{
        name: {"optimizer": name}
        for name in (
            "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam",
        )
    },
    "batch_size=1": {"batch_size": 1},
    "batch_size=64": {"batch_size": 64},
}  # fmt: skip
EPOCHS = 50


def named_one(case, parameters, limit):
    """Best gap within EPOCHS epochs, fewer where they would take too long."""
    model = case.ours(max_iter=1, tol=None, **parameters)
    seconds, _ = timed_fit(model, case.X, case.y)
    max_iter = int(np.clip(limit / max(seconds, 1e-9), 1, EPOCHS))
    model = case.ours(max_iter=max_iter, tol=None, **parameters)
    seconds, messages = timed_fit(model, case.X, case.y)
    curve = np.asarray(model.loss_curve_)
    best = (np.min(curve) - case.F_star) / (case.F_null - case.F_star)
    return {
        "best": float(best),
        "last": case.gap(model.coef_, model.intercept_),
        "epochs": model.n_iter_,
        "cut": max_iter < EPOCHS,
        "seconds": seconds,
        "diverged": model.stop_reason_ == "diverged"
        or any("diverge" in message.lower() for message in messages),
    }


def named(options):
    """Named optimizers with learning_rate="auto", and small batches."""
    results = Results(options.output, "named")
    print(f"{'set':20}" + "".join(f"{method:>15}" for method in NAMED))
    records = []
    for case in cases(options):
        record = {
            method: named_one(case, parameters, options.limit)
            for method, parameters in NAMED.items()
        }
        results[case.name] = record
        records.append(record)
        cells = (
            f"{r['best']:13.1e}{'!' if r['diverged'] else ' '}"
            f"{'<' if r['cut'] else ' '}"
            for r in record.values()
        )
        print(f"{case.name:20}" + "".join(cells), flush=True)
    if not records:
        return
    shares = (np.mean([r[method]["best"] <= 1e-2 for r in records]) for method in NAMED)
    print(f"{'share within 1e-2':20}" + "".join(f"{share:15.2f}" for share in shares))
    print("! diverged, < fewer than 50 epochs for want of time (--limit)")


# ----------------------------------------------------------------------------- gap


def gap(options):
    """optimality_gap_ against the true gap at the end of default fits."""
    results = Results(options.output, "gap")
    print(f"{'set':20}{'true':>10}{'estimated':>11}{'ratio':>9}")
    good, n_sets = 0, 0
    for case in cases(options):
        model = case.ours()
        timed_fit(model, case.X, case.y)
        true = case.gap(model.coef_, model.intercept_)
        ratio = model.optimality_gap_ / true if true > 0.0 else np.nan
        results[case.name] = {
            "true": true,
            "estimated": model.optimality_gap_,
            "ratio": ratio,
            "optimizer": optimizer_name(model),
            "stop_reason": model.stop_reason_,
        }
        good += bool(0.3 <= ratio <= 3.0)
        n_sets += 1
        print(
            f"{case.name:20}{true:10.1e}{model.optimality_gap_:11.1e}{ratio:9.2g}  "
            f"{optimizer_name(model)} {model.stop_reason_}",
            flush=True,
        )
    print(f"between 0.3 and 3 on {good} of {n_sets} sets")


PARTS = {
    part.__name__: part
    for part in (optimum, scores, speed, growth, plot, robust, named, gap)
}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--output", required=True, help="folder of the results")
    parser.add_argument("--sets", nargs="+", help="names; default all")
    parser.add_argument("--cap", type=int, default=50_000, help="most rows of a set")
    parser.add_argument("--seed", type=int, default=0, help="of the subset and split")
    parser.add_argument("--target", type=float, default=1e-3, help="gap of `speed`")
    parser.add_argument("--repeats", type=int, default=5, help="of timed fits")
    parser.add_argument("--seconds", type=float, default=240.0, help="cap of `optimum`")
    parser.add_argument("--scaled", action="store_true", help="`optimum` of scaled X")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds, `named`")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall")
    options = parser.parse_args()
    use_clock(options.clock)
    options.sets = options.sets or pb.problem_names()
    with threadpool_limits(1):
        PARTS[options.part](options)


if __name__ == "__main__":
    main()
