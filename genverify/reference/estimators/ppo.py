r"""The clipped surrogate of proximal policy optimisation.

    $$ L = -\frac1n \sum_i \min\big( r_i A_i,\ \mathrm{clip}(r_i, 1 - \epsilon, 1 + \epsilon) A_i \big), \qquad
       r_i = \pi(a_i)/\pi_{\rm old}(a_i) $$

Source: Schulman, Wolski, Dhariwal, Radford & Klimov 2017, eq. 7.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["clip_loss"]


def clip_loss(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, clip: float = 0.2) -> Tensor:
    """The loss to minimise: what moves the ratio beyond 1 ± ε in the direction of the advantage is worth nothing.

    Shapes: all [batch]; a number.

    >>> clip_loss(torch.tensor([0.5]), torch.zeros(1), torch.tensor([2.0]), 0.25)
    tensor(-2.5000)
    """
    ratio = torch.exp(log_probs - old_log_probs)
    return -torch.min(ratio * advantages, ratio.clamp(1 - clip, 1 + clip) * advantages).mean()
