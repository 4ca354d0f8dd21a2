"""The gradients of a formula whose rounding is measured on its oracle: all arguments in one backward pass."""

from __future__ import annotations

import torch

from genverify.checks.formula_oracle import Function
from genverify.numerics.measured_allowance import measured_allowances
from genverify.numerics.rounding import Allowance, allowance

__all__ = ["measured_gradients"]


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
        leaves = [one.clone().requires_grad_(name in got) for name, one in zip(names, values, strict=True)]
        wanted = [leaf for leaf in leaves if leaf.requires_grad]
        with torch.enable_grad():
            total = (torch.stack(torch.broadcast_tensors(*terms(*leaves))).sum(0) * weight).sum()
        if not total.requires_grad:
            return tuple(torch.zeros_like(leaf) for leaf in wanted)
        found = torch.autograd.grad(total, wanted, allow_unused=True)
        return tuple(torch.zeros_like(leaf) if one is None else one for leaf, one in zip(wanted, found, strict=True))

    quick = [allowance(one.detach(), 2 * operations, dtype) for one in oracle()]
    observed = tuple(got[name] for name in asked)
    ratios = [one.excess(seen) for one, seen in zip(quick, observed, strict=True)]
    if any(bool((ratio > 1).any()) for ratio in ratios):
        quick = list(measured_allowances(oracle, observed, dtype=dtype))
    return dict(zip(asked, quick, strict=True))
