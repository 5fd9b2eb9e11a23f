"""
====================
A recommender system
====================

Which items would a person like? *Matrix factorisation* describes each person and each
item by a short vector, and predicts a rating by the product of the two. The objective
is not convex, so it is a task for `minimize` and not for a linear model.
"""

# %%
# Ratings
# -------
# 40 persons rate some of 30 items. The tastes behind the ratings have two dimensions,
# and four of five ratings are unknown.

import matplotlib.pyplot as plt
import numpy as np

from sklgd import minimize

rng = np.random.default_rng(0)
n_persons, n_items, n_factors = 40, 30, 2
ratings = rng.normal(size=(n_persons, 2)) @ rng.normal(size=(2, n_items))
ratings += 0.2 * rng.normal(size=ratings.shape)
person, item = np.nonzero(rng.random(ratings.shape) < 0.2)
rated = ratings[person, item]
print(f"{len(rated)} known ratings of {ratings.size}")

# %%
# The objective and its gradient
# ------------------------------
# The squared errors of the known ratings plus a penalty on the vectors. The error of a
# rating moves the vector of the person along that of the item, and the other way round.


def unpack(v):
    P, Q = np.split(v, [n_persons * n_factors])
    return P.reshape(n_persons, n_factors), Q.reshape(n_items, n_factors)


def objective(v, penalty=0.5):
    P, Q = unpack(v)
    error = np.sum(P[person] * Q[item], axis=1) - rated
    gradient_P, gradient_Q = penalty * P, penalty * Q
    np.add.at(gradient_P, person, error[:, None] * Q[item])
    np.add.at(gradient_Q, item, error[:, None] * P[person])
    value = 0.5 * (error @ error + penalty * v @ v)
    return value, np.concatenate([gradient_P.ravel(), gradient_Q.ravel()])


# %%
# The start must be random
# ------------------------
# From zero both gradients are zero, although zero is a saddle point and not a minimum.

n = (n_persons + n_items) * n_factors
start = rng.normal(scale=0.1, size=n)
common = dict(jac=True, optimizer="adam", learning_rate=0.05, max_iter=300)
result = minimize(objective, start, **common)
print(
    f"objective: {objective(np.zeros(n))[0]:.1f} at zero, {result.fun:.1f} at the end"
)

# %%
# Unknown ratings
# ---------------

P, Q = unpack(result.x)
known = np.zeros(ratings.shape, dtype=bool)
known[person, item] = True
predicted = P @ Q.T
figure, (left, right) = plt.subplots(1, 2, figsize=(7.6, 3.2), layout="constrained")
left.semilogy(result.fun_path, color="#0072B2")
left.set_xlabel("step")
left.set_ylabel("objective")
right.plot(ratings[~known], predicted[~known], ".", ms=3, color="#0072B2")
right.axline((0, 0), slope=1, color="0.6", lw=1)
right.set_xlabel("unknown rating")
right.set_ylabel("prediction")
correlation = np.corrcoef(ratings[~known], predicted[~known])[0, 1]
right.set_title(f"correlation {correlation:.2f}")
plt.show()
