"""`GDRegressorCV` and `GDClassifierCV`: alpha chosen by cross-validation."""

from copy import deepcopy
from numbers import Integral
from typing import Any

import numpy as np
from scipy.special import fdtrc
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.utils.metadata_routing import UNUSED, MetadataRouter, MethodMapping
from sklearn.utils.metadata_routing import process_routing as route
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from ._all_or_nothing import all_or_nothing
from ._callbacks import FitTasks
from ._classifier import GDClassifier, has_proba
from ._compat import CallbackSupport, has_callbacks, routing_enabled, warn
from ._data_checks import check_offset, check_weights
from ._export import CONVERT
from ._fit.offset import without_offset
from ._fit.statistics import Statistics
from ._hints import PARAMETERS_OF_OTHER_SEARCHES, ExplainsKeywords, did_you_mean
from ._html import ShowsFit
from ._log import say
from ._regressor import GDRegressor
from ._scoring import Scorer
from ._signs import without_names
from ._strengths import without_names_of_factors
from ._tuning.fits import FittedModels
from ._tuning.grid import column_scale, default_alphas, starts_at_zero
from ._tuning.models import Fold, all_rows, share_between, train_weights
from ._tuning.moments import MomentModels
from ._tuning.newton import NewtonModels
from ._tuning.path import check_alphas
from ._tuning.quasi_newton import QuasiNewtonModels
from ._tuning.refit import refit
from ._tuning.search import (
    MOST_ADDED,
    Search,
    as_results,
    choose,
    standard_errors,
)
from ._validation import (
    check_bool,
    check_number,
    check_parameters,
    check_scoring,
    parameter_names,
    parameters_of,
)
from .optimizers import optimizer_name

SELECTIONS = "best", "1se"

# A search with folds of consecutive rows warns if this share of the variance of y lies
# between them, and if random rows would have as much with a probability below that of
# the F ratio. (Of 14 sets of regression and counts in their original order, 8 exceed
# it; their scores are up to 75 % worse than those of shuffled folds, and the chosen
# alpha differs by factors up to 1e4. Below it, differences are up to 18 % and 4.)
BETWEEN_FOLDS, RANDOM = 0.05, 1e-6


