"""Leave-one-out estimates and antithetic pairs with one named bug each, and right ones in unusual styles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from genverify.subjects.estimator import GradientEstimator
from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
PAIR, OTHERS = "control_variate.antithetic", "estimator.leave_one_out"


def mutant(like: str, killed_by: str = "dialect", **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong formula."""

    def declare(f: Any) -> Any:
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


@mutant(PAIR)
def mirrored_at_zero(f, mu, sigma, eps):
    """f(−z) for f(2μ − z): the mirror image has another law (classical)."""
    z = mu + sigma * eps
    return (f(z) + f(-z)).mean() / 2


@mutant(PAIR)
def not_halved(f, mu, sigma, eps):
    """The sum of the two (classical)."""
    return (f(mu + sigma * eps) + f(mu - sigma * eps)).mean()


@mutant(PAIR)
def difference(f, mu, sigma, eps):
    """The difference, which belongs to a gradient of evolution strategies (classical)."""
    return (f(mu + sigma * eps) - f(mu - sigma * eps)).mean() / 2


@mutant(PAIR)
def same_twice(f, mu, sigma, eps):
    """The sign is forgotten: both halves are the same draw (classical)."""
    return (f(mu + sigma * eps) + f(mu + sigma * eps)).mean() / 2


@twin(PAIR)
def stacked(f, mean, std, eps):
    """Both halves in one call of the function."""
    return f(torch.cat([mean + std * eps, mean - std * eps])).mean()


@twin(PAIR)
def draws_inside(fn, mu, logvar, n):
    """Draws its noise itself, from a log-variance."""
    noise = torch.randn(n, dtype=mu.dtype) * torch.exp(0.5 * logvar)
    return (0.5 * (fn(mu + noise) + fn(mu - noise))).mean()


@mutant(OTHERS)
def own_reward_included(rewards, scores):
    """The mean of all rewards (redai-studio/Relax#174)."""
    return ((rewards - rewards.mean())[:, None] * scores).mean(0)


@mutant(OTHERS)
def others_over_n(rewards, scores):
    """The sum of the others over n (classical)."""
    others = (rewards.sum() - rewards) / len(rewards)
    return ((rewards - others)[:, None] * scores).mean(0)


@mutant(OTHERS)
def divided_by_n_minus_one(rewards, scores):
    """The outer mean over n − 1 as well: n/(n − 1) of the estimate (classical)."""
    others = (rewards.sum() - rewards) / (len(rewards) - 1)
    return ((rewards - others)[:, None] * scores).sum(0) / (len(rewards) - 1)


@mutant(OTHERS)
def next_ones_reward(rewards, scores):
    """The reward of the next sample for a baseline: unbiased, and another estimate (classical)."""
    return ((rewards - rewards.roll(1))[:, None] * scores).mean(0)


@twin(OTHERS)
def pairwise(rewards, scores):
    """Half of the mean over ordered pairs of (r_i − r_j)(s_i − s_j)."""
    n = len(rewards)
    gaps = (rewards[:, None] - rewards[None, :])[..., None] * (scores[:, None] - scores[None, :])
    return gaps.sum((0, 1)) / (2 * n * (n - 1))


@twin(OTHERS)
def covariance(rewards, scores):
    """The sample covariance of rewards and scores, over n − 1."""
    return (rewards - rewards.mean()) @ (scores - scores.mean(0)) / (len(rewards) - 1)


def _one_sided(mean, std, f):
    """Only the positive side is drawn: half of the law is missing (classical)."""
    return f(mean + std * torch.randn(1, *mean.shape, dtype=mean.dtype).abs()).mean()


def _mirrored(mean, std, f):
    """A pair in one batch, as the loss that is differentiated."""
    noise = torch.randn(1, *mean.shape, dtype=mean.dtype)
    return f(mean + std * torch.cat([noise, -noise])).mean()


MUTANTS.append(
    Mutant(
        name="target.gradient_normal: one side alone", killed_by="gradient_estimator.bias",
        make=lambda: GradientEstimator(_one_sided, like="target.gradient_normal"),
    )
)  # fmt: skip
TWINS.append(
    Twin(
        name="target.gradient_normal: mirrored in one batch",
        make=lambda: GradientEstimator(_mirrored, like="target.gradient_normal"),
    )
)
