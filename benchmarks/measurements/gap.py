"""Objective gap against time: how fast each library comes near the optimum.

Fits from the start with 1, 2, 4, ... iterations, libraries in turn, each timed twice;
"gap" is (F - F*)/(F_null - F*) with F from `Objective.value`, F* from `solve` (Newton's
method, sklgd not involved) and F_null of the best constant model. All get the same
scaled X. Steps that a library does not find by itself are tuned beforehand on a grid;
that is not timed, and sklgd's own plain rules get the same grid.
"""

import numpy as np

from libraries import Steps, available, takers
from measurements import say
from objective import Objective, solve
from problems import Problem, data_folder, load_scaled, mean_square_norm
from timing import seconds

KINDS = ("sgd", "stochastic", "minibatch", "full", "auto")
GOAL = 1e-7
REAL = ["california_housing", "adult", "covtype_20k", "imdb", "fashion_mnist", "news20"]
BUNDLED = ["diabetes", "breast_cancer", "digits"]


def sets(options):
    """(name, X, y, loss, details)."""
    n = options.pick(100_000, 30_000, 500)
    if options.level == "smoke":
        problem = Problem(n, 20, n_classes=2)
        yield problem.name, *problem.make(), problem.loss
        return
    synthetic = [
        Problem(n, 100, n_classes=2),
        Problem(n, options.pick(20_000, 5000, None), nnz=50, n_classes=2),
    ]
    if options.level == "full":
        synthetic.insert(0, Problem(n, 100))
    for problem in synthetic:
        yield problem.name, *problem.make(), problem.loss
    names = REAL if data_folder() else BUNDLED
    for name in options.pick(names, names[1:3], None):
        X, y, loss = load_scaled(name, cap=options.pick(25_000, 10_000, None))
        yield f"{name} {X.shape[0]} x {X.shape[1]}", X, y, loss
    if not data_folder():
        say("  SKLGD_DATA is not set: no real sets but those of scikit-learn")


def candidates(X, objective, solver):
    """Steps to try: rates that fall, and Bottou's for SGD*."""
    if solver.kind == "minibatch":
        if "adam" in solver.name:
            return [Steps(256, eta) for eta in (1e-3, 3e-3, 1e-2)]
        size = 256.0
    else:
        size = 1.0
    unit = min(1.0, size / 16) / mean_square_norm(X)
    found = []
    if size == 1.0:
        found = [
            Steps(1, factor * unit, "invscaling", power)
            for factor in (0.3, 1.0, 3.0)
            for power in (0.25, 0.5)
        ]
        if objective.classifies and solver.name in ("SGD*", "sklgd sgd"):
            found.append(Steps(1, 1.0, "optimal"))
    else:
        found = [Steps(256, factor * unit) for factor in (0.03, 0.1, 0.3, 1.0)]
    return found


def tune(solver, X, y, objective, epochs=8, limit=3.0):
    """The best of the candidates after some epochs."""
    best, least = None, np.inf
    tried = candidates(X, objective, solver)
    for steps in tried:
        solver.set_objective(X, y, objective, steps)
        spent = seconds(solver.run, 1)
        n_iter = int(np.clip(limit / len(tried) / max(spent, 1e-6), 1, epochs))
        solver.run(n_iter)
        F = value(solver, X, y, objective)
        if best is None or F < least:
            best, least = steps, F
    return best


def value(solver, X, y, objective):
    coef, intercept = solver.get_result()
    if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
        return np.inf
    with np.errstate(over="ignore", invalid="ignore"):
        F = objective.value(X, y, coef, intercept)
    return F if np.isfinite(F) else np.inf


class Curve:
    """F and seconds of one solver for 1, 2, 4, ... iterations."""

    def __init__(self, solver, limit):
        self.solver, self.limit = solver, limit
        self.points, self.n_iter, self.done, self.spent = [], 1, False, 0.0

    def extend(self, X, y, objective, goal):
        """One more point; done at the goal, out of time, or where nothing is gained."""
        taken = [seconds(self.solver.run, self.n_iter)]
        if taken[0] < 0.2 * self.limit:
            taken.append(seconds(self.solver.run, self.n_iter))
        self.spent += sum(taken)
        F = value(self.solver, X, y, objective)
        self.points.append({"n_iter": self.n_iter, "seconds": min(taken), "F": F})
        found = [point["F"] for point in self.points]
        stalled = len(found) > 5 and min(found[-4:]) >= min(found[:-4])
        self.done = (
            F <= goal
            or stalled
            or self.n_iter >= 2**14
            or self.spent + 2.0 * min(taken) > self.limit
        )
        self.n_iter *= 2


def run(options):
    solvers, _, _ = available(options.libraries)
    for name, X, y, loss in sets(options):
        say(f"  {name}")
        yield from race(options, solvers, name, X, y, Objective(loss))


def race(options, solvers, name, X, y, objective):
    """Records of all solvers on one problem."""
    optimum = solve(
        X, y, objective.loss, objective.alpha, seconds=options.pick(40, 15, 5)
    )
    taking, reasons = takers(solvers, X, y, objective, KINDS, exact=True)
    # Those that see only a part of the rows cannot compete.
    taking = [s for s in taking if s.max_rows is None or s.max_rows >= len(y)]
    curves, steps = [], {}
    for solver in taking:
        steps[solver.name] = Steps(256 if solver.kind == "minibatch" else 1)
        if solver.tunable:
            steps[solver.name] = tune(
                solver, X, y, objective, limit=options.pick(1.5, 0.4, 0.1)
            )
        solver.set_objective(X, y, objective, steps[solver.name])
        solver.run(1)
        curves.append(Curve(solver, options.pick(2.5, 0.6, 0.05)))
    goal = optimum.F_star + GOAL * (optimum.F_null - optimum.F_star)
    while any(not curve.done for curve in curves):
        for curve in curves:
            if not curve.done:
                curve.extend(X, y, objective, goal)
    least = optimum.F_star
    if not optimum.converged:
        # Then the best that anyone found has to do.
        least = min([least, *(p["F"] for curve in curves for p in curve.points)])
    for curve in curves:
        for point in curve.points:
            point["gap"] = (point["F"] - least) / (optimum.F_null - least)
        last = curve.points[-1]
        say(
            f"    {curve.solver.name:34}{last['n_iter']:6} iterations "
            f"{last['seconds']:8.3f} s, gap {last['gap']:.1e}"
        )
        tuned = vars(steps[curve.solver.name]) if curve.solver.tunable else None
        yield {
            "problem": {"name": name, "loss": objective.loss, "n_samples": len(y)},
            "library": curve.solver.name,
            "kind": curve.solver.kind,
            "steps": tuned,
            "points": curve.points,
            "F_star": least,
            "F_null": optimum.F_null,
            "optimum_converged": optimum.converged,
        }
    for solver, reason in reasons.items():
        yield {"problem": {"name": name}, "library": solver, "skipped": reason}
