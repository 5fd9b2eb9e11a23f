"""Paths of runs: their checks, and the frame of the picture that shows them."""

import numpy as np

# Share of the paths' extent that is added on either side.
MARGIN = 0.15
# The frame holds a path as far as F stays below so many times the height of the start
# above the lowest point.
HIGH = 2.0
# The extent along one variable is at least this share of that along the other.
NARROWEST = 0.25


def checked_paths(named):
    """Paths, and the function on them, as float arrays."""
    if not named:
        raise ValueError("results is empty; give at least one OptimizeResult.")
    paths, fun_paths = {}, {}
    for name, result in named.items():
        if "path" not in result or "fun_path" not in result:
            raise ValueError(
                f"result {name!r} has no path and fun_path. Pass what sklgd.minimize "
                "returns."
            )
        path = np.asarray(result.path, dtype=float)
        if path.ndim != 2 or path.shape[1] not in (1, 2):
            raise ValueError(
                f"result {name!r} has a path of shape {path.shape}, but a picture has "
                "room for one or two variables."
            )
        paths[name] = path
        fun_paths[name] = np.asarray(result.fun_path, dtype=float)
    if len({path.shape[1] for path in paths.values()}) > 1:
        raise ValueError(
            "results have paths of one and of two variables. Draw them apart."
        )
    return paths, fun_paths


def points_of(grid):
    """All points of a grid, those along the first variable next to each other."""
    return np.stack(np.meshgrid(*grid), axis=-1).reshape(-1, len(grid))


def limits_of(limits, paths, fun_paths, comparable=True):
    """(low, high) of each variable.

    ``comparable`` variables have the same unit: the picture is not much narrower along
    one of them than along the other.
    """
    n_variables = next(iter(paths.values())).shape[1]
    if limits is not None:
        limits = np.asarray(limits, dtype=float).reshape(-1, 2)
        if limits.shape != (n_variables, 2) or not (limits[:, 0] < limits[:, 1]).all():
            raise ValueError(
                f"limits must be (low, high) of each of {n_variables} variables, got "
                f"{limits.tolist()}."
            )
        return limits
    points = np.concatenate(shown(paths, fun_paths))
    low, high = points.min(axis=0), points.max(axis=0)
    width = high - low
    least = NARROWEST * width.max() if comparable else 0.0
    width = np.maximum(width, least)
    # A variable that does not move.
    still = width == 0.0
    width[still] = np.maximum(1.0, np.abs(low[still]))
    middle, half = 0.5 * (low + high), (0.5 + MARGIN) * width
    return np.column_stack([middle - half, middle + half])


def shown(paths, fun_paths):
    """The points of each path that the picture holds."""
    lowest = min(F[np.isfinite(F)].min(initial=np.inf) for F in fun_paths.values())
    out = []
    for path, F in zip(paths.values(), fun_paths.values(), strict=True):
        with np.errstate(invalid="ignore", over="ignore"):
            held = F - lowest <= HIGH * (F[0] - lowest)
        # Where all climb: the first step at least.
        held[:2] = True
        out.append(path[held & np.isfinite(path).all(axis=1)])
    return out
