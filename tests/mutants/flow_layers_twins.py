"""Unusual flows as modules that are correct."""

from __future__ import annotations

import math
import warnings

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genverify.reference.flows.affine_coupling import AffineCoupling
from genverify.reference.flows.batch_norm import BatchNormFlow
from genverify.reference.flows.conv1x1 import Conv1x1
from genverify.reference.flows.householder import Householder
from genverify.reference.flows.masked_autoregressive import MaskedAutoregressive
from genverify.reference.flows.radial import Radial
from genverify.subjects.bijection import Bijection
from tests.mutants.flow import seeded
from tests.mutants.flow_layers import declarers
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
mutant, twin = declarers(MUTANTS, TWINS)


@twin(3)
class ClampedLogScale(nn.Module):
    """FrEIA's clamp: log scale = 2/π c arctan(s/c)."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(1, 4)

    def log_and_shift(self, a: Tensor) -> tuple[Tensor, Tensor]:
        s, t = self.net(a).chunk(2, -1)
        return 2 / math.pi * 1.5 * torch.atan(s / 1.5), t

    def forward(self, x, rev=False):
        s, t = self.log_and_shift(x[:, :1])
        return torch.cat([x[:, :1], x[:, 1:] * s.exp() + t], -1), s.sum(-1)

    def inverse(self, y):
        s, t = self.log_and_shift(y[:, :1])
        return torch.cat([y[:, :1], (y[:, 1:] - t) * (-s).exp()], -1), -s.sum(-1)


@twin(2, 2, 2, context_shape=2, autoregressive=True)
class ConditionalMaf(MaskedAutoregressive):
    """With a context."""

    def __init__(self, features, context):
        super().__init__(features, context=context)


@twin(3, 3)
class NoiseToData(MaskedAutoregressive):
    """Forward is noise → data."""

    def forward(self, u, context=None):
        return super().inverse(u, context)

    def inverse(self, x, context=None):
        return super().forward(x, context)


@twin((2, 2), elementwise=True, image=(-1, 1))
class NumberForEachElement(nn.Module):
    """logabsdet of the shape of x, declared."""

    def forward(self, x):
        return torch.tanh(x), 2.0 * (math.log(2.0) - x - F.softplus(-2.0 * x))

    def inverse(self, y):
        return torch.atanh(y), -torch.log1p(-y * y)


@twin(1)
class OneFeature(Radial):
    """D = 1: no tangential direction, and the logarithm of it is counted zero times."""

    def __init__(self):
        super().__init__(1)


@twin(5)
class OddFeatures(AffineCoupling):
    """Two kept, three changed."""

    def __init__(self):
        super().__init__(5)


@twin((4, 2, 2))
class ChannelsLastInside(nn.Module):
    """An image permuted to channels-last for a linear map, and back: a non-contiguous view on the way."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(
            torch.linalg.qr(torch.randn(4, 4)).Q @ torch.diag(torch.tensor([0.5, 1.0, 2.0, 3.0]))
        )

    def forward(self, x):
        y = (x.permute(0, 2, 3, 1) @ self.weight).permute(0, 3, 1, 2)
        return y, 4 * torch.linalg.slogdet(self.weight)[1]

    def inverse(self, y):
        x = (y.permute(0, 2, 3, 1) @ torch.linalg.inv(self.weight)).permute(0, 3, 1, 2)
        return x, -4 * torch.linalg.slogdet(self.weight)[1]


@twin(2)
class Float32Inside(nn.Module):
    """Its scale is a float32 buffer that keeps its dtype: it is judged in float32."""

    def __init__(self):
        super().__init__()
        self.register_buffer("scale", torch.tensor([0.5, 2.0]))

    def forward(self, x):
        scale = self.scale.float()
        y = x.float() * scale
        return y, torch.log(scale).sum().expand(len(x))

    def inverse(self, y):
        scale = self.scale.float()
        return y.float() / scale, -torch.log(scale).sum().expand(len(y))


@twin((2, 2, 2), 2)
class TurnsItsKernel(Conv1x1):
    """Works by conv2d with a kernel [C, C, 1, 1], frozen."""

    def __init__(self, channels):
        super().__init__(channels)
        self.requires_grad_(False)

    def forward(self, x):
        return F.conv2d(x, self.weight[:, :, None, None]), super().forward(x)[1]


@twin(2)
class EvalModeMoments(BatchNormFlow):
    """Running moments after some training; eval mode, by its caller."""

    def __init__(self):
        super().__init__(2)
        self.train()
        for scale in (1.0, 2.0, 0.5):
            self(scale * torch.randn(8, 2) + 1.0)
        self.eval()


@twin(3, 3, 2)
class InPlaceReflections(Householder):
    """In place, on its own copy."""

    def forward(self, x):
        y = x.clone()
        for v in self.v:
            y = torch.outer(y @ v, v).mul_(-2.0 / v.square().sum()).add_(y)
        return y, torch.zeros(len(x), dtype=x.dtype)


class Scripted(nn.Module):
    """A coupling that TorchScript can compile."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(1, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        st = self.net(x[:, :1])
        s = torch.tanh(st[:, :1])
        return torch.cat([x[:, :1], x[:, 1:] * torch.exp(s) + st[:, 1:]], dim=1), s.sum(dim=1)


def scripted() -> Bijection:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, and still met
        return Bijection(torch.jit.script(seeded(Scripted)), event_shape=2, autoregressive=True)


TWINS.append(Twin(name="scripted half coupling", make=scripted))
