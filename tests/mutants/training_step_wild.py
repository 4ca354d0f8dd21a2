"""Training steps as issue trackers have them, each bug beside its correct twin, and correct steps in unusual styles."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from genverify.subjects.training_step import TrainingStep
from tests.mutants.mutant import Mutant, Twin
from tests.mutants.training_step_twins import critic_loss, d_loss, g_loss, seeded

D_STEP, G_STEP, CRITIC = "gan.discriminator_step", "gan.generator_step", "wgan.critic_step_clipped"


def _moves_g(G, opt_G, loss) -> None:
    opt_G.zero_grad()
    loss.backward()
    opt_G.step()


def _clip(net, c: float) -> None:
    for p in net.parameters():
        p.data.clamp_(-c, c)


def backward_with_one(G, D, z, g_optimizer):
    """g_loss.backward(one) where `mone` is meant: G goes away from the data: Zeleni9/pytorch-wgan#51, fixed in #53."""
    g_optimizer.zero_grad()
    D(G(z)).mean().backward(torch.ones((), dtype=z.dtype))
    g_optimizer.step()


def backward_with_minus_one(G, D, z, g_optimizer):
    g_optimizer.zero_grad()
    D(G(z)).mean().backward(-torch.ones((), dtype=z.dtype))
    g_optimizer.step()


def score_detached_beside_l1(G, D, z, opt_G, l1=10.0):
    """The score is detached, and the reconstruction alone trains G: wangle53/CSA-CDGAN#5."""
    fake = G(z)
    _moves_g(G, opt_G, g_loss(D(fake)).detach() + l1 * fake.abs().mean())


def sample_detached_beside_l1(G, D, z, opt_G, l1=10.0):
    """What D is given is detached in G's loss, too: wangle53/CSA-CDGAN#5."""
    fake = G(z)
    _moves_g(G, opt_G, g_loss(D(fake.detach())) + l1 * fake.abs().mean())


def toward_fake_beside_l1(G, D, z, opt_G, l1=10.0):
    """As pix2pix, with the label of generated samples: the L1 term hides it from the losses' curves."""
    fake = G(z)
    _moves_g(G, opt_G, F.softplus(D(fake)).mean() + l1 * fake.abs().mean())


def score_beside_l1(G, D, z, opt_G, l1=10.0):
    """Pix2pix's objective: Isola et al. 2017, eq. 4."""
    fake = G(z)
    _moves_g(G, opt_G, g_loss(D(fake)) + l1 * fake.abs().mean())


class Pix2Pix:
    """D is given the input beside the image, scores patches, and its features are no part of the loss."""

    def __init__(self) -> None:
        self.netG, self.netD = (
            seeded(nn.Linear, 3, 3),
            seeded(nn.Sequential, nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 4)),
        )
        self.optimizer_G = torch.optim.Adam(self.netG.parameters(), lr=2e-4, betas=(0.5, 0.999))

    def optimize_generator(self, real_A: torch.Tensor, real_B: torch.Tensor) -> None:
        fake_B = self.netG(real_A)
        self.netD.requires_grad_(False)
        self.optimizer_G.zero_grad()
        score = self.netD(torch.cat((real_A, fake_B), 1))
        loss = F.binary_cross_entropy_with_logits(score, torch.ones_like(score))
        (loss + 100.0 * F.l1_loss(fake_B, real_B)).backward()
        self.optimizer_G.step()
        self.netD.requires_grad_(True)


def pix2pix() -> TrainingStep:
    a, b = torch.linspace(-1, 1, 15).reshape(5, 3), torch.linspace(1, -0.5, 15).reshape(5, 3)
    return TrainingStep(
        Pix2Pix().optimize_generator, like=G_STEP, loss="non-saturating", arguments={"real_A": a, "real_B": b}
    )


def never_cleared_d(D, G, real, z, optimizerD, optimizerG):
    """The discriminator's zero_grad is missing: Adversarial-Deep-Learning/code-soup#69, fixed in #73."""
    optimizerG.zero_grad()
    d_loss(D(real), D(G(z).detach())).backward()
    optimizerD.step()


def cleared_d(D, G, real, z, optimizerD):
    D.zero_grad()
    d_loss(D(real), D(G(z).detach())).backward()
    optimizerD.step()


def cleared_outside_the_rounds(D, G, real, opt_D, latent_dim, n_critic=3, clip_value=0.01):
    """`zero_grad` once, before the critic's inner loop: every round has the gradients of all before it."""
    opt_D.zero_grad()
    for _ in range(n_critic):
        critic_loss(D(real), D(G(torch.randn(len(real), latent_dim)).detach())).backward()
        opt_D.step()
        _clip(D, clip_value)


