"""Mutants of sample moments, each with one named bug, and twins in unusual styles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []


def mutant(like: str) -> Callable[[Any], Any]:
    """Declares the decorated function as a wrong moment."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        make = lambda: Formula(f, like=f"moments.{like}")  # noqa: E731
        MUTANTS.append(Mutant(name=f"moments.{like}: {f.__name__}", make=make, killed_by="formula.dialect"))
        return f

    return declare


def twin(like: str) -> Callable[[Any], Any]:
    """Declares the decorated function as a right one."""

    def declare(f: Any) -> Any:
        TWINS.append(Twin(name=f"moments.{like}: {f.__name__}", make=lambda: Formula(f, like=f"moments.{like}")))
        return f

    return declare


@mutant("running")
def within_alone(mean, var, count, batch_mean, batch_var, batch_count):
    """The distance of the means is forgotten."""
    n = count + batch_count
    return mean + (batch_mean - mean) * batch_count / n, (count * var + batch_count * batch_var) / n


@mutant("running")
def halves(mean, var, count, batch_mean, batch_var, batch_count):
    """Both samples weigh the same."""
    gap = batch_mean - mean
    return mean + gap / 2, (var + batch_var) / 2 + gap**2 / 4


@mutant("variance")
def around_zero(x):
    """The mean of squares."""
    return (x**2).mean(0)


@mutant("covariance")
def not_centred(x):
    """E xxᵀ."""
    return x.T @ x / len(x)


@twin("variance")
def by_moments(x):
    """E x² − (E x)²."""
    return (x * x).mean(0) - x.mean(0) ** 2


@twin("variance")
def welford(x):
    """One observation after the other."""
    mean, squares = torch.zeros_like(x[0]), torch.zeros_like(x[0])
    for count, row in enumerate(x, 1):
        gap = row - mean
        mean = mean + gap / count
        squares = squares + gap * (row - mean)
    return squares / (len(x) - 1)


@twin("covariance")
def by_torch(x):
    """torch's own, of rows."""
    return torch.cov(x.T).reshape(x.shape[1], x.shape[1])


@twin("running")
def of_baselines(mean, var, count, batch_mean, batch_var, batch_count):
    """The running moments of reinforcement learning, in their usual words."""
    delta = batch_mean - mean
    total = count + batch_count
    m_a, m_b = var * count, batch_var * batch_count
    m_2 = m_a + m_b + torch.square(delta) * count * batch_count / total
    return mean + delta * batch_count / total, m_2 / total
