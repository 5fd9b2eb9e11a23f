"""Tables and plots of the results of run.py.

    python benchmarks/report.py results.json             # report.md and PNGs by it
    python benchmarks/report.py results.json --headline   # README's table, printed;
                                                  # --headline README.md: put into it
    python benchmarks/report.py results.json --picture gap.svg    # README's picture

Times are minima over the repeats. Without matplotlib there are no plots.
"""

import argparse
import importlib.util
import json
import math
import sys
from collections import defaultdict
from pathlib import Path

PAIR = "sklgd sgd", "SGD*"
# Lines in the picture of the growth; the tables have all.
SHOWN_GROWTH = (
    "sklgd, a default fit", "sklgd sgd", "sklgd adam", "sklgd adam, no penalty",
    "sklgd nesterov", "SGD*", "MLP* adam",
)  # fmt: skip
# README's picture: real sets, one dense and one sparse, and who is in it.
SHOWN = ("adult", "imdb")
# What the plots of the gap show of sklgd, next to the best peers.
OURS_IN_GAPS = ("sklgd auto", "sklgd sgd")
SHOWN_LIBRARIES = (
    "sklgd auto", "sklgd sgd", "SGD*", "LogisticRegression lbfgs",
    "LogisticRegression saga", "LogisticRegression newton-cg", "MLP* adam",
    "PyTorch adam",
)  # fmt: skip


class Results:
    """The JSON file of run.py, its records by part."""

    def __init__(self, path):
        found = json.loads(Path(path).read_text())
        self.machine, self.seconds = found["machine"], found["seconds"]
        self.parts = defaultdict(list)
        self.skipped = []
        for record in found["records"]:
            if "skipped" in record:
                self.skipped.append(record)
            else:
                self.parts[record["part"]].append(record)

    def grouped(self, part, key):
        """Records of a part in lists of equal ``key(record)``, in the file's order."""
        groups = defaultdict(list)
        for record in self.parts[part]:
            groups[key(record)].append(record)
        return dict(groups)

    def conditions(self):
        """Machine, versions and date in a sentence or two."""
        m = self.machine
        versions = ", ".join(f"{name} {v}" for name, v in m["versions"].items())
        isa = f" (kernels: {m['isa']})" if m["isa"] else ""
        return (
            f"{m['cpu']}, {m['processors']} processors, {m['system']}, "
            f"Python {m['python']}; {versions}; {', '.join(m['blas'])}; "
            f"commit {m['commit']}{isa}, {m['date'][:10]}, {m['clock']} time, "
            f"level {m['level']}."
        )


def problem_key(record):
    penalty = record["penalty"]
    extra = "" if penalty == "l2" else f", {penalty}"
    return record["problem"]["name"] + extra


def best(record):
    return record["epoch_ms"]["min"]


def geometric_mean(values):
    values = [v for v in values if v > 0.0]
    return math.exp(sum(map(math.log, values)) / len(values)) if values else math.nan


def number(value):
    """Three digits."""
    if value is None or not math.isfinite(value):
        return "-"
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def ratio(slow, fast):
    return slow / fast if fast > 0.0 else math.nan


def table(head, rows):
    """A table in Markdown; the first column is text, the others are numbers."""
    lines = ["| " + " | ".join(head) + " |"]
    lines.append("|" + "|".join(["---"] + ["---:"] * (len(head) - 1)) + "|")
    lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "\n".join(lines) + "\n"


# -------------------------------------------------------------------------- tables


def pair_table(results):
    """sklgd against SGD*, one row for each problem, and geometric means."""
    rows, ratios = [], defaultdict(list)
    for name, records in results.grouped("epochs", problem_key).items():
        by_library = {record["library"]: record for record in records}
        if not all(library in by_library for library in PAIR):
            continue
        ours, theirs = (by_library[library] for library in PAIR)
        found = ratio(best(theirs), best(ours))
        medians = ratio(theirs["epoch_ms"]["median"], ours["epoch_ms"]["median"])
        problem = ours["problem"]
        if problem["nnz"] is None:
            ratios[f"dense {problem['dtype']}"].append(found)
        else:
            ratios[f"CSR {ours['penalty']}"].append(found)
        rows.append(
            [
                name,
                number(best(theirs)),
                number(best(ours)),
                number(found),
                number(medians),
                total_ratio(theirs, ours),
            ]
        )
    head = [
        "ms per epoch, batch_size=1", "SGD*", "sklgd sgd", "ratio", "of medians",
        "of fits of 10 epochs",
    ]  # fmt: skip
    means = "".join(
        f"- {name}: {number(geometric_mean(found))} times as fast in the geometric "
        f"mean of {len(found)}, at least {number(min(found))}\n"
        for name, found in ratios.items()
    )
    return table(head, rows) + "\n" + means


