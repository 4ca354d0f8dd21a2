"""A density has mass one where no quadrature reaches: importance sampling, tested in sequence."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from genverify.numerics.maxima import local_maxima
from genverify.numerics.mixture_proposal import LogDensity, MixtureProposal, adapted_proposal, walk
from genverify.numerics.total_mass import coordinates, coordinates_of
from genverify.statistics import Bounded, MeanTest, MeanTestResult
from genverify.subjects.budget import Run
from genverify.subjects.density import Density
from genverify.verdict import Judgement, Rung, failed, inconclusive, passed

__all__ = ["sampled_mass"]

_STARTS, _PILOT, _SEED = 192, 4096, 31
# The range of the weights is fixed at so many times the largest that was met, before the test begins.
_ROOM = 2.0
# What importance sampling says of a mass that it lacks is heard only while a twentieth of the draws counts.
_EFFECTIVE = 0.05
_ROUNDINGS = 64.0
# Draws for each sample of the budget: thousands of them are one call of the subject.
_DRAWS = 4


def sampled_mass(subject: Density, log_density: LogDensity, dtype: torch.dtype, hints: Tensor, run: Run) -> Judgement:
    """The mean of the weights p/q against 1, in sequence, with the run's false-alarm rate.

    A mass above one is refuted without any assumption: weights are positive, and a mean of weights that were cut at a
    bound is at most theirs. That nothing is missing, and a PASS, rest on the bound being one, and on q reaching all
    of the mass: random walks that start at the maxima and at draws look for the largest weight there is.
    `hints` are draws of the subject's own [n, dims], if it has any: walks start there, too.

    Source: Kahn & Marshall 1953, importance sampling; Cappé et al. 2008, the adapted mixture.
    """
    generator, notes = torch.Generator().manual_seed(_SEED + run.seed), subject.prepared.notes
    drawn = [_importance(subject, log_density, way, hints, generator) for way in _ways(subject)]
    drawn = [found for found in drawn if found is not None]
    if not drawn:
        return inconclusive(
            "no point with a positive finite density was found, or log p is NaN or +inf somewhere; say where the mass "
            "is by around=(center, scale)", notes=notes,
        )  # fmt: skip
    weights = max(drawn, key=lambda found: found.effective)
    found = MeanTest(
        target=1.0, resolution=subject.finest, alpha=run.alpha, beta=run.alpha, max_samples=_DRAWS * run.budget.samples,
        assumption=Bounded(0.0, max(weights.cap, _ROOM), origin="weights, cut at twice the largest that was met"),
    ).run(weights.cut)  # fmt: skip
    return _judged(subject, found, weights, dtype, led=len(hints) > 0)


@dataclass(frozen=True)
class _Way:
    """Coordinates t of the support: t ↦ (x, log |dx/dt|), and back."""

    place: Callable[[Tensor], tuple[Tensor, Tensor]]
    back: Callable[[Tensor], Tensor]


def _ways(subject: Density) -> list[_Way]:
    """The coordinates of the quadrature, in which tails fall exponentially; on the whole line x itself as well."""
    where, (center, scale) = subject.where, subject.around
    ends = (where.low, where.high, center, scale)

    def plain(t: Tensor) -> tuple[Tensor, Tensor]:
        return center + scale * t, torch.full_like(t, math.log(scale))

    bent = _Way(coordinates(*ends), coordinates_of(*ends))
    return [_Way(plain, lambda x: (x - center) / scale), bent] if where.whole else [bent]


@dataclass(kw_only=True)
class _Weights:
    """Weights g/q of draws of q, with the bound at which they are cut.

    Attributes:
        integrand: Log g.
        proposal: The law q.
        generator: Where the draws come from.
        cap: The bound.
        effective: The share of a first batch of draws that counts: (Σ w)² / (n Σ w²).
        over: How many weights have been beyond the bound.
    """

    integrand: LogDensity
    proposal: MixtureProposal
    generator: torch.Generator
    cap: float = math.inf
    effective: float = 0.0
    over: int = 0

    def drawn(self, count: int) -> Tensor:
        t = self.proposal.draw(count, self.generator)
        return (self.integrand(t) - self.proposal.log_prob(t)).exp()

    def cut(self, count: int) -> Tensor:
        found = self.drawn(count)
        self.over += int((~(found <= self.cap)).sum())
        return found.nan_to_num(nan=0.0, posinf=self.cap).clamp(max=self.cap)


def _importance(
    subject: Density, log_density: LogDensity, way: _Way, hints: Tensor, generator: torch.Generator
) -> _Weights | None:
    """A law to draw from and the bound of its weights, both fixed before the test; None where no mass was found."""
    where, dims = subject.where, math.prod(subject.event)

    def integrand(t: Tensor) -> Tensor:
        x, log_slope = way.place(t)
        logs = log_density(x).double() + log_slope.sum(-1)
        # Where x rounds to an end of its support a density may be infinite, on a set without mass.
        inside = (torch.isfinite(x) & (x > where.low) & (x < where.high)).all(-1)
        return torch.where(inside, logs, torch.full_like(logs, -math.inf))

    starts = local_maxima(integrand, dims, _STARTS, generator)
    if len(hints):
        hinted = way.back(hints)
        starts = torch.cat([starts, hinted[torch.isfinite(integrand(hinted))]])
    if not len(starts):
        return None
    proposal = adapted_proposal(integrand, starts, generator, draws=_PILOT)
    weights = _Weights(integrand=integrand, proposal=proposal, generator=generator)
    pilot = weights.drawn(_PILOT)
    if not bool(torch.isfinite(pilot).all()) or not float(pilot.max()) > 0.0:
        return None
    weights.effective = float(pilot.sum() ** 2 / pilot.square().sum()) / _PILOT
    begun = proposal.draw(len(starts), generator)
    reached = walk(integrand, torch.cat([starts, begun[torch.isfinite(integrand(begun))]]), generator)
    met = (integrand(reached) - proposal.log_prob(reached)).nan_to_num(nan=-math.inf).max().exp()
    weights.cap = _ROOM * max(float(pilot.max()), float(met))
    return weights if math.isfinite(weights.cap) else None


def _judged(
    subject: Density, found: MeanTestResult, weights: _Weights, dtype: torch.dtype, *, led: bool
) -> Judgement:  # fmt: skip
    mass, low, high = float(found.estimate), float(found.lower), float(found.upper)
    rounding = _ROUNDINGS * torch.finfo(dtype).eps
    evidence = {
        "rung": Rung.STATISTICAL, "examined": 1, "quantity": "|E p/q − 1|", "observed": abs(mass - 1.0),
        "allowed": max(subject.finest, rounding), "unit": str(dtype).removeprefix("torch."),
        "notes": subject.prepared.notes, "guarantee": f"false alarm at most {found.alpha:.2g}",
        "figures": {
            "mass": mass, "low": low, "high": high, "draws": found.n, "resolution": subject.finest, "cap": weights.cap,
            "effective": weights.effective,
        },
        "assumption": f"no weight p/q exceeds {weights.cap:.3g}, twice the largest that was met, and q, fitted where "
        "random walks from maxima have been, reaches all of the mass",
    }  # fmt: skip
    words = f"mass {mass:.4g}, in ({low:.4g}, {high:.4g})"
    if found.outcome == "bias" and mass > 1.0 and low - 1.0 > rounding:
        evidence["assumption"] = "none: weights are positive, and were cut at a bound, which makes their mean smaller"
        return failed(**evidence, message=f"the density integrates to more than {low:.4g}: {words}")
    if weights.over:
        return inconclusive(
            f"{words} was seen, but {weights.over} places were met where the draws of the importance sampling hardly "
            "get; say where the mass is by around=(center, scale)", notes=subject.prepared.notes,
        )  # fmt: skip
    if found.outcome == "no bias":
        return passed(**evidence)
    if found.outcome == "bias" and mass < 1.0 and not led:
        # A narrow part that no slope leads to is missed by every walk, and only the subject's draws tell where it is.
        return inconclusive(
            f"{words} was found by walks, and there may be more where none leads; give the density beside its draws "
            "(an object with log_prob and sample), or say where the mass is by around=(center, scale)",
            notes=subject.prepared.notes,
        )  # fmt: skip
    if found.outcome == "bias" and 1.0 - high > rounding and weights.effective > _EFFECTIVE:
        return failed(**evidence, message=f"the density integrates to less than {high:.4g}: {words}")
    return inconclusive(
        f"importance sampling has not settled: {words} after {found.n} draws, of which {weights.effective:.0%} count; "
        "say where the mass is by around=(center, scale), raise the budget, or state a coarser resolution=",
        notes=subject.prepared.notes,
    )  # fmt: skip
