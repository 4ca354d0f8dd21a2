"""Names of two meanings, numbers for defaults, flags of type bool, and log-weights hundreds below zero."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin, declaring

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
mutant, twin = declaring(MUTANTS, TWINS)


def _divergence(mu, std):
    return (0.5 * (mu**2 + std**2 - 1) - std.log()).sum(-1)


@twin("elbo.gaussian")
def encoders_std(x, x_hat, mu, std):
    return (0.5 * (x - x_hat) ** 2).sum(-1) + _divergence(mu, std)


@twin("elbo.gaussian")
def encoders_variance(x, x_hat, mu, variance):
    return (0.5 * (x - x_hat) ** 2).sum(-1) + _divergence(mu, variance.sqrt())


@twin("elbo.gaussian")
def encoders_log_std(x, x_hat, mu, log_std):
    return (0.5 * (x - x_hat) ** 2).sum(-1) + _divergence(mu, log_std.exp())


@mutant("elbo.gaussian", "dialect")
def encoders_std_squared(x, x_hat, mu, std):
    """A variance under the name of a standard deviation."""
    return (0.5 * (x - x_hat) ** 2).sum(-1) + _divergence(mu, std.sqrt())


class OneScale(nn.Module):
    """The decoder's scale is a parameter, one for all pixels; the encoder's is given."""

    def __init__(self):
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(1))

    def forward(self, x, x_hat, mu, std):
        """The loss."""
        likelihood = (x - x_hat) ** 2 / (2 * torch.exp(2 * self.log_scale)) + self.log_scale
        return likelihood.sum(-1) + _divergence(mu, std)


TWINS.append(Twin(name="elbo.gaussian: one scale held", make=lambda: Formula(OneScale(), like="elbo.gaussian")))


@twin("elbo.gaussian")
def decoders_scale_is_a_number(x, x_hat, mu, logvar, sigma_x=0.7):
    likelihood = ((x - x_hat) ** 2).sum(-1) / (2 * sigma_x**2) + x.shape[-1] * math.log(sigma_x)
    return likelihood + _divergence(mu, (0.5 * logvar).exp())


@mutant("elbo.gaussian", "dialect")
def decoders_scale_not_squared(x, x_hat, mu, logvar, sigma_x=0.7):
    likelihood = ((x - x_hat) ** 2).sum(-1) / (2 * sigma_x) + x.shape[-1] * math.log(sigma_x)
    return likelihood + _divergence(mu, (0.5 * logvar).exp())


@twin("vq.loss")
def weights_of_both_terms(z, z_q, codebook_weight=1.0, commitment_weight=0.25):
    return codebook_weight * F.mse_loss(z_q, z.detach()) + commitment_weight * F.mse_loss(z, z_q.detach())


@mutant("vq.loss", "gradient")
def weights_exchanged(z, z_q, codebook_weight=1.0, commitment_weight=0.25):
    return commitment_weight * F.mse_loss(z_q, z.detach()) + codebook_weight * F.mse_loss(z, z_q.detach())


@twin("vq.commitment_loss")
def weight_alone(z, z_q, weight=0.25):
    return weight * F.mse_loss(z, z_q.detach())


@twin("vq.codebook_loss")
def weight_of_the_codebook(z, z_q, codebook_weight=1.0):
    return codebook_weight * F.mse_loss(z_q, z.detach())


def _log_mean_exp(log_w):
    return torch.logsumexp(log_w, -1) - math.log(log_w.shape[-1])


@twin("iwae.bound")
def joint_by_its_underscores(log_p_xz, log_q):
    return _log_mean_exp(log_p_xz - log_q)


@twin("iwae.bound")
def likelihood_by_its_underscores(log_p_x_z, log_pz, log_q):
    return _log_mean_exp(log_p_x_z + log_pz - log_q)


@mutant("iwae.bound", "value")
def weights_clamped(log_w):
    """Of images they lie hundreds below zero."""
    return _log_mean_exp(log_w.clamp(-10, 10))


@mutant("elbo.monte_carlo", "value")
def weights_clamped_in_the_mean(log_w):
    return log_w.clamp(-10, 10).mean()


@mutant("iwae.bound", "value")
def posterior_clamped(log_px_z, log_pz, log_qz):
    return _log_mean_exp(log_px_z + log_pz - log_qz.clamp(min=-5))


@twin("policy.td_error")
def ends_as_flags(rewards, values, next_values, dones, gamma=0.99):
    return rewards + gamma * next_values * (~dones) - values


@mutant("policy.td_error", "dialect")
def ends_as_flags_reversed(rewards, values, next_values, dones, gamma=0.99):
    """The value after the end, and none before it."""
    return rewards + gamma * torch.where(dones, next_values, torch.zeros_like(next_values)) - values


def _returns(rewards, is_terminals, gamma, *, first):
    out, carried = [], torch.zeros_like(rewards[:, 0])
    for t in reversed(range(rewards.shape[1])):
        carried = carried.masked_fill(is_terminals[:, t], 0.0) if first else carried
        carried = rewards[:, t] + gamma * carried
        carried = carried if first else carried.masked_fill(is_terminals[:, t], 0.0)
        out.append(carried)
    return torch.stack(out[::-1], 1)


@twin("policy.returns")
def filled_where_it_ends(rewards, is_terminals, gamma=0.99):
    return _returns(rewards, is_terminals, gamma, first=True)


@mutant("policy.returns", "dialect")
def filled_after_the_reward(rewards, is_terminals, gamma=0.99):
    """The last reward is lost with what comes after it."""
    return _returns(rewards, is_terminals, gamma, first=False)
