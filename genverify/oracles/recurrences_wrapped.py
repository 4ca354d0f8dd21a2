"""Optimizers around an optimizer: Lookahead, and the two gradients of sharpness-aware minimisation.

Both move by an inner recurrence, between which they do something of their own, so that the inner one is followed first
and its θ then led on. Each increment is still judged by itself: what Lookahead remembers of its slow weights, and where
SAM steps back to, were observed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from genverify.oracles.recurrences import Recurrence
from genverify.oracles.recurrences_reductions import Layout
from genverify.oracles.running_error import Ball

if TYPE_CHECKING:
    import sympy

__all__ = ["Lookahead", "Perturbed"]


@dataclass(frozen=True, kw_only=True)
class Lookahead:
    """Every k steps of the inner optimizer θ ← φ + α (θ - φ), φ ← θ: fast weights θ, slow weights φ.

    `inner`: what becomes of the inner optimizer's buffers then, kept or reset. `weight`: alpha, or complement, 1 - α.
    `phase`: kth, at steps k, 2k, …; first, at steps 1, k + 1, …, where φ begins as θ after the first step.

    Source: Zhang, Lucas, Hinton & Ba 2019, algorithm 1.
    """

    base: Recurrence
    inner: str = "kept"
    weight: str = "alpha"
    phase: str = "kth"

    def replace(self, **changes: sympy.Expr) -> Lookahead:
        """The same around an inner recurrence with expressions in place of symbols."""
        return replace(self, base=self.base.replace(**changes))

    def theta_first(self) -> Lookahead:
        """The same around an inner recurrence that moves θ by its old buffers."""
        return replace(self, base=self.base.theta_first())

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
        """After each step the expected θ and its allowed error; see `Recurrence.follow`."""
        period, steps = max(1, int(hyper["k"])), len(gradients)
        rest: dict[str, Any] = {"layout": layout, "shared_clock": shared_clock}
        if self.inner == "reset":
            parts = [
                self.base.follow(
                    observed[i : min(i + period, steps) + 1],
                    gradients[i : i + period],
                    present[i : i + period],
                    hyper,
                    rates[i : i + period],
                    dtype,
                    **rest,
                )
                for i in range(0, steps, period)
            ]
            fast, allowed = (torch.cat(column) for column in zip(*parts, strict=True))
        else:
            fast, allowed = self.base.follow(observed, gradients, present, hyper, rates, dtype, **rest)
        alpha = Ball.rounded(hyper["alpha"], dtype)
        alpha = 1.0 - alpha if self.weight == "complement" else alpha
        meets = torch.tensor(range(period + (self.phase == "first"), steps + 1, period), dtype=torch.int64)
        if len(meets):
            slow = Ball.exact(observed[meets - period], dtype)
            inner = slow.like(fast[meets - 1], allowed[meets - 1])
            met = slow + alpha * (inner - slow)
            fast, allowed = fast.clone(), allowed.clone()
            fast[meets - 1], allowed[meets - 1] = met.value, met.radius
        return fast, torch.where(torch.isnan(allowed) | torch.isnan(fast), torch.inf, allowed)


@dataclass(frozen=True, kw_only=True)
class Perturbed:
    """SAM: ε̂ = ρ g/‖g‖ over all parameters, θ back where it was, then the inner step with the gradient at θ + ε̂.

    `norm`: all parameters together, or each (by itself). `epsilon`: added, ‖g‖ + 10⁻¹²; none.

    Source: Foret, Kleiner, Mobahi & Neyshabur 2021, algorithm 1 and eq. (2).
    """

    base: Recurrence
    norm: str = "all"
    sign: float = 1.0

    def replace(self, **changes: sympy.Expr) -> Perturbed:
        """The same around an inner recurrence with expressions in place of symbols."""
        return replace(self, base=self.base.replace(**changes))

    def theta_first(self) -> Perturbed:
        """The same around an inner recurrence that moves θ by its old buffers."""
        return replace(self, base=self.base.theta_first())

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
        """After each step the expected θ; leaving θ and coming back to it costs two roundings of θ and of ρ."""
        rest: dict[str, Any] = {"layout": layout, "shared_clock": shared_clock}
        expected, allowed = self.base.follow(observed, gradients, present, hyper, rates, dtype, **rest)
        rho = Ball.exact(0.0, dtype).rho
        detour = 2.0 * rho * (observed[:-1].abs() + hyper["rho"])
        return expected, torch.where(present, allowed + detour, allowed)

    def perturbed(
        self, observed: Tensor, gradients: Tensor, hyper: Mapping[str, float], dtype: torch.dtype, layout: Layout
    ) -> tuple[Tensor, Tensor]:
        """θ + ρ g/‖g‖ and its allowed error, for each of T points.

        Shapes: all [T, n].
        """
        g = Ball.exact(gradients, dtype)
        whole = layout if self.norm == "each" else Layout(((sum(layout.sizes),),))
        totals, counts = whole.reduced(g.value.square(), "all")
        square = g.like(totals, totals * (counts + 1.0) * g.rho)
        direction = g / square.sqrt()
        point = Ball.exact(observed, dtype) + Ball.rounded(self.sign * hyper["rho"], dtype) * direction
        # ε is at most 10⁻⁷ wherever it is met, and counts as far as it is one with ‖g‖.
        blurred = 1e-7 / totals.sqrt()
        radius = point.radius + hyper["rho"] * direction.value.abs() * blurred
        return point.value, torch.where(torch.isfinite(radius) & (blurred < 1), radius, torch.inf)
