"""Labels of classification: which there are, and whether they are labels at all."""

import numbers

import numpy as np
import scipy.sparse as sp
from sklearn.utils.multiclass import check_classification_targets

# Largest number of labels of which a sorted copy is made.
MANY_LABELS = 32768
# Rows whose labels are compared together.
BLOCK = 16384
# Up to so many labels may all differ and still be classes.
FEW_LABELS = 20


def find_classes(y):
    """The labels in y, sorted, after `check_labels`.

    Those of an indicator matrix are the numbers of its columns.
    """
    if y.ndim == 2:
        return np.arange(y.shape[1])
    if len(y) > MANY_LABELS and y.dtype.kind != "O":
        # In parts, since labels are sorted in copies.
        parts = np.array_split(y, -(-len(y) // MANY_LABELS))
        return np.unique(np.concatenate([find_classes(part) for part in parts]))
    if y.dtype.kind not in "biu":
        check_labels(y)
        return np.unique(y)
    # (Without `return_inverse`, which sorts all of y.)
    classes = np.unique(y)
    check_labels(y, len(classes))
    return classes


def plain_label(label):
    """A label as the user wrote it: 'a' for np.str_('a')."""
    return label.item() if isinstance(label, np.generic) else label


def check_kinds_of_labels(labels, name="y"):
    """Raise ValueError for labels that no order can be found for.

    That is so of missing ones (None, pandas.NA) and of strings among numbers.
    """
    types = set(map(type, labels))
    strings = {cls for cls in types if issubclass(cls, str)}
    numbers_ = {cls for cls in types if issubclass(cls, (numbers.Number, np.bool_))}
    if (strings and strings != types) or (numbers_ and numbers_ != types):
        found = ", ".join(sorted(cls.__name__ for cls in types))
        raise ValueError(
            f"{name} has labels of different types ({found}). Use labels of one type, "
            "all strings or all numbers, and leave out rows whose label is missing."
        )


def indicator_matrix(y):
    """Several labels for each row as a dense matrix of zeros and ones, if y is one.

    None if there is one label for each row.

    Raises
    ------
    ValueError
        For other targets with several columns, with a hint.
    """
    shape: tuple[int, ...] = getattr(y, "shape", ())
    if isinstance(y, (list, tuple)):
        # (NumPy refuses an array of these without a word about labels.)
        kinds = list, tuple, set, frozenset, np.ndarray
        lengths = {len(v) for v in y if isinstance(v, kinds)}
        if not lengths - {1}:
            return None
        if len(lengths) == 1 and not any(isinstance(v, (set, frozenset)) for v in y):
            y = np.asarray(y)
            shape = y.shape
    elif not (len(shape) == 2 and shape[1] > 1):
        return None
    if len(shape) == 2:
        matrix = y.toarray() if sp.issparse(y) else np.asarray(y)
        known = (matrix == 0) | (matrix == 1)
        if matrix.dtype.kind in "biuf" and known.all():
            return matrix
    found = f"shape {shape}" if shape else "lists of labels"
    raise ValueError(
        f"y should be a 1d array with one label per row, got {found}. Several labels "
        "per row (multilabel) are an indicator matrix of zeros and ones, such as "
        "MultiLabelBinarizer makes; for several targets with classes of their own, use "
        "MultiOutputClassifier(GDClassifier())."
    )


def check_labels(y, n_classes=np.inf):
    """`check_classification_targets`, unless it cannot have anything to say.

    Of integers that is a warning where more than half of more than 20 labels differ;
    ``n_classes`` is how many there are at most. An indicator matrix has been checked.
    """
    if y.ndim == 2:
        return
    if y.dtype.kind == "O":
        check_kinds_of_labels(y)
    few = len(y) <= FEW_LABELS or n_classes <= round(0.5 * len(y))
    if not (few and y.dtype.kind in "biu"):
        check_classification_targets(y)


def are_small_integers(labels):
    """True if a table with an entry for each number between them is small."""
    if labels.dtype.kind not in "biu" or not np.can_cast(labels.dtype, np.intp):
        return False
    return len(labels) > 0 and int(labels.max()) - int(labels.min()) < MANY_LABELS


def labels_and_codes(y):
    """The different labels, sorted, and the place of each row's label among them."""
    if not are_small_integers(y):
        return np.unique(y, return_inverse=True)
    low = int(y.min())
    shifted = y.astype(np.intp)
    shifted -= low
    counts = np.bincount(shifted)
    labels = np.flatnonzero(counts)
    counts[labels] = np.arange(len(labels))
    return (labels + low).astype(y.dtype), counts[shifted]


def encode(y, classes):
    """Places of the labels y among the sorted ``classes``, in a small integer type.

    An unknown label has the place of another one. An indicator matrix stays as it is.
    """
    if y.ndim == 2:
        return y
    codes = np.empty(len(y), dtype=np.min_scalar_type(len(classes)))
    table = None
    if are_small_integers(classes) and np.can_cast(y.dtype, np.intp):
        low = int(classes[0])
        table = classes.searchsorted(np.arange(low, int(classes[-1]) + 1))
        table = table.astype(codes.dtype)
    for start in range(0, len(y), BLOCK):
        block = slice(start, start + BLOCK)
        if table is None:
            codes[block] = classes.searchsorted(y[block])
        else:
            places = y[block].astype(np.intp) - low
            table.take(places, out=codes[block], mode="clip")
    return codes


def find_unknown(y, codes, classes):
    """The first label that is none of the classes, or None."""
    if y.ndim == 2:
        return None
    for start in range(0, len(y), BLOCK):
        labels = y[start : start + BLOCK]
        places = np.minimum(codes[start : start + BLOCK], len(classes) - 1)
        unknown = classes[places] != labels
        if unknown.any():
            return labels[unknown][0]
    return None


def targets_of(codes, n_outputs, task):
    """Class codes as a loss takes them.

    -1/+1 for one output. For several 0..K-1, but a loss of regression, by its ``task``,
    takes a column of -1/+1 for each class. An indicator matrix becomes one of -1/+1.
    """
    if codes.ndim == 2:
        return np.where(codes, 1.0, -1.0)
    if n_outputs == 1:
        target = codes.astype(np.float64)
        target *= 2.0
        target -= 1.0
        return target
    if task == "classification":
        return codes.astype(np.float64)
    target = np.full((len(codes), n_outputs), -1.0)
    target[np.arange(len(codes)), codes] = 1.0
    return target
