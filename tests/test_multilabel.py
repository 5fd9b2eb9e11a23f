"""Several labels per row: one linear model for each label, in one fit."""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import accuracy_score, get_scorer, log_loss
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.utils import get_tags

from sklgd import GDClassifier, GDClassifierCV, path, to_sklearn
from sklgd.losses import LOSSES, LogLoss

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:The best alpha is:UserWarning"),
]

RNG = np.random.default_rng(0)
N, D, L = 120, 6, 4
X = RNG.normal(size=(N, D)) * [1.0, 3.0, 0.2, 1.0, 1.0, 1.0] + [0, 2.0, 0, 0, -1.0, 0]
Z = (X - X.mean(axis=0)) / X.std(axis=0) @ RNG.normal(size=(D, L))
Y = (Z + 0.7 * RNG.normal(size=(N, L)) > [0.0, 1.0, -1.0, 2.0]).astype(int)
WEIGHT = RNG.integers(0, 3, N).astype(float)
CLASSIFIES = [name for name, cls in LOSSES.items() if cls.classifies]
# Optimizers, batch sizes, and how near to the minimum they come.
METHODS = {
    "auto": ("auto", 1e-6),
    "lbfgs": ("auto", 1e-6),
    "fista": ("auto", 1e-2),
    "nesterov": ("full", 1e-2),
    "saga": (1, 1e-3),
    "point_saga": (1, 1e-2),
    "svrg": (16, 1e-3),
    "online": (1, 1e-2),
}
STEPS = {"learning_rate": 0.002, "max_iter": 2, "tol": None, "shuffle": False}


def apart(model, X, Y, weight=None):
    """A fit for each label."""
    return [clone(model).fit(X, column, weight) for column in Y.T]


def works(loss, optimizer):
    """False for what is refused, and for a loss whose minimum is at zero."""
    known = LOSSES[loss]
    return not known.degenerate and (known.smooth or optimizer not in ("saga", "svrg"))


@pytest.mark.some_cases
@pytest.mark.parametrize(
    "loss, optimizer",
    [(loss, name) for loss in CLASSIFIES for name in METHODS if works(loss, name)],
)
def test_the_minimum_is_that_of_a_fit_for_each_label(loss, optimizer):
    batch_size, close = METHODS[optimizer]
    model = GDClassifier(
        loss, alpha=0.02, optimizer=optimizer, batch_size=batch_size, tol=1e-7,
        max_iter=80, random_state=0,
    )  # fmt: skip
    data = sp.csr_array(X) if optimizer in ("saga", "svrg") else X
    together = clone(model).fit(data, Y, WEIGHT)
    plain = GDClassifier(loss, alpha=0.02, tol=1e-9)
    expected = apart(plain, X, Y, WEIGHT)
    assert together.coef_.shape == (L, D)
    assert_array_equal(together.classes_, np.arange(L))
    best = sum(m.loss_curve_[-1] for m in expected)
    null = sum(m.loss_curve_[-1] for m in apart(
        clone(plain).set_params(penalty="l1", alpha=1e3), X, Y, WEIGHT))  # fmt: skip
    assert together.loss_curve_[-1] - best <= close * (null - best)
    if optimizer == "auto" and LOSSES[loss].smooth:
        assert_allclose(together.coef_, [m.coef_[0] for m in expected], atol=2e-3)


@pytest.mark.some_cases
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("batch_size", [1, 16])
@pytest.mark.parametrize("optimizer", ["sgd", "adam", "momentum"])
@pytest.mark.parametrize("loss", CLASSIFIES)
def test_the_steps_are_those_of_a_fit_for_each_label(
    loss, optimizer, batch_size, sparse
):
    data = (sp.csr_array if sparse else np.asarray)(X / X.std(axis=0))
    model = GDClassifier(loss, optimizer=optimizer, batch_size=batch_size, **STEPS)
    together, expected = (
        clone(model).fit(data, Y, WEIGHT),
        apart(model, data, Y, WEIGHT),
    )
    assert_allclose(together.coef_, [m.coef_[0] for m in expected], atol=1e-9)
    total = sum(m.loss_curve_[-1] for m in expected)
    assert_allclose(together.loss_curve_[-1], total, rtol=1e-9)
    streamed = clone(model)
    for _ in range(2):
        streamed.partial_fit(data, sp.csr_array(Y), sample_weight=WEIGHT)
    assert_allclose(streamed.coef_, together.coef_, atol=1e-12)


