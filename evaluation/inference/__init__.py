"""Questions about several samples: tests, comparisons, plans, classes and training runs."""
