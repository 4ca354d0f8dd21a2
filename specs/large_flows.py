"""Flows of images: a log-determinant of tens of thousands of dimensions, checked in seconds.

![Seconds for one log-determinant against the number of dimensions](pictures/large_flows.png)

The dense Jacobian of d numbers has d² entries and takes d³ operations: at d = 3072 a second, at 12,288 a minute and
gigabytes. But nobody builds a flow whose determinant costs that. Layers are triangular in blocks, or mix one axis, and
what a flow must know to be a flow can be found from outside: by products with Jᵀ, which cost a backward pass each. This
page proves the two facts that this rests on, finds the determinant of a multi-scale flow of 12,288 numbers, and breaks
one layer of it.

Sources: Dinh, Sohl-Dickstein & Bengio 2017, "Density estimation using Real NVP" (ICLR); Kingma & Dhariwal 2018, "Glow:
generative flow with invertible 1×1 convolutions" (NeurIPS); Curtis, Powell & Reid 1974, "On the estimation of sparse
Jacobian matrices".

`python -m specs.large_flows` measures and draws the picture anew (`pip install genverify[plot]`).
"""

from __future__ import annotations

import math
import time

import pytest
import sympy
import torch
from torch import nn

import genverify as gv
from genverify.claims import proves
from genverify.formulas import flow_large_claims as topic
from genverify.numerics.jacobian import dense_logabsdet
from genverify.numerics.structured_logabsdet import structured_logabsdet

D = torch.float64


