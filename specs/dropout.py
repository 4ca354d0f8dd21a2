"""Dropout: what it does to mean and variance, and the form that keeps both.

Source: Srivastava et al. 2014, "Dropout"; Klambauer, Unterthiner, Mayr & Hochreiter 2017, "Self-normalizing neural
networks".
"""

from __future__ import annotations

import math

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import dropout
from genverify.formulas.normalization_claims import BERNOULLI_MOMENTS
from genverify.oracles import dropout as oracle
from genverify.reference.layers import dropout as reference

# ── Claims ───────────────────────────────────────────────────────────────────────────────────────────────────────────
# y = x m/(1 − p) with P(m = 0) = p: E y = x, Var y = p x²/(1 − p). And a (x m + α'(1 − m)) + b keeps mean 0 and
# variance 1 exactly when a = ±((1 − p)(1 + p α'²))^(−½) and b = −a p α'.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# m takes two values: both moments are sums of two terms. For random x of mean 0 and variance 1, independent of m,
# E z = p α' and E z² = (1 − p) + p α'² for z = x m + α'(1 − m), so Var z = (1 − p)(1 + p α'²).

_X, _P, _LOW = sympy.Symbol("x", real=True), sympy.Symbol("p", positive=True), sympy.Symbol("alpha", negative=True)


@proves("dropout.bernoulli_moments")
def test_the_mean_stays_and_the_variance_is_that():
    """Both outcomes of m, summed for symbols; the displayed equation is the second one."""
    kept = _X / (1 - _P)
    assert sympy.simplify((1 - _P) * kept + _P * 0 - _X) == 0
    assert BERNOULLI_MOMENTS.equation is not None
    shown = BERNOULLI_MOMENTS.equation()
    assert shown.lhs == (1 - _P) * kept**2 - _X**2
    assert sympy.simplify(shown.lhs - shown.rhs) == 0


@proves("dropout.alpha_moments")
def test_the_affine_map_of_alpha_dropout_is_the_only_one():
    """E z and Var z from the moments of x; then a E z + b = 0 and a² Var z = 1 are solved."""
    mean, second = _P * _LOW, (1 - _P) + _P * _LOW**2
    variance = sympy.expand(second - mean**2)
    assert sympy.simplify(variance - (1 - _P) * (1 + _P * _LOW**2)) == 0
    a, b = sympy.symbols("a b", real=True)
    assert sympy.solve(a * mean + b, b) == [-a * _P * _LOW]
    square = sympy.solve(a**2 * variance - 1, a**2)
    assert len(square) == 1
    assert sympy.simplify(square[0] * (1 - _P) * (1 + _P * _LOW**2) - 1) == 0


@proves("dropout.alpha_moments")
def test_the_constants_are_those_of_selus_fixed_point():
    """E SELU(z) = 0 and E SELU(z)² = 1 for z ~ N(0, 1), solved by SymPy to 30 digits, against oracle and reference."""
    z, slope = sympy.symbols("z alpha", positive=True)
    density = sympy.exp(-(z**2) / 2) / sympy.sqrt(2 * sympy.pi)
    above = [sympy.integrate(z**k * density, (z, 0, sympy.oo)) for k in (1, 2)]
    below = [sympy.integrate((sympy.exp(-z) - 1) ** k * density, (z, 0, sympy.oo)) for k in (1, 2)]
    (root,) = sympy.solve(above[0] + slope * below[0], slope)
    found = root.evalf(30) / sympy.sqrt((above[1] + root**2 * below[1]).evalf(30))
    assert abs(-float(found) - oracle.alpha_prime()) <= 4 * math.ulp(2.0)
    assert abs(reference.ALPHA_PRIME - oracle.alpha_prime()) <= 4 * math.ulp(2.0)


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.layers.dropout`. The masks of a call are enumerated, so that the law is compared exactly.


@proves("dropout.bernoulli_moments")
def test_the_references_follow_their_laws():
    """And torch's own, at one rate."""
    torchs = gv.Sampler(torch.nn.Dropout(0.25), law="dropout.bernoulli", at={"p": 0.25})
    for subject in (dropout.bernoulli(), dropout.alpha(), torchs):
        gv.verify(subject, budget="quick").raise_for_failures()


@proves("dropout.bernoulli_moments")
def test_a_mask_that_is_not_scaled_is_refuted():
    """The original form, which scales at test time instead: another law under this name."""

    def plain(x, p=0.5):
        return x * torch.bernoulli(torch.full_like(x, 1 - p))

    (verdict,) = gv.verify(gv.Sampler(plain, law="dropout.bernoulli"), budget="quick", checks=["sampler.law"])
    assert verdict.outcome is gv.Outcome.FAIL
