"""Mutants of diffusion schedules: rates, products of what they leave, deviations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
Mark = Callable[..., Callable[[Any], Any]]


def marks(mutants: list[Mutant], twins: list[Twin]) -> tuple[Mark, Mark]:
    """Two decorators that declare a function as a stranger would, and write it into these lists."""

    def mutant(like: str, killed_by: str = "dialect", **declared: Any) -> Callable[[Any], Any]:
        """A wrong implementation of the formula."""

        def declare(f: Any) -> Any:
            name, label = f"diffusion.{like}", f.__name__
            mutants.append(
                Mutant(
                    name=f"{name}: {label}",
                    make=lambda: Formula(f, like=name, **declared),
                    killed_by=f"formula.{killed_by}",
                )
            )
            return f

        return declare

    def twin(like: str, **declared: Any) -> Callable[[Any], Any]:
        """An unusual but correct one."""

        def declare(f: Any) -> Any:
            name, label = f"diffusion.{like}", f.__name__
            twins.append(Twin(name=f"{name}: {label}", make=lambda: Formula(f, like=name, **declared)))
            return f

        return declare

    return mutant, twin


mutant, twin = marks(MUTANTS, TWINS)


@mutant("linear_betas")
def last_point_left_out(timesteps, beta_start=1e-4, beta_end=0.02):
    """T + 1 points of which the last is dropped: β_T is never reached. Met with np.arange(T) / T."""
    return beta_start + (beta_end - beta_start) * torch.arange(timesteps, dtype=torch.float64) / timesteps


@mutant("linear_betas")
def roots_on_a_line(n_timestep, linear_start=1e-4, linear_end=2e-2):
    """The roots are on a line: what latent diffusion calls "linear", so that its DDPM is another one."""
    return torch.linspace(linear_start**0.5, linear_end**0.5, n_timestep, dtype=torch.float64) ** 2


@mutant("linear_betas")
def only_the_end_is_scaled(n_timestep, linear_start=1e-4, linear_end=2e-2):
    """1000/T scales β_T and not β_1. Met in NVlabs/I2SB#11."""
    return torch.linspace(linear_start, linear_end * 1000 / n_timestep, n_timestep, dtype=torch.float64)


@mutant("linear_betas")
def first_point_left_out(T, beta_1=1e-4, beta_T=0.02):
    """t/T for t = 1, …, T: β_1 is never taken. Met where t is counted from one and divided by T."""
    return beta_1 + (beta_T - beta_1) * torch.arange(1, T + 1, dtype=torch.float64) / T


@mutant("linear_betas")
def in_geometric_steps(steps, beta_start=1e-4, beta_end=0.02):
    """Equal ratios, not differences. Met where np.geomspace is taken for a line."""
    return torch.tensor(np.geomspace(beta_start, beta_end, steps))


@twin("linear_betas")
def scaled_to_a_thousand(num_diffusion_timesteps):
    """As in openai/improved-diffusion: the ends times 1000/T, in NumPy."""
    scale = 1000 / num_diffusion_timesteps
    return np.linspace(scale * 0.0001, scale * 0.02, num_diffusion_timesteps, dtype=np.float64)


@twin("linear_betas")
def single_precision(timesteps, beta_start=0.0001, beta_end=0.02):
    """A float32 table, as torch makes it by default."""
    return torch.linspace(beta_start, beta_end, timesteps)


@twin("linear_betas")
def as_a_list(T, b0=1e-4, bT=0.02):
    """A list of Python numbers."""
    return [((T - 1 - i) * b0 + i * bT) / (T - 1) for i in range(T)]


@mutant("alpha_bar")
def not_cumulated(betas):
    """α_t for ᾱ_t. Met in every first implementation."""
    return 1 - betas


@mutant("alpha_bar")
def product_of_rates(betas):
    """β is not taken from one. Met where alphas and betas are exchanged in the call."""
    return torch.cumprod(betas, 0)


