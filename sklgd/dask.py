"""Fits on a Dask cluster, to the same bits for any number of workers.

``GDRegressor`` and ``GDClassifier`` of this module take dask arrays, data frames and
lists of delayed blocks, and minimise the same objective as those of `sklgd`. A pass
over the rows is one short task for each block; the results are added in the order of
the blocks, in the process that calls ``fit``. So a worker that dies costs the tasks
that it was doing, and nothing else. A block is computed anew in every pass, unless it
was persisted before.

Data that fit into the memory of one machine are fitted faster without Dask.

It needs the packages of the extra ``dask``: ``pip install "sklgd[dask]"``.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Generator, Iterator, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

import dask
import numpy as np
from dask import delayed
from distributed import Client, default_client
from sklearn.utils.metaestimators import available_if

from . import __version__
from ._blas import blas_threads
from ._classifier import GDClassifier as _GDClassifier
from ._classifier import has_proba
from ._fit.passes import PartSums, Tally
from ._log import say
from ._regressor import GDRegressor as _GDRegressor
from .blocks import Blocks, SamePasses

__all__ = ["Engine", "GDClassifier", "GDRegressor", "from_dask"]

# A task that fails, because a file cannot be read, is made again so often.
RETRIES = 3


class DelayedBlocks(Blocks):
    """Blocks of rows that Dask computes.

    Parameters
    ----------
    parts : list of tuples (X, y) or (X, y, sample_weight)
        Delayed objects of a block of rows each; the last two may be None.
    feature_names : sequence of str, default=None
    """

    def __init__(
        self, parts: Sequence[Any], feature_names: Sequence[str] | None = None
    ) -> None:
        self.rows = list(parts)
        super().__init__(
            [_Computed(part) for part in self.rows], feature_names=feature_names
        )

    def inputs(self, number: int) -> Any:
        """What a task gets of a part: its delayed arrays."""
        return self.rows[number]


class _Computed:
    """A part whose rows are computed by the scheduler of this process."""

    def __init__(self, part: Any) -> None:
        self.part = part

    def __call__(self) -> Iterator[Any]:
        yield dask.compute(*self.part)


def from_dask(
    X: Any, y: Any, sample_weight: Any = None, offset: Any = None
) -> DelayedBlocks:
    """Blocks of dask collections.

    Parameters
    ----------
    X : dask array, dask data frame, or list of delayed blocks
        Arrays may have sparse blocks. A block has some rows and all columns.
    y, sample_weight, offset : dask array, series, array, or list of delayed blocks
        With blocks of the same rows as those of X. Arrays in memory are cut into such
        blocks, if X is a dask array whose chunks have known sizes.

    Returns
    -------
    blocks : DelayedBlocks

    Examples
    --------
    >>> import dask.array as da
    >>> from sklgd.dask import from_dask
    >>> blocks = from_dask(da.ones((10, 2), chunks=(5, 2)), da.arange(10, chunks=5))
    >>> [block.y.tolist() for block in blocks]
    [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    """
    names = getattr(X, "columns", None)
    if names is not None:
        names = [str(name) for name in names]
    columns: list[Any] = []
    n_rows = None
    given = {"X": X, "y": y, "sample_weight": sample_weight, "offset": offset}
    if offset is None:
        del given["offset"]
    for name, data in given.items():
        if data is None:
            columns.append([None] * len(columns[0]))
            continue
        if not _is_delayed(data) and hasattr(data, "shape"):
            data = _as_dask(data, name, n_rows)
        parts, chunks = _delayed(data, n_rows)
        n_rows = chunks if n_rows is None else n_rows
        if columns and len(parts) != len(columns[0]):
            raise ValueError(
                f"{name} has {len(parts)} blocks of rows, X has {len(columns[0])}. "
                "They need the same blocks: use the same chunks or partitions."
            )
        columns.append(parts)
    return DelayedBlocks(list(zip(*columns, strict=True)), names)


def _as_dask(data: Any, name: str, n_rows: Any) -> Any:
    """An array in memory as a dask array with so many rows in each chunk."""
    import dask.array as da

    array = np.asarray(data)
    if n_rows is None or np.isnan(n_rows).any() or sum(n_rows) != len(array):
        raise ValueError(
            f"{name} is an array in memory of {len(array)} rows. It can be cut into "
            "the blocks of X only if X is a dask array of as many rows, in chunks of "
            "known sizes. Pass a dask collection with the same blocks as X."
        )
    return da.from_array(array, chunks=(n_rows, *array.shape[1:]))


def _delayed(data: Any, n_rows: Any) -> tuple[list[Any], Any]:
    """The blocks of rows of a collection, and how many rows each has, if known."""
    if isinstance(data, (list, tuple)):
        return list(data), None
    chunks = getattr(data, "chunks", None)
    if chunks is None:
        return list(data.to_delayed()), None
    if data.ndim == 2 and len(chunks[1]) > 1:
        data = data.rechunk({1: -1})
    known = n_rows is not None and not np.isnan([*n_rows, *chunks[0]]).any()
    if known and sum(n_rows) == data.shape[0] and chunks[0] != n_rows:
        data = data.rechunk({0: n_rows})
    return list(np.ravel(data.to_delayed())), data.chunks[0]


class Engine:
    """Runs the tasks of a pass on the workers of a cluster.

    Parameters
    ----------
    blocks : Blocks
        Those of `from_dask`, or a source of `sklgd.blocks` that can be pickled and
        whose files all workers can read.
    verbose : int, default=0
        1 or more logs a line about each pass.
    client : distributed.Client, default=None
        None takes the default client.

    Raises
    ------
    RuntimeError
        If a worker has another version of sklgd.
    """

    name = "pass"

    def __init__(
        self, blocks: Blocks, verbose: int = 0, client: Client | None = None
    ) -> None:
        self.blocks, self.verbose, self.n_passes = blocks, verbose, 0
        self.client = default_client() if client is None else client
        self._known: dict[int, Any] = {}
        self.token = uuid4().hex[:8]
        versions = self.client.run(_version)
        others = {v for v in versions.values() if v != __version__}
        if others:
            raise RuntimeError(
                f"The workers have sklgd {', '.join(sorted(others))}, this process has "
                f"{__version__}. Install the same version everywhere."
            )

    def round(self, task: Any) -> Generator[Any]:
        """The task's sums over each part, in the order of the parts.

        Parameters
        ----------
        task : callable
            As in `sklgd._fit.passes`; it is pickled.
        """
        self.n_passes += 1
        blocks, name = self.blocks, f"sklgd-{self.token}-pass-{self.n_passes}"
        # (The task holds the coefficients: all parts share one copy.)
        shared = delayed(task, pure=False, traverse=False)
        call = delayed(sums_of_part, pure=False)
        tasks = [
            call(
                number,
                shared,
                blocks.inputs(number),
                blocks.n_parts,
                blocks.n_features,
                blocks.feature_names,
                dask_key_name=f"{name}-{number}",
            )
            for number in range(blocks.n_parts)
        ]
        futures = self.client.compute(tasks, retries=RETRIES)
        tally = Tally()
        try:
            for number, future in enumerate(futures):
                sums, marks, n_features, names, n_bytes, seconds = future.result()
                future.release()
                if isinstance(sums, Exception):
                    raise sums
                self._check(number, marks, n_features, names)
                tally.count_part(number, [n for n, _ in marks], n_bytes, seconds)
                if sums is not None:
                    yield sums
        finally:
            self.client.cancel([f for f in futures if not f.done()])
        if self.verbose:
            say(f"{self.name} {self.n_passes}: {tally}")

    def marks(self) -> list[Any]:
        """Number of rows and checksum of each block, of each part."""
        return [self._known[number] for number in range(self.blocks.n_parts)]

    def _check(self, number: int, marks: Any, n_features: Any, names: Any) -> None:
        """Compare a part with what it was before, and with the other parts."""
        blocks = self.blocks
        known = self._known.setdefault(number, marks)
        if known != marks:
            pairs = zip(known, marks, strict=False)
            same = [a == b for a, b in pairs]
            place = same.index(False) if False in same else len(same)
            raise SamePasses.error(number, place)
        if n_features is None:
            return
        if blocks.n_features is None:
            blocks.n_features = n_features
        if blocks.feature_names is None:
            blocks.feature_names = names
        if n_features != blocks.n_features or names != blocks.feature_names:
            raise ValueError(
                f"The columns of part {number} are not those of the parts before it: "
                f"{names or n_features} in place of "
                f"{blocks.feature_names or blocks.n_features}."
            )


def _version() -> str:
    return __version__


def sums_of_part(
    number: int, task: Any, inputs: Any, n_parts: int, n_features: Any, names: Any
) -> tuple[Any, ...]:
    """What a worker does with a part in a pass.

    Returns
    -------
    sums : object, None or Exception
        The task's; None if the part has no rows; what it has raised.
    marks : list
        Number of rows and checksum of each block.
    n_features, names
        Of the part.
    n_bytes : int
    seconds : float
    """
    began, n_bytes = time.perf_counter(), 0
    make = inputs if callable(inputs) else lambda: iter([tuple(inputs)])
    blocks = Blocks([make], n_features=n_features, feature_names=names, retries=0)
    passes, found = SamePasses(blocks), None
    sums = PartSums(task, n_parts, blocks.add_place)
    with np.errstate(all="ignore"), blas_threads(1):
        try:
            for place, block in enumerate(passes.part(0)):
                sums.add(block, 0, place)
                n_bytes += block.n_bytes
            found = next(sums.finished(), None)
        except OSError:
            raise
        except Exception as error:
            # (As a result: the task would fail again.)
            error.add_note(f"That part is part {number} of the source.")
            return error, [], None, None, 0, 0.0
    seconds = time.perf_counter() - began
    marks, names = passes.marks()[0], blocks.feature_names
    return found, marks, blocks.n_features, names, n_bytes, seconds


class _OnDask:
    """What both estimators share: a local model, applied to each block."""

    local: Any

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, offset: Any = None,
        client: Any = None, **others: Any,
    ) -> Any:  # fmt: skip
        """Fit the model to dask collections; other data are fitted in this process.

        Parameters
        ----------
        X, y, sample_weight, offset
            As `from_dask` takes them. Only a regressor has an offset.
        client : distributed.Client, default=None
            None takes the default client.
        **others
            Parameters of `fit_blocks`, apart from ``engine``: a validation set may be
            a tuple of dask collections. Or parameters of the estimator's own ``fit``,
            if X is no dask collection.

        Returns
        -------
        self : object
        """
        model: Any = self
        if not _is_delayed(X):
            if offset is not None:
                others["offset"] = offset
            return self.local.fit(model, X, y, sample_weight, **others)
        blocks = from_dask(X, y, sample_weight, offset)
        validation = others.get("validation")
        if isinstance(validation, tuple) and _is_delayed(validation[0]):
            others["validation"] = from_dask(*validation)
        return model.fit_blocks(blocks, engine=partial(Engine, client=client), **others)

    def to_local(self) -> Any:
        """The same model as an estimator of `sklgd`.

        Returns
        -------
        model : GDClassifier or GDRegressor
        """
        model: Any = self
        plain = self.local(**model.get_params())
        plain.__setstate__(model.__getstate__())
        return plain

    def score(
        self, X: Any, y: Any, sample_weight: Any = None, offset: Any = None
    ) -> float:
        """The score of `sklgd`'s estimator.

        Targets and predictions are gathered in this process, the rows are not.

        Parameters
        ----------
        X, y, sample_weight : dask collections or arrays
            As in `fit`.
        offset : array-like, default=None
            Of the regressor, for arrays only.
        """
        model: Any = self
        known = {} if offset is None else {"offset": offset}
        if not _is_delayed(X):
            return self.local.score(model, X, y, sample_weight, **known)
        _refuse_offset(known or getattr(model, "_had_offset", False))
        blocks, local = from_dask(X, y, sample_weight), delayed(self.to_local())
        predict = delayed(_predictions)
        found = [predict(local, *blocks.inputs(k)) for k in range(blocks.n_parts)]
        z, y, *weights = (
            None if part[0] is None else np.concatenate(part)
            for part in zip(*dask.compute(*found), strict=True)
        )
        return float(model._own_score(y, weights[0])(z, None, None))

    def _lazily(self, method: str, X: Any) -> Any:
        """A method of the local model, applied to each block."""
        if not _is_delayed(X):
            return getattr(self.local, method)(self, X)
        import dask.array as da

        local = self.to_local()
        call, names = getattr(local, method), getattr(X, "columns", None)
        first: Any = np.zeros((1, local.n_features_in_))
        if names is not None:
            first = X._meta_nonempty.iloc[:1]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            meta = call(first)[:0]
        parts, lengths = _delayed(X, None)
        make, arrays = delayed(_of_block), []
        for part, n in zip(parts, lengths or [np.nan] * len(parts), strict=True):
            shape = (n, *meta.shape[1:])
            arrays.append(da.from_delayed(make(call, part), shape, meta=meta))
        return da.concatenate(arrays, allow_unknown_chunksizes=True)

    def predict(self, X: Any, offset: Any = None) -> Any:
        """As `sklgd`'s estimator; a dask array for dask collections.

        Parameters
        ----------
        X : dask array, dask data frame or array-like of shape (n_samples, n_features)
        offset : array-like, default=None
            Of the regressor, for arrays only.
        """
        if offset is None:
            return self._lazily("predict", X)
        _refuse_offset(_is_delayed(X))
        model: Any = self
        return self.local.predict(model, X, offset=offset)


def _refuse_offset(wrong: Any) -> None:
    """Raise ValueError for offsets of dask collections."""
    if wrong:
        raise ValueError(
            "offset is not possible with dask collections. Call the method of "
            "to_local() on each block and its offset."
        )


def _is_delayed(X: Any) -> bool:
    """True for a dask collection, and for a list of delayed blocks."""
    first = X[0] if isinstance(X, (list, tuple)) and len(X) else X
    return hasattr(first, "__dask_graph__")


def _of_block(call: Any, X: Any) -> Any:
    """What a method gives for the rows of a block."""
    return call(X.to_scipy_sparse() if hasattr(X, "to_scipy_sparse") else X)


def _predictions(local: Any, X: Any, y: Any, weights: Any) -> tuple[Any, ...]:
    """Raw predictions, targets and weights of a block."""
    z = _of_block(local._raw_prediction, X)
    return z, np.asarray(y), None if weights is None else np.asarray(weights)


class GDRegressor(_OnDask, _GDRegressor):
    """`sklgd.GDRegressor` whose methods take dask collections.

    The parameters and attributes are the same.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from sklgd.dask import GDRegressor
    >>> client = Client(processes=False, dashboard_address=None)
    >>> X = da.random.default_rng(0).normal(size=(1000, 3), chunks=(250, 3))
    >>> model = GDRegressor(alpha=0.0).fit(X, X[:, 0] - X[:, 2])
    >>> model.coef_.round(6).tolist()
    [1.0, 0.0, -1.0]
    >>> model.predict(X)
    dask.array<concatenate, shape=(1000,), dtype=float64, chunksize=(250,), ...>
    >>> client.close()
    """

    local = _GDRegressor


class GDClassifier(_OnDask, _GDClassifier):
    """`sklgd.GDClassifier` whose methods take dask collections.

    The parameters and attributes are the same.

    Examples
    --------
    >>> import dask.array as da
    >>> from distributed import Client
    >>> from sklgd.dask import GDClassifier
    >>> client = Client(processes=False, dashboard_address=None)
    >>> X = da.random.default_rng(0).normal(size=(1000, 3), chunks=(250, 3))
    >>> model = GDClassifier().fit(X, X[:, 0] > X[:, 2])
    >>> model.score(X, X[:, 0] > X[:, 2]) > 0.95
    True
    >>> model.to_local().predict([[1.0, 0.0, 0.0]]).tolist()
    [True]
    >>> client.close()
    """

    local = _GDClassifier

    def decision_function(self, X: Any) -> Any:
        """As `sklgd.GDClassifier`; a dask array for dask collections.

        Parameters
        ----------
        X : dask array, dask data frame or array-like of shape (n_samples, n_features)
        """
        return self._lazily("decision_function", X)

    @available_if(has_proba)
    def predict_proba(self, X: Any) -> Any:
        """As `sklgd.GDClassifier`; a dask array for dask collections.

        Parameters
        ----------
        X : dask array, dask data frame or array-like of shape (n_samples, n_features)
        """
        return self._lazily("predict_proba", X)

    @available_if(has_proba)
    def predict_log_proba(self, X: Any) -> Any:
        """As `sklgd.GDClassifier`; a dask array for dask collections.

        Parameters
        ----------
        X : dask array, dask data frame or array-like of shape (n_samples, n_features)
        """
        return self._lazily("predict_log_proba", X)
