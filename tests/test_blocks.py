"""Sources of blocks, and `partial_fit_blocks`."""

import pickle
import re
import threading
import warnings
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.datasets import dump_svmlight_file

from sklgd import GDClassifier, GDRegressor
from sklgd.blocks import (
    Blocks,
    SamePasses,
    from_arrays,
    from_iterable,
    read_csr_npy,
    read_csv,
    read_npy,
    read_parquet,
    read_svmlight,
)

N, D = 1000, 4
NAMES = [f"x{j}" for j in range(D)]


@pytest.fixture
def table(rng):
    """X, labels, a target and weights."""
    X = rng.normal(size=(N, D)).astype(np.float32)
    z = X @ [1.0, -1.0, 0.5, 0.0]
    return X, np.where(z > 0.0, "yes", "no"), z, rng.uniform(0.5, 2.0, N)


def together(blocks):
    """All rows of a source: X as an array, y, weights."""
    read = list(blocks)
    X = np.concatenate(
        [b.X.toarray() if sp.issparse(b.X) else b.X for b in read], dtype=np.float64
    )
    weights = [b.sample_weight for b in read if b.sample_weight is not None]
    return X, np.concatenate([b.y for b in read]), np.concatenate(weights or [[]])


def stored_as_npy(folder, table):
    X, labels, _, weights = table
    halves = slice(0, 600), slice(600, N)
    names = ("X", X), ("y", labels), ("w", weights)
    for name, a in names:
        for k, rows in enumerate(halves):
            np.save(folder / f"{name}{k}.npy", a[rows])
    paths = [[folder / f"{name}{k}.npy" for k in range(2)] for name, _ in names]
    return read_npy(*paths[:2], sample_weight=paths[2], rows=70)


def stored_as_csr(folder, table):
    X, labels, _, weights = table
    for k, rows in enumerate((slice(0, 600), slice(600, N))):
        matrix = sp.csr_array(X[rows])
        for name in ("data", "indices", "indptr"):
            np.save(folder / f"{name}{k}.npy", getattr(matrix, name))
        np.save(folder / f"y{k}.npy", labels[rows])
        np.save(folder / f"w{k}.npy", weights[rows])
    names = "data", "indices", "indptr", "y", "w"
    *paths, w = [[folder / f"{name}{k}.npy" for k in range(2)] for name in names]
    return read_csr_npy(*paths, n_features=D, sample_weight=w, rows=70)


def stored_as_parquet(folder, table):
    pytest.importorskip("pyarrow")
    X, labels, _, weights = table
    frame = pd.DataFrame(X, columns=NAMES).assign(label=labels, weight=weights)
    paths = [folder / "a.parquet", folder / "b.parquet"]
    frame[:600].to_parquet(paths[0], row_group_size=250)
    frame[600:].to_parquet(paths[1])
    return read_parquet(paths, target="label", sample_weight="weight", rows=70)


def stored_as_csv(folder, table):
    pytest.importorskip("pyarrow")
    X, labels, _, weights = table
    frame = pd.DataFrame(X, columns=NAMES).assign(label=labels, weight=weights)
    paths = [folder / "a.csv", folder / "b.csv.gz"]
    frame[:600].to_csv(paths[0], index=False)
    frame[600:].to_csv(paths[1], index=False)
    return read_csv(
        paths, target="label", sample_weight="weight", block_bytes=5000, dtype="float32"
    )


def memory_map(folder, table):
    X, labels, _, weights = table
    np.save(folder / "X.npy", X)
    mapped = np.load(folder / "X.npy", mmap_mode="r")
    return from_arrays(mapped, labels, sample_weight=weights, rows=70)


def csr_in_memory(folder, table):
    X, labels, _, weights = table
    return from_arrays(sp.csr_matrix(X), labels, sample_weight=weights, rows=70)


SOURCES = [
    stored_as_npy, stored_as_csr, stored_as_parquet, stored_as_csv, memory_map,
    csr_in_memory,
]  # fmt: skip


