"""The validation set of `fit_blocks`: arrays, or a source of blocks.

Blocks of which all rows fit into the memory that is kept for evenly spaced ones become
arrays. Others are read once after each epoch.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ._fit.block_validation import BlockValidation, Judge
from ._fit.passes import sum_of
from ._scoring import column_means, validation_of, warn_if_unlike


def validation_set(est, validation, task, engine, extra):
    """The validation set that was passed to `fit_blocks`, after all checks.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
    validation : tuple, source of blocks or None
    task : DescribeLabels or DescribeTargets
        Describes blocks.
    engine : callable
        Makes an `Engine` of blocks.
    extra : object
        What ``est._validation_set`` takes beside the rows.

    Returns
    -------
    held_out : InMemory, InBlocks or None
    """
    if validation is None:
        return None
    if isinstance(validation, tuple):
        if not 2 <= len(validation) <= 3 + est._takes_offset:
            last = ", offset_val" * est._takes_offset
            raise ValueError(
                "validation must be a tuple (X_val, y_val) or (X_val, y_val, "
                f"sample_weight_val{last}), or a source of blocks, got a tuple of "
                f"{len(validation)}."
            )
        X, y, *others = validation
        weights = others[0] if others else None
        return InMemory(est._validation_set(X, y, weights, extra, *others[1:]))
    engine = engine(validation)
    engine.name = "validation pass"
    description = sum_of(engine, task)
    _check_columns(est, engine, description)
    truth, score = est._judge(description, extra)
    if description.sample.stride == 1:
        X, y, weights, *offset = description.sample.together()
        weights = weights if description.weighted else None
        return InMemory(est._rows_to_validate(X, y, weights, extra, *offset))
    if est.scoring not in (None, "loss"):
        raise ValueError(
            f"scoring={est.scoring!r} needs all validation rows in memory, but these "
            "blocks are too large for that. Use scoring=None or scoring='loss', or "
            "pass fewer rows."
        )
    columns = description.columns
    return InBlocks(
        engine, truth, score, columns.mean, description.weight / description.n_rows
    )


def _check_columns(est, engine, description):
    """Raise ValueError unless the columns are those of the rows to learn from."""
    n_features = len(description.columns.mean)
    if n_features != est.n_features_in_:
        raise ValueError(
            f"validation: X has {n_features} features, but the blocks to learn from "
            f"have {est.n_features_in_}. Use the same columns."
        )
    names, known = engine.blocks.feature_names, getattr(est, "feature_names_in_", None)
    if names is None or known is None or list(names) == known.tolist():
        return
    k = next(k for k, (a, b) in enumerate(zip(names, known, strict=True)) if a != b)
    raise ValueError(
        f"validation: column {k} of X is {names[k]!r}, but {known[k]!r} in the blocks "
        "to learn from. Use the same columns in the same order."
    )


@dataclass
class InMemory:
    """A validation set in memory.

    Attributes
    ----------
    rows : dict
        As ``BaseGD._fit`` takes it.
    """

    rows: Any
    reads = False
    """True if rows are read in the run."""

    def marks(self):
        """What distinguishes these rows from others: nothing that is read again."""
        return []

    def prepare(self, est, data, columns, null, evaluate):
        """The `Validation` of a run.

        Parameters
        ----------
        est : GDRegressor or GDClassifier
        data : Data
            Of rows to learn from.
        columns : intp array or None
            Features that ``data`` has; None means all.
        null : ndarray of shape (n_outputs,)
            The best constant model.
        evaluate : callable
            ``evaluate(engine, task)`` makes a pass.
        """
        given = replace(data, **self.rows.pop("data"))
        X_val, given = given.X, given.of_columns(columns)
        warn_if_unlike(column_means(given.X), data.X)
        return validation_of(
            est, given, X_val, **self.rows, null=null, dtype=data.X.dtype
        )


@dataclass
class InBlocks:
    """A validation set that is read block by block.

    Attributes
    ----------
    engine : Engine
    truth, score : object
        As `Judge` takes them.
    mean : ndarray of shape (n_features,)
        Of the columns.
    unit : float
        Mean weight of a row.
    """

    engine: Any
    truth: Any
    score: Any
    mean: np.ndarray
    unit: float
    reads = True

    def marks(self):
        """As in `InMemory`, like `prepare`."""
        return self.engine.marks()

    def prepare(self, est, data, columns, null, evaluate):
        mean = self.mean if columns is None else self.mean[columns]
        warn_if_unlike(mean, data.X)
        judge = partial(
            Judge, self.truth, self.score, data.loss, data.n_outputs,
            data.fit_intercept, data.n_threads, self.unit,
        )  # fmt: skip
        by_loss = est.scoring == "loss"
        made = BlockValidation(
            partial(evaluate, self.engine), judge, by_loss, columns, len(self.mean)
        )
        if by_loss:
            full = np.zeros((len(self.mean) + 1, data.n_outputs))
            full[-1] = null
            made.measure_in_losses(full)
        return made
