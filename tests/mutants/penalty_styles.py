"""Gradient penalties in the styles of many hands: right ones, and wrong ones with a single slip each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import autograd
from torch.distributions import Beta, Uniform
from torch.nn import functional

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
WGAN_GP = "penalty.wgan_gp"


def mutant(killed_by: str = "dialect") -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong penalty."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        MUTANTS.append(Mutant(name=f.__name__, make=lambda: Formula(f, like=WGAN_GP), killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(f: Any) -> Any:
    """Declares the decorated function as a right one."""
    TWINS.append(Twin(name=f.__name__, make=lambda: Formula(f, like=WGAN_GP)))
    return f


def column(x):
    return torch.rand([len(x)] + [1] * (x.dim() - 1), dtype=x.dtype)


def mixed(real, fake, share):
    return (share * real + (1 - share) * fake).requires_grad_()


def slopes(D, x):
    return autograd.grad(D(x).sum(), x, create_graph=True)[0].flatten(1)


def penalty(D, x):
    return ((slopes(D, x).norm(dim=1) - 1) ** 2).mean()


# Wrong by the law or the shape of the share.


@mutant()
def share_expanded_over_the_batch(D, real, fake):
    """`torch.rand(1, 1).expand(batch, -1)`: caogang/wgan-gp's first version, gan_toy.py."""
    share = torch.rand(1, 1, dtype=real.dtype).expand(len(real), 1)
    return penalty(D, mixed(real, fake, share.reshape(len(real), *[1] * (real.dim() - 1))))


@mutant()
def share_as_a_python_number(D, real, fake):
    """`torch.rand(()).item()`."""
    return penalty(D, mixed(real, fake, torch.rand(()).item()))


@mutant()
def share_by_numpy_for_the_batch(D, real, fake):
    """`np.random.uniform()`: one number, of a generator that torch does not see."""
    return penalty(D, mixed(real, fake, np.random.uniform()))  # noqa: NPY002 - as strangers have it


@mutant()
def share_of_the_first_row(D, real, fake):
    """A share for each row is drawn, and that of the first is taken for all."""
    return penalty(D, mixed(real, fake, column(real)[:1]))


@mutant()
def share_for_each_channel(D, real, fake):
    """`torch.rand(n, c, 1, 1)`."""
    assert real.dim() == 4
    return penalty(D, mixed(real, fake, torch.rand(*real.shape[:2], 1, 1, dtype=real.dtype)))


@mutant()
def share_in_the_first_half(D, real, fake):
    """0.5 · U[0, 1): points on one half of the segment alone."""
    return penalty(D, mixed(real, fake, 0.5 * column(real)))


@mutant()
def always_the_middle(D, real, fake):
    """No draw at all: a share of one half."""
    return penalty(D, mixed(real, fake, 0.5))


@mutant()
def at_the_data(D, real, fake):
    """The penalty of R1's place with WGAN-GP's target."""
    return penalty(D, real.detach().clone().requires_grad_())


@mutant()
def real_plus_a_share(D, real, fake):
    """x + a y: (1 − a) is forgotten."""
    return penalty(D, (real + column(real) * fake).requires_grad_())


# Wrong by the norm, the target or the mean.


@mutant()
def norm_down_the_batch(D, real, fake):
    """`norm(dim=0)`: over the samples, one for each dimension."""
    return ((slopes(D, mixed(real, fake, column(real))).norm(dim=0) - 1) ** 2).mean()


@mutant()
def sum_of_absolute_values(D, real, fake):
    """`norm(p=1)`: the bound of another distance."""
    return ((slopes(D, mixed(real, fake, column(real))).norm(p=1, dim=1) - 1) ** 2).mean()


@mutant()
def every_entry_toward_one(D, real, fake):
    """`(g − 1)²` before any norm."""
    return ((slopes(D, mixed(real, fake, column(real))) - 1) ** 2).mean()


@mutant()
def distance_not_squared(D, real, fake):
    """|‖∇C‖ − 1|."""
    return (slopes(D, mixed(real, fake, column(real))).norm(dim=1) - 1).abs().mean()


@mutant()
def difference_not_squared(D, real, fake):
    """‖∇C‖ − 1: flat critics are rewarded."""
    return (slopes(D, mixed(real, fake, column(real))).norm(dim=1) - 1).mean()


@mutant()
def the_other_side(D, real, fake):
    """max(0, 1 − ‖∇C‖)²: only flat places are punished."""
    return functional.relu(1 - slopes(D, mixed(real, fake, column(real))).norm(dim=1)).square().mean()


@mutant()
def zero_centred(D, real, fake):
    """E ‖∇C‖²: target 0."""
    return slopes(D, mixed(real, fake, column(real))).square().sum(1).mean()