@pytest.mark.some_cases
@pytest.mark.parametrize("source", SOURCES)
def test_a_source_gives_the_rows_that_were_stored_on_every_pass(
    source, table, tmp_path
):
    X, labels, _, weights = table
    blocks = source(tmp_path, table)
    assert blocks.n_features == D
    for _ in range(2):
        found = together(blocks)
        assert_array_equal(found[0], X.astype(np.float64))
        assert_array_equal(found[1], labels)
        assert_array_equal(found[2], weights)
    assert max(len(block.y) for block in blocks) < 150
    again = together(pickle.loads(pickle.dumps(blocks)))
    assert_array_equal(again[0], found[0])


@pytest.mark.one_case
@pytest.mark.parametrize("source", SOURCES)
def test_a_stream_of_blocks_is_partial_fit_of_each(source, table, tmp_path):
    blocks = source(tmp_path, table)
    model = GDClassifier(shuffle=False, random_state=0)
    by_hand = clone(model)
    for _ in range(2):
        for block in blocks:
            by_hand.partial_fit(
                block.X,
                block.y,
                classes=["no", "yes"],
                sample_weight=block.sample_weight,
            )
    model.partial_fit_blocks(blocks, n_epochs=2)
    assert_array_equal(model.coef_, by_hand.coef_)
    assert list(model.classes_) == ["no", "yes"]
    if blocks.feature_names is not None:
        assert list(model.feature_names_in_) == NAMES


@pytest.mark.exhaustive
@pytest.mark.parametrize("optimizer", ["auto", "adam", "sgd"])
def test_random_order_learns_from_sorted_rows(optimizer, table):
    X, labels, _, _ = table
    order = np.argsort(labels, kind="stable")
    blocks = from_arrays(X[order], labels[order], rows=20)
    parts = Blocks([block_of(b) for b in blocks])
    model = GDClassifier(optimizer=optimizer, learning_rate="auto", random_state=0)
    model.partial_fit_blocks(parts, n_epochs=3)
    assert model.score(X, labels) > 0.95
    other = clone(model).partial_fit_blocks(parts, n_epochs=3)
    assert_array_equal(model.coef_, other.coef_)


def block_of(block):
    return lambda: iter([tuple(block[:2])])


def test_several_outputs_and_epochs_of_a_regression(table):
    X, _, z, _ = table
    y = np.column_stack([z, 2.0 - z])
    model = GDRegressor(random_state=0)
    model.partial_fit_blocks(from_arrays(X, y, rows=64), n_epochs=2)
    assert model.coef_.shape == (2, D) and model.score(X, y) > 0.999


def test_svmlight_is_cut_at_its_lines_and_cached(table, tmp_path):
    X, _, z, _ = table
    X, z = np.round(X.astype(float), 2), np.round(z, 3)
    path, cache = tmp_path / "a.svm", tmp_path / "cache"
    dump_svmlight_file(X, z, str(path), zero_based=False)
    for size in (999, 10**6):
        blocks = read_svmlight(path, n_features=D, block_bytes=size)
        found = together(blocks)
        assert_array_equal(found[0], X)
        assert_array_equal(found[1], z)
    blocks = read_svmlight(path, n_features=D, block_bytes=4000, cache=cache)
    first, n_files = together(blocks), len(list(cache.iterdir()))
    assert n_files > 5
    assert {path.suffix for path in cache.iterdir()} == {".npz"}
    assert_array_equal(together(blocks)[0], first[0])
    # A file that has changed is parsed again.
    dump_svmlight_file(X[::-1], z, str(path), zero_based=False)
    blocks = read_svmlight(path, n_features=D, block_bytes=4000, cache=cache)
    assert_array_equal(together(blocks)[0], X[::-1])
    with pytest.raises(ValueError, match=r"block 0 of part 0 .*a\.svm") as caught:
        together(read_svmlight(path, n_features=2))
    assert "part 0" in noted(caught.value)


def noted(error):
    return " ".join([str(error), *getattr(error, "__notes__", [])])


