"""Returns and generalised advantages with one named bug each, and right ones in unusual styles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
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


# ── Returns ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@mutant("returns")
def rewards_of_the_past(rewards, gamma=0.9):
    """Runs from the first step on: a sum of what came before (classical)."""
    found, total = [], 0.0
    for r in rewards:
        total = r + gamma * total
        found.append(total)
    return torch.stack(found)


@mutant("returns")
def whole_return(rewards, gamma=0.9):
    """The return of the whole episode at every step: the first form of REINFORCE, and no reward-to-go."""
    total = sum(gamma**t * r for t, r in enumerate(rewards))
    return torch.stack([total for _ in rewards])


@mutant("returns")
def discounts_the_reward(rewards, gamma=0.9):
    """γ (r + G): one discount too many (classical)."""
    found, later = [], torch.zeros_like(rewards[0])
    for r in reversed(rewards):
        later = gamma * (r + later)
        found.insert(0, later)
    return torch.stack(found)


@mutant("returns")
def across_the_end(rewards, dones, next_value, gamma=0.9):
    """The flags stop the value behind the last step alone: episodes of a batch are added up (classical)."""
    found, later = [], next_value * (1 - dones[-1])
    for t in reversed(range(len(rewards))):
        later = rewards[t] + gamma * later
        found.insert(0, later)
    return torch.stack(found)


@mutant("returns")
def resets_behind_the_reward(rewards, dones, gamma=0.9):
    """(r + γ G)(1 − d): the reward of the last step, often the only one, is lost (classical)."""
    found, later = [], torch.zeros_like(rewards[0])
    for t in reversed(range(len(rewards))):
        later = (rewards[t] + gamma * later) * (1 - dones[t])
        found.insert(0, later)
    return torch.stack(found)


@mutant("returns")
def summed_over_the_batch(rewards, gamma=0.9):
    """One running sum for all episodes of the batch (classical)."""
    found, later = torch.zeros_like(rewards), 0.0
    for t in reversed(range(rewards.shape[1])):
        later = rewards[:, t].sum() + gamma * later
        found[:, t] = later
    return found


@twin("returns")
def by_list(rewards, gamma):
    """From the last to the first, one episode, a list."""
    found, later = [], 0
    for r in reversed(list(rewards)):
        later = float(r) + gamma * later
        found.insert(0, later)
    return torch.tensor(found, dtype=rewards.dtype)


@twin("returns")
def by_triangle(rewards, discount):
    """A triangular matrix of powers."""
    lag = torch.arange(rewards.shape[-1]) - torch.arange(rewards.shape[-1]).unsqueeze(-1)
    powers = torch.where(lag >= 0, torch.as_tensor(discount, dtype=rewards.dtype) ** lag.clamp(min=0), 0.0)
    return rewards @ powers.T


@twin("returns")
def in_numpy(rewards, masks, last_value, gamma=0.99):
    """Arrays [time, batch], masks for flags."""
    r, m = rewards.numpy(), masks.numpy()
    found = np.zeros((len(r) + 1, *r.shape[1:]), dtype=r.dtype)
    found[-1] = last_value.numpy()
    for t in range(len(r))[::-1]:
        found[t] = r[t] + gamma * m[t] * found[t + 1]
    return found[:-1]


# ── Temporal differences and generalised advantages ──────────────────────────────────────────────────────────────────


@mutant("td_error")
def done_ignored(reward, value, next_value, done, gamma=0.99):
    """The value behind the end of an episode counts (classical)."""
    return reward + gamma * next_value - value


@mutant("td_error")
def done_of_the_reward(reward, value, next_value, done, gamma=0.99):
    """(1 − d) multiplies the reward, too (classical)."""
    return (reward + gamma * next_value) * (1 - done) - value


@mutant("td_error")
def value_less_target(reward, value, next_value, gamma=0.99):
    """V − target: minus δ (classical)."""
    return value - (reward + gamma * next_value)


@twin("td_error")
def by_where(r, v, v_next, terminated, discount=0.99):
    """A where for the mask."""
    return r - v + discount * torch.where(terminated > 0, torch.zeros_like(v_next), v_next)


@mutant("gae")
def flags_of_the_next_step(rewards, values, dones, next_value, gamma=0.99, lam=0.95):
    """d_{t+1} for d_t with flags that end their own step (hill-a/stable-baselines#385)."""
    found, later = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        last = t == len(rewards) - 1
        kept = 1.0 - (dones[t] if last else dones[t + 1])
        after = next_value if last else values[t + 1]
        delta = rewards[t] + gamma * after * kept - values[t]
        found[t] = later = delta + gamma * lam * kept * later
    return found


@mutant("gae")
def without_a_reset(rewards, values, dones, next_value, gamma=0.99, lam=0.95):
    """1 − d in δ alone: advantages leak into the episode before (alessiodm/drl-zh#14 mends the like)."""
    found, later = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        after = next_value if t == len(rewards) - 1 else values[t + 1]
        delta = rewards[t] + gamma * after * (1 - dones[t]) - values[t]
        found[t] = later = delta + gamma * lam * later
    return found


@mutant("gae")
def value_of_the_next_episode(rewards, values, next_values, dones, gamma=0.99, lam=0.95):
    """1 − d in the recursion alone, with a value behind the end that is not 0 (asked in thu-ml/tianshou#869)."""
    delta = rewards + gamma * next_values - values
    found, later = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        found[t] = later = delta[t] + gamma * lam * (1 - dones[t]) * later
    return found


@mutant("gae")
def masks_the_value_too(rewards, values, masks, last_value, gamma=0.99, lam=0.95):
    """(1 − d) multiplies V(s_t), too: r + m (γV' − V) (AI4Finance-Foundation/ElegantRL#183)."""
    found, later = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        after = last_value if t == len(rewards) - 1 else values[t + 1]
        delta = rewards[t] + masks[t] * (gamma * after - values[t])
        found[t] = later = delta + gamma * lam * masks[t] * later
    return found


@mutant("gae")
def multiplies_itself(rewards, values, dones, next_value, gamma=0.99, lam=0.95):
    """A[t] where A[t + 1] belongs: only δ is left (4kasha/CartPole_PPO#1)."""
    found = torch.zeros_like(rewards)
    for t in reversed(range(len(rewards))):
        after = next_value if t == len(rewards) - 1 else values[t + 1]
        delta = rewards[t] + gamma * after * (1 - dones[t]) - values[t]
        found[t] = found[t] * lam * gamma * (1 - dones[t]) + delta
    return found


@mutant("gae")
def last_step_left_out(rewards, values, dones, next_value, gamma=0.99, lam=0.95):
    """The loop begins one step early, and the last advantage stays 0 (DLR-RM/stable-baselines3#183 is the like)."""
    found, later = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards) - 1)):
        delta = rewards[t] + gamma * values[t + 1] * (1 - dones[t]) - values[t]
        found[t] = later = delta + gamma * lam * (1 - dones[t]) * later
    return found


