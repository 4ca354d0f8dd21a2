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


@proves("unet.same_size")
def test_the_skips_carry_information():
    """With the bottom cut off, the output still depends on the input: through the skips, and at full resolution."""
    torch.manual_seed(0)
    network = UNet(1, 1, depth=2, width=4).double()
    for expand in network.expand:
        torch.nn.init.zeros_(expand.weight)  # type: ignore[arg-type]
    x = torch.randn(1, 1, 8, 8, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda at: network(at)[0, 0], x)
    assert isinstance(jacobian, torch.Tensor)
    reach = jacobian.reshape(64, 64).abs() > 0
    assert bool(reach.diagonal().any())
    # Through the first skip alone: two 3×3 convolutions down and two up see 4 pixels in each direction.
    for i, j in reach.nonzero().tolist():
        assert max(abs(i // 8 - j // 8), abs(i % 8 - j % 8)) <= 4


@proves("unet.same_size")
def test_the_receptive_field():
    """At depth one the deepest path sees (2·2 + 2·2·2 + …) pixels: nothing further away than 10 moves an output."""
    torch.manual_seed(0)
    network = UNet(1, 1, depth=1, width=4).double()
    x = torch.randn(1, 1, 2, 32, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda at: network(at)[0, 0, 0], x)
    assert isinstance(jacobian, torch.Tensor)
    reach = (jacobian.reshape(32, 2, 32).abs() > 0).any(1)
    distances = [abs(i - j) for i, j in reach.nonzero().tolist()]
    # Two convolutions above (2), pooling (1), two below at half the resolution (4), expansion, two above (2): 9.
    assert 4 < max(distances) <= 2 + 1 + 4 + 2


@proves("unet.same_size")
def test_the_formulas_of_the_page():
    """The join, and the size, as references."""
    for subject in (unet.crop_and_concatenate(), unet.output_size()):
        gv.verify(subject, budget="quick").raise_for_failures()
