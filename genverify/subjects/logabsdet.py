"""A log-determinant as a subject returned it, read as one number a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

__all__ = ["RowLogabsdet", "row_logabsdet"]


@dataclass(frozen=True, kw_only=True)
class RowLogabsdet:
    """One number a row, or why it cannot be read so.

    Attributes:
        values: [rows]; None when there is a problem.
        problem: What is wrong with its shape or type, in words; empty when nothing is.
        note: An unusual but legitimate form.
    """

    values: Tensor | None
    problem: str = ""
    note: str = ""


def row_logabsdet(raw: Any, rows: int, event: tuple[int, ...], elementwise: bool, like: Tensor) -> RowLogabsdet:  # noqa: ANN401
    """Reads a returned log-determinant: [rows], [rows, 1, …], one number for all rows, or (declared) one an element.

    Shapes: `raw` as above; `like` gives dtype and device to a plain number.

    >>> row_logabsdet(torch.zeros(3, 1), 3, (2,), False, torch.zeros(1)).note
    'logabsdet has the shape (3, 1)'
    >>> row_logabsdet(torch.zeros(3, 2), 3, (2,), False, torch.zeros(1)).problem
    'logabsdet has the shape (3, 2) for 3 rows of events (2,); expected (3,); if one number an element is meant, declare
    elementwise=True'
    """
    if isinstance(raw, (int, float)):
        value = torch.full((rows,), float(raw), dtype=like.dtype, device=like.device)
        return RowLogabsdet(values=value, note="logabsdet is one Python number for all rows")
    if not isinstance(raw, Tensor):
        return RowLogabsdet(values=None, problem=f"logabsdet is a {type(raw).__name__}, not a tensor")
    if not raw.is_floating_point():
        return RowLogabsdet(values=None, problem=f"logabsdet is of {raw.dtype}, not a floating-point tensor")
    shape = tuple(raw.shape)
    if elementwise and shape == (rows, *event):
        return RowLogabsdet(values=raw.reshape(rows, -1).sum(1))
    if shape == (rows,):
        return RowLogabsdet(values=raw)
    if len(shape) > 1 and shape[0] == rows and raw.numel() == rows:
        return RowLogabsdet(values=raw.reshape(rows), note=f"logabsdet has the shape {shape}")
    if raw.numel() == 1 and (not shape or shape == (1,)):
        return RowLogabsdet(
            values=raw.reshape(()).expand(rows), note=f"logabsdet is one number for all rows, of shape {shape}"
        )
    advice = "; if one number an element is meant, declare elementwise=True" if shape == (rows, *event) else ""
    problem = f"logabsdet has the shape {shape} for {rows} rows of events {event}; expected ({rows},)" + advice
    return RowLogabsdet(values=None, problem=problem)
