"""Penalties on the slope of a critic: what they are on a linear critic, and what a penalty of zero does not say.

A critic estimates a distance only if its slope is bounded. Gulrajani et al. ask for slope one at random points between
real and generated samples. The penalty contains a gradient, so that its own gradient is of second order: where it is
computed without its graph, the value is right and nothing is learnt from it.

Sources: Gulrajani et al. 2017, "Improved training of Wasserstein GANs"; Petzka, Fischer & Lukovnikov 2018, "On the
regularization of Wasserstein GANs"; Mescheder, Geiger & Nowozin 2018, "Which training methods for GANs do actually
converge?"; Kodali, Abernethy, Hays & Kira 2017, "On convergence and stability of GANs".
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


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# One draw for the whole batch keeps the mean of the penalty, and wastes the batch.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Of rows that are alike the penalty is (1/n) Σ f(u_i). With one u it is f(u): the same mean, and Var f for (Var f)/n.


@proves("penalty.shared_draw")
def test_a_draw_for_the_batch_has_the_mean_and_not_the_variance():
    """Both moments by integration; so no mean over seeds shows it, and the draws themselves do."""
    a, b, c = sympy.symbols("a b c", real=True)
    for n in (2, 3):
        u = sympy.symbols(f"u1:{n + 1}", real=True)

        def f(t):
            return a + b * t + c * t**2

        def mean(expression, u=u):
            for one in u:
                expression = sympy.integrate(sympy.expand(expression), (one, 0, 1))
            return expression

        own, shared = sum(f(one) for one in u) / n, f(u[0])
        assert sympy.expand(mean(own) - mean(shared)) == 0
        variances = [mean(one**2) - mean(one) ** 2 for one in (own, shared)]
        assert sympy.expand(variances[1] - n * variances[0]) == 0

    def of_one_draw(critic, real, fake):
        share = torch.rand(1, dtype=real.dtype)
        x = (share * real + (1 - share) * fake).requires_grad_()
        (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
        return ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean()

    report = gv.verify(gv.Formula(of_one_draw, like="penalty.wgan_gp"), budget="quick")
    assert "one share for the whole batch" in str(report.failures[0])


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The noise of the authors' first code is not the paper's, whatever c is.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# E u = 1/2, E u² = 1/3; of α u with α as uniform and independent, E = 1/4 and E (αu)² = 1/9.


@proves("penalty.dragan.first_code")
def test_the_moments_of_the_first_noise():
    """The moments; both noises pass under their own names, and the reference, which has the paper's, agrees."""
    s, u, share = sympy.symbols("s u alpha", positive=True)

    def moments(delta):
        first, second = (
            sympy.integrate(sympy.integrate(sympy.expand(delta**power), (u, 0, 1)), (share, 0, 1)) for power in (1, 2)
        )
        return sympy.simplify(first), sympy.simplify(second - first**2)

    assert moments(s * u / 2) == (s / 4, s**2 / 48)
    assert moments(share * s * u / 2) == (s / 8, 7 * s**2 / 576)

    def first_code(critic, x):
        x = (x + 0.5 * x.std() * torch.rand_like(x)).requires_grad_()
        (gradient,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
        return ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean()

    assert passes(first_code, "penalty.dragan")
    # Of a linear critic no noise matters.
    slope = torch.tensor([3.0, 4.0], dtype=torch.float64)
    torch.manual_seed(0)
    for penalty in (first_code, reference.dragan):
        assert float(penalty(lambda x: x @ slope, torch.randn(5, 2).double())) == 16.0
