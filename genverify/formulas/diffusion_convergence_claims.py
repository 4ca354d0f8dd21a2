"""What is claimed of whole samplers as their steps grow in number: how fast the law of normal data is reached."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = ["DDIM", "DDPM", "DPM_SOLVER", "EXPONENTIAL", "PLMS", "third_order"]

_LU = 'Lu, Zhou, Bao, Chen, Li & Zhu 2022, "DPM-Solver"'
_GRID = "x_T drawn from its own law; levels ᾱ(t) of a smooth schedule at equally spaced times"

DDIM = claim(
    "diffusion.ddim_step.order", Status.SUPPORTED,
    statement="on normal data and with the exact network, n DDIM steps with η = 0 reach the data's mean at every n, "
    "and their variance with an error that falls as 1/n",
    source="Song, Meng & Ermon 2021, section 4.3 (Euler's method); Salimans & Ho 2022, appendix B",
    assumptions=(_GRID,),
)  # fmt: skip

DDPM = claim(
    "diffusion.ddpm_step.weak_order", Status.SUPPORTED,
    statement="on normal data and with the exact network, n DDPM steps reach the mean at every n, and the variance "
    "with an error that falls as 1/n where σ² = β; with σ² = β̃ the error is larger and falls more slowly at any n that "
    "is in use, its measured order rising to one",
    source="Ho, Jain & Abbeel 2020, section 3.2; measured here",
    assumptions=(_GRID,),
)  # fmt: skip

PLMS = claim(
    "diffusion.plms_step.global_order", Status.REFUTED,
    statement="PLMS is convergent of second order, down to the data",
    source="as it is told of Liu, Ren, Lin & Zhao 2022, section 3",
    assumptions=(_GRID,),
    counterexample="on normal data, down to the data themselves, its error at 800 steps is half of that at 400: what "
    "the last steps lose, where dλ/dt is not bounded, is of first order",
    corrected="down to a level that stays away from the data its error falls as 1/n², which is what its first step, "
    "Euler's, allows",
)  # fmt: skip


def third_order() -> tuple[sympy.Expr, sympy.Symbol]:
    """What a step of DPM-Solver-3 multiplies x by, over what the flow does, for normal data of deviation one: σ = s.

    Signal of scale one, so that λ = −log σ; r₁ = 1/3, r₂ = 2/3.
    """
    import sympy

    h, s = sympy.Symbol("h", positive=True), sympy.Symbol("s", positive=True)

    def eps(x: sympy.Expr, sigma: sympy.Expr) -> sympy.Expr:
        return x * sigma / (1 + sigma**2)

    def grown(part: sympy.Expr) -> sympy.Expr:
        return sympy.exp(part * h) - 1

    r1, r2 = sympy.Rational(1, 3), sympy.Rational(2, 3)
    first, second, last = (s * sympy.exp(-part * h) for part in (r1, r2, sympy.Integer(1)))
    start = eps(sympy.Integer(1), s)
    u1 = 1 - first * grown(r1) * start
    d1 = eps(u1, first) - start
    u2 = 1 - second * grown(r2) * start - second * r2 / r1 * (grown(r2) / (r2 * h) - 1) * d1
    d2 = eps(u2, second) - start
    step = 1 - last * grown(sympy.Integer(1)) * start - last / r2 * (grown(sympy.Integer(1)) / h - 1) * d2
    return step / sympy.sqrt((1 + last**2) / (1 + s**2)), h


def _lost() -> sympy.Basic:
    """The orders that vanish, at σ = 1."""
    import sympy

    ratio, h = third_order()
    s = next(one for one in ratio.free_symbols if one != h)
    gap = sympy.series(ratio.subs(s, 1), h, 0, 4).removeO()
    return sympy.Eq(sympy.Symbol("x'") / sympy.Symbol("x"), gap, evaluate=False)


EXPONENTIAL = claim(
    "diffusion.ddim_step.exponential", Status.DERIVED,
    statement="a DDIM step with η = 0 is a step of DPM-Solver-1: √(ᾱ'/ᾱ) x − √(1 − ᾱ') (e^h − 1) ε with h = λ' − λ, "
    "λ = ½ log ᾱ/(1 − ᾱ)",
    source=f"{_LU}, section 4.1",
)  # fmt: skip

DPM_SOLVER = claim(
    "diffusion.dpm_solver.orders", Status.SUPPORTED,
    statement="DPM-Solver-1, -2 and -3 have the orders 1, 2 and 3: one step of the third loses h⁴, and whole samplers "
    "over levels that are equally spaced in λ lose h, h² and h³",
    source=f"{_LU}, theorem 3.2 and algorithms 1 and 2",
    assumptions=("normal data; λ from −3 to 3",), equation=_lost,
)  # fmt: skip
