"""Estimators with intervals that several metrics share."""
