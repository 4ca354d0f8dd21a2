"""Flows with one bug each, and unusual flows that are correct."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from genverify.subjects.bijection import Bijection
from genverify.subjects.density import Density
from tests.mutants.mutant import Mutant, Twin


def seeded(make: Callable[[], Any], seed: int = 3) -> Any:
    """What `make` makes under this seed; the global random state stays."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return make()


class Coupling(nn.Module):
    """A correct affine coupling layer of three features, two of which stay."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 2))

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        a, b = x[:, :2], x[:, 2:]
        s, t = self.net(a).chunk(2, -1)
        return a, b, torch.tanh(s), t

    def log(self, s: Tensor) -> Tensor:
        return s.sum(-1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a, b, s, t = self.parts(x)
        return torch.cat([a, b * s.exp() + t], -1), self.log(s)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        a, b, s, t = self.parts(y)
        return torch.cat([a, (b - t) * (-s).exp()], -1), -self.log(s)


class SummedOverBatch(Coupling):
    """`.sum()` where `.sum(-1)` is meant: classical; the shape still broadcasts in the loss."""

    def log(self, s):
        return s.sum().expand(len(s))


class Doubled(Coupling):
    """The log-determinant doubled in both directions: a library's suite that compares the two stays green."""

    def log(self, s):
        return 2 * s.sum(-1)


class Halved(Coupling):
    """The log-determinant halved in both directions: log σ² taken for log σ."""

    def log(self, s):
        return 0.5 * s.sum(-1)


class WrongSign(Coupling):
    """The sign of the log-determinant reversed in both directions: normalising and generating direction mixed up."""

    def log(self, s):
        return -s.sum(-1)


class DeterminantForLog(Coupling):
    """The determinant where its logarithm belongs."""

    def log(self, s):
        return s.exp().prod(-1)


class ScaleForExponential(Coupling):
    """Scales by s and counts Σ s, where exp(s) is meant: classical."""

    def forward(self, x):
        a, b, s, t = self.parts(x)
        return torch.cat([a, b * (1.5 + s) + t], -1), self.log(s)

    def inverse(self, y):
        a, b, s, t = self.parts(y)
        return torch.cat([a, (b - t) / (1.5 + s)], -1), -self.log(s)


class TanhLeftOut(Coupling):
    """The scale passes through tanh, the log-determinant sums what was there before it."""

    def forward(self, x):
        y, _ = super().forward(x)
        return y, self.net(x[:, :2])[:, :1].sum(-1)


class SeesWhatItChanges(Coupling):
    """The shift looks at the half that it shifts: a mask is missing, and the Jacobian is no longer triangular."""

    def forward(self, x):
        a, b, s, t = self.parts(x)
        return torch.cat([a, b * s.exp() + t + 0.5 * torch.tanh(b)], -1), self.log(s)


class InverseAddsShift(Coupling):
    """The inverse adds the shift again."""

    def inverse(self, y):
        a, b, s, t = self.parts(y)
        return torch.cat([a, (b + t) * (-s).exp()], -1), -self.log(s)


class InverseScalesFirst(Coupling):
    """The inverse undoes scale and shift in the wrong order."""

    def inverse(self, y):
        a, b, s, t = self.parts(y)
        return torch.cat([a, b * (-s).exp() - t], -1), -self.log(s)


class InverseKeepsSign(Coupling):
    """The inverse returns the forward log-determinant (danielward27/flowjax#208)."""

    def inverse(self, y):
        x, log = super().inverse(y)
        return x, -log


