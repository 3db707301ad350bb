"""Samples, translations and exports of a game."""
