"""The gradients of a formula's oracle at a case, and how far rounding may move each: one graph for all arguments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch

from genverify.checks.formula_call import Call
from genverify.checks.formula_measured import backward, measured_gradients
from genverify.checks.formula_oracle import Function, argument_of, fitted, oracle_of
from genverify.numerics.rounding import Allowance, allowance, gradient_allowance, unit_roundoff
from genverify.subjects.case import Case
from genverify.subjects.formula import Formula
from genverify.subjects.specification import Dialect

__all__ = ["Gradients", "gradients_of"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Gradients:
    """The gradients of ``Σ weight · f`` under one dialect.

    Attributes:
        subject: Whose formula it is.
        dialect: Under which it is evaluated.
        terms: The oracle, whose terms add up to f.
        values: Its arguments in float64.
        names: Their names.
        asked: Those with respect to which a gradient is asked for.
        returned: The shape of the subject's result.
        shape: That of the dialect's.
        weight: The cotangent in this shape; None where the result does not fit it.
    """

    subject: Formula
    dialect: Dialect
    terms: Function
    values: list[torch.Tensor]
    names: list[str]
    asked: tuple[str, ...]
    returned: tuple[int, ...]
    shape: tuple[int, ...]
    weight: torch.Tensor | None
    _measured: dict[torch.dtype, dict[str, Allowance]] = field(default_factory=dict)

    @cached_property
    def _exact(self) -> dict[str, torch.Tensor]:
        """Argument → its gradient, all in one backward pass; nothing where the value is a constant."""
        return {} if self.weight is None else backward(self.terms, self.values, self.names, self.asked, self.weight)

    def quick(self, name: str, accuracy: torch.dtype) -> Allowance | None:
        """What is allowed of the rounding of the gradient itself, whatever its conditioning; None of a constant."""
        assert self.subject.specification is not None
        exact = self._exact.get(name)
        return None if exact is None else allowance(exact, 2 * self.subject.specification.operations, accuracy)

    def conditioned(self, name: str, accuracy: torch.dtype) -> Allowance:
        """What is allowed of the rounding of every term and every argument, through the conditioning of the slope."""
        assert self.subject.specification is not None
        assert self.weight is not None
        steps = 2 * (self.subject.specification.operations + max(value.numel() for value in self.values))
        normwise = [i for i, one in enumerate(self.names) if argument_of(self.subject, one).normwise]
        bound = gradient_allowance(
            self.terms, self.values, wrt=self.names.index(name), dtype=accuracy, cotangent=self.weight,
            operations=steps, normwise=normwise,
        )  # fmt: skip
        if argument_of(self.subject, name).normwise and bound.value.numel():
            # A zero of an inverse is exact in one way of writing it, and in another what is left of its largest
            # entries.
            return replace(bound, allowed=bound.allowed + steps * unit_roundoff(accuracy) * bound.value.abs().max())
        return bound

    def measured(self, accuracy: torch.dtype, got: dict[str, torch.Tensor]) -> dict[str, Allowance]:
        """What is allowed as measured on the oracle under perturbed arithmetic, beside these observed gradients."""
        assert self.subject.specification is not None
        assert self.weight is not None
        if accuracy not in self._measured:
            self._measured[accuracy] = measured_gradients(
                self.terms, self.values, self.names, self.weight, got, dtype=accuracy,
                operations=self.subject.specification.operations,
            )  # fmt: skip
        return self._measured[accuracy]


def gradients_of(
    subject: Formula, case: Case, made: Call, dialect: Dialect, index: int, cotangent: torch.Tensor,
    asked: Sequence[str],
) -> Gradients:  # fmt: skip
    """The gradients of the output of that index, combined by a cotangent of the shape of the subject's result."""
    terms, values, names = oracle_of(subject, case, made, dialect, output=index, gradient=True)
    with torch.no_grad():
        shape = tuple(torch.broadcast_tensors(*terms(*values))[0].shape)
    return Gradients(
        subject=subject, dialect=dialect, terms=terms, values=values, names=names, asked=tuple(asked),
        returned=tuple(cotangent.shape), shape=shape,
        weight=fitted(subject, case, dialect, index, cotangent, shape),
    )  # fmt: skip
