"""Mean and spread of q(z|x) as the model states them, and what the spread is to the draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor

from genverify.checks.latent_variable_model_look import Look
from genverify.checks.latent_variable_model_terms import READINGS
from genverify.subjects.latent_observation import Observation, tensors_of

__all__ = ["Stated", "reading_of_spread", "stated_pairs", "statements"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Stated:
    """Mean and spread of q(z|x) as the encoder, the model or the sampling step was seen to state them.

    Attributes:
        leaves: Two tensors of the run, or one that holds both along its second axis.
        where: The site.
    """

    leaves: tuple[Tensor, ...]
    where: str

    def parts(self, tensors: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """(of the mean, of the spread) among the leaves, or among tensors of their shapes."""
        mean, second = tensors if len(tensors) == 2 else tensors[0].chunk(2, 1)
        return mean.detach().double().reshape(-1), second.detach().double().reshape(-1)


def statements(run: Observation) -> list[Stated]:
    """Every two tensors of one size that may be mean and spread, and every one that may hold both."""
    found = []
    for event in (*run.of("encoder"), *run.of("latent"), *run.of("forward")):
        tensors = tensors_of(list(event.inputs) if event.site.role == "latent" else event.output)
        pairs = [pair for pair in permutations(tensors[:4], 2) if pair[0].numel() == pair[1].numel()]
        found += [Stated(leaves=pair, where=event.site.name) for pair in pairs]
        found += [Stated(leaves=(t,), where=event.site.name) for t in tensors if t.ndim > 1 and t.shape[1] % 2 == 0]
    return found


def stated_pairs(seen: Look, index: int = 0) -> list[Stated]:
    """Where the mean of z is stated, beside another tensor of its size: in the run of that index, with its graph."""
    law, found = seen.law, []
    if law is None:
        return []
    for zero, there in zip(statements(seen.runs[0]), statements(seen.runs[index]), strict=False):
        mean, second = zero.parts(zero.leaves)
        if not mean.numel() or law.mean.numel() % mean.numel() or len(zero.leaves) != len(there.leaves):
            continue
        if torch.equal(mean.repeat(law.mean.numel() // mean.numel()), law.mean) and not torch.equal(mean, second):
            found.append(there)
    return found


def reading_of_spread(seen: Look) -> tuple[str, int] | None:
    """(reading, place among `stated_pairs`): what the encoder's second result is to the draw, where that is known."""
    law = seen.law
    for place, stated in enumerate(stated_pairs(seen)):
        assert law is not None
        _, second = stated.parts(stated.leaves)
        for reading, std in READINGS.items():
            claimed = std(second).repeat(law.std.numel() // second.numel())
            near = law.error + 64 * torch.finfo(stated.leaves[0].dtype).eps * claimed.abs()
            if bool(((claimed.abs() - law.std).abs() <= near).all()):
                return reading, place
    return None
