"""Losses of an actor and the clipped surrogate with one named bug each, and right ones in unusual styles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(like: str, killed_by: str = "dialect", **declared: Any) -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong loss."""

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


@mutant("actor_loss", "gradient")
def critic_in_the_actor(log_probs, returns, values):
    """No detach: the actor's loss trains the critic to flatter it (classical; asked in seungeunrho/minimalRL#33)."""
    return -(log_probs * (returns - values)).mean()


@mutant("actor_loss", "gradient")
def actor_detached(log_probs, advantages):
    """The wrong factor is detached: nothing is learnt (classical)."""
    return -(log_probs.detach() * advantages).mean() + 0.0 * log_probs.sum()


@mutant("actor_loss")
def probability_for_its_logarithm(log_probs, advantages):
    """π A for log π A (classical)."""
    return -(log_probs.exp() * advantages).mean()


@mutant("actor_loss")
def critic_the_wrong_way_round(log_probs, returns, values):
    """V − G: bad actions are reinforced (classical)."""
    return -(log_probs * (values - returns).detach()).mean()


@mutant("actor_loss", "gradient")
def target_moves(log_probs, rewards, values, next_values, dones, gamma=0.99):
    """V is detached and V' is not (classical)."""
    return -(log_probs * (rewards + gamma * (1 - dones) * next_values - values.detach())).mean()


@mutant("actor_loss")
def broadcast(log_probs, returns, values):
    """[n] against [n, 1]: an n × n table is averaged (classical)."""
    return -(log_probs * (returns.unsqueeze(-1) - values.unsqueeze(-1)).detach()).mean()


@twin("actor_loss")
def temporal_difference(log_prob, reward, value, next_value, done, gamma=0.95):
    """The advantage by one step, in a context without gradient."""
    with torch.no_grad():
        advantage = reward + gamma * next_value * (1 - done) - value
    return torch.neg(log_prob).mul(advantage).sum()


@twin("actor_loss")
def by_a_list(log_probs, advantages):
    """A list of losses, stacked."""
    return torch.stack([-lp * a for lp, a in zip(log_probs, advantages, strict=True)]).mean()


@twin("actor_loss")
def as_numbers(log_probs, returns, values):
    """Values read as Python numbers, as A2C examples do."""
    total = 0
    for log_prob, g, value in zip(log_probs, returns, values, strict=True):
        total = total - log_prob * (g - value.item())
    return total


@mutant("ppo_clip")
def largest(log_probs, old_log_probs, advantages, clip=0.2):
    """max for min without the change of sign: the pessimistic bound becomes an optimistic one (classical)."""
    ratio = (log_probs - old_log_probs).exp()
    return -torch.max(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()


@mutant("ppo_clip")
def least_before_the_product(log_probs, old_log_probs, advantages, clip=0.2):
    """min(r, clip r) A (takuseno/ppo#3; proposed in tensorlayer/TensorLayer#1072)."""
    ratio = (log_probs - old_log_probs).exp()
    return -(torch.min(ratio, ratio.clamp(1 - clip, 1 + clip)) * advantages).mean()


@mutant("ppo_clip")
def clipped_and_no_more(log_probs, old_log_probs, advantages, clip=0.2):
    """Only the clipped term: a ratio on the wrong side cannot come back (classical)."""
    return -((log_probs - old_log_probs).exp().clamp(1 - clip, 1 + clip) * advantages).mean()


@mutant("ppo_clip")
def sign_by_the_advantage(log_probs, old_log_probs, advantages, clip=0.2):
    """sign(A) min(r |A|, clip(r) |A|) (proposed in ray-project/ray#37334)."""
    ratio, size = (log_probs - old_log_probs).exp(), advantages.abs()
    return -(advantages.sign() * torch.min(size * ratio, size * ratio.clamp(1 - clip, 1 + clip))).mean()


@mutant("ppo_clip")
def logarithm_clipped(log_probs, old_log_probs, advantages, clip=0.2):
    """The bounds 1 ± ε on log r (classical)."""
    log_ratio = log_probs - old_log_probs
    return -torch.min(log_ratio.exp() * advantages, log_ratio.clamp(1 - clip, 1 + clip).exp() * advantages).mean()


@mutant("ppo_clip")
def old_over_new(log_probs, old_log_probs, advantages, clip=0.2):
    """π_old/π (asked of openai/baselines#652, where it is right, since both are negated)."""
    ratio = (old_log_probs - log_probs).exp()
    return -torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()


@mutant("ppo_clip", "gradient")
def clamp_with_a_gradient(log_probs, old_log_probs, advantages, clip=0.2):
    """A straight-through clamp: what is clipped still moves (classical)."""
    ratio = (log_probs - old_log_probs).exp()
    clipped = ratio + (ratio.clamp(1 - clip, 1 + clip) - ratio).detach()
    return -torch.min(ratio * advantages, clipped * advantages).mean()


@twin("ppo_clip")
def largest_of_the_losses(logp, logp_old, adv, clip_ratio=0.2):
    """max(−r A, −clip(r) A), as in baselines."""
    ratio = torch.exp(logp - logp_old)
    return torch.maximum(-adv * ratio, -adv * torch.clamp(ratio, 1.0 - clip_ratio, 1.0 + clip_ratio)).mean()


@twin("ppo_clip")
def by_cases(ratio, advantage, eps_clip=0.1):
    """Spinning Up's g(ε, A), of a ratio."""
    bound = torch.where(advantage > 0, (1 + eps_clip) * advantage, (1 - eps_clip) * advantage)
    return -torch.min(ratio * advantage, bound)


@twin("ppo_clip")
def to_be_maximised(new_probs, old_probs, advantages, epsilon=0.2):
    """Probabilities; the objective."""
    ratio = new_probs / old_probs
    return torch.min(ratio * advantages, ratio.clip(1 - epsilon, 1 + epsilon) * advantages).sum()


@twin("ppo_clip")
def with_two_bounds(log_ratio, advantages, eps_low=0.2, eps_high=0.28):
    """Different bounds below and above, of the logarithm of the ratio."""
    ratio = log_ratio.exp()
    first, second = ratio * advantages, ratio.clamp(1 - eps_low, 1 + eps_high) * advantages
    return -torch.minimum(first, second).mean()