@mutant("gae")
def lambda_alone(rewards, values, gamma=0.99, lam=0.95):
    """λ for γλ in the recursion (classical); values at one state more."""
    delta = rewards + gamma * values[1:] - values[:-1]
    found, later = torch.zeros_like(delta), 0.0
    for t in reversed(range(len(delta))):
        found[t] = later = delta[t] + lam * later
    return found


@mutant("gae")
def returns_the_target(rewards, values, dones, next_value, gamma=0.99, lam=0.95):
    """A + V, the critic's target, under the advantage's name (classical)."""
    return flagged(rewards, values, next_value, dones, gamma, lam)[1]


def flagged(rewards, values, next_value, dones, gamma=0.99, lam=0.95):
    """Time first, advantages and returns."""
    found, later = torch.zeros_like(rewards), torch.zeros_like(next_value)
    for t in range(len(rewards) - 1, -1, -1):
        after = values[t + 1] if t + 1 < len(rewards) else next_value
        later = rewards[t] + gamma * (1 - dones[t]) * (after + lam * later) - values[t]
        found[t] = later
    return found, found + values


@twin("gae")
def of_next_flags(rewards, values, dones, next_value, next_done, gamma=0.99, gae_lambda=0.95):
    """Flags that the state before the step is a first one, and one for the state behind the last (CleanRL's way)."""
    found, later = torch.zeros_like(rewards), 0.0
    for t in reversed(range(len(rewards))):
        last = t == len(rewards) - 1
        kept = 1.0 - (next_done if last else dones[t + 1])
        after = next_value if last else values[t + 1]
        found[t] = later = rewards[t] + gamma * kept * (after + gae_lambda * later) - values[t]
    return found


@twin("gae")
def discounted_deltas(rewards, values, gamma=0.99, lam=0.97):
    """One trajectory with a value more, a filter over all deltas (Spinning Up's way)."""
    delta = (rewards + gamma * values[1:] - values[:-1]).tolist()
    return torch.tensor(
        [sum((gamma * lam) ** k * d for k, d in enumerate(delta[t:])) for t in range(len(delta))], dtype=rewards.dtype
    )


@twin("gae")
def backwards_along_the_last_axis(rewards, values, masks, gamma=0.99, lmbda=0.95):
    """Batch first; nothing follows the last state."""
    columns, later = [], torch.zeros_like(rewards[:, 0])
    padded = torch.cat([values, torch.zeros_like(values[:, :1])], 1)
    for t in range(rewards.size(1) - 1, -1, -1):
        delta = rewards[:, t] + gamma * padded[:, t + 1] * masks[:, t] - padded[:, t]
        later = delta.add(masks[:, t].mul(gamma * lmbda).mul(later))
        columns.append(later)
    return torch.stack(columns, 1).flip(1)


@twin("gae", output=lambda found: found[0])
def with_its_returns(rewards, values, next_value, dones, gamma=0.99, lam=0.95):
    """Two results, the advantage first."""
    return flagged(rewards, values, next_value, dones, gamma, lam)
