"""`LiveLossCurve`: a callback that draws the loss curve while a fit runs."""

import time
from io import BytesIO

from .._validation import check_choice, check_number
from ._loss_curve import LossCurveDisplay
from ._matplotlib import describe, import_matplotlib


class LiveLossCurve:
    """Callback that draws the loss curve in a notebook while a fit runs.

    It needs scikit-learn 1.9 or newer, which has callbacks, and matplotlib. One picture
    below the cell is redrawn after an epoch, but not more often than once in
    ``interval`` seconds, and once more at the end of the fit. With several fits in the
    same process, such as those of a search with ``n_jobs=1``, it shows the current one.

    Parameters
    ----------
    interval : float, default=0.5
        Least number of seconds from one picture to the next.
    kind : {"objective", "gap"}, default="objective"
        The objective, or its distance from the lowest objective so far on a logarithmic
        scale, as in `LossCurveDisplay`.
    show : function of a matplotlib Figure, default=None
        Shows a picture in another way. None shows it in the output of the notebook's
        cell, which needs IPython.

    Attributes
    ----------
    display_ : LossCurveDisplay
        The last picture.
    n_pictures_ : int
        Number of pictures of the last fit.

    See Also
    --------
    LossCurveDisplay : The curves of fitted estimators.

    Examples
    --------
    In a notebook ``LiveLossCurve()`` is enough. Here each picture goes to a list:

    >>> from sklearn.datasets import load_iris
    >>> from sklgd import GDClassifier
    >>> from sklgd.display import LiveLossCurve
    >>> pictures = []
    >>> live = LiveLossCurve(interval=0.0, show=pictures.append)
    >>> model = GDClassifier(optimizer="adam", max_iter=3, tol=None)
    >>> model = model.set_callbacks(live).fit(*load_iris(return_X_y=True))
    >>> len(pictures)            # one for each epoch, and one at the end
    4
    >>> live.display_.ax_.get_xlabel()
    'epochs'
    """

    def __init__(self, *, interval=0.5, kind="objective", show=None):
        check_number("interval", interval, low=0.0)
        check_choice("kind", kind, ("objective", "gap"))
        self.interval = interval
        self.kind = kind
        self.show = show

    def setup(self, estimator, context):
        """Start a new picture; scikit-learn calls this at the start of a fit.

        Parameters
        ----------
        estimator : estimator
        context : sklearn.callback.CallbackContext

        Raises
        ------
        ImportError
            If matplotlib is not installed, or IPython is needed and not installed.
        """
        import_matplotlib("LiveLossCurve")
        self._show = self.show or _Cell()
        self._next, self.n_pictures_ = 0.0, 0

    def teardown(self, estimator, context):
        """Do nothing; the last picture remains.

        Parameters
        ----------
        estimator : estimator
        context : sklearn.callback.CallbackContext
        """

    def on_fit_task_begin(self, estimator, context):
        """Do nothing at the start of an epoch.

        Parameters
        ----------
        estimator : estimator
        context : sklearn.callback.CallbackContext
        """

    def on_fit_task_end(self, estimator, context, *, fitted_estimator):
        """Draw the curve after an epoch, if it is time, and after the fit.

        Parameters
        ----------
        estimator : estimator
        context : sklearn.callback.CallbackContext
            Of an epoch or of the fit.
        fitted_estimator : estimator
            The model at the moment. One without a ``loss_curve_``, such as a search, is
            not drawn.
        """
        ended = context.task_name == "fit"
        curve = getattr(fitted_estimator, "loss_curve_", None)
        if curve is None or (not ended and time.monotonic() < self._next):
            return
        name = f"{describe(fitted_estimator)}: epoch {len(curve)}"
        if ended:
            name = f"{name}, {fitted_estimator.stop_reason_.replace('_', ' ')}"
        scores = fitted_estimator.validation_scores_
        self.display_ = LossCurveDisplay(
            {name: curve}, scores=None if scores is None else {name: scores}
        )
        from matplotlib.figure import Figure

        # (Not of pyplot, whose windows and list of figures are the user's.)
        figure = Figure(figsize=(6.4, 3.2), layout="constrained")
        self.display_.plot(figure.subplots(), kind=self.kind)
        self._show(figure)
        self.n_pictures_ += 1
        # The interval starts when the picture is there, or a slow one would leave no
        # time for the fit.
        self._next = time.monotonic() + self.interval


class _Cell:
    """A picture in the output of the notebook's cell, which is replaced by the next."""

    def __init__(self):
        try:
            from IPython.display import Image, display
        except ImportError as error:
            raise ImportError(
                "LiveLossCurve shows its picture with IPython, which is not installed. "
                "Use it in a notebook, or pass a function as show."
            ) from error
        self.Image, self.display = Image, display
        self.handle = None

    def __call__(self, figure):
        data = BytesIO()
        figure.savefig(data, format="png", dpi=100)
        picture = self.Image(data=data.getvalue(), format="png")
        if self.handle is None:
            self.handle = self.display(picture, display_id=True)
        else:
            self.handle.update(picture)
