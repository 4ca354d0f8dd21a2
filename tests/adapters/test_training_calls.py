"""How a stranger's training step is understood: names, made parts, copies of what it reaches, and what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

import genverify as gv
from genverify.adapters.training_roles import role_of
from genverify.cli.declaring import declare
from genverify.preparation import prepare
from genverify.reference.adversarial import steps
from tests.mutants.training_step_twins import Trainer

D_STEP = "gan.discriminator_step"


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("netD", "D"), ("critic", "D"), ("C", "D"), ("c", "clip"), ("gen", "G"), ("optimizerG", "optimizer G"),
        ("opt_critic", "optimizer D"), ("d_optim", "optimizer D"), ("optimizer", "optimizer"), ("noise", "noise"),
        ("real_imgs", "real"), ("gen_imgs", "fake"), ("nz", "latent size"), ("lambda_gp", "penalty weight"),
        ("clip_value", "clip"), ("n_critic", "rounds"), ("valid", "ones"), ("epoch", ""), ("self", ""),
        ("RealImages", "real"), ("Noise", "noise"), ("GOptimizer", "optimizer G"), ("batchSize", "batch size"),
        ("clamp_lower", "clip lower"), ("clampUpper", "clip upper"),
    ],
)  # fmt: skip
def test_a_name_says_what_it_stands_for(name: str, role: str) -> None:
    assert role_of(name) == role


def test_what_was_taken_for_what_is_said() -> None:
    subject = prepare(gv.TrainingStep(steps.critic_step_clipped, like="wgan.critic_step_clipped"))
    assert subject.calls.bound["optimizer_D"] == "optimizer D"
    assert subject.calls.clip == 0.01
    assert set(subject.calls.shapes) == {"real", "noise"}


def test_the_two_ends_of_a_clip_make_its_bound() -> None:
    def step(D, G, real, z, opt_D, clamp_lower=-0.02, clamp_upper=0.02):
        opt_D.zero_grad()
        (D(G(z).detach()).mean() - D(real).mean()).backward()
        opt_D.step()
        for p in D.parameters():
            p.data.clamp_(clamp_lower, clamp_upper)

    for arguments, bound in (({}, 0.02), ({"clamp_lower": -0.05, "clamp_upper": 0.05}, 0.05)):
        subject = gv.TrainingStep(step, like="wgan.critic_step_clipped", arguments=arguments)
        assert prepare(subject).calls.clip == bound
        (verdict,) = gv.verify(subject, checks=["training_step.clipped"], budget="quick")
        assert verdict.outcome is gv.Outcome.PASS, str(verdict)


def test_the_command_line_takes_either_spelling_and_knows_a_steps_names() -> None:
    target = "genverify.reference.adversarial.steps:discriminator_step"
    like = ("like", "gan.discriminator_step")
    for kind in ("training-step", "training_step", None):
        assert isinstance(declare(target, kind, [like]), gv.TrainingStep)


def test_noise_is_made_as_large_as_the_step_draws_it() -> None:
    def step(D, G, real, opt_D):
        opt_D.zero_grad()
        (softplus(-D(real)).mean() + softplus(D(G(torch.randn(len(real), 11)).detach())).mean()).backward()
        opt_D.step()

    subject = prepare(gv.TrainingStep(step, like=D_STEP))
    assert subject.calls.dtype == torch.float64
    (verdict,) = gv.verify(gv.TrainingStep(step, like=D_STEP), checks=["training_step.gradient"], budget="quick")
    assert verdict.outcome is gv.Outcome.PASS, str(verdict)


def test_the_users_trainer_is_left_alone() -> None:
    trainer = Trainer()
    before = {name: t.clone() for name, t in trainer.discriminator.state_dict().items()}
    subject = gv.TrainingStep(trainer.train_discriminator, like=D_STEP, event_shape=(1, 8, 8))
    report = gv.verify(subject, checks=["training_step.moves", "training_step.stays"], budget="quick")
    assert report.count(gv.Outcome.PASS) == 2, str(report)
    assert all(torch.equal(t, before[name]) for name, t in trainer.discriminator.state_dict().items())
    assert all(p.grad is None and p.dtype == torch.float32 for p in trainer.discriminator.parameters())
    assert not trainer.d_optimizer.state


def test_a_loss_that_is_found_is_named() -> None:
    report = gv.verify(
        gv.TrainingStep(steps.critic_step_penalised, like=D_STEP), checks=["training_step.second_order"], budget="quick"
    )
    (verdict,) = report
    assert any("10 times" in note for note in verdict.evidence.notes), str(verdict)


def test_a_failure_is_replayed_from_its_token() -> None:
    def step(D, G, real, z, opt_D):
        (softplus(-D(real)).mean() + softplus(D(G(z).detach())).mean()).backward()
        opt_D.step()

    subject = gv.TrainingStep(step, like=D_STEP)
    (verdict,) = gv.verify(subject, checks=["training_step.zeroed"], budget="quick")
    assert verdict.outcome is gv.Outcome.FAIL
    assert gv.replay(verdict.replay, subject).outcome is gv.Outcome.FAIL


def _unknown(D, G, real, frobnicator): ...


def _of_five(D, G, real, z, opt_D):
    D(real[:, :5] @ torch.ones(5, 1))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: gv.TrainingStep(_unknown, like="gan.discriminator_stp"), "did you mean"),
        (lambda: gv.TrainingStep(_unknown), "without like="),
        (lambda: gv.TrainingStep(_unknown, like=D_STEP, clip=0.0), "constant"),
        (lambda: gv.TrainingStep(_unknown, moves=("D",), stays=("D",)), "one of the two"),
        (lambda: prepare(gv.TrainingStep(_unknown, like=D_STEP)), "frobnicator"),
        (lambda: prepare(gv.TrainingStep(_of_five, like=D_STEP)), "event_shape"),
        (lambda: prepare(gv.TrainingStep(Trainer, like=D_STEP)), "construct it"),
        (lambda: prepare(gv.TrainingStep(lambda model, x: None, moves=("model",))), "modules="),
    ],
)
def test_what_cannot_be_understood_is_refused_with_advice(make, words: str) -> None:
    with pytest.raises(gv.UsageError, match=words):
        make()


def test_a_step_that_always_raises_by_itself_is_judged_and_fails() -> None:
    model = nn.Linear(3, 2)

    def step(model, x, optimizer):
        optimizer.zero_grad()
        loss = model(x).sum()
        loss.backward()
        raise RuntimeError("a bug of its own")

    subject = gv.TrainingStep(
        step, moves=("model",), modules={"model": model}, batch=torch.ones(4, 3),
        optimizers={"optimizer": torch.optim.SGD(model.parameters(), lr=0.1)},
    )  # fmt: skip
    (verdict,) = gv.verify(subject, checks=["training_step.moves"], budget="quick")
    assert verdict.outcome is gv.Outcome.FAIL
    assert "a bug of its own" in verdict.evidence.message
