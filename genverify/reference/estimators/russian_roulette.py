r"""Randomised truncation of a sum: stop at random, and weigh each term by the probability that it is reached.

    $$ E \sum_{k \le N} \frac{a_k}{P(N \ge k)} = \sum_k a_k; \qquad E \frac{a_N}{P(N)} = \sum_k a_k $$

Source: Lyne, Girolami, Atchadé, Strathmann & Simpson 2015, On Russian roulette estimates, section 2; Kahn 1955.
"""

from __future__ import annotations

from torch import Tensor

__all__ = ["roulette", "single_term"]


def roulette(terms: Tensor, reached: Tensor, last: Tensor) -> Tensor:
    """The terms up to the last, each over the probability that it is reached.

    Shapes: terms, reached [K] with reached_k = P(N ≥ k), last [n] indices of N; a number, the mean over n.

    >>> import torch
    >>> roulette(torch.tensor([1.0, 0.5]), torch.tensor([1.0, 0.25]), torch.tensor([0, 1]))
    tensor(2.)
    """
    return (terms / reached).cumsum(-1)[last].mean()


def single_term(terms: Tensor, probability: Tensor, last: Tensor) -> Tensor:
    """One term alone, over the probability of drawing it.

    Shapes: terms, probability [K], last [n]; a number.

    >>> import torch
    >>> single_term(torch.tensor([1.0, 0.5]), torch.tensor([0.5, 0.5]), torch.tensor([0, 1]))
    tensor(1.5000)
    """
    return (terms / probability)[last].mean()
