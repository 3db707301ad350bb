"""tf.distribute strategies, and the worker processes that train together."""
