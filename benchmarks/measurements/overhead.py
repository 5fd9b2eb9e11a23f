"""Small calls, where Python's own time counts, and imports.

fit on 100 x 10, partial_fit on 32 x 100, predict on 1, 1000 and 100000 rows of 100
features: sklgd beside SGD* with the same parameters, and both at their defaults.
"""

import subprocess
import sys

from sklearn.base import clone
from sklearn.linear_model import SGDClassifier, SGDRegressor

import sklgd
from measurements import say
from problems import Problem
from timing import call_times, environment, summary

SAME = {
    "learning_rate": "constant",
    "eta0": 0.01,
    "tol": None,
    "max_iter": 5,
    "random_state": 0,
}


def pairs(classes):
    """(sklgd, SGD*) with the same parameters, and at their defaults."""
    ours, theirs = sklgd.GDRegressor, SGDRegressor
    loss = {}
    if classes:
        ours, theirs, loss = sklgd.GDClassifier, SGDClassifier, {"loss": "log_loss"}
    return {
        "5 epochs": (
            ours(optimizer="sgd", batch_size=1, **SAME),
            theirs(**SAME, **loss),
        ),
        "defaults": (ours(), theirs(**loss)),
    }


def cases(options):
    """(name, {"sklgd": call, "SGD*": call}) of all small calls."""
    for classes in (None, 2):
        kind = "classifier" if classes else "regressor"
        for setting, models in pairs(classes).items():
            small = Problem(100, 10, n_classes=classes).make()
            yield f"fit 100 x 10, {kind}, {setting}", both(models, fit, *small)
        same, _ = pairs(classes).values()
        batch = Problem(32, 100, n_classes=classes).make()
        started = [
            clone(model).partial_fit(*batch, **labels(classes)) for model in same
        ]
        yield f"partial_fit 32 x 100, {kind}", both(started, partial_fit, *batch)
        for rows in options.pick((1, 1000, 100_000), (1, 1000, 100_000), (1, 100)):
            X = Problem(rows, 100, n_classes=None).make()[0]
            yield f"predict {rows} x 100, {kind}", both(started, predict, X, None)


def labels(classes):
    return {"classes": [0, 1]} if classes else {}


def fit(model, X, y):
    model.fit(X, y)


def partial_fit(model, X, y):
    model.partial_fit(X, y)


def predict(model, X, y):
    model.predict(X)


def both(models, function, X, y):
    """Calls of the function with either model."""
    names = ("sklgd", "SGD*")
    return {
        name: lambda model=model: function(model, X, y)
        for name, model in zip(names, models, strict=True)
    }


def import_seconds(module):
    """Import time of a module in a fresh interpreter."""
    code = f"import time; t = time.perf_counter(); import {module}; "
    code += "print(time.perf_counter() - t)"
    command = [sys.executable, "-c", code]
    return float(subprocess.check_output(command, env=environment()))


def run(options):
    for name, calls in cases(options):
        times = call_times(
            calls, repeats=options.pick(15, 7, 2), least=options.pick(0.03, 0.02, 0.001)
        )
        for library, found in times.items():
            yield {"call": name, "library": library, "ms": summary(found)}
        ours, theirs = (min(times[library]) for library in ("sklgd", "SGD*"))
        say(
            f"  {name:40}{1e3 * ours:9.3f} ms, SGD* {1e3 * theirs:9.3f}, "
            f"ratio {theirs / ours:.2f}"
        )
    modules = ("sklgd", "sklearn.linear_model")
    times = {module: [] for module in modules}
    for _ in range(options.pick(7, 5, 1)):
        for module in modules:
            times[module].append(import_seconds(module))
    for module, found in times.items():
        say(f"  import {module:33}{1e3 * min(found):9.0f} ms")
        library = "sklgd" if module == "sklgd" else "SGD*"
        yield {"call": "import", "library": library, "ms": summary(found)}
