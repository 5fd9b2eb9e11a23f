/* The series of lagged Adam steps, for several coordinates at a time: see _lagged_adam.pyx.
   One at a time they took twice as long. */

#ifndef SKLGD_LAGGED_ADAM_H
#define SKLGD_LAGGED_ADAM_H

#include <math.h>
#include <stddef.h>

#include "isa.h"

enum { SERIES_TERMS = 8, SERIES_LANES = 32 };

typedef struct {
    double weights[SERIES_TERMS][SERIES_LANES];
    double mean_fall[SERIES_LANES];     /* factors of m and of the scale */
    double scale_fall[SERIES_LANES];
    double h[SERIES_LANES], w[SERIES_LANES], m[SERIES_LANES], scale[SERIES_LANES];
    double left[SERIES_LANES];          /* 1 where the series has not converged, else 0 */
} sklgd_series;

typedef double (*sklgd_series_step)(
    sklgd_series *s, ptrdiff_t n_terms, double epsilon, int root);

#define SKLGD_FAMILY "lagged_adam_impl.h"
#include "each_isa.h"

/* The function for this machine, to be asked for once, at import. */
static sklgd_series_step sklgd_choose_series(void) {
    return SKLGD_CHOOSE(lagged_series);
}

#endif
