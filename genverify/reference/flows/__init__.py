"""Normalising flows: invertible maps that know their log-determinant, and the densities that they make."""
