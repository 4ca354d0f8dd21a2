"""Denoising score matching: a score is learnt from samples to which noise was added."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["denoising_matching"]


def denoising_matching(score: Callable[[Tensor, Tensor], Tensor], x: Tensor, sigma: Tensor) -> Tensor:
    """The squared distance to the score of the noise: ``½ E ‖s(x̃, σ) + (x̃ − x)/σ²‖²``, x̃ = x + σ ε.

    Shapes: x [batch, …]; sigma one number, or [batch]. The sum over a sample's numbers, the mean over the batch.

    Source: Vincent 2011, eq. 11.

    >>> exact = lambda x, sigma: -x / sigma**2  # the data are all zero
    >>> denoising_matching(exact, torch.zeros(4, 2), torch.tensor(0.5))
    tensor(0.)
    """
    level = sigma.reshape(-1, *(1,) * (x.dim() - 1))
    noisy = x + level * torch.randn_like(x)
    gap = score(noisy, sigma) + (noisy - x) / level**2
    return 0.5 * gap.square().flatten(1).sum(1).mean()
