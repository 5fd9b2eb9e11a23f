"""`GDRegressor`: linear regression by gradient descent."""

from functools import partial

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.metaestimators import available_if

from ._all_or_nothing import all_or_nothing
from ._base import BaseGD
from ._compat import warn
from ._data_checks import (
    check_offset,
    check_weights,
    in_c_order,
    refuse_parts_of_validation,
    rows_with_weight,
)
from ._export import plain_model
from ._fit.block_data import TargetRows
from ._fit.block_validation import D2Sums, R2Sums, TargetsToJudge
from ._fit.description import DescribeTargets
from ._fit_blocks import describe, engine_maker, learn
from ._hints import refuse_text
from ._partial_fit import learns_from_streams
from ._partial_fit_blocks import learn_blocks
from ._random import random_split
from ._scoring import D2, R2
from ._validation import check_parameters
from ._validation_blocks import validation_set
from .losses import LOSSES


class GDRegressor(RegressorMixin, BaseGD):
    """Linear regression by batch, mini-batch or stochastic gradient descent.

    Minimises over w, b

        F(w, b) = sum_i s_i loss(y_i, x_i.w + b + o_i) / sum_i s_i + alpha R(w),

    with the sample weights s_i and the offsets o_i, which are zero unless `fit` is
    given some. Every optimizer, batch size and input format leads to
    the minimum of the same objective F.

    Parameters
    ----------
    loss : str, default="squared_error"
        Loss of a row. With the residual r = x.w + b - y: "squared_error" is r^2/2;
        "huber" is r^2/2 up to ``epsilon`` and linear beyond; "epsilon_insensitive" is
        max(0, abs(r) - epsilon), and "squared_epsilon_insensitive" is its square;
        "absolute_error" is abs(r); "quantile" is the pinball loss of ``quantile``;
        "poisson", "gamma" and "tweedie" are half the deviance with a log link.
    penalty : {"l2", "l1", "elasticnet", None}, default="l2"
        Penalty R(w) = l1_ratio |w|_1 + (1 - l1_ratio)/2 |w|_2^2, where "l2" means
        l1_ratio = 0 and "l1" means l1_ratio = 1. The intercept is never penalised. l1
        gives exact zeros (see Notes).
    alpha : float, array-like of shape (n_outputs,) or "auto", default="auto"
        Strength of the penalty, which is added to the mean loss; at least 0. An array
        has a strength for each target, as in `sklearn.linear_model.Ridge`. "auto"
        means 1e-4 in `fit`, and no penalty in `partial_fit` with online learning (see
        ``optimizer``), where one pass over new rows regularises by itself. ``alpha_``
        is the value that was used.
    l1_ratio : float, default=0.15
        Fraction of l1 in the elastic-net penalty, in [0, 1]. Only for
        ``penalty="elasticnet"``.
    fit_intercept : bool, default=True
        Whether the model has an intercept. Without it, the intercept is zero.
    optimizer : str or Optimizer, default="auto"
        Optimizer, given by name ("sgd", "momentum", "nesterov", "adagrad", "rmsprop",
        "adadelta", "adam", "amsgrad", "nadam", "adamax", "ftrl", "online", "saga",
        "point_saga", "svrg", "newton", "lbfgs", "fista") or as an object of
        `sklgd.optimizers`, such as ``Adam(beta_1=0.8)``, whose parameters a grid search
        reaches as ``optimizer__beta_1``. "auto" chooses an optimizer for the data, the
        loss and the batch size; ``optimizer_`` is the one that was used.
    batch_size : int, "full" or "auto", default="auto"
        Number of rows from which a step computes its gradient: 1 is stochastic, "full"
        is batch gradient descent. The last batch of an epoch may be smaller. A number
        larger than that of the rows means "full". "auto" chooses the batch size
        together with the optimizer.
    learning_rate : str, float, Schedule or callable, default="auto"
        Learning rate of each step. "auto" finds it from the data; neither scaled
        features nor tuning are needed. A float is a constant learning rate. A name
        ("constant", "invscaling", "optimal", "adaptive", "pa1", "pa2", "linear",
        "cosine", "step", "exponential", "warmup") is a schedule that starts at
        ``eta0``. An object of `sklgd.schedules`, or any function of the step number 1,
        2, ..., gives the learning rate of each step. "optimal" is 1/(alpha (t0 + t -
        1)) and needs alpha > 0.
    eta0 : float, default=None
        First learning rate of a schedule that is given by name. If None, it is found
        from the data.
    power_t : float, default=0.25
        Exponent of ``learning_rate="invscaling"``: eta0 / t^power_t.
    max_iter : int, default=1000
        Maximum number of passes over the training data (epochs).
    tol : float or None, default=1e-4
        Stopping criterion. Optimizers that estimate the optimality gap stop when
        ``optimality_gap_`` is at most ``tol``. The others stop after
        ``n_iter_no_change`` epochs in a row in each of which the objective fell by less
        than ``tol`` times its total decrease since the best constant model. Both are
        independent of the scale of y and of the weights. With ``early_stopping=True``
        it is the smallest improvement of the validation score that counts. If None, all
        ``max_iter`` epochs are made, unless the run diverges.
    n_iter_no_change : int, default=5
        Number of epochs in a row without progress after which a run ends. Optimizers
        that estimate the optimality gap use it only with ``early_stopping=True``.
    shuffle : bool, "full", "blocks" or "window", default=True
        Whether the rows are visited in a new random order in each epoch. "full",
        "blocks" and "window" choose the kind of order, see Notes. It has no effect on
        batch gradient descent.
    random_state : int, RandomState instance or None, default=None
        Seed of the random order of the rows and of the validation split.
    n_jobs : int or None, default=None
        Number of threads for passes over many rows (batch gradient descent, large
        mini-batches, the objective) and, with smaller batches, for groups of targets if
        there are at least eight. None means 1, -1 means all processors. The
        coefficients do not depend on it. BLAS uses one thread in fits and at most
        ``n_jobs`` threads in predictions.
    verbose : int, default=0
        If 1, log a line per epoch (objective, validation score, optimality gap,
        learning rate) and the reason why the run ended. If 2, also log what "auto"
        stands for, the time of each epoch, the change of the coefficients, and epochs
        that were undone. See Notes.
    early_stopping : bool, default=False
        Whether the run ends when the validation score no longer improves, and the best
        coefficients are kept. The validation set is ``X_val, y_val`` of `fit`, or a
        random fraction of the rows.
    validation_fraction : float, default=0.1
        Fraction of the training data that is set aside for validation, in (0, 1). Only
        for ``early_stopping=True`` without ``X_val``.
    scoring : str, callable or None, default=None
        Validation score for ``early_stopping``; greater is better. None means R2, or D2
        for the losses with a log link. "loss" means minus the mean loss without the
        penalty; ``tol`` is then relative to the loss of the constant model. A scorer of
        scikit-learn, its name, or a function of (estimator, X, y) is called after each
        epoch, with the sample weights of the validation rows if there are any; it
        receives the rows as an array. Among epochs with equal scores the one with the
        smallest validation loss is kept.
    warm_start : bool, default=False
        Whether `fit` starts from the present coefficients. The step count, the moments
        of the optimizer and the random order start again, as if the coefficients were
        passed as ``coef_init``.
    average : bool or int, default=False
        Whether the mean of the coefficients over all steps is returned (Polyak and
        Juditsky 1992). An integer starts the mean after so many rows.
    epsilon : float, default=0.1
        Threshold of the losses "huber", "epsilon_insensitive" and
        "squared_epsilon_insensitive", in units of y.
    quantile : float, default=0.5
        Quantile that ``loss="quantile"`` predicts, in [0, 1].
    power : float, default=1.5
        Power of the variance for ``loss="tweedie"``: 0 or at least 1. 1 is Poisson, 2
        is gamma.
    positive : bool, default=False
        Whether no coefficient may be negative. The intercept may have either sign.
    monotonic_cst : array-like of shape (n_features,) or dict, default=None
        Signs of the coefficients: 1 means that the prediction must not fall in a
        feature, so that its coefficient is not negative, -1 that it must not rise, and
        0 that it may do either. A dict has the names of features as keys; features
        without an entry may have either sign. Not possible with ``positive=True``.
        `partial_fit` with ``optimizer="auto"`` then takes steps of Adam in place of
        online learning.
    penalty_factor : array-like of shape (n_features,) or dict, default=None
        Factors of the penalty of each feature, of zero or more; None means ones. A
        coefficient whose factor is 0 has no penalty. Factors are not rescaled. A dict
        has the names of features as keys; features without an entry have the factor 1.
    standardize : bool, default=False
        Whether the penalty is that of the coefficients of standardised features, each
        coefficient times the standard deviation of its column. X is not changed, and
        ``coef_`` are the coefficients of X itself. With ``penalty_factor`` or
        ``standardize`` and a number as ``alpha``, `partial_fit` with
        ``optimizer="auto"`` takes steps of Adam in place of online learning;
        ``standardize`` then uses the standard deviations of all rows seen so far.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features,) or (n_outputs, n_features)
        Coefficients, in the dtype of X, or in float64 if float32 cannot represent the
        model.
    intercept_ : ndarray of shape (1,) or (n_outputs,)
    n_iter_ : int
        Number of epochs.
    n_passes_ : int
        Number of passes over the blocks; only after `fit_blocks`.
    t_ : int
        1 + the number of rows seen, as in SGD*. Rows of weight zero do not count.
    loss_curve_ : list of float
        Objective after each epoch, at the coefficients that would have been returned.
        The last entry is the objective of the coefficients that are returned; with
        ``early_stopping=True``, which returns those of the best epoch, it is that of
        the last epoch. After `partial_fit` with online learning, it is the mean loss of
        the rows of each call, before they were learnt; it takes 8 bytes per call.
    progressive_loss_, progressive_score_ : float
        Mean loss and score of all rows of a stream, each predicted before it was
        learnt; only after `partial_fit` in online learning. With offsets the score
        compares the predictions with a constant model that has these offsets, too.
    alpha_ : float
        Strength of the penalty that was used.
    validation_scores_ : list of float or None
        Validation score after each epoch, or None without a validation set. Greater is
        better. See ``scoring``.
    best_validation_score_ : float or None
        Largest of the validation scores.
    stop_reason_ : str
        Why the run ended: "converged", "max_iter", "early_stopping", "diverged",
        "stalled" (no progress, and worse than a constant model), "plateau" (little
        progress, but far from the optimum), "callback", "interrupted" (by Ctrl-C) or
        "partial_fit". "max_iter", "diverged", "stalled" and "plateau" come with a
        ConvergenceWarning that names the remedy.
    diagnosis_ : dict or None
        Explanation of a run that ended with a ConvergenceWarning, otherwise None.
        ``"problem"`` is "max_iter", "diverged", "overflow", "worse_than_constant",
        "plateau", "accuracy", "stalled" or "data_changed". ``"text"`` is the whole
        explanation, ``"causes"`` and ``"remedies"`` are lists of sentences, and
        ``"figures"`` is a dict of numbers, None where one is unknown. It can be stored
        as JSON. The warning itself has the same text for every fit with the same
        problem.
    optimality_gap_ : float
        (F - F*)/(F_null - F*), where F* is the minimum of the objective and F_null that
        of a constant model: an estimate before the last step, which is at most ``tol``
        if the fit has converged, or a bound. Optimizers that estimate no gap compute a
        bound after 50 epochs (``"saga"``, ``"point_saga"`` and ``"svrg"`` after 10) of
        a smooth convex loss with a penalty on all coefficients; otherwise nan.
    optimality_gap_is_bound_ : bool
        True if `optimality_gap_` is a proven upper bound of the optimality gap, False
        if it is an estimate.
    optimizer_, batch_size_, learning_rate_ : Optimizer, int or "full", Schedule
        Optimizer, batch size and schedule that were used. With ``learning_rate="auto"``
        the schedule refers to the internally scaled features.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of X, if it had string column names.

    See Also
    --------
    GDClassifier : Linear classification with the same parameters.
    sklearn.linear_model.SGDRegressor : Stochastic gradient descent of scikit-learn.

    Notes
    -----
    If the learning rate is explicit (``learning_rate`` a float, a schedule object, a
    function, "optimal", or a name with ``eta0``), the optimizer follows its published
    formula on the features as they are, starting from zero. Otherwise it runs on
    internally centred and scaled features, starting from the best constant model. X is
    neither copied nor changed, and the penalty is still that of the coefficients of X.
    An epoch that increases the objective is then undone, and the learning rate is
    halved.

    With ``shuffle=True``, up to 8191 rows are visited in a random permutation. More
    rows are examined first:

    - If they are in random order already, random blocks of 32 consecutive rows are
      visited.
    - If they are sorted, grown over time or repeated, ``batch_size=1`` permutes them
      once, and shuffles blocks of 32 rows of that permutation in each epoch. (Plain SGD
      then makes a permuted copy of X of at most 256 MB if the run has at least four
      epochs.) Larger batches use a random permutation.
    - If X also has more than 2^25 entries and at most 10000 features, rows are visited
      in windows: four (wide rows: two) consecutive rows from each of 64 parts of the
      data, in random order.

    "full" uses a random permutation in each epoch, "blocks" and "window" use the orders
    of these names. They make no copy. SAGA, Point-SAGA and SVRG treat True as "full".

    Coefficients and the state of the optimizer are float64 for any dtype of X. A model
    must not be trained in two threads at the same time: overlapping calls of `fit` or
    `partial_fit` lose updates, although each of them counts its epoch. Any number of
    threads may predict at the same time.

    `partial_fit` and pickling keep the complete state: coefficients, moments, step
    count, average and random order. `fit` keeps the coefficients and, if the learning
    rate is explicit, the last iterate, its average and the step count. The moments and
    the random order start again in a `partial_fit` that follows.

    With an l1 penalty, steps on single rows and mini-batches move most coefficients off
    zero. ``coef_`` and ``intercept_`` are therefore the last iterate (or the average),
    with zeros in place of the coefficients that a proximal step over all rows takes to
    zero, unless that increases the objective. Training continues from the iterate
    itself. `partial_fit` does so while all calls have the same rows. In a stream of
    other rows ``coef_`` is the iterate; "ftrl" has zeros there, too. With "optimal",
    "pa1" and "pa2" plain SGD on single rows has the zeros of SGD*.

    A run that diverges keeps the best coefficients seen and gives a ConvergenceWarning.

    `fit` and `partial_fit` set all fitted attributes. If they raise an exception, they
    set none of them, and a model fitted earlier stays as it was. Ctrl-C ends a call
    within a second. After the first epoch `fit` then keeps the best coefficients so
    far, with ``stop_reason_`` "interrupted", and KeyboardInterrupt is raised. An
    interrupted `partial_fit` changes nothing but the random order.

    Log lines have the level INFO and go to the handlers of the logger "sklgd", to those
    of the loggers above it, or to stderr if there are none. ``verbose`` alone decides
    about them, unless a level is set on that very logger:
    ``logging.getLogger("sklgd").setLevel("WARNING")`` silences them.

    With scikit-learn 1.9 or newer, `set_callbacks` accepts its callbacks, such as
    `sklearn.callback.ScoringMonitor` and `sklearn.callback.ProgressBar` (which needs
    rich). `fit` is a task with a subtask ``"epoch"`` for each epoch. At its end a
    callback can ask for a model with the coefficients of that epoch (those kept, if it
    was undone; the current ones with ``early_stopping``), and it can end the run.
    `partial_fit` calls no callbacks.

    Examples
    --------
    With the default parameters, raw features need no scaler:

    >>> from sklearn.datasets import load_diabetes
    >>> from sklgd import GDRegressor
    >>> X, y = load_diabetes(return_X_y=True, scaled=False)
    >>> model = GDRegressor(random_state=0).fit(X, y)
    >>> round(model.score(X, y), 2)
    0.52

    Batch gradient descent with a constant learning rate:

    >>> model = GDRegressor(
    ...     optimizer="sgd", batch_size="full", learning_rate=0.01, penalty=None,
    ...     max_iter=1000, tol=None, fit_intercept=False)
    >>> model.fit([[1.0], [2.0], [3.0]], [1.0, 2.0, 3.0]).coef_.round(3)
    array([1.])
    """

    _task = "regression"
    _min_validation_rows = 2  # R2 compares residuals with a spread
    _takes_offset = True
    # True once rows with an offset were learnt.
    _had_offset = False

    def __init__(
        self,
        loss="squared_error",
        *,
        penalty="l2",
        alpha="auto",
        l1_ratio=0.15,
        fit_intercept=True,
        optimizer="auto",
        batch_size="auto",
        learning_rate="auto",
        eta0=None,
        power_t=0.25,
        max_iter=1000,
        tol=1e-4,
        n_iter_no_change=5,
        shuffle=True,
        random_state=None,
        n_jobs=None,
        verbose=0,
        early_stopping=False,
        validation_fraction=0.1,
        scoring=None,
        warm_start=False,
        average=False,
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
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.optimizer = optimizer
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.eta0 = eta0
        self.power_t = power_t
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.shuffle = shuffle
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.scoring = scoring
        self.warm_start = warm_start
        self.average = average
        self.epsilon = epsilon
        self.quantile = quantile
        self.power = power
        self.positive = positive
        self.monotonic_cst = monotonic_cst
        self.penalty_factor = penalty_factor
        self.standardize = standardize

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        try:
            lowest, _ = self._make_loss().domain()
        except (KeyError, TypeError):
            # What is wrong with the parameters is for `fit` to say.
            lowest = -np.inf
        tags.target_tags.positive_only = lowest >= 0.0
        return tags

    @all_or_nothing
    def fit(
        self,
        X,
        y=None,  # (None is refused, after a source of blocks in the place of X.)
        sample_weight=None,
        *,
        offset=None,
        coef_init=None,
        intercept_init=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
        offset_val=None,
    ):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. float32 and float64 are used as they are. CSR is the sparse
            format that needs no conversion.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; only their ratios matter. A row of weight zero is
            treated as if it were absent.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), or float, \
