"""Flows with one bug each, and unusual flows that are correct."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal, transforms

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


def density_of_centred_batch(x: Tensor) -> Tensor:
    """The batch mean is subtracted first."""
    return normal(x - x.mean(0))


def _module(cls: type, shape: int = 3, **claims: Any) -> Callable[[], Bijection]:
    return lambda: Bijection(seeded(cls), event_shape=shape, **claims)


def _mutant(cls: type, killed_by: str, shape: int = 3, **claims: Any) -> Mutant:
    return Mutant(name=cls.__name__, make=_module(cls, shape, **claims), killed_by=f"bijection.{killed_by}")


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
        name="density_of_centred_batch", killed_by="density.batch_independence",
        make=lambda: Density(density_of_centred_batch, event_shape=2),
    ),
]  # fmt: skip


class DataToNoise(Coupling):
    """Normalises: forward is data → noise, with −Σ s; the inverse generates."""

    def forward(self, x):
        return super().inverse(x)

    def inverse(self, y):
        return super().forward(y)


class VolumePreserving(nn.Module):
    """Additive coupling that returns the Python number 0 as its log-determinant."""

    def __init__(self):
        super().__init__()
        self.t = nn.Linear(1, 1)

    def forward(self, x):
        return torch.cat([x[:, :1], x[:, 1:] + torch.tanh(self.t(x[:, :1]))], -1), 0.0

    def inverse(self, y):
        return torch.cat([y[:, :1], y[:, 1:] - torch.tanh(self.t(y[:, :1]))], -1), 0.0


class ConstantDeterminant(nn.Module):
    """A linear map whose log-determinant is one 0-dim tensor for all rows."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.eye(3) + 0.2 * torch.randn(3, 3))

    def forward(self, x):
        return x @ self.w.T, torch.linalg.slogdet(self.w)[1]

    def inverse(self, y):
        return torch.linalg.solve(self.w, y.T).T, -torch.linalg.slogdet(self.w)[1]


class ColumnLogabsdet(Coupling):
    """Keeps the last axis: logabsdet [batch, 1], as ikostrikov's RealNVP does."""

    def log(self, s):
        return s.sum(-1, keepdim=True)


class Float32Only(nn.Module):
    """A buffer that is put back to float32 on each call: it runs in one dtype, and is judged there."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([0.5, 2.0]))

    def forward(self, x):
        if x.dtype != torch.float32:
            raise TypeError("float32 only")
        w = self.scale.float()
        return torch.sinh(x) * w, (torch.log(torch.cosh(x)) + w.log()).sum(-1)

    def inverse(self, y):
        x = torch.asinh(y / self.scale.float())
        return x, -(torch.log(torch.cosh(x)) + self.scale.float().log()).sum(-1)


class InPlaceInside(Coupling):
    """Works in place, on its own copy."""

    def forward(self, x):
        y = x.clone()
        _, _, s, t = self.parts(x)
        y[:, 2:].mul_(s.exp()).add_(t)
        return y, self.log(s)


class Views(nn.Module):
    """Hands out non-contiguous views: a transpose of an image event."""

    def forward(self, x):
        return x.transpose(1, 2), x.new_zeros(len(x))

    def inverse(self, y):
        return y.transpose(1, 2), y.new_zeros(len(y))


class Newton(nn.Module):
    """x + ½ tanh x, inverted by Newton's iteration until it stops moving."""

    def forward(self, x):
        return x + 0.5 * torch.tanh(x), torch.log1p(0.5 / torch.cosh(x) ** 2).sum(-1)

    def inverse(self, y):
        x = y
        for _ in range(30):
            x = x - (x + 0.5 * torch.tanh(x) - y) / (1 + 0.5 / torch.cosh(x) ** 2)
        return x, -self.forward(x)[1]


class CoarseBisection(Newton):
    """The same by a bisection that stops at 2⁻¹⁹ of its bracket, which is stated."""

    def inverse(self, y):
        low, high = y - 1, y + 1
        for _ in range(20):
            middle = (low + high) / 2
            up = self.forward(middle)[0] < y
            low, high = torch.where(up, middle, low), torch.where(up, high, middle)
        x = (low + high) / 2
        return x, -self.forward(x)[1]


class FlagForInverse(Coupling):
    """Glow's convention: `forward(x, reverse=False)`."""

    inverse = None  # type: ignore[assignment]

    def forward(self, x, reverse=False):
        return Coupling.inverse(self, x) if reverse else Coupling.forward(self, x)


