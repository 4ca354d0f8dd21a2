"""vᵀJu of a map three ways (backward, forward mode, differences of its values), and the verdict on them."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genverify.checks.bijection_comparison import compare
from genverify.errors import SubjectRaised
from genverify.numerics.directional_slope import slope_along
from genverify.numerics.finite_difference import FiniteDifference
from genverify.numerics.rounding import unit_roundoff
from genverify.numerics.stochastic_arithmetic import rounding_spread
from genverify.subjects.map_evaluation import MapEvaluation
from genverify.verdict import Judgement, failed, inconclusive, passed

__all__ = ["Line", "judge_line", "pullback", "wave"]

# Shorter reaches, as parts of the first, for maps with many kinks; three steps each. Where there are n rectifiers the
# kinks are about 1/n apart: the last reach is for tens of thousands, and leaves half the digits.
_SHORTER, _SHORT_LEVELS = (2.0**-12, 2.0**-18), 3
# Relative errors that the first steps leave where there are kinks, and no smooth map's.
_HOPELESS = 1e-3
# Extrapolation estimates its error, and does not bound it.
_MARGIN = 4.0
_NARROW = "the derivative is accurate to float32 only: a constant that was rounded to it?"


def wave(shape: Sequence[int], number: int, like: Tensor) -> Tensor:
    """Irregular numbers of both signs with sizes from 1/2 to 1; another `number`, other ones."""
    steps = torch.arange(1, math.prod(shape) + 1, dtype=torch.float64)
    turned = torch.sin(steps * math.sqrt(2.0) + 1.3 * number + 0.5 * torch.cos(steps * steps * math.e + number))
    signs = torch.where(turned < 0, -1.0, 1.0)
    return (signs * (0.5 + 0.5 * turned.abs())).reshape(tuple(shape)).to(like)


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line through a point on which a map is differentiated: through x, or through its parameters.

    Attributes:
        at: The map and its points.
        value: t → the images at the parameter t of the line.
        leaves: The tensors that are moved, at t = 0.
        directions: The direction of each.
        reach: The largest |t| at which `value` may be called.
        forward: () → the derivative of the images along the line by forward mode, or None where there is none.
        name: What is moved, in words.
        without_forward: What to note where there is no forward mode.
    """

    at: MapEvaluation
    value: Callable[[float], Tensor]
    leaves: Callable[[], tuple[Tensor, list[Tensor]]]
    directions: Sequence[Tensor]
    reach: float
    forward: Callable[[], Tensor | None]
    name: str
    without_forward: tuple[str, ...] = ()


def pullback(line: Line, cotangent: Tensor) -> list[Tensor] | None:
    """cᵀJ for each leaf, by the backward pass; None where the result carries no graph."""
    y, leaves = line.leaves()
    if not y.requires_grad:
        return None
    try:
        found = torch.autograd.grad(y, leaves, cotangent.to(y), allow_unused=True)
    except RuntimeError as error:
        if ".grad()" not in str(error) and "inputs" not in str(error):  # re-entrant checkpoints want .backward()
            raise SubjectRaised(error) from error
        found = _accumulated(line, cotangent)
    except Exception as error:  # a stranger's backward
        raise SubjectRaised(error) from error
    return [torch.zeros_like(x) if g is None else g for x, g in zip(leaves, found, strict=True)]


def _accumulated(line: Line, cotangent: Tensor) -> list[Tensor | None]:
    y, leaves = line.leaves()
    kept = [leaf.grad for leaf in leaves]
    try:
        for leaf in leaves:
            leaf.grad = None
        y.backward(cotangent.to(y))
        return [leaf.grad for leaf in leaves]
    except Exception as error:
        raise SubjectRaised(error) from error
    finally:
        for leaf, grad in zip(leaves, kept, strict=True):
            leaf.grad = grad