class Unreliable:
    """Fails with an OSError in some of the readings of its third block."""

    def __init__(self, failures):
        self.failures = failures

    def __call__(self):
        for k in range(5):
            if k == 2 and self.failures:
                self.failures -= 1
                raise OSError("the network is gone")
            yield np.full((2, 1), k), np.full(2, k)


def test_a_reader_that_fails_is_tried_again(monkeypatch):
    monkeypatch.setattr("sklgd.blocks._source.PAUSE", 0.0)
    found = [block.y[0] for block in Blocks([Unreliable(2)])]
    assert found == [0, 1, 2, 3, 4]
    with pytest.raises(OSError, match="network") as caught:
        list(Blocks([Unreliable(3)]))
    assert "block 2 of part 0" in noted(caught.value)


def test_a_source_that_changes_between_passes_is_an_error(rng):
    X = rng.normal(size=(10, 2))
    passes = []

    def source():
        passes.append(None)
        rows = slice(0, 10 - (len(passes) > 2))
        yield X[:5], X[:5, 0]
        yield X[rows][5:], X[rows][5:, 0]

    same = SamePasses(from_iterable(source))
    assert len(list(same.part(0))) == len(list(same.part(0))) == 2
    with pytest.raises(RuntimeError, match=r"block 1 of\s+part 0"):
        list(same.part(0))
    shuffled = from_iterable(lambda: iter([(rng.permutation(X), np.zeros(10))]))
    with pytest.raises(RuntimeError, match="changed between two passes"):
        GDRegressor().partial_fit_blocks(shuffled, n_epochs=2)


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_names_of_columns_and_their_order_are_checked(frame, table):
    X, _, z, _ = table

    def source(names):
        parts = (
            frame(dict(zip(NAMES, X.T, strict=True))),
            frame(dict(zip(names, X.T, strict=True))),
        )
        return from_iterable(lambda: iter([(part, z) for part in parts]))

    model = GDRegressor().partial_fit_blocks(source(NAMES))
    assert list(model.feature_names_in_) == NAMES
    with pytest.raises(ValueError, match="in another order: column 0 is 'x3'") as error:
        GDRegressor().partial_fit_blocks(source(NAMES[::-1]))
    assert "block 1 of part 0" in noted(error.value)
    with pytest.raises(ValueError, match=r"other ones: missing .'x3'"):
        GDRegressor().partial_fit_blocks(source([*NAMES[:3], "z"]))
    reordered = frame(dict(zip(NAMES[::-1], X.T, strict=True)))
    with pytest.raises(ValueError, match="'x3' stands where 'x0' stood"):
        model.partial_fit_blocks([(reordered, z)])


def csr_with(X, **arrays):
    """A matrix whose arrays contradict each other."""
    for name, a in arrays.items():
        setattr(X, name, a.astype(np.int32))
    return X


BAD = {
    "no tuple": (lambda X, y: X, "must be a tuple"),
    "other columns": (lambda X, y: (X[:, :2], y), "has 2 columns"),
    "one dimension": (lambda X, y: (X[0], y), "two dimensions"),
    "short y": (lambda X, y: (X, y[:3]), r"y of a block has the shape \(3,\)"),
    "weights": (lambda X, y: (X, y, [1.0]), "sample_weight of a block"),
    "nan": (lambda X, y: (X * np.nan, y), "NaN"),
    "complex": (lambda X, y: (X * 1j, y), "complex64, which are no real numbers"),
    "text": (lambda X, y: (X.astype(str), y), "no real numbers"),
    "objects": (lambda X, y: (np.full(X.shape, None), y), "cannot be made|NaN"),
    "missing y": (lambda X, y: (X, np.where(y > 0, y, None)), "missing values"),
    "infinite y": (lambda X, y: (X, y / 0.0), "y contains|infinity|NaN"),
    "broken CSR": (
        lambda X, y: (csr_with(sp.csr_array(X), indptr=np.arange(len(X) + 1)), y),
        "no CSR matrix",
    ),
    "CSR out of bounds": (
        lambda X, y: (csr_with(sp.csr_array(X), indices=np.full(X.size, 9)), y),
        "no CSR matrix",
    ),
    "offset": (lambda X, y: (X, y, None, y / 0.0), "contains NaN or infinity"),
}


