"""The benchmark suite runs, and its libraries minimise the same objective."""

import functools
import importlib
import importlib.util
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.exhaustive

FOLDER = Path(__file__).parent.parent / "benchmarks"
PARTS = (
    "epochs",
    "minibatch",
    "gap",
    "memory",
    "threads",
    "busy",
    "growth",
    "text",
    "overhead",
    "machinery",
)


def python(*arguments):
    """Run a script of the suite with the package that is tested here."""
    import sklgd

    environment = dict(os.environ)
    environment.pop("SKLGD_DATA", None)
    environment["PYTHONPATH"] = os.pathsep.join(
        [str(Path(sklgd.__file__).parent.parent), environment.get("PYTHONPATH", "")]
    )
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def run_here(script, *arguments, monkeypatch, capsys):
    """What a script prints; it runs in this process, which has imported the package."""
    monkeypatch.delenv("SKLGD_DATA", raising=False)
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(sys, "argv", [script, *map(str, arguments)])
    try:
        runpy.run_path(str(FOLDER / script), run_name="__main__")
    except SystemExit as end:
        assert not end.code
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    python(FOLDER / "run.py", "--smoke", "--output", folder)
    return folder / "results.json"


def test_every_part_has_records(results):
    found = json.loads(results.read_text())
    measured = [r for r in found["records"] if "skipped" not in r]
    assert {record["part"] for record in measured} == set(PARTS)
    assert {"sklgd", "scikit-learn", "numpy"} <= set(found["machine"]["versions"])
    threads = [r for r in measured if r["part"] == "threads" and "same_bits" in r]
    assert threads
    assert all(record["same_bits"] for record in threads)
    # Whoever wins, the epochs have done their work.
    for record in measured:
        if record["part"] == "epochs":
            assert np.isfinite(record["objective"]), record
    for record in measured:
        if record["part"] == "memory":
            assert record["bytes_beyond"]["traced"] > 0, record


def test_report(results, monkeypatch, capsys):
    run = functools.partial(run_here, monkeypatch=monkeypatch, capsys=capsys)
    text = run("report.py", results)
    assert "## Small calls" in text
    drawn = {path.stem for path in results.parent.glob("*.png")}
    if importlib.util.find_spec("matplotlib") is None:
        assert not drawn
    else:
        assert drawn == {
            "speed", "epochs", "minibatch", "gap", "memory", "threads", "busy",
            "growth", "text", "certificates",
        }  # fmt: skip
    table = run("report.py", results, "--headline")
    assert "| epoch of SGD on single rows, dense | SGD" in table


# Iterations, and the gap they lead to, of methods that end at the optimum only slowly.
ITERATIONS = {"sgd": 300, "stochastic": 400, "minibatch": 1000, "sweep": 1000}
WITHIN = {"sgd": 3e-3, "stochastic": 3e-3, "minibatch": 8e-3}


@pytest.mark.filterwarnings("ignore::Warning")
@pytest.mark.parametrize("n_classes, nnz", [(None, None), (2, 5), (4, None)])
def test_libraries_share_the_objective(n_classes, nnz, monkeypatch):
    """Parameters are mapped rightly: all solvers of two libraries find one optimum."""
    monkeypatch.syspath_prepend(str(FOLDER))
    libraries = importlib.import_module("libraries")
    objective = importlib.import_module("objective")
    problem = importlib.import_module("problems").Problem(
        200, 10, nnz=nnz, n_classes=n_classes
    )
    X, y = problem.make()
    F = objective.Objective(problem.loss, alpha=0.4)
    optimum = objective.solve(X, y, problem.loss, F.alpha)

    def gap(coef, intercept):
        found = F.value(X, y, coef, intercept)
        return (found - optimum.F_star) / (optimum.F_null - optimum.F_star)

    # A penalty half as strong would be noticed.
    other = objective.solve(X, y, problem.loss, F.alpha / 2)
    assert gap(other.coef, other.intercept) > 1.5 * max(WITHIN.values())
    solvers, _, _ = libraries.available(("sklgd", "sklearn"))
    kinds = ("sgd", "stochastic", "minibatch", "sweep", "full", "auto")
    solvers, _ = libraries.takers(solvers, X, y, F, kinds, exact=True)
    assert len(solvers) > 10
    for solver in solvers:
        # On sparse rows scikit-learn's sag ends in NaN here, and SGD* moves its
        # intercept a hundred times more slowly than its coefficients.
        if nnz is not None and solver.name in ("Ridge sag", "SGD*"):
            continue
        eta = {"sgd": 2e-3, "minibatch": 0.05}.get(solver.kind, 0.1)
        if "adam" in solver.name:
            eta = 0.01
        batch_size = 50 if solver.kind == "minibatch" else 1
        solver.set_objective(X, y, F, libraries.Steps(batch_size, eta))
        solver.run(ITERATIONS.get(solver.kind, 100))
        reached = gap(*solver.get_result())
        assert -1e-9 < reached < WITHIN.get(solver.kind, 1e-6), solver.name


def test_the_benchmark_of_streams_prints_a_table_and_draws_it(
    tmp_path, monkeypatch, capsys
):
    figures, picture = tmp_path / "streams.json", tmp_path / "streams.png"
    out = run_here(
        "streams.py", "--sets", "iris", "diabetes", "--chunks", "8", "0",
        "--output", figures, "--picture", picture, monkeypatch=monkeypatch,
        capsys=capsys,
    )  # fmt: skip
    assert "| diabetes | 8 |" in out and "on 2 of 2 sets" in out
    assert picture.stat().st_size > 0
    records = json.loads(figures.read_text())
    assert {"sklgd", "SGD*", "SGD* scaled"} <= {r["learner"] for r in records}


@pytest.mark.parametrize("penalty", ["l2", "l1"])
def test_the_benchmark_of_searches_prints_a_table(
    penalty, tmp_path, monkeypatch, capsys
):
    figures = tmp_path / "tuning.json"
    out = run_here(
        "tuning.py", "--sets", "diabetes", "wine", "--penalty", penalty, "--alphas",
        "4", "--memory", "--output", figures, monkeypatch=monkeypatch, capsys=capsys,
    )  # fmt: skip
    assert f"| diabetes, {penalty} | GDRegressorCV |" in out
    records = json.loads(figures.read_text())
    found = {r["search"]: r for r in records if r["set"] == "diabetes"}
    assert all(r["megabytes"] > 0.0 for r in records)
    peer = found["RidgeCV" if penalty == "l2" else "LassoCV"]
    assert found["GridSearchCV(GDRegressor)"]["score"] == pytest.approx(
        found["GDRegressorCV"]["score"], rel=0.02
    )
    assert peer["score"] == pytest.approx(found["GDRegressorCV"]["score"], rel=0.02)


def test_the_benchmark_of_blocks_prints_a_table(tmp_path, monkeypatch, capsys):
    figures = tmp_path / "blocks.json"
    out = run_here(
        "blocks.py", "--rows", "3000", "--columns", "5", "--learners", "fit_blocks",
        "SGDClassifier.partial_fit", "--folder", tmp_path, "--output", figures,
        monkeypatch=monkeypatch, capsys=capsys,
    )  # fmt: skip
    assert "| fit_blocks | 1 |" in out
    blocks, sgd = json.loads(figures.read_text())
    assert -1e-9 < blocks["gap"] < 1e-4 < sgd["gap"]
    assert blocks["passes"] == sgd["passes"] == 1
    assert min(blocks["peak"]) > blocks["imports"] > 0.0
    assert list(tmp_path.iterdir()) == [figures]