def _along(line: Line, grads: Sequence[Tensor]) -> tuple[Tensor, float]:
    """(Σ g·u, Σ |g·u|)."""
    products = [(g.double() * u.double()).reshape(-1) for g, u in zip(grads, line.directions, strict=True)]
    terms = torch.cat(products)
    return terms.sum(), float(terms.abs().sum())


def _cotangent(seen: FiniteDifference, like: Tensor) -> Tensor:
    """Irregular weights on the elements whose differences tell something, zero on the others."""
    size = float(seen.value.abs().max()) + float(like.detach().double().abs().nan_to_num(0.0, 0.0, 0.0).max())
    good = torch.isfinite(seen.value) & (seen.error <= unit_roundoff(like.dtype) ** 0.5 * (size or 1.0))
    return torch.where(good, wave(like.shape, 5, seen.value), torch.zeros_like(seen.value))


def judge_line(line: Line, near: Callable[[float], Line | None]) -> Judgement:
    """The verdict on the derivative along one line; a FAIL is one at two points close by, too, so that no kink is."""
    first = _judge(line)
    if first.outcome != "FAIL":
        return first
    for side in (1.0, -1.0):
        other = near(side)
        if other is None or _judge(other).outcome != "FAIL":
            return inconclusive("next to this point the derivatives agree: a kink or a jump", notes=line.at.notes)
    return first


def _differences(line: Line, y: Tensor, noise: Tensor | None = None) -> FiniteDifference:
    """The slopes of all elements; where kinks spoil half of them, from shorter steps, too, as far as digits reach."""
    if y.dtype != torch.float64:
        return slope_along(line.value, line.reach, noise=noise)
    seen = slope_along(line.value, line.reach, noise=noise, hopeless=_HOPELESS)
    for shorter in _SHORTER:
        if int((_cotangent(seen, y) != 0).sum()) * 2 > y.numel():
            break
        again = slope_along(line.value, line.reach * shorter, noise=noise, levels=_SHORT_LEVELS)
        better = again.error < seen.error
        seen = FiniteDifference(
            value=torch.where(better, again.value, seen.value), error=torch.where(better, again.error, seen.error)
        )
    return seen


def _judge(line: Line) -> Judgement:
    notes = line.at.notes
    y = line.value(0.0)
    if not y.is_floating_point() or not bool(torch.isfinite(y).all()):
        return inconclusive("the image is not finite here, or not floating", notes=notes)
    seen = _differences(line, y)
    cotangent = _cotangent(seen, y)
    examined = int((cotangent != 0).sum())
    if not examined:
        return inconclusive("the values are too rough here for differences", notes=notes)
    grads = pullback(line, cotangent)
    if grads is None:
        return inconclusive("the result carries no gradient here", notes=notes)
    if not all(bool(torch.isfinite(g).all()) for g in grads):
        return failed(
            examined=examined, notes=notes,
            message=f"the backward pass gives NaN or infinity with respect to {line.name}, where the values are smooth",
        )  # fmt: skip
    claimed, terms = _along(line, grads)
    by_forward, notes = _forward_arm(line, cotangent, claimed, terms, notes)
    if isinstance(by_forward, Judgement):
        return by_forward
    truth = (cotangent * seen.value).sum()
    allowed = _MARGIN * float((cotangent.abs() * seen.error).sum()) + 8.0 * unit_roundoff(y.dtype) * terms
    evidence = {
        "examined": examined, "quantity": f"|vᵀJu − v·(difference of values)|, {line.name}",
        "unit": str(y.dtype).removeprefix("torch."), "notes": notes,
    }  # fmt: skip
    observed = float((claimed - truth).abs())
    if observed > allowed:
        seen, allowed = _conditioned(line, cotangent, terms, y)
        truth = torch.where(cotangent != 0, cotangent * seen.value, torch.zeros_like(cotangent)).sum()
        observed = float((claimed - truth).abs())
        if not allowed < max(abs(float(claimed)), abs(float(truth))):
            return inconclusive("too ill-conditioned here to be judged", notes=notes)
    if observed <= allowed:
        return passed(observed=observed, allowed=allowed, **evidence)
    narrow = _narrow(terms + float((cotangent * seen.value).abs().nan_to_num(0.0).sum()))
    if observed <= narrow:  # narrowness is reported, not accused: torch's own hardsigmoid keeps 1/6 in float32
        evidence |= {"unit": "float32", "notes": (*notes, _NARROW)}
        return passed(observed=observed, allowed=narrow, **evidence)
    return failed(observed=observed, allowed=allowed, message=_slip(line, claimed, truth, by_forward), **evidence)