@mutant()
def slope_in_the_data(D, real, fake):
    """The gradient with respect to `real`, and not to the point between: a share too small."""
    real, share = real.clone().requires_grad_(), column(real)
    (g,) = autograd.grad(D(share * real + (1 - share) * fake).sum(), real, create_graph=True)
    return ((g.flatten(1).norm(dim=1) - 1) ** 2).mean()


# Wrong by the graph.


@mutant("gradient")
def retains_the_graph_only(D, real, fake):
    """retain_graph=True where create_graph=True belongs."""
    x = mixed(real, fake, column(real))
    (g,) = autograd.grad(D(x).sum(), x, retain_graph=True)
    return ((g.flatten(1).norm(dim=1) - 1) ** 2).mean()


@mutant("gradient")
def slope_detached(D, real, fake):
    """`gradients.detach()` before the norm."""
    return ((slopes(D, mixed(real, fake, column(real))).detach().norm(dim=1) - 1) ** 2).mean()


@mutant("gradient")
def norm_half_detached(D, real, fake):
    """(n − 1) held, n free: half of the gradient."""
    n = slopes(D, mixed(real, fake, column(real))).norm(dim=1)
    return ((n.detach() - 1) * (n - 1)).mean()


@mutant()
def of_a_detached_score(D, real, fake):
    """The score is detached before it is differentiated: torch raises."""
    x = mixed(real, fake, column(real))
    score = D(x).detach().requires_grad_()
    (g,) = autograd.grad(score.sum(), x, create_graph=True)
    return ((g.flatten(1).norm(dim=1) - 1) ** 2).mean()


# Correct, in other styles.


@twin
def as_caogang_has_it(netD, real_data, fake_data, LAMBDA=10):
    n = real_data.size(0)
    alpha = torch.rand(n, 1, dtype=real_data.dtype)
    alpha = alpha.expand(n, real_data.nelement() // n).contiguous().view(real_data.size())
    x = autograd.Variable(alpha * real_data + (1 - alpha) * fake_data, requires_grad=True)
    out = netD(x)
    g = autograd.grad(
        outputs=out, inputs=x, grad_outputs=torch.ones(out.size(), dtype=out.dtype), create_graph=True,
        retain_graph=True, only_inputs=True,
    )[0]  # fmt: skip
    return ((g.view(g.size(0), -1).norm(2, dim=1) - 1) ** 2).mean() * LAMBDA


@twin
def by_numpy(D, real_samples, fake_samples):
    """As eriklindernoren/PyTorch-GAN draws it: `np.random.random((n, 1, 1, 1))`."""
    shape = (real_samples.size(0), *[1] * (real_samples.dim() - 1))
    return penalty(D, mixed(real_samples, fake_samples, torch.as_tensor(np.random.random(shape)).to(real_samples)))  # noqa: NPY002 - as strangers have it


@twin
def by_lerp(D, real, fake):
    return penalty(D, torch.lerp(fake.detach(), real.detach(), column(real)).requires_grad_())


@twin
def in_forward_order(D, real, fake):
    x = mixed(real, fake, column(real)).detach()
    g = torch.func.vmap(torch.func.grad(lambda row: D(row[None]).sum()))(x)
    return ((g.flatten(1).norm(dim=1) - 1) ** 2).mean()


@twin
def row_by_row(critic, real, fake):
    total = torch.zeros((), dtype=real.dtype)
    for x, y in zip(real.split(1), fake.split(1), strict=True):
        total = total + penalty(critic, mixed(x, y, torch.rand(1, dtype=real.dtype)))
    return total / len(real)


@twin
def by_a_distribution(critic, x_real, x_fake):
    share = Uniform(x_real.new_zeros(()), x_real.new_ones(())).sample([len(x_real)] + [1] * (x_real.dim() - 1))
    return functional.mse_loss(
        slopes(critic, mixed(x_real, x_fake, share)).norm(dim=1), torch.ones(len(x_real), dtype=x_real.dtype)
    )  # fmt: skip


@twin
def by_a_flat_beta(critic, real, fake):
    """Beta(1, 1), as mixup code has it, is uniform."""
    one = real.new_ones(())
    return penalty(critic, mixed(real, fake, Beta(one, one).sample([len(real)] + [1] * (real.dim() - 1))))


@twin
def filled_in_place(critic, real, fake):
    return penalty(critic, mixed(real, fake, real.new_empty(len(real), *[1] * (real.dim() - 1)).uniform_()))


@twin
def share_given_or_drawn(critic, real, fake, alpha=None):
    alpha = column(real) if alpha is None else alpha
    return penalty(critic, mixed(real, fake, alpha.reshape(-1, *[1] * (real.dim() - 1))))


@twin
def one_for_each_sample(critic, real, fake):
    return (slopes(critic, mixed(real, fake, column(real))).norm(dim=1) - 1) ** 2
