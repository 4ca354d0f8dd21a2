"""The invertible 1 × 1 convolution: one matrix mixes the channels of every pixel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Conv1x1", "conv1x1"]


def conv1x1(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """y_bc,ij = Σ_d K_cd x_bd,ij,   logabsdet = h·w·log|det K|: the Jacobian has K once for every pixel.

    Shapes: ``x`` [batch, channels, height, width], ``weight`` [channels, channels]; logabsdet [batch].

    Source: Kingma & Dhariwal 2018, eq. 9.

    >>> y, logabsdet = conv1x1(torch.ones(1, 1, 2, 3), torch.tensor([[2.0]]))
    >>> y.sum(), logabsdet
    (tensor(12.), tensor([4.1589]))
    """
    pixels = x.shape[2] * x.shape[3]
    logabsdet = pixels * torch.linalg.slogdet(weight).logabsdet
    return torch.einsum("cd,bdij->bcij", weight, x), logabsdet.expand(len(x))


class Conv1x1(nn.Module):
    """The same with its matrix as a parameter, which begins as a rotation: logabsdet = 0.

    Shapes: ``x`` [batch, channels, height, width]; logabsdet [batch].

    Source: Kingma & Dhariwal 2018, section 3.2.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.linalg.qr(torch.randn(channels, channels)).Q)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|)."""
        return conv1x1(x, self.weight)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, log|det ∂x/∂y|)."""
        return conv1x1(y, torch.linalg.inv(self.weight))
