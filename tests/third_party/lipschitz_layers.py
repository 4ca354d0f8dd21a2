"""Layers that are said to have a Lipschitz constant: of torch, of ours, of deel-torchlip and of orthogonium."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from deel import torchlip
from orthogonium import layers as orthogonium
from orthogonium.layers import custom_activations, residual
from orthogonium.layers.conv.adaptiveSOC.fast_skew_ortho_conv import FastSOC
from orthogonium.layers.conv.adaptiveSOC.soc_x_rko_conv import SOCRkoConv2d
from orthogonium.layers.conv.AOL import AOLConv2D, AOLConvTranspose2D
from orthogonium.layers.conv.SLL import sll_layer
from orthogonium.reparametrizers import CHOLESKY_ORTHO_PARAMS, EXP_ORTHO_PARAMS, QR_ORTHO_PARAMS
from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils import spectral_norm as older_spectral_norm

from genverify.reference.layers import activations, critic_layers, orthogonality, pooling
from genverify.reference.layers.spectral_norm import SpectralNormDense

__all__ = ["LAYERS", "Layer", "settled"]

IMAGE = (4, 8, 8)


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A layer and what is said of it.

    Attributes:
        library: Who says so.
        name: The layer, with its options.
        make: Makes it, in evaluation mode; the generator is seeded before.
        event: The shape of one event.
        claimed: The constant that is claimed.
        verdict: What the check says of it.
        affine: Whether its exact norm is that of its dense matrix.
        reason: What is wrong, of a claim that is refuted; or why it is left open.
    """

    library: str
    name: str
    make: Callable[[], nn.Module]
    event: tuple[int, ...]
    claimed: float = 1.0
    verdict: str = "PASS"
    affine: bool = False
    reason: str = ""
    # What float32 leaves of an iterated normalisation, as relative accuracy; 0 is rounding error.
    accuracy: float = 0.0


def settled(make: Callable[[], nn.Module], event: tuple[int, ...]) -> nn.Module:
    """The layer after some batches in training mode, so that power iterations have converged, in evaluation mode."""
    with torch.random.fork_rng(devices=[]), torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        layer = make().train()
        for _ in range(60):
            layer(torch.randn(4, *event))
    return layer.eval()


def _weights(layer: nn.Module, value: float) -> nn.Module:
    """All taps alike: of such a kernel, copies at the border add up."""
    with torch.no_grad():
        next(p for n, p in layer.named_parameters() if n.endswith(("original", "original0", "weight"))).fill_(value)
    return layer


def _vanilla(layer: nn.Module, event: tuple[int, ...]) -> nn.Module:
    with torch.no_grad():
        for _ in range(60):
            layer(torch.randn(4, *event))
    return torchlip.vanilla_model(nn.Sequential(layer).eval(), in_place=True)


class _Sum(nn.Module):
    """(1 − a) x + a f(x)."""

    def __init__(self, inner: nn.Module, weight: float) -> None:
        super().__init__()
        self.inner, self.weight = inner, weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (1 - self.weight) * x + self.weight * self.inner(x)


def _spectral(layer: nn.Module, **how: Any) -> nn.Module:
    return parametrizations.spectral_norm(layer, n_power_iterations=5, **how)