class DropoutOutsideEvaluation(Coupling):
    """A conditioner with dropout, which evaluation mode switches off."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 4), nn.Dropout(0.5), nn.Tanh(), nn.Linear(4, 2))


class InitialisedByData(nn.Module):
    """Actnorm as in Glow: takes shift and scale from the first batch that it sees, once."""

    def __init__(self):
        super().__init__()
        self.loc, self.log_scale = nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(2))
        self.register_buffer("ready", torch.tensor(False))

    def forward(self, x):
        if not self.ready:
            with torch.no_grad():
                self.loc.copy_(x.mean(0))
                self.log_scale.copy_((x.std(0) + 0.1).log())
                self.ready.fill_(True)
        return (x - self.loc) * (-self.log_scale).exp(), -self.log_scale.sum().expand(len(x))

    def inverse(self, y):
        return y * self.log_scale.exp() + self.loc, self.log_scale.sum().expand(len(y))


class WithoutGradient(Coupling):
    """Runs under `torch.no_grad`, as a deployed flow does."""

    def forward(self, x):
        with torch.no_grad():
            return super().forward(x)

    def inverse(self, y):
        with torch.no_grad():
            return super().inverse(y)


class Conditional(nn.Module):
    """A coupling whose scale and shift look at a context alone."""

    def __init__(self):
        super().__init__()
        self.net = nn.Linear(2, 4)

    def forward(self, x, context=None):
        s, t = self.net(context).chunk(2, -1)
        return x * torch.tanh(s).exp() + t, torch.tanh(s).sum(-1)

    def inverse(self, y, context=None):
        s, t = self.net(context).chunk(2, -1)
        return (y - t) * (-torch.tanh(s)).exp(), -torch.tanh(s).sum(-1)


def scripted() -> Bijection:
    """A ScriptModule: no Python code left to look into."""

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(torch.tensor([0.5, 1.5]))

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            y = torch.sinh(x) * self.w.exp()
            return y, (torch.log(torch.cosh(x)) + self.w).sum(-1)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch.jit is deprecated, and still met
        module = torch.jit.script(Scaled())
    return Bijection(module, event_shape=2, name="scripted", monotone=True)


def leaky(x: Tensor) -> tuple[Tensor, Tensor]:
    """A kink at zero, on which simple points fall."""
    return torch.where(x > 0, x, 0.1 * x), torch.where(x > 0, 0.0, math.log(0.1)).to(x).sum(-1)


def leaky_inverse(y: Tensor) -> tuple[Tensor, Tensor]:
    """Takes the other side of the kink."""
    return torch.where(y >= 0, y, 10 * y), -torch.where(y >= 0, 0.0, math.log(0.1)).to(y).sum(-1)


def cube_of_one(x: Tensor) -> Tensor:
    """One event at a time, without a batch axis."""
    return x + x**3


def bound_methods() -> Bijection:
    """Two methods of one module, given apart."""
    module = seeded(Coupling)
    return Bijection(module.forward, inverse=module.inverse, event_shape=3)


TWINS = [
    *[
        Twin(name=cls.__name__, make=_module(cls))
        for cls in (
            DataToNoise, ConstantDeterminant, ColumnLogabsdet, InPlaceInside, Newton, FlagForInverse,
            DropoutOutsideEvaluation, WithoutGradient,
        )
    ],
    Twin(name="VolumePreserving", make=_module(VolumePreserving, 2)),
    Twin(name="Float32Only", make=_module(Float32Only, 2)),
    Twin(name="InitialisedByData", make=_module(InitialisedByData, 2)),
    Twin(name="Views", make=lambda: Bijection(Views(), event_shape=(2, 3))),
    Twin(name="CoarseBisection", make=_module(CoarseBisection, 2, accuracy=2.0**-18)),
    Twin(name="Conditional", make=lambda: Bijection(seeded(Conditional), event_shape=2, context_shape=2)),
    Twin(name="varied parameters", make=lambda: Bijection(seeded(Coupling), event_shape=3, vary_parameters=True)),
    Twin(name="bound methods", make=bound_methods),
    Twin(name="frozen parameters", make=lambda: Bijection(seeded(Coupling).requires_grad_(False), event_shape=3)),
    Twin(name="scripted", make=scripted),
    Twin(name="leaky", make=lambda: Bijection(leaky, inverse=leaky_inverse, event_shape=2, monotone=True)),
    Twin(
        name="function with logabsdet of x and y",
        make=lambda: Bijection(
            torch.exp, inverse=torch.log, logabsdet=lambda x, y: y.log().sum(-1), event_shape=1, image=(0, None)
        ),
    ),
    Twin(
        name="one event at a time",
        make=lambda: Bijection(
            cube_of_one, event_shape=2, batched=False, logabsdet=lambda x: (1 + 3 * x**2).log().sum()
        ),
    ),
    Twin(
        name="elementwise",
        make=lambda: Bijection(
            torch.sinh, inverse=torch.asinh, event_shape=(2, 2), elementwise=True,
            logabsdet=lambda x: torch.log(torch.cosh(x)),
        ),
    ),
    Twin(name="sigmoid", make=lambda: Bijection(transforms.SigmoidTransform(), image=(0, 1))),
    Twin(name="stick breaking", make=lambda: Bijection(transforms.StickBreakingTransform(), event_shape=3)),
    Twin(name="normal distribution", make=lambda: Density(Normal(0.5, 2.0))),
    Twin(name="narrow and far", make=lambda: Density(Normal(100.0, 0.25), around=(100.0, 0.25))),
    Twin(name="density in three dimensions", make=lambda: Density(normal, event_shape=3)),
]  # fmt: skip
