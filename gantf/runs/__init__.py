"""A run on disk: configuration, checkpoints, log, lock."""
