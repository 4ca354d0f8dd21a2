"""Mutants of Wasserstein distances on the line and of normal laws, and twins in the styles of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from scipy.stats import wasserstein_distance

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
LINE, NORMALS = "transport.wasserstein_1d", "transport.wasserstein_normals"


def mutant(like: str, killed_by: str = "dialect") -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong distance."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        make = lambda: Formula(f, like=like)  # noqa: E731
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, **how: Any) -> Callable[[Any], Any]:
    """Declares the decorated function as a right one."""

    def declare(f: Any) -> Any:
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=lambda: Formula(f, like=like, **how)))
        return f

    return declare


@mutant(LINE)
def as_they_come(x, y):
    """The samples are paired in the order in which they are given."""
    return (x - y).abs().mean()


@mutant(LINE)
def one_sorted_downwards(x, y):
    """The dearest coupling. Met as sort(descending=True) of one of the two."""
    return (x.sort().values - y.sort(descending=True).values).abs().mean()


@mutant(LINE)
def summed(x, y):
    """Each point has the weight one."""
    return (x.sort().values - y.sort().values).abs().sum()


@mutant(LINE)
def root_of_a_sum_over_n(x, y):
    """√Σd²/n for √(Σd²/n): the divisor outside the root."""
    return torch.dist(x.sort().values, y.sort().values) / len(x)


@mutant(LINE)
def difference_of_means(x, y):
    """A lower bound, which is the distance of shifted samples alone."""
    return (x.mean() - y.mean()).abs()


@mutant(NORMALS)
def variances_for_deviations(mu_p, sigma_p, mu_q, sigma_q):
    """(σ_p² − σ_q²)²."""
    return ((mu_p - mu_q) ** 2 + (sigma_p**2 - sigma_q**2) ** 2).sum(-1)


@mutant(NORMALS)
def product_without_its_root(mu1, var1, mu2, var2):
    """σ² + τ² − 2σ²τ²: the root of the product of the covariances is missing."""
    return ((mu1 - mu2) ** 2).sum(-1) + (var1 + var2 - 2 * var1 * var2).sum(-1)


@mutant(NORMALS)
def norms_not_squared(mu_p, std_p, mu_q, std_q):
    """√(‖μ_p − μ_q‖ + ‖σ_p − σ_q‖): the squares under the root are missing."""
    return torch.sqrt((mu_p - mu_q).norm(dim=-1) + (std_p - std_q).norm(dim=-1))


# Correct, in other styles.


@twin(LINE)
def squared_by_a_dot_product(x, y):
    gap = x.sort(dim=0)[0] - y.sort(dim=0)[0]
    return torch.dot(gap, gap) / x.size(0)


@twin(LINE, layout="samples of any sizes")
def by_scipy(u_values, v_values):
    return wasserstein_distance(u_values.detach().numpy(), v_values.detach().numpy())


@twin(LINE)
def area_between_distribution_functions(x, y):
    at = torch.cat([x, y]).sort().values
    f = (x[:, None] <= at[None, :-1]).to(x).mean(0)
    g = (y[:, None] <= at[None, :-1]).to(x).mean(0)
    return (torch.diff(at) * (f - g).abs()).sum()


@twin(LINE)
def columns_in_place(x, y):
    x, y = x.clone(), y.t().contiguous().t()
    x.copy_(x.sort(0).values)
    return x.sub(y.sort(0).values).abs_().mean(0)


@twin(NORMALS)
def by_traces(mu1, var1, mu2, var2):
    return (mu1 - mu2).pow(2).sum(-1) + (var1 + var2 - 2 * (var1 * var2).sqrt()).sum(-1)


@twin(NORMALS)
def rooted_from_logarithms(mu1, logvar1, mu2, logvar2):
    first, second = torch.exp(0.5 * logvar1), torch.exp(0.5 * logvar2)
    return torch.sqrt(((mu1 - mu2) ** 2).sum(-1) + ((first - second) ** 2).sum(-1))


@twin(NORMALS)
def number_by_number(m1, s1, m2, s2):
    return (m1 - m2) ** 2 + (s1 - s2) ** 2
