"""torch's own normalisation layers as their users declare them, against the catalogue."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

import genverify as gv

BATCH = "normalization.batch_norm"


def _trained(module: nn.Module, *shape: int) -> nn.Module:
    """After two steps in training: its running moments are no longer zero and one."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(2):
            module(1 + 2 * torch.randn(shape))
    return module


SUBJECTS: dict[str, gv.Formula] = {
    "BatchNorm1d, trained": gv.Formula(_trained(nn.BatchNorm1d(2), 4, 2), like=BATCH),
    "BatchNorm2d, the class": gv.Formula(nn.BatchNorm2d, like=BATCH),
    "BatchNorm2d, cumulative": gv.Formula(
        _trained(nn.BatchNorm2d(2, momentum=None, affine=False), 3, 2, 2, 1), like=BATCH
    ),
    "BatchNorm1d, untracked": gv.Formula(nn.BatchNorm1d(2, track_running_stats=False), like=BATCH),
    "F.batch_norm in evaluation": gv.Formula(functional.batch_norm, like="normalization.batch_norm_inference",
                                             fixed={"training": False, "momentum": 0.1}),
    "LayerNorm": gv.Formula(nn.LayerNorm(4), like="normalization.layer_norm"),
    "LayerNorm over two axes": gv.Formula(nn.LayerNorm((2, 3)), like="normalization.layer_norm"),
    "GroupNorm": gv.Formula(nn.GroupNorm(2, 4), like="normalization.group_norm"),
    "InstanceNorm2d": gv.Formula(nn.InstanceNorm2d(2, affine=True), like="normalization.instance_norm"),
    "RMSNorm": gv.Formula(nn.RMSNorm(3), like="normalization.rms_norm"),
    "weight_norm": gv.Formula(
        nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)), like="normalization.weight_norm_layer"
    ),
}  # fmt: skip
CHECKS = ("formula.dialect", "formula.value", "formula.gradient")


@pytest.mark.parametrize("name", SUBJECTS)
def test_torchs_layers_pass(name):
    f = SUBJECTS[name].f
    kept = copy.deepcopy(f.state_dict()) if isinstance(f, nn.Module) else {}
    report = gv.verify(SUBJECTS[name], budget="quick", checks=CHECKS)
    bad = [str(one) for one in report if one.outcome is not gv.Outcome.PASS]
    assert not bad, "\n".join(bad)
    if isinstance(f, nn.Module):
        assert all(torch.equal(value, kept[key]) for key, value in f.state_dict().items())
