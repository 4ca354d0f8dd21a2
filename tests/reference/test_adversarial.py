"""References of adversarial training: what they refuse, and what a round moves."""

from __future__ import annotations

from itertools import islice

import pytest
import torch
from torch import nn

from genverify.reference.adversarial import losses, networks
from genverify.reference.adversarial.mode_coverage import mode_coverage, ring
from genverify.reference.adversarial.training import clipped, play

ONE = torch.zeros(1, 2)


@pytest.mark.parametrize(
    ("samples", "modes", "radius", "says"),
    [
        (ONE, torch.zeros(0, 2), 1.0, "0 modes"),
        (torch.zeros(0, 2), ONE, 1.0, "0 samples"),
        (ONE, ONE, 0.0, "positive radius"),
        (ONE, torch.zeros(1, 3), 1.0, r"\(1, 3\)"),
        (torch.zeros(2), ONE, 1.0, r"\(2,\)"),
    ],
)
def test_coverage_of_nothing_is_refused(samples, modes, radius, says):
    with pytest.raises(ValueError, match=says):
        mode_coverage(samples, modes, radius)


def test_a_ring_has_modes():
    with pytest.raises(ValueError, match="got 0 modes"):
        ring(0, 1.0)


@pytest.mark.parametrize("c", [0.0, -1.0, float("nan")])
def test_a_clip_leaves_something(c):
    with pytest.raises(ValueError, match="expected a positive number"):
        clipped(c)


def test_a_mode_counts_from_its_share_on():
    modes = torch.tensor([[0.0], [1.0]])
    samples = torch.cat([torch.zeros(19, 1), torch.ones(1, 1)])
    found = mode_coverage(samples, modes, 0.1)
    assert found.counts.tolist() == [19, 1]
    assert (found.covered(0.1), found.covered(0.2), found.near) == (2, 1, 1.0)


def _networks():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return networks.generator(2, 4, 2), networks.critic(2, 4)


def test_in_a_round_each_network_moves_by_its_own_loss_only():
    """One round of plain descent, against the two gradients written out."""
    (G, D), (H, E) = _networks(), _networks()
    real, noise, rate = torch.ones(3, 2), torch.ones(3, 2), 0.1
    rounds = play(
        G, D, lambda: real, lambda: noise, torch.optim.SGD(G.parameters(), lr=rate),
        torch.optim.SGD(D.parameters(), lr=rate), steps_D=2, loss_G=losses.generator_loss_nonsaturating,
        loss_D=lambda D, real, fake: losses.discriminator_loss_minimax(D(real), D(fake)),
    )  # fmt: skip
    (shown,) = islice(rounds, 1)
    for _ in range(2):
        value_D = losses.discriminator_loss_minimax(E(real), E(H(noise).detach()))
        _descend(E, value_D, rate)
    value_G = losses.generator_loss_nonsaturating(E(H(noise)))
    _descend(H, value_G, rate)
    assert shown == (value_D.item(), value_G.item())
    for one, other in zip((*G.parameters(), *D.parameters()), (*H.parameters(), *E.parameters()), strict=True):
        assert torch.equal(one, other)


def _descend(network: nn.Module, value: torch.Tensor, rate: float) -> None:
    slopes = torch.autograd.grad(value, list(network.parameters()))
    with torch.no_grad():
        for weight, slope in zip(network.parameters(), slopes, strict=True):
            weight -= rate * slope


def test_a_normalised_critic_has_the_constant_one():
    critic = networks.critic(2, 8, normalised=True)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        for _ in range(200):
            critic(torch.zeros(1, 2))
        x, y = torch.randn(100, 2), torch.randn(100, 2)
        assert float(((critic.eval()(x) - critic(y)).abs() / (x - y).norm(dim=1)).max()) < 1 + 1e-5


def test_a_round_has_a_step_of_the_discriminator():
    G, D = _networks()
    made = [torch.optim.SGD(one.parameters(), lr=0.1) for one in (G, D)]
    rounds = play(
        G, D, lambda: torch.ones(3, 2), lambda: torch.ones(3, 2), *made, steps_D=0,
        loss_G=losses.generator_loss_nonsaturating, loss_D=lambda D, real, fake: losses.critic_loss(D(real), D(fake)),
    )  # fmt: skip
    with pytest.raises(ValueError, match="steps_D=0"):
        next(rounds)
