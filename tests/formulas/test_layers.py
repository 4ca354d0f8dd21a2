"""What a user of the layers' formulas may get wrong, and what is read of a module: errors say what to do."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import genverify as gv
from genverify.errors import UsageError
from genverify.reference.layers import convolution, unet
from genverify.verify import prepare


def test_a_kernel_that_does_not_fit():
    with pytest.raises(ValueError, match="a kernel that spans 5 does not fit into 3 pixels padded by 0"):
        convolution.cross_correlation_2d(torch.zeros(1, 1, 3, 3), torch.zeros(1, 1, 5, 5))
    with pytest.raises(ValueError, match="a padding of 2 leaves nothing"):
        convolution.transposed_2d(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 2), padding=2)


def test_odd_sizes_of_a_unet():
    network = unet.UNet(1, 1, depth=3, width=1)
    for size in ((8, 12), (9, 8), (4, 4), (0, 8)):
        with pytest.raises(ValueError, match="pad it to a multiple of 8"):
            network(torch.zeros(1, 1, *size))
    with pytest.raises(ValueError, match="on level 0 there are 567 pixels, which a 2×2 pooling cannot halve"):
        unet.output_size(571, 4)
    with pytest.raises(ValueError, match="cannot be cropped to 3×3"):
        unet.crop_and_concatenate(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 3, 3))


def test_what_a_module_keeps_is_read():
    subject = prepare(
        gv.Formula(nn.Conv2d(2, 4, 3, stride=2, groups=2, bias=False), like="convolution.cross_correlation_2d")
    )
    assert subject.match is not None
    kept = {one.argument.name: one.default for one in subject.match.bound if one.place == "kept"}
    assert kept["stride"] == (2, 2)
    assert kept["groups"] == 2
    assert "bias" not in {one.argument.name for one in subject.match.bound}


def test_a_block_of_three_convolutions_is_refused_with_its_arguments_named():
    class Bottleneck(nn.Module):
        def __init__(self, channels=4):
            super().__init__()
            self.layers = nn.ModuleList([nn.Conv2d(channels, channels, 3, padding=1) for _ in range(4)])

        def forward(self, x):
            for layer in self.layers:
                x = x + layer(x)
            return x

    with pytest.raises(
        UsageError, match=r"4 layers Conv2d in its branch.*expected 2 in the branch.*say which parameter is weight1"
    ):
        prepare(gv.Formula(Bottleneck(), like="residual.basic_block"))


def test_the_square_weight_of_a_layer_is_named_as_it_is_kept():
    def textbook(x, W, b):
        return x @ W + b

    report = gv.verify(gv.Formula(textbook, like="dense.affine"), checks=["formula.dialect"])
    assert "judged with weight as [in, out]" in report.verdicts[0].evidence.notes
    strict = gv.Formula(textbook, like="dense.affine", layout="weight as [out, in]")
    assert gv.verify(strict, checks=["formula.dialect"]).failures
