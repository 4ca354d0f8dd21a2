"""A wild pair: what people wrote, wrong and right, under one general declaration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from genverify.subjects.subject import Subject


@dataclass(frozen=True, kw_only=True)
class Pair:
    """The same declaration made of the wrong implementation and of its correct twin."""

    name: str
    wrong: Callable[[], Subject]
    right: Callable[[], Subject]
