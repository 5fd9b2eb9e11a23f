"""Pictures of what a run of gradient descent did, in scikit-learn's display style.

matplotlib is imported when something is drawn (``pip install "sklgd[plot]"``).
"""

from ._descent_path import DescentPathDisplay
from ._learning_rate import LearningRateDisplay
from ._live import LiveLossCurve
from ._loss_curve import LossCurveDisplay
from ._path import PathDisplay

__all__ = [
    "DescentPathDisplay",
    "LearningRateDisplay",
    "LiveLossCurve",
    "LossCurveDisplay",
    "PathDisplay",
]
