"""The forward process of a diffusion model, and what it says of the step before.

Steps are counted from 0, so that `betas[t]` is the rate of the step that leads to x_t, and data are x_{−1}.
"""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["at_step", "check_rates", "learned_range_log_variance", "posterior", "q_sample", "q_step"]


def check_rates(betas: Tensor) -> Tensor:
    """The rates themselves, where each is inside (0, 1); the last one may be 1.

    Raises:
        ValueError: There is none, one is outside, or they are in a dtype that is too narrow; the message says which.

    >>> check_rates(torch.tensor([0.5, 1.5]))
    Traceback (most recent call last):
        ...
    ValueError: got beta 1.5; expected rates inside (0, 1); check the ends of the schedule
    """
    if betas.dim() != 1 or not len(betas):
        raise ValueError(f"got rates of shape {tuple(betas.shape)}; expected one for each step; pass a vector")
    if betas.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"got a schedule in {betas.dtype}; expected float32 or float64; the product of many 1 - beta needs the "
            f"digits"
        )
    legal = (betas > 0) & (betas < 1)
    legal[-1] |= betas[-1] == 1
    if not bool(legal.all()):
        raise ValueError(
            f"got beta {float(betas[~legal][0])}; expected rates inside (0, 1); check the ends of the schedule"
        )
    return betas


def at_step(table: Tensor, t: Tensor | int, like: Tensor) -> Tensor:
    """The entry of a table for each sample, with axes of size one for those of a sample.

    Shapes: table [T]; t [batch] or a number; [batch, 1, …, 1] or [].

    >>> at_step(torch.tensor([5.0, 7.0]), torch.tensor([1, 0]), torch.zeros(2, 3)).tolist()
    [[7.0], [5.0]]
    """
    found = table[t]
    while 0 < found.dim() < like.dim():
        found = found.unsqueeze(-1)
    return found


def q_step(x: Tensor, t: Tensor | int, betas: Tensor, noise: Tensor) -> Tensor:
    """One step of noise: x_t = √(1 − β_t) x_{t−1} + √β_t ε.

    Shapes: x, noise [batch, …]; t [batch] or a number; betas [T].

    Raises:
        ValueError: A rate is outside (0, 1).

    Source: Ho, Jain & Abbeel 2020, eq. 2.

    >>> q_step(torch.ones(1, 1), 0, torch.tensor([0.75]), torch.zeros(1, 1))
    tensor([[0.5000]])
    """
    beta = at_step(check_rates(betas), t, x)
    return torch.sqrt(1 - beta) * x + torch.sqrt(beta) * noise


def q_sample(x0: Tensor, t: Tensor | int, betas: Tensor, noise: Tensor) -> Tensor:
    """All the steps up to t at once: x_t = √ᾱ_t x_0 + √(1 − ᾱ_t) ε.

    Shapes: x0, noise [batch, …]; t [batch] or a number; betas [T].

    Raises:
        ValueError: A rate is outside (0, 1).

    Source: Ho, Jain & Abbeel 2020, eq. 4.

    >>> q_sample(torch.ones(1, 1), 1, torch.tensor([0.5, 0.5]), torch.zeros(1, 1))
    tensor([[0.5000]])
    """
    kept = at_step(torch.cumprod(1 - check_rates(betas), 0), t, x0)
    return torch.sqrt(kept) * x0 + torch.sqrt(1 - kept) * noise


def posterior(x0: Tensor, xt: Tensor, t: Tensor | int, betas: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of x_{t−1} given x_t and x_0: both normal laws multiplied.

    μ̃ = √ᾱ_{t−1} β_t/(1 − ᾱ_t) x_0 + √α_t (1 − ᾱ_{t−1})/(1 − ᾱ_t) x_t,  β̃ = β_t (1 − ᾱ_{t−1})/(1 − ᾱ_t)

    Shapes: x0, xt [batch, …]; t [batch] or a number; betas [T]; the variance [batch, 1, …, 1] or [].

    Raises:
        ValueError: A rate is outside (0, 1).

    Source: Ho, Jain & Abbeel 2020, eq. 7.

    >>> posterior(torch.ones(1, 1), torch.zeros(1, 1), 0, torch.tensor([0.5, 0.5]))
    (tensor([[1.]]), tensor(0.))
    """
    betas = check_rates(betas)
    kept = torch.cumprod(1 - betas, 0)
    before = torch.cat([torch.ones_like(kept[:1]), kept[:-1]])
    of_data = torch.sqrt(before) * betas / (1 - kept)
    of_state = torch.sqrt(1 - betas) * (1 - before) / (1 - kept)
    mean = at_step(of_data, t, x0) * x0 + at_step(of_state, t, xt) * xt
    return mean, at_step(betas * (1 - before) / (1 - kept), t, x0)


def learned_range_log_variance(prediction: Tensor, t: Tensor | int, betas: Tensor) -> Tensor:
    """A log-variance between log β̃_t at v = −1 and log β_t at v = 1, with the second β̃ for the first, which is 0.

    log σ² = ½ (v + 1) log β_t + ½ (1 − v) log β̃_t

    Shapes: prediction [batch, …]; t [batch] or a number; betas [T], T ≥ 2.

    Raises:
        ValueError: A rate is outside (0, 1), or there is but one.

    Source: Nichol & Dhariwal 2021, eq. 15.

    >>> learned_range_log_variance(torch.ones(1, 1), 1, torch.tensor([0.5, 0.25])).exp()
    tensor([[0.2500]])
    """
    betas = check_rates(betas)
    if len(betas) < 2:
        raise ValueError("got one step; expected at least 2; the posterior of the only step has no variance")
    kept = torch.cumprod(1 - betas, 0)
    before = torch.cat([torch.ones_like(kept[:1]), kept[:-1]])
    smallest = betas * (1 - before) / (1 - kept)
    smallest = torch.cat([smallest[1:2], smallest[1:]])
    share = (prediction + 1) / 2
    high, low = at_step(torch.log(betas), t, prediction), at_step(torch.log(smallest), t, prediction)
    return share * high + (1 - share) * low
