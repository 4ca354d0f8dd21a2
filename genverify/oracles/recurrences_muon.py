"""Muon: momentum whose matrices are made nearly orthogonal by a Newton–Schulz iteration in bfloat16.

    b ← μ b + (1-μ) g;  u = (1-μ) g + μ b, or b;  θ ← (1 - η λ) θ - η c O(u),
    O(u): X₀ = u / ‖u‖, five times X ← a X + (b A + c A²) X with A = X Xᵀ (of the wide side).

The iteration is a polynomial that does not converge: singular values end anywhere in 0.7 … 1.2, so that it is part of
the rule. Its rounding is bounded to first order: every factor, product and sum is rounded once to bfloat16, and what
that does to O is its exact derivative. Where the sum exceeds three quarters nothing is claimed.

Source: Jordan et al. 2024, Muon; Liu et al. 2025, "Muon is scalable for LLM training" (the other factor c).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from genverify.numerics.rounding import subnormal_spacing, unit_roundoff
from genverify.oracles.recurrences_reductions import Layout
from genverify.oracles.running_error import ROUNDINGS, Ball

__all__ = ["Muon", "orthogonalised", "rate_factor"]

_LARGEST = 0.75


@dataclass(frozen=True, kw_only=True)
class Muon:
    """Muon's recurrence; `epsilon`: clamped, ‖u‖ is at least ε; added, ‖u‖ + ε.

    `factor`: original, √max(1, rows/columns); adamw, 0.2 √max(rows, columns); none, 1. `decay`: decoupled, η λ θ;
    adjusted, η c λ θ; coupled, g + λ θ.
    """

    nesterov: bool = True
    epsilon: str = "clamped"
    factor: str = "original"
    decay: str = "decoupled"
    maximize: bool = False

    def follow(
        self,
        observed: Tensor,
        gradients: Tensor,
        present: Tensor,
        hyper: Mapping[str, float],
        rates: Tensor,
        dtype: torch.dtype,
        *,
        layout: Layout | None = None,
        shared_clock: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """After each step the expected θ and its allowed error, from the θ observed before; see `Recurrence.follow`."""
        assert layout is not None, "Muon moves matrices"
        decay = Ball.rounded(hyper["weight_decay"], dtype)
        g = Ball.exact(-gradients if self.maximize else gradients, dtype)
        if self.decay == "coupled":
            g, decay = g + decay * Ball.exact(observed[:-1], dtype), Ball.exact(0.0, dtype)
        moved = self._momentum(g, present, hyper, dtype)
        lr = Ball.rounded(hyper["lr"] * rates[:, None], dtype)
        factors = torch.tensor([rate_factor(self.factor, shape) if len(shape) == 2 else 1.0 for shape in layout.shapes])
        spread = factors.double().repeat_interleave(torch.tensor(layout.sizes))
        shrink = 1.0 - lr * decay * (spread if self.decay == "adjusted" else 1.0)
        kept = Ball.exact(observed[:-1], dtype) * shrink
        parts, values, radii = zip(moved.value.split(list(layout.sizes), 1), layout.shapes, strict=True), [], []
        errors = moved.radius.split(list(layout.sizes), 1)
        for (u, shape), error in zip(parts, errors, strict=True):
            if len(shape) != 2 or 0 in shape:
                values.append(torch.zeros_like(u))
                radii.append(torch.full_like(u, math.inf))
                continue
            found, allowed = orthogonalised(u.reshape(-1, *shape), error.reshape(-1, *shape), hyper, self.epsilon)
            values.append(found.reshape(u.shape))
            radii.append(allowed.reshape(u.shape))
        step = lr * Ball(spread * torch.cat(values, 1), spread * torch.cat(radii, 1), kept.rho, kept.eta)
        after = kept - step
        expected = torch.where(present, after.value, observed[:-1])
        allowed = torch.where(present, after.radius, 0.0)
        return expected, torch.where(torch.isnan(allowed) | torch.isnan(expected), torch.inf, allowed)

    def _momentum(self, g: Ball, present: Tensor, hyper: Mapping[str, float], dtype: torch.dtype) -> Ball:
        """The matrices that are made orthogonal, [T, n]."""
        mu = Ball.rounded(hyper["momentum"], dtype)
        b = Ball.exact(torch.zeros_like(g.value[0]), dtype)
        found: list[Ball] = []
        for k in range(len(g.value)):
            new = mu * b + (1.0 - mu) * g.like(g.value[k], g.radius[k])
            here = present[k]
            b = new.like(torch.where(here, new.value, b.value), torch.where(here, new.radius, b.radius))
            found.append(b)
        m = g.like(torch.stack([x.value for x in found]), torch.stack([x.radius for x in found]))
        return (1.0 - mu) * g + mu * m if self.nesterov else m


def rate_factor(factor: str, shape: tuple[int, ...]) -> float:
    """By what the rate is multiplied for a matrix of that shape."""
    rows, columns = shape
    return {
        "original": math.sqrt(max(1.0, rows / columns)),
        "adamw": 0.2 * math.sqrt(max(rows, columns)),
        "none": 1.0,
    }[factor]


def _bounded(x: Tensor, first: Tensor, numbers: tuple[float, ...]) -> tuple[Tensor, Tensor]:
    """X after the steps from X₀ = `x`, and how far bfloat16 may be from it when X₀ is as far off as `first`.

    Every intermediate matrix M is off by as much as is rounded on the way to it; products are summed wider and rounded
    once, as every bfloat16 unit does, and each factor, product and sum rounds. What that does to the result is
    |∂X/∂M| times it, and the derivatives are chained backwards, in closed form:

        dA = dX Xᵀ + X dXᵀ,  dU = b dA + c (dA A + A dA),  dX' = a dX + dU X + U dX.

    Shapes: `x`, `first` and both results [T, short, wide].
    """
    a, b, c, steps = *numbers[:3], int(numbers[3])
    unit, tiny = unit_roundoff(torch.bfloat16), 4.0 * subnormal_spacing(torch.bfloat16)
    short, wide = x.shape[1:]
    states = []
    for _ in range(steps):
        gram = x @ x.mT
        square = gram @ gram
        update = b * gram + c * square
        pushed = update @ x
        after = a * x + pushed
        lost = (gram.abs(), abs(b) * gram.abs() + 2.0 * abs(c) * square.abs() + update.abs(),
                abs(a) * x.abs() + pushed.abs() + after.abs())  # fmt: skip
        states.append((x, gram, update, [unit * one.flatten(1) + tiny for one in lost]))
        x = after
    of_x = torch.eye(short * wide, dtype=x.dtype).reshape(-1, short, wide)
    of_gram = torch.eye(short * short, dtype=x.dtype).reshape(-1, short, short)
    onwards = torch.eye(short * wide, dtype=x.dtype).expand(len(x), -1, -1)
    allowed = torch.zeros(len(x), short * wide, dtype=x.dtype)

    def charged(derivative: Tensor, lost: Tensor) -> Tensor:
        """|∂X/∂M| times what M has lost; derivatives of the next X by entries of M are [T, entries, short, wide]."""
        return ((onwards @ derivative.flatten(2).mT).abs() @ lost[:, :, None]).squeeze(2)

    for before, gram, update, lost in reversed(states):
        allowed += (onwards.abs() @ lost[2][:, :, None]).squeeze(2)
        before, gram, update = before[:, None], gram[:, None], update[:, None]
        allowed += charged(of_gram @ before, lost[1])
        allowed += charged((b * of_gram + c * (of_gram @ gram + gram @ of_gram)) @ before, lost[0])
        moved = of_x @ before.mT
        moved = moved + moved.mT
        by_x = a * of_x + (b * moved + c * (moved @ gram + gram @ moved)) @ before + update @ of_x
        onwards = onwards @ by_x.flatten(2).mT
    allowed += (onwards.abs() @ first.flatten(1)[:, :, None]).squeeze(2)
    return x, allowed.reshape(x.shape)


def orthogonalised(
    u: Tensor, error: Tensor, hyper: Mapping[str, float], epsilon: str = "clamped"
) -> tuple[Tensor, Tensor]:
    """O(u) for each of T matrices, and how far bfloat16 may be from it.

    Shapes: `u`, `error` and both results [T, rows, columns].

    >>> hyper = {"a": 3.4445, "b": -4.775, "c": 2.0315, "ns_steps": 5.0, "eps": 1e-7}
    >>> found, allowed = orthogonalised(torch.eye(2).double()[None], torch.zeros(1, 2, 2), hyper)
    >>> bool((torch.linalg.svdvals(found) > 0.6).all()), bool((allowed < 0.5).all())
    (True, True)
    """
    numbers = tuple(float(hyper[name]) for name in ("a", "b", "c", "ns_steps", "eps"))
    held = (one.double().contiguous().numpy().tobytes() for one in (u, error))
    return _orthogonalised(*held, tuple(u.shape), numbers, epsilon)


@functools.lru_cache(maxsize=8)
def _orthogonalised(
    values: bytes, errors: bytes, shape: tuple[int, ...], numbers: tuple[float, ...], epsilon: str
) -> tuple[Tensor, Tensor]:
    """Dialects differ in what becomes of O(u), seldom in u: it is dear, and computed once for all of them."""
    u, error = (torch.frombuffer(bytearray(one), dtype=torch.float64).reshape(shape) for one in (values, errors))
    eps = numbers[4]
    tall = u.shape[1] > u.shape[2]
    if tall:
        u, error = u.mT, error.mT
    norm = torch.linalg.matrix_norm(u, keepdim=True)
    norm = norm + eps if epsilon == "added" else norm.clamp_min(eps)
    x = u / norm
    unit, tiny = unit_roundoff(torch.bfloat16), subnormal_spacing(torch.bfloat16)
    first = unit * 3.0 * x.abs() + 4.0 * tiny + (error + tiny) / norm + ROUNDINGS * unit * x.abs()
    found, allowed = _bounded(x, first, numbers)
    allowed = torch.where(allowed <= _LARGEST, allowed, math.inf)
    return (found.mT, allowed.mT) if tall else (found, allowed)
