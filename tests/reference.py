"""Plain NumPy oracle: losses, penalties, schedules and optimizers, as published.

Nothing here is fast or clever: a step costs O(n_features) whatever the data, and every
formula stands where the paper puts it, so that the compiled engine can be compared with
something a reader can check by eye.

The parameters of the model are one array of shape (n_features + 1, n_outputs); its last
row is the intercept, which takes part in every rule but is never penalised.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.special import expit, logsumexp, softmax, wrightomega

# --------------------------------------------------------------------------------------
# Losses: functions (y, z, **params) -> (value, derivative in z), element by element
# --------------------------------------------------------------------------------------


def squared_error(y, z):
    """Half the squared residual (Legendre 1805, Gauss 1809)."""
    return 0.5 * (z - y) ** 2, z - y


def huber(y, z, epsilon=0.1):
    """Huber (1964), "Robust estimation of a location parameter": k = epsilon."""
    r = z - y
    near = np.abs(r) <= epsilon
    value = np.where(near, 0.5 * r**2, epsilon * np.abs(r) - 0.5 * epsilon**2)
    return value, np.where(near, r, epsilon * np.sign(r))


def epsilon_insensitive(y, z, epsilon=0.1):
    """Vapnik, "The nature of statistical learning theory" (1995), section 6.1."""
    r = z - y
    excess = np.maximum(0.0, np.abs(r) - epsilon)
    return excess, np.sign(r) * (excess > 0)


def squared_epsilon_insensitive(y, z, epsilon=0.1):
    """The square of Vapnik's loss: L2-loss regression of Ho & Lin (2012)."""
    r = z - y
    excess = np.maximum(0.0, np.abs(r) - epsilon)
    return excess**2, 2.0 * excess * np.sign(r)


def absolute_error(y, z):
    """Absolute residual (Boscovich 1757); its derivative at 0 is taken as 0."""
    return np.abs(z - y), np.sign(z - y)


def quantile(y, z, quantile=0.5):
    """Check function of Koenker & Bassett, "Regression quantiles" (1978)."""
    r = y - z
    value = np.where(r >= 0, quantile * r, (quantile - 1) * r)
    return value, np.where(r > 0, -quantile, np.where(r < 0, 1 - quantile, 0.0))


def poisson(y, z):
    """Poisson log-likelihood, log link: McCullagh & Nelder (1989), chapter 6.

    Half the unit deviance without the terms that do not depend on z.
    """
    return np.exp(z) - y * z, np.exp(z) - y


def gamma(y, z):
    """Gamma log-likelihood, log link: McCullagh & Nelder (1989), chapter 8."""
    return z + y * np.exp(-z), 1.0 - y * np.exp(-z)


def tweedie(y, z, power=1.5):
    """Half the Tweedie deviance, log link, without constants: Jorgensen (1987)."""
    if power == 0:
        return 0.5 * (y - np.exp(z)) ** 2, (np.exp(z) - y) * np.exp(z)
    if power == 1:
        return poisson(y, z)
    if power == 2:
        return gamma(y, z)
    high, low = np.exp((2 - power) * z), np.exp((1 - power) * z)
    return high / (2 - power) - y * low / (1 - power), high - y * low


def logistic(y, z):
    """Logistic regression with y = -1 or +1, Cox (1958): log(1 + exp(-y z))."""
    return np.logaddexp(0.0, -y * z), -y * expit(-y * z)


def hinge(y, z):
    """Soft margin of Cortes & Vapnik, "Support-vector networks" (1995).

    At the jump the derivative is that of the left side.
    """
    return np.maximum(0.0, 1.0 - y * z), np.where(y * z <= 1.0, -y, 0.0)


def perceptron(y, z):
    """Rosenblatt (1958), as the criterion of Bottou (1991): max(0, -y z)."""
    return np.maximum(0.0, -y * z), np.where(y * z <= 0.0, -y, 0.0)


def squared_hinge(y, z):
    """L2-loss support vector machine: Chang, Hsieh & Lin (2008)."""
    slack = np.maximum(0.0, 1.0 - y * z)
    return slack**2, -2.0 * y * slack


def modified_huber(y, z):
    """Zhang (2004), "Solving large scale linear prediction problems using SGD"."""
    m = y * z
    slack = np.maximum(0.0, 1.0 - m)
    value = np.where(m >= -1, slack**2, -4.0 * m)
    return value, np.where(m >= -1, -2.0 * y * slack, -4.0 * y)


def softmax_cross_entropy(codes, z):
    """Multinomial logistic regression: logsumexp(z) - z of the row's class."""
    onehot = np.arange(z.shape[1]) == np.asarray(codes)[:, None]
    # (SciPy's own logsumexp and softmax take ten times as long for few rows.)
    d = z - z[onehot][:, None]
    powers = np.exp(d - d.max(axis=1, keepdims=True))
    first = np.arange(z.shape[1]) == powers.argmax(axis=1)[:, None]
    rest = np.where(first, 0.0, powers).sum(axis=1)
    value = d[first] + np.log1p(rest)
    others = np.where(onehot, 0.0, powers / (1.0 + rest)[:, None])
    return value, others - onehot * others.sum(axis=1, keepdims=True)


def tweedie_curvature(y, z, power=1.5):
    return (2 - power) * np.exp((2 - power) * z) - y * (1 - power) * np.exp(
        (1 - power) * z
    )


# Second derivatives (y, z, **params); of losses made of lines it is zero.
CURVATURES = {
    squared_error: lambda y, z: np.ones_like(z),
    huber: lambda y, z, epsilon=0.1: 1.0 * (np.abs(z - y) <= epsilon),
    squared_epsilon_insensitive: lambda y, z, epsilon=0.1: (
        2.0 * (np.abs(z - y) > epsilon)
    ),
    poisson: lambda y, z: np.exp(z),
    gamma: lambda y, z: y * np.exp(-z),
    tweedie: tweedie_curvature,
    logistic: lambda y, z: expit(z) * expit(-z),
    squared_hinge: lambda y, z: 2.0 * (y * z < 1.0),
    modified_huber: lambda y, z: 2.0 * (np.abs(y * z) < 1.0),
}


# (x, dx/dz, a, b) of each jump max(a x, b x) that a loss made of lines adds up.
JUMPS = {
    absolute_error: lambda y, z: [(z - y, 1.0, -1.0, 1.0)],
    quantile: lambda y, z, quantile=0.5: [(z - y, 1.0, -quantile, 1.0 - quantile)],
    epsilon_insensitive: lambda y, z, epsilon=0.1: [
        (z - y - epsilon, 1.0, 0.0, 1.0),
        (y - z - epsilon, -1.0, 0.0, 1.0),
    ],
    hinge: lambda y, z: [(1.0 - y * z, -y, 0.0, 1.0)],
    perceptron: lambda y, z: [(-y * z, -y, 0.0, 1.0)],
}


def bisect(increasing, low, high):
    """The point where an increasing function changes its sign, element by element."""
    for _ in range(120):
        middle = 0.5 * (low + high)
        if np.all((middle == low) | (middle == high)):
            break
        above = increasing(middle) > 0.0
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return 0.5 * (low + high)


def prox_softmax(codes, z0, q):
    """Prox of q times the multinomial loss, through the normaliser L = logsumexp(z).

    z + q exp(z - L) = z0 + q onehot has the solution q exp(z - L) = omega(z0 +
    q onehot + log q - L) with Wright's omega, and these add up to q.
    """
    a = z0 + q * (np.arange(z0.shape[1]) == np.asarray(codes)[:, None])
    top = a.max(axis=1, keepdims=True)
    L = bisect(
        lambda L: q - wrightomega(a + np.log(q) - L).sum(axis=1, keepdims=True),
        top - q - 1.0,
        top + np.log(z0.shape[1]) + 1.0,
    )
    z = a - wrightomega(a + np.log(q) - L)
    return z, (z0 - z) / q


