"""Every claim of the table, as a user verifies it; prints its row with ``-s``. What is wrong is said to be wrong."""

from __future__ import annotations

import math

import pytest
import torch

from tests.third_party import lipschitz_table
from tests.third_party.lipschitz_layers import LAYERS
from tests.third_party.lipschitz_table import PAGE, claim, line, norm, row

_FAULTS = [layer for layer in LAYERS if layer.verdict == "FAIL"]
_STALE = "run python -m tests.third_party.lipschitz_table --write"
_FINER = 1e-5  # of numbers that float32 has made


def _name(layer):
    return f"{layer.library}: {layer.name}"


def _told():
    """The cells of the page's lines."""
    lines = [one for one in PAGE.read_text(encoding="utf-8").splitlines() if one.startswith("| ")][1:]
    return [_cells(one) for one in lines]


def _cells(text):
    return text.removeprefix("| ").split(" | ")


@pytest.mark.parametrize("layer", LAYERS, ids=_name)
def test_the_bounds_hold_and_the_page_says_so(layer):
    """The page has the same layers, claims and verdicts, and bounds to three digits; seconds are the machine's own."""
    found = row(layer)
    print(line(layer, found))
    assert found.verdict == layer.verdict, found.message
    assert found.lower <= found.upper * (1 + _FINER)
    if layer.affine:
        assert found.lower <= found.exact * (1 + _FINER)
        assert found.exact <= found.upper * (1 + _FINER)
    now, (was,) = _cells(line(layer, found)), [cells for cells in _told() if cells[:3] == claim(layer)]
    assert was[6] == now[6], _STALE
    for before, after in zip(was[4:6], now[4:6], strict=True):
        assert before == after or math.isclose(float(before), float(after), rel_tol=1e-3), _STALE


def test_the_page_has_these_layers_and_no_others():
    assert [cells[:3] for cells in _told()] == [claim(layer) for layer in LAYERS], _STALE


@pytest.mark.parametrize(
    "layer",
    [pytest.param(one, marks=pytest.mark.xfail(strict=True, reason=f"{one.library}: {one.reason}")) for one in _FAULTS],
    ids=_name,
)
def test_the_claims_of_the_libraries(layer):
    """By the dense matrix, or the Jacobian at some points: no line of it is ours."""
    assert _independent(layer) <= layer.claimed * (1 + layer.accuracy) + _FINER


def _independent(layer):
    if layer.affine:
        return norm(layer)
    made = lipschitz_table.made_of(layer)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        points = torch.randn(8, *layer.event)
    slopes = [torch.autograd.functional.jacobian(lambda x: made(x[None]).flatten(), point) for point in points]
    return max(float(torch.linalg.matrix_norm(one.flatten(1), 2)) for one in slopes)
