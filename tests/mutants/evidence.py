"""Estimates of p(x) from draws with one named bug each, and unusual ones that are right."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from genverify.subjects.estimator import GradientEstimator
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
EVIDENCE = "target.marginal_likelihood"


def mutant(f: Callable[..., Any]) -> Callable[..., Any]:
    """Declares the decorated function as a wrong estimator of p(x)."""
    make = lambda: GradientEstimator(f, like=EVIDENCE)  # noqa: E731
    MUTANTS.append(Mutant(name=f"evidence: {f.__name__}", make=make, killed_by="gradient_estimator.bias"))
    return f


def twin(f: Callable[..., Any]) -> Callable[..., Any]:
    """Declares the decorated function as a right one."""
    make = lambda: GradientEstimator(f, like=EVIDENCE)  # noqa: E731
    TWINS.append(Twin(name=f"evidence: {f.__name__}", make=make))
    return f


@mutant
def logarithm_of_the_estimate(log_px_z):
    """log p̂ sold as unbiased: its expectation is below log p(x)."""
    return torch.logsumexp(log_px_z, 0) - math.log(len(log_px_z))


@mutant
def log_inside_the_mean(log_px_z):
    """The exponential of a mean of logarithms: a geometric mean."""
    return log_px_z.mean().exp()


@mutant
def sum_of_likelihoods(p_x_given_z):
    """The mean is forgotten."""
    return p_x_given_z.sum()


@mutant
def proposal_forgotten(log_joint):
    """Draws of the encoder, weighted by the joint density alone."""
    return log_joint.exp().mean()


@mutant
def normalised_weights(log_w):
    """Self-normalised weights: they sum to one, and what they estimate is no evidence."""
    return (torch.softmax(log_w, 0) * log_w.exp()).sum()


@mutant
def narrow_prior(log_likelihood_fn, n):
    """Draws of half the prior's standard deviation. Met: keras-team/keras#4211, of a hundredth."""
    return log_likelihood_fn(0.5 * torch.randn(n, 1)).exp().mean()


# Twins: none of these may be accused.


@twin
def drawn_inside(log_likelihood_fn, n):
    """Draws of the prior by torch.distributions, inside."""
    prior = torch.distributions.Normal(torch.zeros(1), torch.ones(1))
    return log_likelihood_fn(prior.sample((n,))).exp().mean()


@twin
def antithetic(log_likelihood_fn, eps):
    """Each draw and its mirror image."""
    return 0.5 * (log_likelihood_fn(eps).exp() + log_likelihood_fn(-eps).exp()).mean()


@twin
def through_a_shift(log_joint, log_q):
    """The largest weight taken out, and in again."""
    log_w = log_joint - log_q
    top = log_w.max()
    return (log_w - top).exp().mean() * top.exp()
