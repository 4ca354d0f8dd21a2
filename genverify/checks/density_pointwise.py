"""A density's logarithm at points, as the checks of its mass ask for it."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from genverify.errors import SubjectRaised
from genverify.numerics.stochastic_arithmetic import narrowest_dtype
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.subjects.density import Density

__all__ = ["contextual", "drawn"]


def contextual(subject: Density, case: Case) -> tuple[Callable[[Tensor], Tensor], torch.dtype]:
    """X [n, dims] ↦ log p(x | the case's context) [n], and the narrowest type in which the subject computes it."""
    call, dims = subject.prepared, math.prod(subject.event)
    context = case["context"].to(call.dtype) if "context" in case else None

    def log_density(x: Tensor) -> Tensor:
        rows = None if context is None else context.expand(len(x), *context.shape[1:])
        with subject_code(), torch.no_grad():
            found = call.log_prob(x.reshape(len(x), *subject.event).to(call.dtype), rows)
        if not isinstance(found, Tensor) or found.numel() != len(x):
            shape = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise SubjectRaised(ValueError(f"log_prob returned {shape} for {len(x)} events of shape {subject.event}"))
        return found.reshape(len(x))

    start = torch.full((1, dims), _inside(subject), dtype=torch.float64)
    return log_density, narrowest_dtype(lambda: log_density(start))


def drawn(subject: Density, case: Case, count: int) -> Tensor:
    """Draws of the subject's own [n, dims] in float64, n ≤ count: a hint at where its mass is.

    None where it has none: whether it can sample is not what is asked.
    """
    call, dims = subject.prepared, math.prod(subject.event)
    none = torch.empty(0, dims, dtype=torch.float64)
    if call.sample is None:
        return none
    context = case["context"].to(call.dtype) if "context" in case else None
    try:
        with subject_code(), torch.no_grad():
            found = call.sample(count, context)
    except Exception:
        return none
    if not isinstance(found, Tensor) or not found.is_floating_point() or found.numel() != count * dims:
        return none
    rows = found.detach().reshape(count, dims).double().cpu()
    return rows[torch.isfinite(rows).all(-1)]


def _inside(subject: Density) -> float:
    """A coordinate of a point of the support."""
    where = subject.where
    if where.whole:
        return subject.around[0]
    if math.isinf(where.high):
        return where.low + subject.around[1]
    return where.high - subject.around[1] if math.isinf(where.low) else (where.low + where.high) / 2.0
