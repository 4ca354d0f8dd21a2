"""Every transform of nflows as a subject, and what is none."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it warns of when imported is not ours to judge
    from nflows import transforms as nflows
    from nflows.nn import nets

from tests.third_party.flow_subject import FAR, Flow, declared, knots, wave

__all__ = ["FLOWS", "NO_SUBJECTS", "exports"]

NO_SUBJECTS = {
    "Transform": "the abstract class",
    "InputOutsideDomain": "an exception",
    "InverseNotAvailable": "an exception",
}
_UNIT = (2.0**-20, 1 - 2.0**-20)
_BOUND = 3.0
_LINEAR = {"tails": "linear", "tail_bound": _BOUND}
_KNOTS = knots(_BOUND)


def exports() -> set[str]:
    """The classes that `nflows.transforms` exports."""
    return {name for name, one in vars(nflows).items() if inspect.isclass(one)}


def resnet(inputs: int, outputs: int) -> torch.nn.Module:
    """A conditioner."""
    return nets.ResidualNet(inputs, outputs, hidden_features=4, num_blocks=1)


def _given(context: int) -> Callable[[int, int], torch.nn.Module]:
    return lambda inputs, outputs: nets.ResidualNet(
        inputs, outputs, hidden_features=4, context_features=context, num_blocks=1
    )


def _convolutions(inputs: int, outputs: int) -> torch.nn.Module:
    return nets.ConvResidualNet(inputs, outputs, hidden_channels=3, num_blocks=1)


def _nflows(name: str, make: Callable[[], Any], event: int | tuple[int, ...], **how: Any) -> Flow:
    return declared("nflows", name, make, **{"event_shape": event, "vary_parameters": True, **how})


def _multiscale() -> torch.nn.Module:
    made = nflows.MultiscaleCompositeTransform(2)
    hidden = made.add_transform(nflows.CompositeTransform([nflows.SqueezeTransform(), nflows.ActNorm(4)]), (4, 2, 2))
    made.add_transform(nflows.OneByOneConvolution(hidden[0]), hidden)
    return made


_BACK = [
    "bijection.inputs_untouched", "bijection.inverse_logabsdet", "bijection.round_trip_forward",
    "bijection.round_trip_inverse", "bijection.shape",
]  # fmt: skip


def _everywhere(reason: str, checks: list[str]) -> dict[str, Any]:
    return {"expected": dict.fromkeys(checks, reason), "at_ends": dict.fromkeys(FAR, reason)}


_SOLVE = "calls torch.solve, which torch removed in 1.13: every inverse raises"
_EYE = "its cached inverse is made of an identity in the default dtype: in float64 every inverse raises"
_FOUR = "its inverse asks for channels by fours, whatever the factor: nine, as its forward map makes them, it refuses"
_FLAT = "reshapes the logabsdet of all features of all rows to one axis, where one number a row is meant"
_REFUSED = "its forward map rounds to ±1, which its inverse refuses by an exception"
_CLAMPED = "its inverse clamps to [1e-6, 1 − 1e-6]: x = ±30 come back as ±13.8"
_CLAMPED_LOGIT = "clamps x to [1e-6, 1 − 1e-6], where it is constant, with the logabsdet of what is not"
_ON_UNIT = {"domain": (0, 1), "ends": _UNIT}

FLOWS = [
    # Linear maps and permutations
    _nflows("IdentityTransform", nflows.IdentityTransform, 2),
    _nflows("PointwiseAffineTransform", lambda: nflows.PointwiseAffineTransform(wave(3), wave(3).exp()), 3),
    _nflows("PointwiseAffineTransform, of images", lambda: nflows.PointwiseAffineTransform(1.0, 2.0), (1, 2, 2)),
    _nflows("AffineTransform", lambda: nflows.AffineTransform(0.5, 2.0), 2),
    _nflows("AffineScalarTransform", lambda: nflows.AffineScalarTransform(0.5, 0.25), 2),
    _nflows("NaiveLinear", lambda: nflows.NaiveLinear(3), 3, **_everywhere(_SOLVE, _BACK)),
    _nflows("LULinear", lambda: nflows.LULinear(3), 3),
    _nflows("LULinear, cached", lambda: nflows.LULinear(3, using_cache=True), 3, vary_parameters=False,
            **_everywhere(_EYE, _BACK)),
    _nflows("QRLinear", lambda: nflows.QRLinear(3, 2), 3),
    _nflows("SVDLinear", lambda: nflows.SVDLinear(3, 2), 3),
    _nflows("HouseholderSequence", lambda: nflows.HouseholderSequence(3, 2), 3),
    _nflows("Permutation", lambda: nflows.Permutation(torch.tensor([2, 0, 1])), 3),
    _nflows("RandomPermutation", lambda: nflows.RandomPermutation(3), 3),
    _nflows("ReversePermutation", lambda: nflows.ReversePermutation(3), 3),
    _nflows("ActNorm", lambda: nflows.ActNorm(3), 3),
    _nflows("ActNorm, of images", lambda: nflows.ActNorm(2), (2, 2, 2)),
    _nflows("BatchNorm", lambda: nflows.BatchNorm(3), 3),
    _nflows("OneByOneConvolution", lambda: nflows.OneByOneConvolution(2), (2, 2, 2)),
    _nflows("SqueezeTransform", nflows.SqueezeTransform, (1, 2, 2)),
    _nflows("SqueezeTransform, factor 3", lambda: nflows.SqueezeTransform(3), (1, 3, 3), **_everywhere(_FOUR, _BACK)),
    # One coordinate at a time
    _nflows("Tanh", nflows.Tanh, 2, at_ends=dict.fromkeys(FAR, _REFUSED)),
    _nflows("LogTanh", nflows.LogTanh, 2),
    _nflows("LogTanh, cut at 2", lambda: nflows.LogTanh(2), 2),
    _nflows("LeakyReLU", nflows.LeakyReLU, 2),
    _nflows("Sigmoid", nflows.Sigmoid, 2, image=(0, 1), at_ends=dict.fromkeys((-30.0, 30.0), _CLAMPED)),
    _nflows("Sigmoid, learnt temperature", lambda: nflows.Sigmoid(2.0, learn_temperature=True), 2,
            at_ends={-30.0: _CLAMPED}),
    _nflows("Logit", nflows.Logit, 2, at_ends=dict.fromkeys(_UNIT, _CLAMPED_LOGIT), **_ON_UNIT),
    _nflows("GatedLinearUnit", nflows.GatedLinearUnit, 1, context_shape=1),
    _nflows("GatedLinearUnit, two features", nflows.GatedLinearUnit, 2, context_shape=2, **_everywhere(
        _FLAT, ["bijection.inverse_logabsdet", "bijection.logabsdet", "bijection.shape"])),
    *(_nflows(f"Piecewise{kind}CDF", lambda kind=kind: getattr(nflows, f"Piecewise{kind}CDF")([2], num_bins=4), 2,
              **_ON_UNIT) for kind in ("Linear", "Quadratic", "Cubic", "RationalQuadratic")),
    *(_nflows(f"Piecewise{kind}CDF, linear tails", lambda kind=kind: getattr(nflows, f"Piecewise{kind}CDF")(
        [2], num_bins=4, **_LINEAR), 2, ends=_KNOTS) for kind in ("Linear", "Quadratic", "Cubic", "RationalQuadratic")),
    _nflows("CompositeCDFTransform", lambda: nflows.CompositeCDFTransform(
        nflows.Sigmoid(), nflows.PiecewiseRationalQuadraticCDF([2], num_bins=4)), 2,
            at_ends=dict.fromkeys(FAR, _CLAMPED)),
    # Couplings
    _nflows("AdditiveCouplingTransform", lambda: nflows.AdditiveCouplingTransform([0, 1, 0], resnet), 3),
    _nflows("AffineCouplingTransform", lambda: nflows.AffineCouplingTransform([0, 1, 0], resnet), 3),
    _nflows("AffineCouplingTransform, conditional",
            lambda: nflows.AffineCouplingTransform([0, 1, 0], _given(2)), 3, context_shape=2),
    _nflows("AffineCouplingTransform, of images",
            lambda: nflows.AffineCouplingTransform([1, 0], _convolutions), (2, 2, 2)),
    *(_nflows(f"Piecewise{kind}CouplingTransform", lambda kind=kind: getattr(
        nflows, f"Piecewise{kind}CouplingTransform")([0, 1], resnet, num_bins=4), 2, **_ON_UNIT)
      for kind in ("Linear", "Quadratic", "Cubic", "RationalQuadratic")),
    *(_nflows(f"Piecewise{kind}CouplingTransform, linear tails", lambda kind=kind: getattr(
        nflows, f"Piecewise{kind}CouplingTransform")([0, 1], resnet, num_bins=4, **_LINEAR), 2, ends=_KNOTS)
      for kind in ("Linear", "Quadratic", "Cubic", "RationalQuadratic")),
    _nflows("PiecewiseRationalQuadraticCouplingTransform, conditional",
            lambda: nflows.PiecewiseRationalQuadraticCouplingTransform(
                [0, 1], _given(2), num_bins=4, apply_unconditional_transform=True, **_LINEAR), 2, ends=_KNOTS,
            context_shape=2),
    # Autoregressions
    _nflows("MaskedAffineAutoregressiveTransform", lambda: nflows.MaskedAffineAutoregressiveTransform(3, 6), 3,
            autoregressive=True),
    _nflows("MaskedAffineAutoregressiveTransform, conditional",
            lambda: nflows.MaskedAffineAutoregressiveTransform(2, 4, context_features=2), 2, autoregressive=True,
            context_shape=2),
    _nflows("MaskedPiecewiseLinearAutoregressiveTransform",
            lambda: nflows.MaskedPiecewiseLinearAutoregressiveTransform(4, 2, 4), 2, autoregressive=True, **_ON_UNIT),
    _nflows("MaskedPiecewiseQuadraticAutoregressiveTransform",
            lambda: nflows.MaskedPiecewiseQuadraticAutoregressiveTransform(2, 4, num_bins=4), 2, autoregressive=True,
            **_ON_UNIT),
    _nflows("MaskedPiecewiseQuadraticAutoregressiveTransform, linear tails",
            lambda: nflows.MaskedPiecewiseQuadraticAutoregressiveTransform(2, 4, num_bins=4, **_LINEAR), 2,
            autoregressive=True, ends=_KNOTS),
    _nflows("MaskedPiecewiseCubicAutoregressiveTransform",
            lambda: nflows.MaskedPiecewiseCubicAutoregressiveTransform(4, 2, 4), 2, autoregressive=True, **_ON_UNIT),
    _nflows("MaskedPiecewiseRationalQuadraticAutoregressiveTransform",
            lambda: nflows.MaskedPiecewiseRationalQuadraticAutoregressiveTransform(2, 4, num_bins=4), 2,
            autoregressive=True, **_ON_UNIT),
    _nflows("MaskedPiecewiseRationalQuadraticAutoregressiveTransform, linear tails, conditional",
            lambda: nflows.MaskedPiecewiseRationalQuadraticAutoregressiveTransform(
                2, 4, context_features=2, num_bins=4, **_LINEAR), 2, autoregressive=True, ends=_KNOTS, context_shape=2),
    # Made of others
    _nflows("CompositeTransform", lambda: nflows.CompositeTransform(
        [nflows.LULinear(2), nflows.MaskedAffineAutoregressiveTransform(2, 4), nflows.ReversePermutation(2)]), 2),
    _nflows("InverseTransform", lambda: nflows.InverseTransform(nflows.MaskedAffineAutoregressiveTransform(2, 6)), 2),
    _nflows("MultiscaleCompositeTransform", _multiscale, (1, 4, 4)),
]  # fmt: skip
