"""Actnorm: a scale and a shift for each channel, which the first batch sets."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ActNorm", "actnorm"]


def actnorm(x: Tensor, log_scale: Tensor, shift: Tensor) -> tuple[Tensor, Tensor]:
    """Y = s x + b for each channel, s = e^r,   logabsdet = h·w·Σ r.

    Shapes: ``x`` [batch, channels, height, width], the others [channels]; logabsdet [batch].

    Source: Kingma & Dhariwal 2018, table 1.

    >>> y, logabsdet = actnorm(torch.zeros(1, 1, 2, 2), torch.ones(1), torch.tensor([3.0]))
    >>> y.flatten(), logabsdet
    (tensor([3., 3., 3., 3.]), tensor([4.]))
    """
    pixels = x.shape[2] * x.shape[3]
    y = torch.exp(log_scale)[:, None, None] * x + shift[:, None, None]
    return y, (pixels * log_scale.sum()).expand(len(x))


class ActNorm(nn.Module):
    """The same with r and b as parameters, which `initialise` sets so that a batch has mean 0 and variance 1.

    Afterwards they are parameters like any others: no row depends on another.

    Shapes: ``x`` [batch, channels, height, width]; logabsdet [batch].

    Source: Kingma & Dhariwal 2018, section 3.1.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(channels))
        self.shift = nn.Parameter(torch.zeros(channels))

    @torch.no_grad()
    def initialise(self, x: Tensor) -> None:
        """Sets r = −log σ and b = −μ/σ with the moments of this batch."""
        std, mean = torch.std_mean(x, dim=(0, 2, 3), correction=0)
        self.log_scale.copy_(-torch.log(std))
        self.shift.copy_(-mean / std)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|)."""
        return actnorm(x, self.log_scale, self.shift)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, log|det ∂x/∂y|)."""
        x = (y - self.shift[:, None, None]) * torch.exp(-self.log_scale)[:, None, None]
        return x, (-y.shape[2] * y.shape[3] * self.log_scale.sum()).expand(len(y))
