"""What `GDRegressor` and `GDClassifier` share: parameters in, fitted attributes out."""

import math
from abc import abstractmethod
from copy import copy
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.exceptions import ConvergenceWarning

from ._callbacks import FitTasks
from ._compat import CallbackSupport, has_callbacks, warn
from ._data_checks import (
    canonical,
    check_indices,
    check_start,
    checked_by_sklearn,
    gathered,
    has_nothing_to_check,
    has_nothing_to_check_in_target,
    rows_with_weight,
)
from ._effects import warn_without_effect
from ._fit.data import Data, columns_to_fit
from ._fit.diagnosis import explain
from ._fit.loop import Run
from ._fit.messages import warning
from ._fit.minimum_norm import keep_centred, minimise_norm
from ._fit.monitor import Monitor
from ._fit.offset import without_offset
from ._fit.plan import make_plan
from ._fit.result_dtype import dtype_of_result
from ._fit.settings import Settings, penalty_of
from ._fit.state import State, mark_of_reported
from ._fit.statistics import Statistics
from ._fit.stream import OfStream, Stream, learn_chunk, online_optimizer
from ._hints import (
    EXAMPLES,
    PARAMETERS_OF_OTHERS,
    ExplainsKeywords,
)
from ._html import ShowsFit
from ._log import Log
from ._partial_fit import learn_by_rule
from ._pickle import VersionedPickle, description
from ._prediction import raw_prediction
from ._scoring import column_means, validation_of, warn_if_unlike
from ._signs import keep_signs
from ._solvers.base import Solver
from ._solvers.fista import FISTASolver
from ._solvers.online import OnlineSolver
from ._solvers.quasi_newton import QuasiNewtonSolver
from ._solvers.rules import RuleSolver
from ._solvers.variance_reduced import VarianceReducedSolver
from ._storage import Storage
from ._validation import PLAIN
from .blocks._source import Blocks
from .losses import LOSSES
from .optimizers import OPTIMIZERS, optimizer_name

# Optimizer.training -> the class that runs its epochs.
SOLVERS: dict[str, type[Solver]] = {
    "descent": RuleSolver,
    "variance_reduced": VarianceReducedSolver,
    "quasi_newton": QuasiNewtonSolver,
    "proximal_gradient": FISTASolver,
    "online": OnlineSolver,
}
# What alpha="auto" means, but for streams of the online learner, which need no penalty.
ALPHA = 1e-4


