"""Results as tables, figures, sentences and files."""
