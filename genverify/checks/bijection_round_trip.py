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
# How many half units the last operation of a map may be off.
_HALF_UNITS = 4.0
# Of a search for where a map gets flat: how many dimensions it may have, and the steps.
_FEW, _BISECTIONS = 16, 40


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
        if not compared.agrees:
            unknown = stated + _undetermined(at)
            again = compare(there_and_back, extra=unknown, scale=_UNIT)
            # What is excused by more than √u of x has not been examined.
            loose = unknown > unit_roundoff(again.dtype) ** 0.5 * (_UNIT + _largest(at.x))
            if again.agrees and bool(loose.any()):
                again = compare(there_and_back, extra=unknown.masked_fill(loose, torch.inf), scale=_UNIT)
            compared = again
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

    |δx| ≤ k u (|x| + (|y| + ‖J‖ |x|) ‖J⁻¹‖) for k operations, each good to the unit roundoff u. Infinite without J,
    and where it is more than √u of x: to agree within that is no agreement to speak of.
    """
    found = jacobians(at, at.x)
    if found is None:
        return torch.full((at.rows,), torch.inf, dtype=torch.float64)
    finite = torch.isfinite(found).flatten(1).all(1)[:, None, None]
    values = torch.linalg.svdvals(torch.where(finite, found.double(), torch.zeros_like(found, dtype=torch.float64)))
    x, y = _largest(at.x), _largest(at.forward(at.x)[0])
    scale = _UNIT + x + (_UNIT + y + values[:, 0] * x) / values[:, -1]
    unit = unit_roundoff(compared.dtype)
    allowed = max(1, compared.operations) * unit * scale
    return torch.where(allowed <= unit**0.5 * (_UNIT + x), allowed, torch.full_like(allowed, torch.inf))


def _undetermined(at: Evaluation) -> Tensor:
    """How far apart points may be that have one image in floating-point numbers: max_i Σ_j |J⁻¹|_ij c u |y_j|, [rows].

    Of a map that is nearly flat the image is rounded to that of other points, and no inverse tells them apart, nor do
    perturbations of y show it where the map is steep on the other side. Infinite where J is singular or not known.
    """
    found, y = jacobians(at, at.x), at.forward(at.x)[0].detach()
    nowhere = torch.full((at.rows,), torch.inf, dtype=torch.float64)
    if found is None or y.numel() != at.x.numel():
        return nowhere
    inverse, problem = torch.linalg.inv_ex(found.double())
    told = _cut_off(at, problem != 0) if bool((problem != 0).any()) else problem != 0
    moved = inverse.abs() @ (_HALF_UNITS * unit_roundoff(y.dtype) * y.double().abs().reshape(at.rows, -1, 1))
    moved = torch.where(problem == 0, moved.reshape(at.rows, -1).amax(1), nowhere)
    return torch.where(told, torch.zeros_like(moved), torch.where(torch.isfinite(moved), moved, nowhere))


def _cut_off(at: Evaluation, flat: Tensor) -> Tensor:
    """Which of the rows where J is singular are flat because the map is cut off, not because it levels out, [rows].

    On the way from zero to x the least singular value of a map with continuous derivatives passes √u before it is lost
    in rounding; that of one that is clamped falls from where it is to nothing.
    """
    none = torch.zeros_like(flat)
    if not at.subject.where.whole or at.x[0].numel() > _FEW:
        return none
    begun = _least(at, torch.zeros_like(at.x))
    unit = unit_roundoff(at.x.dtype)
    low, high = torch.zeros(at.rows, dtype=torch.float64), torch.ones(at.rows, dtype=torch.float64)
    least = begun
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        there = _least(at, at.x * middle.to(at.x).reshape(-1, *[1] * (at.x.ndim - 1)))
        steep = there > unit * begun
        low, high = torch.where(steep, middle, low), torch.where(steep, high, middle)
        least = torch.where(steep, there, least)
    return flat & (begun > unit**0.5) & (least > unit**0.5 * begun)


def _least(at: Evaluation, x: Tensor) -> Tensor:
    """The least singular value of J in each row; zero where J is not finite or not known."""
    found = jacobians(at, x)
    if found is None:
        return torch.zeros(at.rows, dtype=torch.float64)
    finite = torch.isfinite(found).flatten(1).all(1)[:, None, None]
    safe = torch.where(finite, found.double(), torch.zeros_like(found, dtype=torch.float64))
    return torch.linalg.svdvals(safe)[:, -1]


def _largest(values: Tensor) -> Tensor:
    return values.detach().double().abs().reshape(len(values), -1).amax(1)


def _stated(subject: Bijection, x: Tensor) -> Tensor:
    return subject.accuracy * (1.0 + _largest(x))


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
