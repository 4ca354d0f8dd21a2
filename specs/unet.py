"""The U-Net: its sizes, its skips, and what it must refuse.

The network contracts, expands, and joins on each level what was seen on the way down. With padded convolutions its
output has the size of its input, where that halves as often as there are levels; every other size needs an error, since
silence would be a smaller image.

Source: Ronneberger, Fischer & Brox 2015, "U-Net: Convolutional networks for biomedical image segmentation".
"""

from __future__ import annotations

import pytest
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import unet
from genverify.oracles import unet as oracle
from genverify.reference.layers.unet import UNet, output_size

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# With padded 3×3 convolutions the output has the size of the input for every multiple of 2^depth, and no other size is
# taken; without padding 572 becomes 388.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# A stage loses ℓ = c(k − 1 − 2p) pixels, which is 0 for k = 3, p = 1: n ↦ n/2 on each level down and n ↦ 2n on each up
# is the identity where every halving is of an even number, that is where 2^depth divides n.


@proves("unet.same_size")
def test_the_arithmetic_of_the_sizes():
    """Level by level, for all n up to 700 and four levels: padded, n is kept where 16 | n and refused elsewhere."""
    for n in range(1, 701):
        assert oracle.network_size(n, 4, padding=1) == (n if n % 16 == 0 else None)
        assert oracle.legal(n, 4) == (n >= 188 and n % 16 == 12)
    assert output_size(572, 4) == oracle.network_size(572, 4) == 388


@proves("unet.same_size")
def test_the_reference_keeps_every_legal_size_and_refuses_the_others():
    """All images up to 16 × 16 at two levels, and one of each kind on the longer way through genverify."""
    torch.manual_seed(0)
    network = UNet(1, 1, depth=2, width=1)
    for height in range(1, 17):
        for width in (4, 6, 8):
            x = torch.zeros(1, 1, height, width)
            if height % 4 == 0 and width % 4 == 0:
                assert network(x).shape == x.shape
            else:
                with pytest.raises(ValueError, match="pad it to a multiple of 4"):
                    network(x)
    (verdict,) = gv.verify(unet.network(), checks=["map.output_shape"]).verdicts
    assert verdict.outcome is gv.Outcome.PASS


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# An output sees no further than the widest of its paths; with nothing coming up from below each pixel still reaches its
# own place through the first skip, and none that is further away than 2 + 2 pixels.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Backwards, from an interval of places: two 3×3 convolutions widen it by 2, the 2×2 transposed convolution of stride 2
# reads [⌊a/2⌋, ⌊b/2⌋] of the level below, and the pooling [2a, 2b + 1] of the level above. At one level an output at 0
# so reads [−2, 2], [−1, 1] below, [−3, 3] there, then [−6, 7] and [−8, 9]; through the skip alone [−4, 4].


@proves("unet.receptive_field")
@pytest.mark.parametrize("depth", [1, 2])
def test_the_intervals_are_those_of_a_network_that_only_adds(depth):
    """All weights one and no cancellation: an output sees exactly the interval, wherever it begins."""
    network = UNet(1, 1, depth=depth, width=1).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(1.0)
    width = 64
    # A maximum passes one place on. Another base point for each phase moves it through all places of its window.
    reach = torch.zeros(width, width, dtype=torch.bool)
    for phase in range(2**depth):
        x = (torch.arange(width) % 2**depth == phase).to(torch.float64).expand(1, 1, 2**depth, width).clone()
        jacobian = torch.autograd.functional.jacobian(lambda at: network(at)[0, 0, 0], x)
        assert isinstance(jacobian, torch.Tensor)
        reach |= (jacobian.reshape(width, -1, width) > 0).any(1)
    for place in range(width):
        first, last = oracle.receptive_field(place, depth)
        seen = reach[place].nonzero()[:, 0]
        assert max(0, first) <= int(seen.min())
        assert int(seen.max()) <= min(width - 1, last)
    middle = width // 2
    seen = reach[middle].nonzero()[:, 0]
    assert (int(seen.min()), int(seen.max())) == oracle.receptive_field(middle, depth)
    assert oracle.receptive_field(0, 1) == (-8, 9)
    assert oracle.receptive_field(0, 2, skip_alone=True) == (-4, 4)


@proves("unet.receptive_field")
def test_the_reference_sees_no_further_and_its_skips_carry():
    """∂y/∂x is zero beyond the intervals, and with nothing from below not zero at a pixel's own place."""
    gv.verify(unet.receptive_field(), budget="quick", checks=["map.ignores"]).raise_for_failures()
    gv.verify(unet.skips_alone(), budget="quick", checks=["map.ignores", "map.depends_on"]).raise_for_failures()


@proves("unet.same_size")
def test_the_formulas_of_the_page():
    """The join, and the size, as references."""
    for subject in (unet.crop_and_concatenate(), unet.output_size()):
        gv.verify(subject, budget="quick").raise_for_failures()
