"""Every transform and flow of zuko as a subject, and what is none."""

from __future__ import annotations

import inspect
import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it warns of when imported is not ours to judge
    import zuko
    from zuko import flows, transforms

from tests.third_party.flow_subject import Flow, declared, knots, wave

__all__ = ["FLOWS", "NO_SUBJECTS", "SMALL", "exports"]

NO_SUBJECTS = {
    "LazyDistribution": "the abstract class of conditional densities",
    "LazyTransform": "the abstract class of conditional transforms",
    "UnconditionalDistribution": "a density, not a map",
    "GMM": "a mixture of densities, not a map",
}
SMALL = {"transforms": 1, "hidden_features": (4,)}
_KNOTS = knots(5.0)
_TEN = (-9.5, 9.5)


def exports() -> set[str]:
    """What `zuko.transforms` exports, and the classes of `zuko.flows`."""
    return set(transforms.__all__) | {name for name, one in vars(flows).items() if inspect.isclass(one)}


def _zuko(name: str, make: Callable[[], Any], event: int = 2, **how: Any) -> Flow:
    return declared("zuko", name, make, event_shape=event, **how)


def _affine(x: Tensor) -> transforms.DependentTransform:
    """A shift and a scale, each a function of the coordinates before."""
    before = torch.cat([torch.zeros_like(x[..., :1]), x[..., :-1].cumsum(-1)], -1)
    return transforms.DependentTransform(transforms.MonotonicAffineTransform(before.sin(), before.cos()), 1)


def _of_first(x: Tensor) -> transforms.DependentTransform:
    return transforms.DependentTransform(transforms.MonotonicAffineTransform(x.sin(), x.cos()), 1)


def _field(t: Tensor, x: Tensor) -> Tensor:
    return torch.tanh(x @ wave(2, 2).to(x)) + t


_HALVED = "inverts by a bisection to 1e-6, at x = 0 already 3e-7 off"
_BISECTION = {
    "expected": dict.fromkeys(["bijection.round_trip_forward", "bijection.round_trip_inverse"], _HALVED),
    "at_ends": dict.fromkeys(_TEN, _HALVED),
}
_NOT_A_NUMBER = "computes 0 · 0^expm1(α), which is 0 · ∞ for α < 0: NaN at x = 0, where the map is 0"
_TO_1E6 = {"accuracy": 1e-6}
# An adaptive solver takes ever more steps far out. Its logabsdet is asked for a hundredth of the accuracy of its image.
_SOLVER = {
    "accuracy": 1e-3,
    "ends": (),
    "checks": ("bijection.shape", "bijection.round_trip_forward", "bijection.logabsdet", "bijection.dtype_and_device"),
}

