import math

import mpmath
import pytest
import torch

from genverify.errors import UsageError
from genverify.numerics import ulp, ulp_error, ulps_between

FLOATS = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


def _grid(dtype):
    info = torch.finfo(dtype)
    return [0.0, info.tiny * info.eps, info.tiny, 0.75, 1.0, 3.0, info.max / 4]


@pytest.mark.parametrize("dtype", FLOATS)
def test_ulp_is_the_gap_to_the_next_float(dtype):
    for x in _grid(dtype):
        here = torch.tensor(x, dtype=dtype)
        gap = torch.nextafter(here, torch.tensor(math.inf, dtype=dtype)).double() - here.double()
        assert ulp(here, dtype) == gap, x
        assert ulp(-here, dtype) == gap, x


@pytest.mark.parametrize("dtype", FLOATS)
def test_one_step_is_one_ulp_apart_on_either_side_of_anything(dtype):
    for x in _grid(dtype):
        here = torch.tensor(x, dtype=dtype)
        above = torch.nextafter(here, torch.tensor(math.inf, dtype=dtype))
        below = torch.nextafter(here, torch.tensor(-math.inf, dtype=dtype))
        assert ulps_between(here, above, dtype) == 1
        assert ulps_between(below, above, dtype) == 2
        assert ulps_between(above, below, dtype) == 2


@pytest.mark.parametrize("dtype", FLOATS)
def test_zeros_are_equal_and_special_values_are_far_from_numbers(dtype):
    zero, inf, nan, one = (torch.tensor(v, dtype=dtype) for v in (0.0, math.inf, math.nan, 1.0))
    assert ulps_between(zero, -zero, dtype) == 0
    assert ulps_between(inf, inf, dtype) == 0
    assert ulps_between(nan, nan, dtype) == 0
    assert ulps_between(inf, -inf, dtype) == math.inf
    assert ulps_between(nan, one, dtype) == math.inf
    assert ulps_between(one, inf, dtype) == math.inf
    assert ulp_error(inf, inf.double(), dtype) == 0
    assert ulp_error(nan, one.double(), dtype) == math.inf


def test_the_largest_distance_does_not_wrap_around():
    largest = torch.tensor(torch.finfo(torch.float64).max, dtype=torch.float64)
    assert ulps_between(-largest, largest, torch.float64) == pytest.approx(2 * (0x7FE << 52) + 2 * 2**52, rel=1e-12)


def test_ulp_error_counts_fractions_against_an_exact_value():
    exact = torch.tensor(float(mpmath.mpf(1) / 3), dtype=torch.float64)
    rounded = exact.float()
    assert 0 < ulp_error(rounded, exact, torch.float32) <= 0.5


def test_an_integer_dtype_is_refused_with_a_way_out():
    with pytest.raises(UsageError, match=r"torch\.int32.*float64"):
        ulp(torch.ones(1), torch.int32)
