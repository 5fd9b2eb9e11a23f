"""The differences between the scikit-learn versions that are supported."""

import scipy.sparse as sp
import sklearn


def sparse_result(matrix):
    """A sparse fitted attribute in the kind that scikit-learn is set up to return.

    scikit-learn 1.9 has the configuration ``sparse_interface``; before, results are
    sparse matrices.
    """
    if sklearn.get_config().get("sparse_interface") == "sparray":
        return sp.csr_array(matrix)
    return sp.csr_matrix(matrix)
