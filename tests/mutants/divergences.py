"""Mutants of divergences and entropies, each with one named bug, and twins in unusual styles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.distributions import Categorical, Laplace, kl_divergence
from torch.nn import functional

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
JSD, RENYI = "divergence.jensen_shannon_categorical", "divergence.renyi_normals"


def mutant(like: str, killed_by: str = "dialect", **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong divergence."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        make = lambda: Formula(f, like=like, **declared)  # noqa: E731
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function as a right one."""

    def declare(f: Any) -> Any:
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=lambda: Formula(f, like=like, **declared)))
        return f

    return declare


@mutant("kl.bernoulli")
def without_the_zeros(probs_p, probs_q):
    """p log p/q alone: the other outcome is left out, and the divergence may be negative."""
    return (probs_p * (probs_p / probs_q).log()).sum(-1)


@mutant("kl.bernoulli")
def cross_entropy(logits_p, logits_q):
    """The entropy of the first is not taken off: a constant where the first is data."""
    return functional.binary_cross_entropy_with_logits(logits_q, torch.sigmoid(logits_p), reduction="none").sum(-1)


@mutant("kl.bernoulli", "extremes")
def through_probabilities(logits_p, logits_q):
    """Logarithms of what underflows: 0 log 0."""
    p, q = torch.sigmoid(logits_p), torch.sigmoid(logits_q)
    return p * (p / q).log() + (1 - p) * ((1 - p) / (1 - q)).log()


@mutant("kl.categorical")
def reversed_arguments(probs_p, probs_q):
    """F.kl_div takes the logarithm of the second distribution first. Met in distillation losses."""
    return functional.kl_div(probs_p.log(), probs_q, reduction="batchmean")


@mutant("kl.categorical")
def mean_over_everything(logits_p, logits_q):
    """F.kl_div's default reduction, which divides by the number of classes, too: torch warns of it."""
    p, q = torch.log_softmax(logits_p, -1), torch.log_softmax(logits_q, -1)
    return (p.exp() * (p - q)).mean()


@mutant("kl.categorical", "gradient")
def detached_first(logits_p, logits_q):
    """The weights p are taken for data, as in distillation, where both are trained."""
    p, q = torch.log_softmax(logits_p, -1), torch.log_softmax(logits_q, -1)
    return (p.exp().detach() * (p - q)).sum(-1)


@mutant("kl.laplace")
def without_the_exponential(loc_p, scale_p, loc_q, scale_q):
    """The draws' own width is forgotten where the locations differ."""
    return (scale_q / scale_p).log() + (loc_p - loc_q).abs() / scale_q + scale_p / scale_q - 1


@mutant("kl.laplace")
def ratio_upside_down(loc_p, scale_p, loc_q, scale_q):
    """log b/c for log c/b."""
    d = (loc_p - loc_q).abs()
    return (scale_p / scale_q).log() + d / scale_q + scale_p / scale_q * (-d / scale_p).exp() - 1


@mutant("kl.free_bits")
def clamped_from_above(kl, free_bits):
    """min for max: the divergence is capped instead of let alone."""
    return kl.mean(0).clamp(max=free_bits).sum()


@mutant("kl.free_bits")
def excess_only(kl, free_bits):
    """max(0, KL − λ): the same gradient, and another value: λ less for each latent."""
    return (kl.mean(0) - free_bits).clamp(min=0).sum()


@mutant("kl.free_bits", "gradient")
def threshold_on_the_data(kl, free_bits):
    """The clamp is put on through `.data`, and lets the whole gradient pass."""
    mean = kl.mean(0)
    return (mean + (mean.clamp(min=free_bits) - mean).detach()).sum()


@mutant("kl.monte_carlo")
def sign_lost(log_p, log_q):
    """log q − log p at draws from p: minus the divergence."""
    return (log_q - log_p).mean()


@mutant("kl.monte_carlo")
def half_the_square(log_p, log_q):
    """½ (log r)²: of low variance, and biased."""
    return 0.5 * ((log_p - log_q) ** 2).mean()


@mutant("kl.monte_carlo")
def ratio_upside_down_in_k3(log_p, log_q):
    """r = p/q in r − 1 − log r, at draws from p: biased, and of infinite variance in the tails."""
    log_r = log_p - log_q
    return (log_r.exp() - 1 - log_r).mean()


@mutant(JSD)
def without_half(p, q):
    """KL(p ‖ m) + KL(q ‖ m): met in analyses of the GAN's optimum."""
    m = (p + q) / 2
    return (p * (p / m).log() + q * (q / m).log()).sum(-1)


@mutant(JSD)
def against_each_other(p, q):
    """½ KL(p ‖ q) + ½ KL(q ‖ p): Jeffreys's divergence."""
    return 0.5 * ((p - q) * (p / q).log()).sum(-1)


@mutant(JSD)
def geometric_middle(logits_p, logits_q):
    """The mean of the logits for that of the probabilities."""
    p, q = torch.log_softmax(logits_p, -1), torch.log_softmax(logits_q, -1)
    m = (p + q) / 2
    return 0.5 * (p.exp() * (p - m) + q.exp() * (q - m)).sum(-1)


