"""Generating: Hypothesis strategies of cases, and the search that drives them."""
