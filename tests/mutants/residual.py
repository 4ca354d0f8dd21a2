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


TWINS += [
    Twin(name="a function of its weights", make=lambda: Formula(functional_block, like=BASIC)),
    Twin(name="running statistics", make=lambda: Formula(Normalised(2, 2).eval(), like=BASIC)),
    Twin(name="group normalisation", make=lambda: Formula(Grouped(2, 2), like=BASIC)),
]
