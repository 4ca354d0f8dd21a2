"""Down the noise levels: Euler, Heun, ancestral steps and DPM-Solver, on normal data, where the flow is known.

The probability flow in σ is dx/dσ = (x − D(x, σ))/σ. Of normal data D is linear, the flow is solved, and what a step
loses is a power of its width.

Sources: Karras, Aittala, Aila & Laine 2022; Lu, Zhou, Bao, Chen, Li & Zhu 2022, "DPM-Solver" and "DPM-Solver++"; Ho,
Jain & Abbeel 2020; Song, Meng & Ermon 2021; Hairer, Nørsett & Wanner 1993, "Solving ordinary differential equations I".
"""

from __future__ import annotations

import math
from itertools import pairwise

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import edm_steps as declared
from genverify.oracles import edm as oracle
from genverify.reference.diffusion import dpm_solver, karras

D = torch.float64
S, H = sympy.symbols("s h", positive=True)
EXACT = sympy.sqrt((1 + (S - H) ** 2) / (1 + S**2))  # what the flow multiplies x with, from σ = s to s − h, at d = 1


def lost(step) -> int:
    """The power of h with which a step's factor is off; x = 1 at σ = s."""
    gap = sympy.series(step - EXACT, H, 0, 5).removeO()
    powers = [power for power in range(5) if sympy.simplify(sympy.expand(gap).coeff(H, power)) != 0]
    return powers[0]


def mixture(x, denoised, now, then):
    """Euler's step as a mean."""
    return then / now * x + (1 - then / now) * denoised


def known(sigma):
    """The denoiser of normal data of deviation one, at x = 1."""
    return 1 / (1 + sigma**2)


def order(step, first=8) -> float:
    """The measured order over schedules that are equally spaced in log σ, from 8 to 1/8, at twice as many steps."""

    def denoiser(x, sigma):
        return x / (1 + torch.as_tensor(sigma, dtype=D) ** 2)

    errors = []
    for n in (first * 8, first * 16):
        levels = torch.logspace(math.log2(8.0), -3.0, n + 1, base=2.0, dtype=D)
        x = step(denoiser, torch.ones(1, 1, dtype=D), levels)
        exact = math.sqrt((1 + float(levels[-1]) ** 2) / (1 + float(levels[0]) ** 2))
        errors.append(abs(float(x) - exact))
    return math.log2(errors[0] / errors[1])


def along(one):
    """A sampler from one step."""

    def run(denoiser, x, levels):
        for now, then in pairwise(levels):
            x = one(denoiser, x, now, then)
        return x

    return run


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Euler's step is a mean of the sample and what it is denoised to.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# x + (σ′ − σ)(x − D)/σ = (σ′/σ) x + (1 − σ′/σ) D.


@proves("edm.euler_step.mixture")
def test_the_last_step_returns_what_is_denoised():
    """Multiplied out; at σ′ = 0; and the reference, whose order is measured, passes."""
    x, denoised, now, then = sympy.symbols("x D sigma sigma_next")
    step = x + (then - now) * (x - denoised) / now
    assert sympy.expand(step - mixture(x, denoised, now, then)) == 0
    assert sympy.expand(step.subs(then, 0)) == denoised
    assert round(order(along(karras.euler_step)), 1) == 1.0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# A step of Euler loses h², a step of Heun h³.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# With d = 1 the slope at (x, σ) is x σ/(1 + σ²), and the flow multiplies x by √((1 + σ′²)/(1 + σ²)). Taylor's series in
# h.


@proves("edm.heun_step.order")
def test_what_one_step_loses_and_what_a_schedule_loses():
    """The series of both; the orders of whole schedules, measured at twice as many steps."""
    now, then = S / (1 + S**2), (S - H) / (1 + (S - H) ** 2)
    ahead = 1 - H * now
    assert lost(ahead) == 2
    assert lost(1 - H * (now + ahead * then) / 2) == 3
    assert lost(1 - H * (now + ahead * (S / (1 + S**2))) / 2) == 2  # the second slope at the old level
    assert round(order(along(karras.heun_step)), 1) == 2.0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# An ancestral step arrives at σ′, whatever η is.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# σ_down is defined by it. With x(σ) = y + σ ε and σ′ < σ, x(σ′) given both is normal with the precision
# 1/σ′² + 1/(σ² − σ′²): the variance is σ′² (σ² − σ′²)/σ².


