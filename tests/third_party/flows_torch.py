"""Every transform of torch.distributions as a subject, and what is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.distributions import Cauchy, Exponential, Gumbel, Laplace, Normal, Uniform, transforms

from tests.third_party.flow_subject import FAR, Flow, declared, wave

__all__ = ["FLOWS", "NO_SUBJECTS", "exports"]

_NO_BIJECTION = "says bijective=False, and is refused with that reason"
NO_SUBJECTS = {
    "Transform": "the abstract class",
    "AbsTransform": _NO_BIJECTION,
    "SoftmaxTransform": _NO_BIJECTION,
    "LowerCholeskyTransform": _NO_BIJECTION,
    "PositiveDefiniteTransform": _NO_BIJECTION,
}
_UNIT = (2.0**-20, 1 - 2.0**-20)
_POSITIVE = (2.0**-20, 1e3)
_CLAMPED = "clamps its image to [tiny, 1 − eps]: beyond, it is constant, with the logabsdet of what is not"
_THRESHOLD = "is the identity from x = 20 on, by softplus' threshold: 2e-9 off there, in float64 a million ULPs"
_SUPPORT = "asks the uniform base of the Gumbel law for its cdf at what has rounded to 0 or 1, and raises ValueError"
_STACKED = "its logabsdet has one number a coordinate, though its domain says that the coordinates are one event"


def exports() -> set[str]:
    """What `torch.distributions.transforms` exports."""
    return set(transforms.__all__)


def _torch(name: str, make: Callable[[], Any], ends: tuple[float, ...] = FAR, **how: Any) -> Flow:
    return declared("torch", name, make, ends=ends, **how)


FLOWS = [
    _torch("AffineTransform", lambda: transforms.AffineTransform(1.0, -2.0)),
    _torch("AffineTransform, a scale each", lambda: transforms.AffineTransform(wave(2), 2 * wave(2), event_dim=1),
           event_shape=2),
    _torch("ExpTransform", transforms.ExpTransform, (-80.0, 80.0)),
    _torch("ExpTransform, inverse", lambda: transforms.ExpTransform().inv, _POSITIVE),
    _torch("PowerTransform", lambda: transforms.PowerTransform(torch.tensor(3.0)), _POSITIVE),
    _torch("PowerTransform, negative", lambda: transforms.PowerTransform(torch.tensor(-0.5)), _POSITIVE),
    _torch("SigmoidTransform", transforms.SigmoidTransform, image=(0, 1), at_ends={30.0: _CLAMPED}),
    _torch("SigmoidTransform, inverse", lambda: transforms.SigmoidTransform().inv, _UNIT),
    _torch("TanhTransform", transforms.TanhTransform),
    _torch("TanhTransform, inverse", lambda: transforms.TanhTransform().inv, (2.0**-20 - 1, 1 - 2.0**-20)),
    _torch("SoftplusTransform", transforms.SoftplusTransform, (-1000.0, -30.0, 20.5, 30.0, 1000.0),
           at_ends=dict.fromkeys((20.5, 30.0), _THRESHOLD)),
    _torch("SoftplusTransform, inverse", lambda: transforms.SoftplusTransform().inv, _POSITIVE),
    _torch("StickBreakingTransform", transforms.StickBreakingTransform, (-30.0, 30.0), event_shape=3),
    _torch("CorrCholeskyTransform", transforms.CorrCholeskyTransform, event_shape=3),
    *(_torch(f"CumulativeDistributionTransform, {law.__name__}",
             lambda law=law, numbers=numbers: transforms.CumulativeDistributionTransform(
                 law(*numbers, validate_args=True)), ends,
             domain=domain, **how)
      for law, numbers, domain, ends, how in (
          (Normal, (0.5, 2.0), None, FAR, {}), (Laplace, (0.5, 2.0), None, FAR, {}),
          (Cauchy, (0.5, 2.0), None, FAR, {}),
          (Gumbel, (0.5, 2.0), None, FAR, {"at_ends": dict.fromkeys((-1000.0, -30.0, 1000.0), _SUPPORT)}),
          (Exponential, (2.0,), (0, None), _POSITIVE, {}), (Uniform, (0.0, 2.0), (0, 2), (2.0**-20, 2 - 2.0**-20), {}),
      )),
    _torch("ComposeTransform",
           lambda: transforms.ComposeTransform([transforms.SigmoidTransform(), transforms.AffineTransform(1.0, 3.0)]),
           at_ends={30.0: _CLAMPED}),
    _torch("identity_transform", lambda: transforms.identity_transform, event_shape=2),
    _torch("IndependentTransform",
           lambda: transforms.IndependentTransform(transforms.AffineTransform(1.0, 2.0), 1), event_shape=2),
    _torch("ReshapeTransform", lambda: transforms.ReshapeTransform((4,), (2, 2)), event_shape=4),
    _torch("CatTransform", lambda: transforms.CatTransform(
        [transforms.AffineTransform(0.0, 2.0), transforms.SigmoidTransform()], dim=-1, lengths=[1, 2]), event_shape=3,
        at_ends={30.0: _CLAMPED}),
    _torch("StackTransform", lambda: transforms.StackTransform(
        [transforms.AffineTransform(0.0, 2.0), transforms.SigmoidTransform()], dim=-1), event_shape=2,
        at_ends=dict.fromkeys(FAR, _STACKED), expected=dict.fromkeys(
            ["bijection.inverse_logabsdet", "bijection.logabsdet", "bijection.shape"], _STACKED)),
    _torch("StackTransform, elementwise", lambda: transforms.StackTransform(
        [transforms.AffineTransform(0.0, 2.0), transforms.SigmoidTransform()], dim=-1), event_shape=2, elementwise=True,
        at_ends={30.0: _CLAMPED}),
]  # fmt: skip
