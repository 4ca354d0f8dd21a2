"""Derivatives: gradients, Jacobians, Hessians, their products with vectors, and what is made of them."""
