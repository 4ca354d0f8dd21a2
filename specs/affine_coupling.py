"""The affine coupling layer: a flow whose inverse and log-determinant cost nothing.

One part a of the event stays as it is; the other part b is scaled by exp s(a) and shifted by t(a). Whatever s and t
are, networks of any depth included, the layer can be inverted without inverting them, and its Jacobian is triangular.
This page proves both for applied functions s and t of which nothing is known, and judges the reference.

Source: Dinh, Sohl-Dickstein & Bengio 2017, "Density estimation using Real NVP" (ICLR), section 3.
"""

from __future__ import annotations

import pytest
import sympy

import genverify as gv
from genverify.claims import proves
from genverify.formulas import flow
from genverify.oracles import flow as oracle

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# log|det ∂y/∂x| = Σ_j s_j(a).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# ∂y_a/∂a = I and ∂y_a/∂b = 0, so that the Jacobian is block triangular; ∂y_b/∂b is diagonal with entries exp s_j(a).
# The derivatives of s and t stand in the remaining block alone, and do not enter the determinant.


@proves("affine_coupling.logabsdet")
@pytest.mark.parametrize(("kept", "changed"), [(1, 1), (1, 2), (2, 1), (2, 2)])
def test_logabsdet_is_the_sum_of_the_log_scales(kept, changed):
    """det J = exp Σ s, which is positive, so that log|det J| = Σ s."""
    jacobian, total = oracle.coupling_jacobian(kept, changed)
    assert jacobian[:kept, :kept] == sympy.eye(kept)
    assert jacobian[:kept, kept:].is_zero_matrix
    assert sympy.simplify(jacobian.det() - sympy.exp(total)) == 0
    assert sympy.exp(total).is_positive


@proves("affine_coupling.logabsdet")
def test_the_displayed_equation_holds():
    """The equation that is displayed for the claim is the one that SymPy confirms."""
    equation = flow.COUPLING_LOGABSDET.equation()
    assert sympy.simplify(equation.lhs.doit() - equation.rhs) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# b = (y_b − t(a)) exp(−s(a)).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Substitution; s and t are evaluated at a, which both directions have.


@proves("affine_coupling.inverse")
def test_the_inverse_needs_no_inverse_of_s_or_t():
    """Forward then inverse is the identity, for applied functions s and t."""
    equation = flow.COUPLING_INVERSE.equation()
    assert sympy.simplify(equation.lhs.doit() - equation.rhs) == 0
    # The other way round: inverse, then forward.
    a, y = sympy.symbols("a y", real=True)
    s, t = sympy.Function("s", real=True)(a), sympy.Function("t", real=True)(a)
    assert sympy.simplify((y - t) * sympy.exp(-s) * sympy.exp(s) + t - y) == 0


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.flows.affine_coupling.AffineCoupling`: three features, of which the first stays.


@proves("affine_coupling.logabsdet")
def test_the_reference_layer_passes_every_check():
    """Both directions, log-determinant, triangular Jacobian, rows on their own; at varied parameters, too."""
    report = gv.verify(flow.coupling())
    report.raise_for_failures()
    passed = {v.check for v in report.verdicts if v.outcome is gv.Outcome.PASS}
    assert {"bijection.logabsdet", "bijection.inverse_logabsdet", "bijection.autoregressive"} <= passed


@proves("affine_coupling.normalised")
def test_the_density_of_the_reference_has_mass_one():
    """Two layers with a permutation between them, on standard normal noise: ∫ p = 1 by quadrature."""
    (verdict,) = gv.verify(flow.coupling_density(), checks=["density.integrates_to_one"]).verdicts
    assert verdict.outcome is gv.Outcome.PASS
    assert verdict.evidence.allowed < 1e-6
