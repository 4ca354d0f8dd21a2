"""The evidence lower bound: what it is, what it lacks, and what is sold under its name.

A VAE is trained on log p(x | z) − KL(q(z | x) ‖ p(z)) at one draw of z. This page derives that it is a bound, by how
much it falls short, that one draw is enough, and which of the losses in circulation are it.

Sources: Kingma & Welling 2014, "Auto-encoding variational Bayes"; Doersch 2016, "Tutorial on variational autoencoders";
Jordan et al. 1999, "An introduction to variational methods for graphical models"; CSDS440, "High dimensional generative
models"; the VAE-GAN post; Higgins et al. 2017, "β-VAE"; Burgess et al. 2018, "Understanding disentangling in β-VAE";
Sohn, Lee & Yan 2015, "Learning structured output representation using deep conditional generative models"; Cao & Fleet
2014, "Generalized product of experts"; Wu & Goodman 2018, "Multimodal generative models for scalable weakly-supervised
learning"; Sønderby et al. 2016, "Ladder variational autoencoders"; Vahdat & Kautz 2020, "NVAE"; Rybkin, Daniilidis &
Levine 2021, "Simple and effective VAE training with calibrated decoders".
"""

from __future__ import annotations

import math

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import elbo_claims as claims
from genverify.noise.expectation import expectation
from genverify.numerics.rounding import unit_roundoff
from genverify.oracles import density, gaussian, linear_gaussian
from genverify.oracles import elbo as oracle
from genverify.oracles import linear_gaussian_scalar as scalar
from genverify.reference.likelihood import elbo, hierarchical, vae
from genverify.reference.likelihood.linear_gaussian import LinearGaussianVAE

WIDE = torch.float64


def passes(f: object, like: str) -> bool:
    """Whether its values and gradients say PASS; the other checks run where all references are verified."""
    report = gv.verify(gv.Formula(f, like=like), checks=["formula.dialect", "formula.gradient"], budget="quick")
    outcomes = {v.outcome for v in report}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


def dialect_of(f: object, like: str) -> str:
    """What the check of dialects says of a function that fails."""
    (verdict,) = gv.verify(gv.Formula(f, like=like), checks=["formula.dialect"], budget="quick")
    assert verdict.outcome is gv.Outcome.FAIL
    return verdict.evidence.message


# ── The model: two outcomes of z ─────────────────────────────────────────────────────────────────────────────────────

Q, PRIOR, FIRST, SECOND = sympy.symbols("q pi a b", positive=True)  # q(1), p(1), p(x | 1), p(x | 0)
EVIDENCE = PRIOR * FIRST + (1 - PRIOR) * SECOND
POSTERIOR = PRIOR * FIRST / EVIDENCE


def divergence(p: sympy.Expr, q: sympy.Expr) -> sympy.Expr:
    """KL of two laws on two outcomes."""
    return p * (sympy.log(p) - sympy.log(q)) + (1 - p) * (sympy.log(1 - p) - sympy.log(1 - q))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# log p(x) − KL(q ‖ p(z | x)) = E_q log p(x | z) − KL(q ‖ p(z)).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# p(z | x) = p(x | z) p(z)/p(x), so that KL(q ‖ p(z | x)) = E_q [log q(z) − log p(x | z) − log p(z)] + log p(x);
# log p(x) does not depend on z, and E_q 1 = 1.


@proves("elbo.identity")
@pytest.mark.parametrize(
    ("reference", "like"),
    [(elbo.bernoulli, "elbo.bernoulli"), (elbo.gaussian, "elbo.gaussian"), (elbo.categorical, "elbo.categorical")],
)
def test_the_identity_of_the_bound(reference, like):
    """At two outcomes, term by term; the references pass."""
    likelihood = Q * sympy.log(FIRST) + (1 - Q) * sympy.log(SECOND)
    one, other = POSTERIOR, (1 - PRIOR) * SECOND / EVIDENCE
    assert sympy.simplify(one + other - 1) == 0
    logs = {1: sympy.log(PRIOR) + sympy.log(FIRST) - sympy.log(EVIDENCE)}
    logs[0] = sympy.log(1 - PRIOR) + sympy.log(SECOND) - sympy.log(EVIDENCE)
    gap = Q * (sympy.log(Q) - logs[1]) + (1 - Q) * (sympy.log(1 - Q) - logs[0])
    assert sympy.expand(sympy.log(EVIDENCE) - gap - (likelihood - divergence(Q, PRIOR))) == 0
    assert sympy.expand(sympy.expand_log(sympy.log(one), force=True) - logs[1]) == 0  # log p(z | x), as Bayes has it
    equation = claims.IDENTITY.equation()
    meaning = {
        r"\log p(x)": sympy.log(EVIDENCE), r"\operatorname{E}_q \log p(x \mid z)": likelihood,
        r"\mathrm{KL}\left(q \,\Vert\, p(z \mid x)\right)": gap,
        r"\mathrm{KL}\left(q \,\Vert\, p(z)\right)": divergence(Q, PRIOR),
    }  # fmt: skip
    displayed = (equation.lhs - equation.rhs).subs({one: meaning[one.name] for one in equation.free_symbols})
    assert sympy.expand(displayed) == 0
    assert passes(reference, like)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The bound is one: Jensen's inequality.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# log t ≤ t − 1, with equality at t = 1 alone: t − 1 − log t has slope 1 − 1/t, and least value 0 there. With
