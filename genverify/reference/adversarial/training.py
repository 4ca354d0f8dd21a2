"""Training a generator against a discriminator or critic, one after the other, with whichever losses.

Source: Goodfellow et al. 2014, algorithm 1; Arjovsky et al. 2017, algorithm 1; Gulrajani et al. 2017, algorithm 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

__all__ = ["clipped", "play"]


def play(
    G: nn.Module, D: nn.Module, draw_data: Callable[[], Tensor], draw_noise: Callable[[], Tensor],
    optimizer_G: Optimizer, optimizer_D: Optimizer, *,
    loss_D: Callable[[nn.Module, Tensor, Tensor], Tensor], loss_G: Callable[[Tensor], Tensor],
    steps_D: int = 1, after_D: Callable[[nn.Module], object] = lambda D: None,
) -> Iterator[tuple[float, float]]:  # fmt: skip
    """Endless rounds of k steps of D and one of G; yields the last loss of either after each round.

    D moves down ``loss_D(D, real, fake)``, where no gradient reaches G; then ``after_D(D)`` may bring it back to where
    it is allowed to be. G moves down ``loss_G(D(G(z)))``, where D stays: what gathers in its gradients is cleared
    before its own step. Both are trained on new draws in each step.

    Raises:
        ValueError: `steps_D` is less than one.

    Source: Goodfellow et al. 2014, algorithm 1, with k = `steps_D`.

    >>> from itertools import islice
    >>> from genverify.reference.adversarial import losses
    >>> _ = torch.manual_seed(0)
    >>> G, D = nn.Linear(1, 1), nn.Linear(1, 1)
    >>> rounds = play(
    ...     G, D, lambda: torch.randn(64, 1) + 3, lambda: torch.randn(64, 1),
    ...     torch.optim.SGD(G.parameters(), lr=0.1), torch.optim.SGD(D.parameters(), lr=0.1),
    ...     loss_D=lambda D, real, fake: losses.critic_loss(D(real), D(fake)),
    ...     loss_G=losses.generator_loss_wasserstein, after_D=clipped(0.5),
    ... )
    >>> trained = list(islice(rounds, 80))
    >>> bool(D.weight.abs() <= 0.5), 2 < G(torch.zeros(1, 1)).item() < 4
    (True, True)
    """
    if steps_D < 1:
        raise ValueError(f"got steps_D={steps_D}; expected one or more: D has to move between the steps of G")
    value_D = torch.zeros(())
    while True:
        for _ in range(steps_D):
            real, noise = draw_data(), draw_noise()
            with torch.no_grad():
                fake = G(noise)
            value_D = loss_D(D, real, fake)
            optimizer_D.zero_grad()
            value_D.backward()
            optimizer_D.step()
            after_D(D)
        value_G = loss_G(D(G(draw_noise())))
        optimizer_G.zero_grad()
        value_G.backward()
        optimizer_G.step()
        yield value_D.item(), value_G.item()


def clipped(c: float) -> Callable[[nn.Module], None]:
    """What brings every weight of a critic back into [−c, c].

    Raises:
        ValueError: c is not positive: then nothing is left of the critic.

    Source: Arjovsky et al. 2017, algorithm 1.

    >>> layer = nn.Linear(2, 1)
    >>> clipped(0.01)(layer)
    >>> bool(layer.weight.abs().max() <= 0.01)
    True
    """
    if not c > 0:
        raise ValueError(f"got a clip of {c}; expected a positive number: at zero the critic is constant; try c=0.01")

    @torch.no_grad()
    def clip(D: nn.Module) -> None:
        for weight in D.parameters():
            weight.clamp_(-c, c)

    return clip
