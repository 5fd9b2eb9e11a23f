/* A family of kernels (isa.h): the loops of `online.h`. */

#define SKLGD_RECORD(row, p) ((row)->records + (row)->columns[p] * (row)->stride)
#define SKLGD_FIELD(row, f) ((row)->fields + (f) * (row)->room)
/* Number k of a kind of weights: 0 for weights, 1 for curvatures, 2 for lags. */
#define SKLGD_KIND(row, kind, k) \
    SKLGD_FIELD(row, SKLGD_ONLINE_WEIGHTS + (kind) * (row)->K + (k))

/* Four numbers of four records, in turn: what becomes a row was a column. */
static SKLGD_TARGET SKLGD_INLINE void SKLGD_NAME(transpose)(
        const double *const *from, double *const *to) {
#ifdef SKLGD_SHUFFLE
    sklgd_lanes a, b, c, d, ab, cd;
    memcpy(&a, from[0], sizeof(a)), memcpy(&b, from[1], sizeof(b));
    memcpy(&c, from[2], sizeof(c)), memcpy(&d, from[3], sizeof(d));
    ab = SKLGD_SHUFFLE(a, b, 0, 4, 2, 6), cd = SKLGD_SHUFFLE(c, d, 0, 4, 2, 6);
    a = SKLGD_SHUFFLE(a, b, 1, 5, 3, 7), c = SKLGD_SHUFFLE(c, d, 1, 5, 3, 7);
    b = SKLGD_SHUFFLE(ab, cd, 0, 1, 4, 5), memcpy(to[0], &b, sizeof(b));
    b = SKLGD_SHUFFLE(a, c, 0, 1, 4, 5), memcpy(to[1], &b, sizeof(b));
    b = SKLGD_SHUFFLE(ab, cd, 2, 3, 6, 7), memcpy(to[2], &b, sizeof(b));
    b = SKLGD_SHUFFLE(a, c, 2, 3, 6, 7), memcpy(to[3], &b, sizeof(b));
#else
    int i, k;
    for (i = 0; i < 4; i++)
        for (k = 0; k < 4; k++) to[k][i] = from[i][k];
#endif
}

/* Copies the numbers of four records to the fields from entry p on, or back. Numbers are
   copied in fours, of which a record and the fields have whole ones. */
static SKLGD_TARGET SKLGD_INLINE void SKLGD_NAME(copy_records)(
        const sklgd_online_row *row, ptrdiff_t p, double *a, double *b, double *c, double *d,
        int back) {
    const ptrdiff_t room = row->room, count = row->by_field ? row->stride : 4;
    double *field = row->fields + p;
    ptrdiff_t f;
    for (f = 0; f < count; f += 4, field += 4 * room) {
        double *fields[4] = {field, field + room, field + 2 * room, field + 3 * room};
        double *records[4] = {a + f, b + f, c + f, d + f};
        if (back)
            SKLGD_NAME(transpose)((const double *const *) fields, records);
        else
            SKLGD_NAME(transpose)((const double *const *) records, fields);
    }
}

static SKLGD_TARGET SKLGD_INLINE void SKLGD_NAME(copy_row)(
        const sklgd_online_row *row, int back) {
    const ptrdiff_t n = row->n;
    /* Entries beyond the row are read from a record of zeros, and written to another. */
    double *beyond = row->beyond + (back ? row->stride : 0);
    ptrdiff_t p;
    for (p = 0; p + 4 <= n; p += 4)
        SKLGD_NAME(copy_records)(
            row, p, SKLGD_RECORD(row, p), SKLGD_RECORD(row, p + 1),
            SKLGD_RECORD(row, p + 2), SKLGD_RECORD(row, p + 3), back);
    SKLGD_NAME(copy_records)(
        row, p, p < n ? SKLGD_RECORD(row, p) : beyond,
        p + 1 < n ? SKLGD_RECORD(row, p + 1) : beyond,
        p + 2 < n ? SKLGD_RECORD(row, p + 2) : beyond, beyond, back);
}

