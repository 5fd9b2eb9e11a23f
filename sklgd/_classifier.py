"""`GDClassifier`: linear classification by gradient descent."""

from math import ceil

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if

from ._all_or_nothing import all_or_nothing
from ._base import BaseGD
from ._data_checks import (
    check_weights,
    gathered,
    multiply_weights,
    refuse_parts_of_validation,
    rows_with_weight,
)
from ._export import plain_model
from ._fit.block_data import IndicatorRows, LabelledRows
from ._fit.block_validation import AccuracySums, IndicatorsToJudge, LabelsToJudge
from ._fit.description import DescribeLabels, LabelTable
from ._fit_blocks import describe, engine_maker, learn
from ._hints import as_numbers
from ._labels import (
    FEW_LABELS,
    check_kinds_of_labels,
    check_labels,
    encode,
    find_classes,
    find_unknown,
    indicator_matrix,
    plain_label,
    targets_of,
)
from ._partial_fit import learns_from_streams
from ._partial_fit_blocks import labels_of, learn_blocks
from ._random import random_split
from ._scoring import Accuracy, predicted_codes
from ._validation import check_choice, check_parameters
from ._validation_blocks import validation_set
from .losses import LOSSES
from .optimizers import optimizer_class

# Rows whose labels are compared together.
BLOCK = 16384


def has_proba(est):
    """True if the loss gives class probabilities."""
    cls = LOSSES.get(est.loss)
    if cls is None or not cls.has_proba:
        names = " or ".join(repr(n) for n, c in LOSSES.items() if c.has_proba)
        raise AttributeError(
            f"loss={est.loss!r} gives no probabilities; use loss={names}, or "
            "CalibratedClassifierCV"
        )
    return True