@mutant("alpha_bar")
def summed(betas):
    """1 − Σ β, its first order. Met where cumsum is written for cumprod."""
    return 1 - torch.cumsum(betas, 0)


@mutant("alpha_bar")
def one_step_late(betas):
    """ᾱ_{t−1}: the product without the last factor. Met where a list is filled before it is multiplied."""
    kept, out = 1.0, []
    for beta in betas:
        out.append(torch.as_tensor(kept, dtype=betas.dtype))
        kept = kept * (1 - beta)
    return torch.stack(out)


@mutant("alpha_bar")
def exponent_of_rates(betas):
    """exp(−Σ β), which is the limit of small steps, for the product. Met where a VP-SDE's formula is copied."""
    return torch.exp(-torch.cumsum(betas, 0))


@twin("alpha_bar")
def by_logarithms(betas):
    """exp of the sum of log(1 − β)."""
    return torch.exp(torch.cumsum(torch.log1p(-betas), 0))


@twin("alpha_bar")
def one_in_front(betas):
    """With ᾱ_0 = 1 in front, of T + 1 entries."""
    return torch.cat([betas.new_ones(1), torch.cumprod(1 - betas, 0)])


@twin("alpha_bar")
def from_alphas(alphas):
    """Of α, in a loop over a list."""
    out = [alphas[0]]
    for a in alphas[1:]:
        out.append(out[-1] * a)
    return out


@mutant("alpha_bar_prev")
def padded_behind(alphas_cumprod):
    """F.pad(ᾱ[:-1], (0, 1)): the one stands behind. Met in lucidrains/denoising-diffusion-pytorch#18."""
    return torch.nn.functional.pad(alphas_cumprod[:-1], (0, 1), value=1.0)


@mutant("alpha_bar_prev")
def zero_in_front(alphas_cumprod):
    """0 for 1 in front. Met where F.pad is called without value."""
    return torch.nn.functional.pad(alphas_cumprod[:-1], (1, 0))


@mutant("alpha_bar_prev")
def own_first(alphas_cumprod):
    """ᾱ_1 twice. Met as alphas_cumprod[max(t − 1, 0)]."""
    return torch.cat((alphas_cumprod[:1], alphas_cumprod[:-1]))


@mutant("alpha_bar_prev")
def rolled(alphas_cumprod):
    """torch.roll brings the last to the front. Met as index t − 1, which is −1 at t = 0."""
    return torch.roll(alphas_cumprod, 1)


@mutant("alpha_bar_prev")
def moved_the_other_way(alphas_cumprod):
    """ᾱ_{t+1}, with zero behind: alphas_cumprod_next, of inversion. Met where the two are confused."""
    return torch.cat((alphas_cumprod[1:], alphas_cumprod.new_zeros(1)))


@twin("alpha_bar_prev")
def divided(betas):
    """ᾱ_t/α_t, from the rates."""
    return torch.cumprod(1 - betas, 0) / (1 - betas)


@twin("alpha_bar_prev")
def appended(alphas_cumprod):
    """np.append, as in openai/improved-diffusion."""
    return np.append(1.0, alphas_cumprod.numpy()[:-1])


@mutant("ve_sigmas")
def on_a_line(num_scales, sigma_min=0.01, sigma_max=50.0):
    """Equal differences. Met where linspace is written without its exponent."""
    return torch.linspace(sigma_min, sigma_max, num_scales, dtype=torch.float64)


@mutant("ve_sigmas")
def never_at_the_end(N, sigma_min=0.01, sigma_max=50.0):
    """i/N for (i − 1)/(N − 1). Met where continuous time is cut into N parts."""
    return sigma_min * (sigma_max / sigma_min) ** (torch.arange(N, dtype=torch.float64) / N)


@mutant("ve_sigmas")
def roots_of_the_ratio(N, sigma_min=0.01, sigma_max=50.0):
    """Variances in equal ratios between σ_min and σ_max, whose roots are returned. Met where σ² is called sigma."""
    return torch.sqrt(sigma_min * (sigma_max / sigma_min) ** (torch.arange(N, dtype=torch.float64) / (N - 1)))