@pytest.mark.some_cases
@pytest.mark.parametrize("name", BAD)
def test_a_bad_block_is_named_and_leaves_the_model_of_the_blocks_before(name, table):
    X, _, z, _ = table
    spoil, message = BAD[name]

    def source():
        yield X[:500], z[:500]
        yield spoil(X[500:], z[500:])

    model = GDRegressor(shuffle=False)
    with pytest.raises(ValueError, match=message) as caught:
        model.partial_fit_blocks(source)
    assert "block 1 of part 0" in noted(caught.value)
    expected = GDRegressor(shuffle=False).partial_fit(X[:500], z[:500])
    assert_array_equal(model.coef_, expected.coef_)


@pytest.mark.one_case
@pytest.mark.parametrize("n_classes", [2, 3])
def test_blocks_that_are_sorted_by_label_give_a_warning(n_classes, rng):
    """Rare classes in random order, and tiny chunks, are no reason for one."""
    labels = np.array(["a", "b", "c"])[:n_classes]
    y = labels.repeat(600)
    X = rng.normal(size=(len(y), 3)) + (y == "a")[:, None]
    model, sizes = GDClassifier(random_state=0), {200: True, 250: True, 20: False}
    for rows, warns in sizes.items():
        blocks = from_arrays(X, y, rows=rows)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            clone(model).partial_fit_blocks(blocks, n_epochs=2)
        texts = [str(w.message) for w in caught if "sorted by label" in str(w.message)]
        assert len(texts) == warns and all("use fit_blocks" in text for text in texts)
    order = rng.permutation(len(y))
    rare = np.where(rng.random(len(y)) < 0.002, "b", "a")
    rare[-3:] = "b"
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        for target in (y[order], rare, np.eye(3)[rng.integers(3, size=len(y))]):
            clone(model).partial_fit_blocks(from_arrays(X[order], target, rows=200))
        GDRegressor(random_state=0).partial_fit_blocks(
            from_arrays(X, (y == "a").astype(float), rows=200)
        )


def test_what_cannot_be_read_twice_is_refused(table):
    X, _, z, _ = table
    with pytest.raises(TypeError, match="cannot be read more than once"):
        GDRegressor().partial_fit_blocks((X, z) for _ in range(3))
    for path, reader in {
        "a.parquet": "read_parquet(path, target",
        "a.csv.gz": "read_csv(path, target",
        "a": "read_parquet(path, target",
    }.items():
        for given in (path, Path(path), [path, path]):
            with pytest.raises(TypeError, match=re.escape(reader)):
                GDRegressor().fit_blocks(given)
    with pytest.raises(TypeError, match="entry 0 is 'ndarray'"):
        Blocks([X])
    with pytest.raises(ValueError, match="no rows"):
        GDRegressor().partial_fit_blocks([])
    with pytest.raises(ValueError, match="n_epochs"):
        GDRegressor().partial_fit_blocks([(X, z)], n_epochs=0)
    assert not hasattr(GDRegressor(optimizer="newton"), "partial_fit_blocks")
    with pytest.raises(ValueError, match="classes"):
        model = GDClassifier()
        model.partial_fit_blocks([(X, z > 0)], classes=[True])


