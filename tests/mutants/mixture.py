"""Mutants of mixtures and of the steps of EM, each with one named bug, and twins in unusual styles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(like: str, killed_by: str = "dialect", **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong formula of mixtures."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        make = lambda: Formula(f, like=f"mixture.{like}", **declared)  # noqa: E731
        MUTANTS.append(Mutant(name=f"mixture.{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function as a right one."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=f"mixture.{like}", **declared)  # noqa: E731
        TWINS.append(Twin(name=f"mixture.{like}: {f.__name__}", make=make))
        return f

    return declare


def components(x, mu, sigma):
    return Normal(mu, sigma).log_prob(x[..., None, :]).sum(-1)


@mutant("normal_log_prob")
def a_mixture_for_each_coordinate(x, logits, mu, sigma):
    """The sum over coordinates after the mixture: each coordinate has a component of its own."""
    each = Normal(mu, sigma).log_prob(x[..., None, :])
    return torch.logsumexp(logits.log_softmax(-1)[:, None] + each, -2).sum(-1)


@mutant("normal_log_prob")
def weights_outside(x, weights, mu, sigma):
    """Σ π log N: the logarithm inside."""
    return (weights * components(x, mu, sigma)).sum(-1)


@mutant("normal_log_prob", "extremes")
def densities_summed(x, weights, mu, sigma):
    """Densities themselves, whose sum is 0 far out."""
    return (weights * components(x, mu, sigma).exp()).sum(-1).log()


@mutant("responsibilities")
def without_the_prior(x, logits, mu, sigma):
    """The weights are forgotten."""
    return torch.softmax(components(x, mu, sigma), -1)


@mutant("responsibilities")
def over_the_samples(x, logits, mu, sigma):
    """Normalised over the batch."""
    return torch.softmax(logits.log_softmax(-1) + components(x, mu, sigma), 0)


@mutant("full_covariance_m_step")
def by_all_samples(x, resp):
    """Divided by n in place of N_k."""
    n, mean = resp.sum(0), resp.T @ x / resp.sum(0)[:, None]
    centred = x[:, None] - mean
    return n / len(x), mean, torch.einsum("nk,nkd,nke->kde", resp, centred, centred) / len(x)


@mutant("diagonal_covariance_m_step")
def around_the_mean_of_all(x, resp):
    """Variances around the mean of the data."""
    n = resp.sum(0)
    spread = resp.T @ (x - x.mean(0)) ** 2 / n[:, None]
    return n / len(x), resp.T @ x / n[:, None], spread


@mutant("diagonal_covariance_m_step")
def standard_deviations(x, resp):
    """σ returned for σ²."""
    weights, mean, variance = one_pass(x, resp)
    return weights, mean, variance.clamp(min=0).sqrt()


@mutant("tied_covariance_m_step")
def mean_over_components(x, resp):
    """An average over components that does not weigh them."""
    n, mean = resp.sum(0), resp.T @ x / resp.sum(0)[:, None]
    centred = x[:, None] - mean
    return n / len(x), mean, (torch.einsum("nk,nkd,nke->kde", resp, centred, centred) / n[:, None, None]).mean(0)


# Twins: none of these may be accused.


@twin("normal_log_prob")
def by_torch(x, logits, loc, scale):
    """torch's mixture."""
    return MixtureSameFamily(Categorical(logits=logits), Independent(Normal(loc, scale), 1)).log_prob(x)


@twin("normal_log_prob")
def in_a_loop(x, log_weights, mu, log_var):
    """One component after the other, added in the logarithm."""
    total = None
    for k in range(len(log_weights)):
        each = log_weights[k] + Normal(mu[k], torch.exp(0.5 * log_var[k])).log_prob(x).sum(-1)
        total = each if total is None else torch.logaddexp(total, each)
    return total


@twin("responsibilities")
def by_bayes(x, pi, mu, var):
    """Bayes' theorem in the logarithm."""
    joint = pi.log() + components(x, mu, var.sqrt())
    return (joint - joint.logsumexp(-1, keepdim=True)).exp()


@twin("diagonal_covariance_m_step")
def one_pass(x, resp):
    """scikit-learn's way: the mean of squares less the square of the mean."""
    n = resp.sum(0)
    mean = resp.T @ x / n[:, None]
    return n / n.sum(), mean, resp.T @ (x * x) / n[:, None] - mean**2


@twin("tied_covariance_m_step")
def total_less_between(x, resp):
    """scikit-learn's way: the scatter of all less that of the means."""
    n = resp.sum(0)
    mean = resp.T @ x / n[:, None]
    return n / len(x), mean, (x.T @ x - (n * mean.T) @ mean) / n.sum()


@twin("full_covariance_m_step")
def a_dictionary(X, gamma):
    """By name, with einsum."""
    n = gamma.sum(0)
    mean = torch.einsum("nk,nd->kd", gamma / n, X)
    centred = X.unsqueeze(1) - mean
    return {"mean": mean, "covariance": torch.einsum("nk,nkd,nke->kde", gamma / n, centred, centred),
            "weights": gamma.mean(0)}  # fmt: skip
