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
    # The cookbook.
    "plot_text_classification.py",
    "plot_mixed_columns.py",
    "plot_imbalanced_classes.py",
    "plot_calibration.py",
    "plot_feature_selection.py",
    "plot_nonlinear_features.py",
    "plot_insurance.py",
    "plot_prediction_intervals.py",
    "plot_signs.py",
    "plot_several_outputs.py",
    "plot_multilabel.py",
    "plot_big_files.py",
    "plot_warm_starts.py",
    "plot_serving.py",
    "plot_compare_solvers.py",
    "plot_recommender.py",
]


class TeachingOrder:
    """Sort key of sphinx-gallery."""

    def __init__(self, folder):
        pass

    def __call__(self, name):
        return (ORDER.index(name), "") if name in ORDER else (len(ORDER), name)
