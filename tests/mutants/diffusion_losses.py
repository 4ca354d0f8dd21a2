"""Mutants of diffusion losses, of the weights of their terms, and of the ratio of signal to noise."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from tests.mutants.diffusion_schedules import marks
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
mutant, twin = marks(MUTANTS, TWINS)


@mutant("loss_simple")
def absolute(noise, noise_pred):
    """L1, which is another loss. Met as the default of an early lucidrains/denoising-diffusion-pytorch."""
    return F.l1_loss(noise_pred, noise)


@mutant("loss_simple")
def halved(noise, noise_pred):
    """½. Met where it is taken from score matching."""
    return 0.5 * F.mse_loss(noise_pred, noise)


@mutant("loss_simple")
def rooted(noise, noise_pred):
    """The norm, and not its square. Met as torch.norm(…).mean()."""
    return (noise_pred - noise).flatten(1).norm(dim=1).mean()


@mutant("loss_simple")
def mean_before_the_square(noise, noise_pred):
    """(mean (ε − ε_θ))². Met where .mean() slips into the bracket."""
    return (noise_pred - noise).mean() ** 2


@mutant("loss_simple", "gradient")
def detached(noise, noise_pred):
    """The prediction is detached in one factor: half of the gradient. Met in logging code that was reused."""
    return ((noise_pred - noise) * (noise_pred.detach() - noise)).mean()


@twin("loss_simple")
def per_sample(target, model_output):
    """For each image, over its axes by name, as for the weights of steps."""
    return F.mse_loss(model_output, target, reduction="none").mean(dim=(1, 2, 3))


@twin("loss_simple")
class DenoisingLoss(nn.Module):
    """A module, summed over the pixels and averaged over the batch."""

    def forward(self, predicted_noise, noise):
        return (noise - predicted_noise).pow(2).flatten(1).sum(1).mean()


def _terms(betas):
    ab = torch.cumprod(1 - betas, 0)
    prev = torch.cat((ab.new_ones(1), ab[:-1]))
    return ab, prev, betas * (1 - prev) / (1 - ab)


def _vlb(weight, noise, predicted, t):
    square = ((noise - predicted) ** 2).flatten(1).sum(1)
    return weight[t] * square


@mutant("vlb_term")
def without_a_half(noise, predicted, t, betas):
    """The ½ is lost. Met where ‖μ̃ − μ‖²/σ² is taken for the divergence."""
    ab, _, v = _terms(betas)
    return _vlb(betas**2 / (v * (1 - betas) * (1 - ab)), noise, predicted, t)


@mutant("vlb_term")
def rate_for_its_square(noise, predicted, t, betas):
    """β for β². Met in slides."""
    ab, _, v = _terms(betas)
    return _vlb(betas / (2 * v * (1 - betas) * (1 - ab)), noise, predicted, t)


@mutant("vlb_term")
def level_for_alpha(noise, predicted, t, betas):
    """ᾱ_t for α_t below. Met where both are called alpha."""
    ab, _, v = _terms(betas)
    return _vlb(betas**2 / (2 * v * ab * (1 - ab)), noise, predicted, t)


@mutant("vlb_term")
def deviation_below(noise, predicted, t, betas):
    """σ for σ² below. Met where sigma is the table's name."""
    ab, _, v = _terms(betas)
    return _vlb(betas**2 / (2 * v.sqrt() * (1 - betas) * (1 - ab)), noise, predicted, t)


@twin("vlb_term")
def by_ratios_of_signal_to_noise(noise, predicted, t, betas):
    """½ (SNR_{t−1} − SNR_t) ‖x_0 − x̂_0‖², in the variables of variational diffusion models."""
    ab, prev, _ = _terms(betas)
    prev = torch.where(prev == 1, prev / 2, prev)
    weight = (prev / (1 - prev) - ab / (1 - ab)) / 2 * (1 - ab) / ab
    return _vlb(weight, noise, predicted, t)


@twin("vlb_term")
def in_bits(noise, predicted, t, alphas_cumprod):
    """The divergence of two normal laws of variance β_t, in bits per dimension."""
    prev = F.pad(alphas_cumprod[:-1], (1, 0), value=1.0)
    alpha = alphas_cumprod / prev
    shift = (1 - alpha) / (alpha * (1 - alphas_cumprod)).sqrt()
    gap = (noise - predicted).flatten(1) ** 2
    kl = 0.5 * (shift**2 / (1 - alpha))[t].reshape(-1, 1) * gap
    return kl.mean(1) / math.log(2.0)


@mutant("snr")
def not_squared(alphas_cumprod):
    """√ᾱ/√(1 − ᾱ). Met where compute_snr's square is left out."""
    return (alphas_cumprod / (1 - alphas_cumprod)) ** 0.5


@mutant("snr")
def inverted(alphas_cumprod):
    """Noise to signal. Met where sigma² = (1 − ᾱ)/ᾱ is at hand."""
    return (1 - alphas_cumprod) / alphas_cumprod


