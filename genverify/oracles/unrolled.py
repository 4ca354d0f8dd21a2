"""The gradient of an unrolled game in closed form: a linear discriminator, one step, the logistic loss."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["linear_unrolled_gradient", "linear_unrolled_step"]


def linear_unrolled_step(weight: Tensor, real: Tensor, fake: Tensor, rate: float) -> Tensor:
    """One step of D(x) = w·x down its logistic loss: ``w + η (E σ(−w·x) x − E σ(w·y) y)``.

    Shapes: weight [event], samples [batch, event] → [event].

    >>> linear_unrolled_step(torch.zeros(1), torch.ones(2, 1), -torch.ones(2, 1), 1.0)
    tensor([1.])
    """
    on_real, on_fake = torch.sigmoid(-real @ weight), torch.sigmoid(fake @ weight)
    return weight + rate * ((on_real[:, None] * real).mean(0) - (on_fake[:, None] * fake).mean(0))


def linear_unrolled_gradient(weight: Tensor, real: Tensor, fake: Tensor, rate: float, *, held: bool = False) -> Tensor:
    """The slope of ``−E log σ(w₁·y)`` in each generated sample y_i, through the step from w to w₁.

        ``−(1/n) (σ(−w₁·y_i) w₁ + J_iᵀ s)``,  ``s = Σ_j σ(−w₁·y_j) y_j``,
        ``J_iᵀ s = −(η/n) (σ(w·y_i) s + σ′(w·y_i) (y_i·s) w)``

    With w₁ `held` the second term is missing: D does not answer.

    Shapes: weight [event], samples [batch, event] → [batch, event].

    >>> linear_unrolled_gradient(torch.zeros(1), torch.ones(1, 1), torch.ones(1, 1), 1.0)
    tensor([[0.2500]])
    """
    n = len(fake)
    after = linear_unrolled_step(weight, real, fake, rate)
    fooled = torch.sigmoid(-fake @ after)[:, None]
    direct = fooled * after
    if held:
        return -direct / n
    s = (fooled * fake).sum(0)
    caught = torch.sigmoid(fake @ weight)[:, None]
    answer = -rate / n * (caught * s + caught * (1 - caught) * (fake @ s)[:, None] * weight)
    return -(direct + answer) / n
