"""Adversarial models given what has no answer: said by name, and never judged as if it had one."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

import genverify as gv
from genverify.oracles import adversarial as oracle
from genverify.reference.adversarial import losses, penalties, steps, transport
from genverify.reference.layers.critic_layers import minibatch_standard_deviation
from genverify.subjects.case import Case
from genverify.subjects.token import Token

D_STEP, CRITIC = "gan.discriminator_step", "wgan.critic_step_clipped"
NOWHERE = -math.inf


def of(report, check):
    """The verdict of one check."""
    return next(verdict for verdict in report if verdict.check == check)


def networks(critic):
    return {"modules": {"D": critic, "G": nn.Linear(2, 3)}, "event_shape": 3, "latent_shape": 2}


# A critic with several outputs.


def test_a_penalty_on_several_outputs_is_not_judged_as_one_on_each():
    subject = gv.TrainingStep(steps.critic_step_penalised, like=D_STEP, second_order=True, **networks(nn.Linear(3, 4)))
    report = gv.verify(subject, budget="quick")
    for check in ("training_step.gradient", "training_step.second_order"):
        verdict = of(report, check)
        assert verdict.outcome is gv.Outcome.INCONCLUSIVE, str(verdict)
        assert "D returns 4 numbers for each sample" in str(verdict)


def test_a_loss_of_patches_passes_and_says_so():
    subject = gv.TrainingStep(steps.discriminator_step, like=D_STEP, **networks(nn.Linear(3, 4)))
    verdict = of(gv.verify(subject, budget="quick"), "training_step.gradient")
    assert verdict.outcome is gv.Outcome.PASS, str(verdict)
    assert any("4 numbers for each sample" in note for note in verdict.evidence.notes)


def test_a_map_with_several_outputs_has_an_operator_norm():
    critic = nn.Linear(3, 4).double()
    exact = float(torch.linalg.matrix_norm(critic.weight.detach(), 2))
    above = of(gv.verify(gv.Map(critic, lipschitz=1.01 * exact, event_shape=3), budget="quick"), "map.lipschitz")
    below = of(gv.verify(gv.Map(critic, lipschitz=0.9 * exact, event_shape=3), budget="quick"), "map.lipschitz")
    assert (above.outcome, below.outcome) == (gv.Outcome.PASS, gv.Outcome.FAIL)


# A critic with batch norm in training mode.


def normed(*between):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(3, 5), *between, nn.Tanh(), nn.Linear(5, 1))


def test_a_penalty_through_batch_norm_is_not_per_sample_and_is_said_so_by_name():
    subject = gv.TrainingStep(steps.critic_step_penalised, like=D_STEP, **networks(normed(nn.BatchNorm1d(5))))
    report = gv.verify(subject, budget="quick")
    for check in ("training_step.gradient", "training_step.second_order"):
        verdict = of(report, check)
        assert verdict.outcome is gv.Outcome.INCONCLUSIVE, str(verdict)
        assert "BatchNorm1d '1' in training mode" in str(verdict)
        assert "not per sample" in str(verdict)


@pytest.mark.parametrize("between", [nn.LayerNorm(5), nn.BatchNorm1d(5).eval(), nn.Identity()])
def test_norms_of_each_sample_and_frozen_ones_are_judged(between):
    critic = normed(between)
    subject = gv.TrainingStep(steps.critic_step_penalised, like=D_STEP, **networks(critic))
    verdict = of(gv.verify(subject, budget="quick"), "training_step.second_order")
    assert verdict.outcome is gv.Outcome.PASS, str(verdict)


def test_a_penalty_that_adds_nothing_is_a_failure_behind_batch_norm_too():
    def step(critic, G, real, z, opt_critic, lambda_gp=10.0):
        opt_critic.zero_grad()
        with torch.no_grad():
            fake = G(z)
        share = torch.rand(len(real), 1, dtype=real.dtype)
        x = (share * real + (1 - share) * fake).requires_grad_()
        (g,) = torch.autograd.grad(critic(x).sum(), x)
        loss = critic(fake).mean() - critic(real).mean() + lambda_gp * ((g.norm(dim=1) - 1) ** 2).mean()
        loss.backward()
        opt_critic.step()

    subject = gv.TrainingStep(step, like=D_STEP, **networks(normed(nn.BatchNorm1d(5))))
    verdict = of(gv.verify(subject, budget="quick"), "training_step.second_order")
    assert verdict.outcome is gv.Outcome.FAIL, str(verdict)


def test_a_loss_without_a_penalty_is_judged_through_batch_norm():
    subject = gv.TrainingStep(steps.discriminator_step, like=D_STEP, **networks(normed(nn.BatchNorm1d(5))))
    assert of(gv.verify(subject, budget="quick"), "training_step.gradient").outcome is gv.Outcome.PASS


# A penalty with a critic of its own, and a clip of nothing.


class Trainer:
    """Has its critic itself, as many trainers do."""

    def __init__(self):
        self.critic = nn.Linear(3, 1)

    def gradient_penalty(self, real, fake):
        return penalties.wgan_gp(self.critic, real, fake)


def test_a_penalty_with_a_critic_of_its_own_is_told_how_to_be_given_one():
    trainer = Trainer()
    with pytest.raises(gv.UsageError, match=r"Formula\(lambda critic, real, fake: …\)"):
        gv.verify(gv.Formula(trainer.gradient_penalty, like="penalty.wgan_gp"))

    def given(critic, real, fake):
        own = trainer.critic
        trainer.critic = critic
        try:
            return trainer.gradient_penalty(real, fake)
        finally:
            trainer.critic = own

    class Any(Trainer):
        def __init__(self):
            self.critic = None

    trainer = Any()
    report = gv.verify(gv.Formula(given, like="penalty.wgan_gp"), budget="quick")
    assert not [v for v in report if v.outcome not in (gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE)], str(report)


@pytest.mark.parametrize("how", [{"clip": 0.0}, {"clip": 0}, {"arguments": {"c": 0.0}}, {"clip": -0.1}])
def test_a_clip_of_nothing_is_refused(how):
    with pytest.raises(gv.UsageError, match=r"positive bound.*a critic clipped to 0 is constant"):
        gv.verify(gv.TrainingStep(steps.critic_step_clipped, like=CRITIC, **how))


def test_unrolling_no_steps_is_refused():
    with pytest.raises(gv.UsageError, match=r"one or more; without any it is gan\.generator_step"):
        gv.TrainingStep(steps.unrolled_step, like="gan.unrolled_step", unroll=0)


# Laws of different support.


def test_the_best_discriminator_where_one_law_is_nowhere():
    data, generator = torch.tensor([0.0, NOWHERE, 0.0]), torch.tensor([NOWHERE, 0.0, 0.0])
    assert losses.optimal_discriminator(data, generator).tolist() == [1.0, 0.0, 0.5]
    assert sum(oracle.optimal_discriminator.terms(data, generator)).tolist() == [1.0, 0.0, 0.5]
    nothing = torch.tensor([NOWHERE])
    assert bool(losses.optimal_discriminator(nothing, nothing).isnan())  # there nothing determines it


def test_the_value_of_laws_that_have_no_class_in_common_is_zero():
    first, second = torch.tensor([0.0, NOWHERE, NOWHERE]), torch.tensor([NOWHERE, 0.3, 0.3])
    assert float(losses.value_at_optimum(first, second)) == 0.0  # −log 4 + 2 log 2


def exponentials(log_data, log_generator):
    """As it is printed: 0/0 where both densities are small, as they are far from both laws."""
    p, q = log_data.exp(), log_generator.exp()
    return p / (p + q)


def by_probabilities(logits_p, logits_q):
    """0 · log 0 in a class that one of the laws does not have."""
    p, q = torch.softmax(logits_p, -1), torch.softmax(logits_q, -1)
    return (p * torch.log(p / (p + q)) + q * torch.log(q / (p + q))).sum(-1)


@pytest.mark.parametrize(
    ("f", "like"),
    [(exponentials, "gan.optimal_discriminator"), (by_probabilities, "gan.value_at_optimum")],
)
def test_formulas_that_are_no_number_where_supports_part_fail_there_alone(f, like):
    report = gv.verify(gv.Formula(f, like=like))
    assert of(report, "formula.dialect").outcome is gv.Outcome.PASS
    assert [v.check for v in report.failures] == ["formula.extremes"], str(report)
    assert "nan" in str(report.failures[0]).lower()


def test_the_dual_value_and_the_distance_of_two_points():
    real, fake = torch.zeros(3), torch.ones(3)
    assert float(-losses.critic_loss(-real, -fake)) == float(transport.wasserstein_1d(real, fake)) == 1.0


# No samples.

NONE = torch.zeros(0, 2)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: transport.wasserstein_1d(torch.zeros(0), torch.ones(3)), "samples of 0 and 3 points"),
        (lambda: losses.feature_matching(NONE, torch.ones(3, 2)), "0 real and 3 generated"),
        (lambda: minibatch_standard_deviation(torch.zeros(0, 2, 3, 3)), "expected one sample or more"),
    ],
)
def test_references_refuse_to_compare_nothing(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    ("f", "like", "values"),
    [
        (transport.wasserstein_1d, "transport.wasserstein_1d",
         {"x": torch.zeros(0), "y": torch.ones(3), "#sizes": {"sample": 0, "other": 3},
          "#layout": "samples of any sizes"}),
        (transport.wasserstein_normals, "transport.wasserstein_normals",
         {"mean_p": NONE, "std_p": NONE, "mean_q": NONE, "std_q": NONE, "#sizes": {"batch": 0, "event": 2},
          "#layout": "batched"}),
        (losses.feature_matching, "gan.feature_matching",
         {"real": NONE, "fake": torch.ones(3, 2), "#sizes": {"batch": 0, "feature": 2}, "#layout": "batched"}),
        (minibatch_standard_deviation, "gan.minibatch_standard_deviation",
         {"x": torch.zeros(0, 2, 3, 3), "#sizes": {"batch": 0, "channel": 2, "height": 3, "width": 3},
          "#layout": "images"}),
        (losses.critic_loss, "wgan.dual_value",
         {"real": NONE, "fake": NONE, "#sizes": {"batch": 0, "event": 2}, "#layout": "batched"}),
        (penalties.dragan, "penalty.dragan",
         {"real": NONE, "#sizes": {"batch": 0, "event": 2}, "#layout": "vectors, a critic with one column"}),
    ],
)  # fmt: skip
def test_a_case_of_no_samples_is_refused_and_never_judged(f, like, values):
    with pytest.raises(gv.UsageError, match="at least one row"):
        gv.replay(Token(check="formula.value", case=Case(values=values)).write(), gv.Formula(f, like=like))


def test_a_step_on_an_empty_batch_is_refused():
    subject = gv.TrainingStep(steps.discriminator_step, like=D_STEP, batch=torch.zeros(0, 3))
    with pytest.raises(gv.UsageError, match="no samples"):
        gv.verify(subject)


# Draws that torch does not see.


def of_a_generator(critic, real, fake):
    """NumPy's own generators leave no trace in any global state."""
    share = torch.as_tensor(np.random.default_rng().random((len(real), 1))).to(real)
    x = (share * real + (1 - share) * fake).requires_grad_()
    (g,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    return ((g.norm(dim=1) - 1) ** 2).mean()


def test_a_share_from_a_generator_that_is_not_seen_is_inconclusive():
    report = gv.verify(gv.Formula(of_a_generator, like="penalty.wgan_gp"), budget="quick")
    assert not report.failures, str(report)
    assert "a generator that is not seen" in str(of(report, "formula.dialect"))


def test_a_share_for_the_whole_batch_is_explained_by_the_joint_law_of_its_rows():
    def shared(critic, real, fake):
        share = torch.rand(1, dtype=real.dtype)
        x = (share * real + (1 - share) * fake).requires_grad_()
        (g,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
        return ((g.flatten(1).norm(dim=1) - 1) ** 2).mean()

    verdict = of(gv.verify(gv.Formula(shared, like="penalty.wgan_gp"), budget="quick"), "formula.dialect")
    assert verdict.outcome is gv.Outcome.FAIL
    assert "jointly the rows are not independent: the mean over draws is right" in str(verdict)
