"""The search: models along the paths, their scores, and the choice of alpha."""

import math
from typing import Any

import numpy as np

# Alphas that are added to a default grid at an end where the best one lies, and how
# often.
ADDED, EXTENSIONS = 3, 2
# Smallest factor between added alphas.
LEAST_FACTOR = 4.0
# Alphas are added beside the best one where the next one is further away than this
# factor, unless the scores beside it differ by less than this share of their standard
# error: up to so many on each side, and so often. (Even steps of the degrees of freedom
# leave factors up to 1e3 where classes are nearly separable. On 1125 rows of text,
# neighbours at a factor of 9 cost 0.01 of the deviance explained.)
WIDE, FLAT, BETWEEN, REFINEMENTS = 10.0**0.5, 0.1, 3, 2
# Most alphas that are added to a default grid.
MOST_ADDED = ADDED * EXTENSIONS + 2 * BETWEEN * REFINEMENTS
# A gain of less than this share of the standard error of the score is none.
LITTLE = 0.01
# What stands for the standard error of a single fold, as a share of the range of the
# scores.
ONE_FOLD = 0.1


class Stopped(Exception):
    """A callback has ended the search."""


class Path:
    """Alphas with one share of l1, in decreasing order, and their scores.

    Attributes
    ----------
    l1_ratio : float
    alphas : list of float
    scores : list of ndarray of shape (n_folds,)
    coefs : list of list of ndarray
        Coefficients for each alpha and fold, if they are kept.
    is_complete : bool
        True if the largest alpha leaves constant models, as all larger ones do.
    """

    def __init__(self, l1_ratio, is_complete=False):
        self.l1_ratio, self.is_complete = l1_ratio, is_complete
        self.alphas: list[float] = []
        self.scores: list[Any] = []
        self.coefs: list[Any] = []

    def insert(self, index, other):
        """Insert the alphas of another path before the one with this index."""
        for name in ("alphas", "scores", "coefs"):
            getattr(self, name)[index:index] = getattr(other, name)


