"""Masks: which entries of a weight, or which numbers of an event, are let through."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["checkerboard_mask", "made_conditional_mask", "made_mask", "pixelcnn_mask"]


def made_mask(degrees_in: Tensor, degrees_out: Tensor, strict: bool = False) -> Tensor:
    """M_ij = 1 where m'_i ≥ m_j; in the output layer, which is ``strict``, where m'_i > m_j.

    Along any path of the network degrees do not fall, and rise at its end, so that output i sees inputs before i.

    Shapes: [in], [out] → [out, in].

    Source: Germain, Gregor, Murray & Larochelle 2015, eqs. 8 and 9.

    >>> made_mask(torch.tensor([1, 2, 3]), torch.tensor([1, 2, 3]), strict=True)
    tensor([[0., 0., 0.],
            [1., 0., 0.],
            [1., 1., 0.]])
    """
    m, n = degrees_in[None, :], degrees_out[:, None]
    return (n > m if strict else n >= m).float()


def made_conditional_mask(degrees_in: Tensor, degrees_out: Tensor, context: int) -> Tensor:
    """The same, not strict, with a column of ones in front for each number of the context, which all units may see.

    Shapes: [in], [out] → [out, context + in].

    Source: Papamakarios, Pavlakou & Murray 2017, section 3.4.
    """
    mask = made_mask(degrees_in, degrees_out)
    return torch.cat([mask.new_ones(len(mask), context), mask], 1)


def checkerboard_mask(height: int, width: int, reverse: bool = False) -> Tensor:
    """1 where i + j is odd, or even where ``reverse``.

    Shapes: → [height, width].

    Source: Dinh, Sohl-Dickstein & Bengio 2017, section 3.4.

    >>> checkerboard_mask(2, 2)
    tensor([[0., 1.],
            [1., 0.]])
    """
    odd = (torch.arange(height)[:, None] + torch.arange(width)[None, :]) % 2
    return (1 - odd if reverse else odd).float()


def pixelcnn_mask(mask_type: str, kernel_size: int) -> Tensor:
    """1 for the pixels before the centre in raster order; for the centre itself in a mask of type B alone.

    Shapes: → [kernel_size, kernel_size], an odd number.

    Source: van den Oord, Kalchbrenner & Kavukcuoglu 2016, section 3.1.

    >>> pixelcnn_mask("B", 3)
    tensor([[1., 1., 1.],
            [1., 1., 0.],
            [0., 0., 0.]])
    """
    mask = torch.zeros(kernel_size, kernel_size)
    middle = kernel_size // 2
    mask[:middle] = 1.0
    mask[middle, : middle + (mask_type == "B")] = 1.0
    return mask