class BaseGD(ExplainsKeywords, CallbackSupport, ShowsFit, Storage, VersionedPickle):
    """Linear model fitted by gradient descent; see the two estimators."""

    coef_: Any
    intercept_: Any
    classes_: Any
    _state: Any

    keyword_hints = PARAMETERS_OF_OTHERS
    state_classes = (State, Stream)
    _task: str
    # True if the rows of a classifier have several labels each.
    _multilabel = False
    # Whether rows may have offsets.
    _takes_offset = False
    _min_validation_rows = 1
    _doc_link_module = "sklgd"
    _doc_link_template = "https://sklgd.readthedocs.io/en/stable/api/{estimator_module}.{estimator_name}.html"

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def set_params(self, **params):
        """Set parameters, also those of the optimizer: ``optimizer__beta_1=0.8``.

        An optimizer that is given by its name becomes the object that the name stands
        for, so that ``optimizer__beta_1`` can be searched on ``optimizer="adam"``.

        Parameters
        ----------
        **params : dict
            Names and values.

        Returns
        -------
        self : object
        """
        for name in {key.partition("__")[0] for key in params if "__" in key}:
            value = params.get(name, getattr(self, name, None))
            if not isinstance(value, str):
                continue
            named = optimizer_name(value) if name == "optimizer" else None
            if named not in OPTIMIZERS:
                inner = next(key for key in params if key.startswith(f"{name}__"))
                raise ValueError(
                    f"{inner} cannot be set on {name}={value!r}, which is a name and "
                    f"has no parameters. Set {name} to an object first, such as "
                    f"{EXAMPLES.get(name, 'one of its classes')}."
                )
            params = {**params, name: OPTIMIZERS[named]()}
        return super().set_params(**params)

    # ------------------------------------------------------------------ data in

    def _validate(self, X, y="no_validation", reset=True, **kwargs):
        """X (and y) as scikit-learn checks them, X as the kernels read it."""
        if isinstance(X, Blocks):
            # (It says so before a missing y is noticed.)
            np.asarray(X)
        X, X_only = gathered(X, "X"), isinstance(y, str)
        y = y if X_only else gathered(y, "y")
        if isinstance(y, (np.ndarray, list, tuple)) and np.size(y) == 0:
            raise ValueError("y is empty. Pass one target for each row of X.")
        several = kwargs.get("multi_output", False)
        if (
            has_nothing_to_check(X)
            and (X_only or has_nothing_to_check_in_target(y, X.shape[0], several))
            and self._expects(X, reset)
        ):
            if reset:
                self.n_features_in_ = X.shape[1]
            checked = X if X_only else (X, y)
        else:
            checked = checked_by_sklearn(self, X, y, reset, **kwargs)
        if X_only:
            return check_indices(checked)
        return canonical(checked[0]), checked[1]

    def _expects(self, X, reset):
        """True if an array of this shape is no surprise: no names, no other width."""
        return not hasattr(self, "feature_names_in_") and (
            reset or getattr(self, "n_features_in_", None) == X.shape[1]
        )

    def _make_loss(self):
        params = LOSSES[self.loss].params
        return _loss(self.loss, *[getattr(self, name) for name in params])

    def _alpha(self, stream=False):
        """``alpha`` as a number or an array of one for each target.

        ``stream`` is True if the online learner learns.
        """
        if isinstance(self.alpha, str):
            return 0.0 if stream else ALPHA
        return np.array(self.alpha, float) if np.ndim(self.alpha) else float(self.alpha)

    def _penalty(self, alpha=None, l1_ratio=None, sizes=None):
        """As `penalty_of`; what is given takes the place of the parameters."""
        alpha = self._alpha() if alpha is None else alpha
        return penalty_of(self, alpha, l1_ratio, sizes)

    def _start(self, coef_init, intercept_init, n_features, n_outputs):
        """Starting point of a fit, or None: the arguments', else a warm start's."""
        given = coef_init is not None or intercept_init is not None
        if not given and self.warm_start and hasattr(self, "coef_"):
            coef_init, intercept_init = self.coef_, self.intercept_
            if sp.issparse(coef_init):
                coef_init = coef_init.toarray()
            before = np.atleast_2d(coef_init).shape
            if before != (n_outputs, n_features):
                raise ValueError(
                    f"warm_start=True continues from a fit with {before[1]} features "
                    f"and {before[0]} output(s), but these data have {n_features} and "
                    f"{n_outputs}. Use warm_start=False, or a new estimator (clone)."
                )
        start = check_start(coef_init, intercept_init, n_features, n_outputs)
        if start is not None and not self.fit_intercept:
            if intercept_init is not None and given and start[-1].any():
                warn("intercept_init has no effect with fit_intercept=False.")
            start[-1] = 0.0
        return start

    @abstractmethod
    def _hold_out(self, y):
        """Numbers of the rows for training and of those for validation, ascending."""

    @abstractmethod
    def _own_score(self, y, weights):
        """What `score` gives, as a function of (z, loss, coef) for `Validation`."""

    def _split(self, y, present, validation):
        """Numbers of the rows to learn from (None: all) and of those held out, or None.

        ``present`` are the numbers of the rows with a weight; None means all.
        """
        if validation is not None or not self.early_stopping:
            return present, None
        y = y if present is None else y[present]
        rows, held_out = self._hold_out(y)
        if len(held_out) < self._min_validation_rows:
            raise ValueError(
                f"validation_fraction={self.validation_fraction!r} of {len(y)} rows "
                f"leaves {len(held_out)} for validation, but the score needs "
                f"{self._min_validation_rows}. Use a larger fraction, pass X_val and "
                "y_val, or early_stopping=False."
            )
        if present is not None:
            rows, held_out = present[rows], present[held_out]
        return rows, held_out

    # ---------------------------------------------------------------------- fit

    def _fit(
        self, X, y, target, weights, n_outputs, start, validation, sample_weight,
        offset=None, known=None,
    ):  # fmt: skip
        """Fit afresh, or from the coefficients ``start``.

        Parameters
        ----------
        X : ndarray or canonical CSR
        y : array
            Targets as `score` takes them.
        target : float64 array
            Targets as the loss takes them.
        weights : float64 array or None
            Sample weights times class weights.
        n_outputs : int
        start : float64 array of shape (n_features + 1, n_outputs) or None
        validation : dict or None
            Of the validation set passed to `fit`: ``data``, the fields of `Data` in
            which it differs, and its ``y``, ``sample_weight`` and, for regression,
            ``offset`` as `score` takes them.
        sample_weight : float64 array or None
            For callbacks and scores.
        offset : float64 array of shape (n_samples, 1 or n_outputs) or None
            Is added to the raw predictions.
        known : KnownMoments or None
            Moments of X that the caller has computed.
        """
        log = Log(self.verbose) if self.verbose else None
        rows, held_out = self._split(y, rows_with_weight(weights), validation)
        tasks = None
        if has_callbacks(self):
            tasks = FitTasks(
                self, X, y, sample_weight, rows, self.max_iter, offset=offset
            )
        settings, loss = Settings.of(self), self._make_loss()
        data = Data(
            X, target, weights, rows, loss, n_outputs, self.fit_intercept, self.n_jobs,
            penalised=not settings.penalty.absent,
        )  # fmt: skip
        columns, data.n_columns = columns_to_fit(X, rows, start, n_outputs)
        given = data.of_columns(columns)
        given.known_moments = None if known is None else known.of_columns(columns)
        spread = Statistics.of_columns(given) if self.standardize else None
        settings = settings.suited(self, n_outputs, spread, columns)
        settings = settings.of_columns(columns)
        data = without_offset(given, offset)
        data.known_moments = given.known_moments
        if start is None:
            coef = np.zeros((data.X.shape[1] + 1, n_outputs))
        else:
            coef = start if columns is None else start[np.append(columns, -1)]
            keep_signs(settings.penalty, coef)
        plan = make_plan(settings, data)
        key = self._plan_key() if plan.streams else None
        state: Any = State(coef, plan, key, self.random_state)
        state.columns, state.spread = columns, spread
        own_validation = validation is not None and held_out is None
        warn_without_effect(self, state.plan, own_validation=own_validation)
        solver = SOLVERS[state.plan.optimizer.training]
        shared = data.weights is given.weights
        state.normalise(data)
        if shared:
            # (The rows held out have the bits of a fit without an offset, too.)
            given.weights = data.weights
        null = data.fit_intercept_only()
        if held_out is not None:
            held_out = replace(given, rows=held_out)
            validation = validation_of(
                self, held_out, X, y, sample_weight, null, X.dtype, offset
            )
        elif validation is not None:
            given = replace(given, **validation.pop("data"))
            X_val, given = given.X, given.of_columns(columns)
            warn_if_unlike(column_means(given.X), data.X)
            validation = validation_of(
                self, given, X_val, **validation, null=null, dtype=X.dtype
            )
        return self._run(
            settings, data, state, solver, null, start is not None, validation, tasks,
            log,
        )  # fmt: skip

    def _run(self, settings, data, state, solver, null, warm, validation, tasks, log):
        """Fit to data of any kind; sets the fitted attributes.

        Parameters
        ----------
        settings : Settings
        data : DataOfFit
            With weights of mean one.
        state : State
            At the starting coefficients.
        solver : type
            Subclass of `Solver`.
        null : ndarray of shape (n_outputs,)
            Raw predictions of the best constant model.
        warm : bool
            True if the starting coefficients were given.
        validation : Validation or None
        tasks : FitTasks or None
        log : Log or None
        """
        loss, penalty, dtype = data.loss, settings.penalty, data.X.dtype
        self.__dict__.pop("n_passes_", None)
        if state.plan.schedule is None:
            if not warm:
                state.coef[-1] = self._first_intercept(null)
            state.tune(settings, data, null, penalty, solver.tune)
            z_unit, loss_unit = state.statistics.z_unit, state.statistics.loss_unit
        else:
            z_unit, loss_unit = data.natural_scale(null)
        unit, data = float(np.add.reduce(loss_unit)), data.measured_from(null, z_unit)
        training = solver.start(data, state, penalty, self.shuffle, self.average)
        at_start = training.objective()
        if not math.isfinite(at_start) and data.is_finite():
            if not warm:
                raise data.size_error()
            raise ValueError(
                "coef_init, intercept_init: the objective at this starting point, or "
                "at that of warm_start, leaves float64. Start from smaller "
                "coefficients, or without any."
            )
        monitor = Monitor(
            tol=self.tol,
            n_iter_no_change=self.n_iter_no_change,
            null=training.constant_objective(null),
            unit=unit,
            start=at_start,
            degenerate=loss.degenerate,
            patient=state.plan.schedule.starts_wild,
            early_stopping=self.early_stopping,
            growth=training.growth() if loss.degenerate else np.inf,
            score_unit=1.0 if validation is None else validation.unit,
            bounded=loss.bounded_gradient and training.steps_singly,
            base=data.base,
        )
        training.aim(monitor.null, self.tol)
        training.n_epochs = self.max_iter
        if log is not None:
            log.begin(self, data, state)
        run = Run(
            settings, training, monitor, validation, tasks, log, self._results_so_far
        )
        interrupt = diagnosis = None
        try:
            diagnosis = run.run()
        except KeyboardInterrupt as error:
            if monitor.stop_reason != "interrupted":
                raise
            interrupt = error
        curve = monitor.curve()
        if interrupt is None:
            run.choose_result()
        if diagnosis is None and interrupt is None:
            diagnosis = explain(settings, training, monitor)
        if interrupt is None:
            run.prove()
        keep_centred(training)
        if self._may_shorten(state.plan, monitor, penalty):
            objective = minimise_norm(training, unit)
            if objective is not None:
                monitor.loss_curve[-1] = objective
                state.place()
        dtype, objective = dtype_of_result(
            training, dtype, monitor.loss_curve[-1], unit, lambda: monitor.null
        )
        if not self.early_stopping:
            monitor.loss_curve[-1] = objective
        state.unit, state.curve = monitor.unit, curve
        state.reported = monitor.base + monitor.loss_curve[-1]
        results = self._results(state, training.coef, dtype, monitor)
        results["diagnosis_"] = diagnosis
        if tasks is not None and interrupt is None:
            tasks.end(
                lambda: self._results_so_far(training, monitor, monitor.stop_reason)
            )
        state.conclude(training.coef.astype(results["coef_"].dtype, copy=False))
        self.__dict__.update(results)
        if log is not None:
            log.trouble(diagnosis)
            log.end(monitor)
        if interrupt is not None:
            try:
                raise interrupt
            finally:
                # It holds this frame, which would keep X alive.
                del interrupt
        if diagnosis is not None:
            warn(warning(diagnosis, settings), ConvergenceWarning)
        return self

    def _may_shorten(self, plan, monitor, penalty):
        """True if F may have several minimisers, of which the run has found one."""
        return (
            penalty.smooth
            and not self.early_stopping
            and plan.guarded
            and monitor.stop_reason not in ("diverged", "interrupted", "callback")
        )

    def _first_intercept(self, null):
        """Intercept at which a fit with a learning rate found from the data starts."""
        if LOSSES[self.loss].task == "regression":
            return null
        # The first rows of a stream may all be of one class, and later ones of others.
        return np.minimum(np.maximum(null, -3.0), 3.0)

    def _plan_key(self):
        """The parameters that decide the plan; a stream starts afresh on a change."""
        names = "loss optimizer batch_size learning_rate eta0 power_t".split()
        values = [getattr(self, name) for name in names]
        return tuple([v if type(v) in PLAIN else description(v) for v in values])

    def _partial_fit(self, X, target, weights, n_outputs, offset=None):
        """One epoch over a chunk; arguments as in `_fit`."""
        online = online_optimizer(self)
        if online is None:
            return learn_by_rule(self, X, target, weights, n_outputs, offset)
        return learn_chunk(self, online, X, target, weights, n_outputs, offset)

    # ----------------------------------------------------------------- data out

    coef_ = OfStream()
    intercept_ = OfStream()

    @property
    def progressive_loss_(self):
        """Mean loss of the rows of a stream, each predicted before it was learnt."""
        loss, weight = self._learner("progressive_loss_").progress()
        return self._state.users_loss(loss / weight) if weight > 0.0 else math.nan

    @property
    def progressive_score_(self):
        """Score of the same predictions: accuracy, R2, or D2 with a log link.

        R2 and D2 of a constant target are 1 if it was predicted, else 0.
        """
        return self._learner("progressive_score_").score()

    def _learner(self, name):
        """The online learner; an AttributeError where there is none."""
        learner = getattr(vars(self).get("_state"), "learner", None)
        if learner is None:
            raise AttributeError(
                f"This {type(self).__name__} instance has no {name}: it is set by "
                "partial_fit with optimizer='auto' or 'online'."
            )
        return learner

    @property
    def loss_curve_(self):
        """Objective after each epoch; in online learning, mean loss of each call."""
        if "_state" not in vars(self):
            raise AttributeError(
                f"This {type(self).__name__} instance has no loss_curve_ yet. Call "
                "fit or partial_fit first."
            )
        state = self._state
        if state.reported is None:
            return list(state.curve[: self.n_iter_])
        return [*state.curve[: self.n_iter_ - 1], state.reported]

    def _results(self, state, coef, dtype, monitor=None):
        """All fitted attributes, by name, of a run or (without a monitor) of a call.

        Copies: learning on must not change what was handed out.
        """
        reported = self._coefficients(coef, dtype, state.columns)
        state.handed_out = mark_of_reported(*reported.values())
        results = {
            "_state": state,
            **reported,
            "t_": 1 + state.rows,
            "optimizer_": state.plan.optimizer,
            "batch_size_": state.plan.batch_size,
            "learning_rate_": state.plan.schedule,
            **{"optimality_gap_": np.nan, "optimality_gap_is_bound_": False},
            "validation_scores_": None,
            "best_validation_score_": None,
            "diagnosis_": None,
            "alpha_": self._alpha(),
        }
        if monitor is not None:
            results |= monitor.figures()
            if monitor.validation_scores:
                results["validation_scores_"] = monitor.validation_scores
                results["best_validation_score_"] = float(monitor.best_score)
        return results

    def _coefficients(self, coef, dtype, columns):
        """``coef_`` and ``intercept_``, by name; ``columns`` are those of the fit."""
        rounded = coef
        if dtype != np.float64:
            with np.errstate(over="ignore", under="ignore"):
                rounded = coef.astype(dtype)
            if not np.isfinite(rounded).all():
                rounded = coef
        if columns is None:
            w = np.array(rounded[:-1].T, order="C")
        else:
            w = np.zeros((coef.shape[1], self.n_features_in_), rounded.dtype)
            w[:, columns] = rounded[:-1].T
        return {"coef_": w, "intercept_": np.array(rounded[-1])}

    def _results_so_far(self, training, monitor, stop_reason):
        """The same of a run that goes on, as if it had stopped here."""
        monitor = copy(monitor)
        monitor.stop_reason = stop_reason
        monitor.validation_scores = monitor.validation_scores.copy()
        state = training.frozen()
        state.unit, state.curve = monitor.unit, monitor.curve()
        state.reported = state.curve[-1]
        results = self._results(state, training.coef, training.data.X.dtype, monitor)
        state.conclude(training.coef.astype(results["coef_"].dtype, copy=False))
        return results

    def _raw_prediction(self, X):
        """X @ coef_.T + intercept_, of shape (n_samples, n_outputs)."""
        return raw_prediction(self, X)


@lru_cache(maxsize=64)
def _loss(name, *params):
    """The loss of a name; the objects are never changed."""
    return LOSSES[name](*params)
