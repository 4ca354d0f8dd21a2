"""The autoencoders by themselves: shapes and dtypes, terms against oracles at the same noise, rows, gradients."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import genverify as gv
from genverify.oracles import gaussian, multivariate_gaussian
from genverify.reference.autoencoders.autoencoder import Autoencoder
from genverify.reference.autoencoders.conditional_vae import ConditionalVAE
from genverify.reference.autoencoders.full_covariance_vae import FullCovarianceVAE
from genverify.reference.autoencoders.likelihood import importance_weighted_bound, log_mean_exp, naive_log_likelihood
from genverify.reference.autoencoders.training import fit
from genverify.reference.autoencoders.traversal import latent_grid, latent_traversal
from genverify.reference.autoencoders.vae import VAE
from genverify.reference.autoencoders.vqvae import VQVAE

EPS = torch.finfo(torch.float64).eps
DATA, HIDDEN, LATENT = 5, 4, 3
CONDITION = torch.eye(2, dtype=torch.float64)[[0, 1, 1, 0]]


def made(make, *rest, **options):
    torch.manual_seed(0)
    return make(DATA, *rest, **options).double()


def rows(number=4, seed=1):
    return torch.rand(number, DATA, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).round()


def again(compute, *arguments):
    """The same draws every time."""
    torch.manual_seed(2)
    return compute(*arguments)


def close(found, want):
    return bool((found - want).abs().max() <= 256 * EPS * max(1.0, float(want.detach().abs().max())))


MODELS = {
    "bernoulli": lambda: (made(VAE, HIDDEN, LATENT), ()),
    "gaussian": lambda: (made(VAE, HIDDEN, LATENT, decoder="gaussian"), ()),
    "full covariance": lambda: (made(FullCovarianceVAE, HIDDEN, LATENT), ()),
    "conditional": lambda: (made(ConditionalVAE, 2, HIDDEN, LATENT), (CONDITION,)),
}
every_model = pytest.mark.parametrize("build", MODELS.values(), ids=list(MODELS))


@every_model
def test_the_loss_is_the_mean_of_the_rows_and_affine_in_beta(build):
    model, condition = build()
    log_likelihood, kl = again(model.terms, rows(), *condition)
    assert log_likelihood.shape == kl.shape == (4,)
    assert close(again(model.elbo, rows(), *condition), log_likelihood - kl)
    for beta in (0.0, 1.0, 4.0):
        loss = again(lambda b: model.loss(rows(), *condition, beta=b), beta)
        assert close(loss, (beta * kl - log_likelihood).mean())


@every_model
def test_the_likelihood_is_that_of_torch(build):
    model, condition = build()
    decoded, *_ = again(model, rows(), *condition)
    log_likelihood, _ = again(model.terms, rows(), *condition)
    if getattr(model, "decoder_log_variance", None) is None:
        law = torch.distributions.Bernoulli(logits=decoded)
    else:
        law = torch.distributions.Normal(decoded, torch.exp(model.decoder_log_variance / 2))
    assert close(log_likelihood, law.log_prob(rows()).sum(-1))


@every_model
def test_the_kl_term_is_that_of_the_oracles(build):
    model, condition = build()
    _, kl = again(model.terms, rows(), *condition)
    mean, spread = model.encode(rows(), *condition)
    if isinstance(model, FullCovarianceVAE):
        zero, one = torch.zeros(LATENT, dtype=mean.dtype), torch.eye(LATENT, dtype=mean.dtype)
        want = [multivariate_gaussian.mvn_kl(m, f @ f.mT, zero, one) for m, f in zip(mean, spread, strict=True)]
        assert close(kl, torch.stack(want))
    else:
        zero = torch.zeros_like(mean)
        want = gaussian.kl_divergence(mean, torch.exp(spread / 2), zero, zero + 1)
        assert close(kl, want.sum(-1))


@every_model
def test_a_row_depends_on_itself_alone(build):
    model, condition = build()
    before = again(model.elbo, rows(), *condition)
    changed = rows()
    changed[2] = 1 - changed[2]
    after = again(model.elbo, changed, *condition)
    assert (before != after).tolist() == [False, False, True, False]
    one = [c[:1] for c in condition]
    assert again(model.elbo, rows()[:1], *one).shape == (1,)


@every_model
def test_every_parameter_gets_a_gradient(build):
    model, condition = build()
    model.loss(rows(), *condition).backward()
    assert all(p.grad is not None and bool((p.grad != 0).any()) for p in model.parameters())


@every_model
def test_weights_are_of_the_joint_density_over_the_posterior(build):
    """At the same draws."""
    model, condition = build()
    weights = again(lambda: model.log_weights(rows(), *condition, draws=6))
    assert weights.shape == (6, 4)
    mean, spread = (one.expand(6, *one.shape) for one in model.encode(rows(), *condition))
    z = again(model.reparameterise, mean, spread)
    if isinstance(model, FullCovarianceVAE):
        q = torch.distributions.MultivariateNormal(mean, scale_tril=spread).log_prob(z)
    else:
        q = torch.distributions.Normal(mean, torch.exp(spread / 2)).log_prob(z).sum(-1)
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(-1)
    assert close(weights, model.log_likelihood(rows(), z, *condition) + prior - q)


def test_a_full_covariance_reaches_its_draws():
    """Z − μ = L ε, with the draw that was made."""
    model, _ = MODELS["full covariance"]()
    mean, factor = model.encode(rows(1))
    z = again(model.reparameterise, mean, factor)
    torch.manual_seed(2)
    assert close((z - mean)[0], factor[0] @ torch.randn(1, LATENT, dtype=torch.float64)[0])
    assert bool((torch.diagonal(factor, dim1=-2, dim2=-1) > 0).all())
    assert torch.equal(torch.tril(factor), factor)


def test_the_condition_is_used_and_may_be_shared():
    model, (condition,) = MODELS["conditional"]()
    assert bool((again(model.elbo, rows(), condition) != again(model.elbo, rows(), 1 - condition)).all())
    z = torch.zeros(2, 4, LATENT, dtype=torch.float64)
    assert close(model.decode(z, condition[0])[1, 3], model.decode(z[0, 0], condition[0]))


def test_more_draws_never_fall_below_their_mean():
    """Jensen's inequality, at the very draws; with one draw they are equal."""
    model, _ = MODELS["bernoulli"]()
    weights = again(model.log_weights, rows(), 7)
    assert bool((again(importance_weighted_bound, model, rows(), 7) >= weights.mean(0)).all())
    assert close(log_mean_exp(weights[:1]), weights[0])


