"""The compiled step, the training loop, and what the chief does between inner loops."""
