"""The log-determinant of large maps: against what cuts at layers and sparsity tell of their Jacobian."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genverify.checks.bijection_comparison import Comparison, compare
from genverify.checks.bijection_jacobian import neighbours
from genverify.checks.bijection_slip import probable_slip
from genverify.errors import GenverifyError
from genverify.numerics.structured_logabsdet import Map, StructuredLogabsdet, structured_logabsdet
from genverify.subjects.evaluation import Evaluation
from genverify.verdict import Judgement, failed, inconclusive, passed

__all__ = ["FEWEST", "by_structure", "signs_by_structure"]

# Below so many dimensions a dense Jacobian is as cheap.
FEWEST = 256
# How much of what is allowed at a point a difference beside it must exceed, to be the same difference.
_BESIDE = 2.0


def by_structure(
    at: Evaluation, x: Tensor, y: Tensor, claim: Tensor, notes: tuple[str, ...], *, inverse: bool
) -> Judgement | str:
    """The judgement, or why the structure of the Jacobian does not tell."""
    if x.dtype != torch.float64:
        return f"products with the Jacobian are told apart in float64 alone, and the subject runs in {x.dtype}"
    known = _known(at, x)
    if isinstance(known, str):
        return known
    compared, truth = _compared(at, x, y, claim, known, inverse=inverse)
    if not compared.examined:
        return compared.problem or "the logabsdet or the Jacobian is not finite here"
    layers, products = max(one.parts for one in known), max(one.products for one in known)
    notes = (
        *notes,
        f"log|det J| is composed of {layers} layer{'s' * (layers > 1)}, each triangular in a few blocks or mixing one "
        f"axis alone, as {products} products with its transpose told",
    )
    evidence = {
        "examined": compared.examined, "quantity": "|logabsdet − log|det J||", "observed": compared.observed,
        "allowed": compared.allowed, "unit": compared.unit, "notes": notes,
    }  # fmt: skip
    if compared.agrees:
        return passed(**evidence)
    for near in neighbours(x, at.subject.where):
        again = _known(at, near)
        if isinstance(again, str):
            return inconclusive(f"the claim could not be judged next to this point: {again}", notes=notes)
        there = at.forward(near)[0].detach() if inverse else y
        error = float((_claimed(at, near, there, inverse=inverse) - _values(again))[compared.row].abs())
        # So close by, what rounding is allowed is the same; beside a kink it is not, and the difference is another.
        if not error > _BESIDE * compared.allowed:
            return inconclusive("the claim holds next to this point; the map is not smooth at it", notes=notes)
    shown = "the inverse's negated logabsdet" if inverse else "the logabsdet"
    seen, said = (", ".join(f"{float(t):.6g}" for t in values[:4]) for values in (truth, claim))
    return failed(
        **evidence, message=f"{shown} is [{said}]; log|det J| from the Jacobian is [{seen}]"
        + probable_slip(claim, truth, at.subject.event, inverse=inverse),
    )  # fmt: skip


def _map(at: Evaluation, row: int) -> Map:
    """The forward map of one row, with its context."""
    direction = at.subject.calls.forward
    context = None if at.context is None else at.context[row : row + 1].clone()
    return lambda point: direction(point, context)[0]


def _known(at: Evaluation, x: Tensor) -> list[StructuredLogabsdet] | str:
    known = []
    for row in range(len(x)):
        try:
            found = structured_logabsdet(_map(at, row), x[row : row + 1])
        except GenverifyError:
            raise
        except Exception as error:  # a stranger's backward pass may raise anything
            return f"a product with the Jacobian raised {type(error).__name__}: {error}"
        if found.problem:
            return found.problem
        known.append(found)
    return known


def _values(known: list[StructuredLogabsdet]) -> Tensor:
    return torch.tensor([one.value for one in known], dtype=torch.float64)


def _claimed(at: Evaluation, x: Tensor, y: Tensor, *, inverse: bool) -> Tensor:
    raw, like = (at.inverse(y)[1], y) if inverse else (at.forward(x)[1], x)
    values = at.read(raw, like).values
    if values is None:
        return x.new_full((len(x),), math.nan)
    return (-values if inverse else values).detach()


def _compared(
    at: Evaluation, x: Tensor, y: Tensor, claim: Tensor, known: list[StructuredLogabsdet], *, inverse: bool
) -> tuple[Comparison, Tensor]:
    truth = _values(known)
    # A finite claim where J is singular is infinitely wrong, which arithmetic on infinities would not say.
    wrong = torch.isneginf(truth) & torch.isfinite(claim)
    truth = torch.where(wrong, torch.full_like(truth, -torch.finfo(torch.float32).max), truth)

    def both() -> tuple[Tensor, Tensor]:
        again = torch.stack([one.again(_map(at, row), x[row : row + 1])[1] for row, one in enumerate(known)])
        return _claimed(at, x, y, inverse=inverse), torch.where(wrong, truth, again)

    return compare(both, first=(claim, truth), scale=float(x[0].numel())), truth


def signs_by_structure(at: Evaluation) -> Tensor | str:
    """The signs of det J in the rows, all of them times one that nobody needs to know; or why they are not known."""
    if at.x.dtype != torch.float64:
        return f"the subject runs in {at.x.dtype}"
    known = _known(at, at.x)
    if isinstance(known, str):
        return known
    if not all(one.alike(known[0]) for one in known):
        return "the Jacobian's zeros are elsewhere in other rows"
    if not all(math.isfinite(one.value) for one in known):
        return "the Jacobian is singular"
    return torch.stack([one.again(_map(at, row), at.x[row : row + 1])[0] for row, one in enumerate(known)])