FLOWS = [
    # Transforms
    _zuko("IdentityTransform", transforms.IdentityTransform),
    _zuko("CosTransform", transforms.CosTransform, ends=(2.0**-20, math.pi - 2.0**-20)),
    _zuko("SinTransform", transforms.SinTransform, ends=(2.0**-20 - math.pi / 2, math.pi / 2 - 2.0**-20)),
    _zuko("SoftclipTransform", lambda: transforms.SoftclipTransform(3.0)),
    _zuko("CircularShiftTransform", lambda: transforms.CircularShiftTransform(3.0),
          ends=(2.0**-20 - 3.0, 3.0 - 2.0**-20)),
    _zuko("SignedPowerTransform", lambda: transforms.SignedPowerTransform(wave(2).abs()), expected={
        "bijection.batch_independence": "its logabsdet is −∞ at x = 0, where a power is flat"}),
    _zuko("SignedPowerTransform, α < 0", lambda: transforms.SignedPowerTransform(-wave(2).abs()), expected={
        "bijection.finite": _NOT_A_NUMBER, "bijection.batch_independence": _NOT_A_NUMBER}),
    _zuko("AdditiveTransform", lambda: transforms.AdditiveTransform(wave(2))),
    _zuko("MonotonicAffineTransform", lambda: transforms.MonotonicAffineTransform(wave(2), wave(2) - 1)),
    _zuko("MonotonicRQSTransform", lambda: transforms.MonotonicRQSTransform(wave(2, 4), wave(2, 4) + 1, wave(2, 3)),
          ends=_KNOTS),
    _zuko("MonotonicTransform, to 1e-6", lambda: transforms.MonotonicTransform(lambda x: x + 0.5 * x.sin()),
          ends=_TEN, **_TO_1E6),
    _zuko("MonotonicTransform", lambda: transforms.MonotonicTransform(lambda x: x + 0.5 * x.sin()),
          ends=_TEN, **_BISECTION),
    _zuko("BernsteinTransform, to 1e-6", lambda: transforms.BernsteinTransform(wave(2, 5)), ends=_KNOTS, **_TO_1E6),
    _zuko("BoundedBernsteinTransform, to 1e-6", lambda: transforms.BoundedBernsteinTransform(wave(2, 5)),
          ends=_KNOTS, **_TO_1E6),
    _zuko("GaussianizationTransform, to 1e-6", lambda: transforms.GaussianizationTransform(wave(2, 3), wave(2, 3) - 1),
          ends=_TEN, **_TO_1E6),
    _zuko("UnconstrainedMonotonicTransform, to 1e-6",
          lambda: transforms.UnconstrainedMonotonicTransform(lambda x: 1 + 0.5 * x.cos()), ends=_TEN, **_TO_1E6),
    _zuko("SOSPolynomialTransform, to 1e-6", lambda: transforms.SOSPolynomialTransform(wave(2, 2, 3)),
          ends=_TEN, **_TO_1E6),
    _zuko("AutoregressiveTransform", lambda: transforms.AutoregressiveTransform(_affine, 3), 3, autoregressive=True),
    _zuko("CouplingTransform", lambda: transforms.CouplingTransform(_of_first, torch.tensor([True, False]))),
    _zuko("FreeFormJacobianTransform, to 1e-3", lambda: transforms.FreeFormJacobianTransform(_field), **_SOLVER),
    _zuko("PermutationTransform", lambda: transforms.PermutationTransform(torch.tensor([2, 0, 1])), 3),
    _zuko("RotationTransform", lambda: transforms.RotationTransform(wave(3, 3)), 3),
    _zuko("LULinearTransform", lambda: transforms.LULinearTransform(wave(3, 3)), 3),
    _zuko("ComposedTransform", lambda: transforms.ComposedTransform(
        transforms.SoftclipTransform(3.0), transforms.PermutationTransform(torch.tensor([1, 0])))),
    _zuko("DependentTransform", lambda: transforms.DependentTransform(transforms.SoftclipTransform(3.0), 1)),
    # Flows
    _zuko("MAF", lambda: flows.MAF(3, 0, **SMALL), 3),
    _zuko("MAF, conditional", lambda: flows.MAF(2, 2, **SMALL), context_shape=2),
    _zuko("MaskedAutoregressiveTransform",
          lambda: flows.MaskedAutoregressiveTransform(3, hidden_features=(4,)), 3, autoregressive=True),
    _zuko("MaskedAutoregressiveTransform, conditional",
          lambda: flows.MaskedAutoregressiveTransform(2, 2, hidden_features=(4,)), context_shape=2),
    _zuko("NICE", lambda: flows.NICE(2, 0, **SMALL)),
    _zuko("NICE, conditional", lambda: flows.NICE(2, 2, **SMALL), context_shape=2),
    _zuko("RealNVP", lambda: flows.RealNVP(3, 0, **SMALL), 3),
    _zuko("GeneralCouplingTransform", lambda: flows.GeneralCouplingTransform(3, hidden_features=(4,)), 3),
    _zuko("GeneralCouplingTransform, spline", lambda: flows.GeneralCouplingTransform(
        2, 2, univariate=transforms.MonotonicRQSTransform, shapes=[(4,), (4,), (3,)], hidden_features=(4,)),
        ends=_KNOTS, context_shape=2),
    _zuko("ElementWiseTransform", lambda: flows.ElementWiseTransform(2)),
    _zuko("ElementWiseTransform, conditional",
          lambda: flows.ElementWiseTransform(2, 2, hidden_features=(4,)), context_shape=2),
    _zuko("NSF", lambda: flows.NSF(2, 0, bins=4, **SMALL), ends=_KNOTS),
    _zuko("NSF, conditional", lambda: flows.NSF(2, 2, bins=4, **SMALL), ends=_KNOTS, context_shape=2),
    _zuko("NCSF", lambda: flows.NCSF(2, 0, bins=4, **SMALL), domain=(-math.pi, math.pi),
          ends=(2.0**-20 - math.pi, math.pi - 2.0**-20)),
    _zuko("GF, to 1e-6", lambda: flows.GF(2, 0, transforms=1, components=3), ends=_TEN, **_TO_1E6),
    _zuko("BPF, to 1e-6", lambda: flows.BPF(2, 0, degree=4, **SMALL), ends=_KNOTS, **_TO_1E6),
    _zuko("SOSPF, to 1e-6", lambda: flows.SOSPF(2, 0, **SMALL), ends=_TEN, **_TO_1E6),
    _zuko("SOSPF", lambda: flows.SOSPF(2, 0, **SMALL), ends=_TEN, **_BISECTION),
    _zuko("NAF, to 1e-6", lambda: flows.NAF(2, 0, signal=2, network={"hidden_features": (4,)}, **SMALL), ends=_TEN,
          **_TO_1E6),
    _zuko("UNAF, to 1e-6", lambda: flows.UNAF(2, 0, signal=2, network={"hidden_features": (4,)}, **SMALL), ends=_TEN,
          **_TO_1E6),
    _zuko("FFJTransform, to 1e-3", lambda: flows.FFJTransform(2, hidden_features=(4,)), **_SOLVER),
    _zuko("CNF, conditional, to 1e-3", lambda: flows.CNF(2, 2, hidden_features=(4,)), context_shape=2, **_SOLVER),
    # Made of others
    _zuko("Flow", lambda: flows.Flow(
        [flows.MaskedAutoregressiveTransform(2, hidden_features=(4,)),
         flows.UnconditionalTransform(transforms.RotationTransform, wave(2, 2))],
        flows.UnconditionalDistribution(zuko.distributions.DiagNormal, torch.zeros(2), torch.ones(2)))),
    _zuko("UnconditionalTransform", lambda: flows.UnconditionalTransform(
        partial(transforms.PermutationTransform), torch.tensor([2, 0, 1]), buffer=True), 3),
    _zuko("LazyInverse", lambda: flows.LazyInverse(flows.MaskedAutoregressiveTransform(2, hidden_features=(4,)))),
]  # fmt: skip
