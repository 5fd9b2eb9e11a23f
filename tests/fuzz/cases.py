"""Draws a case: an estimator, its parameters, the data and the arguments of fit."""

import inspect
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp

from sklgd import GDClassifier, GDRegressor
from sklgd.losses import LOSSES
from sklgd.optimizers import OPTIMIZERS
from sklgd.schedules import (
    SCHEDULES,
    Adaptive,
    Constant,
    Cosine,
    Exponential,
    InvScaling,
    Linear,
    Step,
    WarmUp,
)

Array = np.ndarray
Rng = np.random.Generator


@dataclass(frozen=True)
class Case:
    """One fit.

    Attributes
    ----------
    seed : int
    estimator : type
    params : dict
        Constructor parameters that are not left at their defaults.
    table : float64 array of shape (n_samples, n_features)
        The entries of X.
    layout : str
        How X is stored, a key of `LAYOUTS`.
    y : array
    fit_args : dict
        Further arguments of fit. The entry X_val is a float64 array.
    tame : bool
        True if all values are of ordinary size.
    spoiled : str
        The name of the argument or parameter that is impossible; "" if none is.
    """

    seed: int
    estimator: Any
    params: dict[str, Any]
    table: Array
    layout: str
    y: Array
    fit_args: dict[str, Any] = field(default_factory=dict)
    tame: bool = True
    spoiled: str = ""

    @property
    def X(self) -> Any:
        """X as it is passed to fit."""
        return LAYOUTS[self.layout](self.table)

    @property
    def weights(self) -> Array | None:
        """The argument sample_weight."""
        return self.fit_args.get("sample_weight")

    def param(self, name: str) -> Any:
        """A constructor parameter, its default if it was not drawn."""
        default = inspect.signature(self.estimator).parameters[name].default
        return self.params.get(name, default)

    @property
    def signs(self) -> Array | None:
        """Signs of the coefficients of the features, None without."""
        if self.param("positive"):
            return np.ones(self.table.shape[1])
        given = self.param("monotonic_cst")
        return None if given is None else np.asarray(given, dtype=float)

    @property
    def has_strengths(self) -> bool:
        """True if coefficients have strengths of the penalty of their own."""
        names = "penalty_factor", "standardize"
        return bool({*names} & {*self.params}) or np.ndim(self.param("alpha")) > 0

    @property
    def several_labels(self) -> bool:
        """True if y is an indicator matrix."""
        return self.estimator is GDClassifier and self.y.ndim == 2

    @property
    def classes(self) -> Array:
        """The labels of classification."""
        if self.several_labels:
            return np.arange(self.y.shape[1])
        return np.unique(self.y)

    def with_params(self, **params: Any) -> "Case":
        """The same case with some other constructor parameters."""
        return replace(self, params={**self.params, **params})

    def with_args(self, **fit_args: Any) -> "Case":
        """The same case with some other arguments of fit."""
        return replace(self, fit_args={**self.fit_args, **fit_args})

    def of_rows(self, rows: Array, **fit_args: Any) -> "Case":
        """The same case with these rows (numbers, which may repeat)."""
        args = {**self.fit_args, **fit_args}
        if self.weights is not None and "sample_weight" not in fit_args:
            args["sample_weight"] = self.weights[rows]
        return replace(self, table=self.table[rows], y=self.y[rows], fit_args=args)


# --------------------------------------------------------------------------------------
# Storage of X
# --------------------------------------------------------------------------------------


def with_long_indices(X: sp.csr_array) -> sp.csr_array:
    """Indices of 64 bits."""
    X.indices, X.indptr = X.indices.astype(np.int64), X.indptr.astype(np.int64)
    return X


def out_of_order(table: Array) -> sp.csr_array:
    """Columns of each row in descending order, entries split into two equal halves."""
    X = sp.csr_array(table)
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    order = np.lexsort((-X.indices, rows))
    halves = np.repeat(0.5 * X.data[order], 2)
    # Halves of denormal numbers would not add up.
    exact = np.all(halves[::2] + halves[1::2] == X.data[order])
    data = halves if exact else X.data[order]
    times = 2 if exact else 1
    indices = np.repeat(X.indices[order], times)
    return sp.csr_array((data, indices, times * X.indptr), shape=X.shape)


