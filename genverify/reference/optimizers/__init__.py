"""Optimizers, one file each, in the order in which a reader meets them."""
