"""Mutants of log-densities, each with one named bug, and twins in unusual styles."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(
    like: str, killed_by: str = "dialect", **declared: Any
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Declares the decorated function, as a stranger would, as a wrong log-density."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        make = lambda: Formula(f, like=like, **declared)  # noqa: E731
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function or class as a right one."""

    def declare(f: Any) -> Any:
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=lambda: Formula(f, like=like, **declared)))
        return f

    return declare


@mutant("density.bernoulli")
def labels_swapped(x, logits):
    """σ(l) is the probability of 0. Met where a mask's ones mean "background"."""
    return functional.logsigmoid(-logits) * x + functional.logsigmoid(logits) * (1 - x)


@mutant("density.bernoulli")
def only_the_ones(x, probs):
    """x log p without the zeros: the term of the background is left out."""
    return (x * probs.log()).sum(-1)


@mutant("density.bernoulli", "extremes")
def through_the_sigmoid(x, logits):
    """log σ(l) as a logarithm of what underflows. Met in every VAE that ends in a sigmoid of its own."""
    p = torch.sigmoid(logits)
    return x * p.log() + (1 - x) * (1 - p).log()


@mutant("density.categorical")
def not_normalised(x, logits):
    """The logit of the class, taken for its log-probability."""
    return logits.gather(-1, x[..., None]).squeeze(-1)


@mutant("density.categorical")
def logarithm_of_the_logits(x, logits):
    """log_softmax over the batch: dim=0 for dim=-1."""
    return torch.log_softmax(logits, 0).gather(-1, x[..., None]).squeeze(-1)


@mutant("density.laplace")
def without_the_two(x, loc, scale):
    """−log b for −log 2b: the mass is 2."""
    return -(x - loc).abs() / scale - scale.log()


@mutant("density.laplace")
def by_standard_deviation(x, loc, scale):
    """The scale is read as a standard deviation, √2 b."""
    b = scale / math.sqrt(2)
    return -(x - loc).abs() / b - torch.log(2 * b)


@mutant("density.laplace")
def log_scale_forgotten(x, loc, log_scale):
    """−log 2 − |x − μ|/b: a loss with learned scales that can be made as small as one likes."""
    return -(x - loc).abs() / log_scale.exp() - math.log(2)


@mutant("density.logistic")
def softplus_once(x, loc, scale):
    """One softplus for two: met in the Jacobian of a sigmoid."""
    z = (x - loc) / scale
    return -z - functional.softplus(-z) - scale.log()


@mutant("density.logistic")
def scale_of_the_wrong_sign(x, loc, log_scale):
    """+ log s for − log s."""
    z = (x - loc) * (-log_scale).exp()
    return -z - 2 * functional.softplus(-z) + log_scale


@mutant("density.logistic", "extremes")
def overflowing(x, loc, scale):
    """log(1 + e^(−z)) as it is written: e^800 is infinite."""
    z = (x - loc) / scale
    return -z - 2 * torch.log(1 + torch.exp(-z)) - scale.log()


def _bin(x, mean, scale, half):
    return torch.sigmoid((x + half - mean) / scale) - torch.sigmoid((x - half - mean) / scale)


@mutant("density.discretised_logistic")
def without_edges(x, mean, log_scale):
    """The outermost bins are as narrow as the others."""
    return _bin(x, mean, log_scale.exp(), 1 / 255).clamp(min=1e-12).log()


@mutant("density.discretised_logistic")
def one_over_levels(x, mean, log_scale):
    """Half a bin is 1/256 for levels that are 2/255 apart."""
    scale = log_scale.exp()
    lower, upper = (x - 1 / 256 - mean) / scale, (x + 1 / 256 - mean) / scale
    inside = _bin(x, mean, scale, 1 / 256).clamp(min=1e-12).log()
    return torch.where(x < -0.999, functional.logsigmoid(upper),
                       torch.where(x > 0.999, functional.logsigmoid(-lower), inside))  # fmt: skip


@mutant("density.discretised_logistic")
def density_at_the_middle(x, mean, log_scale):
    """The density times the width of the bin everywhere: an approximation, and no mass at the edges."""
    z = (x - mean) / log_scale.exp()
    return -z - log_scale - 2 * functional.softplus(-z) + math.log(2 / 255)


