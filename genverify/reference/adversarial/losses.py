"""Losses of discriminators and generators, written out.

Shapes: logits or scores of the discriminator on real and on generated samples, [batch] or [batch, patches]. Results are
means over everything, as in training; losses are to be minimised.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = [
    "critic_loss", "discriminator_loss_hinge", "discriminator_loss_least_squares", "discriminator_loss_minimax",
    "feature_matching", "generator_loss_hinge", "generator_loss_least_squares", "generator_loss_nonsaturating",
    "generator_loss_saturating", "generator_loss_wasserstein", "optimal_discriminator",
    "relativistic_discriminator_loss", "relativistic_generator_loss", "value_at_optimum",
]  # fmt: skip


def discriminator_loss_minimax(real: Tensor, fake: Tensor, smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of the discriminator: ``−E log D(x) − E log(1 − D(G(z)))``; real labels are 1 − `smoothing`.

    Source: Goodfellow et al. 2014, eq. 1; Salimans et al. 2016, section 3.4 (one-sided smoothing).

    >>> discriminator_loss_minimax(torch.zeros(2), torch.zeros(2))
    tensor(1.3863)
    """
    on_real = (1 - smoothing) * functional.softplus(-real) + smoothing * functional.softplus(real)
    return on_real.mean() + functional.softplus(fake).mean()


def generator_loss_saturating(fake: Tensor) -> Tensor:
    """The generator's part of the game: ``E log(1 − D(G(z)))``.

    Source: Goodfellow et al. 2014, eq. 1.

    >>> generator_loss_saturating(torch.zeros(2))
    tensor(-0.6931)
    """
    return -functional.softplus(fake).mean()


def generator_loss_nonsaturating(fake: Tensor) -> Tensor:
    """The loss that generators are trained with: ``−E log D(G(z))``.

    Source: Goodfellow et al. 2014, section 3.

    >>> generator_loss_nonsaturating(torch.zeros(2))
    tensor(0.6931)
    """
    return functional.softplus(-fake).mean()


def discriminator_loss_hinge(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss: ``E max(0, 1 − r) + E max(0, 1 + f)``.

    Source: Lim & Ye 2017; Miyato et al. 2018, eq. 16.

    >>> discriminator_loss_hinge(torch.tensor([2.0]), torch.tensor([0.5]))
    tensor(1.5000)
    """
    return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()


def generator_loss_hinge(fake: Tensor) -> Tensor:
    """The generator's loss beside a hinge: ``−E f``.

    Source: Miyato et al. 2018, eq. 17.

    >>> generator_loss_hinge(torch.tensor([2.0]))
    tensor(-2.)
    """
    return -fake.mean()


def discriminator_loss_least_squares(real: Tensor, fake: Tensor) -> Tensor:
    """Least squares: ``½ E (r − 1)² + ½ E f²``.

    Source: Mao et al. 2017, eq. 9.

    >>> discriminator_loss_least_squares(torch.tensor([3.0]), torch.tensor([2.0]))
    tensor(4.)
    """
    return 0.5 * ((real - 1) ** 2).mean() + 0.5 * (fake**2).mean()


def generator_loss_least_squares(fake: Tensor) -> Tensor:
    """Least squares: ``½ E (f − 1)²``.

    Source: Mao et al. 2017, eq. 9.

    >>> generator_loss_least_squares(torch.tensor([3.0]))
    tensor(2.)
    """
    return 0.5 * ((fake - 1) ** 2).mean()


def relativistic_discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Pairs of a real and a generated sample: ``−E log σ(r − f)``.

    Source: Jolicoeur-Martineau 2019, eq. 4.

    >>> relativistic_discriminator_loss(torch.zeros(1), torch.zeros(1))
    tensor(0.6931)
    """
    return functional.softplus(fake - real).mean()


def relativistic_generator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """The same with the roles exchanged: ``−E log σ(f − r)``.

    Source: Jolicoeur-Martineau 2019, eq. 5.

    >>> relativistic_generator_loss(torch.zeros(1), torch.zeros(1))
    tensor(0.6931)
    """
    return functional.softplus(real - fake).mean()


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """The loss of a Wasserstein critic: ``E C(G(z)) − E C(x)``.

    Source: Arjovsky et al. 2017, algorithm 1, negated.

    >>> critic_loss(torch.tensor([3.0]), torch.tensor([1.0]))
    tensor(-2.)
    """
    return fake.mean() - real.mean()


def generator_loss_wasserstein(fake: Tensor) -> Tensor:
    """The loss of its generator: ``−E C(G(z))``.

    Source: Arjovsky et al. 2017, algorithm 1.

    >>> generator_loss_wasserstein(torch.tensor([1.0]))
    tensor(-1.)
    """
    return -fake.mean()


def optimal_discriminator(log_data: Tensor, log_generator: Tensor) -> Tensor:
    """The best discriminator: ``p_d/(p_d + p_g)``, by the log-densities of data and generator.

    It is 1 where the data alone are (a log-density of −∞ of the generator's), 0 where the generator alone is, and NaN
    where neither is, where nothing determines it.

    Source: Goodfellow et al. 2014, proposition 1.

    >>> optimal_discriminator(torch.zeros(1), torch.zeros(1))
    tensor([0.5000])
    """
    return torch.sigmoid(log_data - log_generator)


def value_at_optimum(logits_p: Tensor, logits_q: Tensor) -> Tensor:
    """The game's value at the best discriminator: ``E_p log D* + E_q log(1 − D*)``, of categorical p and q.

    Shapes: logits [batch, classes] → [batch].

    Source: Goodfellow et al. 2014, eq. 4.

    >>> value_at_optimum(torch.zeros(1, 2), torch.zeros(1, 2))
    tensor([-1.3863])
    """
    p, q = torch.log_softmax(logits_p, -1), torch.log_softmax(logits_q, -1)
    # 0 log 0 = 0, in classes that one of the two (a logit of −∞), or neither, has.
    on_data = torch.where(p > -torch.inf, p.exp() * functional.logsigmoid(p - q), 0.0)
    on_generated = torch.where(q > -torch.inf, q.exp() * functional.logsigmoid(q - p), 0.0)
    return (on_data + on_generated).sum(-1)


def feature_matching(real: Tensor, fake: Tensor) -> Tensor:
    """The distance of mean features: ``‖E f(x) − E f(G(z))‖²``; features [batch, feature].

    Raises:
        ValueError: One of the two has no samples, and no mean.

    Source: Salimans et al. 2016, section 3.1.

    >>> feature_matching(torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [1.0]]))
    tensor(2.2500)
    """
    if not len(real) or not len(fake):
        raise ValueError(f"got {len(real)} real and {len(fake)} generated samples; expected one or more of each")
    return ((real.mean(0) - fake.mean(0)) ** 2).sum()
