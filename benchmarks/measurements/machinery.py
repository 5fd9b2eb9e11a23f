"""What it costs that a fit can be watched: callbacks, log lines, history, stopping.

10000 epochs of batch gradient descent on 100 x 10, in which an epoch takes a few
microseconds. The same fit runs with its loop over the epochs as it is, and with parts
of it taken out of its source:

hooks      what is there for callbacks and log lines, and is not in use
history    also the objectives, which are not kept
rest       also the stopping rule, the test for divergence and the copy of the best
           coefficients: the epochs alone

All runs make the same steps. They are interleaved, and the differences are those of
neighbours in time.
"""

import ast
import inspect
import statistics
import textwrap
import warnings

from measurements import say
from problems import Problem
from sklgd import GDRegressor
from sklgd._fit.loop import Run
from sklgd._fit.monitor import Monitor
from timing import seconds

# What is done on condition of these is there for callbacks and log lines alone.
WATCHERS = {"tasks", "log", "asked", "watched", "awaited"}
# What is taken out, each beside what was before.
TAKEN_OUT = ("hooks", "history", "rest")


class Without(ast.NodeTransformer):
    """Takes out statements for which ``unwanted`` holds, and counts them."""

    def __init__(self, unwanted):
        self.unwanted, self.count = unwanted, 0

    def visit(self, node):
        if isinstance(node, ast.stmt) and self.unwanted(node):
            self.count += 1
            return getattr(node, "orelse", None) or None
        return super().visit(node)


def is_for_watchers(node):
    """True for a condition that asks for callbacks or the log."""
    if not isinstance(node, ast.If):
        return False
    names = {part.id for part in ast.walk(node.test) if isinstance(part, ast.Name)}
    return bool(names & WATCHERS)


def appends_objective(node):
    """True for the statement that makes the history."""
    return ast.unparse(node) == "self.loss_curve.append(objective)"


def without(function, unwanted, least):
    """The function compiled without some statements, of which there are ``least``."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    cut = Without(unwanted)
    cut.generic_visit(tree.body[0])
    if cut.count < least:
        raise RuntimeError(f"{function.__name__} has changed: adapt {__name__}.")
    code = compile(ast.fix_missing_locations(tree), __file__, "exec")
    found = {}
    exec(code, vars(inspect.getmodule(function)), found)
    return found[function.__name__]


def epochs_alone(self):
    """The loop without anything but the epochs."""
    point = None
    for _ in range(self.settings.max_iter):
        (point,) = self.training.advance(1)
    self.monitor.loss_curve, self.monitor.stop_reason = [point.objective], "max_iter"


def variants():
    """(go, points, record) of the fit as it is, and without each part."""
    record = Monitor.record
    go = without(Run.run, is_for_watchers, 2)
    points = without(Run.points, is_for_watchers, 1)
    kept = without(record, appends_objective, 1)

    def forgetful(self, objective, *figures):
        # What comes after the loop needs the last one.
        self.loss_curve = [objective]
        return kept(self, objective, *figures)

    return {
        "all": (Run.run, Run.points, record),
        "hooks": (go, points, record),
        "history": (go, points, forgetful),
        "rest": (epochs_alone, points, record),
    }


def fit(model, X, y, functions):
    """A fit with these functions in place."""
    Run.run, Run.points, Monitor.record = functions
    model.fit(X, y)


def run(options):
    n_epochs = options.pick(10_000, 10_000, 50)
    X, y = Problem(100, 10, n_classes=None).make()
    model = GDRegressor(
        optimizer="sgd",
        batch_size="full",
        learning_rate=0.01,
        tol=None,
        max_iter=n_epochs,
    )
    found = variants()
    times = {name: [] for name in found}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit(model, X, y, found["all"])
            for turn in range(options.pick(200, 20, 2)):
                # There and back: a drift of the machine's speed hits all alike.
                names = list(found) if turn % 2 else list(found)[::-1]
                for name in names:
                    times[name].append(seconds(fit, model, X, y, found[name]))
    finally:
        fit_as_it_is = found["all"]
        Run.run, Run.points, Monitor.record = fit_as_it_is
    whole = statistics.median(times["all"])
    say(f"  an epoch takes {1e6 * whole / n_epochs:.2f} us")
    for before, name in zip(found, TAKEN_OUT, strict=False):
        gone = [a - b for a, b in zip(times[before], times[name], strict=True)]
        share = statistics.median(gone) / whole
        least = (min(times[before]) - min(times[name])) / min(times["all"])
        say(f"  {name:8}{100 * share:7.2f} % (of the minima{100 * least:7.2f} %)")
        yield {
            "library": "sklgd",
            "machinery": name,
            "share": share,
            "share_of_minima": least,
            "epoch_us": 1e6 * whole / n_epochs,
        }