class Search:
    """Fits and judges the models of all candidates.

    Parameters
    ----------
    models : Models
    score : callable
        ``score(k)`` of the present model of fold k; greater is better.
    fold_weights : ndarray of shape (n_folds,)
    store_path : bool
        Whether coefficients are kept.
    listener : object
        Its ``before()`` is called before each candidate, ``after(search, path)`` after
        it; if that returns True, the search ends.

    Attributes
    ----------
    column_scale : ndarray of shape (n_features,) or None
        Standard deviations of the columns, which the caller sets if it stores paths.
    """

    column_scale: Any = None

    def __init__(self, models, score, fold_weights, store_path, listener):
        self.models, self.score, self.listener = models, score, listener
        self.fold_weights, self.store_path = fold_weights, store_path
        self.paths = []

    def run(self, l1_ratios, alphas_of, extend, is_complete):
        """Follow a path for each share of l1.

        Parameters
        ----------
        l1_ratios : list of float
        alphas_of : callable
            ``alphas_of(l1_ratio)`` gives alphas in decreasing order.
        extend : bool
            Whether alphas are added where the best one is at an end, or far from the
            next ones.
        is_complete : callable
            ``is_complete(l1_ratio)`` is True if the first alpha leaves constant models.
        """
        try:
            for l1_ratio in l1_ratios:
                path = Path(l1_ratio, is_complete(l1_ratio))
                self.paths.append(path)
                self.models.begin(l1_ratio)
                self.follow(path, alphas_of(l1_ratio))
                if extend:
                    self.extend(path)
                    self.refine(path)
        except Stopped:
            pass

    def follow(self, path, alphas):
        """Fit and judge the models for these alphas."""
        folds = range(len(self.fold_weights))
        for alpha in alphas:
            self.listener.before()
            self.models.advance(float(alpha))
            path.alphas.append(float(alpha))
            path.scores.append(np.array([self.score(k) for k in folds]))
            if self.store_path:
                path.coefs.append([self.models.coefficients(k).copy() for k in folds])
            if self.listener.after(self, path):
                raise Stopped

    def extend(self, path):
        """Add alphas as long as the best one is at an end."""
        for _ in range(EXTENSIONS):
            end = self.end_of(path)
            if end is None:
                return
            more = more_alphas(path.alphas, end == "weak")
            if end == "weak":
                self.follow(path, more)
                continue
            stronger = Path(path.l1_ratio)
            self.models.begin(path.l1_ratio)
            try:
                self.follow(stronger, more)
            finally:
                path.insert(0, stronger)

    def refine(self, path):
        """Add alphas between the best one and the next ones, where these are far."""
        for _ in range(REFINEMENTS):
            scores = np.array(path.scores)
            means, best = self.means(scores), best_of(self.means(scores))
            beside = [i for i in (best - 1, best + 1) if 0 <= i < len(means)]
            gains = means[best] - means[beside]
            if not (gains > FLAT * noise_of(scores, means)).any():
                return
            for i in (best, best - 1):
                if i >= 0:
                    self.add_between(path, i)

    def add_between(self, path, i):
        """Add alphas after the one with this index, if the next one is far."""
        pair = path.alphas[i : i + 2]
        if len(pair) < 2 or not 0.0 < WIDE * pair[1] < pair[0]:
            return
        n = min(BETWEEN, math.ceil(math.log(pair[0] / pair[1], WIDE)) - 1)
        between = Path(path.l1_ratio)
        # (From the constant model: the last models of the other folds have learnt from
        # the rows that a fold holds out.)
        self.models.begin(path.l1_ratio)
        self.models.advance(pair[0])
        try:
            self.follow(between, np.geomspace(pair[0], pair[1], n + 2)[1:-1])
        finally:
            path.insert(i + 1, between)

    def means(self, scores):
        """Mean scores of candidates; see `mean_scores`."""
        return mean_scores(np.array(scores), self.fold_weights)

    def grids(self):
        """Alphas and scores of all paths.

        Returns
        -------
        alphas : ndarray of shape (n_l1_ratios, n_alphas)
        scores : ndarray of shape (n_folds, n_l1_ratios, n_alphas)
            NaN where a callback has ended the search before.
        """
        longest = max(len(path.alphas) for path in self.paths)
        alphas = np.full((len(self.paths), longest), math.nan)
        scores = np.full((len(self.fold_weights), *alphas.shape), math.nan)
        for i, path in enumerate(self.paths):
            alphas[i, : len(path.alphas)] = path.alphas
            scores[:, i, : len(path.alphas)] = np.transpose(path.scores)
        return alphas, scores

    def coefs(self):
        """Coefficients of all models.

        Returns
        -------
        coefs : ndarray of shape (n_folds, n_l1_ratios, n_alphas, n_outputs, \
n_features + 1)
        """
        shape = self.paths[0].coefs[0][0].T.shape
        longest = max(len(path.alphas) for path in self.paths)
        n_folds = len(self.fold_weights)
        coefs = np.full((n_folds, len(self.paths), longest, *shape), math.nan)
        for i, path in enumerate(self.paths):
            for a, models in enumerate(path.coefs):
                for k, coef in enumerate(models):
                    coefs[k, i, a] = coef.T
        return coefs

    def end_of_best_path(self):
        """Which end of its path the best candidate is at, where that matters.

        Returns
        -------
        end : {"weak", "strong"} or None
            None if the step to the end has gained little, too, or the end is zero.
        """
        best = [self.means(path.scores).max() for path in self.paths]
        return self.end_of(self.paths[int(np.argmax(best))])

    def end_of(self, path):
        """The same of one path."""
        scores = np.array(path.scores)
        means, last = self.means(scores), len(scores) - 1
        best = best_of(means)
        if last < 1 or 0 < best < last or (best and not path.alphas[best]):
            return None
        neighbour = best - 1 if best else 1
        gain = means[best] - means[neighbour]
        if not gain > LITTLE * noise_of(scores, means):
            return None
        if best:
            return "weak"
        return None if path.is_complete else "strong"

    def candidates(self):
        """Arrays of all candidates: alphas, shares of l1, scores of the folds."""
        alphas = np.concatenate([path.alphas for path in self.paths])
        ratios = np.concatenate(
            [np.full(len(path.alphas), path.l1_ratio) for path in self.paths]
        )
        return alphas, ratios, np.concatenate([path.scores for path in self.paths])


