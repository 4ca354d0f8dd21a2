"""The inverse undoes the map, and the map undoes the inverse."""

from __future__ import annotations

import torch
from torch import Tensor

from genverify.checks.bijection_comparison import Comparison, compare
from genverify.checks.bijection_jacobian import jacobians
from genverify.checks.check import check
from genverify.numerics.rounding import unit_roundoff
from genverify.subjects.bijection import Bijection
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.evaluation import Evaluation, evaluated
from genverify.verdict import Judgement, failed, inconclusive, passed

__all__ = ["round_trip_forward", "round_trip_inverse"]

# Points are drawn on the scale of 1: what is exactly zero is known to within rounding of that, not of itself.
_UNIT = 1.0


def _has_inverse(subject: Bijection) -> str | None:
    return None if subject.calls.inverse is not None else "the subject has no inverse; give it as inverse=…"


@check(
    "bijection.round_trip_forward",
    statement="inverse(forward(x)) = x for every x of the domain",
    source="Papamakarios et al. 2021, section 2.1",
    requires=_has_inverse,
)
def round_trip_forward(subject: Bijection, case: Case, run: Run) -> Judgement:
    """X → y → x."""
    with evaluated(subject, case) as at:

        def there_and_back() -> tuple[Tensor, Tensor]:
            y, _ = at.forward(at.x)
            return _like(at.inverse(y.detach())[0], at.x), at.x

        stated = _stated(subject, at.x)
        compared = compare(there_and_back, extra=stated, scale=_UNIT)
        if compared.problem and not compared.examined:
            by_conditioning = stated + _conditioned(at, compared)
            compared = compare(there_and_back, extra=by_conditioning, scale=_UNIT)
        return _judged(subject, at, compared, "inverse(forward(x))", "x")


@check(
    "bijection.round_trip_inverse",
    statement="forward(inverse(y)) = y for every y of the image",
    source="Papamakarios et al. 2021, section 2.1",
    requires=_has_inverse,
)
def round_trip_inverse(subject: Bijection, case: Case, run: Run) -> Judgement:
    """Y → x → y, from points of the declared image, else from images of points."""
    with evaluated(subject, case) as at:
        y = case["y"].to(at.x.dtype) if "y" in case else at.forward(at.x)[0].detach()

        def there_and_back() -> tuple[Tensor, Tensor]:
            return _like(at.forward(at.inverse(y)[0].detach())[0], y), y

        # A stated accuracy is one of x; in y it is what that moves y by.
        extra = _stated(subject, at.x)
        if subject.accuracy:
            x = at.inverse(y)[0].detach()
            nudged = at.forward(x + subject.accuracy * (1.0 + x.abs()))[0].detach()
            moved = (nudged.double() - at.forward(x)[0].detach().double()).abs().reshape(len(x), -1)
            extra = 4.0 * moved.amax(1)
        compared = compare(there_and_back, extra=extra, scale=_UNIT)
        return _judged(subject, at, compared, "forward(inverse(y))", "y")


def _conditioned(at: Evaluation, compared: Comparison) -> Tensor:
    """What conditioning alone allows an iteration to a tolerance, which cannot be run in perturbed arithmetic.

    |δx| ≤ k u (|x| + (|y| + ‖J‖ |x|) ‖J⁻¹‖) for k operations, each good to the unit roundoff u; infinite without J.
    """
    found = jacobians(at, at.x)
    if found is None:
        return torch.full((at.rows,), torch.inf, dtype=torch.float64)
    values = torch.linalg.svdvals(found.double())
    x, y = (t.detach().double().abs().reshape(at.rows, -1).amax(1) for t in (at.x, at.forward(at.x)[0]))
    scale = _UNIT + x + (_UNIT + y + values[:, 0] * x) / values[:, -1]
    return max(1, compared.operations) * unit_roundoff(compared.dtype) * scale


def _stated(subject: Bijection, x: Tensor) -> Tensor:
    return subject.accuracy * (1.0 + x.detach().double().abs().reshape(len(x), -1).amax(1))


def _like(found: Tensor, expected: Tensor) -> Tensor:
    """The same shape, or infinitely far: another shape is judged by the check of shapes."""
    if found.shape == expected.shape:
        return found
    if found.numel() == expected.numel():
        return found.reshape(expected.shape)
    return torch.full_like(expected, torch.nan)


def _judged(subject: Bijection, at: Evaluation, compared: Comparison, what: str, origin: str) -> Judgement:
    notes = subject.calls.notes
    if not compared.examined:
        return inconclusive(
            compared.problem or f"{what} is not finite, of another shape, or too ill-conditioned here", notes=notes
        )
    if compared.agrees:
        return passed(
            examined=compared.examined, quantity=f"|{what} − {origin}|", observed=compared.observed,
            allowed=compared.allowed, unit=compared.unit, notes=notes,
        )  # fmt: skip
    advice = "" if subject.accuracy else "; an inverse found by iteration may state its accuracy=…"
    return failed(
        examined=compared.examined, quantity=f"|{what} − {origin}|", observed=compared.observed,
        allowed=compared.allowed, unit=compared.unit, notes=notes,
        message=f"the two directions do not undo each other: {what} misses {origin} by {compared.observed:.3g} in row "
        f"{compared.row}{advice}",
    )  # fmt: skip
