"""A generator's loss with other terms beside that of the game: what is found, and where nothing can be said."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import genverify as gv
from tests.mutants.training_step_twins import d_loss, g_loss, seeded


def judged(f, like="gan.generator_step", **rest):
    subject = gv.TrainingStep(f, like=like, **rest)
    (verdict,) = gv.verify(subject, checks=["training_step.gradient"], budget="quick")
    return verdict


def _moves(opt_G, loss):
    opt_G.zero_grad()
    loss.backward()
    opt_G.step()


@pytest.mark.parametrize(
    ("adversarial", "name"),
    [
        (g_loss, "non-saturating"), (lambda s: -s.mean(), "Wasserstein"), (lambda s: -s.mean(), "hinge"),
        (lambda s: 0.5 * (s - 1).square().mean(), "least squares"), (lambda s: -F.softplus(s).sum(), "saturating"),
    ],
)  # fmt: skip
def test_the_part_through_the_discriminator_is_named_and_the_rest_is_noted(adversarial, name):
    def step(G, D, z, opt_G):
        fake = G(z)
        _moves(opt_G, 0.01 * adversarial(D(fake)) + fake.abs().mean())

    verdict = judged(step, loss=name)
    assert verdict.outcome is gv.Outcome.PASS, str(verdict)
    assert "other terms stand beside the loss of the game" in " ".join(verdict.evidence.notes)
    other = "least squares" if name == "non-saturating" else "non-saturating"
    assert judged(step, loss=other).outcome is gv.Outcome.FAIL


def test_an_adaptive_weight_is_a_factor():
    """Esser et al. 2021, eq. 7: the weight is made of two gradients, each by its own backward pass."""

    def step(G, D, z, opt_G):
        fake = G(z)
        near, game, last = fake.abs().mean(), -D(fake).mean(), list(G.parameters())[-1]
        slopes = [torch.autograd.grad(one, last, retain_graph=True)[0].norm() for one in (near, game)]
        _moves(opt_G, near + (slopes[0] / (slopes[1] + 1e-6)).detach() * game)

    assert judged(step).outcome is gv.Outcome.PASS


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, slope):
        return -slope


def _through_a_reversal(G, D, z, opt_G):
    fake = G(z)
    _moves(opt_G, F.softplus(D(_Reversed.apply(fake))).mean() + fake.abs().mean())


def _of_features_alone(G, D, z, opt_G):
    fake = G(z)
    D(fake.detach())
    _moves(opt_G, D[0](fake).mean(0).square().sum())


def _clipped_together(G, D, z, opt_G):
    fake = G(z)
    opt_G.zero_grad()
    (g_loss(D(fake)) + fake.abs().mean()).backward()
    nn.utils.clip_grad_norm_(G.parameters(), 0.1)
    opt_G.step()


@pytest.mark.parametrize("step", [_through_a_reversal, _of_features_alone, _clipped_together])
def test_what_is_not_told_apart_is_left_open(step):
    networks = {"G": seeded(nn.Linear, 4, 3), "D": seeded(nn.Sequential, nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 1))}
    assert judged(step, modules=networks).outcome is gv.Outcome.INCONCLUSIVE


def test_one_draw_for_a_whole_batch_is_said():
    """Its gradient is that of the loss, of a mean over one sample: no other loss, so that it is no failure."""

    def step(D, G, real, z, opt_D):
        opt_D.zero_grad()
        d_loss(D(real), D(G(z[:1]).detach().expand_as(real))).backward()
        opt_D.step()

    verdict = judged(step, "gan.discriminator_step")
    assert verdict.outcome is gv.Outcome.PASS
    assert "one and the same" in " ".join(verdict.evidence.notes)
