"""The Kullback–Leibler divergence between normal distributions: closed forms, direction, and what leaves it unchanged.

KL(p ‖ q) = E_p log p(X)/q(X) is the second term of every variational autoencoder. For normal distributions it has a
closed form, which people copy, and of which they lose a half, the direction, or the axis of the sum. This page derives
the closed form in one dimension by integration and in k dimensions by moments, proves that it is never negative, and
shows what the usual slips do.

Sources: Kullback & Leibler 1951, "On information and sufficiency" (Annals of Mathematical Statistics 22); Kingma &
Welling 2014, "Auto-encoding variational Bayes" (ICLR), appendix B; Doersch 2016, "Tutorial on variational autoencoders"
(arXiv 1606.05908), eqs. 6 and 7; CSDS 440 slides, "High dimensional generative models"; "ML papers one a week: VAE".
"""

from __future__ import annotations

import math

import pytest
import sympy
import torch
from torch.distributions import Normal

import genverify as gv
from genverify.claims import proves
from genverify.formulas import kl, kl_claims
from genverify.noise import expectation
from genverify.oracles import gaussian
from genverify.oracles.multivariate_gaussian import mvn_log_prob_2d
from genverify.oracles.normal_moments import normal_mean

X = gaussian.log_prob.symbols[0]
MU, SIGMA, NU, TAU = gaussian.kl_divergence.symbols
Z = sympy.Symbol("z", real=True)
K = sympy.Symbol("k", integer=True, positive=True)


def same(left, right):
    """Whether two expressions are equal, logarithms of products of positive symbols taken apart."""
    return sympy.simplify(sympy.expand_log(sympy.factor(left - right), force=True)) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# E f(X) = ∫ f(x) p(x) dx. One source has E[f(x)] = ∫ x f(x) dx in its place, which is false.
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# X ~ N(0, 1) and f(x) = exp(−x²): E f(X) = 1/√3 ≈ 0.577, while ∫ x f(x) dx = 0, the integrand being odd. The formula
# of the source is right for another reading: where f is itself the density of X, it is E X.
#
# ── Derivation of what holds ─────────────────────────────────────────────────────────────────────────────────────────
# Y = f(X) has some density p_Y, and E Y = ∫ y p_Y(y) dy by definition. For increasing f, p_Y(f(x)) f'(x) = p(x), and
# substituting y = f(x) gives ∫ f(x) p(x) dx: no density of Y is needed.


@proves("kl.expectation_formula")
def test_the_formula_of_the_source_is_false():
    """The counterexample, evaluated."""
    f, p = sympy.exp(-(X**2)), sympy.exp(-(X**2) / 2) / sympy.sqrt(2 * sympy.pi)
    truth = sympy.integrate(f * p, (X, -sympy.oo, sympy.oo))
    claimed = sympy.integrate(X * f, (X, -sympy.oo, sympy.oo))
    assert truth == 1 / sympy.sqrt(3)
    assert round(float(truth), 3) == 0.577
    assert claimed == 0
    shifted = sympy.exp(-((X - MU) ** 2) / 2) / sympy.sqrt(2 * sympy.pi)
    assert sympy.simplify(sympy.integrate(X * shifted, (X, -sympy.oo, sympy.oo))) == MU  # f a density: E X


@proves("kl.expectation_formula")
def test_what_holds_instead():
    """Substitution turns the one integral into the other; for f = exp and X ~ N(μ, σ²) both are exp(μ + σ²/2)."""
    equation = kl_claims.EXPECTATION.equation()
    x, y = sympy.symbols("x y", real=True)
    f, p = sympy.Function("f"), sympy.Function("p")
    substituted = equation.lhs.function.subs(y, f(x)) * sympy.Derivative(f(x), x)  # dy = f'(x) dx
    density = p(x) / sympy.Derivative(f(x), x)  # of Y at y = f(x), f increasing
    assert sympy.simplify(substituted.subs(sympy.Function("p_Y")(f(x)), density) - equation.rhs.function) == 0
    normal = sympy.exp(gaussian.log_prob.expression)
    by_law = sympy.Integral(sympy.exp(X) * normal, (X, -sympy.oo, sympy.oo)).transform(X, (MU + SIGMA * Z, Z)).doit()
    positive = sympy.Symbol("y", positive=True)
    pushed = normal.subs(X, sympy.log(positive)) / positive
    by_definition = sympy.Integral(positive * pushed, (positive, 0, sympy.oo))
    by_definition = by_definition.transform(positive, (sympy.exp(MU + SIGMA * Z), Z)).doit()
    assert sympy.simplify(by_law - sympy.exp(MU + SIGMA**2 / 2)) == 0
    assert sympy.simplify(by_definition - sympy.exp(MU + SIGMA**2 / 2)) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# KL(N(μ, σ²) ‖ N(ν, τ²)) = log τ/σ + (σ² + (μ − ν)²)/(2τ²) − ½.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The expectation is under the first argument: x = μ + σz. log p(x)/q(x) is a polynomial of degree 2 in z, and E z = 0,
