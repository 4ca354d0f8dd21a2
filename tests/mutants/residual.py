"""Mutants of residual blocks, each with one named bug, and correct blocks in unusual styles."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

BASIC, PRE = "residual.basic_block", "residual.preactivation_block"
MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


class Block(nn.Module):
    """Two convolutions, and a projection where shapes change; what follows changes its forward pass."""

    def __init__(self, inplanes, planes, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.downsample = None
        if stride != 1 or inplanes != planes:
            self.downsample = nn.Conv2d(inplanes, planes, 1, stride, bias=False)

    def skip(self, x):
        return x if self.downsample is None else self.downsample(x)

    def branch(self, x):
        return self.conv2(functional.relu(self.conv1(x)))


def mutant(like: str, killed_by: str = "dialect", **fields: Any) -> Any:
    """Declares the decorated class, as a stranger would, as a wrong block."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=like, **fields)  # noqa: E731
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, **fields: Any) -> Any:
    """Declares the decorated implementation as a correct one."""

    def declare(f: Any) -> Any:
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=lambda: Formula(f, like=like, **fields)))
        return f

    return declare


@mutant(BASIC)
class SkipAfterTheActivation(Block):
    """The shortcut is added after the last activation. Met where `relu(bn2(conv2(out)))` is one line."""

    def forward(self, x):
        return self.skip(x) + functional.relu(self.branch(x))


@mutant(BASIC)
class MissingSkip(Block):
    """The shortcut is computed and not added. Source: znxlwm/UGATIT-pytorch#32."""

    def forward(self, x):
        self.skip(x)
        return functional.relu(self.branch(x))


@mutant(BASIC)
class AddsItself(Block):
    """`x += x` at the end: the branch is doubled where the input should be added.

    Source: werner-duvaud/muzero-general#89.
    """

    def forward(self, x):
        x = self.branch(x)
        x = x + x
        return functional.relu(x)


@mutant(BASIC)
class AddsTwice(Block):
    """The shortcut is added inside the branch and again outside of it. Source: yakhyo/darknet-pytorch#2."""

    def forward(self, x):
        return functional.relu(self.skip(x) + self.skip(x) + self.branch(x))


@mutant(BASIC)
class NoActivationBetween(Block):
    """The two convolutions follow each other without an activation: a linear branch."""

    def forward(self, x):
        return functional.relu(self.skip(x) + self.conv2(self.conv1(x)))


@mutant(BASIC)
class OneConvolutionTwice(Block):
    """The first convolution is used in both places: a copied line. Shapes allow it where they do not change."""

    def forward(self, x):
        hidden = functional.relu(self.conv1(x))
        second = self.conv1 if hidden.shape == x.shape else self.conv2
        return functional.relu(self.skip(x) + second(hidden))


@mutant(BASIC)
class ScaledSum(Block):
    """The sum is divided by √2, as in diffusion networks, under the name of the basic block."""

    def forward(self, x):
        return functional.relu((self.skip(x) + self.branch(x)) / 2**0.5)


@mutant(PRE)
class InPlaceActivation(Block):
    """The first activation works in place, so that the shortcut carries its result.

    Source: rosinality/vq-vae-2-pytorch#60.
    """

    def forward(self, x):
        kept = x.clone()
        branch = self.conv2(functional.relu(self.conv1(kept.relu_())))
        return self.skip(kept) + branch


@mutant(PRE)
class ActivatedAtTheEnd(Block):
    """The basic block's order under the name of the pre-activated one."""

    def forward(self, x):
        return functional.relu(self.skip(x) + self.branch(x))


@mutant(BASIC, "gradient")
class DetachedSkip(Block):
    """The shortcut carries no gradient: right values, and the path that the block exists for is cut."""

    def forward(self, x):
        return functional.relu(self.skip(x.detach()) + self.branch(x))


