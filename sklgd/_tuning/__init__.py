"""Choosing alpha: paths of models, their scores on held-out rows, and default grids.

`models.py` says what the models along a path of alphas have to offer. For the squared
error they follow from second moments of the folds (`moments.py`). Other smooth losses
take Newton's method (`newton.py`) or, with many columns, L-BFGS (`quasi_newton.py`) for
all folds at once. For all else there is a fit for each fold and alpha (`fits.py`).
`grid.py` proposes alphas, `search.py` follows the path and chooses, and `refit.py` fits
the chosen model to all rows.
"""
