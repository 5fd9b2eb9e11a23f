/* A family of kernels (isa.h): recursive least squares. */

static SKLGD_TARGET SKLGD_INLINE sklgd_lanes SKLGD_NAME(lanes_at)(const double *x) {
    sklgd_lanes a;
    memcpy(&a, x, sizeof(a));
    return a;
}

/* s + c a */
static SKLGD_TARGET SKLGD_INLINE sklgd_lanes SKLGD_NAME(lanes_plus)(
        sklgd_lanes s, double c, sklgd_lanes a) {
#if SKLGD_VECTORS
    return s + c * a;
#else
    int k;
    for (k = 0; k < 4; k++) s.v[k] += c * a.v[k];
    return s;
#endif
}

/* s += a b */
static SKLGD_TARGET SKLGD_INLINE void SKLGD_NAME(lanes_add_product)(
        sklgd_lanes *s, sklgd_lanes a, sklgd_lanes b) {
#if SKLGD_VECTORS
    *s += a * b;
#else
    int k;
    for (k = 0; k < 4; k++) s->v[k] += a.v[k] * b.v[k];
#endif
}

/* The sums of the four numbers of each of s, in a fixed order. */
static SKLGD_TARGET SKLGD_INLINE void SKLGD_NAME(lanes_sums)(
        const sklgd_lanes *s, double *out) {
#ifdef SKLGD_SHUFFLE
    const sklgd_lanes ab =
        SKLGD_SHUFFLE(s[0], s[1], 0, 4, 2, 6) + SKLGD_SHUFFLE(s[0], s[1], 1, 5, 3, 7);
    const sklgd_lanes cd =
        SKLGD_SHUFFLE(s[2], s[3], 0, 4, 2, 6) + SKLGD_SHUFFLE(s[2], s[3], 1, 5, 3, 7);
    const sklgd_lanes all =
        SKLGD_SHUFFLE(ab, cd, 0, 1, 4, 5) + SKLGD_SHUFFLE(ab, cd, 2, 3, 6, 7);
    memcpy(out, &all, sizeof(all));
#else
    int k;
    for (k = 0; k < 4; k++) {
        double v[4];
        memcpy(v, &s[k], sizeof(v));
        out[k] = (v[0] + v[1]) + (v[2] + v[3]);
    }
#endif
}

/* Columns of U: u0, ..., u3 become u + share gain, where gain is that of the columns
   before, and the gain grows by v u. */
static SKLGD_TARGET SKLGD_INLINE void SKLGD_NAME(move_columns)(
        double *u, ptrdiff_t n, const double *share, const double *v, double *gain) {
    sklgd_lanes g = SKLGD_NAME(lanes_at)(gain);
    int k;
    for (k = 0; k < 4; k++) {
        const sklgd_lanes old = SKLGD_NAME(lanes_at)(u + k * n);
        const sklgd_lanes now = SKLGD_NAME(lanes_plus)(old, share[k], g);
        memcpy(u + k * n, &now, sizeof(now));
        g = SKLGD_NAME(lanes_plus)(g, v[k], old);
    }
    memcpy(gain, &g, sizeof(g));
}

/* Rows and columns are padded with zeros to a multiple of four, `n`. Column j of U lies at
   U + j n: a one in row j, zeros below it. Four columns are read at a time, from row 0 to
   the last of the four numbers with the diagonal, and change nothing below it. x is zero
   before the column `first`. `work` has 5 n + 8 numbers.

   Bierman, "Factorization methods for discrete sequential estimation", 1977, ch. V: after
   the update the inverse of U D U' is larger by weight x x'. Nothing is subtracted from D,
   which stays positive. Returned is q = x' U D U' x, and the gain U D U' x, both after the
   update. */
static SKLGD_TARGET double SKLGD_NAME(covariance_update)(
        ptrdiff_t n, ptrdiff_t first, double *SKLGD_RESTRICT U, double *SKLGD_RESTRICT D,
        const double *SKLGD_RESTRICT x, double weight, double *SKLGD_RESTRICT gain,
        double *SKLGD_RESTRICT work) {
    double *SKLGD_RESTRICT f = work, *SKLGD_RESTRICT v = work + n;
    double *SKLGD_RESTRICT share = work + 2 * n, *SKLGD_RESTRICT total = work + 3 * n;
    double *SKLGD_RESTRICT inverse = work + 4 * n + 4;
    double q = 0.0, alpha;
    ptrdiff_t i, j, k;
    first &= ~(ptrdiff_t) 3;
    for (j = first; j < n; j += 4) {
        const double *u = U + j * n;
        sklgd_lanes s[4] = {{0}};
        for (i = first; i <= j; i += 4) {
            const sklgd_lanes xi = SKLGD_NAME(lanes_at)(x + i);
            for (k = 0; k < 4; k++)
                SKLGD_NAME(lanes_add_product)(s + k, SKLGD_NAME(lanes_at)(u + k * n + i), xi);
        }
        SKLGD_NAME(lanes_sums)(s, f + j);
    }
    for (j = first; j < n; j++) v[j] = D[j] * f[j];
    /* total = 1 + weight q, q being that of the columns before; one sum waits for the next
       in fours only. */
    for (j = first; j < n; j += 4) {
        const double a = f[j] * v[j], b = a + f[j + 1] * v[j + 1], c = f[j + 2] * v[j + 2];
        total[j] = 1.0 + weight * q;
        total[j + 1] = 1.0 + weight * (q + a);
        total[j + 2] = 1.0 + weight * (q + b);
        total[j + 3] = 1.0 + weight * (q + (b + c));
        q += b + (c + f[j + 3] * v[j + 3]);
    }
    total[n] = alpha = 1.0 + weight * q;
    for (j = first; j <= n; j++) inverse[j] = 1.0 / total[j];
    for (j = first; j < n; j++) {
        share[j] = -weight * f[j] * inverse[j];
        D[j] *= total[j] * inverse[j + 1];
    }
    memset(gain, 0, n * sizeof(double));
    for (j = first; j < n; j += 4)
        for (i = 0; i <= j; i += 4)
            SKLGD_NAME(move_columns)(U + j * n + i, n, share + j, v + j, gain + i);
    for (j = 0; j < n; j++) gain[j] *= inverse[n];
    return q * inverse[n];
}
