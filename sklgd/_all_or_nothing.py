"""Methods that come to a result, or leave the estimator as it was."""

from functools import wraps

import numpy as np

from ._blas import blas_threads
from ._compat import tear_down


def all_or_nothing(method):
    """Make a method leave the estimator as it was if it raises.

    Unless it had come to a result: the fitted attributes are set at one stroke. Then a
    warning that is made an error does not undo it, nor does Ctrl-C. The callbacks that
    were set up are torn down in any case.

    NumPy does not warn of overflow meanwhile: runs judge their objectives, and say so
    where these are not finite. BLAS uses one thread.
    """

    @wraps(method)
    def call(self, *args, **kwargs):
        before = vars(self).copy()
        try:
            try:
                with np.errstate(all="ignore"), blas_threads(1):
                    return method(self, *args, **kwargs)
            finally:
                tear_down(self)
        except BaseException as error:
            done = vars(self).get("_state") is not before.get("_state")
            if not (done and isinstance(error, (KeyboardInterrupt, Warning))):
                self.__dict__ = before
            raise

    return call
