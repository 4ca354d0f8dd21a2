"""L-BFGS: a quasi-Newton direction from the last m pairs (s, y), by two loops.

    d = -H g with H from s_i = θ_{i+1} - θ_i and y_i = g_{i+1} - g_i, beginning with H₀ = (sᵀy / yᵀy) I;  θ ← θ + t d,
    t = η, and min(1, 1/‖g‖₁) η in the first step.

A pair is kept where sᵀy > 10⁻¹⁰. All entries of all parameters are one vector. It runs on running-error balls, so that
the cancellation in y and in the loops is charged for; where a decision (keep the pair? descend at all?) hangs on the
rounding, nothing is claimed from there on.

Source: Nocedal 1980; Nocedal & Wright 2006, algorithm 7.4 and eq. (7.20); torch.optim.LBFGS.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from genverify.oracles.recurrences_reductions import Layout
from genverify.oracles.running_error import Ball

__all__ = ["LBFGS", "dot", "two_loops"]

_CURVATURE = 1e-10


def dot(a: Ball, b: Ball) -> Ball:
    """aᵀb of two vectors, whatever the order of summation."""
    products = a * b
    n = products.value.numel()
    return products.like(
        products.value.sum(), products.radius.sum() + n * products.rho * products.value.abs().sum(), a, b
    )


def two_loops(g: Ball, pairs: list[tuple[Ball, Ball]], *, scaled: bool = True) -> Ball:
    """-H g for pairs (s, y), the oldest first.

    Source: Nocedal & Wright 2006, algorithm 7.4.

    >>> one = Ball.exact(torch.tensor([1.0, 0.0]), torch.float64)
    >>> half = Ball.exact(torch.tensor([0.5, 0.0]), torch.float64)
    >>> two_loops(one, [(half, one)]).value
    tensor([-0.5000,  0.0000], dtype=torch.float64)
    """
    q, weights = -g, []
    for s, y in reversed(pairs):
        weights.append(dot(s, q) / dot(s, y))
        q = q - weights[-1] * y
    s, y = pairs[-1]
    r = (dot(s, y) / dot(y, y)) * q if scaled else q
    for (s, y), weight in zip(pairs, reversed(weights), strict=True):
        r = r + (weight - dot(y, r) / dot(s, y)) * s
    return r


@dataclass
class _Memory:
    pairs: list[tuple[Ball, Ball]] = field(default_factory=list)
    gradient: Ball | None = None
    step: Ball | None = None
    lost: bool = False


@dataclass(frozen=True, kw_only=True)
class LBFGS:
    """One iteration a step. `first`: shortened, as above; whole, t = η. `scale`: curvature, H₀ as above; none, H₀ = I.

    `direction_only` leaves t open: the expected increment is the nearest multiple of d.
    """

    first: str = "shortened"
    scale: str = "curvature"
    direction_only: bool = False

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
        memory, expected, allowed = _Memory(), [], []
        for k in range(len(gradients)):
            after = self._step(memory, observed[k : k + 2], gradients[k], hyper, float(rates[k]), dtype)
            expected.append(after.value)
            allowed.append(torch.full_like(after.value, torch.inf) if memory.lost else after.radius)
        value, radius = torch.stack(expected), torch.stack(allowed)
        return value, torch.where(torch.isnan(radius) | torch.isnan(value), torch.inf, radius)

    def _step(
        self,
        memory: _Memory,
        observed: Tensor,
        gradient: Tensor,
        hyper: Mapping[str, float],
        factor: float,
        dtype: torch.dtype,
    ) -> Ball:
        theta, g = Ball.exact(observed[0], dtype), Ball.exact(gradient, dtype)
        if memory.lost or float(gradient.abs().max()) <= hyper["tolerance_grad"]:
            return theta
        lr = Ball.rounded(hyper["lr"] * factor, dtype)
        d, t = self._direction(memory, g, hyper, dtype), lr
        if memory.gradient is None and self.first == "shortened":
            norm = dot(g, g.like(g.value.sign(), torch.zeros_like(g.value)))
            t = lr * (1.0 / norm) if float(norm.value) > 1.0 else lr
        memory.gradient = g
        slope = dot(g, d)
        # A bound that is no number is not below: then, too, it cannot be told whether d descends.
        memory.lost |= not bool((slope.value + hyper["tolerance_change"]).abs() > slope.radius)
        memory.step = t * d
        if float(slope.value) > -hyper["tolerance_change"]:
            return theta
        moved = Ball.exact(observed[1] - observed[0], dtype)
        if self.direction_only:
            along = dot(moved, d) / dot(d, d)
            memory.step = along.like(along.value, torch.zeros_like(along.value)) * d
        after = theta + memory.step
        # What was observed is often the sharper witness of the step that was made.
        moved.radius = moved.rho * (observed[0].abs() + observed[1].abs())
        sharper = moved.radius < memory.step.radius
        memory.step = moved.like(
            torch.where(sharper, moved.value, memory.step.value),
            torch.where(sharper, moved.radius, memory.step.radius),
        )
        return after

    def _direction(self, memory: _Memory, g: Ball, hyper: Mapping[str, float], dtype: torch.dtype) -> Ball:
        if memory.gradient is None or memory.step is None:
            return -g
        y, s = g - memory.gradient, memory.step
        curvature = dot(s, y)
        memory.lost |= not bool((curvature.value - _CURVATURE).abs() > curvature.radius)
        if float(curvature.value) > _CURVATURE:
            memory.pairs.append((s, y))
            del memory.pairs[: -max(1, int(hyper["history_size"]))]
        return two_loops(g, memory.pairs, scaled=self.scale == "curvature") if memory.pairs else -g
