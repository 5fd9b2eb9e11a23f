"""The order of the gallery: as one would teach it; what is not listed comes last."""

ORDER = [
    "plot_bowl.py",
    "plot_learning_rate_test.py",
    "plot_ravine.py",
    "plot_optimizers.py",
    "plot_feature_scale.py",
    "plot_batch_modes.py",
    "plot_streaming.py",
    "plot_saddle.py",
    "plot_network.py",
]


class TeachingOrder:
    """Sort key of sphinx-gallery."""

    def __init__(self, folder):
        pass

    def __call__(self, name):
        return (ORDER.index(name), "") if name in ORDER else (len(ORDER), name)
