/* A family of kernels (isa.h): recursive least squares.

   Column j of U lies at U + j stride, the stride being n rounded up to a multiple of four:
   a one in row j, zeros below it. Loops that run beyond row j, to the end of four numbers,
   change nothing there. The row x and the gain have `stride` numbers, of which those from
   n on are zero in x; x is zero before the column `first`. `work` has 4 stride numbers.

   Bierman, "Factorization methods for discrete sequential estimation", 1977, ch. V: after
   the update the inverse of U D U' is larger by weight x x'. Nothing is subtracted from D,
   which stays positive. Returned is q = x' U D U' x, and the gain U D U' x, both after the
   update. */
static SKLGD_TARGET double SKLGD_NAME(covariance_update)(
        ptrdiff_t n, ptrdiff_t stride, ptrdiff_t first, double *SKLGD_RESTRICT U,
        double *SKLGD_RESTRICT D, const double *SKLGD_RESTRICT x, double weight,
        double *SKLGD_RESTRICT gain, double *SKLGD_RESTRICT work) {
    double *SKLGD_RESTRICT f = work, *SKLGD_RESTRICT v = work + stride;
    double *SKLGD_RESTRICT total = work + 2 * stride, *SKLGD_RESTRICT share = work + 3 * stride;
    double q = 0.0, alpha;
    ptrdiff_t i, j, k;
    for (j = first; j < n; j++) {
        const double *u = U + j * stride;
        double s[4] = {0.0, 0.0, 0.0, 0.0};
        for (i = first & ~(ptrdiff_t) 3; i <= j; i += 4)
            for (k = 0; k < 4; k++) s[k] += u[i + k] * x[i + k];
        f[j] = (s[0] + s[1]) + (s[2] + s[3]);
    }
    for (j = first; j < n; j++) v[j] = D[j] * f[j];
    for (j = first; j < n; j++) {
        total[j] = 1.0 + weight * q;
        q += f[j] * v[j];
    }
    alpha = 1.0 + weight * q;
    for (j = first; j < n; j++) {
        share[j] = -weight * f[j] / total[j];
        D[j] *= total[j] / (total[j] + weight * (f[j] * v[j]));
    }
    memset(gain, 0, stride * sizeof(double));
    for (j = first; j < n; j++) {
        double *SKLGD_RESTRICT u = U + j * stride;
        const double a = share[j], b = v[j];
        for (i = 0; i <= j; i += 4)
            for (k = 0; k < 4; k++) {
                const double old = u[i + k];
                u[i + k] = old + a * gain[i + k];
                gain[i + k] += b * old;
            }
    }
    for (j = 0; j < stride; j++) gain[j] /= alpha;
    return q / alpha;
}
