"""Mutants of importance sampling, each with one named bug, and twins in unusual styles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
ESS = "effective_sample_size"


def mutant(like: str, killed_by: str = "dialect", **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong formula of importance sampling."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        make = lambda: Formula(f, like=f"importance.{like}", **declared)  # noqa: E731
        MUTANTS.append(Mutant(name=f"importance.{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function as a right one."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=f"importance.{like}", **declared)  # noqa: E731
        TWINS.append(Twin(name=f"importance.{like}: {f.__name__}", make=make))
        return f

    return declare


@mutant("weights")
def upside_down(log_p, log_q):
    """q/p: the proposal over the target."""
    return torch.exp(log_q - log_p)


@mutant("weights")
def in_the_logarithm(log_p, log_q):
    """The exponential is forgotten."""
    return log_p - log_q


@mutant("mean")
def summed(log_p, log_q, f):
    """The sum over the draws."""
    return ((log_p - log_q).exp() * f).sum()


@mutant("mean")
def normalised_by_itself(log_p, log_q, f):
    """Self-normalised weights where the unbiased estimate is named."""
    return (torch.softmax(log_p - log_q, 0) * f).sum()


@mutant("mean", "gradient")
def detached_weights(log_p, log_q, f):
    """No gradient through the weights. Met in off-policy losses that do want it."""
    return ((log_p - log_q).exp().detach() * f).mean()


@mutant("mean", "extremes")
def densities_apart(log_p, log_q, f):
    """p and q by themselves: 0/0 of images, whose log-densities are below −745."""
    return (log_p.exp() / log_q.exp() * f).mean()


@mutant("self_normalised_mean")
def divided_by_n_again(log_w, f):
    """A mean of what sums to one already."""
    return (torch.softmax(log_w, -1) * f).mean()


@mutant("self_normalised_mean", "extremes")
def without_a_shift(log_w, f):
    """e^(log w) as it is: overflows at weights of e^90 in float32."""
    w = log_w.to(torch.float32).exp().to(log_w)
    return (w * f).sum() / w.sum()


@mutant("weighted_nll")
def weight_squared(log_prob, weights):
    """The weight in the logarithm's place and before it."""
    return -(weights**2 * log_prob).mean()


@mutant("weighted_nll")
def logarithm_of_the_weight(log_prob, weights):
    """−log(w p): the weight adds a constant, and weights nothing."""
    return -(log_prob + weights.log()).mean()


@mutant(ESS)
def one_over_the_sum_of_squares(weights):
    """1/Σ w² of weights that are not normalised."""
    return 1 / (weights**2).sum(-1)


@mutant(ESS)
def by_entropy(weights):
    """The exponential of the entropy of the weights."""
    p = weights / weights.sum(-1, keepdim=True)
    return torch.exp(-(p * p.log()).sum(-1))


@mutant(ESS)
def unbiased_variation(weights):
    """n/(1 + c²) with the variance over n − 1."""
    c = weights.std(-1) / weights.mean(-1)
    return weights.shape[-1] / (1 + c**2)


# Twins: none of these may be accused.


@twin("weights")
def normalised(log_p, log_q):
    """A softmax over the draws."""
    return torch.softmax(log_p - log_q, dim=0)


@twin("mean")
def a_dot_product(logp, logq, values):
    """An inner product over the number of draws."""
    return torch.dot(torch.exp(logp - logq), values) / len(values)


@twin("self_normalised_mean")
def of_plain_weights(weights, f):
    """Weights as they are; a weighted average."""
    return torch.sum(weights * f) / weights.sum()


@twin("self_normalised_mean")
def shifted_in_place(log_w, f):
    """The largest weight made one, in a copy."""
    w = log_w.clone()
    w.sub_(log_w.max()).exp_()
    return w @ f / w.sum()


@twin("weighted_nll")
def over_the_weights(log_prob, w):
    """A weighted average of the losses."""
    return (w * -log_prob).sum() / w.sum()


@twin(ESS)
def by_variation(w):
    """Kong's form: n/(1 + c²)."""
    n = w.shape[-1]
    return n / (1 + w.var(-1, correction=0) / w.mean(-1) ** 2)


@twin(ESS)
def of_normalised_logs(log_weights):
    """1/Σ p² of the normalised weights, over n."""
    return 1 / (torch.softmax(log_weights, -1) ** 2).sum(-1) / log_weights.shape[-1]
