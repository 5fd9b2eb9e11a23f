/* A family of kernels (isa.h): lagged steps of all lanes by the series, at least four terms
   of it; returns in how many lanes it does not converge, whose w stays as it is. */
static SKLGD_TARGET double SKLGD_NAME(lagged_series)(
        sklgd_series *SKLGD_RESTRICT s, ptrdiff_t n_terms, double epsilon, int root) {
    double n_left = 0.0;
    ptrdiff_t j;
    if (root) {
        for (j = 0; j < SERIES_LANES; j++) s->h[j] = sqrt(s->scale[j]);
    } else {
        for (j = 0; j < SERIES_LANES; j++) s->h[j] = s->scale[j];
    }
    for (j = 0; j < SERIES_LANES; j++) {
        const double h = s->h[j];
        double power = 1.0 / h, x = -epsilon * power, end = s->weights[0][j] * power;
        const double limit = 0x1p-53 * s->weights[0][j] * power;
        double open = h <= epsilon ? 0.0 : 1.0, term, m, scale;
/* Adds a term unless an earlier one was below rounding. No check before the fourth: */
#define EARLY(n)                                                                        \
    power *= x;                                                                         \
    end += s->weights[n][j] * power;
#define LATE(n)                                                                         \
    power *= x;                                                                         \
    term = s->weights[n][j] * power;                                                    \
    end += open > 0.0 ? term : 0.0;                                                     \
    open = fabs(term) <= (n < n_terms ? limit : -1.0) ? 0.0 : open;
        EARLY(1) EARLY(2) LATE(3) LATE(4) LATE(5) LATE(6) LATE(7)
#undef EARLY
#undef LATE
        s->left[j] = h <= epsilon ? 1.0 : open;
        s->w[j] -= s->left[j] > 0.0 ? 0.0 : s->m[j] * end;
        /* `fallen` */
        m = s->m[j] * s->mean_fall[j];
        scale = s->scale[j] * s->scale_fall[j];
        s->m[j] = fabs(m) < 1e-300 ? 0.0 : m;
        s->scale[j] = fabs(scale) < 1e-300 ? 0.0 : scale;
    }
    for (j = 0; j < SERIES_LANES; j++) n_left += s->left[j];
    return n_left;
}
