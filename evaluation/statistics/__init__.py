"""Estimates and the intervals that go with them; needs NumPy and SciPy alone."""
