"""The log-determinant that a subject returns is that of its own Jacobian."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from genverify.checks.bijection_comparison import Comparison, compare
from genverify.checks.bijection_jacobian import differences, jacobian_logabsdet, jacobians, neighbours
from genverify.checks.bijection_slip import probable_slip
from genverify.checks.bijection_structured import FEWEST, by_structure
from genverify.checks.check import check
from genverify.numerics.rounding import subnormal_spacing
from genverify.numerics.stochastic_arithmetic import rounding_spread
from genverify.subjects.bijection import Bijection
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.evaluation import Evaluation, evaluated
from genverify.verdict import Judgement, failed, inconclusive, not_applicable, passed

__all__ = ["inverse_logabsdet", "logabsdet"]

# Dimensions of the largest Jacobian: half a gigabyte, and a minute.
_LARGEST = 8192
_INFINITELY_WRONG = -torch.finfo(torch.float32).max


def _deterministic(subject: Bijection) -> str | None:
    if subject.calls.image_event is not None and not subject.onto.simplex:
        return "the image is a manifold in a larger space; which of its charts is meant is not known"
    return "the logabsdet is declared to be a random estimate" if subject.stochastic else None


def _with_inverse(subject: Bijection) -> str | None:
    if subject.calls.inverse is None:
        return "the subject has no inverse; give it as inverse=…"
    return _deterministic(subject)


@check(
    "bijection.logabsdet",
    statement="the returned logabsdet is log|det ∂y/∂x| of each row",
    source="Rezende & Mohamed 2015, eq. 5; Dinh et al. 2017, eq. 6",
    derivation="change_of_variables.density",
    requires=_deterministic,
)
def logabsdet(subject: Bijection, case: Case, run: Run) -> Judgement:
    """Against the Jacobian of the forward map, in each row."""
    with evaluated(subject, case) as at:
        y, raw = at.forward(at.x)
        if raw is None:
            return not_applicable("the subject returns no logabsdet; give it as logabsdet=…")
        return _against_jacobian(at, at.x, y, raw, inverse=False)


@check(
    "bijection.inverse_logabsdet",
    statement="the logabsdet that the inverse returns is −log|det ∂y/∂x| at the x that it returns",
    source="inverse function theorem; Papamakarios et al. 2021, section 2.1",
    derivation="change_of_variables.inverse",
    requires=_with_inverse,
)
def inverse_logabsdet(subject: Bijection, case: Case, run: Run) -> Judgement:
    """Against the Jacobian of the forward map, at the point to which the inverse leads."""
    with evaluated(subject, case) as at:
        y = case["y"].to(at.x.dtype) if "y" in case else at.forward(at.x)[0].detach()
        x, raw = at.inverse(y)
        if raw is None:
            return not_applicable("the inverse returns no logabsdet; give it as inverse_logabsdet=…")
        if x.shape != at.x.shape:
            return inconclusive("the inverse returns another shape than that of x")
        return _against_jacobian(at, x.detach(), y, raw, inverse=True)


def _claimed(at: Evaluation, x: Tensor, y: Tensor, inverse: bool) -> Tensor | None:
    """log|det ∂y/∂x| as the subject has it, [rows]."""
    if inverse:
        raw, like = at.inverse(y)[1], y
    else:
        raw, like = at.forward(x)[1], x
    values = at.read(raw, like).values
    return None if values is None else (-values if inverse else values)


def _compared(
    at: Evaluation, x: Tensor, y: Tensor, inverse: bool, known: tuple[Tensor, Tensor] | None = None
) -> Comparison:
    def computed() -> tuple[Tensor, Tensor]:
        claim, truth = _claimed(at, x, y, inverse), jacobian_logabsdet(at, x)
        if claim is None or truth is None:
            return x.new_full((len(x),), math.nan), x.new_full((len(x),), math.nan)
        return claim.detach(), truth

    claim, truth = computed() if known is None else known
    # A finite claim where J is singular is infinitely wrong, which arithmetic on infinities would not say.
    singular = torch.isneginf(truth) & torch.isfinite(claim)
    found = torch.where(singular, torch.full_like(truth, _INFINITELY_WRONG), truth)

    def both() -> tuple[Tensor, Tensor]:
        again, there = computed()
        return again, torch.where(singular, found, there)

    # Each of n pivots has a relative error, so that the logarithm of their product is good to n roundings of 1.
    extra, scale = _stated(at, x), float(x[0].numel())
    compared = compare(both, first=(claim, found), extra=extra, scale=scale)
    if compared.agrees:
        return compared
    hidden = _hidden(at, x, claim, found)
    if not bool(hidden.any()):
        return compared

    def seen() -> tuple[Tensor, Tensor]:
        again, there = both()
        return again, torch.where(hidden, torch.full_like(there, math.nan), there)

    return compare(seen, extra=extra, scale=scale)


def _hidden(at: Evaluation, x: Tensor, claim: Tensor, truth: Tensor) -> Tensor:
    """The rows, [rows], whose determinant rounding hides, with a claim that may be the one that is hidden.

    tanh'(x) = 1 − tanh² is computed as zero from x = 19 on, where its logarithm is −36; and of rows as long as 1e80
    nothing is left of a smaller determinant. There log|det J| is known from above only, and a claim below that is not
    refuted: the row is saturated. The determinant is scaled by what is claimed or found, so that it does not overflow.
    """
    singular = truth <= _INFINITELY_WRONG
    size = torch.where(singular, claim.double(), torch.maximum(claim.double(), truth.double()))

    def determinants() -> tuple[Tensor]:
        found = jacobians(at, x)
        if found is None:
            return (torch.full_like(size, math.nan),)
        return (torch.linalg.det(found.double() * torch.exp(-size / found.shape[1])[:, None, None]),)

    spread = rounding_spread(determinants)
    above = size + spread.allowed[0].log()
    # What an entry of J that is zero may have been before it underflowed.
    underflow = math.log(spread.operations * subnormal_spacing(spread.dtype))
    above = torch.where(singular, above.clamp_min(underflow), above)
    return torch.isfinite(claim) & (claim <= above) & (truth <= above)


def _stated(at: Evaluation, x: Tensor) -> Tensor | float:
    """What the stated accuracy does to log|det J|, directly and through x."""
    accuracy = at.subject.accuracy
    if not accuracy:
        return 0.0
    here, there = jacobian_logabsdet(at, x), jacobian_logabsdet(at, x + accuracy * (1.0 + x.abs()))
    return 0.0 if here is None or there is None else 4.0 * ((there - here).abs() + accuracy * (1.0 + here.abs()))


def _against_jacobian(at: Evaluation, x: Tensor, y: Tensor, raw: Any, *, inverse: bool) -> Judgement:  # noqa: ANN401
    subject = at.subject
    read = at.read(raw, x)
    notes = (*subject.calls.notes, *([read.note] if read.note else []))
    if read.values is None:
        return failed(examined=len(x), message=read.problem, notes=notes)
    claim, why = (-read.values if inverse else read.values).detach(), ""
    if x[0].numel() >= FEWEST and not subject.accuracy and not subject.onto.simplex:
        found = by_structure(at, x, y, claim, notes, inverse=inverse)
        if isinstance(found, Judgement):
            return found
        why = found
    if x[0].numel() > _LARGEST:
        return inconclusive(
            f"the Jacobian of {x[0].numel()} dimensions is not formed (at most {_LARGEST}), and its structure is not "
            f"known: {why}; declare a smaller event_shape where the subject takes one, or its layers one by one",
            notes=notes,
        )  # fmt: skip
    truth = jacobian_logabsdet(at, x)
    if truth is None:
        return inconclusive("the forward map has no square Jacobian here that could be computed", notes=notes)
    compared = _compared(at, x, y, inverse, (claim, truth))
    if not compared.examined:
        return inconclusive(compared.problem or "the logabsdet or the Jacobian is not finite here", notes=notes)
    if not compared.agrees:
        return _confirmed(at, x, y, claim, truth, compared, notes, inverse=inverse)
    if not bool(truth.any()) and bool(x.any()) and torch.equal(at.forward(x)[0].reshape(x.shape), x):
        notes = (*notes, "at these points the map is the identity; a trained flow, or vary_parameters=True, shows more")
    return passed(
        examined=compared.examined, quantity="|logabsdet − log|det J||", observed=compared.observed,
        allowed=compared.allowed, unit=compared.unit, notes=notes,
    )  # fmt: skip


def _confirmed(
    at: Evaluation,
    x: Tensor,
    y: Tensor,
    claim: Tensor,
    truth: Tensor,
    compared: Comparison,
    notes: tuple[str, ...],
    *,
    inverse: bool,
) -> Judgement:
    """FAIL only if it is one on both sides of the point, and if values contradict the claim as autodiff does."""
    for near in neighbours(x, at.subject.where):
        again = _compared(at, near, at.forward(near)[0].detach() if inverse else y, inverse)
        if not again.examined or again.agrees:
            return inconclusive("the claim holds next to this point; the map is not smooth at it", notes=notes)
    row, allowed = compared.row, compared.allowed
    one = at.one_row(row)
    arbiter = differences(one, x[row : row + 1])
    if arbiter is not None and abs(float(claim[row]) - arbiter.value) <= arbiter.error + allowed:
        if arbiter.error > compared.observed / 4.0:
            return inconclusive("autodiff contradicts the claim; differences are too coarse to settle it", notes=notes)
        return passed(
            examined=compared.examined, quantity="|logabsdet − log|det J||",
            observed=abs(float(claim[row]) - arbiter.value), allowed=arbiter.error + allowed, unit=compared.unit,
            notes=(*notes, "autodiff does not give the derivative of the forward map; judged by differences"),
        )  # fmt: skip
    shown = "the inverse's negated logabsdet" if inverse else "the logabsdet"
    seen = ", ".join(f"{float(t):.6g}" for t in truth[:4]) + (", …" if len(truth) > 4 else "")
    said = ", ".join(f"{float(c):.6g}" for c in claim[:4]) + (", …" if len(claim) > 4 else "")
    singular = not math.isfinite(float(truth[row]))
    return failed(
        examined=compared.examined, quantity="|logabsdet − log|det J||",
        observed=math.inf if singular else compared.observed, allowed=allowed, unit=compared.unit, notes=notes,
        message=f"{shown} is [{said}]; log|det J| from the Jacobian is [{seen}]"
        + probable_slip(claim, truth, at.subject.event, inverse=inverse),
    )  # fmt: skip
