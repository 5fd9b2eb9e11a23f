"""Whole default fits to text: of a vocabulary, and hashed to 2^20 columns.

Each fit ends where its library thinks that it is good enough. "gap" is what it has
really reached, (F - F*)/(F_null - F*), with F* from `objective.solve`; "reported" is
what sklgd says of it (`optimality_gap_`).
"""

from measurements import say
from objective import Objective, solve
from problems import Problem
from timing import seconds, summary

ALPHAS = (1e-4, 1e-6)


def problems(options):
    n = options.pick(20_000, 5000, 200)
    words, hashed = options.pick((50_000, 2**20), (50_000, 2**20), (300, 2000))
    yield "vocabulary", Problem(n, words, nnz=50, n_classes=2)
    yield "hashed", Problem(n, hashed, nnz=50, n_classes=2)


def fits(options, problem, alpha):
    """Estimators by name."""
    found, wanted = {}, options.libraries
    if wanted is None or "sklgd" in wanted:
        from sklgd import GDClassifier

        for tol in (1e-4, 1e-6):
            name = f"sklgd tol={tol:g}"
            found[name] = GDClassifier(alpha=alpha, tol=tol, random_state=0)
    if wanted is None or "sklearn" in wanted:
        from sklearn.linear_model import LogisticRegression, SGDClassifier

        C = 1.0 / (alpha * problem.n_samples)
        for solver in ("lbfgs", "newton-cg", "saga"):
            name = f"LogisticRegression {solver}"
            found[name] = LogisticRegression(C=C, solver=solver, random_state=0)
        found["SGD*"] = SGDClassifier("log_loss", alpha=alpha, random_state=0)
    return found


def run(options):
    for kind, problem in problems(options):
        X, y = problem.make()
        for alpha in ALPHAS:
            say(f"  {kind}, {problem.name}, alpha={alpha:g}")
            yield from compare(options, kind, problem, alpha, X, y)


def compare(options, kind, problem, alpha, X, y):
    objective = Objective(problem.loss, alpha=alpha)
    optimum = solve(X, y, problem.loss, alpha, seconds=options.pick(30, 10, 2))
    estimators = fits(options, problem, alpha)
    times = {name: [] for name in estimators}
    for turn in range(options.pick(3, 2, 1)):
        for name, model in estimators.items():
            # One slow fit is enough.
            if not turn or sum(times[name]) < options.pick(8.0, 2.0, 1.0):
                times[name].append(seconds(model.fit, X, y))
    values = {
        name: objective.value(X, y, model.coef_, model.intercept_)
        for name, model in estimators.items()
    }
    least = min([optimum.F_star, *values.values()])
    for name, model in estimators.items():
        gap = (values[name] - least) / (optimum.F_null - least)
        say(f"    {name:32}{1e3 * min(times[name]):9.1f} ms, gap {gap:.1e}")
        yield {
            "problem": problem.describe(),
            "kind": kind,
            "alpha": alpha,
            "library": name,
            "ms": summary(times[name]),
            "gap": gap,
            "reported": getattr(model, "optimality_gap_", None),
            "optimum_converged": optimum.converged,
        }
