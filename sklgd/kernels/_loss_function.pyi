import numpy as np

class LossFunction:
    separate_targets: bool
    def evaluate(
        self, y: np.ndarray, z: np.ndarray, s: np.ndarray, g: np.ndarray
    ) -> float: ...
    def curvature(
        self, y: np.ndarray, z: np.ndarray, s: np.ndarray, h: np.ndarray
    ) -> None: ...
    def prox(
        self,
        y: np.ndarray,
        z0: np.ndarray,
        q: np.ndarray,
        z: np.ndarray,
        c: np.ndarray,
    ) -> None: ...
    def prox_by_newton(
        self,
        y: np.ndarray,
        z0: np.ndarray,
        q: np.ndarray,
        z: np.ndarray,
        c: np.ndarray,
    ) -> None: ...
    def gradients(self, y: np.ndarray, z: np.ndarray) -> np.ndarray: ...

class LinearTails(LossFunction):
    barrier_weight: float
    def adapt(
        self,
        barrier_weight: float,
        constant: np.ndarray | None,
        reach: np.ndarray | None,
    ) -> None: ...
    def difference_by_gradients(self, y: float, z: float, c: float) -> float: ...