static SKLGD_TARGET void SKLGD_NAME(online_gather)(const sklgd_online_row *row) {
    SKLGD_NAME(copy_row)(row, 0);
}

static SKLGD_TARGET void SKLGD_NAME(online_scatter)(const sklgd_online_row *row) {
    SKLGD_NAME(copy_row)(row, 1);
}

/* s += sum_p a_p u_p and t += sum_p a_p v_p, by four partial sums each. */
static SKLGD_TARGET SKLGD_INLINE void SKLGD_NAME(add_products)(
        ptrdiff_t width, const double *a, const double *u, const double *v, double *s,
        double *t) {
    sklgd_lanes one = {0}, other = {0};
    ptrdiff_t p;
    for (p = 0; p < width; p += 4) {
        sklgd_lanes_add_product(&one, a + p, u + p);
        sklgd_lanes_add_product(&other, a + p, v + p);
    }
    *s += sklgd_lanes_total(&one);
    *t += sklgd_lanes_total(&other);
}

/* Kinds of entries that occur: SKLGD_ONLINE_ZERO, SKLGD_ONLINE_LARGE. */
static SKLGD_TARGET int SKLGD_NAME(online_inspect)(const double *x, ptrdiff_t n) {
    uint64_t zero = 0, large = 0;
    ptrdiff_t p;
    for (p = 0; p < n; p++) {
        zero |= x[p] == 0.0 ? 1 : 0;
        large |= fabs(x[p]) <= SKLGD_ONLINE_MOST ? 0 : 1;
    }
    return (zero ? SKLGD_ONLINE_ZERO : 0) | (large ? SKLGD_ONLINE_LARGE : 0);
}

/* x is the entry, less the mean if `centred`. True if one may be in another unit than the
   others of its column, of raw columns. */
static SKLGD_TARGET int SKLGD_NAME(online_centre)(
        const sklgd_online_row *row, const double *values) {
    const double *absolutes = SKLGD_FIELD(row, SKLGD_ONLINE_ABSOLUTES);
    const double *sizes = SKLGD_FIELD(row, SKLGD_ONLINE_SIZE);
    const double *place = SKLGD_FIELD(row, SKLGD_ONLINE_PLACE);
    double *x = row->x;
    const ptrdiff_t width = row->width;
    uint64_t found = 0;
    ptrdiff_t p;
    if (row->centred) {
        SKLGD_INDEPENDENT
        for (p = 0; p < width; p++) x[p] = values[p] - place[p];
        return 0;
    }
    SKLGD_INDEPENDENT
    for (p = 0; p < width; p++) {
        const double size = sizes[p], value = values[p], entry = fabs(value);
        const double limit = SKLGD_ONLINE_OTHER_UNIT * size;
        const uint64_t new = absolutes[p] < SKLGD_ONLINE_KNOWN * size ? 1 : 0;
        const uint64_t large = entry > limit ? 1 : 0;
        const uint64_t small = SKLGD_ONLINE_OTHER_UNIT * entry < size ? 1 : 0;
        x[p] = value;
        found |= new & (large | small);
    }
    return found != 0;
}

/* Adds the entries to the sums of their columns, cut off if they are far from the mean, and
   moves means by a share `pace` of the way. For `measure` it stores how far in `work`, and
   in `inverse` zero for entries that were far away, else infinity for a column that is not
   known yet. True if there may be a column whose size has to be adapted. */
