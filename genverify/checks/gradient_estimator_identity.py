"""How an estimator wants to be called, found once: layout, dtype, surrogate or estimate, fewest samples."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genverify.checks.gradient_estimator_call import Estimate, Unreadable, estimate, exact
from genverify.errors import SubjectRaised
from genverify.noise.generators import preserved_generators
from genverify.subjects.case import Case
from genverify.subjects.domains import Domain
from genverify.subjects.estimator import GradientEstimator
from genverify.subjects.specification import Layout, Role

__all__ = ["aligned", "identify"]

_GOLDEN = 0.6180339887498949
# Pairwise different, so that an axis taken for another shows.
_PROBE_SIZES = {"outcomes": 4, "dim": 3, "coefficients": 3}
_MANY = 5


def aligned(parts: tuple[Tensor, ...], target: tuple[Tensor, ...], samples: int) -> tuple[Tensor, ...] | None:
    """The target as the parts of the estimate should have it, or None where the shapes do not fit.

    The first parts may be given alone; and each sample may give an estimate of its own, along a leading axis.
    """
    if not 0 < len(parts) <= len(target):
        return None
    fitted = []
    for part, wanted in zip(parts, target, strict=False):
        if _squeezed(part) == _squeezed(wanted):
            fitted.append(wanted.reshape(part.shape))
        elif samples > 1 and part.shape == (samples, *wanted.shape):
            fitted.append(wanted.expand(part.shape))
        else:
            return None
    return tuple(fitted)


def _squeezed(tensor: Tensor) -> tuple[int, ...]:
    return tuple(size for size in tensor.shape if size != 1)


def probe(subject: GradientEstimator, layout: Layout, dtype: torch.dtype, samples: int) -> Case:
    """A generic case with generic sizes."""
    assert subject.match is not None
    at = 0.1

    def numbers(domain: Domain, count: int) -> Tensor:
        nonlocal at
        points = []
        for _ in range(count):
            at = (at + _GOLDEN) % 1.0
            points.append(domain.low + (domain.high - domain.low) * at)
        return torch.tensor(points, dtype=torch.float64)

    values: dict[str, object] = {"#samples": samples, "#layout": layout.name}
    for bound in subject.match.bound:
        if bound.argument.role in (Role.DRAW, Role.OPTION):
            continue
        if bound.argument.role is Role.SIZE:
            values[bound.argument.name] = _PROBE_SIZES.get(bound.argument.axes, 2)
            continue
        shape = tuple(_PROBE_SIZES.get(axis, 2) for axis in layout.axes(bound.argument))
        values[bound.argument.name] = bound.form.domain.make(numbers(bound.form.domain, math.prod(shape)), shape, dtype)
    return Case(values=values)


def identify(subject: GradientEstimator) -> None:
    """Finds layout, dtype, whether a surrogate is returned and the fewest samples; remembered with the subject."""
    if "identified" in subject.memory:
        return
    subject.memory["identified"] = True
    layouts = subject.law.specification.layouts if subject.law is not None else (Layout(name="as given"),)
    subject.memory.update(layout=layouts[0], dtype=torch.float64)
    for layout in layouts:
        for dtype in (torch.float64, torch.float32):
            if _fits(subject, layout, dtype):
                _fewest(subject)
                return


def _fits(subject: GradientEstimator, layout: Layout, dtype: torch.dtype) -> bool:
    before = dict(subject.memory)
    subject.memory.update(layout=layout, dtype=dtype)
    case = _case(subject, layout, dtype, _MANY)
    made = _attempt(subject, case)
    if made is None or aligned(made.parts, exact(subject, case), _MANY) is None:
        subject.memory.clear()
        subject.memory.update(before)
        return False
    subject.memory["surrogate"] = made.surrogate
    return True


def _case(subject: GradientEstimator, layout: Layout, dtype: torch.dtype, samples: int) -> Case:
    if subject.law is not None:
        return probe(subject, layout, dtype, samples)
    values = {}
    for name, value in subject.named_arguments().items():
        if isinstance(value, torch.Size):
            values[name] = torch.linspace(-1.0, 1.5, math.prod(value), dtype=torch.float64).reshape(value)
        elif isinstance(value, Tensor):
            values[name] = value.detach().clone()
    return Case(values=values)


def _attempt(subject: GradientEstimator, case: Case) -> Estimate | None:
    try:
        with preserved_generators(case.seed):
            return estimate(subject, case)
    except (SubjectRaised, Unreadable):
        return None


def _fewest(subject: GradientEstimator) -> None:
    """One sample is legal unless it gives no finite estimate (a leave-one-out mean of nothing) and two do."""
    fewest = subject.fewest
    if fewest is None:
        fewest = 1
        if subject.law is not None and not _finite_at(subject, 1) and _finite_at(subject, 2):
            fewest = 2
    subject.memory["fewest"] = fewest


def _finite_at(subject: GradientEstimator, samples: int) -> bool:
    case = _case(subject, subject.memory["layout"], subject.memory["dtype"], samples)
    made = _attempt(subject, case)
    return made is not None and all(bool(torch.isfinite(part).all()) for part in made.parts)
