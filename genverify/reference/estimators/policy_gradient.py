"""The loss whose gradient is the policy gradient.

Source: Sutton & Barto 2018, Reinforcement Learning, section 13.3.
"""

from __future__ import annotations

from torch import Tensor

__all__ = ["actor_loss", "gradient_loss"]


def gradient_loss(log_probs: Tensor, returns: Tensor) -> Tensor:
    """-Σ_t log π(a_t | s_t) G_t; each log-probability with the return that follows it.

    Shapes: both [..., time]; a number.

    >>> import torch
    >>> gradient_loss(torch.tensor([-1.0, -2.0]), torch.tensor([3.0, 1.0]))
    tensor(5.)
    """
    return -(log_probs * returns.detach()).sum()


def actor_loss(log_probs: Tensor, returns: Tensor, values: Tensor) -> Tensor:
    """The mean of -log π(a) (G - V); the critic's values are numbers here, and get no gradient.

    Shapes: all [batch]; a number.

    >>> import torch
    >>> actor_loss(torch.tensor([-1.0, -2.0]), torch.tensor([3.0, 1.0]), torch.tensor([1.0, 1.0]))
    tensor(1.)
    """
    return -(log_probs * (returns - values).detach()).mean()