class MaskedScaleCountsAll(nn.Module):
    """RealNVP with a mask over all features, whose log-determinant sums the scales of the masked ones, too."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mask", torch.tensor([1.0, 0.0]))
        self.s, self.t = nn.Linear(2, 2), nn.Linear(2, 2)

    def forward(self, x):
        kept = x * self.mask
        s, t = torch.tanh(self.s(kept)), self.t(kept)
        return kept + (1 - self.mask) * (x * s.exp() + t), s.sum(-1)

    def inverse(self, y):
        kept = y * self.mask
        s, t = torch.tanh(self.s(kept)), self.t(kept)
        return kept + (1 - self.mask) * (y - t) * (-s).exp(), -s.sum(-1)


class BatchStatistics(nn.Module):
    """Normalises by the statistics of the batch, in evaluation as well (normflows' BatchNorm, issue of many)."""

    def forward(self, x):
        mean, std = x.mean(0), (x.var(0, unbiased=False) + 1.0).sqrt()
        return (x - mean) / std, -std.log().sum(-1).expand(len(x))


class LogabsdetLeaks(Coupling):
    """The log-determinant is averaged over the batch, as a loss would be."""

    def log(self, s):
        return s.sum(-1).mean().expand(len(s))


class CastsInside(nn.Module):
    """Casts its input to float32 on the way: a float64 caller loses half of the digits silently."""

    def forward(self, x):
        x = x.float()
        return 2.0 * x, torch.full((len(x),), x.shape[1] * math.log(2.0), dtype=x.dtype)

    def inverse(self, y):
        return 0.5 * y.float(), torch.full((len(y),), -y.shape[1] * math.log(2.0))


class WritesIntoInput(Coupling):
    """`x[:, 2:] *= …` on the caller's tensor."""

    def forward(self, x):
        _, b, s, t = self.parts(x)
        with torch.no_grad():
            x[:, 2:] = b * s.exp() + t
        return x, self.log(s)


class Drops(Coupling):
    """Functional dropout that evaluation mode does not switch off."""

    def parts(self, x):
        a, b, s, t = super().parts(x)
        return a, b, nn.functional.dropout(s, 0.5, training=True), t


class DividesByNorm(nn.Module):
    """x (1 + 1/‖x‖): 0/0 at the origin."""

    def forward(self, x):
        r = x.norm(dim=-1, keepdim=True)
        return x * (1 + r**2 / r / r), torch.full((len(x),), x.shape[1] * math.log(2.0)).to(x)


class SqueezesBatchOfOne(nn.Module):
    """`.squeeze()` on a result: a batch of one loses its batch axis."""

    def forward(self, x):
        return (3.0 * x).squeeze(), torch.full((len(x),), x.shape[1] * math.log(3.0)).to(x)


class PermutationNotUndone(nn.Module):
    """The inverse applies the permutation again, which undoes it for a swap and for no longer cycle."""

    order = (1, 2, 0)

    def forward(self, x):
        return x[:, list(self.order)], x.new_zeros(len(x))

    def inverse(self, y):
        return y[:, list(self.order)], y.new_zeros(len(y))


class CompositionInForwardOrder(nn.Module):
    """The inverse of a composition runs through its parts in the forward order."""

    def __init__(self):
        super().__init__()
        self.flows = nn.ModuleList([Coupling(), Coupling()])

    def forward(self, x):
        total = x.new_zeros(len(x))
        for flow in self.flows:
            x, log = flow(x.flip(1))
            total = total + log
        return x, total

    def inverse(self, y):
        total = y.new_zeros(len(y))
        for flow in self.flows:
            y, log = flow.inverse(y)
            y, total = y.flip(1), total + log
        return y, total


class NonStrictMask(nn.Module):
    """A masked layer whose mask is upper triangular: output i sees the inputs after it."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(0.3 * torch.randn(3, 3))

    def forward(self, x):
        return x + x @ torch.triu(self.w, 1).T, x.new_zeros(len(x))


def planar_past_its_condition(x: Tensor) -> tuple[Tensor, Tensor]:
    """A planar flow with wᵀu < −1: not invertible, and its log|det| does not say so (Rezende & Mohamed 2015, A.1)."""
    w, u = x.new_tensor([1.0, 0.5]), x.new_tensor([-2.0, 0.0])
    h = torch.tanh(x @ w)
    return x + u * h[:, None], torch.log(torch.abs(1 + (1 - h**2) * (w @ u)))


def falls(x: Tensor) -> tuple[Tensor, Tensor]:
    """Claimed to be monotone, with a slope that changes its sign with the coordinate: −x for the second one."""
    signs = x.new_tensor([1.0, -1.0])
    return x * signs, x.new_zeros(len(x))


def image_misses_range(x: Tensor) -> tuple[Tensor, Tensor]:
    """Declared to be onto the line, but a scaled arctan."""
    return torch.atan(x), -torch.log1p(x**2).sum(-1)


def clamped_tan(y: Tensor) -> Tensor:
    """Its inverse, which clamps what arctan cannot have produced."""
    return torch.tan(y.clamp(-1.5, 1.5))


def normal(x: Tensor) -> Tensor:
    """log N(x | 0, I)."""
    return -0.5 * (x**2 + math.log(2 * math.pi)).sum(-1)


def normal_without_constant(x: Tensor) -> Tensor:
    """½ log 2π left out."""
    return -0.5 * (x**2).sum(-1)


def flow_density_sign(x: Tensor) -> Tensor:
    """log p(z) − logabsdet of the data → noise map, where + is meant (Rezende & Mohamed 2015, eq. 5)."""
    return normal(torch.sinh(x)) - torch.log(torch.cosh(x)).sum(-1)


class SignBesideDraws:
    """The same sign in a flow that draws, too: x = arsinh z."""

    def log_prob(self, x: Tensor) -> Tensor:
        return flow_density_sign(x)

    def sample(self, count: int) -> Tensor:
        return torch.asinh(torch.randn(count, 5))


def density_of_centred_batch(x: Tensor) -> Tensor:
    """The batch mean is subtracted first."""
    return normal(x - x.mean(0))


def module(cls: type, shape: int = 3, **claims: Any) -> Callable[[], Bijection]:
    return lambda: Bijection(seeded(cls), event_shape=shape, **claims)


def _mutant(cls: type, killed_by: str, shape: int = 3, **claims: Any) -> Mutant:
    return Mutant(name=cls.__name__, make=module(cls, shape, **claims), killed_by=f"bijection.{killed_by}")


MUTANTS = [
    _mutant(SummedOverBatch, "logabsdet"),
    _mutant(Doubled, "logabsdet"),
    _mutant(Doubled, "inverse_logabsdet"),
    _mutant(Halved, "logabsdet"),
    _mutant(WrongSign, "logabsdet"),
    _mutant(DeterminantForLog, "logabsdet"),
    _mutant(ScaleForExponential, "logabsdet"),
    _mutant(TanhLeftOut, "logabsdet"),
    _mutant(SeesWhatItChanges, "logabsdet"),
    _mutant(SeesWhatItChanges, "round_trip_forward"),
    _mutant(InverseAddsShift, "round_trip_forward"),
    _mutant(InverseAddsShift, "round_trip_inverse"),
    _mutant(InverseScalesFirst, "round_trip_forward"),
    _mutant(InverseKeepsSign, "inverse_logabsdet"),
    _mutant(MaskedScaleCountsAll, "logabsdet", 2),
    _mutant(BatchStatistics, "batch_independence", 2),
    _mutant(LogabsdetLeaks, "batch_independence"),
    _mutant(CastsInside, "dtype_and_device", 2),
    _mutant(WritesIntoInput, "inputs_untouched"),
    _mutant(Drops, "deterministic"),
    _mutant(DividesByNorm, "finite", 2),
    _mutant(SqueezesBatchOfOne, "shape", 2),
    _mutant(PermutationNotUndone, "round_trip_forward"),
    _mutant(CompositionInForwardOrder, "round_trip_inverse"),
    _mutant(NonStrictMask, "autoregressive", autoregressive=True),
    Mutant(
        name="planar_past_its_condition", killed_by="bijection.invertible",
        make=lambda: Bijection(planar_past_its_condition, event_shape=2),
    ),
    Mutant(
        name="falls", killed_by="bijection.monotone",
        make=lambda: Bijection(falls, event_shape=2, monotone=True),
    ),
    Mutant(
        name="image_misses_range", killed_by="bijection.round_trip_inverse",
        make=lambda: Bijection(image_misses_range, inverse=clamped_tan, event_shape=2, image=(-4.0, 4.0)),
    ),
    Mutant(
        name="summed_over_batch_function", killed_by="bijection.logabsdet",
        make=lambda: Bijection(torch.sinh, event_shape=2, logabsdet=lambda x: torch.log(torch.cosh(x)).sum()),
    ),
    Mutant(
        name="normal_without_constant", killed_by="density.integrates_to_one",
        make=lambda: Density(normal_without_constant, event_shape=2),
    ),
    Mutant(
        name="flow_density_sign", killed_by="density.integrates_to_one",
        make=lambda: Density(flow_density_sign, event_shape=1),
    ),
    Mutant(
        name="normaliser_off_by_a_thousandth", killed_by="density.integrates_to_one",
        make=lambda: Density(lambda x: normal(x) + 1e-3, event_shape=2, name="normaliser_off_by_a_thousandth"),
    ),
    Mutant(
        name="normal_without_constant, six dimensions", killed_by="density.integrates_to_one",
        make=lambda: Density(normal_without_constant, event_shape=6),
    ),
    Mutant(
        name="flow_density_sign, five dimensions", killed_by="density.integrates_to_one",
        make=lambda: Density(SignBesideDraws(), event_shape=5),
    ),
    Mutant(
        name="density_of_centred_batch", killed_by="density.batch_independence",
        make=lambda: Density(density_of_centred_batch, event_shape=2),
    ),
]  # fmt: skip

TWINS: list[Twin] = []
