"""A `tf.distribute` trainer for generative adversarial networks. Start it with `gantf train`."""
