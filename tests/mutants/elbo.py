"""Mutants of the bound and of the losses made of it, each with one named bug, and twins in unusual styles."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch.distributions import Bernoulli, Categorical, Independent, Normal, kl_divergence
from torch.nn import functional as F

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(like: str, killed_by: str = "dialect", **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong formula."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        make = lambda: Formula(f, like=like, **declared)  # noqa: E731
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function as a right one."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=like, **declared)  # noqa: E731
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=make))
        return f

    return declare


def kl(mu, logvar):
    """The divergence of each sample."""
    return -0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(-1)


def pair_kl(mu_q, logvar_q, mu_p, logvar_p):
    """The divergence of two diagonal normals, for each sample."""
    ratio = (logvar_q - logvar_p).exp() + (mu_q - mu_p) ** 2 / logvar_p.exp()
    return 0.5 * (ratio - 1 - logvar_q + logvar_p).sum(-1)


@mutant("elbo.bernoulli")
def mean_of_pixels(recon_x, x, mu, logvar):
    """A mean over pixels beside a sum over latents: β = D. Met: pytorch/examples#234, zdebruine/MMVAE#19."""
    return F.binary_cross_entropy(recon_x, x) + kl(mu, logvar).mean()


@mutant("elbo.bernoulli")
def divergence_per_pixel(recon_x, x, mu, logvar):
    """The divergence alone divided by the pixels. Met: pytorch/examples#290."""
    return F.binary_cross_entropy(recon_x, x, reduction="sum") + kl(mu, logvar).sum() / x[0].numel()


@mutant("elbo.bernoulli")
def mean_over_latents(logits, x, mu, logvar):
    """A mean over the latents. Met: mkusner/grammarVAE#2, podgorskiy/VAE#1."""
    likelihood = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
    return (likelihood - 0.5 * (1 + logvar - mu**2 - logvar.exp()).mean(-1)).mean()


@mutant("elbo.bernoulli")
def sigmoid_twice(logits, x, mu, logvar):
    """Logits through a sigmoid, and through that of the loss."""
    return F.binary_cross_entropy_with_logits(logits.sigmoid(), x, reduction="sum") + kl(mu, logvar).sum()


@mutant("elbo.bernoulli")
def one_sum_and_one_mean(recon_x, x, mu, logvar):
    """A sum over the batch beside a mean: β shrinks with the batch."""
    return F.binary_cross_entropy(recon_x, x, reduction="sum") + kl(mu, logvar).mean()


@mutant("elbo.bernoulli", "extremes")
def unguarded_logarithm(logits, x, mu, logvar):
    """log σ(l) in two steps: −∞ · 0 for a confident decoder."""
    p = torch.sigmoid(logits)
    likelihood = (x * p.log() + (1 - x) * (1 - p).log()).sum(-1)
    return (likelihood - kl(mu, logvar)).mean()


@mutant("elbo.gaussian")
def forgotten_log_scale(recon_x, x, mu, logvar, sigma=0.5):
    """The decoder's variance in the square and not in the normaliser: its best value is infinite."""
    return (((x - recon_x) ** 2).sum(-1) / (2 * sigma**2) + kl(mu, logvar)).mean()


@mutant("elbo.gaussian")
def forgotten_variance(x, x_mu, x_logvar, mu, logvar):
    """The decoder has a variance that the likelihood does not read, but for its logarithm."""
    return (0.5 * ((x - x_mu) ** 2 + x_logvar).sum(-1) + kl(mu, logvar)).mean()


@mutant("elbo.gaussian")
def mean_squared_error(recon_x, x, mu, logvar):
    """The tutorial's loss: a decoder of variance D/2."""
    return F.mse_loss(recon_x, x) + kl(mu, logvar).mean()


@mutant("elbo.gaussian")
def one_constant_for_all_latents(recon_x, x, mu, logvar):
    """½ subtracted once, and not for each latent. Met: ericjang/draw#6."""
    divergence = 0.5 * (mu**2 + logvar.exp() - logvar).sum(-1) - 0.5
    return (0.5 * ((x - recon_x) ** 2).sum(-1) + divergence).mean()


