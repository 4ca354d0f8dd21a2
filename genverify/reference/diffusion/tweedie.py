"""Tweedie's formula: the mean of the data behind a noisy sample, from the score of noisy samples."""

from __future__ import annotations

from torch import Tensor

__all__ = ["tweedie"]


def tweedie(x: Tensor, score: Tensor, sigma: Tensor) -> Tensor:
    """The posterior mean: ``E[y | x] = x + σ² ∇ log p(x)``, where x = y + σ ε.

    Shapes: x, score [batch, …]; sigma one number, or [batch].

    Source: Robbins 1956; Efron 2011, eq. 1.4.

    >>> import torch
    >>> tweedie(torch.ones(1, 2), -torch.ones(1, 2) / 2, torch.tensor(1.0))
    tensor([[0.5000, 0.5000]])
    """
    return x + sigma.reshape(-1, *(1,) * (x.dim() - 1)) ** 2 * score