class BaseGDCV(ExplainsKeywords, CallbackSupport, ShowsFit):
    """A search for alpha; see the two estimators."""

    keyword_hints = PARAMETERS_OF_OTHER_SEARCHES
    _doc_link_module = "sklgd"
    _doc_link_template = "https://sklgd.readthedocs.io/en/stable/api/{estimator_module}.{estimator_name}.html"

    # It is the splitter that asks for groups, as in GridSearchCV.
    __metadata_request__fit = {"groups": UNUSED}

    _plain: Any
    """The class of the plain estimator."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        plain = self._model(1.0, 0.5).__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.target_tags = plain.target_tags
        tags.classifier_tags = plain.classifier_tags
        return tags

    def _chosen(self):
        return {
            "alpha": f"{self.alpha_:.3g} of {self.alphas_.shape[-1]} candidates",
            "mean score": f"{self.best_score_:.4g} over {self.n_splits_} folds",
        }

    def to_sklearn(self):
        """The plain scikit-learn model that equals ``estimator_``.

        Returns
        -------
        model : estimator of scikit-learn
        """
        return self._refitted().to_sklearn()

    @property
    def loss_curve_(self):
        """``loss_curve_`` of ``estimator_``."""
        return self._refitted().loss_curve_

    def get_metadata_routing(self):
        """Where `fit` and `score` send groups, sample weights and other metadata.

        Returns
        -------
        router : MetadataRouter
        """
        from sklearn.model_selection import check_cv

        router = MetadataRouter(owner=self).add_self_request(self)
        router.add(
            splitter=check_cv(self.cv),
            method_mapping=MethodMapping().add(caller="fit", callee="split"),
        )
        scorer = self._scorer()
        if scorer is not None:
            mapping = MethodMapping().add(caller="fit", callee="score")
            mapping = mapping.add(caller="score", callee="score")
            router.add(scorer=scorer, method_mapping=mapping)
        return router

    def __deepcopy__(self, memo):
        convert = memo.get(CONVERT)
        if convert is not None and hasattr(self, "estimator_"):
            return convert(self.estimator_)
        twin = memo[id(self)] = object.__new__(type(self))
        twin.__setstate__(deepcopy(self.__getstate__(), memo))
        return twin

    def _score(self, X, y, sample_weight, params, **known):
        """Score of ``estimator_``, by ``scoring`` if that is a scorer."""
        model, scorer = self._refitted(), self._scorer()
        if scorer is None:
            return model.score(X, y, sample_weight, **known)
        self._check_scorer(known.get("offset"))
        if sample_weight is not None:
            params = {**params, "sample_weight": sample_weight}
        if routing_enabled():
            params = route(self, "score", **params).scorer.score
        return scorer(model, X, y, **params)

    def _refitted(self):
        """The model of all rows."""
        check_is_fitted(self, "cv_results_")
        if not hasattr(self, "estimator_"):
            raise NotFittedError(
                f"This {type(self).__name__} was fitted with refit=False: it has "
                "scores, but no model. Use refit=True."
            )
        return self.estimator_

    def _model(self, alpha, l1_ratio):
        """A plain estimator with the parameters of this one."""
        ours, names = parameters_of(self), parameter_names(self._plain)
        params = {name: ours[name] for name in names if name in ours}
        params |= {"alpha": alpha, "l1_ratio": l1_ratio, "scoring": None, "verbose": 0}
        return self._plain(**params)

    def _check_scorer(self, offset):
        """Raise ValueError if a scorer would predict without an offset."""
        if offset is not None and self._scorer() is not None:
            raise ValueError(
                f"scoring={self.scoring!r} is not possible with an offset: a scorer "
                "asks for predictions without it. Use scoring='loss' or None."
            )

    def _scorer(self):
        """The scorer of scikit-learn; None if the loss is the score."""
        scoring = self.scoring
        if scoring is None or (isinstance(scoring, str) and scoring == "loss"):
            return None
        from sklearn.metrics import get_scorer

        return get_scorer(scoring)

    # ---------------------------------------------------------------------- fit

    def _fit(self, X, y, sample_weight, groups, params, offset=None):
        """Search for alpha, and fit the chosen model."""
        alphas, l1_ratios = self._check()
        given = isinstance(alphas, np.ndarray)
        view = self._model(1.0, l1_ratios[0])
        X, y = view._begin(X, y)
        to_splitter, to_scorer = self._routed(sample_weight, groups, params)
        sample_weight = check_weights(sample_weight, X.shape[0])
        folds = self._folds(X, y, sample_weight, to_splitter)
        if self.select == "1se" and len(folds) < 2:
            raise ValueError(
                "select='1se' needs the standard error of the scores of two folds or "
                "more, but cv gives one. Use select='best', or more folds."
            )
        data = all_rows(view, X, y, sample_weight)
        self._check_scorer(offset)
        offset = check_offset(offset, X.shape[0], data.n_outputs)
        models = self._models(view, l1_ratios, data, X, y, sample_weight, folds, offset)
        score = self._score_function(view, models, X, y, to_scorer)
        fold_weights = np.array([fold.test_weight for fold in folds])
        extends = not given and len(l1_ratios) == 1
        n_alphas = len(alphas) if given else alphas + extends * MOST_ADDED
        arguments = X, y, sample_weight, offset
        listener = Listener(self, arguments, n_alphas * len(l1_ratios))
        search = Search(models, score, fold_weights, self.store_path, listener)
        if self.store_path:
            search.column_scale = column_scale(data)

        def alphas_of(l1_ratio):
            if given:
                return alphas
            free, sizes = without_offset(data, offset), None
            if self.standardize:
                sizes = Statistics.of_columns(data).sizes
            penalty = view._penalty(1.0, l1_ratio, sizes)
            known = models.known_moments()
            return default_alphas(free, penalty, alphas, known, may_add=extends)

        def is_complete(l1_ratio):
            return not given and starts_at_zero(view._penalty(1.0, l1_ratio))

        search.run(l1_ratios, alphas_of, extends, is_complete)
        results = self._results(search)
        if np.isnan(results["cv_results_"]["mean_test_score"]).all():
            raise ValueError(
                f"scoring={self.scoring!r} must give a number for at least one fold, "
                "but gave none for any. Use a scorer that is defined on the test rows, "
                "scoring='loss', or folds of more rows."
            )
        if self.refit:
            model = self._model(results["alpha_"], results["l1_ratio_"])
            if offset is not None:
                view._had_offset = True
            refit(model, view, data, models, y, sample_weight, offset)
            results |= {
                name: value
                for name, value in vars(model).items()
                if name.endswith("_") and name not in results
            }
            results["estimator_"] = model
        if hasattr(view, "feature_names_in_"):
            results["feature_names_in_"] = view.feature_names_in_
            if self.refit:
                model.feature_names_in_ = view.feature_names_in_
        results["n_features_in_"] = X.shape[1]
        listener.end(results)
        for name in set(vars(self)) - set(parameters_of(self)):
            if name.endswith("_") and not name.startswith("_"):
                delattr(self, name)
        self.__dict__.update(results)
        _warn_of(search, models)
        return self

    def _check(self):
        """Check the parameters.

        Returns
        -------
        alphas : int or ndarray
            Their number, or they themselves in decreasing order.
        l1_ratios : list of float
            Without repetitions.
        """
        alphas = check_alphas(self.alphas)
        ratios = np.atleast_1d(np.asarray(self.l1_ratio, dtype=object)).ravel()
        if not len(ratios):
            raise ValueError("l1_ratio=[] has no number. Give at least one.")
        for ratio in ratios:
            check_number("l1_ratio", ratio, low=0.0, high=1.0)
        if self.penalty is None:
            raise ValueError(
                "penalty=None has no strength to choose. Use 'l2', 'l1' or "
                f"'elasticnet', or {self._plain.__name__}(penalty=None)."
            )
        check_parameters(self._model(1.0, float(ratios[0])), self._plain._task)
        if len(ratios) > 1 and self.penalty != "elasticnet":
            raise ValueError(
                f"l1_ratio={self.l1_ratio!r}: several shares of l1 need "
                f"penalty='elasticnet', got penalty={self.penalty!r}."
            )
        if not callable(self.select) and self.select not in SELECTIONS:
            raise ValueError(
                "select must be 'best', '1se' or a function of cv_results_, got "
                f"{self.select!r}.{did_you_mean(self.select, SELECTIONS)}"
            )
        check_scoring(self.scoring)
        check_bool("refit", self.refit)
        check_bool("store_path", self.store_path)
        return alphas, list(dict.fromkeys(float(ratio) for ratio in ratios))

    def _routed(self, sample_weight, groups, params):
        """Parameters of the splitter, and of the scorer."""
        given = {"sample_weight": sample_weight, "groups": groups}
        given = {name: value for name, value in given.items() if value is not None}
        if routing_enabled():
            routed = route(self, "fit", **given, **params)
            to_scorer = {} if self._scorer() is None else routed.scorer.score
            return routed.splitter.split, to_scorer
        if params:
            raise TypeError(
                f"fit() got {', '.join(sorted(params))}, which it passes on only with "
                "sklearn.set_config(enable_metadata_routing=True)."
            )
        to_splitter = {} if groups is None else {"groups": groups}
        return to_splitter, {} if sample_weight is None else {
            "sample_weight": sample_weight
        }

    def _folds(self, X, y, sample_weight, to_splitter):
        """The folds, without rows of weight zero."""
        from sklearn.model_selection import check_cv

        classifies = self._plain._task == "classification"
        cv = check_cv(self.cv, y, classifier=classifies)
        folds = [
            Fold.of(train, test, sample_weight, X.shape[0])
            for train, test in cv.split(X, y, **to_splitter)
        ]
        if not folds:
            raise ValueError(
                "cv gives no folds. Give at least one. An iterator gives its folds "
                "only once: pass a list of them."
            )
        for k, fold in enumerate(folds):
            for what, rows in (("learn from", fold.train), ("judge by", fold.test)):
                if not len(rows):
                    raise ValueError(
                        f"cv: fold {k} has no rows with a weight to "
                        f"{what}. Use fewer folds, or another splitter."
                    )
            first = y[fold.train[:1]]
            one_label = classifies and y.ndim == 1
            if one_label and (y[fold.train] == first).all():
                raise ValueError(
                    f"cv: the training rows of fold {k} are all of one "
                    f"class, {first.tolist()[0]!r}. Use a stratified splitter, such as "
                    "cv=5, or one that shuffles."
                )
        if not classifies and (self.cv is None or isinstance(self.cv, Integral)):
            _warn_of_order(folds, y)
        return folds

    def _models(self, view, l1_ratios, data, X, y, sample_weight, folds, offset):
        """The models of the folds, by the fastest way that suits them."""
        penalty = view._penalty
        exact = optimizer_name(self.optimizer) in ("auto", "newton") and (
            penalty(1.0, l1_ratios[0]).closed_form
        )
        if exact and self._weighs_folds_alike() and MomentModels.suit(data, folds):
            return MomentModels(without_offset(data, offset), folds, penalty)
        # (Folds have standard deviations of their own.)
        if exact and self.tol is not None and not self.standardize:

            def weights_of(k):
                learnt = train_weights(folds[k], sample_weight, X.shape[0])
                weights = view._targets_and_weights(y, sample_weight, learnt)[1]
                return np.ones(X.shape[0]) if weights is None else weights

            arguments = data, folds, penalty, weights_of, self.tol, offset
            if NewtonModels.suit(data, folds):
                return NewtonModels(*arguments)
            smooth = all(penalty(1.0, ratio).smooth for ratio in l1_ratios)
            if smooth and QuasiNewtonModels.suit(data, folds):
                return QuasiNewtonModels(*arguments)
        estimators = [self._model(1.0, view.l1_ratio) for _ in folds]
        for est in estimators:
            est.set_params(**without_names(view), **without_names_of_factors(view))
        return FittedModels(estimators, X, y, sample_weight, folds, offset)

    def _weighs_folds_alike(self):
        """True if the weight of a row does not depend on the fold."""
        return True

    def _score_function(self, view, models, X, y, params):
        """A function of k: the score of the present model of fold k."""
        if self._scorer() is None:
            return lambda k: -models.test_loss(k)
        from sklearn.utils.validation import _check_method_params

        view.set_params(scoring=self.scoring)
        scorers = []
        for fold in models.folds:
            rows = fold.test
            scorer = Scorer(view, X[rows], y[rows], None, X.dtype, None)
            scorer.weights = _check_method_params(X, params, indices=rows)
            scorers.append(scorer)
        return lambda k: scorers[k].measure(models.coefficients(k))

    def _results(self, search):
        """The fitted attributes of a search."""
        alphas, l1_ratios, scores = search.candidates()
        results = as_results(alphas, l1_ratios, scores, search.means(scores))
        chosen = choose(self.select, results)
        grid, grid_scores = search.grids()
        fitted = {
            "cv_results_": results,
            "best_index_": chosen,
            "best_score_": float(results["mean_test_score"][chosen]),
            "alpha_": float(alphas[chosen]),
            "l1_ratio_": float(l1_ratios[chosen]),
            "alphas_": grid,
            "scores_": grid_scores,
            "n_splits_": scores.shape[1],
        }
        if self.store_path:
            fitted["coefs_paths_"] = search.coefs()
            fitted["column_scale_"] = search.column_scale
        return fitted


class Listener:
    """Tells the log and the callbacks of an estimator about the candidates.

    Parameters
    ----------
    est : BaseGDCV
    arguments : tuple
        X, y, sample_weight and offset.
    n_candidates : int
        Largest number of candidates.
    """

    def __init__(self, est, arguments, n_candidates):
        self.est, self.tasks = est, None
        if has_callbacks(est):
            X, y, sample_weight, offset = arguments
            self.tasks = FitTasks(
                est, X, y, sample_weight, None, n_candidates, "alpha", offset=offset
            )

    def before(self):
        """A candidate will be fitted."""
        if self.tasks is not None:
            self.tasks.begin_subtask()

    def after(self, search, path):
        """A candidate was judged; True if a callback asks for the end."""
        if self.est.verbose:
            scores = np.array(path.scores[-1:])
            mean, error = search.means(scores)[0], standard_errors(scores)[0]
            say(
                f"alpha {path.alphas[-1]:.4g}, l1_ratio {path.l1_ratio:g}: score "
                f"{mean:.6g}, standard error {error:.2g}"
            )
        return self.tasks is not None and self.tasks.end_subtask(
            lambda: self.est._results(search)
        )

    def end(self, results):
        """The fit has ended with these attributes."""
        if self.est.verbose:
            say(f"chosen: alpha {results['alpha_']:.4g}")
        if self.tasks is not None:
            self.tasks.end(lambda: results)


def _warn_of_order(folds, y):
    """Warn of folds of consecutive rows whose targets differ more than by chance."""
    share, n, k = share_between(folds, y), len(y), len(folds)
    if share <= BETWEEN_FOLDS or n <= k:
        return
    ratio = share / (k - 1) / max((1.0 - share) / (n - k), np.finfo(float).tiny)
    if fdtrc(k - 1, n - k, ratio) < RANDOM:
        warn(
            f"The rows are not in random order: {share:.0%} of the variance of y lies "
            f"between the {k} folds, which are consecutive rows. Scores and alpha are "
            "those of models for other rows than they have learnt from. If the order "
            "has no meaning, use cv=KFold(5, shuffle=True, random_state=0). If new "
            "rows will differ in the same way, use TimeSeriesSplit or GroupKFold."
        )


def _warn_of(search, models):
    """Warn of fits that did not converge, and of a grid that ends too early."""
    n = models.n_unconverged
    if n:
        warn(
            "Fits of the search did not converge: "
            f"{n} of {sum(len(p.alphas) for p in search.paths) * len(models.folds)}. "
            f"Their scores may be those of too few iterations; {models.remedy}.",
            ConvergenceWarning,
        )
    end = search.end_of_best_path()
    if end is not None:
        which, more = (
            ("smallest", "smaller") if end == "weak" else ("largest", "larger")
        )
        warn(
            f"The best alpha is the {which} one, and {more} alphas may be better. Pass "
            f"alphas that contain {more} ones."
        )


class GDRegressorCV(RegressorMixin, BaseGDCV):
    """`GDRegressor` whose alpha is chosen by cross-validation.

    It chooses the alpha, and the fraction of l1 if several are given, with the best
    mean score over the folds, and fits a `GDRegressor` with them to all rows. The
    fits share work: for the squared error, one pass over the data is enough for all
    models of all folds (see Notes).

    Parameters
    ----------
    loss, penalty, fit_intercept, optimizer, max_iter, tol : see `GDRegressor`
        penalty=None is not possible, as it has no strength to choose.
    alphas : int or array-like of float, default=12
        Values of alpha, each at least 0, or their number. With a number, the alphas
        divide the range of the effective degrees of freedom of the model into even
        steps, so the units of X do not matter. With an l1 penalty they are even steps
        of log alpha, from the smallest alpha for which all coefficients are zero. With
        a single l1_ratio, such a grid is extended if the best alpha is at an end, and
        refined if the neighbouring alphas are far away.
    l1_ratio : float or list of float, default=0.15
        Fraction of l1 in the elastic-net penalty, in [0, 1]. Each number of a list is
        tried.
    cv : int, splitter or iterable, default=None
        Splitter, as in `sklearn.model_selection.cross_val_score`. None means 5 folds.
        For a number, the folds are consecutive rows, and a warning says if the targets
        of the folds differ more than those of random rows.
    scoring : str, callable or None, default=None
        Score of a candidate; greater is better. None and "loss" mean minus the mean
        loss of the held-out rows. It can also be a scorer of scikit-learn, its name, or
        a function of (estimator, X, y). A fold whose score is NaN is left out.
    select : {"best", "1se"} or callable, default="best"
        How a candidate is chosen. "best" chooses the best mean score, and the largest
        alpha among equal scores. "1se" chooses the largest alpha whose mean score is
        within one standard error of the best. A function receives ``cv_results_`` and
        returns the index of a candidate.
    refit : bool, default=True
        Whether the chosen model is fitted to all rows. For the squared error and for
        many columns this fit starts at the coefficients that the search has found. If
        False, there are scores but no model.
    store_path : bool, default=False
        Whether the coefficients of all candidates are kept in ``coefs_paths_``.
    random_state, n_jobs : see `GDRegressor`
        They hold for all fits.
    verbose : int, default=0
        If 1, log a line for each candidate.
    epsilon, quantile, power : see `GDRegressor`
        Parameters of some losses.
    positive, monotonic_cst : see `GDRegressor`
        Signs of the coefficients, which hold for all fits.
    penalty_factor, standardize : see `GDRegressor`
        Strengths of the penalty. The standard deviations are those of the training rows
        of each fold, so that standardize=True takes a fit for every fold and alpha,
        except for the squared error.

    Attributes
    ----------
    alpha_, l1_ratio_ : float
        Chosen alpha and fraction of l1.
    best_score_ : float
        Mean score of the chosen candidate over the folds, by their weights.
    best_index_ : int
        Its index in ``cv_results_``.
    alphas_ : ndarray of shape (n_l1_ratios, n_alphas)
        Values of alpha, in decreasing order.
    scores_ : ndarray of shape (n_folds, n_l1_ratios, n_alphas)
        Score of each fold and candidate.
    cv_results_ : dict of ndarrays
        As in GridSearchCV: ``param_alpha``, ``split0_test_score``,
        ``mean_test_score`` and so on, ``se_test_score``, its standard error, and
        ``se_difference``, that of the difference to the best candidate.
    coefs_paths_ : ndarray of shape (n_folds, n_l1_ratios, n_alphas, n_outputs, \
n_features + 1)
        Coefficients, the intercept last. Only with ``store_path=True``.
    column_scale_ : ndarray of shape (n_features,)
        Standard deviations of the columns, which make coefficients comparable. Only
        with ``store_path=True``.
    n_splits_ : int
        Number of folds.
    estimator_ : GDRegressor
        Model that was fitted to all rows. All of its fitted attributes (``coef_``,
        ``intercept_``, ``optimality_gap_`` and so on) are also attributes of the
        search.

    See Also
    --------
    GDRegressor : The plain estimator.
    sklearn.linear_model.RidgeCV, sklearn.linear_model.LassoCV

    Notes
    -----
    For the squared error with at most 3000 features, the second moments of the folds
    are computed in one pass over X. Each training set's moments are the sum of the
    others' (Friedman, Hastie and Tibshirani 2010, section 2.2), and all its models
    follow from them. Losses with a continuous second derivative use Newton's method, or
    L-BFGS with many features, for all folds together, from one alpha to the next. Other
    losses and optimizers are fitted fold by fold, without a copy of the rows.

    The objective of a fold is divided by the weights of its own training rows, so that
    an alpha means the same for all folds and for the final model.

    References
    ----------
    J. Friedman, T. Hastie and R. Tibshirani, "Regularization paths for generalized
    linear models via coordinate descent", Journal of Statistical Software 33 (2010).

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklgd import GDRegressorCV
    >>> X, y = load_diabetes(return_X_y=True)
    >>> search = GDRegressorCV().fit(X, y)
    >>> f"{search.alpha_:.1e}"
    '1.7e-06'
    """

    _plain = GDRegressor

    def __init__(
        self,
        loss="squared_error",
        *,
        penalty="l2",
        alphas=12,
        l1_ratio=0.15,
        cv=None,
        scoring=None,
        select="best",
        refit=True,
        store_path=False,
        fit_intercept=True,
        optimizer="auto",
        max_iter=1000,
        tol=1e-4,
        random_state=None,
        n_jobs=None,
        verbose=0,
        epsilon=0.1,
        quantile=0.5,
        power=1.5,
        positive=False,
        monotonic_cst=None,
        penalty_factor=None,
        standardize=False,
    ):
        self.loss = loss
        self.penalty = penalty
        self.alphas = alphas
        self.l1_ratio = l1_ratio
        self.cv = cv
        self.scoring = scoring
        self.select = select
        self.refit = refit
        self.store_path = store_path
        self.fit_intercept = fit_intercept
        self.optimizer = optimizer
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.epsilon = epsilon
        self.quantile = quantile
        self.power = power
        self.positive = positive
        self.monotonic_cst = monotonic_cst
        self.penalty_factor = penalty_factor
        self.standardize = standardize

    @all_or_nothing
    def fit(self, X, y, sample_weight=None, *, offset=None, groups=None, **params):
        """Choose alpha and fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the fits and of the scores.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), or float, \
