"""Continuous flows along the field ``f(x, t) = Σ_h a_h sin(b_h · x + t/(h + 1)) + ¼ cos(t) x``, whose trace is known.

The state is the sample with the logabsdet beside it. It is integrated to rounding by extrapolation, or by a number of
steps of a named method.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["METHODS", "field", "flowed", "linear", "lost", "probe_trace", "pulled", "solved", "stepped", "trace"]

Slope = Callable[[Tensor, Tensor | float], Tensor]

# Nodes, the coefficients of each stage, and weights (Hairer, Nørsett & Wanner 1993, section II.1).
METHODS: dict[str, tuple[tuple[float, ...], tuple[tuple[float, ...], ...], tuple[float, ...]]] = {
    "euler": ((0.0,), ((),), (1.0,)),
    "midpoint": ((0.0, 0.5), ((), (0.5,)), (0.0, 1.0)),
    "heun": ((0.0, 1.0), ((), (1.0,)), (0.5, 0.5)),
    "rk4": ((0.0, 0.5, 0.5, 1.0), ((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6)),
    "three eighths": (
        (0.0, 1 / 3, 2 / 3, 1.0), ((), (1 / 3,), (-1 / 3, 1.0), (1.0, -1.0, 1.0)), (1 / 8, 3 / 8, 3 / 8, 1 / 8)
    ),
}  # fmt: skip
# Extrapolation: each of these numbers of midpoint steps on a stretch, which is short against 1/L.
_SEQUENCE, _SHORT = (2, 4, 6, 8, 10, 12), 0.3


def _angles(weight: Tensor, x: Tensor, t: Tensor | float) -> Tensor:
    inner = weight[0]
    return x @ inner.mT + t / torch.arange(1, len(inner) + 1, dtype=x.dtype)


def field(weight: Tensor, x: Tensor, t: Tensor | float) -> Tensor:
    """The field at each row.

    >>> field(torch.tensor([[[2.0]], [[0.25]]]), torch.full((1, 1), 4.0), 0.0).round(decimals=4)
    tensor([[1.2473]])
    """
    time = torch.as_tensor(t, dtype=x.dtype)
    return torch.sin(_angles(weight, x, time)) @ weight[1] + torch.cos(time) * x / 4


def trace(weight: Tensor, x: Tensor, t: Tensor | float) -> Tensor:
    """Tr ∂f/∂x = Σ_h cos(b_h · x + t/(h + 1)) a_h · b_h + d cos(t)/4.

    Shapes: weight [2, hidden, event], x [batch, event], t a number or [batch, 1]; [batch].

    Source: Chen et al. 2018, theorem 1 (its use).

    >>> trace(torch.tensor([[[2.0]], [[0.25]]]), torch.zeros(1, 1), 0.0)
    tensor([0.7500])
    """
    time = torch.as_tensor(t, dtype=x.dtype)
    slopes = torch.cos(_angles(weight, x, time)) @ (weight[0] * weight[1]).sum(-1)
    return slopes + x.shape[-1] * torch.cos(time).reshape(-1) / 4


def pulled(weight: Tensor, x: Tensor, t: Tensor | float, probe: Tensor) -> Tensor:
    """Vᵀ ∂f/∂x, a row for each row.

    >>> pulled(torch.tensor([[[2.0]], [[0.25]]]), torch.zeros(1, 1), 0.0, torch.ones(1, 1))
    tensor([[0.7500]])
    """
    time = torch.as_tensor(t, dtype=x.dtype)
    return (torch.cos(_angles(weight, x, time)) * (probe @ weight[1].mT)) @ weight[0] + torch.cos(time) * probe / 4


def probe_trace(weight: Tensor, x: Tensor, t: Tensor | float, probe: Tensor) -> tuple[Tensor, Tensor]:
    """The two terms of vᵀ (∂f/∂x) v: Σ_h cos(…) (a_h · v)(b_h · v), and ¼ cos(t) ‖v‖².

    Shapes: probe [batch, event] or [probe, batch, event]; [batch] or [probe, batch], twice.

    Source: Grathwohl et al. 2019, eq. 7.

    >>> weight, one = torch.tensor([[[2.0]], [[0.25]]]), torch.ones(1, 1)
    >>> [float(term) for term in probe_trace(weight, 0 * one, 0.0, one)]
    [0.5, 0.25]
    """
    time = torch.as_tensor(t, dtype=x.dtype)
    waves = torch.cos(_angles(weight, x, time)) * (probe @ weight[0].mT) * (probe @ weight[1].mT)
    return waves.sum(-1), torch.cos(time).reshape(-1) * (probe**2).sum(-1) / 4


def _joint(weight: Tensor, probe: Tensor | None) -> Slope:
    """The slope of the sample with its logabsdet in the last column."""

    def slope(state: Tensor, t: Tensor | float) -> Tensor:
        x = state[:, :-1]
        if probe is None:
            change = trace(weight, x, t)
        else:
            change = sum(probe_trace(weight, x, t, probe), torch.zeros(()))
            change = change.mean(0) if change.dim() > 1 else change
        return torch.cat([field(weight, x, t), change[:, None]], 1)

    return slope


def stepped(slope: Slope, state: Tensor, start: Tensor | float, end: Tensor | float, steps: int, method: str) -> Tensor:
    """So many equal steps of a Runge–Kutta method.

    Source: Hairer, Nørsett & Wanner 1993, section II.1.

    >>> float(stepped(lambda x, t: x, torch.ones(1), 0.0, 1.0, 2, "euler"))
    2.25
    """
    nodes, rows, weights = METHODS[method]
    width = (end - start) / steps
    for n in range(steps):
        slopes: list[Tensor] = []
        for node, row in zip(nodes, rows, strict=True):
            at = state + sum((width * share * one for share, one in zip(row, slopes, strict=True)), torch.zeros(()))
            slopes.append(slope(at, start + (n + node) * width))
        state = state + width * sum((w * one for w, one in zip(weights, slopes, strict=True)), torch.zeros(()))
    return state


def solved(slope: Slope, state: Tensor, start: float, end: float, lipschitz: float) -> Tensor:
    """The solution to rounding: midpoint steps, extrapolated to width zero, stretch by stretch.

    `lipschitz` bounds the constant L of the slope; the error falls with the twelfth power of L times a stretch.

    Source: Gragg 1965, On extrapolation algorithms for ordinary initial value problems; Hairer, Nørsett & Wanner 1993,
    section II.9.

    >>> import math
    >>> abs(float(solved(lambda x, t: x, torch.ones(1, dtype=torch.float64), 0.0, 1.0, 1.0)) - math.e) < 1e-14
    True
    """
    stretches = max(1, math.ceil(lipschitz * abs(end - start) / _SHORT))
    width = (end - start) / stretches
    for n in range(stretches):
        begin = start + n * width
        table: list[Tensor] = []
        for level, count in enumerate(_SEQUENCE):
            small = width / count
            before, now = state, state + small * slope(state, begin)
            for k in range(1, count):
                before, now = now, before + 2 * small * slope(now, begin + k * small)
            row = [now]
            for j in range(1, level + 1):
                ratio = (count / _SEQUENCE[level - j]) ** 2
                row.append(row[-1] + (row[-1] - table[j - 1]) / (ratio - 1))
            table = row
        state = table[-1]
    return state


def flowed(
    weight: Tensor, x: Tensor, start: float, end: float, *, steps: int | None = None,
    method: str = "", probe: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The sample at the end, and ∫ tr ∂f/∂x dt on the way (with `probe`, ∫ vᵀ (∂f/∂x) v dt).

    Shapes: weight [2, hidden, event], x [batch, event]; [batch, event] and [batch]. Without a method, to rounding.

    Source: Chen et al. 2018, theorem 1; Grathwohl et al. 2019, eqs. 4 and 7.

    >>> y, logabsdet = flowed(torch.zeros(2, 1, 2, dtype=torch.float64), torch.ones(1, 2).double(), 0.0, 1.0)
    >>> round(float(logabsdet), 6), round(2 * float(torch.log(y[0, 0])), 6)  # ½ sin 1
    (0.420735, 0.420735)
    """
    state = torch.cat([x, torch.zeros_like(x[:, :1])], 1)
    slope = _joint(weight, probe)
    if method:
        made = stepped(slope, state, start, end, int(steps or 1), method)
    else:
        bound = float(weight[0].norm() * weight[1].norm()) + 0.25
        made = solved(slope, state, float(start), float(end), bound)
    return made[:, :-1], made[:, -1]


