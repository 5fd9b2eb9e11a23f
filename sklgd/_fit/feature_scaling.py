"""Internal feature scaling: the coordinates in which a fit works on raw data.

With ``learning_rate="auto"`` (or a schedule's name without ``eta0``) an optimizer does
not see the raw coefficients w and b. It sees u, with

    w_jk = S_jk u_jk,   b_k = S_bk u_bk - sum_j mu_j w_jk,

where mu_j is the weighted mean of column j, and S follows from the diagonal of the
Hessian of the objective about the constant model,

    H_jk = gamma_k var_j + l2,   H_bk = gamma_k,   gamma_k = f_k / z_k^2.

var_j is the weighted variance of the column, and z_k and f_k are the sizes of a raw
prediction and of the loss (`Loss.natural_scale`). With S = 1/sqrt(H) every feature is
centred and has a second derivative of about one, and neither the units of X nor those
of y matter. X itself is neither copied nor changed, and the penalty remains the one of
the raw coefficients.

An optimizer that is a rule minimises the objective in units of f: its S is sqrt(f_k)
times as large.
"""

from dataclasses import dataclass

import numpy as np

from ..kernels._gram import weighted_gram
from ..kernels._hessian import hessian_diagonal, inverse_root
from ..kernels._vector import gradient_to_scaled, to_raw, to_scaled
from .row_blocks import row_blocks

# Rows or entries of which arrays are made, where one of all would take too much memory.
CHUNK = 16384
# Multiplications spent on second moments (some tenths of a second).
GRAM_WORK = 2_000_000_000
# Arithmetic up to which every output gets a rotation of its own.
EACH = 2e9
# Smallest second derivative in rotated coordinates, relative to the largest.
FLAT = 1e-10


@dataclass
class FeatureScaling:
    """Raw coefficients <-> scaled coefficients u; see the module's docstring.

    Attributes
    ----------
    centre : ndarray of shape (n_features,)
        mu; zero without an intercept, or where a step moves the active features only.
    scale, gradient_scale : ndarray of shape (n_features + 1, n_outputs)
        w = scale * u and dF/du = gradient_scale * dF/dw, the latter in the units in
        which F is minimised. A column without spread has scale 0 and stays out of the
        model.
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

    @classmethod
    def of(cls, data, statistics, l2):
        """Scaling in which the objective has second derivatives of about one."""
        centre, square = statistics.moments(data.fit_intercept)
        scale = inverse_root(hessian_diagonal(square, statistics.curvature, l2))
        return cls(centre, scale, scale)

    @classmethod
    def in_units_of_loss(cls, data, statistics, l2, rotated, centred):
        """The same of the objective in units of the loss, for an optimizer's rule.

        ``rotated`` says that `rotate` follows.

        Raises
        ------
        ValueError
            If the squares of the coefficients leave float64.
        """
        z_unit, loss_unit = statistics.z_unit, statistics.loss_unit
        centre, square = statistics.moments(data.fit_intercept and centred)
        ridge = l2 * z_unit**2 / loss_unit
        if rotated:
            # One rotation serves all outputs.
            ridge = np.max(ridge, axis=-1, keepdims=True) * np.ones_like(z_unit)
        diagonal = hessian_diagonal(square, np.ones_like(z_unit), ridge)
        scale = inverse_root(diagonal, z_unit)
        with np.errstate(over="ignore"):
            scaling = cls(centre, scale, scale / loss_unit)
            held = np.isfinite(scaling.gradient_scale * scale).all()
        if not held:
            raise ValueError(
                "X, y: the columns of X are so small compared with y that the squares "
                "of the coefficients leave float64. Scale X and y."
            )
        return scaling

    def keep(self, coef):
        """Give columns without spread that have coefficients a scale, to keep these.

        Later rows of a stream may differ in them. These rows do not, so that any scale
        will do until then, and no step shall move the coefficients.
        """
        alone = (self.scale == 0.0) & (coef != 0.0)
        self.scale = np.where(alone, np.abs(coef), self.scale)

    def output(self, k):
        """The scaling of output k alone, without its rotation."""
        columns = self.scale[:, [k]], self.gradient_scale[:, [k]]
        return FeatureScaling(self.centre, *columns)

    def to_raw(self, u):
        """Raw coefficients, or a direction among them, of u; without the rotation."""
        return to_raw(u, self.centre, self.scale)

    def to_scaled(self, coef):
        """u of raw coefficients.

        A column without spread is constant: its contribution to the raw predictions
        goes to the intercept.
        """
        u = to_scaled(coef, self.centre @ coef[:-1], self.scale)
        if self.inverse is not None:
            for k, column in enumerate(u.T):
                column[:] = self.inverse[k % len(self.inverse)] @ column
        return u

    def gradient(self, raw, total_weight, l2, u):
        """dF/du, made in place of the loss's gradient in raw coefficients.

        ``total_weight`` divides the loss, and ``l2`` is the penalty of u^2 / 2.
        """
        gradient_to_scaled(raw, self.centre, self.gradient_scale, total_weight, l2, u)
        return raw

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
        """The scaling that `pack` made a dict of."""
        scale = packed["scale"]
        known = {"centre": np.zeros(len(scale) - 1)} | packed
        if "gradient_scale" not in known:
            known["gradient_scale"] = scale / loss_unit
        return cls(**known)


def rotate(scaling, data, statistics, l2, coef, damping):
    """Give a scaling the rotations R_k with R_k' M_k R_k = 1.

    M_k is the Hessian of one output at ``coef``, in the coordinates that the scale
    defines, with a share ``damping`` of its bound (second derivatives of one, in units
    of the loss): on nearly separable data the Hessian at one iterate says little about
    the Hessian at later ones.

    Returns
    -------
    share : float or None
        Mean squared norm of the rows. None, and the scaling stays as it was, if X is
        not finite any more: then it was changed during the fit, and the next epoch ends
        the run.
    """
    moments = curvature_moments(data, scaling, statistics, coef, damping)
    if not np.isfinite(moments).all():
        return None
    base = scaling.scale[:-1, 0] / statistics.z_unit[0]
    scaling.rotation, scaling.inverse = np.empty_like(moments), np.empty_like(moments)
    share = 0.0
    ridges = (l2 * statistics.z_unit**2 / statistics.loss_unit).T
    if len(moments) == 1:
        ridges = [np.max(ridges, axis=0)]
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
        scaling.rotation[k] = R
        scaling.inverse[k] = (vectors * root).T * size
        share += np.einsum("ij,ij->", M @ R, R) / len(moments)
    return share


def curvature_moments(data, scaling, statistics, coef, damping):
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
    units = statistics.z_unit**2 / statistics.loss_unit * data.mean_factor
    base = scaling.scale[:-1, 0] / statistics.z_unit[0]
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
                data.matrix, h[:done, k], some, scaling.centre, data.n_threads
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
