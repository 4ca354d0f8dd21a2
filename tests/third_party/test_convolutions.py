"""torch's convolutions as strangers: affine, with an adjoint, equivariant, and equal to their matrix entry by entry."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import genverify as gv
from genverify.subjects.map import Map

SIDE = {1: 7, 2: 4, 3: 3}
LAYERS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
TRANSPOSED: dict[int, Callable[..., Tensor]] = {
    1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d
}  # fmt: skip
TRANSPOSED_LAYERS = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}

SETTINGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "padding": {"padding": 1},
    "same": {"padding": "same"},
    "valid": {"padding": "valid"},
    "stride": {"stride": 2, "padding": 1},
    "dilation": {"dilation": 2, "padding": 2},
    "same, dilated": {"padding": "same", "dilation": 2},
    "groups": {"groups": 2, "padding": 1},
    "depthwise, strided": {"groups": 2, "stride": 2},
    "no bias": {"bias": False, "padding": 1},
}
MODES = ("reflect", "replicate", "circular")
CASES = [(1, name) for name in SETTINGS] + [(2, "stride"), (2, "dilation"), (2, "groups"), (2, "same"), (3, "groups")]


def seeded(make: Callable[[], Any]) -> Any:
    """What `make` makes under a fixed seed; the global random state stays."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return make()


def each(value: Any, axes: int) -> tuple[int, ...]:
    """One number for each axis."""
    return (value,) * axes if isinstance(value, int) else tuple(value)


def source(index: int, size: int, mode: str) -> int | None:
    """Which entry of the input a padded position reads; None for a zero."""
    if 0 <= index < size:
        return index
    if mode == "circular":
        return index % size
    if mode == "replicate":
        return min(max(index, 0), size - 1)
    if mode == "reflect":
        return -index if index < 0 else 2 * (size - 1) - index
    return None