def total_ratio(theirs, ours, epochs=10):
    """Ratio of whole fits of so many epochs, set-up included."""

    def fit(record):
        first = record["short_fit_ms"]["min"]
        return first + (epochs - record["short_fit_epochs"]) * best(record)

    return number(ratio(fit(theirs), fit(ours)))


def library_table(results, part):
    """Every library on the problems that all take part in."""
    groups = {
        name: records
        for name, records in results.grouped(part, problem_key).items()
        if len(records) > 2
    }
    libraries = list(dict.fromkeys(r["library"] for g in groups.values() for r in g))
    rows = []
    for name, records in groups.items():
        found = {r["library"]: r for r in records}
        cells = []
        for library in libraries:
            record = found.get(library)
            cells.append("-" if record is None else marked(record))
        rows.append([name, *cells])
    note = (
        "\n\\* measured on fewer rows and multiplied; † another objective "
        "(see the library's file).\n"
    )
    return table(["ms per epoch", *libraries], rows) + note


def marked(record):
    """Time with signs for what is special."""
    sign = "*" if record["rows"] < record["problem"]["n_samples"] else ""
    return number(best(record)) + sign + ("†" if record["deviates"] else "")


def gap_table(results, target=1e-3):
    """Seconds until the gap is below the target."""
    groups = results.grouped("gap", lambda r: r["problem"]["name"])
    libraries = list(dict.fromkeys(r["library"] for r in results.parts["gap"]))
    rows = []
    for library in libraries:
        cells = []
        for records in groups.values():
            found = [r for r in records if r["library"] == library]
            reached = [
                p["seconds"] for r in found for p in r["points"] if p["gap"] <= target
            ]
            if reached:
                cells.append(number(1e3 * min(reached)))
            else:
                cells.append("not" if found else "-")
        rows.append([library, *cells])
    return table([f"ms to a gap of {target:g}", *groups], rows)


def memory_table(results):
    rows = [
        [
            r["problem"]["name"],
            r["library"],
            f"{r['problem']['bytes'] / 1e6:.0f}",
            f"{100 * r['share']['rss']:.1f}",
            f"{100 * r['share']['traced']:.1f}",
        ]
        for r in results.parts["memory"]
    ]
    head = ["data", "fit", "X, MB", "peak beyond X, %", "of NumPy's arrays, %"]
    return table(head, rows)


def threads_table(results):
    rows = []
    key = lambda r: (r["problem"]["name"], r["library"])  # noqa: E731
    for (problem, method), records in results.grouped("threads", key).items():
        one = best(records[0])
        cells = []
        for record in records:
            cells.append(f"n_jobs={record['n_jobs']}: {number(best(record))} ms")
            if record is not records[0]:
                cells[-1] += f" ({number(ratio(one, best(record)))}x)"
        same = all(record.get("same_bits", True) for record in records)
        rows.append([problem, method, "; ".join(cells), "yes" if same else "NO"])
    return table(["data", "method", "epoch", "same bits"], rows)


def busy_table(results):
    rows = []
    for record in results.parts["busy"]:
        one, two = record["ms"]["1"], record["ms"]["2"]
        rows.append(
            [record["library"], record["busy"], number(one), number(two),
             number(ratio(two, one))]
        )  # fmt: skip
    head = ["fit", "other processes", "n_jobs=1, ms", "n_jobs=2, ms", "ratio"]
    return table(head, rows)


