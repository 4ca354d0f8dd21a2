"""Mutants of the cosine schedule: its rates, and what they leave."""

from __future__ import annotations

import math

import numpy as np
import torch

from tests.mutants.diffusion_schedules import marks
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
mutant, twin = marks(MUTANTS, TWINS)


@mutant("cosine_betas")
def not_squared(timesteps, s=0.008):
    """cos for cos². Met where f is read as the amplitude of the signal."""
    t = torch.linspace(0, timesteps, timesteps + 1, dtype=torch.float64)
    f = torch.cos((t / timesteps + s) / (1 + s) * math.pi / 2)
    return (1 - f[1:] / f[:-1]).clamp(max=0.999)


@mutant("cosine_betas")
def not_clipped(timesteps, s=0.008):
    """The last rate is 1: x_0 from ε is a division by zero. Met in homework; openai/guided-diffusion#42 asks why."""
    t = torch.linspace(0, timesteps, timesteps + 1, dtype=torch.float64)
    f = torch.cos((t / timesteps + s) / (1 + s) * math.pi / 2) ** 2
    return 1 - f[1:] / f[:-1]


@mutant("cosine_betas")
def grid_of_t_points(timesteps, s=0.008):
    """linspace(0, 1, T) has T − 1 steps; the first rate is then made up. Met where T + 1 points are forgotten."""
    f = torch.cos((torch.linspace(0, 1, timesteps, dtype=torch.float64) + s) / (1 + s) * math.pi / 2) ** 2
    ab = f / f[0]
    return (1 - ab / torch.cat((torch.ones(1, dtype=torch.float64), ab[:-1]))).clamp(1e-8, 0.999)


@mutant("cosine_betas")
def offset_not_divided(timesteps, s=0.008):
    """1 + s is forgotten below. Met where (t/T + s) π/2 is taken for the angle: it passes π/2."""
    t = torch.linspace(0, timesteps, timesteps + 1, dtype=torch.float64)
    f = torch.cos((t / timesteps + s) * math.pi / 2) ** 2
    return (1 - f[1:] / f[:-1]).clamp(max=0.999)


@mutant("cosine_betas")
def one_minus_the_level(timesteps, s=0.008):
    """1 − ᾱ for β. Met where the ratio of neighbours is forgotten."""
    t = torch.linspace(0, timesteps, timesteps + 1, dtype=torch.float64)
    f = torch.cos((t / timesteps + s) / (1 + s) * math.pi / 2) ** 2
    return (1 - f[1:] / f[0]).clamp(max=0.999)


@twin("cosine_betas")
def looks_like_a_longer_grid(timesteps, s=0.008):
    """linspace(0, T + 1, T + 1)/(T + 1) is i/T: lucidrains/denoising-diffusion-pytorch#19, a bug that is none."""
    steps = timesteps + 1
    x = torch.linspace(0, steps, steps)
    alphas_cumprod = torch.cos(((x / steps) + s) / (1 + s) * torch.pi * 0.5) ** 2
    alphas_cumprod = alphas_cumprod / alphas_cumprod[0]
    betas = 1 - (alphas_cumprod[1:] / alphas_cumprod[:-1])
    return torch.clip(betas, 0, 0.999)


@twin("cosine_betas")
def annotated(timesteps, s=0.008):
    """Clipped to [0.0001, 0.9999], in float32, as the annotated diffusion model has it."""
    x = torch.linspace(0, timesteps, timesteps + 1)
    f = torch.cos(((x / timesteps) + s) / (1 + s) * torch.pi * 0.5) ** 2
    f = f / f[0]
    return torch.clip(1 - (f[1:] / f[:-1]), 0.0001, 0.9999)


@twin("cosine_betas")
def betas_for_alpha_bar(num_diffusion_timesteps, max_beta=0.999):
    """By a function of time and a loop, as in openai/improved-diffusion: not divided by f(0), which cancels."""
    betas = []
    for i in range(num_diffusion_timesteps):
        t1, t2 = i / num_diffusion_timesteps, (i + 1) / num_diffusion_timesteps
        level = [math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2 for t in (t1, t2)]
        betas.append(min(1 - level[1] / level[0], max_beta))
    return np.array(betas)


@mutant("cosine_alpha_bar")
def from_the_data(T, s=0.008):
    """From t = 0: ᾱ = 1 comes first. Met in Project-MONAI/GenerativeModels#489, fixed in Project-MONAI/MONAI#8427."""
    f = torch.cos((torch.arange(T, dtype=torch.float64) / T + s) / (1 + s) * math.pi / 2) ** 2
    return f / math.cos(s / (1 + s) * math.pi / 2) ** 2


@mutant("cosine_alpha_bar")
def between_both_ends(T, s=0.008):
    """T points from 0 to 1, both included. Met wherever linspace(0, 1, T) is a schedule's time."""
    f = torch.cos((torch.linspace(0, 1, T, dtype=torch.float64) + s) / (1 + s) * math.pi / 2) ** 2
    return f / f[0]


@mutant("cosine_alpha_bar")
def level_not_squared(T, s=0.008):
    """The cosine itself: √ᾱ for ᾱ. Met where alpha is the amplitude in one file and the variance in another."""
    t = torch.arange(T + 1, dtype=torch.float64) / T
    f = torch.cos((t + s) / (1 + s) * math.pi / 2)
    return f[1:] / f[0]


@mutant("cosine_alpha_bar")
def without_an_offset(T, s=0.008):
    """The offset is taken and not used: β_1 is then nearly zero. Met as cos²(πt/2T)."""
    return torch.cos(torch.arange(1, T + 1, dtype=torch.float64) / T * math.pi / 2) ** 2


@mutant("cosine_alpha_bar")
def rates_for_levels(T, s=0.008):
    """Returns what falls from step to step, β, for what is left. Met where one name serves for both."""
    f = torch.cos((torch.arange(T + 1, dtype=torch.float64) / T + s) / (1 + s) * math.pi / 2) ** 2
    return (1 - f[1:] / f[:-1]).clamp(max=0.999)


@twin("cosine_alpha_bar")
def of_the_cosine_itself(T, s=0.008):
    """Not by way of clipped rates, and with cos² as (1 + cos)/2."""
    angle = (torch.arange(T + 1, dtype=torch.float64) / T + s) / (1 + s) * math.pi
    f = (1 + torch.cos(angle)) / 2
    return f[1:] / f[0]


@twin("cosine_alpha_bar")
def numpy_product(T):
    """The product of clipped rates in NumPy."""
    f = np.cos((np.linspace(0, 1, T + 1) + 0.008) / 1.008 * np.pi / 2) ** 2
    return np.cumprod(1 - np.clip(1 - f[1:] / f[:-1], 0, 0.999))
