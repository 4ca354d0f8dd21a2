"""Domains of options: words, flags and sizes, whose simplest value is the first."""

from __future__ import annotations

from typing import Any

import torch

from genverify.subjects.domains import Domain
from genverify.subjects.specification import Argument, Form, Role

__all__ = ["choice", "option"]


def choice(*values: Any) -> Domain:  # noqa: ANN401 - words, flags, numbers
    """One of the values.

    >>> choice("A", "B").make(torch.tensor([1.0]), (), torch.float64)
    'B'
    """

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Any:  # noqa: ANN401
        return values[round(float(raw.reshape(-1)[0]))]

    return Domain(
        name=f"one of {', '.join(map(repr, values))}", low=0, high=len(values) - 1, integral=True, simple=0.0, make=make
    )


def option(name: str, domain: Domain, default: Any, *aliases: str) -> Argument:  # noqa: ANN401
    """An option of the formula, with its value where the subject has none; ``...`` where the subject must have one."""
    form = Form(name=name, aliases=aliases, domain=domain)
    return Argument(name=name, forms=(form,), role=Role.OPTION, differentiable=False, default=default)