def text_table(results):
    text = ""
    for name, records in results.grouped("text", text_key).items():
        rows = [
            [
                r["library"],
                number(r["ms"]["min"]),
                power(r["gap"]),
                power(r["reported"]),
            ]
            for r in records
        ]
        text += f"\n{name}\n\n"
        text += table(["", "ms of a fit", "gap", "gap that it reports"], rows)
    return text


def text_key(record):
    problem = record["problem"]
    size = f"{problem['n_samples']} x {problem['n_features']}"
    return f"{record['kind']}, {size}, alpha={record['alpha']:g}"


def power(value):
    """Two digits and a power of ten."""
    return "-" if value is None or not math.isfinite(value) else f"{value:.1e}"


def growth_table(results):
    text = ""
    for axis, records in results.grouped("growth", lambda r: r["axis"]).items():
        values = list(dict.fromkeys(r["value"] for r in records))
        libraries = list(dict.fromkeys(r["library"] for r in records))
        found = {(r["library"], r["value"]): r for r in records}
        rows = []
        for library in libraries:
            cells = [found.get((library, value)) for value in values]
            cells = ["-" if r is None else number(per_entry(r)) for r in cells]
            rows.append([library, *cells])
        text += f"\n{AXES[axis][0]}\n\n"
        text += table(["ns per entry (and class)", *map("{:g}".format, values)], rows)
    return text


def per_entry(record):
    """Nanoseconds of an epoch for each stored entry, and class from three on."""
    problem = record["problem"]
    entries = problem["n_samples"] * (problem["nnz"] or problem["n_features"])
    classes = problem["n_classes"] or 1
    return 1e6 * best(record) / entries / (classes if classes > 2 else 1)


AXES = {
    "rows": ("Rows, dense, 10 features", "rows"),
    "features": ("Features, dense, the same number of entries", "features"),
    "columns": ("Features, CSR, 50 entries a row", "features"),
    "entries": ("Entries of a row, CSR, 100000 features", "entries of a row"),
    "classes": ("Classes, dense, 100 features", "classes"),
}


def overhead_table(results):
    rows = []
    for call, records in results.grouped("overhead", lambda r: r["call"]).items():
        found = {record["library"]: record["ms"]["min"] for record in records}
        ours, theirs = found["sklgd"], found["SGD*"]
        rows.append([call, number(theirs), number(ours), number(ratio(theirs, ours))])
    head = ["ms", "SGD* (import: sklearn)", "sklgd", "ratio"]
    return table(head, rows)


def machinery_table(results):
    rows = []
    for record in results.parts["machinery"]:
        share = f"{100 * record['share']:.2f} %"
        rows.append([record["machinery"], share, number(record["epoch_us"])])
    return table(["taken out", "share of the fit", "us an epoch"], rows)


# Part -> title, what its tables and pictures show, and what makes its tables.
SECTIONS = {
    "epochs": (
        "Time of an epoch of single rows",
        "One step for each row, in random order. The picture shows how many times as "
        "fast sklgd is as SGDClassifier and SGDRegressor (SGD\\*) on the same steps. "
        "In "
        'the first table, "ratio" compares the fastest repeats, "of medians" the '
        'median repeats, and "of fits of 10 epochs" whole fits with their preparation. '
        "The second table has other libraries and optimizers.",
        lambda r: pair_table(r) + "\n" + library_table(r, "epochs"),
    ),
    "minibatch": (
        "Time of an epoch of mini-batches",
        "Mini-batches of 256 rows. MLPClassifier and MLPRegressor (MLP\\*) have no "
        "hidden layer here, so that all models are linear.",
        lambda r: library_table(r, "minibatch"),
    ),
    "gap": (
        "Distance from the optimum against time",
        "All libraries minimise the same objective. The optimality gap is "
        "(F - F\\*) / (F_null - F\\*). A lower curve further to the left is better. "
        "The table has the time until the gap is 1e-3.",
        gap_table,
    ),
    "memory": (
        "Peak memory of a fit",
        "How much the memory of a process grows during a fit, beyond the data, in "
        "per cent of the size of X.",
        memory_table,
    ),
    "threads": (
        "Threads",
        "The time of an epoch with several threads. The coefficients do not depend on "
        "their number.",
        threads_table,
    ),
    "busy": (
        "Threads with other processes running",
        "Fits with two threads, relative to one, on an idle machine and while two "
        "other processes compute. Above 1, the second thread makes a fit slower.",
        busy_table,
    ),
    "growth": (
        "Growth with the size of the data",
        "The time of an epoch, and of a whole default fit, for each entry of X (and "
        "class), against the number of rows, features, non-zero entries of a row, and "
        "classes. Where a line is flat, the time is proportional to the size.",
        growth_table,
    ),
    "text": (
        "Fits to text",
        "Whole fits with default tolerances, with a column for each word or hashed to "
        "2^20 columns. The gap is what a fit has reached; sklgd also reports it as "
        "`optimality_gap_`, which should not be below it by much.",
        text_table,
    ),
    "overhead": (
        "Small calls",
        "Fits and predictions of few rows, in which the time of the checks matters.",
        overhead_table,
    ),
    "machinery": (
        "Callbacks and history",
        "What an epoch takes longer because callbacks, the log and the loss curve "
        "exist, while none of them is used.",
        machinery_table,
    ),
}


