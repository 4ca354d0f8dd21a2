"""Residual blocks y = x + g(x) whose branch is ``g(x) = Σ_h a_h sin(b_h · x + h)``: every derivative in closed form.

The Jacobian of the branch is ``J = Σ_h cos(b_h · x + h) a_h b_hᵀ``. Terms that come with both signs say what roundings
on the way are worth at the end.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["exact_trace_terms", "image", "iterate", "jacobian", "logabsdet", "preimage", "probed_terms", "reached"]

Terms = tuple[Tensor, ...]


def _angles(weight: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """b_h · x + h, and what one rounding in each product is worth in it: a size whose slope in x is nowhere zero."""
    inner = weight[0]
    phase = torch.arange(len(inner), dtype=x.dtype)
    return x @ inner.mT + phase, (x.abs() + x / 2) @ inner.abs().mT + phase + 1


def _branch(weight: Tensor, x: Tensor) -> Tensor:
    return torch.sin(_angles(weight, x)[0]) @ weight[1]


def jacobian(weight: Tensor, x: Tensor) -> Tensor:
    """∂g/∂x.

    Shapes: weight [2, hidden, event], x [..., event] → [..., event, event].

    Source: the chain rule.

    >>> jacobian(torch.tensor([[[2.0]], [[0.25]]]), torch.zeros(1))
    tensor([[0.5000]])
    """
    inner, outer = weight
    return torch.einsum("...h,hi,hj->...ij", torch.cos(_angles(weight, x)[0]), outer, inner)


def _blurred(weight: Tensor, x: Tensor) -> Tensor:
    """What roundings in the branch are worth in each entry of its Jacobian, in units of one rounding."""
    inner, outer = weight.abs()
    return torch.einsum("...h,hi,hj->...ij", _angles(weight, x)[1], outer, inner)


def image(weight: Tensor, x: Tensor) -> Terms:
    """The image x + g(x), in terms.

    Source: Behrmann et al. 2019, eq. 1.

    >>> [float(term) for term in image(torch.tensor([[[2.0]], [[0.25]]]), torch.zeros(1))]
    [0.0, 0.0, 0.25, -0.25]
    """
    angles, size = _angles(weight, x)
    lost = size @ weight[1].abs()
    return (x, *(torch.sin(angles)[..., h, None] * weight[1, h] for h in range(weight.shape[1])), lost, -lost)


def logabsdet(weight: Tensor, x: Tensor, slip: str = "") -> Terms:
    """Log|det(I + J)| by a factorisation, and what the roundings of I + J are worth in it.

    The `slip` is "no identity" (log|det J|), "minus" (log|det(I − J)|) or "trace" (tr J).

    Source: Behrmann et al. 2019, eq. 3; ∂ log|det M|/∂M = M⁻ᵀ (Petersen & Pedersen 2012, eq. 57).

    >>> [round(float(term), 6) for term in logabsdet(torch.tensor([[[2.0]], [[0.25]]]), torch.zeros(1))]
    [0.405465, 1.0, -1.0]
    """
    one = torch.eye(x.shape[-1], dtype=x.dtype)
    slope = jacobian(weight, x)
    if slip == "trace":
        return (slope.diagonal(dim1=-2, dim2=-1).sum(-1),)
    if slip == "no identity":
        return (torch.linalg.slogdet(slope).logabsdet,)
    whole = one - slope if slip == "minus" else one + slope
    lost = (torch.linalg.inv(whole).mT.abs() * (one + _blurred(weight, x))).sum((-1, -2))
    return torch.linalg.slogdet(whole).logabsdet, lost, -lost


def preimage(weight: Tensor, y: Tensor) -> Tensor:
    """The x with x + g(x) = y, by Newton's method from Banach's iteration; differentiable by the last step.

    Source: Behrmann et al. 2019, theorem 1; the implicit function theorem for the derivative.

    >>> preimage(torch.tensor([[[2.0]], [[0.25]]], dtype=torch.float64), torch.tensor([0.5 + 0.25 * 0.8414709848]))
    tensor([0.5000], dtype=torch.float64)
    """
    one = torch.eye(y.shape[-1], dtype=weight.dtype)
    with torch.no_grad():
        x = y.to(weight.dtype)
        for _ in range(20):
            x = y - _branch(weight, x)
    for _ in range(4):
        x = x.detach()
        gap = x + _branch(weight, x) - y
        x = x - torch.linalg.solve(one + jacobian(weight, x), gap[..., None])[..., 0]
    return x


def iterate(weight: Tensor, y: Tensor, steps: int, *, start: str = "", slip: str = "") -> Tensor:
    """The x after so many steps of x ← y − g(x), from x = y.

    With `start` "zero" it begins at 0, "shifted" at y − g(y). The `slip` is "sign" (y + g(x)) or "forward" (x − g(x)).

    Source: Behrmann et al. 2019, algorithm 1.

    >>> iterate(torch.zeros(2, 1, 1), torch.ones(1), 3)
    tensor([1.])
    """
    x = torch.zeros_like(y) if start == "zero" else y
    for _ in range(steps + (start == "shifted")):
        found = _branch(weight, x)
        x = {"": y - found, "sign": y + found, "forward": x - found}[slip]
    return x


def _lost(weight: Tensor, x: Tensor, size: Tensor | float, k: int) -> Tensor:
    """What the roundings of J are worth in the k-th term of the series: of J^k/k they are J^(k−1) δJ."""
    norm = weight[0].norm() * weight[1].norm()
    return size * norm ** (k - 1) * torch.linalg.matrix_norm(_blurred(weight, x))


def _sign(k: int, slip: str) -> float:
    return {"sign": 1.0, "reversed": -1.0}.get(slip, (-1.0) ** (k + 1))


def exact_trace_terms(weight: Tensor, x: Tensor, terms: int, *, slip: str = "") -> list[Terms]:
    """(−1)^{k+1} tr(J^k)/k for each k up to `terms`, through products of the whole Jacobian.

    The `slip` is "sign" (all terms with a plus), "reversed" (with a minus), or "undivided" (without 1/k).

    Source: Behrmann et al. 2019, eq. 4.

    >>> made = exact_trace_terms(torch.tensor([[[2.0]], [[0.25]]]), torch.zeros(1), 2)
    >>> [float(one[0]) for one in made]
    [0.5, -0.125]
    """
    whole = jacobian(weight, x)
    power, found = torch.eye(x.shape[-1], dtype=x.dtype).expand_as(whole), []
    for k in range(1, terms + 1):
        power = power @ whole
        trace = power.diagonal(dim1=-2, dim2=-1).sum(-1)
        lost = _lost(weight, x, float(x.shape[-1]), k)
        found.append((_sign(k, slip) * trace / (1 if slip == "undivided" else k), lost, -lost))
    return found


def probed_terms(weight: Tensor, x: Tensor, probe: Tensor, terms: int, *, slip: str = "") -> list[Terms]:
    """(−1)^{k+1} vᵀJ^k v/k for each k up to `terms`; of several probes [probe, …, event] the mean.

    The `slip` is one of `exact_trace_terms`, or "renewed": vᵀJ^k is multiplied with itself.

    Source: Chen et al. 2019, eq. 6.

    >>> weight, one = torch.tensor([[[2.0]], [[0.25]]]), torch.ones(1)
    >>> [float(term[0]) for term in probed_terms(weight, torch.zeros(1), one, 2)]
    [0.5, -0.125]
    """
    whole = jacobian(weight, x)
    row, found = probe, []
    for k in range(1, terms + 1):
        before, row = row, (row[..., None, :] @ whole)[..., 0, :]
        form = (row * (before if slip == "renewed" else probe)).sum(-1)
        lost = _lost(weight, x, (probe**2).sum(-1), k)
        if form.dim() > x.dim() - 1:
            form, lost = form.mean(0), lost.mean(0)
        found.append((_sign(k, slip) * form / (1 if slip == "undivided" else k), lost, -lost))
    return found


def reached(law: str, rate: Tensor | float, k: int) -> Tensor:
    """P(N ≥ k): of a geometric number from one or from zero on, or of a Poisson number; one for k ≤ 0.

    Source: Johnson, Kemp & Kotz 2005, sections 4.2 and 5.2.

    >>> [float(reached(law, 0.5, 2)) for law in ("from one", "from zero")], round(float(reached("poisson", 2.0, 1)), 6)
    ([0.5, 0.25], 0.864665)
    """
    rate = torch.as_tensor(rate, dtype=torch.float64)
    if k <= 0:
        return torch.ones_like(rate)
    if law == "poisson":
        return torch.special.gammainc(torch.full_like(rate, float(k)), rate)
    return (1 - rate) ** (k - (law == "from one"))
