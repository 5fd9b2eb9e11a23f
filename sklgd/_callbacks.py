"""scikit-learn's callbacks: a fit is a task with subtasks, such as its epochs."""

from functools import cached_property
from typing import Any


class FitTasks:
    """Tells the callbacks of an estimator what `fit` is doing.

    Parameters
    ----------
    est : estimator
    X, y : array
        As `fit` has checked them.
    sample_weight, offset : array or None
        The user's.
    rows : int array or None
        Numbers of the rows to learn from; None for all.
    max_subtasks : int or None
        Largest number of subtasks; None if it is not known.
    name : str
        What a subtask is called.
    subtasks_of_epochs : int or None
        Largest number of subtasks of each of them; None if it is not known.
    """

    def __init__(
        self, est, X, y, sample_weight, rows, max_subtasks, name="epoch",
        subtasks_of_epochs=0, offset=None,
    ):  # fmt: skip
        self.est, self.rows, self.name = est, rows, name
        self.subtasks_of_epochs = subtasks_of_epochs
        if offset is not None and offset.shape[1] == 1:
            offset = offset[:, 0]
        self.everything = X, y, sample_weight, offset
        self.root = est._init_callback_context(max_subtasks=max_subtasks)
        self.subtask: Any = None
        self.root.call_on_fit_task_begin(**self.arguments)

    @cached_property
    def training(self):
        """X, y, sample_weight and offset of the rows to learn from.

        Those of an early-stopped fit are copied, so only if a callback asks for them.
        """
        if self.rows is None:
            return self.everything
        return tuple(None if a is None else a[self.rows] for a in self.everything)

    @property
    def arguments(self):
        """What every hook may ask for; scikit-learn calls the functions if one does."""

        def metadata():
            named = zip(("sample_weight", "offset"), self.training[2:], strict=True)
            given = {name: array for name, array in named if array is not None}
            return given or None

        return {
            "estimator": self.est,
            "X": lambda: self.training[0],
            "y": lambda: self.training[1],
            "metadata": metadata,
        }

    def begin_subtask(self):
        """A subtask begins."""
        self.subtask = self.root.subcontext(
            task_name=self.name, max_subtasks=self.subtasks_of_epochs
        )
        self.subtask.call_on_fit_task_begin(**self.arguments)

    def end_subtask(self, attributes):
        """A subtask has ended.

        Parameters
        ----------
        attributes : callable
            Gives the fitted attributes of the moment, by name.

        Returns
        -------
        stop : bool
            True if a callback asks for an end of the run.
        """
        subtask, self.subtask = self.subtask, None
        return subtask.call_on_fit_task_end(
            **self.arguments, reconstruction_attributes=attributes
        )

    def each_call(self, function, name):
        """The same function, each call of which is a task of the epoch or the fit."""

        def call(*args):
            parent = self.root if self.subtask is None else self.subtask
            context = parent.subcontext(task_name=name)
            context.call_on_fit_task_begin(**self.arguments)
            result = function(*args)
            context.call_on_fit_task_end(**self.arguments)
            return result

        return call

    def end(self, attributes):
        """The fit has ended, with these fitted attributes.

        So has the epoch in which it diverged.
        """
        if self.subtask is not None:
            self.end_subtask(attributes)
        self.root.call_on_fit_task_end(
            **self.arguments, reconstruction_attributes=attributes
        )