def _narrow(size: float) -> float:
    """What constants in float32 do to numbers of this size."""
    return 8.0 * unit_roundoff(torch.float32) * size


def _conditioned(line: Line, cotangent: Tensor, terms: float, y: Tensor) -> tuple[FiniteDifference, float]:
    """The differences again, and their allowance with what rounding really does to this program and its backward."""
    noise = rounding_spread(lambda: (line.value(0.0).detach(),))
    seen = _differences(line, y, noise.allowed[0])
    grads = rounding_spread(lambda: tuple(pullback(line, cotangent) or ()))
    backward = sum(
        float((allowed * u.double().abs()).sum()) for allowed, u in zip(grads.allowed, line.directions, strict=False)
    )
    values = torch.where(cotangent != 0, cotangent.abs() * seen.error, torch.zeros_like(cotangent)).sum()
    return seen, _MARGIN * float(values) + backward + 8.0 * unit_roundoff(y.dtype) * terms


def _forward_arm(
    line: Line, cotangent: Tensor, claimed: Tensor, terms: float, notes: tuple[str, ...]
) -> tuple[Judgement | float | None, tuple[str, ...]]:
    """Forward mode against the backward pass, both exact but for rounding; None where there is no forward mode."""
    tangent = line.forward()
    if tangent is None:
        return None, (*notes, *line.without_forward)

    def both() -> tuple[Tensor, Tensor]:
        ju = line.forward()
        grads = pullback(line, cotangent)
        assert ju is not None
        assert grads is not None
        return (cotangent * ju.double()).sum().reshape(1), _along(line, grads)[0].reshape(1)

    pushed = (cotangent * tangent.double()).sum().reshape(1)
    size = float((cotangent * tangent.double()).abs().sum()) + terms
    compared = compare(both, first=(pushed, claimed.reshape(1)), scale=size)
    if compared.agrees or not compared.examined:
        return float(pushed), notes
    if compared.observed <= _narrow(size):
        return float(pushed), (*notes, _NARROW)
    return (
        failed(
            examined=1, quantity="|vᵀ(Ju) − (vᵀJ)u|", observed=compared.observed, allowed=compared.allowed,
            unit=compared.unit, notes=notes,
            message=f"along one direction of {line.name} forward mode gives {float(pushed):.6g}, the backward pass "
            f"{float(claimed):.6g}: one of the two is wrong",
        ),
        notes,
    )  # fmt: skip


def _slip(line: Line, claimed: Tensor, truth: Tensor, forward: object) -> str:
    """What is claimed and what is true, with a guess at the reason."""
    said, true = float(claimed), float(truth)
    text = f"along one direction of {line.name} the backward pass gives {said:.6g}, the values move by {true:.6g}"
    if isinstance(forward, float):
        text += f" (forward mode: {forward:.6g})"
    close = unit_roundoff(torch.float32) ** 0.5 * abs(true)
    if said == 0.0:
        return text + "; the gradient is lost: a detach, or None from a hand-written backward"
    guesses = [(-true, "its sign is reversed"), (2 * true, "it is doubled"), (true / 2, "it is halved")]
    for guess, words in guesses:
        if abs(said - guess) <= close:
            return f"{text}; {words}"
    return text + "; a surrogate that is meant (straight-through, gradient reversal) is declared by gradient=False"