@pytest.mark.some_cases
@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("loss", CLASSIFIES)
def test_the_online_learner_learns_each_label(loss, sparse):
    data = (sp.csr_array if sparse else np.asarray)(X)
    model = GDClassifier(loss, shuffle=False)
    together = clone(model)
    singles = [clone(model) for _ in range(L)]
    for rows in np.array_split(np.arange(N), 4):
        together.partial_fit(data[rows], Y[rows], sample_weight=WEIGHT[rows])
        for k, single in enumerate(singles):
            single.partial_fit(data[rows], Y[rows, k], [0, 1], WEIGHT[rows])
    # (Dense columns of one output are learnt by the second-order rule as well, and
    # those of several outputs only if the second derivative is constant.)
    if sparse or not LOSSES[loss].twice_smooth or LOSSES[loss].quadratic:
        assert_allclose(
            together.coef_, [single.coef_[0] for single in singles], atol=1e-9
        )
        total = sum(single.progressive_loss_ for single in singles)
        assert_allclose(together.progressive_loss_, total, rtol=1e-5)
    assert together.score(data, Y) > 0.2
    stored = pickle.loads(pickle.dumps(together))
    for model in (stored, together):
        model.partial_fit(data, Y)
    assert_array_equal(stored.coef_, together.coef_)


def test_the_progressive_score_counts_rows_whose_labels_are_all_right():
    model, right = GDClassifier(shuffle=False), []
    rows = sp.csr_array(X)
    for i in range(60):
        if i:
            right.append((model.predict(rows[[i]]) == Y[i]).all())
        model.partial_fit(rows[[i]], Y[[i]])
    assert model.progressive_score_ == pytest.approx(np.mean(right), abs=0.05)


def test_labels_that_come_late_or_never_are_learnt():
    model = GDClassifier()
    none = np.zeros_like(Y[:40])
    model.partial_fit(X[:40], none).partial_fit(X[40:], Y[40:])
    assert (model.predict(X) == Y).mean() > 0.8
    for optimizer in ("auto", "lbfgs", "svrg"):
        never = np.c_[Y, np.zeros(N, dtype=int)]
        fitted = GDClassifier(optimizer=optimizer, random_state=0).fit(X, never)
        assert not fitted.predict(X)[:, -1].any()
        assert np.isfinite(fitted.coef_).all()


# -------------------------------------------------------------------------- results


def test_predictions_have_a_column_for_each_label():
    model = GDClassifier(alpha=0.01).fit(X, Y)
    z = model.decision_function(X)
    assert_allclose(z, X @ model.coef_.T + model.intercept_)
    assert_array_equal(model.predict(X), (z > 0.0).astype(int))
    assert_allclose(model.predict_proba(X), 1.0 / (1.0 + np.exp(-z)))
    assert_allclose(model.predict_log_proba(X), np.log(model.predict_proba(X)))
    assert model.score(X, Y) == accuracy_score(Y, model.predict(X))
    huber = GDClassifier("modified_huber").fit(X, Y)
    z = huber.decision_function(X)
    assert_allclose(huber.predict_proba(X), 0.5 * (np.clip(z, -1.0, 1.0) + 1.0))
    assert not hasattr(GDClassifier("hinge").fit(X, Y), "predict_proba")
    assert get_tags(model).classifier_tags.multi_label


@pytest.mark.parametrize(
    "form", [sp.csr_matrix, sp.csc_array, np.ndarray.tolist, list, np.bool_, float]
)
def test_indicator_matrices_come_in_many_forms(form):
    given = Y.astype(form) if form in (np.bool_, float) else form(Y)
    model = GDClassifier(alpha=0.1)
    assert_array_equal(clone(model).fit(X, given).coef_, clone(model).fit(X, Y).coef_)


def test_two_labels_are_two_outputs_and_storage_changes_nothing():
    two = GDClassifier(alpha=0.1).fit(X, Y[:, :2])
    assert two.predict(X).shape == (N, 2)
    assert two.predict_proba(X).shape == (N, 2)
    for form in (np.asfortranarray, sp.csr_array, lambda X: X.astype(np.float32)):
        same = GDClassifier(alpha=0.1).fit(form(X), Y[:, :2])
        assert_allclose(same.coef_, two.coef_, atol=1e-5)
    stored = pickle.loads(pickle.dumps(two))
    assert_array_equal(stored.predict(X), two.predict(X))
    assert_array_equal(two.sparsify().predict(X), stored.predict(X))


@pytest.mark.parametrize("loss", ["log_loss", "hinge", "squared_error"])
def test_the_exported_model_is_one_versus_rest(loss):
    model = GDClassifier(loss, alpha=0.01).fit(X, Y)
    plain = to_sklearn(model)
    assert isinstance(plain, OneVsRestClassifier)
    assert_array_equal(plain.predict(X), model.predict(X))
    assert_allclose(plain.decision_function(X), model.decision_function(X))
    if loss == "log_loss":
        assert_allclose(plain.predict_proba(X), model.predict_proba(X))


