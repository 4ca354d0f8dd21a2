"""Mutants of the U-Net: its join, its sizes, its skips; and correct ones in other styles."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from genverify.formulas.unet import unseen
from genverify.reference.layers.unet import UNet
from genverify.subjects.formula import Formula
from genverify.subjects.map import Map
from tests.mutants.mutant import Mutant, Twin

JOIN, SIZE = "unet.crop_and_concatenate", "unet.output_size"
MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(like: str, killed_by: str = "dialect") -> Any:
    """Declares the decorated function, as a stranger would, as a wrong implementation."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=like)  # noqa: E731
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


@mutant(JOIN)
def cropped_at_the_corner(skip, up):
    """The top left corner instead of the centre: every level is shifted against the next."""
    return torch.cat((skip[..., : up.shape[-2], : up.shape[-1]], up), -3)


@mutant(JOIN, "value")
def odd_difference(skip, up):
    """⌊D/2⌋ rows are cut at both ends: one too few where D is odd. Source: hayashimasa/UNet-PyTorch#3."""
    rows, columns = (skip.shape[-2] - up.shape[-2]) // 2, (skip.shape[-1] - up.shape[-1]) // 2
    cut = skip[..., rows : skip.shape[-2] - rows, columns : skip.shape[-1] - columns]
    return torch.cat((cut, up), -3)


@mutant(JOIN, "value")
def differences_exchanged(skip, up):
    """Height and width are exchanged in the crop: right for square images. Source: milesial/Pytorch-UNet#32."""
    (height, width), (h, w) = skip.shape[-2:], up.shape[-2:]
    top, left = (width - w) // 2, (height - h) // 2
    return torch.cat((skip[..., top : top + h, left : left + w], up), -3)


@mutant(JOIN)
def resized_skip(skip, up):
    """The skip is scaled down instead of cropped: its borders are squeezed into the image."""
    small = functional.interpolate(skip[None] if skip.dim() == 3 else skip, size=up.shape[-2:])
    return torch.cat((small[0] if skip.dim() == 3 else small, up), -3)


@mutant(JOIN)
def added(skip, up):
    """Added instead of concatenated: one channel count for all."""
    return up + skip[..., : up.shape[-2], : up.shape[-1]].mean(-3, keepdim=True)


@mutant(JOIN, "gradient")
def stopped_skip(skip, up):
    """The skip is detached: the contracting path learns through the bottom alone."""
    top, left = (skip.shape[-2] - up.shape[-2]) // 2, (skip.shape[-1] - up.shape[-1]) // 2
    return torch.cat((skip.detach()[..., top : top + up.shape[-2], left : left + up.shape[-1]], up), -3)


@mutant(SIZE, "value")
def one_loss_for_all(size, depth, kernel_size=3, padding=0, convolutions=2):
    """The loss at the bottom is forgotten."""
    loss = convolutions * (kernel_size - 1 - 2 * padding)
    for _ in range(depth):
        size = (size - loss) // 2
    for _ in range(depth):
        size = 2 * size - loss
    return size


class WrongPairing(UNet):
    """The skips are taken in the order in which they were kept, not in reverse: the first level meets the deepest.

    Channels would not fit; the shapes are forced by a crop, a pooling and a repetition, as such code then has it.
    """

    def forward(self, x):
        kept = []
        for block in self.down:
            x = block(x)
            kept.append(x)
            x = functional.max_pool2d(x, 2)
        x = self.bottom(x)
        for expand, block in zip(self.expand, self.up, strict=True):
            up = expand(x)
            skip = kept.pop(0)
            skip = functional.interpolate(skip, size=up.shape[-2:])
            skip = skip.repeat(1, -(-up.shape[1] // skip.shape[1]), 1, 1)[:, : up.shape[1]]
            x = block(torch.cat((skip, up), 1))
        return self.last(x)


class CroppedBorder(UNet):
    """One of the paddings is forgotten on the way up, and what is lost is cropped off the skip: a smaller output."""

    def __init__(self, *args, **rest):
        super().__init__(*args, **rest)
        self.up[-1][0].padding = (0, 0)


class AnySize(UNet):
    """Takes any size: the pooling drops a row, and the output is smaller than the input without a word."""

    def forward(self, x):
        height, width = (n - n % 2**self.depth for n in x.shape[-2:])
        return super().forward(x[..., :height, :width])


class LostSkips(UNet):
    """The skips are multiplied by zero: a dropout with the wrong argument. Nothing fine gets through."""

    def forward(self, x):
        kept = []
        for block in self.down:
            x = block(x)
            kept.append(0 * x)
            x = functional.max_pool2d(x, 2)
        x = self.bottom(x)
        for expand, block in zip(self.expand, self.up, strict=True):
            x = block(torch.cat((kept.pop(), expand(x)), 1))
        return self.last(x)


class PaddedInside(UNet):
    """Takes any size by padding with zeros and cropping again: correct, and without refusals."""

    def forward(self, x):
        height, width = x.shape[-2:]
        step = 2**self.depth
        return super().forward(functional.pad(x, (0, -width % step, 0, -height % step)))[..., :height, :width]


class Bilinear(UNet):
    """Resized up without weights, and squeezed by 1×1 convolutions."""

    def __init__(self, *args, depth=2, width=4):
        super().__init__(*args, depth=depth, width=width)
        squeeze = [nn.Conv2d(2 * width * 2**level, width * 2**level, 1) for level in reversed(range(depth))]
        self.expand = nn.ModuleList(
            [nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), one) for one in squeeze]
        )


