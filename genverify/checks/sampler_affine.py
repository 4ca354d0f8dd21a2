"""Whether a sampler is affine in standard normal draws, and the normal law that its output then has, exactly.

If z = b + A ε with ε ~ N(0, I) then z ~ N(b, A Aᵀ), all rows jointly. The map is found by feeding chosen ε: zero and
each unit vector give b and A; further points, up to 8 standard deviations out, must lie on the same map.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from genverify.checks.sampler_call import call, record_draws
from genverify.noise import Tape, TapeMismatch, replay
from genverify.noise.laws import LAWS
from genverify.numerics import gamma
from genverify.subjects.case import Case
from genverify.subjects.sampler import Sampler

__all__ = ["Affine", "affine_gradient", "affine_in_normals", "on_tape"]

_MOST_DRAWS = 256
# One standard deviation, where the basis lies; the bulk; and beyond any truncation in use.
_REACHES = (0.5, 2.0, 8.0)


@dataclass(frozen=True, kw_only=True)
class Affine:
    """z = offset + matrix ε, in float64.

    Attributes:
        offset: b [m].
        matrix: A [m, draws].
        error: Rounding error of each entry of the matrix, from its being a difference of outputs [m, draws].
        points: At how many values of ε the map was seen.
    """

    offset: Tensor
    matrix: Tensor
    error: Tensor
    points: int


def on_tape(tape: Tape, noise: Tensor) -> Tape:
    """The tape whose standard normal numbers are these, in order."""
    draws, position = [], 0
    for draw in tape.draws:
        count = draw.value.numel()
        part = noise[position : position + count].reshape(draw.shape)
        realise = LAWS["normal"].realise
        assert realise is not None
        draws.append(replace(draw, standardised=part, value=realise(draw.parameters, part).to(draw.dtype)))
        position += count
    return Tape(draws=tuple(draws))


def all_normal(tape: Tape) -> bool:
    """Whether every draw is normal, and their number allows a basis."""
    count = sum(draw.value.numel() for draw in tape.draws)
    return 0 < count <= _MOST_DRAWS and all(draw.law == "normal" for draw in tape.draws) and not tape.uncontrolled


def affine_in_normals(subject: Sampler, case: Case, tape: Tape) -> Affine | None:
    """The affine map, or None where the sampler is no such map."""
    if not all_normal(tape):
        return None
    count = sum(draw.value.numel() for draw in tape.draws)
    outputs = []
    dtype = torch.float64

    def at(noise: Tensor) -> Tensor:
        nonlocal dtype
        with replay(on_tape(tape, noise)):
            output = call(subject, case).output
        if output.is_floating_point():
            dtype = output.dtype
        outputs.append(output)
        return output.detach().to(torch.float64).reshape(-1)

    try:
        offset = at(torch.zeros(count, dtype=torch.float64))
        matrix = torch.stack([at(row) for row in torch.eye(count, dtype=torch.float64)], 1) - offset[:, None]
        # Multiples of 1/64: exact in every floating dtype, so what the sampler receives is what is reckoned with.
        golden = torch.floor((torch.arange(1, count + 1, dtype=torch.float64) * 0.6180339887498949) % 1.0 * 64) / 64
        points = [reach * sign * (golden + 0.5) for reach in _REACHES for sign in (1.0, -1.0)]
        points += [-_REACHES[-1] * row for row in torch.eye(count, dtype=torch.float64)]
        # A column is a difference of outputs: each is rounded on the scale of the numbers it is summed from.
        rate = gamma(16 + 4 * count, dtype)
        error = rate * (offset.abs()[:, None] + matrix.abs() + matrix.abs().sum(1, keepdim=True))
        for noise in points:
            gap = (at(noise) - offset - matrix @ noise).abs()
            if not bool((gap <= error @ noise.abs() + rate * offset.abs()).all()):
                return None
    except TapeMismatch:  # what is drawn depends on what was drawn
        return None
    return Affine(offset=offset, matrix=matrix, error=error, points=len(outputs))


def affine_gradient(
    subject: Sampler, case: Case, affine: Affine, weights: tuple[Tensor, Tensor]
) -> dict[str, Tensor | None]:
    """The gradient, along the sampler's own paths, of ⟨w, b⟩ + ⟨W, A Aᵀ⟩; None for a parameter without one."""
    _, tape = record_draws(subject, case)
    count = affine.matrix.shape[1]
    vector, square = weights
    drawn = []
    for noise in (torch.zeros(count, dtype=torch.float64), *torch.eye(count, dtype=torch.float64)):
        with replay(on_tape(tape, noise)):
            drawn.append(call(subject, case, gradients=True))
    found: dict[str, Tensor | None] = dict.fromkeys(drawn[0].leaves)
    offset = affine.offset
    cotangents = [2.0 * square @ affine.matrix[:, j] for j in range(count)]
    first = vector - sum(cotangents, torch.zeros_like(offset))
    for one, cotangent in zip(drawn, (first, *cotangents), strict=True):
        if not one.output.requires_grad:
            continue
        weight = cotangent.reshape(one.output.shape).to(one.output)
        parts = torch.autograd.grad(one.output, list(one.leaves.values()), weight, allow_unused=True)
        for name, part in zip(one.leaves, parts, strict=True):
            if part is not None:
                total = found[name]
                found[name] = part.to(torch.float64) if total is None else total + part.to(torch.float64)
    return found
