"""Mutants and twins of stochastic differential equations, in the styles of Song et al.'s code and its ports."""

from __future__ import annotations

import math

import numpy as np
import torch

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin, declaring

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
VP, VE, FLOW, STEP = "sde.vp", "sde.ve", "sde.probability_flow", "sde.euler_maruyama_step"


mutant, twin = declaring(MUTANTS, TWINS)


def beside(number, x):
    return number.reshape(-1, *[1] * (x.dim() - 1))


def rate(t, beta_min, beta_max):
    return beta_min + t * (beta_max - beta_min)


# Variance preserved.


@mutant(VP)
def drift_without_its_half(x, t, beta_min=0.1, beta_max=20.0):
    """−β x."""
    beta = rate(t, beta_min, beta_max)
    return -beside(beta, x) * x, beta.sqrt()


@mutant(VP)
def drift_of_the_wrong_sign(x, t, beta_min=0.1, beta_max=20.0):
    """+½ β x: the sample grows."""
    beta = rate(t, beta_min, beta_max)
    return 0.5 * beside(beta, x) * x, beta.sqrt()


@mutant(VP)
def diffusion_without_its_root(x, t, beta_min=0.1, beta_max=20.0):
    """β for √β."""
    beta = rate(t, beta_min, beta_max)
    return -0.5 * beside(beta, x) * x, beta


@mutant(VP)
def ends_exchanged(x, t, beta_min=0.1, beta_max=20.0):
    """β falls with t."""
    beta = beta_max + t * (beta_min - beta_max)
    return -0.5 * beside(beta, x) * x, beta.sqrt()


@mutant("sde.vp_marginal")
def mean_of_the_whole_exponent(x, t, beta_min=0.1, beta_max=20.0):
    """e^(−B) for e^(−B/2): ᾱ for √ᾱ."""
    exponent = 0.5 * t**2 * (beta_max - beta_min) + t * beta_min
    return beside(torch.exp(-exponent), x) * x, torch.sqrt(1 - torch.exp(-exponent))


@mutant(VP)
def variance_for_deviation(x, t, beta_min=0.1, beta_max=20.0):
    """1 − e^(−B), without its root; declared by the equation's name."""
    exponent = 0.5 * t**2 * (beta_max - beta_min) + t * beta_min
    return {"mean": beside(torch.exp(-exponent / 2), x) * x, "std": 1 - torch.exp(-exponent)}


@mutant("sde.vp_std")
def integral_without_its_half(t, beta_min=0.1, beta_max=20.0):
    """t² (β_max − β_min) for half of it. A factor of two in the VP equation: deepinv/deepinv#1343."""
    return torch.sqrt(1 - torch.exp(-(t**2 * (beta_max - beta_min) + t * beta_min)))


class VPSDE:
    """As yang-song/score_sde_pytorch has it."""

    def __init__(self, beta_min=0.1, beta_max=20, N=1000):
        self.beta_0 = beta_min
        self.beta_1 = beta_max
        self.N = N

    def sde(self, x, t):
        beta_t = self.beta_0 + t * (self.beta_1 - self.beta_0)
        drift = -0.5 * beta_t[:, None, None, None] * x
        diffusion = torch.sqrt(beta_t)
        return drift, diffusion

    def marginal_prob(self, x, t):
        log_mean_coeff = -0.25 * t**2 * (self.beta_1 - self.beta_0) - 0.5 * t * self.beta_0
        mean = torch.exp(log_mean_coeff[:, None, None, None]) * x
        std = torch.sqrt(1.0 - torch.exp(2.0 * log_mean_coeff))
        return mean, std


class SubVPSDE(VPSDE):
    """As yang-song/score_sde_pytorch has it."""

    def sde(self, x, t):
        beta_t = self.beta_0 + t * (self.beta_1 - self.beta_0)
        drift = -0.5 * beta_t[:, None, None, None] * x
        discount = 1.0 - torch.exp(-2 * self.beta_0 * t - (self.beta_1 - self.beta_0) * t**2)
        return drift, torch.sqrt(beta_t * discount)


