"""Statistical inference: tests, comparisons, plans, classes and training runs."""
