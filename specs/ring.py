"""Eight normal laws on a ring, four adversarial models that learn them, and one that is made to collapse.

The ring is Metz et al.'s problem (2017, section 3.1): a mixture of eight normal laws in the plane, so far apart that a
generator may well find some and leave out the others. Here the radius is 2 and the standard deviation 0.1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor, nn

from genverify.reference.adversarial import losses, networks, penalties
from genverify.reference.adversarial.mode_coverage import ModeCoverage, mode_coverage, ring
from genverify.reference.adversarial.training import clipped, play

MODES, RADIUS, SPREAD = 8, 2.0, 0.1
NEAR = 3 * SPREAD  # 98.9 % of the mixture's own draws are as near to a mode
NOISE, HIDDEN, BATCH, ROUNDS = 4, 64, 128, 1200
JUDGED = 1000  # samples

CENTRES = ring(MODES, RADIUS)


def draws(count: int) -> Tensor:
    """Samples of the mixture."""
    return CENTRES[torch.randint(MODES, (count,))] + SPREAD * torch.randn(count, 2)


def _minimax(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    return losses.discriminator_loss_minimax(D(real), D(fake))


def _with_r1(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    return _minimax(D, real, fake) + 0.2 * penalties.r1(D, real)


def _hinge(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    # Three times the scores: a slope of three, with which the margin of two fits between neighbouring modes.
    return losses.discriminator_loss_hinge(3 * D(real), 3 * D(fake))


def _critic(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    return losses.critic_loss(D(real), D(fake))


def _with_penalty(D: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    return _critic(D, real, fake) + penalties.wgan_gp(D, real, fake)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How one kind of model is trained.

    Attributes:
        loss_D: What the discriminator or critic moves down.
        loss_G: What the generator moves down, of the scores of its samples.
        rates: Of D and of G; both fall to zero along half a cosine.
        betas: Of Adam; None for RMSprop.
        steps_D: Steps of D in a round.
        after_D: What is done to D after each of its steps.
        normalised: Whether D's layers are.
    """

    loss_D: Callable[[nn.Module, Tensor, Tensor], Tensor] = _minimax
    loss_G: Callable[[Tensor], Tensor] = losses.generator_loss_nonsaturating
    rates: tuple[float, float] = (2e-3, 2e-3)
    betas: tuple[float, float] | None = (0.5, 0.9)
    steps_D: int = 2
    after_D: Callable[[nn.Module], object] = lambda D: None
    normalised: bool = False


RECIPES = {
    "GAN": Recipe(betas=(0.0, 0.99)),
    "GAN with R1": Recipe(loss_D=_with_r1),
    "WGAN, clipped": Recipe(
        loss_D=_critic, loss_G=losses.generator_loss_wasserstein, rates=(8e-3, 8e-3), betas=None, after_D=clipped(0.1)
    ),
    "WGAN-GP": Recipe(loss_D=_with_penalty, loss_G=losses.generator_loss_wasserstein),
    "SN-GAN": Recipe(loss_D=_hinge, loss_G=losses.generator_loss_hinge, normalised=True),
    "a GAN that collapses": Recipe(rates=(2e-3, 1e-3), steps_D=5),
}


@functools.cache
def trained(name: str, seed: int = 0, rounds: int = ROUNDS) -> tuple[nn.Module, nn.Module]:
    """Generator and discriminator after training; torch's own state of random numbers stays as it was."""
    recipe, threads = RECIPES[name], torch.get_num_threads()
    torch.set_num_threads(1)  # the tensors are so small that threads would only wait for each other
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            G, D = networks.generator(NOISE, HIDDEN, 2), networks.critic(2, HIDDEN, normalised=recipe.normalised)
            made = [_optimizer(one, rate, recipe.betas) for one, rate in zip((D, G), recipe.rates, strict=True)]
            falling = [torch.optim.lr_scheduler.CosineAnnealingLR(one, T_max=rounds) for one in made]
            turns = play(
                G, D, lambda: draws(BATCH), lambda: torch.randn(BATCH, NOISE), made[1], made[0], loss_D=recipe.loss_D,
                loss_G=recipe.loss_G, steps_D=recipe.steps_D, after_D=recipe.after_D,
            )  # fmt: skip
            for _ in islice(turns, rounds):
                for one in falling:
                    one.step()
    finally:
        torch.set_num_threads(threads)
    return G.eval().requires_grad_(False), D.eval().requires_grad_(False)


def _optimizer(model: nn.Module, rate: float, betas: tuple[float, float] | None) -> torch.optim.Optimizer:
    if betas is None:
        return torch.optim.RMSprop(model.parameters(), lr=rate)
    return torch.optim.Adam(model.parameters(), lr=rate, betas=betas, fused=True)


def samples(name: str, seed: int = 0) -> Tensor:
    """What the generator gives for the same noise every time."""
    return trained(name, seed)[0](torch.randn(JUDGED, NOISE, generator=torch.Generator().manual_seed(1)))


def coverage(x: Tensor) -> ModeCoverage:
    """Which modes these samples find."""
    return mode_coverage(x, CENTRES, NEAR)


def distance(x: Tensor, y: Tensor) -> float:
    """W₁ of two samples of one size in the plane: the cheapest pairing."""
    cost = torch.cdist(x, y).numpy()
    rows, columns = linear_sum_assignment(cost)
    return float(cost[rows, columns].mean())


@functools.cache
def held_out(seed: int = 2) -> Tensor:
    """Samples of the mixture that nothing was trained on."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return draws(JUDGED)


def best_normal() -> Tensor:
    """Samples of the normal law with the mixture's mean, zero, and its covariance, (radius²/2 + spread²) I."""
    scale = (RADIUS**2 / 2 + SPREAD**2) ** 0.5
    return scale * torch.randn(JUDGED, 2, generator=torch.Generator().manual_seed(3))
