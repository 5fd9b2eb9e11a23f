"""The first-order rule of online learning: statistics of the columns, and steps.

All numbers of a feature are in one record, a cache line if there is one output. A row
reads and writes only the records of its active features. Loops run over copies of these
numbers (online.h).
"""
from libc.math cimport INFINITY, copysign, fabs, log, pow, sqrt

import numpy as np

cdef sklgd_online_loops loops = sklgd_choose_online_loops()

# Exponent of the average's weights where rows repeat, at least (2 to 16 were tried with
# hinge and log losses, l1 and l2, on five data sets; 16 does about as well).
cdef double LATE_AVERAGE = 8.0
# Precision of the intercept of a squared error before the first row.
cdef double LOOSE = 1e-3


cdef inline double power_of(double x, double exponent) noexcept nogil:
    """A power; repeated squares, which the defaults need, are by far the fastest."""
    if exponent == 2.0:
        return x * x
    if exponent == 8.0:
        x *= x
        x *= x
        return x * x
    return pow(x, exponent)


cdef inline double soft(double x, double threshold) noexcept nogil:
    return copysign(at_least(fabs(x) - threshold, 0.0), x)


cdef bint is_in_another_unit(
        double x, double squares, double absolutes) noexcept nogil:
    cdef double size = squares / absolutes if absolutes > 0.0 else 0.0
    return absolutes >= KNOWN * size > 0.0 and fabs(x) > OTHER_UNIT * size


