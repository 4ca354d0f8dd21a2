"""The leave-one-out baseline: each sample is compared with the mean reward of the others.

Source: Mnih & Rezende 2016, Variational inference for Monte Carlo objectives; Kool, van Hoof & Welling 2019.
"""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from genverify.reference.estimators.score_function import categorical_score, log_derivative

__all__ = ["baseline", "categorical", "estimate"]


def baseline(rewards: Tensor) -> Tensor:
    """b_i = mean of r_j over j ≠ i.

    Shapes: [n] with n ≥ 2; [n].

    >>> import torch
    >>> baseline(torch.tensor([1.0, 2.0, 6.0]))
    tensor([4.0000, 3.5000, 1.5000])
    """
    return (rewards.sum() - rewards) / (len(rewards) - 1)


def estimate(reward: Tensor, score: Tensor) -> Tensor:
    """The mean over samples of (f_i - b_i) s_i, from rewards and scores.

    Shapes: reward [n] with n ≥ 2, score [n, parameters]; [parameters].

    >>> import torch
    >>> estimate(torch.tensor([1.0, 2.0]), torch.tensor([[0.5], [-0.5]]))
    tensor([-0.5000])
    """
    return log_derivative(reward - baseline(reward), score).mean(0)


def categorical(logits: Tensor, reward: Callable[[Tensor], Tensor], samples: Tensor) -> Tensor:
    """The mean over samples of (f(k_i) - b_i) ∇ log p(k_i); unbiased, since b_i does not see k_i.

    Shapes: logits [outcomes], samples [n] with n ≥ 2, reward maps [n] to [n]; [outcomes].

    >>> import torch
    >>> categorical(torch.zeros(2), lambda k: k + 1.0, torch.tensor([0, 1]))
    tensor([-0.5000,  0.5000])
    """
    return estimate(reward(samples), categorical_score(logits, samples))