# t = w(z)/p(x), w = p(x, z)/q(z): E_q log w − log p(x) ≤ E_q w/p(x) − 1 = 0.


@proves("elbo.jensen")
def test_the_estimate_by_draws_alone_passes():
    """E_q log p(x, z)/q(z) at draws, without a divergence in closed form: the reference."""
    assert passes(elbo.monte_carlo, "elbo.monte_carlo")


@proves("elbo.jensen")
def test_the_bound_is_below_the_evidence():
    """The scalar inequality, and E_q w = p(x) at two outcomes; the gap at and beside the posterior."""
    t = sympy.Symbol("t", positive=True)
    h = t - 1 - sympy.log(t)
    assert sympy.solve(sympy.diff(h, t), t) == [1]
    assert h.subs(t, 1) == 0
    assert sympy.diff(h, t, 2).is_positive
    weights = PRIOR * FIRST / Q, (1 - PRIOR) * SECOND / (1 - Q)
    assert sympy.simplify(Q * weights[0] + (1 - Q) * weights[1] - EVIDENCE) == 0
    at = sympy.simplify(weights[0].subs(Q, POSTERIOR) - weights[1].subs(Q, POSTERIOR))
    assert at == 0  # at the posterior the weight is the same for both outcomes
    mean, std = scalar.posterior(1.0, 2.0, 0.5, 0.7)
    assert abs(scalar.gap(1.0, 2.0, 0.5, 0.7, mean, std)) < 16 * unit_roundoff(WIDE)
    assert scalar.gap(1.0, 2.0, 0.5, 0.7, mean + 0.1, std) > 0
    assert scalar.gap(1.0, 2.0, 0.5, 0.7, mean, 2 * std) > 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# One draw of z is enough.
#
# ── A second witness ─────────────────────────────────────────────────────────────────────────────────────────────────
# The reference VAE draws ε inside. Its draws are intercepted and integrated by Gauss–Hermite nodes: the expectation of
# the value and of the gradients that `backward` leaves is compared with the closed form of each.


def _laboratory() -> tuple[torch.Tensor, LinearGaussianVAE]:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(1)
        model = LinearGaussianVAE(3, 2).double()
        with torch.no_grad():
            model.log_noise.uniform_(-0.5, 0.3)
            model.factor.copy_(torch.tensor([[0.8, 0.0], [-0.4, 0.6]]))
        return torch.randn(1, 3, dtype=WIDE), model


def _exact(x: torch.Tensor, model: LinearGaussianVAE) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """The bound and its gradients in closed form, under the reference's names."""
    held = {name: one.detach() for name, one in model.named_parameters()}
    noise = held["log_noise"].exp()
    told = linear_gaussian.Model(weight=held["decoder.weight"], bias=held["decoder.bias"], noise=noise)
    encoder = linear_gaussian.Encoder(gain=held["encoder.weight"], offset=held["encoder.bias"], factor=held["factor"])
    slopes = linear_gaussian.elbo_gradients(x, told, encoder)
    return linear_gaussian.elbo(x, told, encoder).sum(), {
        "decoder.weight": slopes["weight"], "decoder.bias": slopes["bias"], "log_noise": slopes["noise"] * noise,
        "encoder.weight": slopes["gain"], "encoder.bias": slopes["offset"], "factor": slopes["factor"],
    }  # fmt: skip


def _of_one_draw(x: torch.Tensor, model: LinearGaussianVAE) -> dict[str, torch.Tensor]:
    """The expectation, over the draws, of the value and of each gradient."""

    def program() -> dict[str, torch.Tensor]:
        value = model.elbo(x).sum()
        names, values = zip(*model.named_parameters(), strict=True)
        return {"value": value.detach(), **dict(zip(names, torch.autograd.grad(value, values), strict=True))}

    found = expectation(program, max_evaluations=1000)
    assert found.converged, found.reason
    return found.mean


