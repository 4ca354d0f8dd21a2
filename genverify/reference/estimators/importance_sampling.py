r"""Importance sampling: draw from one law, average under another.

    $$ E_p f = E_q\Big[ f(x) \frac{p(x)}{q(x)} \Big] \approx \frac1n \sum_i f(x_i) \frac{p(x_i)}{q(x_i)} $$

Source: Robert & Casella 2004, Monte Carlo Statistical Methods, section 3.3.1.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

__all__ = ["mean"]


def mean(
    reward: Callable[[Tensor], Tensor],
    log_target: Callable[[Tensor], Tensor],
    log_proposal: Callable[[Tensor], Tensor],
    samples: Tensor,
) -> Tensor:
    """The mean of f(x) p(x)/q(x) over samples of q; unbiased wherever q > 0 where f p ≠ 0.

    Shapes: samples [n], each function maps [n] to [n]; a number.

    >>> import torch
    >>> mean(lambda x: x, lambda x: 0 * x, lambda x: 0 * x, torch.tensor([1.0, 3.0]))
    tensor(2.)
    """
    return (reward(samples) * (log_target(samples) - log_proposal(samples)).exp()).mean()