default=None
            Known part of the raw prediction, as in `GDRegressor.fit`. The held-out
            rows are judged with their offsets, so ``scoring`` is None or "loss".
        groups : array-like of shape (n_samples,), default=None
            Passed to a splitter that keeps groups together.
        **params : dict
            Further metadata, if scikit-learn's metadata routing is enabled.

        Returns
        -------
        self : GDRegressorCV

        Raises
        ------
        ValueError
            If a parameter, target, weight or offset is invalid.

        Warns
        -----
        ConvergenceWarning
            If fits of the search, or the last one, did not converge.
        UserWarning
            If the best alpha is at an end of the grid.
        """
        return self._fit(X, y, sample_weight, groups, params, offset)

    def predict(self, X, offset=None):
        """Predict with ``estimator_``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), or float, \
default=None
            As in `GDRegressor.predict`.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._refitted().predict(X, offset)

    def score(self, X, y, sample_weight=None, offset=None, **params):
        """Score of ``estimator_``, by ``scoring`` if that is a scorer.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like
        sample_weight : array-like of shape (n_samples,), default=None
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), or float, \
default=None
            As in `GDRegressor.score`.
        **params : dict
            Further metadata for the scorer, if metadata routing is enabled.

        Returns
        -------
        float
            If ``scoring`` is None or "loss", what `GDRegressor.score` gives.
        """
        return self._score(X, y, sample_weight, params, offset=offset)


