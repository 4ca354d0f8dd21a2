r"""Returns, temporal differences and advantages: what a policy gradient weighs its log-probabilities with.

    $$ G_t = r_t + \gamma G_{t+1}, \quad \delta_t = r_t + \gamma V(s_{t+1}) - V(s_t), \quad
       A_t = \delta_t + \gamma\lambda A_{t+1} $$

Where an episode ends at t, what lies behind is not seen: $\gamma$ is multiplied by $1 - d_t$.

Source: Sutton & Barto 2018, eq. 3.9 and 6.5; Schulman, Moritz, Levine, Jordan & Abbeel 2016, eq. 16.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = [
    "ema_baseline_advantage",
    "gae",
    "group_mean_advantage",
    "leave_one_out_advantage",
    "returns",
    "standardised_advantage",
    "td_error",
]


def returns(rewards: Tensor, dones: Tensor, gamma: float, next_value: Tensor) -> Tensor:
    """The discounted sum of what follows, begun at the value of the state after the last step.

    Shapes: rewards and dones [..., time], next_value [...]; [..., time].

    >>> returns(torch.tensor([1.0, 1.0, 1.0]), torch.tensor([0.0, 1.0, 0.0]), 0.5, torch.tensor(2.0))
    tensor([1.5000, 1.0000, 2.0000])
    """
    found, later = [], next_value
    for t in reversed(range(rewards.shape[-1])):
        later = rewards[..., t] + gamma * (1 - dones[..., t]) * later
        found.append(later)
    return torch.stack(found[::-1], -1)


def td_error(reward: Tensor, value: Tensor, next_value: Tensor, done: Tensor, gamma: float) -> Tensor:
    """The one-step target less the value.

    Shapes: all [...].

    >>> td_error(torch.ones(2), torch.ones(2), torch.ones(2), torch.tensor([0.0, 1.0]), 0.5)
    tensor([0.5000, 0.0000])
    """
    return reward + gamma * (1 - done) * next_value - value


def gae(rewards: Tensor, values: Tensor, dones: Tensor, next_value: Tensor, gamma: float, lam: float) -> Tensor:
    """Generalised advantage estimates, from the last step to the first.

    Shapes: rewards, values, dones [..., time], next_value [...]; [..., time].

    >>> zero = torch.zeros(2)
    >>> gae(torch.ones(2), zero, zero, torch.tensor(0.0), 0.5, 1.0)
    tensor([1.5000, 1.0000])
    """
    found, later = [], torch.zeros_like(next_value)
    for t in reversed(range(rewards.shape[-1])):
        delta = td_error(rewards[..., t], values[..., t], next_value, dones[..., t], gamma)
        later = delta + gamma * lam * (1 - dones[..., t]) * later
        next_value = values[..., t]
        found.append(later)
    return torch.stack(found[::-1], -1)


def group_mean_advantage(rewards: Tensor) -> Tensor:
    """Each reward less the mean of its group.

    Shapes: [..., group].

    >>> group_mean_advantage(torch.tensor([1.0, 2.0, 6.0]))
    tensor([-2., -1.,  3.])
    """
    return rewards - rewards.mean(-1, keepdim=True)


def leave_one_out_advantage(rewards: Tensor) -> Tensor:
    """Each reward less the mean of the others of its group.

    Shapes: [..., group], a group of two or more.

    >>> leave_one_out_advantage(torch.tensor([1.0, 2.0, 6.0]))
    tensor([-3.0000, -1.5000,  4.5000])
    """
    others = (rewards.sum(-1, keepdim=True) - rewards) / (rewards.shape[-1] - 1)
    return rewards - others


def standardised_advantage(rewards: Tensor, eps: float = 1e-8) -> Tensor:
    """Each reward less the mean of its group, over its standard deviation (over n - 1) plus ε.

    Shapes: [..., group], a group of two or more.

    >>> standardised_advantage(torch.tensor([1.0, 2.0, 3.0]))
    tensor([-1.,  0.,  1.])
    """
    return group_mean_advantage(rewards) / (rewards.std(-1, keepdim=True) + eps)


def ema_baseline_advantage(rewards: Tensor, baseline: Tensor, decay: float) -> tuple[Tensor, Tensor]:
    """Each reward less the average of earlier batches, and that average with this batch in it.

    Shapes: rewards [n], baseline a number; [n] and a number.

    >>> ema_baseline_advantage(torch.tensor([1.0, 3.0]), torch.tensor(1.0), 0.5)
    (tensor([0., 2.]), tensor(1.5000))
    """
    return rewards - baseline, decay * baseline + (1 - decay) * rewards.mean()
