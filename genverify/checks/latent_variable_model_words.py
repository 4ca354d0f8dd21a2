"""What was found of a loss, in words: likelihood, reductions, the variance or the β that they imply."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import torch
from torch import Tensor

from genverify.checks.latent_variable_model_identity import Identity
from genverify.checks.latent_variable_model_look import Look
from genverify.checks.latent_variable_model_terms import READINGS
from genverify.subjects.latent_observation import Observation, tensors_of
from genverify.subjects.latent_variable_model import LatentVariableModel

__all__ = ["Stated", "described", "number", "reading_of_spread", "stated_pairs"]


def number(value: float, *, sizes: dict[str, int] | None = None) -> str:
    """A number as a person writes it: as a small fraction of a size where it is one.

    >>> number(392.0, sizes={"d": 784}), number(0.5), number(1 / 784, sizes={"d": 784})
    ('0.5·d = 392', '0.5', '1/d = 0.00127551')
    """
    near = torch.finfo(torch.float32).eps
    if abs(value - 1.0) <= near:
        return "1"
    for name, size in (sizes or {}).items():
        for factor in (1.0, 0.5, 2.0):
            if size > 1 and abs(value - factor * size) <= near * size:
                return f"{'' if factor == 1 else f'{factor:g}·'}{name} = {value:g}"
            if size > 1 and abs(value - factor / size) <= near / size:
                return f"{factor:g}/{name} = {value:g}"
    return f"{value:.6g}"


def described(subject: LatentVariableModel, found: Identity) -> str:
    """The loss in one sentence."""
    one = found.candidates[0]
    a, b, _ = (found.sign * w for w in next(iter(found.weights.values())).weights)
    latents, numbers = _sizes(subject, found)
    head = "this loss is the negative" if found.sign > 0 else "this bound, to be maximised, is the"
    ratio = b / a if a else math.nan
    said = number(ratio, sizes={"d": numbers, "k": latents} if ratio < _SMALL else {})
    if any(made.error[k] == math.inf for made in found.weights.values() for k in (0, 1)):
        return f"{head} ELBO with {one.term.name}, whose β cannot be told: one of its terms is the same at every x"
    if one.term.whole:
        text = f"{head} {one.term.name}"
    elif one.term.gaussian:
        text = f"{head} ELBO of {_gaussian(ratio / 2, numbers)}"
    elif one.term.normalised:
        text = f"{head} ELBO with the {one.term.name}, β = {said}"
    else:
        sign = "" if found.sign > 0 else "minus "
        text = f"this loss is {sign}the {one.term.name} and {said} KL for each unit of it"
    form = "; its KL term is log q(z|x) − log p(z) at the draw" if one.at_draw and not one.term.whole else ""
    return f"{text}; {_reduced(found)}{form}"


def _gaussian(variance: float, numbers: int) -> str:
    """A squared error of weight a beside a KL term of weight b: the variance is b/(2a), or β at unit variance."""
    if abs(variance - 1) <= torch.finfo(torch.float32).eps:
        return "a Gaussian decoder with unit variance, β = 1"
    said = number(variance, sizes={"d": numbers})
    size = f"d = {numbers} numbers an observation"
    return f"a Gaussian decoder with variance {said} ({size}), i.e. β = {said} at unit variance"


def _sizes(subject: LatentVariableModel, found: Identity) -> tuple[int, int]:
    rows, looks = next(iter(found.looks.items()))
    law = looks[0].law
    numbers = math.prod(subject.event)
    return (0 if law is None else law.mean.numel() // rows), numbers


def _reduced(found: Identity) -> str:
    """How it is reduced over the batch."""
    if len(found.weights) < 2:
        return "its reduction over the batch was not seen"
    (first, one), (last, other) = next(iter(found.weights.items())), list(found.weights.items())[-1]
    index = 0 if one.weights[0] else 1
    ratio = other.weights[index] / one.weights[index] if one.weights[index] else math.nan
    near = 256 * torch.finfo(torch.float32).eps
    if abs(ratio - 1) <= near:
        return "summed over the batch"
    return "averaged over the batch" if abs(ratio - first / last) <= near else f"weighed {ratio:.4g} as the batch grows"


# A weight below this is likely to be one over a number of pixels.
_SMALL = 0.3


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


def _statements(run: Observation) -> list[Stated]:
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
    for zero, there in zip(_statements(seen.runs[0]), _statements(seen.runs[index]), strict=False):
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
