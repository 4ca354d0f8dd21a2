"""Wild pairs of bounds and estimates of the likelihood: what people wrote, wrong and right."""

import math

import torch
import torch.nn.functional as F
from tests.wild.pair import Pair

from genverify.subjects.formula import Formula


def iwae_bound(log_w):
    """log_w (B, K) = log p(x,z_k) - log q(z_k|x); returns mean_b log (1/K) sum_k w."""
    return (torch.logsumexp(log_w, 1) - math.log(log_w.shape[1])).mean()


def iwae_unshifted(log_w):
    """WRONG in finite precision: log(mean(exp(log_w))).

    Source: xqding/Importance_Weighted_Autoencoders#2, #3 (train and test code differ in the shift).
    Symptom: -inf for realistic log weights (-90 per MNIST image in float32 underflows at -104).
    """
    return torch.log(torch.exp(log_w).mean(1)).mean()


def bits_per_dim(log_px, D, levels=256):
    """log_px: log density of data scaled to [0,1]; bits/dim of the integer data."""
    return -(log_px - D * math.log(levels)) / (D * math.log(2.0))


def bits_per_dim_no_scale(log_px, D, levels=256):
    """WRONG: forgets the Jacobian of dividing by 256.

    Source: MokkeMeguru/glow-realnvp-tutorial#2; cf. openai/glow#51.  Symptom: too small by log2(levels) =
    8 bits; no gradient error.
    """
    return -log_px / (D * math.log(2.0))


def vae_loss(x_hat, x, mean, log_var):
    """Sums over features, means over the batch, of both terms."""
    reconstruction = F.mse_loss(x_hat, x, reduction="sum") / x.shape[0]
    divergence = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp()) / x.shape[0]
    return reconstruction + divergence


def vae_loss_default_reduction(x_hat, x, mean, log_var):
    """WRONG: the squared error with torch's default mean, the divergence summed.

    Source: zdebruine/MMVAE#19.  Symptom: the divergence drops to 0 within a few epochs.
    """
    divergence = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
    return F.mse_loss(x_hat, x) + divergence


def molecule_loss(x, x_decoded, z_mean, z_log_var):
    """Summed cross-entropy, summed divergence, per sample."""
    entropy = F.binary_cross_entropy(x_decoded, x, reduction="none").sum(-1)
    return entropy - 0.5 * (1 + z_log_var - z_mean**2 - z_log_var.exp()).sum(-1)


def molecule_loss_mean_latent(x, x_decoded, z_mean, z_log_var):
    """WRONG: the mean over the latent dimension.

    Source: mkusner/grammarVAE#2 (and maxhodak/keras-molecules#59 before it).  Symptom: beta = 1/k; trains, and even
    better, as the divergence is pushed less.
    """
    entropy = F.binary_cross_entropy(x_decoded, x, reduction="none").sum(-1)
    return entropy - 0.5 * (1 + z_log_var - z_mean**2 - z_log_var.exp()).mean(-1)


def multimodal_elbo(recon, x, mu, logvar, annealing_factor=1.0):
    """The reconstruction loss plus the annealed divergence."""
    divergence = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)
    return torch.mean(F.binary_cross_entropy(recon, x, reduction="none").sum(1) + annealing_factor * divergence)


def multimodal_elbo_sign(recon, x, mu, logvar, annealing_factor=1.0):
    """WRONG: one negation too many, so that the divergence is rewarded.

    Source: the reading of the repository in mhw32/multimodal-vae-public#4.  Symptom: a divergence that is negative in
    the log and grows.
    """
    divergence = 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp(), dim=1)
    return torch.mean(F.binary_cross_entropy(recon, x, reduction="none").sum(1) + annealing_factor * divergence)


def draw_loss(recon_x, x, mu, sigma):
    """The divergence with its constant for each latent."""
    divergence = 0.5 * torch.sum(mu**2 + sigma**2 - 2 * torch.log(sigma) - 1, 1)
    return torch.mean(F.binary_cross_entropy(recon_x, x, reduction="none").sum(1) + divergence)


def draw_loss_one_constant(recon_x, x, mu, sigma):
    """WRONG: the constant one half is subtracted once, and not for each latent.

    Source: ericjang/draw#2, #6.  Symptom: no gradient error; the loss is too large by (k - 1)/2, and hides at k = 1.
    """
    divergence = 0.5 * torch.sum(mu**2 + sigma**2 - 2 * torch.log(sigma), 1) - 0.5
    return torch.mean(F.binary_cross_entropy(recon_x, x, reduction="none").sum(1) + divergence)


def pair(name, wrong, right, like):
    return Pair(name=name, wrong=lambda: Formula(wrong, like=like), right=lambda: Formula(right, like=like))


PAIRS = [
    pair("iwae_unshifted", iwae_unshifted, iwae_bound, "iwae.bound"),
    pair("flow_bits_per_dim", bits_per_dim_no_scale, bits_per_dim, "likelihood.bits_per_dimension"),
    pair("vae_default_reduction", vae_loss_default_reduction, vae_loss, "elbo.gaussian"),
    pair("vae_mean_over_latents", molecule_loss_mean_latent, molecule_loss, "elbo.bernoulli"),
    pair("vae_divergence_sign", multimodal_elbo_sign, multimodal_elbo, "vae.beta_loss"),
    pair("vae_one_constant", draw_loss_one_constant, draw_loss, "elbo.bernoulli"),
]
