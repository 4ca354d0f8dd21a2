"""Rational-quadratic splines: elementwise flows through given knots.

Between two knots the map is a quotient of two quadratic polynomials. It increases whatever the positive slopes at the
knots are, it can be inverted by solving a quadratic equation, and its slope is known.

Sources: Gregory & Delbourgo 1982, "Piecewise rational quadratic interpolation to monotonic data" (IMA J. Numer. Anal.
2); Durkan, Bekasov, Murray & Papamakarios 2019, "Neural spline flows" (NeurIPS).
"""

from __future__ import annotations

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import flow_claims, flow_spline
from genverify.oracles import flow_spline as oracle
from genverify.reference.flows.rational_quadratic_spline import rational_quadratic_spline
from genverify.subjects.bijection import Bijection

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The slope of a piece.


@proves("flow.rational_quadratic_spline.slope")
def test_both_ways_of_writing_a_piece_agree():
    """The quotient of Gregory & Delbourgo is y₀ plus the fraction of Durkan et al."""
    made = oracle.piece()
    assert sympy.simplify(made["quotient"] - made["stated"]) == 0


@proves("flow.rational_quadratic_spline.slope")
def test_the_slope_of_a_piece():
    """dy/dx = (dy/dξ)/w, by differentiation; δ₀ and δ₁ at the ends."""
    made = oracle.piece()
    xi = made["xi"]
    assert sympy.simplify(sympy.diff(made["quotient"], xi) / made["width"] - made["slope"]) == 0
    equation = flow_claims.SPLINE.equation()
    assert sympy.simplify(equation.lhs.doit() - equation.rhs) == 0
    ends = [sympy.simplify(made["slope"].subs(xi, end)) for end in (0, 1)]
    assert [str(one) for one in ends] == ["delta_0", "delta_1"]


@proves("flow.rational_quadratic_spline.slope")
def test_the_slope_is_positive():
    """With ξ = p/(p + q) every term of numerator and denominator is positive."""
    made = oracle.piece()
    p, q = sympy.symbols("p q", positive=True)
    above, below = sympy.fraction(sympy.together(sympy.factor(made["slope"].subs(made["xi"], p / (p + q)))))
    for part in (above, below):
        expanded = sympy.expand(part)
        assert all(term.is_positive for term in sympy.Add.make_args(expanded))


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────


@proves("flow.rational_quadratic_spline.slope")
def test_the_reference_passes_every_check():
    """Increasing, inverse both ways, log-determinants of both; at varied parameters, and in the tails."""
    gv.verify(flow_spline.rational_quadratic_spline(), budget="quick").raise_for_failures()


@proves("flow.rational_quadratic_spline.slope")
def test_knots_that_are_not_sorted_make_no_bijection():
    """Where the knots are not in order the image has a gap: the inverse of what lies in it does not lead back."""
    knots = torch.tensor([[-1.0, 0.5, 0.0, 1.0]], dtype=torch.float64)
    levels, ones = torch.linspace(-1, 1, 4, dtype=torch.float64)[None], torch.ones_like(knots)

    def flow(x, inverse=False):
        return rational_quadratic_spline(x, knots.to(x), levels.to(x), ones.to(x), inverse=inverse)

    subject = Bijection(flow, inverse=lambda y: flow(y, inverse=True), event_shape=1, domain=(-1, 1), image=(-1, 1))
    (verdict,) = gv.verify(subject, checks=["bijection.round_trip_inverse"])
    assert verdict.outcome is gv.Outcome.FAIL
