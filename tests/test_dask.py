"""Collections of dask: gathered with a warning where they are small, else refused."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from sklgd import GDClassifier, GDRegressor

X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] > 0.0).astype(int)


class Collection:
    """What dask's collections have in common, without dask."""

    def __init__(self, data, nbytes):
        self.data, self.size_in_bytes, self.shape = data, nbytes, np.shape(data)

    def __dask_graph__(self):
        return {}

    @property
    def nbytes(self):
        if self.size_in_bytes is None:
            raise NotImplementedError("unknown")
        return self.size_in_bytes

    def compute(self):
        return self.data


def call(est, method, data, y):
    return getattr(est, method)(data, *([] if method == "predict" else [y]))


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("method", ["fit", "partial_fit", "predict", "score"])
def test_a_dask_collection_is_gathered_with_a_warning_or_refused(cls, method):
    est = cls().fit(X, Y)
    for size in (X.nbytes, None):
        with pytest.warns(UserWarning, match="X is a dask collection and is gathered"):
            call(est, method, Collection(X, size), Y)
    with pytest.raises(ValueError, match=r"X is a dask collection of 2 GB.*compute"):
        call(est, method, Collection(X, 2e9), Y)


@pytest.mark.parametrize("cls", [GDRegressor, GDClassifier])
@pytest.mark.parametrize("method", ["fit", "partial_fit", "predict", "score"])
def test_the_warning_points_at_the_line_that_passed_the_collection(cls, method):
    est = cls().fit(X, Y)
    with pytest.warns(UserWarning, match="dask collection") as caught:
        call(est, method, Collection(X, X.nbytes), Y)
    assert {w.filename for w in caught} == {__file__}


def test_a_dask_data_frame_keeps_its_names():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["a", "b", "c"])
    with pytest.warns(UserWarning, match="dask collection"):
        model = GDClassifier().fit(Collection(frame, None), Y)
    assert_array_equal(model.feature_names_in_, ["a", "b", "c"])
    assert_array_equal(model.coef_, GDClassifier().fit(X, Y).coef_)
