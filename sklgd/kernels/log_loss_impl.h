/* A family of kernels (isa.h): the functions of `log_loss.h`. Their loops run over whole
   groups of four numbers, which arrays of the caller have room for. */

/* log(1 + x) = 2 artanh(s) for 0 <= x <= 1, s = x / (2 + x) <= 1/3: 2 s (1 + s^2 q(s^2)), q
   of degree 9 from the Chebyshev nodes, error 8e-18. */
static SKLGD_TARGET SKLGD_INLINE double SKLGD_NAME(log_loss_log1p)(double x) {
    const double s = x / (2.0 + x), t = s * s, t2 = t * t, t4 = t2 * t2;
    const double q0 = (0.3333333333333333 + 0.20000000000007292 * t)
                      + (0.1428571428355438 + 0.11111111358713932 * t) * t2;
    const double q1 = (0.09090894718066429 + 0.07692785032479312 * t)
                      + (0.06657072104827468 + 0.06000536404795356 * t) * t2;
    const double q2 = 0.04400369243072337 + 0.08082022805971766 * t;
    return 2.0 * s + 2.0 * s * t * (q0 + t4 * (q1 + t4 * q2));
}

static SKLGD_TARGET void SKLGD_NAME(log_loss_points)(
        double y, const double *SKLGD_RESTRICT z, ptrdiff_t n,
        double *SKLGD_RESTRICT value, double *SKLGD_RESTRICT g, double *SKLGD_RESTRICT h) {
    ptrdiff_t k;
    for (k = 0; k < n; k++) {
        const double margin = y * z[k], e = sklgd_exp(-fabs(margin)), sum = 1.0 + e;
        const double p = (margin > 0.0 ? e : 1.0) / sum;
        value[k] = SKLGD_NAME(log_loss_log1p)(e) + (margin > 0.0 ? 0.0 : -margin);
        g[k] = -y * p;
        h[k] = e / (sum * sum);
    }
}

/* One step of Halley's method for f = m - a - q p, p = 1 / (1 + exp(m)). */
static SKLGD_TARGET SKLGD_INLINE double SKLGD_NAME(log_loss_halley)(
        double f, double q, double p) {
    const double v = q * (p * (1.0 - p)), df = 1.0 + v;
    return -f * df / (df * df + 0.5 * f * v * (1.0 - 2.0 * p));
}

/* log(u) for 1/2 <= u < inf, with an error below 2e-3. */
static SKLGD_TARGET SKLGD_INLINE double SKLGD_NAME(log_loss_log)(double u) {
    const uint64_t exponent = (sklgd_bits(2.0 * u) - 0x3fe6a09e667f3bcdULL) >> 52;
    const double k = sklgd_from_bits(exponent | 0x4330000000000000ULL) - 4503599627370497.0;
    const double f = sklgd_from_bits(sklgd_bits(2.0 * u) - (exponent << 52)) - 1.0;
    return k * 0.6931471805599453 + f * (1.0 + f * (-0.5 + f * (0.33 - 0.22 * f)));
}

/* In the margin: m = a + q p, p = 1 / (1 + exp(m)). The equation keeps its form under
   (m, a) -> (-m, -a - q), so that m >= 0 can be assumed, where Newton's method is monotone
   from below. The first step, from z0, needs no exponential. */
static SKLGD_TARGET void SKLGD_NAME(log_loss_prox)(
        double y, const double *SKLGD_RESTRICT z0, const double *SKLGD_RESTRICT g0,
        const double *SKLGD_RESTRICT q, ptrdiff_t n, double *SKLGD_RESTRICT z,
        double *SKLGD_RESTRICT c) {
    double a[SKLGD_POINTS], step[SKLGD_POINTS], moving;
    uint64_t large = 0;
    ptrdiff_t k;
    int steps;
    for (k = 0; k < n; k++) {
        const double margin = y * z0[k], p = fabs(g0[k]);
        const double guess = margin + SKLGD_NAME(log_loss_halley)(-q[k] * p, q[k], p);
        const int below = margin < -0.5 * q[k];
        const double from = below ? -margin - q[k] : margin;
        double low = (from + 0.5 * q[k]) / (1.0 + 0.25 * q[k]), m = below ? -guess : guess;
        low = low > from ? low : from;
        a[k] = from;
        z[k] = m > low ? m : low;
        step[k] = 1.0;
    }
    for (k = 0; k < n; k++) large |= (q[k] > 8.0 ? 1 : 0) & (a[k] < 700.0 ? 1 : 0);
    if (large)
        for (k = 0; k < n; k++) {
            /* A fixed-point step and one of Newton's method for m = log(q / (m - a) - 1). */
            const double start =
                SKLGD_NAME(log_loss_log)(1.0 + q[k] / (1.0 + fabs(a[k])));
            const double least = a[k] + 1e-3, from = start > least ? start : least;
            const double gap = from - a[k], ratio = q[k] / gap;
            const double rest = ratio > 1.5 ? ratio - 1.0 : 0.5;
            const double found = SKLGD_NAME(log_loss_log)(rest);
            const double m =
                from - (from - found) / (1.0 + (1.0 + rest) / (rest * gap));
            const double better = m > z[k] ? m : z[k];
            z[k] = q[k] > 8.0 && a[k] < 700.0 ? better : z[k];
        }
    for (steps = 0; steps < SKLGD_PROX_STEPS; steps++) {
        moving = 0.0;
        for (k = 0; k < n; k++) {
            const double e = sklgd_exp(-z[k]), p = e / (1.0 + e), m = z[k];
            const double s = SKLGD_NAME(log_loss_halley)(m - a[k] - q[k] * p, q[k], p);
            const double move = m + s >= 0.0 ? s : -m;
            /* p at the new m, by Taylor's formula: the error is move^4 / 24, and that of
               m less than move^3 / 2, which the last move makes 4e-15 at most. */
            const double rest = 1.0 - p, third = (1.0 / 6.0) - p * rest;
            const double bend = 0.5 * (rest - p) - move * third;
            const double now = p * (1.0 - move * rest * (1.0 - move * bend));
            const int moves = fabs(step[k]) > 2e-5;
            c[k] = moves ? now : c[k];
            z[k] = moves ? m + move : m;
            step[k] = moves ? move : step[k];
        }
        for (k = 0; k < n; k++) moving = fabs(step[k]) > moving ? fabs(step[k]) : moving;
        if (!(moving > 2e-5)) break;
    }
    for (k = 0; k < n; k++) {
        const int below = y * z0[k] < -0.5 * q[k];
        z[k] = (below ? -y : y) * z[k];
        c[k] = -y * (below ? 1.0 - c[k] : c[k]);
    }
}
