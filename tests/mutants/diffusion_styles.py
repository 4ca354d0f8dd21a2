"""Diffusion in the styles of well-known repositories, written anew: objects, globals, NumPy tables, sequences."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F

from genverify.subjects.formula import Formula
from tests.mutants.diffusion_schedules import marks
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
mutant, twin = marks(MUTANTS, TWINS)


class Diffusion:
    """A plain object with its tables, as in dome272/Diffusion-Models-pytorch."""

    def __init__(self, noise_steps=1000, beta_start=1e-4, beta_end=0.02):
        self.noise_steps = noise_steps
        self.beta = torch.linspace(beta_start, beta_end, noise_steps)
        self.alpha = 1.0 - self.beta
        self.alpha_hat = torch.cumprod(self.alpha, dim=0)

    def noise_images(self, x, t):
        """The noised images, and the noise."""
        sqrt_alpha_hat = torch.sqrt(self.alpha_hat[t])[:, None, None, None]
        sqrt_one_minus_alpha_hat = torch.sqrt(1 - self.alpha_hat[t])[:, None, None, None]
        noise = torch.randn_like(x)
        return sqrt_alpha_hat * x + sqrt_one_minus_alpha_hat * noise, noise

    def reverse(self, x, t, predicted_noise):
        """One step of the sampler."""
        alpha = self.alpha[t][:, None, None, None]
        alpha_hat = self.alpha_hat[t][:, None, None, None]
        beta = self.beta[t][:, None, None, None]
        noise = torch.randn_like(x) * (t > 0).to(x.dtype)[:, None, None, None]
        return (
            1 / torch.sqrt(alpha) * (x - ((1 - alpha) / (torch.sqrt(1 - alpha_hat))) * predicted_noise)
            + torch.sqrt(beta) * noise
        )


class NoisedAtOnce(Diffusion):
    """The same with α for ᾱ in one place."""

    def noise_images(self, x, t):
        """The roots belong to different tables."""
        first = torch.sqrt(self.alpha_hat[t])[:, None, None, None]
        return first * x + torch.sqrt(1 - self.alpha[t])[:, None, None, None] * torch.randn_like(x)


TWINS += [
    Twin(
        name="diffusion.q_sample: noise_images",
        make=lambda: Formula(Diffusion().noise_images, like="diffusion.q_sample"),
    ),
    Twin(
        name="diffusion.ddpm_step: reverse",
        make=lambda: Formula(Diffusion().reverse, like="diffusion.ddpm_step"),
    ),
]
MUTANTS += [
    Mutant(
        name="diffusion.q_sample: one_root_of_one_step", killed_by="formula.dialect",
        make=lambda: Formula(NoisedAtOnce().noise_images, like="diffusion.q_sample"),
    ),
]  # fmt: skip


class NumpyTables:
    """NumPy tables read into float32, as in openai/guided-diffusion."""

    def __init__(self, betas):
        self.alphas_cumprod = np.cumprod(1.0 - betas, axis=0)
        self.sqrt_alphas_cumprod = np.sqrt(self.alphas_cumprod)
        self.sqrt_one_minus_alphas_cumprod = np.sqrt(1.0 - self.alphas_cumprod)
        self.sqrt_recip = np.sqrt(1.0 / self.alphas_cumprod)
        self.sqrt_recipm1 = np.sqrt(1.0 / self.alphas_cumprod - 1)

    @staticmethod
    def extract(arr, timesteps, broadcast_shape):
        """An entry for each sample, expanded."""
        res = torch.from_numpy(arr).to(device=timesteps.device)[timesteps].float()
        while len(res.shape) < len(broadcast_shape):
            res = res[..., None]
        return res.expand(broadcast_shape)

    def q_sample(self, x_start, t, noise=None):
        """The noised data."""
        if noise is None:
            noise = torch.randn_like(x_start)
        assert noise.shape == x_start.shape
        return (
            self.extract(self.sqrt_alphas_cumprod, t, x_start.shape) * x_start
            + self.extract(self.sqrt_one_minus_alphas_cumprod, t, x_start.shape) * noise
        )

    def predict_xstart_from_eps(self, x_t, t, eps):
        """The data."""
        return self.extract(self.sqrt_recip, t, x_t.shape) * x_t - self.extract(self.sqrt_recipm1, t, x_t.shape) * eps


def _numpy(method, like):
    tables = NumpyTables(np.linspace(1e-4, 0.02, 1000, dtype=np.float64))
    fixed = {"alphas_cumprod": torch.from_numpy(tables.alphas_cumprod)}
    return Formula(getattr(tables, method), like=f"diffusion.{like}", fixed=fixed)


TWINS += [
    Twin(name="diffusion.q_sample: numpy_tables", make=lambda: _numpy("q_sample", "q_sample")),
    Twin(name="diffusion.x0_from_eps: numpy_tables", make=lambda: _numpy("predict_xstart_from_eps", "x0_from_eps")),
]


@twin("q_sample")
def sequences(x0, t, alphas_bar, noise):
    """Sequences [batch, time, channel]."""
    a = alphas_bar[t].view(-1, 1, 1)
    return a.sqrt() * x0 + (1 - a).sqrt() * noise


@twin("q_sample")
def add_noise(original_samples, noise, timesteps, alphas_cumprod):
    """As in huggingface/diffusers: the table cast, the axes added in a loop."""
    alphas_cumprod = alphas_cumprod.to(dtype=original_samples.dtype)
    a, s = (alphas_cumprod[timesteps] ** 0.5).flatten(), ((1 - alphas_cumprod[timesteps]) ** 0.5).flatten()
    while len(a.shape) < len(original_samples.shape):
        a, s = a.unsqueeze(-1), s.unsqueeze(-1)
    return a * original_samples + s * noise


@twin("ddpm_step")
def of_diffusers(sample, timestep, model_output, alphas_cumprod, variance_noise=None):
    """One step of huggingface/diffusers' DDPM: x̂_0 clipped, the variance clamped, no noise at the last step."""
    t = timestep
    a = alphas_cumprod[t]
    p = alphas_cumprod[t - 1] if t > 0 else torch.ones_like(a)
    current_alpha = a / p
    x0 = ((sample - (1 - a) ** 0.5 * model_output) / a**0.5).clamp(-1, 1)
    mean = (p**0.5 * (1 - current_alpha)) / (1 - a) * x0 + current_alpha**0.5 * (1 - p) / (1 - a) * sample
    if t == 0:
        return mean
    variance = torch.clamp((1 - p) / (1 - a) * (1 - current_alpha), min=1e-20)
    drawn = torch.randn_like(sample) if variance_noise is None else variance_noise
    return mean + variance**0.5 * drawn


@twin("ddim_step")
def of_lucidrains(x, time, pred_noise, time_next, alphas_cumprod, eta=0.0):
    """x̂_0 clipped, as in lucidrains/denoising-diffusion-pytorch; at the end x̂_0 is the result."""
    alpha = alphas_cumprod[time]
    x_start = ((1 / alpha).sqrt() * x - (1 / alpha - 1).sqrt() * pred_noise).clamp(-1.0, 1.0)
    if time_next < 0:
        return x_start
    alpha_next = alphas_cumprod[time_next]
    sigma = eta * ((1 - alpha / alpha_next) * (1 - alpha_next) / (1 - alpha)).sqrt()
    c = (1 - alpha_next - sigma**2).sqrt()
    return x_start * alpha_next.sqrt() + c * pred_noise + sigma * torch.randn_like(x)


@twin("loss_simple")
def p_losses(model_out, target):
    """As in lucidrains/denoising-diffusion-pytorch: no reduction, then a mean for each sample, then of the batch."""
    loss = F.mse_loss(model_out, target, reduction="none")
    return loss.reshape(loss.shape[0], -1).mean(dim=1).mean()
