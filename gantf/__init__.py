"""A `tf.distribute` trainer for generative adversarial networks. Start it with `gantf train`."""

import evaluation  # noqa: F401  before TensorFlow: sets the variable that chooses CPU kernels
