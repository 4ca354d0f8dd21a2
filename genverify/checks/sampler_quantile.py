"""Samplers whose every number is a monotone function of one continuous draw of its own.

Let e have the continuous distribution function G, and z = g(e) with g monotone. Then z has the distribution function F
if and only if F(g(e)) = G(e) for every e (or 1 - G(e), where g decreases). So such a sampler is judged pointwise, at
quantiles deep into both tails, with nothing to integrate.

Source: Devroye 1986, Non-Uniform Random Variate Generation, theorem II.2.1 (inversion).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from genverify.checks.sampler_call import Drawn, call
from genverify.noise import Tape, TapeMismatch, replay
from genverify.noise.laws import LAWS
from genverify.numerics import gamma
from genverify.subjects.case import Case
from genverify.subjects.sampler import JointLaw, Sampler

__all__ = ["QuantileMap", "quantile_map", "quantile_tapes"]

# Multiples of 2^-24, the grid of torch's own float32 uniforms, so that no dtype rounds them: deep in both tails.
_SMALL = tuple(2.0**-k for k in (20, 14, 10, 7, 5, 4, 3, 2))
_QUANTILES = (*_SMALL, 0.3125, 0.375, 0.4375, 0.5625, 0.625, 0.6875, *(1.0 - p for p in reversed(_SMALL)))
_FROM_QUANTILE: dict[str, Callable[[Tensor], Tensor]] = {
    "normal": torch.special.ndtri,
    "uniform": lambda p: p,
    "exponential": lambda p: -torch.log1p(-p),
}
_MOST_DRAWS = 64
_OPERATIONS = 64


@dataclass(frozen=True, kw_only=True)
class QuantileMap:
    """Where the draws at given quantiles of their noise lie in the law that is claimed.

    Attributes:
        wanted: p, or 1 - p where the function decreases [points, m].
        reached: F(z) [points, m].
        allowed: Rounding and the grid of the uniform generator, in probability [points, m].
        sources: Which draw each number is a function of [m].
        points: At how many values of the noise the sampler was seen.
    """

    wanted: Tensor
    reached: Tensor
    allowed: Tensor
    sources: Tensor
    points: int


def quantile_tapes(tape: Tape, shift: int = 0) -> list[tuple[Tensor, Tape]]:
    """For each quantile, the quantile of every draw and the tape; draws take the quantiles in rotated order."""
    count = sum(draw.value.numel() for draw in tape.draws)
    grid = torch.tensor(_QUANTILES, dtype=torch.float64)
    made = []
    for index in range(len(grid)):
        p = grid[(index + 5 * torch.arange(count) + shift) % len(grid)]
        made.append((p, _at(tape, p)))
    return made


def _at(tape: Tape, p: Tensor) -> Tape:
    draws, position = [], 0
    for draw in tape.draws:
        count = draw.value.numel()
        standard = _FROM_QUANTILE[draw.law](p[position : position + count]).reshape(draw.shape)
        realise = LAWS[draw.law].realise
        assert realise is not None
        draws.append(replace(draw, standardised=standard, value=realise(draw.parameters, standard).to(draw.dtype)))
        position += count
    return Tape(draws=tuple(draws))


def _sources(run: Callable[[Tensor], Tensor], count: int) -> Tensor | None:
    """Which single draw each number depends on; None where some number depends on none, on several, or shares one."""
    grid = torch.tensor(_QUANTILES, dtype=torch.float64)
    rotated = grid[(5 * torch.arange(count) + 3) % len(grid)]
    depends = None
    for start in (rotated, 1.0 - rotated):
        still = run(start)
        moved = torch.stack(
            [run(torch.where(torch.arange(count) == i, 1.0 - start, start)) != still for i in range(count)]
        )
        depends = moved if depends is None else depends | moved
    assert depends is not None
    if not bool((depends.sum(0) == 1).all()) or not bool((depends.sum(1) <= 1).all()):
        return None
    return depends.to(torch.int64).argmax(0)


def quantile_map(subject: Sampler, case: Case, claimed: JointLaw, tape: Tape) -> QuantileMap | None:
    """The map of quantiles, or None where the sampler is not of this form, or the law has no distribution function."""
    count = sum(draw.value.numel() for draw in tape.draws)
    if claimed.cdf is None or tape.uncontrolled or not 0 < count <= _MOST_DRAWS:
        return None
    if any(draw.law not in _FROM_QUANTILE for draw in tape.draws):
        return None
    seen: list[Drawn] = []

    def run(p: Tensor) -> Tensor:
        with replay(_at(tape, p)):
            seen.append(call(subject, case))
        return seen[-1].output.detach().to(torch.float64).reshape(-1)

    try:
        sources = _sources(run, count)
        if sources is None:
            return None
        p = torch.stack([quantiles for quantiles, _ in quantile_tapes(tape)])[:, sources]
        z = torch.stack([run(quantiles) for quantiles, _ in quantile_tapes(tape)])
    except TapeMismatch:
        return None
    order = torch.argsort(p, 0)
    sorted_z = torch.gather(z, 0, order)
    rises, falls = (sorted_z.diff(dim=0) >= 0).all(0), (sorted_z.diff(dim=0) <= 0).all(0)
    if not bool((rises | falls).all()):
        return None
    wanted = torch.where(rises, p, 1.0 - p)
    return _compared(claimed, wanted, z, seen, sources)


def _compared(claimed: JointLaw, wanted: Tensor, z: Tensor, seen: list[Drawn], sources: Tensor) -> QuantileMap:
    assert claimed.cdf is not None
    assert claimed.mean is not None
    assert claimed.covariance is not None
    rate = gamma(_OPERATIONS, seen[0].output.dtype)
    scale = torch.diagonal(claimed.covariance).detach().sqrt()
    step = rate * (z.abs() + claimed.mean.detach().abs() + scale)
    with torch.no_grad():
        reached, above, below = (torch.stack([claimed.cdf(row) for row in at]) for at in (z, z + step, z - step))
    # Below the grid of float32 uniforms, no draw of the generator itself could tell.
    allowed = (above - below).abs() + rate + torch.finfo(torch.float32).eps
    return QuantileMap(wanted=wanted, reached=reached, allowed=allowed, sources=sources, points=len(seen))
