"""From images to results: `evaluate`, `batch`, `curve` and the others."""
