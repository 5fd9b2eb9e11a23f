"""Pictures of what a run of gradient descent did, in scikit-learn's display style.

matplotlib is imported when something is drawn (``pip install "sklgd[plot]"``).
"""

from ._descent_path import DescentPathDisplay
from ._loss_curve import LossCurveDisplay

__all__ = ["DescentPathDisplay", "LossCurveDisplay"]
