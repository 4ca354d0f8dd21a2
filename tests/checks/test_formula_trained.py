"""Losses are there to be differentiated: one without a gradient is wrong, and a value without one is a value."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import genverify as gv
from genverify.checks.call_by_call import kept_for_backward
from genverify.formulas.catalogue import all_formulas
from tests.checks.toy_formula import outcome, right, wrong


def nonsaturating(fake_logits):
    return F.softplus(-fake_logits.detach()).mean()


def critic(real, fake):
    return (fake.mean() - real.mean()).data


@torch.no_grad()
def squares(prediction, target):
    return F.mse_loss(prediction, target)


def defect(weight):
    return ((weight @ weight.mT - torch.eye(len(weight)).to(weight)) ** 2).sum().detach()


def commitment(z_e, z_q, beta=0.25):
    return beta * F.mse_loss(z_e.detach(), z_q.detach())


@pytest.mark.parametrize(
    ("f", "like"),
    [
        (nonsaturating, "gan.generator_loss_nonsaturating"), (critic, "wgan.critic_loss"), (squares, "loss.mse"),
        (defect, "orthogonality.frobenius_defect"), (commitment, "vq.commitment_loss"),
    ],
)  # fmt: skip
def test_a_loss_without_a_gradient_is_wrong(f, like):
    message = wrong(f, like, "gradient")
    assert "no gradient at all" in message
    assert f"{like} is to train with" in message


def kl(mu, logvar):
    return (-0.5 * (1 + logvar - mu.pow(2) - logvar.exp()).sum(1)).detach()


def distance(critic_real, critic_fake):
    return (critic_real.mean() - critic_fake.mean()).detach()


def number(prediction, target):
    return F.mse_loss(prediction, target).item()


@pytest.mark.parametrize(
    ("f", "like"),
    [(kl, "kl.diagonal_to_standard_normal"), (distance, "wgan.dual_value"), (number, "loss.mse")],
)
def test_a_value_that_is_looked_at_needs_none(f, like):
    assert outcome(f, like, "gradient") == "NOT_APPLICABLE"


def test_losses_and_penalties_of_the_catalogue_say_that_they_train():
    ours = {"gan", "wgan", "loss", "vq", "vae", "autoencoder", "penalty", "orthogonality", "policy"}
    for name, one in all_formulas().items():
        loss = "loss" in name.partition(".")[2] or "penalty" in name or one.topic == "loss"
        if one.topic in ours and loss and one.gradient:
            assert one.trains, name


# Calls in one mode after calls in another.


def test_what_another_mode_overwrites_does_not_matter_and_its_own_mode_does():
    w, state = torch.tensor(3.0, requires_grad=True), torch.tensor(2.0)
    with kept_for_backward():
        first = w * state
    state.add_(1.0)
    with kept_for_backward():
        second = w * state
        state.add_(1.0)
    (slope,) = torch.autograd.grad(first, w)
    assert float(slope) == 2.0
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(second, w)


def test_second_derivatives_go_through_what_was_kept():
    w, x = torch.tensor(3.0, requires_grad=True), torch.tensor(2.0, requires_grad=True)
    with kept_for_backward():
        (slope,) = torch.autograd.grad(w**2 * x**3, x, create_graph=True)
    (found,) = torch.autograd.grad(slope, w)
    assert float(found) == 2 * 3 * 3 * 4


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_the_older_spectral_normalisation_of_torch_has_the_right_gradient():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = nn.utils.spectral_norm(nn.Linear(4, 3))
    right(layer, "spectral_norm.dense", checks=("formula.dialect", "formula.gradient"))


# What is called.


class Overriding(nn.Module):
    """No `forward`, as in the first GANLoss of CycleGAN."""

    def __call__(self, prediction, target):
        return F.mse_loss(prediction, target)


def test_a_module_that_overrides_its_call_is_matched_by_it():
    right(Overriding(), "loss.mse")
    right(Overriding, "loss.mse")


# Several results that are to be added.


def halves(dis_fake, dis_real):
    return F.relu(1 - dis_real).mean(), F.relu(1 + dis_fake).mean()


def named_halves(dis_fake, dis_real):
    return dict(zip(("real", "fake"), halves(dis_fake, dis_real), strict=True))


def one_half_detached(dis_fake, dis_real):
    on_real, on_fake = halves(dis_fake, dis_real)
    return on_real.detach(), on_fake


HINGE = "gan.discriminator_loss_hinge"


@pytest.mark.parametrize("f", [halves, named_halves])
def test_results_whose_sum_is_the_formula_are_added_and_it_is_said(f):
    report = gv.verify(gv.Formula(f, like=HINGE), budget="quick")
    assert {one.outcome for one in report} <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}, str(report)
    assert "the sum of the results is judged" in str(report)


def test_of_results_that_are_added_each_has_its_gradient():
    assert "gradient is lost" in wrong(one_half_detached, HINGE, "gradient")


def test_results_that_cannot_be_added_are_explained_as_before():
    def with_a_row(dis_fake, dis_real):
        return F.relu(1 - dis_real), F.relu(1 + dis_fake).mean()

    assert "follow no dialect" in wrong(with_a_row, HINGE, "dialect")
