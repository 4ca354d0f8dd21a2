"""Claims on Karras et al.'s design space."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim
from genverify.oracles import edm as oracle

if TYPE_CHECKING:
    import sympy

__all__ = ["ANCESTRAL", "DPM_FIRST", "DPM_MULTISTEP", "EULER", "HEUN", "SIGMAS", "UNIT_VARIANCE", "WEIGHT"]

_NORMAL = "normal data of mean zero, for which the denoiser is d² x/(d² + σ²); executed with d = 1 in one dimension"


def _level() -> sympy.Basic:
    import sympy

    return sympy.Eq(sympy.Symbol(r"\sigma(p)"), oracle.level.expression, evaluate=False)


def _skip() -> sympy.Basic:
    import sympy

    return sympy.Eq(sympy.Symbol("c_{skip}"), oracle.c_skip.expression, evaluate=False)


def _weight() -> sympy.Basic:
    import sympy

    return sympy.Eq(sympy.Symbol(r"\lambda"), oracle.loss_weight.expression, evaluate=False)


SIGMAS = claim(
    "edm.sigmas.equal_steps", Status.DERIVED,
    statement="the levels go from σ_max to σ_min by equal steps of σ^(1/ρ); with ρ = 1 they are equally spaced, and "
    "with ρ → ∞ geometric",
    source="Karras et al. 2022, eq. 5", equation=_level,
    assumptions=("n ≥ 2 levels; the zero after the last is appended, and is no level of the formula",),
)  # fmt: skip

UNIT_VARIANCE = claim(
    "edm.preconditioning.unit_variance", Status.DERIVED,
    statement="of data of variance σ_d² the network's inputs c_in x and its targets (y − c_skip x)/c_out have variance "
    "one at every σ, and of all c_skip the one that is taken makes c_out least",
    source="Karras et al. 2022, appendix B.6", equation=_skip,
    assumptions=("data and noise uncorrelated, the data of mean zero",),
)  # fmt: skip

WEIGHT = claim(
    "edm.loss_weight.even", Status.DERIVED,
    statement="λ(σ) c_out(σ)² = 1: weighted by λ the error of the denoiser is that of the network, at every level; the "
    "other reading, (σ + σ_d)² for (σ σ_d)², is even at no two levels",
    source="Karras et al. 2022, table 1; lucidrains/alphafold3-pytorch#68", equation=_weight,
)  # fmt: skip

EULER = claim(
    "edm.euler_step.mixture", Status.DERIVED,
    statement="Euler's step is the mean (σ′/σ) x + (1 − σ′/σ) D, so that a step to zero returns D itself",
    source="Karras et al. 2022, algorithm 1; AUTOMATIC1111/stable-diffusion-webui#1435",
)  # fmt: skip

HEUN = claim(
    "edm.heun_step.order", Status.DERIVED,
    statement="of one step of width h in σ the error of Euler's is of order h², that of Heun's of order h³; over a "
    "whole "
    "schedule of n steps they are therefore 1/n and 1/n²",
    source="Karras et al. 2022, section 3; Hairer, Nørsett & Wanner 1993, section II.1", assumptions=(_NORMAL,),
    theorems=("a stable one-step method of local order p + 1 converges with order p",),
)  # fmt: skip

ANCESTRAL = claim(
    "edm.ancestral_step.variance", Status.DERIVED,
    statement="σ_down² + σ_up² = σ′² for every η, so that the step keeps the level; with η = 1 σ_up² is the variance "
    "of "
    "x(σ′) given x(σ) and the data",
    source="Ho, Jain & Abbeel 2020, eq. 7; Song, Meng & Ermon 2021, eq. 16", assumptions=("0 < σ′ < σ, 0 ≤ η ≤ 1",),
)  # fmt: skip

DPM_FIRST = claim(
    "edm.dpm_solver_step.first_order", Status.DERIVED,
    statement="the exact solution of dx/dλ = D − x with constant D, λ = −log σ, is Euler's step in σ; with D at the "
    "middle of the step in λ the error is of order h³",
    source="Lu et al. 2022 (DPM-Solver++), section 4 and proposition 4.1", assumptions=(_NORMAL,),
)  # fmt: skip

DPM_MULTISTEP = claim(
    "edm.dpm_solver_step.multistep", Status.DERIVED,
    statement="extrapolated from the step before to the middle of the step in λ, D makes the error of order h³, at one "
    "evaluation a step; with r inverted, or backwards, it is of order h² unless all steps in λ are alike",
    source="Lu et al. 2022 (DPM-Solver++), algorithm 2", assumptions=(_NORMAL, "the past value of D is exact"),
)  # fmt: skip
