"""Unusual flows and densities that are correct: no check may accuse them."""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor, nn
from torch.distributions import Normal, transforms

from genverify.subjects.bijection import Bijection
from genverify.subjects.density import Density
from tests.mutants.flow import Coupling, module, normal, seeded
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []


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
        Twin(name=cls.__name__, make=module(cls))
        for cls in (
            DataToNoise, ConstantDeterminant, ColumnLogabsdet, InPlaceInside, Newton, FlagForInverse,
            DropoutOutsideEvaluation, WithoutGradient,
        )
    ],
    Twin(name="VolumePreserving", make=module(VolumePreserving, 2)),
    Twin(name="Float32Only", make=module(Float32Only, 2)),
    Twin(name="InitialisedByData", make=module(InitialisedByData, 2)),
    Twin(name="Views", make=lambda: Bijection(Views(), event_shape=(2, 3))),
    Twin(name="CoarseBisection", make=module(CoarseBisection, 2, accuracy=2.0**-18)),
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
    Twin(name="density in seven dimensions", make=lambda: Density(normal, event_shape=7)),
]  # fmt: skip
