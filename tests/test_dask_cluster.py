"""`sklgd.dask`: the same fits on a cluster."""

import os
import signal
import time

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal

distributed = pytest.importorskip("distributed")
dask = pytest.importorskip("dask")

import dask.array as da  # noqa: E402
import dask.dataframe as dd  # noqa: E402

import sklgd  # noqa: E402
import sklgd._fit.description as description  # noqa: E402
from sklgd.blocks import from_iterable  # noqa: E402
from sklgd.dask import Engine, GDClassifier, GDRegressor, from_dask  # noqa: E402

# A cluster takes several seconds to start.
pytestmark = pytest.mark.exhaustive
N, D, ROWS = 1200, 4, 200


@pytest.fixture(scope="module")
def client():
    """Two worker processes."""
    options = {"dashboard_address": None, "worker_dashboard_address": None}
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, **options
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture
def beyond_memory(client, monkeypatch):
    """Rows of the tests count as too many for memory, on the workers as well."""

    def limit(sample, targets):
        description.SAMPLE_BYTES, description.TARGET_BYTES = sample, targets

    before = description.SAMPLE_BYTES, description.TARGET_BYTES
    limit(6000, 2000)
    client.run(limit, 6000, 2000)
    yield
    limit(*before)
    client.run(limit, *before)


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, D)) * [1.0, 10.0, 0.1, 1.0]
    z = X @ [1.0, -0.1, 3.0, 0.5] + rng.normal(size=N)
    return X, np.digitize(z, [-1.0, 0.5]), z


def local_blocks(X, y):

    return sklgd.blocks.Blocks(
        [
            lambda s=s: iter([(X[s : s + ROWS], y[s : s + ROWS])])
            for s in range(0, N, ROWS)
        ]
    )


def test_the_bits_are_those_of_one_process(beyond_memory, table):
    X, labels, z = table
    several = (X > [0.0, 1.0, 0.1, -1.0]).astype(int)
    for model, y in (
        (GDClassifier(), labels),
        (GDClassifier("hinge", tol=0.05), labels),
        (GDClassifier(tol=1e-2), several),
        (GDRegressor("huber", penalty="l1"), z),
        (GDRegressor("huber", monotonic_cst=[-1, 1, 0, 1]), z),
    ):
        chunks = (100, 2)[: y.ndim]
        model.fit(da.from_array(X, (ROWS, 2)), da.from_array(y, chunks))
        reference = model.local(**model.get_params()).fit_blocks(local_blocks(X, y))
        assert model.n_passes_ == reference.n_passes_ > 1
        assert_array_equal(model.coef_, reference.coef_)
        assert model.loss_curve_ == reference.loss_curve_


def test_the_bits_are_those_of_one_worker(beyond_memory, table):
    X, y, _ = table
    data = da.from_array(X, (ROWS, D)), da.from_array(y, ROWS)
    two = GDClassifier(tol=1e-10).fit(*data)
    options = {"dashboard_address": None, "worker_dashboard_address": None}
    with distributed.Client(
        n_workers=1, threads_per_worker=1, processes=False, set_as_default=False,
        **options,
    ) as single:  # fmt: skip
        one = GDClassifier(tol=1e-10).fit(*data, client=single)
    assert one.n_passes_ == two.n_passes_ > 3
    assert_array_equal(one.coef_, two.coef_)
    assert one.loss_curve_ == two.loss_curve_


def test_ctrl_c_keeps_the_best_coefficients_and_cancels_tasks(
    client, beyond_memory, table
):
    X, y, _ = table

    class Interrupted(Engine):
        def round(self, task):
            for sums in super().round(task):
                if self.n_passes == 4:
                    raise KeyboardInterrupt
                yield sums

    blocks = from_dask(da.from_array(X, (ROWS, D)), da.from_array(y, ROWS))
    for number, part in enumerate(blocks.rows):
        blocks.rows[number] = dask.delayed(slowly)(part[0]), *part[1:]
    model = sklgd.GDClassifier(tol=1e-12)
    with pytest.raises(KeyboardInterrupt):
        model.fit_blocks(blocks, engine=Interrupted)
    assert model.stop_reason_ == "interrupted" and model.n_passes_ == 4
    assert model.score(X, y) > 0.6

    def left():
        tasks = client.run_on_scheduler(
            lambda dask_scheduler: list(dask_scheduler.tasks)
        )
        return [key for key in tasks if "pass-4" in str(key)]

    end = time.monotonic() + 10.0
    while left() and time.monotonic() < end:
        time.sleep(0.05)
    assert not left()


