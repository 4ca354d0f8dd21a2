"""An estimate of a gradient (or of a value) that is made from random draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from genverify.subjects.formula import Match
from genverify.subjects.subject import Subject

if TYPE_CHECKING:
    from genverify.statistics import Assumption
    from genverify.subjects.specification import Specification

__all__ = ["GradientEstimator", "Target"]


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a family of estimators estimates: an expectation J, or its gradient, and the law of the draws.

    Attributes:
        specification: Name, source and arguments; its oracle maps canonical arguments to J, differentiably, in float64.
        gradient: Whether the gradient of J is estimated, and not J itself.
        sample: (canonical arguments, number of samples) → the draws that the subject may be given, by argument name;
            drawn with torch, so that they can be integrated out like any others.
        magnitude: Canonical arguments → the size of one sample's contribution, on which its roundings scale.
        continuous: Whether the draws are continuous.
    """

    specification: Specification
    gradient: bool = True
    sample: Callable[[Mapping[str, Any], int], Mapping[str, torch.Tensor]]
    magnitude: Callable[[Mapping[str, Any]], float]
    continuous: bool = False


@dataclass(frozen=True)
class GradientEstimator(Subject):
    """An estimator whose expectation over its own draws is claimed to be an exact gradient.

    It may draw inside (``f(theta)``), take the draws as arguments (``f(logits, reward, samples)``), return the estimate
    (a tensor, or one for each parameter), leave it in ``.grad``, or return a surrogate loss to differentiate.

    Args:
        f: The estimator.
        target: The exact gradient: a tensor, a number, a tuple of these, or a function of the same arguments.
        like: Instead of `target`, what is estimated by name: ``"target.gradient_categorical"``, …; the arguments of `f`
            are matched by name and alias, and drawn.
        arguments: The subject's parameter → the target's argument or parametrisation, where the names do not say it.
        fixed: Parameter → value that every call passes.
        at: For `target`: the arguments of `f`, by position or by name; a ``torch.Size`` stands for any real tensor of
            that shape, and is drawn.
        wrt: The target's arguments that the estimate is the gradient of; all differentiable ones by default, in the
            subject's order, as many as it returns.
        surrogate: Whether `f` returns a loss to be differentiated; by default found: it is a scalar that carries a
            gradient, where the parameter is none.
        unbiased: Whether it is claimed to be unbiased.
        scale: What the expectation is claimed to be, in units of the target: -1 for a loss to be minimised; a function
            of the number of samples for a known bias, such as ``lambda n: 1 - 1 / n``.
        resolution: The bias that must be seen where no exact integration is possible, relative to the root mean square
            of the estimate.
        assumption: What a sequential test may assume of the estimates where no integration is possible; see
            ``genverify.statistics``.
        variance_at_most: A bound of the variance, summed over the components.
        lower_variance_than: Another estimator, claimed to have no lower a variance: a function with the same
            parameters, or a GradientEstimator of the same target.
        fewest: The smallest legal number of samples; by default found: 1, or 2 where 1 gives no finite estimate.
        output: The result → the tensor, or tuple of tensors, that is the estimate.
    """

    kind: ClassVar[str] = "gradient_estimator"
    catalogue: ClassVar[str] = "target"

    target: Any = field(default=None, kw_only=True)
    like: str = field(default="", kw_only=True)
    arguments: Mapping[str, str] | Sequence[str] | None = field(default=None, kw_only=True)
    fixed: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    at: Mapping[str, Any] | Sequence[Any] = field(default=(), kw_only=True)
    wrt: tuple[str, ...] = field(default=(), kw_only=True)
    surrogate: bool | None = field(default=None, kw_only=True)
    unbiased: bool = field(default=True, kw_only=True)
    scale: float | Callable[[int], float] = field(default=1.0, kw_only=True)
    resolution: float = field(default=0.01, kw_only=True)
    assumption: Assumption | None = field(default=None, kw_only=True)
    variance_at_most: float | None = field(default=None, kw_only=True)
    lower_variance_than: Any = field(default=None, kw_only=True)
    fewest: int | None = field(default=None, kw_only=True)
    output: Any = field(default=None, kw_only=True)
    law: Target | None = field(default=None, kw_only=True, repr=False)
    match: Match | None = field(default=None, kw_only=True, repr=False)
    memory: dict[str, Any] = field(default_factory=dict, kw_only=True, repr=False, compare=False)

    def named_arguments(self) -> dict[str, Any]:
        """The arguments of `at` by name; positional ones are called #0, #1, and so on."""
        if isinstance(self.at, Mapping):
            return dict(self.at)
        given = self.at if isinstance(self.at, (list, tuple)) and not isinstance(self.at, torch.Size) else (self.at,)
        return {f"#{index}": value for index, value in enumerate(given)}

    def scale_at(self, samples: int) -> float:
        """What the expectation is claimed to be, in units of the target, for this number of samples."""
        return float(self.scale(samples)) if callable(self.scale) else float(self.scale)
