"""A permutation of the features, which lets every feature be changed by some coupling layer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Permutation"]


class Permutation(nn.Module):
    """y_i = x_{order(i)}; it preserves volume, so that logabsdet = 0.

    Shapes: ``x`` [batch, features]; ``order`` a permutation of 0 … features − 1.

    Source: Dinh, Sohl-Dickstein & Bengio 2017, section 3.5.

    >>> y, logabsdet = Permutation([2, 0, 1])(torch.tensor([[10.0, 11.0, 12.0]]))
    >>> y, logabsdet
    (tensor([[12., 10., 11.]]), tensor([0.]))
    """

    order: Tensor

    def __init__(self, order: list[int]) -> None:
        super().__init__()
        self.register_buffer("order", torch.tensor(order))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, 0)."""
        return x[:, self.order], x.new_zeros(len(x))

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, 0)."""
        return y[:, torch.argsort(self.order)], y.new_zeros(len(y))
