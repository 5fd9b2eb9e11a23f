"""The objective, computed and minimised without any of the libraries compared.

    F(w, b) = mean_i loss(y_i, x_i.w + b) + l1 |w|_1 + l2/2 |w|^2,

raw weights, free intercept; loss is squared_error (halved), poisson (log link) or
log_loss (softmax from three classes on). `Objective.value` is what every library is
judged by, `solve` finds the minimum where l1 = 0.
"""

import time
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import scipy.sparse as sp
from scipy.special import expit, logsumexp, softmax

ALPHA = 1e-4


@dataclass(frozen=True)
class Objective:
    """What is minimised: a loss and a penalty, named as in scikit-learn's SGD*."""

    loss: str
    alpha: float = ALPHA
    penalty: str = "l2"
    l1_ratio: float = 0.15

    @property
    def l1(self):
        return self.alpha * self.l1_ratio if self.penalty == "elasticnet" else 0.0

    @property
    def l2(self):
        return self.alpha - self.l1

    @property
    def classifies(self):
        return self.loss == "log_loss"

    def value(self, X, y, coef, intercept):
        """F at coefficients (n_outputs, n_features) and intercepts (n_outputs,)."""
        smooth = objective(X, y, self.loss, coef, intercept, self.l2)
        return smooth + self.l1 * float(np.abs(coef).sum())


# ------------------------------------------------------------------------- losses


class Squared:
    """(z - y)^2 / 2."""

    def __init__(self, y):
        self.y, self.n_outputs = y[:, None], 1

    def null(self):
        return np.array([self.y.mean()])

    def value(self, z):
        return 0.5 * float(np.mean((z - self.y) ** 2))

    def slope(self, z):
        """Derivatives by z, and what `curve` and `blocks` need."""
        return z - self.y, np.ones_like(z)

    def curve(self, h, v):
        """Second derivative of each row times v."""
        return h * v

    def block(self, h, k, m):
        """Second derivative by z_k and z_m of each row."""
        return h[:, 0]


class Poisson(Squared):
    """exp(z) - y z."""

    def null(self):
        return np.log([self.y.mean()])

    def value(self, z):
        with np.errstate(over="ignore"):
            return float(np.mean(np.exp(z) - self.y * z))

    def slope(self, z):
        rate = np.exp(z)
        return rate - self.y, rate


class Logistic(Squared):
    """log(1 + exp(-y z)), y = -1 or 1."""

    def null(self):
        share = float((self.y > 0.0).mean())
        return np.array([np.log(share / (1.0 - share))])

    def value(self, z):
        return float(np.mean(np.logaddexp(0.0, -self.y * z)))

    def slope(self, z):
        p = expit(-self.y * z)
        return -self.y * p, p * (1.0 - p)


class Softmax:
    """log(sum_k exp z_k) - z_y."""

    def __init__(self, y):
        self.y, self.n_outputs = y, int(y.max()) + 1
        self.at = (np.arange(len(y)), y)

    def null(self):
        return np.log(np.bincount(self.y) / len(self.y))

    def value(self, z):
        return float(np.mean(logsumexp(z, axis=1) - z[self.at]))

    def slope(self, z):
        p = softmax(z, axis=1)
        g = p.copy()
        g[self.at] -= 1.0
        return g, p

    def curve(self, p, v):
        pv = p * v
        return pv - p * pv.sum(axis=1, keepdims=True)

    def block(self, p, k, m):
        return p[:, k] * ((k == m) - p[:, m])


def make_loss(loss, y):
    """The loss of training targets as an object."""
    if loss == "squared_error":
        return Squared(y)
    if loss == "poisson":
        return Poisson(y)
    labels, code = np.unique(y, return_inverse=True)
    return Softmax(code) if len(labels) > 2 else Logistic(2.0 * code - 1.0)


def objective(X, y, loss, coef, intercept, alpha=ALPHA):
    """F at raw coefficients of shape (n_outputs, n_features) or (n_features,)."""
    coef, intercept = np.atleast_2d(coef), np.atleast_1d(intercept)
    made = make_loss(loss, y)
    return made.value(X @ coef.T + intercept) + 0.5 * alpha * float((coef**2).sum())


def null_objective(y, loss):
    """F of the best constant model."""
    made = make_loss(loss, y)
    return made.value(np.tile(made.null(), (len(y), 1)))


# ------------------------------------------------------------------------- solver


