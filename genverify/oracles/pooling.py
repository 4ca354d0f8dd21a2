"""Pooling by its windows: every window's entries side by side, then their maximum or their mean.

Source: Goodfellow, Bengio & Courville 2016, "Deep Learning", section 9.3; Dumoulin & Visin 2016, "A guide to
convolution arithmetic for deep learning", section 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from .convolution import pair

__all__ = ["average", "global_average", "largest", "window_count"]

Size = int | Sequence[int]


def window_count(size: int, kernel: int, stride: int, padding: int, dilation: int = 1, *, ceil: bool = False) -> int:
    """How many windows there are; with `ceil` an incomplete last one counts, unless it would start in the padding.

    >>> window_count(5, 2, 2, 0), window_count(5, 2, 2, 0, ceil=True)
    (2, 3)
    """
    room = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= size + padding else count


def _axis(size: int, kernel: int, stride: int, padding: int, dilation: int, ceil: bool) -> tuple[Tensor, Tensor]:
    """For each window and each of its entries: the place that is read, and whether it is inside the image."""
    count = window_count(size, kernel, stride, padding, dilation, ceil=ceil)
    place = torch.arange(count)[:, None] * stride - padding + torch.arange(kernel)[None, :] * dilation
    return place, (place >= 0) & (place < size)


def _windows(
    x: Tensor, kernel: Size, stride: Size | None, padding: Size, dilation: Size, ceil: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """The entries of each window [..., h', w', m n], which of these are in the image, and which in image or padding."""
    strides = pair(kernel if stride is None or (not isinstance(stride, int) and not len(stride)) else stride)
    axes = [
        _axis(x.shape[axis - 2], pair(kernel)[axis], strides[axis], pair(padding)[axis], pair(dilation)[axis], ceil)
        for axis in (0, 1)
    ]
    (rows, rows_in), (columns, columns_in) = axes
    height, width = x.shape[-2:]
    read = x[..., rows.clamp(0, height - 1)[:, None, :, None], columns.clamp(0, width - 1)[None, :, None, :]]
    inside = rows_in[:, None, :, None] & columns_in[None, :, None, :]
    near = (rows < height + pair(padding)[0])[:, None, :, None] & (columns < width + pair(padding)[1])[None, :, None, :]
    return read.flatten(-2), inside.flatten(-2), near.expand_as(inside).flatten(-2)


def largest(
    x: Tensor,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """y(i, j) = max over the entries of the window at (s i − p, s j − p) that lie in the image.

    Shapes: x [..., h, w]; the result [..., h', w'].
    """
    entries, inside, _ = _windows(x, kernel_size, stride, padding, dilation, ceil_mode)
    return torch.where(inside, entries, torch.full_like(entries, -math.inf)).amax(-1)


def average(
    x: Tensor,
    kernel_size: Size,
    *,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool | None = None,
    divisor_override: int | None = None,
    counted: bool = True,
) -> tuple[Tensor, ...]:
    """The terms of y(i, j) = (1/N) Σ of the window's entries in the image.

    N counts the entries in the image and in the padding, or those in the image alone; `counted` says so where the
    subject does not (`count_include_pad`).

    Shapes: x [..., h, w]; each term [..., h', w'].
    """
    entries, inside, near = _windows(x, kernel_size, stride, padding, 1, ceil_mode)
    with_padding = counted if count_include_pad is None else count_include_pad
    count = (near if with_padding else inside).sum(-1) if divisor_override is None else torch.tensor(divisor_override)
    kept = torch.where(inside, entries, torch.zeros_like(entries))
    return tuple(one / count for one in kept.unbind(-1))


def global_average(x: Tensor) -> tuple[Tensor, ...]:
    """The terms of y_c = (1/HW) Σ_ij x_cij. Shapes: x [..., h, w]; each term [...]."""
    flat = x.flatten(-2)
    return tuple(one / flat.shape[-1] for one in flat.unbind(-1))