static SKLGD_TARGET SKLGD_INLINE int SKLGD_NAME(count_entries)(
        const sklgd_online_row *row, int centred, double w, double pace) {
    double *squares = SKLGD_FIELD(row, SKLGD_ONLINE_SQUARES);
    double *absolutes = SKLGD_FIELD(row, SKLGD_ONLINE_ABSOLUTES);
    const double *sizes = SKLGD_FIELD(row, SKLGD_ONLINE_SIZE);
    double *place = SKLGD_FIELD(row, SKLGD_ONLINE_PLACE);
    double *xs = row->x, *limits = row->inverse, *moved = row->work;
    const ptrdiff_t width = row->width;
    uint64_t found = 0;
    ptrdiff_t p;
    SKLGD_INDEPENDENT
    for (p = 0; p < width; p++) {
        const double x = xs[p], entry = fabs(x), size = sizes[p];
        const double known = absolutes[p] >= SKLGD_ONLINE_KNOWN * size ? size : 0.0;
        const double far = SKLGD_ONLINE_FAR * known, limit = far > 0.0 ? far : INFINITY;
        const double cut = entry < limit ? entry : limit;
        limits[p] = cut < entry ? 0.0 : limit;
        xs[p] = copysign(cut, x);
    }
    SKLGD_INDEPENDENT
    for (p = 0; p < width; p++) {
        const double x = xs[p], move = centred ? pace * x : 0.0, left = x - move;
        if (centred) place[p] += move, moved[p] = move;
        squares[p] += w * x * left;
        absolutes[p] += w * fabs(left);
        xs[p] = left;
    }
    for (p = 0; p < width; p++) {
        const double size = sizes[p], total = absolutes[p];
        found |= squares[p] > size * total ? 1 : 0;
        found |= (size < SKLGD_ONLINE_TINY ? 1 : 0) & (total > 0.0 ? 1 : 0);
        if (!centred) found |= total < size ? 1 : 0;
    }
    return found != 0;
}

static SKLGD_TARGET int SKLGD_NAME(online_count)(
        const sklgd_online_row *row, double w, double pace) {
    if (row->centred) return SKLGD_NAME(count_entries)(row, 1, w, pace);
    return SKLGD_NAME(count_entries)(row, 0, w, pace);
}

/* After the sizes of columns, what depends on them. Entries that are far away are not learnt
   from. If means have moved, intercepts b move with them. Returned is the number of columns
   with entries of about their size. */
static SKLGD_TARGET double SKLGD_NAME(online_measure)(
        const sklgd_online_row *row, double *b, double *b_lag) {
    const double *sizes = SKLGD_FIELD(row, SKLGD_ONLINE_SIZE);
    double *x = row->x, *inverse = row->inverse, *share = row->rate;
    sklgd_lanes sum = {0};
    const ptrdiff_t width = row->width;
    ptrdiff_t p, k;
    SKLGD_INDEPENDENT
    for (p = 0; p < width; p++) {
        const double size = sizes[p], one = 1.0 / size, other = inverse[p] > 0.0 ? x[p] : 0.0;
        const double root = size > 0.0 ? one : 0.0, left = size > 0.0 ? other : 0.0;
        const double unit = left * root, square = unit * unit;
        inverse[p] = root, x[p] = left;
        share[p] = square < 1.0 ? square : 1.0;
    }
    for (p = 0; p < width; p += 4) sklgd_lanes_add(&sum, share + p);
    if (row->centred)
        for (k = 0; k < row->K; k++)
            SKLGD_NAME(add_products)(
                width, row->work, SKLGD_KIND(row, 0, k), SKLGD_KIND(row, 2, k), b + k,
                b_lag + k);
    return sklgd_lanes_total(&sum);
}

/* z += sum_p x_p weight_p and lag += sum_p x_p lag_p. */
static SKLGD_TARGET void SKLGD_NAME(online_predict)(
        const sklgd_online_row *row, double *SKLGD_RESTRICT z, double *SKLGD_RESTRICT lag) {
    const ptrdiff_t K = row->K;
    ptrdiff_t p, k;
    if (row->by_field) {
        for (k = 0; k < K; k++)
            SKLGD_NAME(add_products)(
                row->width, row->x, SKLGD_KIND(row, 0, k), SKLGD_KIND(row, 2, k), z + k,
                lag + k);
        return;
    }
    for (p = 0; p < row->n; p++) {
        const double *w = SKLGD_RECORD(row, p) + SKLGD_ONLINE_WEIGHTS;
        const double x = row->x[p];
        for (k = 0; k < K; k++) {
            z[k] += x * w[k];
            lag[k] += x * w[2 * K + k];
        }
    }
}