def lost(weight: Tensor, x: Tensor, span: float) -> tuple[Tensor, Tensor]:
    """What roundings on the way are worth in the sample and in the logabsdet at the end, at most.

    An error in the sample grows by e^{L|T|}, L = ‖a‖ ‖b‖ + ¼ (Grönwall 1919), and reaches the trace through the second
    derivatives of the field, Σ_h ‖b_h‖ |a_h · b_h|.

    >>> [float(one) for one in lost(torch.zeros(2, 1, 1), torch.ones(1, 1), 0.0)]
    [1.5, 0.0]
    """
    inner, outer = weight
    time = torch.as_tensor(span, dtype=x.dtype).abs()
    grown = torch.exp(time * (inner.norm() * outer.norm() + 0.25))
    sample = grown * (x.abs() + x / 2 + time * (outer.abs().sum(0) + x.abs() / 4))
    forms = (inner * outer).sum(-1).abs()
    curved = (forms * inner.norm(dim=-1)).sum() * sample.norm(dim=-1)
    return sample, time * (forms.sum() + x.shape[-1] / 4 + curved)


def linear(matrix: Tensor, x: Tensor, span: float) -> tuple[Tensor, Tensor]:
    """Along f(x) = A x: e^{AT} x, and T tr A.

    Shapes: matrix [event, event], x [batch, event]; [batch, event] and a number.

    Source: Jacobi's formula, det e^A = e^{tr A}.

    >>> linear(torch.zeros(2, 2), torch.ones(1, 2), 1.0)
    (tensor([[1., 1.]]), tensor(0.))
    """
    return x @ torch.linalg.matrix_exp(span * matrix).mT, span * matrix.diagonal().sum()