def report(results, plots):
    """The whole report in Markdown; ``plots`` are the files of each part."""
    text = f"# Results of the benchmarks\n\n{headline(results)}\n"
    for part, (title, meaning, make) in SECTIONS.items():
        if not results.parts[part]:
            continue
        text += f"\n## {title}\n\n{meaning}\n"
        for path in plots.get(part, []):
            text += f"\n![{title}. The tables below have the figures.]({path.name})\n"
        text += f"\n{make(results)}"
    text += f"\n## Machine and versions\n\n{results.conditions()}\n"
    for library, reason in results.machine["missing"].items():
        text += f"\n{library} is left out: {reason}\n"
    return text


# ------------------------------------------------------------------------ headline


def headline(results):
    """README's table: one line for each kind of work, over all of its problems."""
    rows = [row for row in headline_rows(results) if row[-1]]
    text = table(["time of", "compared with", "times as fast"], rows)
    m = results.machine
    return text + f"\n({m['cpu']}, commit {m['commit']}, {m['date'][:10]}.)"


def headline_rows(results):
    for kind, dense in (("dense", True), ("CSR", False)):
        ratios = [
            ratio(found[PAIR[1]], found[PAIR[0]])
            for problem, found in faced(results, "epochs", *PAIR)
            if (problem["nnz"] is None) == dense
        ]
        what = f"epoch of SGD on single rows, {kind}"
        yield [what, "SGD\\*", span(ratios)]
    for name, peer in (("MLP\\*", "MLP* adam"), ("PyTorch", "PyTorch adam")):
        ratios = [
            ratio(found[peer], found["sklgd adam"])
            for _, found in faced(results, "minibatch", peer, "sklgd adam")
        ]
        what = "epoch of Adam, mini-batches of 256 rows"
        yield [what, name, span(ratios)]
    calls = results.grouped("overhead", lambda r: r["call"])
    ratios = []
    for call, records in calls.items():
        if call.startswith("predict 100000 x 100"):
            found = {record["library"]: record["ms"]["min"] for record in records}
            ratios.append(ratio(found["SGD*"], found["sklgd"]))
    yield ["prediction of 100000 rows", "SGD\\*", span(ratios)]


def faced(results, part, *libraries):
    """(problem, times by library) of the problems that all of these have solved."""
    for records in results.grouped(part, problem_key).values():
        found = {record["library"]: best(record) for record in records}
        if all(library in found for library in libraries):
            yield records[0]["problem"], found


def span(ratios):
    """The smallest and the largest."""
    if not ratios:
        return ""
    low, high = (f"{value:.1f}" for value in (min(ratios), max(ratios)))
    return f"{low} to {high}" if low != high else low


# --------------------------------------------------------------------------- plots

# Okabe and Ito's colours: blues for sklgd, the others for the other libraries.
BLUES = ["#0072B2", "#56B4E9"]
OTHERS = ["#D55E00", "#009E73", "#E69F00", "#CC79A7", "#000000", "#999999"]
DASHES = "-", "--", ":", "-."
MARKERS = "osD^vP*X<>hpd"


