/* A family of kernels (isa.h): one step of Adam on n coordinates; see `AdamRule`. */
static SKLGD_TARGET SKLGD_INLINE void SKLGD_NAME(adam_steps)(
        const sklgd_adam *rule, ptrdiff_t first, ptrdiff_t n, int equal,
        const double *SKLGD_RESTRICT g, const double *SKLGD_RESTRICT l1,
        const double *SKLGD_RESTRICT l2, double *SKLGD_RESTRICT m,
        double *SKLGD_RESTRICT v, double *SKLGD_RESTRICT w) {
    const double b1 = rule->beta_1, b2 = rule->beta_2, epsilon = rule->epsilon;
    const double eta = rule->eta, c1 = rule->c1, c2 = rule->c2;
    const double first_l1 = l1[0], first_l2 = l2[0];
    ptrdiff_t j;
    for (j = first; j < n; j++) {
        const double G = g[j] + (equal ? first_l2 : l2[j]) * w[j];
        const double mean = b1 * m[j] + (1.0 - b1) * G;
        const double square = b2 * v[j] + (1.0 - b2) * G * G;
        const double e = eta / (sqrt(c2 * square) + epsilon);
        const double x = w[j] - e * c1 * mean, t = e * (equal ? first_l1 : l1[j]);
        /* `soft` of _penalty.pxd */
        double c = x < -t ? -t : x;
        c = t > c ? c : t;
        m[j] = mean;
        v[j] = square;
        w[j] = x - c;
    }
}

static SKLGD_TARGET void SKLGD_NAME(adam_step)(
        const sklgd_adam *rule, ptrdiff_t n, ptrdiff_t n_equal, const double *g,
        const double *l1, const double *l2, double *m, double *v, double *w) {
    SKLGD_NAME(adam_steps)(rule, 0, n_equal, 1, g, l1, l2, m, v, w);
    SKLGD_NAME(adam_steps)(rule, n_equal, n, 0, g, l1, l2, m, v, w);
}
