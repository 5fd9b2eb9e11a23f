"""
===================
Storing and serving
===================

A trained pipeline is stored for a server that does not have sklgd, and a model in the
middle of a stream is stored so that it can continue.
"""

# %%
# A pipeline for a server
# -----------------------
# `to_sklearn` copies the pipeline and replaces the model by the equal one of
# scikit-learn. The copy needs only scikit-learn, and converters for ONNX and PMML
# accept it.

import pickle

import matplotlib.pyplot as plt
import numpy as np
import onnxruntime
import skops.io
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklgd import TRUSTED_TYPES, GDClassifier, to_sklearn

X, y = load_digits(return_X_y=True)
pipeline = make_pipeline(StandardScaler(), GDClassifier()).fit(X, y)
plain = to_sklearn(pipeline)
print("last step:", type(plain[-1]).__name__)
print("same predictions:", np.array_equal(plain.predict(X), pipeline.predict(X)))
largest = abs(plain.predict_proba(X) - pipeline.predict_proba(X)).max()
print(f"largest difference of a probability: {largest:.0e}")

# %%
# ONNX
# ----
# A runtime for ONNX predicts without Python. It computes in float32, so probabilities
# differ in the seventh digit.

small = X[:1].astype(np.float32)
graph = to_onnx(plain, small, options={"zipmap": False}).SerializeToString()
session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
labels, probabilities = session.run(None, {"X": X.astype(np.float32)})
print(f"equal predictions: {np.mean(labels == pipeline.predict(X)):.1%}")

# %%
# skops and MLflow
# ----------------
# Loading a pickle can run any code. ``skops`` loads only the types that are named as
# trusted, and ``TRUSTED_TYPES`` lists those of sklgd. MLflow takes the same list:
# ``mlflow.sklearn.log_model(pipeline, skops_trusted_types=TRUSTED_TYPES)``.

copy = skops.io.loads(skops.io.dumps(pipeline), trusted=TRUSTED_TYPES)
print("same predictions:", np.array_equal(copy.predict(X), pipeline.predict(X)))

# %%
# A model in the middle of a stream
# ---------------------------------
# A pickle has the state of the optimizer, so the stored model continues as if nothing
# had happened.

model = GDClassifier(random_state=0).partial_fit(X[:900], y[:900], classes=range(10))
stored = pickle.dumps(model)
continued = pickle.loads(stored).partial_fit(X[900:], y[900:])
model.partial_fit(X[900:], y[900:])
print("same coefficients:", np.array_equal(model.coef_, continued.coef_))

# %%
# Sizes
# -----
# ``drop_training_state`` removes what only further training needs.

sizes = {
    "after fit": len(pickle.dumps(pipeline[-1])),
    "after partial_fit": len(stored),
    "without its training state": len(
        pickle.dumps(pickle.loads(stored).drop_training_state())
    ),
    "to_sklearn()": len(pickle.dumps(plain[-1])),
}
figure, ax = plt.subplots(figsize=(6, 2.6), layout="constrained")
ax.barh(list(sizes), [size / 1000 for size in sizes.values()], color="#0072B2")
ax.invert_yaxis()
ax.set_xlabel("size of the pickle in kB")
ax.set_title("A model of 10 classes and 64 features")
plt.show()
