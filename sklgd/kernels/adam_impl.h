/* A family of kernels (isa.h): one step of Adam on n coordinates; see `AdamRule`. */
static SKLGD_TARGET void SKLGD_NAME(adam_step)(
        const sklgd_adam *rule, ptrdiff_t n, const double *SKLGD_RESTRICT g,
        const double *SKLGD_RESTRICT l1, const double *SKLGD_RESTRICT l2,
        double *SKLGD_RESTRICT m, double *SKLGD_RESTRICT v, double *SKLGD_RESTRICT w) {
    const double b1 = rule->beta_1, b2 = rule->beta_2, epsilon = rule->epsilon;
    const double eta = rule->eta, c1 = rule->c1, c2 = rule->c2;
    ptrdiff_t j;
    for (j = 0; j < n; j++) {
        const double G = g[j] + l2[j] * w[j];
        const double mean = b1 * m[j] + (1.0 - b1) * G;
        const double square = b2 * v[j] + (1.0 - b2) * G * G;
        const double e = eta / (sqrt(c2 * square) + epsilon);
        const double x = w[j] - e * c1 * mean, t = e * l1[j];
        /* `soft` of _penalty.pxd */
        double c = x < -t ? -t : x;
        c = t > c ? c : t;
        m[j] = mean;
        v[j] = square;
        w[j] = x - c;
    }
}