@mutant(RENYI)
def weights_swapped(mu_p, sigma_p, mu_q, sigma_q, alpha):
    """v = ασ² + (1 − α)τ²: that of order 1 − α."""
    v = alpha * sigma_p**2 + (1 - alpha) * sigma_q**2
    logs = (sigma_q / sigma_p).log() + (sigma_q**2 / v).log() / (2 * (alpha - 1))
    return (logs + alpha * (mu_p - mu_q) ** 2 / (2 * v)).sum(-1)


@mutant(RENYI)
def alpha_lost(mu_p, sigma_p, mu_q, sigma_q, alpha):
    """The distance of the means without α."""
    v = alpha * sigma_q**2 + (1 - alpha) * sigma_p**2
    logs = (sigma_q / sigma_p).log() + (sigma_q**2 / v).log() / (2 * (alpha - 1))
    return (logs + (mu_p - mu_q) ** 2 / (2 * v)).sum(-1)


@mutant("entropy.categorical")
def sign_of_the_entropy(probs):
    """Σ p log p."""
    return (probs * probs.log()).sum(-1)


@mutant("entropy.categorical")
def in_bits(logits):
    """log2 for log."""
    p = torch.softmax(logits, -1)
    return -(p * p.log2()).sum(-1)


@mutant("entropy.categorical", "extremes")
def zero_times_infinity(logits):
    """p log p of a p that underflows: NaN."""
    p = torch.softmax(logits, -1)
    return -(p * p.log()).sum(-1)


@mutant("entropy.bonus")
def rewarded_certainty(logits, beta=0.01):
    """The bonus with the sign of a term of the loss."""
    return -beta * Categorical(logits=logits).entropy().mean()


@mutant("entropy.bonus")
def averaged_over_actions(logits, beta=0.01):
    """The mean over states and actions: 1/K of it."""
    p = torch.softmax(logits, -1)
    return -beta * (p * torch.log_softmax(logits, -1)).mean()


# Twins: none of these may be accused.


@twin("kl.bernoulli")
def as_two_classes(logit_p, logit_q):
    """The divergence of categorical distributions over {0, 1}."""
    p, q = (functional.logsigmoid(torch.stack((one, -one), -1)) for one in (logit_p, logit_q))
    return functional.kl_div(q, p, log_target=True, reduction="none").sum((-1, -2))


@twin("kl.categorical")
def by_torch(probs_p, probs_q):
    """torch.distributions, validation and all."""
    return kl_divergence(Categorical(probs_p), Categorical(probs_q)).mean()


@twin("kl.categorical")
def cross_entropy_less_entropy(log_probs_q, log_probs_p):
    """H(q, p) − H(q), q being named first."""
    q = log_probs_q.exp()
    return -(q * log_probs_p).sum(-1) + (q * log_probs_q).sum(-1)


@twin("kl.laplace")
def by_torch_laplace(loc_p, scale_p, loc_q, scale_q):
    """torch's own."""
    return kl_divergence(Laplace(loc_p, scale_p), Laplace(loc_q, scale_q)).sum(-1)


@twin("kl.free_bits")
def by_torch_maximum(kld, free_nats):
    """torch.maximum against a full tensor; each sample by itself."""
    return torch.maximum(kld, torch.full_like(kld, free_nats)).sum(-1).mean()


@twin("kl.free_bits")
def on_the_total(kl_z, min_kl):
    """One threshold for the whole latent."""
    total = kl_z.sum(1)
    return torch.where(total > min_kl, total, torch.full_like(total, min_kl)).mean()


@twin("kl.monte_carlo")
def k3(logprob_p, logprob_q):
    """Schulman's, through expm1."""
    log_r = logprob_q - logprob_p
    return (torch.expm1(log_r) - log_r).mean(0)


@twin(JSD)
def by_entropies(p, q):
    """H(m) − ½ H(p) − ½ H(q)."""
    h = [-torch.special.xlogy(one, one).sum(-1) for one in (0.5 * (p + q), p, q)]
    return h[0] - 0.5 * h[1] - 0.5 * h[2]


@twin(JSD)
def by_kl_div(p, q):
    """Two calls of torch's function, with the logarithm of the middle as its input."""
    m = (0.5 * (p + q)).log()
    return 0.5 * (functional.kl_div(m, p, reduction="batchmean") + functional.kl_div(m, q, reduction="batchmean"))


@twin(RENYI)
def by_the_textbook(mu_p, var_p, mu_q, var_q, alpha):
    """van Erven & Harremoës's form: a logarithm of standard deviations to powers."""
    v = (1 - alpha) * var_p + alpha * var_q
    bell = v.sqrt() / (var_p ** ((1 - alpha) / 2) * var_q ** (alpha / 2))
    return (alpha * (mu_q - mu_p) ** 2 / (2 * v) + bell.log() / (1 - alpha)).sum(-1)


@twin("entropy.categorical")
def by_normaliser(logits):
    """log Σ e^l − Σ p l."""
    p = logits.softmax(-1)
    return logits.logsumexp(-1) - torch.einsum("...k,...k", p, logits)


@twin("entropy.bonus")
def of_a_policy(probs, ent_coef=0.01):
    """torch.special.entr, which knows 0 log 0."""
    return ent_coef * torch.special.entr(probs).sum(1).mean()
