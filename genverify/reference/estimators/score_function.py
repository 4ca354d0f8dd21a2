r"""The score-function estimator (REINFORCE): differentiate the law, not the reward.

    $$ \nabla_\theta\, E_{z \sim p_\theta} f(z) = E\big[ f(z)\, \nabla_\theta \log p_\theta(z) \big] $$

Source: Williams 1992, Simple statistical gradient-following algorithms, section 3.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

__all__ = ["bernoulli", "categorical", "categorical_score", "log_derivative", "normal", "surrogate"]


def log_derivative(reward: Tensor, score: Tensor) -> Tensor:
    """One estimate for each sample: f(z) ∇ log p(z).

    Shapes: reward [batch], score [batch, parameters]; [batch, parameters].

    >>> log_derivative(torch.tensor([2.0]), torch.tensor([[1.0, -1.0]]))
    tensor([[ 2., -2.]])
    """
    return reward.unsqueeze(-1) * score


def surrogate(log_prob: Tensor, reward: Tensor) -> Tensor:
    """A number whose gradient is the estimate: the mean of log p(z) f(z), the reward held fixed.

    Shapes: both [batch]; a number.

    >>> surrogate(torch.tensor([-1.0]), torch.tensor([3.0]))
    tensor(-3.)
    """
    return (log_prob * reward.detach()).mean()


def categorical_score(logits: Tensor, samples: Tensor) -> Tensor:
    """∂ log p(k)/∂ logits = one-hot(k) - softmax(logits).

    Shapes: logits [outcomes], samples [n] integers; [n, outcomes].

    >>> categorical_score(torch.zeros(2), torch.tensor([0]))
    tensor([[ 0.5000, -0.5000]])
    """
    return torch.nn.functional.one_hot(samples, logits.shape[-1]).to(logits) - torch.softmax(logits, -1)


def categorical(logits: Tensor, reward: Callable[[Tensor], Tensor], samples: Tensor) -> Tensor:
    """The mean over samples of f(k) ∇ log p(k).

    Shapes: logits [outcomes], samples [n], reward maps [n] to [n]; [outcomes].

    >>> categorical(torch.zeros(2), lambda k: k + 1.0, torch.tensor([0, 1]))
    tensor([-0.2500,  0.2500])
    """
    return log_derivative(reward(samples), categorical_score(logits, samples)).mean(0)


def bernoulli(probs: Tensor, reward: Callable[[Tensor], Tensor], samples: Tensor) -> Tensor:
    """The mean over samples of f(b) (b - p)/(p (1 - p)).

    Shapes: probs [d], samples [n, d] of 0 and 1, reward maps [n, d] to [n]; [d].

    >>> bernoulli(torch.tensor([0.5]), lambda b: b.sum(-1), torch.tensor([[0.0], [1.0]]))
    tensor([1.])
    """
    score = (samples - probs) / (probs * (1 - probs))
    return log_derivative(reward(samples), score).mean(0)


def normal(mean: Tensor, std: Tensor, reward: Callable[[Tensor], Tensor], samples: Tensor) -> tuple[Tensor, Tensor]:
    """The gradients with respect to mean and standard deviation of a diagonal normal law.

    score in μ: (z - μ)/σ²; score in σ: ((z - μ)² - σ²)/σ³.

    Shapes: mean, std [d], samples [n, d], reward maps [n, d] to [n]; two [d].

    >>> normal(torch.zeros(1), torch.ones(1), lambda z: z.sum(-1), torch.tensor([[1.0], [-1.0]]))
    (tensor([1.]), tensor([0.]))
    """
    deviation = samples - mean
    value = reward(samples)
    in_mean = log_derivative(value, deviation / std**2)
    in_std = log_derivative(value, (deviation**2 - std**2) / std**3)
    return in_mean.mean(0), in_std.mean(0)