class Gated(Block):
    """Squeeze and excitation: channels of the branch are weighted by what is seen of the whole image. Another block."""

    def __init__(self, planes):
        super().__init__(planes, planes)
        self.gate = nn.Linear(planes, planes)

    def forward(self, x):
        branch = self.branch(x)
        weight = torch.sigmoid(self.gate(branch.mean((2, 3))))
        return functional.relu(x + branch * weight[..., None, None])


class FirstNormTwice(Block):
    """The first normalisation is used in both places: a copied line that shapes allow."""

    def __init__(self, planes):
        super().__init__(planes, planes)
        self.bn1, self.bn2 = nn.BatchNorm2d(planes), nn.BatchNorm2d(planes)

    def forward(self, x):
        hidden = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(x + self.bn1(self.conv2(hidden)))


class NormAfterActivation(FirstNormTwice):
    """Convolution, activation, normalisation: the first two in the wrong order for the published block."""

    def forward(self, x):
        hidden = self.bn1(functional.relu(self.conv1(x)))
        return functional.relu(x + self.bn2(self.conv2(hidden)))


MUTANTS += [
    Mutant(name=f"{BASIC}: {f.__name__}", make=lambda f=f: Formula(f(2), like=BASIC), killed_by="formula.dialect")
    for f in (Gated, FirstNormTwice, NormAfterActivation)
]


@twin(BASIC)
class Sequential(nn.Module):
    """Biases, the layers in a Sequential, the shortcut registered first, the sum in place, SiLU."""

    def __init__(self, in_channels, out_channels, stride=1):
        super().__init__()
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1, stride)
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, padding=1),
            nn.SiLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1),
        )

    def forward(self, x):
        y = self.body(x)
        y += self.shortcut(x)
        return functional.silu(y, inplace=True)


@twin(PRE)
class Preactivated(Block):
    """Activations first, no normalisation."""

    def forward(self, x):
        return self.skip(x) + self.conv2(functional.relu(self.conv1(functional.relu(x))))


def functional_block(x, w1, w2):
    """Weights passed in, no last activation: the block of EDSR."""
    return x + functional.conv2d(functional.relu(functional.conv2d(x, w1, padding=1)), w2, padding=1)


class Normalised(Block):
    """With batch normalisation, in evaluation mode with running statistics."""

    def __init__(self, inplanes, planes, stride=1):
        super().__init__(inplanes, planes, stride)
        self.bn1, self.bn2 = nn.BatchNorm2d(planes), nn.BatchNorm2d(planes)
        with torch.no_grad():
            self.bn1.running_mean.fill_(0.25)
            self.bn2.running_var.fill_(0.5)

    def forward(self, x):
        return functional.relu(self.skip(x) + self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x))))))


class Grouped(Block):
    """With group normalisation."""

    def __init__(self, inplanes, planes):
        super().__init__(inplanes, planes)
        self.norm1, self.norm2 = nn.GroupNorm(2, planes), nn.GroupNorm(2, planes)

    def forward(self, x):
        return functional.relu(self.skip(x) + self.norm2(self.conv2(functional.relu(self.norm1(self.conv1(x))))))


class Published(nn.Module):
    """The block as torchvision writes it: the projection is passed in, activations and the sum work in place."""

    def __init__(self, inplanes, planes, stride=1, downsample=None):
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        return self.relu(out)


def projected() -> nn.Module:
    """A published block that halves the image."""
    return Published(1, 2, 2, nn.Sequential(nn.Conv2d(1, 2, 1, 2, bias=False), nn.BatchNorm2d(2)))


TWINS += [
    Twin(name="published residual block", make=lambda: Formula(projected(), like=BASIC)),
    Twin(
        name="residual block in float32 only",
        make=lambda: Formula(Grouped(2, 2), like=BASIC, dtype=torch.float32),
    ),
    Twin(name="a function of its weights", make=lambda: Formula(functional_block, like=BASIC)),
    Twin(name="running statistics", make=lambda: Formula(Normalised(2, 2).eval(), like=BASIC)),
    Twin(name="group normalisation", make=lambda: Formula(Grouped(2, 2), like=BASIC)),
]