# E z² = 1. The −½ is −½ E z²; its missing makes a divergence of ½ of a distribution from itself.


@proves("kl.normal.closed_form")
def test_the_divergence_in_one_dimension():
    """The defining integral, for symbolic μ, σ, ν, τ."""
    equation = kl_claims.NORMAL.equation()
    substituted = equation.lhs.transform(X, (MU + SIGMA * Z, Z))
    integral = sympy.integrate(sympy.expand(substituted.function), *substituted.limits)
    assert same(integral, equation.rhs)
    textbook = sympy.log(TAU / SIGMA) + (SIGMA**2 + (MU - NU) ** 2) / (2 * TAU**2) - sympy.Rational(1, 2)
    assert same(equation.rhs, textbook)
    assert sympy.simplify(equation.rhs.subs({NU: MU, TAU: SIGMA})) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Over independent coordinates the divergence adds up; with the standard normal prior it is
# ½ Σ_i (μ_i² + σ_i² − 1 − log σ_i²).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The logarithm of a product of ratios is a sum, and each summand depends on one coordinate, whose other factor
# integrates to one. A mean over coordinates in place of the sum is a KL term of weight 1/k.


@proves("kl.diagonal_normals.additive")
def test_the_divergence_of_products_is_a_sum():
    """E log p₁p₂/q₁q₂ over independent noise at two coordinates with parameters of their own, as a sum of two."""
    ratio = gaussian.log_prob.expression - gaussian.log_prob.expression.subs({MU: NU, SIGMA: TAU}, simultaneous=True)
    total, apart, noises = sympy.S.Zero, sympy.S.Zero, sympy.symbols("z1 z2", real=True)
    for index, noise in enumerate(noises):
        own = {s: sympy.Symbol(f"{s.name}{index}", **s.assumptions0) for s in (MU, SIGMA, NU, TAU)}
        total += ratio.subs(X, MU + SIGMA * noise).subs(own, simultaneous=True)
        apart += gaussian.kl_divergence.expression.subs(own, simultaneous=True)
    assert same(normal_mean(sympy.expand_log(total), *noises), apart)


@proves("kl.diagonal_to_standard_normal.closed_form")
def test_the_divergence_from_the_standard_normal():
    """The general closed form at ν = 0, τ = 1, summed over latents."""
    equation = kl_claims.DIAGONAL_TO_STANDARD.equation()
    term = equation.rhs.function
    written = {part: MU if part.base.name == "mu" else SIGMA for part in term.atoms(sympy.Indexed)}
    assert same(term.subs(written), gaussian.kl_divergence.expression.subs({NU: 0, TAU: 1}))
    assert same(term.subs(written), gaussian.kl_diagonal_to_standard.expression)  # what the oracle computes
    variance = sympy.Symbol("v", positive=True)
    at = term.subs(written).subs(SIGMA, sympy.sqrt(variance))
    assert sympy.solve(sympy.diff(at, variance), variance) == [1]  # least at σ = 1, where it is μ²/2
    assert sympy.simplify(at.subs(variance, 1) - MU**2 / 2) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# KL(N(μ₀, Σ₀) ‖ N(μ₁, Σ₁)) = ½ [tr Σ₁⁻¹Σ₀ + (μ₁ − μ₀)ᵀΣ₁⁻¹(μ₁ − μ₀) − k + log det Σ₁/det Σ₀].
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# x = μ₀ + L₀ε; the log-ratio is a polynomial of degree 2 in ε, E ε = 0 and E εεᵀ = I: the trace is E ‖L₁⁻¹L₀ε‖², and −k
# is −E ‖ε‖². At k = 2 every entry is a symbol: L₀ = [[a, 0], [b, c]], L₁ = [[p, 0], [q, r]].

