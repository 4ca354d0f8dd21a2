"""A network made a denoiser: scaled in front, behind and beside, so that it always works at variance one."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

__all__ = ["loss_weight", "preconditioned"]


def preconditioned(
    network: Callable[[Tensor, Tensor], Tensor], x: Tensor, sigma: Tensor, sigma_data: float = 0.5
) -> Tensor:
    """What the sample is denoised to: ``D = c_skip x + c_out F(c_in x, c_noise)``.

    ``c_skip = σ_d²/(σ² + σ_d²)``, ``c_out = σ σ_d/√(σ² + σ_d²)``, ``c_in = 1/√(σ² + σ_d²)``, ``c_noise = ¼ ln σ``

    Shapes: x [batch, …]; sigma one number, or [batch].

    Source: Karras, Aittala, Aila & Laine 2022, eq. 7 and table 1.

    >>> import torch
    >>> preconditioned(lambda x, noise: 0 * x, torch.ones(1, 2), torch.tensor(0.5))
    tensor([[0.5000, 0.5000]])
    """
    level = sigma.reshape(-1, *(1,) * (x.dim() - 1))
    total = level**2 + sigma_data**2
    scaled = network(x / total.sqrt(), sigma.log() / 4)
    return sigma_data**2 / total * x + level * sigma_data / total.sqrt() * scaled


def loss_weight(sigma: Tensor, sigma_data: float = 0.5) -> Tensor:
    """The weight of the squared error of the denoiser: ``(σ² + σ_d²)/(σ σ_d)²``.

    Source: Karras et al. 2022, table 1.

    >>> import torch
    >>> loss_weight(torch.tensor([0.5, 1.0]))
    tensor([8., 5.])
    """
    return (sigma**2 + sigma_data**2) / (sigma * sigma_data) ** 2
