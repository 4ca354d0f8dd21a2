"""Losses of a diffusion model and the weights of their terms."""

from __future__ import annotations

import torch
from torch import Tensor

from genverify.reference.diffusion.process import at_step, check_rates

__all__ = ["loss_simple", "min_snr_weight", "p2_weight", "snr", "vlb_term"]


def _level(alpha_bar: Tensor) -> Tensor:
    if not bool(((alpha_bar >= 0) & (alpha_bar < 1)).all()):
        raise ValueError(
            f"got alpha_bar {alpha_bar.tolist()}; expected products of 1 - beta, in [0, 1); before the first step "
            f"there is "
            "no noise, and no ratio to it"
        )
    return alpha_bar


def snr(alpha_bar: Tensor) -> Tensor:
    """The ratio of signal to noise: ᾱ/(1 − ᾱ).

    Shapes: any.

    Raises:
        ValueError: A level is outside [0, 1).

    Source: Kingma, Salimans, Poole & Ho 2021, eq. 1.

    >>> snr(torch.tensor([0.75, 0.5]))
    tensor([3., 1.])
    """
    return _level(alpha_bar) / (1 - alpha_bar)


def loss_simple(noise: Tensor, predicted: Tensor) -> Tensor:
    """The mean square between the noise and its prediction.

    L = mean (ε − ε_θ)²

    Shapes: both the same; a scalar.

    Source: Ho, Jain & Abbeel 2020, eq. 14.

    >>> loss_simple(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]))
    tensor(2.)
    """
    return torch.mean((noise - predicted) ** 2)


def vlb_term(noise: Tensor, predicted: Tensor, t: Tensor | int, betas: Tensor) -> Tensor:
    """The divergence of the posterior from the reverse step of the same variance, in nats for each sample; t ≥ 1.

    L_{t−1} = β_t²/(2 β̃_t α_t (1 − ᾱ_t)) ‖ε − ε_θ‖²

    Shapes: noise and predicted [batch, …]; t [batch] or a number, at least 1; betas [T]; [batch].

    Raises:
        ValueError: A rate is outside (0, 1), or t is 0, where the posterior has no variance.

    Source: Ho, Jain & Abbeel 2020, eq. 12.

    >>> vlb_term(torch.ones(1, 1), torch.zeros(1, 1), 1, torch.tensor([0.5, 0.5]))
    tensor([1.])
    """
    if bool((torch.as_tensor(t) < 1).any()):
        raise ValueError("got t = 0; expected a step from 1 on; the first term is the likelihood of the data")
    betas = check_rates(betas)
    kept = torch.cumprod(1 - betas, 0)
    before = torch.cat([torch.ones_like(kept[:1]), kept[:-1]])
    variance = betas * (1 - before) / (1 - kept)
    weight = betas**2 / (2 * variance * (1 - betas) * (1 - kept))
    square = torch.sum((noise - predicted).flatten(1) ** 2, 1)
    return at_step(weight, t, square) * square


def min_snr_weight(alpha_bar: Tensor, gamma: float = 5.0, prediction_type: str = "epsilon") -> Tensor:
    """The weight of a step's loss: min(SNR, γ) for x_0, over SNR for ε, over SNR + 1 for v.

    Shapes: any.

    Raises:
        ValueError: Another prediction type, or a level outside [0, 1).

    Source: Hang et al. 2023, section 3.4.

    >>> min_snr_weight(torch.tensor([0.9, 0.5]), 3.0, "v_prediction")
    tensor([0.3000, 0.5000])
    """
    ratio = snr(alpha_bar)
    least = torch.clamp(ratio, max=gamma)
    if prediction_type == "epsilon":
        return least / ratio
    if prediction_type == "sample":
        return least
    if prediction_type == "v_prediction":
        return least / (ratio + 1)
    raise ValueError(
        f"got prediction_type={prediction_type!r}; expected epsilon, sample or v_prediction; say what the network "
        f"predicts"
    )


def p2_weight(alpha_bar: Tensor, gamma: float = 1.0, k: float = 1.0) -> Tensor:
    """The weight that prefers perceptual noise levels: (k + SNR)^(−γ).

    Shapes: any.

    Raises:
        ValueError: A level is outside [0, 1).

    Source: Choi et al. 2022, eq. 8.

    >>> p2_weight(torch.tensor([0.75, 0.5]))
    tensor([0.2500, 0.5000])
    """
    return (k + snr(alpha_bar)) ** -gamma