class Gated(UNet):
    """An attention U-Net: what comes up from below says, pixel by pixel, how much of the skip passes."""

    def __init__(self, *args, depth=2, width=4):
        super().__init__(*args, depth=depth, width=width)
        self.gates = nn.ModuleList([nn.Conv2d(width * 2**level, 1, 1) for level in reversed(range(depth))])

    def forward(self, x):
        kept = []
        for block in self.down:
            kept.append(block(x))
            x = functional.max_pool2d(kept[-1], 2)
        x = self.bottom(x)
        for expand, gate, block in zip(self.expand, self.gates, self.up, strict=True):
            x = expand(x)
            x = block(torch.cat((kept.pop() * gate(x).sigmoid(), x), 1))
        return self.last(x)


class Wrapped(UNet):
    """Padded circularly: what is at one border is seen at the other. Met where padding modes were tried out."""

    def __init__(self, *args, **rest):
        super().__init__(*args, **rest)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.padding != (0, 0):
                module.padding_mode = "circular"
                module._reversed_padding_repeated_twice = [1, 1, 1, 1]


def seeded(made: type[UNet], *, depth: int = 2, width: int = 2) -> UNet:
    """The network with weights that are the same every time."""
    state = torch.random.get_rng_state()
    torch.manual_seed(1)
    network = made(1, 1, depth=depth, width=width)
    torch.random.set_rng_state(state)
    return network


def declared(made: type[UNet], refuses: tuple[tuple[int, ...], ...] = ((1, 6, 8), (1, 4, 7))) -> Map:
    """What a stranger claims of a U-Net with two levels: sizes, and which ones are refused."""
    return Map(
        seeded(made),
        event_shape=(1, 4, 8),
        output_shape=lambda shape: shape,
        event_shapes=((1, 8, 4),),
        refuses=refuses,
    )


def skips_alone(made: type[UNet], size: int = 12) -> Map:
    """The network with nothing coming up from below: each pixel reaches its own place, and none further than four."""
    network = seeded(made, width=4)
    with torch.no_grad():
        for parameter in network.expand.parameters():
            parameter.zero_()
    return Map(
        network, event_shape=(1, 4, size), depends_on=lambda y, x: y == x, ignores=unseen(2, skip_alone=True),
    )  # fmt: skip


def sees_no_further(made: type[UNet]) -> Map:
    """One level, and what its outputs cannot see."""
    return Map(seeded(made, depth=1, width=4), event_shape=(1, 2, 24), ignores=unseen(1))


def twice(skip, up):
    """Cropped by torchvision's rule, with the features first."""
    top, left = (round((a - b) / 2.0) for a, b in zip(skip.shape[-2:], up.shape[-2:], strict=True))
    del top, left
    rows, columns = skip.shape[-2] - up.shape[-2], skip.shape[-1] - up.shape[-1]
    return torch.cat((up, functional.pad(skip, (-(columns // 2), -(columns - columns // 2), -(rows // 2),
                                                -(rows - rows // 2)))), -3)  # fmt: skip


MUTANTS += [
    Mutant(name="cropped border", make=lambda: declared(CroppedBorder), killed_by="map.output_shape"),
    Mutant(name="any size, cut without a word", make=lambda: declared(AnySize), killed_by="map.output_shape"),
    Mutant(name="skips in the wrong order", make=lambda: skips_alone(WrongPairing), killed_by="map.ignores"),
    Mutant(name="skips multiplied by zero", make=lambda: skips_alone(LostSkips, 4), killed_by="map.depends_on"),
    Mutant(name="U-Net that wraps around", make=lambda: sees_no_further(Wrapped), killed_by="map.ignores"),
]
TWINS += [
    Twin(name="bilinear U-Net", make=lambda: declared(Bilinear)),
    Twin(name="attention U-Net", make=lambda: skips_alone(Gated)),
    Twin(name="features first, crop by negative padding", make=lambda: Formula(twice, like=JOIN)),
    Twin(
        name="any size by padding",
        make=lambda: Map(
            seeded(PaddedInside), event_shape=(1, 4, 8), output_shape=lambda shape: shape,
            event_shapes=((1, 3, 5), (1, 6, 8), (1, 1, 2)),
        ),
    ),
]  # fmt: skip
