"""Where an unnormalised density has its mass, as a mixture of Student laws to draw from; any number of dimensions.

Random walks that leave the function's maxima find where it is large; a mixture is fitted to where they have been by
expectation–maximisation, and again to weighted draws of its own. Whatever comes out, weights g/q are exact: a poor fit
costs variance, and what no walk has reached costs mass.

Source: Cappé, Douc, Guillin, Marin & Robert 2008, "Adaptive importance sampling in general mixture classes" (the
updates, eqs. 17–19 for Student laws); Peel & McLachlan 2000, "Robust mixture modelling using the t distribution".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = ["LogDensity", "MixtureProposal", "adapted_proposal", "walk"]

LogDensity = Callable[[Tensor], Tensor]

# Degrees of freedom: tails that fall like a power, under which exponential ones fit.
_FREEDOM = 5.0
_COMPONENTS = 8
_WALKERS, _STEPS, _KEPT = 128, 40, 4
_FITS, _ROUNDS = 24, 6
# One part in ten comes from a law four times as wide as everything seen: no weight beyond it grows without bound.
_DEFENSIVE, _WIDER = 0.1, 4.0
# The share of accepted steps that random walks are tuned to (Roberts, Gelman & Gilks 1997).
_ACCEPTED = 0.234


@dataclass(frozen=True, kw_only=True)
class MixtureProposal:
    """Σ_k α_k t_ν(μ_k, Σ_k) on ℝᵈ.

    Attributes:
        shares: α [k].
        centers: μ [k, d].
        roots: Lower Cholesky factors of Σ [k, d, d].

    >>> law = MixtureProposal(shares=torch.ones(1), centers=torch.zeros(1, 2), roots=torch.eye(2)[None])
    >>> law.draw(3, torch.Generator().manual_seed(0)).shape
    torch.Size([3, 2])
    """

    shares: Tensor
    centers: Tensor
    roots: Tensor

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draws [count, d]."""
        which = torch.multinomial(self.shares, count, replacement=True, generator=generator)
        dims = self.centers.shape[-1]
        normal = torch.randn(count, dims, generator=generator, dtype=self.centers.dtype)
        # χ² of ν degrees of freedom as a sum of squares: ν is a small whole number.
        chi = torch.randn(count, int(_FREEDOM), generator=generator, dtype=self.centers.dtype).square().sum(-1)
        stretched = normal * (_FREEDOM / chi).sqrt()[:, None]
        return self.centers[which] + torch.einsum("nij,nj->ni", self.roots[which], stretched)

    def parts(self, t: Tensor) -> tuple[Tensor, Tensor]:
        """Log α_k t_ν(t; μ_k, Σ_k) and the squared distances (t − μ_k)ᵀ Σ_k⁻¹ (t − μ_k), both [n, k]."""
        dims = t.shape[-1]
        away = (t[:, None, :] - self.centers).permute(1, 2, 0)
        distance = torch.linalg.solve_triangular(self.roots, away, upper=False).square().sum(1).mT
        logabsdet = self.roots.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        constant = (
            math.lgamma((_FREEDOM + dims) / 2) - math.lgamma(_FREEDOM / 2) - 0.5 * dims * math.log(math.pi * _FREEDOM)
        )
        tails = -0.5 * (_FREEDOM + dims) * torch.log1p(distance / _FREEDOM)
        return self.shares.log() + constant - logabsdet + tails, distance

    def log_prob(self, t: Tensor) -> Tensor:
        """Log q(t) [n] for t [n, d]."""
        return torch.logsumexp(self.parts(t)[0], -1)

    def defended(self) -> MixtureProposal:
        """The mixture with a wide component beside the others."""
        mean = (self.shares[:, None] * self.centers).sum(0)
        away = self.centers - mean
        within = self.roots @ self.roots.mT
        whole = (self.shares[:, None, None] * (within + away[:, :, None] * away[:, None, :])).sum(0)
        wide = _cholesky((_WIDER * whole)[None])
        return MixtureProposal(
            shares=torch.cat([(1.0 - _DEFENSIVE) * self.shares, self.shares.new_full((1,), _DEFENSIVE)]),
            centers=torch.cat([self.centers, mean[None]]), roots=torch.cat([self.roots, wide]),
        )  # fmt: skip

    def fitted(self, t: Tensor, weights: Tensor) -> MixtureProposal:
        """One step of expectation–maximisation towards weighted points [n, d] with weights [n] that sum to one."""
        logs, distance = self.parts(t)
        dims = t.shape[-1]
        shared = weights[:, None] * torch.softmax(logs, -1)
        pulled = shared * (_FREEDOM + dims) / (_FREEDOM + distance)
        shares = shared.sum(0)
        kept = shares > (dims + 1.0) / len(t)
        shared, pulled, shares = shared[:, kept], pulled[:, kept], shares[kept]
        if not len(shares):
            return self
        centers = (pulled.mT @ t) / pulled.sum(0)[:, None]
        away = t[None] - centers[:, None, :]
        spread = torch.einsum("nk,kni,knj->kij", pulled, away, away) / shares[:, None, None]
        return MixtureProposal(shares=shares / shares.sum(), centers=centers, roots=_cholesky(spread))


