# `sklgd.losses.Loss` looks its compiled half up by name; it is a `LossFunction`.
