"""Steps back from noise to data: DDPM, DDIM and PLMS, and guidance. Steps are counted from 0."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from genverify.reference.diffusion.process import at_step, check_rates

__all__ = ["classifier_free_guidance", "ddim_step", "ddpm_mean", "ddpm_step", "plms_step"]


def ddpm_mean(xt: Tensor, eps: Tensor, t: Tensor | int, betas: Tensor) -> Tensor:
    """The mean of the reverse step: μ = (x_t − β_t/√(1 − ᾱ_t) ε)/√α_t.

    Shapes: xt, eps [batch, …]; t [batch] or a number; betas [T].

    Raises:
        ValueError: A rate is outside (0, 1).

    Source: Ho, Jain & Abbeel 2020, eq. 11.

    >>> ddpm_mean(torch.ones(1, 1), torch.zeros(1, 1), 0, torch.tensor([0.75]))
    tensor([[2.]])
    """
    betas = check_rates(betas)
    kept = torch.cumprod(1 - betas, 0)
    beta, level = at_step(betas, t, xt), at_step(kept, t, xt)
    return (xt - beta / torch.sqrt(1 - level) * eps) / torch.sqrt(1 - beta)


def ddpm_step(xt: Tensor, eps: Tensor, t: Tensor | int, betas: Tensor, noise: Tensor) -> Tensor:
    """A draw of x_{t−1}: the mean, and noise of the variance β̃_t, which is 0 at the last step.

    x_{t−1} = μ + √β̃_t z

    Shapes: xt, eps, noise [batch, …]; t [batch] or a number; betas [T].

    Raises:
        ValueError: A rate is outside (0, 1).

    Source: Ho, Jain & Abbeel 2020, algorithm 2.

    >>> ddpm_step(torch.ones(1, 1), torch.zeros(1, 1), 0, torch.tensor([0.75]), torch.ones(1, 1))
    tensor([[2.]])
    """
    kept = torch.cumprod(1 - check_rates(betas), 0)
    before = torch.cat([torch.ones_like(kept[:1]), kept[:-1]])
    variance = at_step(betas * (1 - before) / (1 - kept), t, xt)
    return ddpm_mean(xt, eps, t, betas) + torch.sqrt(variance) * noise


def _levels(t: Tensor | int, prev_t: Tensor | int, betas: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
    """ᾱ at t and at prev_t, where −1 stands for the data."""
    kept = torch.cumprod(1 - check_rates(betas), 0)
    from_data = torch.cat([torch.ones_like(kept[:1]), kept])
    return at_step(kept, t, like), at_step(from_data, prev_t + 1, like)


def ddim_step(
    xt: Tensor, eps: Tensor, t: Tensor | int, prev_t: Tensor | int, betas: Tensor, noise: Tensor, eta: float = 0.0
) -> Tensor:
    """A step from t to any earlier one, with as much new noise as η says: none at η = 0, that of DDPM at η = 1.

    x' = √ᾱ' (x_t − √(1 − ᾱ) ε)/√ᾱ + √(1 − ᾱ' − σ²) ε + σ z,  σ² = η² (1 − ᾱ')/(1 − ᾱ) (1 − ᾱ/ᾱ')

    Shapes: xt, eps, noise [batch, …]; t and prev_t [batch] or numbers, prev_t = −1 for the data; betas [T].

    Raises:
        ValueError: A rate is outside (0, 1).

    Source: Song, Meng & Ermon 2021, eqs. 12 and 16.

    >>> ddim_step(torch.ones(1, 1), torch.zeros(1, 1), 0, -1, torch.tensor([0.75]), torch.zeros(1, 1))
    tensor([[2.]])
    """
    level, before = _levels(t, prev_t, betas, xt)
    variance = eta**2 * (1 - before) / (1 - level) * (1 - level / before)
    x0 = (xt - torch.sqrt(1 - level) * eps) / torch.sqrt(level)
    return torch.sqrt(before) * x0 + torch.sqrt(1 - before - variance) * eps + torch.sqrt(variance) * noise


def plms_step(
    xt: Tensor, eps: Tensor, old_eps: Sequence[Tensor], t: Tensor | int, prev_t: Tensor | int, betas: Tensor
) -> Tensor:
    """A deterministic step with the noise extrapolated from up to three predictions before, the newest last.

    ε' = ε, (3ε − ε₁)/2, (23ε − 16ε₁ + 5ε₂)/12 or (55ε − 59ε₁ + 37ε₂ − 9ε₃)/24, then the DDIM step with η = 0

    Shapes: xt, eps and each of old_eps [batch, …]; t and prev_t [batch] or numbers, prev_t = −1 for the data; betas
    [T].

    Raises:
        ValueError: A rate is outside (0, 1).

    Source: Liu, Ren, Lin & Zhao 2022, eqs. 9, 11 and 12.

    >>> plms_step(torch.ones(1, 1), torch.zeros(1, 1), [], 0, -1, torch.tensor([0.75]))
    tensor([[2.]])
    """
    weights = {0: (1.0,), 1: (3 / 2, -1 / 2), 2: (23 / 12, -16 / 12, 5 / 12)}
    weights = weights.get(len(old_eps), (55 / 24, -59 / 24, 37 / 24, -9 / 24))
    newest_first = [eps, *reversed(old_eps)]
    extrapolated = torch.zeros_like(eps)
    for weight, one in zip(weights, newest_first, strict=False):
        extrapolated = extrapolated + weight * one
    level, before = _levels(t, prev_t, betas, xt)
    x0 = (xt - torch.sqrt(1 - level) * extrapolated) / torch.sqrt(level)
    return torch.sqrt(before) * x0 + torch.sqrt(1 - before) * extrapolated


def classifier_free_guidance(conditional: Tensor, unconditional: Tensor, guidance_scale: float) -> Tensor:
    """The conditional prediction moved away from the unconditional one: u + s (c − u).

    Shapes: both [batch, …].

    Source: Ho & Salimans 2022, eq. 6, with s = 1 + w.

    >>> classifier_free_guidance(torch.tensor(2.0), torch.tensor(1.0), 3.0)
    tensor(4.)
    """
    return unconditional + guidance_scale * (conditional - unconditional)
