"""Progress, errors, files and the import of TensorFlow; no statistics."""