default=None
            Known part of the raw prediction, to which X w + b is added: for counts with
            an exposure, ``np.log(exposure)``. It has no coefficient and no penalty.
            `predict` and `score` then need offsets, too.
        coef_init : array-like shaped like ``coef_``, default=None
            Coefficients at the start of the run.
        intercept_init : array-like shaped like ``intercept_``, default=None
            Intercept at the start. No effect with ``fit_intercept=False``.
        X_val, y_val, sample_weight_val, offset_val : array-likes, default=None
            Validation set for ``validation_scores_`` and, with
            ``early_stopping=True``, in place of the internal split.

        Returns
        -------
        self : GDRegressor

        Raises
        ------
        ValueError
            If a parameter, target, weight or offset is invalid.

        Warns
        -----
        ConvergenceWarning
            If the run diverged or stopped before it converged.
        """
        check_parameters(self, self._task)
        X, y, target, weights = self._learnable(X, y, sample_weight, True)
        n_outputs = self._n_outputs(target)
        start = self._start(coef_init, intercept_init, X.shape[1], n_outputs)
        offset = check_offset(offset, X.shape[0], n_outputs)
        self._flat, self._had_offset = y.ndim == 1, offset is not None
        validation = self._validation_set(
            X_val, y_val, sample_weight_val, y.shape, offset_val
        )
        return self._fit(
            X, y, target, weights, n_outputs, start, validation, weights, offset
        )

    @available_if(learns_from_streams)
    @all_or_nothing
    def partial_fit(self, X, y=None, sample_weight=None, *, offset=None):
        """Learn rows that are not seen again, continuing from the last call.

        With ``optimizer="auto"`` and ``learning_rate="auto"``, this is online learning
        of single rows (`sklgd.optimizers.Online`), whatever the size of the chunks. The
        first call after a `fit` starts from its coefficients. With ``positive`` or
        ``monotonic_cst``, a call is an epoch of Adam over the given rows.

        With an explicit learning rate, a call is one epoch over the given rows, and two
        calls on the same data are two epochs of `fit`: the step count, the moments of
        the optimizer, the schedule and the random generator are kept between calls.
        The first call after a `fit` continues its step count and schedule, if the
        optimizer of the fit can learn from streams. Otherwise it starts from the
        coefficients.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. They are divided by the mean weight of all rows seen so
            far. In online learning a row of weight 3 is learnt as three rows, unless
            that mean is below 1/8 or above 8. A call in which all weights are zero
            changes nothing; if it is the first call, all coefficients are zero after
            it.
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), or float, \
default=None
            Known part of the raw prediction, as in `fit`.

        Returns
        -------
        self : GDRegressor
        """
        first = not hasattr(self, "_state")
        check_parameters(self, self._task)
        if self.early_stopping:
            raise ValueError(
                "early_stopping=True is not possible with partial_fit, which makes one "
                "epoch; use fit."
            )
        X, y, target, weights = self._learnable(X, y, sample_weight, first, True)
        if first:
            self._flat = y.ndim == 1
        elif target.shape[1] != self._state.n_outputs:
            raise ValueError(
                f"y has {target.shape[1]} outputs, but earlier calls had "
                f"{self._state.n_outputs}."
            )
        offset = check_offset(offset, X.shape[0], target.shape[1])
        self._had_offset |= offset is not None
        return self._partial_fit(X, target, weights, target.shape[1], offset)

    @available_if(learns_from_streams)
    def partial_fit_blocks(self, blocks, *, n_epochs=1):
        """Learn from a source of blocks, one `partial_fit` for each block.

        The next block is read while one is learnt, so that two blocks and the model are
        in memory. With ``shuffle=True`` the parts of the source come in random order,
        and so do the rows of each block. An exception leaves the model as it was after
        the last block that was learnt.

        Parameters
        ----------
        blocks : sklgd.blocks.Blocks, callable or list
            A source of `sklgd.blocks`, a function that returns an iterator over tuples
            (X, y), (X, y, sample_weight) or (X, y, sample_weight, offset), or a list of
            such tuples.
        n_epochs : int, default=1
            Passes over the source. Each must give the same rows.

        Returns
        -------
        self : GDRegressor

        Examples
        --------
        >>> import numpy as np
        >>> from sklgd import GDRegressor
        >>> def blocks():
        ...     rng = np.random.default_rng(0)
        ...     for _ in range(20):
        ...         X = rng.normal(size=(100, 2))
        ...         yield X, X @ [1.0, -2.0]
        >>> model = GDRegressor(random_state=0).partial_fit_blocks(blocks)
        >>> bool(abs(model.coef_ - [1.0, -2.0]).max() < 1e-3)
        True
        """
        return learn_blocks(self, blocks, n_epochs)

    @all_or_nothing
    def fit_blocks(self, blocks, *, validation=None, engine=None, checkpoint=None):
        """Fit the model to rows that do not fit into memory.

        The result is that of `fit` on all rows together: the minimiser of the same
        objective. One pass over the blocks counts the rows and keeps an evenly spaced
        sample of at most 64 MB. If the sample contains all rows, they are fitted in
        memory. Otherwise the run starts at the optimum of the sample, and usually each
        step takes one pass over the blocks.

        Parameters
        ----------
        blocks : sklgd.blocks.Blocks, callable or list
            A source of `sklgd.blocks`, a function that returns an iterator over tuples
            (X, y), (X, y, sample_weight) or (X, y, sample_weight, offset), or a list of
            such tuples. Each pass must give the same rows.
        validation : tuple (X_val, y_val), (X_val, y_val, sample_weight_val) or \
