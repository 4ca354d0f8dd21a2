"""Residual blocks of other kinds: bottlenecks, blocks of image translation and of compression, blocks of vectors."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

BASIC, PRE, DEEP = "residual.basic_block", "residual.preactivation_block", "residual.bottleneck_block"
VECTORS = "residual.dense_block"


class Bottleneck(nn.Module):
    """1×1, 3×3 with the stride, 1×1, each with a norm; a projection where shapes change."""

    expansion = 4

    def __init__(self, in_planes, planes, stride=1):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(in_planes, planes, 1, bias=False), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False), nn.BatchNorm2d(planes)
        self.conv3, self.bn3 = nn.Conv2d(planes, 4 * planes, 1, bias=False), nn.BatchNorm2d(4 * planes)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_planes != 4 * planes:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_planes, 4 * planes, 1, stride, bias=False), nn.BatchNorm2d(4 * planes)
            )

    def branch(self, x):
        out = functional.relu(self.bn1(self.conv1(x)))
        out = functional.relu(self.bn2(self.conv2(out)))
        return self.bn3(self.conv3(out))

    def forward(self, x):
        return functional.relu(self.branch(x) + self.shortcut(x))


class StrideAtTheEnd(Bottleneck):
    """The stride on the last 1×1: the 3×3 is computed at four times the pixels, of which three are thrown away."""

    def __init__(self, in_planes, planes, stride=1):
        super().__init__(in_planes, planes, stride)
        self.conv2.stride, self.conv3.stride = (1, 1), (stride, stride)


class ActivatedBranch(Bottleneck):
    """All three convolutions in a loop of conv, norm, ReLU: the branch can only increase what it is added to."""

    def forward(self, x):
        return functional.relu(functional.relu(self.branch(x)) + self.shortcut(x))


class OneActivationMissing(Bottleneck):
    """The 3×3 follows the first 1×1 without an activation."""

    def branch(self, x):
        out = functional.relu(self.bn2(self.conv2(self.bn1(self.conv1(x)))))
        return self.bn3(self.conv3(out))


class SecondNormTwice(Bottleneck):
    """bn2 where bn1 should be, a copied line that shapes allow."""

    def branch(self, x):
        out = functional.relu(self.bn2(self.conv1(x)))
        out = functional.relu(self.bn2(self.conv2(out)))
        return self.bn3(self.conv3(out))


class Translation(nn.Module):
    """The block of CycleGAN's generator: mirrored borders, instance normalisation, no last activation."""

    def __init__(self, dim):
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1), nn.Conv2d(dim, dim, 3), nn.InstanceNorm2d(dim), nn.ReLU(True),
            nn.ReflectionPad2d(1), nn.Conv2d(dim, dim, 3), nn.InstanceNorm2d(dim),
        )  # fmt: skip

    def forward(self, x):
        return x + self.conv_block(x)


class TranslationWithoutSkip(Translation):
    """`return self.conv_block(x)`: the sum is forgotten, and shapes cannot show it."""

    def forward(self, x):
        return self.conv_block(x)


class BatchForInstance(Translation):
    """The statistics of the whole batch where the layers that are declared normalise each image."""

    def forward(self, x):
        _, first, _, _, _, second, _ = self.conv_block
        pad = functools.partial(functional.pad, pad=(1, 1, 1, 1), mode="reflect")
        whole = functools.partial(functional.batch_norm, running_mean=None, running_var=None, training=True)
        return x + whole(second(pad(functional.relu(whole(first(pad(x)))))))


class Compression(nn.Module):
    """The block of VQ-VAE: relu, 3×3, relu, 1×1, no norm and no last activation."""

    def __init__(self, in_channel, channel):
        super().__init__()
        self.conv = nn.Sequential(
            nn.ReLU(), nn.Conv2d(in_channel, channel, 3, padding=1), nn.ReLU(inplace=True),
            nn.Conv2d(channel, in_channel, 1),
        )  # fmt: skip

    def forward(self, x):
        out = self.conv(x)
        out += x
        return out


class InPlaceCompression(Compression):
    """The first ReLU in place, too: what is added is the activated input. Met in rosinality/vq-vae-2-pytorch#60."""

    def forward(self, x):
        kept = x.clone()
        return functional.relu(kept) + self.conv(x)


class Vectors(nn.Module):
    """Two dense layers with batch normalisation."""

    def __init__(self, dim):
        super().__init__()
        self.fc1, self.bn1 = nn.Linear(dim, dim), nn.BatchNorm1d(dim)
        self.fc2, self.bn2 = nn.Linear(dim, dim), nn.BatchNorm1d(dim)

    def forward(self, x):
        return functional.relu(x + self.bn2(self.fc2(functional.relu(self.bn1(self.fc1(x))))))


