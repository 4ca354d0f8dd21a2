"""The maximum likelihood fit of a normal distribution: in closed form, and by gradient descent."""

from __future__ import annotations

import torch

from genverify.reference.likelihood.normal import nll

__all__ = ["fit_by_gradient_descent", "mle", "mle_covariance"]


def mle(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and variance of maximum likelihood: ``μ̂ = (1/n) Σ x_i``, ``σ̂² = (1/n) Σ (x_i − μ̂)²``.

    Shapes: ``x`` [n, ...]; two results [...].

    Source: Fisher 1922, section 6.

    >>> mle(torch.tensor([1.0, 3.0]))
    (tensor(2.), tensor(1.))
    """
    mean = x.mean(0)
    return mean, ((x - mean) ** 2).mean(0)


def mle_covariance(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and covariance of maximum likelihood: ``Σ̂ = (1/n) Σ (x_i − μ̂)(x_i − μ̂)ᵀ``.

    Shapes: ``x`` [n, k]; the mean [k] and the covariance [k, k].

    Source: Bishop 2006, eq. 2.121 and 2.122.

    >>> mle_covariance(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))[1]
    tensor([[1., 0.],
            [0., 0.]])
    """
    mean = x.mean(0)
    centred = x - mean
    return mean, centred.T @ centred / x.shape[0]


def fit_by_gradient_descent(
    x: torch.Tensor, *, steps: int = 2_000, learning_rate: float = 0.1
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same fit, found: gradient descent on the mean negative log-likelihood in μ and log σ.

    Shapes: ``x`` [n]; two scalars, mean and variance.

    Source: Blog, "Fundamentals of deep learning" (the fit as an optimisation).

    >>> mean, variance = fit_by_gradient_descent(torch.tensor([1.0, 3.0], dtype=torch.float64))
    >>> round(mean.item(), 6), round(variance.item(), 6)
    (2.0, 1.0)
    """
    mean = torch.zeros((), dtype=x.dtype, requires_grad=True)
    log_std = torch.zeros((), dtype=x.dtype, requires_grad=True)
    for _ in range(steps):
        loss = nll(x, mean, log_std.exp()).mean()
        gradient_mean, gradient_log_std = torch.autograd.grad(loss, (mean, log_std))
        with torch.no_grad():
            mean -= learning_rate * gradient_mean
            log_std -= learning_rate * gradient_log_std
    return mean.detach(), (2 * log_std).exp().detach()
