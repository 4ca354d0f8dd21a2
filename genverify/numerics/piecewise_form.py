"""A result place by place: a linear combination of entries of earlier values, with kinks on hyperplanes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx

from .lipschitz_rules import Unknown

__all__ = ["Coefficient", "Form", "Gate", "Terms", "constant_of", "is_multiple", "same", "size_of"]

_MOST_TERMS, _MOST_KINKS = 6, 4

Coefficient = Tensor | float
Terms = dict[int, Coefficient]


@dataclass(frozen=True, kw_only=True)
class Form:
    """Σ coefficient ∘ atom + constant + Σ [selector > 0] ∘ jump, where a jump is a multiple of its selector."""

    terms: Terms
    constant: Coefficient = 0.0
    kinks: tuple[tuple[Form, Form], ...] = ()

    def times(self, factor: Coefficient) -> Form:
        """A multiple of it, place by place."""
        return Form(
            terms={key: value * factor for key, value in self.terms.items()}, constant=self.constant * factor,
            kinks=tuple((selector, jump.times(factor)) for selector, jump in self.kinks),
        )  # fmt: skip

    def plus(self, other: Form) -> Form:
        """The sum of two.

        Raises:
            Unknown: It would have many terms or kinks.
        """
        terms = dict(self.terms)
        for key, value in other.terms.items():
            terms[key] = terms[key] + value if key in terms else value
        found = Form(terms=terms, constant=self.constant + other.constant, kinks=self.kinks + other.kinks)
        if len(terms) > _MOST_TERMS or len(found.kinks) > _MOST_KINKS:
            raise Unknown("a form of many terms")
        return found


@dataclass(frozen=True, kw_only=True)
class Gate:
    """A form where a mask is true, else zero; of a mask alone, the form is None."""

    selector: Form
    origin: fx.Node
    positive: bool
    strict: bool
    form: Form | None = None


def constant_of(value: Any) -> Coefficient:  # noqa: ANN401 - a number or a tensor
    """What does not depend on the input, in float64."""
    return value.detach().double() if isinstance(value, Tensor) and value.dim() else float(value)


def size_of(value: Coefficient) -> float:
    """The largest absolute value."""
    return float(value.abs().max()) if isinstance(value, Tensor) else abs(value)


def _full(terms: Mapping[int, Coefficient], key: int) -> Tensor:
    return torch.as_tensor(terms.get(key, 0.0), dtype=torch.float64)


def same(one: Form, other: Form) -> bool:
    """Whether two forms without kinks are the same, to the last digit."""
    keys = set(one.terms) | set(other.terms)
    pairs = [(_full(one.terms, key), _full(other.terms, key)) for key in keys]
    pairs.append((torch.as_tensor(one.constant, dtype=torch.float64), torch.as_tensor(other.constant).double()))
    return all(bool((a == b).all()) for a, b in pairs)


def is_multiple(jump: Form, selector: Form, unit: float) -> bool:
    """Whether jump = c ∘ selector for some c at each place, up to the roundings of coefficients."""
    keys = sorted(set(jump.terms) | set(selector.terms))
    columns = [(_full(jump.terms, key), _full(selector.terms, key)) for key in keys]
    columns.append((torch.as_tensor(jump.constant).double(), torch.as_tensor(selector.constant).double()))
    shape = torch.broadcast_shapes(*(one.shape for pair in columns for one in pair))
    j, s = (torch.stack([pair[i].expand(shape) for pair in columns]) for i in (0, 1))
    c = (j * s).sum(0) / (s * s).sum(0).clamp_min(torch.finfo(torch.float64).tiny)
    allowed = 64 * unit * (1.0 + c.abs() * s.abs().amax(0))
    return bool(((j - c * s).abs() <= allowed).all())