def test_estimates_of_a_model_that_ignores_its_latents_are_exact():
    """Where decoder and encoder see nothing each draw weighs the same: both estimates are log p(x)."""
    model, _ = MODELS["bernoulli"]()
    with torch.no_grad():
        for layer in (model.decoder[0], model.encoder_mean, model.encoder_log_variance):
            layer.weight.zero_()
            layer.bias.zero_()
        exact = model.log_likelihood(rows(), torch.zeros(4, LATENT, dtype=torch.float64))
        assert close(naive_log_likelihood(model, rows(), 5), exact)
        assert close(importance_weighted_bound(model, rows(), 5), exact)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtypes_are_kept(dtype):
    x = rows().to(dtype)
    for build in MODELS.values():
        model, condition = build()
        model = model.to(dtype)
        given = [one.to(dtype) for one in condition]
        drawn = model.sample(*given) if given else model.sample(4)
        assert {drawn.dtype, model.elbo(x, *given).dtype, model.loss(x, *given).dtype} == {dtype}
        assert drawn.shape == x.shape


def test_the_plain_autoencoder_draws_nothing():
    model = made(Autoencoder, HIDDEN, LATENT)
    assert torch.equal(model(rows()), model(rows()))
    assert close(model.loss(rows()), nn.functional.mse_loss(model(rows()), rows()) * DATA)


