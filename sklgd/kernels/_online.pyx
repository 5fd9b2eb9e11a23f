"""Online learning of single rows: the loop over rows of `sklgd.optimizers.Online`.

Each row is read once. First the sizes of its columns are updated, then the row is
predicted and the loss of the prediction is recorded, then a proximal step learns the row.
A row changes only the numbers of its own active features. So a call costs
O(entries * n_outputs), whatever the number of features.

Every row is one step, and so is the update of its statistics: the result does not depend
on how a stream is cut into chunks. The changes of a call can be undone (`undo`).
"""
cimport cython
from cpython.exc cimport PyErr_CheckSignals
from libc.math cimport ceil, exp, fabs, isfinite, log
from libc.stdint cimport int64_t
from libc.string cimport memcpy, memset

import numpy as np

from sklgd.kernels._least_squares cimport RecursiveLeastSquares
from sklgd.kernels._loss_function cimport POINTS
from sklgd.kernels._online_rule cimport (
    ABSOLUTES, ACTIVE, AVERAGE, AVERAGE_WEIGHT, CALL, CONSTANT, CONSTANT_CURVATURE,
    CONSTANT_LOSS, CONSTANT_MODEL, DEVIATIONS, DUAL, ERROR, FIRST_ORDER, FIRST_ROWS, FULL_HEDGE,
    FULL_LEAST, FULL_MODEL, FULL_SHARE, HEDGE, HISTORY, HITS, INTERCEPT, INTERCEPT_LAG, ITERATE,
    JUDGED, LAG, LARGE, LAST, LEAST, LOSS, MARK, MEAN, MIXTURE, MOST, N_AGAIN, N_COLUMN,
    N_FIRST, N_FIRST_ROWS, N_OUTPUT, PLACE, REPEATED, ROWS, SATURATED, SCALE_KNOWN,
    SECOND_ORDER, SHARE, SIZE, SPREAD, STEPS, TARGET, TIME, TINY, WEIGHT, WEIGHTS, ZERO, OnlineRule,
    at_least, at_most, is_in_another_unit)
from sklgd.kernels._rows cimport Rows

# Steps of a row of large weight: one of weight 3 is learnt as three rows.
cdef double MOST_COPIES = 8.0
# Mean weights within this range are used as they are; otherwise weights are relative.
cdef double LARGE_WEIGHT = 8.0
# Initial logarithm of the odds of the first-order rule against the second-order one.
cdef double FIRST_ODDS = -1.386294361119891
# Past rows weigh like t^FADING in the second-order rule.
cdef double FADING = 0.5
# Share of the prior that may fade before it is given back.
cdef double MOST_FADED = 0.25
# First steps that are taken anew if an outlier has hidden the size of a column: so many
# rows show the size of one of normal distribution.
cdef Py_ssize_t EARLY = 40
# Rows before which a regression on centred columns is reported as a constant: fewer hardly
# show the sizes of the columns. (On eleven tables, in 60 orders each, predictions of the third
# row had up to 3e9 times the loss of a constant, those of the fourth up to 1e6 times, and
# those of the fifth up to 30 times.)
cdef double FEWEST = 4.0
# Entries that distinguish a row from others, about.
cdef Py_ssize_t ENTRIES_NOTED = 16
# Entries after which signals are looked for.
cdef Py_ssize_t ENTRIES_PER_CHUNK = 2000000


cdef inline double share_of(double odds) noexcept nogil:
    """Share of the second of two models, given the logarithm of the odds of the first."""
    return 1.0 / (1.0 + exp(at_least(at_most(odds, 50.0), -50.0)))


