"""
============================
Claim frequency and severity
============================

An insurer wants the expected cost of a policy per year. Two models with a log link give
it: the number of claims per year of exposure (Poisson), and the mean amount of a claim
(gamma). The portfolio is simulated, so that the true effects are known.
"""

# %%
# A portfolio
# -----------

import matplotlib.pyplot as plt
import numpy as np

from sklgd import GDRegressor

rng = np.random.default_rng(0)
n = 20_000
age = rng.uniform(18, 80, n)
power = rng.uniform(40, 200, n)
X = np.column_stack([age, power, age < 25])
exposure = rng.uniform(0.1, 1.0, n)  # years
true_frequency = np.exp(-2.2 + 0.003 * power + 0.7 * (age < 25))
true_severity = np.exp(6.0 + 0.005 * power)
claims = rng.poisson(exposure * true_frequency)
with_claims = claims > 0
# (The mean of k gamma variables is a gamma variable of k times the shape.)
shape = 2.0 * claims[with_claims]
amount = rng.gamma(shape, true_severity[with_claims] / shape)
print(f"{claims.sum()} claims in {exposure.sum():.0f} years")

# %%
# Frequency
# ---------
# The target is claims per year. Its variance is inversely proportional to the exposure,
# which is therefore the weight of the row.

frequency = GDRegressor(loss="poisson", alpha=0.0)
frequency.fit(X, claims / exposure, sample_weight=exposure)
print("frequency:", frequency.coef_.round(4), "true: [0, 0.003, 0.7]")

# %%
# The same model with the number of claims as the target: the logarithm of the exposure
# is an offset, a known part of the raw prediction.

counts = GDRegressor(loss="poisson", alpha=0.0)
counts.fit(X, claims, offset=np.log(exposure))
print("equal to  ", counts.coef_.round(4))

# %%
# Severity
# --------
# The target is the mean amount of the claims of a policy, and the weight their number.

severity = GDRegressor(loss="gamma", alpha=0.0)
severity.fit(X[with_claims], amount, sample_weight=claims[with_claims])
print("severity: ", severity.coef_.round(4), "true: [0, 0.005, 0]")

# %%
# The expected cost is the product
# --------------------------------

cost = frequency.predict(X) * severity.predict(X)
order = np.argsort(cost)
paid = np.zeros(n)
paid[with_claims] = amount * claims[with_claims]
tenths = np.array_split(order, 10)
expected = [np.sum(cost[rows] * exposure[rows]) for rows in tenths]
observed = [paid[rows].sum() for rows in tenths]
figure, ax = plt.subplots(figsize=(5.6, 3.2), layout="constrained")
place = np.arange(1, 11)
ax.bar(place - 0.2, np.array(expected) / 1e3, 0.4, label="expected", color="#0072B2")
ax.bar(place + 0.2, np.array(observed) / 1e3, 0.4, label="paid", color="#E69F00")
ax.set_title("Expected and paid costs agree in every tenth")
ax.set_xlabel("tenth of the policies, by expected cost")
ax.set_ylabel("cost in thousands")
ax.set_xticks(place)
ax.legend(frameon=False)
plt.show()
