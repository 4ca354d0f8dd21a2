"""A map at one case: called on the case's points, the stranger's code fenced off from ours."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case
from genverify.subjects.map import Function, Map

__all__ = ["MapEvaluation", "evaluated"]


@dataclass(frozen=True, kw_only=True)
class MapEvaluation:
    """The map of a subject and the points of a case, in the dtype in which the subject is judged.

    Attributes:
        subject: The prepared subject.
        x: The points, [rows, *event].
        context: One context a row, or None.
        seed: Of every evaluation of a stochastic map.
    """

    subject: Map
    x: Tensor
    context: Tensor | None = None
    seed: int = 0

    @property
    def rows(self) -> int:
        """How many events there are."""
        return self.x.shape[0]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader should know of how the map is called."""
        return self.subject.calls.notes

    def __call__(self, x: Tensor) -> Tensor:
        """The image at x; x itself is out of the subject's reach, and every call starts from the same state."""
        return self.of(self.subject.calls.f, x)

    def other(self, name: str, x: Tensor) -> Tensor:
        """Another function of the declaration at x: adjoint, equals, residual_of."""
        return self.of(self.subject.calls.others[name], x)

    def of(self, function: Function, x: Tensor) -> Tensor:
        """A function of the subject at x."""
        context = None if self.context is None else _rows(self.context, len(x)).clone()
        for live, kept in self.subject.calls.state:
            if not torch.equal(live, kept):
                live.data.copy_(kept)  # past autograd's version counter: a graph may hold on to it
        if self.subject.stochastic:
            torch.manual_seed(self.seed)
        # A score or an energy is differentiated inside: that is its own business, whoever asks for values alone.
        with subject_code(), torch.enable_grad():
            return function(x.clone(), context)

    def at(self, x: Tensor) -> MapEvaluation:
        """The same at other points."""
        return replace(self, x=x)

    def one_row(self, row: int) -> MapEvaluation:
        """The same with one row of the points, and of the context."""
        context = None if self.context is None else self.context[row : row + 1]
        return replace(self, x=self.x[row : row + 1], context=context)


def evaluated(subject: Map, case: Case) -> MapEvaluation:
    """The subject at the case's points."""
    dtype, device = subject.calls.dtype, subject.calls.device
    context = case["context"].to(device, dtype) if "context" in case else None
    return MapEvaluation(subject=subject, x=case["x"].to(device, dtype), context=context, seed=case.seed)


def _rows(context: Tensor, rows: int) -> Tensor:
    """As many rows of context as there are points, those of the case over again."""
    if len(context) == rows:
        return context
    return context.repeat(-(-rows // len(context)), *[1] * (context.ndim - 1))[:rows]
