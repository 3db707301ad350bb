"""Checked tables of rows, pairs of them, and estimates with intervals."""
