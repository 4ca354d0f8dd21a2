"""Affine maps whose scale and shift come from elsewhere: autoregressive steps and coupling layers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["additive_coupling", "affine", "affine_coupling", "gated"]

Terms = tuple[Tensor, ...]
Net = Callable[[Tensor], Tensor]
_NOTHING = "neither scale and shift nor one network for both"


def affine(x: Tensor, mean: Tensor, scale: Tensor, *, normalises: bool) -> tuple[Terms, Terms]:
    """(x − μ)/σ and −log σ where it `normalises`, else σ x + μ and log σ.

    Shapes: [..., event] each → terms of both, elementwise.

    Source: Papamakarios, Pavlakou & Murray 2017, eqs. 3–5; Kingma et al. 2016, eq. 10.
    """
    if normalises:
        return (x / scale, -mean / scale), (-torch.log(scale),)
    return (scale * x, mean.expand_as(x)), (torch.log(scale).expand_as(x),)


def gated(x: Tensor, mean: Tensor, gate: Tensor, *, added: float = 0.0, inverse: bool = False) -> tuple[Terms, Terms]:
    """G x + (1 − g) m with a gate g in (0, 1), and log g; `added` is put on the gate's logit.

    Source: Kingma et al. 2016, eqs. 12–14.
    """
    logit = torch.log(gate) - torch.log1p(-gate) + added
    g, rest = torch.sigmoid(logit), torch.sigmoid(-logit)
    slopes = torch.nn.functional.logsigmoid(logit)
    if inverse:
        return (x / g, -rest * mean / g), (-slopes,)
    return (g * x, mean, -g * mean), (slopes,)


def _parts(
    x: Tensor, mask: Tensor | None, net: Net | None, log_scale: Net | None, shift: Net | None, *, second: bool,
    turned: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """(Which entries are changed, raw scale and shift of each): zero where an entry is kept."""
    size = x.shape[-1]
    if mask is None:
        half = size // 2
        kept, changed = (slice(half, size), slice(0, half)) if second else (slice(0, half), slice(half, size))
        where = torch.zeros(size, dtype=x.dtype)
        where[changed] = 1.0
        seen = x[..., kept]
    else:
        where, changed = mask if second else 1.0 - mask, slice(0, size)
        seen = x * (1.0 - where)
    if net is not None:
        found = net(seen)
        count = found.shape[-1] // 2
        raw, moved = found[..., :count], found[..., count:]
        raw, moved = (moved, raw) if turned else (raw, moved)
    else:
        moved = torch.zeros_like(x[..., changed]) if shift is None else shift(seen)
        raw = torch.zeros_like(moved) if log_scale is None else log_scale(seen)
    wide = [torch.zeros_like(x), torch.zeros_like(x)]
    for one, part in zip(wide, (raw, moved), strict=True):
        one[..., changed] = part
    return where, wide[0] * where, wide[1] * where


def affine_coupling(
    x: Tensor, mask: Tensor | None = None, net: Net | None = None, log_scale: Net | None = None,
    shift: Net | None = None, *, second: bool = False, turned: bool = False, bound: str = "", inverse: bool = False,
    slip: str = "",
) -> tuple[Terms, Terms]:  # fmt: skip
    """Kept entries as they are, the others times exp s(a), plus t(a); Σ s over the changed ones.

    `second` keeps the second half (of a mask: what it does not hold); `bound` puts s through tanh, or takes
    log sigmoid(s + 2) for it, as Glow does; `turned`, the one network gives (t, s).

    Shapes: [..., event] → terms of both, logabsdet elementwise.

    Source: Dinh, Sohl-Dickstein & Bengio 2017, eqs. 4–9.
    """
    assert net is not None or log_scale is not None, _NOTHING
    where, raw, moved = _parts(x, mask, net, log_scale, shift, second=second, turned=turned)
    if bound == "sigmoid":
        log = torch.nn.functional.logsigmoid(raw + 2.0) * where
    else:
        log = torch.tanh(raw) if bound == "tanh" else raw
    counted = {"before": raw, "shift too": log + moved}.get(slip, log)
    if inverse:
        return (x * torch.exp(-log), -moved * torch.exp(-log)), (-counted,)
    return (x * torch.exp(log), moved), (counted,)


def additive_coupling(
    x: Tensor, mask: Tensor | None = None, shift: Net | None = None, *, second: bool = False, inverse: bool = False
) -> tuple[Terms, Terms]:  # fmt: skip
    """Kept entries as they are, the others plus t(a): volume is preserved.

    Source: Dinh, Krueger & Bengio 2015, eqs. 9 and 10.
    """
    assert shift is not None, _NOTHING
    _, _, moved = _parts(x, mask, None, None, shift, second=second, turned=False)
    return (x, -moved if inverse else moved), (torch.zeros_like(x),)