def mean_scores(scores, weights):
    """Means over folds of scores of shape (n_alphas, n_folds), by the folds' weights.

    A fold whose score is not defined for an alpha is left out for all alphas.
    """
    defined = ~np.isnan(scores).any(axis=0)
    if not defined.any():
        return np.full(len(scores), np.nan)
    if not defined.all():
        scores, weights = scores[:, defined], weights[defined]
    return (scores * weights).sum(axis=1) / weights.sum()


def standard_errors(scores):
    """Standard errors of the means over folds."""
    defined = scores[:, ~np.isnan(scores).any(axis=0)]
    n = defined.shape[1]
    if n < 2:
        return np.full(len(scores), np.nan)
    return defined.std(axis=1, ddof=1) / np.sqrt(n)


def noise_of(scores, means):
    """Standard error of the best mean score.

    One fold has none: a share of the range of the scores takes its place.
    """
    error = standard_errors(scores)[best_of(means)]
    return ONE_FOLD * np.ptp(means[np.isfinite(means)]) if np.isnan(error) else error


def best_of(means):
    """Place of the best mean; of equal ones the first, which has the largest alpha."""
    return int(np.where(np.isnan(means), -np.inf, means).argmax())


def more_alphas(alphas, at_weak_end):
    """Alphas beyond an end of a default grid, in decreasing order."""
    last, before = (alphas[-1], alphas[-2]) if at_weak_end else (alphas[0], alphas[1])
    factor = max(before / last if at_weak_end else last / before, LEAST_FACTOR)
    steps = np.arange(1, ADDED + 1)
    if at_weak_end:
        return last * factor**-steps
    return last * factor ** steps[::-1]


def differences_to_the_best(scores, best):
    """Standard errors of the differences of scores to those of the best candidate.

    The folds are the same for all candidates, so that these are smaller than
    `standard_errors`.
    """
    return standard_errors(scores - scores[best])


def as_results(alphas, l1_ratios, scores, means):
    """The candidates as a dictionary, in the form of GridSearchCV's ``cv_results_``."""
    results: dict[str, Any] = {"param_alpha": alphas, "param_l1_ratio": l1_ratios}
    results["params"] = [
        {"alpha": alpha, "l1_ratio": ratio}
        for alpha, ratio in zip(alphas.tolist(), l1_ratios.tolist(), strict=True)
    ]
    for k in range(scores.shape[1]):
        results[f"split{k}_test_score"] = scores[:, k]
    results["mean_test_score"] = means
    defined = scores[:, ~np.isnan(scores).any(axis=0)]
    results["std_test_score"] = (
        defined.std(axis=1) if defined.shape[1] else np.full(len(means), math.nan)
    )
    results["se_test_score"] = standard_errors(scores)
    results["se_difference"] = differences_to_the_best(scores, best_of(means))
    order = np.where(np.isnan(means), -np.inf, means)
    results["rank_test_score"] = 1 + (order[:, None] < order).sum(axis=1)
    return results


def choose(select, results):
    """Place of the chosen candidate.

    Parameters
    ----------
    select : "best", "1se" or callable
    results : dict
        As `as_results` gives it.
    """
    means, errors = results["mean_test_score"], results["se_test_score"]
    if callable(select):
        index, n = select(results), len(means)
        integer = isinstance(index, (int, np.integer)) and not isinstance(index, bool)
        if not (integer and -n <= index < n):
            raise ValueError(
                f"select must return an index of the {n} candidates of cv_results_, "
                f"got {index!r}."
            )
        return int(index) % n
    best = best_of(means)
    if select == "best" or np.isnan(errors[best]):
        return best
    ratios, alphas = results["param_l1_ratio"], results["param_alpha"]
    good = (ratios == ratios[best]) & (means >= means[best] - errors[best])
    return int(np.flatnonzero(good)[alphas[good].argmax()])