/* Inverses of the precisions of the priors of one output, and the curvatures of its rows
   times these. */
static SKLGD_TARGET SKLGD_INLINE void SKLGD_NAME(prior_of_field)(
        const sklgd_online_row *row, ptrdiff_t k, double share, double known, double unit,
        double h) {
    const double *x = row->x, *inverse = row->inverse, *curvature = SKLGD_KIND(row, 1, k);
    const double *sizes = SKLGD_FIELD(row, SKLGD_ONLINE_SIZE);
    const double *seen = SKLGD_FIELD(row, SKLGD_ONLINE_ABSOLUTES);
    double *rate = row->rate + k * row->room, *work = row->work + k * row->room;
    const double over = 1.0 / (share * unit);
    const ptrdiff_t width = row->width;
    ptrdiff_t p;
    SKLGD_INDEPENDENT
    for (p = 0; p < width; p++) {
        const double one = inverse[p] * inverse[p] * over;
        const double low = one < 1e307 ? one : 0.0, prior = low > 1e-300 ? low : 0.0;
        const double relative = (curvature[p] + h * (x[p] * x[p])) * prior;
        rate[p] = prior;
        work[p] = prior > 0.0 ? relative : 0.0;
    }
    if (known > 0.0)
        SKLGD_INDEPENDENT
        for (p = 0; p < width; p++) {
            const double size = sizes[p], sum = known * unit * (size * size);
            const double prior = seen[p] >= SKLGD_ONLINE_TRUSTED * size ? rate[p] : 0.0;
            const double relative = work[p] + sum * prior;
            rate[p] = prior;
            work[p] = prior > 0.0 ? relative : 0.0;
        }
}

/* The same for all outputs, record by record. */
static SKLGD_TARGET SKLGD_INLINE void SKLGD_NAME(priors_of_records)(
        const sklgd_online_row *row, double share, double known,
        const double *SKLGD_RESTRICT unit, const double *SKLGD_RESTRICT h) {
    const double *sizes = SKLGD_FIELD(row, SKLGD_ONLINE_SIZE);
    const double *seen = SKLGD_FIELD(row, SKLGD_ONLINE_ABSOLUTES);
    const double trusted = known > 0.0 ? SKLGD_ONLINE_TRUSTED : 0.0;
    const ptrdiff_t K = row->K;
    ptrdiff_t p, k;
    for (p = 0; p < row->n; p++) {
        const double *curvature = SKLGD_RECORD(row, p) + SKLGD_ONLINE_WEIGHTS + K;
        const double x2 = row->x[p] * row->x[p], square = sizes[p] * sizes[p];
        const double precision = seen[p] >= trusted * sizes[p] ? square : INFINITY;
        double *SKLGD_RESTRICT rate = row->rate + p * K;
        double *SKLGD_RESTRICT work = row->work + p * K;
        for (k = 0; k < K; k++) {
            const double total = precision * share * unit[k], one = 1.0 / total;
            const double low = total > 1e-307 ? one : 0.0;
            const double prior = total < 1e300 ? low : 0.0;
            const double relative =
                prior * (curvature[k] + h[k] * x2 + known * square * unit[k]);
            rate[k] = prior;
            work[k] = prior > 0.0 ? relative : 0.0;
        }
    }
}

static SKLGD_TARGET SKLGD_INLINE void SKLGD_NAME(finish_rates)(
        ptrdiff_t n, double late, double penalty, const double *SKLGD_RESTRICT work,
        double *SKLGD_RESTRICT rate) {
    ptrdiff_t i;
    SKLGD_INDEPENDENT
    for (i = 0; i < n; i++) rate[i] *= late * work[i];
    if (penalty > 0.0)
        SKLGD_INDEPENDENT
        for (i = 0; i < n; i++) rate[i] /= 1.0 + penalty * rate[i];
}

