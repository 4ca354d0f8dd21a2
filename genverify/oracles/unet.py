"""The U-Net's arithmetic: the sizes level by level, and the crop of the skip to the size of what it joins.

Source: Ronneberger, Fischer & Brox 2015, "U-Net: Convolutional networks for biomedical image segmentation", section 2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .convolution import output_size

__all__ = ["crop_and_concatenate", "legal", "network_size"]


def crop_and_concatenate(
    skip: Tensor, up: Tensor, *, skip_first: bool = True, late: bool = False, corner: bool = False, padded: bool = False
) -> Tensor:
    """The centre of the skip beside the upsampled features, along the channels.

    With D = H − h (both even or odd) the crop begins at row ⌊D/2⌋, or with `late` at ⌈D/2⌉; with `corner` at 0; with
    `padded` the features are put into the middle of zeros of the skip's size instead.

    Shapes: skip [..., c, H, W], up [..., d, h, w]; the result [..., c + d, h, w], or [..., c + d, H, W] if padded.
    """
    gaps = [skip.shape[axis] - up.shape[axis] for axis in (-2, -1)]
    starts = [0 if corner else (gap + 1) // 2 if late else gap // 2 for gap in gaps]
    rows, columns = (
        torch.arange(up.shape[axis]) + start for axis, start in zip((-2, -1), starts, strict=True)
    )  # fmt: skip
    if padded:
        into_rows = (torch.arange(skip.shape[-2])[:, None] == rows).to(up)
        into_columns = (torch.arange(skip.shape[-1])[:, None] == columns).to(up)
        parts = (skip, into_rows @ up @ into_columns.mT)
    else:
        parts = (skip[..., rows[:, None], columns], up)
    return torch.cat(parts if skip_first else parts[::-1], -3)


def network_size(size: int, depth: int, kernel: int = 3, padding: int = 0, convolutions: int = 2) -> int | None:
    """The size of the output of a U-Net, or None where the size is not legal.

    On each level `convolutions` convolutions, then a 2×2 pooling; below `depth` levels the same convolutions; on the
    way up doubling, joining, convolutions. A size is legal where every pooling halves an even number, and where
    something is left at the end.

    >>> network_size(572, 4), network_size(571, 4), network_size(64, 4, padding=1)
    (388, None, 64)
    """  # fmt: skip

    def through(n: int) -> int:
        for _ in range(convolutions):
            n = output_size(n, kernel, padding=padding)
        return n

    for _ in range(depth):
        size = through(size)
        if size < 2 or size % 2:
            return None
        size //= 2
    size = through(size)
    for _ in range(depth):
        size = through(2 * size)
    return size if size > 0 else None


def legal(size: int, depth: int, kernel: int = 3, padding: int = 0, convolutions: int = 2) -> bool:
    """Whether a U-Net takes this size."""
    return network_size(size, depth, kernel, padding, convolutions) is not None
