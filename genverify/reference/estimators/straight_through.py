"""The straight-through one-hot: a hard value with the gradient of the soft one.

Source: Bengio, Léonard & Courville 2013; Jang, Gu & Poole 2017, section 2.2.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["one_hot"]


def one_hot(soft: Tensor) -> Tensor:
    """One-hot of the largest entry forward, the identity backward.

    Shapes: [..., outcomes].

    >>> one_hot(torch.tensor([0.25, 0.75]))
    tensor([0., 1.])
    """
    hard = torch.nn.functional.one_hot(soft.argmax(-1), soft.shape[-1]).to(soft)
    return hard + (soft - soft.detach())