def adapted_proposal(
    log_density: LogDensity, starts: Tensor, generator: torch.Generator, draws: int
) -> MixtureProposal:
    """A mixture that was fitted to a function g ≥ 0 from points [n, d] at which g > 0.

    Shapes: `log_density` takes [n, d] in float64 and returns log g [n]; `draws` of each of six rounds refine the fit.

    >>> generator = torch.Generator().manual_seed(0)
    >>> g = lambda t: -0.5 * ((t - 3.0) ** 2).sum(-1)
    >>> law = adapted_proposal(g, torch.zeros(1, 4, dtype=torch.float64), generator, 1000)
    >>> t = law.draw(1000, generator)
    >>> weights = (g(t) - law.log_prob(t)).exp() / (2 * math.pi) ** 2
    >>> abs(weights.mean().item() - 1.0) < 0.05
    True
    """
    dims = starts.shape[-1]
    been = walk(log_density, starts, generator)
    level = torch.full((len(been),), 1.0 / len(been), dtype=been.dtype)
    count = _COMPONENTS + min(_COMPONENTS, len(starts))
    picked = torch.randperm(len(been), generator=generator)[: count - 1]
    pooled = _covariance(been)
    roots = _cholesky(torch.cat([pooled[None], (pooled / count ** (2.0 / dims))[None].expand(len(picked), -1, -1)]))
    law = MixtureProposal(
        shares=torch.full((1 + len(picked),), 1.0 / (1 + len(picked)), dtype=been.dtype),
        centers=torch.cat([been.mean(0)[None], been[picked]]), roots=roots,
    )  # fmt: skip
    for _ in range(_FITS):
        law = law.fitted(been, level)
    for _ in range(_ROUNDS):
        wide = law.defended()
        t = wide.draw(draws, generator)
        logs = _finite(log_density(t)) - wide.log_prob(t)
        weights = torch.softmax(logs, 0)
        if bool(torch.isfinite(weights).all()) and float(weights.max()) < 0.5:
            law = wide.fitted(t, weights)
    return law.defended()


def walk(log_density: LogDensity, starts: Tensor, generator: torch.Generator) -> Tensor:
    """Where random walks (Metropolis, log g as the law) from `starts` [n, d] have been, their first half left out.

    Steps are differences of other walkers, so that they take on the shape of what is walked on; shrunk or stretched
    until about a quarter of them is accepted.

    Source: Ter Braak 2006, "A Markov chain Monte Carlo version of the genetic algorithm differential evolution".
    """
    dims = starts.shape[-1]
    steps = _STEPS * max(4, dims)
    # More starts than walkers: a walker each to as many as there are, in an order that chance decides.
    order = torch.randperm(len(starts), generator=generator)
    at = starts[order[torch.arange(_WALKERS) % len(starts)]]
    scale, stride = 2.38 / math.sqrt(2.0 * dims), torch.full((len(at), 1), 0.1, dtype=at.dtype)
    at = _scattered(log_density, at, generator)
    height, been = _finite(log_density(at)), []
    for step in range(steps):
        one, other = (torch.randint(len(at), (len(at),), generator=generator) for _ in range(2))
        noise = torch.randn(at.shape, generator=generator, dtype=at.dtype)
        # In turns along the differences and on one's own: differences alone span too little where walkers are few.
        jump = scale * (at[one] - at[other]) + 1e-6 * noise if step % 2 else stride * noise
        # Now and then a whole difference: from one maximum to another.
        jump = at[one] - at[other] + stride * noise if step % 10 == 9 else jump
        reached = _finite(log_density(at + jump))
        draws = torch.rand(len(at), generator=generator, dtype=at.dtype).log()
        accepted = draws < reached - height
        if step % 2 == 0:
            stride = stride * torch.where(accepted, math.exp(1.0 - _ACCEPTED), math.exp(-_ACCEPTED))[:, None]
        at = torch.where(accepted[:, None], at + jump, at)
        height = torch.where(accepted, reached, height)
        if step >= steps // 2 and step % _KEPT == 0:
            been.append(at)
    return torch.cat(been)


def _scattered(log_density: LogDensity, at: Tensor, generator: torch.Generator) -> Tensor:
    """The points moved by as much as g lets them: walkers that stand on one another do not walk."""
    height = _finite(log_density(at))
    noise = torch.randn(at.shape, generator=generator, dtype=at.dtype)
    placed = at.clone()
    for size in (1e-4, 1e-3, 1e-2, 1e-1, 1.0):
        moved = at + size * noise
        near = _finite(log_density(moved)) > height - at.shape[-1]
        placed = torch.where(near[:, None], moved, placed)
    return placed


def _finite(logs: Tensor) -> Tensor:
    logs = logs.double()
    return torch.where(torch.isnan(logs), torch.full_like(logs, -math.inf), logs)


def _covariance(points: Tensor) -> Tensor:
    away = points - points.mean(0)
    return away.mT @ away / len(points)


def _cholesky(spread: Tensor) -> Tensor:
    """Factors of covariances [k, d, d] that may be singular: what is lacking is a thousandth of the mean variance."""
    dims = spread.shape[-1]
    mean = spread.diagonal(dim1=-2, dim2=-1).mean(-1).clamp_min(1e-24)
    eye = torch.eye(dims, dtype=spread.dtype)
    for part in (1e-9, 1e-6, 1e-3, 1.0):
        roots, info = torch.linalg.cholesky_ex(spread + part * mean[:, None, None] * eye)
        if not bool(info.any()):
            return roots
    return mean.sqrt()[:, None, None] * eye
