"""The equations of diffusion: moments that solve them, the flow with the same densities, and a step in time.

dx = f(x, t) dt + g(t) dw takes data to noise. Where f is linear, x(t) given x(0) is normal, and its two moments solve
two ordinary equations. A flow without noise has the same densities, and needs the score.

Sources: Song, Sohl-Dickstein, Kingma, Kumar, Ermon & Poole 2021, "Score-based generative modeling through stochastic
differential equations"; Särkkä & Solin 2019, "Applied stochastic differential equations"; Anderson 1982; Maruyama 1955.
"""

from __future__ import annotations

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import sde as declared
from genverify.formulas import sde_flow
from genverify.noise import expectation
from genverify.oracles import sde as oracle
from genverify.reference.diffusion import stochastic_equations as reference

T, LOW, HIGH = oracle.vp_rate.symbols
BETA = LOW + T * (HIGH - LOW)


def solved(drift, noise, start_mean=1):
    """Mean and variance of dx = `drift` x dt + √`noise` dw at time T, from x(0) = start_mean, by dsolve."""
    s = sympy.Symbol("s", positive=True)
    drift, noise = sympy.sympify(drift).subs(T, s), sympy.sympify(noise).subs(T, s)
    m, v = sympy.Function("m"), sympy.Function("v")
    mean = sympy.dsolve(sympy.Eq(m(s).diff(s), drift * m(s)), m(s), ics={m(0): start_mean}).rhs
    variance = sympy.dsolve(sympy.Eq(v(s).diff(s), 2 * drift * v(s) + noise), v(s), ics={v(0): 0}).rhs
    return mean.subs(s, T), variance.subs(s, T)


def fine(*subjects) -> bool:
    """Whether every check that applies says PASS."""
    outcomes = {v.outcome for v in gv.verify(list(subjects), budget="quick")}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


def failure(f, like: str) -> str:
    """What is said of a wrong one."""
    return str(gv.verify(gv.Formula(f, like=like), budget="quick", checks=["formula.dialect"]).failures[0])


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The VP equation has the mean e^(−B/2) x(0) and the variance 1 − e^(−B).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# m′ = −½ β m, and (1 − v)′ = −β (1 − v). Both are solved by an exponential of B = ∫ β. For data of variance one the
# total is e^(−B) + 1 − e^(−B).


@proves("sde.vp.moments")
def test_the_moments_solve_their_equations():
    """The oracle's steps, and SymPy's own solution of both equations; the references pass."""
    mean, variance = solved(-BETA / 2, BETA)
    whole = oracle.vp_integral.expression
    assert sympy.simplify(mean - sympy.exp(-whole / 2)) == 0
    assert sympy.simplify(variance - (1 - sympy.exp(-whole))) == 0
    assert sympy.simplify(oracle.vp_mean.expression - mean) == 0
    assert sympy.simplify((oracle.vp_std.expression**2).rewrite(sympy.exp) - variance) == 0
    assert sympy.simplify(mean**2 + variance) == 1
    assert "it begins at zero" in [one.title for one in oracle.vp_std.steps]
    assert fine(declared.vp(), declared.vp_marginal())

    def without_its_half(x, t, beta_min=0.1, beta_max=20.0):
        beta = beta_min + t * (beta_max - beta_min)
        return -beta[:, None] * x, beta.sqrt()

    assert "−β x" in failure(without_its_half, "sde.vp")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The VE equation's variance rises from zero by σ²(t) − σ²(0).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# v′ = g² = dσ²/dt; with σ = σ_min r^t, g² = 2 σ² log r.


@proves("sde.ve.moments")
def test_the_variance_is_a_difference_of_squares():
    """Integrated, for both schedules in use; the references pass, and σ(t) for g is named."""
    t, low, _ = oracle.ve_std.symbols
    s, base = sympy.symbols("s sigma", positive=True)
    rate = sympy.simplify(oracle.ve_diffusion.expression**2)
    level = oracle.ve_std.expression
    assert sympy.simplify(sympy.diff(level**2, t) - rate) == 0
    assert sympy.simplify(level.subs(t, 0) - low) == 0
    end = sympy.Symbol("t", positive=True)
    tutorial = (sympy.exp(2 * s * sympy.log(base)) - 1) / (2 * sympy.log(base))
    assert sympy.simplify(sympy.diff(tutorial, s) - (base**s) ** 2) == 0
    assert tutorial.subs(s, 0) == 0
    assert sympy.simplify(sympy.integrate(5 ** (2 * s), (s, 0, end)) - tutorial.subs({s: end, base: 5})) == 0
    assert fine(declared.ve(), declared.ve_marginal())

    def level_for_diffusion(x, t, sigma_min=0.01, sigma_max=50.0):
        return torch.zeros_like(x), sigma_min * (sigma_max / sigma_min) ** t

    assert "the level itself" in failure(level_for_diffusion, "sde.ve")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The sub-VP equation's variance is the square of VP's.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# v = (1 − e^(−B))² obeys v′ = −β v + β (1 − e^(−2B)), and a number in [0, 1) is not below its square.


