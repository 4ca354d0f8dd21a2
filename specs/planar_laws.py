"""Moons, rings and a checkerboard: three laws in the plane whose densities are known, with any noise added.

The first two are scikit-learn's `make_moons` and `make_circles`, drawn at random angles, twice as large, and the moons
about zero; so all three are as wide as each other. With z ~ N(0, I), σ² the variance of the noise, and n(x; c, σ²) the
normal density:

- moons: ½ ∫ n(x; c(t), σ²) dt/π over one half circle, and the same over its mirror image: by quadrature;
- rings of radius r: n(x; 0, σ²) exp(−r²/2σ²) I₀(|x| r/σ²), I₀ a Bessel function, the mean of both;
- a board of eight black fields of side one: 1/8 on them; with noise, a sum of products of normal distribution
  functions.

Source: Pedregosa et al. 2011, "Scikit-learn"; Grathwohl et al. 2019, "FFJORD", section 5 (these sets for flows).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

SIZE, SPREAD = 2.0, 0.2  # radius of the larger circle; standard deviation around it
RADII = (SIZE, SIZE / 2)
CENTRE = (SIZE / 2, SIZE / 4)  # of scikit-learn's two moons, taken off
FIELDS = 2.0  # the board is [−2, 2]²
NODES = 128  # of the quadrature over half a circle, twice as many as it needs (test_the_truth_is_known)
HALF_WIDTH, CELLS = 5.0, 200  # of the grid over the plane: nothing is outside of it
WEIGHTLESS = 1e-15  # nodes of less weight are left out: all of them weigh 4e-11
SURE = 5.0  # standard errors: a normal deviate exceeds them with probability 3e-7


@dataclass(frozen=True, kw_only=True)
class Law:
    """A law in the plane.

    Attributes:
        draw: How many → so many independent draws, [n, 2], from torch's default generator.
        density: (x, v) → log p(x) of a draw plus normal noise of variance v in each coordinate: [n, 2] → [n].
    """

    draw: Callable[[int], Tensor]
    density: Callable[[Tensor, float], Tensor]


def _moons(count: int) -> Tensor:
    t = math.pi * torch.rand(count)
    arc = SIZE * torch.stack([torch.cos(t), torch.sin(t)], -1) - torch.tensor(CENTRE)
    sign = 2.0 * torch.randint(2, (count, 1)) - 1.0  # the second moon is the first one's image in the centre
    return sign * arc + SPREAD * torch.randn(count, 2)


def moons_density(x: Tensor, noise: float = 0.0, nodes: int = NODES) -> Tensor:
    """Log p(x), by Gauss and Legendre's rule over the angle."""
    place, weight = (torch.from_numpy(one).to(x) for one in np.polynomial.legendre.leggauss(nodes))
    t, variance = (place + 1) * math.pi / 2, SPREAD**2 + noise
    arc = SIZE * torch.stack([torch.cos(t), torch.sin(t)], -1) - torch.tensor(CENTRE).to(x)
    square = (x**2).sum(-1, keepdim=True) + (arc**2).sum(-1)
    both = torch.stack([square - 2 * x @ arc.mT, square + 2 * x @ arc.mT], -1) / (2 * variance)
    return torch.logsumexp((weight / 4).log()[:, None] - both, (-2, -1)) - math.log(2 * math.pi * variance)


def _rings(count: int) -> Tensor:
    t, radius = 2 * math.pi * torch.rand(count), torch.tensor(RADII)[torch.randint(2, (count,))]
    return radius[:, None] * torch.stack([torch.cos(t), torch.sin(t)], -1) + SPREAD * torch.randn(count, 2)


def _rings_density(x: Tensor, noise: float = 0.0) -> Tensor:
    variance, length = SPREAD**2 + noise, x.norm(dim=-1)
    parts = [torch.log(torch.special.i0e(length * r / variance)) - (length - r) ** 2 / (2 * variance) for r in RADII]
    return torch.logsumexp(torch.stack(parts), 0) - math.log(2 * len(RADII) * math.pi * variance)


