"""Flows of images with one bug each, and right ones: 768 numbers, told apart by the structure of their Jacobian."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genverify.subjects.bijection import Bijection
from tests.mutants.flow import seeded
from tests.mutants.mutant import Mutant, Twin

_SHAPE = (3, 16, 16)


class Glow(nn.Module):
    """Squeeze, then three times actnorm, a 1×1 convolution and an affine coupling."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(0.3 * torch.randn(3, 12))
        self.mix = nn.Parameter(torch.stack([torch.linalg.qr(torch.randn(12, 12)).Q * (1 + 0.1 * k) for k in range(3)]))
        self.nets = nn.ModuleList(
            nn.Sequential(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 12, 3, padding=1)) for _ in range(3)
        )

    def mixed(self, k: int, places: int) -> Tensor:
        return places * torch.linalg.slogdet(self.mix[k]).logabsdet

    def actnorm(self, k: int, places: int) -> Tensor:
        return places * self.scale[k].sum()

    def coupled(self, log_scale: Tensor) -> Tensor:
        return log_scale.flatten(1).sum(1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z, total = nn.functional.pixel_unshuffle(x, 2), x.new_zeros(len(x))
        places = z.shape[2] * z.shape[3]
        for k, net in enumerate(self.nets):
            z = nn.functional.conv2d(z * self.scale[k].exp()[:, None, None], self.mix[k][:, :, None, None])
            a, b = z.chunk(2, 1)
            log_scale, shift = net(a).chunk(2, 1)
            log_scale = torch.tanh(log_scale)
            z = torch.cat([a, b * log_scale.exp() + shift], 1)
            total = total + self.actnorm(k, places) + self.mixed(k, places) + self.coupled(log_scale)
        return z, total


class ConvolutionWithoutItsPlaces(Glow):
    """log|det W| without H·W: Kingma & Dhariwal 2018, eq. 9; met wherever the layer was first tried on vectors."""

    def mixed(self, k, places):
        return torch.linalg.slogdet(self.mix[k]).logabsdet


class ActnormWithoutItsPlaces(Glow):
    """Σ log s without H·W."""

    def actnorm(self, k, places):
        return self.scale[k].sum()


class SquareOfWidth(Glow):
    """H·H for H·W, of the image before the squeeze."""

    def actnorm(self, k, places):
        return 4 * places * self.scale[k].sum()


class CouplingOverTheBatch(Glow):
    """The coupling's part summed over the batch."""

    def coupled(self, log_scale):
        return log_scale.sum().expand(len(log_scale))


class LastRowLeftOut(Glow):
    """One of 8 rows of the coupling's part left out: a slice that ends too early."""

    def coupled(self, log_scale):
        return log_scale[:, :, :-1].flatten(1).sum(1)


class Multiscale(nn.Module):
    """Half of the channels leave after the first step; what they are is returned flat, as in RealNVP."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.Tanh())
        self.inner = nn.Tanh()

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        a, b = nn.functional.pixel_unshuffle(x, 2).chunk(2, 1)
        log_scale = self.net(a)
        b = b * log_scale.exp()
        c = self.inner(b.roll(1, 1))
        slope = torch.log1p(-(c**2)).flatten(1).sum(1)
        return torch.cat([a.flatten(1), c.flatten(1)], 1), log_scale.flatten(1).sum(1) + slope


def _of(cls: type) -> Bijection:
    return Bijection(seeded(cls), event_shape=_SHAPE, name=cls.__name__)


MUTANTS = [
    Mutant(name=f"of an image: {cls.__name__}", make=lambda cls=cls: _of(cls), killed_by="bijection.logabsdet")
    for cls in (
        ConvolutionWithoutItsPlaces, ActnormWithoutItsPlaces, SquareOfWidth, CouplingOverTheBatch, LastRowLeftOut,
    )
]  # fmt: skip

TWINS = [Twin(name=f"of an image: {cls.__name__}", make=lambda cls=cls: _of(cls)) for cls in (Glow, Multiscale)]
