"""One step of adversarial training: one network moves, the other stays, and nothing is left behind.

A loss can be right in every digit and the step that uses it wrong: gradients run into the other network, are never
cleared, or do not run at all. None of this shows in the value of the loss. What it does to the weights is short
algebra, and `TrainingStep` sees it in the networks before and after.

Sources: Goodfellow et al. 2014, "Generative adversarial nets", algorithm 1; Arjovsky et al. 2017, "Wasserstein GAN",
algorithm 1; Gulrajani et al. 2017, "Improved training of Wasserstein GANs", algorithm 1.
"""

from __future__ import annotations

import pytest
import sympy
import torch
from torch.nn.functional import softplus

import genverify as gv
from genverify.claims import proves
from genverify.reference.adversarial import steps as reference

PASSES = {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


def report(step, **declared):
    """Every check at the quick budget."""
    return gv.verify(gv.TrainingStep(step, **declared), budget="quick")


def failing(step, **declared) -> set[str]:
    """The checks that say FAIL, by their last name."""
    return {v.check.split(".")[1] for v in report(step, **declared) if v.outcome is gv.Outcome.FAIL}


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# With and without detach, the discriminator's own gradient is the same.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# L(w, G(z; θ)): ∂L/∂w holds the samples fixed, whether or not they depend on θ. What detach prevents is ∂L/∂θ.

W, B, THETA, X, Z = sympy.symbols("w b theta x z", real=True)


def _discriminator_loss(fake):
    real_logit, fake_logit = W * X + B, W * fake + B
    return sympy.log(1 + sympy.exp(-real_logit)) + sympy.log(1 + sympy.exp(fake_logit))


@proves("training_step.detach")
def test_detach_does_not_change_the_discriminators_gradient():
    """In symbols; then two steps, of which one forgot the detach and cleans up afterwards: both PASS."""
    number = sympy.Symbol("y", real=True)  # what the generator gave, as a number
    for weight in (W, B):
        attached = sympy.diff(_discriminator_loss(THETA * Z), weight)
        detached = sympy.diff(_discriminator_loss(number), weight).subs(number, THETA * Z)
        assert sympy.simplify(attached - detached) == 0

    def cleans_up(D, G, real, z, optimizer_D):
        loss = softplus(-D(real)).mean() + softplus(D(G(z))).mean()
        optimizer_D.zero_grad()
        held = [None if p.grad is None else p.grad.clone() for p in G.parameters()]
        loss.backward()
        for p, grad in zip(G.parameters(), held, strict=True):
            p.grad = grad
        optimizer_D.step()

    for step in (reference.discriminator_step, cleans_up):
        assert not failing(step, like="gan.discriminator_step")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# What leaks into the generator is minus the gradient of its saturating loss.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Of L = −log D(x) − log(1 − D(G(z))) the second part alone depends on θ, and is minus log(1 − D(G(z))). In the logit f
# its slope is D(f) = σ(f); the non-saturating loss has D(f) − 1, and the sum is 2 D(f) − 1.


@proves("training_step.leak")
def test_what_leaks_is_the_opposite_of_what_the_generator_wants():
    """In θ: minus the saturating slope. With the other loss 2D − 1 in the logit, which vanishes at D = ½."""
    f = sympy.Symbol("f", real=True)
    sigmoid = 1 / (1 + sympy.exp(-f))
    logit, way = W * THETA * Z + B, W * Z  # of a generated sample, and its slope in θ
    leaked = sympy.diff(_discriminator_loss(THETA * Z), THETA)
    saturating, other = (
        sympy.diff(loss.subs(f, logit), THETA) for loss in (sympy.log(1 - sigmoid), -sympy.log(sigmoid))
    )
    assert sympy.simplify(leaked + saturating) == 0
    both = sympy.simplify((leaked + other) / way - (2 * sigmoid - 1).subs(f, logit))
    assert both == 0
    assert (2 * sigmoid - 1).subs(f, 0) == 0


@proves("training_step.leak")
def test_a_leak_shows_in_the_other_step_where_that_does_not_clear_it():
    """Beside a generator's step that clears its own gradients after it, FAIL; beside one that does so before, PASS."""

    def attached(D, G, real, z, optimizer_D):
        loss = softplus(-D(real)).mean() + softplus(D(G(z))).mean()
        optimizer_D.zero_grad()
        loss.backward()
        optimizer_D.step()

    def cleared_after(G, D, z, optimizer_G):
        softplus(-D(G(z))).mean().backward()
        optimizer_G.step()
        optimizer_G.zero_grad()

    assert "no_leak" in failing(attached, like="gan.discriminator_step", beside=cleared_after)
    assert not failing(attached, like="gan.discriminator_step", beside=reference.generator_step)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Without zeroing, descent becomes descent with momentum one.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# w_{t+1} = w_t − η (g_0 + … + g_t), so w_{t+1} − w_t = (w_t − w_{t−1}) − η g_t. With g = λw the roots of
# r² − (2 − ηλ) r + 1 have the product one, and are not real for 0 < ηλ < 4: |r| = 1, and nothing decays.


@proves("training_step.accumulated")
def test_gradients_that_are_never_cleared_never_settle():
    """Three steps of either recurrence are the same; both roots have the length one; FAIL, named."""
    eta, w0, g = sympy.Symbol("eta", positive=True), sympy.Symbol("w0"), sympy.symbols("g0:3")
    summed = [w0]
    for t in range(3):
        summed.append(summed[-1] - eta * sum(g[: t + 1]))
    heavy = [w0, w0 - eta * g[0]]
    for t in (1, 2):
        heavy.append(2 * heavy[-1] - heavy[-2] - eta * g[t])
    assert all(sympy.expand(a - b) == 0 for a, b in zip(summed, heavy, strict=True))
    c = sympy.Symbol("c", positive=True)  # ηλ = 4c/(1 + c) is any number between 0 and 4
    curved = 4 * c / (1 + c)
    r = sympy.Symbol("r")
    polynomial = sympy.Poly(r**2 - (2 - curved) * r + 1, r)
    assert sympy.simplify(polynomial.discriminant() + 16 * c / (1 + c) ** 2) == 0  # never real
    assert polynomial.coeff_monomial(1) == 1  # a pair of conjugates with the product one

    def never_zeroed(D, G, real, z, optimizer_D):
        with torch.no_grad():
            fake = G(z)
        (softplus(-D(real)).mean() + softplus(D(fake)).mean()).backward()
        optimizer_D.step()

    assert "zeroed" in failing(never_zeroed, like="gan.discriminator_step")


# ── Claim, as it is coded ────────────────────────────────────────────────────────────────────────────────────────────
# A discriminator that stays needs no graph.
#
# ── Counterexample, and what holds ───────────────────────────────────────────────────────────────────────────────────


@proves("training_step.generator_without_graph")
def test_the_generators_gradient_runs_through_the_discriminator():
    """Its samples detached: the loss is right, and nothing moves. Frozen weights: PASS."""
    D, G = torch.nn.Linear(2, 1), torch.nn.Linear(3, 2)
    z = torch.ones(4, 3)
    right, cut = softplus(-D(G(z))).mean(), softplus(-D(G(z).detach())).mean()
    assert torch.equal(right, cut)
    assert torch.autograd.grad(right, G.weight)[0].abs().max() > 0
    assert torch.autograd.grad(cut, G.weight, allow_unused=True) == (None,)

    def detached(G, D, z, optimizer_G):
        loss = softplus(-D(G(z).detach())).mean()
        optimizer_G.zero_grad()
        loss.backward()
        optimizer_G.step()

    def frozen(G, D, z, optimizer_G):
        D.requires_grad_(False)
        loss = softplus(-D(G(z))).mean()
        optimizer_G.zero_grad()
        loss.backward()
        optimizer_G.step()
        D.requires_grad_(True)

    assert "moves" in failing(detached, like="gan.generator_step")
    assert not failing(frozen, like="gan.generator_step")


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────


@proves("training_step.leak")
@pytest.mark.parametrize(
    ("step", "like", "declared"),
    [
        (reference.discriminator_step, "gan.discriminator_step", {}),
        (reference.generator_step, "gan.generator_step", {}),
        (reference.critic_step_clipped, "wgan.critic_step_clipped", {"clip": 0.01}),
        (reference.critic_step_penalised, "", {"moves": ("D",), "stays": ("G",), "second_order": True}),
    ],
    ids=["discriminator", "generator", "clipped critic", "penalised critic"],
)
def test_the_references_pass(step, like, declared):
    """No check objects."""
    found = report(step, **({"like": like} if like else {}), **declared)
    assert {v.outcome for v in found} <= PASSES, str(found)
    assert found.count(gv.Outcome.PASS) >= 4
