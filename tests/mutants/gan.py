"""Mutants of adversarial losses, each with one named bug, and twins in the styles in which people write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
MINIMAX, SATURATING, PLAIN = (
    "gan.discriminator_loss_minimax", "gan.generator_loss_saturating", "gan.generator_loss_nonsaturating",
)  # fmt: skip
HINGE, SQUARES = "gan.discriminator_loss_hinge", "gan.discriminator_loss_least_squares"


def mutant(like: str, killed_by: str = "dialect") -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong loss."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        make = lambda: Formula(f, like=like)  # noqa: E731
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str) -> Callable[[Any], Any]:
    """Declares the decorated function, or class, as a right one."""

    def declare(f: Any) -> Any:
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=lambda: Formula(f, like=like)))
        return f

    return declare


def against(outputs, label):
    return F.binary_cross_entropy_with_logits(outputs, torch.full_like(outputs, label))


@mutant(MINIMAX)
def labels_exchanged(real_output, fake_output):
    """1 for generated samples and 0 for real ones. Met where the two label tensors are made in one place."""
    return against(real_output, 0.0) + against(fake_output, 1.0)


@mutant(MINIMAX)
def sigmoid_twice(real_output, fake_output):
    """A network that ends in a sigmoid, and a loss that takes logits: no gradient beyond ¼. The commonest of all."""
    return against(torch.sigmoid(real_output), 1.0) + against(torch.sigmoid(fake_output), 0.0)


@mutant(MINIMAX)
def halves_uneven(real_output, fake_output):
    """Only the generated half is divided by two: D* becomes 2p/(2p + q)."""
    return against(real_output, 1.0) + 0.5 * against(fake_output, 0.0)


@mutant(MINIMAX)
def maximised(D_real, D_fake):
    """The value of the game as the paper has it, handed to a minimiser."""
    return (torch.log(D_real) + torch.log(1 - D_fake)).mean()


@mutant(MINIMAX, "extremes")
def logarithm_of_a_sigmoid(real_logits, fake_logits):
    """log σ overflows where the discriminator is sure."""
    return -(torch.log(torch.sigmoid(real_logits)) + torch.log(1 - torch.sigmoid(fake_logits))).mean()


@mutant(MINIMAX, "gradient")
def generated_half_detached(real_output, fake_output):
    """The discriminator does not learn from generated samples: the logits, and not the samples, are detached."""
    return against(real_output, 1.0) + against(fake_output.detach(), 0.0)


@mutant(PLAIN)
def fooled_with_zeros(fake_output):
    """The generator is trained towards label 0: it helps the discriminator."""
    return against(fake_output, 0.0)


@mutant(PLAIN)
def the_other_form(D_fake):
    """log(1 − D) where −log D is meant: it saturates."""
    return torch.log(1 - D_fake).mean()


@mutant(SATURATING)
def negated_game(fake_logits):
    """softplus for −softplus: the generator is driven to where it is found out."""
    return F.softplus(fake_logits).mean()


@mutant(HINGE)
def margins_of_the_other(real_pred, fake_pred):
    """The signs inside are exchanged: both margins are pushed the wrong way."""
    return F.relu(1 + real_pred).mean() + F.relu(1 - fake_pred).mean()


@mutant(HINGE)
def one_hinge_for_both(real_pred, fake_pred):
    """One maximum over the sum: a large real score excuses a large generated one."""
    return F.relu((1 - real_pred) + (1 + fake_pred)).mean()


@mutant("gan.generator_loss_hinge")
def hinged_generator(fake_pred):
    """A hinge on the generator as well: its gradient stops where it wins by the margin."""
    return F.relu(1 - fake_pred).mean()


@mutant(SQUARES)
def both_towards_one(real, fake):
    """The generator's target in the discriminator's loss."""
    return 0.5 * ((real - 1) ** 2).mean() + 0.5 * ((fake - 1) ** 2).mean()


@mutant("gan.relativistic_discriminator_loss")
def second_half_not_turned(real, fake):
    """Of the average form both halves are pushed towards label 1."""
    return (against(real - fake.mean(), 1.0) + against(fake - real.mean(), 1.0)) / 2


@mutant("gan.relativistic_generator_loss")
def discriminator_for_generator(real, fake):
    """The discriminator's own loss is given to the generator."""
    return F.softplus(fake - real).mean()


