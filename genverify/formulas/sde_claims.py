"""Claims on the equations of diffusion."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim
from genverify.oracles import sde as oracle

if TYPE_CHECKING:
    import sympy

__all__ = ["FLOW", "ROOT", "SUB_VP", "VE", "VP"]


def _vp() -> sympy.Basic:
    import sympy

    return sympy.Eq(sympy.Symbol("m"), oracle.vp_mean.expression, evaluate=False)


def _ve() -> sympy.Basic:
    import sympy

    return sympy.Eq(sympy.Symbol("g"), oracle.ve_diffusion.expression, evaluate=False)


VP = claim(
    "sde.vp.moments", Status.DERIVED,
    statement="given x(0), x(t) of the VP equation has the mean e^(−B/2) x(0) and the variance 1 − e^(−B), B = ∫₀ᵗ "
    "β: they "
    "solve m′ = −½ β m and v′ = β − β v; data of variance one keep it",
    source="Song et al. 2021, eq. 29; Särkkä & Solin 2019, eqs. 5.50 and 5.51", equation=_vp,
)  # fmt: skip

VE = claim(
    "sde.ve.moments", Status.DERIVED,
    statement="g² of the VE equation is the slope of σ²(t), so that the variance given x(0) is σ²(t) − σ²(0); σ(t) "
    "is its "
    "deviation from data that have the noise σ(0) already. Of dx = σᵗ dw it is (σ^(2t) − 1)/(2 log σ)",
    source="Song et al. 2021, eqs. 29 to 31", equation=_ve,
)  # fmt: skip

SUB_VP = claim(
    "sde.sub_vp.moments", Status.DERIVED,
    statement="the variance of the sub-VP equation given x(0) is (1 − e^(−B))², the square of VP's, and never more",
    source="Song et al. 2021, eq. 29 and appendix B",
)  # fmt: skip

FLOW = claim(
    "sde.probability_flow.normal", Status.DERIVED,
    statement="with the slope f − ½ g² ∇ log p the densities of the flow obey the Fokker–Planck equation of dx = f "
    "dt + "
    "g dw, whatever p is; of normal data with noise σ it multiplies x by √((d² + σ′²)/(d² + σ²)), and without the ½ "
    "by the "
    "square of that",
    source="Song et al. 2021, eq. 13 and appendix D.1", assumptions=("one dimension; p positive and smooth",),
)  # fmt: skip

ROOT = claim(
    "sde.euler_maruyama_step.root", Status.DERIVED,
    statement="n steps of width T/n without drift have the variance g² T for every n; with dt for √dt it is g² T²/n, "
    "and "
    "without √dt n g²",
    source="Maruyama 1955; Kloeden & Platen 1992, section 9.1", assumptions=("independent draws of variance one",),
)  # fmt: skip
