"""Training steps in unusual styles, and correct."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from genverify.subjects.training_step import TrainingStep
from tests.mutants.mutant import Mutant, Twin

D_STEP, G_STEP, CRITIC = "gan.discriminator_step", "gan.generator_step", "wgan.critic_step_clipped"


def seeded(make, *args, **rest):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return make(*args, **rest)


def d_loss(r, f):
    return F.softplus(-r).mean() + F.softplus(f).mean()


def g_loss(f):
    return F.softplus(-f).mean()


def critic_loss(r, f):
    return f.mean() - r.mean()


def slope_penalty(critic, real, fake, graph=True):
    share = torch.rand(len(real), *[1] * (real.dim() - 1), dtype=real.dtype)
    x = (share * real + (1 - share) * fake).requires_grad_(True)
    (g,) = torch.autograd.grad(critic(x).sum(), x, create_graph=graph)
    return ((g.flatten(1).norm(dim=1) - 1) ** 2).mean()


def g_step(G, D, z):
    loss = g_loss(D(G(z)))
    loss.backward()
    return loss


def frozen_around(G, D, z, opt_G):
    """The discriminator does not record while the generator moves."""
    D.requires_grad_(False)
    opt_G.zero_grad()
    g_loss(D(G(z))).backward()
    opt_G.step()
    D.requires_grad_(True)


def in_two_backwards(netD, netG, real_images, noise, optimizerD, device="cpu"):
    """DCGAN's tutorial: two backward passes with constant labels, probabilities through BCELoss."""
    netD.zero_grad()
    criterion = nn.BCELoss()
    label = torch.full((len(real_images),), 1.0, device=device)
    err_real = criterion(netD(real_images).view(-1), label)
    err_real.backward()
    fake = netG(noise)
    label.fill_(0.0)
    err_fake = criterion(netD(fake.detach()).view(-1), label)
    err_fake.backward()
    optimizerD.step()
    return {"loss": err_real.item() + err_fake.item()}


def kept_zeros(discriminator, generator, x_real, latent, optimizer_D):
    """set_to_none=False, and no detach: what the generator gets is for its own step to clear."""
    optimizer_D.zero_grad(set_to_none=False)
    loss = d_loss(discriminator(x_real), discriminator(generator(latent)))
    loss.backward()
    optimizer_D.step()
    return (loss.detach(), None)


def cleared_at_the_end(D, G, real, z, opt_D):
    """Gradients are cleared for the next one."""
    d_loss(D(real), D(G(z).detach())).backward()
    opt_D.step()
    opt_D.zero_grad()


def summed_and_smoothed(D, G, real, z, opt_D):
    """Sums over the batch, labels of 0.9."""
    opt_D.zero_grad()
    r, f = D(real), D(G(z).detach())
    loss = F.binary_cross_entropy_with_logits(r, torch.full_like(r, 0.9), reduction="sum")
    (loss + F.binary_cross_entropy_with_logits(f, torch.zeros_like(f), reduction="sum")).backward()
    opt_D.step()


def in_one_batch(D, G, real, z, opt_D):
    """Data and generated samples are judged in one batch, with halves of a mean."""
    opt_D.zero_grad()
    with torch.no_grad():
        fake = G(z)
    out = D(torch.cat([fake, real]))
    labels = torch.cat([torch.zeros(len(fake), *out.shape[1:]), torch.ones(len(real), *out.shape[1:])])
    F.binary_cross_entropy_with_logits(out, labels).backward()
    opt_D.step()


def logarithms(D, G, real, z, opt_D):
    """Goodfellow's equation as it is printed, with a small number inside the logarithms."""
    opt_D.zero_grad()
    loss = -(torch.log(D(real) + 1e-8).mean() + torch.log(1 - D(G(z).detach()) + 1e-8).mean())
    loss.backward()
    opt_D.step()


def saturating(G, D, z, opt_G):
    """Algorithm 1 to the letter."""
    opt_G.zero_grad()
    torch.log(1 - torch.sigmoid(D(G(z)))).mean().backward()
    opt_G.step()


def least_squares(G, D, z, opt_G):
    opt_G.zero_grad()
    (0.5 * (D(G(z)) - 1).square().mean()).backward()
    opt_G.step()


def by_autograd(G, D, z, opt_G):
    """Gradients by torch.autograd.grad, put in place by hand."""
    parameters = list(G.parameters())
    loss = F.binary_cross_entropy_with_logits(D(G(z)), torch.ones(len(z), 1))
    for p, g in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        p.grad = g
    opt_G.step()


