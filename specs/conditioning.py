"""Conditional normal laws: given a part of the vector, and given a noisy linear observation.

What the posterior of a linear-Gaussian model, a Kalman step, Gaussian process regression and probabilistic PCA have in
common. Two forms of the posterior look different, and are one: by the covariance of the data, or by precisions.

Sources: Bishop 2006, "Pattern Recognition and Machine Learning", section 2.3; Woodbury 1950, "Inverting modified
matrices"; Tipping & Bishop 1999, "Probabilistic principal component analysis" (JRSS B 61).
"""

from __future__ import annotations

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.reference.likelihood import conditioning as reference


def passes(subject: gv.Formula) -> bool:
    """Whether both results are the formula's, in one of its dialects."""
    outcomes = {v.outcome for v in gv.verify(subject, checks=["formula.dialect", "formula.value"], budget="quick")}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


def log_density(x, mean, covariance):
    """The exponent and the determinant of a normal log-density, twice and with the other sign, without log 2π."""
    gap = x - mean
    return (gap.T * covariance.inv() * gap)[0, 0], covariance.det()


def joint(a: int, b: int):
    """A vector of a + b coordinates with a symmetric matrix of symbols, and its blocks."""
    size = a + b
    matrix = sympy.Matrix(size, size, lambda i, j: sympy.Symbol(f"s{min(i, j)}{max(i, j)}"))
    x, mean = (sympy.Matrix(sympy.symbols(f"{name}0:{size}")) for name in "xm")
    return x, mean, matrix


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The conditional law is normal, with mean μ_a + Σ_ab Σ_bb⁻¹(x_b − μ_b) and covariance Σ_aa − Σ_ab Σ_bb⁻¹ Σ_ba.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The joint density over the marginal one: quadratic forms are subtracted, determinants divided.


@proves("gaussian.conditional.bayes")
@pytest.mark.parametrize(("a", "b"), [(1, 1), (2, 1), (1, 2)])
def test_the_joint_density_over_the_marginal(a, b):
    """Both parts, for all entries."""
    x, mean, matrix = joint(a, b)
    gain = matrix[:a, a:] * matrix[a:, a:].inv()
    centre = mean[:a, :] + gain * (x[a:, :] - mean[a:, :])
    covariance = matrix[:a, :a] - gain * matrix[a:, :a]
    whole, whole_det = log_density(x, mean, matrix)
    part, part_det = log_density(x[a:, :], mean[a:, :], matrix[a:, a:])
    given, given_det = log_density(x[:a, :], centre, covariance)
    assert sympy.simplify(whole_det - part_det * given_det) == 0
    assert sympy.cancel(sympy.together(whole - part - given)) == 0


@proves("gaussian.conditional.covariance")
@pytest.mark.parametrize(("a", "b"), [(1, 1), (2, 1)])
def test_the_covariance_is_a_block_of_the_precision_inverted(a, b):
    """Λ_aa⁻¹, free of x; what is taken off is a square."""
    x, _, matrix = joint(a, b)
    covariance = (matrix[:a, :a] - matrix[:a, a:] * matrix[a:, a:].inv() * matrix[a:, :a]).applyfunc(sympy.simplify)
    by_precision = matrix.inv()[:a, :a].inv().applyfunc(sympy.simplify)
    assert (covariance - by_precision).applyfunc(sympy.simplify) == sympy.zeros(a)
    assert not covariance.free_symbols & set(x)
    v = sympy.Matrix(sympy.symbols(f"v0:{a}", real=True))
    removed = (v.T * (matrix[:a, :a] - covariance) * v)[0, 0]
    assert sympy.simplify(removed - (v.T * matrix[:a, a:])[0, 0] ** 2 / matrix[a, a]) == 0


@proves("gaussian.conditional.bayes")
def test_the_reference_conditional():
    """As a stranger's would be; a Schur complement with the wrong sign is FAIL."""
    assert passes(gv.Formula(reference.conditional, like="gaussian.conditional"))

    def grown(mu_a, mu_b, S_aa, S_ab, S_bb, x_b):
        mean, covariance = reference.conditional(mu_a, mu_b, S_aa, S_ab, S_bb, x_b)
        return mean, 2 * S_aa - covariance

    (verdict,) = gv.verify(gv.Formula(grown, like="gaussian.conditional"), checks=["formula.dialect"])
    assert verdict.outcome is gv.Outcome.FAIL


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Wᵀ(WWᵀ + σ²I)⁻¹ = (WᵀW + σ²I)⁻¹Wᵀ, and I − Wᵀ(WWᵀ + σ²I)⁻¹W = (I + WᵀW/σ²)⁻¹.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# (WᵀW + σ²I)Wᵀ = Wᵀ(WWᵀ + σ²I): multiply by both inverses. The second by multiplying out.


@proves("gaussian.linear_posterior.push_through")
@pytest.mark.parametrize("latent", [1, 2])
def test_two_forms_of_the_posterior(latent):
    """All entries of W symbols, the inverses multiplied away."""
    w = sympy.Matrix(2, latent, sympy.symbols(f"w0:{2 * latent}"))
    s = sympy.Symbol("s", positive=True)
    large, small = w * w.T + s * sympy.eye(2), w.T * w + s * sympy.eye(latent)
    assert (small * w.T - w.T * large).expand() == sympy.zeros(latent, 2)
    posterior = sympy.eye(latent) - w.T * large.inv() * w
    assert ((sympy.eye(latent) + w.T * w / s) * posterior - sympy.eye(latent)).applyfunc(sympy.simplify) == sympy.zeros(
        latent
    )


@proves("gaussian.linear_posterior.push_through")
def test_the_reference_posterior():
    """It passes; and a draw of the model has exactly this conditional law, by the reference conditional."""
    assert passes(gv.Formula(reference.linear_posterior, like="gaussian.linear_posterior"))
    weight = torch.tensor([[1.0], [2.0]]).double()
    bias, variance, x = (
        torch.tensor([0.5, -0.5]).double(),
        torch.tensor(0.25).double(),
        torch.tensor([1.0, 2.0]).double(),
    )
    mean, covariance = reference.linear_posterior(x[None], weight, bias, variance)
    marginal = weight @ weight.T + variance * torch.eye(2).double()
    zero, one = torch.zeros(1).double(), torch.eye(1).double()
    other_mean, other = reference.conditional(zero, bias, one, weight.T, marginal, x)
    eps = torch.finfo(torch.float64).eps
    assert abs(float(mean[0] - other_mean)) <= 256 * eps
    assert abs(float(covariance - other)) <= 256 * eps