class VectorsActivatedBefore(Vectors):
    """The activation on the branch alone."""

    def forward(self, x):
        return x + functional.relu(self.bn2(self.fc2(functional.relu(self.bn1(self.fc1(x))))))


class Unscaled(nn.Module):
    """`res_scale` is kept, and never used. Met in ports of EDSR."""

    def __init__(self, n_feats, res_scale=0.5):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(n_feats, n_feats, 3, padding=1), nn.ReLU(True), nn.Conv2d(n_feats, n_feats, 3, padding=1)
        )
        self.res_scale = res_scale

    def forward(self, x):
        return x + self.body(x)


class Scaled(Unscaled):
    """The block of EDSR with its factor."""

    def forward(self, x):
        return x + self.body(x).mul(self.res_scale)


class FirstStride(Bottleneck):
    """The stride on the first 1×1, as He et al. 2016 have it."""

    def __init__(self, in_planes, planes, stride=1):
        super().__init__(in_planes, planes, stride)
        self.conv1.stride, self.conv2.stride = (stride, stride), (1, 1)


class Torchvision(Bottleneck):
    """The projection is passed to the constructor, the sum in place."""

    def __init__(self, inplanes, planes, stride=1, downsample=None):
        super().__init__(inplanes, planes, stride)
        del self.shortcut
        self.downsample = downsample

    def forward(self, x):
        out = self.branch(x)
        out += x if self.downsample is None else self.downsample(x)
        return functional.relu(out)


class Renamed(nn.Module):
    """inchannel, outchannel, `left`, as a tutorial has it."""

    def __init__(self, inchannel: int, outchannel: int, stride: int = 1):
        super().__init__()
        self.left = nn.Sequential(
            nn.Conv2d(inchannel, outchannel, 3, stride, 1, bias=False), nn.BatchNorm2d(outchannel), nn.ReLU(True),
            nn.Conv2d(outchannel, outchannel, 3, 1, 1, bias=False), nn.BatchNorm2d(outchannel),
        )  # fmt: skip
        self.shortcut = nn.Sequential()
        if stride != 1 or inchannel != outchannel:
            self.shortcut = nn.Sequential(
                nn.Conv2d(inchannel, outchannel, 1, stride, bias=False), nn.BatchNorm2d(outchannel)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.left(x)
        out += self.shortcut(x)
        return functional.relu(out)


class Discriminating(nn.Module):
    """LeakyReLU of slope 0.2 and no norm."""

    def __init__(self, nf):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(nf, nf, 3, 1, 1), nn.LeakyReLU(0.2), nn.Conv2d(nf, nf, 3, 1, 1)
        )  # fmt: skip

    def forward(self, x):
        return x + self.main(x)


def _declared(f: Callable[[], object] | type, like: str, **fields: Any) -> Callable[[], Formula]:
    return lambda: Formula(f if isinstance(f, type) else f(), like=like, **fields)


def _scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return torch.jit.script(Renamed(1, 2, 2))


_BROKEN: list[tuple[Any, str, dict[str, str]]] = [
    (StrideAtTheEnd, DEEP, {}), (ActivatedBranch, DEEP, {}), (OneActivationMissing, DEEP, {}),
    (SecondNormTwice, DEEP, {}),
    (TranslationWithoutSkip, BASIC, {}), (BatchForInstance, BASIC, {}), (InPlaceCompression, PRE, {}),
    (VectorsActivatedBefore, VECTORS, {"mode": "eval"}), (Unscaled, BASIC, {}),
]  # fmt: skip
MUTANTS: list[Mutant] = [
    Mutant(name=f"{like}: {f.__name__}", make=_declared(f, like, **fields), killed_by="formula.dialect")
    for f, like, fields in _BROKEN
]
_FINE: list[tuple[str, Any, str, dict[str, str]]] = [
    ("bottleneck", Bottleneck, DEEP, {}), ("bottleneck, first stride", FirstStride, DEEP, {}),
    ("bottleneck, projection passed in", Torchvision, DEEP, {}), ("block of CycleGAN", Translation, BASIC, {}),
    ("block of VQ-VAE", Compression, PRE, {}), ("block of EDSR", Scaled, BASIC, {}),
    ("block of vectors", Vectors, VECTORS, {"mode": "eval"}),
    ("one block of vectors", lambda: Vectors(3).eval(), VECTORS, {}), ("inchannel, outchannel", Renamed, BASIC, {}),
    ("scripted block", _scripted, BASIC, {}), ("leaky block", Discriminating, BASIC, {}),
]  # fmt: skip
TWINS: list[Twin] = [Twin(name=name, make=_declared(f, like, **fields)) for name, f, like, fields in _FINE]
