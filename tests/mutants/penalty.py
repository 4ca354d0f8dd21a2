"""Mutants of gradient penalties, each with one named bug, and twins in the styles in which people write them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import autograd

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
WGAN_GP, R1 = "penalty.wgan_gp", "penalty.r1"


def mutant(like: str, killed_by: str = "dialect") -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong penalty."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        make = lambda: Formula(f, like=like)  # noqa: E731
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str) -> Callable[[Any], Any]:
    """Declares the decorated function as a right one."""

    def declare(f: Any) -> Any:
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=lambda: Formula(f, like=like)))
        return f

    return declare


def between(real, fake, share=None):
    share = torch.rand(len(real), *[1] * (real.dim() - 1), dtype=real.dtype) if share is None else share
    return (share * real + (1 - share) * fake).requires_grad_(True)


def slope(D, x, **how):
    return autograd.grad(D(x).sum(), x, create_graph=True, **how)[0]


@mutant(WGAN_GP)
def one_share_for_the_batch(D, real, fake):
    """One coefficient for all samples. Met as `torch.rand(1)`."""
    return ((slope(D, between(real, fake, torch.rand(1, dtype=real.dtype))).norm(dim=1) - 1) ** 2).mean()


@mutant(WGAN_GP)
def a_share_for_each_pixel(D, real, fake):
    """A coefficient for every number: the points fill the box, and not the segment. Met as `rand_like(real)`."""
    return ((slope(D, between(real, fake, torch.rand_like(real))).norm(dim=1) - 1) ** 2).mean()


@mutant(WGAN_GP)
def normal_share(D, real, fake):
    """Coefficients from a normal law: points outside the segment. Met as randn for rand."""
    return ((slope(D, between(real, fake, torch.randn(len(real), 1, dtype=real.dtype))).norm(dim=1) - 1) ** 2).mean()


@mutant(WGAN_GP)
def norm_of_the_batch(D, real, fake):
    """One norm over all samples: each is asked for a slope of 1/√n."""
    return (slope(D, between(real, fake)).norm() - 1) ** 2


@mutant(WGAN_GP)
def norm_of_the_channels(D, real, fake):
    """The norm over the second axis alone, of images: one for each pixel. Met as `norm(2, dim=1)` without flatten."""
    assert real.dim() == 4
    return ((slope(D, between(real, fake)).norm(2, dim=1) - 1) ** 2).mean()


@mutant(WGAN_GP)
def square_of_the_square(D, real, fake):
    """(‖∇C‖² − 1)²: a root forgotten."""
    return ((slope(D, between(real, fake)).pow(2).sum(1) - 1) ** 2).mean()


@mutant(WGAN_GP)
def mean_of_the_norms_first(D, real, fake):
    """(mean norm − 1)²: steep and flat samples excuse each other."""
    return (slope(D, between(real, fake)).norm(dim=1).mean() - 1) ** 2


@mutant(WGAN_GP)
def divided_by_the_batch(D, real, fake):
    """The gradient of the mean score: each sample's slope is 1/n of its own."""
    x = between(real, fake)
    return ((autograd.grad(D(x).mean(), x, create_graph=True)[0].norm(dim=1) - 1) ** 2).mean()


@mutant(WGAN_GP, "gradient")
def without_a_graph(D, real, fake):
    """create_graph is missing: the value is right, and nothing is learnt from it."""
    x = between(real, fake)
    return ((autograd.grad(D(x).sum(), x)[0].norm(dim=1) - 1) ** 2).mean()


@mutant(WGAN_GP)
def both_of_one_share(D, real, fake):
    """a x + a y: the second coefficient is not 1 − a."""
    share = torch.rand(len(real), 1, dtype=real.dtype)
    x = (share * real + share * fake).requires_grad_(True)
    return ((slope(D, x).norm(dim=1) - 1) ** 2).mean()


@mutant("penalty.one_sided")
def two_sided(D, real, fake):
    """Slopes below one are punished, too."""
    return ((slope(D, between(real, fake)).norm(dim=1) - 1) ** 2).mean()


@mutant(R1)
def mean_over_dimensions(D, x):
    """The mean over everything: 1/d of the squared norm. Met as `.pow(2).mean()`."""
    x = x.detach().requires_grad_(True)
    return 0.5 * slope(D, x).pow(2).mean()


@mutant(R1)
def norm_for_its_square(D, x):
    """The norm, and not its square."""
    x = x.detach().requires_grad_(True)
    return 0.5 * slope(D, x).flatten(1).norm(dim=1).mean()


@mutant("penalty.r2")
def on_half_of_the_samples(D, fake):
    """The sum over the batch is divided by a number that is not its size."""
    x = fake.detach().requires_grad_(True)
    return 0.5 * slope(D, x).pow(2).sum() / (len(x) + 1)


# Correct, in other styles.


@twin(WGAN_GP)
def of_images_with_a_column(D, real_samples, fake_samples):
    alpha = torch.rand(real_samples.size(0), 1, 1, 1).to(real_samples)
    interpolates = (alpha * real_samples + ((1 - alpha) * fake_samples)).requires_grad_(True)
    scores = D(interpolates)
    ones = torch.ones(real_samples.shape[0], 1).to(real_samples)
    (gradients,) = autograd.grad(
        outputs=scores, inputs=interpolates, grad_outputs=ones, create_graph=True, retain_graph=True
    )
    gradients = gradients.view(gradients.size(0), -1)
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean()


@twin(WGAN_GP)
def guarded_and_weighed(real, fake, D):
    share = torch.rand(real.shape[0], 1, 1, 1, dtype=real.dtype)
    x = (share * fake + (1 - share) * real).requires_grad_(True)
    return 10.0 * (torch.sqrt(slope(D, x).pow(2).sum((1, 2, 3)) + 1e-12) - 1).pow(2).mean()


class Trainer:
    """Has its weight itself."""

    lambda_gp = 10.0

    def gradient_penalty(self, critic, real, fake):
        return self.lambda_gp * ((slope(critic, between(real, fake)).norm(2, 1) - 1) ** 2).mean()


TWINS.append(
    Twin(name=f"{WGAN_GP}: method", make=lambda: Formula(Trainer().gradient_penalty, like=WGAN_GP))
)  # fmt: skip


@twin("penalty.one_sided")
def by_a_maximum(critic, real, fake):
    return torch.clamp(slope(critic, between(real, fake)).flatten(1).norm(dim=1) - 1, min=0).square().mean()


@twin(R1)
def halved_tenfold(D, real_images):
    x = real_images.detach().requires_grad_(True)
    return 10 * 0.5 * slope(D, x).pow(2).reshape(len(x), -1).sum(1).mean()
