"""Which outputs see which inputs: structural zeros of the Jacobian, and dependences that must be there."""

from __future__ import annotations

import torch
from torch import Tensor

from genverify.checks.bijection_comparison import compare
from genverify.checks.check import check
from genverify.checks.map_slope import wave
from genverify.numerics.jacobian import batch_jacobian
from genverify.numerics.stochastic_arithmetic import rounding_spread
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.dependence import dependence_mask
from genverify.subjects.map import Map
from genverify.subjects.map_evaluation import MapEvaluation, evaluated
from genverify.verdict import Judgement, failed, inconclusive, passed

__all__ = ["depends_on", "ignores"]

# Sizes and directions of the moves that look for a dependence: a unit may be dead, or saturated, over a wide range.
_SIZES, _WAYS = (1.0, 0.1, 10.0, 100.0), 4
# Groups of outputs with one pattern of ignored inputs that are tried; more are sampled evenly.
_GROUPS = 64


def _unclaimed(name: str) -> str:
    return f"nothing is claimed; give a mask or a function (i, j) → bool as {name}=…"


@check(
    "map.ignores",
    statement="∂y_i/∂x_j = 0, and y_i stays when x_j is replaced, for each pair (i, j) that is claimed",
    source="the claim; van den Oord et al. 2016, section 3.4, for masks; Germain et al. 2015, section 3",
    requires=lambda subject: None if subject.ignores is not None else _unclaimed("ignores"),
)
def ignores(subject: Map, case: Case, run: Run) -> Judgement:
    """Ignored inputs are replaced; then, where there are derivatives, their entries of the Jacobian are looked at."""
    at = evaluated(subject, case)
    mask = _mask(at, subject.ignores, "ignores")
    if isinstance(mask, Judgement):
        return mask
    if not bool(mask.any()):
        return inconclusive("the claim names no pair", notes=at.notes)
    replaced = _replaced(at, mask)
    return replaced if replaced.outcome != "PASS" else _derivatives(at, mask, replaced)


