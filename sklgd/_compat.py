"""The differences between the scikit-learn versions that are supported."""

import scipy.sparse as sp
import sklearn


def logistic_elastic_net(l1_ratio):
    """Parameters of a LogisticRegression with this share of l1, above zero.

    Since 1.8 the penalty follows from ``l1_ratio`` and the parameter is deprecated.
    """
    from sklearn.linear_model import LogisticRegression

    params = {"l1_ratio": l1_ratio, "solver": "saga"}
    if LogisticRegression().get_params().get("penalty") == "l2":
        params["penalty"] = "elasticnet"
    return params


def sparse_result(matrix):
    """A sparse fitted attribute in the kind that scikit-learn is set up to return.

    scikit-learn 1.9 has the configuration ``sparse_interface``; before, results are
    sparse matrices.
    """
    if sklearn.get_config().get("sparse_interface") == "sparray":
        return sp.csr_array(matrix)
    return sp.csr_matrix(matrix)