(X_val, y_val, sample_weight_val, offset_val), or source of blocks, default=None
            Validation set for ``validation_scores_`` and ``early_stopping=True``. A
            source of blocks, as ``blocks`` is, that has more than 64 MB is read once
            after each epoch; ``scoring`` is None or "loss" then.
        engine : callable, default=None
            Engine that runs the passes. None means this process, which reads the next
            block while it computes with the current one. `sklgd.dask.Engine` runs the
            passes on a cluster.
        checkpoint : str or path, default=None
            Folder in which the results of the passes are stored. After an interruption,
            a fit with the same parameters, blocks and folder continues from there, with
            exactly the same result. Other parameters or other blocks raise an error.

        Returns
        -------
        self : GDRegressor
            ``n_passes_`` is the number of passes over ``blocks``.

        Raises
        ------
        ValueError
            If a parameter, target, weight or block is invalid. A note of the
            exception says which block of which part it was.

        Examples
        --------
        >>> import numpy as np
        >>> from sklgd import GDRegressor
        >>> def blocks():
        ...     rng = np.random.default_rng(0)
        ...     for _ in range(20):
        ...         X = rng.normal(size=(100, 2))
        ...         yield X, X @ [1.0, -2.0]
        >>> model = GDRegressor(alpha=0.0).fit_blocks(blocks)
        >>> bool(abs(model.coef_ - [1.0, -2.0]).max() < 1e-9)
        True
        """
        check_parameters(self, "regression")
        make_engine = engine_maker(self, engine)
        engine = make_engine(blocks)
        loss = self._make_loss()
        task = DescribeTargets(self._target, loss)
        description = describe(self, engine, task, validation is not None)
        _, shape = description.kind
        n_outputs = shape[0] if shape else 1
        start = self._start(None, None, self.n_features_in_, n_outputs)
        self._flat, self._had_offset = not shape, description.has_offset
        target, weights = description.targets.together()
        unit = description.weight / description.n_rows
        return learn(
            self,
            engine,
            description,
            TargetRows(unit, loss),
            known=(target, weights / unit),
            exact=description.targets.stride == 1,
            n_rows=description.n_rows,
            n_outputs=n_outputs,
            start=start,
            held_out=validation_set(
                self,
                validation,
                DescribeTargets(partial(self._target, name="y_val"), loss),
                make_engine,
                (description.n_rows, *shape),
            ),
            checkpoint=checkpoint,
        )

    def predict(self, X, offset=None):
        """Predict the target: X w + b, its exponential for the log-link losses.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), or float, \
