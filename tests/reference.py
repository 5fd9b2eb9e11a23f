"""Plain NumPy oracle: losses, penalties, schedules and optimizers, as published.

Nothing here is fast or clever: a step costs O(n_features) whatever the data, and every
formula stands where the paper puts it, so that the compiled engine can be compared with
something a reader can check by eye.

The parameters of the model are one array of shape (n_features + 1, n_outputs); its last
row is the intercept, which takes part in every rule but is never penalised.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logsumexp, softmax

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

    At the kink the derivative is that of the left side.
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
    value = logsumexp(z, axis=1) - z[onehot]
    return value, softmax(z, axis=1) - onehot


@dataclass(frozen=True)
class Loss:
    """A loss of the registry.

    ``function`` works element by element on targets shaped like z. ``kinks`` are the
    points where it has no derivative, in terms of the residual z - y (regression) or of
    the margin y z (classification), as a function of the loss's parameters.
    """

    task: str
    function: object
    params: tuple = ()
    kinks: object = lambda **params: ()

    def evaluate(self, y, z, **params):
        """Loss of each row (n,) and its gradient in z (n, K).

        y is shaped like z for regression. For classification it holds -1 / +1 when
        K = 1 and class codes when K >= 3: softmax for the logistic loss, one problem
        per class (the class against the rest) for the others, their values added up.
        """
        if self.task == "classification":
            if z.shape[1] == 1:
                y = np.reshape(y, (-1, 1))
            elif self.function is logistic:
                return softmax_cross_entropy(y, z)
            else:
                y = np.where(np.arange(z.shape[1]) == np.asarray(y)[:, None], 1.0, -1.0)
        value, gradient = self.function(y, z, **params)
        return value.sum(axis=1), gradient


LOSSES = {
    "squared_error": Loss("regression", squared_error),
    "huber": Loss("regression", huber, ("epsilon",)),
    "epsilon_insensitive": Loss(
        "regression",
        epsilon_insensitive,
        ("epsilon",),
        lambda epsilon=0.1: (-epsilon, epsilon),
    ),
    "squared_epsilon_insensitive": Loss(
        "regression", squared_epsilon_insensitive, ("epsilon",)
    ),
    "absolute_error": Loss("regression", absolute_error, (), lambda: (0.0,)),
    "quantile": Loss(
        "regression", quantile, ("quantile",), lambda quantile=0.5: (0.0,)
    ),
    "poisson": Loss("regression", poisson),
    "gamma": Loss("regression", gamma),
    "tweedie": Loss("regression", tweedie, ("power",)),
    "log_loss": Loss("classification", logistic),
    "hinge": Loss("classification", hinge, (), lambda: (1.0,)),
    "perceptron": Loss("classification", perceptron, (), lambda: (0.0,)),
    "squared_hinge": Loss("classification", squared_hinge),
    "modified_huber": Loss("classification", modified_huber),
}


# --------------------------------------------------------------------------------------
# Penalties
# --------------------------------------------------------------------------------------


def penalty_strengths(penalty, alpha, l1_ratio):
    """(l1, l2) such that the penalty is l1 |w|_1 + l2/2 |w|^2 (Zou & Hastie 2005)."""
    if penalty is None:
        return 0.0, 0.0
    ratio = {"l2": 0.0, "l1": 1.0, "elasticnet": l1_ratio}[penalty]
    return alpha * ratio, alpha * (1.0 - ratio)


def penalty_value(w, l1, l2):
    return l1 * np.abs(w).sum() + 0.5 * l2 * (w**2).sum()


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
# part is a proximal step in the optimizer's own metric with its effective step size, so
# that a fixed point of the rule is a minimiser of data term + penalty.
# --------------------------------------------------------------------------------------


class SGD:
    """Robbins & Monro (1951); Bottou's (2012) weight decay, never negative."""

    def step(self, w, g, eta, l1, l2):
        w = np.maximum(0.0, 1.0 - eta * l2) * w - eta * g
        return soft_threshold(w, eta * l1)


class Momentum:
    """Heavy ball: Polyak (1964); eta inside the velocity, Sutskever et al. (2013).

    E sums the step sizes as v sums the gradients, so that at a minimiser v = E G and
    the threshold E l1 takes back what v added, whatever the schedule. E tends to
    eta / (1 - momentum) under a constant step size.
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


def _weights(sample_weight, n):
    """Weights with mean one."""
    s = np.ones(n) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    return s * n / s.sum()


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
):
    """Descend; returns coef (n_outputs, n_features) and intercept (n_outputs,).

    ``eta`` is a number or a function of the step number; ``orders`` gives the order of
    rows of each epoch (default: as they come); ``average`` = k averages the iterates of
    all steps before which at least k - 1 rows were seen (Polyak & Juditsky 1992; the
    count is that of scikit-learn's SGD).
    """
    X = np.asarray(X, dtype=float)
    n, d = X.shape
    targets, n_outputs = _targets(y, loss)
    s = _weights(sample_weight, n)
    batch_size = n if batch_size == "full" else batch_size
    l1, l2 = penalty_strengths(penalty, alpha, l1_ratio)
    penalised = np.append(np.ones(d), 0.0)[:, None]
    # Without an intercept its column is zero, and so is its gradient.
    X1 = np.column_stack([X, np.full(n, float(fit_intercept))])

    w = np.zeros((d + 1, n_outputs))
    if coef_init is not None:
        w[:-1] = np.reshape(coef_init, (n_outputs, d)).T
    if intercept_init is not None:
        w[-1] = intercept_init
    rule = OPTIMIZERS[optimizer](**(optimizer_params or {}))
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
            step_size = eta(t) if callable(eta) else eta
            w = rule.step(w, g, step_size, l1 * penalised, l2 * penalised)
            if 0 < average <= 1 + seen:
                n_averaged += 1
                mean += (w - mean) / n_averaged
            seen += len(rows)

    w = mean if n_averaged else w
    return w[:-1].T.copy(), w[-1].copy()


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


def distance(a, b):
    """Largest difference, relative to the largest entry of b."""
    a, b = np.asarray(a, dtype=float), np.asarray(b, dtype=float)
    assert a.size == b.size
    return np.max(np.abs(a.ravel() - b.ravel())) / np.max(np.abs(b))