def without_an_optimizer(D, G, real, z):
    """Plain descent by hand."""
    loss = d_loss(D(real), D(G(z).detach()))
    parameters = list(D.parameters())
    for p, g in zip(parameters, torch.autograd.grad(loss, parameters), strict=True):
        p.data -= 0.05 * g


def returns_the_loss(G, D, z):
    """As Lightning has it: the backward pass is the caller's."""
    return {"loss": g_loss(D(G(z))), "n": len(z)}


def clipped_norm(D, G, real, z, opt_D):
    opt_D.zero_grad()
    d_loss(D(real), D(G(z).detach())).backward()
    nn.utils.clip_grad_norm_(D.parameters(), 0.1)
    opt_D.step()


def clips_first(critic, G, real, z, opt_critic, clip_value=0.01):
    """Clipped before the update, as the authors' own loop does: afterwards weights are one update beyond c."""
    for p in critic.parameters():
        p.data.clamp_(-clip_value, clip_value)
    opt_critic.zero_grad()
    critic_loss(critic(real), critic(G(z).detach())).backward()
    opt_critic.step()


def critic_rounds(critic, generator, real, opt_critic, latent_dim, n_critic=3, clip_value=0.02):
    """The critic's inner loop, each round on its own noise."""
    for _ in range(n_critic):
        fake = generator(torch.randn(real.size(0), latent_dim)).detach()
        loss = -(critic(real).mean() - critic(fake).mean())
        opt_critic.zero_grad()
        loss.backward()
        opt_critic.step()
        for p in critic.parameters():
            p.data.clamp_(-clip_value, clip_value)
    return loss.item()


def clipped_with_rmsprop() -> TrainingStep:
    """The optimizer of the paper, given by the user beside networks in float32."""
    critic, generator = seeded(nn.Linear, 3, 1), seeded(nn.Linear, 2, 3)

    def step(critic, generator, real, z, optimizer, c):
        optimizer.zero_grad()
        critic_loss(critic(real), critic(generator(z).detach())).backward()
        optimizer.step()
        with torch.no_grad():
            for p in critic.parameters():
                p.copy_(p.clip(-c, c))

    return TrainingStep(
        step, like=CRITIC, modules={"critic": critic, "generator": generator}, latent_shape=2,
        optimizers={"optimizer": torch.optim.RMSprop(critic.parameters(), lr=5e-3)},
    )  # fmt: skip


def penalised(critic, G, real, z, opt_critic, gp_weight=10.0):
    opt_critic.zero_grad()
    fake = G(z).detach()
    (critic_loss(critic(real), critic(fake)) + gp_weight * slope_penalty(critic, real, fake)).backward()
    opt_critic.step()


def r1_regularised(D, G, real, z, opt_D, r1_gamma=2.0):
    """A penalty at the samples of the data alone."""
    opt_D.zero_grad()
    real = real.detach().requires_grad_(True)
    r, f = D(real), D(G(z).detach())
    (g,) = torch.autograd.grad(r.sum(), real, create_graph=True)
    (d_loss(r, f) + 0.5 * r1_gamma * g.square().flatten(1).sum(1).mean()).backward()
    opt_D.step()


