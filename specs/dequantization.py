"""Dequantisation: what a density says of integers.

Images are integers, flows have densities. Noise on [0, 1) makes real numbers of integers, and the density of these
bounds the probability of those from below.

Sources: Theis, van den Oord & Bethge 2016, "A note on the evaluation of generative models" (ICLR); Ho, Chen, Srinivas,
Duan & Abbeel 2019, "Flow++" (ICML); Dinh, Sohl-Dickstein & Bengio 2017, "Density estimation using Real NVP" (ICLR).
"""

from __future__ import annotations

import math

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import dequantization, flow_density
from genverify.reference.flows.densities import multiscale_log_prob, standard_normal

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# E_u log p(x + u) ≤ log P(x).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Jensen's inequality for the concave logarithm. For a density c (1 + k (u − ½)) on the cell both sides are known.


@proves("dequantization.uniform.bound")
def test_uniform_noise_bounds_the_probability_from_below():
    """∫ log(1 + k (u − ½)) du < 0 = log ∫ (1 + k (u − ½)) du for 0 < k < 2; both vanish for k = 0."""
    u, k = sympy.symbols("u k", positive=True)
    mass = sympy.integrate(1 + k * (u - sympy.Rational(1, 2)), (u, 0, 1))
    assert sympy.simplify(mass) == 1
    high, low = 1 + k / 2, 1 - k / 2
    mean = (high * sympy.log(high) - low * sympy.log(low)) / k - 1
    # It is the integral: the antiderivative of log(1 + k (u − ½)) at both ends.
    inner = 1 + k * (u - sympy.Rational(1, 2))
    primitive = (inner * sympy.log(inner) - inner) / k
    assert sympy.simplify(sympy.diff(primitive, u) - sympy.log(inner)) == 0
    assert sympy.simplify(primitive.subs(u, 1) - primitive.subs(u, 0) - mean) == 0
    # ≤ 0: it begins at zero, and every term of its series in k is negative.
    assert sympy.limit(mean, k, 0) == 0
    series = sympy.series(mean, k, 0, 9).removeO()
    assert all(term.subs(k, 1) < 0 for term in sympy.Add.make_args(sympy.expand(series)))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# log P − E_q(log p − log q) = KL(q ‖ p/P).


@proves("dequantization.variational.bound")
def test_the_gap_of_variational_dequantisation_is_a_divergence():
    """For two values of the noise, with probabilities instead of densities."""
    p1, p2, q = sympy.symbols("p1 p2 q", positive=True)
    total = p1 + p2
    bound = q * (sympy.log(p1) - sympy.log(q)) + (1 - q) * (sympy.log(p2) - sympy.log(1 - q))
    divergence = q * (sympy.log(q) - sympy.log(p1) + sympy.log(total)) + (1 - q) * (
        sympy.log(1 - q) - sympy.log(p2) + sympy.log(total)
    )
    assert sympy.simplify(sympy.expand(sympy.log(total) - bound - divergence)) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Every scale counts.


@proves("flow.multiscale.density")
def test_factoring_out_is_a_bijection_of_all_numbers():
    """(x₁, x₂) ↦ (z₁, z₂) = (x₁, e^s x₂): the Jacobian of both numbers is e^s; with z₂ alone the mass is not one."""
    x1, x2, s = sympy.symbols("x1 x2 s", real=True)
    image = sympy.Matrix([x1, sympy.exp(s) * x2])
    assert image.jacobian([x1, x2]).det() == sympy.exp(s)
    normal = lambda z: sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi)  # noqa: E731
    both = sympy.integrate(normal(x1) * normal(sympy.exp(s) * x2) * sympy.exp(s), (x1, -sympy.oo, sympy.oo),
                           (x2, -sympy.oo, sympy.oo))  # fmt: skip
    assert sympy.simplify(both) == 1
    last = sympy.integrate(normal(sympy.exp(s) * x2) * sympy.exp(s), (x2, -sympy.oo, sympy.oo))
    # One over x₂ alone, so that over both numbers it is infinite.
    assert sympy.simplify(last) == 1


@proves("flow.multiscale.density")
def test_the_last_part_alone_rewards_what_is_hidden():
    """A part that is factored out and far away costs nothing if it is not counted."""
    parts = [torch.full((1, 2), 10.0), torch.zeros(1, 2)]
    hidden = standard_normal(parts[-1]) - multiscale_log_prob(parts, torch.zeros(1))
    assert abs(float(hidden) - (100.0 + math.log(2 * math.pi))) < 1e-3


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────


@proves("dequantization.uniform.bound")
@proves("dequantization.variational.bound")
@proves("flow.multiscale.density")
def test_the_references_follow_their_formulas():
    """Values, gradients, effects."""
    for make in (dequantization.uniform_dequantization, dequantization.variational_bound,
                 flow_density.multiscale_log_prob):  # fmt: skip
        gv.verify(make(), budget="quick").raise_for_failures()