def _old(layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return older_spectral_norm(layer, n_power_iterations=5)


def _unit_kernel(mode: str, **how: Any) -> nn.Module:
    """A convolution divided by the norm of its operator on a torus, as Sedghi, Gupta & Long compute it."""
    layer = nn.Conv2d(4, 4, 3, padding=1, padding_mode=mode, bias=False, **how)
    step = layer.dilation[0]
    spread = torch.zeros(4, layer.weight.shape[1], 2 * step + 1, 2 * step + 1, dtype=torch.float64)
    with torch.no_grad():
        spread[:, :, ::step, ::step] = layer.weight.double()
        norm = torch.linalg.svdvals(torch.fft.fft2(spread, s=(64, 64)).permute(2, 3, 0, 1)).max()
        layer.weight /= norm * (1 + 1e-6)
    return layer


def _torch(name: str, make: Callable[[], nn.Module], event: tuple[int, ...], **how: Any) -> Layer:
    return Layer(library="torch", name=name, make=make, event=event, **how)


_MATRIX = "the norm of the reshaped kernel, which is divided by, is not that of the convolution"
_PADS = "copies at the border are not counted"

_TORCH = [
    _torch("spectral_norm, Linear(6, 5)", lambda: _spectral(nn.Linear(6, 5)), (6,), affine=True),
    _torch("spectral_norm (older), Linear(6, 5)", lambda: _old(nn.Linear(6, 5)), (6,), affine=True),
    _torch("spectral_norm, Conv2d(1, 1, 3), equal taps", lambda: _spectral(_weights(
        nn.Conv2d(1, 1, 3, padding=1, bias=False), 1.0)), (1, 8, 8), affine=True, verdict="FAIL", reason=_MATRIX),
    _torch("spectral_norm (older), Conv2d(1, 1, 3), equal taps", lambda: _old(_weights(
        nn.Conv2d(1, 1, 3, padding=1, bias=False), 1.0)), (1, 8, 8), affine=True, verdict="FAIL", reason=_MATRIX),
    _torch("orthogonal, Linear(6, 4)", lambda: parametrizations.orthogonal(nn.Linear(6, 4)), (6,), affine=True),
    _torch("orthogonal (Cayley), Linear(4, 4)", lambda: parametrizations.orthogonal(
        nn.Linear(4, 4), orthogonal_map="cayley"), (4,), affine=True),
    _torch("weight_norm, Linear(6, 1), g = 1", lambda: _weights(
        parametrizations.weight_norm(nn.Linear(6, 1)), 1.0), (6,), affine=True),
    *(_torch(f"Conv2d / ‖torus‖, {mode}", lambda mode=mode: _unit_kernel(mode), IMAGE, affine=True)
      for mode in ("zeros", "circular")),
    *(_torch(f"Conv2d / ‖torus‖, {mode}", lambda mode=mode: _unit_kernel(mode), IMAGE, affine=True, claimed=2.0)
      for mode in ("reflect", "replicate")),
    _torch("Conv2d / ‖torus‖, stride 2", lambda: _unit_kernel("zeros", stride=2), IMAGE, affine=True),
    _torch("Conv2d / ‖torus‖, dilation 2", lambda: _unit_kernel("zeros", dilation=2), IMAGE, affine=True),
    _torch("Conv2d / ‖torus‖, groups 2", lambda: _unit_kernel("zeros", groups=2), IMAGE, affine=True),
    _torch("AvgPool2d(2)", lambda: nn.AvgPool2d(2), IMAGE, claimed=0.5, affine=True),
    _torch("AdaptiveAvgPool2d(1)", lambda: nn.AdaptiveAvgPool2d(1), IMAGE, claimed=0.125, affine=True),
    _torch("MaxPool2d(2)", lambda: nn.MaxPool2d(2), IMAGE),
    _torch("MaxPool2d(3, stride=2)", lambda: nn.MaxPool2d(3, 2), (1, 7, 7), claimed=2.0),
    _torch("LPPool2d(2, 2)", lambda: nn.LPPool2d(2, 2), IMAGE),
    _torch("BatchNorm1d, as initialised", lambda: nn.BatchNorm1d(4, momentum=0.0), (4,), affine=True),
    _torch("LayerNorm(4, eps=1)", lambda: nn.LayerNorm(4, eps=1.0), (4,)),
    _torch("GroupNorm(2, 4, eps=1)", lambda: nn.GroupNorm(2, 4, eps=1.0), (4,)),
    _torch("½ x + ½ tanh(orthogonal(x))", lambda: _Sum(nn.Sequential(
        parametrizations.orthogonal(nn.Linear(4, 4)), nn.Tanh()), 0.5), (4,)),
]  # fmt: skip


class _Reference(nn.Module):
    """A reference of ours as a layer; with a matrix, x ↦ x Wᵀ of what it makes of W."""

    def __init__(self, f: Callable[..., torch.Tensor], *matrix: int) -> None:
        super().__init__()
        self.f = f
        self.matrix = nn.Parameter(torch.randn(*matrix) / 8) if matrix else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.f(x) if self.matrix is None else x @ self.f(self.matrix).mT


def _ours(name: str, make: Callable[[], nn.Module], event: tuple[int, ...], **how: Any) -> Layer:
    return Layer(library="genverify", name=name, make=make, event=event, **how)


_OURS = [
    _ours("critic_layers.group_sort", lambda: _Reference(critic_layers.group_sort), (6,)),
    _ours("orthogonality.bjorck_step, 30 steps", lambda: _Reference(
        lambda w: orthogonality.bjorck_step(w, iters=30), 4, 6), (6,), affine=True),
    _ours("spectral_norm.SpectralNormDense", lambda: SpectralNormDense(6, 5), (6,), affine=True),
    _ours("pooling.largest, 2", lambda: _Reference(lambda x: pooling.largest(x, 2)), IMAGE),
    _ours("pooling.average, 2", lambda: _Reference(lambda x: pooling.average(x, 2)), IMAGE, claimed=0.5, affine=True),
    _ours("pooling.global_average", lambda: _Reference(pooling.global_average), IMAGE, claimed=0.125, affine=True),
    *(_ours(f"activations.{f.__name__}", lambda f=f: _Reference(f), (4,), claimed=claimed) for f, claimed in (
        (activations.relu, 1.0), (activations.leaky_relu, 1.0))),
]  # fmt: skip


def _deel(name: str, make: Callable[[], nn.Module], event: tuple[int, ...] = IMAGE, **how: Any) -> Layer:
    return Layer(library="deel-torchlip", name=name, make=make, event=event, **how)


# Björck's iteration is stopped where a step is shorter than 1e-3, which leaves about its square.
_BJORCK = {"affine": True, "accuracy": 1e-5}
_FACTOR = "k_coef_lip is not heeded"

_DEEL = [
    _deel("SpectralLinear(6, 5)", lambda: torchlip.SpectralLinear(6, 5), (6,), **_BJORCK),
    _deel("SpectralLinear(6, 5, k_coef_lip=0.5)", lambda: torchlip.SpectralLinear(6, 5, k_coef_lip=0.5), (6,),
          claimed=0.5, **_BJORCK),
    _deel("SpectralLinear(6, 5), vanilla", lambda: _vanilla(torchlip.SpectralLinear(6, 5), (6,)), (6,), **_BJORCK),
    _deel("FrobeniusLinear(6, 1)", lambda: torchlip.FrobeniusLinear(6, 1), (6,), affine=True),
    _deel("FrobeniusLinear(6, 5, disjoint_neurons=False)",
          lambda: torchlip.FrobeniusLinear(6, 5, disjoint_neurons=False), (6,), affine=True),
    _deel("SpectralConv1d(4, 4, 3)", lambda: torchlip.SpectralConv1d(4, 4, 3, padding=1), (4, 12), **_BJORCK),
    *(_deel(f"SpectralConv2d(4, 4, 3), {mode}", lambda mode=mode: torchlip.SpectralConv2d(
        4, 4, 3, padding=1, padding_mode=mode), **_BJORCK)
      for mode in ("zeros", "circular", "reflect", "replicate", "symmetric")),
    _deel("SpectralConv2d(4, 4, 5), symmetric", lambda: torchlip.SpectralConv2d(
        4, 4, 5, padding=2, padding_mode="symmetric"), **_BJORCK),
    _deel("SpectralConv2d(4, 4, 3), stride 2", lambda: torchlip.SpectralConv2d(
        4, 4, 3, padding=1, stride=2), **_BJORCK),
    _deel("SpectralConv2d(4, 4, 3), vanilla", lambda: _vanilla(
        torchlip.SpectralConv2d(4, 4, 3, padding=1), IMAGE), **_BJORCK),
    _deel("SpectralConv2d(1, 1, 3), reflect, equal taps", lambda: _weights(torchlip.SpectralConv2d(
        1, 1, 3, padding=1, padding_mode="reflect"), 1.0), (1, 8, 8), verdict="FAIL", reason=_PADS, **_BJORCK),
    _deel("SpectralConv2d(1, 1, 5), replicate, equal taps", lambda: _weights(torchlip.SpectralConv2d(
        1, 1, 5, padding=2, padding_mode="replicate"), 1.0), (1, 8, 8), verdict="FAIL", reason=_PADS, **_BJORCK),
    _deel("FrobeniusConv2d(4, 1, 3)", lambda: torchlip.FrobeniusConv2d(4, 1, 3, padding=1), affine=True),
    _deel("SpectralConvTranspose2d(4, 4, 3), stride 2", lambda: torchlip.SpectralConvTranspose2d(
        4, 4, 3, stride=2, padding=1), **_BJORCK),
    _deel("ScaledAvgPool2d(2)", lambda: torchlip.ScaledAvgPool2d(2), affine=True),
    _deel("ScaledAvgPool2d(2, ceil_mode=True)", lambda: torchlip.ScaledAvgPool2d(2, ceil_mode=True), (1, 5, 5),
          affine=True, verdict="FAIL", reason="windows over the edge are divided by their own size"),
    _deel("ScaledAdaptiveAvgPool2d((1, 1))", lambda: torchlip.ScaledAdaptiveAvgPool2d((1, 1)), affine=True),
    _deel("ScaledL2NormPool2d(2)", lambda: torchlip.ScaledL2NormPool2d(2)),
    _deel("ScaledAdaptativeL2NormPool2d((1, 1))", lambda: torchlip.ScaledAdaptativeL2NormPool2d((1, 1))),
    _deel("GroupSort(4)", lambda: torchlip.GroupSort(4)),
    _deel("GroupSort2()", lambda: torchlip.GroupSort2()),
    _deel("FullSort()", lambda: torchlip.FullSort()),
    _deel("MaxMin()", lambda: torchlip.MaxMin()),
    _deel("LPReLU()", lambda: torchlip.LPReLU()),
    _deel("LPReLU(k_coef_lip=0.5)", lambda: torchlip.LPReLU(k_coef_lip=0.5), claimed=0.5, verdict="FAIL",
          reason="the slope below zero is clamped to k, the one above it stays one"),
    _deel("HouseHolder(4)", lambda: torchlip.HouseHolder(4)),
    _deel("HouseHolder(4, k_coef_lip=0.5)", lambda: torchlip.HouseHolder(4, k_coef_lip=0.5), claimed=0.5,
          verdict="FAIL", reason=_FACTOR),
    _deel("InvertibleDownSampling(2)", lambda: torchlip.InvertibleDownSampling(2), affine=True),
    _deel("InvertibleDownSampling(2, k_coef_lip=0.5)", lambda: torchlip.InvertibleDownSampling(2, k_coef_lip=0.5),
          claimed=0.5, affine=True, verdict="FAIL", reason=_FACTOR),
    _deel("InvertibleUpSampling(2)", lambda: torchlip.InvertibleUpSampling(2), affine=True),
    _deel("InvertibleUpSampling(2, k_coef_lip=0.5)", lambda: torchlip.InvertibleUpSampling(2, k_coef_lip=0.5),
          claimed=0.5, affine=True, verdict="FAIL", reason=_FACTOR),
    _deel("LayerCentering(4)", lambda: torchlip.LayerCentering(4), affine=True),
    _deel("BatchCentering(4)", lambda: torchlip.BatchCentering(4), affine=True),
    _deel("Sequential(SpectralLinear, GroupSort2, SpectralLinear)", lambda: torchlip.Sequential(
        torchlip.SpectralLinear(6, 6), torchlip.GroupSort2(), torchlip.SpectralLinear(6, 3)), (6,), accuracy=1e-5),
    _deel("Sequential(SpectralLinear, SpectralLinear, k_coef_lip=0.25)", lambda: torchlip.Sequential(
        torchlip.SpectralLinear(6, 6), torchlip.SpectralLinear(6, 6), k_coef_lip=0.25), (6,), claimed=0.25,
        verdict="FAIL", reason="layers get their factor after their weights have been multiplied by it", **_BJORCK),
    _deel("convolutional critic", lambda: torchlip.Sequential(
        torchlip.SpectralConv2d(4, 8, 3, padding=1), torchlip.GroupSort2(), torchlip.ScaledL2NormPool2d(2),
        torchlip.SpectralConv2d(8, 8, 3, padding=1, padding_mode="circular"), torchlip.FullSort(),
        torchlip.ScaledAdaptiveAvgPool2d((1, 1)), nn.Flatten(), torchlip.FrobeniusLinear(8, 1)), accuracy=1e-5),
]  # fmt: skip


def _orthogonium(name: str, make: Callable[[], nn.Module], event: tuple[int, ...] = IMAGE, **how: Any) -> Layer:
    return Layer(library="orthogonium", name=name, make=make, event=event, **how)


_conv, _conv_t = orthogonium.AdaptiveOrthoConv2d, orthogonium.AdaptiveOrthoConvTranspose2d
_AFFINE = {"affine": True}
_SKEW = "the skew kernel is scaled channel by channel before its exponential, and then is skew no more"

_ORTHOGONIUM = [
    _orthogonium("OrthoLinear(6, 4)", lambda: orthogonium.OrthoLinear(6, 4), (6,), **_AFFINE),
    _orthogonium("OrthoLinear(6, 4), Cholesky", lambda: orthogonium.OrthoLinear(
        6, 4, ortho_params=CHOLESKY_ORTHO_PARAMS), (6,), **_AFFINE),
    _orthogonium("OrthoLinear(6, 4), exponential", lambda: orthogonium.OrthoLinear(
        6, 4, ortho_params=EXP_ORTHO_PARAMS), (6,), **_AFFINE),
    _orthogonium("OrthoLinear(6, 4), QR", lambda: orthogonium.OrthoLinear(
        6, 4, ortho_params=QR_ORTHO_PARAMS), (6,), **_AFFINE),
    _orthogonium("AdaptiveOrthoConv2d(4, 4, 3)", lambda: _conv(4, 4, 3), **_AFFINE),
    _orthogonium("AdaptiveOrthoConv2d(4, 8, 3)", lambda: _conv(4, 8, 3), **_AFFINE),
    _orthogonium("AdaptiveOrthoConv2d(4, 2, 3)", lambda: _conv(4, 2, 3), **_AFFINE),
    _orthogonium("AdaptiveOrthoConv2d(4, 4, 3), zeros", lambda: _conv(
        4, 4, 3, padding=1, padding_mode="zeros"), **_AFFINE),
    _orthogonium("AdaptiveOrthoConv2d(4, 4, 3), groups 2", lambda: _conv(4, 4, 3, groups=2), **_AFFINE),
    _orthogonium("AdaptiveOrthoConv2d(4, 4, 3), dilation 2", lambda: _conv(4, 4, 3, dilation=2), **_AFFINE),
    _orthogonium("AdaptiveOrthoConv2d(4, 8, 3), stride 2", lambda: _conv(4, 8, 3, stride=2, padding=1), **_AFFINE),
    _orthogonium("AdaptiveOrthoConv2d(4, 8, 2), stride 2", lambda: _conv(4, 8, 2, stride=2, padding=0), **_AFFINE),
    _orthogonium("AdaptiveOrthoConv2d(4, 4, 3), reflect", lambda: _conv(
        4, 4, 3, padding=1, padding_mode="reflect"), verdict="FAIL", reason=_PADS, **_AFFINE),
    _orthogonium("AdaptiveOrthoConv2d(4, 4, 3), replicate", lambda: _conv(
        4, 4, 3, padding=1, padding_mode="replicate"), verdict="FAIL", reason=_PADS, **_AFFINE),
    _orthogonium("AdaptiveOrthoConvTranspose2d(4, 2, 4), stride 2", lambda: _conv_t(
        4, 2, 4, stride=2, padding=1), **_AFFINE),
    _orthogonium("AOLConv2D(4, 4, 3)", lambda: AOLConv2D(4, 4, 3, padding=1), **_AFFINE),
    _orthogonium("AOLConv2D(4, 8, 3, niter=4), circular", lambda: AOLConv2D(
        4, 8, 3, padding=1, niter=4, padding_mode="circular"), **_AFFINE),
    _orthogonium("AOLConvTranspose2D(4, 4, 3)", lambda: AOLConvTranspose2D(4, 4, 3, padding=1), **_AFFINE),
    _orthogonium("FastSOC(4, 4, 3)", lambda: FastSOC(4, 4, 3), verdict="FAIL", reason=_SKEW, **_AFFINE),
    _orthogonium("SOCRkoConv2d(4, 8, 3), stride 2", lambda: SOCRkoConv2d(4, 8, 3, stride=2, padding=1),
                 verdict="FAIL", reason=_SKEW, **_AFFINE),
    _orthogonium("SDPBasedLipschitzResBlock(4, 2)", lambda: sll_layer.SDPBasedLipschitzResBlock(4, 2)),
    _orthogonium("SDPBasedLipschitzResBlock(4, 2), large", lambda: sll_layer.SDPBasedLipschitzResBlock(4, 2),
                 (4, 16, 16)),
    _orthogonium("SDPBasedLipschitzDense(6, 6, 8)", lambda: sll_layer.SDPBasedLipschitzDense(6, 6, 8), (6,)),
    _orthogonium("AOCLipschitzResBlock(4, 2, 3)", lambda: sll_layer.AOCLipschitzResBlock(4, 2, 3)),
    _orthogonium("SLLxAOCLipschitzResBlock(4, 8, 1), stride 1", lambda: sll_layer.SLLxAOCLipschitzResBlock(
        4, 8, 1, kernel_size=3, stride=1)),
    _orthogonium("SLLxAOCLipschitzResBlock(4, 8, 1), stride 2", lambda: sll_layer.SLLxAOCLipschitzResBlock(
        4, 8, 1, kernel_size=3, stride=2), verdict="INCONCLUSIVE",
        reason="fused kernels see other zeros at the border than the three convolutions that they stand for"),
    _orthogonium("MaxMin()", lambda: orthogonium.MaxMin()),
    _orthogonium("HouseHolder(4)", lambda: orthogonium.HouseHolder(4)),
    _orthogonium("HouseHolder_Order_2(4)", lambda: orthogonium.HouseHolder_Order_2(4), verdict="NOT_APPLICABLE",
                 reason="angles by atan2, which is steep at zero: there is no rule for it"),
    _orthogonium("Abs()", lambda: orthogonium.Abs()),
    _orthogonium("SoftHuber()", lambda: custom_activations.SoftHuber()),
    _orthogonium("LayerCentering2D(4)", lambda: orthogonium.LayerCentering2D(4), **_AFFINE),
    _orthogonium("BatchCentering2D(4)", lambda: orthogonium.BatchCentering2D(4), **_AFFINE),
    _orthogonium("ChannelShuffle(2, 2)", lambda: orthogonium.ChannelShuffle(2, 2), **_AFFINE),
    _orthogonium("ConcatResidual(AdaptiveOrthoConv2d)", lambda: residual.ConcatResidual(_conv(2, 2, 3)), **_AFFINE),
    _orthogonium("L2NormResidual(AdaptiveOrthoConv2d)", lambda: residual.L2NormResidual(_conv(4, 4, 3))),
    _orthogonium("AdditiveResidual(AdaptiveOrthoConv2d)", lambda: residual.AdditiveResidual(_conv(4, 4, 3)), **_AFFINE),
    _orthogonium("PrescaledAdditiveResidual(AdaptiveOrthoConv2d)", lambda: residual.PrescaledAdditiveResidual(
        _conv(4, 4, 3)), **_AFFINE),
    _orthogonium("convolutional critic", lambda: nn.Sequential(
        _conv(4, 8, 3), orthogonium.MaxMin(), _conv(8, 16, 2, stride=2, padding=0), orthogonium.MaxMin(),
        nn.Flatten(), orthogonium.OrthoLinear(256, 4))),
]  # fmt: skip

LAYERS: list[Layer] = [*_TORCH, *_OURS, *_DEEL, *_ORTHOGONIUM]
