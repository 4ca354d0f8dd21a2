"""torch's own layers and functions as their users declare them, against the catalogue."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn import functional

import genverify as gv

CROSS, TRANSPOSED = "convolution.cross_correlation_2d", "convolution.transposed_2d"
CONV = ("x", "weight", "bias", "stride", "padding", "dilation", "groups")

SUBJECTS: dict[str, gv.Formula] = {
    "Linear": gv.Formula(nn.Linear(3, 2), like="dense.affine"),
    "Linear, the class": gv.Formula(nn.Linear, like="dense.affine"),
    "F.linear": gv.Formula(functional.linear, like="dense.affine", arguments=("x", "weight", "bias")),
    "Sequential": gv.Formula(nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), like="dense.mlp"),
    "Conv2d": gv.Formula(nn.Conv2d(2, 2, 3, stride=2, padding=1), like=CROSS),
    "Conv2d, grouped, same": gv.Formula(
        nn.Conv2d(2, 2, (3, 2), dilation=2, padding="same", groups=2, bias=False), like=CROSS
    ),
    "Conv2d, reflecting": gv.Formula(nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), like=CROSS),
    "Conv2d, circular": gv.Formula(nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular"), like=CROSS),
    "Conv2d, replicating": gv.Formula(nn.Conv2d(1, 1, 3, padding=1, padding_mode="replicate"), like=CROSS),
    "Conv2d, the class": gv.Formula(nn.Conv2d, like=CROSS),
    "F.conv2d": gv.Formula(functional.conv2d, like=CROSS, arguments=CONV),
    "ConvTranspose2d": gv.Formula(
        nn.ConvTranspose2d(2, 2, 3, stride=2, padding=1, output_padding=1), like=TRANSPOSED
    ),
    "ConvTranspose2d, the class": gv.Formula(nn.ConvTranspose2d, like=TRANSPOSED),
    "MaxPool2d": gv.Formula(nn.MaxPool2d(3, 2, 1), like="pooling.max"),
    "MaxPool2d, ceil_mode": gv.Formula(nn.MaxPool2d(2, ceil_mode=True), like="pooling.max"),
    "MaxPool2d, dilated": gv.Formula(nn.MaxPool2d(2, 1, dilation=2), like="pooling.max"),
    "F.max_pool2d": gv.Formula(
        lambda input, kernel_size, stride=None, padding=0: functional.max_pool2d(input, kernel_size, stride, padding),
        like="pooling.max",
    ),
    "AvgPool2d": gv.Formula(nn.AvgPool2d(3, 2, 1), like="pooling.average"),
    "AvgPool2d, count_include_pad": gv.Formula(nn.AvgPool2d(3, 2, 1, count_include_pad=False), like="pooling.average"),
    "AvgPool2d, ceil_mode": gv.Formula(nn.AvgPool2d(3, 2, 1, ceil_mode=True), like="pooling.average"),
    "AvgPool2d, divisor": gv.Formula(nn.AvgPool2d(2, divisor_override=3), like="pooling.average"),
    "AvgPool2d, the class": gv.Formula(nn.AvgPool2d, like="pooling.average"),
    "AdaptiveAvgPool2d(1)": gv.Formula(nn.AdaptiveAvgPool2d(1), like="pooling.global_average"),
    "F.adaptive_avg_pool2d": gv.Formula(
        lambda x: functional.adaptive_avg_pool2d(x, 1).flatten(1), like="pooling.global_average",
        layout="batch, channel, height, width",
    ),
}  # fmt: skip
CHECKS = ("formula.dialect", "formula.value", "formula.gradient")


@pytest.mark.parametrize("name", SUBJECTS)
def test_torchs_layers_pass(name):
    kept = {key: value.clone() for key, value in _parameters(SUBJECTS[name].f).items()}
    report = gv.verify(SUBJECTS[name], budget="quick", checks=CHECKS)
    bad = [str(one) for one in report if one.outcome not in (gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE)]
    assert not bad, "\n".join(bad)
    assert report.count(gv.Outcome.PASS) >= 2
    assert all(torch.equal(value, kept[key]) for key, value in _parameters(SUBJECTS[name].f).items())


def _parameters(f: object) -> dict[str, torch.Tensor]:
    return dict(f.named_parameters()) if isinstance(f, nn.Module) else {}