@mutant("ve_sigmas")
def ratio_inverted(N, sigma_min=0.01, sigma_max=50.0):
    """Falls from σ_min on. Met where begin and end are exchanged in one place only."""
    return sigma_min * (sigma_min / sigma_max) ** (torch.arange(N, dtype=torch.float64) / (N - 1))


@twin("ve_sigmas", arguments={"num_classes_": "total"})
def by_exponentials(num_classes_, sigma_begin=50.0, sigma_end=0.01):
    """exp(linspace(log σ_1, log σ_L)), falling, as in ermongroup/ncsnv2."""
    return np.exp(np.linspace(np.log(sigma_begin), np.log(sigma_end), num_classes_))


@twin("ve_sigmas")
def single_precision_exponentials(N, sigma_min=0.01, sigma_max=50.0):
    """In float32, through logarithms, as in yang-song/score_sde_pytorch."""
    return torch.exp(torch.linspace(math.log(sigma_min), math.log(sigma_max), N))


def _rescaled(alphas_bar):
    root = alphas_bar.sqrt()
    return ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2


@mutant("zero_terminal_snr")
def not_scaled(betas):
    """Moved, and not scaled: the first step loses signal, too. Met where the algorithm's second line is left out."""
    root = torch.cumprod(1 - betas, 0).sqrt()
    kept = (root - root[-1]) ** 2
    return 1 - torch.cat([kept[:1], kept[1:] / kept[:-1]])


@mutant("zero_terminal_snr")
def levels_moved(betas):
    """ᾱ for √ᾱ. Met where the square at the end is forgotten together with the root."""
    ab = torch.cumprod(1 - betas, 0)
    kept = (ab - ab[-1]) * ab[0] / (ab[0] - ab[-1])
    return 1 - torch.cat([kept[:1], kept[1:] / kept[:-1]])


@mutant("zero_terminal_snr")
def not_squared_again(betas):
    """The square at the end is forgotten. Met in ports of the algorithm."""
    root = torch.cumprod(1 - betas, 0).sqrt()
    root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    return 1 - torch.cat([root[:1], root[1:] / root[:-1]])


@mutant("zero_terminal_snr")
def scaled_by_the_moved(betas):
    """In place: the first entry is read after it has moved, the scale is one. Met where .clone() is left out."""
    root = torch.cumprod(1 - betas, 0).sqrt()
    first, last = root[:1], root[-1].clone()
    root -= last
    root *= first / (first + last - last)
    kept = root**2
    return 1 - torch.cat([kept[:1], kept[1:] / kept[:-1]])


@mutant("zero_terminal_snr")
def first_rate_lost(betas):
    """The first rate is made β_1 = 0, as if x_0 were in front. Met where F.pad puts the level itself there."""
    kept = _rescaled(torch.cumprod(1 - betas, 0))
    return 1 - torch.cat([torch.ones_like(kept[:1]), kept[1:] / kept[:-1]])


@twin("zero_terminal_snr")
def rescale_zero_terminal_snr(betas):
    """As in huggingface/diffusers, with copies of both ends and in place."""
    alphas_bar_sqrt = torch.cumprod(1.0 - betas, dim=0).sqrt()
    first, last = alphas_bar_sqrt[0].clone(), alphas_bar_sqrt[-1].clone()
    alphas_bar_sqrt -= last
    alphas_bar_sqrt *= first / (first - last)
    alphas_bar = alphas_bar_sqrt**2
    alphas = alphas_bar[1:] / alphas_bar[:-1]
    return 1 - torch.cat([alphas_bar[0:1], alphas])


@twin("zero_terminal_snr")
def of_levels(alphas_cumprod):
    """From ᾱ to ᾱ, as diffusers' later schedulers do it."""
    return _rescaled(alphas_cumprod)