@dataclass(frozen=True)
class Loss:
    """A loss of the registry.

    ``function`` works element by element on targets shaped like z. ``jumps`` are the
    points where it has no derivative, in terms of the residual z - y (regression) or of
    the margin y z (classification), as a function of the loss's parameters.
    ``twice_smooth`` says that the second derivative is continuous. A ``unit`` (p, 1) is
    that of a loss of z - y: in another unit of y (c y, c z, and c times a parameter) it
    is c^p times as large. In a unit (p, 0) exp(z) has the unit of y. A loss without one
    has a size of its own, which no parameter scales with y.
    """

    task: str
    function: object
    params: tuple = ()
    jumps: object = lambda **params: ()
    twice_smooth: bool = True
    unit: tuple | None = None

    @property
    def log_link(self):
        return self.unit is not None and self.unit[1] == 0

    def evaluate(self, y, z, **params):
        """Loss of each row (n,) and its gradient in z (n, K).

        y is shaped like z for regression. For classification it holds -1 / +1 when
        K = 1 and class codes when K >= 3: softmax for the logistic loss, one problem
        per class (the class against the rest) for the others, their values added up.
        Several labels per row are -1 / +1 of the shape of z; each is its own problem.
        """
        if self.function is logistic and z.shape[1] > 1 and np.ndim(y) == 1:
            return softmax_cross_entropy(y, z)
        value, gradient = self.function(self.targets(y, z), z, **params)
        return value.sum(axis=1), gradient

    def targets(self, y, z):
        """Targets shaped like z: signs, class against the rest, for classification."""
        if self.task == "regression" or np.shape(y) == z.shape:
            return y
        if z.shape[1] == 1:
            return np.reshape(y, (-1, 1))
        return np.where(np.arange(z.shape[1]) == np.asarray(y)[:, None], 1.0, -1.0)

    def curvature(self, y, z, **params):
        """Second derivatives of each output; p (1 - p) for the softmax."""
        if self.function is logistic and z.shape[1] > 1:
            return softmax(z, axis=1) * (1.0 - softmax(z, axis=1))
        if self.jumps(**params):
            return np.zeros_like(z)
        return CURVATURES[self.function](self.targets(y, z), z, **params)

    def smoothed(self, y, z, barrier_weight, **params):
        """Jumps max(a x, b x) with a logarithmic barrier on their dual variables c.

        max_c c x + e log((c - a) (b - c) / w^2), w = (b - a) / 2: Boyd & Vandenberghe
        (2004), section 11.2. Returns values, derivatives in z, and what is lost by c
        not being the best one: the sum of max(a x, b x) - c x.
        """
        value, slope, lost = np.zeros((3, *z.shape))
        for x, dx, a, b in JUMPS[self.function](self.targets(y, z), z, **params):
            with np.errstate(divide="ignore"):
                c = bisect(
                    lambda c, x=x, a=a, b=b: (
                        barrier_weight / (b - c) - barrier_weight / (c - a) - x
                    ),
                    np.full(z.shape, a),
                    np.full(z.shape, b),
                )
            w = 0.5 * (b - a)
            value += c * x + barrier_weight * np.log((c - a) * (b - c) / w**2)
            slope += c * dx
            lost += np.maximum(a * x, b * x) - c * x
        return value, slope, lost

    def prox(self, y, z0, q, **params):
        """Moreau (1965): the z that minimises q l(y, z) + (z - z0)^2 / 2.

        Returns z and (z0 - z) / q, a subgradient at z. q is a column of positive
        numbers. The root of z - z0 + q l'(z) is no further from z0 than q |l'(z0)|.
        """
        if self.function is logistic and z0.shape[1] > 1:
            return prox_softmax(y, z0, q)
        y = self.targets(y, z0)
        reach = q * np.abs(self.function(y, z0, **params)[1]) + 10.0 + np.abs(y)
        z = bisect(
            lambda z: z - z0 + q * self.function(y, z, **params)[1],
            z0 - reach,
            z0 + reach,
        )
        return z, (z0 - z) / q


LOSSES = {
    "squared_error": Loss("regression", squared_error, unit=(2, 1)),
    "huber": Loss("regression", huber, ("epsilon",), twice_smooth=False, unit=(2, 1)),
    "epsilon_insensitive": Loss(
        "regression",
        epsilon_insensitive,
        ("epsilon",),
        lambda epsilon=0.1: (-epsilon, epsilon),
        twice_smooth=False,
        unit=(1, 1),
    ),
    "squared_epsilon_insensitive": Loss(
        "regression",
        squared_epsilon_insensitive,
        ("epsilon",),
        twice_smooth=False,
        unit=(2, 1),
    ),
    "absolute_error": Loss(
        "regression",
        absolute_error,
        jumps=lambda: (0.0,),
        twice_smooth=False,
        unit=(1, 1),
    ),
    "quantile": Loss(
        "regression",
        quantile,
        ("quantile",),
        lambda quantile=0.5: (0.0,),
        twice_smooth=False,
        unit=(1, 1),
    ),
    "poisson": Loss("regression", poisson, unit=(1, 0)),
    "gamma": Loss("regression", gamma, unit=(0, 0)),
    "tweedie": Loss("regression", tweedie, ("power",), unit=(0.5, 0)),
    "log_loss": Loss("classification", logistic),
    "hinge": Loss("classification", hinge, jumps=lambda: (1.0,), twice_smooth=False),
    "perceptron": Loss(
        "classification", perceptron, jumps=lambda: (0.0,), twice_smooth=False
    ),
    "squared_hinge": Loss("classification", squared_hinge, twice_smooth=False),
    "modified_huber": Loss("classification", modified_huber, twice_smooth=False),
}


# --------------------------------------------------------------------------------------
# Penalties
# --------------------------------------------------------------------------------------


def penalty_strengths(penalty, alpha, l1_ratio, factors=1.0, sizes=1.0):
    """l1_jk and l2_jk of sum_jk l1_jk |w_jk| + l2_jk w_jk^2 / 2.

    ``factors`` are those of ``penalty_factor``, ``sizes`` the standard deviations of
    the columns with ``standardize``.
    """
    rho = {"l1": 1.0, "l2": 0.0, "elasticnet": l1_ratio, None: 0.0}[penalty]
    alpha = 0.0 if penalty is None else alpha
    return alpha * rho * factors * sizes, alpha * (1.0 - rho) * factors * sizes**2


def penalty_value(w, l1, l2):
    return np.sum(l1 * np.abs(w)) + 0.5 * np.sum(l2 * w**2)


def soft_threshold(w, threshold):
    """Proximal operator of threshold * |w|_1 (Donoho & Johnstone 1994)."""
    return np.sign(w) * np.maximum(0.0, np.abs(w) - threshold)


# --------------------------------------------------------------------------------------
# Schedules: factories of functions of the step number t = 1, 2, ...
# --------------------------------------------------------------------------------------


def constant(eta0):
    return lambda t: eta0


def invscaling(eta0, power_t):
    """Robbins & Monro (1951) in the form scikit-learn uses."""
    return lambda t: eta0 / t**power_t


def adaptive(eta0):
    """Constant as long as training improves; without a tolerance it always does."""
    return constant(eta0)


def optimal(alpha, loss, **params):
    """Bottou (2012), "Stochastic gradient descent tricks", with his first step."""
    typw = np.sqrt(1.0 / np.sqrt(alpha))
    slope = LOSSES[loss].function(np.array(1.0), np.array(-typw), **params)[1]
    eta_init = typw / max(1.0, float(slope))
    t0 = 1.0 / (eta_init * alpha)
    return lambda t: 1.0 / (alpha * (t0 + t - 1.0))


def linear(eta0, total_steps, eta_end=0.0):
    return lambda t: eta0 + (eta_end - eta0) * min((t - 1) / total_steps, 1.0)


def cosine(eta0, total_steps, eta_end=0.0):
    """Loshchilov & Hutter, "SGDR" (2017), equation 5, one period."""

    def eta(t):
        part = min((t - 1) / total_steps, 1.0)
        return eta_end + 0.5 * (eta0 - eta_end) * (1.0 + np.cos(np.pi * part))

    return eta