@cython.final
cdef class OnlineLearner(OnlineRule):
    """A linear model that learns single rows, and the losses of its predictions.

    Parameters
    ----------
    loss, n_features, n_outputs, **options
        As in `OnlineRule`.
    classifies : bool
        True if the prediction is a class: that of the largest output, or the sign.
    multilabel : bool, default=False
        True if it is the set of the outputs that are positive.
    second_order : bool
        True if recursive least squares learn as well, for centred columns and a loss with
        one output or of constant second derivative: then the model reported is a mixture
        of both.

    Attributes
    ----------
    definition : Loss
    bad_column : int
        Column of an entry that is too large, after `learn` has returned False; -1 if it
        was the model that overflowed float64.
    """

    cdef readonly bint classifies, multilabel, second_order
    cdef bint robust, separate_targets
    cdef readonly Py_ssize_t bad_column
    cdef readonly RecursiveLeastSquares full
    cdef object own_array
    # Shares of the average in the prediction reported, and of the second-order rule.
    cdef double* averaged
    cdef double* full_share
    cdef double* full_z
    cdef double* f
    # Records as they were before this call.
    cdef object saved_array, saved_columns_array, saved_scalars
    cdef double* saved
    cdef Py_ssize_t* saved_columns
    cdef Py_ssize_t n_saved
    # The first rows: values, weight and targets of each; only of centred columns.
    cdef object early_array
    cdef double* early
    cdef Py_ssize_t early_size

    def __init__(self, loss, Py_ssize_t n_features, Py_ssize_t n_outputs, *,
                 bint classifies, bint second_order, bint multilabel=False, **options):
        cdef double[::1] own
        OnlineRule.__init__(
            self, loss, n_features, n_outputs, second_order=second_order, **options)
        self.classifies, self.multilabel = classifies, multilabel
        self.separate_targets = loss.separate_targets
        self.second_order = second_order
        self.robust = self.regression and loss.linear_tails
        self.full = RecursiveLeastSquares(
            n_features if second_order else 0, n_outputs)
        self.bad_column = -1
        self.output_array[SHARE] = self.output_array[FULL_SHARE] = 1.0
        self.output_array[FULL_HEDGE] = FIRST_ODDS
        self.own_array = np.zeros(4 * n_outputs)
        own = self.own_array
        self.averaged, self.full_share = &own[0], &own[n_outputs]
        self.full_z, self.f = &own[2 * n_outputs], &own[3 * n_outputs]

    # -------------------------------------------------------------------- the loop

    def learn(self, Rows rows, const double[::1] y, const double[::1] weights,
              const Py_ssize_t[::1] order, bint undoable=True):
        """Learn rows one after the other.

        Parameters
        ----------
        rows : Rows
        y : float64 array
            Targets of all rows, as in `Loss.evaluate`, flat.
        weights : float64 array of shape (n_samples,) or None
        order : intp array
            Numbers of the rows, in the order in which they are learnt.
        undoable : bool, default=True
            Whether `undo` must be possible.

        Returns
        -------
        done : bool
            False if a number overflowed float64; `bad_column` is then the column of X. The
            caller must undo the call.
        """
        cdef Py_ssize_t i = 0, n = order.shape[0], entries
        cdef const double* s = NULL
        cdef bint good = True
        if weights is not None:
            s = &weights[0]
        if n == 0:
            return True
        self.reserve(rows, &order[0], n)
        self.begin(rows, &order[0], n, undoable)
        self.begin_row_by_row()
        try:
            while i < n and good:
                with nogil:
                    entries = 0
                    while i < n and good and entries < ENTRIES_PER_CHUNK:
                        good = self.learn_one(
                            rows, &y[0], s, &order[0], i, n, undoable)
                        entries += self.n_entries * self.n_outputs + 16
                        i += 1
                PyErr_CheckSignals()
        finally:
            self.end_row_by_row()
        return good

    cdef reserve(self, Rows rows, const Py_ssize_t* order, Py_ssize_t n):
        """Make room for the longest of these rows."""
        cdef Py_ssize_t i, most = 1
        if self.centred or not rows.is_sparse:
            most = self.n_features
        else:
            for i in range(n):
                most = max(most, rows.n_entries(order, i, 1))
        self.reserve_entries(most)

    cdef begin(self, Rows rows, const Py_ssize_t* order, Py_ssize_t n, bint undoable):
        """Begin a call, in which each record is saved before its first change."""
        cdef double[::1] saved
        cdef Py_ssize_t[::1] columns
        cdef Py_ssize_t most = self.n_features
        self.saved_array, self.n_saved = None, 0
        self.small_column = -1
        self.reserve_early()
        early = self.early_array
        self.saved_scalars = (
            self.stream_array.copy(), self.output_array.copy(), self.full.table.copy(),
            None if early is None else early.copy())
        self.stream[CALL] += 1.0
        if undoable:
            if not self.centred and rows.is_sparse:
                most = min(most, rows.n_entries(order, 0, n))
            self.saved_array = np.empty(max(1, most) * self.stride)
            self.saved_columns_array = np.empty(max(1, most), dtype=np.intp)
            saved, columns = self.saved_array, self.saved_columns_array
            self.saved, self.saved_columns = &saved[0], &columns[0]
            if self.centred:
                # Every row changes all of them.
                memcpy(self.saved, self.records, most * self.stride * sizeof(double))
                self.saved_columns_array[:] = np.arange(most)
                self.n_saved = most

    cdef reserve_early(self):
        """Allocate memory for the first rows, or free it when they have been learnt."""
        cdef double[:, ::1] early
        if not (self.centred and self.stream[HISTORY] == 0.0
                and self.stream[STEPS] < EARLY):
            self.early_array = None
        elif self.early_array is None:
            self.early_size = self.n_features + 1 + self.n_outputs
            self.early_array = np.zeros((EARLY + 3, self.early_size))
        if self.early_array is not None:
            early = self.early_array
            self.early = &early[0, 0]

    def undo(self):
        """Undo the last call of `learn`."""
        cdef Py_ssize_t i
        if self.saved_array is None:
            return
        for i in range(self.n_saved):
            memcpy(self.records + self.saved_columns[i] * self.stride,
                   self.saved + i * self.stride, self.stride * sizeof(double))
        stream, outputs, full, early = self.saved_scalars
        self.stream_array[:], self.output_array[:], self.full.table[:] = (
            stream, outputs, full)
        if early is not None:
            self.early_array[:] = early
        self.release()

    def release(self):
        """Discard the saved records: the last call can no longer be undone."""
        self.saved_array = self.saved_columns_array = self.saved_scalars = None
        self.n_saved = 0

    cdef bint load(self, Rows rows, const Py_ssize_t* order, Py_ssize_t i,
                   Py_ssize_t n) noexcept nogil:
        """Read a row: its columns and values, without zeros where none are needed.

        False if a value is too large.
        """
        cdef Py_ssize_t p, count = 0
        cdef int found
        cdef Py_ssize_t[2] first
        if self.centred or not rows.is_sparse:
            rows.densify(order, i, 1, n, self.values)
            self.n_entries = self.n_features
            if self.centred:
                return not self.inspect() & LARGE
            for p in range(self.n_features):
                self.columns[p] = p
        else:
            rows.ask(order, i, n)
            if i + 1 < n:
                rows.ask_features(order, i + 1, self.records, self.stride)
            rows.entries(order, i, 1, first, self.columns, self.values)
            self.n_entries = first[1]
        found = self.inspect()
        if found & ZERO:
            for p in range(self.n_entries):
                if self.values[p] != 0.0:
                    self.values[count] = self.values[p]
                    self.columns[count] = self.columns[p]
                    count += 1
            self.n_entries = count
        return not found & LARGE

    cdef void load_target(self, const double* y, Py_ssize_t row) noexcept nogil:
        """The targets of a row: a code for a coupled loss, else a number per output."""
        cdef Py_ssize_t k, K = self.n_outputs
        if self.separate_targets:
            memcpy(self.target, y + row * K, K * sizeof(double))
        elif self.coupled or K == 1:
            self.target[0] = y[row]
        else:
            for k in range(K):
                self.target[k] = 1.0 if y[row] == k else -1.0

    cdef bint learn_one(
            self, Rows rows, const double* y, const double* s, const Py_ssize_t* order,
            Py_ssize_t i, Py_ssize_t n, bint undoable) noexcept nogil:
        """Learn the row at a position of ``order``; False if a number overflowed float64."""
        cdef double w = 1.0 if s == NULL else s[order[i]], mean, copies
        cdef Py_ssize_t p
        cdef double* stream = self.stream
        self.n_entries = 0
        if w == 0.0:
            return True
        if not self.load(rows, order, i, n):
            for p in range(self.n_entries):
                if not fabs(self.values[p]) <= MOST:
                    self.bad_column = self.columns[p]
                    return False
        self.load_target(y, order[i])
        if undoable and not self.centred:
            self.save()
        if stream[REPEATED] == 0.0:
            self.note_row()
        stream[ROWS] += 1.0
        stream[WEIGHTS] += w
        mean = stream[WEIGHTS] / stream[ROWS]
        if not 1.0 / LARGE_WEIGHT <= mean <= LARGE_WEIGHT:
            w /= mean
        self.bad_column = -1
        copies = at_most(at_least(ceil(w), 1.0), MOST_COPIES)
        for p in range(<Py_ssize_t> copies):
            if self.keeps_early() and stream[STEPS] < EARLY:
                self.keep_early(w / copies)
            if not self.learn_copy(w / copies, w if p == 0 else 0.0):
                return False
            if self.keeps_early() and stream[STEPS] == EARLY:
                if not self.learn_early_anew():
                    return False
        return True

    # -------------------------------------------------------------- the first rows

    cdef void note_row(self) noexcept nogil:
        """Record whether the row equals one of the first rows, to find out if rows repeat.

        They repeat once each of a few different rows has occurred again.
        """
        cdef double* stream = self.stream
        cdef double* first = stream + FIRST_ROWS
        cdef double row = self.row_number()
        cdef Py_ssize_t i, n = <Py_ssize_t> stream[N_FIRST]
        cdef Py_ssize_t again = <Py_ssize_t> stream[N_AGAIN]
        for i in range(n):
            if first[i] == row:
                if i >= again:
                    first[i], first[again] = first[again], row
                    stream[N_AGAIN] += 1.0
                    if again + 1 == N_FIRST_ROWS:
                        stream[REPEATED] = stream[TIME]
                return
        if n < N_FIRST_ROWS:
            first[n] = row
            stream[N_FIRST] += 1.0

    cdef double row_number(self) noexcept nogil:
        """A number computed from some entries, which distinguishes the row from most others."""
        cdef double number = self.target[0]
        cdef Py_ssize_t p, pace = 1 + (self.n_entries - 1) // ENTRIES_NOTED
        p = 0
        while p < self.n_entries:
            number = number * 0.75 + self.values[p] * (1.0 + (self.columns[p] & 1023))
            p += pace
        return number

    cdef bint keeps_early(self) noexcept nogil:
        return self.centred and self.stream[HISTORY] == 0.0

    cdef void keep_early(self, double w) noexcept nogil:
        """Store the row, which is one of the first."""
        cdef double* row = self.early + (
            <Py_ssize_t> self.stream[STEPS]) * self.early_size
        memcpy(row, self.values, self.n_features * sizeof(double))
        row[self.n_features] = w
        memcpy(row + self.n_features + 1, self.target, self.n_outputs * sizeof(double))

    cdef bint learn_early_anew(self) noexcept nogil:
        """Learn the first rows again without their outliers, if there are any.

        An entry in another unit, in a column whose size is not known yet, would make the
        size so large that the column has no effect any more. A target in another unit would
        make all steps too large; it is learnt where outliers change the model.
        """
        cdef double* out = self.outputs
        cdef double* row
        cdef double* stream = self.stream
        cdef double* last = self.early + EARLY * self.early_size
        cdef double* losses = last + self.early_size
        cdef Py_ssize_t i, j, k, d = self.n_features, K = self.n_outputs
        cdef bint found = False, good = True
        for j in range(d):
            found |= self.replace_outlier(j)
        if self.robust:
            for j in range(d + 1, d + 1 + K):
                found |= self.replace_outlier(j)
        if not found:
            return True
        memcpy(last, self.values, d * sizeof(double))
        memset(self.row.fields, 0, self.stride * self.row.room * sizeof(double))
        stream[TIME] = stream[STEPS] = stream[ACTIVE] = stream[AVERAGE_WEIGHT] = 0.0
        self.full.forget()
        # (The losses of the predictions stay.)
        memset(out, 0, LOSS * K * sizeof(double))
        memset(out + FULL_SHARE * K, 0, (N_OUTPUT - FULL_SHARE) * K * sizeof(double))
        for k in range(K):
            out[SHARE * K + k] = out[FULL_SHARE * K + k] = 1.0
            out[FULL_HEDGE * K + k] = FIRST_ODDS
        memcpy(losses, out + LOSS * K, 2 * K * sizeof(double))
        for i in range(EARLY):
            row = self.early + i * self.early_size
            memcpy(self.values, row, d * sizeof(double))
            memcpy(self.target, row + d + 1, K * sizeof(double))
            good = good and self.learn_copy(row[d], 0.0)
        # (There may be more copies of the last row.)
        memcpy(self.values, last, d * sizeof(double))
        memcpy(out + LOSS * K, losses, 2 * K * sizeof(double))
        return good

    cdef bint replace_outlier(self, Py_ssize_t j) noexcept nogil:
        """Replace an outlier among the first entries of a column by the others' mean.

        Targets follow the columns and the weight of their row. True if there is an outlier;
        only the largest and the smallest entry are compared with the others.
        """
        cdef double* column = self.early + j
        cdef Py_ssize_t i, side, at, step = self.early_size
        cdef double mean, total, squares, absolutes, x
        for side in range(2):
            at = 0
            for i in range(EARLY):
                if (column[i * step] > column[at * step]) == (side == 0) and (
                        column[i * step] != column[at * step]):
                    at = i
            mean = total = squares = absolutes = 0.0
            for i in range(EARLY):
                if i != at:
                    total += column[i * step + self.n_features - j]
                    mean += column[i * step + self.n_features - j] * column[i * step]
            mean /= total
            for i in range(EARLY):
                if i != at:
                    x = column[i * step] - mean
                    squares += column[i * step + self.n_features - j] * x * x
                    absolutes += column[i * step + self.n_features - j] * fabs(x)
            if is_in_another_unit(column[at * step] - mean, squares, absolutes):
                column[at * step] = mean
                return True
        return False

    cdef void save(self) noexcept nogil:
        """Save the records of this row that this call has not changed yet."""
        cdef Py_ssize_t p
        cdef double* record
        for p in range(self.n_entries):
            record = self.records + self.columns[p] * self.stride
            if record[MARK] != self.stream[CALL]:
                self.saved_columns[self.n_saved] = self.columns[p]
                memcpy(self.saved + self.n_saved * self.stride, record,
                       self.stride * sizeof(double))
                self.n_saved += 1
                record[MARK] = self.stream[CALL]

    cdef bint learn_copy(self, double w, double judged) noexcept nogil:
        """One step with a row, of weight w; ``judged`` is its weight as a prediction."""
        cdef double* stream = self.stream
        cdef Py_ssize_t k, K = self.n_outputs
        cdef bint first = stream[STEPS] == 0.0 and stream[HISTORY] == 0.0
        stream[STEPS] += 1.0
        stream[TIME] += w
        self.measure_columns(w)
        if stream[STEPS] == 1.0 and stream[HISTORY] > 0.0:
            # The intercept of a fit, in coordinates that are centred from now on.
            for k in range(K):
                self.outputs[CONSTANT * K + k] = self.outputs[INTERCEPT * K + k]
        self.measure_targets(w, first)
        if self.l1 > 0.0 or self.l2 > 0.0:
            self.apply_penalty(w)
        self.find_shares()
        self.predict()
        if self.second_order:
            self.load_full(w, first)
        for k in range(K):
            if not isfinite(self.z[k] + self.lag[k] + self.full_z[k]):
                return False
        self.find_points()
        if not (first and self.regression):
            self.judge(w, judged, first)
            for k in range(self.n_groups):
                if not self.awaits_scale(k * self.group):
                    self.outputs[CONSTANT_LOSS * K + k] += judged * self.point_value[
                        k * POINTS + CONSTANT_MODEL]
        self.find_constant_step(w)
        if self.second_order:
            self.find_full_step(w)
        self.find_step(w)
        self.find_next()
        self.step_constant(w)
        self.step(w)
        if self.second_order:
            self.step_full(w)
        stream[AVERAGE_WEIGHT] += w * self.average_weight()
        for k in range(K):
            if not isfinite(self.outputs[CONSTANT * K + k]):
                return False
        return True

    # --------------------------------------------------------------- the judgement

    cdef void find_shares(self) noexcept nogil:
        """Shares of the average and of the second-order rule in the reported model."""
        cdef Py_ssize_t i
        for i in range(self.n_groups):
            self.averaged[i] = share_of(self.outputs[HEDGE * self.n_outputs + i])
            if self.second_order:
                self.full_share[i] = share_of(
                    self.outputs[FULL_HEDGE * self.n_outputs + i])

    cdef void find_points(self) noexcept nogil:
        """Raw predictions of all models, and their losses.

        With the constant model c, the reported first-order model is
        c + a (z - mu lag - c), where mu is the share of the average.
        """
        cdef double c, a, first, second
        cdef double* point
        cdef Py_ssize_t i, k, step = self.model_step, K = self.n_outputs
        for i in range(self.n_groups):
            a = self.outputs[SHARE * K + i]
            for k in range(i * self.group, (i + 1) * self.group):
                point = self.point + k * self.output_step
                c = self.outputs[CONSTANT * K + k]
                self.f[k] = self.z[k] - self.averaged[i] * self.lag[k]
                first = c + a * (self.f[k] - c)
                point[ITERATE * step] = self.z[k]
                point[CONSTANT_MODEL * step] = c
                if self.second_order:
                    point[FULL_MODEL * step] = self.full_z[k]
                point += self.n_learnt * step
                point[FIRST_ORDER * step] = self.new[k] = first
                point[LAST * step] = c + a * (self.z[k] - c)
                point[AVERAGE * step] = c + a * (self.z[k] - self.lag[k] - c)
                if self.second_order:
                    second = c + self.outputs[FULL_SHARE * K + i] * (self.full_z[k] - c)
                    self.new[k] += self.full_share[i] * (second - first)
                    point[SECOND_ORDER * step] = second
                    point[MIXTURE * step] = self.new[k]
            self.evaluate_points(i)

    cdef void adapt_share(
            self, Py_ssize_t i, const double* z, Py_ssize_t model, Py_ssize_t slot,
            double w) noexcept nogil:
        """A step of the share a of a model that predicts c + a (z - c).

        c is the constant model. Online Newton steps on the progressive loss change a in
        [0, 1]; two slots of the outputs hold a and the curvature of these steps.
        """
        cdef double* share = self.outputs + slot * self.n_outputs + i
        cdef double* total = share + self.n_outputs
        cdef double f, gradient = 0.0, curvature = 0.0, steps = self.stream[STEPS]
        cdef Py_ssize_t k, at, start = i * self.group
        for k in range(start, start + self.group):
            at = k * self.output_step + (self.n_learnt + model) * self.model_step
            f = z[k] - self.outputs[CONSTANT * self.n_outputs + k]
            gradient += self.point_g[at] * f
            curvature += self.point_h[at] * f * f
        gradient /= self.unit[start]
        curvature /= self.unit[start]
        if not self.quadratic:
            curvature = at_least(curvature, gradient * gradient)
        total[0] = total[0] * (1.0 - 1.0 / (steps + 1.0)) + w * curvature
        # (The rows of a fit count as that many rows of the mean curvature.)
        curvature = total[0] * (1.0 + self.stream[HISTORY] / steps)
        share[0] = at_most(
            at_least(share[0] - w * gradient / (1.0 + curvature), 0.0), 1.0)

    cdef double hedge_unit(
            self, Py_ssize_t i, Py_ssize_t slot, double lower) noexcept nogil:
        """Unit in which losses of two predictions are compared.

        It is one where losses are negative log-likelihoods, otherwise twice the running
        mean of the lower loss, which a slot of the outputs holds.
        """
        cdef double* lowest = self.outputs + slot * self.n_outputs + i
        if self.log_link or not self.regression:
            return self.unit[i * self.group]
        lowest[0] += (lower - lowest[0]) * 2.0 / (self.stream[STEPS] + 2.0)
        return 2.0 * lowest[0] + 1e-300

    cdef void judge(self, double w, double judged, bint first) noexcept nogil:
        """Record the losses of the predictions of the row, and adapt the mixture of models.

        The share of the average follows the exponentially weighted losses of the last
        iterate and the average. With the second-order rule a mixture of both models is
        reported, whose share follows theirs.
        """
        cdef double* out = self.outputs
        cdef const double* value
        cdef double change, one, other, steps = self.stream[STEPS]
        cdef Py_ssize_t i, k, K = self.n_outputs
        for i in range(self.n_groups):
            value = self.point_value + i * POINTS + self.n_learnt
            if not self.awaits_scale(i * self.group):
                out[LOSS * K + i] += judged * value[
                    MIXTURE if self.second_order else FIRST_ORDER]
            if first or not self.unit[i * self.group] > 0.0:
                continue
            self.adapt_share(i, self.f, FIRST_ORDER, SHARE, w)
            if self.second_order:
                self.adapt_share(i, self.full_z, SECOND_ORDER, FULL_SHARE, w)
                one, other = value[FIRST_ORDER], value[SECOND_ORDER]
                change = w * (other - one) / self.hedge_unit(
                    i, FULL_LEAST, at_most(other, one))
                out[FULL_HEDGE * K + i] *= 1.0 - 1.0 / (steps + 1.0)
                out[FULL_HEDGE * K + i] += at_most(at_least(change, -1.0), 1.0)
            one, other = value[LAST], value[AVERAGE]
            out[HEDGE * K + i] *= 1.0 - 2.0 / (steps + 2.0)
            out[HEDGE * K + i] += w * (other - one) / self.hedge_unit(
                i, LEAST, at_most(one, other))
        if judged > 0.0:
            self.stream[JUDGED] += judged
            if self.classifies:
                self.stream[HITS] += judged * self.is_hit()
            else:
                for k in range(K):
                    self.count_error(k, judged)

    cdef void count_error(self, Py_ssize_t k, double judged) noexcept nogil:
        """Update the terms of the score of an output: errors, and the spread of targets."""
        cdef double* out = self.outputs
        cdef double* mean = out + TARGET * self.n_outputs + k
        cdef double* spread = out + SPREAD * self.n_outputs + k
        cdef double y = self.target[k], before = mean[0], error, share
        share = judged / self.stream[JUDGED]
        error = y - before
        mean[0] += share * error
        if not self.log_link:
            spread[0] += judged * error * error * (1.0 - share)
            error = self.new[k] - y
            out[ERROR * self.n_outputs + k] += judged * error * error
            return
        # The deviance of the targets so far from a new mean is that from the old one,
        # plus that of so many targets that equal the old mean.
        spread[0] += judged * self.deviance(y, mean[0])
        if share < 1.0:
            spread[0] += (self.stream[JUDGED] - judged) * self.deviance(before, mean[0])
        if y > 0.0:
            out[SATURATED * self.n_outputs + k] += judged * self.loss.value_at(
                self.loss, y, log(y))

    cdef double deviance(self, double y, double mean) noexcept nogil:
        """Half the deviance of a target from a mean, for a loss with a log link."""
        cdef double best = 0.0
        if not mean > 0.0:
            # (No mean but that of a normal distribution is.)
            return 0.5 * (y - mean) * (y - mean)
        if y > 0.0:
            best = self.loss.value_at(self.loss, y, log(y))
        return self.loss.value_at(self.loss, y, log(mean)) - best

    cdef bint is_hit(self) noexcept nogil:
        """True if the prediction ``new`` is the class of the row."""
        cdef Py_ssize_t k, best = 0, true = 0, K = self.n_outputs
        if K == 1 or self.multilabel:
            for k in range(K):
                if (self.new[k] > 0.0) != (self.target[k] > 0.0):
                    return False
            return True
        for k in range(1, K):
            if self.new[k] > self.new[best]:
                best = k
            if not self.coupled and self.target[k] > self.target[true]:
                true = k
        if self.coupled:
            true = <Py_ssize_t> self.target[0]
        return best == true

    cdef void find_constant_step(self, double w) noexcept nogil:
        """Learning rates of the constant model, the same rule with an intercept only."""
        cdef const double* total = self.outputs + CONSTANT_CURVATURE * self.n_outputs
        cdef double precision
        cdef Py_ssize_t k, at
        for k in range(self.n_outputs):
            at = k * self.output_step + CONSTANT_MODEL * self.model_step
            precision = (
                self.intercept_precision(k, 1.0) + total[k] + w * self.point_h[at]
                + self.known_curvature(1.0, k))
            self.next_q[at] = (
                w / precision if self.fit_intercept and 0.0 < precision < 1e300 else 0.0)

    cdef void step_constant(self, double w) noexcept nogil:
        """The step of the constant model."""
        cdef double* constant = self.outputs + CONSTANT * self.n_outputs
        cdef double* total = self.outputs + CONSTANT_CURVATURE * self.n_outputs
        cdef double h
        cdef Py_ssize_t k, at
        if not self.fit_intercept:
            return
        for k in range(self.n_outputs):
            at = k * self.output_step + CONSTANT_MODEL * self.model_step
            h = self.point_h[at]
            if not self.smooth:
                h = self.unit_curvature(k, self.point_g[at], self.next_c[at])
            constant[k] -= self.next_q[at] * self.next_c[at]
            total[k] += w * h

    # ------------------------------------------------------------ the second order

    cdef void load_full(self, double w, bint first) noexcept nogil:
        """Predict the row by the second-order rule, after its priors are updated."""
        cdef double active = at_least(self.stream[ACTIVE] / self.stream[TIME], 1.0)
        cdef double share = active / (self.reach * self.reach)
        cdef const double* size = self.field(SIZE)
        cdef const double* prior = self.full.prior
        cdef int64_t grows = 0
        cdef Py_ssize_t j, k, d = self.n_features
        self.full.load(self.x, self.field(PLACE))
        self.full.trust(d, 1e-6 if self.quadratic else 1.0 / (self.reach * self.reach))
        for j in range(d):
            grows |= size[j] * size[j] * share > 2.0 * prior[j]
        if grows:
            for j in range(d):
                self.full.trust(j, size[j] * size[j] * share)
        if first and self.regression:
            for k in range(self.n_outputs):
                self.full.coef[k * self.full.stride + d] = self.target[k]
        self.full.predict(self.full_z)

    cdef void find_full_step(self, double w) noexcept nogil:
        """Learn the second moments of the row: recursive least squares, or Newton's method.

        The weight of past rows decreases like t^-1/2, which helps where the relation is not
        linear. The precision of the prior is restored.
        """
        cdef double t = self.stream[TIME], q
        cdef Py_ssize_t k
        if self.stream[STEPS] > 2.0 * (self.n_features + 1):
            self.full.fade(1.0 - FADING * w / (t + 2.0 * w))
        q = self.full.absorb(w * self.point_h[FULL_MODEL])
        for k in range(self.n_outputs):
            self.next_q[k * self.output_step + FULL_MODEL] = w * q

    cdef void step_full(self, double w) noexcept nogil:
        """The step of the second-order rule along the vector found by the last update."""
        cdef double* faded = self.full.faded
        cdef double g
        cdef Py_ssize_t k, step = <Py_ssize_t> self.stream[STEPS]
        for k in range(self.n_outputs):
            g = self.next_c[k * self.output_step + FULL_MODEL]
            if self.quadratic:
                # (The vector includes the curvature of this row.)
                g = self.full_z[k] - self.target[k]
            self.full.move(k, w * g)
        faded[1] += w * self.l2
        if faded[0] > MOST_FADED or (self.l2 > 0.0 and step % self.n_features == 0):
            self.full.restore()

    # --------------------------------------------------------------------- results

    cdef double coefficient(self, Py_ssize_t j, Py_ssize_t k) noexcept nogil:
        """The reported coefficient of a feature."""
        cdef const double* record = self.records + j * self.stride
        cdef const double* weight = record + N_COLUMN + k
        cdef double[4] now
        cdef Py_ssize_t i = 0 if self.coupled else k, K = self.n_outputs
        cdef double share = self.outputs[SHARE * self.n_outputs + i] * (
            1.0 - self.full_share[i])
        now[WEIGHT], now[LAG] = weight[WEIGHT * K], weight[LAG * K]
        if now[WEIGHT] == 0.0 and now[LAG] == 0.0:
            return 0.0
        if (self.l1 > 0.0 or self.l2 > 0.0) and not (
                self.centred or self.awaits_size(record[ABSOLUTES], record[SIZE])):
            self.decay(record[SIZE], weight, K, k, record[PLACE], now)
        if self.l1 > 0.0 and now[WEIGHT] == 0.0:
            # (The zeros of the last iterate are reported.)
            return 0.0
        if self.stream[AVERAGE_WEIGHT] > 0.0:
            now[WEIGHT] -= self.averaged[i] * now[LAG] / self.stream[AVERAGE_WEIGHT]
        return share * now[WEIGHT]

    cdef double intercept(self, Py_ssize_t k) noexcept nogil:
        """The reported intercept, of centred columns."""
        cdef double* out = self.outputs
        cdef Py_ssize_t K = self.n_outputs, i = 0 if self.coupled else k
        cdef double b = out[INTERCEPT * K + k], c = out[CONSTANT * K + k], share, full
        if self.stream[AVERAGE_WEIGHT] > 0.0:
            b -= self.averaged[i] * out[INTERCEPT_LAG * K + k] / (
                self.stream[AVERAGE_WEIGHT])
        b = c + out[SHARE * K + i] * (b - c)
        if self.second_order:
            share = out[FULL_SHARE * K + i]
            full = self.full.coef[k * self.full.stride + self.n_features]
            b += self.full_share[i] * (c + share * (full - c) - b)
        return b

    cdef bint hardly_knows_columns(self) noexcept nogil:
        """True if too few rows have shown the sizes of centred columns.

        Coefficients that were given say enough of them.
        """
        return (self.centred and self.regression and self.stream[HISTORY] == 0.0
                and self.stream[STEPS] < FEWEST
                and not self.outputs[SCALE_KNOWN * self.n_outputs] > 0.0)

    def coefficients(self):
        """The reported model.

        Returns
        -------
        coef : float64 array of shape (n_features + 1, n_outputs)
            Of raw columns; the last row is the intercept.
        """
        cdef double[:, ::1] coef = np.zeros((self.n_features + 1, self.n_outputs))
        cdef Py_ssize_t j, k, known, d = self.n_features
        cdef double w
        with nogil:
            self.find_units()
            self.find_shares()
            known = 0 if self.hardly_knows_columns() else d
            for k in range(self.n_outputs):
                coef[d, k] = self.outputs[CONSTANT * self.n_outputs + k]
                if known > 0:
                    coef[d, k] = self.intercept(k)
            for j in range(known):
                for k in range(self.n_outputs):
                    coef[j, k] = self.coefficient(j, k)
                    if self.centred:
                        coef[d, k] -= self.records[j * self.stride + PLACE] * coef[j, k]
                    if self.second_order:
                        w = self.full.coef[k * self.full.stride + j] * self.full_share[k] * (
                            self.outputs[FULL_SHARE * self.n_outputs + k])
                        coef[j, k] += w
                        coef[d, k] -= self.full.origin[j] * w
        return np.asarray(coef)

    def predictions(self, Rows rows):
        """Raw predictions of rows, in O(entries * n_outputs); columns are not centred.

        Returns
        -------
        z : float64 array of shape (n_samples, n_outputs)
        """
        cdef Py_ssize_t i, p, k, n = rows.n_samples, K = self.n_outputs
        cdef double[:, ::1] z = np.empty((n, K))
        self.reserve(rows, NULL, n)
        with nogil:
            self.find_units()
            self.find_shares()
            for i in range(n):
                self.load(rows, NULL, i, n)
                for k in range(K):
                    z[i, k] = self.intercept(k)
                for p in range(self.n_entries):
                    for k in range(K):
                        z[i, k] += self.coefficient(self.columns[p], k) * self.values[p]
        return np.asarray(z)

    def start(self, const double[:, ::1] coef, double history):
        """Start from the model of a fit; the number of its rows decides how fast it changes.

        Parameters
        ----------
        coef : float64 array of shape (n_features + 1, n_outputs)
        history : float
            Number of rows of the fit.
        """
        cdef Py_ssize_t j, k
        self.stream[HISTORY] = self.stream[TIME] = history
        # Least squares would need the rows of the fit, which are not known.
        self.second_order = False
        if not self.centred:
            # The coefficients of the fit already include its penalty.
            for j in range(self.n_features):
                self.records[j * self.stride + PLACE] = history
        for k in range(self.n_outputs):
            for j in range(self.n_features):
                self.records[j * self.stride + N_COLUMN + k] = coef[j, k]
            self.outputs[INTERCEPT * self.n_outputs + k] = coef[self.n_features, k]
            self.outputs[CONSTANT * self.n_outputs + k] = coef[self.n_features, k]

    def adopt(self, const double[:, ::1] coef):
        """Continue from these coefficients, with the statistics of columns and targets.

        Parameters
        ----------
        coef : float64 array of shape (n_features + 1, n_outputs)
        """
        cdef Py_ssize_t j, k, d = self.n_features, K = self.n_outputs
        cdef double* record
        cdef double* weight
        cdef double* out = self.outputs
        for k in range(K):
            out[SHARE * K + k] = out[FULL_SHARE * K + k] = 1.0
            if not self.log_link:
                out[SCALE_KNOWN * K + k] = 1.0
            out[INTERCEPT * K + k], out[INTERCEPT_LAG * K + k] = coef[d, k], 0.0
            if self.second_order:
                self.full.coef[k * self.full.stride + d] = coef[d, k]
        for j in range(d):
            record = self.records + j * self.stride
            for k in range(K):
                weight = record + N_COLUMN + k
                if self.l1 > 0.0 and weight[WEIGHT * K] != 0.0:
                    weight[DUAL * K] = 0.0
                weight[WEIGHT * K], weight[LAG * K] = coef[j, k], 0.0
                if self.centred:
                    out[INTERCEPT * K + k] += record[PLACE] * coef[j, k]
                if self.second_order:
                    self.full.coef[k * self.full.stride + j] = coef[j, k]
                    self.full.coef[k * self.full.stride + d] += self.full.origin[j] * coef[j, k]
            if not self.centred:
                # These coefficients already include the penalty so far.
                record[PLACE] = self.stream[TIME]

    @property
    def table(self):
        """The records, (n_features, size of a record); a view."""
        end = self.offset + self.n_features * self.stride
        return self.record_array[self.offset:end].reshape(self.n_features, self.stride)

    def kinds_to_store(self):
        """Numbers of the columns of `table` that have non-zero entries.

        The number of the last call that changed a feature matters to `undo` only.
        """
        used = self.table.any(axis=0)
        used[MARK] = False
        return np.flatnonzero(used)

    @property
    def early_table(self):
        """The first rows while they may be learnt again, otherwise None; a view."""
        self.reserve_early()
        return self.early_array

    @property
    def output_table(self):
        """The numbers of each output; a view."""
        return self.output_array

    @property
    def stream_table(self):
        """The numbers of the stream; a view."""
        return self.stream_array

    def progress(self):
        """Sum of the progressive losses, and the weight of the rows in it."""
        return float(self.output_array[LOSS].sum()), self.stream[JUDGED]

    def constant_loss(self):
        """The same sum for the constant model."""
        return float(self.output_array[CONSTANT_LOSS].sum())

    def prediction_unit(self):
        """Scale of a raw prediction, for each output."""
        if self.log_link or not self.regression or not self.stream[STEPS] > 0.0:
            return np.ones(self.n_outputs)
        time = self.stream[TIME] - self.stream[HISTORY]
        return np.sqrt(self.output_array[DEVIATIONS] / time)

    def prediction_centre(self):
        """Approximate centre of raw predictions, for each output."""
        mean = self.output_array[MEAN]
        if not self.regression or not self.stream[STEPS] > 0.0:
            return np.zeros(self.n_outputs)
        return np.log(np.maximum(mean, 1e-300)) if self.log_link else mean

    def largest_entries(self):
        """Approximate largest entry of each column, without outliers."""
        size = 3.0 * self.table[:, SIZE]
        return size + np.abs(self.table[:, PLACE]) if self.centred else size

    def is_too_small(self, Py_ssize_t column):
        """True if squares of the entries of a column overflow float64."""
        return self.records[column * self.stride + SIZE] < TINY

    def score(self):
        """Progressive score: the accuracy, R2, or D2 of the losses with a log link.

        R2 and D2 of a constant target are 1 if it was predicted, otherwise 0.
        """
        cdef double total = self.stream[JUDGED]
        if not total > 0.0:
            return np.nan
        if self.classifies:
            return self.stream[HITS] / total
        out = self.output_array
        spread, left, size = out[SPREAD], out[ERROR], total * out[TARGET] ** 2
        if self.log_link:
            left = out[LOSS] - out[SATURATED]
            size = np.abs(out[LOSS]) + np.abs(out[SATURATED])
        constant = ~(spread > 0.0)
        scores = 1.0 - left / np.where(constant, 1.0, spread)
        # (As `r2_score`: a constant target is predicted, but for rounding, or is not.)
        scores[constant] = left[constant] <= 1e-12 * size[constant]
        return float(np.mean(scores))

    @property
    def n_rows(self):
        """Number of learnt rows, without those of weight zero."""
        return int(self.stream[ROWS])

    @property
    def weight_sum(self):
        """Sum of their weights."""
        return self.stream[WEIGHTS]
