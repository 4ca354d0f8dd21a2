"""Adversarial games: losses, steps, penalties."""
