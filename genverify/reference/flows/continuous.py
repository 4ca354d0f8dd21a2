r"""A continuous flow: the sample follows a field, and its logabsdet the field's divergence.

    $$ \frac{dx}{dt} = f(x, t), \qquad \frac{d}{dt} \log\left|\det \frac{\partial x(t)}{\partial x(0)}\right|
       = \operatorname{tr} \frac{\partial f}{\partial x} $$

Source: Chen, Rubanova, Bettencourt & Duvenaud 2018, theorem 1; Grathwohl et al. 2019, eqs. 4 and 7.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

__all__ = ["ContinuousFlow", "continuous", "divergence", "probed_divergence"]

Field = Callable[[Tensor, Tensor], Tensor]


def divergence(f: Field, x: Tensor, t: Tensor) -> Tensor:
    """Tr ∂f/∂x of each row, one pass back for each coordinate.

    Shapes: x [batch, features], t a number; [batch].

    >>> divergence(lambda x, t: 2 * x, torch.zeros(1, 3), torch.tensor(0.0))
    tensor([6.])
    """
    pull = torch.func.vjp(lambda at: f(at, t), x)[1]
    one = torch.eye(x.shape[1], dtype=x.dtype)
    return sum((pull(row.expand_as(x))[0][:, i] for i, row in enumerate(one)), torch.zeros_like(x[:, 0]))


def probed_divergence(f: Field, x: Tensor, t: Tensor, v: Tensor) -> Tensor:
    """VᵀJv of each row, one pass back in all.

    Shapes: x, v [batch, features], t a number; [batch].

    >>> probed_divergence(lambda x, t: 2 * x, torch.zeros(1, 3), torch.tensor(0.0), torch.ones(1, 3))
    tensor([6.])
    """
    (pulled,) = torch.func.vjp(lambda at: f(at, t), x)[1](v)
    return (pulled * v).sum(-1)


def continuous(
    f: Field, x: Tensor, steps: int, start: float = 0.0, end: float = 1.0, v: Tensor | None = None
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The sample and its logabsdet after so many steps of the classical Runge–Kutta method.

    Both are of the fourth order in the width of a step: the logabsdet is not exactly that of the map that the steps
    make, and approaches it. With probes v, one for each row and all the way, the divergence is estimated.

    Shapes: x, v [batch, features]; [batch, features] and [batch].

    >>> y, logabsdet = continuous(lambda x, t: x, torch.ones(1, 2), 8)
    >>> [round(float(one), 3) for one in (y[0, 0], logabsdet[0])]
    [2.718, 2.0]
    """

    def slope(at: Tensor, t: float) -> tuple[Tensor, Tensor]:
        time = torch.tensor(t, dtype=x.dtype)
        return f(at, time), divergence(f, at, time) if v is None else probed_divergence(f, at, time, v)

    h, total = (end - start) / steps, torch.zeros_like(x[:, 0])
    for n in range(steps):
        t = start + n * h
        k1, r1 = slope(x, t)
        k2, r2 = slope(x + h / 2 * k1, t + h / 2)
        k3, r3 = slope(x + h / 2 * k2, t + h / 2)
        k4, r4 = slope(x + h * k3, t + h)
        x = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        total = total + h / 6 * (r1 + 2 * r2 + 2 * r3 + r4)
    return x, total


class ContinuousFlow(nn.Module):
    """The flow of a small network of the sample and the time, tanh between two layers.

    Its inverse goes back in time by as many steps, and its logabsdet is integrated beside: each is right to the fourth
    order in the width of a step, and none to rounding.

    Shapes: ``x`` [batch, features].

    Source: Chen et al. 2018, section 4.
    """

    def __init__(self, features: int, hidden: int = 4, steps: int = 4) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(features + 1, hidden), nn.Linear(hidden, features)
        self.steps = steps

    def field(self, x: Tensor, t: Tensor) -> Tensor:
        """F(x, t)."""
        time = t.expand(*x.shape[:-1], 1)
        return self.outer(torch.tanh(self.inner(torch.cat([x, time], -1))))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """X → (y, log|det ∂y/∂x|)."""
        return continuous(self.field, x, self.steps)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Y → (x, log|det ∂x/∂y|)."""
        return continuous(self.field, y, self.steps, 1.0, 0.0)