@mutant("snr")
def logarithm(alphas_cumprod):
    """log SNR. Met where λ and SNR have one name."""
    return torch.log(alphas_cumprod) - torch.log1p(-alphas_cumprod)


@mutant("snr")
def of_one_step(betas):
    """α_t/β_t. Met where the rates are not cumulated."""
    return (1 - betas) / betas


@twin("snr")
def compute_snr(timesteps, alphas_cumprod):
    """The square of the quotient of both roots, as in huggingface/diffusers."""
    return ((alphas_cumprod**0.5)[timesteps] / ((1.0 - alphas_cumprod) ** 0.5)[timesteps]) ** 2


@twin("snr")
def by_the_inverse(alphas_cumprod):
    """1/(1 − ᾱ) − 1, as in TiankaiHang/Min-SNR-Diffusion-Training, in NumPy."""
    return 1.0 / (1 - np.asarray(alphas_cumprod)) - 1


@mutant("min_snr_weight")
def plus_one_inside(ab, gamma, prediction_type):
    """min(SNR + 1, γ)/(SNR + 1). Met in huggingface/diffusers#5654, fixed in #6307."""
    snr = ab / (1 - ab)
    if prediction_type == "v_prediction":
        return (snr + 1).clamp(max=gamma) / (snr + 1)
    return {"epsilon": snr.clamp(max=gamma) / snr, "sample": snr.clamp(max=gamma)}[prediction_type]


@mutant("min_snr_weight")
def velocity_as_noise(ab, gamma, prediction_type="epsilon"):
    """Divided by SNR for v as well. Met before huggingface/diffusers#5238."""
    snr = ab / (1 - ab)
    return snr.clamp(max=gamma) / (1 if prediction_type == "sample" else snr)


@mutant("min_snr_weight", "value")
def plus_one_on_the_weight(ab, gamma, prediction_type="epsilon"):
    """1 is added to the weight, and not to the ratio. Met in huggingface/diffusers, corrected in #5238."""
    snr = ab / (1 - ab)
    weight = snr.clamp(max=gamma) / snr
    return {"epsilon": weight, "sample": snr.clamp(max=gamma), "v_prediction": weight + 1}[prediction_type]


@mutant("min_snr_weight")
def maximum(snr, gamma=5.0):
    """max for min. Met as clamp(min=gamma)."""
    return snr.clamp(min=gamma) / snr


@mutant("min_snr_weight")
def not_divided_for_noise(snr, gamma=5.0):
    """min(SNR, γ) for a loss of ε. Met where the paper's equation for x_0 is copied."""
    return snr.clamp(max=gamma)


@twin("min_snr_weight")
def stacked(snr, snr_gamma=5.0):
    """As in huggingface/diffusers: the least of a stack."""
    return torch.stack([snr, snr_gamma * torch.ones_like(snr)], dim=1).min(dim=1)[0] / snr


@twin("min_snr_weight")
def by_objective(t, alphas_cumprod, objective="pred_noise", gamma=5):
    """In the words of lucidrains/denoising-diffusion-pytorch, of a table."""
    snr = alphas_cumprod / (1 - alphas_cumprod)
    clipped = snr.clone().clamp_(max=gamma)
    weight = {"pred_noise": clipped / snr, "pred_x0": clipped, "pred_v": clipped / (snr + 1)}[objective]
    return weight[t]


@mutant("p2_weight")
def not_inverted(alphas_cumprod, gamma=1.0, k=1.0):
    """(k + SNR)^γ. Met as a lost minus."""
    return (k + alphas_cumprod / (1 - alphas_cumprod)) ** gamma


@mutant("p2_weight")
def level_for_ratio(alphas_cumprod, gamma=1.0, k=1.0):
    """ᾱ for SNR. Met where the quotient is taken out of the bracket."""
    return (k + alphas_cumprod) ** -gamma


@mutant("p2_weight")
def k_outside(alphas_cumprod, gamma=1.0, k=1.0):
    """k + SNR^(−γ). Met by precedence."""
    return k + (alphas_cumprod / (1 - alphas_cumprod)) ** -gamma


@mutant("p2_weight")
def gamma_is_a_factor(alphas_cumprod, gamma=1.0, k=1.0):
    """1/(k + γ SNR): right at γ = 1, the default."""
    return 1 / (k + gamma * alphas_cumprod / (1 - alphas_cumprod))


@twin("p2_weight")
def of_tables(t, alphas_cumprod, p2_loss_weight_gamma=0.5, p2_loss_weight_k=1):
    """As in lucidrains/denoising-diffusion-pytorch."""
    return ((p2_loss_weight_k + alphas_cumprod / (1 - alphas_cumprod)) ** -p2_loss_weight_gamma)[t]


@twin("p2_weight")
def at_unit_k(alphas_cumprod, gamma=1.0):
    """At k = 1 it is (1 − ᾱ)^γ."""
    return (1 - alphas_cumprod) ** gamma
