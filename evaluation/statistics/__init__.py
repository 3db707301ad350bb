"""Estimates and their intervals; needs only NumPy and SciPy."""
