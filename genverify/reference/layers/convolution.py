"""Convolutions of images: cross-correlation, convolution proper, transposed, masked, and as a matrix.

What deep learning calls a convolution is a cross-correlation; both are here. Each is written over windows that are laid
out side by side, so that the sum over the kernel is the one that the formula shows.

Source: Goodfellow, Bengio & Courville 2016, "Deep Learning", section 9.1; Dumoulin & Visin 2016.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["as_matrix", "cross_correlation_2d", "masked_2d", "output_size", "transposed_2d", "true_convolution_2d"]


def output_size(size: int, kernel_size: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """The number of windows along an axis.

    n' = ⌊(n + 2p − d (k − 1) − 1)/s⌋ + 1

    Raises:
        ValueError: The kernel does not fit into the padded axis.

    Source: Dumoulin & Visin 2016, relationship 15.

    >>> output_size(32, 3, stride=2, padding=1)
    16
    """
    span = dilation * (kernel_size - 1) + 1
    if span > size + 2 * padding:
        raise ValueError(f"a kernel that spans {span} does not fit into {size} pixels padded by {padding} on each side")
    return (size + 2 * padding - span) // stride + 1


def cross_correlation_2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """What torch calls conv2d: the kernel slides over the image as it is.

    y(o, i, j) = b_o + Σ_c Σ_m Σ_n K(o, c, m, n) X(c, s i + d m − p, s j + d n − p), X zero beyond the border

    Shapes: x [batch, in, height, width]; weight [out, in/groups, m, n]; bias [out]; y [batch, out, height', width'].

    Raises:
        ValueError: The kernel does not fit into the padded image.

    Source: Goodfellow, Bengio & Courville 2016, eq. 9.6.

    >>> image, kernel = torch.arange(4.0).reshape(1, 1, 2, 2), torch.tensor([[[[1.0, 10.0]]]])
    >>> cross_correlation_2d(image, kernel)
    tensor([[[[10.],
              [32.]]]])
    """
    out, per_group, kh, kw = weight.shape
    height = output_size(x.shape[2], kh, stride, padding, dilation)
    width = output_size(x.shape[3], kw, stride, padding, dilation)
    x = functional.pad(x, (padding, padding, padding, padding))
    windows = torch.stack(
        [
            torch.stack(
                [
                    x[:, :, m : m + stride * (height - 1) + 1 : stride, n : n + stride * (width - 1) + 1 : stride]
                    for n in range(0, dilation * kw, dilation)
                ],
                dim=-1,
            )
            for m in range(0, dilation * kh, dilation)
        ],
        dim=-2,
    )
    windows = windows.unflatten(1, (groups, per_group))
    kernels = weight.unflatten(0, (groups, out // groups))
    y = torch.einsum("bgcijmn,gocmn->bgoij", windows, kernels).flatten(1, 2)
    return y if bias is None else y + bias[:, None, None]


def true_convolution_2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    groups: int = 1,
) -> Tensor:
    """A convolution proper: the kernel is turned by 180° before it slides.

    y(i, j) = Σ_m Σ_n K(m, n) X(i − m, j − n), with the border of `cross_correlation_2d`

    Shapes: as `cross_correlation_2d`.

    Source: Goodfellow, Bengio & Courville 2016, eq. 9.5.

    >>> image, kernel = torch.arange(4.0).reshape(1, 1, 2, 2), torch.tensor([[[[1.0, 10.0]]]])
    >>> true_convolution_2d(image, kernel)
    tensor([[[[ 1.],
              [23.]]]])
    """
    return cross_correlation_2d(x, weight.flip(-2, -1), bias, stride, padding, dilation, groups)


def transposed_2d(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, padding: int = 0, output_padding: int = 0
) -> Tensor:
    """The adjoint of a cross-correlation: the image is spread out by the stride, and the turned kernel slides over it.

    y(o, s i + m − p, s j + n − p) = b_o + Σ_c K(c, o, m, n) X(c, i, j), summed over all that meet there

    Shapes: x [batch, in, height, width]; weight [in, out, m, n]; y [batch, out, (height − 1)s − 2p + m + a, …].

    Raises:
        ValueError: The padding removes everything.

    Source: Dumoulin & Visin 2016, section 4.

    >>> transposed_2d(torch.ones(1, 1, 1, 2), torch.tensor([[[[1.0, 10.0]]]]), stride=2)
    tensor([[[[ 1., 10.,  1., 10.]]]])
    """
    kh, kw = weight.shape[2:]
    height, width = ((n - 1) * stride + 1 for n in x.shape[2:])
    spread = x.new_zeros(*x.shape[:2], height, width)
    spread[:, :, ::stride, ::stride] = x
    spread = functional.pad(spread, (kw - 1, kw - 1 + output_padding, kh - 1, kh - 1 + output_padding))
    y = true_convolution_2d(spread, weight.transpose(0, 1))
    if min(y.shape[2:]) <= 2 * padding:
        raise ValueError(f"a padding of {padding} leaves nothing of an output of {tuple(y.shape[2:])}")
    y = y[:, :, padding : y.shape[2] - padding, padding : y.shape[3] - padding]
    return y if bias is None else y + bias[:, None, None]


def masked_2d(x: Tensor, weight: Tensor, bias: Tensor | None = None, mask_type: str = "A", padding: int = 0) -> Tensor:
    """The masked convolution of PixelCNN: an output sees the pixels before it in reading order, in type B itself, too.

    y = cross-correlation of x with K ⊙ M; M(m, n) = 1 before the centre, 0 after it, and at it 0 (A) or 1 (B)

    Shapes: as `cross_correlation_2d`; the kernel's sizes are odd.

    Source: van den Oord, Kalchbrenner & Kavukcuoglu 2016, section 3.4.

    >>> masked_2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3))
    tensor([[[[4.]]]])
    """
    kh, kw = weight.shape[2:]
    mask = torch.ones(kh, kw, dtype=weight.dtype)
    mask[kh // 2, kw // 2 + (mask_type == "B") :] = 0
    mask[kh // 2 + 1 :] = 0
    return cross_correlation_2d(x, weight * mask, bias, padding=padding)


def as_matrix(weight: Tensor, height: int, width: int, stride: int = 1, padding: int = 0) -> Tensor:
    """The matrix of a cross-correlation of one channel: its columns are the images of the unit images.

    vec(K ⋆ X) = M vec(X), images read row by row

    Shapes: weight [m, n]; the result [height' width', height width].

    Source: Goodfellow, Bengio & Courville 2016, section 9.1 (doubly block circulant and Toeplitz matrices).

    >>> as_matrix(torch.tensor([[1.0, 2.0]]), 1, 3)
    tensor([[1., 2., 0.],
            [0., 1., 2.]])
    """
    units = torch.eye(height * width, dtype=weight.dtype).reshape(-1, 1, height, width)
    return cross_correlation_2d(units, weight[None, None], stride=stride, padding=padding).flatten(1).mT
