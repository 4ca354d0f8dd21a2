"""Executable mathematics for generative models: oracles, checks and specs that verify anybody's implementation.

>>> import genverify as gv
>>> gv.UsageError.__name__
'UsageError'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genverify import oracles as oracles
    from genverify.errors import GenverifyError as GenverifyError
    from genverify.errors import UsageError as UsageError
    from genverify.report import Report as Report
    from genverify.subjects.case import Case as Case
    from genverify.subjects.formula import Formula as Formula
    from genverify.verdict import Evidence as Evidence
    from genverify.verdict import Outcome as Outcome
    from genverify.verdict import Rung as Rung
    from genverify.verdict import Verdict as Verdict
    from genverify.verify import replay as replay
    from genverify.verify import verify as verify

__version__ = "0.1.0"

# Name → module. Nothing is imported before it is asked for, so that `genverify --help` does not pay for torch.
_HOME = {
    "Case": "genverify.subjects.case",
    "Evidence": "genverify.verdict",
    "Formula": "genverify.subjects.formula",
    "GenverifyError": "genverify.errors",
    "Outcome": "genverify.verdict",
    "Report": "genverify.report",
    "Rung": "genverify.verdict",
    "UsageError": "genverify.errors",
    "Verdict": "genverify.verdict",
    "replay": "genverify.verify",
    "verify": "genverify.verify",
}
_ROOMS = ("noise", "numerics", "oracles", "reference", "statistics")

__all__ = [*_HOME, "__version__", *_ROOMS]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    """Imports a public name when it is first used (PEP 562)."""
    if name in _HOME:
        found = getattr(importlib.import_module(_HOME[name]), name)
    elif name in _ROOMS:
        found = importlib.import_module(f"genverify.{name}")
    else:
        raise AttributeError(f"module 'genverify' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
