"""Losses of adversarial games in the logits (or scores) of the discriminator, derived in SymPy; elementwise.

D = σ(r) is the probability that the discriminator gives to a sample being real. Reductions are no part of a loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from .closed_form import Derivation, closed_form, step

if TYPE_CHECKING:
    import sympy

__all__ = [
    "feature_matching", "hinge_discriminator", "least_squares", "minimax_discriminator", "nonsaturating_generator",
    "optimal_discriminator", "relativistic", "saturating_generator",
]  # fmt: skip

_GOODFELLOW = "Goodfellow et al. 2014"
_TWO = {"real": "real", "fake": "real"}


def _sigma(logit: sympy.Expr) -> sympy.Expr:
    import sympy

    return 1 / (1 + sympy.exp(-logit))


@closed_form("gan.minimax", arguments={**_TWO, "smoothing": "real", "noise": "real"}, source=f"{_GOODFELLOW}, eq. 1")
def minimax_discriminator(
    real: sympy.Symbol, fake: sympy.Symbol, smoothing: sympy.Symbol, noise: sympy.Symbol
) -> Derivation:
    """The discriminator's loss: cross-entropy of a real sample with label 1 − s and of a generated one with label n.

    (1 − s) log(1 + e^(−r)) + s log(1 + e^r) + (1 − n) log(1 + e^f) + n log(1 + e^(−f))

    Shapes: broadcast; nats.

    Source: Goodfellow et al. 2014, eq. 1, negated; Salimans et al. 2016, section 3.4 (smoothed labels).

    >>> minimax_discriminator(torch.tensor(0.0), torch.tensor(0.0), 0.0, 0.0)
    tensor(1.3863)
    """
    import sympy

    up, down = sympy.log(1 + sympy.exp(-real)), sympy.log(1 + sympy.exp(real))
    away, toward = sympy.log(1 + sympy.exp(fake)), sympy.log(1 + sympy.exp(-fake))
    value = (1 - smoothing) * up + smoothing * down + (1 - noise) * away + noise * toward
    game = -sympy.log(_sigma(real)) - sympy.log(1 - _sigma(fake))
    plain = value.subs({smoothing: 0, noise: 0})
    steps = (step("the game's value, negated", sympy.exp(-plain), sympy.exp(-game), "1 − σ(f) = 1/(1 + e^f)"),)
    return Derivation(value=value, steps=steps)


@closed_form("gan.saturating", arguments={"fake": "real"}, source=f"{_GOODFELLOW}, eq. 1")
def saturating_generator(fake: sympy.Symbol) -> Derivation:
    """The generator's part of the game: log(1 − D(G(z))), to be minimised.

    −log(1 + e^f)

    Shapes: any; nats.

    Source: Goodfellow et al. 2014, eq. 1.

    >>> saturating_generator(torch.tensor(0.0))
    tensor(-0.6931)
    """
    import sympy

    value = -sympy.log(1 + sympy.exp(fake))
    steps = (step("by the probability", sympy.exp(value), 1 - _sigma(fake), "1 − σ(f) = 1/(1 + e^f)"),)
    return Derivation(value=value, steps=steps)


@closed_form("gan.nonsaturating", arguments={"fake": "real"}, source=f"{_GOODFELLOW}, section 3")
def nonsaturating_generator(fake: sympy.Symbol) -> Derivation:
    """The generator's loss in practice: −log D(G(z)).

    log(1 + e^(−f))

    Shapes: any; nats.

    Source: Goodfellow et al. 2014, section 3.

    >>> nonsaturating_generator(torch.tensor(0.0))
    tensor(0.6931)
    """
    import sympy

    value = sympy.log(1 + sympy.exp(-fake))
    slope = sympy.diff(value, fake)
    steps = (
        step("by the probability", sympy.exp(-value), _sigma(fake), "σ(f) = 1/(1 + e^(−f))"),
        step("its slope", slope, _sigma(fake) - 1, "−1 where D → 0: it does not saturate"),
    )
    return Derivation(value=value, steps=steps)


@closed_form("gan.hinge", arguments=_TWO, source="Lim & Ye 2017; Miyato et al. 2018, eq. 16")
def hinge_discriminator(real: sympy.Symbol, fake: sympy.Symbol) -> Derivation:
    """The hinge loss of a discriminator.

    max(0, 1 − r) + max(0, 1 + f)

    Shapes: broadcast.

    Source: Lim & Ye 2017; Miyato et al. 2018, eq. 16, negated.

    >>> hinge_discriminator(torch.tensor(2.0), torch.tensor(0.5))
    tensor(1.5000)
    """
    import sympy

    value = sympy.Max(0, 1 - real) + sympy.Max(0, 1 + fake)
    p = sympy.Symbol("p", positive=True)
    beyond = value.subs({real: 1 + p, fake: -1 - p}, simultaneous=True)
    return Derivation(value=value, steps=(step("no loss beyond the margins", beyond, 0, "max(0, −p) = 0"),))


@closed_form(
    "gan.least_squares", arguments={"score": "real", "label": "real"}, source="Mao et al. 2017, eq. 2"
)  # fmt: skip
def least_squares(score: sympy.Symbol, label: sympy.Symbol) -> Derivation:
    """One half of a least-squares game: the squared distance of a score from its label.

    ½ (s − y)²

    Shapes: broadcast.

    Source: Mao et al. 2017, eq. 2.

    >>> least_squares(torch.tensor(3.0), 1.0)
    tensor(2.)
    """
    import sympy

    value = (score - label) ** 2 / 2
    return Derivation(value=value, steps=(step("slope", sympy.diff(value, score), score - label, "of a square"),))


@closed_form("gan.relativistic", arguments=_TWO, source="Jolicoeur-Martineau 2019, eq. 4")
def relativistic(real: sympy.Symbol, fake: sympy.Symbol) -> Derivation:
    """The loss of a relativistic discriminator: a real sample is to look more real than a generated one.

    log(1 + e^(−(r − f)));  with the arguments exchanged, the generator's

    Shapes: broadcast; nats.

    Source: Jolicoeur-Martineau 2019, eq. 4 and 5.

    >>> relativistic(torch.tensor(1.0), torch.tensor(1.0))
    tensor(0.6931)
    """
    import sympy

    value = sympy.log(1 + sympy.exp(fake - real))
    steps = (step("by the probability", sympy.exp(-value), _sigma(real - fake), "σ(u) = 1/(1 + e^(−u))"),)
    return Derivation(value=value, steps=steps)


@closed_form(
    "gan.optimal_discriminator", arguments={"data": "real", "generator": "real"}, source=f"{_GOODFELLOW}, eq. 2"
)  # fmt: skip
def optimal_discriminator(data: sympy.Symbol, generator: sympy.Symbol) -> Derivation:
    """The best discriminator against a fixed generator, by log-densities.

    D*(x) = p_d(x)/(p_d(x) + p_g(x)) = σ(log p_d(x) − log p_g(x))

    Shapes: broadcast.

    Source: Goodfellow et al. 2014, proposition 1.

    >>> optimal_discriminator(torch.tensor(0.0), torch.tensor(0.0))
    tensor(0.5000)
    """
    import sympy

    value = 1 / (1 + sympy.exp(generator - data))
    p, q = sympy.exp(data), sympy.exp(generator)
    return Derivation(value=value, steps=(step("by densities", value, p / (p + q), "both sides times p_d"),))


def feature_matching(
    real: torch.Tensor, fake: torch.Tensor, *, absolute: bool = False, apart: bool = False
) -> torch.Tensor:
    """Squared differences of mean features, feature by feature: ``(E f(x) − E f(G(z)))²``.

    Shapes: [batch, feature] each → [feature]; with `apart` the mean of the squared differences of the pairs.

    Source: Salimans et al. 2016, section 3.1.

    >>> feature_matching(torch.tensor([[1.0], [3.0]]), torch.tensor([[0.0], [1.0]]))
    tensor([2.2500])
    """
    gap = real - fake if apart else real.mean(0) - fake.mean(0)
    size = gap.abs() if absolute else gap**2
    return size.mean(0) if apart else size
