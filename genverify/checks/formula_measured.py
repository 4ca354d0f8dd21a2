"""The gradients of a formula whose rounding is measured on its oracle: all arguments in one backward pass."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch

from genverify.checks.formula_oracle import Function
from genverify.numerics.measured_allowance import measured_allowances
from genverify.numerics.rounding import Allowance, allowance

__all__ = ["backward", "measured_gradients"]


def backward(
    terms: Function, values: list[torch.Tensor], names: Sequence[str], asked: Collection[str], weight: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Argument → the gradient of Σ weight · f, for those asked for; nothing where the value is a constant."""
    leaves = [one.clone().requires_grad_(name in asked) for name, one in zip(names, values, strict=True)]
    wanted = {name: leaf for name, leaf in zip(names, leaves, strict=True) if leaf.requires_grad}
    with torch.enable_grad():
        total = (torch.stack(torch.broadcast_tensors(*terms(*leaves))).sum(0) * weight).sum()
    if not total.requires_grad:
        return {}
    found = torch.autograd.grad(total, list(wanted.values()), allow_unused=True)
    return {
        name: torch.zeros_like(leaf) if one is None else one
        for (name, leaf), one in zip(wanted.items(), found, strict=True)
    }


def measured_gradients(
    terms: Function, values: list[torch.Tensor], names: list[str], weight: torch.Tensor, got: dict[str, torch.Tensor],
    *, dtype: torch.dtype, operations: int,
) -> dict[str, Allowance]:  # fmt: skip
    """Argument → the allowance of its gradient of Σ weight · f, for each argument in `got`.

    Fast, then slow: where all are within the rounding of the gradient itself, whatever its conditioning, nothing is
    measured.
    """
    asked = [name for name in names if name in got]

    def oracle() -> tuple[torch.Tensor, ...]:
        found = backward(terms, values, names, asked, weight)
        return tuple(found.get(n, torch.zeros_like(v)) for n, v in zip(names, values, strict=True) if n in asked)

    quick = [allowance(one.detach(), 2 * operations, dtype) for one in oracle()]
    observed = tuple(got[name] for name in asked)
    ratios = [one.excess(seen) for one, seen in zip(quick, observed, strict=True)]
    if any(bool((ratio > 1).any()) for ratio in ratios):
        quick = list(measured_allowances(oracle, observed, dtype=dtype))
    return dict(zip(asked, quick, strict=True))
