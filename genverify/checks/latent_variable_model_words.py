"""What was found of a loss, in words: likelihood, reductions, the variance or the β that they imply."""

from __future__ import annotations

import math

import torch

from genverify.checks.latent_variable_model_identity import Identity
from genverify.subjects.latent_variable_model import LatentVariableModel

__all__ = ["described", "number"]

# A weight below this is likely to be one over a number of pixels.
_SMALL = 0.3


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
    made = next(iter(found.weights.values()))
    if not one.term.whole and abs(made.weights[1]) <= made.error[1]:
        return f"this loss is the {one.term.name}, without a KL term"
    if not one.term.whole and abs(made.weights[0]) <= made.error[0]:
        return "this loss is the KL term, without a reconstruction term"
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
