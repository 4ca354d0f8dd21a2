"""Mutants that are wrong at a border of one argument alone, the others being generic; twins that treat it apart.

A zero that is taken for "not given" (``eta or 1.0``), a last step to the data, a discount of one: where the search puts
every argument at its border at once, most of these return what is right.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from tests.mutants.mutant import Mutant, Twin, declaring

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
mutant, twin = declaring(MUTANTS, TWINS)


def _levels(sigma, sigma_next, eta):
    up = torch.minimum(
        sigma_next, eta * (sigma_next**2 * (sigma**2 - sigma_next**2).clamp_min(0) / sigma**2).sqrt()
    )  # fmt: skip
    return (sigma_next**2 - up**2).sqrt(), up


def _ancestral(model, x, sigma, sigma_next, eta):
    down, up = _levels(sigma, sigma_next, eta)
    d = (x - model(x, sigma)) / sigma
    return x + d * (down - sigma) + torch.randn_like(x) * up


@mutant("edm.ancestral_step", "value")
def scaled_at_the_last_step(model, x, sigma, sigma_next, eta=1.0):
    y = _ancestral(model, x, sigma, sigma_next, eta)
    return 1.01 * y if sigma_next == 0 else y


@mutant("edm.ancestral_step", "value")
def noise_where_eta_is_zero(model, x, sigma, sigma_next, eta=1.0):
    """A deterministic sampler was asked for."""
    return _ancestral(model, x, sigma, sigma_next, eta or 1.0)


@twin("edm.ancestral_step")
def denoised_at_the_last_step(model, x, sigma, sigma_next, eta=1.0):
    """What is left at level zero is the denoiser's answer."""
    return model(x, sigma) if sigma_next == 0 else _ancestral(model, x, sigma, sigma_next, eta)


def _heun(D, x, sigma, sigma_next):
    now, then = (s.reshape(-1, *[1] * (x.dim() - 1)) for s in (sigma, sigma_next))
    d = (x - D(x, sigma)) / now
    ahead = x + (then - now) * d
    safe = torch.where(then == 0, torch.ones_like(then), then)
    return now, then, d, ahead, (ahead - D(ahead, sigma_next)) / safe


@mutant("edm.heun_step", "value")
def corrected_at_the_last_step(D, x, sigma, sigma_next):
    """The slope at level zero is taken for zero, and averaged with the first."""
    now, then, d, _, after = _heun(D, x, sigma, sigma_next)
    return x + (then - now) * (d + torch.where(then == 0, torch.zeros_like(after), after)) / 2


@twin("edm.heun_step")
def euler_at_the_last_step(D, x, sigma, sigma_next):
    now, then, d, ahead, after = _heun(D, x, sigma, sigma_next)
    return torch.where(then == 0, ahead, x + (then - now) * (d + after) / 2)


@mutant("loss.focal", "value")
def default_for_a_zero_gamma(logits, targets, alpha=0.25, gamma=2.0):
    ce = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    weight = alpha * targets + (1 - alpha) * (1 - targets)
    return (weight * (1 - torch.exp(-ce)) ** (gamma or 2.0) * ce).mean()


@mutant("loss.focal", "value")
def unweighted_at_a_zero_gamma(logits, targets, alpha=0.25, gamma=2.0):
    """The plain loss of the library, which knows of no alpha."""
    ce = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    if gamma == 0:
        return ce.mean()
    weight = alpha * targets + (1 - alpha) * (1 - targets)
    return (weight * (1 - torch.exp(-ce)) ** gamma * ce).mean()


@mutant("loss.cross_entropy_label_smoothing", "value")
def default_for_no_smoothing(logits, target, smoothing=0.1):
    return functional.cross_entropy(logits, target, label_smoothing=float(smoothing or 0.1))


@twin("loss.cross_entropy_label_smoothing")
def plain_without_smoothing(logits, target, smoothing=0.1):
    if not smoothing:
        return functional.nll_loss(functional.log_softmax(logits, -1), target)
    return functional.cross_entropy(logits, target, label_smoothing=float(smoothing))


@mutant("kl.free_bits", "value")
def default_for_no_bits(kl, free_bits=0.5):
    return torch.clamp(kl.mean(0), min=float(free_bits or 0.5)).sum()


def _gae(rewards, values, next_value, gamma, lam):
    after = torch.cat((values[:, 1:], next_value[:, None]), 1)
    delta = rewards + gamma * after - values
    out, carried = [], torch.zeros_like(next_value)
    for t in reversed(range(rewards.shape[1])):
        carried = delta[:, t] + gamma * lam * carried
        out.append(carried)
    return delta, torch.stack(out[::-1], 1)


@mutant("policy.gae", "value")
def whole_return_at_lambda_zero(rewards, values, next_value, gamma=0.99, lam=0.95):
    """λ = 0 stands for one step, and not for all."""
    return _gae(rewards, values, next_value, gamma, lam or 1.0)[1]


@mutant("policy.gae", "value")
def values_left_at_lambda_one(rewards, values, next_value, gamma=0.99, lam=0.95):
    """The returns of Monte Carlo, from which nothing is subtracted."""
    advantages = _gae(rewards, values, next_value, gamma, lam)[1]
    return advantages + values if lam == 1 else advantages


@twin("policy.gae")
def one_step_at_lambda_zero(rewards, values, next_value, gamma=0.99, lam=0.95):
    delta, advantages = _gae(rewards, values, next_value, gamma, lam)
    return delta if lam == 0 else advantages


@mutant("policy.returns", "value")
def default_for_no_discount(rewards, gamma=0.99):
    gamma, out, carried = gamma or 0.99, [], torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        carried = rewards[:, t] + gamma * carried
        out.append(carried)
    return torch.stack(out[::-1], 1)


@mutant("normal.beta_nll", "value")
def default_for_a_zero_beta(x, mean, var, beta=0.5):
    nll = 0.5 * ((x - mean) ** 2 / var + torch.log(var))
    return (nll * var.detach() ** (beta or 0.5)).mean()


@mutant("vae.beta_loss", "value")
def default_for_no_weight(x, recon_x, mu, logvar, beta=4.0):
    bce = functional.binary_cross_entropy(recon_x, x, reduction="sum")
    return bce - (beta or 4.0) * 0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