def test_files_that_cannot_be_read_row_by_row_say_why(table, tmp_path):
    X, labels, z, _ = table
    np.save(tmp_path / "F.npy", np.asfortranarray(X))
    np.save(tmp_path / "O.npy", labels.astype(object), allow_pickle=True)
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", z[:-1])
    (tmp_path / "no.npy").write_bytes(b"nothing")
    cases = {
        ("F.npy", "y.npy"): "column by column",
        ("X.npy", "O.npy"): "Python objects",
        ("no.npy", "y.npy"): "no .npy file",
        ("X.npy", "y.npy"): "has 999 rows",
        ("y.npy", "y.npy"): r"needs 2 dimension",
    }
    for (one, other), message in cases.items():
        with pytest.raises(ValueError, match=message):
            read_npy(tmp_path / one, tmp_path / other)
    with pytest.raises(ValueError, match=r"2 file.s., X in 1"):
        read_npy(tmp_path / "X.npy", [tmp_path / "y.npy"] * 2)
    with pytest.raises(TypeError, match="tocsr"):
        from_arrays(sp.csc_matrix(X), z)


@pytest.mark.parametrize("what", ["a row in the middle", "a weight"])
def test_any_entry_that_changes_between_passes_is_noticed(what, table):
    X, _, z, weights = table
    passes = []

    def source():
        passes.append(None)
        row, weight = X[500:501].copy(), weights.copy()
        if len(passes) > 1:
            row[0, 2] += what == "a row in the middle"
            weight[700] += what == "a weight"
        yield np.concatenate([X[:500], row, X[501:]]), z, weight

    with pytest.raises(RuntimeError, match="changed between two passes"):
        GDRegressor().partial_fit_blocks(source, n_epochs=2)


def test_labels_that_are_missing_or_of_two_types_are_an_error(table, tmp_path):
    X, labels, _, _ = table
    frame = pd.DataFrame(X, columns=NAMES).assign(label=labels)
    frame.loc[3, "label"] = None
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet")
    for blocks in (
        read_csv(tmp_path / "a.csv", target="label"),
        read_parquet(tmp_path / "a.parquet", target="label"),
    ):
        with pytest.raises(ValueError, match="'label', the target, has missing"):
            GDClassifier().partial_fit_blocks(blocks)
    with pytest.raises(ValueError, match="Use one type"):
        numbers = (labels == "yes").astype(int)
        GDClassifier().partial_fit_blocks([(X, labels), (X, numbers)])


def test_errors_of_columns_name_the_column(tmp_path):
    frame = pd.DataFrame(np.ones((30, 25)), columns=[f"x{j}" for j in range(25)])
    frame["label"] = np.arange(30) % 2
    frame.loc[7, "x3"] = None
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"no column 'y2'.*26 columns begin with 'x0'"):
        read_parquet(tmp_path / "a.parquet", target="label", features=["x1", "y2"])
    with pytest.raises(ValueError, match=r"'lable'. Did you mean 'label'\?"):
        read_parquet(tmp_path / "a.parquet", target="lable")
    blocks = read_parquet(tmp_path / "a.parquet", target="label")
    for fit in (GDClassifier().fit_blocks, GDClassifier().partial_fit_blocks):
        with pytest.raises(ValueError, match="'x3' has a missing value in row 7"):
            fit(blocks)


def test_text_in_a_csv_file_is_named(tmp_path):
    path = tmp_path / "a.csv"
    rows = ["1,2,0"] * 300
    for last, words in {
        "1,b,0": "Column 'b' holds values that are no numbers .*'b'.* features",
        "1,2,no": "Column 'y', the target, has a value of another type .*'no'",
        "1,2,0,4": "(no CSV file|cannot be read as CSV): CSV parse error: .*Expected",
    }.items():
        path.write_text("\n".join(["a,b,y", *rows, last]) + "\n")
        for features in (None, ["b"]):
            with pytest.raises(ValueError, match=words):
                blocks = read_csv(path, target="y", features=features, block_bytes=600)
                GDClassifier().partial_fit_blocks(blocks, classes=[0, 1])


