"""Losses, penalties, augmentation, optimizers, moving averages, players."""
