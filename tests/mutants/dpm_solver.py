"""Mutants and twins of DPM-Solver's steps, of one evaluation and of two, and of its sampler."""

from __future__ import annotations

import math

import torch

from tests.mutants.mutant import Mutant, Twin, declaring

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
DPM = "edm.dpm_solver_step"


mutant, twin = declaring(MUTANTS, TWINS)


def append_dims(x, dims):
    return x[(...,) + (None,) * (dims - x.ndim)]


def to_d(x, sigma, denoised):
    return (x - denoised) / append_dims(sigma, x.ndim)


def ones(x):
    return x.new_ones([x.shape[0]])


@mutant(DPM)
def growing_exponential(model, x, sigma, sigma_next):
    """e^h for e^(−h): the sign of λ."""
    h = torch.log(sigma / sigma_next)
    return torch.exp(h) * x - torch.expm1(h) * model(x, sigma)


@mutant(DPM)
def without_the_minus(model, x, sigma, sigma_next):
    """+ expm1(−h) D, where − belongs."""
    h = torch.log(sigma / sigma_next)
    return (sigma_next / sigma) * x + torch.expm1(-h) * model(x, sigma)


@mutant(DPM)
def middle_of_the_levels(model, x, sigma, sigma_next):
    """(σ + σ′)/2 where the middle in log σ belongs."""
    middle = (sigma + sigma_next) / 2
    u = (middle / sigma) * x + (1 - middle / sigma) * model(x, sigma)
    return (sigma_next / sigma) * x + (1 - sigma_next / sigma) * model(u, middle)


@mutant(DPM)
def middle_at_the_old_level(model, x, sigma, sigma_next):
    """The second evaluation is told σ."""
    middle = (sigma * sigma_next).sqrt()
    u = (middle / sigma) * x + (1 - middle / sigma) * model(x, sigma)
    return (sigma_next / sigma) * x + (1 - sigma_next / sigma) * model(u, sigma)


@mutant(DPM)
def extrapolated_backwards(x, denoised, old_denoised, sigma, sigma_next, sigma_prev):
    """(1 − 1/(2r)) D + D₋/(2r)."""
    h, h_last = torch.log(sigma / sigma_next), torch.log(sigma_prev / sigma)
    r = h_last / h
    mixed = (1 - 1 / (2 * r)) * denoised + 1 / (2 * r) * old_denoised
    return (sigma_next / sigma) * x - torch.expm1(-h) * mixed


@mutant(DPM)
def ratio_inverted(x, denoised, old_denoised, sigma, sigma_next, sigma_prev):
    """r = h/h₋."""
    h, h_last = torch.log(sigma / sigma_next), torch.log(sigma_prev / sigma)
    r = h / h_last
    mixed = (1 + 1 / (2 * r)) * denoised - 1 / (2 * r) * old_denoised
    return (sigma_next / sigma) * x - torch.expm1(-h) * mixed


@twin(DPM)
def sample_dpmpp_2m(model, x, sigmas, extra_args=None, callback=None, disable=None):
    """As crowsonkb/k-diffusion has it."""
    extra_args = {} if extra_args is None else extra_args
    s_in = x.new_ones([x.shape[0]])
    old_denoised = None
    for i in range(len(sigmas) - 1):
        denoised = model(x, sigmas[i] * s_in, **extra_args)
        t, t_next = sigmas[i].log().neg(), sigmas[i + 1].log().neg()
        h = t_next - t
        if old_denoised is None or sigmas[i + 1] == 0:
            x = (t_next.neg().exp() / t.neg().exp()) * x - (-h).expm1() * denoised
        else:
            h_last = t - sigmas[i - 1].log().neg()
            r = h_last / h
            denoised_d = (1 + 1 / (2 * r)) * denoised - (1 / (2 * r)) * old_denoised
            x = (t_next.neg().exp() / t.neg().exp()) * x - (-h).expm1() * denoised_d
        old_denoised = denoised
    return x


@twin(DPM)
def step_of_sample_dpm_2(model, x, sigma, sigma_next):
    """As crowsonkb/k-diffusion has it."""
    d = to_d(x, sigma, model(x, sigma * ones(x)))
    sigma_mid = sigma.log().lerp(sigma_next.log(), 0.5).exp()
    x_2 = x + d * (sigma_mid - sigma)
    return x + to_d(x_2, sigma_mid, model(x_2, sigma_mid * ones(x))) * (sigma_next - sigma)


@twin(DPM)
def step_of_2s(model, x, sigma, sigma_next):
    """As crowsonkb/k-diffusion's sample_dpmpp_2s_ancestral has it, at eta = 0."""
    sigma_fn, t_fn = (lambda t: t.neg().exp()), (lambda sigma: sigma.log().neg())
    denoised = model(x, sigma * ones(x))
    t, t_next = t_fn(sigma), t_fn(sigma_next)
    h = t_next - t
    s = t + 0.5 * h
    x_2 = (sigma_fn(s) / sigma_fn(t)) * x - (-h * 0.5).expm1() * denoised
    denoised_2 = model(x_2, sigma_fn(s) * ones(x))
    return (sigma_fn(t_next) / sigma_fn(t)) * x - (-h).expm1() * denoised_2


@twin(DPM)
def of_first_order_in_float32(x, denoised, sigma, sigma_next):
    h = [
        math.log(float(a)) - math.log(float(b)) if float(b) else math.inf
        for a, b in zip(sigma, sigma_next, strict=True)
    ]
    shrunk = append_dims(torch.tensor([math.exp(-one) for one in h]), x.ndim)
    return (shrunk * x.float() + (1 - shrunk) * denoised.float()).float()


@twin(DPM)
def multistep_by_keywords(*, sample, model_output, prev_denoised, sigma_t, sigma_next, sigma_prev):
    now, then, past = (append_dims(one.log(), sample.ndim) for one in (sigma_t, sigma_next, sigma_prev))
    r = (past - now) / (now - then)
    slope = (model_output - prev_denoised) / r
    decay = torch.exp(then - now)
    return decay * sample + (1 - decay) * (model_output + 0.5 * slope)


@mutant("edm.dpm_solver_sampler", "value")
def first_denoised_kept(model, x, sigmas):
    """The past is that of the first step: right as long as there is one multistep step."""
    before = None
    for i in range(len(sigmas) - 1):
        denoised = model(x, sigmas[i] * ones(x))
        t, t_next = sigmas[i].log().neg(), sigmas[i + 1].log().neg()
        h, mixed = t_next - t, denoised
        if before is not None and sigmas[i + 1] != 0:
            half = h / (t - sigmas[i - 1].log().neg()) / 2
            mixed = (1 + half) * denoised - half * before
        x = (t_next.neg().exp() / t.neg().exp()) * x - (-h).expm1() * mixed
        before = denoised if before is None else before
    return x