/* rate = late P^(power - 1) (P + G)^-power of each entry and output, P = size^2 share unit
   being the precision of its prior and G its curvature with h x^2 of this row, and q the sum
   of x^2 rate. ``known`` rows of unit curvature are known of each column, which then waits for
   a few entries that show its size. An l2 penalty of all rows so far adds to the inverse of
   the rate.

   The rate of an intercept is that of an entry of one: given are the inverse of its P, in
   the place of the rate, and its G. */
static SKLGD_TARGET void SKLGD_NAME(online_rates)(
        const sklgd_online_row *row, double share, double known, double power,
        double late, double penalty, const double *unit, const double *h,
        const double *intercept, double *SKLGD_RESTRICT intercept_rate,
        double *SKLGD_RESTRICT q) {
    const ptrdiff_t n = row->n, K = row->K, room = row->room, width = row->width;
    const double *x = row->x;
    double *rate = row->rate, *work = row->work;
    ptrdiff_t p, k;
    if (row->by_field) {
        for (k = 0; k < K; k++) {
            double *a = rate + k * room, *b = work + k * room;
            sklgd_lanes sum = {0};
            SKLGD_NAME(prior_of_field)(row, k, share, known, unit[k], h[k]);
            b[n] = intercept[k] * intercept_rate[k];
            SKLGD_NAME(sklgd_powers_all)(b, width, -power);
            intercept_rate[k] *= late * b[n];
            SKLGD_NAME(finish_rates)(width, late, penalty, b, a);
            /* Entries beyond the row do not move. */
            for (p = n; p < width; p++) a[p] = 0.0;
            for (p = 0; p < width; p += 4) sklgd_lanes_add_square(&sum, x + p, a + p);
            q[k] = intercept_rate[k] + sklgd_lanes_total(&sum);
        }
        return;
    }
    SKLGD_NAME(priors_of_records)(row, share, known, unit, h);
    for (k = 0; k < K; k++) work[n * K + k] = intercept[k] * intercept_rate[k];
    SKLGD_NAME(sklgd_powers_all)(work, (n + 1) * K, -power);
    for (k = 0; k < K; k++) q[k] = intercept_rate[k] *= late * work[n * K + k];
    SKLGD_NAME(finish_rates)(n * K, late, penalty, work, rate);
    for (p = 0; p < n; p++)
        for (k = 0; k < K; k++) q[k] += x[p] * x[p] * rate[p * K + k];
}

/* A step along the gradients c x, with the weight `total` in the average of the iterates. */
static SKLGD_TARGET void SKLGD_NAME(online_step)(
        const sklgd_online_row *row, const double *h, const double *c, double total) {
    const ptrdiff_t K = row->K, width = row->width;
    const double *SKLGD_RESTRICT x = row->x;
    ptrdiff_t p, k;
    if (row->by_field) {
        for (k = 0; k < K; k++) {
            const double *SKLGD_RESTRICT rate = row->rate + k * row->room;
            double *SKLGD_RESTRICT w = SKLGD_KIND(row, 0, k);
            double *SKLGD_RESTRICT curvature = SKLGD_KIND(row, 1, k);
            double *SKLGD_RESTRICT lag = SKLGD_KIND(row, 2, k);
            const double a = -c[k], b = h[k];
            SKLGD_INDEPENDENT
            for (p = 0; p < width; p++) {
                const double move = rate[p] * a * x[p];
                w[p] += move;
                curvature[p] += b * (x[p] * x[p]);
                lag[p] += move * total;
            }
        }
        return;
    }
    for (p = 0; p < row->n; p++) {
        double *SKLGD_RESTRICT w = SKLGD_RECORD(row, p) + SKLGD_ONLINE_WEIGHTS;
        const double *SKLGD_RESTRICT rate = row->rate + p * K;
        const double a = x[p], x2 = a * a;
        for (k = 0; k < K; k++) {
            const double move = -rate[k] * c[k] * a;
            w[k] += move;
            w[K + k] += h[k] * x2;
            w[2 * K + k] += move * total;
        }
    }
}

#undef SKLGD_RECORD
#undef SKLGD_FIELD
#undef SKLGD_KIND