def steps_between(D, G, real, z, opt_D):
    """An update on the data, then one on generated samples, in which the gradient of the first still is."""
    opt_D.zero_grad()
    F.softplus(-D(real)).mean().backward()
    opt_D.step()
    F.softplus(D(G(z).detach())).mean().backward()
    opt_D.step()


def steps_in_turn(D, G, real, z, opt_D):
    """The same, each update by its own gradient."""
    for sign, samples in ((-1.0, real), (1.0, G(z).detach())):
        opt_D.zero_grad()
        F.softplus(sign * D(samples)).mean().backward()
        opt_D.step()


def clips_outside_the_rounds(D, G, real, opt_D, latent_dim, n_critic=3, clip_value=0.01):
    """The clip is indented as the loop is, and not as its body: Arjovsky et al. 2017 clip after every update."""
    for _ in range(n_critic):
        opt_D.zero_grad()
        critic_loss(D(real), D(G(torch.randn(len(real), latent_dim)).detach())).backward()
        opt_D.step()
    _clip(D, clip_value)


def authors_clip(netD, netG, real, noise, optimizerD, clamp_lower=-0.01, clamp_upper=0.01, Diters=2):
    """Arjovsky's own loop, with their names: weights are clipped before each update."""
    for _ in range(Diters):
        for p in netD.parameters():
            p.requires_grad = True
            p.data.clamp_(clamp_lower, clamp_upper)
        netD.zero_grad()
        netD(real).mean(0).view(1).backward(-torch.ones(1, dtype=real.dtype))
        with torch.no_grad():
            fake = netG(noise)
        netD(fake).mean(0).view(1).backward(torch.ones(1, dtype=real.dtype))
        optimizerD.step()


class _Averaged:
    def __init__(self) -> None:
        self.G, self.D = seeded(nn.Linear, 4, 3), seeded(nn.Linear, 3, 1)
        self.G_ema = copy.deepcopy(self.G)
        self.opt_G = torch.optim.SGD(self.G.parameters(), lr=0.1)

    def g_step(self, z, exchanged=False):
        _moves_g(self.G, self.opt_G, g_loss(self.D(self.G(z))))
        with torch.no_grad():
            for p, q in zip(self.G_ema.parameters(), self.G.parameters(), strict=True):
                q.lerp_(p, 0.999) if exchanged else p.lerp_(q, 0.001)

    def exchanged(self, z):
        self.g_step(z, True)

    def lookahead(self, z):
        """Fast weights go back half the way, Zhang et al. 2019, algorithm 1."""
        slow = copy.deepcopy(self.G)
        _moves_g(self.G, self.opt_G, g_loss(self.D(self.G(z))))
        with torch.no_grad():
            for p, q in zip(slow.parameters(), self.G.parameters(), strict=True):
                q.lerp_(p, 0.5)

    def on_the_sphere(self, z):
        """Projected gradient descent: rows of G have norm one."""
        _moves_g(self.G, self.opt_G, g_loss(self.D(self.G(z))))
        self.G.weight.data.copy_(F.normalize(self.G.weight.data, dim=1))


def average_written_over() -> TrainingStep:
    """The average's arguments are exchanged: 99.9 % of every step are undone."""
    return TrainingStep(_Averaged().exchanged, like=G_STEP, latent_shape=4)


def averaged_generator() -> TrainingStep:
    return TrainingStep(_Averaged().g_step, like=G_STEP, latent_shape=4, arguments={"exchanged": False})


def lookahead() -> TrainingStep:
    return TrainingStep(_Averaged().lookahead, like=G_STEP, latent_shape=4)


def projected() -> TrainingStep:
    return TrainingStep(_Averaged().on_the_sphere, like=G_STEP, latent_shape=4)


def _with_dropout(step: Callable[..., Any], like: str = D_STEP, **rest: Any) -> TrainingStep:
    D = seeded(nn.Sequential, nn.Linear(3, 8), nn.BatchNorm1d(8), nn.LeakyReLU(0.2), nn.Dropout(0.3), nn.Linear(8, 1))
    return TrainingStep(step, like=like, modules={"G": seeded(nn.Linear, 4, 3), "D": D}, **rest)


def _measured(G, D, real, z, opt_D):
    cleared_d(D, G, real, z, opt_D)
    D.eval()
    return (D(real) > 0).double().mean()


def left_in_evaluation() -> TrainingStep:
    """D.eval() for a measurement at the end, and never D.train(): dropout and batch norm are off from then on."""
    return _with_dropout(_measured)


def evaluated_and_back() -> TrainingStep:
    def step(G, D, real, z, opt_D):
        accuracy = _measured(G, D, real, z, opt_D)
        D.train()
        return accuracy

    return _with_dropout(step)


