"""Distances between distributions, and the moments and kernels behind them."""