def unaligned(table: Array) -> Array:
    """An array whose numbers do not start at multiples of their size."""
    raw = np.zeros(table.nbytes + 1, dtype=np.uint8)
    X = raw[1:].view(np.float64).reshape(table.shape)
    X[...] = table
    return X


def memory_mapped(table: Array) -> Array:
    """A read-only memory map."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(np.ascontiguousarray(table).tobytes())
        file.flush()
        return np.memmap(file.name, mode="r", dtype=np.float64, shape=table.shape)


def read_only(table: Array) -> Array:
    """An array that must not be written to."""
    X = table.copy()
    X.flags.writeable = False
    return X


LAYOUTS: dict[str, Callable[[Array], Any]] = {
    "C": lambda table: np.array(table, order="C"),
    "F": lambda table: np.array(table, order="F"),
    "float32": lambda table: table.astype(np.float32),
    "int": lambda table: table.astype(np.int64),
    "list": lambda table: table.tolist(),
    "strided": lambda table: np.repeat(table, 2, axis=1)[:, ::2],
    "read-only": read_only,
    "memmap": memory_mapped,
    "unaligned": unaligned,
    "csr": lambda table: sp.csr_array(table),
    "csr_matrix": lambda table: sp.csr_matrix(table),
    "csr, int64 indices": lambda table: with_long_indices(sp.csr_array(table)),
    "csr, out of order": out_of_order,
    "csr, float32": lambda table: sp.csr_array(table.astype(np.float32)),
    "csc": lambda table: sp.csc_array(table),
}


# --------------------------------------------------------------------------------------
# Data
# --------------------------------------------------------------------------------------


def log_uniform(rng: Rng, low: float, high: float) -> float:
    """A number whose logarithm is uniform."""
    return float(10.0 ** rng.uniform(np.log10(low), np.log10(high)))


def one_of(rng: Rng, *choices: Any, p: list[float] | None = None) -> Any:
    """One of the choices, which may be of any type."""
    return choices[rng.choice(len(choices), p=p)]


def draw_shape(rng: Rng) -> tuple[int, int]:
    kind = one_of(rng, "usual", "tall", "wide", "tiny", p=[0.6, 0.15, 0.15, 0.1])
    if kind == "usual":
        return int(rng.integers(20, 200)), int(rng.integers(1, 13))
    if kind == "tall":
        return int(rng.integers(200, 600)), int(rng.integers(1, 5))
    if kind == "wide":
        return int(rng.integers(5, 40)), int(rng.integers(30, 150))
    return int(rng.integers(1, 7)), int(rng.integers(1, 5))


def draw_entries(rng: Rng, n: int, d: int) -> Array:
    """Entries of size one, with the troubles that real tables have."""
    kind = one_of(rng, "normal", "heavy", "counts", "binary", p=[0.7, 0.1, 0.1, 0.1])
    if kind == "normal":
        table = rng.normal(size=(n, d))
    elif kind == "heavy":
        table = rng.standard_t(1.5, size=(n, d))
    elif kind == "counts":
        table = rng.poisson(2.0, size=(n, d)).astype(float)
    else:
        table = (rng.random((n, d)) < 0.3).astype(float)
    if rng.random() < 0.5:
        table *= rng.random((n, d)) < one_of(rng, 0.05, 0.3, 0.7)
    for _ in range(rng.choice([0, 1, 2], p=[0.6, 0.25, 0.15])):
        j, k = rng.integers(d, size=2)
        trouble = rng.integers(7)
        if trouble == 0:
            table[:, j] = 3.0
        elif trouble == 1:
            table[:, j] = 0.0
        elif trouble == 2:
            table[:, j] = table[:, k]
        elif trouble == 3:
            table[:, j] = table.sum(axis=1) + 1e-6 * rng.normal(size=n)
        elif trouble == 4:
            table[:, j] += one_of(rng, 1e2, 1e4, -1e6, 1e8)
        elif trouble == 5:
            table[rng.integers(n), j] = one_of(rng, 1e2, -1e4, 1e6)
        else:
            table[rng.random(n) < 0.2] = 0.0
    return table


def draw_units(rng: Rng, size: int) -> tuple[Array, bool]:
    """Units of columns, and whether they are ordinary."""
    kind = one_of(rng, "one", "mixed", "alike", "far", p=[0.6, 0.25, 0.08, 0.07])
    if kind == "one":
        return np.ones(size), True
    if kind == "mixed":
        return 10.0 ** rng.uniform(-4, 4, size=size), True
    if kind == "alike":
        return np.full(size, 10.0 ** rng.uniform(-315, 300)), False
    return 10.0 ** rng.uniform(-150, 150, size=size), False


def draw_signal(rng: Rng, entries: Array, n_outputs: int) -> Array:
    """Raw predictions of size one of some model, with noise."""
    spread = entries.std(axis=0)
    scaled = (entries - entries.mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    z = scaled @ rng.normal(size=(entries.shape[1], n_outputs))
    z /= max(1.0, np.sqrt(entries.shape[1]))
    return z + one_of(rng, 0.0, 0.1, 1.0) * rng.normal(size=z.shape)


def draw_target(rng: Rng, loss: str, z: Array) -> tuple[Array, bool]:
    """Targets of a regression loss, and whether their unit is ordinary."""
    if loss in ("poisson", "gamma", "tweedie"):
        mean = np.exp(np.clip(z, -20.0, 20.0) + rng.uniform(-1.0, 3.0))
        y = rng.poisson(mean).astype(float)
        if loss != "poisson":
            y = mean * rng.gamma(2.0, 0.5, size=z.shape) + 1e-12
    else:
        y = z + one_of(rng, 0.0, 5.0, -1e3, 1e6, p=[0.5, 0.3, 0.1, 0.1])
        if rng.random() < 0.1:
            y = np.round(y)
        if rng.random() < 0.05:
            y[...] = y[0]
        if rng.random() < 0.08:
            y[rng.integers(len(y))] = one_of(
                rng, 1e2, -1e4, 1e6, 1e10, -1e16, 1e25, -1e60, 1e100
            )
    kind = one_of(rng, "one", "other", "far", p=[0.75, 0.17, 0.08])
    if kind == "one":
        return y, True
    if kind == "other":
        return y * 10.0 ** rng.uniform(-6, 6), True
    return y * 10.0 ** rng.uniform(-310, 280), False


def draw_labels(rng: Rng, signal: Callable[[int], Array], n: int) -> Array:
    """Class labels, of at least two classes where there are two rows."""
    n_classes = one_of(
        rng, 2, int(rng.integers(3, 7)), max(2, n // 3), p=[0.65, 0.3, 0.05]
    )
    n_classes = min(n_classes, max(n, 1), 30)
    if n_classes == 2:
        z = signal(1)[:, 0]
        codes = (z > np.quantile(z, one_of(rng, 0.5, 0.9, 0.02))).astype(int)
    else:
        codes = signal(n_classes).argmax(axis=1)
    codes[:n_classes] = np.arange(n_classes)[:n]
    kind = one_of(rng, "codes", "numbers", "strings", "floats", "objects")
    if kind == "codes":
        return codes
    if kind == "numbers":
        return 7 * codes - 3
    if kind == "floats":
        return codes.astype(float) - 1.0
    names = np.array([f"class {k}" for k in range(n_classes)])[codes]
    return names.astype(object) if kind == "objects" else names


def draw_weights(rng: Rng, n: int) -> tuple[Array | None, bool]:
    """Sample weights, and whether their sizes are ordinary."""
    kind = one_of(
        rng, None, "uniform", "some zero", "counts", "wide", "far",
        p=[0.5, 0.2, 0.1, 0.1, 0.05, 0.05],
    )  # fmt: skip
    if kind is None:
        return None, True
    if kind == "counts":
        weights = rng.integers(0, 4, size=n).astype(float)
    elif kind == "wide":
        weights = 10.0 ** rng.uniform(-8, 8, size=n)
    else:
        weights = rng.random(n)
    if kind == "some zero":
        weights *= rng.random(n) < 0.6
    if not weights.any():
        weights[0] = 1.0
    if kind == "far":
        return weights * 10.0 ** rng.uniform(-300, 280), False
    return weights, True


# --------------------------------------------------------------------------------------
# Parameters
# --------------------------------------------------------------------------------------


def harmonic(t: int) -> float:
    """A learning rate as a plain function of the number of the step."""
    return 0.1 / (1.0 + 0.01 * t)


def draw_schedule(rng: Rng) -> Any:
    """A schedule object or a function."""
    eta0 = log_uniform(rng, 1e-4, 1.0)
    total = one_of(rng, None, int(rng.integers(1, 2000)))
    every = int(rng.integers(1, 500))
    return one_of(
        rng,
        Constant(eta0),
        InvScaling(eta0, power_t=rng.uniform(0.0, 1.0)),
        Adaptive(eta0, factor=rng.uniform(0.1, 0.9)),
        Linear(eta0, total_steps=total),
        Cosine(eta0, eta_end=0.1 * eta0, total_steps=total),
        Step(eta0, factor=0.5, every=every),
        Exponential(eta0, factor=0.9, every=every),
        WarmUp(InvScaling(eta0), steps=every),
        harmonic,
    )


def draw_optimizer(rng: Rng) -> Any:
    """A name, or an object with some parameters of its own."""
    if rng.random() < 0.35:
        return "auto"
    name = one_of(rng, *OPTIMIZERS)
    if rng.random() < 0.6:
        return name
    optimizer = OPTIMIZERS[name]()
    values = {
        "momentum": rng.uniform(0.0, 0.99),
        "epsilon": log_uniform(rng, 1e-12, 1e-2),
        "initial_accumulator": one_of(rng, 0.0, 0.1),
        "rho": rng.uniform(0.5, 0.999),
        "beta_1": rng.uniform(0.0, 0.99),
        "beta_2": rng.uniform(0.5, 0.9999),
        "beta": one_of(rng, 0.1, 1.0),
        "sparse_update": one_of(rng, "exact", "lazy"),
        "memory": int(rng.integers(1, 12)),
    }
    known = optimizer.get_params()
    return optimizer.set_params(**{k: v for k, v in values.items() if k in known})


SCORERS = {"regression": "neg_mean_absolute_error", "classification": "accuracy"}


def draw_params(rng: Rng, estimator: type, n: int) -> dict[str, Any]:
    """Constructor parameters of either estimator, some left at their defaults."""
    losses = [
        name
        for name, cls in LOSSES.items()
        if (cls.classifies if estimator is GDClassifier else cls.task == "regression")
    ]
    named = one_of(rng, *SCHEDULES)
    # An explicit learning rate goes through other code than one found from the data.
    learning_rate: Any = "auto"
    eta0 = None
    kind = rng.random()
    if kind < 0.15:
        learning_rate = log_uniform(rng, 1e-4, 1.0)
    elif kind < 0.35:
        learning_rate = named
        eta0 = None if named == "optimal" else one_of(rng, None, 0.01, 0.1)
    elif kind < 0.45:
        learning_rate = draw_schedule(rng)
    elif kind < 0.48:
        eta0 = 0.01
    values = {
        "loss": one_of(rng, *losses),
        "penalty": one_of(rng, "l2", "l1", "elasticnet", None),
        "alpha": one_of(rng, 0.0, log_uniform(rng, 1e-8, 1.0), log_uniform(rng, 1, 1e3),
                        p=[0.15, 0.7, 0.15]),
        "l1_ratio": one_of(rng, 0.0, 0.15, rng.uniform(), 1.0),
        "fit_intercept": bool(rng.random() < 0.8),
        "optimizer": draw_optimizer(rng),
        "batch_size": one_of(rng, "auto", "full", 1, int(rng.integers(2, 40)), 2 * n,
                             p=[0.4, 0.25, 0.1, 0.2, 0.05]),
        "learning_rate": learning_rate,
        "eta0": eta0,
        "power_t": one_of(rng, 0.25, 0.5, rng.uniform(0.0, 1.0)),
        "max_iter": one_of(rng, 1, int(rng.integers(2, 20)), 100, 1000,
                           p=[0.05, 0.25, 0.3, 0.4]),
        "tol": one_of(rng, 1e-4, 0.0, 1e-2, 1e-8, None, p=[0.6, 0.05, 0.1, 0.15, 0.1]),
        "n_iter_no_change": int(rng.integers(1, 8)),
        "shuffle": one_of(rng, True, False, "full", "blocks", "window"),
        "random_state": int(rng.integers(1000)),
        "n_jobs": one_of(rng, None, 1, 2, -1, p=[0.7, 0.1, 0.15, 0.05]),
        "verbose": one_of(rng, 0, 1, 2, p=[0.94, 0.03, 0.03]),
        "early_stopping": bool(rng.random() < 0.1),
        "validation_fraction": one_of(rng, 0.1, 0.3, rng.uniform(0.01, 0.99)),
        "scoring": one_of(rng, None, "loss", SCORERS[task_of(estimator)]),
        "class_weight": one_of(rng, None, "balanced"),
        "warm_start": bool(rng.random() < 0.1),
        "average": one_of(rng, False, True, int(rng.integers(1, 3 * n + 1)),
                          p=[0.85, 0.07, 0.08]),
        "epsilon": one_of(rng, 0.1, 0.0, log_uniform(rng, 1e-3, 10.0)),
        "quantile": one_of(rng, 0.5, rng.uniform(), 0.0, 1.0, p=[0.3, 0.6, 0.05, 0.05]),
        "power": one_of(rng, 1.5, 0.0, 1.0, 2.0, 3.0, rng.uniform(1.0, 2.0)),
    }  # fmt: skip
    if values["tol"] is None or callable(learning_rate):
        values["max_iter"] = min(values["max_iter"], 100)
    make_compatible(rng, values)
    known = inspect.signature(estimator).parameters
    return {
        name: value
        for name, value in values.items()
        if name in known and value != known[name].default
    }


def make_compatible(rng: Rng, values: dict[str, Any]) -> None:
    """Change most combinations that an optimizer refuses into ones that it takes."""
    optimizer = values["optimizer"]
    if optimizer == "auto" or rng.random() < 0.2:
        return
    if isinstance(optimizer, str):
        optimizer = OPTIMIZERS[optimizer]
    if optimizer.training == "descent":
        return
    values["average"] = False
    values["batch_size"] = "auto"
    if optimizer.training != "variance_reduced":
        values["learning_rate"], values["eta0"] = "auto", None
    if optimizer.name == "lbfgs":
        values["penalty"] = "l2"
    if optimizer.name in ("saga", "svrg") and not LOSSES[values["loss"]]().smooth:
        values["loss"] = "huber"


def task_of(estimator: type) -> str:
    """Whether an estimator is for "regression" or "classification"."""
    return "regression" if estimator is GDRegressor else "classification"


# What no parameter of this name can be.
NONSENSE: dict[str, list[Any]] = {
    "loss": ["squared", None, 1],
    "penalty": ["l3", 2],
    "alpha": [-1.0, np.nan, np.inf, "much", None],
    "l1_ratio": [-0.1, 1.1, "half"],
    "fit_intercept": ["yes", None],
    "optimizer": ["adamm", 3, None],
    "batch_size": [0, -1, 0.5, "all", None],
    "learning_rate": [0.0, -0.1, np.nan, "automatic", []],
    "eta0": ["0.1"],
    "power_t": ["1", None],
    "max_iter": [0, -5, 1.5, None],
    "tol": [-1.0, np.nan, "small"],
    "n_iter_no_change": [0, 1.5],
    "shuffle": ["random", 2, None],
    "random_state": [-1, "seed", 1.5],
    "n_jobs": [0, 1.5, "all"],
    "verbose": [-1, "loud"],
    "early_stopping": ["auto", None],
    "validation_fraction": [0.0, 1.0, -0.5, "tenth"],
    "scoring": ["best", 3],
    "class_weight": ["even", {0: -1.0}, 3],
    "warm_start": ["yes", None],
    "average": [-1, 0.5, "yes"],
    "epsilon": [-1.0, np.nan],
    "quantile": [-0.1, 1.5, None],
    "power": [0.5, -1.0, None],
    "positive": ["yes", None, 1.5],
    "monotonic_cst": ["up", [0.5], [[1]], 3],
    "penalty_factor": ["std", [-1.0], [[1.0]], 2.0, [np.inf]],
    "standardize": ["yes", None],
}


def spoil(rng: Rng, case: Case) -> Case:
    """The same case with one impossible parameter or argument."""
    known = inspect.signature(case.estimator).parameters
    if rng.random() < 0.6:
        name = one_of(rng, *(name for name in NONSENSE if name in known))
        value = one_of(rng, *NONSENSE[name])
        return replace(case.with_params(**{name: value}), spoiled=name)
    n, d = case.table.shape
    name = one_of(rng, "X", "sample_weight", "coef_init", "y", "X_val")
    if name == "X":
        table = case.table.copy()
        table[rng.integers(n), rng.integers(d)] = one_of(rng, np.nan, np.inf)
        layout = "C" if case.layout == "int" else case.layout
        return replace(case, table=table, layout=layout, spoiled=name)
    if name == "y":
        return replace(case, y=case.y[:-1], spoiled="inconsistent numbers of samples")
    value = {
        "sample_weight": one_of(
            rng, np.zeros(n), -np.ones(n), np.full(n, np.nan), np.ones(n + 1)
        ),
        "coef_init": one_of(rng, np.zeros(d + 1), np.full(d, np.inf)),
        "X_val": one_of(rng, case.table[:, :-1], case.table),
    }[name]
    args = {k: v for k, v in case.fit_args.items() if not k.endswith("_val")}
    return replace(case, fit_args={**args, name: value}, spoiled=name)


# --------------------------------------------------------------------------------------
# A case
# --------------------------------------------------------------------------------------


def draw(seed: int) -> Case:
    """The case of a seed, the same on every machine."""
    rng = np.random.default_rng(seed)
    estimator = one_of(rng, GDRegressor, GDClassifier)
    n, d = draw_shape(rng)
    params = draw_params(rng, estimator, n)
    entries = draw_entries(rng, n, d)
    units, tame = draw_units(rng, d)
    with np.errstate(over="ignore", under="ignore"):
        table = entries * units
    if not np.isfinite(table).all():
        table, tame = entries, True
    table += 0.0  # no negative zeros
    fit_args: dict[str, Any] = {}
    if estimator is GDRegressor:
        n_outputs = one_of(rng, 1, int(rng.integers(2, 5)), p=[0.85, 0.15])
        z = draw_signal(rng, entries, n_outputs)
        loss = params.get("loss", "squared_error")
        y, usual = draw_target(rng, loss, z)
        if n_outputs == 1:
            y = y[:, 0]
        tame = tame and usual
        n_coef = n_outputs
    else:
        y = draw_labels(rng, lambda k: draw_signal(rng, entries, k), n)
        classes = np.unique(y)
        n_coef = 1 if len(classes) == 2 else len(classes)
        if rng.random() < 0.05:
            params["class_weight"] = {c: rng.uniform(0.1, 5.0) for c in classes}
    weights, usual = draw_weights(rng, n)
    if weights is not None:
        fit_args["sample_weight"], tame = weights, tame and usual
    if rng.random() < 0.08:
        fit_args["coef_init"] = rng.normal(size=(n_coef, d)) / np.maximum(1.0, units)
        # (Without effect where the model has no intercept.)
        fit_args["intercept_init"] = rng.normal(size=n_coef)
    if rng.random() < 0.08:
        some = rng.integers(n, size=max(2, n // 4))
        fit_args["X_val"], fit_args["y_val"] = table[some], y[some]
    layout = draw_layout(rng, table)
    if "float32" in layout:
        table = table.astype(np.float32).astype(np.float64)
    if estimator is GDClassifier:
        y = draw_several_labels(seed, entries, y, params, fit_args)
    params |= draw_signs(seed, estimator, params, y, d)
    if tame:
        params |= draw_strengths(seed, params, y, d)
    case = Case(seed, estimator, params, table, layout, y, fit_args, tame)
    return spoil(rng, case) if rng.random() < 0.03 else case


def draw_several_labels(
    seed: int,
    entries: Array,
    y: Array,
    params: dict[str, Any],
    fit_args: dict[str, Any],
) -> Array:
    """y, or in few cases an indicator matrix; by a generator of its own.

    Parameters and arguments that only suit one label per row are taken out.
    """
    rng = np.random.default_rng([seed, 2])
    if rng.random() > 0.1:
        return y
    z = draw_signal(rng, entries, int(rng.integers(2, 5)))
    share = rng.choice([0.0, 0.1, 0.5, 0.9, 1.0], p=[0.05, 0.2, 0.5, 0.2, 0.05])
    params.pop("class_weight", None)
    for name in ("coef_init", "intercept_init", "X_val", "y_val"):
        fit_args.pop(name, None)
    return (z > np.quantile(z, share, axis=0)).astype(int)


def draw_signs(
    seed: int, estimator: type, params: dict[str, Any], y: Array, d: int
) -> dict[str, Any]:
    """Signs of the coefficients, in few cases; numbers of a generator of their own."""
    rng = np.random.default_rng([seed, 1])
    optimizer = params.get("optimizer", "auto")
    name = optimizer if isinstance(optimizer, str) else optimizer.name
    possible = name == "auto" or OPTIMIZERS[name].why_no_signs is None
    possible = possible and (estimator is GDRegressor or len(np.unique(y)) <= 2)
    possible = possible and params.get("learning_rate") not in ("pa1", "pa2")
    if rng.random() > (0.12 if possible else 0.01):
        return {}
    if rng.random() < 0.5:
        return {"positive": True}
    return {"monotonic_cst": rng.integers(-1, 2, size=d)}


def draw_strengths(
    seed: int, params: dict[str, Any], y: Array, d: int
) -> dict[str, Any]:
    """Strengths of coefficients, in few cases; numbers of a generator of their own."""
    rng = np.random.default_rng([seed, 4])
    optimizer = params.get("optimizer", "auto")
    name = optimizer if isinstance(optimizer, str) else optimizer.name
    possible = name == "auto" or OPTIMIZERS[name].why_uniform is None
    if rng.random() > (0.12 if possible else 0.01):
        return {}
    drawn: dict[str, Any] = {}
    if rng.random() < 0.6:
        drawn["penalty_factor"] = rng.choice([0.0, 0.1, 1.0, 7.0], size=d)
    # (Deviations are those of the rows that are not held out.)
    if rng.random() < 0.5 and not params.get("early_stopping"):
        drawn["standardize"] = True
    if y.dtype.kind == "f" and y.ndim == 2 and rng.random() < 0.5:
        if params.get("learning_rate") != "optimal":
            drawn["alpha"] = rng.choice([0.0, 1e-3, 0.1, 10.0], size=y.shape[1])
    return drawn


def draw_layout(rng: Rng, table: Array) -> str:
    """A layout that can hold the table."""
    largest = np.abs(table).max(initial=0.0)
    whole = largest < 2**53 and (table == np.round(table)).all()
    layout = one_of(
        rng, "C", *LAYOUTS, p=[0.4, *np.full(len(LAYOUTS), 0.6 / len(LAYOUTS))]
    )
    if ("float32" in layout and largest > 1e38) or (layout == "int" and not whole):
        return "C"
    return layout


def draw_many(seed: int) -> Iterator[Case]:
    """Endless cases of one seed."""
    number = 0
    while True:
        yield draw(case_seed(seed, number))
        number += 1


def case_seed(seed: int, number: int) -> int:
    """Seed of the case of this number among those of a run."""
    return 1_000_000 * seed + number
