"""Gradient estimators, as plainly as they can be written."""