@mutant("elbo.gaussian")
def log_variance_for_log_scale(x, x_mu, x_logvar, mu, logvar):
    """log s² where log s belongs: the half is lost."""
    likelihood = -0.5 * (x - x_mu) ** 2 / x_logvar.exp() - x_logvar
    return (likelihood.sum(-1) - kl(mu, logvar)).mean()


@mutant("elbo.gaussian", "gradient")
def detached_scale(x, x_mu, x_logvar, mu, logvar):
    """The decoder's scale gets no gradient."""
    scale = x_logvar.detach()
    return (0.5 * ((x - x_mu) ** 2 / scale.exp() + scale).sum(-1) + kl(mu, logvar)).mean()


@mutant("elbo.categorical")
def mean_of_tokens(logits, targets, mu, logvar):
    """torch's default mean over all tokens beside a sum over latents."""
    return F.cross_entropy(logits.flatten(0, 1), targets.flatten()) + kl(mu, logvar).mean()


@mutant("elbo.monte_carlo")
def prior_not_read(log_px_z, log_pz, log_qz):
    """log p(z) is computed and left out."""
    return (log_px_z - log_qz).mean()


@mutant("elbo.monte_carlo")
def entropy_with_the_wrong_sign(log_px_z, log_pz, log_qz):
    """log q is added: the encoder's entropy is punished."""
    return (log_px_z + log_pz + log_qz).mean()


@mutant("elbo.hierarchical")
def top_layer_twice(log_px, mus_q, logvars_q, mus_p, logvars_p):
    """The index of the layer is lost: the top layer's divergence for each."""
    tops = [pair_kl(mus_q[0], logvars_q[0], mus_p[0], logvars_p[0]) for _ in mus_q]
    return (log_px - sum(tops)).mean()


@mutant("kl.hierarchical")
def mean_over_layers(mu_q, logvar_q, mu_p, logvar_p):
    """A mean over the layers."""
    return pair_kl(mu_q, logvar_q, mu_p, logvar_p).mean(0)


@mutant("kl.hierarchical")
def to_the_standard_normal(mus_q, logvars_q, mus_p, logvars_p):
    """Every layer against N(0, I): the conditional priors are not read."""
    return sum(kl(*one) for one in zip(mus_q, logvars_q, strict=True)).mean()


@mutant("kl.residual_normal")
def residual_of_the_square(delta_mu, delta_logvar, logvar):
    """Δμ² without the prior's variance."""
    return 0.5 * (delta_mu**2 + delta_logvar.exp() - 1 - delta_logvar).sum(-1)


@mutant("vae.beta_loss")
def minus_beta(recon_x, x, mu, logvar, beta):
    """The divergence rewarded. Met: the VAE-GAN post; mhw32/multimodal-vae-public#4."""
    return F.binary_cross_entropy(recon_x, x, reduction="sum") - beta * kl(mu, logvar).sum()


@mutant("vae.beta_loss")
def beta_on_the_wrong_term(logits, x, mu, logvar, beta):
    """β before the reconstruction."""
    likelihood = F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)
    return (beta * likelihood + kl(mu, logvar)).mean()


@mutant("vae.beta_loss", "value")
def capacity_without_the_modulus(recon_x, x, mu, logvar, gamma, C):
    """γ (KL − C): the capacity is a constant, and does nothing."""
    return (((recon_x - x) ** 2).sum(-1) + gamma * (kl(mu, logvar) - C)).mean()


@mutant("vae.conditional_loss")
def prior_of_the_condition_forgotten(recon_x, x, mu, logvar, prior_mu, prior_logvar):
    """KL to N(0, I), though the prior is learned."""
    return F.binary_cross_entropy(recon_x, x, reduction="none").sum(-1) + kl(mu, logvar)


