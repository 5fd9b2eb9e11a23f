"""The online learner that suits an optimizer, a loss and the shape of the data."""

from ..kernels._online import OnlineLearner

# Share of ``Online.prior_scale`` for losses with a log link, whose raw predictions are
# exponents (fitted to the counts of three data sets: a half does as well).
LOG_LINK = 0.25


# Columns up to which the second-order rule learns, too. A row takes O(columns^2): with
# 100 columns two and a half times as long as without it.
NARROW = 100


def make_learner(optimizer, loss, n_features, n_outputs, *, fit_intercept, centred,
                 classifies, penalty, multilabel=False):  # fmt: skip
    """A learner that has seen no row.

    Parameters
    ----------
    optimizer : Online
    loss : Loss
    n_features, n_outputs : int
    fit_intercept, centred, classifies : bool
        As in `OnlineLearner`.
    penalty : Penalty
    multilabel : bool, default=False
        As in `OnlineLearner`.
    """
    optimizer.check()
    loss = loss.in_streams
    centred = centred and fit_intercept
    second_order = (
        optimizer.second_order
        and centred
        and n_features <= NARROW
        and penalty.smooth
        and loss.twice_smooth
        and loss.link == "identity"
        and (n_outputs == 1 or loss.quadratic)
    )
    return OnlineLearner(
        loss,
        n_features,
        n_outputs,
        fit_intercept=fit_intercept,
        centred=centred,
        classifies=classifies,
        multilabel=multilabel,
        reach=optimizer.prior_scale * (LOG_LINK if loss.link == "log" else 1.0),
        power=optimizer.power,
        average=optimizer.average,
        l1=penalty.l1,
        l2=penalty.l2,
        second_order=second_order,
    )
