"""Mutants of layers with spectral normalisation from issue trackers, beside twins of published styles.

Rewritten from what the issues say: nothing is pasted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
LAYER, CONVOLUTION = "spectral_norm.dense", "spectral_norm.convolution"


def mutant(like: str, killed_by: str = "dialect", *given: Any) -> Callable[[Any], Any]:
    """Declares the decorated class's instance as a stranger would, as a wrong one."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(_instance(f, given), like=like)  # noqa: E731
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, *given: Any) -> Callable[[Any], Any]:
    """Declares the decorated class's instance as a right one."""

    def declare(f: Any) -> Any:
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=lambda: Formula(_instance(f, given), like=like)))
        return f

    return declare


def _instance(f: Any, given: tuple[Any, ...]) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return f(*given)


@twin(LAYER, 4, 3)
class Normalised(nn.Linear):
    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.register_buffer("u", F.normalize(torch.randn(outputs), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(inputs), dim=0))

    def vectors(self):
        if self.training:
            with torch.no_grad():
                self.v.copy_(F.normalize(self.weight.T @ self.u, dim=0))
                self.u.copy_(F.normalize(self.weight @ self.v, dim=0))
        return self.u.clone(), self.v.clone()

    def forward(self, x):
        u, v = self.vectors()
        return F.linear(x, self.weight / (u @ self.weight @ v), self.bias)


@mutant(LAYER, "gradient", 4, 3)
class SigmaOfData(Normalised):
    """σ of weight.data: no gradient goes through σ: rdevon/cortex#21; pytorch/pytorch#6929."""

    def forward(self, x):
        u, v = self.vectors()
        return F.linear(x, self.weight / (u @ self.weight.data @ v), self.bias)


@mutant(LAYER, "dialect", 4, 3)
class Raw(Normalised):
    """σ is computed, and the kernel as it was is used: leafinity/SAGAN-tensorflow2.0#2."""

    def forward(self, x):
        u, v = self.vectors()
        _ = self.weight / (u @ self.weight @ v)
        return F.linear(x, self.weight, self.bias)


@mutant(LAYER, "dialect", 4, 3)
class Overwritten(Normalised):
    """The normalised weight is written over the raw one: christiancosgrove/pytorch-spectral-normalization-gan#7."""

    def forward(self, x):
        u, v = self.vectors()
        with torch.no_grad():
            self.weight.div_(u @ self.weight @ v)
        return F.linear(x, self.weight, self.bias)


@mutant(LAYER, "gradient", 4, 3)
class NotCopied(Normalised):
    """u and v as they are, which the next call overwrites: D(real), D(fake) and one backward pass raise, as the source
    of torch.nn.utils.spectral_norm says where it clones them."""

    def vectors(self):
        super().vectors()
        return self.u, self.v


@twin(LAYER, 4, 3)
class NotCopiedInEvaluation(NotCopied):
    """u and v are copied in training alone: torch.nn.utils.spectral_norm."""

    def vectors(self):
        u, v = super().vectors()
        return (u.clone(), v.clone()) if self.training else (u, v)


@mutant(LAYER, "gradient", 4, 3)
class RenormalisedAfterUse(NotCopiedInEvaluation):
    """u is normalised in place once more between its use and the backward pass, which raises. Classical."""

    def forward(self, x):
        y = super().forward(x)
        with torch.no_grad():
            self.u.div_(self.u.norm())
        return y


@mutant(CONVOLUTION, "dialect", 2, 3)
class InputsFirst(nn.Module):
    """The kernel is flattened with its inputs first, as of a transposed convolution. Classical."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.register_buffer("u", F.normalize(torch.randn(inputs), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(9 * outputs), dim=0))

    def forward(self, x):
        matrix = self.weight.transpose(0, 1).flatten(1)
        if self.training:
            with torch.no_grad():
                self.v.copy_(F.normalize(matrix.T @ self.u, dim=0))
                self.u.copy_(F.normalize(matrix @ self.v, dim=0))
        return F.conv2d(x, self.weight / (self.u.clone() @ matrix @ self.v.clone()), self.bias)


@twin(LAYER, 4, 3)
class InputsFirstDense(Normalised):
    """The power iteration on Wᵀ: u is as long as the inputs, and the norm is the same."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.u, self.v = self.v, self.u

    def vectors(self):
        if self.training:
            with torch.no_grad():
                self.v.copy_(F.normalize(self.weight @ self.u, dim=0))
                self.u.copy_(F.normalize(self.weight.T @ self.v, dim=0))
        return self.v.clone(), self.u.clone()
