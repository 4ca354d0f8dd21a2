"""Moments of a sample, and of two samples put together: what a running mean and variance must compute.

Sources: Bishop 2006, "Pattern recognition and machine learning"; Chan, Golub & LeVeque 1983, "Algorithms for computing
the sample variance" (The American Statistician 37).
"""

from __future__ import annotations

import pytest
import sympy

import genverify as gv
from genverify.claims import proves
from genverify.reference.likelihood import moments as reference

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# n s² = n_a s_a² + n_b s_b² + δ² n_a n_b/n.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Around the common mean m the squares of a sample are n_a s_a² + n_a (ā − m)², and m = ā + δ n_b/n.


@proves("moments.running.pooled")
def test_the_squares_of_two_samples_together():
    """From Σx = n x̄ and Σx² = n (s² + x̄²), for any counts."""
    na, nb, va, vb = sympy.symbols("n_a n_b v_a v_b", positive=True)
    a, b = sympy.symbols("a b", real=True)
    n = na + nb
    mean = (na * a + nb * b) / n
    variance = (na * (va + a**2) + nb * (vb + b**2)) / n - mean**2
    assert sympy.simplify(mean - (a + (b - a) * nb / n)) == 0
    assert sympy.simplify(variance - (na * va + nb * vb + (b - a) ** 2 * na * nb / n) / n) == 0


@proves("moments.running.pooled")
@pytest.mark.parametrize("name", ["mean", "variance", "covariance", "running"])
def test_the_references_pass(name):
    """Every check that applies to the reference says PASS."""
    outcomes = {v.outcome for v in gv.verify(gv.Formula(getattr(reference, name), like=f"moments.{name}"))}
    assert gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}
