"""`partial_fit` over a source of blocks, for some epochs."""

from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from ._compat import warn
from ._fit.passes import Tally, numbered
from ._labels import encode
from ._log import say
from ._validation import check_number
from .blocks._passes import SamePasses, read_ahead
from .blocks._source import as_blocks

# Blocks are sorted by label if they have so many rows on average, and so large a share
# of the variance of the labels lies between them.
FEW_ROWS, BETWEEN_BLOCKS = 100, 0.5
SORTED = (
    "The blocks are sorted by label: most of them hold rows of one class. The model "
    "knows the classes of the last blocks best, and its progressive score is far too "
    "high. Shuffle the rows across blocks when you write them, or use fit_blocks, for "
    "which their order does not matter."
)


def learn_blocks(est, blocks, n_epochs, arguments=None):
    """Call `partial_fit`, which shuffles the rows, with each block of a source.

    Parameters
    ----------
    est : GDRegressor or GDClassifier
    blocks : Blocks, callable or sequence
    n_epochs : int
    arguments : callable, default=None
        ``arguments(passes)`` is called once, before the first block is learnt, with the
        `SamePasses` of the source; it gives what else `partial_fit` takes.

    Returns
    -------
    est
    """
    check_number("n_epochs", n_epochs, low=1, integer=True)
    blocks = as_blocks(blocks)
    passes, numbers = SamePasses(blocks), np.arange(blocks.n_parts)
    seed = check_random_state(est.random_state).randint(2**31)
    rng = np.random.default_rng([seed, getattr(est, "n_iter_", 0)])
    names = vars(est).pop("feature_names_in_", None)
    try:
        others = {} if arguments is None else arguments(passes)
        for epoch in range(n_epochs):
            order = rng.permutation(numbers) if est.shuffle else numbers
            stream = numbered(passes, order)
            tally, labels = Tally(), LabelsOfBlocks()
            for place, block in tally.timed(read_ahead(stream)):
                if names is not None and blocks.feature_names is not None:
                    _check_same_names(names, blocks.feature_names)
                X, y, weights, offset = block
                if offset is not None:
                    if not est._takes_offset:
                        raise ValueError(
                            f"blocks: {type(est).__name__} takes no offsets. Leave "
                            "them out of the blocks."
                        )
                    others = others | {"offset": offset}
                try:
                    est.partial_fit(X, y, sample_weight=weights, **others)
                except Exception as error:
                    blocks.add_place(error, *place)
                    raise
                if epoch == 0 and hasattr(est, "classes_"):
                    labels.count(y, est.classes_)
            if labels.sorted:
                warn(SORTED)
            if est.verbose:
                say(f"epoch {epoch + 1} of {n_epochs}: {tally}")
    finally:
        if names is None and blocks.feature_names is not None:
            names = np.array(blocks.feature_names, dtype=object)
        if names is not None and hasattr(est, "n_features_in_"):
            est.feature_names_in_ = names
    if not hasattr(est, "n_features_in_"):
        raise ValueError("blocks: the source has no rows.")
    return est


class LabelsOfBlocks:
    """How much the shares of the classes differ from block to block.

    Attributes
    ----------
    n_blocks : int
    counts : ndarray of shape (n_classes,)
        Of the rows of each class.
    squares : float
        Sum over the blocks of the squared counts, divided by the rows of the block.
    """

    def __init__(self):
        self.n_blocks, self.squares = 0, 0.0
        self.counts: Any = 0.0

    def count(self, y, classes):
        """Count the labels of a block, each of which is among ``classes``."""
        if y.ndim == 2:
            return
        counts = np.bincount(encode(y, classes), minlength=len(classes)).astype(
            np.float64
        )
        self.n_blocks += 1
        self.counts = self.counts + counts
        self.squares += float(counts @ counts) / len(y)

    @property
    def sorted(self):
        """True if most of the variance of the labels lies between large blocks.

        In random order that is about the number of blocks divided by that of rows.
        """
        n_rows = float(np.sum(self.counts))
        if self.n_blocks < 2 or n_rows < FEW_ROWS * self.n_blocks:
            return False
        common = float(np.dot(self.counts, self.counts)) / n_rows
        return self.squares - common > BETWEEN_BLOCKS * (n_rows - common)


def labels_of(passes):
    """All labels of a source, sorted; one pass. None if y is an indicator matrix."""
    labels = None
    for number in range(passes.blocks.n_parts):
        for block in passes.part(number):
            if block.y.ndim == 2 and block.y.shape[1] > 1:
                return None
            found = np.unique(block.y)
            if labels is None:
                labels = found
            elif (labels.dtype.kind in "US") != (found.dtype.kind in "US"):
                raise ValueError(
                    f"blocks: y is of type {labels.dtype} in the first blocks and of "
                    f"type {found.dtype} in others, such as {found[0]!r}. Use one type."
                )
            labels = np.union1d(labels, found)
    if labels is None:
        raise ValueError("blocks: the source has no rows.")
    return labels


def _check_same_names(names, of_blocks):
    """Raise ValueError unless the model has learnt from columns of these names."""
    if list(names) != list(of_blocks):
        pairs = zip(names, of_blocks, strict=False)
        first = next((pair for pair in pairs if pair[0] != pair[1]), ("more", "fewer"))
        raise ValueError(
            "The columns of the blocks are not those that the model has learnt from: "
            f"{first[1]!r} stands where {first[0]!r} stood. Select the columns by "
            "name, in the order of feature_names_in_."
        )
