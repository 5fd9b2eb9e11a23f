"""Random fits; ``.ci/fuzz`` makes many more of them."""

import inspect
import sys

import numpy as np
import pytest
from fuzz.cases import LAYOUTS, NONSENSE, case_seed, draw
from fuzz.checks import Failure, Outcome
from fuzz.run import run_in_subprocess
from fuzz.shrink import program, shrink

from sklgd import GDClassifier, GDRegressor
from sklgd.losses import LOSSES
from sklgd.optimizers import OPTIMIZERS

# Stands in for a subprocess that runs cases; number 3 ends it in some way.
WORKER = """
import json, os, sys, time
first, count = map(int, sys.argv[1:])
for seed in range(first, first + count):
    if seed == 3:
        {end}
    print(json.dumps(dict(seed=seed, failures=[], refusal=None, fits=1)), flush=True)
"""


@pytest.mark.exhaustive
def test_a_seed_always_gives_the_same_case():
    for seed in range(20):
        a, b = draw(seed), draw(seed)
        assert repr(a.params) == repr(b.params)
        assert np.array_equal(a.table, b.table, equal_nan=True)
        assert np.array_equal(a.y, b.y)


@pytest.mark.exhaustive
def test_cases_go_through_every_parameter_loss_optimizer_and_storage():
    cases = [draw(seed) for seed in range(1000)]
    for estimator in (GDRegressor, GDClassifier):
        parameters = set(inspect.signature(estimator).parameters)
        drawn = [set(case.params) for case in cases if case.estimator is estimator]
        assert set.union(*drawn) == parameters
        assert parameters <= set(NONSENSE)
    assert {case.layout for case in cases} == set(LAYOUTS)
    assert {case.param("loss") for case in cases} >= set(LOSSES)
    optimizers = [case.param("optimizer") for case in cases]
    assert {name for name in optimizers if isinstance(name, str)} >= set(OPTIMIZERS)
    assert {getattr(one, "name", None) for one in optimizers} >= set(OPTIMIZERS)


def test_a_failing_case_is_made_small_and_written_as_a_program(monkeypatch):
    def run_case(case, only=""):
        wrong = case.param("penalty") == "l1" and case.table.shape[0] > 2
        return Outcome([Failure("never_l1", "", "")] if wrong else [])

    monkeypatch.setattr("fuzz.shrink.run", run_case)
    seed = next(seed for seed in range(200) if run_case(draw(seed)).failures)
    case = shrink(draw(seed), "never_l1")
    assert list(case.params) == ["penalty"]
    assert case.table.shape == (3, 1)
    # The program runs; whether these few rows can be learnt is another question.
    text, variables = program(case).replace(".fit(", "; arguments = ("), {}
    exec(text, variables)
    assert variables["model"].penalty == "l1"
    assert np.array_equal(variables["arguments"][1], case.y)


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("check", "end"), [("crash", "os.abort()"), ("time", "time.sleep(100)")]
)
def test_a_crash_and_an_endless_fit_are_failures_like_any_other(tmp_path, check, end):
    script = tmp_path / "worker.py"
    script.write_text(WORKER.format(end=end))
    outcomes = run_in_subprocess(0, 6, 3.0, (sys.executable, str(script)))
    failures = {seed: [f.check for f in outcome.failures] for seed, outcome in outcomes}
    assert failures == {0: [], 1: [], 2: [], 3: [check], 4: [], 5: []}


@pytest.mark.exhaustive
@pytest.mark.parametrize("run", [0, 1])
def test_random_fits_keep_all_promises(run):
    outcomes = run_in_subprocess(case_seed(run, 0), 50, 60.0)
    failures = [
        f"case {seed}: {failure.check}: {failure.message}"
        for seed, outcome in outcomes
        for failure in outcome.failures
    ]
    assert not failures, "\n".join(failures)