default=None
            Is added to X w + b. None means zero, with a warning if the model was fitted
            with an offset.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        z = self._raw_prediction(X)
        if offset is not None:
            z = z + check_offset(offset, *z.shape)
        elif self._had_offset:
            warn(
                "The model was fitted with an offset, but predict has got none: these "
                "are the predictions at an offset of zero. Pass offset=..., or "
                "offset=0 if that is what is wanted."
            )
        z = self._inverse_link(z)
        return z[:, 0] if self._flat else z

    def score(self, X, y, sample_weight=None, offset=None):
        """R2 of the prediction; D2 for the losses "poisson", "gamma" and "tweedie".

        D2 is the share of the deviance that the model explains, as in
        `PoissonRegressor`, `GammaRegressor` and `TweedieRegressor`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
        offset : array-like of shape (n_samples,) or (n_samples, n_outputs), or float, \
default=None
            As in `predict`. The score compares the predictions with the mean of y,
            with an offset, too.

        Returns
        -------
        float
            At most 1; the mean over several outputs.

        Raises
        ------
        ValueError
            If the model was fitted with an offset and none is given.
        """
        if offset is None and self._had_offset:
            raise ValueError(
                "The model was fitted with an offset, which score needs as well: pass "
                "offset=..., or offset=0. In cross-validation and searches, enable "
                "metadata routing and call set_fit_request(offset=True) and "
                "set_score_request(offset=True)."
            )
        refuse_text(y, "y")
        loss = self._make_loss()
        if not _explains_deviance(loss):
            # Imported when needed: it doubles the package's import time.
            from sklearn.metrics import r2_score

            return r2_score(y, self.predict(X, offset), sample_weight=sample_weight)
        z = self._raw_prediction(X)
        y = check_array(y, ensure_2d=False, dtype=np.float64)
        check_consistent_length(z, y, sample_weight)
        if offset is not None:
            z = z + check_offset(offset, *z.shape)
        weights = check_weights(sample_weight, len(y))
        return D2(loss, self._target(y), weights)(z)

    def to_sklearn(self):
        """The plain, fitted scikit-learn model that equals this one.

        It serves tools that support only the classes of scikit-learn, such as ONNX,
        PMML and skops. Its predictions and its `score` equal those of this model up to
        rounding. (The `score`
        of MultiOutputRegressor is R2 for every loss.)

        =============================  ==============================================
        loss                           model
        =============================  ==============================================
        squared_error                  LinearRegression, Ridge (alpha = our alpha times
                                       sum_i s_i), or ElasticNet where there is l1
        huber, epsilon_insensitive,    SGDRegressor
        squared_epsilon_insensitive
        absolute_error                 SGDRegressor ("epsilon_insensitive", epsilon=0)
        quantile                       QuantileRegressor
        poisson, gamma, tweedie        PoissonRegressor, GammaRegressor,
                                       TweedieRegressor (power, link="log")
        =============================  ==============================================

        Several outputs: MultiOutputRegressor of these, but for squared_error.

        The class minimises the same F, and its parameters for the penalty are set
        accordingly. Its other parameters have their defaults. A part of the penalty
        that the class does not have is left out (l1 of the log-link models, l2 of the
        quantile), as are signs of coefficients other than those of ``positive=True``
        with squared_error. ``sum_i s_i`` counts all rows that `partial_fit` saw.

        Returns
        -------
        model : estimator of scikit-learn
            A copy: it shares no memory with this one, and ``coef_`` is dense.

        Raises
        ------
        NotFittedError
            Before `fit`.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklgd import GDRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> GDRegressor(penalty=None).fit(X, y).to_sklearn()
        LinearRegression()

        `sklgd.to_sklearn` does the same for all models inside a pipeline, a search or
        an ensemble.
        """
        return plain_model(self)

    def _inverse_link(self, z):
        if LOSSES[self.loss].link == "log":
            with np.errstate(over="ignore"):
                return np.exp(z)
        return z

    def _learnable(self, X, y, sample_weight, reset=False, all_zero=False):
        """X, y, the targets and the weights (or None) as the kernels take them.

        ``all_zero`` says whether all weights may be zero.
        """
        X, y = self._validate(X, y, reset=reset, multi_output=True, y_numeric=True)
        weights = check_weights(sample_weight, X.shape[0], all_zero=all_zero)
        return X, y, self._target(y), weights

    def _target(self, y, name="y"):
        """y as float64 of shape (n_samples, n_outputs), inside the loss's domain."""
        if y.dtype.kind in "SUO":
            refuse_text(y, name)
        target = in_c_order(y, np.float64)
        if target.ndim == 1:
            target = target[:, None]
        low, allowed = self._make_loss().domain()
        if low == -np.inf:
            return target
        smallest = target.min()
        if smallest < low or (smallest == low and not allowed):
            raise ValueError(
                f"Some value(s) of {name} are out of the valid range of "
                f"loss={self.loss!r}: {name} must be "
                f"{'at least' if allowed else 'above'} {low:g}, the smallest "
                f"is {smallest:g}. Use loss='squared_error' for such targets."
            )
        return target

    def _begin(self, X, y):
        """Check X and y of a search, and remember the form of y."""
        X, y = self._validate(X, y, multi_output=True, y_numeric=True)
        self._flat, self._had_offset = y.ndim == 1, False
        return X, y

    def _targets_and_weights(self, y, sample_weight, train_weight):
        """Targets and weights of all rows; see `GDClassifier`."""
        return self._target(y), sample_weight

    def _n_outputs(self, target):
        """Number of outputs for these targets."""
        return target.shape[1]

    def _validation_set(self, X_val, y_val, weights, shape, offset=None):
        if X_val is None:
            return refuse_parts_of_validation(y_val, weights, offset)
        if y_val is None:
            raise ValueError("X_val was given without y_val.")
        X_val, y_val = self._validate(
            X_val, y_val, reset=False, multi_output=True, y_numeric=True
        )
        return self._rows_to_validate(X_val, y_val, weights, shape, offset)

    def _rows_to_validate(self, X_val, y_val, weights, shape, offset=None):
        """A validation set of rows that were checked."""
        if y_val.shape[1:] != shape[1:]:
            raise ValueError(
                f"y_val has shape {y_val.shape}, which does not match y: {shape}."
            )
        target = self._target(y_val, "y_val")
        weights = check_weights(weights, X_val.shape[0], "sample_weight_val")
        data = {
            "X": X_val,
            "target": target,
            "weights": weights,
            "rows": rows_with_weight(weights),
        }
        self._check_offset_val(offset is not None)
        offset = check_offset(offset, len(target), target.shape[1], "offset_val")
        return {"data": data, "y": y_val, "sample_weight": weights, "offset": offset}

    def _check_offset_val(self, given):
        """Raise ValueError if only the validation rows have no offset."""
        if self._had_offset and not given:
            raise ValueError(
                "offset was given without offset_val. Pass the offsets of X_val, or "
                "offset_val=0."
            )

    def _judge(self, description, shape):
        """How a pass over validation blocks judges targets and predictions."""
        self._check_offset_val(description.has_offset)
        some = description.targets.together()[0]
        if description.kind[1] != shape[1:]:
            raise ValueError(
                f"y_val has shape {(description.n_all, *description.kind[1])}, which "
                f"does not match y: {shape}."
            )
        loss = self._make_loss()
        if _explains_deviance(loss):
            return TargetsToJudge(), D2Sums(loss)
        return TargetsToJudge(), R2Sums(loss.link == "log", some)

    def _hold_out(self, y):
        return random_split(len(y), self.validation_fraction, self.random_state)

    def _own_score(self, y, weights):
        y = np.asarray(y, dtype=np.float64).reshape(len(y), -1)
        own_loss = self._make_loss()
        if _explains_deviance(own_loss):
            d2 = D2(own_loss, y, weights)
            return lambda z, loss, coef: d2(z)
        r2 = R2(y, weights)
        return lambda z, loss, coef: r2(self._inverse_link(z))

    def _coefficients(self, coef, dtype, columns):
        fitted = super()._coefficients(coef, dtype, columns)
        if self._flat:
            fitted["coef_"] = fitted["coef_"][0]
        return fitted


def _explains_deviance(loss):
    """True if the score of a loss is D2 rather than R2.

    (Of the normal distribution, power 0, these are the same.)
    """
    return loss.link == "log" and loss.power > 0.0
