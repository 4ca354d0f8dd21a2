"""Mutants of estimates of log p(x) from draws, each with one named bug, and twins in unusual styles."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
BOUND, WEIGHTED, NAIVE = "iwae.bound", "iwae.weighted_elbo", "likelihood.naive_monte_carlo"
SAMPLED, BITS = "likelihood.importance_sampled", "likelihood.bits_per_dimension"


def mutant(like: str, killed_by: str = "dialect", **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong formula."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        make = lambda: Formula(f, like=like, **declared)  # noqa: E731
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function as a right one."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=like, **declared)  # noqa: E731
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=make))
        return f

    return declare


@mutant(BOUND)
def without_log_k(log_w):
    """logsumexp alone: too large by log K."""
    return torch.logsumexp(log_w, 1).mean()


@mutant(BOUND)
def mean_of_logarithms(log_w):
    """The ELBO of K draws."""
    return log_w.mean(1).mean()


@mutant(BOUND)
def over_batch_and_draws(log_w):
    """One logarithm of everything: the samples of a batch share their weights."""
    return torch.logsumexp(log_w.flatten(), 0) - math.log(log_w.numel())


@mutant(BOUND)
def posterior_added(log_px_z, log_pz, log_qz_x):
    """log q with the sign of the prior."""
    return (torch.logsumexp(log_px_z + log_pz + log_qz_x, -1) - math.log(log_pz.shape[-1])).mean()


@mutant(BOUND)
def minus_log_of_the_batch(log_w):
    """log B for log K."""
    return (torch.logsumexp(log_w, -1) - math.log(log_w.shape[0])).mean()


@mutant(BOUND, "extremes")
def unshifted(log_w):
    """exp, mean, log. Met: xqding/Importance_Weighted_Autoencoders#2."""
    return log_w.exp().mean(1).log().mean()


@mutant(BOUND, "extremes")
def shifted_by_one_maximum(log_w):
    """The largest weight of the whole batch: the others underflow."""
    top = log_w.max()
    return (top + (log_w - top).exp().mean(1).log()).mean()


@mutant(WEIGHTED)
def not_normalised(log_w):
    """e^(log w) as it is."""
    return (log_w.exp().detach() * log_w).sum(1).mean()


@mutant(WEIGHTED)
def normalised_over_the_batch(log_w):
    """A softmax over the wrong axis."""
    return (torch.softmax(log_w, 0).detach() * log_w).sum(1).mean()


@mutant(WEIGHTED)
def divided_by_k_again(log_w):
    """A mean of what sums to one already."""
    return (torch.softmax(log_w, 1).detach() * log_w).mean()


@mutant(WEIGHTED, "gradient")
def attached(log_w):
    """The weights have a gradient of their own, which is not that of the bound."""
    return (torch.softmax(log_w, 1) * log_w).sum(1).mean()


@mutant(WEIGHTED, "gradient")
def all_detached(log_w):
    """Weights and log-weights are cut: in an evaluation loop, where it does not show."""
    return (torch.softmax(log_w, 1).detach() * log_w.detach()).sum(1).mean() + 0.0 * log_w.sum()


@mutant(NAIVE)
def log_inside_the_mean(log_px_z):
    """E log p(x | z), which is no estimate of log p(x)."""
    return log_px_z.mean(-1)


@mutant(NAIVE, "extremes")
def likelihoods_of_images(log_px_z):
    """e^(log p) underflows at −745, and log 0 is −∞."""
    return torch.log(torch.mean(torch.exp(log_px_z), -1))


@mutant(SAMPLED)
def prior_forgotten(log_px_z, log_pz, log_qz_x):
    """p(x | z)/q(z | x): the prior is not in the weight."""
    return torch.logsumexp(log_px_z - log_qz_x, -1) - math.log(log_px_z.shape[-1])


@mutant(SAMPLED)
def self_normalised(log_px_z, log_pz, log_qz_x):
    """Weights that are made to sum to one estimate an expectation under the posterior."""
    share = torch.softmax(log_pz - log_qz_x, -1)
    return torch.log((share * log_px_z.exp()).sum(-1))


@mutant(BITS)
def levels_forgotten(log_px, D, levels=256):
    """The scale of the data. Met: MokkeMeguru/glow-realnvp-tutorial#2."""
    return -log_px / (D * math.log(2.0))