def matrix_of(layer: Any, event: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """(W, b) of a convolution layer, entry by entry: y_{o,i} = Σ_{c,a} w_{o,c,a} x_{c, s i + d a − p} + b_o."""
    weight, spatial = layer.weight.detach().double(), event[1:]
    axes, kernel = len(spatial), weight.shape[2:]
    stride, dilation = each(layer.stride, axes), each(layer.dilation, axes)
    reach = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    if isinstance(layer.padding, str):
        before = [r // 2 if layer.padding == "same" else 0 for r in reach]
        total = reach if layer.padding == "same" else [0] * axes
    else:
        before = list(each(layer.padding, axes))
        total = [2 * p for p in before]
    counts = [(n + t - r - 1) // s + 1 for n, t, r, s in zip(spatial, total, reach, stride, strict=True)]
    per_group, inside = weight.shape[0] // layer.groups, weight.shape[1]
    found = torch.zeros(weight.shape[0], *counts, *event, dtype=torch.float64)
    for at in itertools.product(*(range(n) for n in counts)):
        for tap in itertools.product(*(range(k) for k in kernel)):
            place = [
                source(s * i + d * a - p, n, layer.padding_mode)
                for i, a, s, d, p, n in zip(at, tap, stride, dilation, before, spatial, strict=True)
            ]
            if any(p is None for p in place):
                continue
            for o in range(weight.shape[0]):
                first = (o // per_group) * inside
                block = (o, *at, slice(first, first + inside), *place)
                found[block] += weight[(o, slice(None), *tap)]
    bias = torch.zeros(weight.shape[0]) if layer.bias is None else layer.bias.detach().double()
    return found.reshape(-1, torch.Size(event).numel()), bias.repeat_interleave(torch.Size(counts).numel())


def settled(subject: Map, *checks: str) -> None:
    """Each of these checks says PASS."""
    report = gv.verify(subject, checks=[f"map.{check}" for check in checks], budget="quick")
    assert {verdict.outcome for verdict in report} == {gv.Outcome.PASS}, str(report)


@pytest.mark.parametrize(("axes", "name"), CASES)
def test_a_convolution_is_its_matrix_and_the_transposed_one_its_adjoint(axes: int, name: str) -> None:
    """Zero padding: affine, equal to the matrix of the index algebra, and adjoint to `conv_transpose`."""
    settings = SETTINGS[name]
    layer = seeded(lambda: LAYERS[axes](2, 4, 3 if axes < 3 else 2, **settings))
    event = (2, *[SIDE[axes]] * axes)
    if settings.get("dilation") and axes == 2:
        event = (2, 5, 5)
    claims: dict[str, Any] = {"matrix": matrix_of(layer, event)}
    checks = ["matrix", "deterministic"]
    if not isinstance(layer.padding, str):
        claims["adjoint"] = lambda y: _back(layer, y, event)
        checks.append("adjoint")
    settled(Map(layer, event_shape=event, **claims), *checks)


def _back(layer: Any, y: Tensor, event: tuple[int, ...]) -> Tensor:
    axes = len(event) - 1
    stride, padding, dilation = (each(v, axes) for v in (layer.stride, layer.padding, layer.dilation))
    kernel = layer.weight.shape[2:]
    # What a stride leaves over at the end: inputs that no window saw.
    left = [
        (n + 2 * p - d * (k - 1) - 1) % s
        for n, p, d, k, s in zip(event[1:], padding, dilation, kernel, stride, strict=True)
    ]
    return TRANSPOSED[axes](
        y, layer.weight.to(y), stride=stride, padding=padding, dilation=dilation, groups=layer.groups,
        output_padding=left,
    )  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("axes", [1, 2])
def test_padding_modes_are_their_matrices(axes: int, mode: str) -> None:
    """Reflection, replication and wrapping, with a stride and a dilation that need them."""
    layer = seeded(lambda: LAYERS[axes](1, 2, 3, padding=2, dilation=2, stride=2, padding_mode=mode))
    event = (1, *[6 if axes == 1 else 4] * axes)
    settled(Map(layer, event_shape=event, matrix=matrix_of(layer, event), affine=False), "matrix")


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_a_transposed_layer_has_the_convolution_as_its_adjoint(axes: int) -> None:
    """`ConvTranspose` with stride 2 and its own bias, against the convolution with the same weight."""
    layer = seeded(lambda: TRANSPOSED_LAYERS[axes](2, 3, 2, stride=2, padding=1))
    convolve = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[axes]
    subject = Map(
        layer, event_shape=(2, *[3] * axes), affine=True,
        adjoint=lambda y: convolve(y, layer.weight.to(y), stride=2, padding=1),
    )  # fmt: skip
    settled(subject, "adjoint", "affine")


@pytest.mark.parametrize("axes", [1, 2, 3])
@pytest.mark.parametrize("stride", [1, 2])
def test_circular_padding_is_equivariant_for_shifts_by_the_stride(axes: int, stride: int) -> None:
    """Exactly, at every position."""
    layer = seeded(lambda: LAYERS[axes](1, 2, 3, padding=1, padding_mode="circular", stride=stride))
    side = 4 if axes < 3 else 2 * stride
    settled(Map(layer, event_shape=(1, *[side] * axes), equivariant="translation", shift=(stride, 1)), "equivariant")


@pytest.mark.parametrize("mode", ["zeros", "reflect", "replicate"])
def test_other_padding_is_equivariant_away_from_the_border_only(mode: str) -> None:
    """Refuted for cyclic shifts, and true with a margin of the padding."""
    layer = seeded(lambda: nn.Conv1d(1, 2, 3, padding=1, padding_mode=mode))
    subject = Map(layer, event_shape=(1, 6), equivariant="translation", margin=1)
    settled(subject, "equivariant")
    (verdict,) = gv.verify(
        Map(layer, event_shape=(1, 6), equivariant="translation"), checks=["map.equivariant"], budget="quick"
    )
    assert verdict.outcome is gv.Outcome.FAIL
    assert "margin=" in verdict.evidence.message


@pytest.mark.parametrize("layer", [nn.Conv1d(2, 4, 3, padding=1), nn.ConvTranspose1d(2, 4, 3, stride=2)], ids=type)
def test_every_check_passes_or_does_not_apply(layer: nn.Module) -> None:
    """Gradients of input and parameters, rows, dtypes, and all the rest."""
    report = gv.verify(Map(layer, event_shape=(2, 6), affine=True), budget="quick")
    assert {v.outcome for v in report} == {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}, str(report)


def test_a_kernel_that_exceeds_its_input_is_refused_or_shown() -> None:
    """Where another size is taken the message says which; where it is a claimed size, the check shows it."""
    with pytest.raises(gv.UsageError, match=r"Kernel size.*\(2, 8\) is taken"):
        gv.verify(Map(nn.Conv1d(2, 1, 5), event_shape=(2, 3)))
    subject = Map(nn.Conv1d(2, 1, 5), event_shape=(2, 8), event_shapes=[(2, 3)])
    (verdict,) = gv.verify(subject, checks=["map.output_shape"], budget="quick")
    assert verdict.outcome is gv.Outcome.FAIL
    assert "(2, 3)" in verdict.evidence.message
    refusing = Map(nn.Conv1d(2, 1, 5), event_shape=(2, 8), refuses=[(2, 3), (3, 8)], output_shape=(1, 4))
    settled(refusing, "output_shape")


def test_a_wrong_number_of_channels_is_refused_with_the_right_one() -> None:
    """Not an accusation of the layer."""
    with pytest.raises(gv.UsageError, match=r"\(3, 8, 8\) is taken"):
        gv.verify(Map(nn.Conv2d(3, 4, 3), event_shape=(1, 8, 8)))
