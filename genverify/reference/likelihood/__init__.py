"""Likelihoods: densities, divergences and the maximum likelihood fit, as a reader would copy them."""
