"""The files of a room, imported so that what they register is known: nobody keeps a list of them."""

from __future__ import annotations

import functools
import importlib
import pkgutil
from types import ModuleType

__all__ = ["files_of"]


@functools.cache
def files_of(room: str, prefix: str = "") -> tuple[ModuleType, ...]:
    """The modules of a room whose names begin so, in the order of their names; looked for once.

    >>> [one.__name__ for one in files_of("genverify.statistics", "normal_")]
    ['genverify.statistics.normal_mean']
    """
    package = importlib.import_module(room)
    names = sorted(one.name for one in pkgutil.iter_modules(package.__path__) if one.name.startswith(prefix))
    return tuple(importlib.import_module(f"{room}.{name}") for name in names)
