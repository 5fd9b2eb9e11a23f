"""What "auto" means: statistics of the data, implicit metric, method, step size.

With ``learning_rate="auto"`` (or a schedule's name without ``eta0``) the optimizer
does not see the raw coordinates. It sees u, with

    w_jk = S_jk u_jk,   b_k = z_k u_bk - sum_j mu_j w_jk,
    S_jk = z_k / sqrt(var_j + l2 z_k^2 / f_k),

where mu and var are the weighted mean and variance of a column and z_k, f_k the
natural sizes of a prediction and of the loss (`Loss.natural_scale`). In these
coordinates every feature is centred and has size one, every curvature is at most about
one, and neither the units of X nor those of y matter. X itself is neither copied nor
changed, and the penalty remains the one of the raw coefficients.
"""

from dataclasses import dataclass

import numpy as np

from ..kernels._gram import weighted_gram
from .data import row_blocks

# Rows or entries of which arrays are made, where one of all would take too much memory.
CHUNK = 16384
# Multiplications spent on second moments (some tenths of a second).
GRAM_WORK = 2_000_000_000
# Arithmetic up to which every output gets a rotation of its own.
EACH = 2e9
# Least curvature in a rotated metric, relative to the largest.
FLAT = 1e-10


@dataclass
class Metric:
    """The implicit coordinates of one fit; see the module's docstring.

    Attributes
    ----------
    centre : ndarray of shape (n_features,)
        Column means (zero without intercept).
    scale, gradient_scale : ndarray of shape (n_features + 1, n_outputs)
        w = scale * u and dF/du = gradient_scale * dF/dw, the latter in units of
        the loss.
    rotation : ndarray of shape (1 or n_outputs, n_features + 1, n_features + 1) or None
        R_k, in w_k = scale_k * (R_k u_k) and dF/du_k = R_k' (gradient_scale_k *
        dF/dw_k); one for all outputs, or one each.
    inverse : ndarray of the same shape, or None
        The (pseudo-)inverses of R_k.
    """

    centre: np.ndarray
    scale: np.ndarray
    gradient_scale: np.ndarray
    rotation: np.ndarray | None = None
    inverse: np.ndarray | None = None

    def pack(self, loss_unit):
        """A dict for storage, without what follows from the rest or is zero."""
        packed = {
            name: value for name, value in vars(self).items() if value is not None
        }
        if not self.centre.any():
            del packed["centre"]
        if np.array_equal(self.gradient_scale, self.scale / loss_unit):
            del packed["gradient_scale"]
        return packed

    @classmethod
    def unpack(cls, packed, loss_unit):
        """The metric that `pack` made a dict of."""
        scale = packed["scale"]
        known = {"centre": np.zeros(len(scale) - 1)} | packed
        if "gradient_scale" not in known:
            known["gradient_scale"] = scale / loss_unit
        return cls(**known)

    def to_position(self, coef):
        """Raw coefficients as coordinates of the metric."""
        position = coef.copy()
        position[-1] += self.centre @ coef[:-1]
        # A column without spread has scale 0: its share is in the intercept now.
        out = np.zeros_like(position)
        np.divide(position, self.scale, out=out, where=self.scale > 0.0)
        if self.inverse is not None:
            for k, u in enumerate(out.T):
                u[:] = self.inverse[k % len(self.inverse)] @ u
        return out


def make_metric(data, statistics, l2, rotated, centred):
    """Metric of the data, and the mean squared norm of the rows in a rotated one."""
    z_unit, loss_unit = statistics.z_unit, statistics.loss_unit
    centre, var = statistics.mean, statistics.var
    if not (data.fit_intercept and centred):
        centre, var = np.zeros_like(centre), var + centre**2
    ridge = l2 * z_unit**2 / loss_unit
    if rotated:
        # One rotation serves all outputs.
        ridge = np.full_like(ridge, ridge.max())
    size = np.sqrt(var[:, None] + ridge)
    # A column without spread says nothing beside an intercept; it stays at zero.
    scale = np.zeros((len(centre) + 1, len(z_unit)))
    spread = np.broadcast_to(var[:, None] > 0.0, size.shape)
    np.divide(z_unit, size, out=scale[:-1], where=spread)
    scale[-1] = z_unit
    with np.errstate(over="ignore"):
        metric = Metric(centre, scale, scale / loss_unit)
        held = np.isfinite(metric.gradient_scale * scale).all()
    if not held:
        raise ValueError(
            "X, y: the columns of X are so small beside y that the coefficients' "
            "squares leave float64. Scale X and y."
        )
    if not rotated:
        return metric, None
    return metric, rotate(metric, data, statistics, l2, np.zeros_like(scale), 1.0)


