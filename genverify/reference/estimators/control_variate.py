r"""Control variates: subtract what is known to have mean zero.

    $$ \hat f = \frac1n \sum_i f_i - a (c_i - E c), \qquad a^* = \operatorname{Cov}(f, c) / \operatorname{Var} c $$

Source: Robert & Casella 2004, Monte Carlo Statistical Methods, section 4.4.2.
"""

from __future__ import annotations

from torch import Tensor

__all__ = ["difference", "estimate", "optimal_coefficient", "plain"]


def estimate(fx: Tensor, cx: Tensor, mean_c: Tensor, coefficient: Tensor) -> Tensor:
    """The mean of f - a (c - E c); unbiased for every a that does not depend on the samples.

    Shapes: fx, cx [n]; mean_c, coefficient numbers; a number.

    >>> import torch
    >>> estimate(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0]), torch.tensor(0.5), torch.tensor(2.0))
    tensor(2.)
    """
    return (fx - coefficient * (cx - mean_c)).mean()


def optimal_coefficient(fx: Tensor, cx: Tensor) -> Tensor:
    """a* = Cov(f, c)/Var c, estimated from samples.

    Shapes: fx, cx [n]; a number.

    >>> import torch
    >>> optimal_coefficient(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0]))
    tensor(2.)
    """
    deviation = cx - cx.mean()
    return ((fx - fx.mean()) * deviation).sum() / (deviation**2).sum()


def difference(fx: Tensor, cx: Tensor, mean_c: Tensor) -> Tensor:
    """The coefficient 1: lower in variance than the plain mean if and only if Cov(f, c) > Var c / 2.

    Shapes: fx, cx [n], mean_c a number; a number.

    >>> import torch
    >>> difference(torch.tensor([1.0, 3.0]), torch.tensor([0.0, 1.0]), torch.tensor(0.5))
    tensor(2.)
    """
    return (fx - (cx - mean_c)).mean()


def plain(fx: Tensor, cx: Tensor, mean_c: Tensor) -> Tensor:
    """The mean of f, whatever the control is.

    Shapes: fx, cx [n], mean_c a number; a number.

    >>> import torch
    >>> plain(torch.tensor([1.0, 3.0]), torch.zeros(2), torch.tensor(0.0))
    tensor(2.)
    """
    return fx.mean()