def in_training_from_the_start() -> TrainingStep:
    """Left in evaluation mode, and put back where the next step starts."""

    def step(G, D, real, z, opt_D):
        D.train()
        return _measured(G, D, real, z, opt_D)

    return _with_dropout(step)


def _g_freezes(G, D, z, opt_G):
    D.requires_grad_(False)
    _moves_g(G, opt_G, g_loss(D(G(z))))


def left_frozen() -> TrainingStep:
    """G's step freezes D, and neither step thaws it: after the first round D never moves."""
    return TrainingStep(_g_freezes, like=G_STEP, beside=lambda D, G, real, z, opt_D: cleared_d(D, G, real, z, opt_D))


def frozen_in_turn() -> TrainingStep:
    """StyleGAN2's: each step freezes the other network, and thaws its own."""

    def d_step(G, D, real, z, opt_D):
        D.requires_grad_(True)
        G.requires_grad_(False)
        cleared_d(D, G, real, z, opt_D)

    def g_step(G, D, z, opt_G):
        G.requires_grad_(True)
        _g_freezes(G, D, z, opt_G)

    return TrainingStep(g_step, like=G_STEP, beside=d_step)


def cleared_within_microbatches(D, G, real, z, opt_D, parts=2):
    """Gradients of micro-batches are to be added up, and zero_grad stands in their loop: the last one alone counts."""
    for x, noise in zip(real.chunk(parts), z.chunk(parts), strict=False):
        opt_D.zero_grad()
        (d_loss(D(x), D(G(noise).detach())) / parts).backward()
    opt_D.step()


def added_microbatches(D, G, real, z, opt_D, parts=2):
    opt_D.zero_grad()
    for x, noise in zip(real.chunk(parts), z.chunk(parts), strict=False):
        ((F.softplus(-D(x)).sum() + F.softplus(D(G(noise).detach())).sum()) / len(real)).backward()
    opt_D.step()


def capitals(G, D, RealImages, Noise, D_opt):
    """R3GAN's names."""
    cleared_d(D, G, RealImages, Noise, D_opt)


def _of(f: Callable[..., Any], like: str, **rest: Any) -> Callable[[], TrainingStep]:
    return lambda: TrainingStep(f, like=like, **rest)


_NS = {"loss": "non-saturating"}
_WRONG: list[tuple[Callable[[], TrainingStep], str, str]] = [
    (_of(backward_with_one, G_STEP), "backward_with_one", "gradient"),
    (_of(score_detached_beside_l1, G_STEP, **_NS), "score_detached_beside_l1", "gradient"),
    (_of(sample_detached_beside_l1, G_STEP), "sample_detached_beside_l1", "gradient"),
    (_of(toward_fake_beside_l1, G_STEP), "toward_fake_beside_l1", "gradient"),
    (_of(never_cleared_d, D_STEP), "never_cleared_d", "zeroed"),
    (_of(cleared_outside_the_rounds, CRITIC), "cleared_outside_the_rounds", "zeroed"),
    (_of(cleared_outside_the_rounds, CRITIC, steps=3), "cleared_outside_the_declared_rounds", "zeroed"),
    (_of(steps_between, D_STEP), "steps_between", "zeroed"),
    (_of(clips_outside_the_rounds, CRITIC), "clips_outside_the_rounds", "clipped"),
    (average_written_over, "average_written_over", "once"),
    (left_in_evaluation, "left_in_evaluation", "preserves"),
    (left_frozen, "left_frozen", "preserves"),
    (_of(cleared_within_microbatches, D_STEP), "cleared_within_microbatches", "gradient"),
]
_RIGHT: list[tuple[Callable[[], TrainingStep], str]] = [
    (_of(backward_with_minus_one, G_STEP), "backward_with_minus_one"),
    (_of(score_beside_l1, G_STEP, **_NS), "score_beside_l1"),
    (_of(score_beside_l1, G_STEP), "score_beside_l1_undeclared"),
    (_of(score_beside_l1, G_STEP, loss=g_loss), "score_beside_l1_stated"),
    (_of(cleared_d, D_STEP), "cleared_d"),
    (_of(steps_in_turn, D_STEP), "steps_in_turn"),
    (_of(authors_clip, CRITIC), "authors_clip"),
    (_of(added_microbatches, D_STEP), "added_microbatches"),
    (_of(capitals, D_STEP), "capitals"),
    *(
        (make, make.__name__)
        for make in (
            pix2pix, averaged_generator, lookahead, projected, evaluated_and_back, in_training_from_the_start,
            frozen_in_turn,
        )
    ),
]  # fmt: skip

MUTANTS = [Mutant(name=name, make=make, killed_by=f"training_step.{by}") for make, name, by in _WRONG]
TWINS = [Twin(name=name, make=make) for make, name in _RIGHT]