@mutant("gan.optimal_discriminator")
def generator_over_sum(p_data, p_gen):
    """p_g/(p_d + p_g): the probability of being generated."""
    return p_gen / (p_data + p_gen)


@mutant("gan.value_at_optimum")
def without_the_halves(p, q):
    """−log 4 + 2 JSD with a divergence that has lost its ½."""
    m = (p + q) / 2
    return -1.3862943611198906 + 2 * (p * (p / m).log() + q * (q / m).log()).sum(-1)


@mutant("gan.feature_matching")
def mean_over_everything(real_features, fake_features):
    """One mean over samples and features: features cancel."""
    return (real_features.mean() - fake_features.mean()) ** 2


@mutant("wgan.critic_loss")
def critic_maximised(critic_real, critic_fake):
    """E C(x) − E C(G(z)) handed to a minimiser."""
    return critic_real.mean() - critic_fake.mean()


@mutant("wgan.critic_loss")
def both_means_added(critic_real, critic_fake):
    """A sign lost: both scores are pushed down."""
    return critic_real.mean() + critic_fake.mean()


@mutant("wgan.generator_loss")
def generator_downhill(fake_validity):
    """The sign of the generator's loss: it moves away from the data."""
    return fake_validity.mean()


@mutant("wgan.dual_value")
def dual_of_the_loss(critic_real, critic_fake):
    """The loss for the estimate of the distance: negative."""
    return critic_fake.mean() - critic_real.mean()


# Correct, in other styles.


@twin(MINIMAX)
def of_probabilities(D_real, D_fake):
    return -torch.mean(torch.log(D_real + 1e-12) + torch.log(1 - D_fake + 1e-12))


@twin(MINIMAX)
def halved_and_of_probabilities(real_output, fake_output):
    criterion = nn.BCELoss()
    loss = criterion(real_output, torch.ones_like(real_output)) + criterion(fake_output, torch.zeros_like(fake_output))
    return loss / 2


@twin(MINIMAX)
def concatenated(real_logits, fake_logits):
    logits = torch.cat([real_logits, fake_logits])
    return F.binary_cross_entropy_with_logits(
        logits, torch.cat([torch.ones_like(real_logits), torch.zeros_like(fake_logits)])
    )


@twin(MINIMAX)
class Reported(nn.Module):
    """Gives the halves back as well."""

    def forward(self, d_real, d_fake):
        on_real, on_fake = against(d_real, 0.9), against(d_fake, 0.0)
        return on_real + on_fake, on_real, on_fake


@twin(SATURATING)
def by_the_probability(D_G_z):
    return torch.log1p(-D_G_z).mean()


@twin(HINGE)
def by_minima(real_pred, fake_pred):
    zero = torch.zeros_like(real_pred)
    return -torch.min(real_pred - 1, zero).mean() - torch.min(-fake_pred - 1, zero).mean()


@twin(SQUARES)
def by_mse(real, fake):
    return F.mse_loss(real, torch.ones_like(real)) + F.mse_loss(fake, torch.zeros_like(fake))


@twin("gan.relativistic_generator_loss")
def average_generator(real, fake):
    return (against(real - fake.mean(), 0.0) + against(fake - real.mean(), 1.0)) / 2


@twin("gan.feature_matching")
def absolute_of_detached(real_features, fake_features):
    return F.l1_loss(fake_features.mean(0), real_features.detach().mean(0))


@twin("wgan.critic_loss")
def as_printed(real_validity, fake_validity):
    return -torch.mean(real_validity) + torch.mean(fake_validity)
