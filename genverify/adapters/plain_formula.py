"""What needs no adapter: a function, a module or a class that computes a formula is called as it is."""

from __future__ import annotations

from genverify.adapters.adapter import adapter
from genverify.subjects.formula import Formula

__all__ = ["plain_formula"]


@adapter("anything that is called with the formula's arguments", "formula", lambda thing: True, rank=1000)
def plain_formula(subject: Formula) -> Formula:
    """The subject itself."""
    return subject