class Trainer:
    """Convolutional networks with batch norm, Adam, noise drawn inside, in float32."""

    def __init__(self) -> None:
        self.device = torch.device("cpu")
        self.latent_dim = 5
        self.generator = seeded(
            nn.Sequential, nn.ConvTranspose2d(5, 4, 4), nn.BatchNorm2d(4), nn.ReLU(),
            nn.ConvTranspose2d(4, 1, 4, 2, 1), nn.Tanh(),
        )  # fmt: skip
        self.discriminator = seeded(
            nn.Sequential, nn.Conv2d(1, 4, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 4), nn.Flatten()
        )
        self.g_optimizer = torch.optim.Adam(self.generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.d_optimizer = torch.optim.Adam(self.discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
        self.criterion = nn.BCEWithLogitsLoss()

    def noise(self, n: int) -> torch.Tensor:
        return torch.randn(n, self.latent_dim, 1, 1, device=self.device)

    def train_discriminator(self, images: torch.Tensor) -> float:
        self.d_optimizer.zero_grad()
        real = self.discriminator(images)
        fake = self.discriminator(self.generator(self.noise(len(images))).detach())
        loss = self.criterion(real, torch.ones_like(real)) + self.criterion(fake, torch.zeros_like(fake))
        loss.backward()
        self.d_optimizer.step()
        return loss.item()

    def train_generator(self, batch_size: int) -> float:
        self.g_optimizer.zero_grad()
        fake = self.discriminator(self.generator(self.noise(batch_size)))
        loss = self.criterion(fake, torch.ones_like(fake))
        loss.backward()
        self.g_optimizer.step()
        return loss.item()

    def train_step(self, batch: torch.Tensor) -> tuple[float, float]:
        return self.train_discriminator(batch), self.train_generator(len(batch))


def trainers_discriminator() -> TrainingStep:
    trainer = Trainer()
    return TrainingStep(
        trainer.train_discriminator, like=D_STEP, event_shape=(1, 8, 8), beside=trainer.train_generator
    )  # fmt: skip


def trainers_generator() -> TrainingStep:
    return TrainingStep(Trainer().train_generator, like=G_STEP)


def trainers_whole_step() -> TrainingStep:
    """Both networks move: general claims, no named step."""
    return TrainingStep(Trainer().train_step, moves=("generator", "discriminator"), event_shape=(1, 8, 8))


def classifier() -> TrainingStep:
    """No game at all, and a frozen backbone."""
    backbone, head = seeded(nn.Linear, 4, 6), seeded(nn.Linear, 6, 3)

    def train_step(backbone, head, batch, optimizer):
        x, y = batch
        with torch.no_grad():
            features = torch.relu(backbone(x))
        loss = F.cross_entropy(head(features), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    batch = (torch.linspace(-1, 1, 20).reshape(5, 4), torch.tensor([0, 1, 2, 1, 0]))
    return TrainingStep(
        train_step, moves=("head",), stays=("backbone",), modules={"backbone": backbone, "head": head}, batch=batch,
    )  # fmt: skip


class InDictionaries:
    """Networks and optimizers in dictionaries, one of them within a module; the update by a closure."""

    def __init__(self) -> None:
        both = nn.Module()
        both.generator, both.discriminator = seeded(nn.Linear, 4, 3), seeded(nn.Linear, 3, 1)
        self.model = both
        self.optimizers = {"D": torch.optim.SGD(both.discriminator.parameters(), lr=0.1)}

    def d_step(self, real: torch.Tensor) -> torch.Tensor:
        def closure() -> torch.Tensor:
            self.optimizers["D"].zero_grad()
            fake = self.model.generator(torch.randn(len(real), 4)).detach()
            loss = d_loss(self.model.discriminator(real), self.model.discriminator(fake))
            loss.backward()
            return loss

        return self.optimizers["D"].step(closure)


def in_dictionaries() -> TrainingStep:
    return TrainingStep(InDictionaries().d_step, like=D_STEP, event_shape=3)


def microbatches() -> TrainingStep:
    """Gradients are added up over calls on purpose; the update is elsewhere."""
    return TrainingStep(g_step, like=G_STEP, gradient_only=("G",), accumulates=True)


def stated_loss() -> TrainingStep:
    """A loss that no catalogue has, stated."""

    def step(G, D, z, opt_G):
        opt_G.zero_grad()
        torch.exp(-D(G(z))).mean().backward()
        opt_G.step()

    return TrainingStep(step, like=G_STEP, loss=lambda fake: torch.exp(-fake).mean())


def _of(f: Callable[..., Any], like: str) -> Callable[[], TrainingStep]:
    return lambda: TrainingStep(f, like=like)


_PLAIN = [
    (frozen_around, G_STEP), (in_two_backwards, D_STEP), (kept_zeros, D_STEP), (cleared_at_the_end, D_STEP),
    (summed_and_smoothed, D_STEP), (in_one_batch, D_STEP), (logarithms, D_STEP), (saturating, G_STEP),
    (least_squares, G_STEP), (by_autograd, G_STEP), (without_an_optimizer, D_STEP), (returns_the_loss, G_STEP),
    (clipped_norm, D_STEP), (critic_rounds, CRITIC), (clips_first, CRITIC),
    (penalised, D_STEP), (r1_regularised, D_STEP), (g_step, G_STEP),
]  # fmt: skip
_MADE = (
    clipped_with_rmsprop, in_dictionaries, trainers_discriminator, trainers_generator, trainers_whole_step, classifier,
    microbatches, stated_loss,
)  # fmt: skip
TWINS = [
    *(Twin(name=f.__name__, make=_of(f, like)) for f, like in _PLAIN),
    *(Twin(name=make.__name__, make=make) for make in _MADE),
]
MUTANTS: list[Mutant] = []
