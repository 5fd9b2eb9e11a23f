"""Makes a failing case small, and writes it down as a program."""

import inspect
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from fuzz import cases
from fuzz.cases import Array, Case
from fuzz.checks import run

# Tables with at most so many entries are written down, larger ones are drawn again.
FEW_ENTRIES = 400
PAIRS = (("coef_init", "intercept_init"), ("X_val", "y_val", "sample_weight_val"))


def failures(case: Case, check: str, only: str = "") -> set[str]:
    """How a check fails: the beginning of its message, without figures."""
    return {
        re.sub(r"[\d.e+-]+", "", failure.message.split(":")[0])
        for failure in run(case, only).failures
        if failure.check == check
    }


def of_columns(case: Case, columns: Array) -> Case:
    """The same case with these features only."""
    args = dict(case.fit_args)
    for name in ("coef_init", "X_val"):
        if name in args:
            args[name] = args[name][..., columns]
    params = dict(case.params)
    if "monotonic_cst" in params:
        params["monotonic_cst"] = np.asarray(params["monotonic_cst"])[columns]
    if "penalty_factor" in params:
        params["penalty_factor"] = np.asarray(params["penalty_factor"])[columns]
    return replace(case, params=params, table=case.table[:, columns], fit_args=args)


def rounded(array: Array, digits: int) -> Array:
    """Numbers with fewer digits."""
    digits -= 1
    return np.vectorize(lambda x: float(f"{x:.{digits}e}"), otypes=[float])(array)


def simpler(case: Case) -> Iterator[Case]:
    """Cases that are simpler than this one in one respect, the simplest first."""
    for name in case.params:
        yield replace(case, params={k: v for k, v in case.params.items() if k != name})
    for names in (("sample_weight",), *PAIRS):
        if set(names) & set(case.fit_args):
            kept = {k: v for k, v in case.fit_args.items() if k not in names}
            yield replace(case, fit_args=kept)
    for layout in ("C", "csr"):
        if layout == case.layout:
            break
        yield replace(case, layout=layout)
    if case.y.ndim == 2:
        yield replace(case, y=case.y[:, 0])
    n, d = case.table.shape
    for size, take in ((n, lambda kept: case.of_rows(kept)),
                       (d, lambda kept: of_columns(case, kept))):  # fmt: skip
        part = size // 2
        while part >= 1:
            if size // part <= 16:
                for start in range(0, size, part):
                    yield take(np.delete(np.arange(size), slice(start, start + part)))
            part //= 2
    for digits in (1, 2, 3):
        yield replace(case, table=rounded(case.table, digits))
        if case.y.dtype.kind == "f":
            yield replace(case, y=rounded(case.y, digits))
        if case.weights is not None:
            yield case.with_args(sample_weight=rounded(case.weights, digits))


def is_same(a: Case, b: Case) -> bool:
    """True if nothing was made simpler."""
    return (
        a.params.keys() == b.params.keys()
        and a.fit_args.keys() == b.fit_args.keys()
        and a.layout == b.layout
        and np.array_equal(a.table, b.table, equal_nan=True)
        and np.array_equal(a.y, b.y)
        and same_weights(a.weights, b.weights)
    )


def same_weights(a: Array | None, b: Array | None) -> bool:
    """True if both are absent or equal."""
    if a is None or b is None:
        return a is b
    return np.array_equal(a, b, equal_nan=True)


def shrink(case: Case, check: str, seconds: float = 60.0, only: str = "") -> Case:
    """The simplest case found in this time that still fails the check."""
    end, wanted = time.monotonic() + seconds, failures(case, check, only)
    improved = True
    while improved:
        improved = False
        for candidate in simpler(case):
            if time.monotonic() > end:
                return case
            if is_same(candidate, case) or min(candidate.table.shape) < 1:
                continue
            try:
                found = bool(wanted & failures(candidate, check, only))
            except Exception:
                # No case that the checks are made for.
                found = False
            if found:
                case, improved = candidate, True
                break
    return case


# --------------------------------------------------------------------------------------
# Programs
# --------------------------------------------------------------------------------------

# Expressions for X, of a variable X in C order; those of the rest take it from `cases`.
EXPRESSIONS = {
    "C": "X",
    "F": "np.asfortranarray(X)",
    "float32": "X.astype(np.float32)",
    "int": "X.astype(np.int64)",
    "list": "X.tolist()",
    "csr": "sp.csr_array(X)",
    "csr_matrix": "sp.csr_matrix(X)",
    "csr, float32": "sp.csr_array(X.astype(np.float32))",
    "csc": "sp.csc_array(X)",
}


def written(value: Any) -> str:
    """An expression for a parameter or an argument."""
    if isinstance(value, np.ndarray):
        return f"np.array({value.tolist()!r})"
    if isinstance(value, BaseEstimator):
        given = ", ".join(
            f"{name}={written(v)}" for name, v in value.get_params(deep=False).items()
        )
        return f"{type(value).__name__}({given})"
    if inspect.isfunction(value):
        return value.__name__
    if isinstance(value, np.generic):
        return repr(value.item())
    if isinstance(value, dict):
        return (
            "{"
            + ", ".join(f"{written(k)}: {written(v)}" for k, v in value.items())
            + "}"
        )
    return repr(value)


def program(case: Case) -> str:
    """A program that makes the fit of a case."""
    params = ", ".join(f"{name}={written(v)}" for name, v in case.params.items())
    small = case.table.size <= FEW_ENTRIES
    args = "".join(
        f", {name}={written(value) if small else f'case.fit_args[{name!r}]'}"
        for name, value in case.fit_args.items()
    )
    lines = ["import numpy as np", f"from sklgd import {case.estimator.__name__}"]
    if "(" in params:
        lines += ["from sklgd.optimizers import *", "from sklgd.schedules import *"]
    if any(inspect.isfunction(value) for value in case.params.values()):
        lines += ["", inspect.getsource(cases.harmonic)]
    if small:
        X = EXPRESSIONS.get(case.layout, f"LAYOUTS[{case.layout!r}](X)")
        if "sp." in X:
            lines.append("import scipy.sparse as sp")
        if "LAYOUTS" in X:
            lines.append("from fuzz.cases import LAYOUTS  # PYTHONPATH=tests")
        lines.append(f"from numpy import nan, inf\nX = {written(case.table)}")
        dtype = ", dtype=object" if case.y.dtype.kind == "O" else ""
        lines.append(f"y = np.array({case.y.tolist()!r}{dtype})")
        y = "y"
    else:
        lines += ["from fuzz.cases import draw  # PYTHONPATH=tests", "",
                  f"case = draw({case.seed})"]  # fmt: skip
        X, y = "case.X", "case.y"
    lines.append(f"model = {case.estimator.__name__}({params}).fit({X}, {y}{args})")
    return "\n".join(lines)