class Design:
    """Z = [(X - 1 mu') S, 1]: columns centred and of about unit size, X sparse or not.

    S = (var + alpha)^(-1/2). A sparse X is never densified: its centring is a
    correction of rank one.
    """

    def __init__(self, X, alpha):
        self.n_samples, self.n_features = X.shape
        if sp.issparse(X):
            self.centre = np.asarray(X.mean(axis=0)).ravel()
            second = np.asarray(X.multiply(X).mean(axis=0)).ravel()
            var = np.maximum(second - self.centre**2, 0.0)
        else:
            self.centre, var = X.mean(axis=0), X.var(axis=0)
        self.scale = 1.0 / np.sqrt(var + alpha)
        if sp.issparse(X):
            self.X, self.shift = X @ sp.diags(self.scale), self.centre * self.scale
            self.X = self.X.tocsr()
            self.XT = self.X.T.tocsr()
        else:
            self.X, self.shift = (X - self.centre) * self.scale, None
            self.XT = self.X.T
        # Second moments of the columns of the weights' penalty: alpha S^2, 0.
        self.penalty = np.append(alpha * self.scale**2, 0.0)[:, None]

    def times(self, u):
        z = self.X @ u[:-1] + u[-1]
        return z if self.shift is None else z - self.shift @ u[:-1]

    def transposed(self, g):
        """Z' g / n_samples."""
        total = g.sum(axis=0)
        out = self.XT @ g
        if self.shift is not None:
            out -= self.shift[:, None] * total
        return np.vstack([out, total]) / self.n_samples

    def squares(self, h):
        """Diagonal of Z' diag(h_k) Z / n_samples, one column for each k."""
        if self.shift is None:
            out = np.empty((self.n_features, h.shape[1]))
            for start in range(0, self.n_features, 256):
                part = slice(start, start + 256)
                out[part] = (self.X[:, part] ** 2).T @ h
        else:
            m = self.shift[:, None]
            out = self.X.multiply(self.X).T @ h - 2.0 * m * (self.XT @ h)
            out += m**2 * h.sum(axis=0)
        return np.vstack([out, h.sum(axis=0)]) / self.n_samples

    def gram(self, h, dtype):
        """Z' diag(h) Z / n_samples."""
        d = self.n_features
        out = np.empty((d + 1, d + 1), dtype=dtype)
        if self.shift is None:
            out[:d, :d] = self.XT @ (h[:, None].astype(dtype) * self.X)
            first = self.XT @ h.astype(dtype)
        else:
            out[:d, :d] = (self.XT @ (sp.diags(h) @ self.X)).toarray()
            raw, m = self.XT @ h, self.shift
            first = raw - h.sum() * m
            out[:d, :d] -= np.outer(m, raw) + np.outer(first, m)
        out[:d, d] = out[d, :d] = first
        out[d, d] = h.sum()
        out /= self.n_samples
        return out

    def sample(self, stride, dtype):
        """Every ``stride``-th row, in another precision, for preconditioners."""
        copy = object.__new__(Design)
        copy.__dict__.update(self.__dict__, X=self.X[::stride].astype(dtype))
        copy.XT, copy.n_samples = copy.X.T, copy.X.shape[0]
        return copy


class Diagonal:
    """Preconditioner: the Hessian's diagonal."""

    def __init__(self, design, loss, h):
        columns = [loss.block(h, k, k) for k in range(loss.n_outputs)]
        diagonal = design.squares(np.column_stack(columns)) + design.penalty
        self.diagonal = np.maximum(diagonal, 1e-12 * diagonal.max())

    def solve(self, r):
        return r / self.diagonal