def _replaced(at: MapEvaluation, mask: Tensor) -> Judgement:
    """Outputs with the same ignored inputs are judged together: those inputs take other, legal values."""
    patterns, group_of = torch.unique(mask, dim=0, return_inverse=True)
    other = _elsewhere(at)
    chosen = range(0, len(patterns), -(-len(patterns) // _GROUPS))
    worst: Judgement | None = None
    for group in chosen:
        pattern, outputs = patterns[group], (group_of == group).nonzero()[:, 0]
        if not bool(pattern.any()):
            continue
        moved = torch.where(pattern.reshape(1, *at.x.shape[1:]), other, at.x)

        def both(moved: Tensor = moved, outputs: Tensor = outputs) -> tuple[Tensor, Tensor]:
            return _images(at, at.x)[:, outputs], _images(at, moved)[:, outputs]

        first = both()
        compared = compare(both, first=first)
        if not compared.examined:
            continue
        evidence = {
            "examined": int(pattern.sum()) * len(outputs), "quantity": "|change of y_i|", "notes": at.notes,
            "observed": compared.observed, "allowed": compared.allowed, "unit": compared.unit,
        }  # fmt: skip
        if not compared.agrees:
            i = int(outputs[int((first[0] - first[1]).abs()[compared.row].argmax())])
            seen = pattern.nonzero()[:, 0]
            return failed(
                **evidence,
                message=f"output {_place(at, i, of='y')} moves when the inputs that it must ignore "
                f"({len(seen)}, the first {_place(at, int(seen[0]), of='x')}) are replaced",
            )  # fmt: skip
        found = passed(**evidence)
        worst = found if worst is None or found.evidence.ratio > worst.evidence.ratio else worst
    return worst or inconclusive("no output could be compared", notes=at.notes)


def _derivatives(at: MapEvaluation, mask: Tensor, replaced: Judgement) -> Judgement:
    jacobian = _jacobian(at)
    if jacobian is None or not bool(torch.isfinite(jacobian).all()):
        return replaced
    leaks = torch.where(mask, jacobian.abs(), torch.zeros_like(jacobian))
    if not bool(leaks.any()):
        return replaced
    # A transform (an FFT, say) makes its zeros of rounding errors; what rounding can do is no dependence.
    spread = rounding_spread(lambda: (_masked_jacobian(at, mask),))
    excess = leaks.double() - spread.allowed[0]
    if not bool((excess > 0).any()):
        return replaced
    row, i, j = (int(k) for k in torch.unravel_index(excess.argmax(), excess.shape))
    return failed(
        examined=int(mask.sum()), quantity="|∂y_i/∂x_j|", observed=float(leaks[row, i, j]),
        allowed=float(spread.allowed[0][row, i, j]), notes=at.notes,
        message=f"output {_place(at, i, of='y')} depends on input {_place(at, j, of='x')} "
        f"(derivative {float(jacobian[row, i, j]):.3g}), which it must ignore",
    )  # fmt: skip


@check(
    "map.depends_on",
    statement="y_i depends on x_j somewhere, for each pair (i, j) that is claimed",
    source="the claim; Ronneberger, Fischer & Brox 2015, figure 1, for what skip connections carry",
    requires=lambda subject: None if subject.depends_on is not None else _unclaimed("depends_on"),
    searched=False,
)
def depends_on(subject: Map, case: Case, run: Run) -> Judgement:
    """Jacobians at several points; what is zero at all of them is looked for by replacing the input."""
    at = evaluated(subject, case)
    mask = _mask(at, subject.depends_on, "depends_on")
    if isinstance(mask, Judgement):
        return mask
    if not bool(mask.any()):
        return inconclusive("the claim names no pair", notes=at.notes)
    missing, points = mask.clone(), _probes(at)
    for x in points:
        jacobian = _jacobian(at.at(x))
        if jacobian is not None:
            missing &= ~(jacobian != 0).any(0)
        if not bool(missing.any()):
            return passed(examined=int(mask.sum()), quantity="pairs", notes=at.notes)
    missing = _by_replacement(at, points, missing)
    if not bool(missing.any()):
        return passed(examined=int(mask.sum()), quantity="pairs", notes=at.notes)
    i, j = (int(k) for k in missing.nonzero()[0])
    return failed(
        examined=int(mask.sum()), quantity="pairs without dependence", observed=float(missing.sum()), allowed=0.0,
        notes=at.notes,
        message=f"output {_place(at, i, of='y')} does not depend on input {_place(at, j, of='x')} at any of "
        f"{len(points)} batches of points ({int(missing.sum())} of {int(mask.sum())} pairs are missing)",
    )  # fmt: skip


def _by_replacement(at: MapEvaluation, points: list[Tensor], missing: Tensor) -> Tensor:
    """The pairs that are missing also when the values of x_j change: for maps without derivatives."""
    missing = missing.clone()
    for x in points:
        still = _images(at, x)
        for j in missing.any(0).nonzero()[:, 0].tolist():
            moved = x.flatten(1).clone()
            moved[:, j] = _elsewhere(at.at(x)).flatten(1)[:, j]
            change = (_images(at, moved.reshape(x.shape)) != still).any(0)
            missing[:, j] &= ~change
        if not bool(missing.any()):
            break
    return missing


def _probes(at: MapEvaluation) -> list[Tensor]:
    """The points of the case, and generic ones of several sizes inside the domain."""
    where, found = at.subject.where, [at.x]
    for number in range(_WAYS):
        direction = wave(at.x.shape, 17 + number, at.x)
        for size in _SIZES if where.whole else (1.0,):
            moved = size * direction if where.whole else _elsewhere(at, number)
            found.append(moved)
    return found


def _elsewhere(at: MapEvaluation, number: int = 0) -> Tensor:
    """Other legal points: further out in all of space, between the point and the far end of an interval."""
    direction, where = wave(at.x.shape, 3 + number, at.x), at.subject.where
    if where.whole:
        return at.x + (1.0 + at.x.abs()) * direction
    if where.simplex:
        weights = at.x * (1.0 + 0.5 * direction)
        return weights / weights.sum(-1, keepdim=True)
    low = where.low if where.low > -float("inf") else at.x - 1.0 - at.x.abs()
    high = where.high if where.high < float("inf") else at.x + 1.0 + at.x.abs()
    return torch.where(direction > 0, at.x + (high - at.x) * 0.9 * direction, at.x + (at.x - low) * 0.9 * direction)


def _mask(at: MapEvaluation, claimed: object, name: str) -> Tensor | Judgement:
    image = at(at.x)
    if image.ndim == 0 or len(image) != at.rows:
        return inconclusive("the image has another batch size; see map.output_shape", notes=at.notes)
    return dependence_mask(name, claimed, tuple(image.shape[1:]), tuple(at.x.shape[1:])).to(at.x.device)


def _images(at: MapEvaluation, x: Tensor) -> Tensor:
    y = at(x).detach()
    return (y if y.is_floating_point() else y.double()).reshape(len(x), -1)


def _jacobian(at: MapEvaluation) -> Tensor | None:
    """∂y_i/∂x_j of each row, [rows, outputs, inputs]; None where there are no derivatives."""
    try:
        return batch_jacobian(lambda x: at(x).reshape(len(x), -1), at.x)
    except Exception:  # values are replaced besides
        return None


def _masked_jacobian(at: MapEvaluation, mask: Tensor) -> Tensor:
    found = batch_jacobian(lambda x: at(x).reshape(len(x), -1), at.x)
    return torch.where(mask, found, torch.zeros_like(found))


def _place(at: MapEvaluation, index: int, *, of: str) -> str:
    """A flat index as a person counts: in the axes of the event."""
    shape = at.x.shape[1:] if of == "x" else at.subject.calls.output_event or ()
    if len(shape) < 2:
        return str(index)
    return str(tuple(int(k) for k in torch.unravel_index(torch.tensor(index), torch.Size(shape))))
