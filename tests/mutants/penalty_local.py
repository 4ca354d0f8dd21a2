"""Mutants of the penalty around the data (DRAGAN), each with one named bug, and twins as people write it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import autograd

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
DRAGAN = "penalty.dragan"


def mutant(killed_by: str = "dialect") -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong penalty."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        MUTANTS.append(Mutant(name=f.__name__, make=lambda: Formula(f, like=DRAGAN), killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(f: Any) -> Any:
    """Declares the decorated function as a right one."""
    TWINS.append(Twin(name=f.__name__, make=lambda: Formula(f, like=DRAGAN)))
    return f


def slopes(D, x):
    return autograd.grad(D(x).sum(), x, create_graph=True)[0].flatten(1)


def penalty(D, x, k=1.0):
    return ((slopes(D, x.requires_grad_()).norm(dim=1) - k) ** 2).mean()


def first_code(x):
    return x + 0.5 * x.std() * torch.rand_like(x)


@mutant()
def norm_over_the_batch(D, x):
    """One norm over all samples: torchgan's `gradients.norm(2)`, torchgan/losses/draganloss.py, early versions."""
    return (slopes(D, first_code(x).requires_grad_()).norm(2) - 1) ** 2


@mutant()
def norm_over_the_channels(D, X):
    """`norm(2, dim=1)` of images without flatten, one norm for each pixel: PyTorch-GAN's implementations/dragan."""
    assert X.dim() == 4
    X = first_code(X).requires_grad_()
    (g,) = autograd.grad(D(X).sum(), X, create_graph=True)
    return ((g.norm(2, dim=1) - 1) ** 2).mean()


@mutant()
def target_zero(D, x):
    """The slope is driven to 0: the zero-centred penalty under another name."""
    return slopes(D, first_code(x).requires_grad_()).norm(dim=1).square().mean()


@mutant()
def around_the_generated(D, real, fake):
    """The perturbation is of the generated samples."""
    return penalty(D, first_code(fake))


@mutant()
def deviation_of_each_pixel(D, x):
    """`x.std(0)`: a deviation for each dimension, and not one of the batch."""
    deviation = ((x - x.mean(0)).square().sum(0) / max(1, len(x) - 1)).sqrt()
    return penalty(D, x + 0.5 * deviation * torch.rand_like(x))


@mutant()
def variance_for_the_deviation(D, x):
    """Half of the variance: HyperGAN/HyperGAN#135."""
    return penalty(D, x + 0.5 * x.var() * torch.rand_like(x))


@mutant()
def one_perturbation_for_the_batch(D, x):
    """δ is drawn once and broadcast over the samples."""
    return penalty(D, x + 0.5 * x.std() * torch.rand(1, *x.shape[1:], dtype=x.dtype))


@mutant()
def not_perturbed(D, x):
    """The penalty at the samples themselves: R1 with a target of 1."""
    return penalty(D, x.detach().clone())


@mutant()
def c_as_a_deviation(D, x, c):
    """c n for √c n: kodalinaveen3/DRAGAN#6 reads the covariance c I so."""
    return penalty(D, x + c * torch.randn_like(x))


@mutant()
def uniform_of_width_c(D, x, c):
    """Uniform noise in place of the paper's normal one, with its c."""
    return penalty(D, x + c * torch.rand_like(x))


@mutant()
def perturbed_the_other_way(D, x):
    """x − δ, a sign: every pixel is moved down, where the code moves it up and the paper both ways."""
    return penalty(D, x - 0.5 * x.std() * torch.rand_like(x))


@mutant("gradient")
def without_a_graph(D, x):
    """create_graph is missing: the value is right, and nothing is learnt from it."""
    x = first_code(x).requires_grad_()
    return ((autograd.grad(D(x).sum(), x)[0].flatten(1).norm(dim=1) - 1) ** 2).mean()


@mutant("gradient")
def slope_detached(D, x):
    """The norm is computed from `gradients.data`."""
    x = first_code(x).requires_grad_()
    return ((slopes(D, x).data.norm(dim=1) - 1) ** 2).mean()


# Correct, in other styles.


@twin
def as_the_paper(D, x, sigma):
    return penalty(D, x + sigma * torch.randn_like(x))


@twin
def as_the_first_code(D, X):
    return penalty(D, X + 0.5 * X.std() * torch.rand(X.size(), dtype=X.dtype))


@twin
def a_part_of_the_way(D, x):
    """As in znxlwm/pytorch-generative-model-collections."""
    alpha = torch.rand(len(x), 1, 1, 1, dtype=x.dtype)
    return 10 * penalty(D, x + alpha * (first_code(x) - x))


@twin
def on_a_line(f, real, fake):
    """As in LynnHo/DCGAN-LSGAN-WGAN-GP-DRAGAN-Pytorch: what is generated is not looked at."""
    beta = torch.rand_like(real)
    fake = real + 0.5 * real.std() * beta
    alpha = torch.rand([len(real)] + [1] * (real.dim() - 1), dtype=real.dtype)
    return penalty(f, (real + alpha * (fake - real)).detach())


@twin
def a_part_for_each_pixel(D, X):
    """As in eriklindernoren/PyTorch-GAN, with the norm mended."""
    alpha = torch.rand(X.shape, dtype=X.dtype)
    return penalty(D, alpha * X + (1 - alpha) * first_code(X))


@twin
def by_the_biased_deviation(D, x):
    """As `tf.nn.moments` and NumPy have it."""
    return penalty(D, x + 0.5 * x.var(unbiased=False).sqrt() * torch.rand_like(x))


@twin
def uniform_around_the_sample(D, x):
    """Symmetric, as kodalinaveen3/DRAGAN#7 suggests."""
    return penalty(D, x + 0.5 * x.std() * x.new_empty(x.shape).uniform_(-1, 1))


@twin
def normal_of_the_datas_size(critic, real_images, lambda_gp=10.0, k=1.0):
    x = real_images + 0.5 * real_images.std() * torch.randn_like(real_images)
    return lambda_gp * penalty(critic, x, k)


@twin
def perturbation_given(D, x, delta):
    return penalty(D, x + delta)


@twin
def drawn_by_numpy(D, x):
    """The perturbation comes from NumPy's global generator, which torch does not see."""
    return penalty(D, x + 0.5 * x.std() * torch.as_tensor(np.random.random(tuple(x.shape)), dtype=x.dtype))  # noqa: NPY002 - as strangers have it


@twin
def a_stated_part_of_the_deviation(D, X, c=0.5):
    """As in khanrc/tf.gans-comparison, where C says how local it is."""
    alpha = torch.rand([len(X)] + [1] * (X.dim() - 1), dtype=X.dtype)
    return penalty(D, X + alpha * c * X.std(unbiased=False) * torch.rand_like(X))


TWINS.append(
    Twin(
        name="c inside",
        make=lambda: Formula(lambda D, x: penalty(D, x + 0.1 * torch.randn_like(x)), like=DRAGAN, fixed={"c": 0.01}),
    )
)
