"""The U-Net's arithmetic: the sizes level by level, and the crop of the skip to the size of what it joins.

Source: Ronneberger, Fischer & Brox 2015, "U-Net: Convolutional networks for biomedical image segmentation", section 2.
"""

from __future__ import annotations

import torch
from torch import Tensor

from .convolution import output_size

__all__ = ["crop_and_concatenate", "legal", "network_size", "receptive_field"]


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


def receptive_field(place: int, depth: int, reach: int = 2, *, skip_alone: bool = False) -> tuple[int, int]:
    """The first and the last place of the input that the output at `place` can see, along one axis.

    A stage of convolutions that reaches `reach` places to each side widens an interval by so much; a 2×2 transposed
    convolution of stride 2 reads the places [⌊a/2⌋, ⌊b/2⌋] of the level below for [a, b], a 2×2 pooling [2a, 2b + 1] of
    the level above. With `skip_alone` only the path through the first skip is followed: two stages, no change of size.

    >>> receptive_field(0, 1), receptive_field(0, 1, skip_alone=True)
    ((-8, 9), (-4, 4))
    """

    def upwards(first: int, last: int, level: int) -> tuple[int, int]:
        """From what a level keeps on the way down to the input."""
        for _ in range(level):
            first, last = 2 * (first - reach), 2 * (last + reach) + 1
        return first - reach, last + reach

    first, last = place - reach, place + reach
    found = [upwards(first, last, 0)]
    for level in range(1, depth + 1):
        if skip_alone:
            break
        # The level below is joined with its own skip, and the lowest has one stage alone.
        widened = reach if level < depth else 0
        first, last = first // 2 - widened, last // 2 + widened
        found.append(upwards(first, last, level))
    return min(a for a, _ in found), max(b for _, b in found)