def step(eta0, every, factor=0.5):
    return lambda t: eta0 * factor ** ((t - 1) // every)


def exponential(eta0, every, factor=0.5):
    return lambda t: eta0 * factor ** ((t - 1) / every)


def warmup(schedule, steps):
    """Linear warm-up, Goyal et al. (2017): the first steps grow from eta(1)/steps."""
    return lambda t: schedule(t) * min(t / steps, 1.0)


SCHEDULES = {
    "constant": constant,
    "invscaling": invscaling,
    "optimal": optimal,
    "adaptive": adaptive,
    "pa1": constant,
    "pa2": constant,
    "linear": linear,
    "cosine": cosine,
    "step": step,
    "exponential": exponential,
    "warmup": warmup,
}


# --------------------------------------------------------------------------------------
# Optimizers: step(w, g, eta, l1, l2) -> new w; g is the gradient of the data term alone
#
# The smooth part of the penalty joins the gradient ("coupled", G = g + l2 w) and the l1
# part is a proximal step in the optimizer's own metric with its effective learning
# rate, so that a fixed point of the rule is a minimiser of data term + penalty.
# --------------------------------------------------------------------------------------


class SGD:
    """Robbins & Monro (1951); Bottou's (2012) weight decay, never negative."""

    def step(self, w, g, eta, l1, l2):
        w = np.maximum(0.0, 1.0 - eta * l2) * w - eta * g
        return soft_threshold(w, eta * l1)


class Cumulative:
    """SGD with the cumulative l1 penalty of Tsuruoka, Tsujii & Ananiadou (2009).

    After a row its features move towards zero by all that was due since the first step,
    less what they have paid.
    """

    def __init__(self, shape):
        self.due, self.paid = 0.0, np.zeros(shape)

    def step(self, w, g, eta, l1, l2, features):
        w = np.maximum(0.0, 1.0 - eta * l2) * w - eta * g
        self.due += eta * l1
        down = np.maximum(0.0, w - (self.due + self.paid))
        up = np.minimum(0.0, w + (self.due - self.paid))
        moved = np.where(w > 0.0, down, np.where(w < 0.0, up, w))
        moved = np.where(features, moved, w)
        self.paid += moved - w
        return moved


class Momentum:
    """Heavy ball: Polyak (1964); eta inside the velocity, Sutskever et al. (2013).

    E sums the learning rates as v sums the gradients. At a minimiser v = E G, and
    the threshold E l1 takes back what v added, whatever the schedule. E tends to
    eta / (1 - momentum) under a constant learning rate.
    """

    def __init__(self, momentum=0.9):
        self.momentum = momentum
        self.v = self.E = 0.0

    def step(self, w, g, eta, l1, l2):
        mu = self.momentum
        self.v = mu * self.v + eta * (g + l2 * w)
        self.E = mu * self.E + eta
        return soft_threshold(w - self.v, self.E * l1)


class Nesterov:
    """Nesterov (1983) as written by Bengio et al. (2013): w is the look-ahead point.

    E as in `Momentum`.
    """

    def __init__(self, momentum=0.9):
        self.momentum = momentum
        self.v = self.E = 0.0

    def step(self, w, g, eta, l1, l2):
        mu, G = self.momentum, g + l2 * w
        self.v = mu * self.v + eta * G
        self.E = mu * self.E + eta
        return soft_threshold(w - (mu * self.v + eta * G), (mu * self.E + eta) * l1)


class Adagrad:
    """Duchi, Hazan & Singer (2011), diagonal, composite mirror descent (equation 4).

    The penalty is not part of the gradient: both halves are a proximal step in the
    metric H = sqrt(sum of squared gradients) + epsilon.
    """

    def __init__(self, epsilon=1e-10, initial_accumulator=0.0):
        self.epsilon = epsilon
        self.A = initial_accumulator

    def step(self, w, g, eta, l1, l2):
        self.A = self.A + g**2
        H = np.sqrt(self.A) + self.epsilon
        return soft_threshold(w - eta * g / H, eta * l1 / H) / (1.0 + eta * l2 / H)


class RMSprop:
    """Tieleman & Hinton (2012), lecture 6.5."""

    def __init__(self, rho=0.9, epsilon=1e-8):
        self.rho, self.epsilon = rho, epsilon
        self.E = 0.0

    def step(self, w, g, eta, l1, l2):
        G = g + l2 * w
        self.E = self.rho * self.E + (1.0 - self.rho) * G**2
        e = eta / (np.sqrt(self.E) + self.epsilon)
        return soft_threshold(w - e * G, e * l1)


class Adadelta:
    """Zeiler (2012), algorithm 1; eta = 1 is the paper's rule."""

    def __init__(self, rho=0.95, epsilon=1e-6):
        self.rho, self.epsilon = rho, epsilon
        self.E = self.D = 0.0

    def step(self, w, g, eta, l1, l2):
        rho, G = self.rho, g + l2 * w
        self.E = rho * self.E + (1.0 - rho) * G**2
        r = np.sqrt(self.D + self.epsilon) / np.sqrt(self.E + self.epsilon)
        self.D = rho * self.D + (1.0 - rho) * (r * G) ** 2
        return soft_threshold(w - eta * r * G, eta * r * l1)


class Adam:
    """Kingma & Ba (2015), algorithm 1."""

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.t = 0
        self.m = self.v = 0.0

    def second_moment(self):
        return self.v

    def direction(self, G):
        return self.m / (1.0 - self.beta_1**self.t)

    def step(self, w, g, eta, l1, l2):
        G = g + l2 * w
        self.t += 1
        self.m = self.beta_1 * self.m + (1.0 - self.beta_1) * G
        self.v = self.beta_2 * self.v + (1.0 - self.beta_2) * G**2
        corrected = self.second_moment() / (1.0 - self.beta_2**self.t)
        e = eta / (np.sqrt(corrected) + self.epsilon)
        return soft_threshold(w - e * self.direction(G), e * l1)


class AMSGrad(Adam):
    """Reddi, Kale & Kumar (2018); both moments bias-corrected, as PyTorch does."""

    x = 0.0

    def second_moment(self):
        self.x = np.maximum(self.x, self.v)
        return self.x


class Nadam(Adam):
    """Dozat (2016), "Incorporating Nesterov momentum into Adam", with constant mu."""

    def direction(self, G):
        b = self.beta_1
        return b * self.m / (1.0 - b ** (self.t + 1)) + (1.0 - b) * G / (
            1.0 - b**self.t
        )


class AdaMax:
    """Kingma & Ba (2015), algorithm 2."""

    def __init__(self, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.t = 0
        self.m = self.u = 0.0

    def step(self, w, g, eta, l1, l2):
        G = g + l2 * w
        self.t += 1
        self.m = self.beta_1 * self.m + (1.0 - self.beta_1) * G
        self.u = np.maximum(self.beta_2 * self.u, np.abs(G))
        e = eta / (self.u + self.epsilon)
        return soft_threshold(w - e * self.m / (1.0 - self.beta_1**self.t), e * l1)


class FTRL:
    """FTRL-Proximal: McMahan et al. (2013), algorithm 1.

    The penalty is counted once per step, as the losses are (McMahan 2011), so that its
    share of the objective does not fade; the proximal terms start at w_0.
    """

    def __init__(self, beta=1.0):
        self.beta = beta
        self.t = 0
        self.n = 0.0

    def step(self, w, g, eta, l1, l2):
        if eta == 0.0:  # the proximal weight of a step is 1 / eta
            return w
        if self.t == 0:
            self.S = self.beta / eta
            self.z = -self.S * w
        self.t += 1
        s = (np.sqrt(self.n + g**2) - np.sqrt(self.n)) / eta
        self.z = self.z + g - s * w
        self.S = self.S + s
        self.n = self.n + g**2
        return -soft_threshold(self.z, l1 * self.t) / (self.S + l2 * self.t)


OPTIMIZERS = {
    "sgd": SGD,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adagrad": Adagrad,
    "rmsprop": RMSprop,
    "adadelta": Adadelta,
    "adam": Adam,
    "amsgrad": AMSGrad,
    "nadam": Nadam,
    "adamax": AdaMax,
    "ftrl": FTRL,
}


def minimize(gradient, x0, rule, etas, lower=-np.inf, upper=np.inf):
    """Points of projected descent on a function: x = P(rule's step from x)."""
    x = np.clip(np.array(x0, dtype=float), lower, upper)
    path = [x]
    for eta in etas:
        x = np.clip(rule.step(x, gradient(x), eta, 0.0, 0.0), lower, upper)
        path.append(x)
    return np.array(path)


# --------------------------------------------------------------------------------------
# Descent and objective
# --------------------------------------------------------------------------------------


def _targets(y, loss):
    """(targets, number of outputs); classes come as codes 0, 1, ..."""
    y = np.asarray(y)
    if LOSSES[loss].task == "regression":
        return y.reshape(len(y), -1).astype(float), y.reshape(len(y), -1).shape[1]
    n_classes = int(y.max()) + 1
    return (2.0 * y - 1.0, 1) if n_classes == 2 else (y, n_classes)


def present(X, y, sample_weight):
    """The rows with a weight; one of weight zero is an absent row."""
    X, y = np.asarray(X, dtype=float), np.asarray(y)
    if sample_weight is None:
        return X, y, None
    rows = np.asarray(sample_weight) > 0.0
    return X[rows], y[rows], np.asarray(sample_weight)[rows]


def _weights(sample_weight, n):
    """Weights with mean one."""
    s = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    return s * n / s.sum()


def step_of_some(rule, touched, w, *args):
    """A step of the touched coordinates; the others and their state stay."""
    before = {k: np.copy(v) for k, v in vars(rule).items() if np.ndim(v)}
    moved = rule.step(w, *args)
    for name, value in vars(rule).items():
        if np.ndim(value):
            old = np.broadcast_to(before.get(name, 0.0), value.shape)
            setattr(rule, name, np.where(touched[:, None], value, old))
    return np.where(touched[:, None], moved, w)


def descend(
    X,
    y,
    *,
    loss="squared_error",
    loss_params=None,
    optimizer="sgd",
    optimizer_params=None,
    eta=0.01,
    penalty="l2",
    alpha=1e-4,
    l1_ratio=0.15,
    batch_size=1,
    n_epochs=1,
    sample_weight=None,
    fit_intercept=True,
    orders=None,
    average=False,
    coef_init=None,
    intercept_init=None,
    lazy=False,
    cumulative=None,
    intercept_rate=1.0,
    signs=None,
):
    """Descend; returns coef (n_outputs, n_features) and intercept (n_outputs,).

    ``eta`` is a number or a function of the step number; ``orders`` gives the order of
    rows of each epoch (default: as they come); ``average`` = k averages the iterates of
    all steps before which at least k - 1 rows were seen (Polyak & Juditsky 1992; the
    count is that of scikit-learn's SGD). With ``lazy``, a step moves only features that
    are not zero in all of its rows, and divides their penalty by the share of batches
    in which that is so, rows being drawn at random. With ``cumulative``, a function
    that tells the features of a row, only these pay the l1 penalty (`Cumulative`). The
    step of the intercept is multiplied with ``intercept_rate``. After a step,
    coefficients become zero that do not have the sign of their feature in ``signs``.
    """
    X, y, sample_weight = present(X, y, sample_weight)
    n, d = X.shape
    targets, n_outputs = _targets(y, loss)
    s = _weights(sample_weight, n)
    batch_size = n if batch_size == "full" else batch_size
    l1, l2 = penalty_strengths(penalty, alpha, l1_ratio)
    penalised = np.append(np.ones(d), 0.0)[:, None]
    # Without an intercept its column is zero, and so is its gradient.
    X1 = np.column_stack([X, np.full(n, float(fit_intercept))])

    share = 1.0 - np.mean(X1 == 0.0, axis=0) ** min(batch_size, n)
    rare = penalised / np.where(share > 0.0, share, 1.0)[:, None]

    w = np.zeros((d + 1, n_outputs))
    if coef_init is not None:
        w[:-1] = np.reshape(coef_init, (n_outputs, d)).T
    if intercept_init is not None:
        w[-1] = intercept_init
    rule = OPTIMIZERS[optimizer](**(optimizer_params or {}))
    if cumulative is not None:
        rule = Cumulative(w.shape)
    t, seen, n_averaged, mean = 0, 0, 0, np.zeros_like(w)

    for epoch in range(n_epochs):
        order = np.arange(n) if orders is None else orders[epoch]
        for start in range(0, n, batch_size):
            rows = order[start : start + batch_size]
            t += 1
            _, dz = LOSSES[loss].evaluate(
                targets[rows], X1[rows] @ w, **(loss_params or {})
            )
            g = X1[rows].T @ (s[rows, None] * dz) / len(rows)
            g[-1] *= intercept_rate
            learning_rate = eta(t) if callable(eta) else eta
            if cumulative is not None:
                features = np.append(cumulative(X[rows[0]]), False)[:, None]
                w = rule.step(w, g, learning_rate, l1, l2 * penalised, features)
            elif lazy:
                touched = (X1[rows] != 0.0).any(axis=0)
                w = step_of_some(
                    rule, touched, w, g, learning_rate, l1 * rare, l2 * rare
                )
            else:
                w = rule.step(w, g, learning_rate, l1 * penalised, l2 * penalised)
            if signs is not None:
                w[:-1][w[:-1] * np.reshape(signs, (d, 1)) < 0.0] = 0.0
            if 0 < average <= 1 + seen:
                n_averaged += 1
                mean += (w - mean) / n_averaged
            seen += len(rows)

    w = mean if n_averaged else w
    return w[:-1].T.copy(), w[-1].copy()


class SAGA:
    """Defazio, Bach & Lacoste-Julien (2014), eqs. (1) and (2)."""

    def step(self, w, rows, problem, eta):
        c, x = problem.slopes(w, rows), problem.X1[rows]
        change = x.T @ (c - problem.table[rows])
        w = problem.prox(w - eta * (change + problem.G), eta)
        problem.G = problem.G + change / len(problem.X1)
        problem.table[rows] = c
        return w

    def report(self, w, problem, eta):
        return w


class PointSAGA:
    """Defazio (2016), algorithm 1; the penalty's prox comes first.

    With an l1 penalty or signs the reported point is that of the penalty's prox.
    """

    def step(self, w, rows, problem, eta):
        x, old = problem.X1[rows], problem.table[rows]
        v = problem.prox(w - eta * problem.G, eta) + eta * x.T @ old
        c = problem.implicit_slopes(x @ v, rows, eta * np.sum(x**2))
        problem.G = problem.G + x.T @ (c - old) / len(problem.X1)
        problem.table[rows] = c
        return v - eta * x.T @ c

    def report(self, w, problem, eta):
        if problem.signs is None and not problem.l1.any():
            return w
        step = problem.prox(w - eta * problem.G, eta)
        return np.vstack([step[:-1], w[-1:]])


class SVRG(SAGA):
    """Johnson & Zhang (2013); prox: Xiao & Zhang (2014). The table stays."""

    def step(self, w, rows, problem, eta):
        change = problem.slopes(w, rows) - problem.table[rows]
        g = problem.X1[rows].T @ change / len(rows) + problem.G
        return problem.prox(w - eta * g, eta)


VARIANCE_REDUCED = {"saga": SAGA, "point_saga": PointSAGA, "svrg": SVRG}


class FiniteSum:
    """Rows, slopes s_i l'(x_i.w) of all of them at some point, and their mean."""

    def __init__(
        self, X, y, loss, loss_params, weights, fit_intercept, l1, l2, signs=None
    ):
        self.signs = None if signs is None else np.append(signs, 0)[:, None]
        self.X1 = np.column_stack([X, np.full(len(X), float(fit_intercept))])
        self.targets, self.n_outputs = _targets(y, loss)
        self.loss, self.params, self.s = LOSSES[loss], loss_params or {}, weights
        penalised = np.append(np.ones(X.shape[1]), 0.0)[:, None]
        self.l1, self.l2 = l1 * penalised, l2 * penalised

    def slopes(self, w, rows):
        z = self.X1[rows] @ w
        _, dz = self.loss.evaluate(self.targets[rows], z, **self.params)
        return self.s[rows, None] * dz

    def implicit_slopes(self, z, rows, q):
        if q == 0.0 or self.s[rows] == 0.0:
            _, c = self.loss.evaluate(self.targets[rows], z, **self.params)
        else:
            q = q * self.s[rows, None]
            _, c = self.loss.prox(self.targets[rows], z, q, **self.params)
        return self.s[rows, None] * c

    def prox(self, w, eta):
        w = soft_threshold(w, eta * self.l1) / (1.0 + eta * self.l2)
        return w if self.signs is None else np.where(w * self.signs < 0.0, 0.0, w)

    def take_snapshot(self, w):
        self.table = self.slopes(w, np.arange(len(self.X1)))
        self.G = self.X1.T @ self.table / len(self.X1)


def reduce_variance(
    X,
    y,
    *,
    optimizer,
    loss="squared_error",
    loss_params=None,
    eta=0.01,
    penalty="l2",
    alpha=1e-4,
    l1_ratio=0.15,
    batch_size=1,
    n_epochs=1,
    sample_weight=None,
    fit_intercept=True,
    signs=None,
):
    """SAGA, Point-SAGA and SVRG from w = 0, rows in their order; as `descend`.

    ``eta`` is a number or a function of the number of an epoch's first step.
    """
    X, y, sample_weight = present(X, y, sample_weight)
    n = len(X)
    problem = FiniteSum(
        X,
        y,
        loss,
        loss_params,
        _weights(sample_weight, n),
        fit_intercept,
        *penalty_strengths(penalty, alpha, l1_ratio),
        signs,
    )
    method = VARIANCE_REDUCED[optimizer]()
    w = np.zeros((X.shape[1] + 1, problem.n_outputs))
    for epoch in range(n_epochs):
        if epoch == 0 or optimizer == "svrg":
            problem.take_snapshot(w)
        learning_rate = eta(1 + epoch * -(-n // batch_size)) if callable(eta) else eta
        for start in range(0, n, batch_size):
            rows = np.arange(start, min(start + batch_size, n))
            w = method.step(w, rows, problem, learning_rate)
    w = method.report(w, problem, learning_rate)
    return w[:-1].T.copy(), w[-1].copy()


def whiten(X, sample_weight, h, ridge, damping):
    """R and M = mean of ((1-damping) h + damping) x x' + ridge, with R' M R = 1.

    Whitening by the curvature (Newton's metric) with damping towards the bound of the
    curvature, one (Levenberg 1944; the bound: Boehning 1992). x is a row of the
    weighted-centred X, and one.
    """
    s = _weights(sample_weight, len(X))
    x = np.column_stack([X - np.average(X, axis=0, weights=s), np.ones(len(X))])
    weights = s * ((1.0 - damping) * h + damping)
    M = x.T @ (weights[:, None] * x) / len(X)
    M[:-1, :-1] += ridge * np.eye(X.shape[1])
    values, vectors = np.linalg.eigh(M)
    return vectors / np.sqrt(values), M


def objective(
    X,
    y,
    coef,
    intercept,
    *,
    loss="squared_error",
    loss_params=None,
    penalty="l2",
    alpha=1e-4,
    l1_ratio=0.15,
    sample_weight=None,
):
    """Weighted mean loss plus penalty: the function every optimizer minimises."""
    targets, n_outputs = _targets(y, loss)
    coef = np.reshape(coef, (n_outputs, -1))
    value, _ = LOSSES[loss].evaluate(
        targets, X @ coef.T + np.reshape(intercept, (1, -1)), **(loss_params or {})
    )
    l1, l2 = penalty_strengths(penalty, alpha, l1_ratio)
    return np.mean(_weights(sample_weight, len(value)) * value) + penalty_value(
        coef, l1, l2
    )


def iterate(estimator):
    """The last iterate, or the average: (coef, intercept) before `coef_` got zeros.

    What an l1 penalty has at zero in the optimum is reported as zero, while learning
    goes on from the iterate.
    """
    state = estimator._state.of_all_features(estimator.n_features_in_)
    averaged = estimator.average and state.average_count
    coef = state.average if averaged else state.coef
    return coef[:-1].T, coef[-1]


def distance(a, b):
    """Largest difference, relative to the largest entry of b."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    assert a.size == b.size
    return np.max(np.abs(a.ravel() - b.ravel())) / np.max(np.abs(b))


# --------------------------------------------------------------------------------------
# Second moments
# --------------------------------------------------------------------------------------


def weighted_gram(X, h=None, subset=None, centre=None):
    """sum h (x - mu)(x - mu)', sum h (x - mu) and sum h over the rows of a subset."""
    rows = np.arange(len(X)) if subset is None else subset
    h = np.ones(len(rows)) if h is None else h[rows]
    X = X[rows] - (0.0 if centre is None else centre)
    return (X.T * h) @ X, h @ X, h.sum()


def column_statistics(X, sample_weight=None, subset=None):
    """Sum of the weights; weighted mean and variance of the columns."""
    rows = np.arange(len(X)) if subset is None else subset
    s = np.ones(len(rows)) if sample_weight is None else sample_weight[rows]
    mean = s @ X[rows] / s.sum()
    return s.sum(), mean, s @ (X[rows] - mean) ** 2 / s.sum()


def softmax_hessian(X, p, sample_weight=None, subset=None, centre=None):
    """Hessian of the summed softmax losses: Boehning (1992), equation 2.2.

    Kronecker products of (x - mu, 1)(x - mu, 1)' and diag(p) - p p', row by row.
    """
    n, K = p.shape
    s = np.ones(n) if sample_weight is None else sample_weight
    X = np.column_stack([X - (0.0 if centre is None else centre), np.ones(n)])
    H = np.zeros((X.shape[1] * K, X.shape[1] * K))
    for i in range(n) if subset is None else subset:
        H += s[i] * np.kron(np.outer(X[i], X[i]), np.diag(p[i]) - np.outer(p[i], p[i]))
    return H


# --------------------------------------------------------------------------------------
# Batch methods: all rows, in coordinates u with w_k = S_k u_k, b_k = S_bk u_bk - mu.w_k
# --------------------------------------------------------------------------------------


class Objective:
    """F as a function of u, of shape (n_features + 1, n_outputs), and its derivatives.

    ``A`` of shape (n_samples, n_features + 1, n_outputs) holds the rows in the
    coordinates: z_ik = A_ik . u_k. Without ``centre`` and ``scale`` u is (w, b).
    """

    def __init__(
        self,
        X,
        y,
        *,
        loss="squared_error",
        loss_params=None,
        penalty="l2",
        alpha=1e-4,
        l1_ratio=0.15,
        sample_weight=None,
        fit_intercept=True,
        centre=None,
        scale=None,
    ):
        n, d = X.shape
        self.targets, K = _targets(y, loss)
        self.loss, self.params = LOSSES[loss], loss_params or {}
        self.coupled = loss == "log_loss" and K > 1
        self.s = _weights(sample_weight, n)
        self.centre = np.zeros(d) if centre is None else centre
        self.scale = np.ones((d + 1, K)) if scale is None else scale
        rows = np.column_stack([X - self.centre, np.full(n, float(fit_intercept))])
        self.A = rows[:, :, None] * self.scale
        l1, l2 = penalty_strengths(penalty, alpha, l1_ratio)
        self.l1, self.l2 = l1 * np.abs(self.scale), l2 * self.scale**2
        self.l1[-1] = self.l2[-1] = 0.0

    def to_position(self, coef, intercept):
        """u of coefficients (n_outputs, n_features) and intercepts."""
        coef = np.atleast_2d(coef)
        full = np.vstack([coef.T, np.atleast_1d(intercept) + coef @ self.centre])
        return full / self.scale

    def to_raw(self, u):
        """(coef, intercept) of u."""
        w, b = (self.scale * u)[:-1], (self.scale * u)[-1]
        return w.T, b - self.centre @ w

    def margins(self, u):
        return np.einsum("ijk,jk->ik", self.A, u)

    def smooth(self, u):
        """F without the l1 penalty."""
        value, _ = self.loss.evaluate(self.targets, self.margins(u), **self.params)
        return np.mean(self.s * value) + 0.5 * np.sum(self.l2 * u**2)

    def value(self, u):
        return self.smooth(u) + np.sum(self.l1 * np.abs(u))

    def gradient(self, u):
        """Of F without the l1 penalty."""
        _, dz = self.loss.evaluate(self.targets, self.margins(u), **self.params)
        g = np.einsum("ijk,ik->jk", self.A, self.s[:, None] * dz) / len(self.s)
        return g + self.l2 * u

    def hessian(self, u):
        """Of F without the l1 penalty, of shape (n_features + 1, n_outputs) twice."""
        z, (n, d, K) = self.margins(u), self.A.shape
        if self.coupled:  # Boehning (1992), equation 2.2
            p = softmax(z, axis=1)
            h = p[:, :, None] * (np.eye(K) - p[:, None, :])
        else:
            h = np.eye(K) * self.loss.curvature(self.targets, z, **self.params)[:, None]
        H = np.zeros((d, K, d, K))
        for k, m in np.argwhere(h.any(axis=0)):
            weight = self.s * h[:, k, m] / n
            H[:, k, :, m] = (self.A[:, :, k].T * weight) @ self.A[:, :, m]
        np.einsum("jkjk->jk", H)[...] += self.l2
        return H


def line_minimum(F, u, p):
    """t >= 0 at which F without l1 is least on u + t p: a root of its slope."""

    def slope(t):
        return np.vdot(p, F.gradient(u + t * p))

    far = 1.0
    while slope(far) < 0.0 and far < 1e6:
        far *= 2.0
    return bisect(slope, 0.0, far)


def newton(F, u, n_iter=100, accuracy=1e-15):
    """u += t p, p = -H^-1 g: Nocedal & Wright (2006), equation 2.15, exact t.

    Ends when half of -g.p, the decrease that the model promises, is down to rounding.
    """
    for _ in range(n_iter):
        g = F.gradient(u)
        H = F.hessian(u).reshape(g.size, g.size)
        p = -np.linalg.lstsq(H, g.ravel(), rcond=1e-14)[0].reshape(g.shape)
        if -0.5 * np.vdot(g, p) <= accuracy * abs(F.value(u)):
            break
        u = u + line_minimum(F, u, p) * p
    return u


def two_loop(pairs, g):
    """H g by the two-loop recursion: Nocedal (1980); Nocedal & Wright, algorithm 7.4.

    ``pairs`` are (s, y), the oldest first. The first matrix is gamma I with gamma =
    s.y / y.y of the last pair (equation 7.20), one without pairs.
    """
    q, weights = g.copy(), []
    for s, y in reversed(pairs):
        weights.append(np.vdot(s, q) / np.vdot(s, y))
        q -= weights[-1] * y
    if pairs:
        s, y = pairs[-1]
        q *= np.vdot(s, y) / np.vdot(y, y)
    for s, y in pairs:
        q += (weights.pop() - np.vdot(y, q) / np.vdot(s, y)) * s
    return q


def fista(F, u, n_iter, growth=1.1):
    """Beck & Teboulle (2009), equations 4.1 to 4.3 with backtracking, with restarts.

    The learning rate grows by ``growth`` before each search. The momentum starts afresh
    where a step turns against it (O'Donoghue & Candes 2015, gradient scheme); a step
    that raises F is not made, and the next goes without momentum (function scheme).
    """
    theta, t, last = 1.0, 1.0, u
    for _ in range(n_iter):
        t_next = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * t**2))
        y = u + (t - 1.0) / t_next * (u - last)
        g, smooth = F.gradient(y), F.smooth(y)
        theta *= growth
        while True:
            new = soft_threshold(y - theta * g, theta * F.l1)
            step = new - y
            bound = smooth + np.vdot(g, step) + 0.5 * np.vdot(step, step) / theta
            if F.smooth(new) <= bound + 1e-13 * abs(bound):
                break
            theta *= 0.5
        if F.value(new) > F.value(u) + 1e-13 * abs(F.value(u)):
            last, t = u, 1.0
            continue
        t = 1.0 if np.vdot(y - new, new - u) > 0.0 else t_next
        last, u = u, new
    return u


def l1_model(B, g, u, l1, n_sweeps=2000):
    """The p that minimises g.p + p'B p / 2 + sum l1 |u + p|, one coordinate at a time.

    Friedman, Hastie & Tibshirani (2010), equation 5.
    """
    p = np.zeros_like(g)
    for _ in range(n_sweeps):
        for j in np.flatnonzero(np.diag(B) > 0.0):
            slope = g[j] + B[j] @ p
            z = u[j] + p[j] - slope / B[j, j]
            p[j] = soft_threshold(z, l1[j] / B[j, j]) - u[j]
    return p


# --------------------------------------------------------------------------------------
# Online learning
# --------------------------------------------------------------------------------------


def l1_optimum(X, codes, l1, l2=0.0, accuracy=1e-7):
    """F of log loss (softmax) at the optimum and at the best constant model.

    By an interior point method (Koh, Kim and Boyd 2007): |w| <= v with a logarithmic
    barrier of weight 1 / t, which causes an error of at most 2 / t for each w, and
    Newton's method on w and v. Columns are standardised, for the arithmetic only.

    Parameters
    ----------
    X : ndarray of shape (n, d)
    codes : ndarray of shape (n,)
        Classes 0, 1, ...; two of them count as one output.
    l1, l2 : float
        Strengths of the penalty of the raw coefficients, but the intercepts.
    accuracy : float
        Largest error, as a share of the distance between the two values.
    """
    scale, n = X.std(axis=0), len(X)
    Z = np.column_stack([(X - X.mean(axis=0)) / scale, np.ones(n)])
    Y = np.eye(codes.max() + 1)[codes]
    two = Y.shape[1] == 2
    K, D = 1 if two else Y.shape[1], Z.shape[1]
    a = np.repeat(np.append(l1 / scale, 0.0), K)
    ridge, pen = np.repeat(np.append(l2 / scale**2, 0.0), K), a > 0.0
    # The classes' share of an output: for two classes, the second against the first.
    E = np.array([[0.0, 1.0]]) if two else np.eye(K)

    def value(w):
        z = Z @ w.reshape(D, K) @ E
        loss = (logsumexp(z, axis=1) - (z * Y).sum(axis=1)).mean()
        return loss + 0.5 * ridge @ w**2, softmax(z, axis=1)

    def barrier(w, v, t):
        room = v[pen] ** 2 - w[pen] ** 2
        if not (room.min() > 0.0 and v[pen].min() > 0.0):
            return np.inf
        return t * (value(w)[0] + a @ v) - np.log(room).sum()

    w, v = np.zeros(D * K), np.ones(D * K)
    share = np.log(Y.mean(axis=0))
    w[-K:] = share[1:] - share[:1] if two else share
    null = value(w)[0]
    t, best = 10.0 / null, 0.0
    while 2.0 * pen.sum() / t > accuracy * (null - best):
        t *= 10.0
        for _ in range(100):
            p = value(w)[1]
            g = t * ((Z.T @ ((p - Y) @ E.T) / n).ravel() + ridge * w)
            H = -np.einsum("ik,il->ikl", p, p)
            np.einsum("ikk->ik", H)[...] += p
            H = E @ H @ E.T / n
            H = [[(Z.T * H[:, k, m]) @ Z for m in range(K)] for k in range(K)]
            H = np.transpose(H, (2, 0, 3, 1)).reshape(D * K, D * K)
            H = t * (H + np.diag(ridge))
            low, high = np.where(pen, 1.0 / (v + w), 0), np.where(pen, 1.0 / (v - w), 0)
            of_w, of_v = g - low + high, np.where(pen, t * a - low - high, 0.0)
            same, cross = low**2 + high**2, low**2 - high**2
            square = np.where(pen, same, 1.0)
            H += np.diag(same - cross**2 / square)
            unit = 1.0 / np.sqrt(H.diagonal())
            H = H * unit * unit[:, None] + 1e-13 * np.eye(D * K)
            dw = -unit * np.linalg.solve(H, unit * (of_w - cross * of_v / square))
            dv = np.where(pen, -(of_v + cross * dw) / square, 0.0)
            decrease, step = -(of_w @ dw + of_v @ dv), 1.0
            if decrease < 1e-3:
                break
            start = barrier(w, v, t)
            while step > 1e-9 and barrier(w + step * dw, v + step * dv, t) > (
                start - 0.01 * step * decrease
            ):
                step *= 0.5
            w, v = w + step * dw, v + step * dv
        best = value(w)[0] + a @ np.abs(w)
    return best, null


def curvature_unit(loss, mean, deviation, **params):
    """Size of a second derivative for targets with this mean and deviation."""
    if loss.log_link:
        power = params.get("power", 2.0 - loss.unit[0])
        return max(deviation**2, 0.01 * mean**2) / mean**power if mean else 1.0
    if loss.jumps(**params):
        return 1.0 / deviation if deviation else np.inf
    if loss.function is squared_epsilon_insensitive:
        return 2.0
    # The mean second derivative up to a residual of one deviation.
    slope = loss.function(0.0, deviation, **params)[1]
    return slope / deviation if slope > 0.0 else 1.0


class Online:
    """The online learner, row by row, for one output or for softmax.

    x is a dense row. With ``centred=False`` a zero counts as an absent entry. The steps
    are proximal: Kulis and Bartlett (2010); sizes that grow with the columns: Ross,
    Mineiro and Langford (2013).
    """

    far, known, loose, early, other_unit = 10.0, 20.0, 1e-3, 40, 50.0

    def __init__(self, loss, n_features, n_outputs=1, *, params=None, centred=True,
                 fit_intercept=True, reach=None, power=2 / 3, average=2.0, l1=0.0,
                 l2=0.0, second_order=False):  # fmt: skip
        self.shape = n_features, n_outputs
        self.full = LeastSquares(n_features, n_outputs) if second_order else None
        self.early_rows = []
        self.full_share, self.full_total, self.full_hedge = 1.0, 0.0, -np.log(4.0)
        self.full_least = 0.0
        self.name, self.loss, self.params = loss, LOSSES[loss], params or {}
        self.log_link = self.loss.log_link
        self.centred, self.fit_intercept = centred, fit_intercept
        self.reach = reach or (2.0 if self.log_link else 8.0)
        self.power, self.average, self.l1, self.l2 = power, average, l1, l2
        self.regression = self.loss.task == "regression"
        self.steady = self.loss.twice_smooth
        self.robust = self.regression and (
            self.loss.function is huber or bool(self.loss.jumps(**self.params))
        )
        self.quadratic = self.loss.function is squared_error
        K, zeros = n_outputs, np.zeros
        self.squares, self.absolutes, self.size, self.mean = zeros((4, n_features))
        self.W, self.G, self.V, self.dual = zeros((4, n_features, K))
        self.last = zeros(n_features)
        self.b, self.Gb, self.Vb, self.constant, self.Gc = zeros((5, K))
        self.y_mean = self.y_squares = 0.0
        self.share, self.share_curvature, self.hedge, self.least = 1.0, 0.0, 0.0, 0.0
        self.t = self.active = self.C = self.weights = 0.0
        self.steps = self.rows = 0
        self.total = self.constant_total = self.judged = self.largest = 0.0
        self.scale_known = False
        self.first_rows, self.repeated = {}, 0.0

    def learn(self, x, y, w=1.0):
        if w == 0.0:
            return
        self.note_row(x, y)
        self.rows += 1
        self.weights += w
        mean = self.weights / self.rows
        w = w if 1 / 8 <= mean <= 8 else w / mean
        x = np.asarray(x, dtype=float)
        copies = int(np.clip(np.ceil(w), 1, 8))
        for copy in range(copies):
            self.early_rows.append((x.copy(), y, w / copies))
            self.step(x, y, w / copies, w * (copy == 0))
            if self.steps == self.early and self.centred:
                self.learn_early_anew()

    def learn_early_anew(self):
        """Learn the first rows again, without outliers that hide sizes of columns."""
        X = np.array([x for x, _, _ in self.early_rows])
        weights = np.array([w for _, _, w in self.early_rows])
        y = np.array([y for _, y, _ in self.early_rows])
        found = False
        for x in [*X.T, y] if self.robust else X.T:
            for at in (x.argmax(), x.argmin()):
                w = weights * (np.arange(len(x)) != at)
                mean = w @ x / w.sum()
                squares, absolutes = w @ (x - mean) ** 2, w @ np.abs(x - mean)
                size = squares / absolutes if absolutes else 0.0
                if absolutes >= self.known * size > 0.0 and (
                    abs(x[at] - mean) > self.other_unit * size
                ):
                    x[at], found = mean, True
                    break
        if not found:
            return
        fresh = Online(
            self.name, *self.shape, params=self.params, centred=True,
            fit_intercept=self.fit_intercept, reach=self.reach, power=self.power,
            average=self.average, l1=self.l1, l2=self.l2,
            second_order=self.full is not None,
        )  # fmt: skip
        for row in zip(X, y, weights, strict=True):
            fresh.step(*row, 0.0)
        kept = (
            "rows", "weights", "total", "constant_total", "judged", "first_rows",
            "repeated",
        )  # fmt: skip
        vars(self).update(vars(fresh) | {name: vars(self)[name] for name in kept})

    def step(self, x, y, w, judged):
        first, self.steps, self.t = self.steps == 0, self.steps + 1, self.t + w
        x = self.measure_columns(x, w)
        self.measure_target(y, w, first)
        if self.l1 or self.l2:
            self.apply_penalty(x != 0.0, w)
        z, lag = self.b + x @ self.W, np.zeros_like(self.b)
        if self.C:
            lag = (self.Vb + x @ self.V) / self.C
        if self.log_link:
            low = np.log(self.smallest) - 1.0 if self.smallest > 0.0 else -np.inf
            top = np.log(max(self.largest, 0.1)) + 1.0
            mean, z = np.clip(z - lag, low, top), np.clip(z, low, top)
            lag = z - mean
        if self.full is not None:
            self.load_full(x, y, first)
        if not (first and self.regression):
            self.judge(z, lag, y, w, judged, first)
        self.learn_constant(y, w, judged, first)
        h = self.curvature(y, z)
        if self.log_link:
            h = self.curvature(y, np.full_like(z, np.log(y))) if y > 0 else 0.0 * z
            rate, b_rate, q = self.rates(x, w, h, self.evaluate(y, z)[1])
            h = self.curvature(y, self.prox(y, z, q, w)[0])
        rate, b_rate, q = self.rates(x, w, h, self.evaluate(y, z)[1])
        a = self.prox(y, z, q, w)[1]
        h = self.learnt_curvature(y, z, h, a / w)
        b_move, b_h = b_rate * a, h
        if self.learns_intercept_alone():
            a, h = 0.0 * a, 0.0 * h
        seen = x != 0.0
        self.G += w * h * x[:, None] ** 2
        move = -rate * a * x[:, None]
        if self.l1:
            # Zeros stay while the sum of their gradients is within the threshold.
            A = np.divide(1.0, rate, out=np.zeros_like(rate), where=rate > 0.0)
            v = -A * self.W - np.sign(self.W) * self.l1 * self.t
            v = np.where(self.W == 0.0, self.dual, v) + a * x[:, None]
            learnt = seen[:, None] & (rate > 0.0)
            self.dual = np.where(learnt, v, self.dual)
            move = np.where(
                learnt, -rate * soft_threshold(v, self.l1 * self.t) - self.W, 0.0
            )
        self.W += move
        self.V += move * self.C
        self.Vb -= b_move * self.C
        self.Gb += w * b_h * self.fit_intercept
        self.b -= b_move
        self.C += w * self.average_weight()
        if self.full is not None:
            self.step_full(y, w)

    def note_row(self, x, y):
        """The rows repeat once the first 32 different ones have all come again."""
        row = tuple(x), y
        if row in self.first_rows:
            self.first_rows[row] = True
            if sum(self.first_rows.values()) == 32 and not self.repeated:
                self.repeated = self.t
        elif len(self.first_rows) < 32:
            self.first_rows[row] = False

    def average_weight(self):
        if not self.repeated:
            return self.t**self.average
        late = max(self.average, 8.0)
        return self.repeated**self.average * (self.t / self.repeated) ** late

    def average_weights_before(self, t):
        until = min(t, self.repeated) if self.repeated else t
        total = until ** (self.average + 1.0) / (self.average + 1.0)
        if 0.0 < self.repeated < t:
            late, ratio = max(self.average, 8.0) + 1.0, t / self.repeated
            more = self.repeated ** (self.average + 1.0) * (ratio**late - 1.0) / late
            total += more
        return total

    def measure_columns(self, x, w):
        out = np.zeros_like(x)
        for j in np.arange(len(x)) if self.centred else np.flatnonzero(x):
            size, d = self.size[j], x[j] - self.mean[j]
            known = self.absolutes[j] >= self.known * size > 0
            far = known and abs(d) > self.far * size
            if not self.centred and not known and size and self.begins_anew(j, d):
                continue
            size = self.size[j]
            d = np.sign(d) * self.far * size if far else d
            moved = w / self.t * d if self.centred else 0.0
            self.mean[j] += moved
            self.squares[j] += w * d * (d - moved)
            d -= moved
            self.absolutes[j] += w * abs(d)
            if self.squares[j] > size * self.absolutes[j]:
                self.size[j] = self.squares[j] / self.absolutes[j]
                if size:
                    self.shrink(j, size / self.size[j])
            elif not self.centred:
                self.correct_size(j)
            self.b += self.W[j] * moved
            self.Vb += self.V[j] * moved
            if not far and self.size[j] > 0.0:
                out[j] = d
                self.active += w * min(1.0, (d / self.size[j]) ** 2)
        return out

    def begins_anew(self, j, x):
        """Whether x is much larger than the entries so far: it is not learnt then.

        If the first entry was much larger than x, it is forgotten but for its size.
        """
        size = self.size[j]
        if abs(x) > self.other_unit * size:
            self.size[j] = abs(x)
            self.shrink(j, size / abs(x))
        elif (
            self.other_unit * abs(x) >= size
            or self.absolutes[j] > 1.5 * size
            or self.squares[j] < 0.5 * size * self.absolutes[j]
        ):
            return False
        else:
            self.W[j] = self.V[j] = self.G[j] = self.dual[j] = 0.0
        self.squares[j] = self.absolutes[j] = 0.0
        return abs(x) > size

    def correct_size(self, j):
        """The size falls if the entries after one in another unit are known."""
        size = self.squares[j] / self.absolutes[j]
        if (
            self.absolutes[j] < self.size[j]
            and self.absolutes[j] >= self.known * size
            and 1e-150 <= size <= self.size[j] / self.other_unit
        ):
            self.W[j] *= self.size[j] / size
            self.V[j] *= self.size[j] / size
            self.size[j] = size

    def shrink(self, j, share):
        self.W[j] *= share
        self.V[j] *= share
        self.dual[j] *= share

    def measure_target(self, y, w, first):
        self.unit = self.curvature_size = 1.0
        if not self.regression:
            return
        starts = first or (y > 0.0 and (self.awaits_scale() or self.forgets_first(y)))
        if self.log_link and self.steps == self.known + 1:
            self.forget_outlier(self.t - w)
        deviation, d = np.sqrt(self.y_squares / self.t), y - self.y_mean
        if self.steps > self.known and abs(d) > self.far * deviation > 0.0:
            d = np.sign(d) * self.far * deviation
        self.y_mean += w * d / self.t
        self.y_squares += w * d * d * (1.0 - w / self.t)
        deviation = np.sqrt(self.y_squares / self.t)
        size = curvature_unit(self.loss, self.y_mean, deviation, **self.params)
        self.curvature_size = size
        self.unit = size if self.log_link else size * deviation**2 if deviation else 0.0
        self.largest = max(self.largest, y)
        self.smallest = y if first else min(self.smallest, y)
        if starts and self.fit_intercept:
            start = y
            if self.log_link:
                positive = [v for v in (self.y_mean, y, 0.1) if v > 0.0]
                start = np.log(positive[0])
                self.Gb[:], self.Gc[:], self.Vb[:] = 0.0, 0.0, 0.0
                self.total = self.constant_total = 0.0
                if self.judged:
                    before = self.evaluate(0.0, np.array([start]))[0]
                    self.total = self.constant_total = self.judged * before
            self.b[:], self.constant[:] = start, start

    def forget_outlier(self, t):
        """Take the largest target out of the sums if it is an outlier."""
        w = t / self.known
        distance = (self.largest - self.y_mean) * t / (t - w)
        rest = max(
            self.y_squares - w * distance**2 * (t - w) / t, 1e-14 * self.y_squares
        )
        others = self.y_mean - distance * w / t
        if others > 1e-12 * distance and (
            (t - w) * distance**2 > self.other_unit**2 * rest
        ):
            self.y_mean, self.y_squares = others, rest

    def awaits_scale(self):
        """True if targets with a log link were zero so far."""
        return self.learns_intercept_alone() and not self.largest > 0.0

    def learns_intercept_alone(self):
        """True until two positive targets with a log link have shown their scale."""
        return self.log_link and self.fit_intercept and not self.scale_known

    def forgets_first(self, y):
        """Whether the only positive target so far was much larger: it is forgotten."""
        if y == self.largest or not self.learns_intercept_alone():
            return False
        self.scale_known = True
        if self.other_unit * y >= self.largest:
            return False
        self.largest = self.y_mean = self.y_squares = 0.0
        return True

    def apply_penalty(self, seen, w):
        """l2: weights are -v / (A + l2 t), A being the inverse of the rate without l2.

        l1: they move towards zero.
        """
        n, p = max(1.0, self.active / self.t), self.power
        for j in np.arange(len(seen)) if self.centred else np.flatnonzero(seen):
            since = self.t - w if self.centred else self.last[j]
            self.last[j] = self.t
            precision = self.size[j] ** 2 * self.curvature_size * n / self.reach**2
            if not 0.0 < precision < np.inf or np.isnan(precision):
                continue
            A = precision ** (1 - p) * (precision + self.G[j]) ** p
            A = A / self.late_rate() + self.l2 * self.t
            change = -self.W[j] * self.l2 * (self.t - since) / A
            fall = self.l1 * (self.t - since) / A
            after = soft_threshold(self.W[j] + change, fall)
            ends = (self.W[j] != 0.0) & (after == 0.0) & (fall > 0.0)
            reached = since + (self.t - since) * np.abs(self.W[j] + change) / np.where(
                ends, fall, 1.0
            )
            self.dual[j] = np.where(
                ends, -np.sign(self.W[j]) * self.l1 * reached, self.dual[j]
            )
            change = after - self.W[j]
            mean = self.average_weights_before(since)
            self.W[j] = self.W[j] + change
            self.V[j] += change * 0.5 * (self.C + mean)

    def targets(self, y):
        return np.array([[y]] if self.regression else [y])

    def evaluate(self, y, z):
        if len(z) == 1:
            value, g = self.loss.function(y, z, **self.params)
            return float(value[0]), g
        value, g = self.loss.evaluate(self.targets(y), z[None], **self.params)
        return float(value[0]), g[0]

    def curvature(self, y, z):
        if self.steady:
            h = self.loss.curvature(self.targets(y), z[None], **self.params)[0]
            return np.maximum(h, 0.0)
        g = self.evaluate(y, z)[1]
        return g * g / self.unit if self.unit > 0.0 else 0.0 * g

    def learnt_curvature(self, y, z, h, c):
        if self.loss.jumps(**self.params):
            g = self.evaluate(y, z)[1]
            return h * c / np.where(g == 0.0, 1.0, g)
        return h

    def judge(self, z, lag, y, w, judged, first):
        # All models are judged as they were before the row.
        c, share = self.constant, self.share
        z1, value, self.share, self.share_curvature = self.judge_share(
            y, z - self.averaged() * lag, self.share, self.share_curvature, w, first
        )
        if self.full is not None:
            z2, other, self.full_share, self.full_total = self.judge_share(
                y, self.full_z, self.full_share, self.full_total, w, first
            )
            pi = expit(-self.full_hedge)
            if not first and self.unit > 0.0:
                self.full_least += (
                    (min(other, value) - self.full_least) * 2.0 / (self.steps + 2.0)
                )
                unit = 2.0 * self.full_least + 1e-300 if self.regression else self.unit
                self.full_hedge *= 1.0 - 1.0 / (self.steps + 1.0)
                self.full_hedge += np.clip(w * (other - value) / unit, -1.0, 1.0)
            value = self.evaluate(y, pi * z2 + (1.0 - pi) * z1)[0]
        self.judged += judged
        self.total += 0.0 if self.awaits_scale() else judged * value
        if first or not self.unit > 0.0:
            return
        last = self.evaluate(y, c + share * (z - c))[0]
        mean = self.evaluate(y, c + share * (z - lag - c))[0]
        unit = self.unit
        if self.regression and not self.log_link:
            self.least += (min(last, mean) - self.least) * 2.0 / (self.steps + 2.0)
            unit = 2.0 * self.least + 1e-300
        self.hedge *= 1.0 - 2.0 / (self.steps + 2.0)
        self.hedge += w * (mean - last) / unit

    def judge_share(self, y, z, share, total, w, first):
        """The prediction c + share (z - c), its loss, a Newton step of the share."""
        new = self.constant + share * (z - self.constant)
        value, g = self.evaluate(y, new)
        if first or not self.unit > 0.0:
            return new, value, share, total
        f, h = z - self.constant, self.curvature(y, new)
        slope, curvature = g @ f / self.unit, h @ f**2 / self.unit
        if not self.quadratic:
            curvature = max(curvature, slope**2)
        total = total * (1.0 - 1.0 / (self.steps + 1.0)) + w * curvature
        share = min(max(share - w * slope / (1.0 + total), 0.0), 1.0)
        return new, value, share, total

    def load_full(self, x, y, first):
        full, n = self.full, max(1.0, self.active / self.t)
        full.load(x, self.mean)
        loose = 1e-6 if self.quadratic else self.reach**-2
        for j, size in enumerate(self.size):
            full.trust(j, size**2 * n / self.reach**2)
        full.trust(len(self.size), loose)
        if first and self.regression:
            full.W[-1] = y
        self.full_z = full.x @ full.W

    def step_full(self, y, w):
        full, d = self.full, len(self.size)
        h = self.curvature(y, self.full_z)[0]
        if self.steps > 2 * (d + 1):
            share = 1.0 - 0.5 * w / (self.t + 2.0 * w)
            full.A, full.faded = full.A * share, 1.0 - (1.0 - full.faded) * share
        full.A += w * h * np.outer(full.x, full.x)
        gain = full.solve(full.x)
        a = w * (self.full_z - y)
        if not self.quadratic:
            a = self.prox(y, self.full_z, np.array([full.x @ gain]), w)[1]
        full.W -= np.outer(gain, a)
        full.owed += w * self.l2
        if full.faded > 0.25 or (self.l2 and self.steps % d == 0):
            for j in np.flatnonzero(full.prior[:-1]):
                full.pull(j, full.faded * full.prior[j] + full.owed)
            full.faded = full.owed = 0.0

    def averaged(self):
        return expit(-np.clip(self.hedge, -50.0, 50.0))

    def intercept_precision(self, n):
        if self.quadratic:
            return self.loose
        return self.curvature_size * n / self.reach**2

    def learn_constant(self, y, w, judged, first):
        value = self.evaluate(y, self.constant)[0]
        if not ((first and self.regression) or self.awaits_scale()):
            self.constant_total += judged * value
        h = self.curvature(y, self.constant)
        q = 1.0 / (self.intercept_precision(1.0) + self.Gc + w * h)
        if self.fit_intercept:
            a = self.prox(y, self.constant, q, w)[1]
            self.Gc += w * self.learnt_curvature(y, self.constant, h, a / w)
            self.constant = self.constant - q * a

    def late_rate(self):
        """The rates of non-smooth losses fall like 1/t once rows repeat."""
        if self.loss.jumps(**self.params) and self.repeated:
            return (self.t / self.repeated) ** (self.power - 1.0)
        return 1.0

    def rates(self, x, w, h, g):
        n = max(1.0, self.active / self.t)
        unit = self.curvature_size if np.isfinite(self.curvature_size) else 0.0
        precision = self.size[:, None] ** 2 * n * unit / self.reach**2
        G = self.G + w * h * x[:, None] ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            rate = precision ** (self.power - 1) * (precision + G) ** -self.power
        rate[~((precision > 0.0) & np.isfinite(precision)).repeat(rate.shape[1], 1)] = 0
        b = self.intercept_precision(n)
        b_rate = b ** (self.power - 1) * (b + self.Gb + w * h) ** -self.power
        b_rate = b_rate * self.fit_intercept if np.isfinite(b) else 0.0 * self.b
        rate, b_rate = self.late_rate() * rate, self.late_rate() * b_rate
        if self.l2:
            rate = rate / (1.0 + self.l2 * self.t * rate)
        q = rate
        if self.l1:
            moves = np.abs(self.dual + w * g * x[:, None]) > self.l1 * self.t
            q = (moves | (self.W != 0.0)) * rate
        return rate, b_rate, b_rate + x**2 @ q

    def prox(self, y, z, q, w):
        """z - q a and a = w l'(z - q a), for softmax along the scaled gradient."""
        g = self.evaluate(y, z)[1]
        if len(z) == 1:
            if not w * q[0] > 0.0 or not g[0]:
                return z, w * g

            d, sign = w * q * g, np.sign(g)
        else:
            d = sign = w * q * g
        s = brentq(
            lambda s: (s * g - self.evaluate(y, z - s * d)[1]) @ sign,
            a=0.0, b=1.0, xtol=1e-30, maxiter=1000,
        )  # fmt: skip
        return z - s * d, s * w * g

    def coefficients(self):
        """The reported model, (n_features + 1, n_outputs): at first a constant."""
        if self.centred and self.regression and self.steps < 4:
            return np.vstack([0.0 * self.W, self.constant])
        if self.l1 or self.l2:
            self.apply_penalty(np.ones(len(self.W), dtype=bool), 0.0)
        W, b = self.W, self.b
        if self.C:
            W = W - self.averaged() * self.V / self.C
            if self.l1:
                W = np.where(self.W == 0.0, 0.0, W)
            b = b - self.averaged() * self.Vb / self.C
        W = self.share * W
        b = self.constant + self.share * (b - self.constant) - self.mean @ W
        if self.full is not None:
            pi, own = expit(-self.full_hedge), self.full_share * self.full.W
            c = (1.0 - self.full_share) * self.constant
            W = pi * own[:-1] + (1.0 - pi) * W
            b = pi * (own[-1] + c - self.full.origin @ own[:-1]) + (1.0 - pi) * b
        return np.vstack([W, b])


class LeastSquares:
    """Recursive least squares by the information matrix A itself."""

    def __init__(self, n_features, n_outputs):
        e = n_features + 1
        self.A, self.W = np.zeros((e, e)), np.zeros((e, n_outputs))
        self.prior, self.origin = np.zeros(e), None
        self.faded = self.owed = 0.0

    def load(self, x, mean):
        if self.origin is None:
            self.origin = mean.copy()
        self.x = np.append(x + mean - self.origin, 1.0)

    def solve(self, v):
        seen = np.diag(self.A) > 0.0
        out = np.zeros_like(v)
        out[seen] = np.linalg.solve(self.A[np.ix_(seen, seen)], v[seen])
        return out

    def trust(self, j, precision):
        if precision > 2.0 * self.prior[j]:
            more, self.prior[j] = precision - self.prior[j], precision
            self.pull(j, more)

    def pull(self, j, precision):
        self.A[j, j] += precision
        unit = np.eye(len(self.A))[j]
        self.W -= precision * np.outer(self.solve(unit), self.W[j])