def styles(libraries):
    """Colour, dashes and marker of each library, thick lines for sklgd."""
    libraries = sorted(libraries)
    ours = [name for name in libraries if is_ours(name)]
    rest = [name for name in libraries if not is_ours(name)]
    found = {}
    for colors, names, width in ((BLUES, ours, 2.2), (OTHERS, rest, 1.2)):
        for i, name in enumerate(names):
            found[name] = {
                "color": colors[i % len(colors)],
                "linestyle": DASHES[i // len(colors) % len(DASHES)],
                "marker": MARKERS[i % len(MARKERS)],
                "linewidth": width,
                "markersize": 4.5,
            }
    return found


def is_ours(library):
    return library.startswith("sklgd")


def grid(n, width, height, columns=3):
    """Figure with n panels, the others removed."""
    import matplotlib.pyplot as plt

    columns = min(columns, n)
    rows = -(-n // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(width * columns, height * rows), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for axis in axes.flat[n:]:
        axis.remove()
    return figure, list(axes.flat[:n])


def log_axis(axis):
    """Few labels on a logarithmic axis, of drawn data: 1, 2, 5 or powers of 10."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    if high < 100.0 * low:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=20))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    else:
        axis.set_major_locator(LogLocator(numticks=20))
    axis.set_minor_formatter(NullFormatter())


def dots(axis, records):
    """Times on a logarithmic axis, fastest on top."""
    records = sorted(records, key=best, reverse=True)
    records = [record for record in records if best(record) > 0.0]
    for i, record in enumerate(records):
        color = BLUES[0] if is_ours(record["library"]) else "#808080"
        axis.plot(best(record), i, "o", color=color)
        axis.annotate(
            marked(record), (best(record), i), xytext=(7, 0),
            textcoords="offset points", va="center", fontsize=8, color=color,
        )  # fmt: skip
    axis.set_yticks(range(len(records)), [record["library"] for record in records])
    axis.set_xscale("log")
    axis.set_xlim(best(records[-1]) / 2.0, best(records[0]) * 4.0)
    axis.set_ylim(-0.6, len(records) - 0.4)
    log_axis(axis.xaxis)
    axis.grid(alpha=0.3)


def plot_bars(results, part):
    groups = [
        (name, records)
        for name, records in results.grouped(part, problem_key).items()
        if len(records) > 2
    ]
    longest = max(len(records) for _, records in groups)
    figure, axes = grid(len(groups), 5.4, 0.9 + 0.27 * longest, columns=2)
    for axis, (name, records) in zip(axes, groups, strict=True):
        dots(axis, records)
        axis.set_title(name, fontsize=8)
        axis.set_xlabel("ms per epoch")
    figure.suptitle("Time per epoch (* from fewer rows, † another objective)")
    return figure


def plot_pair(results):
    """Ratio to SGD* of all problems."""
    found = []
    for name, records in results.grouped("epochs", problem_key).items():
        times = {record["library"]: best(record) for record in records}
        if all(library in times for library in PAIR):
            found.append((name, ratio(times[PAIR[1]], times[PAIR[0]])))
    figure, (axis,) = grid(1, 9.0, 1.0 + 0.27 * len(found))
    names = [name for name, _ in reversed(found)]
    values = [value for _, value in reversed(found)]
    axis.barh(names, values, color=BLUES[1])
    for i, value in enumerate(values):
        axis.annotate(
            f"{value:.1f}", (value, i), xytext=(3, 0), textcoords="offset points",
            va="center", fontsize=8,
        )  # fmt: skip
    axis.axvline(1.0, color="black", linewidth=0.8)
    axis.set_xlim(0.0, 1.1 * max(values))
    axis.set_xlabel("time of SGDRegressor or SGDClassifier / time of sklgd")
    axis.margins(y=0.01)
    figure.suptitle("Epochs of plain SGD on single rows: how many times as fast")
    axis.grid(axis="x", alpha=0.3)
    return figure


def plot_gap(results):
    groups = results.grouped("gap", lambda r: r["problem"]["name"])
    groups = {name: worth_showing(records) for name, records in groups.items()}
    return draw_gaps(groups, height=4.0, columns=5)


def picture(results):
    """README's: the gap against time on two sets."""
    groups = {}
    for name, records in results.grouped("gap", lambda r: r["problem"]["name"]).items():
        if name.split()[0] in SHOWN:
            groups[name] = [r for r in records if r["library"] in SHOWN_LIBRARIES]
    return draw_gaps(groups, height=3.6, columns=4)


def draw_gaps(groups, height, columns):
    """A panel for each problem, and a legend in so many columns."""
    look = styles({r["library"] for records in groups.values() for r in records})
    figure, axes = grid(len(groups), 5.0, height)
    drawn = {}
    for axis, (name, records) in zip(axes, groups.items(), strict=True):
        for record in records:
            library = record["library"]
            points = [p for p in record["points"] if p["gap"] < 2.0]
            (line,) = axis.loglog(
                [p["seconds"] for p in points],
                [max(p["gap"], 1e-9) for p in points],
                label=library, **look[library],
            )  # fmt: skip
            drawn[library] = line
        axis.set_title(name, fontsize=10)
        axis.set_xlabel("seconds of a fit")
        axis.set_ylabel("(F - F*) / (F of best constant - F*)")
        axis.set_ylim(5e-10, 2.0)
        log_axis(axis.xaxis)
        axis.grid(alpha=0.3)
    order = sorted(drawn, key=lambda name: (not is_ours(name), name))
    figure.legend(
        [drawn[name] for name in order], order, loc="outside lower center",
        ncols=columns, fontsize=9,
    )  # fmt: skip
    figure.suptitle("Objective gap against time (lower left is better)")
    return figure


def worth_showing(records, peers=4):
    """Two of sklgd, and the peers that come near the optimum soonest."""
    ours = [record for record in records if record["library"] in OURS_IN_GAPS]
    rest = [record for record in records if not is_ours(record["library"])]

    def merit(record):
        # The mean of log10 gap over the logarithm of time, from 1 ms to 10 s.
        total, reached = 0.0, 0.0
        points = iter(sorted(record["points"], key=lambda p: p["seconds"]))
        point = next(points, None)
        for step in range(41):
            now = 10.0 ** (-3 + step / 10)
            while point is not None and point["seconds"] <= now:
                gap = max(point["gap"], 1e-8) if math.isfinite(point["gap"]) else 1.0
                reached = min(reached, math.log10(gap))
                point = next(points, None)
            total += reached
        return total

    return ours + sorted(rest, key=merit)[:peers]


def plot_memory(results):
    groups = results.grouped("memory", lambda r: r["problem"]["name"])
    longest = max(len(records) for records in groups.values())
    figure, axes = grid(len(groups), 5.4, 1.1 + 0.3 * longest, columns=2)
    for axis, (name, records) in zip(axes, groups.items(), strict=True):
        records = records[::-1]
        names = [record["library"] for record in records]
        values = [100 * record["share"]["rss"] for record in records]
        colors = [BLUES[1] if is_ours(name) else "#b0b0b0" for name in names]
        axis.barh(names, values, color=colors)
        for i, value in enumerate(values):
            axis.annotate(
                f"{value:.1f}", (max(value, 0.0), i), xytext=(3, 0),
                textcoords="offset points", va="center", fontsize=8,
            )  # fmt: skip
        axis.set_xlim(0.0, 1.2 * max(*values, 10.0))
        axis.set_ylim(len(names) - longest - 0.6, len(names) - 0.4)
        axis.axvline(10.0, color="black", linewidth=0.8, linestyle="--")
        size = records[0]["problem"]["bytes"] / 1e6
        axis.set_title(f"{name} ({size:.0f} MB)", fontsize=9)
        axis.set_xlabel("peak memory beyond X, % of X (dashed: 10 %)")
        axis.grid(axis="x", alpha=0.3)
    figure.suptitle("Peak memory of a fit")
    return figure


def plot_threads(results):
    groups = results.grouped("threads", lambda r: r["problem"]["name"])
    figure, axes = grid(len(groups), 5.4, 3.0, columns=2)
    for axis, (name, records) in zip(axes, groups.items(), strict=True):
        one = {r["library"]: best(r) for r in records if r["n_jobs"] == 1}
        methods = list(one)
        jobs = sorted({r["n_jobs"] for r in records} - {1})
        for k, n in enumerate(jobs):
            times = {r["library"]: best(r) for r in records if r["n_jobs"] == n}
            speeds = [ratio(one[method], times[method]) for method in methods]
            places = [i + 0.8 * (k + 0.5) / len(jobs) - 0.4 for i in range(len(speeds))]
            drawn = axis.barh(
                places, speeds, 0.8 / len(jobs), label=f"n_jobs={n}",
                color=(BLUES + OTHERS)[k % 8],
            )  # fmt: skip
            axis.bar_label(drawn, fmt="%.2f", padding=3, fontsize=8)
        axis.set_yticks(range(len(methods)), methods)
        axis.invert_yaxis()
        axis.set_xlim(0.0, 1.15 * max(jobs))
        axis.axvline(1.0, color="black", linewidth=0.8)
        axis.set_title(name, fontsize=9)
        axis.grid(axis="x", alpha=0.3)
        if len(jobs) > 1:
            axis.set_xlabel("speed relative to n_jobs=1")
            axis.legend(fontsize=8, loc="lower right")
        else:
            axis.set_xlabel(f"speed with n_jobs={jobs[0]}, relative to n_jobs=1")
    figure.suptitle("Threads ('reading X' is what the machine's memory gives)")
    return figure


def plot_growth(results):
    groups = results.grouped("growth", lambda r: r["axis"])
    look = styles(SHOWN_GROWTH)
    figure, axes = grid(len(groups), 5.2, 4.0)
    drawn = {}
    for axis, (name, records) in zip(axes, groups.items(), strict=True):
        title, label = AXES[name]
        libraries = {r["library"] for r in records}
        for library in [name for name in SHOWN_GROWTH if name in libraries]:
            found = [r for r in records if r["library"] == library and best(r) > 0.0]
            (line,) = axis.loglog(
                [r["value"] for r in found], [per_entry(r) for r in found],
                label=library, **look[library],
            )  # fmt: skip
            drawn[library] = line
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(label)
        axis.set_ylabel("ns per entry (and class)")
        log_axis(axis.xaxis)
        log_axis(axis.yaxis)
        axis.grid(alpha=0.3)
    order = sorted(drawn, key=lambda name: (not is_ours(name), name))
    figure.legend(
        [drawn[name] for name in order], order, loc="outside lower center", ncols=5
    )
    figure.suptitle(
        "Growth: time of an epoch for each entry of X (flat: in proportion to the size)"
    )
    return figure


def plot_busy(results):
    """Time with two threads over that with one."""
    groups = results.grouped("busy", lambda r: r["busy"])
    figure, axes = grid(len(groups), 5.4, 3.2, columns=2)
    ratios = [ratio(r["ms"]["2"], r["ms"]["1"]) for r in results.parts["busy"]]
    for axis, (busy, records) in zip(axes, groups.items(), strict=True):
        names = [record["library"] for record in records]
        values = [ratio(r["ms"]["2"], r["ms"]["1"]) for r in records]
        drawn = axis.barh(names, values, color=BLUES[1])
        axis.bar_label(drawn, fmt="%.2f", padding=3, fontsize=8)
        axis.invert_yaxis()
        axis.axvline(1.0, color="black", linewidth=0.8)
        axis.set_xlim(0.0, 1.15 * max(*ratios, 1.0))
        axis.set_xlabel("time with n_jobs=2 / time with n_jobs=1")
        axis.set_title(f"{busy or 'no'} other processes", fontsize=10)
        axis.grid(axis="x", alpha=0.3)
    figure.suptitle("What does a second thread cost while other processes run?")
    return figure


def plot_text(results):
    """Gap against time of whole fits, a point for each library."""
    groups = results.grouped("text", text_key)
    look = styles({r["library"] for r in results.parts["text"]})
    figure, axes = grid(len(groups), 5.0, 3.4, columns=2)
    drawn = {}
    for axis, (name, records) in zip(axes, groups.items(), strict=True):
        for r in records:
            style = {**look[r["library"]], "linestyle": "", "markersize": 9}
            (point,) = axis.loglog(r["ms"]["min"], max(r["gap"], 1e-9), **style)
            drawn[r["library"]] = point
        axis.set_title(name, fontsize=9)
        axis.set_xlabel("ms of a fit")
        axis.set_ylabel("gap at its end")
        axis.margins(0.15)
        log_axis(axis.xaxis)
        axis.grid(alpha=0.3)
    order = sorted(drawn, key=lambda name: (not is_ours(name), name))
    figure.legend(
        [drawn[name] for name in order], order, loc="outside lower center", ncols=3
    )
    figure.suptitle("Fits to text with default tolerances (lower left is better)")
    return figure


def plot_certificates(results):
    """Reported against true gaps."""
    import numpy as np

    figure, (axis,) = grid(1, 6.5, 5.0)
    groups = results.grouped("text", lambda r: (r["kind"], r["alpha"]))
    ends = [1.0, 0.0]
    for i, ((kind, alpha), records) in enumerate(groups.items()):
        found = [(r["gap"], r["reported"]) for r in records if r["reported"]]
        # (A gap of zero, the best that was found, has no logarithm.)
        found = [(max(gap, 1e-10), reported) for gap, reported in found]
        ends = [min([ends[0], *np.ravel(found)]), max([ends[1], *np.ravel(found)])]
        axis.loglog(
            *zip(*found, strict=True), MARKERS[i], color=(BLUES + OTHERS)[i],
            markersize=9, label=f"{kind}, alpha={alpha:g}",
        )  # fmt: skip
    axis.plot(ends, ends, color="black", linewidth=0.8)
    axis.set_xlabel("true gap")
    axis.set_ylabel("optimality_gap_")
    axis.legend()
    axis.grid(alpha=0.3)
    figure.suptitle(
        "Is the reported gap true? (above the line: it is at least as small)"
    )
    return figure


PLOTS = {
    "epochs": {"speed": plot_pair, "epochs": lambda r: plot_bars(r, "epochs")},
    "minibatch": {"minibatch": lambda r: plot_bars(r, "minibatch")},
    "gap": {"gap": plot_gap},
    "memory": {"memory": plot_memory},
    "threads": {"threads": plot_threads},
    "busy": {"busy": plot_busy},
    "growth": {"growth": plot_growth},
    "text": {"text": plot_text, "certificates": plot_certificates},
}


def draw(results, folder):
    """Make all plots; part -> files."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    made = defaultdict(list)
    for part, plots in PLOTS.items():
        if not results.parts[part]:
            continue
        for name, plot in plots.items():
            figure = plot(results)
            made[part].append(folder / f"{name}.png")
            figure.savefig(made[part][-1], dpi=110)
            plt.close(figure)
    return made


def put(text, path):
    """Print a text, or replace what a file has between the marks of the headline."""
    if path == "-":
        print(text)
        return
    begin, end = "<!-- headline -->\n", "<!-- /headline -->\n"
    path = Path(path)
    before, _, rest = path.read_text().partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        raise SystemExit(f"{path} has no marks {begin.strip()} and {end.strip()}")
    path.write_text(f"{before}{begin}\n{text}\n\n{end}{after}")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="results.json of run.py")
    parser.add_argument(
        "--headline",
        nargs="?",
        const="-",
        metavar="FILE",
        help="only README's table: print it, or put it between the marks in a file",
    )
    parser.add_argument("--picture", type=Path, help="only README's picture, a file")
    parser.add_argument("--output", type=Path, help="folder; default that of the JSON")
    given = parser.parse_args()
    results = Results(given.results)
    if given.headline:
        put(headline(results), given.headline)
        return 0
    if given.picture:
        # (Without names that are made up anew, or the date: the same file each time.)
        import matplotlib

        matplotlib.rcParams["svg.hashsalt"] = "sklgd"
        picture(results).savefig(given.picture, metadata={"Date": None})
        return 0
    folder = given.output or given.results.parent
    folder.mkdir(parents=True, exist_ok=True)
    plots = {}
    if importlib.util.find_spec("matplotlib") is None:
        print("matplotlib is not installed: no plots", file=sys.stderr)
    else:
        plots = draw(results, folder)
    text = report(results, plots)
    (folder / "report.md").write_text(text)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