A, B, C = mvn_log_prob_2d.symbols[4:]
P, R = sympy.symbols("p r", positive=True)
Q = sympy.Symbol("q", real=True)
M, N = (sympy.ImmutableMatrix(sympy.symbols(names, real=True)) for names in ("m1 m2", "n1 n2"))
L0, L1 = sympy.ImmutableMatrix([[A, 0], [B, C]]), sympy.ImmutableMatrix([[P, 0], [Q, R]])
NOISE = sympy.symbols("epsilon1 epsilon2", real=True)


def at_two(expression, first=(M, L0 * L0.T), second=(N, L1 * L1.T)):
    """A matrix expression at k = 2 with these means and covariances."""
    two = expression.subs(K, 2)
    written = {"mu_0": first[0], "Sigma_0": first[1], "mu_1": second[0], "Sigma_1": second[1]}
    return two.subs({s: written[s.name].as_immutable() for s in two.atoms(sympy.MatrixSymbol)}).doit()


@proves("kl.mvn.closed_form")
def test_the_divergence_in_two_dimensions():
    """E log p/q moment by moment, against the displayed matrix form."""
    equation = kl_claims.MVN.equation()
    x = M + L0 * sympy.Matrix(NOISE)
    log_density = mvn_log_prob_2d.expression
    x1, x2, m1, m2, *_ = mvn_log_prob_2d.symbols
    log_p = log_density.subs({x1: x[0], x2: x[1], m1: M[0], m2: M[1]}, simultaneous=True)
    log_q = log_density.subs(
        {x1: x[0], x2: x[1], m1: N[0], m2: N[1], A: P, B: Q, C: R}, simultaneous=True
    )  # fmt: skip
    assert same(normal_mean(sympy.expand_log(log_p - log_q), *NOISE), at_two(equation.rhs))


@proves("kl.mvn.to_standard_normal")
def test_the_second_term_of_the_slides():
    """½ [tr Σ + μᵀμ − k − log det Σ] is the same with μ₁ = 0, Σ₁ = I; a diagonal Σ gives the latent sum again."""
    general, special = kl_claims.MVN.equation(), kl_claims.MVN_TO_STANDARD.equation()
    prior = (sympy.zeros(2, 1), sympy.eye(2))
    assert same(at_two(general.rhs, second=prior), at_two(special.rhs))
    diagonal = sympy.diag(A**2, C**2)
    term = gaussian.kl_diagonal_to_standard.expression
    latents = sum(term.subs({MU: m, SIGMA: s}, simultaneous=True) for m, s in ((M[0], A), (M[1], C)))
    assert same(at_two(special.rhs, first=(M, diagonal)), latents)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# KL ≥ 0, and = 0 only between equal distributions.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# S = L₁⁻¹Σ₀L₁⁻ᵀ is symmetric positive definite, with eigenvalues λ_i > 0 that are those of Σ₁⁻¹Σ₀. Its trace is their
# sum and its determinant their product, so that KL = ½ Σ (λ_i − 1 − log λ_i) + ½ ‖w‖². And h(t) = t − 1 − log t has
# h(1) = 0, h'(1) = 0 and h'' = 1/t² > 0: it is positive but for t = 1. So KL = 0 needs all λ_i = 1, that is Σ₀ = Σ₁,
# and w = 0.