def _board(count: int) -> Tensor:
    column, row = torch.randint(4, (count,)), torch.randint(2, (count,))
    corner = torch.stack([column, 2 * row + column % 2], -1)
    return corner + torch.rand(count, 2) - FIELDS


def _board_density(x: Tensor, noise: float = 0.0) -> Tensor:
    if not noise:
        field = torch.floor(x + FIELDS)
        black = (field.sum(-1) % 2 == 0) & (x.abs() < FIELDS).all(-1)
        return torch.where(black, torch.full_like(x[:, 0], -math.log(8.0)), -math.inf)
    edge = torch.arange(5).to(x) - FIELDS
    below = torch.special.ndtr((edge - x[..., None]) / math.sqrt(noise))
    share = below.diff(dim=-1)  # of each column and each row
    even, odd = share[..., 0::2].sum(-1), share[..., 1::2].sum(-1)
    return torch.log((even[:, 0] * even[:, 1] + odd[:, 0] * odd[:, 1]) / 8)


LAWS = {
    "moons": Law(draw=_moons, density=moons_density),
    "rings": Law(draw=_rings, density=_rings_density),
    "board": Law(draw=_board, density=_board_density),
}


@functools.cache
def drawn(name: str, count: int, seed: int) -> Tensor:
    """So many draws of the law of that name, the same every time; torch's own random numbers stay as they were."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LAWS[name].draw(count)


@functools.cache
def grid(cells: int = CELLS) -> tuple[Tensor, float]:
    """The centres of the cells of a square around zero, row by row, and the area of one."""
    side = 2 * HALF_WIDTH / cells
    line = (torch.arange(cells, dtype=torch.float64) + 0.5) * side - HALF_WIDTH
    return torch.cartesian_prod(line, line).flip(-1), side**2


@functools.cache
def nodes(name: str, cells: int = CELLS) -> tuple[Tensor, Tensor]:
    """Points and weights with Σ w f(x) = E f(x): of the grid, or for the board Gauss's in each of its fields."""
    if name == "board":
        place, weight = (torch.from_numpy(one) / 2 for one in np.polynomial.legendre.leggauss(cells // 8))
        within = torch.cartesian_prod(place, place)
        corners = [(i - 1.5, j - 1.5) for i in range(4) for j in range(4) if (i + j) % 2 == 0]
        x = torch.cat([within + torch.tensor(corner, dtype=torch.float64) for corner in corners])
        return x, torch.outer(weight, weight).flatten().repeat(len(corners)) / len(corners)
    x, area = grid(cells)
    weight = LAWS[name].density(x, 0.0).exp() * area
    kept = weight > WEIGHTLESS
    return x[kept], weight[kept]


def expectation(name: str, f: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """E f(x) by quadrature, and how much half as many nodes a side differ."""
    with torch.no_grad():
        found = [float(weight @ f(x)) for x, weight in (nodes(name), nodes(name, CELLS // 2))]
    return found[0], abs(found[0] - found[1])


def truth(name: str) -> float:
    """E log p(x) = −H(p), which no density exceeds on average."""
    return expectation(name, lambda x: LAWS[name].density(x, 0.0))[0]


@functools.cache
def best_normal(name: str) -> torch.distributions.MultivariateNormal:
    """The normal law of the law's mean and covariance, which is the nearest of them."""
    x, weight = nodes(name)
    mean = weight @ x
    return torch.distributions.MultivariateNormal(mean, (weight[:, None] * (x - mean)).mT @ (x - mean))


def lead(one: Tensor, other: Tensor | float = 0.0) -> tuple[float, float]:
    """By how much one is above the other on average over draws, and SURE standard errors of that."""
    gap = (one - other).double()
    return float(gap.mean()), SURE * float(gap.std()) / math.sqrt(len(gap))
