"""Every flow of normflows as a subject, and what is none."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it warns of when imported is not ours to judge
    import normflows
    from normflows import flows

from tests.third_party.flow_subject import Flow, declared, knots

__all__ = ["FLOWS", "NO_SUBJECTS", "exports"]

_RANDOM = "a random step of a Markov chain, whose second number is no log-determinant"
NO_SUBJECTS = {
    "Flow": "the abstract class",
    "MetropolisHastings": _RANDOM,
    "HamiltonianMonteCarlo": _RANDOM,
    "ClassCondFlow": "a density and a sampler without a map; the class goes to its base alone",
    "NormalizingFlowVAE": "a model that encodes, draws and decodes; its flows are those of the table",
    "HAIS": "annealed importance sampling, a sampler",
}
_BOUND = 3.0
_KNOTS = knots(_BOUND)
_CIRCLE = {"domain": (-_BOUND, _BOUND), "ends": (-_BOUND + 2.0**-20, _BOUND - 2.0**-20)}


def exports() -> set[str]:
    """The classes of `normflows.flows`, and of `normflows` itself."""
    return {name for room in (flows, normflows) for name, one in vars(room).items() if inspect.isclass(one)}


def mlp(*sizes: int) -> nn.Module:
    """A conditioner."""
    return normflows.nets.MLP(list(sizes), init_zeros=False)


def residual(**how: Any) -> nn.Module:
    """A block of an i-ResNet."""
    net = normflows.nets.LipschitzMLP([2, 4, 2], init_zeros=False, lipschitz_const=0.9)
    return flows.Residual(net, reduce_memory=False, **how)


class _Parts(nn.Module):
    """A flow between lists of tensors as one between vectors: the parts end to end, `sizes` says where."""

    def __init__(self, flow: nn.Module, there: str, back: str, sizes: list[tuple[int, ...]], *, gathers: bool) -> None:
        super().__init__()
        self.flow, self.there, self.back, self.sizes, self.gathers = flow, there, back, sizes, gathers

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        return self._call(getattr(self.flow, self.there), x, self.gathers)

    def inverse(self, y: Tensor) -> tuple[Tensor, Any]:
        return self._call(getattr(self.flow, self.back), y, not self.gathers)

    def _call(self, direction: Callable[..., Any], x: Tensor, gathers: bool) -> tuple[Tensor, Any]:
        if gathers:
            parts = x.flatten(1).split([math.prod(one) for one in self.sizes], 1)
            return direction([part.reshape(len(x), *one) for part, one in zip(parts, self.sizes, strict=True)])
        parts, log = direction(x)
        return torch.cat([part.flatten(1) for part in parts], 1), log


class _Coupling(nn.Module):
    """An AffineCoupling, from a pair to a pair, as a map of vectors."""

    def __init__(self, flow: nn.Module) -> None:
        super().__init__()
        self.flow = flow

    def forward(self, x: Tensor) -> tuple[Tensor, Any]:
        parts, log = self.flow(list(x.chunk(2, 1)))
        return torch.cat(parts, 1), log

    def inverse(self, y: Tensor) -> tuple[Tensor, Any]:
        parts, log = self.flow.inverse(list(y.chunk(2, 1)))
        return torch.cat(parts, 1), log


def _multiscale() -> nn.Module:
    """Two scales: a vector of 8 coarse numbers and 8 fine ones to an image 1×4×4."""
    shapes = [(8, 1, 1), (2, 2, 2)]
    blocks = [
        [flows.GlowBlock(8, 4, init_zeros=False), flows.Squeeze()],
        [flows.GlowBlock(4, 4, init_zeros=False), flows.Squeeze()],
    ]
    base = [normflows.distributions.DiagGaussian(one) for one in shapes]
    made = normflows.MultiscaleFlow(base, blocks, [flows.Merge()], class_cond=False)
    return _Parts(made, "inverse_and_log_det", "forward_and_log_det", shapes, gathers=False)


def _conditional() -> nn.Module:
    base = normflows.distributions.DiagGaussian(2)
    steps = [
        flows.MaskedAffineAutoregressive(2, 4, context_features=2),
        flows.AutoregressiveRationalQuadraticSpline(2, 1, 4, num_context_channels=2),
    ]
    return normflows.ConditionalNormalizingFlow(base, steps)


def _chain() -> nn.Module:
    base = normflows.distributions.DiagGaussian(2)
    return normflows.NormalizingFlow(base, [flows.AffineCouplingBlock(mlp(1, 4, 2)), flows.LULinearPermute(2)])


def _normflows(name: str, make: Callable[[], Any], event: int | tuple[int, ...], **how: Any) -> Flow:
    return declared("normflows", name, make, **{"event_shape": event, "vary_parameters": True, **how})


_ITERATION = "its forward map is a fixed-point iteration that stops at 1e-5, and is differentiated as it is"
_ITERATED = ("bijection.logabsdet", "bijection.round_trip_forward")
_BATCH = "normalises by the statistics of the batch in evaluation mode as well; a batch of one gives 0/0"
_SINGLE = "makes its logabsdet in float32, whatever the dtype of the flow"
_LOG_IN_FLOAT32 = {"expected": {"bijection.dtype_and_device": _SINGLE}}
_STILL = {"vary_parameters": False, "stir": False, "ends": ()}

FLOWS = [
    # Linear maps, permutations, shapes
    _normflows("Permute", lambda: flows.Permute(4), 4),
    _normflows("Permute, swap, odd", lambda: flows.Permute(3, mode="swap"), 3),
    _normflows("InvertibleAffine", lambda: flows.InvertibleAffine(3), 3),
    _normflows("InvertibleAffine, no LU", lambda: flows.InvertibleAffine(3, use_lu=False), 3),
    _normflows("Invertible1x1Conv", lambda: flows.Invertible1x1Conv(2, use_lu=True), (2, 2, 2)),
    _normflows("Invertible1x1Conv, no LU", lambda: flows.Invertible1x1Conv(2), (2, 2, 2)),
    _normflows("LULinearPermute", lambda: flows.LULinearPermute(3), 3),
    _normflows("Squeeze", flows.Squeeze, (4, 2, 2)),
    *(_normflows(f"Split, {mode}", lambda mode=mode, size=size: _Parts(
        flows.Split(mode), "forward", "inverse", [size, size], gathers=False), event)
      for mode, event, size in (
          ("channel", (2, 2, 2), (1, 2, 2)), ("channel_inv", 4, (2,)), ("checkerboard", (1, 2, 2), (1, 2, 1)),
          ("checkerboard_inv", (1, 2, 2), (1, 2, 1)))),
    *(_normflows(f"Merge, {mode}", lambda mode=mode: _Parts(
        flows.Merge(mode), "forward", "inverse", [(1, 2, 1), (1, 2, 1)], gathers=True), 4)
      for mode in ("channel", "checkerboard")),
    _normflows("AffineConstFlow", lambda: flows.AffineConstFlow((3,)), 3),
    _normflows("AffineConstFlow, of images", lambda: flows.AffineConstFlow((2, 1, 1)), (2, 2, 2)),
    _normflows("CCAffineConst", lambda: flows.CCAffineConst((2,), 3), 2, context_shape=3),
    _normflows("CCAffineConst, of images", lambda: flows.CCAffineConst((2, 1, 1), 3), (2, 2, 2), context_shape=3),
    _normflows("ActNorm", lambda: flows.ActNorm((3,)), 3),
    _normflows("ActNorm, of images", lambda: flows.ActNorm((2, 1, 1)), (2, 2, 2)),
    _normflows("BatchNorm", flows.BatchNorm, 2, ends=(-30.0, 30.0), at_ends=dict.fromkeys((-30.0, 30.0), _BATCH),
               expected=dict.fromkeys(
        ["bijection.batch_independence", "bijection.finite", "bijection.logabsdet"], _BATCH)),
    # Circles
    _normflows("PeriodicWrap", lambda: flows.PeriodicWrap([0, 1]), 2, domain=(-1, 1),
               ends=(2.0**-20 - 1, 1 - 2.0**-20)),
    _normflows("PeriodicShift", lambda: flows.PeriodicShift([0, 1], shift=0.3), 2, domain=(-1, 1),
               ends=(2.0**-20 - 1, 1 - 2.0**-20)),
    # Low rank and residual
    _normflows("Planar", lambda: flows.Planar(2), 2),
    _normflows("Planar, leaky", lambda: flows.Planar(2, act="leaky_relu"), 2, **_LOG_IN_FLOAT32),
    _normflows("Radial", lambda: flows.Radial(2), 2),
    _normflows("Residual, to 1e-3", residual, 2, accuracy=1e-3, **_STILL),
    _normflows("Residual", residual, 2, checks=_ITERATED, expected=dict.fromkeys(_ITERATED, _ITERATION), **_STILL),
    # Couplings and autoregressions
    _normflows("AffineCoupling", lambda: _Coupling(flows.AffineCoupling(mlp(1, 4, 2))), 2),
    *(_normflows(f"AffineCouplingBlock, {scale}", lambda scale=scale: flows.AffineCouplingBlock(
        mlp(1, 4, 2), scale_map=scale), 2) for scale in ("exp", "sigmoid", "sigmoid_inv")),
    _normflows("AffineCouplingBlock, additive",
               lambda: flows.AffineCouplingBlock(mlp(1, 4, 1), scale=False, split_mode="channel_inv"), 2),
    _normflows("MaskedAffineFlow",
               lambda: flows.MaskedAffineFlow(torch.tensor([1.0, 0.0]), mlp(2, 4, 2), mlp(2, 4, 2)), 2),
    *(_normflows(f"GlowBlock, {mode}", lambda mode=mode: flows.GlowBlock(
        2, 4, split_mode=mode, init_zeros=False), (2, 2, 2)) for mode in ("channel", "channel_inv", "checkerboard")),
    _normflows("GlowBlock, exp, no LU", lambda: flows.GlowBlock(
        3, 4, scale_map="exp", use_lu=False, init_zeros=False), (3, 2, 2)),
    _normflows("MaskedAffineAutoregressive", lambda: flows.MaskedAffineAutoregressive(3, 6), 3, autoregressive=True),
    _normflows("MaskedAffineAutoregressive, conditional",
               lambda: flows.MaskedAffineAutoregressive(2, 4, context_features=2), 2, context_shape=2),
    _normflows("CoupledRationalQuadraticSpline", lambda: flows.CoupledRationalQuadraticSpline(2, 1, 4), 2, ends=_KNOTS),
    _normflows("CoupledRationalQuadraticSpline, conditional",
               lambda: flows.CoupledRationalQuadraticSpline(2, 1, 4, num_context_channels=2), 2, ends=_KNOTS,
               context_shape=2),
    _normflows("CoupledRationalQuadraticSpline, no tails",
               lambda: flows.CoupledRationalQuadraticSpline(2, 1, 4, tails=None), 2, domain=(0, 1),
               ends=(2.0**-20, 1 - 2.0**-20)),
    _normflows("AutoregressiveRationalQuadraticSpline",
               lambda: flows.AutoregressiveRationalQuadraticSpline(2, 1, 4), 2, ends=_KNOTS),
    _normflows("AutoregressiveRationalQuadraticSpline, conditional",
               lambda: flows.AutoregressiveRationalQuadraticSpline(2, 1, 4, num_context_channels=2), 2, ends=_KNOTS,
               context_shape=2),
    _normflows("CircularCoupledRationalQuadraticSpline",
               lambda: flows.CircularCoupledRationalQuadraticSpline(2, 1, 4, [0, 1]), 2, **_CIRCLE),
    _normflows("CircularAutoregressiveRationalQuadraticSpline",
               lambda: flows.CircularAutoregressiveRationalQuadraticSpline(2, 1, 4, [0, 1]), 2, **_CIRCLE),
    # Made of others
    _normflows("Reverse", lambda: flows.Reverse(flows.AffineCouplingBlock(mlp(1, 4, 2))), 2),
    _normflows("Composite", lambda: flows.Composite(
        [flows.AffineCouplingBlock(mlp(1, 4, 2)), flows.InvertibleAffine(2)]), 2, **_LOG_IN_FLOAT32),
    _normflows("NormalizingFlow", _chain, 2, **_LOG_IN_FLOAT32),
    _normflows("ConditionalNormalizingFlow", _conditional, 2, context_shape=2, **_LOG_IN_FLOAT32),
    _normflows("MultiscaleFlow", _multiscale, (1, 4, 4)),
]  # fmt: skip