# --------------------------------------------------------------------- validation


@pytest.mark.parametrize("scoring", [None, "loss", "f1_macro"])
@pytest.mark.parametrize("held_out", [False, True])
def test_validation_rows_have_several_labels(held_out, scoring):
    model = GDClassifier(
        optimizer="sgd", batch_size=8, max_iter=4, scoring=scoring, random_state=0,
        early_stopping=held_out,
    )  # fmt: skip
    if held_out:
        model.fit(X, Y)
        val = model._hold_out(Y)[1]
    else:
        val = np.arange(80, N)
        model.fit(X[:80], Y[:80], X_val=X[val], y_val=Y[val])
    if scoring is None:
        expected = accuracy_score(Y[val], model.predict(X[val]))
    elif scoring == "loss":
        p = model.predict_proba(X[val])
        losses = [log_loss(Y[val, k], p[:, k], labels=[0, 1]) for k in range(L)]
        expected = -sum(losses)
    else:
        expected = get_scorer(scoring)(model, X[val], Y[val])
    found = model.best_validation_score_ if held_out else model.validation_scores_[-1]
    assert found == pytest.approx(expected)


def test_a_grid_search_takes_several_labels():
    search = GridSearchCV(GDClassifier(), {"alpha": [1e-3, 100.0]}, cv=3).fit(X, Y)
    assert search.best_params_ == {"alpha": 1e-3}
    warm = GDClassifier(warm_start=True).fit(X, Y)
    assert warm.fit(X, Y).n_iter_ <= 2


@pytest.mark.one_case
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("penalty", ["l2", "l1"])
@pytest.mark.parametrize(
    "loss, optimizer",
    [("log_loss", "auto"), ("squared_error", "auto"), ("squared_hinge", "fista")],
)
def test_a_search_has_the_scores_of_fits_of_each_label(loss, optimizer, penalty, form):
    alphas, params = [0.3, 1e-2], {"penalty": penalty, "optimizer": optimizer}
    search = GDClassifierCV(loss, alphas=alphas, cv=3, tol=1e-11, **params)
    search.fit(form(X), Y, WEIGHT)
    for k, (train, test) in enumerate(KFold(3).split(X)):
        for a, alpha in enumerate(alphas):
            est = GDClassifier(loss, alpha=alpha, tol=1e-12, **params)
            value, s = 0.0, WEIGHT[test]
            models = apart(est, X[train], Y[train], WEIGHT[train])
            for label, model in enumerate(models):
                z = model.decision_function(X[test])[:, None]
                target = np.where(Y[test, label], 1.0, -1.0)
                value += model._make_loss().evaluate(target, z, s)[0] / s.sum()
            assert -search.scores_[k, 0, a] == pytest.approx(value, rel=1e-4)
    plain = GDClassifier(loss, alpha=search.alpha_, tol=1e-8, **params)
    assert_array_equal(search.predict(X), plain.fit(X, Y, WEIGHT).predict(X))
    assert search.predict(X).shape == Y.shape


def test_searches_and_paths_of_labels_have_scorers_and_probabilities():
    search = GDClassifierCV(alphas=[1e-2, 10.0], cv=3, scoring="f1_macro").fit(X, Y)
    assert search.alpha_ == 1e-2
    assert search.predict_proba(X).shape == Y.shape
    assert get_scorer("f1_macro")(search, X, Y) == search.score(X, Y)
    models = path(GDClassifier(tol=1e-9), X, Y, alphas=[1e-2])
    plain = GDClassifier(alpha=1e-2, tol=1e-9).fit(X, Y)
    assert_allclose(models.coef[0], plain.coef_, rtol=1e-5)
    with pytest.raises(ValueError, match="class_weight='balanced' is not possible"):
        GDClassifierCV(class_weight="balanced").fit(X, Y)


def blocks_of(form, weight):
    """Four blocks of rows."""
    for rows in np.array_split(np.arange(N), 4):
        block = form(X[rows]), Y[rows]
        yield block if weight is None else (*block, weight[rows])


