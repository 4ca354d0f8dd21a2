"""Convolutions with one bug each, and correct ones in unusual styles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genverify.subjects.map import Map
from tests.mutants.flow import seeded
from tests.mutants.mutant import Mutant, Twin

EVENT, LINE = (1, 4, 4), (1, 4)


def layer(**settings: Any) -> nn.Conv2d:
    """One channel to two, a kernel of 3 × 3."""
    return seeded(lambda: nn.Conv2d(1, 2, 3, **settings))


def line(**settings: Any) -> nn.Conv1d:
    """The same along one axis."""
    return seeded(lambda: nn.Conv1d(1, 2, 3, **settings))


def transposed(conv: nn.Conv2d, **settings: Any) -> Callable[[Tensor], Tensor]:
    """The transposed convolution with the layer's weight."""
    return lambda y: F.conv_transpose2d(y, conv.weight.to(y), **settings)


def with_adjoint(settings: dict[str, Any], back: dict[str, Any]) -> Map:
    """A layer with a transposed convolution sold as its adjoint."""
    conv = layer(**settings)
    return Map(conv, event_shape=EVENT, adjoint=transposed(conv, **back), name="Conv2d")


def flipped_adjoint() -> Map:
    """The kernel is flipped once more: `conv_transpose1d` flips it already."""
    conv = line(padding=1)
    return Map(
        conv, event_shape=LINE, name="flipped_adjoint",
        adjoint=lambda y: F.conv_transpose1d(y, conv.weight.to(y).flip(-1), padding=1),
    )  # fmt: skip


def convolved_adjoint() -> Map:
    """The adjoint is taken to be a convolution with the transposed channels, without the flip."""
    conv = line(padding=1)
    return Map(
        conv, event_shape=LINE, name="convolved_adjoint",
        adjoint=lambda y: F.conv1d(y, conv.weight.to(y).transpose(0, 1), padding=1),
    )  # fmt: skip


def off_by_one(x: Tensor) -> Tensor:
    """Pads 1 before and 3 after by hand where 2 and 2 are meant: same size, shifted by one."""
    return F.conv2d(F.pad(x, (1, 3, 1, 3)), _KERNEL.to(x))


