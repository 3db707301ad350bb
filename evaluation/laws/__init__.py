"""What samples tell of the laws behind them: moments, kernels, projections, and their distances."""
