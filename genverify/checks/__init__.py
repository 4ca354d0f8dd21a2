"""Judging: each file holds checks of one property; none imports a reference, an oracle or a strategy."""
