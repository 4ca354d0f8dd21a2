"""Penalties on the slope of a critic: what they are on a linear critic, and what a penalty of zero does not say.

A critic estimates a distance only if its slope is bounded. Gulrajani et al. ask for slope one at random points between
real and generated samples. The penalty contains a gradient, so that its own gradient is of second order: where it is
computed without its graph, the value is right and nothing is learnt from it.

Sources: Gulrajani et al. 2017, "Improved training of Wasserstein GANs"; Petzka, Fischer & Lukovnikov 2018, "On the
regularization of Wasserstein GANs"; Mescheder, Geiger & Nowozin 2018, "Which training methods for GANs do actually
converge?".
"""

from __future__ import annotations

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.reference.adversarial import penalties as reference


def passes(f, like: str) -> bool:
    """Whether every check that applies says PASS."""
    outcomes = {v.outcome for v in gv.verify(gv.Formula(f, like=like), budget="quick")}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Of a linear critic w·x the penalty is (‖w‖ − 1)², with gradient 2 (‖w‖ − 1) w/‖w‖.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# ∇(w·x) = w at every x; d‖w‖/dw = w/‖w‖.


@proves("penalty.linear_critic")
def test_the_penalty_of_a_linear_critic():
    """The derivative; the references agree with the oracle; the penalty without its graph is FAIL, in its gradient."""
    w = sympy.symbols("w1 w2", positive=True)
    norm = sympy.sqrt(w[0] ** 2 + w[1] ** 2)
    for one in w:
        assert sympy.simplify(sympy.diff((norm - 1) ** 2, one) - 2 * (norm - 1) * one / norm) == 0
    slope = torch.tensor([3.0, 4.0], dtype=torch.float64, requires_grad=True)
    value = reference.wgan_gp(lambda x: x @ slope, torch.zeros(5, 2).double(), torch.ones(5, 2).double())
    value.backward()
    torch.testing.assert_close((value.detach(), slope.grad), (torch.tensor(16.0).double(), 8 * slope.detach() / 5))
    for name in reference.__all__:
        assert passes(getattr(reference, name), f"penalty.{name}"), name

    def without_its_graph(critic, real, fake):
        share = torch.rand(len(real), 1, dtype=real.dtype)
        x = (share * real + (1 - share) * fake).requires_grad_()
        (gradient,) = torch.autograd.grad(critic(x).sum(), x)
        return ((gradient.norm(dim=1) - 1) ** 2).mean()

    report = gv.verify(gv.Formula(without_its_graph, like="penalty.wgan_gp"), budget="quick")
    assert [v.check for v in report.failures] == ["formula.gradient"]


# ── Claim, as it is read ─────────────────────────────────────────────────────────────────────────────────────────────
# A critic whose penalty is zero on all interpolates is 1-Lipschitz.
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# Real samples at 0, generated ones at 1; C bends down beyond 1.


@proves("penalty.interpolates_are_not_enough")
def test_a_penalty_of_zero_and_a_slope_of_three():
    """The penalty of this critic is zero for every draw; its slope at 2 is −3."""

    def critic(x):
        return (-x - torch.relu(x - 1) ** 2)[:, 0]

    real, fake = torch.zeros(64, 1, dtype=torch.float64), torch.ones(64, 1, dtype=torch.float64)
    assert float(reference.wgan_gp(critic, real, fake).detach()) == 0.0
    x = sympy.Symbol("x", real=True)
    assert sympy.diff(-x - (x - 1) ** 2, x).subs(x, 2) == -3
    assert sympy.diff(-x - (x - 1) ** 2, x).subs(x, 1) == sympy.diff(-x, x)


# ── Corrected statement, and its derivation ──────────────────────────────────────────────────────────────────────────
# On a convex set with ‖∇C‖ ≤ 1: C(y) − C(x) = ∫₀¹ ∇C(x + s (y − x))·(y − x) ds, at most ‖y − x‖.


@proves("penalty.interpolates_are_not_enough")
def test_on_the_segment_the_critic_is_lipschitz():
    """The integral along the segment of the same critic, between any two of its points: as long as the segment."""
    s, a, b, t = sympy.symbols("s a b t", real=True)
    along = sympy.integrate(sympy.diff(-t, t).subs(t, a + s * (b - a)) * (b - a), (s, 0, 1))
    assert sympy.simplify(along - (a - b)) == 0
