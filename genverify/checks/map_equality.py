"""A map is the one that it is said to be: another implementation, a dense operator, a residual branch plus x."""

from __future__ import annotations

import torch
from torch import Tensor

from genverify.checks.check import check
from genverify.checks.map_comparison import agreement, as_rows, refuse_shape, stated
from genverify.errors import UsageError
from genverify.numerics.linear_operator import dense_matrix
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.map import Map
from genverify.subjects.map_evaluation import MapEvaluation, evaluated
from genverify.verdict import Judgement, failed, inconclusive

__all__ = ["equals", "matrix", "residual_of"]

# Up to so many inputs a failure is explained by the entry of the operator that is wrong.
_EXPLAINED = 4096


@check(
    "map.equals",
    statement="f(x) = g(x) for the other implementation g",
    source="the claim",
    requires=lambda subject: None if subject.equals else "no other implementation is claimed; give it as equals=…",
)
def equals(subject: Map, case: Case, run: Run) -> Judgement:
    """The two images, row by row."""
    at = evaluated(subject, case)
    ours, theirs = at(at.x), at.other("equals", at.x)
    refused = refuse_shape(at, ours, theirs, "f(x) and the other implementation's g(x)")
    if refused is not None:
        return refused
    return agreement(
        at, lambda: (as_rows(at(at.x), at.rows), as_rows(at.other("equals", at.x), at.rows)),
        quantity="|f(x) − g(x)|", extra=stated(at, theirs),
        message=lambda row: f"f(x) is not g(x) in row {row}",
    )  # fmt: skip


@check(
    "map.residual_of",
    statement="f(x) = x + F(x) for the claimed branch F",
    source="He et al. 2016, eq. 1",
    derivation="gradient_flow.residual",
    requires=lambda subject: None if subject.residual_of else "no residual branch is claimed; give it as residual_of=…",
)
def residual_of(subject: Map, case: Case, run: Run) -> Judgement:
    """The image against x plus the branch, row by row."""
    at = evaluated(subject, case)
    image, branch = at(at.x), at.other("residual_of", at.x)
    refused = refuse_shape(at, image, at.x, "f(x) and x") or refuse_shape(at, branch, at.x, "F(x) and x")
    if refused is not None:
        return refused
    found = agreement(
        at, lambda: (as_rows(at(at.x), at.rows), as_rows(at.x + at.other("residual_of", at.x), at.rows)),
        quantity="|f(x) − (x + F(x))|", extra=stated(at, image),
        message=lambda row: f"f(x) is not x + F(x) in row {row}{_branch_slip(image, branch, at.x)}",
    )  # fmt: skip
    return found


def _branch_slip(image: Tensor, branch: Tensor, x: Tensor) -> str:
    image, branch = image.detach(), branch.detach()
    close = torch.finfo(torch.float32).eps * float((branch.abs() + x.abs()).max())
    guesses = [
        (branch, "the skip is missing"), (x - branch, "the branch is subtracted"), (x, "the branch is missing"),
        ((x + branch).relu(), "an activation follows the addition, which cuts the identity path (He et al. 2016b)"),
    ]  # fmt: skip
    return next((f": {words}" for guess, words in guesses if bool(((image - guess).abs() <= close).all())), "")


@check(
    "map.matrix",
    statement="f(x) = W vec(x) + b for the claimed dense operator",
    source="a linear map is its matrix in the standard basis",
    requires=lambda subject: (
        None if subject.matrix is not None else "no dense operator is claimed; give it as matrix=…"
    ),
)
def matrix(subject: Map, case: Case, run: Run) -> Judgement:
    """The image against the product; a failure names the entry that is furthest off."""
    at = evaluated(subject, case)
    image = at(at.x)
    if image.ndim == 0 or len(image) != at.rows:
        return inconclusive("the image has another batch size; see map.output_shape", notes=at.notes)
    weight, bias = _operator(at, image)

    def both() -> tuple[Tensor, Tensor]:
        product = as_rows(at.x, at.rows) @ weight.mT + bias
        offset = at(torch.zeros_like(at.x)) if subject.affine else torch.zeros_like(image)
        return as_rows(at(at.x) - offset, at.rows), product

    size = as_rows(at.x, at.rows).double().abs() @ weight.double().abs().mT
    found = agreement(
        at, both, quantity="|f(x) − (W vec(x) + b)|", extra=stated(at, image), scale=size.amax(1),
        message=lambda row: f"f(x) is not W vec(x) + b in row {row}",
    )  # fmt: skip
    if found.outcome == "FAIL" and at.x[0].numel() <= _EXPLAINED:
        return _explained(at, found, weight)
    return found


def _operator(at: MapEvaluation, image: Tensor) -> tuple[Tensor, Tensor]:
    claimed = at.subject.matrix
    weight, bias = claimed if isinstance(claimed, (tuple, list)) else (claimed, None)
    expected = (image[0].numel(), at.x[0].numel())
    if not isinstance(weight, Tensor) or tuple(weight.shape) != expected:
        shown = tuple(weight.shape) if isinstance(weight, Tensor) else type(weight).__name__
        raise UsageError(
            given=f"matrix of shape {shown} for {at.subject.label}", expected=f"a tensor of shape {expected}",
            do="give W as [outputs, inputs] of one event, flattened",
        )  # fmt: skip
    weight = weight.detach().to(at.x)
    bias = image.new_zeros(expected[0]) if bias is None else torch.as_tensor(bias).detach().to(at.x).reshape(-1)
    if bias.numel() != expected[0]:
        raise UsageError(
            given=f"a bias of {bias.numel()} numbers for {at.subject.label}", expected=f"{expected[0]} numbers",
            do="give one number for each output of the flattened event",
        )  # fmt: skip
    return weight, bias


def _explained(at: MapEvaluation, found: Judgement, weight: Tensor) -> Judgement:
    dense = dense_matrix(lambda x: at.at(x)(x), at.subject.event, dtype=at.x.dtype, device=at.x.device)
    i, j = (int(k) for k in torch.unravel_index((dense - weight).abs().argmax(), weight.shape))
    evidence = {name: getattr(found.evidence, name) for name in ("examined", "quantity", "observed", "allowed", "unit")}
    said = f"the operator's entry ({i}, {j}) is {float(dense[i, j]):.6g}, in W it is {float(weight[i, j]):.6g}"
    return failed(**evidence, notes=found.evidence.notes, message=said)