@mutant(BITS)
def levels_subtracted(nll, D, levels=256):
    """The sign of the scale."""
    return (nll - D * math.log(levels)) / (D * math.log(2.0))


@mutant(BITS)
def levels_once(nll, num_pixels, n_bits=8):
    """n bits for all pixels together, and not for each."""
    return (nll + n_bits * math.log(2.0)) / (num_pixels * math.log(2.0))


@mutant(BITS)
def one_level_less(nll, D, levels=256):
    """log 255. Met: asked for in rosinality/glow-pytorch#17."""
    return (nll + D * math.log(levels - 1)) / (D * math.log(2.0))


@mutant(BITS)
def in_nats(nll, D, levels=256):
    """log 2 is left out."""
    return nll / D + math.log(levels)


@mutant(BITS)
def times_log_two(nll, D, levels=256):
    """log 2 multiplied, where it divides."""
    return (nll / D + math.log(levels)) * math.log(2.0)


# Twins: none of these may be accused.


@twin(BOUND)
def draws_first(log_w):
    """[K, batch], negated."""
    return -(torch.logsumexp(log_w, 0) - math.log(len(log_w))).mean()


@twin(BOUND)
def by_the_largest(log_p_x_given_z, log_p_z, log_q_z_given_x):
    """The largest weight taken out by hand; densities by their names."""
    log_w = log_p_x_given_z + log_p_z - log_q_z_given_x
    top, _ = log_w.max(-1, keepdim=True)
    return top.squeeze(-1) + torch.log(torch.exp(log_w - top).mean(-1))


@twin(BOUND)
def one_at_a_time(log_joint, log_q):
    """logaddexp over the draws."""
    total = None
    for joint, proposal in zip(log_joint.unbind(-1), log_q.unbind(-1), strict=True):
        total = joint - proposal if total is None else torch.logaddexp(total, joint - proposal)
    return total - math.log(log_joint.shape[-1])


@twin(WEIGHTED)
def shifted_in_numbers(log_w):
    """Burda et al.'s code: weights made by hand, without a graph; a loss."""
    with torch.no_grad():
        w = (log_w - log_w.max(1, keepdim=True).values).exp()
        w = w / w.sum(1, keepdim=True)
    return -torch.mean(torch.sum(w * log_w, 1))


@twin(WEIGHTED)
def doubly_reparameterised(log_w):
    """Squared weights, for the inference network."""
    return (torch.softmax(log_w, -1).detach() ** 2 * log_w).sum(-1).mean()


@twin(NAIVE)
def the_estimate_itself(p_x_given_z):
    """Probabilities in, the estimate out: no logarithm anywhere."""
    return p_x_given_z.mean(-1)


@twin(NAIVE)
def a_loss_over_the_batch(log_px_z):
    """logsumexp less log n, negated, summed over the batch."""
    return (math.log(log_px_z.shape[-1]) - log_px_z.logsumexp(-1)).sum()


@twin(SAMPLED)
def shifted_and_exponentiated(log_joint, log_q):
    """The estimate itself, its largest weight taken out and in again."""
    log_w = log_joint - log_q
    top = log_w.amax(-1, keepdim=True)
    return ((log_w - top).exp().mean(-1) * top.squeeze(-1).exp()).mean()


@twin(BITS)
def from_a_batch_of_data(x, nll, k=256):
    """D from the data; levels by their number; the mean over the batch."""
    dimensions = math.prod(x.shape[1:])
    return ((nll + dimensions * math.log(k)) / (math.log(2) * dimensions)).mean()


@twin(BITS)
def of_a_discrete_model(likelihood, num_pixels):
    """No levels: the likelihood is that of the integers."""
    return -likelihood / num_pixels / math.log(2)


@twin(BITS)
def from_symmetric_data(logp, image_shape):
    """Data in [−1, 1]: 7 bits."""
    return -logp / math.prod(image_shape) / math.log(2) + 7


@twin(BITS)
def five_bits(nll, n_bits, num_pixels):
    """Glow's: bits in the place of levels."""
    return (nll + math.log(2.0) * n_bits * num_pixels) / (math.log(2.0) * num_pixels)
