"""The residual block: what the path beside the branch does to the gradient, and where the activation belongs.

Whether such a block can be inverted is another question, and has a page of its own (residual invertibility).

Source: He, Zhang, Ren & Sun 2016, "Deep residual learning for image recognition"; He, Zhang, Ren & Sun 2016, "Identity
mappings in deep residual networks"; Veit, Wilber & Belongie 2016.
"""

from __future__ import annotations

from itertools import combinations

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import layer_claims, residual
from genverify.oracles.residual import identity_path
from genverify.reference.layers.residual import BottleneckBlock

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The Jacobian of a chain of blocks x ↦ x + F_l(x) is Π (I + J_l), the sum over all subsets of the blocks of the
# products of their J_l: one term, I, has no factor at all.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# ∂(x + F(x))/∂x = I + J, and the chain rule multiplies, the last block first. Multiplied out, each factor gives I or J.


@proves("residual_block.identity_path")
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_the_product_is_the_sum_over_all_paths(depth):
    """With Jacobians of symbols, 2×2: 2^depth paths, one of them the identity."""
    jacobians = [sympy.Matrix(2, 2, sympy.symbols(f"j{level}_0:4", real=True)) for level in range(depth)]
    whole = sympy.eye(2)
    for jacobian in jacobians:
        whole = (sympy.eye(2) + jacobian) * whole
    paths = []
    for count in range(depth + 1):
        for taken in combinations(jacobians, count):
            path = sympy.eye(2)
            for jacobian in taken:
                path = jacobian * path
            paths.append(path)
    assert len(paths) == 2**depth
    assert paths[0] == sympy.eye(2)
    assert (whole - sum(paths, sympy.zeros(2, 2))).expand().is_zero_matrix


@proves("residual_block.identity_path")
def test_the_displayed_equation():
    """(I + J₂)(I + J₁) = I + J₁ + J₂ + J₂J₁, at 2×2 matrices of symbols."""
    assert layer_claims.IDENTITY_PATH.equation is not None
    shown = layer_claims.IDENTITY_PATH.equation()
    first, second = (sympy.Matrix(2, 2, sympy.symbols(f"{name}0:4")) for name in "ab")
    names = {"J_1": first, "J_2": second}

    def explicit(side: sympy.Basic) -> sympy.Matrix:
        n = next(s for s in side.free_symbols if s.name == "n")
        fixed = side.subs(n, 2)
        blocks = {m: names[m.name] for m in fixed.atoms(sympy.MatrixSymbol)}
        return sympy.Matrix(fixed.subs(blocks).doit())

    assert (explicit(shown.lhs) - explicit(shown.rhs)).expand().is_zero_matrix


@proves("residual_block.identity_path")
def test_a_chain_in_torch_has_this_jacobian():
    """Three blocks x + tanh(W x): autograd's Jacobian of the chain against the product; depth 50 still carries I."""
    torch.manual_seed(0)
    weights = [torch.randn(3, 3, dtype=torch.float64) / 4 for _ in range(3)]
    x = torch.randn(3, dtype=torch.float64)

    def chain(at: torch.Tensor) -> torch.Tensor:
        for weight in weights:
            at = at + torch.tanh(weight @ at)
        return at

    jacobians, at = [], x
    for weight in weights:
        hidden = torch.tanh(weight @ at)
        jacobians.append((1 - hidden**2)[:, None] * weight)
        at = at + hidden
    found = torch.autograd.functional.jacobian(chain, x)
    assert isinstance(found, torch.Tensor)
    assert float((found - identity_path(jacobians)).abs().max()) <= 64 * torch.finfo(torch.float64).eps * 10
    dead = [torch.zeros(3, 3, dtype=torch.float64)] * 50
    assert torch.equal(identity_path(dead), torch.eye(3, dtype=torch.float64))


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# σ(x + F), x + σ(F) and σ(x + σ(F)) are three functions. With ReLU the last two never fall below x ≥ 0.


class _Block(torch.nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.conv2 = torch.nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def branch(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv2(torch.relu(self.conv1(x)))


class _After(_Block):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + self.branch(x))


class _Before(_Block):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(x + torch.relu(self.branch(x)))


class _Outside(_Block):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.relu(self.branch(x))


@proves("residual_block.placement")
def test_only_the_first_can_decrease():
    """On the same weights and x ≥ 0: the first goes below x somewhere, the other two nowhere."""
    torch.manual_seed(0)
    block, x = _After(2), torch.rand(4, 2, 5, 5)
    with torch.no_grad():
        branch = block.branch(x)
        assert bool((torch.relu(x + branch) < x).any())
        assert bool((torch.relu(x + torch.relu(branch)) >= x).all())
        assert bool((x + torch.relu(branch) >= x).all())


@proves("residual_block.placement")
def test_genverify_tells_them_apart_and_names_the_slip():
    """One declaration for three strangers' blocks: PASS, and two FAILs that say where the activation stands."""

    def judge(block: type[_Block]) -> gv.Verdict:
        subject = gv.Formula(block(2), like="residual.basic_block")
        (verdict,) = gv.verify(subject, checks=["formula.dialect"]).verdicts
        return verdict

    assert judge(_After).outcome is gv.Outcome.PASS
    for block, words in ((_Before, "branch activated before the sum"), (_Outside, "skip after the activation")):
        verdict = judge(block)
        assert verdict.outcome is gv.Outcome.FAIL
        assert words in verdict.evidence.message


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.layers.residual`: BasicBlock, BottleneckBlock and PreactivationBlock, with batch normalisation.
# The bottleneck has its stride on the 3×3; He et al. 2016 have it on the first 1×1, and a citable dialect is named.


@proves("residual_block.placement")
def test_the_references_follow_their_formulas():
    """The blocks, made by their constructors with drawn channels and strides."""
    subjects = [residual.basic_block(), residual.bottleneck_block(), residual.preactivation_block()]
    gv.verify(subjects, checks=["formula.dialect"], budget="quick").raise_for_failures()


@proves("residual_block.placement")
@pytest.mark.parametrize(
    ("number", "outcome", "words"),
    [
        (1, gv.Outcome.PASS, "stride on the first convolution"),
        (2, gv.Outcome.PASS, "activated after the sum, relu"),
        (3, gv.Outcome.FAIL, "stride on the last convolution"),
    ],
)
def test_where_the_bottleneck_has_its_stride(number: int, outcome: gv.Outcome, words: str) -> None:
    """On the first 1×1 and on the 3×3 it is cited, and the dialect named; on the last 1×1 it is a slip."""
    block = BottleneckBlock(4, 2, 8, stride=2)
    block.conv2.stride = (1, 1)
    getattr(block, f"conv{number}").stride = (2, 2)
    subject = gv.Formula(block, like="residual.bottleneck_block")
    (verdict,) = gv.verify(subject, checks=["formula.dialect"], budget="quick")
    assert verdict.outcome is outcome
    assert words in str(verdict)