def test_blocks_are_no_array(table):
    X, labels, _, _ = table
    blocks = from_arrays(X, labels, rows=100)
    model = GDClassifier().fit_blocks(blocks)
    with pytest.raises(TypeError, match="predict one block after the other"):
        model.predict(blocks)
    with pytest.raises(TypeError, match="Learn from them with fit_blocks"):
        model.fit(blocks, labels)
    for method in (model.fit, model.partial_fit, GDRegressor().fit):
        with pytest.raises(TypeError, match="Learn from them with fit_blocks"):
            method(blocks)
    with pytest.raises(ValueError, match="requires y to be passed"):
        model.fit(X)
    parts = [model.predict(block.X) for block in blocks]
    np.testing.assert_array_equal(np.concatenate(parts), model.predict(X))


@pytest.mark.parametrize("rows", [0, -1, 2.5])
def test_sizes_of_blocks_are_checked(rows, table, tmp_path):
    X, _, z, _ = table
    for name, a in (("X", X), ("y", z)):
        np.save(tmp_path / f"{name}.npy", a)
    with pytest.raises(ValueError, match="rows must be a positive integer"):
        from_arrays(X, z, rows=rows)
    with pytest.raises(ValueError, match="rows must be a positive integer"):
        read_npy(tmp_path / "X.npy", tmp_path / "y.npy", rows=rows)
    with pytest.raises(ValueError, match="block_bytes must be"):
        read_svmlight(tmp_path / "X.npy", n_features=2, block_bytes=rows)


def test_files_of_other_kinds_and_matrices_that_do_not_fit_are_refused(tmp_path):
    (tmp_path / "a").write_bytes(b"")
    with pytest.raises(ValueError, match="no CSV file"):
        read_csv(tmp_path / "a", target="y")
    with pytest.raises(ValueError, match="no Parquet file"):
        read_parquet(tmp_path / "a", target="y")
    (tmp_path / "b").write_text("a,a,y\n1,2,3\n")
    with pytest.raises(ValueError, match="two columns with the name 'a'"):
        read_csv(tmp_path / "b", target="y")
    X = sp.csr_array(np.eye(5))
    arrays = {"data": X.data, "indices": X.indices, "indptr": X.indptr, "y": np.ones(5)}
    for name, a in arrays.items():
        np.save(tmp_path / f"{name}.npy", a)
    np.save(tmp_path / "short.npy", np.array([0, 1, 2, 3, 4, 4]))
    np.save(tmp_path / "falls.npy", np.array([0, 3, 1, 7, 4, 5]))
    paths = {name: tmp_path / f"{name}.npy" for name in (*arrays, "short", "falls")}
    with pytest.raises(ValueError, match=r"ends with 4, but .* has 5 entries"):
        read_csr_npy(
            paths["data"], paths["indices"], paths["short"], paths["y"], n_features=5
        )
    falls = read_csr_npy(
        paths["data"], paths["indices"], paths["falls"], paths["y"], n_features=5
    )
    with pytest.raises(ValueError, match="no CSR matrix"):
        list(falls)
    with pytest.raises(TypeError, match="no shape and dtype"):
        from_arrays([[1.0]], [1.0])
    with pytest.raises(TypeError, match="must return an iterator"):
        list(from_iterable(lambda: None))


def test_empty_blocks_and_parts_are_left_out(table):
    X, _, z, _ = table
    empty = X[:0], z[:0]
    blocks = Blocks([lambda: iter([]), lambda: iter([empty, (X, z), empty])])
    model = GDRegressor(shuffle=False).partial_fit_blocks(blocks)
    assert_array_equal(model.coef_, GDRegressor(shuffle=False).partial_fit(X, z).coef_)


def test_parquet_columns_that_are_no_numbers_are_named(table, tmp_path):
    pytest.importorskip("pyarrow")
    X, labels, z, _ = table
    frame = pd.DataFrame(X, columns=NAMES).assign(label=labels, y=z, flag=z > 0.0)
    frame.to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="'label' holds values of type"):
        list(read_parquet(tmp_path / "a.parquet", target="y"))
    with pytest.raises(ValueError, match="no column 'z'"):
        read_parquet(tmp_path / "a.parquet", target="z")
    chosen = read_parquet(
        tmp_path / "a.parquet", target=["y", "x3"], features=["flag", "x0"]
    )
    found = together(chosen)
    assert_array_equal(found[0], np.column_stack([z > 0.0, X[:, 0]]))
    assert_array_equal(found[1], np.column_stack([z, X[:, 3]]))
    frame.loc[3, "x1"] = np.nan
    frame.to_parquet(tmp_path / "b.parquet")
    with pytest.raises(ValueError, match="'x1' has a missing value in row 3"):
        GDClassifier().partial_fit_blocks(
            read_parquet(tmp_path / "b.parquet", target="label", features=NAMES)
        )


