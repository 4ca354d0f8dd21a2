"""Squeezing: pixels are traded for channels."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["Squeeze"]


class Squeeze(nn.Module):
    """Each block of 2 × 2 pixels becomes 4 channels of one pixel: y_(4c + 2i + j),k,l = x_c,(2k + i),(2l + j).

    It only renames numbers, so that logabsdet = 0.

    Shapes: ``x`` [batch, channels, 2h, 2w] → [batch, 4·channels, h, w]; logabsdet [batch].

    Raises:
        ValueError: Height or width is odd.

    Source: Dinh, Sohl-Dickstein & Bengio 2017, section 3.6.

    >>> import torch
    >>> y, _ = Squeeze()(torch.arange(4.0).reshape(1, 1, 2, 2))
    >>> y.flatten()
    tensor([0., 1., 2., 3.])
    """

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, 0)."""
        batch, channels, height, width = x.shape
        if height % 2 or width % 2:
            raise ValueError(f"got images of {height} × {width}; expected even sizes, which 2 × 2 blocks cover")
        blocks = x.reshape(batch, channels, height // 2, 2, width // 2, 2)
        y = blocks.permute(0, 1, 3, 5, 2, 4).reshape(batch, 4 * channels, height // 2, width // 2)
        return y, x.new_zeros(batch)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, 0)."""
        batch, channels, height, width = y.shape
        blocks = y.reshape(batch, channels // 4, 2, 2, height, width)
        x = blocks.permute(0, 1, 4, 2, 5, 3).reshape(batch, channels // 4, 2 * height, 2 * width)
        return x, y.new_zeros(batch)