class Whole:
    """Preconditioner: the Hessian's Cholesky factor, all classes at once."""

    def __init__(self, design, loss, h):
        K, d1 = loss.n_outputs, design.n_features + 1
        self.dtype = np.float64
        if K * d1 > 4000:
            # Half the memory, twice the speed, and a sample of rows will do.
            self.dtype = np.float32
            stride = max(1, design.n_samples // (2 * K * d1))
            design, h = design.sample(stride, self.dtype), h[::stride]
        A = np.empty((K * d1, K * d1), dtype=self.dtype, order="F")
        for k in range(K):
            for m in range(k, K):
                block = design.gram(loss.block(h, k, m), self.dtype)
                A[k * d1 : (k + 1) * d1, m * d1 : (m + 1) * d1] = block
        diagonal = A.ravel(order="K")[:: K * d1 + 1]
        diagonal += np.tile(design.penalty.ravel(), K).astype(self.dtype)
        size, ridge = float(diagonal.mean()), 4.0 * np.finfo(self.dtype).eps
        while True:
            # The intercepts of a softmax share a direction without curvature.
            try:
                shifted = A.copy(order="F")
                shifted.ravel(order="K")[:: K * d1 + 1] += ridge * size
                self.factor = scipy.linalg.cholesky(
                    shifted, lower=False, overwrite_a=True, check_finite=False
                )
                break
            except np.linalg.LinAlgError:
                ridge *= 10.0
        self.size = size

    def solve(self, r):
        flat = r.T.ravel().astype(self.dtype)
        x = scipy.linalg.solve_triangular(
            self.factor, flat, trans="T", check_finite=False
        )
        x = scipy.linalg.solve_triangular(self.factor, x, check_finite=False)
        return x.astype(np.float64).reshape(r.shape[1], r.shape[0]).T


def conjugate_gradients(product, r, solve, eta, limit, until):
    """Approximate solution of H d = r, preconditioned; d and the steps made."""
    d = np.zeros_like(r)
    s = solve(r)
    p, rs = s.copy(), float((r * s).sum())
    first = rs
    r, step = r.copy(), 0
    while step < limit:
        step += 1
        Hp = product(p)
        curvature = float((p * Hp).sum())
        if not curvature > 0.0:
            break
        a = rs / curvature
        d += a * p
        r -= a * Hp
        s = solve(r)
        before, rs = rs, float((r * s).sum())
        if rs <= eta**2 * first or time.process_time() > until:
            break
        p = s + (rs / before) * p
    return d, step


@dataclass
class Optimum:
    """F* and F_null of a problem.

    Attributes
    ----------
    decrement : float
        Newton's estimate of (F - F*)/(F_null - F*) at the end.
    converged : bool
        Whether that fell below the tolerance before the time was over.
    coef, intercept : ndarrays
        The minimiser in raw coordinates, shapes (n_outputs, n_features), (n_outputs,).
    """

    F_star: float
    F_null: float
    n_train: int
    d: int
    converged: bool
    decrement: float
    seconds: float
    steps: int
    coef: np.ndarray
    intercept: np.ndarray


def _line_search(loss, z, dz, value, slope, quadratic):
    """Learning rate: halved until F falls by enough, in the space of predictions.

    Returns (0, value) where rounding hides any descent.
    """
    t = 1.0
    for _ in range(60):
        penalty = t * quadratic[0] + t**2 * quadratic[1]
        trial = loss.value(z + t * dz) + quadratic[2] + penalty
        if trial <= value + 1e-4 * t * slope:
            return t, trial
        t /= 2.0
    return 0.0, value


def solve(X, y, loss, alpha=ALPHA, tol=1e-11, seconds=240.0, start=None, verbose=False):
    """Minimise F by Newton's method with preconditioned conjugate gradients.

    The preconditioner is the Cholesky factor of the Hessian, renewed when the sweeps
    since it was made took as long as making it; with more than 8000 unknowns, the
    diagonal. Stops at half a squared Newton decrement of ``tol (F_null - F)``. Sets out
    from the best constant model, or from ``start``, raw (coef, intercept). ``seconds``
    are those of the processor.
    """
    began = time.process_time()
    until = began + seconds
    made = make_loss(loss, y)
    design = Design(X, alpha)
    unknowns = (X.shape[1] + 1) * made.n_outputs
    Preconditioner = Whole if unknowns <= 8000 else Diagonal
    penalty = design.penalty
    u = np.zeros((X.shape[1] + 1, made.n_outputs))
    u[-1] = made.null()
    null = made.value(np.tile(u[-1], (len(y), 1)))
    if start is not None:
        u[:-1] = start[0].T / design.scale[:, None]
        u[-1] = start[1] + start[0] @ design.centre
    z = design.times(u)
    value = made.value(z) + 0.5 * float((penalty * u * u).sum())
    preconditioner, price, spent = None, 0.0, 0.0
    decrement, converged, steps = np.inf, False, 0
    while time.process_time() < until:
        g, h = made.slope(z)
        gradient = design.transposed(g) + penalty * u
        clock = time.process_time()
        if preconditioner is None or spent >= price:
            preconditioner = Preconditioner(design, made, h)
            price, spent = time.process_time() - clock, 0.0
            clock = time.process_time()

        def product(v, h=h):
            return design.transposed(made.curve(h, design.times(v))) + penalty * v

        eta = 0.1 if decrement > 1e-3 else 0.01
        d, inner = conjugate_gradients(
            product, -gradient, preconditioner.solve, eta, 1000, until
        )
        dz = design.times(d)
        slope = float((gradient * d).sum())
        quadratic = (
            float((penalty * u * d).sum()),
            0.5 * float((penalty * d * d).sum()),
            0.5 * float((penalty * u * u).sum()),
        )
        t, after = _line_search(made, z, dz, value, slope, quadratic)
        decrement = -0.5 * slope / max(null - value, 1e-300)
        spent += time.process_time() - clock
        steps += 1
        if verbose:
            print(f"  {steps:4} F {value:.12g} {decrement:.1e} t {t:g} cg {inner}")
        if t > 0.0:
            u += t * d
            z, value = design.times(u), after
        if decrement <= tol or t == 0.0:
            converged = decrement <= max(tol, 1e-9)
            break
    w = design.scale[:, None] * u[:-1]
    b = u[-1] - design.centre @ w
    return Optimum(
        F_star=objective(X, y, loss, w.T, b, alpha),
        F_null=null,
        n_train=X.shape[0],
        d=X.shape[1],
        converged=bool(converged),
        decrement=float(decrement),
        seconds=time.process_time() - began,
        steps=steps,
        coef=np.ascontiguousarray(w.T),
        intercept=b,
    )