class GDClassifierCV(ClassifierMixin, BaseGDCV):
    """`GDClassifier` whose alpha is chosen by cross-validation.

    It chooses the alpha, and the fraction of l1 if several are given, with the best
    mean score over the folds, and fits a `GDClassifier` with them to all rows.

    Parameters
    ----------
    loss, penalty, fit_intercept, optimizer, max_iter, tol : see `GDClassifier`
        penalty=None is not possible, as it has no strength to choose.
    alphas : int or array-like of float, default=12
        Values of alpha, each at least 0, or their number, as in `GDRegressorCV`.
        ``C`` of `LogisticRegression` is ``alpha = 1 / (C * n_samples)``, n_samples
        being the number of rows in a training set.
    l1_ratio : float or list of float, default=0.15
        Fraction of l1 in the elastic-net penalty, in [0, 1]. Each number of a list is
        tried.
    cv : int, splitter or iterable, default=None
        Splitter, as in `sklearn.model_selection.cross_val_score`. None means 5
        stratified folds.
    scoring : str, callable or None, default=None
        Score of a candidate; greater is better. None and "loss" mean minus the mean
        loss of the held-out rows, with their class weights. It can also be a scorer of
        scikit-learn, its name such as "accuracy", or a function of (estimator, X, y).
    select : {"best", "1se"} or callable, default="best"
        As in `GDRegressorCV`.
    refit : bool, default=True
        Whether the chosen model is fitted to all rows. For the squared error and for
        many columns this fit starts at the coefficients that the search has found. If
        False, there are scores but no model.
    store_path : bool, default=False
        Whether the coefficients of all candidates are kept in ``coefs_paths_``.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, as in `GDClassifier`. "balanced" weights are computed
        from the training rows of each fold.
    random_state, n_jobs : see `GDClassifier`
        They hold for all fits.
    verbose : int, default=0
        If 1, log a line for each candidate.
    epsilon : float, default=0.1
        As in `GDClassifier`.
    positive, monotonic_cst : see `GDClassifier`
        Signs of the coefficients, which hold for all fits.
    penalty_factor, standardize : see `GDRegressor`
        Strengths of the penalty. The standard deviations are those of the training rows
        of each fold, so that standardize=True takes a fit for every fold and alpha.

    Attributes
    ----------
    alpha_, l1_ratio_, best_score_, best_index_, alphas_, scores_, cv_results_, \
coefs_paths_, column_scale_, n_splits_
        As in `GDRegressorCV`.
    estimator_ : GDClassifier
        Model that was fitted to all rows. All of its fitted attributes (``classes_``,
        ``coef_``, ``intercept_`` and so on) are also attributes of the search.

    See Also
    --------
    GDClassifier : The plain estimator.
    sklearn.linear_model.LogisticRegressionCV

    Notes
    -----
    All classes of y are outputs of all models, even if the training rows of a fold lack
    one. The notes on `GDRegressorCV` describe how the work is shared.

    Examples
    --------
    >>> from sklearn.datasets import load_breast_cancer
    >>> from sklgd import GDClassifierCV
    >>> X, y = load_breast_cancer(return_X_y=True)
    >>> search = GDClassifierCV(scoring="accuracy", alphas=[1e-7, 1e-5, 1e-3]).fit(X, y)
    >>> search.scores_.shape
    (5, 1, 3)
    """

    _plain = GDClassifier

    def __init__(
        self,
        loss="log_loss",
        *,
        penalty="l2",
        alphas=12,
        l1_ratio=0.15,
        cv=None,
        scoring=None,
        select="best",
        refit=True,
        store_path=False,
        fit_intercept=True,
        optimizer="auto",
        max_iter=1000,
        tol=1e-4,
        class_weight=None,
        random_state=None,
        n_jobs=None,
        verbose=0,
        epsilon=0.1,
        positive=False,
        monotonic_cst=None,
        penalty_factor=None,
        standardize=False,
    ):
        self.loss = loss
        self.penalty = penalty
        self.alphas = alphas
        self.l1_ratio = l1_ratio
        self.cv = cv
        self.scoring = scoring
        self.select = select
        self.refit = refit
        self.store_path = store_path
        self.fit_intercept = fit_intercept
        self.optimizer = optimizer
        self.max_iter = max_iter
        self.tol = tol
        self.class_weight = class_weight
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.epsilon = epsilon
        self.positive = positive
        self.monotonic_cst = monotonic_cst
        self.penalty_factor = penalty_factor
        self.standardize = standardize

    @all_or_nothing
    def fit(self, X, y, sample_weight=None, *, groups=None, **params):
        """Choose alpha and fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), or {array-like, sparse matrix} of shape \
(n_samples, n_labels)
            Class labels, numbers or strings; or several labels for each row, as in
            `GDClassifier.fit`, which then share their alpha.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the fits and of the scores.
        groups : array-like of shape (n_samples,), default=None
            Passed to a splitter that keeps groups together.
        **params : dict
            Further metadata, if scikit-learn's metadata routing is enabled.

        Returns
        -------
        self : GDClassifierCV

        Raises
        ------
        ValueError
            If a parameter, label or weight is invalid.

        Warns
        -----
        ConvergenceWarning
            If fits of the search, or the last one, did not converge.
        UserWarning
            If the best alpha is at an end of the grid.
        """
        return self._fit(X, y, sample_weight, groups, params)

    def score(self, X, y, sample_weight=None, **params):
        """Score of ``estimator_``, by ``scoring`` if that is a scorer.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like
        sample_weight : array-like of shape (n_samples,), default=None
        **params : dict
            Further metadata for the scorer, if metadata routing is enabled.

        Returns
        -------
        float
            If ``scoring`` is None or "loss", what `GDClassifier.score` gives.
        """
        return self._score(X, y, sample_weight, params)

    def predict(self, X):
        """Predict with ``estimator_``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
        """
        return self._refitted().predict(X)

    def decision_function(self, X):
        """Raw predictions of ``estimator_``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        z : ndarray of shape (n_samples,) or (n_samples, n_classes)
        """
        return self._refitted().decision_function(X)

    @available_if(has_proba)
    def predict_proba(self, X):
        """Class probabilities of ``estimator_``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
        """
        return self._refitted().predict_proba(X)

    @available_if(has_proba)
    def predict_log_proba(self, X):
        """Logarithms of `predict_proba`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
        """
        return self._refitted().predict_log_proba(X)

    def _weighs_folds_alike(self):
        return not isinstance(self.class_weight, str)
