"""Independent sources of expected values: closed forms that SymPy derives, one file a topic; see `closed_form`.

>>> import torch
>>> from genverify import oracles
>>> oracles.gaussian.kl_divergence(*torch.tensor([0.0, 1.0, 1.0, 1.0]))
tensor(0.5000)
"""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import closed_form, gaussian

__all__ = ["closed_form", "gaussian"]


def __getattr__(name: str) -> ModuleType:
    """Import a topic of this room when it is first used (PEP 562)."""
    if name.startswith("_") or name not in __dir__():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    """The topics: one file each."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))