class VESDE:
    """As yang-song/score_sde_pytorch has it."""

    def __init__(self, sigma_min=0.01, sigma_max=50, N=1000):
        self.sigma_min = sigma_min
        self.sigma_max = sigma_max
        self.N = N

    def sde(self, x, t):
        sigma = self.sigma_min * (self.sigma_max / self.sigma_min) ** t
        drift = torch.zeros_like(x)
        diffusion = sigma * torch.sqrt(
            torch.tensor(2 * (np.log(self.sigma_max) - np.log(self.sigma_min)), device=t.device)
        )
        return drift, diffusion

    def marginal_prob(self, x, t):
        return x, self.sigma_min * (self.sigma_max / self.sigma_min) ** t


TWINS += [
    Twin(name="sde.vp: VPSDE.sde", make=lambda: Formula(VPSDE().sde, like=VP)),
    Twin(name="sde.vp: VPSDE.marginal_prob", make=lambda: Formula(VPSDE(0.2, 10).marginal_prob, like=VP)),
    Twin(name="sde.sub_vp: SubVPSDE.sde", make=lambda: Formula(SubVPSDE().sde, like="sde.sub_vp")),
    Twin(name="sde.ve: VESDE.sde", make=lambda: Formula(VESDE().sde, like=VE)),
    Twin(name="sde.ve: VESDE.marginal_prob", make=lambda: Formula(VESDE().marginal_prob, like=VE)),
]


class VPWithoutHalf(VPSDE):
    """The drift of score_sde's equation, without its half."""

    def sde(self, x, t):
        drift, diffusion = super().sde(x, t)
        return 2 * drift, diffusion


MUTANTS.append(
    Mutant(name="sde.vp: method", make=lambda: Formula(VPWithoutHalf().sde, like=VP), killed_by="formula.dialect")
)


@twin(VP)
def in_float32(x, t, beta_min=0.1, beta_max=20.0):
    beta = rate(t.float(), beta_min, beta_max)
    return -0.5 * beside(beta, x) * x.float(), beta.sqrt()


@twin(VP)
def mean_and_std(x0, t, b_min=0.1, b_max=20.0):
    whole = b_min * t + 0.5 * (b_max - b_min) * t * t
    return torch.exp(-0.5 * beside(whole, x0)) * x0, torch.sqrt(-torch.expm1(-whole))


@twin(VP)
def beta_of_time(t, beta_min=0.1, beta_max=20.0):
    return (1 - t) * beta_min + t * beta_max


# Variance that explodes.


@mutant(VE)
def level_for_diffusion(x, t, sigma_min=0.01, sigma_max=50.0):
    """σ(t), without √(2 log(σ_max/σ_min)): deepinv/deepinv#775."""
    return torch.zeros_like(x), sigma_min * (sigma_max / sigma_min) ** t


@mutant(VE)
def without_the_two(x, t, sigma_min=0.01, sigma_max=50.0):
    """√log for √(2 log)."""
    return torch.zeros_like(x), sigma_min * (sigma_max / sigma_min) ** t * math.sqrt(math.log(sigma_max / sigma_min))


@mutant(VE)
def log_of_base_ten(t, sigma_min=0.01, sigma_max=50.0):
    """log₁₀ for ln."""
    return sigma_min * (sigma_max / sigma_min) ** t * math.sqrt(2 * math.log10(sigma_max / sigma_min))


@mutant("sde.ve_std")
def linear_level(t, sigma_min=0.01, sigma_max=50.0):
    """A straight line where a power belongs."""
    return sigma_min + t * (sigma_max - sigma_min)


@mutant("sde.ve_power_std")
def tutorial_without_the_two(t, sigma):
    """(σ^(2t) − 1)/log σ."""
    return torch.sqrt((sigma ** (2 * t) - 1.0) / math.log(sigma))


@twin(VE, fixed={"sigma": 25.0})
def marginal_prob_std(t, sigma):
    """As the tutorial beside Song et al. 2021 has it."""
    return torch.sqrt((sigma ** (2 * t) - 1.0) / 2.0 / np.log(sigma))