@proves("sde.sub_vp.moments")
def test_the_variance_is_the_square():
    """By substitution into the equation; the reference passes."""
    whole = oracle.vp_integral.expression
    variance = (1 - sympy.exp(-whole)) ** 2
    noise = BETA * (1 - sympy.exp(-2 * whole))
    assert sympy.simplify(sympy.diff(variance, T) + BETA * variance - noise) == 0
    assert variance.subs(T, 0) == 0
    assert sympy.simplify((oracle.sub_vp_diffusion.expression**2).rewrite(sympy.exp) - noise) == 0
    assert fine(declared.sub_vp())


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The flow with the slope f − ½ g² ∇ log p has the densities of the equation.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# ∂p/∂t = −∂(f p) + ½ g² ∂²p (Fokker–Planck), and ∂²p = ∂(p ∂ log p), so that the right side is −∂((f − ½ g² ∂ log p)
# p): the continuity equation of the flow. Back in time, −∂((f − g² ∂ log p) p) − ½ g² ∂²p is the same again.


@proves("sde.probability_flow.normal")
def test_the_flow_obeys_the_equation_of_the_densities():
    """For any p and f, one dimension; normal data in closed form; the references pass, and slips are named."""
    x, g = sympy.symbols("x g", real=True)
    p, f = sympy.Function("p")(x), sympy.Function("f")(x)
    score = sympy.diff(sympy.log(p), x)
    forward = -sympy.diff(f * p, x) + g**2 * sympy.diff(p, x, 2) / 2
    assert sympy.simplify(forward + sympy.diff((f - g**2 * score / 2) * p, x)) == 0
    backward = -sympy.diff((f - g**2 * score) * p, x) - g**2 * sympy.diff(p, x, 2) / 2
    assert sympy.simplify(forward - backward) == 0
    assert sympy.simplify(forward + sympy.diff((f - g**2 * score) * p, x)) != 0

    sigma, start, width = sympy.symbols("sigma sigma_0 d", positive=True)
    for share, power in ((sympy.Rational(1, 2), sympy.Rational(1, 2)), (1, 1)):
        # In σ: g² dt = 2σ dσ.
        factor = ((width**2 + sigma**2) / (width**2 + start**2)) ** power
        slope = -share * 2 * sigma * (-factor / (width**2 + sigma**2))
        assert sympy.simplify(sympy.diff(factor, sigma) - slope) == 0
    assert fine(sde_flow.probability_flow(), sde_flow.reverse())
    wrong = failure(lambda drift, diffusion, score: drift - diffusion[:, None] ** 2 * score, "sde.probability_flow")
    assert "sde.reverse" in wrong


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Only √dt gives a variance that does not depend on the number of steps.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# n independent draws add n variances: n g² (T/n)^(2a) is g² T^(2a) n^(1 − 2a).


@proves("sde.euler_maruyama_step.root")
def test_variances_add_over_the_steps():
    """The sum for each power of dt; the reference's own variance over two steps; it passes, and dt is named."""
    n, g, whole, power = sympy.symbols("n g T a", positive=True)
    total = n * g**2 * (whole / n) ** (2 * power)
    assert sympy.simplify(total.subs(power, sympy.Rational(1, 2)) - g**2 * whole) == 0
    assert sympy.simplify(total.subs(power, 1) - g**2 * whole**2 / n) == 0
    assert sympy.simplify(total.subs(power, 0) - n * g**2) == 0
    zero = torch.zeros(1, 1, dtype=torch.float64)
    noise, half = torch.tensor(3.0, dtype=torch.float64), torch.tensor(0.5, dtype=torch.float64)

    def two_steps():
        x = reference.euler_maruyama_step(zero, zero, noise, half)
        return reference.euler_maruyama_step(x, zero, noise, half)

    found = expectation(two_steps)
    assert abs(float(found.variance) - 9.0) <= float(found.variance_error) + 9 * 64 * torch.finfo(zero.dtype).eps
    assert fine(sde_flow.euler_maruyama_step())

    def with_dt(x, drift, diffusion, dt):
        return x + dt[:, None] * (drift + diffusion[:, None] * torch.randn_like(x))

    assert "with dt for √dt" in failure(with_dt, "sde.euler_maruyama_step")
