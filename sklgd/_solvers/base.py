"""The contract between the loop of `fit` and the solvers.

`Solver` has every method that a fit calls, and says what each call sets. `fit` calls
them in this order::

    tune                        scaling and learning rate, where these are found
    start                       the run, with its data term and starting point
    objective                   F at the start
    constant_objective          F of the constant model
    aim                         F of the constant model, and the tolerance
    snapshot                    coefficients to return to
    per epoch:
      advance                   one epoch or several: `epoch`, then `finish_epoch`
      accept, refresh_rotation    only where `Plan.guarded`; `accept` may `restore`
      gap                       the estimated optimality gap
    restore                     the best coefficients, if they are not the last
    likely_gap, finish, add_zeros
                                the gap and the coefficients to report
    proof                       a bound of F - F* where there is no gap
    keep                        what the state keeps for `partial_fit`

`partial_fit` makes `snapshot`, `objective`, `epoch`, `objective`, `accept` or
`restore`, `add_zeros` and `keep` for each chunk of rows.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from copy import copy, deepcopy
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from ..penalties import Penalty

if TYPE_CHECKING:
    from .._fit.data import Data
    from .._fit.plan import Plan
    from .._fit.settings import Settings
    from .._fit.state import State
    from .._fit.statistics import Statistics


class Point:
    """A run after an epoch.

    Parameters
    ----------
    solver : Solver
    last, largest : float
        Learning rates of the epoch.
    objective : float or None
        F; None if it is not known yet.

    Attributes
    ----------
    kept : object
        A snapshot, if the run has continued since; else None.
    """

    kept: Any = None
    counts: tuple[int, int] | None = None

    def __init__(
        self, solver: Solver, last: float, largest: float, objective: float | None
    ) -> None:
        self.solver, self.last, self.largest = solver, last, largest
        self.objective = objective
        if objective is None:
            self.kept = solver.snapshot()
            self.counts = solver.state.steps, solver.state.rows

    def forget_later(self) -> None:
        """Undo the counts of the epochs after this one."""
        if self.counts is not None:
            self.solver.state.steps, self.solver.state.rows = self.counts


class Solver(ABC):
    """One run of a method on one problem, epoch by epoch.

    A subclass is named in ``sklgd._base.SOLVERS`` under the ``training`` of the
    optimizers that it runs. Its constructor sets ``data``, ``problem``, ``state``
    and ``penalty``; the capabilities are class attributes or properties.

    Attributes
    ----------
    data : Data
        With weights of mean one.
    problem : InMemory
        The data term of the rows to learn from. Methods over all rows use it through
        the `DataTerm` contract only; others hand it to their kernels.
    state : State
        Updated in place: ``coef`` by every epoch, ``steps`` and ``rows`` count.
    penalty : Penalty
        Of the raw coefficients.
    full : bool
        True for descent over all rows.
    plain : bool
        True for gradient descent over all rows without momentum: F falls in every
        epoch.
    steps_singly : bool
        True for SGD's steps of single rows with a learning rate of the user's.
    may_cut : bool
        True if a run that stalls may still try smaller steps.
    may_add_zeros : bool
        True if `add_zeros` may find some.
    longest_run : int
        Number of epochs that may run before F is computed for all of them.
    n_epochs : int
        Largest number of epochs, set before the first one.
    barrier_weight : float or None
        Of the barrier that smooths a non-smooth loss; a run that lowers it goes on.
    reported : ndarray or None
        Coefficients to report if they are not the last iterate.
    interrupted : bool
        True after Ctrl-C among several epochs, of which some had ended.
    proves_after : float
        Number of epochs after which `proof` takes little of the time of a run.
    """

    data: Data
    problem: Any
    state: State
    penalty: Penalty
    full: bool = False
    may_add_zeros: bool = False
    n_epochs: int = 1
    barrier_weight: Any = None
    reported: np.ndarray | None = None
    interrupted: bool = False
    proves_after: float = math.inf

    @property
    def plain(self) -> bool:
        """False, unless a subclass says otherwise."""
        return False

    @property
    def steps_singly(self) -> bool:
        """False, unless a subclass says otherwise."""
        return False

    @property
    def may_cut(self) -> bool:
        """False, unless a subclass says otherwise."""
        return False

    @property
    def longest_run(self) -> int:
        """One, unless a subclass says otherwise."""
        return 1

    # ------------------------------------------------------------- before the epochs

    @staticmethod
    @abstractmethod
    def tune(
        plan: Plan,
        settings: Settings,
        data: Data,
        statistics: Statistics,
        penalty: Penalty,
    ) -> None:
        """Set the plan's schedule and scaling or preconditioner from the data."""

    @classmethod
    def start(
        cls,
        data: Data,
        state: State,
        penalty: Penalty,
        shuffle: Any,
        average: bool | int,
    ) -> Solver:
        """The run of a state, whose ``coef`` may move to a better starting point.

        Parameters
        ----------
        data, state, penalty
            As the attributes.
        shuffle, average
            As the estimators' parameters.
        """
        return cls(data, state, penalty, shuffle, average)  # type: ignore[call-arg]

    def aim(self, null: float, tol: float | None) -> None:
        """Set F of the constant model, and the optimality gap to reach."""
        return None

    # -------------------------------------------------------------------- the epochs

    @abstractmethod
    def epoch(self) -> tuple[float, float]:
        """One pass over the rows: sets ``state.coef``, ``steps`` and ``rows``.

        Returns
        -------
        last, largest : float
            Learning rates: the epoch's last and its largest.
        """

    def finish_epoch(self) -> float:
        """F after an epoch; a method may first move to a better point near it."""
        return self.objective()

    def advance(self, n_epochs: int) -> list[Point]:
        """Run epochs, one or more of ``n_epochs``, at most `longest_run`.

        Returns
        -------
        points : list of Point
            One for each.
        """
        last, largest = self.epoch()
        return [Point(self, last, largest, self.finish_epoch())]

    def accept(
        self, before: float, after: float, snapshot: Any, out_of_bounds: bool
    ) -> bool:
        """Guard of a learning rate found from the data: undo an epoch that did harm.

        Parameters
        ----------
        before, after : float
            F before the epoch and after it.
        snapshot : object
            What `snapshot` gave before the epoch.
        out_of_bounds : bool
            True if the objective is out of bounds.

        Returns
        -------
        accepted : bool
            False if the epoch was undone, and ``state.factor`` set for the next one.
        """
        return True

    def refresh_rotation(self, settings: Settings, epoch: int, accepted: bool) -> bool:
        """Renew the rotation if it is due: True if so; then the rule starts anew."""
        return False

    def can_recover(self) -> bool:
        """True if an objective out of bounds may be due to the learning rate."""
        return self.data.is_finite()

    @abstractmethod
    def snapshot(self) -> Any:
        """Copies of what an epoch changes, for `restore`."""

    @abstractmethod
    def restore(self, snapshot: Any) -> None:
        """Go back to a snapshot."""

    # ------------------------------------------------------------------ the objective

    @property
    def coef(self) -> np.ndarray:
        """The coefficients to report, shape (n_features + 1, n_outputs)."""
        return self.state.coef if self.reported is None else self.reported

    def objective(self) -> float:
        """F at the coefficients to report."""
        coef = self.coef
        return self.problem.value(coef) / self.mean_weight + self.penalty.value(coef)

    def constant_objective(self, raw_predictions: np.ndarray) -> float:
        """F of a constant model."""
        coef = np.zeros(self.state.coef.shape)
        coef[-1] = raw_predictions
        return self.problem.value(coef) / self.mean_weight

    def gap(self) -> float:
        """Estimate of (F - F*) / (F_null - F*) at the present point; NaN if unknown."""
        return math.nan

    def likely_gap(self, gap: float) -> float:
        """Estimate of the optimality gap at the end, where ``gap`` is a bound of it."""
        return gap

    def is_certified(self) -> bool:
        """True if the last result of `gap` is a bound that has been proven."""
        return False

    def growth(self) -> float:
        """By how much an epoch of learning rate one can raise a degenerate objective.

        Infinite if the method itself keeps its steps from becoming too large.
        """
        return math.inf

    def has_full_rank(self) -> bool:
        """True if the run has shown that the columns of X are independent."""
        return False

    @cached_property
    def mean_weight(self) -> float:
        """Mean weight of the rows, by which sums of losses are divided."""
        return self.data.mean_weight

    @property
    def entries_per_row(self) -> int:
        """Entries of a row of X times outputs."""
        return max(1, int(self.data.entries_per_row) * self.data.n_outputs)

    # ---------------------------------------------------------------------- the end

    def finish(self, gap: float) -> float | None:
        """Make the step whose end has confirmed the last optimality gap.

        F is known there, and lower.

        Parameters
        ----------
        gap : float
            The gap to report.

        Returns
        -------
        gap : float or None
            That to report then; None if there is no such step.
        """
        return None

    def add_zeros(self, objective: float) -> float:
        """Give the coefficients to report the zeros that an l1 penalty asks for.

        Parameters
        ----------
        objective : float
            F at the coefficients to report.

        Returns
        -------
        objective : float
            F at those to report now; `reported` holds them if they have changed.
        """
        return objective

    def proof(self, objective: float, null: float) -> float:
        """Bound of F - F* at the coefficients to report, infinite where there is none.

        Parameters
        ----------
        objective, null : float
            F there, and at the best constant model.
        """
        return math.inf

    @abstractmethod
    def keep(self) -> None:
        """Leave in ``state`` what `partial_fit` and a pickle continue from."""

    def frozen(self) -> State:
        """The state as `keep` would leave it now; the run goes on with its own."""
        run = copy(self)
        state = run.state = copy(self.state)
        state.plan = copy(state.plan)
        if "rng" in vars(state):
            state.rng = deepcopy(state.rng)
        run.keep()
        return state
