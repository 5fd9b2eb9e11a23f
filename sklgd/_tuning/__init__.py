"""Choosing alpha: paths of models, their scores on held-out rows, and default grids.

`models.py` says what the models along a path of alphas have to offer. For the squared
error they follow from second moments of the folds (`moments.py`). For other losses each
is a fit that starts from the last one (`fits.py`). `grid.py` proposes alphas, and
`search.py` follows the path and chooses.
"""