@pytest.mark.one_case
@pytest.mark.parametrize("form", [np.asarray, sp.csr_array], ids=["dense", "csr"])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("few", [False, True])
@pytest.mark.parametrize("loss", ["log_loss", "squared_error", "squared_hinge"])
def test_blocks_of_several_labels_give_the_model_of_all_rows(
    loss, few, weight, form, monkeypatch
):
    if few:
        monkeypatch.setattr("sklgd._fit.description.SAMPLE_BYTES", 2000)
    model = GDClassifier(loss, alpha=0.1, tol=1e-10)
    expected = clone(model).fit(X, Y, weight, X_val=X, y_val=Y)
    for validation in ((X, Y), list(blocks_of(form, None))):
        blocks = list(blocks_of(form, weight))
        found = clone(model).fit_blocks(blocks, validation=validation)
        assert (found.n_passes_ > 1) == few
        assert_allclose(found.loss_curve_[-1], expected.loss_curve_[-1], rtol=1e-8)
        assert_allclose(found.coef_, expected.coef_, atol=1e-4)
        assert_array_equal(found.predict(X), expected.predict(X))
        assert found.validation_scores_[-1] == expected.validation_scores_[-1]
    matrices = [(A, sp.csr_array(B), *s) for A, B, *s in blocks]
    assert_array_equal(clone(model).fit_blocks(matrices).coef_, found.coef_)
    by_loss = clone(model).set_params(scoring="loss")
    read = clone(by_loss).fit_blocks(blocks, validation=validation)
    known = by_loss.fit(X, Y, weight, X_val=X, y_val=Y).validation_scores_[-1]
    assert read.validation_scores_[-1] == pytest.approx(known, rel=1e-4)


# --------------------------------------------------------------------------- errors


def test_what_is_no_indicator_matrix_is_refused():
    for wrong in (Y + 1, 2 * Y - 1, Y + 0.5, np.where(Y, "yes", "no")):
        with pytest.raises(ValueError, match="an indicator matrix of zeros and ones"):
            GDClassifier().fit(X, wrong)
    with pytest.raises(ValueError, match="got lists of labels"):
        GDClassifier().fit(X[:2], [["red"], ["red", "blue"]])
    with pytest.raises(ValueError, match="class_weight='balanced' is not possible"):
        GDClassifier(class_weight="balanced").fit(X, Y)
    with pytest.raises(ValueError, match=r"y_val has shape \(120,\)"):
        GDClassifier().fit(X, Y, X_val=X, y_val=Y[:, 0])
    with pytest.raises(ValueError, match=r"y_val has shape \(120, 4\)"):
        GDClassifier().fit(X, Y[:, 0], X_val=X, y_val=Y)
    with pytest.raises(ValueError, match="an indicator matrix of zeros and ones"):
        GDClassifier().fit_blocks([(X, Y + 1)])
    with pytest.raises(ValueError, match="same form in all blocks"):
        GDClassifier().fit_blocks([(X, Y), (X, Y[:, 0])])
    with pytest.raises(ValueError, match="class_weight='balanced' is not possible"):
        GDClassifier(class_weight="balanced").fit_blocks([(X, Y)])
    with pytest.raises(ValueError, match="classes must be None or the numbers from 0"):
        GDClassifier().fit_blocks([(X, Y)], classes=[0, 1])
    for wrong in ([(X, Y[:, 0])], (X, Y[:, 0])):
        with pytest.raises(ValueError, match=r"y_val has shape \(120,\), but y has 4"):
            GDClassifier().fit_blocks([(X, Y)], validation=wrong)
    for wrong in ([(X, Y)], (X, Y)):
        with pytest.raises(ValueError, match=r"shape \(120, 4\), but y has 1 label"):
            GDClassifier().fit_blocks([(X, Y[:, 0])], validation=wrong)


def test_calls_of_a_stream_have_the_same_labels():
    model = GDClassifier().partial_fit(X, Y, classes=np.arange(L))
    with pytest.raises(ValueError, match="indicator matrix of 3 labels, but earlier"):
        model.partial_fit(X, Y[:, :3])
    with pytest.raises(ValueError, match="y has one label per row, but earlier calls"):
        model.partial_fit(X, Y[:, 0])
    with pytest.raises(ValueError, match="classes must be None or the numbers from 0"):
        model.partial_fit(X, Y, classes=[0, 1])
    single = GDClassifier().partial_fit(X, Y[:, 0], classes=[0, 1])
    with pytest.raises(ValueError, match="earlier calls had one label per row"):
        single.partial_fit(X, Y)
    blocks = GDClassifier(shuffle=False).partial_fit_blocks([(X, Y)])
    assert_array_equal(
        blocks.coef_, GDClassifier(shuffle=False).partial_fit(X, Y).coef_
    )


def test_copies_of_a_loss_of_labels_are_of_labels():
    loss = LogLoss().of_labels()
    assert not loss.coupled(3) and LogLoss().coupled(3)
    for copy in (pickle.loads(pickle.dumps(loss)), loss.of_labels()):
        value, gradient = copy.evaluate([[1.0, -1.0]], [[0.0, 0.0]])
        assert value == pytest.approx(2.0 * np.log(2.0))
        assert_allclose(gradient, [[-0.5, 0.5]])
    hinge = LOSSES["hinge"]().of_labels().smoothed(0.1)
    assert hinge.evaluate([[1.0, -1.0]], [[3.0, -3.0]])[0] < 0.2