@mutant("density.discretised_logistic_mixture")
def mean_of_the_logarithms(x, logits, mean, log_scale):
    """Σ π log p for log Σ π p: a lower bound."""
    each = pixelcnn(x[..., None].expand_as(mean), mean, log_scale)
    return (torch.softmax(logits, -1) * each).sum(-1)


@mutant("density.discretised_logistic_mixture")
def weights_not_normalised(x, logits, mean, log_scale):
    """The logits are added as they are."""
    return torch.logsumexp(logits + pixelcnn(x[..., None].expand_as(mean), mean, log_scale), -1)


# Twins: none of these may be accused.


@twin("density.bernoulli")
def as_cross_entropy(x, logits):
    """torch's loss, negated and summed."""
    return -functional.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(-1)


@twin("density.bernoulli")
def by_sign(x, probs):
    """The probability of what happened, chosen and then its logarithm."""
    return torch.where(x == 1, probs, 1 - probs).log().flatten(1).sum(1).mean()


@twin("density.bernoulli")
class Head(nn.Module):
    """A ScriptModule's style: softplus of the logit with the sign of the outcome."""

    def forward(self, value: torch.Tensor, logit: torch.Tensor) -> torch.Tensor:
        return -functional.softplus(logit.mul(1 - 2 * value))


@twin("density.categorical")
def one_hot_and_cross_entropy(one_hot, probs):
    """A dot product of a one-hot row with logarithms."""
    return torch.einsum("bk,bk->b", one_hot, probs.log())


@twin("density.categorical")
def shifted(action, logits):
    """The largest logit taken out by hand, in place, in a copy."""
    z = logits.clone()
    z -= logits.amax(-1, keepdim=True)
    return z[torch.arange(len(z)), action] - z.exp().sum(-1).log()


@twin("density.laplace")
def as_a_loss_negated(value, mu, log_b):
    """L1 over a learned scale, as in likelihood-weighted regression."""
    return -(functional.l1_loss(value, mu, reduction="none") * torch.exp(-log_b) + log_b + math.log(2)).sum(-1)


@twin("density.logistic")
def as_hyperbolic_secant(x, mu, s):
    """log ¼ sech²(z/2) − log s, through the logarithm of the cosine without overflow."""
    half = ((x - mu) / s).abs() / 2
    log_cosh = half + torch.log1p(torch.exp(-2 * half)) - math.log(2)
    return -2 * log_cosh - 2 * math.log(2) - s.log()


@twin("density.discretised_logistic")
def pixelcnn(x, mean, log_scale):
    """PixelCNN++'s own style: differences of σ guarded at 1e-12, and the density where they are below 1e-5."""
    inverse, centred = torch.exp(-log_scale), x - mean
    plus, minus, middle = inverse * (centred + 1 / 255), inverse * (centred - 1 / 255), inverse * centred
    delta = torch.sigmoid(plus) - torch.sigmoid(minus)
    density = middle - log_scale - 2 * functional.softplus(middle)
    inside = torch.where(delta > 1e-5, delta.clamp(min=1e-12).log(), density - math.log(127.5))
    right = torch.where(x > 0.999, -functional.softplus(minus), inside)
    return torch.where(x < -0.999, plus - functional.softplus(plus), right)


@twin("density.discretised_logistic")
def by_distribution_function(x, mean, scale, levels=256):
    """σ at the edges of the bins, made one and zero at the ends of the grid."""
    half = 1 / (levels - 1)
    above = torch.where(x > 1 - half, torch.ones_like(mean), torch.sigmoid((x + half - mean) / scale))
    below = torch.where(x < half - 1, torch.zeros_like(mean), torch.sigmoid((x - half - mean) / scale))
    return (above - below).log()


@twin("density.discretised_logistic_mixture")
def of_pixelcnn(x, logits, mean, log_scale):
    """The mixture in the logarithm, summed over all pixels."""
    each = pixelcnn(x.unsqueeze(-1).expand_as(mean), mean, log_scale)
    return torch.logsumexp(each + functional.log_softmax(logits, -1), -1).sum()


@twin("density.discretised_logistic_mixture")
def in_probabilities(x, probs, mean, scale):
    """The sum of the weighted masses itself, then its logarithm."""
    return (probs * by_distribution_function(x[..., None], mean, scale).exp()).sum(-1).log()