def rotate(metric, data, statistics, l2, coef, damping):
    """Give a metric the rotations R_k with R_k' M_k R_k = 1.

    M_k is the Hessian of one output at ``coef``, in the coordinates that the metric's
    scale defines, with a share ``damping`` of its bound (curvature one of the loss, in
    its units): of near separable data the curvature at a point says little about that
    further on.

    Returns
    -------
    share : float or None
        Mean squared norm of the rows. None, and the metric stays as it was, if X is not
        finite any more: then somebody else has changed it, and the next epoch ends the
        run.
    """
    moments = curvature_moments(data, metric, statistics, coef, damping)
    if not np.isfinite(moments).all():
        return None
    base = metric.scale[:-1, 0] / statistics.z_unit[0]
    metric.rotation, metric.inverse = np.empty_like(moments), np.empty_like(moments)
    share = 0.0
    ridges = l2 * statistics.z_unit**2 / statistics.loss_unit
    if len(moments) == 1:
        ridges = np.array([ridges.max()])
    for k, (M, ridge) in enumerate(zip(moments, ridges, strict=True)):
        full = M.copy()
        full[np.diag_indices(len(base))] += ridge * base**2
        # Columns that the sample missed keep their own size.
        size = np.sqrt(np.diag(full))
        size[size < 0.01] = 1.0
        values, vectors = np.linalg.eigh(full / size / size[:, None])
        # Directions without spread or curvature: no smaller than rounding allows.
        root = np.sqrt(np.maximum(values, FLAT * values[-1]))
        R = vectors / root / size[:, None]
        metric.rotation[k] = R
        metric.inverse[k] = (vectors * root).T * size
        share += np.einsum("ij,ij->", M @ R, R) / len(moments)
    return share


def curvature_moments(data, metric, statistics, coef, damping):
    """Mean of h_ik x_i x_i', x = [(X - centre) scale, 1], h the curvature of the loss.

    Of all rows, or of evenly spaced ones where that would take long.

    Returns
    -------
    moments : ndarray of shape (n_outputs, n_features + 1, n_features + 1)
        One matrix, of the mean curvature, where the curvature is the same for all
        outputs or a matrix each would take too long.
    """
    size, K = coef.shape
    each = damping < 1.0 and K > 1 and K * size**3 < EACH
    limit = max(20 * size, 4096, GRAM_WORK // (size**2 * (K if each else 1)))
    rows = data.spaced(-(-data.n_rows // limit))
    units = statistics.z_unit**2 / statistics.loss_unit
    base = metric.scale[:-1, 0] / statistics.z_unit[0]
    out = np.zeros((K if each else 1, size, size))
    h, total, done = np.empty((min(CHUNK, len(rows)), len(out))), 0.0, 0
    for start in range(0, len(rows), CHUNK):
        some, done = rows[start : start + CHUNK], 0
        for part, block in row_blocks(data.X, some):
            s = np.ones(len(part)) if data.weights is None else data.weights[part]
            total += s.sum()
            z = block @ coef[:-1] + coef[-1]
            curvature = data.loss.curvature(data.target[part], z)
            curvature = np.maximum(curvature, 0.0) * units
            # (Not c + damping (1 - c), which is zero where c is beyond 1e16.)
            curvature = (1.0 - damping) * curvature + damping
            if not each:
                curvature = curvature.max(axis=1, keepdims=True)
            h[done : done + len(part)] = s[:, None] * curvature
            done += len(part)
        for k, moments in enumerate(out):
            A, v, height = weighted_gram(
                data.matrix, h[:done, k], some, metric.centre, data.n_threads
            )
            moments[:-1, :-1] += A * base * base[:, None]
            moments[-1, :-1] += v * base
            moments[-1, -1] += height
    for moments in out:
        if data.fit_intercept:
            moments[:-1, -1] = moments[-1, :-1]
        else:
            moments[-1, :-1] = 0.0
            moments[-1, -1] = total
    return out / total
