"""What a network predicts, and how one prediction is turned into another: noise, data, velocity, score.

The level ᾱ is a number, or one for each sample that broadcasts against it.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = [
    "eps_from_x0", "score_from_eps", "v_target", "x0_eps_from_prediction", "x0_eps_from_v", "x0_from_eps",
]  # fmt: skip


def _roots(alpha_bar: Tensor | float, like: Tensor) -> tuple[Tensor, Tensor]:
    """√ᾱ and √(1 − ᾱ), in front of each sample."""
    level = torch.as_tensor(alpha_bar, dtype=like.dtype, device=like.device)
    if not bool(((level >= 0) & (level <= 1)).all()):
        raise ValueError(f"got alpha_bar {level.tolist()}; expected products of 1 - beta, in [0, 1]; pass the product")
    if level.dim() == 1:
        level = level.reshape(-1, *[1] * (like.dim() - 1))
    return torch.sqrt(level), torch.sqrt(1 - level)


def x0_from_eps(xt: Tensor, eps: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """The data that the noise leaves: x̂_0 = (x_t − √(1 − ᾱ) ε)/√ᾱ.

    Shapes: xt, eps [batch, …]; alpha_bar a number or [batch].

    Raises:
        ValueError: The level is outside [0, 1].

    Source: Ho, Jain & Abbeel 2020, eq. 15.

    >>> x0_from_eps(torch.ones(1), torch.zeros(1), 0.25)
    tensor([2.])
    """
    a, s = _roots(alpha_bar, xt)
    return (xt - s * eps) / a


def eps_from_x0(xt: Tensor, x0: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """The noise that the data leave: ε̂ = (x_t − √ᾱ x_0)/√(1 − ᾱ).

    Shapes: xt, x0 [batch, …]; alpha_bar a number or [batch].

    Raises:
        ValueError: The level is outside [0, 1].

    Source: Song, Meng & Ermon 2021, eq. 12.

    >>> eps_from_x0(torch.ones(1), torch.zeros(1), 0.75)
    tensor([2.])
    """
    a, s = _roots(alpha_bar, xt)
    return (xt - a * x0) / s


def v_target(x0: Tensor, noise: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """The velocity: v = √ᾱ ε − √(1 − ᾱ) x_0.

    Shapes: x0, noise [batch, …]; alpha_bar a number or [batch].

    Raises:
        ValueError: The level is outside [0, 1].

    Source: Salimans & Ho 2022, appendix D.

    >>> v_target(torch.zeros(1), torch.ones(1), 0.25)
    tensor([0.5000])
    """
    a, s = _roots(alpha_bar, x0)
    return a * noise - s * x0


def x0_eps_from_v(xt: Tensor, v: Tensor, alpha_bar: Tensor | float) -> tuple[Tensor, Tensor]:
    """Data and noise from the velocity: x̂_0 = √ᾱ x_t − √(1 − ᾱ) v, ε̂ = √(1 − ᾱ) x_t + √ᾱ v.

    Shapes: xt, v [batch, …]; alpha_bar a number or [batch].

    Raises:
        ValueError: The level is outside [0, 1].

    Source: Salimans & Ho 2022, appendix D.

    >>> x0_eps_from_v(torch.ones(1), torch.zeros(1), 0.25)
    (tensor([0.5000]), tensor([0.8660]))
    """
    a, s = _roots(alpha_bar, xt)
    return a * xt - s * v, s * xt + a * v


def x0_eps_from_prediction(
    prediction: Tensor, xt: Tensor, alpha_bar: Tensor | float, prediction_type: str = "epsilon"
) -> tuple[Tensor, Tensor]:
    """Data and noise from whatever the network predicts: "epsilon", "sample" (the data) or "v_prediction".

    Shapes: prediction, xt [batch, …]; alpha_bar a number or [batch].

    Raises:
        ValueError: Another prediction type, or a level outside [0, 1].

    Source: Salimans & Ho 2022, section 4.

    >>> x0_eps_from_prediction(torch.zeros(1), torch.ones(1), 0.25, "epsilon")[0]
    tensor([2.])
    """
    if prediction_type == "epsilon":
        return x0_from_eps(xt, prediction, alpha_bar), prediction
    if prediction_type == "sample":
        return prediction, eps_from_x0(xt, prediction, alpha_bar)
    if prediction_type == "v_prediction":
        return x0_eps_from_v(xt, prediction, alpha_bar)
    raise ValueError(
        f"got prediction_type={prediction_type!r}; expected epsilon, sample or v_prediction; say what the network "
        f"predicts"
    )


def score_from_eps(eps: Tensor, alpha_bar: Tensor | float) -> Tensor:
    """The score of the noised data: ∇ log q(x_t) = −ε/√(1 − ᾱ).

    Shapes: eps [batch, …]; alpha_bar a number or [batch].

    Raises:
        ValueError: The level is outside [0, 1].

    Source: Song, Sohl-Dickstein et al. 2021, section 3.4.

    >>> score_from_eps(torch.ones(1), 0.75)
    tensor([-2.])
    """
    _, s = _roots(alpha_bar, eps)
    return -eps / s
