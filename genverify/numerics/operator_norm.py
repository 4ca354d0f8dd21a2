"""Upper bounds of operator norms (largest singular values, ℓ2 → ℓ2) that hold, and not estimates.

A power iteration under-estimates a norm; so does a spectral norm of the reshaped kernel of a convolution. What is here
is rounded outward: the singular values of a computed decomposition are those of a matrix at a distance of at most
p(m, n) u ‖A‖ (Anderson et al. 1999, section 4.9); with p = 8 (m + n) the bound is generous.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["convolution_norm", "dense_norm", "outward", "padding_factor"]

_UNIT = 2.0**-53


def outward(value: float, operations: int) -> float:
    """The value, raised by more than so many roundings of float64 can have lowered it."""
    return value * (1.0 + 4.0 * operations * _UNIT)


def dense_norm(matrix: Tensor) -> float:
    """An upper bound of the largest singular value of a matrix [outputs, inputs], within 8 (m + n) units of it.

    >>> dense_norm(torch.diag(torch.tensor([3.0, -4.0]))) - 4.0 < 1e-12
    True
    """
    if not matrix.numel():
        return 0.0
    rows, columns = matrix.shape
    largest = float(torch.linalg.svdvals(matrix.detach().double()).max())
    return outward(largest, 2 * (rows + columns))


def convolution_norm(
    kernel: Tensor, size: Sequence[int], *, dilation: Sequence[int], groups: int, around: bool
) -> float:
    """An upper bound of the norm of a convolution with a kernel on events of a size, whatever its stride.

    With zeros around, the convolution is a piece of the circular one on a torus that is as much longer as the kernel
    reaches: y = P C E x, where E puts the event on the torus and P keeps some of its places, and neither lengthens a
    vector. `around`, the torus is the event's own. On a torus the Fourier transform takes the operator apart into one
    matrix [out, in] for each frequency, and its norm is the largest of theirs.

    Shapes: kernel [out, in/groups, *reach], of a cross-correlation; `size` and `dilation` one number a dimension.

    Source: Sedghi, Gupta & Long 2019, theorem 6; for zeros around, Araujo, Negrevergne, Chevaleyre & Atif 2021,
    lemma 1.

    >>> ones = torch.ones(1, 1, 3, 3)
    >>> round(convolution_norm(ones, (8, 8), dilation=(1, 1), groups=1, around=True), 9)
    9.0
    """
    kernel = kernel.detach().double()
    dims = tuple(range(2, kernel.dim()))
    lengths = [
        n if around else n + step * (reach - 1) for n, reach, step in zip(size, kernel.shape[2:], dilation, strict=True)
    ]
    spread = kernel
    for dim, step in zip(dims, dilation, strict=True):
        spread = _stretched(spread, dim, step)
    for dim, length in zip(dims, lengths, strict=True):
        spread = _wrapped(spread, dim, length)
    spectrum = torch.fft.fftn(spread, s=lengths, dim=dims)
    matrices = spectrum.reshape(groups, kernel.shape[0] // groups, kernel.shape[1], -1).permute(0, 3, 1, 2)
    largest = float(torch.linalg.svdvals(matrices).max())
    operations = 2 * sum(kernel.shape[:2]) + 8 * math.ceil(math.log2(max(2, math.prod(lengths))))
    return outward(largest, operations)


def _stretched(kernel: Tensor, dim: int, step: int) -> Tensor:
    """The kernel with step − 1 zeros between its entries along a dimension."""
    if step == 1:
        return kernel
    shape = list(kernel.shape)
    shape[dim] = (shape[dim] - 1) * step + 1
    index = torch.arange(kernel.shape[dim]) * step
    return torch.zeros(shape, dtype=kernel.dtype).index_copy(dim, index, kernel.cpu())


def _wrapped(kernel: Tensor, dim: int, length: int) -> Tensor:
    """The kernel laid around a circle that may be shorter than it: what falls on one place adds up."""
    if kernel.shape[dim] <= length:
        return kernel
    shape = list(kernel.shape)
    shape[dim] = length
    return torch.zeros(shape, dtype=kernel.dtype).index_add(dim, torch.arange(kernel.shape[dim]) % length, kernel)


def padding_factor(counts: Sequence[Tensor]) -> float:
    """The norm of an operator that copies each entry so many times: √ of the largest product of the counts.

    `counts` has, for each dimension, how often each of its places appears after padding, repeating or upsampling; the
    columns of such an operator are orthogonal.

    >>> padding_factor([torch.tensor([2, 1, 2])])
    1.4142135623730951
    """
    return math.sqrt(math.prod(float(one.max()) for one in counts))
