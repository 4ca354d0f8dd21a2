"""The loss whose gradient is the policy gradient.

Source: Sutton & Barto 2018, Reinforcement Learning, section 13.3.
"""

from __future__ import annotations

from torch import Tensor

__all__ = ["gradient_loss"]


def gradient_loss(log_probs: Tensor, returns: Tensor) -> Tensor:
    """-Σ_t log π(a_t | s_t) G_t; each log-probability with the return that follows it.

    Shapes: both [..., time]; a number.

    >>> import torch
    >>> gradient_loss(torch.tensor([-1.0, -2.0]), torch.tensor([3.0, 1.0]))
    tensor(5.)
    """
    return -(log_probs * returns.detach()).sum()
