"""Advantages against a baseline with one named bug each, and right ones in unusual styles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(like: str, killed_by: str = "dialect", **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong formula."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=f"policy.{like}", **declared)  # noqa: E731
        MUTANTS.append(Mutant(name=f"policy.{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function as a right one."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=f"policy.{like}", **declared)  # noqa: E731
        TWINS.append(Twin(name=f"policy.{like}: {getattr(f, '__name__', f)}", make=make))
        return f

    return declare


@mutant("group_mean_advantage")
def mean_of_the_first_group(rewards, num_generations):
    """The baseline of the first group for all (ServiceNow/PipelineRL#54 is the like)."""
    table = rewards.view(-1, num_generations)
    return (table - table[0].mean()).view(-1)


@mutant("group_mean_advantage")
def mean_of_everything(rewards, num_generations):
    """The mean of all prompts, which differ in difficulty (classical)."""
    return rewards - rewards.mean()


@mutant("group_mean_advantage")
def strided_groups(rewards, num_generations):
    """view(G, −1) for view(−1, G): each group holds one answer to each of several prompts (classical)."""
    table = rewards.view(num_generations, -1)
    return (table - table.mean(0)).reshape(-1)


@twin("group_mean_advantage")
def repeated_means(rewards, num_generations=3):
    """Means repeated for each member."""
    return rewards - rewards.reshape(-1, num_generations).mean(1).repeat_interleave(num_generations)


@twin("group_mean_advantage")
def one_group_at_a_time(rewards):
    """A single group."""
    return rewards - sum(rewards) / len(rewards)


@mutant("leave_one_out_advantage")
def divided_by_all(rewards):
    """Σ others over n instead of n − 1 (classical)."""
    others = (rewards.sum(-1, keepdim=True) - rewards) / rewards.shape[-1]
    return rewards - others


@mutant("leave_one_out_advantage")
def own_included(rewards, k):
    """The group's mean, which has the own reward in it (redai-studio/Relax#174)."""
    table = rewards.view(-1, k)
    return (table - table.mean(1, keepdim=True)).view(-1)


@twin("leave_one_out_advantage")
def scaled_mean(rewards, rloo_k):
    """k/(k − 1) of what the reward is above the group's mean."""
    table = rewards.reshape(-1, rloo_k)
    return ((table - table.mean(-1, keepdim=True)) * (rloo_k / (rloo_k - 1))).flatten()


@twin("leave_one_out_advantage")
def by_a_mask(scores):
    """The others by an inverted identity."""
    n = scores.shape[-1]
    others = 1 - torch.eye(n, dtype=scores.dtype)
    return scores - scores @ others / (n - 1)


@mutant("standardised_advantage")
def by_the_variance(rewards, eps=1e-8):
    """Divided by the variance (classical)."""
    return (rewards - rewards.mean(-1, keepdim=True)) / (rewards.var(-1, keepdim=True) + eps)


@mutant("standardised_advantage", "value")
def without_a_guard(rewards):
    """No ε: 0/0 where all answers to a prompt are right, or wrong (huggingface/open-r1#67 asks for the formula)."""
    return (rewards - rewards.mean(-1, keepdim=True)) / rewards.std(-1, keepdim=True)


@mutant("standardised_advantage")
def not_centred(rewards, eps=1e-8):
    """Divided by the spread alone (classical)."""
    return rewards / (rewards.std(-1, keepdim=True) + eps)


@mutant("standardised_advantage")
def guard_in_the_numerator(rewards, eps=1e-8):
    """Brackets: x/std + ε (classical)."""
    return (rewards - rewards.mean(-1, keepdim=True)) / rewards.std(-1, keepdim=True) + eps


@twin("standardised_advantage")
def over_the_batch(advantages):
    """Over everything, in place on a copy."""
    found = advantages.clone()
    found -= found.mean()
    return found / (advantages.std() + 1e-8)


@twin("standardised_advantage")
def in_numpy_over_n(adv):
    """NumPy's standard deviation, over n."""
    a = adv.numpy()
    return (a - a.mean(-1, keepdims=True)) / (a.std(-1, keepdims=True) + 1e-6)


@twin("standardised_advantage")
def by_layer_norm(rewards, eps=1e-5):
    """A layer normalisation: over n, ε under the root."""
    return torch.nn.functional.layer_norm(rewards, rewards.shape[-1:], eps=eps)


@mutant("ema_baseline_advantage")
class UpdatedFirst:
    """The baseline moves before it is subtracted, and has seen the sample (raven-ml/raven's workshop does so)."""

    def __init__(self, decay=0.9):
        self.decay, self.level = decay, 0.0

    def __call__(self, rewards):
        self.level = self.decay * self.level + (1 - self.decay) * rewards.mean()
        return rewards - self.level


@mutant("ema_baseline_advantage")
def roles_exchanged(rewards, baseline, decay=0.9):
    """(1 − β) b + β r: the average forgets at once; and b is subtracted first (classical)."""
    return rewards - ((1 - decay) * baseline + decay * rewards.mean())


@mutant("ema_baseline_advantage")
class Forgets:
    """β and 1 − β exchanged in the update (classical)."""

    def __init__(self, decay=0.9):
        self.decay, self.level = decay, 0.0

    def __call__(self, rewards):
        found = rewards - self.level
        self.level = (1 - self.decay) * self.level + self.decay * rewards.mean()
        return found


@twin("ema_baseline_advantage")
class Tracks:
    """A running average that is kept as a tensor."""

    def __init__(self, momentum=0.9):
        self.momentum, self.level = momentum, torch.zeros(())

    def __call__(self, rewards):
        found = rewards - self.level
        self.level = self.level.to(rewards).lerp(rewards.mean(), 1 - self.momentum)
        return found


@twin("ema_baseline_advantage")
def of_one_batch(returns, baseline, beta=0.95):
    """The step of a loop that keeps the baseline itself."""
    return returns - baseline