@proves("elbo.one_draw")
def test_one_draw_is_unbiased_for_both_networks():
    """Value and all gradients, of the decoder and of the encoder, from 2 normal draws integrated out."""
    x, model = _laboratory()
    value, slopes = _exact(x, model)
    mean = _of_one_draw(x, model)
    rounding = 4096 * unit_roundoff(WIDE)
    assert abs(float(mean["value"] - value)) <= rounding * abs(float(value))
    for name, slope in slopes.items():
        assert float((mean[name] - slope).abs().max()) <= rounding * max(1.0, float(slope.abs().max())), name


@proves("elbo.one_draw")
def test_a_detached_scale_is_biased():
    """With σε cut from the graph the encoder's scale misses the likelihood's pull, and nothing else changes."""

    class Detached(LinearGaussianVAE):
        def reparameterise(self, mean: torch.Tensor) -> torch.Tensor:
            return mean + (torch.randn_like(mean) @ self.factor.tril().mT).detach()

    x, model = _laboratory()
    _, slopes = _exact(x, model)
    wrong = Detached(3, 2).double()
    wrong.load_state_dict(model.state_dict())
    mean = _of_one_draw(x, wrong)
    gap = mean["factor"] - slopes["factor"]
    assert float(gap.abs().max()) > 0.1 * float(slopes["factor"].abs().max())
    assert float((mean["encoder.weight"] - slopes["encoder.weight"]).abs().max()) <= 4096 * unit_roundoff(WIDE) * 10


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The loss of a β-VAE has a plus: reconstruction + β KL.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# −ELBO = −E log p(x | z) + KL. Since KL ≥ 0, adding (β − 1) KL with β ≥ 1 keeps it above −ELBO ≥ −log p(x). With a
# minus, −E log p(x | z) − β KL has no lower bound: where the decoder ignores its input KL may grow as it likes.


@proves("vae.beta_loss.bound")
def test_the_loss_with_beta():
    """loss(β) − loss(1) = (β − 1) KL at one dimension; the reference passes."""
    beta = sympy.Symbol("beta", positive=True)
    value = scalar.elbo.expression
    mu, sigma = gaussian.kl_diagonal_to_standard.symbols
    *_, m, spread = scalar.elbo.symbols
    kl = gaussian.kl_diagonal_to_standard.expression.subs({mu: m, sigma: spread}, simultaneous=True)
    loss = -(value + kl) + beta * kl
    assert sympy.expand(loss - (-value) - (beta - 1) * kl) == 0
    assert passes(vae.beta_loss, "vae.beta_loss")


