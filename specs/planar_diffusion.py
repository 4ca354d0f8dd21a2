"""A small diffusion model for the plane: its network, its training, and three ways to a log-likelihood."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from genverify.numerics.forward_mode import load_forward_mode
from genverify.reference.autoencoders.training import fit
from genverify.reference.diffusion.losses import loss_simple, vlb_term
from genverify.reference.diffusion.parametrisations import score_from_eps
from genverify.reference.diffusion.process import q_sample
from genverify.reference.diffusion.samplers import ddpm_mean, ddpm_step
from genverify.reference.diffusion.schedules import alpha_bar, ve_sigmas
from genverify.reference.diffusion.stochastic_equations import probability_flow
from genverify.reference.flows.densities import standard_normal
from specs.planar_laws import LAWS, drawn

STEPS = 200
FAINTEST, LOUDEST = 0.04, 20.0  # deviations of the noise beside data that keep their size


def rates(steps: int = STEPS) -> Tensor:
    """The β_t for which the deviations σ_t = √((1 − ᾱ_t)/ᾱ_t) are in equal ratios."""
    levels = 1 / (1 + ve_sigmas(steps, FAINTEST, LOUDEST) ** 2)
    return 1 - levels / torch.cat([torch.ones_like(levels[:1]), levels[:-1]])


BETAS = rates()
LEVELS = alpha_bar(BETAS)
LEARNT_FROM, BATCH, ROUNDS, RATE = 20_000, 512, 1200, 1e-2
HIDDEN, WAVES, ZOOM = 64, 4, 3.0


class NoisePredictor(nn.Module):
    """ε_θ(x, t): a network of x and of waves in t."""

    def __init__(self) -> None:
        super().__init__()
        between = [layer for _ in range(3) for layer in (nn.Linear(HIDDEN, HIDDEN), nn.SiLU())]
        first = nn.Linear(2 + 2 * WAVES, HIDDEN)
        self.net = nn.Sequential(first, nn.SiLU(), *between, nn.Linear(HIDDEN, 2))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """X [batch, 2] and steps [batch] → the noise in it, [batch, 2]."""
        level = LEVELS.to(x)[t, None]
        angle = math.pi * (t[:, None].to(x) + 1) / STEPS * 2.0 ** (torch.arange(WAVES).to(x) - 1)
        correction = self.net(torch.cat([ZOOM * x, torch.sin(angle), torch.cos(angle)], -1))
        return torch.sqrt(1 - level) * (x + torch.sqrt(level) * correction)


def trained(name: str, seed: int = 0) -> NoisePredictor:
    """The network after training on draws of the law of that name, in float64 after training in float32."""
    return _trained(name, seed)


@functools.cache
def _trained(name: str, seed: int) -> NoisePredictor:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # the tensors are so small that threads would only wait for each other
    betas = BETAS.float()

    def loss(x: Tensor, step: int) -> Tensor:
        t, noise = torch.randint(STEPS, (len(x),)), torch.randn_like(x)
        return loss_simple(noise, model(q_sample(x, t, betas, noise), t))

    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = NoisePredictor()
            fit(loss, model.parameters(), [drawn(name, LEARNT_FROM, 0)], steps=ROUNDS, batch=BATCH, rate=RATE)
    finally:
        torch.set_num_threads(threads)
    return model.double().eval().requires_grad_(False)


Noise = Callable[[Tensor, Tensor], Tensor]  # (x_t, t) → what is taken for the noise in it


def level_density(name: str, x: Tensor, level: float) -> Tensor:
    """Log q(x_t) of the noised law, ᾱ_t = level: that of x_t/√ᾱ_t, of more noise, in a plane that is √ᾱ_t as wide."""
    return LAWS[name].density(x / math.sqrt(level), (1 - level) / level) - math.log(level)


def exact_noise(name: str, betas: Tensor = BETAS) -> Callable[[Tensor, Tensor], Tensor]:
    """ε*(x, t) = −√(1 − ᾱ_t) ∇ log q(x_t), of one step for all rows."""
    levels = torch.cumprod(1 - betas, 0)

    def eps(x: Tensor, t: Tensor) -> Tensor:
        level = float(levels[t[0]])
        with torch.enable_grad():
            x = x.detach().requires_grad_(True)
            (slope,) = torch.autograd.grad(level_density(name, x, level).sum(), x)
        return -math.sqrt(1 - level) * slope

    return eps


def bound(eps: Noise, x0: Tensor, scale: float, betas: Tensor = BETAS) -> Tensor:
    """A draw of the variational bound of log p(x_0), row by row: −L_T − Σ L_{t−1} + log p(x_0 | x_1).

    The decoder is normal about the mean of the last step; `scale` is its deviation.
    """
    generator = torch.Generator().manual_seed(2)
    left = float(torch.prod(1 - betas))
    total = -0.5 * (left * x0**2 - left - math.log1p(-left)).sum(-1)
    for t in range(len(betas)):
        noise = torch.randn(x0.shape, dtype=x0.dtype, generator=generator)
        steps = torch.full((len(x0),), t)
        xt = q_sample(x0, t, betas, noise)
        predicted = eps(xt, steps)
        if t:
            total = total - vlb_term(noise, predicted, steps, betas)
        else:
            z = (x0 - ddpm_mean(xt, predicted, 0, betas)) / scale
            total = total + standard_normal(z) - 2 * math.log(scale)
    return total


def last_scale(eps: Noise, x0: Tensor, betas: Tensor = BETAS) -> float:
    """The deviation of the decoder that makes these data the most probable."""
    noise = torch.randn(x0.shape, dtype=x0.dtype, generator=torch.Generator().manual_seed(3))
    xt = q_sample(x0, 0, betas, noise)
    mean = ddpm_mean(xt, eps(xt, torch.zeros(len(x0), dtype=torch.long)), 0, betas)
    return float((x0 - mean).square().mean().sqrt())


def samples(eps: Noise, count: int, seed: int = 0) -> Tensor:
    """Draws of the model by the steps of DDPM."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 2, dtype=torch.float64, generator=generator)
    for t in reversed(range(STEPS)):
        noise = torch.randn(count, 2, dtype=torch.float64, generator=generator)
        x = ddpm_step(x, eps(x, torch.full((count,), t)), t, BETAS, noise)
    return x