@proves("kl.mvn.nonnegative")
def test_the_divergence_is_a_sum_of_terms_that_are_not_negative():
    """The eigenvalue form against the matrix form at k = 2, and the scalar inequality."""
    equation = kl_claims.NONNEGATIVE.equation()
    small = equation.rhs.subs(K, 2).doit()
    eigenvalues = sympy.symbols("lambda1 lambda2", positive=True)
    whitened = L1.inv() * (N - M)
    written = {
        one: (eigenvalues if one.base.name == "lambda" else whitened)[one.indices[0] - 1]
        for one in small.atoms(sympy.Indexed)
    }
    symmetric = L1.inv() * L0 * (L1.inv() * L0).T
    # Σ λ = tr S and Π λ = det S; the eigenvalues enter the sum through these two alone.
    e1, e2 = eigenvalues
    rest = sympy.expand_log(small.subs(written), force=True) - (e1 + e2 - sympy.log(e1) - sympy.log(e2)) / 2
    assert not rest.free_symbols & set(eigenvalues)
    by_invariants = rest + (symmetric.trace() - sympy.log(sympy.factor(symmetric.det()))) / 2
    assert same(by_invariants, at_two(kl_claims.MVN.equation().rhs))
    assert symmetric == symmetric.T
    t = sympy.Symbol("t", positive=True)
    h = t - 1 - sympy.log(t)
    assert h.subs(t, 1) == 0
    assert sympy.solve(sympy.diff(h, t), t) == [1]
    assert sympy.diff(h, t, 2).is_positive


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# KL does not see a bijection that is applied to both distributions.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Densities of y = g(x) are p(x)/g'(x) and q(x)/g'(x): the ratio is p(x)/q(x), and the expectation is that of the same
# number. For affine maps the matrices show it: (AΣ₁Aᵀ)⁻¹AΣ₀Aᵀ = A⁻ᵀ(Σ₁⁻¹Σ₀)Aᵀ has the trace and determinant of Σ₁⁻¹Σ₀.


@proves("kl.bijection_invariance")
def test_a_bijection_cancels():
    """In the ratio for any increasing g, and in full for g = exp: two log-normal distributions."""
    p, q, g = (sympy.Function(name, positive=True) for name in "pqg")
    slope = sympy.Derivative(g(X), X)
    assert sympy.simplify((p(X) / slope) / (q(X) / slope) - p(X) / q(X)) == 0
    y = sympy.Symbol("y", positive=True)
    log_p = gaussian.log_prob.expression.subs(X, sympy.log(y)) - sympy.log(y)
    log_q = log_p.subs({MU: NU, SIGMA: TAU}, simultaneous=True)
    divergence = sympy.Integral(sympy.exp(log_p) * (log_p - log_q), (y, 0, sympy.oo))
    divergence = divergence.transform(y, (sympy.exp(MU + SIGMA * Z), Z))
    value = sympy.integrate(sympy.expand(sympy.simplify(divergence.function)), *divergence.limits)
    assert same(value, gaussian.kl_divergence.expression)


@proves("kl.mvn.affine_invariance")
def test_an_affine_map_cancels():
    """Trace, determinant and square after x ↦ Wx + b, for every invertible W at k = 2."""
    w, b = sympy.Matrix(2, 2, sympy.symbols("w1:5", real=True)), sympy.Matrix(sympy.symbols("b1 b2", real=True))
    first, second = L0 * L0.T, L1 * L1.T
    image = (w * second * w.T).inv()
    assert sympy.simplify((image * w * first * w.T).trace() - (second.inv() * first).trace()) == 0
    assert sympy.simplify((image * w * first * w.T).det() - (second.inv() * first).det()) == 0
    gap = (w * N + b) - (w * M + b)
    assert sympy.simplify((gap.T * image * gap)[0, 0] - ((N - M).T * second.inv() * (N - M))[0, 0]) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# KL has a direction. KL(N(0, 1) ‖ N(0, 4)) = log 2 − 3/8 ≈ 0.318, and the other way round 3/2 − log 2 ≈ 0.807.


@proves("kl.normal.asymmetric")
def test_the_direction_matters():
    """The difference of the two directions, its zero at equal variances, and the two numbers."""
    equation = kl_claims.ASYMMETRIC.equation()
    assert same(equation.lhs, equation.rhs)
    assert sympy.simplify(equation.rhs.subs(TAU, SIGMA)) == 0
    there = gaussian.kl_divergence.expression.subs({MU: 0, SIGMA: 1, NU: 0, TAU: 2})
    back = gaussian.kl_divergence.expression.subs({MU: 0, SIGMA: 2, NU: 0, TAU: 1})
    assert there == sympy.log(2) - sympy.Rational(3, 8)
    assert sympy.simplify(back - (sympy.Rational(3, 2) - sympy.log(2))) == 0
    assert (round(float(there), 3), round(float(back), 3)) == (0.318, 0.807)


# ── A second witness ─────────────────────────────────────────────────────────────────────────────────────────────────
# The estimate log p(z) − log q(z) at one draw z of p, as in a VAE without a closed form. Its draws are intercepted and
# integrated out by Gauss–Hermite nodes, so that what is compared with the closed form is an expectation, not a sample.