class GDClassifier(ClassifierMixin, BaseGD):
    """Linear classification by batch, mini-batch or stochastic gradient descent.

    Minimises over w, b

        F(w, b) = sum_i s_i loss(y_i, x_i.w + b) / sum_i s_i + alpha R(w),

    where s_i is the sample weight times the class weight. Every optimizer, batch size
    and input format leads to the minimum of the same objective F. With three or more
    classes, "log_loss" is the softmax cross-entropy. The other losses are one-vs-rest,
    and F is the sum over the classes.

    Parameters
    ----------
    loss : str, default="log_loss"
        Loss of a row. With the margin m = y (x.w + b), where y is -1 or 1: "log_loss"
        is log(1 + exp(-m)); "hinge" is max(0, 1 - m), and "squared_hinge" is its
        square; "modified_huber" is the squared hinge for m >= -1 and -4 m below;
        "perceptron" is max(0, -m). With the residual r = x.w + b - y: "squared_error"
        is r^2/2; "huber" is r^2/2 up to ``epsilon`` and linear beyond;
        "epsilon_insensitive" is max(0, abs(r) - epsilon), and
        "squared_epsilon_insensitive" is its square.
    penalty : {"l2", "l1", "elasticnet", None}, default="l2"
        Penalty R(w) = l1_ratio |w|_1 + (1 - l1_ratio)/2 |w|_2^2, where "l2" means
        l1_ratio = 0 and "l1" means l1_ratio = 1. The intercept is never penalised. l1
        gives exact zeros (see Notes).
    alpha : float or "auto", default="auto"
        Strength of the penalty, which is added to the mean loss; at least 0. "auto"
        means 1e-4 in `fit`, and no penalty in `partial_fit` with online learning (see
        ``optimizer``), where one pass over new rows regularises by itself. ``alpha_``
        is the value that was used.
        ``C`` of `LogisticRegression` is ``alpha = 1 / (C * n_samples)``.
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
    power_t : float, default=0.5
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
        mini-batches, the objective) and, with smaller batches, for groups of
        one-vs-rest models if there are at least eight classes. None means 1, -1 means
        all processors. The coefficients do not depend on it. BLAS uses one thread in
        fits and at most ``n_jobs`` threads in predictions.
    verbose : int, default=0
        If 1, log a line per epoch (objective, validation score, optimality gap,
        learning rate) and the reason why the run ended. If 2, also log what "auto"
        stands for, the time of each epoch, the change of the coefficients, and epochs
        that were undone. See Notes.
    early_stopping : bool, default=False
        Whether the run ends when the validation score no longer improves, and the best
        coefficients are kept. The validation set is ``X_val, y_val`` of `fit`, or a
        random fraction of the rows, stratified by class. A class with a single row
        keeps it for training.
    validation_fraction : float, default=0.1
        Fraction of the training data that is set aside for validation, in (0, 1). Only
        for ``early_stopping=True`` without ``X_val``.
    scoring : str, callable or None, default=None
        Validation score for ``early_stopping``; greater is better. None means the
        accuracy. "loss" means minus the mean loss without the penalty; ``tol`` is then
        relative to the loss of the constant model. A scorer of scikit-learn, its name,
        or a function of (estimator, X, y) is called after each epoch, with the sample
        weights of the validation rows if there are any; it receives the rows as an
        array. Among epochs with equal scores the one with the smallest validation loss
        is kept.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes, by label. "balanced" means n_samples / (n_classes *
        weighted count). At least two classes need a positive weight.
    warm_start : bool, default=False
        Whether `fit` starts from the present coefficients. The step count, the moments
        of the optimizer and the random order start again, as if the coefficients were
        passed as ``coef_init``.
    average : bool or int, default=False
        Whether the mean of the coefficients over all steps is returned (Polyak and
        Juditsky 1992). An integer starts the mean after so many rows.
    epsilon : float, default=0.1
        Threshold of the losses "huber", "epsilon_insensitive" and
        "squared_epsilon_insensitive", whose targets are -1 and 1.
    positive : bool, default=False
        Whether no coefficient may be negative; for two classes, or several labels per
        row. The intercepts may have either sign.
    monotonic_cst : array-like of shape (n_features,) or dict, default=None
        Signs of the coefficients, for two classes: 1 means that the raw prediction for
        ``classes_[1]`` must not fall in a feature, so that its coefficient is not
        negative, -1 that it must not rise, and 0 that it may do either. A dict has the
        names of features as keys; features without an entry may have either sign. Not
        possible with ``positive=True``. `partial_fit` with ``optimizer="auto"`` then
        takes steps of Adam in place of online learning.
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
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        Coefficients, in the dtype of X, or in float64 if float32 cannot represent the
        model.
    intercept_ : ndarray of shape (1,) or (n_classes,)
    classes_ : ndarray of shape (n_classes,)
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
        learnt; only after `partial_fit` in online learning.
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
    GDRegressor : Linear regression with the same parameters.
    sklearn.linear_model.SGDClassifier : Stochastic gradient descent of scikit-learn.

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

    >>> from sklearn.datasets import load_wine
    >>> from sklgd import GDClassifier
    >>> X, y = load_wine(return_X_y=True)
    >>> model = GDClassifier(random_state=0).fit(X, y)
    >>> model.score(X, y)
    1.0
    >>> model.predict_proba(X[:1]).round(3)
    array([[1., 0., 0.]])

    Adam with mini-batches:

    >>> from sklgd.optimizers import Adam
    >>> model = GDClassifier(optimizer=Adam(beta_1=0.8), batch_size=32, random_state=0)
    >>> model.fit(X, y).stop_reason_
    'converged'
    """

    _task = "classification"

    def __init__(
        self,
        loss="log_loss",
        *,
        penalty="l2",
        alpha="auto",
        l1_ratio=0.15,
        fit_intercept=True,
        optimizer="auto",
        batch_size="auto",
        learning_rate="auto",
        eta0=None,
        power_t=0.5,
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
        class_weight=None,
        warm_start=False,
        average=False,
        epsilon=0.1,
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
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.average = average
        self.epsilon = epsilon
        self.positive = positive
        self.monotonic_cst = monotonic_cst
        self.penalty_factor = penalty_factor
        self.standardize = standardize

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Of a degenerate loss, an exact solver finds the minimum at zero coefficients.
        degenerate = isinstance(self.loss, str) and getattr(
            LOSSES.get(self.loss), "degenerate", False
        )
        exact = optimizer_class(self).why_no_stream is not None
        tags.classifier_tags.multi_label = True
        tags.classifier_tags.poor_score = degenerate and exact
        return tags

    def _validate(self, X, y="no_validation", reset=True, **kwargs):
        if not isinstance(y, str) and y is not None:
            y = gathered(y, "y")
            labels = indicator_matrix(y)
            if labels is not None:
                y, kwargs = labels, {**kwargs, "multi_output": True}
        return super()._validate(X, y, reset, **kwargs)

    @all_or_nothing
    def fit(
        self,
        X,
        y=None,  # (None is refused, after a source of blocks in the place of X.)
        sample_weight=None,
        *,
        coef_init=None,
        intercept_init=None,
        X_val=None,
        y_val=None,
        sample_weight_val=None,
    ):
        """Fit the model.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Training data. float32 and float64 are used as they are. CSR is the sparse
            format that needs no conversion.
        y : array-like of shape (n_samples,), or {array-like, sparse matrix} of shape \
(n_samples, n_labels)
            Class labels, numbers or strings; or several labels for each row
            (multilabel), as an indicator matrix of zeros and ones. F is then the sum
            over the labels. (It becomes a dense matrix of float64.)
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, zero or positive, which multiply the class weights.
            Only their ratios matter. A row of weight zero is treated as if it were
            absent, except that its label is among ``classes_``.
        coef_init : array-like shaped like ``coef_``, default=None
            Coefficients at the start of the run.
        intercept_init : array-like shaped like ``intercept_``, default=None
            Intercept at the start. No effect with ``fit_intercept=False``.
        X_val, y_val, sample_weight_val : array-likes, default=None
            Validation set for ``validation_scores_`` and, with
            ``early_stopping=True``, in place of the internal split.

        Returns
        -------
        self : GDClassifier

        Raises
        ------
        ValueError
            If a parameter, label or weight is invalid.

        Warns
        -----
        ConvergenceWarning
            If the run diverged or stopped before it converged.
        """
        check_parameters(self, self._task)
        X, y = self._validate(X, y)
        classes = find_classes(y)
        sample_weight = check_weights(sample_weight, X.shape[0])
        if coef_init is None:
            self._same_classes(classes)
        n_outputs = _count_outputs(classes, y.ndim == 2)
        start = self._start(coef_init, intercept_init, X.shape[1], n_outputs)
        self.classes_, self._multilabel = classes, y.ndim == 2
        codes = encode(y, classes)
        per_class = self._class_weights(y, codes, sample_weight)
        weights = _times(per_class, codes, sample_weight)
        self._require_two_classes(codes, weights)
        validation = self._validation_set(X_val, y_val, sample_weight_val, per_class)
        target = self._target(codes, n_outputs)
        del codes
        return self._fit(
            X, y, target, weights, n_outputs, start, validation, sample_weight
        )

    @available_if(learns_from_streams)
    @all_or_nothing
    def partial_fit(self, X, y=None, classes=None, sample_weight=None):
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
        y : array-like of shape (n_samples,), or {array-like, sparse matrix} of shape \
(n_samples, n_labels)
            Class labels, all of them among ``classes``; or several labels for each row,
            as in `fit`.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever occur; needed in the first call, unless y is an
            indicator matrix. They may include labels that never occur.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows. They are divided by the mean weight of all rows seen so
            far. In online learning a row of weight 3 is learnt as three rows, unless
            that mean is below 1/8 or above 8. A call in which all weights are zero
            changes nothing; if it is the first call, all coefficients are zero after
            it.

        Returns
        -------
        self : GDClassifier
        """
        first = not hasattr(self, "_state")
        check_parameters(self, self._task)
        if self.early_stopping:
            raise ValueError(
                "early_stopping=True is not possible with partial_fit, which makes one "
                "epoch; use fit."
            )
        if isinstance(self.class_weight, str):
            raise ValueError(
                f"class_weight={self.class_weight!r} is not possible with partial_fit: "
                "the class frequencies are not known. Compute the weights with "
                "sklearn.utils.class_weight.compute_class_weight on a sample and pass "
                "them as a dict."
            )
        X, y = self._validate(X, y, reset=first)
        # Beyond the first rows, labels that are no classes are found by comparison.
        check_labels(y[:FEW_LABELS])
        if y.ndim == 2:
            self._check_labels(classes, first, y.shape[1])
        elif self._multilabel and not first:
            raise ValueError(
                "y has one label per row, but earlier calls had an indicator matrix of "
                f"{len(self.classes_)} labels."
            )
        else:
            self._check_classes(classes, first)
        _, _, target, weights = self._known(X, y, sample_weight, all_zero=True)
        return self._partial_fit(X, target, weights, self._n_outputs(target))

    @available_if(learns_from_streams)
    def partial_fit_blocks(self, blocks, *, classes=None, n_epochs=1):
        """Learn from a source of blocks, one `partial_fit` for each block.

        The next block is read while one is learnt, so that two blocks and the model are
        in memory. With ``shuffle=True`` the parts of the source come in random order,
        and so do the rows of each block. An exception leaves the model as it was after
        the last block that was learnt.

        Parameters
        ----------
        blocks : sklgd.blocks.Blocks, callable or list
            A source of `sklgd.blocks`, a function that returns an iterator over tuples
            (X, y) or (X, y, sample_weight), or a list of such tuples.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever occur. None finds them in an additional pass, if
            the model has not learnt before.
        n_epochs : int, default=1
            Passes over the source. Each must give the same rows.

        Returns
        -------
        self : GDClassifier

        Examples
        --------
        >>> import numpy as np
        >>> from sklgd import GDClassifier
        >>> def blocks():
        ...     rng = np.random.default_rng(0)
        ...     for _ in range(20):
        ...         X = rng.normal(size=(100, 2))
        ...         yield X, np.where(X[:, 0] > X[:, 1], "first", "second")
        >>> model = GDClassifier(random_state=0).partial_fit_blocks(blocks)
        >>> model.predict([[1.0, 0.0], [0.0, 1.0]]).tolist()
        ['first', 'second']
        """

        def arguments(passes):
            if classes is None and not hasattr(self, "_state"):
                return {"classes": labels_of(passes)}
            return {"classes": classes}

        return learn_blocks(self, blocks, n_epochs, arguments)

    @all_or_nothing
    def fit_blocks(
        self, blocks, *, classes=None, validation=None, engine=None, checkpoint=None
    ):
        """Fit the model to rows that do not fit into memory.

        The result is that of `fit` on all rows together: the minimiser of the same
        objective. One pass over the blocks counts rows and labels and keeps an evenly
        spaced sample of at most 64 MB. If the sample contains all rows, they are fitted
        in memory. Otherwise the run starts at the optimum of the sample, and usually
        each step takes one pass over the blocks.

        Parameters
        ----------
        blocks : sklgd.blocks.Blocks, callable or list
            A source of `sklgd.blocks`, a function that returns an iterator over tuples
            (X, y) or (X, y, sample_weight), or a list of such tuples. Each pass must
            give the same rows. y may hold several labels for each row, as in `fit`.
        classes : array-like of shape (n_classes,), default=None
            All labels that may come. None takes those that the first pass finds.
        validation : tuple (X_val, y_val) or (X_val, y_val, sample_weight_val), or \
source of blocks, default=None
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
        self : GDClassifier
            ``n_passes_`` is the number of passes over ``blocks``.

        Raises
        ------
        ValueError
            If a parameter, label, weight or block is invalid. A note of the exception
            says which block of which part it was.

        Examples
        --------
        >>> import numpy as np
        >>> from sklgd import GDClassifier
        >>> def blocks():
        ...     rng = np.random.default_rng(0)
        ...     for _ in range(20):
        ...         X = rng.normal(size=(100, 2))
        ...         yield X, np.where(X[:, 0] > X[:, 1], "first", "second")
        >>> model = GDClassifier().fit_blocks(blocks)
        >>> model.predict([[1.0, 0.0], [0.0, 1.0]]).tolist()
        ['first', 'second']
        """
        check_parameters(self, "classification")
        if classes is not None:
            classes = find_classes(np.asarray(classes))
        known = self.class_weight if isinstance(self.class_weight, dict) else None
        make_engine = engine_maker(self, engine)
        engine = make_engine(blocks)
        description = describe(
            self, engine, DescribeLabels(classes, known), validation is not None
        )
        if description.labels is None:
            return self._fit_indicators(
                engine, description, classes, validation, make_engine, checkpoint
            )
        table = description.labels
        if classes is not None:
            table += LabelTable(classes, *np.zeros((2, len(classes))))
        self._same_classes(table.labels)
        n_classes = len(table.labels)
        n_outputs, codes = _count_outputs(table.labels), np.arange(n_classes)
        start = self._start(None, None, self.n_features_in_, n_outputs)
        self.classes_, self._multilabel = table.labels, False
        per_class = self._class_weights(table.labels, codes, table.weights)
        factors = np.ones(n_classes) if per_class is None else per_class
        weights = factors * table.weights
        self._require_two_classes(codes, weights)
        n_rows = table.counts[weights > 0.0].sum()
        factors = factors * (n_rows / weights.sum())
        task = LOSSES[self.loss].task
        return learn(
            self,
            engine,
            description,
            LabelledRows(table.labels, factors, n_outputs, task),
            known=(
                self._target(codes, n_outputs),
                weights * (n_rows / weights.sum()),
            ),
            exact=True,
            n_rows=int(n_rows),
            n_outputs=n_outputs,
            start=start,
            held_out=validation_set(
                self, validation, DescribeLabels(None, None), make_engine, per_class
            ),
            checkpoint=checkpoint,
        )

    def _fit_indicators(
        self, engine, description, classes, validation, make_engine, checkpoint
    ):
        """The end of `fit_blocks` for several labels per row."""
        n_labels = description.kind[1][0]
        self._same_classes(np.arange(n_labels))
        self._check_labels(classes, True, n_labels)
        per_class = self._class_weights(None, None, None)
        target, weights = description.targets.together()
        unit = description.weight / description.n_rows
        return learn(
            self,
            engine,
            description,
            IndicatorRows(unit),
            known=(target, weights / unit),
            exact=description.targets.stride == 1,
            n_rows=description.n_rows,
            n_outputs=n_labels,
            start=self._start(None, None, self.n_features_in_, n_labels),
            held_out=validation_set(
                self, validation, DescribeLabels(None, None), make_engine, per_class
            ),
            checkpoint=checkpoint,
        )

    def decision_function(self, X):
        """Raw predictions X w + b.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        z : ndarray of shape (n_samples,) or (n_samples, n_classes)
            With two classes one column, positive for ``classes_[1]``. With several
            labels per row a column for each, positive where the label is predicted.
        """
        z = self._raw_prediction(X)
        return z[:, 0] if z.shape[1] == 1 else z

    def predict(self, X):
        """Predict class labels.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_labels)
            With several labels per row an indicator matrix.
        """
        return self._labels(self._raw_prediction(X))

    @available_if(has_proba)
    def predict_proba(self, X):
        """Class probabilities (losses "log_loss" and "modified_huber" only).

        "log_loss" gives the sigmoid, or the softmax from three classes on;
        "modified_huber" gives (clip(z, -1, 1) + 1) / 2, normalised from three classes
        on (Zhang 2004). With several labels per row each has a probability of its own.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        z, probabilities = self._raw_prediction(X), LOSSES[self.loss].probabilities
        if self._multilabel:
            return probabilities(z.reshape(-1, 1))[:, 1].reshape(z.shape)
        return probabilities(z)

    @available_if(has_proba)
    def predict_log_proba(self, X):
        """Logarithm of `predict_proba`.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        log_p : ndarray of shape (n_samples, n_classes)
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    def to_sklearn(self):
        """The plain, fitted scikit-learn model that equals this one.

        It serves tools that support only the classes of scikit-learn, such as ONNX,
        PMML and skops. Its predictions equal those of this model up to rounding.

        =================================  ==========================================
        loss                               model
        =================================  ==========================================
        log_loss                           LogisticRegression, C = 1/(alpha sum_i s_i)
        all others                         SGDClassifier
        =================================  ==========================================

        With several labels per row: OneVsRestClassifier of these.

        The class minimises the same F, and its parameters for the penalty are set
        accordingly. Its other parameters have their defaults. Signs of the coefficients
        are left out, because the classes have no such parameter. ``sum_i s_i`` counts
        all rows that `partial_fit` saw, with their class weights.

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
        >>> from sklearn.datasets import load_iris
        >>> from sklgd import GDClassifier
        >>> X, y = load_iris(return_X_y=True)
        >>> model = GDClassifier(alpha=0.01).fit(X, y)
        >>> plain = model.to_sklearn()
        >>> type(plain).__name__, round(plain.C, 3)
        ('LogisticRegression', 0.667)
        >>> bool(abs(plain.predict_proba(X) - model.predict_proba(X)).max() < 1e-9)
        True

        `sklgd.to_sklearn` does the same for all models inside a pipeline, a search or
        an ensemble.
        """
        return plain_model(self)

    def _labels(self, z):
        if self._multilabel:
            return self._codes(z)
        return self.classes_[self._codes(z)]

    def _codes(self, z):
        """Class codes of raw predictions, or an indicator matrix."""
        return (z > 0.0).astype(np.intp) if self._multilabel else predicted_codes(z)

    def _make_loss(self):
        loss = super()._make_loss()
        return loss.of_labels() if self._multilabel else loss

    def _same_classes(self, classes):
        """Raise ValueError if a warm start continues from other classes."""
        if not (self.warm_start and hasattr(self, "coef_")):
            return
        if len(classes) != len(self.classes_) or (classes != self.classes_).any():
            raise ValueError(
                f"warm_start=True continues from classes {self.classes_}, but y "
                f"has {classes}. Use warm_start=False, or partial_fit with all "
                "classes."
            )

    def _require_two_classes(self, codes, weights):
        """Raise ValueError unless rows of two classes or more have a weight.

        A label that all rows have, or none, is learnt as well.
        """
        if self._multilabel:
            return
        rows = rows_with_weight(weights)
        codes = codes if rows is None else codes[rows]
        present = count_codes(codes, len(self.classes_))
        if np.count_nonzero(present) >= 2:
            return
        if len(self.classes_) == 1:
            why, remedy = "", "Give rows of another class, too."
        else:
            why = " with a weight that is not zero (sample_weight times class_weight)"
            remedy = "Give rows of another class positive weights, too."
        only = plain_label(self.classes_[present.argmax()])
        raise ValueError(
            f"y: GDClassifier needs samples of at least 2 classes{why}, but the data "
            f"contains only one class: {only!r}. {remedy}"
        )

    def _learnable(self, X, y, sample_weight):
        """X, y, the targets and the weights (or None) as the kernels take them."""
        X, y = self._validate(X, y, reset=False)
        return self._known(X, y, sample_weight)

    def _known(self, X, y, sample_weight, all_zero=False):
        """The same of checked data; all labels must be among ``classes_``.

        ``all_zero`` says whether all weights may be zero.
        """
        codes = encode(y, self.classes_)
        unknown = find_unknown(y, codes, self.classes_)
        if unknown is not None:
            raise ValueError(
                f"y has the label {plain_label(unknown)!r}, which is not among the "
                f"classes {self.classes_} that the model knows. Pass all labels that "
                "may come as classes in the first call of partial_fit, or fit a new "
                "model."
            )
        sample_weight = check_weights(sample_weight, len(y), all_zero=all_zero)
        per_class = self._class_weights(y, codes, sample_weight)
        weights = _times(per_class, codes, sample_weight)
        n_outputs = self._n_outputs(codes)
        return X, y, self._target(codes, n_outputs), weights

    def _begin(self, X, y):
        """Check X and y of a search, and remember the classes."""
        X, y = self._validate(X, y)
        self.classes_, self._multilabel = find_classes(y), y.ndim == 2
        if len(self.classes_) == 1:
            self._require_two_classes(np.zeros(len(y), dtype=np.intp), None)
        return X, y

    def _targets_and_weights(self, y, sample_weight, train_weight):
        """Targets and weights (or None) of all rows, of which some are learnt from.

        Parameters
        ----------
        y : array
            Labels among ``classes_``.
        sample_weight : float64 array or None
            Of all rows.
        train_weight : float64 array or None
            The same, but zero for the rows that are not learnt from; class weights are
            those of the others.
        """
        codes = encode(y, self.classes_)
        per_class = self._class_weights(y, codes, train_weight)
        target = self._target(codes, self._n_outputs(codes))
        return target, _times(per_class, codes, sample_weight)

    def _n_outputs(self, target):
        """Number of outputs for these targets."""
        return _count_outputs(self.classes_, self._multilabel)

    def _target(self, codes, n_outputs):
        """Class codes as the loss takes them."""
        return targets_of(codes, n_outputs, LOSSES[self.loss].task)

    def _class_weights(self, y, codes, sample_weight):
        """The weight of each class, or None."""
        if self.class_weight is None:
            return None
        if self._multilabel:
            raise ValueError(
                f"class_weight={self.class_weight!r} is not possible with several "
                "labels per row, which are no classes. Use class_weight=None and "
                "sample_weight, or OneVsRestClassifier(GDClassifier(class_weight=...))."
            )
        if isinstance(self.class_weight, dict):
            try:
                as_numbers(list(self.class_weight.values()))
            except (TypeError, ValueError):
                raise ValueError(
                    "class_weight must have a number for each class, got "
                    f"{self.class_weight!r}."
                ) from None
            per_class = compute_class_weight(
                self.class_weight, classes=self.classes_, y=y
            )
            if not np.isfinite(per_class).all() or per_class.min() < 0.0:
                raise ValueError(
                    "class_weight must have finite weights of zero or more, got "
                    f"{self.class_weight!r}."
                )
            if np.count_nonzero(per_class) < min(2, len(per_class)):
                raise ValueError(
                    f"class_weight={self.class_weight!r} leaves no two of the classes "
                    f"{self.classes_} with a weight that is not zero. Give at least "
                    "two classes positive weights."
                )
        else:
            check_choice("class_weight", self.class_weight, ("balanced", None))
            counts = count_codes(codes, len(self.classes_), sample_weight)
            with np.errstate(divide="ignore"):
                per_class = np.where(
                    counts > 0.0, counts.sum() / (len(counts) * counts), 0.0
                )
        return per_class

    def _check_labels(self, classes, first, n_labels):
        """The same for an indicator matrix of so many labels."""
        labels = np.arange(n_labels)
        if first:
            self.classes_, self._multilabel = labels, True
        elif not self._multilabel or n_labels != len(self.classes_):
            before = f"{len(self.classes_)} labels"
            if not self._multilabel:
                before = "one label per row"
            raise ValueError(
                f"y is an indicator matrix of {n_labels} labels, but earlier calls had "
                f"{before}."
            )
        if classes is not None and not np.array_equal(classes, labels):
            raise ValueError(
                f"classes must be None or the numbers from 0 to {n_labels - 1} for an "
                f"indicator matrix of {n_labels} labels, got {classes!r}."
            )

    def _check_classes(self, classes, first):
        """Set or compare ``classes_``."""
        if classes is None:
            if first and not hasattr(self, "classes_"):
                raise ValueError(
                    "classes must be passed on the first call to partial_fit. Pass all "
                    "labels that may come; those that never come do no harm."
                )
            return
        classes = np.asarray(classes)
        if classes.dtype.kind == "O":
            check_kinds_of_labels(classes, "classes")
        classes = np.unique(classes)
        if first:
            if len(classes) < 2:
                raise ValueError(f"classes must hold at least 2 labels, got {classes}.")
            self.classes_, self._multilabel = classes, False
        elif len(classes) != len(self.classes_) or (classes != self.classes_).any():
            raise ValueError(
                f"`classes={classes}` is not the same as on last call to partial_fit, "
                f"was: {self.classes_}"
            )

    def _validation_set(self, X_val, y_val, sample_weight, per_class):
        if X_val is None:
            return refuse_parts_of_validation(y_val, sample_weight)
        if y_val is None:
            raise ValueError("X_val was given without y_val.")
        X_val, y_val = self._validate(X_val, y_val, reset=False)
        return self._rows_to_validate(X_val, y_val, sample_weight, per_class)

    def _rows_to_validate(self, X_val, y_val, sample_weight, per_class):
        """A validation set of rows that were checked."""
        unknown = self._unknown_to_validate(y_val)
        sample_weight = check_weights(
            sample_weight, X_val.shape[0], "sample_weight_val"
        )
        codes = encode(y_val, self.classes_)
        if unknown.any():
            codes[unknown] = 0
        weights = _times(per_class, codes, sample_weight)
        rows = rows_with_weight(weights)
        if rows is not None and len(rows) == 0:
            raise ValueError(
                "sample_weight_val times class_weight: all weights are zero, so there "
                "is nothing to validate with. Give at least one row a positive weight."
            )
        if unknown.any():
            # Mistakes whatever is predicted, without a loss.
            weights = ~unknown * (1.0 if weights is None else weights)
        data = {
            "X": X_val,
            "target": self._target(codes, self._n_outputs(codes)),
            "weights": weights,
            "rows": rows,
        }
        return {"data": data, "y": y_val, "sample_weight": sample_weight}

    def _judge(self, description, per_class):
        """How a pass over validation blocks judges labels and predictions."""
        if self._multilabel or description.labels is None:
            shape = (description.n_all, *description.kind[1])
            self._unknown_to_validate(np.broadcast_to(0, shape))
            return IndicatorsToJudge(), AccuracySums()
        self._unknown_to_validate(description.labels.labels)
        n_classes = len(self.classes_)
        factors = np.ones(n_classes) if per_class is None else per_class
        n_outputs, task = _count_outputs(self.classes_), LOSSES[self.loss].task
        truth = LabelsToJudge(self.classes_, factors, n_outputs, task)
        return truth, AccuracySums()

    def _unknown_to_validate(self, y_val):
        """Which validation labels are unknown; raises ValueError if that is wrong."""
        n_labels = len(self.classes_) if self._multilabel else 1
        if (y_val.shape[1] if y_val.ndim == 2 else 1) != n_labels:
            raise ValueError(
                f"y_val has shape {y_val.shape}, but y has {n_labels} label(s) per row."
            )
        if (y_val.dtype.kind in "biuf") != (self.classes_.dtype.kind in "biuf"):
            raise ValueError(
                f"y_val holds labels like {plain_label(y_val[0])!r}, but y has "
                f"{self.classes_}: strings and numbers are never equal."
            )
        unknown = self._unknown(y_val)
        if unknown.any() and self.scoring == "loss":
            label = y_val[unknown].tolist()[0]
            raise ValueError(
                f"y_val has the label {label!r}, which is not among "
                f"the classes {self.classes_} of y: its loss is not defined. Leave "
                "such rows out, or use scoring=None, which counts them as mistakes."
            )
        return unknown

    def _unknown(self, y):
        """Which labels are not among the classes."""
        if self._multilabel:
            return np.zeros(len(y), dtype=bool)
        places = np.minimum(encode(y, self.classes_), len(self.classes_) - 1)
        return self.classes_[places] != y

    def _hold_out(self, y):
        if self._multilabel:
            return random_split(len(y), self.validation_fraction, self.random_state)
        codes = encode(y, self.classes_)
        return stratified_split(codes, self.validation_fraction, self.random_state)

    def _own_score(self, y, weights):
        codes = encode(y, self.classes_).astype(np.intp)
        codes[self._unknown(y)] = -1
        accuracy = Accuracy(codes, weights)
        return lambda z, loss, coef: accuracy(self._codes(z))


def _count_outputs(classes, multilabel=False):
    """One for two classes, else one for each; one for each of several labels."""
    return 1 if len(classes) == 2 and not multilabel else len(classes)


def _times(per_class, codes, sample_weight):
    """Class weights, or None, times sample weights, or None."""
    if per_class is None:
        return sample_weight
    weights = per_class[codes]
    return (
        weights if sample_weight is None else multiply_weights(weights, sample_weight)
    )


def count_codes(codes, n_classes, weights=None):
    """Sum of the weights, of ones by default, of each class."""
    counts = np.zeros(n_classes)
    for start in range(0, len(codes), BLOCK):
        block = slice(start, start + BLOCK)
        some = None if weights is None else weights[block]
        counts += np.bincount(codes[block], some, n_classes)
    return counts


def stratified_split(codes, fraction, random_state):
    """Rows for training and for validation, with the same shares of the classes.

    The rows that StratifiedShuffleSplit of scikit-learn chooses for this
    ``random_state``, which for many rows takes ten times the memory of ``codes`` in
    float64; ascending. Here every class keeps a row for training, the only one if it
    has no more, and the validation rows need not be of all classes.
    """
    rng = check_random_state(random_state)
    n, counts = len(codes), count_codes(codes, codes.max() + 1).astype(np.intp)
    n_classes, n_train = np.count_nonzero(counts), n - ceil(fraction * n)
    if n_train < n_classes:
        raise ValueError(
            f"validation_fraction={fraction!r} of {n} rows leaves {n_train} for "
            f"training, but there are {n_classes} classes. Use another fraction, or "
            "pass X_val and y_val."
        )
    train = np.maximum(_proportional(counts, n_train, rng), counts > 0)
    test = _proportional(counts - train, n - train.sum(), rng)
    held_out = np.zeros(n, dtype=bool)
    for k, (first, size) in enumerate(zip(train, test, strict=True)):
        chosen = rng.permutation(counts[k])[first : first + size]
        held_out[np.flatnonzero(codes == k)[chosen]] = True
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _proportional(counts, n_draws, rng):
    """The most likely numbers of each class among ``n_draws``; ties at random."""
    share = counts / counts.sum() * n_draws
    drawn = np.floor(share)
    missing = int(n_draws - drawn.sum())
    rest = share - drawn
    for value in np.unique(rest)[::-1]:
        if missing == 0:
            break
        tied = np.flatnonzero(rest == value)
        more = min(len(tied), missing)
        drawn[rng.choice(tied, size=more, replace=False)] += 1
        missing -= more
    return drawn.astype(np.intp)
