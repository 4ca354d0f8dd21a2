"""The U-Net: contract, expand, and join on each level what was seen on the way down.

Source: Ronneberger, Fischer & Brox 2015, "U-Net: Convolutional networks for biomedical image segmentation", section 2.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["UNet", "crop_and_concatenate", "output_size"]


def crop_and_concatenate(skip: Tensor, up: Tensor) -> Tensor:
    """The centre of the skip beside the upsampled features, along the channels.

    Shapes: skip [batch, c, H, W]; up [batch, d, h, w] with h ≤ H, w ≤ W; the result [batch, c + d, h, w].

    Raises:
        ValueError: The skip is smaller than what it is to be joined with.

    Source: Ronneberger, Fischer & Brox 2015, section 2 ("copy and crop").

    >>> crop_and_concatenate(torch.arange(9.0).reshape(1, 1, 3, 3), torch.zeros(1, 1, 1, 1)).flatten()
    tensor([4., 0.])
    """
    (height, width), (h, w) = skip.shape[-2:], up.shape[-2:]
    if height < h or width < w:
        raise ValueError(f"a skip of {height}×{width} pixels cannot be cropped to {h}×{w}")
    top, left = (height - h) // 2, (width - w) // 2
    return torch.cat((skip[..., top : top + h, left : left + w], up), dim=-3)


def output_size(size: int, depth: int, kernel_size: int = 3, padding: int = 0, convolutions: int = 2) -> int:
    """The size of the output along one axis.

    With a loss of ℓ = c (k − 1 − 2p) at each stage: n ↦ (n − ℓ)/2 on each level down, n ↦ n − ℓ below, n ↦ 2n − ℓ up

    Raises:
        ValueError: A pooling would meet an odd size, or nothing is left; the message says on which level.

    Source: Ronneberger, Fischer & Brox 2015, section 2 (572 → 388 with four levels).

    >>> output_size(572, 4)
    388
    """
    loss = convolutions * (kernel_size - 1 - 2 * padding)
    at = size
    for level in range(depth):
        at -= loss
        if at < 2 or at % 2:
            raise ValueError(f"size {size}: on level {level} there are {at} pixels, which a 2×2 pooling cannot halve")
        at //= 2
    at -= loss
    for _ in range(depth):
        at = 2 * at - loss
    if at < 1:
        raise ValueError(f"size {size}: nothing is left of it after {depth} levels")
    return at


class UNet(nn.Module):
    """A U-Net with padded convolutions, whose output has the size of its input.

    On the way down: block, keep, 2×2 max pooling. At the bottom: block. On the way up: 2×2 transposed convolution,
    join with what was kept on that level, block. A block is two 3×3 convolutions, each with a ReLU. At the end a 1×1
    convolution.

    Shapes: [batch, in_channels, height, width] → [batch, out_channels, height, width].

    Raises:
        ValueError: height or width is not a positive multiple of 2^depth.

    Source: Ronneberger, Fischer & Brox 2015, figure 1, with padding as in most later implementations.

    >>> UNet(1, 2, depth=2, width=2)(torch.zeros(1, 1, 8, 12)).shape
    torch.Size([1, 2, 8, 12])
    """

    def __init__(self, in_channels: int, out_channels: int, *, depth: int = 2, width: int = 4) -> None:
        """Initialises as torch does; `width` is the number of channels of the first level, doubled on each."""
        super().__init__()
        self.depth = depth
        widths = [width * 2**level for level in range(depth + 1)]
        self.down = nn.ModuleList([_block(i, o) for i, o in zip([in_channels, *widths[:-2]], widths[:-1], strict=True)])
        self.bottom = _block(widths[-2] if depth else in_channels, widths[-1])
        self.expand = nn.ModuleList([nn.ConvTranspose2d(2 * w, w, 2, stride=2) for w in reversed(widths[:-1])])
        self.up = nn.ModuleList([_block(2 * w, w) for w in reversed(widths[:-1])])
        self.last = nn.Conv2d(widths[0], out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Down, bottom, and up."""
        height, width = x.shape[-2:]
        if height % 2**self.depth or width % 2**self.depth or not height or not width:
            raise ValueError(
                f"an image of {height}×{width} pixels does not halve {self.depth} times: pad it to a multiple of "
                f"{2**self.depth}"
            )
        kept = []
        for block in self.down:
            x = block(x)
            kept.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.bottom(x)
        for expand, block in zip(self.expand, self.up, strict=True):
            x = block(crop_and_concatenate(kept.pop(), expand(x)))
        return self.last(x)


def _block(in_channels: int, out_channels: int) -> nn.Sequential:
    """Two convolutions, each with a ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, 3, padding=1), nn.ReLU(),
    )  # fmt: skip
