"""Irregular batches of events and conditions: the same for the same number, so that two looks see the same."""

from __future__ import annotations

import torch
from torch import Tensor

from genverify.subjects.latent_variable_model import LatentVariableModel

__all__ = ["sample_condition", "sample_events"]

# The golden ratio and the plastic number: multiples of their inverses are spread evenly, without a period.
_GOLDEN, _PLASTIC = 0.6180339887498949, 0.7548776662466927


def sample_events(subject: LatentVariableModel, data: str, rows: int, dtype: torch.dtype, number: int = 0) -> Tensor:
    """Irregular events of that kind of data: in (0, 1), of zeros and ones, or in (-2, 2)."""
    shape = (rows, *subject.event)
    steps = torch.arange(1, torch.Size(shape).numel() + 1, dtype=torch.float64).reshape(shape)
    u = ((steps + 1.7 * number + 0.3) * _GOLDEN * (1 + 0.01 * number)) % 1.0
    if data == "binary":
        return (u > 0.5).to(dtype)
    return (u if data == "unit" else 4.0 * u - 2.0).to(dtype)


def sample_condition(subject: LatentVariableModel, rows: int, dtype: torch.dtype, number: int = 0) -> Tensor | None:
    """Irregular conditions in (0, 1), or class indices."""
    if subject.classes is not None:
        return (torch.arange(rows) * 3 + number) % int(subject.classes)
    if not isinstance(subject.condition_shape, tuple):
        return None
    shape = (rows, *subject.condition_shape)
    steps = torch.arange(1, torch.Size(shape).numel() + 1, dtype=torch.float64).reshape(shape)
    return (((steps + 2.3 * number) * _PLASTIC) % 1.0).to(dtype)