class GroupsMixed(nn.Module):
    """A grouped convolution by hand that shares the first group's channels with all."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.conv(x[:, :1]), self.conv(x[:, :1])], 1)


def toeplitz(conv: nn.Conv2d, event: tuple[int, int, int]) -> Tensor:
    """The matrix of a layer with zero padding, stride and dilation, entry by entry from the index algebra."""
    weight, (_, height, width) = conv.weight.detach(), event
    (sy, sx), (dy, dx) = conv.stride, conv.dilation
    py, px = (int(p) for p in conv.padding)
    out, _, kh, kw = weight.shape
    rows, cols = (height + 2 * py - dy * (kh - 1) - 1) // sy + 1, (width + 2 * px - dx * (kw - 1) - 1) // sx + 1
    found = torch.zeros(out, rows, cols, *event, dtype=weight.dtype)
    inside, per_group = weight.shape[1], out // conv.groups
    for i in range(rows):
        for j in range(cols):
            for a in range(kh):
                for b in range(kw):
                    y, x = sy * i + dy * a - py, sx * j + dx * b - px
                    if not (0 <= y < height and 0 <= x < width):
                        continue
                    for o in range(out):
                        start = (o // per_group) * inside
                        found[o, i, j, start : start + inside, y, x] += weight[o, :, a, b]
    return found.reshape(out * rows * cols, -1)


def by_fft(conv: nn.Conv2d) -> Callable[[Tensor], Tensor]:
    """A circular cross-correlation through the fast Fourier transform."""

    def correlate(x: Tensor) -> Tensor:
        weight = conv.weight.to(x)
        sizes = x.shape[-2:]
        spectrum = torch.fft.rfft2(weight, s=sizes).conj()
        product = torch.einsum("bihw,oihw->bohw", torch.fft.rfft2(x), spectrum)
        found = torch.fft.irfft2(product, s=sizes).roll((1, 1), (-2, -1))
        return found if conv.bias is None else found + conv.bias.to(x)[:, None, None]

    return correlate


_KERNEL = torch.tensor([[0.0, 1.0, 0.0, 2.0, 0.0]]).reshape(1, 1, 1, 5).repeat(1, 1, 5, 1)

MUTANTS = [
    Mutant(name="flipped_adjoint", killed_by="map.adjoint", make=flipped_adjoint),
    Mutant(name="convolved_adjoint", killed_by="map.adjoint", make=convolved_adjoint),
    Mutant(
        name="adjoint_without_padding", killed_by="map.adjoint", make=lambda: with_adjoint({"padding": 1}, {})
    ),
    Mutant(
        name="zero_padding_sold_as_circular", killed_by="map.equivariant",
        make=lambda: Map(line(padding=1), event_shape=LINE, equivariant="translation"),
    ),
    Mutant(
        name="stride_forgotten", killed_by="map.equivariant",
        make=lambda: Map(
            line(padding=1, padding_mode="circular", stride=2), event_shape=LINE, equivariant="translation"
        ),
    ),
    Mutant(
        name="convolution_sold_as_invariant", killed_by="map.invariant",
        make=lambda: Map(
            line(padding=1, padding_mode="circular"), event_shape=LINE, invariant="translation"
        ),
    ),
    Mutant(
        name="off_by_one", killed_by="map.equals",
        make=lambda: Map(
            off_by_one, event_shape=(1, 5, 5), equals=lambda x: F.conv2d(x, _KERNEL.to(x), padding=2)
        ),
    ),
    Mutant(
        name="flipped_kernel", killed_by="map.matrix",
        make=lambda: Map(
            (conv := layer(padding=1, bias=False)), event_shape=EVENT, name="flipped_kernel",
            matrix=toeplitz(_flipped(conv), EVENT),
        ),
    ),
    Mutant(
        name="GroupsMixed", killed_by="map.depends_on",
        make=lambda: Map(
            seeded(GroupsMixed), event_shape=(2, 2, 2), depends_on=lambda i, j: i[0] // 2 == j[0] and i[1:] == j[1:]
        ),
    ),
]  # fmt: skip


def _flipped(conv: nn.Conv2d) -> nn.Conv2d:
    """The same layer with the kernel of a true convolution."""
    other = nn.Conv2d(1, 2, 3, padding=1, bias=False)
    other.weight = nn.Parameter(conv.weight.detach().flip(-1, -2))
    return other


TWINS = [
    Twin(
        name="strided convolution with its adjoint",
        make=lambda: with_adjoint({"stride": 2, "padding": 1}, {"stride": 2, "padding": 1, "output_padding": 1}),
    ),
    Twin(
        name="circular convolution, equal to the FFT",
        make=lambda: Map(
            (conv := layer(padding=1, padding_mode="circular")), event_shape=EVENT, affine=True,
            equivariant="translation", equals=by_fft(conv),
        ),
    ),
    Twin(
        name="the FFT itself, of which zeros are rounding errors",
        make=lambda: Map(
            by_fft(layer(padding=1, padding_mode="circular", bias=False)), event_shape=EVENT, linear=True,
            equivariant="translation", name="by_fft",
            ignores=lambda i, j: (i[1] - j[1]) % 4 == 2,
        ),
    ),
    Twin(
        name="zero padding, away from the border",
        make=lambda: Map(layer(padding=1), event_shape=EVENT, equivariant="translation", margin=1),
    ),
    Twin(
        name="stride 2 declared",
        make=lambda: Map(
            layer(padding=1, padding_mode="circular", stride=2), event_shape=EVENT, equivariant="translation",
            shift=(2, 1), output_shape=(2, 2, 2),
        ),
    ),
    Twin(
        name="dilated convolution, equal to its matrix",
        make=lambda: Map(
            (conv := layer(padding=2, dilation=2, bias=False)), event_shape=EVENT, matrix=toeplitz(conv, EVENT),
            linear=True,
        ),
    ),
    Twin(
        name="channels_last",
        make=lambda: Map(layer(padding=1).to(memory_format=torch.channels_last), event_shape=EVENT, affine=True),
    ),
    Twin(
        name="global average pooling, invariant",
        make=lambda: Map(
            nn.Sequential(layer(padding=1, padding_mode="circular"), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
            event_shape=EVENT, invariant="translation", output_shape=2,
        ),
    ),
]  # fmt: skip