@twin(VE)
def diffusion_coeff(t, sigma):
    return sigma**t


# The flow.


@mutant(FLOW)
def without_its_half(drift, diffusion, score):
    """f − g² s: the drift back in time, which needs its noise."""
    return drift - beside(diffusion, drift) ** 2 * score


@mutant(FLOW)
def score_added(drift, diffusion, score):
    """f + ½ g² s."""
    return drift + 0.5 * beside(diffusion, drift) ** 2 * score


@mutant(FLOW)
def diffusion_not_squared(drift, diffusion, score):
    """g for g²."""
    return drift - 0.5 * beside(diffusion, drift) * score


@mutant(FLOW)
def of_vp_without_its_half(score_model, x, t, beta_min=0.1, beta_max=20.0):
    """−½ β x − β s: the half is on the drift alone."""
    beta = beside(rate(t, beta_min, beta_max), x)
    return -0.5 * beta * x - beta * score_model(x, t)


@mutant(FLOW)
def score_at_the_time_left(score_model, x, t, beta_min=0.1, beta_max=20.0):
    """The score is asked at 1 − t."""
    beta = beside(rate(t, beta_min, beta_max), x)
    return -0.5 * beta * (x + score_model(x, 1 - t))


@mutant("sde.reverse")
def with_a_half(drift, diffusion, score):
    """The flow's drift, under the name of the equation back in time."""
    return drift - 0.5 * beside(diffusion, drift) ** 2 * score


@twin(FLOW)
def ode_of_vp(score_fn, x, t, beta_min=0.1, beta_max=20.0):
    beta_t = rate(t, beta_min, beta_max)[:, None, None, None]
    return -0.5 * beta_t * (x + score_fn(x, t))


@twin(FLOW)
def of_lists(f, g, s):
    return [f_i - 0.5 * g_i * g_i * s_i for f_i, g_i, s_i in zip(f, g, s, strict=True)]


@twin(FLOW)
def ode_of_ve(t, x, score_model, sigma_min=0.01, sigma_max=50.0):
    g = sigma_min * (sigma_max / sigma_min) ** t * math.sqrt(2 * math.log(sigma_max / sigma_min))
    return -0.5 * beside(g, x) ** 2 * score_model(x, t)


# A step.


@mutant(STEP)
def noise_with_the_step(x, drift, diffusion, dt):
    """g dt z: the noise vanishes with the step."""
    return x + beside(dt, x) * (drift + beside(diffusion, x) * torch.randn_like(x))


@mutant(STEP)
def noise_without_the_step(x, drift, diffusion, dt):
    """g z: a step as wide as one."""
    return x + beside(dt, x) * drift + beside(diffusion, x) * torch.randn_like(x)


@mutant(STEP)
def drift_with_the_root(x, drift, diffusion, dt):
    """√dt on everything."""
    return x + beside(dt, x) ** 0.5 * (drift + beside(diffusion, x) * torch.randn_like(x))


@mutant(STEP)
def diffusion_squared(x, drift, diffusion, dt):
    """g² √dt z."""
    return x + beside(dt, x) * drift + beside(diffusion, x) ** 2 * beside(dt, x) ** 0.5 * torch.randn_like(x)


@twin(STEP)
def with_an_increment(x, f, g, dt):
    dw = torch.randn_like(x) * math.sqrt(dt)
    return x + f * dt + g * dw


@twin(STEP)
def by_normal(x, drift, diffusion, step_size):
    h = beside(step_size, x)
    return torch.normal(x + h * drift, (beside(diffusion, x) * h.sqrt()).expand_as(x))


@twin(FLOW)
def of_functions(x, t, score, drift, diffusion):
    return drift(x, t) - 0.5 * beside(diffusion(t), x) ** 2 * score(x, t)


@mutant(FLOW)
def of_functions_at_another_time(x, t, score, drift, diffusion):
    """The score at t = 0."""
    return drift(x, t) - 0.5 * beside(diffusion(t), x) ** 2 * score(x, torch.zeros_like(t))
