"""Reparameterisation: its derivatives and its law, and whether its gradient has the lower variance.

A draw from N(μ, σ²) is written as z = μ + σε, with ε free of parameters; then the gradient of E f(z) goes through f. It
is often said that this gradient has lower variance than the score function's. That is false, for smooth f as well:
the page shows by how much, and proves for which f it is true.

Sources: Kingma & Welling 2014, "Auto-encoding variational Bayes" (ICLR), section 2.4; Rezende, Mohamed & Wierstra 2014
(ICML); Mohamed, Rosca, Figurnov & Mnih 2020, "Monte Carlo gradient estimation in machine learning" (JMLR 21).
"""

from __future__ import annotations

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import estimator as topic
from genverify.noise import expectation
from genverify.oracles import estimators as oracle
from genverify.oracles import gaussian
from genverify.reference.estimators import reparameterisation, score_function
from genverify.subjects.estimator import GradientEstimator
from genverify.subjects.sampler import Sampler

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# z = μ + σε has ∂z/∂μ = 1, ∂z/∂σ = ε, mean μ and variance σ².


@proves("reparameterisation.derivatives")
def test_derivatives_and_moments_of_a_reparameterised_sample():
    """By the rules of differentiation, and by E ε = 0, E ε² = 1."""
    mu, sigma, epsilon = gaussian.reparameterised.symbols
    z = gaussian.reparameterised.expression
    assert sympy.diff(z, mu) == 1
    assert sympy.diff(z, sigma) == epsilon
    assert oracle.standard_expectation(z, epsilon) == mu
    assert sympy.expand(oracle.standard_expectation(z**2, epsilon) - mu**2) == sigma**2


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# z = μ + Lε has covariance L Lᵀ. A row vector of noise is multiplied by Lᵀ; multiplied by L it has LᵀL.


@proves("reparameterisation.covariance")
def test_covariance_of_an_affine_image():
    """E (z - μ)(z - μ)ᵀ, entry by entry, in two dimensions."""
    equation = topic.COVARIANCE.equation()
    assert (equation.lhs - equation.rhs).applyfunc(sympy.simplify) == sympy.zeros(2, 2)


# ── Claim, REFUTED ───────────────────────────────────────────────────────────────────────────────────────────────────
# "The reparameterised gradient has lower variance than the score-function gradient."
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# f(z) = sin 10z at μ = 0, σ = 1. The slope 10 cos 10z is large wherever the draw falls; the reward never exceeds 1.


@proves("reparameterisation.lower_variance")
def test_the_sine_refutes_it():
    """Both variances by SymPy, and by integrating our own code over its draws: 50 along the path, 1/2 by the score."""
    score, path = oracle.sine_variances(10.0, 1.0)
    assert (round(score, 12), round(path, 12)) == (0.5, 50.0)
    mean, std = torch.zeros(1, dtype=torch.float64), torch.ones(1, dtype=torch.float64)

    def wave(z):
        return torch.sin(10 * z).sum(-1)

    def noise():
        return torch.randn(1, 1, dtype=torch.float64)

    nodes = (140, 180, 220)  # squares of sin 10z swing twenty times in one unit of the noise
    by_score = expectation(lambda: score_function.normal(mean, std, wave, mean + std * noise())[0], nodes=nodes)

    def along_the_path():
        leaf = mean.clone().requires_grad_()
        return torch.autograd.grad(reparameterisation.pathwise_loss(leaf, std, wave, noise()), leaf)[0]

    by_path = expectation(along_the_path, nodes=nodes)
    for found, exact in ((by_score, score), (by_path, path)):
        assert found.converged
        assert abs(float(found.variance) - exact) <= float(found.variance_error) + 1e-6 * exact
    assert by_path.variance > 99 * by_score.variance
    assert by_path.mean.abs() <= by_path.error + 1e-6 * by_path.variance.sqrt()  # the gradient itself: 10 exp(-50)


# ── Corrected claim ──────────────────────────────────────────────────────────────────────────────────────────────────
# For every quadratic f = az² + bz + c, and so for every linear one, and for every μ and σ > 0,
#
#     Var score - Var path = (f(μ)/σ + 3aσ)² + 2a²σ² + 2f'(μ)² ≥ 0.
#
# A linear f has no variance at all along the path.


@proves("reparameterisation.lower_variance")
def test_for_quadratics_it_is_true():
    """The gap is a sum of squares, for all symbols; the parts were integrated step by step in the oracle."""
    assert [one.title for one in oracle.quadratic_variances.steps] == ["Var of f(z) ε/σ", "Var of f'(z)"]
    equation = topic.LOWER_VARIANCE.equation()
    assert sympy.expand(equation.lhs - equation.rhs) == 0
    assert all(term.is_nonnegative for term in equation.rhs.args)
    a = oracle.quadratic_variances.symbols[0]
    assert oracle.quadratic_variances.expressions[1].subs(a, 0) == 0


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.estimators.reparameterisation`: the law of the draws, the gradient they carry, and its bias.


@proves("reparameterisation.covariance")
def test_the_reference_samplers_pass():
    """The joint law of all rows, and its derivatives along the draws."""
    subjects = (
        Sampler(reparameterisation.sample_diagonal, law="law.normal_diagonal", pathwise=True),
        Sampler(reparameterisation.sample_mvn, law="law.mvn", pathwise=True),
    )
    for subject in subjects:
        report = gv.verify(subject, budget="quick")
        report.raise_for_failures()
        assert report.count(gv.Outcome.PASS) == 4


@proves("reparameterisation.derivatives")
def test_the_reference_gradient_passes():
    """Unbiased for quadratics and sines, the draws integrated out."""
    subject = GradientEstimator(reparameterisation.pathwise_loss, like="target.gradient_normal")
    report = gv.verify(subject, budget="quick")
    report.raise_for_failures()
    assert report.count(gv.Outcome.PASS) == 3
