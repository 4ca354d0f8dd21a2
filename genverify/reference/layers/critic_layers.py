"""Layers of critics and discriminators, written out: sorting in groups, and the deviation over a minibatch."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["group_sort", "minibatch_standard_deviation"]


def group_sort(x: Tensor, group_size: int = 2) -> Tensor:
    """Sorts each group of neighbouring features: a permutation at every point, so that lengths are kept.

    Shapes: [batch, features].

    Source: Anil, Lucas & Grosse 2019, section 4.1.

    >>> group_sort(torch.tensor([[2.0, 1.0, 4.0, 3.0]]))
    tensor([[1., 2., 3., 4.]])
    """
    return torch.cat([part.sort(dim=1).values for part in x.split(group_size, dim=1)], dim=1)


def minibatch_standard_deviation(x: Tensor, group_size: int = 4) -> Tensor:
    """Appends a channel: the deviation over a group of samples, averaged over channels and places.

    Shapes: [n, c, h, w] → [n, c + 1, h, w]; n is at most the size of a group, or a multiple of it.

    Raises:
        ValueError: There are no samples to deviate from each other.

    Source: Karras et al. 2018, section 3 (and its implementation, for ε = 10⁻⁸).

    >>> minibatch_standard_deviation(torch.zeros(4, 2, 3, 3)).shape
    torch.Size([4, 3, 3, 3])
    """
    n, _, h, w = x.shape
    if not n:
        raise ValueError(f"got {tuple(x.shape)}; expected one sample or more")
    count = max(1, n // group_size)
    appended = torch.empty(n, 1, h, w, dtype=x.dtype)
    for first in range(count):
        group = x[first::count]
        deviation = ((group - group.mean(0)) ** 2).mean(0).add(1e-8).sqrt()
        appended[first::count] = deviation.mean()
    return torch.cat([x, appended], dim=1)
