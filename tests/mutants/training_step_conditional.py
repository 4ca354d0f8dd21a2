"""Steps of games whose discriminator sees a condition beside the sample: D(x, c)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, softplus

from genverify.reference.adversarial.conditional import ConditionalDiscriminator, ConditionalGenerator
from genverify.subjects.training_step import TrainingStep
from tests.mutants.mutant import Mutant, Twin
from tests.mutants.training_step_twins import seeded

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []

_CLASSES, _EVENT, _LATENT = 3, 2, 4


class ByName(nn.Module):
    """A critic whose samples come last, and whose condition is passed by name."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(_EVENT + _CLASSES, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, *, labels: Tensor, images: Tensor) -> Tensor:
        return self.net(torch.cat([images, one_hot(labels, _CLASSES).to(images)], dim=1)).squeeze(1)


def _subject(step: Callable, D: nn.Module | None = None, like: str = "gan.discriminator_step") -> TrainingStep:
    angles = torch.arange(12).reshape(6, 2) / 3
    return TrainingStep(
        step, like=like, batch=(torch.cos(angles), torch.tensor([0, 1, 2, 1, 0, 2])),
        arguments={"latent_dim": _LATENT},
        modules={
            "G": seeded(ConditionalGenerator, latent=_LATENT, classes=_CLASSES, event=_EVENT),
            "D": D or seeded(ConditionalDiscriminator, classes=_CLASSES, event=_EVENT),
        },
    )  # fmt: skip


def twin(make: Callable[[], TrainingStep]) -> Callable[[], TrainingStep]:
    TWINS.append(Twin(name=f"conditional step: {make.__name__}", make=make))
    return make


def mutant(check: str) -> Callable[[Callable[[], TrainingStep]], Callable[[], TrainingStep]]:
    def declare(make: Callable[[], TrainingStep]) -> Callable[[], TrainingStep]:
        MUTANTS.append(Mutant(name=f"conditional step: {make.__name__}", make=make, killed_by=f"training_step.{check}"))
        return make

    return declare


def _r1(weight: float = 5.0) -> Callable:
    """R1 at the samples of the data, each with its own class."""

    def step(D: nn.Module, G: nn.Module, batch: tuple[Tensor, Tensor], latent_dim: int, optimizer_D: object) -> None:
        real, c = batch
        real = real.detach().requires_grad_(True)
        fake = G(torch.randn(len(real), latent_dim), c).detach()
        seen = D(real, c)
        (slope,) = torch.autograd.grad(seen.sum(), real, create_graph=True)
        loss = softplus(-seen).mean() + softplus(D(fake, c)).mean() + weight * slope.square().sum(1).mean()
        optimizer_D.zero_grad()
        loss.backward()
        optimizer_D.step()

    return step


def _wgan_gp(target: float = 1.0, sign: float = 1.0) -> Callable:
    """A gradient penalty at points between real and generated samples of one class."""

    def step(D: nn.Module, G: nn.Module, batch: tuple[Tensor, Tensor], latent_dim: int, optimizer_D: object) -> None:
        real, c = batch
        fake = G(torch.randn(len(real), latent_dim), c).detach()
        share = torch.rand(len(real), 1)
        x = (share * real + (1 - share) * fake).requires_grad_(True)
        (slope,) = torch.autograd.grad(D(labels=c, images=x).sum(), x, create_graph=True)
        penalty = (slope.norm(dim=1) - target).square().mean()
        optimizer_D.zero_grad()
        gap = D(labels=c, images=fake).mean() - D(labels=c, images=real).mean()
        (sign * gap + 10 * penalty).backward()
        optimizer_D.step()

    return step


@twin
def r1_with_the_class_of_each() -> TrainingStep:
    return _subject(_r1())


@twin
def gradient_penalty_by_name() -> TrainingStep:
    return _subject(_wgan_gp(), seeded(ByName))


@twin
def zero_centred_penalty_by_name() -> TrainingStep:
    """Slopes are pulled to zero, between the samples: Thanh-Tung, Tran & Venkatesh 2019."""
    return _subject(_wgan_gp(target=0.0), seeded(ByName))


@mutant("second_order")
def gradient_penalty_climbing() -> TrainingStep:
    """The critic goes the wrong way: E D(fake) − E D(real) is made large, and slopes with it."""
    return _subject(_wgan_gp(sign=-1.0), seeded(ByName))


@mutant("gradient")
def r1_climbing() -> TrainingStep:
    """The penalty is taken away from the loss."""
    return _subject(_r1(weight=-5.0))