def _slope(eps: Noise, x: Tensor, t: int) -> Tensor:
    """dx/dφ of the probability flow at √ᾱ_t = cos φ, where β = 2 tan φ."""
    tan = torch.sqrt((1 - LEVELS[t]) / LEVELS[t])
    score = score_from_eps(eps(x, torch.full((len(x),), t)), LEVELS[t])
    return probability_flow(-tan * x, torch.sqrt(2 * tan), score)


def _with_divergence(eps: Noise, x: Tensor, t: int) -> tuple[Tensor, Tensor]:
    """The slope, and its divergence, row by row."""
    load_forward_mode()
    divergence = torch.zeros_like(x[:, 0])
    for axis in torch.eye(2, dtype=x.dtype):
        slope, moved = torch.func.jvp(lambda y: _slope(eps, y, t), (x,), (axis.expand_as(x),))
        divergence = divergence + (moved * axis).sum(-1)
    return slope, divergence


def flow_log_likelihood(eps: Noise, x: Tensor, stride: int = 1) -> Tensor:
    """Log p(x_1) by the probability flow from the first level to the last, in Heun's steps of so many levels."""
    total, t = torch.zeros_like(x[:, 0]), 0
    phi = torch.arccos(LEVELS.sqrt())
    while t < STEPS - 1:
        to = min(t + stride, STEPS - 1)
        width = phi[to] - phi[t]
        slope, divergence = _with_divergence(eps, x, t)
        ahead, divergence_ahead = _with_divergence(eps, x + width * slope, to)
        x = x + width / 2 * (slope + ahead)
        total = total + width / 2 * (divergence + divergence_ahead)
        t = to
    return standard_normal(x) + total
