"""A conditional game: both networks see the class, the generator to make it and the discriminator to ask for it.

Shapes: classes [batch], whole numbers; real samples [batch, event]; noise [batch, latent]. D gives logits [batch, 1].
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot, softplus
from torch.optim import Optimizer

__all__ = [
    "ConditionalDiscriminator", "ConditionalGenerator", "conditional_discriminator_step", "conditional_generator_step",
]  # fmt: skip


class ConditionalGenerator(nn.Module):
    """Samples of a class from noise: ``G(z, c)``, a perceptron of the noise beside the class, one-hot.

    Source: Mirza & Osindero 2014, section 3.2.

    >>> ConditionalGenerator(latent=2, classes=3, event=4)(torch.zeros(5, 2), torch.zeros(5, dtype=torch.int64)).shape
    torch.Size([5, 4])
    """

    def __init__(self, *, latent: int, classes: int, event: int, hidden: int = 16) -> None:
        super().__init__()
        self.latent, self.classes = latent, classes
        self.net = nn.Sequential(nn.Linear(latent + classes, hidden), nn.Tanh(), nn.Linear(hidden, event))

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        """One sample for each row of noise, of the class beside it."""
        return self.net(torch.cat([z, one_hot(c, self.classes).to(z)], dim=1))


class ConditionalDiscriminator(nn.Module):
    """The logit that a sample is of the data, given its class: ``D(x, c)``.

    Source: Mirza & Osindero 2014, section 3.2.

    >>> ConditionalDiscriminator(classes=3, event=4)(torch.zeros(5, 4), torch.zeros(5, dtype=torch.int64)).shape
    torch.Size([5, 1])
    """

    def __init__(self, *, classes: int, event: int, hidden: int = 16) -> None:
        super().__init__()
        self.classes = classes
        self.net = nn.Sequential(nn.Linear(event + classes, hidden), nn.Tanh(), nn.Linear(hidden, 1))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """One logit for each sample, of the class beside it."""
        return self.net(torch.cat([x, one_hot(c, self.classes).to(x)], dim=1))


def conditional_discriminator_step(
    D: nn.Module, G: nn.Module, batch: tuple[Tensor, Tensor], latent_dim: int, optimizer_D: Optimizer
) -> float:
    """D moves down −E log D(x, c) − E log(1 − D(G(z, c), c)), with the classes of the data for both.

    Source: Mirza & Osindero 2014, eq. 2.

    >>> G, D = ConditionalGenerator(latent=2, classes=3, event=4), ConditionalDiscriminator(classes=3, event=4)
    >>> batch = torch.ones(5, 4), torch.tensor([0, 1, 2, 1, 0])
    >>> conditional_discriminator_step(D, G, batch, 2, torch.optim.SGD(D.parameters(), lr=0.1)) > 0
    True
    """
    real, c = batch
    with torch.no_grad():
        fake = G(torch.randn(len(real), latent_dim, dtype=real.dtype), c)
    loss = softplus(-D(real, c)).mean() + softplus(D(fake, c)).mean()
    optimizer_D.zero_grad()
    loss.backward()
    optimizer_D.step()
    return loss.item()


def conditional_generator_step(
    G: nn.Module, D: nn.Module, batch: tuple[Tensor, Tensor], latent_dim: int, optimizer_G: Optimizer
) -> float:
    """G moves down −E log D(G(z, c), c): D asks for the class that G was asked for.

    Source: Mirza & Osindero 2014, eq. 2; with the loss of Goodfellow et al. 2014, section 3.

    >>> G, D = ConditionalGenerator(latent=2, classes=3, event=4), ConditionalDiscriminator(classes=3, event=4)
    >>> batch = torch.ones(5, 4), torch.tensor([0, 1, 2, 1, 0])
    >>> conditional_generator_step(G, D, batch, 2, torch.optim.SGD(G.parameters(), lr=0.1)) > 0
    True
    """
    real, c = batch
    fake = G(torch.randn(len(real), latent_dim, dtype=real.dtype), c)
    loss = softplus(-D(fake, c)).mean()
    optimizer_G.zero_grad()
    loss.backward()
    optimizer_G.step()
    return loss.item()
