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

__all__ = ["convolution_norm", "dense_norm", "largest_singular_value", "outward", "padding_factor"]

_UNIT = 2.0**-53
# Matrices whose singular values are computed before others are compared with them.
_CHUNK = 8
# Taps of a kernel up to which its transform is a product of matrices, and no fast one.
_FEW_TAPS = 64


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


def largest_singular_value(matrices: Tensor) -> float:
    """The largest singular value of many matrices [number, m, n], to the roundings of a decomposition.

    The singular values of those with the largest Frobenius norms are computed; let σ be the largest. Where, with
    r = 4 (m + 1)(n + 2) u, a Cholesky decomposition of σ² (1 − r) I − A Aᴴ succeeds, A is no longer than σ, as the
    smallest eigenvalue of what has one is at least −(m + 1)(m + 2) u times its norm (Higham 2002, theorem 10.7), and
    the rounding of the product is smaller than that; the other matrices are looked at.

    >>> one = torch.diag(torch.tensor([1.0, 2.0], dtype=torch.float64))
    >>> round(largest_singular_value(torch.stack([one, 3 * one])), 9)
    6.0
    """
    if matrices.shape[-2] > matrices.shape[-1]:
        matrices = matrices.mH
    side = matrices.shape[-2]
    if len(matrices) <= 2 * _CHUNK or side < 8 or side > 1000:
        return float(torch.linalg.svdvals(matrices).max())
    longest = torch.linalg.matrix_norm(matrices).argsort(descending=True)[:_CHUNK]
    best = float(torch.linalg.svdvals(matrices[longest]).max())
    if not 1e-140 < best < 1e140:
        return float(torch.linalg.svdvals(matrices).max())
    scaled = matrices / best
    room = 4 * (side + 1) * (matrices.shape[-1] + 2) * _UNIT
    rest = (1.0 - room) * torch.eye(side, dtype=matrices.dtype, device=matrices.device) - scaled @ scaled.mH
    longer = torch.linalg.cholesky_ex(rest).info != 0
    if bool(longer.any()):
        best = max(best, float(torch.linalg.svdvals(matrices[longer]).max()))
    return best


