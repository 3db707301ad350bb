"""Nearest neighbours and the balls they span, exact, from one streamed pass."""
