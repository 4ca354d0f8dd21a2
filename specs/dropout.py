"""Dropout: what it does to mean and variance, and the form that keeps both.

Source: Srivastava et al. 2014, "Dropout"; Klambauer, Unterthiner, Mayr & Hochreiter 2017, "Self-normalizing neural
networks".
"""

from __future__ import annotations

import math

import sympy
import torch
import torch.utils.checkpoint

import genverify as gv
from genverify.claims import proves
from genverify.formulas import dropout
from genverify.formulas.normalization_claims import BERNOULLI_MOMENTS
from genverify.numerics.rounding import gamma
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
# `genverify.reference.layers.dropout`. The masks of a call are enumerated, so that the law is compared exactly. What is
# dropped as a whole is a number, a channel or a row; what a mode of evaluation gives is part of the name; at p = 1
# nothing is left (1/(1 − p) has no value there); and the backward pass must have the mask of the forward pass.


@proves("dropout.bernoulli_moments")
def test_the_references_follow_their_laws():
    """In every form of the name, in both modes; and torch's own, at one rate."""
    names = ("bernoulli", "classical", "alpha", "channel", "channel_alpha", "path", "gaussian")
    torchs = gv.Sampler(torch.nn.Dropout(0.25), law="dropout.bernoulli")
    for subject in (*(getattr(dropout, name)() for name in names), torchs):
        gv.verify(subject, budget="quick").raise_for_failures()


@proves("dropout.bernoulli_moments")
def test_a_channel_and_a_row_have_the_moments_of_a_number_and_correlate():
    """E y = x and Var y = p x²/(1 − p) for each number; within a group the covariance is p x x'/(1 − p)."""
    x, p = torch.tensor([[[[1.0, -2.0]], [[3.0, 0.5]]]], dtype=torch.float64), 0.25
    for law, own in ((dropout.CHANNEL, 2), (dropout.PATH, 1), (dropout.GAUSSIAN, 4)):
        found = law.specification.oracle(x=x, p=p)
        flat, group = x.reshape(-1), torch.arange(x.numel()) // math.prod(x.shape[own:])
        together = (group[:, None] == group).to(torch.float64)
        assert torch.equal(found.mean, flat)
        covariance = together * p * torch.outer(flat, flat) / (1 - p)
        assert bool(((found.covariance - covariance).abs() <= gamma(8, torch.float64) * covariance.abs()).all())


@proves("dropout.bernoulli_moments")
def test_the_form_that_scales_in_evaluation_is_recognised_and_refuted():
    """The original form is another law under this name: it is told which."""
    subject = gv.Sampler(reference.classical_dropout, law="dropout.bernoulli")
    report = gv.verify(subject, budget="quick", checks=["sampler.law", "sampler.evaluation"])
    for verdict in report:
        assert verdict.outcome is gv.Outcome.FAIL
        assert "'dropout.classical'" in verdict.evidence.message


@proves("dropout.bernoulli_moments")
def test_a_mask_of_its_own_in_the_backward_pass_is_refuted():
    """Checkpointing that does not put the random state back recomputes with another mask."""

    def again(x, p=0.5):
        return torch.utils.checkpoint.checkpoint(
            torch.nn.functional.dropout, x, p, use_reentrant=False, preserve_rng_state=False
        )

    report = gv.verify(gv.Sampler(again, law="dropout.bernoulli"), budget="quick")
    outcomes = {verdict.check: verdict.outcome for verdict in report}
    assert outcomes["sampler.law"] is gv.Outcome.PASS
    assert outcomes["sampler.gradient"] is gv.Outcome.FAIL
