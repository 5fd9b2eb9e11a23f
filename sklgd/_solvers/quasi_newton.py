"""What runs Newton's method and L-BFGS: they have substitutes for some shapes of X."""

from .._fit.cost import has_few_rows
from .fista import FISTASolver
from .hessian import factored
from .newton import NewtonSolver
from .row_space import RowSpaceSolver


class QuasiNewtonSolver(NewtonSolver):
    """The solver of "newton" and "lbfgs"; it starts runs and has no steps itself."""

    @classmethod
    def start(cls, data, state, penalty, shuffle, average):
        """The run of a state by Newton's method, or by a substitute.

        With few rows and many columns it is a run in the space of the rows. If there is
        an l1 penalty and the matrix for coordinate descent is too large, it is a run of
        FISTA.
        """
        if not penalty.smooth and not factored(data):
            return FISTASolver.start(data, state, penalty, shuffle, average)
        if (
            penalty.smooth
            and penalty.same_for_features()
            and state.plan.optimizer.curvature
            and has_few_rows(data)
        ):
            return RowSpaceSolver(NewtonSolver.start, data, state, penalty)
        return NewtonSolver.start(data, state, penalty, shuffle, average)