class Step(nn.Module):
    """An affine coupling after a 1×1 convolution; `slip` is added to its logabsdet for each place."""

    def __init__(self, channels, slip=0.0):
        super().__init__()
        generator = torch.Generator().manual_seed(channels)
        self.mix = nn.Parameter(torch.linalg.qr(torch.randn(channels, channels, generator=generator))[0] * 1.2)
        self.kernel = nn.Parameter(0.3 * torch.randn(channels, channels // 2, 3, 3, generator=generator))
        self.slip = slip

    def forward(self, x):
        z = nn.functional.conv2d(x, self.mix[:, :, None, None])
        a, b = z.chunk(2, 1)
        log_scale, shift = nn.functional.conv2d(a, self.kernel, padding=1).chunk(2, 1)
        log_scale = torch.tanh(log_scale)
        places = x.shape[2] * x.shape[3]
        each = torch.linalg.slogdet(self.mix).logabsdet + self.slip
        return torch.cat([a, b * log_scale.exp() + shift], 1), log_scale.flatten(1).sum(1) + places * each


class Multiscale(nn.Module):
    """Squeeze and step; half of the channels leave; again."""

    def __init__(self, channels, slip=0.0):
        super().__init__()
        self.first, self.second = Step(4 * channels), Step(8 * channels, slip)

    def forward(self, x):
        z, one = self.first(nn.functional.pixel_unshuffle(x, 2))
        kept, left = z.chunk(2, 1)
        last, two = self.second(nn.functional.pixel_unshuffle(kept, 2))
        return torch.cat([left.flatten(1), last.flatten(1)], 1), one + two


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Where y depends on x through t alone, of as many numbers, the log-determinants add.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The chain rule, and det AB = det A det B, which SymPy executes. If y depends on x beside t by a matrix M, one product
# with a generic v differs by Mᵀv, which is zero for all v in a proper subspace only.


@proves("change_of_variables.cut")
def test_the_determinant_of_a_composition():
    """det AB = det A det B; and a layer beside which something passes is not taken for a cut."""
    equation = topic.CUT.equation()
    assert sympy.expand(equation.lhs - equation.rhs) == 0
    tanh = nn.Tanh()
    x = torch.linspace(-1.0, 1.0, 12, dtype=D)[None]
    through, beside = structured_logabsdet(lambda x: 2 * tanh(x), x), structured_logabsdet(lambda x: tanh(x) + x, x)
    slopes = 1 - torch.tanh(x) ** 2
    assert through.value == pytest.approx(float((2 * slopes).log().sum()), rel=1e-12)
    assert beside.value == pytest.approx(float((1 + slopes).log().sum()), rel=1e-12)
    assert through.parts > beside.parts


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# An input that moves one output alone takes its entry, its row and its column out of the determinant.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Laplace's expansion along a column with one entry. Which output it is, is read bit by bit: a product with v, and one
# with v where bit k of the place is set, agree or the second is zero. 14 products name one of 12,288 places.


@proves("change_of_variables.peel")
def test_a_column_with_one_entry():
    """In symbols; and a permutation of 1,000 numbers takes ten bits and the product itself."""
    equation = topic.PEEL.equation()
    assert sympy.expand(equation.lhs - equation.rhs) == 0
    order = torch.randperm(1000, generator=torch.Generator().manual_seed(0))
    found = structured_logabsdet(lambda x: 3.0 * x[:, order], torch.zeros(1, 1000, dtype=D))
    assert found.value == pytest.approx(1000 * math.log(3.0), rel=1e-14)
    assert found.steps[-1].moved.sort().values.tolist() == list(range(1000))


# ── An image ─────────────────────────────────────────────────────────────────────────────────────────────────────────
# The same flow at 192 numbers, where the dense determinant tells, and at 12,288, where only structure does.


@proves("change_of_variables.peel")
def test_structure_and_the_dense_matrix_agree():
    """Where both can be had."""
    flow, x = Multiscale(3).double(), torch.linspace(-1.0, 1.0, 192, dtype=D).reshape(1, 3, 8, 8)
    found = structured_logabsdet(lambda x: flow(x)[0], x)
    assert found.value == pytest.approx(float(dense_logabsdet(lambda x: flow(x)[0], x)), rel=1e-12)
    assert found.value == pytest.approx(float(flow(x)[1].detach()), rel=1e-12)


@proves("change_of_variables.peel")
@pytest.mark.parametrize(("slip", "outcome"), [(0.0, gv.Outcome.PASS), (1e-6, gv.Outcome.FAIL)])
def test_a_multiscale_flow_of_an_image(slip, outcome):
    """12,288 numbers; a millionth for each of 256 places of the second step is seen."""
    subject = gv.Bijection(Multiscale(3, slip), event_shape=(3, 64, 64))
    (verdict,) = gv.verify(subject, checks=["bijection.logabsdet"], budget="quick").verdicts
    assert verdict.outcome is outcome, str(verdict)
    assert any("products with its transpose told" in note for note in verdict.evidence.notes)


# ── Time ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

SIDES = {"dense": (8, 16, 24, 32), "structured": (8, 16, 32, 64, 128)}


def seconds(side, how):
    """For one log-determinant of an event of 3 · side² numbers; the best of three."""
    flow, x = Multiscale(3).double(), torch.linspace(-1.0, 1.0, 3 * side * side, dtype=D).reshape(1, 3, side, side)
    ways = {
        "structured": lambda: structured_logabsdet(lambda x: flow(x)[0], x),
        "dense": lambda: dense_logabsdet(lambda x: flow(x)[0], x),
        "forward": lambda: flow(x),
    }
    best = math.inf
    for _ in range(3):
        started = time.perf_counter()
        ways[how]()
        best = min(best, time.perf_counter() - started)
    return best


def main():
    """Writes the picture."""
    from specs.drawing import save

    curves = {how: [seconds(side, how) for side in sides] for how, sides in SIDES.items()}
    forward = [seconds(side, "forward") for side in SIDES["structured"]]

    def draw(figure):
        axes = figure.add_subplot()
        for how, words in (("dense", "dense Jacobian and LU"), ("structured", "cuts and peeling")):
            axes.loglog([3 * side**2 for side in SIDES[how]], curves[how], "o-", label=words)
        axes.loglog([3 * side**2 for side in SIDES["structured"]], forward, "o--", color="gray", label="forward pass")
        axes.set_xlabel("dimensions d")
        axes.set_ylabel("seconds, one thread")
        axes.legend()
        told = [f"{how} {', '.join(f'{s:.2g}' for s in curves[how])} s" for how in SIDES]
        return "; ".join([*told, f"forward {', '.join(f'{s:.2g}' for s in forward)} s"])

    print(save("large_flows.png", draw, (6.0, 3.6)))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
