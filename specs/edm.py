"""Karras et al.'s design space: noise levels, a network at variance one, and the weight that makes levels equal.

A denoiser D(x, σ) gives the mean of the data behind a sample with noise of deviation σ. From it everything else
follows, if the network inside is asked at a scale at which it can work: scaled in front, behind and beside.

Source: Karras, Aittala, Aila & Laine 2022, "Elucidating the design space of diffusion-based generative models".
"""

from __future__ import annotations

import sympy

import genverify as gv
from genverify.claims import proves
from genverify.oracles import edm as oracle
from genverify.reference.diffusion import karras, preconditioning


def passes(f, like: str) -> bool:
    """Whether every check that applies says PASS."""
    outcomes = {v.outcome for v in gv.verify(gv.Formula(f, like=like), budget="quick")}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The levels are equally spaced in σ^(1/ρ).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The root is linear in p = i/(n − 1). As ρ → ∞, σ^(1/ρ) = 1 + (log σ)/ρ + …, and the power of the mean tends to
# σ_max^(1−p) σ_min^p.


@proves("edm.sigmas.equal_steps")
def test_the_roots_are_equally_spaced():
    """The steps of the derivation; ρ = 1, and the limit; the reference passes, and i/n is named."""
    assert [one.title for one in oracle.level.steps][-1] == "equal steps in the root"
    part, low, high, rho = oracle.level.symbols
    assert sympy.expand(oracle.level.expression.subs(rho, 1) - (high + part * (low - high))) == 0
    middle = oracle.level.expression.subs({part: sympy.Rational(1, 2), low: 1, high: 4})
    assert sympy.limit(middle, rho, sympy.oo) == 2
    assert passes(karras.sigmas, "edm.sigmas")

    def one_step_short(n, sigma_min, sigma_max, rho=7.0):
        return [(sigma_max ** (1 / rho) + i / n * (sigma_min ** (1 / rho) - sigma_max ** (1 / rho))) ** rho
                for i in range(n)] + [0.0]  # fmt: skip

    report = gv.verify(gv.Formula(one_step_short, like="edm.sigmas"), checks=["formula.dialect"], budget="quick")
    assert "i/n" in str(report.failures[0])


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Inputs and targets of the network have variance one at every level.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# x = y + n has the variance σ_d² + σ². The target ((1 − c_skip) y − c_skip n)/c_out has the variance
# ((1 − c_skip)² σ_d² + c_skip² σ²)/c_out²; set to one it gives c_out, a parabola in c_skip that is least at
# σ_d²/(σ² + σ_d²).


@proves("edm.preconditioning.unit_variance")
def test_inputs_and_targets_have_variance_one():
    """Each scaling's own derivation; together they are the reference's, which passes."""
    titles = [one.title for form in (oracle.c_in, oracle.c_skip, oracle.c_out) for one in form.steps]
    assert titles == ["inputs have variance one", "c_out is stationary there", "and least", "targets have variance one"]
    sigma, data = oracle.c_out.symbols
    skip = oracle.c_skip.expression.subs(dict(zip(oracle.c_skip.symbols, (sigma, data), strict=True)))
    least = (1 - skip) ** 2 * data**2 + skip**2 * sigma**2
    assert sympy.simplify(least - oracle.c_out.expression**2) == 0
    assert passes(preconditioning.preconditioned, "edm.preconditioning")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# λ = (σ² + σ_d²)/(σ σ_d)² makes all levels weigh the same.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# D − y = c_out (F − target), so λ ‖D − y‖² = λ c_out² ‖F − target‖². With (σ + σ_d)² for (σ σ_d)² the product is
# (σ σ_d)²/(σ + σ_d)², which grows with σ.


@proves("edm.loss_weight.even")
def test_the_weight_undoes_the_scaling():
    """The product; that of the other reading is monotone; both are told apart."""
    assert [one.title for one in oracle.loss_weight.steps] == ["as it is written", "every level weighs the same"]
    sigma, data = sympy.symbols("sigma sigma_d", positive=True)
    other = (sigma**2 + data**2) / (sigma + data) ** 2 * (sigma * data) ** 2 / (sigma**2 + data**2)
    slope = sympy.factor(sympy.diff(other, sigma))
    assert sympy.simplify(slope - 2 * data**3 * sigma / (sigma + data) ** 3) == 0
    assert passes(preconditioning.loss_weight, "edm.loss_weight")

    def as_alphafold_prints_it(sigma, sigma_data=0.5):
        return (sigma**2 + sigma_data**2) / (sigma + sigma_data) ** 2

    report = gv.verify(gv.Formula(as_alphafold_prints_it, like="edm.loss_weight"), budget="quick")
    assert "over the square of the sum" in str(report.failures[0])