def keys(dask_scheduler):
    return [str(key) for key in dask_scheduler.tasks]


def slowly(X):
    time.sleep(0.02)
    return X


def test_a_task_that_fails_once_is_made_again(client, table, tmp_path):
    X, y, _ = table

    def unreliable(k):
        if k == 1 and not (tmp_path / "failed").exists():
            (tmp_path / "failed").touch()
            raise OSError("the network is down")
        return X[k * ROWS : (k + 1) * ROWS]

    parts = [dask.delayed(unreliable)(k) for k in range(N // ROWS)]
    labels = [dask.delayed(y[k : k + ROWS]) for k in range(0, N, ROWS)]
    model = GDClassifier().fit(parts, labels)
    assert (tmp_path / "failed").exists()
    assert_array_equal(model.coef_, GDClassifier().fit(parts, labels).coef_)


def test_workers_of_another_version_are_refused(table):
    class Other:
        def run(self, version):
            return {"one": sklgd.__version__, "two": "0.0.1"}

    with pytest.raises(RuntimeError, match=r"workers have sklgd 0\.0\.1, this process"):
        Engine(local_blocks(*table[:2]), client=Other())


def test_targets_in_memory_are_cut_like_the_rows(client, table):
    X, y, _ = table
    data, weights = da.from_array(X, ((700, 500), D)), np.arange(N) % 3 + 1.0
    model = GDClassifier().fit(data, y, pd.Series(weights))
    reference = sklgd.GDClassifier(optimizer="newton").fit(X, y, weights)
    assert_allclose(model.coef_, reference.coef_, rtol=1e-6)
    frame = dd.from_pandas(pd.DataFrame(X), npartitions=3)
    with pytest.raises(ValueError, match="y is an array in memory of 1200 rows"):
        GDClassifier().fit(frame, y)


def test_offsets_of_a_cluster_are_those_of_one_process(client, rng):
    X, offset = rng.normal(size=(400, 3)), rng.normal(size=400)
    y = rng.poisson(np.exp(offset + X[:, 0])).astype(float)
    arrays = [da.from_array(data, chunks=(100, *data.shape[1:])) for data in (X, y)]
    local = sklgd.GDRegressor("poisson", tol=1e-12).fit(X, y, offset=offset)
    for given in (offset, da.from_array(offset, chunks=100)):
        model = GDRegressor("poisson", tol=1e-12).fit(*arrays, offset=given)
        assert_allclose(model.coef_, local.coef_, rtol=1e-10)
    here = GDRegressor("poisson", tol=1e-12).fit(X, y, offset=offset)
    assert_array_equal(here.coef_, local.coef_)
    with pytest.raises(ValueError, match="offset is not possible with dask coll"):
        model.score(*arrays)
    with pytest.raises(ValueError, match="GDClassifier takes no offsets"):
        GDClassifier().fit(arrays[0], arrays[1] > 1.0, offset=offset)


def test_a_worker_that_dies_changes_nothing(client, beyond_memory, table):
    X, y, _ = table
    reference = sklgd.GDClassifier(tol=1e-10).fit_blocks(local_blocks(X, y))
    workers = sorted(client.run(os.getpid).values())

    class Deadly(Engine):
        def round(self, task):
            for number, sums in enumerate(super().round(task)):
                if self.n_passes == 3 and number == 1:
                    os.kill(workers[0], signal.SIGKILL)
                yield sums

    model = GDClassifier(tol=1e-10)
    blocks = from_dask(da.from_array(X, (ROWS, D)), da.from_array(y, ROWS))
    model.fit_blocks(blocks, engine=Deadly)
    assert workers != sorted(client.run(os.getpid).values())
    assert_array_equal(model.coef_, reference.coef_)


def test_sparse_chunks_frames_and_delayed_blocks(client, table):
    X, y, _ = table
    S = sp.csr_array(np.where(np.abs(X) > 1.0, X, 0.0))
    reference = sklgd.GDClassifier(optimizer="newton").fit(S, y)
    starts = range(0, N, ROWS)
    parts = [dask.delayed(S[s : s + ROWS]) for s in starts]
    labels = [dask.delayed(y[s : s + ROWS]) for s in starts]
    model = GDClassifier().fit(parts, labels)
    assert model.n_passes_ == 1
    assert_allclose(model.coef_, reference.coef_, rtol=1e-9)
    frame = pd.DataFrame(X, columns=list("abcd")).assign(y=np.array(["n", "m", "k"])[y])
    frame = dd.from_pandas(frame, npartitions=3)
    model = GDClassifier().fit(frame[list("abcd")], frame["y"])
    assert_array_equal(model.feature_names_in_, list("abcd"))
    assert_array_equal(model.classes_, ["k", "m", "n"])
    predicted = model.predict(frame[list("abcd")])
    assert_array_equal(
        predicted.compute(), model.to_local().predict(frame[list("abcd")].compute())
    )


def test_predictions_are_lazy_and_scores_are_those_of_one_process(client, table):
    X, y, z = table
    dX = da.from_array(X, (ROWS, D))
    model = GDClassifier().fit(dX, da.from_array(y, ROWS))
    local = model.to_local()
    assert type(local) is sklgd.GDClassifier
    for method in "predict", "predict_proba", "decision_function", "predict_log_proba":
        lazy = getattr(model, method)(dX)
        assert isinstance(lazy, da.Array)
        assert_array_equal(lazy.compute(), getattr(local, method)(X))
        assert lazy.dtype == getattr(local, method)(X).dtype
        assert_array_equal(getattr(model, method)(X), getattr(local, method)(X))
    assert model.score(dX, da.from_array(y, ROWS)) == pytest.approx(local.score(X, y))
    model = GDRegressor().fit(dX, da.from_array(z, ROWS))
    weights = np.arange(N) % 3 + 1.0
    assert model.score(
        dX, da.from_array(z, ROWS), da.from_array(weights, ROWS)
    ) == pytest.approx(model.to_local().score(X, z, weights))
    assert GDRegressor().fit(X, z).score(X, z) > 0.6


def test_errors_name_the_part(client, table):
    X, y, _ = table
    X = X.copy()
    X[450, 1] = np.nan
    with pytest.raises(ValueError, match="nan in row 50, column 1") as caught:
        GDClassifier().fit(da.from_array(X, (ROWS, D)), da.from_array(y, ROWS))
    assert "part 2 of the source" in caught.value.__notes__[-1]
    with pytest.raises(ValueError, match="y has 2 blocks of rows, X has 6"):
        from_dask([dask.delayed(X)] * 6, [dask.delayed(y)] * 2)
    first = pd.DataFrame(table[0][:ROWS], columns=list("abcd"))
    frames = [dask.delayed(first), dask.delayed(first[list("badc")])]
    with pytest.raises(ValueError, match="The columns of part 1 are not those"):
        GDClassifier().fit(frames, [dask.delayed(y[:ROWS])] * 2)


def test_a_source_of_files_runs_on_the_workers(client, beyond_memory, table, tmp_path):
    X, y, _ = table
    for k in range(3):
        np.save(tmp_path / f"X{k}.npy", X[k * 400 : k * 400 + 400])
        np.save(tmp_path / f"y{k}.npy", y[k * 400 : k * 400 + 400])
    blocks = sklgd.blocks.read_npy(
        [tmp_path / f"X{k}.npy" for k in range(3)],
        [tmp_path / f"y{k}.npy" for k in range(3)],
        rows=100,
    )
    on_workers = sklgd.GDClassifier().fit_blocks(blocks, engine=Engine)
    here = sklgd.GDClassifier().fit_blocks(blocks)
    assert here.n_passes_ > 1
    assert_array_equal(on_workers.coef_, here.coef_)


def test_changes_between_passes_are_noticed(client, beyond_memory, table):
    X, y, _ = table

    def changing():
        yield X + np.random.default_rng().normal(size=(N, D)), y

    with pytest.raises(RuntimeError, match="changed between two passes"):
        sklgd.GDClassifier().fit_blocks(from_iterable(changing), engine=Engine)


def test_validation_sets_of_a_cluster(client, beyond_memory, table, caplog):
    X, labels, _ = table
    chunks = {"chunks": (ROWS, D)}
    held_out = da.from_array(X, **chunks), da.from_array(labels, chunks=ROWS)
    data = da.from_array(X[::-1].copy(), **chunks)
    target = da.from_array(labels[::-1].copy(), chunks=ROWS)
    caplog.set_level("INFO", logger="sklgd")
    model = GDClassifier(verbose=1).fit(data, target, validation=held_out)
    assert model.validation_scores_[-1] == pytest.approx(model.score(X, labels))
    lines = [line for line in caplog.messages if line.startswith("pass 2: ")]
    assert lines[0].startswith("pass 2: 6 blocks, 1200 rows, 0.048 MB, ")
    assert "slowest part " in lines[0]
    assert f"validation pass {1 + model.n_iter_}: 6 blocks" in caplog.text