@pytest.mark.parametrize("decay", [None, 0.9])
def test_the_loss_of_the_vq_vae(decay):
    """Reconstruction, and the quantiser's terms, summed over a row; the encoder learns past the codes."""
    model = made(VQVAE, HIDDEN, positions=2, dim=3, codes=4, decay=decay).eval()
    z = model.encode(rows())
    assert z.shape == (4, 3, 2)
    e = model.quantizer.codebook[model.indices(rows())].movedim(-1, 1)
    assert close(((z - e) ** 2).sum(1), torch.cdist(z.mT, model.quantizer.codebook).square().amin(-1))
    likelihood = torch.distributions.Bernoulli(logits=model.decode(e)).log_prob(rows()).sum(-1)
    codes = (0.25 if decay else 1.25) * (z - e).square().sum((1, 2))
    assert close(model.loss(rows()), (codes - likelihood).mean())
    assert close(model.elbo(rows()), likelihood - 2 * math.log(4))
    model.loss(rows()).backward()
    assert all(p.grad is not None and bool((p.grad != 0).any()) for p in model.parameters())


def test_walks_and_grids():
    start = torch.tensor([1.0, 2.0, 3.0])
    walked = latent_traversal(start, 1, torch.tensor([5.0, 6.0]))
    assert walked.tolist() == [[1.0, 5.0, 3.0], [1.0, 6.0, 3.0]]
    assert start.tolist() == [1.0, 2.0, 3.0]
    grid = latent_grid(3)
    assert torch.equal(grid[4], torch.zeros(2))
    assert torch.equal(grid.flip(0), -grid)


def test_training_repeats_itself_and_learns():
    def run():
        torch.manual_seed(3)
        model = VAE(DATA, HIDDEN, LATENT)
        x = rows(16).float()
        return fit(lambda x, step: model.loss(x), model.parameters(), [x], steps=60, batch=8, rate=0.02)

    losses = run()
    assert losses == run()
    assert sum(losses[-10:]) < sum(losses[:10])


# ── Slips in the reference, as a stranger would have them, and one that is none ───────────────────────────────────────


class VarianceForDeviation(VAE):
    def reparameterise(self, mean, log_variance):
        return mean + torch.exp(log_variance) * torch.randn_like(mean)


class MeanForgottenInKL(VAE):
    def terms(self, x):
        log_likelihood, kl = super().terms(x)
        return log_likelihood, kl - 0.5 * self.encode(x)[0].square().sum(-1)


class Detached(VAE):
    def reparameterise(self, mean, log_variance):
        return mean + (torch.exp(0.5 * log_variance) * torch.randn_like(mean)).detach()


class FactorReadAsCovariance(FullCovarianceVAE):
    def reparameterise(self, mean, factor):
        return super().reparameterise(mean, factor @ factor.mT)


class TransposedFactor(FullCovarianceVAE):
    """Draws from N(μ, LᵀL), whose trace and determinant, and so whose KL from N(0, I), are those of N(μ, LLᵀ)."""

    def reparameterise(self, mean, factor):
        return super().reparameterise(mean, factor.mT)


def outcomes(model):
    torch.manual_seed(0)
    subject = gv.LatentVariableModel(model(4, 3, 2), event_shape=4, data="binary")
    checks = ["kl_term", "gradient", "pathwise"]
    report = gv.verify(subject, budget="quick", checks=[f"latent_variable_model.{name}" for name in checks])
    return {verdict.outcome for verdict in report}


@pytest.mark.parametrize("slip", [VarianceForDeviation, MeanForgottenInKL, Detached, FactorReadAsCovariance])
def test_a_slip_in_the_reference_is_found(slip):
    assert gv.Outcome.FAIL in outcomes(slip)


def test_what_only_looks_like_a_slip_is_spared():
    assert outcomes(TransposedFactor) <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}
