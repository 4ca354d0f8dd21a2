"""Densities of flows and dequantisations with one bug each, and right ones in the styles of others."""

from __future__ import annotations

import math

import torch
from torch.distributions import Normal

from tests.mutants.flow_functions import declarers
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
mutant, twin = declarers(MUTANTS, TWINS)


def normal(z):
    return -0.5 * (z**2 + math.log(2 * math.pi)).sum(-1)


# ── Densities ────────────────────────────────────────────────────────────────────────────────────────────────────────


@mutant("flow.log_prob")
def minus_logabsdet(z, log_det):
    """− for + (VincentStimper/normalizing-flows#27, the other way round)."""
    return normal(z) - log_det


@mutant("flow.log_prob")
def without_logabsdet(z, log_det):
    """The density of the noise."""
    return normal(z)


@mutant("flow.log_prob")
def without_constant(z, log_det):
    """½ D log 2π left out."""
    return -0.5 * (z**2).sum(-1) + log_det


@mutant("flow.log_prob")
def loss_with_the_wrong_sign(z, log_det):
    """½ ‖z‖² + log|det|: the volume is to shrink."""
    return (-normal(z) + log_det).mean()


@mutant("flow.log_prob")
def averaged_noise(z, log_det):
    """The noise's term averaged over the features, the logabsdet not."""
    return -0.5 * (z**2 + math.log(2 * math.pi)).mean(-1) + log_det


@twin("flow.log_prob")
def by_a_distribution(z, ldj):
    """torch.distributions and a mean: a loss."""
    return -(Normal(0.0, 1.0).log_prob(z).flatten(1).sum(1) + ldj).mean()


@twin("flow.log_prob")
def in_bits(z, sldj):
    """Bits per dimension."""
    return -(normal(z) + sldj) / (math.log(2) * z.shape[-1])


@mutant("flow.composition")
def last_alone(log_dets):
    """Overwritten (tensorflow/models#7465)."""
    total = torch.zeros(())
    for one in log_dets:
        total = one
    return total


@mutant("flow.composition")
def first_alone(log_dets):
    """Never added to."""
    return log_dets[0]


@mutant("flow.composition")
def averaged(log_dets):
    """The mean over the flows."""
    return torch.stack(list(log_dets)).mean(0)


@mutant("flow.composition")
def product(log_dets):
    """The product of logarithms."""
    return torch.stack(list(log_dets)).prod(0)


@twin("flow.composition")
def stacked(log_dets):
    """Stacked and summed."""
    return torch.stack(list(log_dets), -1).sum(-1)


@mutant("flow.log_prob_after_flows")
def added(log_q0, log_dets):
    """+ for −."""
    return log_q0 + sum(log_dets)


@mutant("flow.log_prob_after_flows")
def summed_over_the_batch(z0, mu, logvar, log_dets):
    """One sum for all rows (wohlert/semi-supervised-pytorch#21)."""
    log_q0 = -0.5 * (logvar + (z0 - mu) ** 2 / logvar.exp() + math.log(2 * math.pi)).sum(-1)
    return log_q0 - sum(one.sum() for one in log_dets)


@mutant("flow.log_prob_after_flows")
def last_flow(log_q0, log_dets):
    """The last flow's alone."""
    return log_q0 - log_dets[-1]


@mutant("flow.log_prob_after_flows")
def standard_start(z0, mu, logvar, sum_log_det):
    """The start is taken for standard normal."""
    return normal(z0) - sum_log_det


@twin("flow.log_prob_after_flows")
def from_a_normal(z0, mu, logvar, sum_log_det):
    """A normal start, and the total of all flows."""
    return Normal(mu, (0.5 * logvar).exp()).log_prob(z0).sum(-1) - sum_log_det


@mutant("flow.multiscale_log_prob")
def last_scale(parts, log_det):
    """The last part alone: classical."""
    return normal(parts[-1]) + log_det


@mutant("flow.multiscale_log_prob")
def first_scale(parts, log_det):
    """The first part alone."""
    return normal(parts[0]) + log_det


@mutant("flow.multiscale_log_prob")
def multiscale_minus(parts, log_det):
    """− for +."""
    return sum(normal(p) for p in parts) - log_det


@mutant("flow.multiscale_log_prob")
def logabsdet_every_time(parts, log_det):
    """The logabsdet is added once for every scale."""
    return sum(normal(p) + log_det for p in parts)


@twin("flow.multiscale_log_prob")
def concatenated(zs, ldj):
    """All parts side by side."""
    return normal(torch.cat(list(zs), -1)) + ldj


# ── Dequantisation ───────────────────────────────────────────────────────────────────────────────────────────────────


@mutant("dequantization.uniform")
def divided_by_255(x):
    """(255 x + u)/255, above one."""
    return (x * 255 + torch.rand_like(x)) / 255


@mutant("dequantization.uniform")
def noise_not_scaled(x):
    """x/256 + u."""
    return x / 256 + torch.rand_like(x)


@mutant("dequantization.uniform")
def noise_centred(x):
    """u − ½."""
    return (x + torch.rand_like(x) - 0.5) / 256


@mutant("dequantization.uniform")
def noise_normal(x):
    """Normal noise."""
    return (x + torch.randn_like(x)) / 256


@mutant("dequantization.uniform")
def no_noise(x, noise):
    """The noise is not added."""
    return x / 256


@mutant("dequantization.uniform")
def logabsdet_forgotten(x, n_bits=8):
    """The division is not counted (MokkeMeguru/glow-realnvp-tutorial#2, openai/glow#51)."""
    return (x + torch.rand_like(x)) / 2**n_bits, x.new_zeros(len(x))


@twin("dequantization.uniform")
def of_a_tutorial(x, quants=256):
    """phlippe/uvadlc_notebooks: in place, and with its logabsdet."""
    z = x + torch.rand_like(x).detach()
    return z / quants, x.new_full((len(x),), -math.log(quants) * x[0].numel())


@twin("dequantization.uniform")
def noise_given(images, noise, n_bits):
    """The noise as an argument."""
    return (images + noise) / 2.0**n_bits


@mutant("dequantization.variational")
def plus_log_q(log_px, log_qu):
    """+ for −."""
    return log_px + log_qu


@mutant("dequantization.variational")
def log_q_forgotten(log_px, log_qu):
    """Right for uniform noise."""
    return log_px


@mutant("dequantization.variational")
def halved_log_q(log_px, log_qu):
    """½ log q."""
    return log_px - 0.5 * log_qu


@mutant("dequantization.variational")
def log_q_averaged(log_px, log_qu):
    """The batch mean of log q for every row."""
    return log_px - log_qu.mean()


@twin("dequantization.variational")
def as_a_loss(log_px, log_qu):
    """Negative, averaged."""
    return (log_qu - log_px).mean()
