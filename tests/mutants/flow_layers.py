"""Compositions and linear flows as modules with one bug each; each is judged by its own Jacobian."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from genverify.reference.flows.actnorm import ActNorm
from genverify.reference.flows.affine_coupling import AffineCoupling
from genverify.reference.flows.batch_norm import BatchNormFlow
from genverify.reference.flows.composition import Composition
from genverify.reference.flows.conv1x1 import Conv1x1
from genverify.reference.flows.elementwise import Tanh
from genverify.reference.flows.householder import Householder
from genverify.reference.flows.lu_linear import LuLinear
from genverify.reference.flows.multiscale import Multiscale
from genverify.reference.flows.squeeze import Squeeze
from genverify.subjects.bijection import Bijection
from tests.mutants.flow import seeded
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def declarers(wrong: list[Mutant], right: list[Twin]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """What declares a class, made with the given arguments, as a wrong flow or as a right one."""

    def subject(cls: Any, event: Any, arguments: tuple[Any, ...], claims: dict[str, Any]) -> Callable[[], Bijection]:
        return lambda: Bijection(seeded(lambda: cls(*arguments)), event_shape=event, name=cls.__name__, **claims)

    def mutant(killed_by: str, event: Any, *arguments: Any, **claims: Any) -> Callable[[Any], Any]:
        def declare(cls: Any) -> Any:
            make = subject(cls, event, arguments, claims)
            wrong.append(Mutant(name=f"{cls.__name__} ({killed_by})", make=make, killed_by=f"bijection.{killed_by}"))
            return cls

        return declare

    def twin(event: Any, *arguments: Any, **claims: Any) -> Callable[[Any], Any]:
        def declare(cls: Any) -> Any:
            right.append(Twin(name=cls.__name__, make=subject(cls, event, arguments, claims)))
            return cls

        return declare

    return mutant, twin


mutant, twin = declarers(MUTANTS, TWINS)


# ── Compositions and scales ──────────────────────────────────────────────────────────────────────────────────────────


def _two() -> list[nn.Module]:
    return [AffineCoupling(2), Householder(2, 1), AffineCoupling(2)]


@mutant("inverse_logabsdet", 2)
class InverseOverwrites(Composition):
    """The running total is overwritten in the inverse (tensorflow/models#7465)."""

    def __init__(self):
        super().__init__(_two())

    def inverse(self, y):
        total = y.new_zeros(len(y))
        for flow in reversed(list(self.flows)):
            y, total = flow.inverse(y)
        return y, total


@mutant("logabsdet", 2)
class ForwardOverwrites(Composition):
    """The same in the forward direction."""

    def __init__(self):
        super().__init__([AffineCoupling(2), AffineCoupling(2)])

    def forward(self, x):
        total = x.new_zeros(len(x))
        for flow in self.flows:
            x, total = flow(x)
        return x, total


@mutant("logabsdet", 2)
class AtTheFirstInput(Composition):
    """Every logabsdet is taken at the first input, and not at its own flow's."""

    def __init__(self):
        super().__init__([Tanh(), Tanh()])

    def forward(self, x):
        return super().forward(x)[0], sum(flow(x)[1] for flow in self.flows)


@mutant("inverse_logabsdet", 2)
class CompositionAdds(Composition):
    """The inverse adds the forward logabsdets (VincentStimper/normalizing-flows#27, the other way round)."""

    def __init__(self):
        super().__init__(_two())

    def inverse(self, y):
        x, logabsdet = super().inverse(y)
        return x, -logabsdet


@mutant("logabsdet", 4)
class MultiscaleForgetsTheLast(Multiscale):
    """The logabsdet of the last scale is left out."""

    def __init__(self):
        super().__init__([AffineCoupling(4), AffineCoupling(2)])

    def forward(self, x):
        y, _ = super().forward(x)
        return y, self.flows[0](x)[1]


@mutant("round_trip_forward", 4)
class MultiscaleJoinsBackwards(Multiscale):
    """The parts are put together in the wrong order on the way back."""

    def __init__(self):
        super().__init__([AffineCoupling(4), AffineCoupling(2)])

    def inverse(self, y):
        return super().inverse(y.roll(2, 1))


# ── Linear ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@mutant("round_trip_forward", 3)
class OrderNotUndone(LuLinear):
    """The permutation of the factorisation is not undone by the inverse."""

    def inverse(self, y):
        return super().inverse(y[:, self.order])

    def __init__(self):
        super().__init__(3)
        self.order = torch.tensor([1, 2, 0])


@mutant("logabsdet", 3, 3)
class SignsCounted(LuLinear):
    """log s where log|s| is meant: NaN hidden by nan_to_num."""

    def forward(self, x):
        y, _ = super().forward(x)
        diagonal = self.signs * torch.exp(self.log_scale)
        return y, torch.nan_to_num(torch.log(diagonal)).sum().expand(len(x))


@mutant("inverse_logabsdet", 3, 3)
class LinearInverseKeepsSign(LuLinear):
    """The inverse returns the forward logabsdet."""

    def inverse(self, y):
        x, logabsdet = super().inverse(y)
        return x, -logabsdet


@mutant("round_trip_inverse", 3, 3)
class BiasAfterwards(LuLinear):
    """The inverse subtracts the bias after solving."""

    def inverse(self, y):
        x, logabsdet = super().inverse(y + self.bias)
        return x - self.bias, logabsdet


@mutant("round_trip_forward", 3, 3, 2)
class ReflectionsInForwardOrder(Householder):
    """The inverse takes the reflections in the forward order."""

    def inverse(self, y):
        return self.forward(y)


@mutant("logabsdet", (2, 2, 3), 2, vary_parameters=True)
class NoPixels(Conv1x1):
    """log|det K| once (jaywalnut310/glow-tts#17): hidden by the usual start, a rotation."""

    def forward(self, x):
        y, logabsdet = super().forward(x)
        return y, logabsdet / (x.shape[2] * x.shape[3])


@mutant("inverse_logabsdet", (2, 2, 3), 2, vary_parameters=True)
class InversePixels(Conv1x1):
    """The inverse leaves the pixels out."""

    def inverse(self, y):
        x, logabsdet = super().inverse(y)
        return x, logabsdet / (y.shape[2] * y.shape[3])


@mutant("round_trip_forward", (2, 2, 3), 2, vary_parameters=True)
class TransposedForInverse(Conv1x1):
    """Kᵀ for K⁻¹: right for the rotation that it begins as."""

    def inverse(self, y):
        x = torch.einsum("dc,bdij->bcij", self.weight, y)
        return x, super().inverse(y)[1]


class _Scaled(ActNorm):
    def __init__(self, channels):
        super().__init__(channels)
        with torch.no_grad():
            self.log_scale.copy_(torch.linspace(-0.5, 1.0, channels))
            self.shift.copy_(torch.linspace(1.0, -2.0, channels))


@mutant("logabsdet", (2, 2, 2), 2)
class ActNormSign(_Scaled):
    """The sign of the other direction in both."""

    def forward(self, x):
        y, logabsdet = super().forward(x)
        return y, -logabsdet


@mutant("round_trip_forward", (2, 2, 2), 2)
class ActNormShiftLast(_Scaled):
    """The inverse scales before it subtracts (s x + b undone as if it were s (x + b))."""

    def inverse(self, y):
        x = y * torch.exp(-self.log_scale)[:, None, None] - self.shift[:, None, None]
        return x, super().inverse(y)[1]


@mutant("batch_independence", (2, 2, 2), 2)
class ActNormEveryBatch(_Scaled):
    """Initialises itself on every batch: the flag is never set."""

    def forward(self, x):
        std, mean = torch.std_mean(x, dim=(0, 2, 3), correction=0)
        y = (x - mean[:, None, None]) / (std + 0.5)[:, None, None]
        return y, (-x[0, 0].numel() * torch.log(std + 0.5).sum()).expand(len(x))


@mutant("logabsdet", (2, 2, 2), 2)
class ActNormPerChannel(_Scaled):
    """The number of channels for the number of pixels."""

    def forward(self, x):
        y, _ = super().forward(x)
        return y, (x.shape[1] * self.log_scale.sum() * 3).expand(len(x))


@mutant("batch_independence", 2, 2)
class BatchNormByTheBatch(BatchNormFlow):
    """The moments of the batch in evaluation mode as well (normflows' BatchNorm)."""

    def moments(self, x):
        variance, mean = torch.var_mean(x, dim=0, correction=0)
        return mean, variance + 0.5


@mutant("logabsdet", 2, 2, vary_parameters=True)
class BatchNormWithoutGamma(BatchNormFlow):
    """log γ is left out: right at the start, where γ = 1."""

    def forward(self, x):
        y, logabsdet = super().forward(x)
        return y, logabsdet - self.log_gamma.sum()


@mutant("round_trip_inverse", 2, 2)
class BatchNormForgetsEps(BatchNormFlow):
    """The inverse multiplies by √v."""

    def inverse(self, y):
        return torch.sqrt(self.running_var) * (y - self.beta) + self.running_mean, super().inverse(y)[1]


@mutant("inverse_logabsdet", 2, 2)
class BatchNormHalf(BatchNormFlow):
    """½ forgotten in the inverse."""

    def __init__(self, features):
        super().__init__(features)
        self.running_var.copy_(torch.tensor([2.0, 0.25]))

    def inverse(self, y):
        x, logabsdet = super().inverse(y)
        return x, 2 * logabsdet


@mutant("round_trip_forward", (1, 2, 4))
class UnsqueezesByReshape(Squeeze):
    """The inverse reshapes."""

    def inverse(self, y):
        return y.reshape(len(y), y.shape[1] // 4, 2 * y.shape[2], 2 * y.shape[3]), y.new_zeros(len(y))


@mutant("round_trip_inverse", (1, 4, 2))
class UnsqueezesTransposed(Squeeze):
    """Rows and columns of the blocks are exchanged on the way back."""

    def inverse(self, y):
        b, c, h, w = y.shape
        blocks = y.reshape(b, c // 4, 2, 2, h, w).permute(0, 1, 4, 3, 5, 2)
        return blocks.reshape(b, c // 4, 2 * h, 2 * w), y.new_zeros(b)


@mutant("invertible", (1, 2, 2))
class SqueezeTakesAverages(Squeeze):
    """Averages the block into one of its four channels: the Jacobian is singular."""

    def forward(self, x):
        y, zero = super().forward(x)
        return torch.cat([(y[:, 1:2] + y[:, 2:3]) / 2, y[:, 1:]], 1), zero


@mutant("logabsdet", (1, 2, 2))
class SqueezeCounts(Squeeze):
    """log 4 as logabsdet."""

    def forward(self, x):
        y, zero = super().forward(x)
        return y, zero + math.log(4)
