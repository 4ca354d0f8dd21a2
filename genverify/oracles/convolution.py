"""Convolutions as direct sums over indices, one term for each input channel and kernel entry; and as matrices.

No convolution of a library is used. The terms stay apart, so that the allowance knows their sizes. `as_matrix` is the
doubly block Toeplitz matrix, and `by_fourier` the circular convolution by its theorem: a second and a third witness.

Source: Goodfellow, Bengio & Courville 2016, "Deep Learning", sections 9.1–9.2; Dumoulin & Visin 2016, "A guide to
convolution arithmetic for deep learning", relationships 6, 8, 13 and 14.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = [
    "as_matrix", "by_fourier", "cross_correlation", "mask", "output_size", "padded", "padding_of", "pair",
    "transposed", "transposed_output_size",
]  # fmt: skip

Size = int | Sequence[int]


def pair(size: Size) -> tuple[int, int]:
    """A size for each axis of an image: given once for both, or for each.

    >>> pair(3), pair((1, 2))
    ((3, 3), (1, 2))
    """
    if isinstance(size, int):
        return size, size
    found = tuple(int(one) for one in size)
    return found if len(found) == 2 else (found[0], found[0])


def output_size(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """The number of windows: ⌊(n + 2p − d(k − 1) − 1)/s⌋ + 1.

    >>> output_size(7, 3, stride=2, padding=1)
    4
    """
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


def transposed_output_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1, output_padding: int = 0
) -> int:
    """The size of which a convolution makes `size` windows: (n − 1)s − 2p + d(k − 1) + 1 + a.

    >>> transposed_output_size(output_size(7, 3, 2, 1), 3, 2, 1)
    7
    """
    return (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1 + output_padding


def padding_of(padding: Size | str, kernel: int, dilation: int, axis: int) -> tuple[int, int]:
    """(before, after) along one axis; the odd one of "same" comes after, and four numbers are each of one side."""
    if padding == "valid":
        return 0, 0
    if padding == "same":
        total = dilation * (kernel - 1)
        return total // 2, total - total // 2
    assert not isinstance(padding, str)
    if not isinstance(padding, int) and len(padding) == 4:  # (left, right, top, bottom), as torch's pad takes them
        before, after = padding[2:] if axis == 0 else padding[:2]
        return before, after
    return pair(padding)[axis], pair(padding)[axis]


@functools.cache
@torch.inference_mode(False)
def _places(n: int, before: int, after: int, mode: str) -> tuple[Tensor, Tensor]:
    """For each place of a padded axis: the index that is read there, and whether that is in the image."""
    place = torch.arange(-before, n + after)
    read = {
        "circular": place % n,
        "reflect": torch.where(place < 0, -place, torch.where(place >= n, 2 * (n - 1) - place, place)),
    }.get(mode, place).clamp(0, n - 1)  # fmt: skip
    return read, (place >= 0) & (place < n) | (mode != "zeros")


def padded(x: Tensor, axis: int, before: int, after: int, mode: str = "zeros") -> Tensor:
    """The values beyond the border along one axis, read at a wrapped, mirrored or clamped index, or zero.

    >>> padded(torch.tensor([1.0, 2.0, 3.0]), 0, 1, 2, "circular").tolist()
    [3.0, 1.0, 2.0, 3.0, 1.0, 2.0]
    """
    read, inside = _places(x.shape[axis], before, after, mode)
    shape = [1] * x.ndim
    shape[axis] = -1
    found = x.index_select(axis, read)
    return torch.where(inside.reshape(shape), found, torch.zeros_like(found))


@functools.cache
@torch.inference_mode(False)
def _windows(
    n: int, kernel: int, stride: int, dilation: int, before: int, after: int, mode: str
) -> tuple[Tensor, Tensor]:
    """The same for each window along an axis and each entry of the kernel; shapes [windows, kernel]."""
    read, inside = _places(n, before, after, mode)
    count = output_size(n + before + after, kernel, stride, 0, dilation)
    place = torch.arange(count)[:, None] * stride + torch.arange(kernel) * dilation
    return read[place], inside[place]


def _images(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, int]:
    """Image and kernel with all four axes, and how many leading axes the result is to lose."""
    if weight.ndim == 2:  # one channel, without an axis for it
        return x[None, None], weight[None, None], 2
    return (x[None], weight, 1) if x.ndim == 3 else (x, weight, 0)


def _without(term: Tensor, leading: int) -> Tensor:
    return term.reshape(term.shape[leading:])


def cross_correlation(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Size = 1,
    padding: Size | str = 0,
    dilation: Size = 1,
    groups: int = 1,
    padding_mode: str = "zeros",
    flipped: bool = False,
) -> tuple[Tensor, ...]:
    """The terms of y(o, i, j) = b_o + Σ_c Σ_m Σ_n K(o, c, m, n) X(c, s i + d m − p, s j + d n − p).

    With `flipped`, K(o, c, m, n) is replaced by K(o, c, M − 1 − m, N − 1 − n): a convolution proper. The sum over c
    runs over the channels of o's group.

    Shapes: x [batch, in, h, w], [in, h, w], or [h, w] with a kernel [m, n]; weight [out, in/groups, m, n]; bias [out];
    each term [batch, out, h', w'], or without the leading axes.
    """
    x, weight, leading = _images(x, weight)
    if flipped:
        weight = weight.flip(-2, -1)
    (sh, sw), (dh, dw) = pair(stride), pair(dilation)
    out, per_group, kh, kw = weight.shape
    row, row_in, column, column_in = (
        part
        for axis, (k, stride_, dilation_) in enumerate(((kh, sh, dh), (kw, sw, dw)))
        for part in _windows(
            x.shape[axis - 2], k, stride_, dilation_, *padding_of(padding, k, dilation_, axis), padding_mode
        )
    )
    # The input channels of each output's group, then the window of each output pixel: all by their indices.
    channel = (torch.arange(out) // (out // groups) * per_group)[:, None] + torch.arange(per_group)
    seen = x[:, channel][..., row[:, None, :, None], column[None, :, None, :]]
    inside = row_in[:, None, :, None] & column_in[None, :, None, :]
    products = torch.where(inside, seen, torch.zeros_like(seen)) * weight[:, :, None, None]
    terms = [_without(one, leading) for one in products.permute(2, 5, 6, 0, 1, 3, 4).flatten(0, 2).unbind(0)]
    if bias is not None:
        terms.append(bias[:, None, None].expand_as(terms[0]))
    return tuple(terms)


def transposed(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> tuple[Tensor, ...]:
    """The terms of the adjoint of `cross_correlation`, as a map from its windows to its image, plus a bias.

    y(o, s i + d m − p, s j + d n − p) gathers K(c, o, m, n) X(c, i, j); what falls beyond the border is dropped.

    Shapes: x [batch, in, h, w]; weight [in, out/groups, m, n]; bias [out]; each term [batch, out, h', w'].
    """
    x, weight, leading = _images(x, weight)
    (sh, sw), (ph, pw), (dh, dw), (ah, aw) = pair(stride), pair(padding), pair(dilation), pair(output_padding)
    channels, per_group, kh, kw = weight.shape
    height = transposed_output_size(x.shape[2], kh, sh, ph, dh, ah)
    width = transposed_output_size(x.shape[3], kw, sw, pw, dw, aw)
    in_group, terms = channels // groups, []
    outputs = torch.arange(groups * per_group)
    for c in range(in_group):
        source = x[:, outputs // per_group * in_group + c]
        kernel = weight[outputs // per_group * in_group + c, outputs % per_group]
        for m in range(kh):
            for n in range(kw):
                # The row i goes to the row s i + d m − p: a product with a matrix of zeros and ones.
                rows = _placed(height, x.shape[2], sh, dh * m - ph).to(x)
                columns = _placed(width, x.shape[3], sw, dw * n - pw).to(x)
                terms.append(_without(rows @ (source * kernel[:, m, n, None, None]) @ columns.mT, leading))
    if bias is not None:
        terms.append(bias[:, None, None].expand_as(terms[0]))
    return tuple(terms)


def _placed(size: int, count: int, stride: int, offset: int) -> Tensor:
    """The matrix that puts entry i at the place s i + offset; shape [size, count]."""
    return torch.arange(size)[:, None] == torch.arange(count)[None, :] * stride + offset


def as_matrix(
    weight: Tensor, height: int, width: int, *, stride: Size = 1, padding: Size = 0, flipped: bool = False
) -> Tensor:
    """The matrix M with vec(y) = M vec(x) for one channel, images read row by row: a doubly block Toeplitz matrix.

    M[(i, j), (k, l)] = K(k + p − s i, l + p − s j) where that is an entry of the kernel, and 0 elsewhere.

    Shapes: weight [m, n]; the result [h' w', h w].

    >>> as_matrix(torch.tensor([[1.0, 2.0]]), 1, 3).tolist()
    [[1.0, 2.0, 0.0], [0.0, 1.0, 2.0]]
    """
    if flipped:
        weight = weight.flip(-2, -1)
    (sh, sw), (ph, pw), (kh, kw) = pair(stride), pair(padding), weight.shape
    rows, columns = output_size(height, kh, sh, ph), output_size(width, kw, sw, pw)
    m = torch.arange(height)[None, :] + ph - sh * torch.arange(rows)[:, None]
    n = torch.arange(width)[None, :] + pw - sw * torch.arange(columns)[:, None]
    legal_m, legal_n = (m >= 0) & (m < kh), (n >= 0) & (n < kw)
    inside = legal_m[:, None, :, None] & legal_n[None, :, None, :]
    entries = weight[m.clamp(0, kh - 1)[:, None, :, None], n.clamp(0, kw - 1)[None, :, None, :]]
    entries = torch.where(inside, entries, torch.zeros_like(entries))
    return entries.reshape(rows * columns, height * width)


def by_fourier(x: Tensor, weight: Tensor) -> Tensor:
    """The circular cross-correlation of one channel by the convolution theorem: y = F⁻¹(F(x) · conj F(K)).

    y(i, j) = Σ_m Σ_n K(m, n) X(i + m mod H, j + n mod W). Shapes: x [H, W]; weight [m, n] no larger.
    """
    return torch.fft.ifft2(torch.fft.fft2(x) * torch.fft.fft2(weight, s=x.shape).conj()).real


def mask(kernel: tuple[int, int], kind: str) -> Tensor:
    """PixelCNN's mask: one for every pixel before the centre in reading order, and for the centre in type B.

    Source: van den Oord, Kalchbrenner & Kavukcuoglu 2016, "Pixel recurrent neural networks", section 3.4.

    >>> mask((3, 3), "A").tolist()
    [[1.0, 1.0, 1.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    height, width = kernel
    place = torch.arange(height * width).reshape(height, width)
    centre = (height // 2) * width + width // 2
    return ((place < centre) | ((place == centre) & (kind == "B"))).to(torch.float64)