@mutant("vae.conditional_loss")
def divergence_reversed(recon_x, x, mu_q, logvar_q, mu_p, logvar_p):
    """KL(prior ‖ posterior)."""
    return F.binary_cross_entropy(recon_x, x, reduction="none").sum(-1) + pair_kl(mu_p, logvar_p, mu_q, logvar_q)


@mutant("vae.conditional_loss", "gradient")
def frozen_prior(recon_x, x, mu_q, logvar_q, mu_p, logvar_p):
    """The prior network is never trained: its outputs are detached."""
    divergence = pair_kl(mu_q, logvar_q, mu_p.detach(), logvar_p.detach())
    return (F.binary_cross_entropy(recon_x, x, reduction="none").sum(-1) + divergence).mean()


@mutant("vae.product_of_experts")
def mixture_of_moments(mu, logvar):
    """Means and variances averaged, as of a mixture."""
    return mu.mean(0), logvar.exp().mean(0).log()


@mutant("vae.product_of_experts")
def weighted_by_variance(mu, logvar):
    """The widest expert counts most."""
    var = logvar.exp()
    return (mu * var).sum(0) / var.sum(0), -torch.logsumexp(-logvar, 0)


@mutant("vae.product_of_experts")
def weighted_by_inverse_scale(mu, logvar):
    """1/σ for the precision 1/σ²."""
    precision = torch.exp(-0.5 * logvar)
    return (mu * precision).sum(0) / precision.sum(0), -precision.sum(0).log()


# Twins: none of these may be accused.