@proves("kl.normal.sampled")
@pytest.mark.parametrize(
    ("mu", "sigma", "nu", "tau"), [(0.0, 1.0, 0.0, 2.0), (1.5, 0.2, -0.5, 0.7), (-3.0, 4.0, 1.0, 2.0)]
)
def test_one_draw_is_unbiased(mu, sigma, nu, tau):
    """The exact expectation of the estimate is the divergence; drawn from the second it is minus the other one."""
    values = (torch.tensor(v, dtype=torch.float64) for v in (mu, sigma, nu, tau))
    m, s, n, t = values
    p, q = Normal(m, s), Normal(n, t)

    def estimate(law):
        z = law.rsample()
        return p.log_prob(z) - q.log_prob(z)

    for law, want in (
        (p, gaussian.kl_divergence(mu, sigma, nu, tau)),
        (q, -gaussian.kl_divergence(nu, tau, mu, sigma)),
    ):
        found = expectation(lambda law=law: estimate(law))
        assert found.converged, found.reason
        assert abs(found.mean.item() - want) <= found.error.item() + 64 * torch.finfo(torch.float64).eps * abs(want)


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.likelihood.kl`, four of them. A divergence with its arguments reversed is FAIL, and so is a sum
# over latents that became a mean, which is named.


@proves("kl.diagonal_to_standard_normal.closed_form")
@pytest.mark.parametrize("reference", [kl.diagonal_to_standard_normal, kl.diagonal_normals])
def test_the_diagonal_references_pass(reference):
    """Every check that applies to the reference says PASS."""
    outcomes = {v.outcome for v in gv.verify(reference(), budget="quick")}
    assert gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


@proves("kl.mvn.closed_form")
@pytest.mark.parametrize("reference", [kl.mvn_covariance, kl.mvn_cholesky])
def test_the_references_with_full_covariance_pass(reference):
    """Every check that applies to the reference says PASS."""
    outcomes = {v.outcome for v in gv.verify(reference(), budget="quick")}
    assert gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


@proves("kl.normal.asymmetric")
def test_reversed_arguments_fail():
    """torch's own divergence, the distributions in the wrong order."""

    def backwards(mu_q: torch.Tensor, std_q: torch.Tensor, mu_p: torch.Tensor, std_p: torch.Tensor) -> torch.Tensor:
        return torch.distributions.kl_divergence(Normal(mu_p, std_p), Normal(mu_q, std_q)).sum(-1)

    (verdict,) = gv.verify(gv.Formula(backwards, like="kl.diagonal_normals"), checks=["formula.dialect"])
    assert verdict.outcome is gv.Outcome.FAIL


@proves("kl.diagonal_normals.additive")
def test_a_mean_over_latents_fails():
    """The verdict says what it is: a weight of 1/k."""

    def averaged(mu: torch.Tensor, logvar: torch.Tensor) -> torch.Tensor:
        return 0.5 * (mu**2 + logvar.exp() - 1 - logvar).mean()

    (verdict,) = gv.verify(gv.Formula(averaged, like="kl.diagonal_to_standard_normal"), checks=["formula.dialect"])
    assert verdict.outcome is gv.Outcome.FAIL
    assert "β = 1/k" in verdict.evidence.message


@proves("kl.diagonal_to_standard_normal.tiny_std")
def test_the_log_variance_form_is_stable_where_the_variance_underflows():
    """KL + log σ → ½(μ² − 1) as σ → 0; in float32 σ² is 0 below 2.6e-23, and the divergence through it infinite."""
    value = gaussian.kl_diagonal_to_standard.expression
    assert sympy.limit(value + sympy.log(SIGMA), SIGMA, 0) == sympy.expand((MU**2 - 1) / 2)
    narrow = torch.finfo(torch.float32)
    edge = math.sqrt(narrow.smallest_normal * narrow.eps / 2)  # half the smallest subnormal rounds to 0
    assert f"{edge:.1e}" == "2.6e-23"
    std = torch.tensor([edge / 2, 2 * edge], dtype=torch.float32)
    assert bool(((std**2) == 0).tolist() == [True, False])
    through_variance = 0.5 * (std**2 - 1 - (std**2).log())
    assert through_variance.isinf().tolist() == [True, False]
    assert bool((0.5 * (torch.exp(2 * std.log()) - 1 - 2 * std.log())).isfinite().all())
    gv.verify(kl.diagonal_to_standard_normal(), checks=["formula.extremes"], budget="quick").raise_for_failures()
