"""`GDClassifier`: linear classification by gradient descent."""

from math import ceil

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if

from ._all_or_nothing import all_or_nothing
from ._base import BaseGD
from ._export import plain_model
from ._fit.block_data import LabelledRows
from ._fit.block_validation import AccuracySums, LabelsToJudge
from ._fit.description import DescribeLabels, LabelTable
from ._fit_blocks import describe, engine_maker, learn
from ._labels import (
    FEW_LABELS,
    check_kinds_of_labels,
    check_labels,
    check_one_label_per_row,
    encode,
    find_classes,
    find_unknown,
    plain_label,
    targets_of,
)
from ._partial_fit import learns_from_streams
from ._partial_fit_blocks import labels_of, learn_blocks
from ._scoring import Accuracy, predicted_codes
from ._validation import (
    check_choice,
    check_parameters,
    check_weights,
    multiply_weights,
    optimizer_class,
    refuse_parts_of_validation,
    rows_with_weight,
)
from ._validation_blocks import validation_set
from .losses import LOSSES

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
    and input format heads for the minimiser of this F. From three classes on
    "log_loss" is the softmax cross-entropy; the other losses are one-vs-rest, F being
    the sum over the classes.

    Parameters
    ----------
    loss : str, default="log_loss"
        With the margin m = y (x.w + b), y = -1 or 1: "log_loss" log(1 + exp(-m));
        "hinge" max(0, 1 - m); "squared_hinge", its square; "modified_huber", its square
        for m >= -1, then -4 m; "perceptron" max(0, -m). With r = x.w + b - y:
        "squared_error" r^2/2; "huber" r^2/2 up to ``epsilon``, then linear;
        "epsilon_insensitive" max(0, abs(r) - epsilon);
        "squared_epsilon_insensitive", its square.
    penalty : {"l2", "l1", "elasticnet", None}, default="l2"
        R(w) = l1_ratio |w|_1 + (1 - l1_ratio)/2 |w|_2^2; "l2" and "l1" are its corners
        0 and 1. The intercept is never penalised. l1 gives exact zeros (see Notes).
    alpha : float or "auto", default="auto"
        Strength of the penalty against the mean loss, alpha >= 0. "auto" means 1e-4,
        and no penalty where `partial_fit` learns online (see ``optimizer``): one pass
        over fresh rows regularises by itself. ``alpha_`` holds the number.
    l1_ratio : float, default=0.15
        Share of l1 in "elasticnet", in [0, 1].
    fit_intercept : bool, default=True
        Whether the model has an intercept; without one it is zero.
    optimizer : str or Optimizer, default="auto"
        A name ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta",
        "adam", "amsgrad", "nadam", "adamax", "ftrl", "online", "saga", "point_saga",
        "svrg", "newton", "lbfgs", "fista"), an object of
        `sklgd.optimizers` such as ``Adam(beta_1=0.8)``, whose parameters a grid
        search reaches as ``optimizer__beta_1``, or "auto".
    batch_size : int, "full" or "auto", default="auto"
        Rows per step: 1 is stochastic, "full" is batch gradient descent. The last
        batch of an epoch may be smaller; more rows than there are mean "full".
    learning_rate : str, float, Schedule or callable, default="auto"
        "auto" finds the learning rate from the data and needs neither scaled features
        nor tuning. A float is a constant learning rate; a name ("constant",
        "invscaling", "optimal", "adaptive", "pa1", "pa2" as in SGD*, "linear",
        "cosine", "step", "exponential", "warmup") takes its first step from ``eta0``;
        an object of `sklgd.schedules` or any function of the step number 1, 2, ...
        gives the learning rates itself. "optimal" is 1/(alpha (t0 + t - 1)) and needs
        alpha > 0.
    eta0 : float, default=None
        First learning rate of a named schedule. None finds it from the data.
    power_t : float, default=0.5
        Exponent of "invscaling": eta0 / t^power_t.
    max_iter : int, default=1000
        Most epochs, passes over the data.
    tol : float or None, default=1e-4
        Stop where ``optimality_gap_`` is at most ``tol``; for an optimizer that gives
        no such estimate after ``n_iter_no_change`` epochs in each of which the
        objective fell by less than ``tol`` times what was gained over the best constant
        model. Free of the scale of y and of the weights. With ``early_stopping`` the
        least improvement of the validation score. None runs all epochs, unless the run
        diverges.
    n_iter_no_change : int, default=5
        Epochs without such progress, one after the other, that end the run.
    shuffle : bool, "full", "blocks" or "window", default=True
        Draw a new order of the rows for each epoch (not for batch descent). True draws
        a random permutation of fewer than 8192 rows. More rows are looked at first:

        - rows in no particular order are visited in random blocks of 32 consecutive
          rows;
        - others (sorted by label, grown over time, repeated) are permuted once with
          ``batch_size=1``, and blocks of 32 rows of that permutation are shuffled for
          each epoch; plain SGD makes a permuted copy of X if that has at most 256 MB
          (and the run at least four epochs). Larger batches take a permutation;
        - such X with more than 2^25 entries (of no more than 10000 features) are
          visited in windows, whatever the batch size: four (wide rows: two)
          consecutive rows from each of 64 parts of the data, mixed.

        "full" draws a random permutation for each epoch, "blocks" and "window" take
        these; they make no copy, whatever the size and the order. SAGA, Point-SAGA and
        SVRG take True as "full".
    random_state : int, RandomState instance or None, default=None
        Seed of the shuffling and of the validation split.
    n_jobs : int or None, default=None
        Threads for passes over many rows (batch descent, large mini-batches, the
        objective) and, in smaller batches, for groups of classes one-vs-rest, if
        there are eight or more: None means 1, -1 all processors. The coefficients are
        the same to the last bit. BLAS uses one thread in fits, and at most ``n_jobs``
        threads in predictions.
    verbose : int, default=0
        1 logs a line per epoch (objective, validation score, optimality gap, learning
        rate) and why the run ended; 2 also what "auto" has become, the time of each
        epoch, how much the coefficients changed, and epochs undone. See Notes.
    early_stopping : bool, default=False
        Stop when the validation score no longer improves, and keep the best
        coefficients. The validation set is ``X_val, y_val`` of `fit`, or a share of
        the rows, drawn class by class. A class with a single row keeps it for training.
    validation_fraction : float, default=0.1
        That share, in (0, 1).
    scoring : str, callable or None, default=None
        What ``early_stopping`` watches on the validation rows, greater is better: None
        is the accuracy; "loss" is minus the mean loss without the
        penalty, and ``tol`` is then measured in the loss of the constant model. A
        scorer of scikit-learn, its name or a function of (estimator, X, y) is called
        after each epoch, with the sample weights of these rows if there are any, and
        gets the rows as an array. Of epochs with equal scores the one of smallest
        validation loss is kept.
    class_weight : dict, "balanced" or None, default=None
        Weight per class label, or n_samples / (n_classes * weighted count). At least
        two classes need a positive weight.
    warm_start : bool, default=False
        Start `fit` from the present coefficients. Only those: step count, moments and
        shuffle stream start afresh, as if the coefficients were passed as
        ``coef_init``.
    average : bool or int, default=False
        Report the mean of the coefficients over all steps (Polyak and Juditsky 1992),
        from the first step on or once so many rows were seen.
    epsilon : float, default=0.1
        Threshold of "huber", "epsilon_insensitive" and "squared_epsilon_insensitive",
        where the targets are -1 and 1.
    positive : bool, default=False
        Whether no coefficient may be negative; for two classes. The intercept may have
        either sign.
    monotonic_cst : array-like of shape (n_features,) or dict, default=None
        Signs of the coefficients, for two classes: 1 means that the raw prediction for
        ``classes_[1]`` must not fall in a feature, so that its coefficient is not
        negative, -1 that it must not rise, and 0 that it may do either. A dict has the
        names of features as keys; features without an entry may have either sign. Not
        possible with ``positive=True``.

    Attributes
    ----------
    coef_ : ndarray of shape (1, n_features) or (n_classes, n_features)
        In the dtype of X; in float64 where float32 cannot hold the model.
    intercept_ : ndarray of shape (1,) or (n_classes,)
    classes_ : ndarray of shape (n_classes,)
    n_iter_ : int
        Epochs made.
    n_passes_ : int
        After `fit_blocks` only: passes over the blocks.
    t_ : int
        1 + rows seen, as in SGD*, without those of weight zero.
    loss_curve_ : list of float
        F after each epoch, at the coefficients that would have been returned. The last
        entry is F of those that are returned; with ``early_stopping=True``, which
        returns those of the best epoch, it is that of the last epoch. After
        `partial_fit` in online learning: the mean loss of the rows of each call, before
        they were learnt. It takes 8 bytes per call.
    progressive_loss_, progressive_score_ : float
        Mean loss and score of all rows of a stream, each predicted before it was
        learnt; only after `partial_fit` in online learning.
    alpha_ : float
        Strength of the penalty that was used.
    validation_scores_ : list of float or None
        The score that ``scoring`` names, after each epoch, where there is a validation
        set. Greater is better.
    best_validation_score_ : float or None
        The greatest of them.
    stop_reason_ : str
        "converged", "max_iter", "early_stopping", "diverged", "stalled" (no progress,
        yet worse than a constant model), "plateau" (little progress, yet a single
        step would gain much: with an explicit learning rate at least 10 % of what can
        be gained over a constant model, else ten times what ``tol`` asks for),
        "callback" (one asked for it), "interrupted" (by Ctrl-C) or "partial_fit". A
        ConvergenceWarning says why a run did not get far, and what helps.
    diagnosis_ : dict or None
        Why a run did not get far; None if there is nothing to say. ``"problem"`` is
        "max_iter", "diverged", "worse_than_constant", "plateau", "accuracy", "stalled"
        or "data_changed", ``"text"`` the whole explanation, ``"causes"`` and
        ``"remedies"`` are lists of sentences, and ``"figures"`` a dict of numbers by
        name, None where one is not known. It can be stored as JSON. The
        ConvergenceWarning itself has one text for every fit with the same problem.
    optimality_gap_ : float
        Estimate of (F - F*)/(F_null - F*) where the method gives one, else nan.
    optimizer_, batch_size_, learning_rate_ : Optimizer, int or "full", Schedule
        What was used. Without an explicit learning rate the schedule is in the units of
        the implicit metric.
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Where X had string column names.

    See Also
    --------
    GDRegressor : The same for numbers.
    sklearn.linear_model.SGDClassifier : Stochastic descent row by row.

    Notes
    -----
    With an explicit learning rate (``learning_rate`` a float, a schedule object, a
    function, "optimal", or a name with ``eta0``) the optimizer's textbook rule runs on
    the raw coordinates, from zero. Otherwise the same rule runs in coordinates in
    which every feature is centred and has unit size, from the best constant model;
    X is neither copied nor changed and the penalty stays that of the raw coefficients.
    An epoch that makes the objective worse is then undone and the learning rate halved.

    Coefficients and optimizer state are float64 whatever the dtype of X.
    A model must not learn in two threads at the same time: calls of `fit` or
    `partial_fit` that overlap lose updates, although each of them counts its epoch.
    Predictions may be made in any number of threads.

    `partial_fit` and pickling keep all state: coefficients, moments, step count,
    average, shuffle stream. `fit` leaves the coefficients and, for a learning rate of
    the user's, the last iterate, its average and the step count; moments and shuffle
    stream start anew in a `partial_fit` that follows.

    With an l1 penalty, single rows and mini-batches move most coefficients off zero in
    every step. ``coef_`` and ``intercept_`` therefore are the last iterate (or the
    average) with zeros in place of the coefficients that a proximal step over all rows
    takes to zero, as long as that does not raise the objective; learning goes on from
    the iterate itself. `partial_fit` does so while all calls have the same rows. In a
    stream of other rows ``coef_`` is the iterate; "ftrl" has zeros there, too. With
    "optimal", "pa1" and "pa2" plain SGD on single rows leaves the zeros of SGD*.

    A run that diverges keeps the best coefficients seen, says so in
    ``stop_reason_`` and in a ConvergenceWarning.

    `fit` and `partial_fit` set all fitted attributes or, if they raise an exception,
    none of them: a model fitted earlier stays as it was. Ctrl-C is answered within a
    second, on large data too; from the end of the first epoch on, `fit` then keeps the
    best coefficients so far, with ``stop_reason_`` "interrupted", and KeyboardInterrupt
    is raised. An interrupted `partial_fit` changes nothing but the shuffle stream.

    Log lines go, at level INFO, to the handlers of the logger "sklgd", to those above
    it, or to stderr where there are none. ``verbose`` alone decides about them, unless
    a level is set on that very logger:
    ``logging.getLogger("sklgd").setLevel("WARNING")`` silences them.

    From scikit-learn 1.9 on, `set_callbacks` takes its callbacks, such as
    `sklearn.callback.ScoringMonitor` and `sklearn.callback.ProgressBar` (which needs
    rich). `fit` is a task with a subtask ``"epoch"`` for each epoch, at whose end
    a callback may ask for a model with that epoch's coefficients (those kept, if it was
    undone; the current ones with ``early_stopping``), and may end the run.
    `partial_fit` calls none.

    Examples
    --------
    Raw features, no scaler:

    >>> from sklearn.datasets import load_wine
    >>> from sklgd import GDClassifier
    >>> X, y = load_wine(return_X_y=True)
    >>> model = GDClassifier(random_state=0).fit(X, y)
    >>> model.score(X, y)
    1.0
    >>> model.predict_proba(X[:1]).round(3)
    array([[1., 0., 0.]])

    Mini-batch Adam:

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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Of a degenerate loss, an exact solver finds the minimum at zero coefficients.
        degenerate = isinstance(self.loss, str) and getattr(
            LOSSES.get(self.loss), "degenerate", False
        )
        exact = optimizer_class(self).why_no_stream is not None
        tags.classifier_tags.poor_score = degenerate and exact
        return tags

    def _validate(self, X, y="no_validation", reset=True, **kwargs):
        if not isinstance(y, str) and y is not None:
            check_one_label_per_row(y)
        return super()._validate(X, y, reset, **kwargs)

    @all_or_nothing
    def fit(
        self,
        X,
        y,
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
            float32 and float64 are used as they are; CSR is the sparse format that
            needs no conversion.
        y : array-like of shape (n_samples,)
            Class labels, numbers or strings.
        sample_weight : array-like of shape (n_samples,), default=None
            Non-negative weights; only their ratios matter. They multiply the class
            weights. A row of weight zero is treated as if it were absent, except that
            its label is among ``classes_``.
        coef_init : array-like shaped like ``coef_``, default=None
            Starting coefficients.
        intercept_init : array-like shaped like ``intercept_``, default=None
            The same for the intercept. Without effect with ``fit_intercept=False``.
        X_val, y_val, sample_weight_val : array-likes, default=None
            Validation set for ``validation_scores_`` and, with
            ``early_stopping=True``, in place of the internal split.

        Returns
        -------
        self : GDClassifier

        Raises
        ------
        ValueError
            For a parameter, label or weight that makes no sense.

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
        n_outputs = _count_outputs(classes)
        start = self._start(coef_init, intercept_init, X.shape[1], n_outputs)
        self.classes_ = classes
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
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Learn rows that are not seen again, continuing from the last call.

        With ``optimizer="auto"`` and ``learning_rate="auto"`` this is online learning
        of single rows (`sklgd.optimizers.Online`), whatever the size of the chunks.
        After a `fit` it goes on from the coefficients.

        With an explicit learning rate it is one epoch, and two calls on the same data
        are two epochs of `fit`. The step count, the optimizer's moments, the schedule
        and the shuffle stream go on; after a `fit` they go on from there, if its
        optimizer learns from streams, otherwise from the coefficients.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
            Class labels, all of them among ``classes``.
        classes : array-like of shape (n_classes,), default=None
            All labels that will ever occur; needed in the first call.
        sample_weight : array-like of shape (n_samples,), default=None
            In units of the mean weight of all rows seen so far; in online learning a
            weight of 3 is three rows, unless that mean is below 1/8 or above 8. A call
            in which all weights are zero changes nothing; if it is the first one, the
            model becomes one of zeros that still waits for its first rows.

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
        self._check_classes(classes, first)
        _, _, target, weights = self._known(X, y, sample_weight, all_zero=True)
        n_outputs = _count_outputs(self.classes_)
        return self._partial_fit(X, target, weights, n_outputs)

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
        objective. One pass over the blocks counts rows and labels and keeps evenly
        spaced rows, up to 64 MB. If these are all rows, they are fitted in memory.
        Otherwise the run starts at their optimum, and each step takes a pass over the
        blocks, most often.

        Parameters
        ----------
        blocks : sklgd.blocks.Blocks, callable or list
            A source of `sklgd.blocks`, a function that returns an iterator over tuples
            (X, y) or (X, y, sample_weight), or a list of such tuples. Each pass must
            give the same rows.
        classes : array-like of shape (n_classes,), default=None
            All labels that may come. None takes those that the first pass finds.
        validation : tuple (X_val, y_val) or (X_val, y_val, sample_weight_val), or \
source of blocks, default=None
            Validation set for ``validation_scores_`` and ``early_stopping=True``. A
            source of blocks, as ``blocks`` is, that has more than 64 MB is read once
            after each epoch; ``scoring`` is None or "loss" then.
        engine : callable, default=None
            What runs the passes. None means this process, which reads the next block
            while one is at work. `sklgd.dask.Engine` runs them on a cluster.
        checkpoint : str or path, default=None
            Folder in which the results of the passes are stored. A fit with the same
            parameters, blocks and folder goes on from there after an interruption, and
            gives the same bits. Other parameters and other blocks are refused.

        Returns
        -------
        self : GDClassifier
            ``n_passes_`` is the number of passes over ``blocks``.

        Raises
        ------
        ValueError
            For a parameter, label, weight or block that makes no sense. A note of the
            exception says which block of which part it was.

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
        table = description.labels
        if classes is not None:
            table += LabelTable(classes, *np.zeros((2, len(classes))))
        self._same_classes(table.labels)
        n_classes = len(table.labels)
        n_outputs, codes = _count_outputs(table.labels), np.arange(n_classes)
        start = self._start(None, None, self.n_features_in_, n_outputs)
        self.classes_ = table.labels
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

    def decision_function(self, X):
        """Raw predictions X w + b.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        z : ndarray of shape (n_samples,) or (n_samples, n_classes)
            With two classes one column, positive for ``classes_[1]``.
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
        y : ndarray of shape (n_samples,)
        """
        return self._labels(self._raw_prediction(X))

    @available_if(has_proba)
    def predict_proba(self, X):
        """Class probabilities (losses "log_loss" and "modified_huber" only).

        "log_loss" gives the sigmoid, or the softmax from three classes on;
        "modified_huber" gives (clip(z, -1, 1) + 1) / 2, normalised from three classes
        on (Zhang 2004).

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        p : ndarray of shape (n_samples, n_classes)
            Columns in the order of ``classes_``.
        """
        z = self._raw_prediction(X)
        return LOSSES[self.loss].probabilities(z)

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

        For tools that know scikit-learn's own classes: ONNX, PMML, skops. Its
        predictions are those of this model, to rounding.

        =================================  ==========================================
        loss                               model
        =================================  ==========================================
        log_loss                           LogisticRegression, C = 1/(alpha sum_i s_i)
        all others                         SGDClassifier
        =================================  ==========================================

        It is the class that minimises the same F, with the parameters that say so;
        those of the descent are scikit-learn's defaults. Signs of the coefficients are
        left out, because the classes have no such parameter. ``sum_i s_i`` counts all
        rows that `partial_fit` saw, with their class weights.

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
        return self.classes_[predicted_codes(z)]

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
        """Raise ValueError unless rows of two classes or more have a weight."""
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
        n_outputs = _count_outputs(self.classes_)
        return X, y, self._target(codes, n_outputs), weights

    def _begin(self, X, y):
        """Check X and y of a search, and remember the classes."""
        X, y = self._validate(X, y)
        self.classes_ = find_classes(y)
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
        target = self._target(codes, _count_outputs(self.classes_))
        return target, _times(per_class, codes, sample_weight)

    def _n_outputs(self, target):
        """Number of outputs for these targets."""
        return _count_outputs(self.classes_)

    def _target(self, codes, n_outputs):
        """Class codes as the loss takes them."""
        return targets_of(codes, n_outputs, LOSSES[self.loss].task)

    def _class_weights(self, y, codes, sample_weight):
        """The weight of each class, or None."""
        if self.class_weight is None:
            return None
        if isinstance(self.class_weight, dict):
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
            self.classes_ = classes
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
            "target": self._target(codes, _count_outputs(self.classes_)),
            "weights": weights,
            "rows": rows,
        }
        return {"data": data, "y": y_val, "sample_weight": sample_weight}

    def _judge(self, description, per_class):
        """How a pass over validation blocks judges labels and predictions."""
        self._unknown_to_validate(description.labels.labels)
        n_classes = len(self.classes_)
        factors = np.ones(n_classes) if per_class is None else per_class
        n_outputs, task = _count_outputs(self.classes_), LOSSES[self.loss].task
        truth = LabelsToJudge(self.classes_, factors, n_outputs, task)
        return truth, AccuracySums()

    def _unknown_to_validate(self, y_val):
        """Which validation labels are unknown; raises ValueError if that is wrong."""
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
        places = np.minimum(encode(y, self.classes_), len(self.classes_) - 1)
        return self.classes_[places] != y

    def _hold_out(self, y):
        codes = encode(y, self.classes_)
        return stratified_split(codes, self.validation_fraction, self.random_state)

    def _own_score(self, y, weights):
        codes = encode(y, self.classes_).astype(np.intp)
        codes[self._unknown(y)] = -1
        accuracy = Accuracy(codes, weights)
        return lambda z, loss, coef: accuracy(predicted_codes(z))


def _count_outputs(classes):
    """One for two classes, else one for each."""
    return 1 if len(classes) == 2 else len(classes)


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