def convolution_norm(
    kernel: Tensor, size: Sequence[int], *, dilation: Sequence[int], groups: int, around: bool,
    stride: Sequence[int] | None = None, padding: Sequence[int] | None = None,
) -> float:  # fmt: skip
    """An upper bound of the norm of a convolution with a kernel on events of a size.

    With zeros around, the convolution is a piece of the circular one on a torus that is as much longer as the kernel
    reaches, or as there are zeros, if these are fewer: y = P C E x, where E puts the event on the torus and P keeps
    some of its places, and neither lengthens a vector. `around`, the torus is the event's own. On a torus the Fourier
    transform takes the operator apart into one matrix [out, in] for each frequency, and its norm is the largest of
    theirs. With stride s the places of the event that agree modulo s are taken for channels of their own: place
    s q + r of a channel is place q of the r-th; the convolution then has stride one and the taps w[s t + r].

    Shapes: kernel [out, in/groups, *reach], of a cross-correlation; the others one number a dimension; `padding` counts
    the zeros at both ends together. Without `stride` the bound holds for any.

    Source: Sedghi, Gupta & Long 2019, theorem 6; for zeros around, Araujo, Negrevergne, Chevaleyre & Atif 2021,
    lemma 1; strides by phases: Vaidyanathan 1993, section 4.3.

    >>> ones = torch.ones(1, 1, 3, 3)
    >>> round(convolution_norm(ones, (8, 8), dilation=(1, 1), groups=1, around=True), 9)
    9.0
    >>> round(convolution_norm(ones, (9, 9), dilation=(1, 1), groups=1, around=True, stride=(3, 3)), 9)
    3.0
    """
    kernel = kernel.detach().double()
    dims = tuple(range(2, kernel.dim()))
    spread = kernel
    for dim, step in zip(dims, dilation, strict=True):
        spread = _stretched(spread, dim, step)
    steps = [1] * len(dims) if stride is None else list(stride)
    if around and any(n % step for n, step in zip(size, steps, strict=True)):
        steps = [1] * len(dims)
    lengths = []
    for i, (n, step) in enumerate(zip(size, steps, strict=True)):
        reach = spread.shape[i + 2] - 1
        zeros = reach if padding is None or (step == 1 and padding[i] > reach) else padding[i]
        lengths.append(-(-(n if around else n + zeros) // step))
    for dim, step in zip(dims, steps, strict=True):
        spread = _phases(spread, dim, step)
    for dim, length in zip(dims, lengths, strict=True):
        spread = _wrapped(spread, dim, length)
    largest = max(largest_singular_value(_spectrum(one, lengths)) for one in spread.chunk(groups))
    operations = 2 * sum(spread.shape[:2]) + 8 * math.ceil(math.log2(max(2, math.prod(lengths)))) + _FEW_TAPS
    return outward(largest, operations)


def _spectrum(kernel: Tensor, lengths: Sequence[int]) -> Tensor:
    """Its transform on a torus at half of the frequencies, one matrix [out, in] for each; the others are conjugate.

    A transform of a few taps is a product with e^(−2πi f t/n), the angles taken modulo n before they are rounded.
    """
    dims = tuple(range(2, kernel.dim()))
    if math.prod(kernel.shape[2:]) > _FEW_TAPS:
        return torch.fft.rfftn(kernel, s=list(lengths), dim=dims).flatten(2).permute(2, 0, 1).contiguous()
    waves = torch.ones(1, 1, dtype=torch.complex128, device=kernel.device)
    for i, (taps, length) in enumerate(zip(kernel.shape[2:], lengths, strict=True)):
        count = length // 2 + 1 if i == len(dims) - 1 else length
        turns = torch.outer(torch.arange(count), torch.arange(taps)) % length
        angle = (-2.0 * math.pi / length) * turns.to(kernel)
        waves = torch.kron(waves, torch.complex(angle.cos(), angle.sin()))
    flat = kernel.flatten(2).permute(2, 0, 1).flatten(1)
    matrices = torch.complex(waves.real @ flat, waves.imag @ flat)
    return matrices.reshape(-1, *kernel.shape[:2])


def _stretched(kernel: Tensor, dim: int, step: int) -> Tensor:
    """The kernel with step − 1 zeros between its entries along a dimension."""
    if step == 1:
        return kernel
    shape = list(kernel.shape)
    shape[dim] = (shape[dim] - 1) * step + 1
    index = torch.arange(kernel.shape[dim], device=kernel.device) * step
    return torch.zeros(shape, dtype=kernel.dtype, device=kernel.device).index_copy(dim, index, kernel)


def _phases(kernel: Tensor, dim: int, step: int) -> Tensor:
    """The taps s t + r of each input channel as taps t of the r-th of s channels."""
    if step == 1:
        return kernel
    taps = -(-kernel.shape[dim] // step)
    shape = list(kernel.shape)
    shape[dim] = taps * step
    index = torch.arange(kernel.shape[dim], device=kernel.device)
    filled = torch.zeros(shape, dtype=kernel.dtype, device=kernel.device).index_copy(dim, index, kernel)
    return filled.unflatten(dim, (taps, step)).movedim(dim + 1, 2).flatten(1, 2)


def _wrapped(kernel: Tensor, dim: int, length: int) -> Tensor:
    """The kernel laid around a circle that may be shorter than it: what falls on one place adds up."""
    if kernel.shape[dim] <= length:
        return kernel
    shape = list(kernel.shape)
    shape[dim] = length
    index = torch.arange(kernel.shape[dim], device=kernel.device) % length
    return torch.zeros(shape, dtype=kernel.dtype, device=kernel.device).index_add(dim, index, kernel)


def padding_factor(counts: Sequence[Tensor]) -> float:
    """The norm of an operator that copies each entry so many times: √ of the largest product of the counts.

    `counts` has, for each dimension, how often each of its places appears after padding, repeating or upsampling; the
    columns of such an operator are orthogonal.

    >>> padding_factor([torch.tensor([2, 1, 2])])
    1.4142135623730951
    """
    return math.sqrt(math.prod(float(one.max()) for one in counts))
