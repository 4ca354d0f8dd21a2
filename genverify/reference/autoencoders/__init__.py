"""Autoencoders, plain and variational, and the parts that they are made of."""
