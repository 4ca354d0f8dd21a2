"""Code that draws from a named law, and the law that its draws follow jointly."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from genverify.subjects.formula import Match
from genverify.subjects.subject import Subject

if TYPE_CHECKING:
    from genverify.subjects.specification import Layout, Specification

__all__ = ["JointLaw", "NamedLaw", "Sampler"]


@dataclass(frozen=True, kw_only=True)
class JointLaw:
    """The law of one call's output, flattened, all rows together: what can be computed of it exactly.

    Attributes:
        shape: Shape of the output.
        mean: Expectation of each number [m]; differentiable in the parameters. None where there is none.
        covariance: Covariance of all of them [m, m]; differentiable.
        normal: Whether the law is the normal one with this mean and covariance.
        characteristic: w [k, m] → E exp(i⟨w, x⟩), complex [k]; differentiable. None for a discrete law.
        cdf: For a law of independent numbers, z [m] → P(X_j ≤ z_j) for each j; differentiable. None otherwise.
        probabilities: For a discrete law: [m, outcomes], independent over the m numbers; number j is 0, …, outcomes-1.
        spread: A typical size of |x - E x|, in units of which frequencies are chosen.
        slopes: For numbers that each move with one number of a parameter: output [m] → parameter → ∂y_j/∂θ_j [m] on
            the branch that the output is seen to be on; NaN where it does not tell.
        possible: Outputs of several calls [calls, m] → whether the law can give them all, and lets them vary so little.
    """

    shape: tuple[int, ...]
    mean: torch.Tensor | None = None
    covariance: torch.Tensor | None = None
    normal: bool = False
    characteristic: Callable[[torch.Tensor], torch.Tensor] | None = None
    cdf: Callable[[torch.Tensor], torch.Tensor] | None = None
    probabilities: torch.Tensor | None = None
    spread: float = 1.0
    slopes: Callable[[torch.Tensor], Mapping[str, torch.Tensor]] | None = None
    possible: Callable[[torch.Tensor], bool] | None = None


@dataclass(frozen=True, kw_only=True)
class NamedLaw:
    """A law of the catalogue.

    Attributes:
        specification: Name, source and parameters; its oracle maps canonical parameters and ``n`` (rows; None for one
            draw for each parameter) to a JointLaw.
        discrete: Whether outcomes can be counted.
        evaluation: Canonical parameters → what comes out in evaluation mode, where nothing is drawn; None for a law
            without modes.
        ends: Option → the ends of its range, at which the law is a point and its formula may divide by zero.
        recognised: Laws that are legitimate under another name, and often given under this one.
    """

    specification: Specification
    discrete: bool = False
    evaluation: Callable[..., torch.Tensor] | None = None
    ends: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    recognised: tuple[NamedLaw, ...] = ()


@dataclass(frozen=True)
class Sampler(Subject):
    """A function that draws: its output follows a named law, jointly across all rows of one call.

    Rows of a batch and repeated draws are independent under every law of the catalogue.

    Args:
        f: The sampler; it draws inside.
        law: The law's name: ``"law.normal_diagonal"``, ``"law.mvn"``, ``"law.bernoulli"``, …
        arguments: The subject's parameter → the law's parameter or parametrisation, where the names do not say it.
        fixed: Parameter → value that every call passes.
        at: The law's parameters that the subject does not take, with their values; all of them for a sampler without
            parameters.
        pathwise: Whether the draw is claimed to carry the gradient of the law's parameters (reparameterised). By
            default it is judged where the output carries any gradient.
        resolution: The difference in an expectation of a function between -1 and 1 that must be seen where the law
            cannot be compared exactly.
        layout: The layout it is claimed for; by default the first that it takes.
        output: The result → the tensor of draws.
        modes: Whether training and evaluation differ as the law says, for a module or a function with a flag; False for
            noise that stays on, as Monte Carlo dropout's, which is called as it is.
        writes_input: It is meant to work in place on its parameters.
    """

    kind: ClassVar[str] = "sampler"
    catalogue: ClassVar[str] = "law"

    law: str = field(default="", kw_only=True)
    arguments: Mapping[str, str] | Sequence[str] | None = field(default=None, kw_only=True)
    fixed: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    at: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    pathwise: bool | None = field(default=None, kw_only=True)
    resolution: float = field(default=0.05, kw_only=True)
    layout: str = field(default="", kw_only=True)
    output: Any = field(default=None, kw_only=True)
    modes: bool = field(default=True, kw_only=True)
    writes_input: bool = field(default=False, kw_only=True)
    named: NamedLaw | None = field(default=None, kw_only=True, repr=False)
    match: Match | None = field(default=None, kw_only=True, repr=False)
    memory: dict[str, Any] = field(default_factory=dict, kw_only=True, repr=False, compare=False)

    @property
    def has_modes(self) -> bool:
        """Whether it is put in a mode when it is called."""
        return self.modes and self.named is not None and self.named.evaluation is not None

    def layouts(self) -> tuple[Layout, ...]:
        """The layouts that may be tried."""
        assert self.named is not None
        return tuple(one for one in self.named.specification.layouts if not self.layout or one.name == self.layout)
