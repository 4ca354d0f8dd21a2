"""Executable mathematics for generative models: oracles, checks and specs that verify anybody's implementation.

>>> import genverify as gv
>>> gv.UsageError.__name__
'UsageError'
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from genverify import noise as noise
    from genverify import numerics as numerics
    from genverify import oracles as oracles
    from genverify import reference as reference
    from genverify import statistics as statistics
    from genverify.errors import GenverifyError as GenverifyError
    from genverify.errors import UsageError as UsageError
    from genverify.identification import identify as identify
    from genverify.parametrize import parametrize_with_checks as parametrize_with_checks
    from genverify.parity.execution import Execution as Execution
    from genverify.parity.matrix import ParityReport as ParityReport
    from genverify.parity.matrix import parity as parity
    from genverify.report import Report as Report
    from genverify.subjects.bijection import Bijection as Bijection
    from genverify.subjects.case import Case as Case
    from genverify.subjects.density import Density as Density
    from genverify.subjects.diffusion_process import DiffusionProcess as DiffusionProcess
    from genverify.subjects.estimator import GradientEstimator as GradientEstimator
    from genverify.subjects.formula import Formula as Formula
    from genverify.subjects.latent_variable_model import LatentVariableModel as LatentVariableModel
    from genverify.subjects.map import Map as Map
    from genverify.subjects.optimizer import Optimizer as Optimizer
    from genverify.subjects.sampler import Sampler as Sampler
    from genverify.subjects.training_step import TrainingStep as TrainingStep
    from genverify.verdict import Evidence as Evidence
    from genverify.verdict import Outcome as Outcome
    from genverify.verdict import Rung as Rung
    from genverify.verdict import Verdict as Verdict
    from genverify.verify import replay as replay
    from genverify.verify import verify as verify

__version__ = "0.1.0"

# Name → module. Nothing is imported before it is asked for, so that `genverify --help` does not pay for torch.
_HOME = {
    "Bijection": "genverify.subjects.bijection",
    "Case": "genverify.subjects.case",
    "Density": "genverify.subjects.density",
    "DiffusionProcess": "genverify.subjects.diffusion_process",
    "Evidence": "genverify.verdict",
    "Execution": "genverify.parity.execution",
    "Formula": "genverify.subjects.formula",
    "GenverifyError": "genverify.errors",
    "GradientEstimator": "genverify.subjects.estimator",
    "LatentVariableModel": "genverify.subjects.latent_variable_model",
    "Map": "genverify.subjects.map",
    "Optimizer": "genverify.subjects.optimizer",
    "Outcome": "genverify.verdict",
    "ParityReport": "genverify.parity.matrix",
    "Report": "genverify.report",
    "Rung": "genverify.verdict",
    "Sampler": "genverify.subjects.sampler",
    "TrainingStep": "genverify.subjects.training_step",
    "UsageError": "genverify.errors",
    "Verdict": "genverify.verdict",
    "identify": "genverify.identification",
    "parametrize_with_checks": "genverify.parametrize",
    "parity": "genverify.parity.matrix",
    "replay": "genverify.verify",
    "verify": "genverify.verify",
}
_ROOMS = ("noise", "numerics", "oracles", "reference", "statistics")

__all__ = [
    "Bijection",
    "Case",
    "Density",
    "DiffusionProcess",
    "Evidence",
    "Execution",
    "Formula",
    "GenverifyError",
    "GradientEstimator",
    "LatentVariableModel",
    "Map",
    "Optimizer",
    "Outcome",
    "ParityReport",
    "Report",
    "Rung",
    "Sampler",
    "TrainingStep",
    "UsageError",
    "Verdict",
    "__version__",
    "identify",
    "noise",
    "numerics",
    "oracles",
    "parametrize_with_checks",
    "parity",
    "reference",
    "replay",
    "statistics",
    "verify",
]


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


class _Face(ModuleType):
    """The import system binds a submodule to its name in the package; a public function of that name stays the face."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Face
