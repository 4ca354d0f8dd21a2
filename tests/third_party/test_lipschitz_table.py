"""Every claim of the table, as a user verifies it; prints its row with ``-s``. What is wrong is said to be wrong."""

from __future__ import annotations

import math

import pytest
import torch

from tests.third_party import lipschitz_table
from tests.third_party.lipschitz_layers import LAYERS
from tests.third_party.lipschitz_table import PAGE, line, norm, row

_FAULTS = [layer for layer in LAYERS if layer.verdict == "FAIL"]
_FINER = 1e-5  # of numbers that float32 has made


def _name(layer):
    return f"{layer.library}: {layer.name}"


@pytest.fixture(scope="module")
def rows():
    """Layer to what was found; each once."""
    known = {}
    return lambda layer: known.setdefault(_name(layer), row(layer))


@pytest.mark.parametrize("layer", LAYERS, ids=_name)
def test_the_bounds_hold_and_the_verdict_is_the_tables(layer, rows):
    found = rows(layer)
    print(line(layer, found))
    assert found.verdict == layer.verdict, found.message
    assert found.lower <= found.upper * (1 + _FINER)
    if layer.affine:
        assert found.lower <= found.exact * (1 + _FINER)
        assert found.exact <= found.upper * (1 + _FINER)


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


def test_the_page_is_current(rows):
    """The same layers, claims and verdicts, and bounds to three digits; seconds are the machine's own."""
    told = [one.split(" | ") for one in PAGE.read_text(encoding="utf-8").splitlines() if one.startswith("| ")][1:]
    assert len(told) == len(LAYERS), "run python -m tests.third_party.lipschitz_table --write"
    for cells, layer in zip(told, LAYERS, strict=True):
        found = line(layer, rows(layer)).split(" | ")
        assert cells[:3] == found[:3], "run python -m tests.third_party.lipschitz_table --write"
        assert cells[6] == found[6]
        for was, now in zip(cells[4:6], found[4:6], strict=True):
            assert was == now or math.isclose(float(was), float(now), rel_tol=1e-3)