cdef class OnlineRule:
    """A linear model that learns by proximal steps, and statistics of the columns.

    Parameters
    ----------
    loss : Loss
    n_features, n_outputs : int
    fit_intercept : bool
    centred : bool
        True if columns are centred: then a row costs O(n_features), zeros included.
    reach : float
        Prior standard deviation of raw predictions, relative to their scale.
    power : float
        Learning rates fall like t^-power, 1/2 < power < 1.
    average : float
        Iterates are averaged with weights t^average.
    l1, l2 : float
        Penalty for each unit of weight.
    second_order : bool
        Whether a second model learns from the same rows.
    """

    def __init__(self, loss, Py_ssize_t n_features, Py_ssize_t n_outputs, *,
                 bint fit_intercept, bint centred, double reach, double power,
                 double average, double l1, double l2, bint second_order):
        cdef double[::1] per_output, records, stream, points
        cdef Py_ssize_t size
        cdef double[:, ::1] outputs
        self.definition, self.loss = loss, loss.kernel
        self.n_features, self.n_outputs = n_features, n_outputs
        self.fit_intercept, self.centred = fit_intercept, centred
        self.coupled, self.quadratic = loss.coupled(n_outputs), loss.quadratic
        self.reach, self.power, self.average = reach, power, average
        self.late_average = max(average, LATE_AVERAGE)
        self.l1, self.l2 = l1, l2
        self.regression = loss.task == "regression"
        self.twice_smooth, self.smooth = loss.twice_smooth, loss.smooth
        self.log_link = loss.link == "log"
        self.n_groups = 1 if self.coupled else n_outputs
        self.group = n_outputs // self.n_groups
        self.stride = N_COLUMN + (N_WEIGHT + (l1 > 0.0)) * n_outputs
        self.stride = 8 * ((self.stride + 7) // 8)
        # (Memory that no row has used stays unallocated.)
        self.record_array = np.zeros((n_features + 2) * self.stride + 8)
        records = self.record_array
        self.offset = (-<Py_ssize_t> (<size_t> &records[0] // sizeof(double))) & 7
        self.records = &records[self.offset]
        self.row.records, self.row.stride = self.records, self.stride
        self.row.beyond = self.records + n_features * self.stride
        self.row.K, self.row.n_kinds = n_outputs, N_WEIGHT + (l1 > 0.0)
        self.row.by_field, self.row.centred = centred or n_outputs == 1, centred
        self.stream_array = np.zeros(N_STREAM)
        stream = self.stream_array
        self.stream = &stream[0]
        self.output_array = np.zeros((N_OUTPUT, n_outputs))
        outputs = self.output_array
        self.outputs = &outputs[0, 0]
        self.per_output_array = np.zeros(14 * n_outputs)
        per_output = self.per_output_array
        self.target = &per_output[0]
        self.z, self.lag = self.target + n_outputs, self.target + 2 * n_outputs
        self.g, self.h = self.target + 3 * n_outputs, self.target + 4 * n_outputs
        self.q, self.c = self.target + 5 * n_outputs, self.target + 6 * n_outputs
        self.new, self.unit = self.target + 7 * n_outputs, self.target + 8 * n_outputs
        self.curvature = self.target + 9 * n_outputs
        self.scaled_q = self.target + 10 * n_outputs
        self.scaled_h = self.target + 11 * n_outputs
        self.intercept_rate = self.target + 12 * n_outputs
        self.intercept_sum = self.target + 13 * n_outputs
        # The predictions of one row by all models lie together for each call of the loss.
        size = POINTS * n_outputs
        self.point_array = np.zeros(7 * size)
        points = self.point_array
        self.point, self.point_value = &points[0], &points[size]
        self.point_g, self.point_h = &points[2 * size], &points[3 * size]
        self.next_q, self.next_z = &points[4 * size], &points[5 * size]
        self.next_c = &points[6 * size]
        self.output_step = 1 if self.coupled else POINTS
        self.model_step = n_outputs if self.coupled else 1
        self.n_learnt = FULL_MODEL + second_order
        self.n_points = self.n_learnt + (MIXTURE if second_order else AVERAGE) + 1
        self.capacity = 0
        self.small_column = -1

    cdef reserve_entries(self, Py_ssize_t most):
        """Allocate memory for rows of this many entries."""
        cdef Py_ssize_t[::1] columns
        cdef double[::1] values
        cdef Py_ssize_t room, n_fields = self.stride if self.row.by_field else 4
        if most <= self.capacity:
            return
        # One more for the intercept, in fours, of an odd number: columns a power of two
        # apart would compete for the same lines of the cache.
        room = 4 * (((most + 4) // 4) | 1)
        columns = np.arange(most, dtype=np.intp)
        values = np.zeros(room * (3 + n_fields + 2 * self.n_outputs))
        self.columns = &columns[0]
        self.values, self.x = &values[0], &values[room]
        self.row.columns, self.row.x, self.row.room = self.columns, self.x, room
        self.row.inverse = self.x + room
        self.row.fields = self.row.inverse + room
        self.row.rate = self.row.fields + n_fields * room
        self.row.work = self.row.rate + room * self.n_outputs
        self.entry_owner = columns, values
        self.capacity = most

    cdef double* field(self, Py_ssize_t f) noexcept nogil:
        """A number of all entries of the row."""
        return self.row.fields + f * self.row.room

    cdef double* weight(self, Py_ssize_t p, Py_ssize_t k) noexcept nogil:
        """The weight of an entry for an output; numbers of other kinds follow it."""
        if self.row.by_field:
            return self.row.fields + (N_COLUMN + k) * self.row.room + p
        return self.records + self.columns[p] * self.stride + N_COLUMN + k

    cdef double rate(self, Py_ssize_t p, Py_ssize_t k) noexcept nogil:
        """The learning rate of an entry for an output."""
        if self.row.by_field:
            return self.row.rate[k * self.row.room + p]
        return self.row.rate[p * self.n_outputs + k]

    cdef int inspect(self) noexcept nogil:
        """Whether there are a ZERO and a LARGE entry in the row."""
        return loops.inspect(self.values, self.n_entries)

    cdef begin_row_by_row(self):
        """Begin a call: the numbers of centred columns are copied once."""
        self.kind_step = self.n_outputs * (self.row.room if self.row.by_field else 1)
        if self.centred:
            self.row.n, self.row.width = self.n_features, self.n_features // 4 * 4 + 4
            loops.gather(&self.row)

    cdef end_row_by_row(self):
        """End a call."""
        if self.centred:
            self.row.n = self.n_features
            loops.scatter(&self.row)

    # ------------------------------------------------- sizes of columns and targets

    cdef void measure_columns(self, double w) noexcept nogil:
        """Update sizes and means of the columns of the row.

        The size of a column is sum x^2 / sum |x| over its entries (less their mean). It
        falls only after a single entry in another unit. When it rises, coefficients fall,
        so that predictions keep their size; then the mean moves, and with it the intercept.
        Entries that are far from the mean count as if they were at the limit, and are not
        learnt from.
        """
        cdef double* stream = self.stream
        cdef double* squares = self.field(SQUARES)
        cdef double* absolutes = self.field(ABSOLUTES)
        cdef double* size = self.field(SIZE)
        cdef double x
        cdef Py_ssize_t p
        # (The means are unknown before the first row.)
        cdef double pace = 1.0 if stream[STEPS] == 1.0 else w / stream[TIME]
        self.row.n, self.row.width = self.n_entries, self.n_entries // 4 * 4 + 4
        for p in range(self.row.n, self.row.width):
            self.values[p] = 0.0
        if not self.centred:
            loops.gather(&self.row)
        if loops.centre(&self.row, self.values):
            for p in range(self.n_entries):
                x = fabs(self.x[p])
                if OTHER_UNIT * x < size[p] or x > OTHER_UNIT * size[p] > 0.0:
                    self.begin_anew(p)
        if loops.count(&self.row, w, pace):
            for p in range(self.n_entries):
                if squares[p] > size[p] * absolutes[p] or absolutes[p] < size[p] or (
                        size[p] < TINY):
                    self.adapt_size(p)
        stream[ACTIVE] += w * loops.measure(
            &self.row, self.outputs + INTERCEPT * self.n_outputs,
            self.outputs + INTERCEPT_LAG * self.n_outputs)

    cdef void begin_anew(self, Py_ssize_t p) noexcept nogil:
        """Count the entries of a column again if x is in another unit than those so far.

        The size is that of the larger ones, until the smaller ones are known. A much
        larger entry is not learnt; nor was the only one so far, if it was much larger.
        Nothing happens to a column whose size is known.
        """
        cdef double* squares = self.field(SQUARES) + p
        cdef double* absolutes = self.field(ABSOLUTES) + p
        cdef double* size = self.field(SIZE) + p
        cdef double* weight
        cdef double x = fabs(self.x[p]), before = size[0]
        cdef Py_ssize_t k, i
        cdef bint new = self.stream[HISTORY] == 0.0
        if absolutes[0] >= KNOWN * before:
            return
        if x > before:
            size[0] = x
            self.x[p] = 0.0
            if new:
                self.shrink(p, before / x)
        elif absolutes[0] > 1.5 * before or squares[0] < 0.5 * before * absolutes[0]:
            return
        elif new:
            for k in range(self.n_outputs):
                weight = self.weight(p, k)
                for i in range(self.row.n_kinds):
                    weight[i * self.kind_step] = 0.0
        squares[0] = absolutes[0] = 0.0

    cdef void adapt_size(self, Py_ssize_t p) noexcept nogil:
        """Update the size of a column, whose sums include the entry of the row."""
        cdef double squares = self.field(SQUARES)[p], absolutes = self.field(ABSOLUTES)[p]
        cdef double* size = self.field(SIZE) + p
        cdef double before = size[0], x = fabs(self.x[p])
        # (The fit had the right size, which the first rows do not show.)
        cdef bint told = self.stream[HISTORY] == 0.0 or self.row.inverse[p] < INFINITY
        if squares > before * absolutes:
            size[0] = squares / absolutes
            if before > 0.0 and told:
                self.shrink(p, before / size[0])
        elif not self.centred and 0.0 < absolutes < before:
            self.correct_size(p)
        if size[0] < TINY and not (self.l1 > 0.0 or self.l2 > 0.0) and (
                absolutes >= KNOWN * x > 0.0):
            # (With a penalty such a column has the coefficient zero.)
            self.small_column = self.columns[p]

    cdef void correct_size(self, Py_ssize_t p) noexcept nogil:
        """Let the size of a column fall where that of a single entry was in another unit.

        All entries after it are known. Coefficients from before it are restored.
        """
        cdef double absolutes = self.field(ABSOLUTES)[p]
        cdef double size = self.field(SQUARES)[p] / absolutes
        cdef double* before = self.field(SIZE) + p
        cdef double* weight
        cdef Py_ssize_t k
        if absolutes < KNOWN * size or OTHER_UNIT * size > before[0] or size < TINY:
            return
        if self.stream[HISTORY] == 0.0:
            for k in range(self.n_outputs):
                weight = self.weight(p, k)
                weight[WEIGHT * self.kind_step] *= before[0] / size
                weight[LAG * self.kind_step] *= before[0] / size
        before[0] = size

    cdef void shrink(self, Py_ssize_t p, double share) noexcept nogil:
        """Multiply the coefficients of a feature by a factor."""
        cdef double* weight
        cdef Py_ssize_t k
        for k in range(self.n_outputs):
            weight = self.weight(p, k)
            weight[WEIGHT * self.kind_step] *= share
            weight[LAG * self.kind_step] *= share
            if self.l1 > 0.0:
                weight[DUAL * self.kind_step] *= share

    cdef void measure_targets(self, double w, bint first) noexcept nogil:
        """Update the sizes of targets and losses."""
        cdef double* out = self.outputs
        # (The targets of the fit that the model started from are not known.)
        cdef double t = self.stream[TIME] - self.stream[HISTORY], y, step, deviation
        cdef Py_ssize_t k, K = self.n_outputs
        cdef bint starts
        for k in range(K):
            if self.regression:
                y = self.target[k]
                starts = first or (
                    y > 0.0 and (self.awaits_scale(k) or self.forget_first_target(k, y)))
                if self.log_link and self.stream[STEPS] == KNOWN + 1.0:
                    self.forget_outlier(k, t - w)
                deviation = sqrt(out[DEVIATIONS * K + k] / t)
                step = y - out[MEAN * K + k]
                if self.stream[STEPS] > KNOWN and fabs(step) > FAR * deviation > 0.0:
                    step = copysign(FAR * deviation, step)
                out[MEAN * K + k] += w * step / t
                out[DEVIATIONS * K + k] += w * step * step * (1.0 - w / t)
                out[LARGEST * K + k] = at_least(y, out[LARGEST * K + k])
                if self.stream[STEPS] == 1.0 or y < out[SMALLEST * K + k]:
                    out[SMALLEST * K + k] = y
                if starts and self.fit_intercept:
                    self.start_intercept(k, y)
            self.find_unit(k, t)

    cdef void forget_outlier(self, Py_ssize_t k, double t) noexcept nogil:
        """Take the largest of the targets learnt in a time t out of their sizes.

        That is if it is an outlier to the others, which are not all zero. With a log link
        their dispersion, and with it all learning rates, would follow it.
        """
        cdef double* mean = self.outputs + MEAN * self.n_outputs + k
        cdef double* squares = self.outputs + DEVIATIONS * self.n_outputs + k
        cdef double w = t / KNOWN, left = t - w
        cdef double distance = (self.outputs[LARGEST * self.n_outputs + k] - mean[0]) * (
            t / left)
        # (What is left of the squares is no less than rounding.)
        cdef double rest = at_least(
            squares[0] - w * distance * distance * left / t, 1e-14 * squares[0])
        cdef double others = mean[0] - distance * w / t
        if others > 1e-12 * distance and (
                left * distance * distance > OTHER_UNIT * OTHER_UNIT * rest):
            mean[0], squares[0] = others, rest

    cdef bint awaits_scale(self, Py_ssize_t k) noexcept nogil:
        """True if the targets of an output with a log link were all zero so far.

        Their scale is not known; the intercept starts anew with the first positive target.
        The loss of a prediction of zero is zero.
        """
        return (self.learns_intercept_alone(k)
                and not self.outputs[LARGEST * self.n_outputs + k] > 0.0)

    cdef bint learns_intercept_alone(self, Py_ssize_t k) noexcept nogil:
        """True if an output with a log link has had fewer than two positive targets.

        A single one may be an outlier, with which the coefficients would learn a wrong
        scale.
        """
        return (self.log_link and self.fit_intercept and self.stream[HISTORY] == 0.0
                and not self.outputs[SCALE_KNOWN * self.n_outputs + k] > 0.0)

    cdef bint forget_first_target(self, Py_ssize_t k, double y) noexcept nogil:
        """Discard the only positive target so far if y shows that it was in another unit."""
        cdef double* out = self.outputs
        cdef Py_ssize_t K = self.n_outputs
        cdef double before = out[LARGEST * K + k]
        if y == before or not self.learns_intercept_alone(k):
            return False
        out[SCALE_KNOWN * K + k] = 1.0
        if not OTHER_UNIT * y < before:
            return False
        out[LARGEST * K + k] = out[MEAN * K + k] = out[DEVIATIONS * K + k] = 0.0
        return True

    cdef void start_intercept(self, Py_ssize_t k, double y) noexcept nogil:
        """The first intercept of an output: the mean of its targets so far."""
        cdef double* out = self.outputs
        cdef double start = y, mean
        cdef Py_ssize_t K = self.n_outputs
        if self.log_link:
            mean = out[MEAN * K + k]
            start = log(mean if mean > 0.0 else y if y > 0.0 else 0.1)
            # The losses of the zeros before are those of this prediction, whose scale is right.
            out[LOSS * K + k] = out[CONSTANT_LOSS * K + k] = self.stream[JUDGED] * (
                self.loss.value_at(self.loss, 0.0, start) if self.stream[JUDGED] > 0.0
                else 0.0)
            out[INTERCEPT_CURVATURE * K + k] = out[CONSTANT_CURVATURE * K + k] = 0.0
            out[INTERCEPT_LAG * K + k] = 0.0
        out[INTERCEPT * K + k] = out[CONSTANT * K + k] = start

    cdef void find_unit(self, Py_ssize_t k, double t) noexcept nogil:
        """Sizes of the targets and losses of an output in a time t."""
        cdef double* out = self.outputs
        cdef double deviation
        cdef Py_ssize_t K = self.n_outputs
        self.curvature[k] = self.unit[k] = 1.0
        if not (self.regression and t > 0.0):
            return
        deviation = sqrt(out[DEVIATIONS * K + k] / t)
        self.curvature[k] = self.loss.curvature_unit(out[MEAN * K + k], deviation)
        self.unit[k] = self.curvature[k]
        if not self.log_link:
            self.unit[k] = (
                self.curvature[k] * deviation * deviation if deviation > 0.0 else 0.0)

    cdef void find_units(self) noexcept nogil:
        """Sizes of the targets and losses so far."""
        cdef Py_ssize_t k
        for k in range(self.n_outputs):
            self.find_unit(k, self.stream[TIME] - self.stream[HISTORY])

    cdef void apply_penalty(self, double w) noexcept nogil:
        """Apply the penalty of all steps since the last row with these features."""
        cdef double* weight
        cdef double* size = self.field(SIZE)
        cdef double* place = self.field(PLACE)
        cdef double since
        cdef Py_ssize_t p, k, step = self.kind_step
        cdef double[4] after
        for p in range(self.n_entries):
            since = self.stream[TIME] - w
            if self.awaits_size(self.field(ABSOLUTES)[p], size[p]):
                since = self.stream[TIME]
            elif not self.centred:
                since = place[p]
            if not self.centred:
                place[p] = self.stream[TIME]
            for k in range(self.n_outputs):
                weight = self.weight(p, k)
                self.decay(size[p], weight, step, k, since, after)
                weight[WEIGHT * step] = after[WEIGHT]
                weight[LAG * step] = after[LAG]
                if self.l1 > 0.0:
                    weight[DUAL * step] = after[DUAL]

    cdef bint awaits_size(self, double absolutes, double size) noexcept nogil:
        """True for a coefficient of a fit whose column has had too few entries since.

        Its learning rate, and with it the effect of a penalty, may be far too large.
        """
        return self.stream[HISTORY] > 0.0 and absolutes < KNOWN * size

    cdef void decay(
            self, double size, const double* weight, Py_ssize_t step, Py_ssize_t k,
            double since, double* after) noexcept nogil:
        """Apply the penalty since a time to a coefficient.

        Numbers of other kinds follow the weight at equal distances.

        With l2 the coefficient is -v / (A + l2 t), as in follow-the-regularised-leader,
        where A is the inverse of its learning rate without the penalty. With l1 it moves
        on towards zero. The change takes part in the average with the mean of the weights
        of that span.
        """
        cdef double now = self.stream[TIME], precision, change, fall, reached
        cdef double w = weight[0]
        after[WEIGHT], after[LAG] = w, weight[LAG * step]
        if self.l1 > 0.0:
            after[DUAL] = weight[DUAL * step]
        if w == 0.0 or since >= now:
            return
        precision = (
            size * size * self.curvature[k] * at_least(self.stream[ACTIVE] / now, 1.0)
            / (self.reach * self.reach))
        if not 0.0 < precision < 1e300:
            return
        precision *= pow(
            1.0 + (weight[CURVATURE * step] + self.known_curvature(size, k)) / precision,
            self.power) / self.late_rate()
        precision += self.l2 * now
        change = -w * self.l2 * (now - since) / precision
        if self.l1 > 0.0:
            fall = self.l1 * (now - since) / precision
            if fall < fabs(w + change):
                change -= copysign(fall, w)
            else:
                reached = since + (now - since) * fabs(w + change) / fall
                after[DUAL] = -copysign(self.l1 * reached, w)
                change = -w
        after[WEIGHT] += change
        after[LAG] += change * 0.5 * (
            self.stream[AVERAGE_WEIGHT] + self.average_weights_before(since))

    cdef double average_weight(self) noexcept nogil:
        """Weight of the present iterate in the average, for a row of weight one.

        In a stream of new rows the average is over many of them, for its noise. Where
        rows repeat, iterates still approach the minimum, and the older ones are worse.
        """
        cdef double t = self.stream[TIME], repeated = self.stream[REPEATED]
        if repeated == 0.0:
            return power_of(t, self.average)
        return power_of(repeated, self.average) * power_of(
            t / repeated, self.late_average)

    cdef double average_weights_before(self, double t) noexcept nogil:
        """Approximate sum of these weights up to a time."""
        cdef double a = self.average + 1.0, late = self.late_average + 1.0
        cdef double repeated = self.stream[REPEATED], total
        total = pow(t if repeated == 0.0 else at_most(t, repeated), a)
        total = (total - pow(self.stream[HISTORY], a)) / a
        if 0.0 < repeated < t:
            total += pow(repeated, a) * (pow(t / repeated, late) - 1.0) / late
        return total

    # ---------------------------------------------------------------- predictions

    cdef void predict(self) noexcept nogil:
        """Raw predictions z of the last iterate, and ``lag``, z less the average's.

        With a log link they are limited to e times the range of the targets so far:
        an exponential beyond it soon overflows float64.
        """
        cdef double* out = self.outputs
        cdef double total = self.stream[AVERAGE_WEIGHT], top, low, mean
        cdef Py_ssize_t k, K = self.n_outputs
        for k in range(K):
            self.z[k] = out[INTERCEPT * K + k]
            self.lag[k] = out[INTERCEPT_LAG * K + k]
        loops.predict(&self.row, self.z, self.lag)
        for k in range(K):
            self.lag[k] = self.lag[k] / total if total > 0.0 else 0.0
            if self.log_link:
                low = out[SMALLEST * K + k]
                low = log(low) - 1.0 if low > 0.0 else -INFINITY
                top = log(at_least(out[LARGEST * K + k], 0.1)) + 1.0
                mean = at_most(at_least(self.z[k] - self.lag[k], low), top)
                self.z[k] = at_most(at_least(self.z[k], low), top)
                self.lag[k] = self.z[k] - mean

    cdef void evaluate_points(self, Py_ssize_t i) noexcept nogil:
        """Losses and derivatives at the raw predictions of all models.

        If the second derivative of a loss is zero somewhere, the squared gradient replaces
        it; for a non-smooth loss it is the product of the gradients before and after the
        step.
        """
        cdef Py_ssize_t start = i * self.group, base = start * POINTS, p, k
        cdef double* g = self.point_g + base
        cdef double* h = self.point_h + base
        self.loss.points(
            self.loss, self.target + (0 if self.coupled else start), self.point + base,
            self.n_points, self.group, self.point_value + i * POINTS, g, h)
        if self.twice_smooth and not self.log_link:
            return
        for p in range(self.n_points * self.group):
            k = start + p % self.group
            # (A Tweedie deviance is not convex for every power.)
            h[p] = at_least(h[p], 0.0) if self.twice_smooth else (
                self.unit_curvature(k, g[p], g[p]))

    cdef void curve(self, Py_ssize_t k, double z) noexcept nogil:
        """Second derivative of a loss with a log link."""
        self.loss.curvature_batch(
            self.loss, self.target + k, &z, NULL, self.h + k, 1, 1)
        self.h[k] = at_least(self.h[k], 0.0)

    cdef double unit_curvature(
            self, Py_ssize_t k, double g, double c) noexcept nogil:
        return g * c / self.unit[k] if self.unit[k] > 0.0 else 0.0

    # --------------------------------------------------------------------- steps

    cdef double intercept_precision(self, Py_ssize_t k, double active) noexcept nogil:
        """Precision of an intercept before the first row."""
        if self.quadratic and self.stream[HISTORY] == 0.0:
            return LOOSE
        return self.curvature[k] * active / (self.reach * self.reach)

    cdef double known_curvature(self, double size, Py_ssize_t k) noexcept nogil:
        """Curvature of a feature from the rows of the fit that the model started from."""
        return self.stream[HISTORY] * self.curvature[k] * size * size

    cdef void find_next(self) noexcept nogil:
        """Gradients after the steps of all models that learn, given their learning rates."""
        cdef Py_ssize_t k, m, at
        for k in range(self.n_outputs):
            at = k * self.output_step
            if not self.coupled:
                self.loss.prox_points(
                    self.loss, self.target + k, self.point + at, self.point_g + at,
                    self.next_q + at, self.n_learnt, self.next_z + at, self.next_c + at)
        if self.coupled:
            for m in range(self.n_learnt):
                at = m * self.model_step
                self.loss.prox_scaled(
                    self.target, self.point + at, self.next_q + at, self.next_z + at,
                    self.next_c + at, self.group)

    cdef double late_rate(self) noexcept nogil:
        """Share of the learning rates that is left once rows repeat.

        Those of non-smooth losses fall like 1/t then: near a jump of the derivative the
        average of the iterates has an error of the order of their learning rates, which
        takes longer to vanish than what is left of the first iterates.
        """
        cdef double repeated = self.stream[REPEATED]
        if self.smooth or repeated == 0.0:
            return 1.0
        return pow(self.stream[TIME] / repeated, self.power - 1.0)

    cdef void find_rates(self, double w) noexcept nogil:
        """Learning rates of the row's features, and q of each output.

        The rate is precision^(power - 1) (precision + G)^-power, where G is the sum of
        w h x^2 over the rows, this one included.
        """
        cdef double* out = self.outputs
        cdef double active = at_least(self.stream[ACTIVE] / self.stream[TIME], 1.0)
        cdef double total
        cdef Py_ssize_t k, K = self.n_outputs
        for k in range(K):
            self.scaled_h[k] = w * self.h[k]
            self.intercept_sum[k] = self.intercept_rate[k] = 0.0
            if self.fit_intercept:
                total = self.intercept_precision(k, active)
                if 1e-307 < total < 1e300:
                    self.intercept_rate[k] = 1.0 / total
                    self.intercept_sum[k] = (
                        out[INTERCEPT_CURVATURE * K + k] + self.scaled_h[k]
                        + self.known_curvature(1.0, k))
        loops.rates(
            &self.row, active / (self.reach * self.reach), self.stream[HISTORY],
            self.power, self.late_rate(), self.l2 * self.stream[TIME], self.curvature,
            self.scaled_h, self.intercept_sum, self.intercept_rate, self.q)
        if self.l1 > 0.0:
            self.find_dual_share(w)

    cdef void find_dual_share(self, double w) noexcept nogil:
        """q of each output with an l1 penalty: of the features that the row will move.

        A weight stays at zero while the sum of its gradients is below the threshold.
        """
        cdef double x, threshold = self.l1 * self.stream[TIME]
        cdef const double* weight
        cdef Py_ssize_t p, k, K = self.n_outputs
        for k in range(K):
            self.q[k] = self.intercept_rate[k]
        for p in range(self.n_entries):
            x = self.x[p]
            for k in range(K):
                weight = self.weight(p, k)
                if weight[0] != 0.0 or (
                        fabs(weight[DUAL * self.kind_step] + w * self.g[k] * x)
                        > threshold):
                    self.q[k] += x * x * self.rate(p, k)

    cdef void find_step(self, double w) noexcept nogil:
        """Learning rates of the first-order model for the row."""
        cdef double y
        cdef Py_ssize_t k, at, K = self.n_outputs
        for k in range(K):
            at = k * self.output_step + ITERATE * self.model_step
            self.g[k], self.h[k] = self.point_g[at], self.point_h[at]
        if self.log_link:
            # The curvature may be tiny here and large where the step ends. A first step, with
            # the curvature at the minimum of the row, leads to that point.
            for k in range(K):
                y = self.target[k]
                self.h[k] = 0.0
                if y > 0.0:
                    self.curve(k, log(y))
            self.find_rates(w)
            for k in range(K):
                self.loss.prox_row(
                    self.loss, self.target + k, self.z + k, w * self.q[k], self.new + k,
                    self.c + k, 1)
                self.curve(k, self.new[k])
        self.find_rates(w)
        for k in range(K):
            at = k * self.output_step + ITERATE * self.model_step
            self.next_q[at] = w * self.q[k]

    cdef void step(self, double w) noexcept nogil:
        """Learn the row: a proximal step with the learning rates of its features.

        The derivative of the loss is the one after the step, so that no step goes beyond the
        minimum of the loss of the row.
        """
        cdef double* out = self.outputs
        cdef double move
        cdef Py_ssize_t k, at, K = self.n_outputs
        for k in range(K):
            at = k * self.output_step + ITERATE * self.model_step
            if not self.smooth:
                # It depends on z continuously, as the gradient at z does not.
                self.h[k] = self.unit_curvature(k, self.g[k], self.next_c[at])
            self.c[k] = w * self.next_c[at]
            self.scaled_h[k] = w * self.h[k]
            if self.fit_intercept:
                move = -self.intercept_rate[k] * self.c[k]
                out[INTERCEPT_CURVATURE * K + k] += self.scaled_h[k]
                out[INTERCEPT * K + k] += move
                out[INTERCEPT_LAG * K + k] += move * self.stream[AVERAGE_WEIGHT]
                if self.learns_intercept_alone(k):
                    self.scaled_h[k] = self.c[k] = 0.0
        if self.l1 > 0.0:
            self.step_dual(w)
        else:
            loops.step(&self.row, self.scaled_h, self.c, self.stream[AVERAGE_WEIGHT])
        if not self.centred:
            loops.scatter(&self.row)

    cdef void step_dual(self, double w) noexcept nogil:
        """The step of the features with an l1 penalty.

        A weight of zero stays there while the sum of its gradients, from the first row on,
        is within the threshold; others take a gradient step. That is FTRL-Proximal.
        """
        cdef double* weight
        cdef double x, v, before, rate, threshold = self.l1 * self.stream[TIME]
        cdef Py_ssize_t p, k, step = self.kind_step
        for p in range(self.n_entries):
            x = self.x[p]
            if x == 0.0:
                continue
            for k in range(self.n_outputs):
                weight = self.weight(p, k)
                weight[CURVATURE * step] += self.scaled_h[k] * x * x
                rate, before = self.rate(p, k), weight[WEIGHT * step]
                if not rate > 0.0:
                    continue
                v = weight[DUAL * step]
                if before != 0.0:
                    v = -before / rate - copysign(threshold, before)
                v += self.c[k] * x
                weight[DUAL * step] = v
                weight[WEIGHT * step] = -rate * soft(v, threshold)
                weight[LAG * step] += (
                    weight[WEIGHT * step] - before) * self.stream[AVERAGE_WEIGHT]
