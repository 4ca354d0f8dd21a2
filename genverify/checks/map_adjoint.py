"""A claimed adjoint is one: ⟨f(x), y⟩ = ⟨x, g(y)⟩ for the linear parts of f and g."""

from __future__ import annotations

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.map_comparison import agreement
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.map import Map
from genverify.subjects.map_evaluation import evaluated
from genverify.verdict import Judgement, failed, inconclusive

__all__ = ["adjoint"]


@check(
    "map.adjoint",
    statement="⟨f(x) − f(0), y⟩ = ⟨x, g(y) − g(0)⟩ in each row, for the claimed adjoint g",
    source="definition of the adjoint; Dumoulin & Visin 2016, section 4, for convolutions",
    derivation="convolution_equivariance.adjoint",
    requires=lambda subject: None if subject.adjoint else "no adjoint is claimed; give it as adjoint=…",
    family="cotangents",
)
def adjoint(subject: Map, case: Case, run: Run) -> Judgement:
    """Two inner products at a point and an image."""
    at = evaluated(subject, case)
    image, y = at(at.x), case["y"].to(at.x)
    if image.shape != y.shape:
        return inconclusive("the image has not the shape that it had in preparation", notes=at.notes)
    back = at.other("adjoint", y)
    if back.shape != at.x.shape:
        return failed(
            examined=1, notes=at.notes,
            message=f"the adjoint maps images {tuple(y.shape)} to {tuple(back.shape)}, not to {tuple(at.x.shape)}",
        )  # fmt: skip

    at_zero, back_at_zero = at(torch.zeros_like(at.x)).detach(), at.other("adjoint", torch.zeros_like(y)).detach()

    def products() -> tuple[Tensor, Tensor]:
        there, here = at(at.x) - at_zero, at.other("adjoint", y) - back_at_zero
        return (there * y).flatten(1).sum(1, keepdim=True), (here * at.x).flatten(1).sum(1, keepdim=True)

    size = ((image.detach().double() - at_zero) * y.double()).abs().flatten(1).sum(1)
    return agreement(
        at, products, quantity="|⟨f(x), y⟩ − ⟨x, g(y)⟩|", scale=size,
        message=lambda row: f"⟨f(x), y⟩ is not ⟨x, g(y)⟩ in row {row}: g is not the adjoint of f"
        " (a kernel flipped once too often, another padding, a missing factor?)",
    )  # fmt: skip
