"""A density has mass one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch

from genverify.checks.check import check
from genverify.checks.density_pointwise import contextual, drawn
from genverify.checks.density_sampled_mass import sampled_mass
from genverify.numerics.adaptive_mass import adaptive_mass
from genverify.numerics.total_mass import TotalMass, total_mass, unresolved_peak
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.density import Density
from genverify.verdict import Judgement, Outcome, Rung, failed, inconclusive, passed

__all__ = ["integrates_to_one"]

_QUADRATURE_DIMENSIONS = 3
_MOST_DIMENSIONS, _HINTS = 64, 64
# Grid points for each evaluation of the budget: a batch of them is one call of the subject.
_POINTS = 16
# Where grids do not settle, cells are divided: so many times as many evaluations, twice; to a twentieth of the
# resolution, of which a fourth is allowed at least.
_FINER, _TWENTIETH, _FOURTH = 4, 20.0, 4.0
# The measured difference between grids is no bound: it is taken fourfold, and must be small beside the mass itself.
_CAUTION, _SETTLED = 4.0, 0.05
# Half widths, in scales, of the boxes whose mass is looked at where the whole integral does not settle.
_BOXES = (4.0, 16.0, 64.0, 256.0, 1024.0)
# Half units that log p may be off by where p counts: values of a few tens, good to a few units.
_ROUNDINGS = 64.0


def _integrable(subject: Density) -> str | None:
    dims = math.prod(subject.event)
    if subject.where.simplex:
        return "the support is a simplex, over which this check does not integrate"
    if dims > _MOST_DIMENSIONS:
        return f"an integral over {dims} dimensions is beyond importance sampling (at most {_MOST_DIMENSIONS})"
    return None


@check(
    "density.integrates_to_one",
    statement="∫ p(x) dx = 1 over the support",
    source="Kolmogorov 1933, chapter I; Rezende & Mohamed 2015, eq. 5 for flows",
    rung=Rung.EXACT,
    statistical=True,
    requires=_integrable,
    family="contexts",
)
def integrates_to_one(subject: Density, case: Case, run: Run) -> Judgement:
    """The total mass by the trapezoidal rule (by adaptive cubature where that does not settle), against 1.

    Beyond three dimensions it is sampled.
    """
    log_density, dtype = contextual(subject, case)
    dims = math.prod(subject.event)
    if dims > _QUADRATURE_DIMENSIONS:
        return sampled_mass(subject, log_density, dtype, drawn(subject, case, _HINTS), run)
    where, (center, scale) = subject.where, subject.around

    def within(low: float, high: float) -> TotalMass:
        points = _POINTS * run.budget.evaluations
        return total_mass(log_density, dims, low=low, high=high, center=center, scale=scale, points=points)

    mass, width_at = within(where.low, where.high), None
    found = _judged(subject, mass, dtype)
    if found.outcome is not Outcome.PASS and mass.box and not (mass.problem or mass.truncated):
        off, sure = abs(mass.value - 1.0), found.outcome is Outcome.FAIL
        part = min(subject.finest, off) if sure else subject.finest
        finer = adaptive_mass(
            log_density, dims, mass, low=where.low, high=where.high, center=center, scale=scale,
            points=_FINER * _POINTS * run.budget.evaluations, tolerance=part / _TWENTIETH,
        )  # fmt: skip
        if _better(finer.mass, mass, sure=sure):
            # Sums over shifted grids may agree by luck where the density has steps. And cells that look settled are not
            # divided, so that what is left may lean to one side: no error is claimed that is finer than asked for.
            floor = abs(finer.mass.value - mass.value) if sure else subject.finest / _FOURTH / _CAUTION
            mass, width_at = replace(finer.mass, error=max(finer.mass.error, floor)), finer.width_at
            found = _judged(subject, mass, dtype)
    if found.outcome is Outcome.FAIL and mass.value < 1.0:
        peak = unresolved_peak(
            log_density, dims, mass, low=where.low, high=where.high, center=center, scale=scale, width_at=width_at
        )
        if peak is not None:
            there = ", ".join(f"{number:.4g}" for number in peak.tolist())
            return inconclusive(
                f"of the mass {mass.value:.6g} was seen; there is a peak at ({there}) that is too narrow for the grid; "
                "say where the mass is by around=(center, scale)", notes=subject.prepared.notes,
            )  # fmt: skip
    if found.outcome is Outcome.INCONCLUSIVE and math.isinf(where.high - where.low):
        return _too_much(subject, within, dtype) or found
    return found


def _better(finer: TotalMass, mass: TotalMass, *, sure: bool) -> bool:
    """Whether cells tell more than grids did: an error that is smaller, or that suffices to judge what grids found."""
    return _CAUTION * finer.error <= abs(mass.value - 1.0) if sure else finer.error < mass.error


def _too_much(subject: Density, within: Callable[[float, float], TotalMass], dtype: torch.dtype) -> Judgement | None:
    """FAIL when the mass over a finite box exceeds 1: a density is nowhere negative, so all of it does, too.

    That needs neither tails nor convergence outside of the box; a periodic function on the line has no integral.
    """
    (center, scale), where = subject.around, subject.where
    for half in _BOXES:
        low = max(where.low, center - half * scale) if math.isinf(where.low) else where.low
        high = min(where.high, center + half * scale) if math.isinf(where.high) else where.high
        if not low < high:
            continue
        mass = within(low, high)
        allowed = _CAUTION * mass.error + _ROUNDINGS * torch.finfo(dtype).eps * abs(mass.value)
        if mass.problem or mass.error > _SETTLED * abs(mass.value) or not mass.value - 1.0 > allowed:
            continue
        return failed(
            rung=Rung.EXACT, examined=1, quantity="∫ p − 1 over a part of the support", observed=mass.value - 1.0,
            allowed=allowed, unit=str(dtype).removeprefix("torch."), notes=subject.prepared.notes,
            figures={"mass": mass.value, "points": mass.points, "spacing": mass.spacing},
            assumption=f"no feature much finer than the spacing of the grid, {mass.spacing:.2g} of the width",
            message=f"between {low:g} and {high:g} alone the density integrates to {mass.value:.8g}; the support is "
            f"said to be ({where.low:g}, {where.high:g}), and no density is negative",
        )  # fmt: skip
    return None


def _judged(subject: Density, mass: TotalMass, dtype: torch.dtype) -> Judgement:
    notes = subject.prepared.notes
    if mass.problem:
        return inconclusive(mass.problem, notes=notes)
    # What log p is rounded to, in the type in which the subject computes, is a relative error of p.
    allowed = _CAUTION * mass.error + _ROUNDINGS * torch.finfo(dtype).eps
    figures = {"mass": mass.value, "points": mass.points, "spacing": mass.spacing}
    assumption = (
        "no mass outside of what the grid sees, and no feature much finer than its spacing "
        f"({mass.spacing:.2g} of the distance to {subject.around[0]:g}, plus the scale {subject.around[1]:g})"
    )
    off = abs(mass.value - 1.0)
    if mass.truncated and mass.value < 1.0 and off > allowed:
        return inconclusive("the tails are too heavy to be integrated", notes=notes, figures=figures)
    # What may pass is as near to one as the resolution says, wherever in its interval the mass is.
    if mass.error > _SETTLED * abs(mass.value) or (off + allowed > subject.finest and off <= allowed):
        return inconclusive(
            f"the quadrature has not settled: mass {mass.value:.6g} ± {allowed:.1g}; say where the mass is by "
            "around=(center, scale), or raise the budget", notes=notes, figures=figures,
        )  # fmt: skip
    evidence = {
        "rung": Rung.EXACT, "examined": 1, "quantity": "|∫ p − 1|", "observed": off, "allowed": allowed,
        "unit": str(dtype).removeprefix("torch."), "figures": figures, "notes": notes,
        "assumption": assumption,
    }  # fmt: skip
    if off <= allowed:
        return passed(**evidence)
    return failed(**evidence, message=f"the density integrates to {mass.value:.8g}" + _slip(mass.value, subject))


def _slip(value: float, subject: Density) -> str:
    """A guess for the reader."""
    dims = math.prod(subject.event)
    known = {
        (2 * math.pi) ** (dims / 2): "the constant ½ log 2π is missing",
        (2 * math.pi) ** -(dims / 2): "the constant ½ log 2π is subtracted twice",
        math.sqrt(2 * math.pi): "½ log 2π is missing once", 2.0: "a factor 2", 0.5: "a factor ½",
    }  # fmt: skip
    near = subject.finest / 10.0
    return next((f": {words}" for guess, words in known.items() if abs(value / guess - 1.0) < near), "")
