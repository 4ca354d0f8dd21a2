"""Mutants of entropies and distribution functions of Bernoulli and Laplace distributions, and twins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.distributions import Bernoulli, Laplace
from torch.nn import functional

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(like: str, killed_by: str = "dialect") -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong one."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        make = lambda: Formula(f, like=like)  # noqa: E731
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str) -> Callable[[Any], Any]:
    """Declares the decorated function as a right one."""

    def declare(f: Any) -> Any:
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=lambda: Formula(f, like=like)))
        return f

    return declare


@mutant("entropy.bernoulli")
def of_one_outcome(probs):
    """−p log p alone, as code for categorical distributions gives it for a single column."""
    return -(probs * probs.log()).sum(-1)


@mutant("entropy.bernoulli", "extremes")
def through_probabilities(logits):
    """0 log 0 where the probability underflows."""
    p = torch.sigmoid(logits)
    return -(p * p.log() + (1 - p) * (1 - p).log()).sum(-1)


@mutant("entropy.laplace")
def that_of_the_normal(scale):
    """½ log 2πe b²: b taken for a standard deviation of a normal distribution."""
    return (0.5 * (2 * torch.pi * torch.e * scale**2).log()).sum(-1)


@mutant("entropy.laplace")
def without_the_two(scale):
    """1 + log b."""
    return (1 + scale.log()).sum(-1)


@mutant("density.laplace_cdf")
def lower_branch_everywhere(x, loc, scale):
    """½ e^(z) above the mean, too: beyond one there."""
    return 0.5 * ((x - loc) / scale).exp()


@mutant("density.laplace_cdf")
def survival(x, loc, scale):
    """P(X > x)."""
    return 1 - Laplace(loc, scale).cdf(x)


# Twins: none of these may be accused.


@twin("entropy.bernoulli")
def by_cross_entropy(logits):
    """The cross-entropy of a distribution with itself."""
    return functional.binary_cross_entropy_with_logits(logits, logits.sigmoid(), reduction="none").sum(-1)


@twin("entropy.bernoulli")
def by_torch(probs):
    """torch's own."""
    return Bernoulli(probs).entropy()


@twin("entropy.laplace")
def by_torch_laplace(scale):
    """torch's own, averaged over the batch."""
    return Laplace(torch.zeros_like(scale), scale).entropy().sum(-1).mean()


@twin("density.laplace_cdf")
def by_torch_cdf(x, loc, scale):
    """torch's own, by expm1."""
    return Laplace(loc, scale).cdf(x)
