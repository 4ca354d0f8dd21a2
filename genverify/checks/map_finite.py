"""Legal points of moderate size have finite images."""

from __future__ import annotations

import torch
from torch import Tensor

from genverify.checks.bijection_jacobian import neighbours
from genverify.checks.check import check
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.map import Map
from genverify.subjects.map_evaluation import evaluated
from genverify.verdict import Judgement, failed, inconclusive, passed

__all__ = ["finite"]


@check(
    "map.finite",
    statement="images of interior points of moderate size (|x| ≤ 4) are finite",
    source="a map is defined at every point of its domain",
)
def finite(subject: Map, case: Case, run: Run) -> Judgement:
    """NaN anywhere, or infinities at the point and around it."""
    at = evaluated(subject, case)
    image = _floating(at(at.x))
    if bool(torch.isnan(image).any()):
        return failed(
            examined=at.rows, notes=at.notes,
            message="the image is NaN at a legal point; a smaller domain is declared by domain=(low, high)",
        )  # fmt: skip
    if not bool(torch.isinf(image).any()):
        return passed(examined=at.rows, quantity="finite numbers", notes=at.notes)
    if subject.calls.dtype != torch.float64:
        return inconclusive("an infinity, in a dtype of small range", notes=at.notes)
    for near in neighbours(at.x, subject.where):
        if bool(torch.isfinite(_floating(at(near))).all()):
            return inconclusive("infinite at this point, finite next to it", notes=at.notes)
    return failed(examined=at.rows, notes=at.notes, message="the image is infinite at a legal point, and around it")


def _floating(image: Tensor) -> Tensor:
    return image.detach() if image.is_floating_point() else image.detach().double()