@twin("elbo.bernoulli")
def the_example(recon_x, x, mu, logvar):
    """As in PyTorch's examples, summed over everything."""
    bce = F.binary_cross_entropy(recon_x, x, reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld


@twin("elbo.bernoulli")
def logits_under_a_plain_name(recon_x, x, mu, logvar):
    """A reconstruction that is a logit, which its name does not say; per sample."""
    return F.binary_cross_entropy_with_logits(recon_x, x, reduction="none").flatten(1).sum(1) + kl(mu, logvar)


@twin("elbo.bernoulli")
def images_only(x, x_hat, z_mu, z_logvar):
    """Sums over channels, rows and columns: takes no rows of pixels."""
    bce = F.binary_cross_entropy(x_hat, x, reduction="none").sum(dim=(1, 2, 3))
    return (bce + kl(z_mu, z_logvar)).mean(dim=0)


@twin("elbo.bernoulli")
def by_distributions(x, logits, mu, std):
    """torch.distributions throughout; to be made large."""
    prior = Independent(Normal(torch.zeros_like(mu), torch.ones_like(std)), 1)
    divergence = kl_divergence(Independent(Normal(mu, std), 1), prior)
    return (Independent(Bernoulli(logits=logits), 1).log_prob(x) - divergence).mean()


@twin("elbo.bernoulli")
def nats_per_dimension(x, probs, mu, logvar):
    """Both terms over the pixels: the mean of the likelihood is one of both."""
    return F.binary_cross_entropy(probs, x) + kl(mu, logvar).mean() / x.shape[-1]


@twin("elbo.gaussian")
def sum_of_squares(recon_x, x, mu, logvar):
    """No ½, no constants: the bound of a decoder of variance ½."""
    return F.mse_loss(recon_x, x, reduction="sum") + kl(mu, logvar).sum()


@twin("elbo.gaussian")
def one_learned_scale(x_hat, x, mu, logvar, log_scale):
    """A single log-scale for all pixels, as in Lightning's examples."""
    likelihood = Normal(x_hat, torch.exp(log_scale)).log_prob(x)
    return (kl(mu, logvar) - likelihood.flatten(1).sum(-1)).mean()


@twin("elbo.gaussian")
def a_number_for_sigma(recon_x, x, mu, logvar, sigma=0.5):
    """σ a Python number, its logarithm D times."""
    square = ((x - recon_x) ** 2).sum(-1) / (2 * sigma**2)
    return (square + x.shape[-1] * math.log(sigma) + kl(mu, logvar)).mean()


@twin("elbo.gaussian")
def by_torchs_loss(x_hat, x, mu, logvar, x_var):
    """torch's own Gaussian loss, which leaves ½ log 2π out."""
    return F.gaussian_nll_loss(x_hat, x, x_var, reduction="sum") + kl(mu, logvar).sum()


@twin("elbo.categorical")
def classes_second(x, logits, mu, logvar):
    """As torch's loss wants them."""
    return F.cross_entropy(logits, x, reduction="none").sum(-1) + kl(mu, logvar)


@twin("elbo.categorical")
def a_categorical_for_each_token(targets, logits, mu, logvar):
    """torch.distributions; per sample."""
    return Categorical(logits=logits).log_prob(targets).sum(-1) - kl(mu, logvar)


@twin("elbo.monte_carlo")
def one_draw_each(log_p_x_given_z, log_p_z, log_q_z_x):
    """One draw for each sample, a loss."""
    assert log_p_z.dim() == 1
    return -torch.mean(log_p_x_given_z - (log_q_z_x - log_p_z))


@twin("elbo.hierarchical")
def with_a_reconstruction_loss(recon_loss, mus_q, logvars_q, mus_p, logvars_p):
    """A loss for each sample, lists of layers."""
    layers = zip(mus_q, logvars_q, mus_p, logvars_p, strict=True)
    return (recon_loss + torch.stack([pair_kl(*layer) for layer in layers]).sum(0)).mean()


@twin("kl.hierarchical")
def stacked_layers(mu_q, std_q, mu_p, std_p):
    """All layers in one tensor."""
    return kl_divergence(Normal(mu_q, std_q), Normal(mu_p, std_p)).sum(dim=(0, -1))


@twin("kl.residual_normal")
def with_the_mean_that_does_not_enter(delta_mu, delta_log_var, mu, log_var):
    """The prior's mean is passed, as in GlassyWing/nvae."""
    var, delta_var = log_var.exp(), delta_log_var.exp()
    return (-0.5 * (1 + delta_log_var - delta_mu**2 / var - delta_var)).sum(1).mean(0)


@twin("vae.beta_loss")
def normalised_beta(recon, x, mu, logvar, beta=1.0):
    """Means of both terms: β is Higgins et al.'s β_norm. The two terms are returned as well."""
    reconstruction, divergence = F.mse_loss(recon, x), kl(mu, logvar).mean() / mu.shape[-1]
    return reconstruction + beta * divergence, reconstruction, divergence


@twin("vae.beta_loss")
def with_a_capacity(recon_x, x, mu, logvar, gamma, C):
    """Burgess et al.'s |KL − C| for each sample."""
    return F.binary_cross_entropy(recon_x, x, reduction="none").sum(-1) + gamma * (kl(mu, logvar) - C).abs()


@twin("vae.conditional_loss")
def recognition_and_prior(recon_x, x, recog_mu, recog_logvar, prior_mu, prior_logvar):
    """Named by networks; the divergence in the dialogue models' order."""
    kld = -0.5 * torch.sum(
        1 + (recog_logvar - prior_logvar) - (prior_mu - recog_mu) ** 2 / prior_logvar.exp()
        - recog_logvar.exp() / prior_logvar.exp(), 1
    )  # fmt: skip
    return (F.binary_cross_entropy(recon_x, x, reduction="none").sum(-1) + kld).mean()


@twin("vae.product_of_experts")
def guarded_precisions(mu, logvar, eps=1e-8):
    """As in Wu & Goodman's code: a guard in each variance."""
    precision = 1.0 / (logvar.exp() + eps)
    return (mu * precision).sum(0) / precision.sum(0), (1.0 / precision.sum(0)).log()


@twin("vae.product_of_experts")
def with_the_prior_inside(mu, logvar):
    """N(0, I) joins the experts; the variance is returned."""
    mu, logvar = (torch.cat((torch.zeros_like(one[:1]), one)) for one in (mu, logvar))
    variance = 1 / torch.exp(-logvar).sum(0)
    return (mu * torch.exp(-logvar)).sum(0) * variance, variance