@proves("vae.beta_loss.minus")
def test_the_loss_with_a_minus_has_no_lower_bound():
    """At w = 0 and β = 1 by −½ m², for m = 10, 100, 1000; declared as a β loss it fails, and the verdict says why."""
    losses = []
    for m in (10.0, 100.0, 1000.0):
        kl = gaussian.kl_diagonal_to_standard(m, 1.0)
        reconstruction = -(scalar.elbo(0.0, 0.0, 0.0, 1.0, m, 1.0) + kl)
        assert abs(reconstruction - 0.5 * math.log(2 * math.pi)) <= 8 * unit_roundoff(WIDE) * (1 + kl)
        losses.append(reconstruction - kl)
    assert [round(one - losses[0]) for one in losses] == [0, -(10000 - 100) // 2, -(1000000 - 100) // 2]

    def as_stated(recon_x: torch.Tensor, x: torch.Tensor, mu: torch.Tensor, logvar: torch.Tensor, beta: float):
        kl = 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum()
        return torch.nn.functional.binary_cross_entropy(recon_x, x, reduction="sum") - beta * kl

    assert "rewarded" in dialect_of(as_stated, "vae.beta_loss")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The mean of the squared error over D pixels, plus KL, is the negative bound of a decoder with variance D/2.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Σ (x − x̂)²/D = Σ (x − x̂)²/(2v) where 2v = D. Times D/2 it is ½ Σ (x − x̂)² + (D/2) KL: unit variance with β = D/2.


@proves("elbo.gaussian.mean_reduced")
def test_the_mean_squared_error_has_another_variance():
    """The equation, the numbers at D = 4, and the verdict's words."""
    equation = claims.MEAN_REDUCED.equation()
    assert sympy.simplify(equation.lhs - equation.rhs) == 0
    ones = torch.ones(4, dtype=WIDE)
    unit = sum(oracle.normal(ones, 0 * ones, None, constant=False)).sum()
    half = sum(oracle.normal(ones, 0 * ones, None, constant=False, assumed_variance=2.0)).sum()
    assert (float((ones**2).mean()), float(-unit), float(-half)) == (1.0, 2.0, 1.0)

    def tutorial(recon_x: torch.Tensor, x: torch.Tensor, mu: torch.Tensor, logvar: torch.Tensor):
        kl = (-0.5 * (1 + logvar - mu**2 - logvar.exp())).sum(1)
        return ((recon_x - x) ** 2).mean() + kl.mean()

    assert "variance is D times as large" in dialect_of(tutorial, "elbo.gaussian")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# With a condition c everything is conditional on c, the prior included.


@proves("vae.conditional_loss.identity")
def test_the_conditional_bound():
    """With the prior p(z | c) in the place of p(z); N(0, I) beside another prior leaves KL(q‖p(z|c)) − KL(q‖N) over."""
    at_c = sympy.Symbol("pi_c", positive=True)
    evidence = EVIDENCE.subs(PRIOR, at_c)
    likelihood = Q * sympy.log(FIRST) + (1 - Q) * sympy.log(SECOND)
    logs = [sympy.log(at_c) + sympy.log(FIRST), sympy.log(1 - at_c) + sympy.log(SECOND)]
    gap = Q * (sympy.log(Q) - logs[0]) + (1 - Q) * (sympy.log(1 - Q) - logs[1]) + sympy.log(evidence)
    assert sympy.expand(sympy.log(evidence) - gap - (likelihood - divergence(Q, at_c))) == 0
    assert passes(vae.conditional_loss, "vae.conditional_loss")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# A product of normal densities is normal up to a factor: precisions add up.


@proves("vae.product_of_experts.closed_form")
def test_precisions_add_up():
    """The sum of two log-densities less that of the product is the same at every z; the reference passes."""
    z, m1, m2 = sympy.symbols("z m1 m2", real=True)
    s1, s2 = sympy.symbols("s1 s2", positive=True)
    x, mu, sigma = gaussian.log_prob.symbols
    total = 1 / s1**2 + 1 / s2**2
    experts = ((m1, s1), (m2, s2), ((m1 / s1**2 + m2 / s2**2) / total, 1 / sympy.sqrt(total)))
    first, second, product = (
        gaussian.log_prob.expression.subs({x: z, mu: m, sigma: s}, simultaneous=True) for m, s in experts
    )
    assert sympy.simplify(sympy.diff(first + second - product, z)) == 0
    shown = claims.EXPERTS.equation().rhs.subs(sympy.Symbol("M", integer=True, positive=True), 2).doit()
    given = {"T": (1 / s1**2, 1 / s2**2), "mu": (m1, m2)}
    values = {one: given[one.base.label.name][one.indices[0] - 1] for one in shown.atoms(sympy.Indexed)}
    assert len(values) == 4
    assert sympy.simplify(shown.subs(values) - experts[-1][0]) == 0
    assert passes(vae.product_of_experts, "vae.product_of_experts")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Over layers the divergences add up.


@proves("kl.hierarchical.chain_rule")
@pytest.mark.parametrize(
    ("reference", "like"),
    [
        (hierarchical.divergence, "kl.hierarchical"), (hierarchical.bound, "elbo.hierarchical"),
        (hierarchical.residual_normal, "kl.residual_normal"),
    ],
)  # fmt: skip
def test_divergences_of_layers_add_up(reference, like):
    """The joint law of two binary layers, four outcomes, against the two divergences; the references pass."""
    top, below0, below1 = sympy.symbols("q q0 q1", positive=True)
    prior, given0, given1 = sympy.symbols("p p0 p1", positive=True)
    joint, layers = sympy.S.Zero, divergence(top, prior)
    for above, ours, theirs, mine, yours in (
        (1, top, prior, below1, given1), (0, 1 - top, 1 - prior, below0, given0),
    ):  # fmt: skip
        layers += ours * divergence(mine, yours)
        for own, other in ((mine, yours), (1 - mine, 1 - yours)):
            logs = sympy.log(ours) + sympy.log(own) - sympy.log(theirs) - sympy.log(other)
            joint += ours * own * logs
        assert above in (0, 1)
    assert sympy.expand(joint - layers) == 0
    assert passes(reference, like)


# ── The oracle's terms are the closed forms ──────────────────────────────────────────────────────────────────────────


@proves("elbo.identity")
def test_the_terms_of_the_oracle():
    """Each hand-written sum of terms against the SymPy form of the same name, at a grid of points."""
    grid = torch.linspace(-3, 3, 7, dtype=WIDE)
    a, b = torch.meshgrid(grid, grid, indexing="ij")
    c, d = b.exp(), (0.5 * a - b).exp()
    pairs = (
        (oracle.bernoulli((a > 0).to(WIDE), b), density.bernoulli((a > 0).to(WIDE), b)),
        (oracle.normal(a, b, c), gaussian.log_prob(a, b, c)),
        (oracle.divergence(a, c), gaussian.kl_diagonal_to_standard(a, c)),
        (oracle.divergence_of_pair(a, c, b, d), gaussian.kl_divergence(a, c, b, d)),
    )
    for terms, closed in pairs:
        size = sum(term.abs() for term in terms)
        assert bool(((sum(terms) - closed).abs() <= 64 * unit_roundoff(WIDE) * size).all())
