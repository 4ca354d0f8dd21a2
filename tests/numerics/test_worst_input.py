"""The net over a type and the search around its worst point."""

from __future__ import annotations

import math

import pytest
import torch

from genverify.numerics.worst_input import every_number, neighbours, net, refine


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_a_net_has_every_size_and_stays_inside(dtype):
    found = net(dtype, -math.inf, math.inf, 400, torch.Generator().manual_seed(1)).double()
    info = torch.finfo(dtype)
    assert bool(torch.isfinite(found).all())
    assert {0.0, 1.0, info.max, -info.tiny} <= set(found.tolist())
    sizes = found[found != 0].abs().log2()
    assert float(sizes.min()) < math.log2(info.tiny) + 1
    assert float(sizes.max()) > math.log2(info.max) - 1
    inside = net(dtype, 0.0, 1.0, 400, torch.Generator().manual_seed(1)).double()
    assert bool(((inside > 0) & (inside < 1)).all())
    assert float(inside.min()) < 1e-6


def test_all_numbers_of_a_short_type():
    found = every_number(torch.bfloat16, -math.inf, math.inf)
    assert len(found) == 2 * (2**15 - 2**7) - 1  # both signs of every finite pattern, and one zero
    assert bool((found.double().diff() > 0).all())


def test_neighbours_are_steps_away():
    x = torch.tensor([1.0, -2.0])
    assert bool(((neighbours(x, 3, torch.Generator().manual_seed(0)) - x).abs() <= 3 * 2.0**-22).all())


def test_a_narrow_spike_beside_the_start_is_found():
    spike = torch.tensor(1.0 + 2.0**-30, dtype=torch.float64)

    def error(x):
        return 1.0 / (1.0 + (x - spike).abs() * 2.0**40)

    start = torch.tensor(1.0, dtype=torch.float64)
    at, worst = refine(error, start, float(error(start)), rounds=40, generator=torch.Generator().manual_seed(0))
    assert worst > 8 * float(error(start))
    assert abs(float(at - spike)) < 2.0**-33
