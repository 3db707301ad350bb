"""Networks as plain functions that return Keras models."""