class Chunked:
    """What zarr and HDF5 arrays have in common."""

    def __init__(self, a, chunks):
        self.a, self.chunks, self.shape, self.dtype = a, chunks, a.shape, a.dtype
        self.read = []

    def __getitem__(self, rows):
        self.read.append((rows.start, rows.stop))
        return self.a[rows]


def test_matrices_of_the_package_sparse_become_csr(table):
    X, _, z, _ = table

    class COO:
        """What this package's arrays have in common."""

        def to_scipy_sparse(self):
            return sp.coo_matrix(X)

    (block,) = Blocks([lambda: iter([(COO(), z)])])
    assert block.X.format == "csr"
    assert_array_equal(block.X.toarray(), X)


def test_chunked_arrays_are_read_by_their_chunks(table, monkeypatch):
    X, _, z, _ = table
    monkeypatch.setattr("sklgd.blocks._source.BLOCK_BYTES", 700 * D * 4)
    stored = Chunked(X, chunks=(300, D))
    assert_array_equal(together(from_arrays(stored, z))[0], X.astype(np.float64))
    assert stored.read == [(0, 600), (600, 1000)]


def test_the_next_block_is_read_ahead_and_no_thread_stays(table):
    X, _, z, _ = table
    before = threading.active_count()
    GDRegressor().partial_fit_blocks(from_arrays(X, z, rows=100))
    with pytest.raises(ValueError, match="NaN"):
        GDRegressor().partial_fit_blocks([(X, z), (X * np.nan, z), (X, z)])
    assert threading.active_count() == before


def test_progress_is_logged(table, caplog):
    X, _, z, _ = table
    caplog.set_level("INFO", logger="sklgd")
    model = GDRegressor(verbose=1)
    model.partial_fit_blocks(from_arrays(X, z, rows=100), n_epochs=2)
    lines = [record.getMessage() for record in caplog.records]
    epochs = [line for line in lines if line.startswith("epoch")]
    assert epochs[1].startswith("epoch 2 of 2: 10 blocks, 1000 rows, 0.024 MB")
    assert len(lines) == 22


@pytest.mark.exhaustive
def test_row_groups_of_any_size_are_read_a_few_columns_at_a_time(rng, tmp_path):
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    X = rng.normal(size=(20_000, 50)).astype(np.float32)
    y = np.arange(len(X))
    path, before = tmp_path / "wide.parquet", pa.default_memory_pool()
    ends, frame = [0, 3, 8, 300, 20_000], pd.DataFrame(X).add_prefix("x").assign(y=y)
    schema = pa.Schema.from_pandas(frame)
    with parquet.ParquetWriter(path, schema) as writer:
        for start, stop in pairwise(ends):
            part = pa.Table.from_pandas(frame[start:stop], schema=schema)
            writer.write_table(part, row_group_size=len(X))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sklgd.blocks._arrow.SLICE_BYTES", 2**18)
        patch.setattr("sklgd.blocks._arrow.SPOOL_BYTES", 2**20)
        pa.set_memory_pool(pa.system_memory_pool())
        try:
            found = list(read_parquet(path, target="y", rows=1000))
            most = pa.default_memory_pool().max_memory()
        finally:
            pa.set_memory_pool(before)
    assert [len(block.y) for block in found[:2]] == [300, 1000]
    assert_array_equal(np.concatenate([block.X for block in found]), X)
    assert_array_equal(np.concatenate([block.y for block in found]), y)
    # (The last row group has 4 MB.)
    assert most < 2e6
