"""Files of features, statistics and network weights, also of other programs."""
