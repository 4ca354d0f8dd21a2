"""The adaptive integral of what grids do not settle."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

from genverify.numerics.adaptive_cubature import adaptive_cubature, embedded_rule
from genverify.numerics.adaptive_mass import adaptive_mass
from genverify.numerics.rounding import gamma
from genverify.numerics.total_mass import total_mass


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_the_rules_integrate_monomials_of_their_degrees(dims):
    points, seventh, fifth = embedded_rule(dims)
    allowed = gamma(16 * len(points), torch.float64)
    for powers in itertools.product(range(8), repeat=dims):
        exact = math.prod(1 / (power + 1) if power % 2 == 0 else 0.0 for power in powers)
        monomial = (points ** torch.tensor(powers)).prod(-1)
        for rule, degree in ((seventh, 7), (fifth, 5)):
            if sum(powers) <= degree:
                assert abs(float(rule @ monomial) - exact) <= allowed * float((rule * monomial).abs().sum() + 1)
    beyond = float(seventh @ points[:, 0] ** 8)
    assert abs(beyond - 1 / 9) > 1e-3


KINKED = {
    "a ridge across": (lambda x: (x.sum(-1) - 0.3).abs(), lambda d: None),
    "a step": (lambda x: (x[:, 0] < 1 / math.pi).double(), lambda d: 1 / math.pi),
    "a narrow peak": (
        lambda x: torch.exp(-0.5 * ((x - 0.4) ** 2).sum(-1) / 0.01**2),
        lambda d: (math.sqrt(2 * math.pi) * 0.01) ** d,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", KINKED)
@pytest.mark.parametrize("dims", [1, 2, 3])
def test_the_estimate_covers_the_error(name, dims):
    """Fourfold, as its caller takes it; of the ridge by two partitions, which start from other cells."""
    f, exact = KINKED[name]
    found = [adaptive_cubature(f, [(0.0, 1.0)] * dims, tolerance=1e-6, points=400_000, cells=cells) for cells in (6, 9)]
    truth = exact(dims)
    for one in found:
        wanted = found[0].value if truth is None else truth
        assert abs(one.value - wanted) <= 4 * max(one.error, found[0].error)
        assert one.points <= 500_000
        assert float((2 * one.halves).prod(-1).sum()) == pytest.approx(1.0, rel=1e-12)  # the regions fill the box


def _rotated_laplace(x):
    turn = torch.linalg.qr(torch.arange(1.0, 10.0, dtype=torch.float64).reshape(3, 3).sin())[0]
    return -(x @ turn).abs().sum(-1) - 3 * math.log(2)


def test_a_density_with_edges_in_three_dimensions_settles():
    """Grids leave an error of some thousandths; cells one of less than a resolution of 1e-3 asks for."""
    grid = total_mass(_rotated_laplace, 3, points=2**16)
    assert 4 * grid.error > 1e-3
    found = adaptive_mass(_rotated_laplace, 3, grid).mass
    assert abs(found.value - 1) < 2.5e-4
    assert 4 * found.error < 1e-3


def test_what_leaves_the_box_is_not_lost():
    """A ridge so narrow that a coarse grid cuts it off: the box grows until nothing is left at its ends."""

    def ridge(x):
        y = x[:, 1] - 20 * x[:, 0]
        return -0.5 * (x[:, 0] ** 2 + y**2) - math.log(2 * math.pi)

    grid = total_mass(ridge, 2, points=2**14)
    found = adaptive_mass(ridge, 2, grid, points=2**18).mass
    assert abs(found.value - 1) <= max(4 * found.error, 2.5e-4)
