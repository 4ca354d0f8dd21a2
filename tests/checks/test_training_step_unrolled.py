"""Unrolled steps: what is found, what is declared, and where nothing can be said."""

from __future__ import annotations

import pytest
import torch
from torch.func import functional_call

import genverify as gv
from genverify.preparation import prepare
from genverify.reference.adversarial import steps
from tests.mutants.training_step_twins import d_loss, g_loss
from tests.mutants.unrolled import by_an_optimizer, down, finish

UNROLLED = "gan.unrolled_step"


def judged(f, **rest):
    (verdict,) = gv.verify(gv.TrainingStep(f, like=UNROLLED, **rest), checks=["training_step.unrolled"], budget="quick")
    return verdict


def test_the_loss_the_number_of_steps_and_the_rate_are_named():
    verdict = judged(steps.unrolled_step)
    assert verdict.outcome is gv.Outcome.PASS
    assert "non-saturating, at D after 5 steps of minimax at rate 0.1" in " ".join(verdict.evidence.notes)
    assert verdict.evidence.figures["steps"] == 5.0


def test_the_number_of_steps_is_that_of_the_parameter_or_as_it_is_declared():
    assert prepare(gv.TrainingStep(steps.unrolled_step, like=UNROLLED)).calls.unroll == 5
    wrong = judged(steps.unrolled_step, unroll=4)
    assert wrong.outcome is gv.Outcome.FAIL
    assert "through 5 steps of D, where 4 are declared" in str(wrong)
    assert judged(steps.unrolled_step, arguments={"unroll_steps": 2}).outcome is gv.Outcome.PASS
    assert prepare(gv.TrainingStep(steps.generator_step, like="gan.generator_step")).calls.unroll is None


def test_the_gradient_check_leaves_it_to_this_one():
    report = gv.verify(gv.TrainingStep(steps.unrolled_step, like=UNROLLED), budget="quick")
    outcomes = {v.check: v.outcome for v in report}
    assert outcomes["training_step.gradient"] is gv.Outcome.NOT_APPLICABLE
    assert outcomes["training_step.unrolled"] is gv.Outcome.PASS


def test_an_ordinary_step_is_told_what_it_is():
    assert "this is gan.generator_step" in str(judged(steps.generator_step))


@pytest.mark.parametrize("loss", ["hinge", "least squares"])
def test_a_loss_that_is_declared_is_asked_for(loss):
    verdict = judged(steps.unrolled_step, loss=loss)
    assert verdict.outcome is not gv.Outcome.PASS


def test_steps_with_momentum_are_not_judged_as_gradient_descent():
    def with_momentum(G, D, real, z, opt_G, unroll_steps=3):
        fake, theta = G(z), dict(D.named_parameters())
        velocity = {name: torch.zeros_like(p) for name, p in theta.items()}
        for _ in range(unroll_steps):
            at = list(theta.values())
            loss = d_loss(functional_call(D, theta, (real,)), functional_call(D, theta, (fake,)))
            slopes = dict(zip(theta, torch.autograd.grad(loss, at, create_graph=True), strict=True))
            velocity = {name: 0.9 * velocity[name] + slopes[name] for name in theta}
            theta = {name: theta[name] - 0.1 * velocity[name] for name in theta}
        finish(g_loss(functional_call(D, theta, (fake,))), opt_G)

    verdict = judged(with_momentum)
    assert verdict.outcome is gv.Outcome.INCONCLUSIVE, str(verdict)
    assert "step 2 of D is no step of gradient descent" in str(verdict)


def test_a_term_below_rounding_is_not_missed():
    def tiny(G, D, real, z, opt_G, k=2):
        fake, theta = G(z), dict(D.named_parameters())
        for _ in range(k):
            theta = down(D, theta, real, fake, 1e-13)
        finish(g_loss(functional_call(D, theta, (fake,))), opt_G)

    assert judged(tiny).outcome is not gv.Outcome.FAIL


def test_what_an_optimizer_does_to_d_is_seen_though_d_is_put_back():
    report = gv.verify(gv.TrainingStep(by_an_optimizer, like=UNROLLED), budget="quick")
    assert [v.check for v in report.failures] == ["training_step.unrolled"]