@proves("edm.ancestral_step.variance")
def test_the_level_is_kept_and_the_posterior_is_drawn_from():
    """The precisions by SymPy; both levels of the oracle; the reference passes, and without σ_down it fails."""
    now, then, eta = sympy.symbols("sigma sigma_next eta", positive=True)
    up = sympy.sqrt(then**2 * (now**2 - then**2) / now**2)
    assert sympy.simplify(1 / (1 / then**2 + 1 / (now**2 - then**2)) - up**2) == 0
    assert sympy.simplify((then**2 - (eta * up) ** 2) + (eta * up) ** 2 - then**2) == 0
    for share in (0.0, 0.3, 1.0):
        down, risen = oracle.ancestral(torch.tensor(2.0, dtype=D), torch.tensor(1.5, dtype=D), share)
        assert abs(float(down**2 + risen**2) - 1.5**2) <= 8 * torch.finfo(D).eps
    assert gv.verify(declared.ancestral(), budget="quick").count(gv.Outcome.FAIL) == 0

    def level_not_lowered(denoiser, x, sigma, sigma_next):
        up = sigma_next * (1 - (sigma_next / sigma) ** 2) ** 0.5
        return x + (sigma_next - sigma) * (x - denoiser(x, sigma)) / sigma + up * torch.randn_like(x)

    report = gv.verify(gv.Formula(level_not_lowered, like="edm.ancestral_step"), budget="quick")
    assert "the level not lowered" in str(report.failures[0])


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# With constant D the step in λ = −log σ is exact, and it is Euler's in σ; with D in the middle it loses h³.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# dσ = −σ dλ turns dx/dσ = (x − D)/σ into dx/dλ = D − x, solved by e^(−h) x + (1 − e^(−h)) D with e^(−h) = σ′/σ.


@proves("edm.dpm_solver_step.first_order")
def test_the_exponential_step_is_eulers_and_its_middle_is_of_second_order():
    """The equation solved; both series; the measured order; the reference passes."""
    lam, start, denoised = sympy.Symbol("lambda"), sympy.Symbol("x0"), sympy.Symbol("D")
    x = sympy.Function("x")
    solved = sympy.dsolve(sympy.Eq(x(lam).diff(lam), denoised - x(lam)), x(lam), ics={x(0): start}).rhs
    assert sympy.expand(solved - (sympy.exp(-lam) * start + (1 - sympy.exp(-lam)) * denoised)) == 0
    middle = sympy.sqrt(S * (S - H))
    between = mixture(1, known(S), S, middle)
    assert lost(mixture(1, known(S), S, S - H)) == 2
    assert lost(mixture(1, between * known(middle), S, S - H)) == 3
    assert round(order(along(dpm_solver.single_step)), 1) == 2.0
    assert gv.verify(declared.dpm_solver_step(), budget="quick").count(gv.Outcome.FAIL) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Extrapolated from the step before, D does as well as in the middle.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# D at the middle of the step is D + (h/2) D′ to first order, and D′ = (D − D₋)/h₋: a factor of 1/(2r), r = h₋/h.
# Here the step before is from s + c h, c any positive number, so that r tends to c.


@proves("edm.dpm_solver_step.multistep")
def test_the_past_replaces_an_evaluation():
    """The series with r, with 1/r, with −1/r; the measured order of the whole sampler."""
    c = sympy.Symbol("c", positive=True)
    before = S + c * H
    past = sympy.sqrt((1 + before**2) / (1 + S**2)) * known(before)  # D of the exact sample at the level before
    ratio = c  # of the widths in λ, to the order that counts

    def with_slope(factor):
        return mixture(1, known(S) + factor * (known(S) - past), S, S - H)

    assert lost(with_slope(1 / (2 * ratio))) == 3
    assert lost(with_slope(ratio / 2)) == 2
    assert lost(with_slope(ratio / 2).subs(c, 1)) == 3
    assert lost(with_slope(-1 / (2 * ratio))) == 2

    def sampler(denoiser, x, levels):
        before = None
        for i in range(len(levels) - 1):
            denoised = denoiser(x, levels[i])
            if before is None:
                x = karras.heun_step(denoiser, x, levels[i], levels[i + 1])
            else:
                x = dpm_solver.multistep(x, denoised, before, levels[i], levels[i + 1], levels[i - 1])
            before = denoised
        return x

    assert round(order(sampler), 1) == 2.0
    assert gv.verify(declared.dpm_solver_multistep(), budget="quick").count(gv.Outcome.FAIL) == 0
