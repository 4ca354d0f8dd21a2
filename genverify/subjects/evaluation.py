"""A bijection at one case: its maps called on the case's points, the stranger's code fenced off from ours."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genverify.subjects.bijection import Bijection, Direction
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.subjects.logabsdet import RowLogabsdet, row_logabsdet

__all__ = ["Evaluation", "evaluated"]

# A fifth: enough to leave zero and identity initialisations, little enough to keep a scale's sign.
_STEP = 0.2


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The two maps of a subject and the points of a case, in the dtype in which the subject is judged."""

    subject: Bijection
    x: Tensor
    context: Tensor | None

    @property
    def rows(self) -> int:
        """How many events there are."""
        return self.x.shape[0]

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        """(y, logabsdet as returned) at x; x itself is out of the subject's reach."""
        return self._call(self.subject.calls.forward, x)

    def inverse(self, y: Tensor) -> tuple[Tensor, Any]:
        """(x, logabsdet as returned) at y; y itself is out of the subject's reach."""
        direction = self.subject.calls.inverse
        assert direction is not None
        return self._call(direction, y)

    def _call(self, direction: Direction, points: Tensor) -> tuple[Tensor, Any]:
        context = None if self.context is None else self.context.expand(len(points), *self.context.shape[1:]).clone()
        with subject_code():
            return direction(points.clone(), context)

    def one_row(self, row: int) -> Evaluation:
        """The same with one row of the points, and of the context."""
        context = None if self.context is None else self.context[row : row + 1]
        return Evaluation(subject=self.subject, x=self.x[row : row + 1], context=context)

    def read(self, raw: Any, like: Tensor) -> RowLogabsdet:  # noqa: ANN401
        """A returned logabsdet as one number a row."""
        return row_logabsdet(raw, len(like), self.subject.event, self.subject.elementwise, like)


@contextmanager
def evaluated(subject: Bijection, case: Case) -> Iterator[Evaluation]:
    """The subject at the case's points; its parameters are moved as the case says, and moved back."""
    maps = subject.calls
    context = case["context"].to(maps.dtype) if "context" in case else None
    with _varied(maps.parameters, int(case.values.get("variation", 0))):
        yield Evaluation(subject=subject, x=case["x"].to(maps.dtype), context=context)


@contextmanager
def _varied(parameters: Sequence[Tensor], variation: int) -> Iterator[None]:
    """P (1 + s ξ), and s ξ where p is zero throughout, for irregular ξ in [−1, 1] that the variation numbers."""
    if not variation or not parameters:
        yield
        return
    kept = [p.detach().clone() for p in parameters]
    with torch.no_grad():
        for index, p in enumerate(parameters):
            steps = torch.arange(1, p.numel() + 1, dtype=torch.float64, device=p.device)
            wave = torch.sin(steps * math.sqrt(2.0) * (variation + 1) + index + variation).reshape(p.shape).to(p)
            p.mul_(1.0 + _STEP * wave) if bool(p.any()) else p.add_(_STEP * wave)
    try:
        yield
    finally:
        with torch.no_grad():
            for p, was in zip(parameters, kept, strict=True):
                p.copy_(was)
