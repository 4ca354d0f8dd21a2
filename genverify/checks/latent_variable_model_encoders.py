r"""The loss at one batch under several encoders.

At fixed x, −log p(x|z) may hold a function of x alone (log x!, say), which no encoder moves: only what q(z|x) is moves
then, and L = a R + b KL + c must hold with that c. And every KL grows with the encoder's parameters, so that a term
that counts above a threshold alone (free bits, a capacity) is met above it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from genverify.checks.latent_variable_model_equations import Candidate, equations, readings, tried_fit
from genverify.checks.latent_variable_model_fit import Fit
from genverify.checks.latent_variable_model_look import Look, latents, look
from genverify.errors import SubjectRaised
from genverify.subjects.latent_variable_model import LatentVariableModel

__all__ = ["settled", "wakened"]

# The encoder's parameters times these.
_NEAR = (1.0, 0.7, 1.4, 1.8)
_LARGE = ((2.0, 2.2, 2.4, 2.6), (4.0, 4.5, 5.0, 5.5), (8.0, 9.0, 10.0, 11.0))
# Above this for each number of z, rounding would hide the smaller parts of a KL term.
_MOST = 1e3


def _under(subject: LatentVariableModel, x: Tensor, condition: Tensor | None, factors: Sequence[float]) -> list[Look]:
    """The looks with the parameters that z depends on, times each factor; none where that cannot be had."""
    first = look(subject, x, condition)
    z = None if first.source is None else latents(first.runs[-1], first.source)
    leaves = list(subject.calls.parameters.values())
    if z is None or not z.requires_grad or not leaves:
        return []
    grads = torch.autograd.grad(z.sum(), leaves, allow_unused=True, retain_graph=True)
    moved = [(leaf, leaf.detach().clone()) for leaf, grad in zip(leaves, grads, strict=True) if grad is not None]
    found = []
    try:
        for factor in factors:
            for leaf, kept in moved:
                leaf.data.copy_(factor * kept)
            found.append(look(subject, x, condition))
    except SubjectRaised:  # where it was never asked to work
        return []
    finally:
        for leaf, kept in moved:
            leaf.data.copy_(kept)
    return found


def settled(
    subject: LatentVariableModel, x: Tensor, condition: Tensor | None, only: Sequence[Candidate] | None = None,
    factors: Sequence[float] = _NEAR,
) -> tuple[Candidate, Fit] | None:  # fmt: skip
    """The reading, and its weights, that holds at this batch under several encoders; None where none does."""
    looks = _under(subject, x, condition, factors)
    if not looks or any(seen.law is None for seen in looks):
        return None
    given = equations(subject, looks, only=only)
    kl = given.kl if given.kl is not None else given.drawn
    if kl is None or max(abs(v) for v in kl[0]) > _MOST * max(1, looks[0].noise.shape[1]):
        return None
    for drawn in (False, True):
        for one in readings(given, drawn=drawn):
            if one.term.whole or (only is not None and one not in only):
                continue
            made = tried_fit(given, one, subject.calls.dtype)
            if made is not None and made.holds and all(made.error[k] < abs(made.weights[k]) for k in (0, 1)):
                return one, made
    return None


def wakened(
    subject: LatentVariableModel, x: Tensor, condition: Tensor | None, only: Sequence[Candidate] | None = None
) -> bool:
    """Whether the loss is a bound, with the sign that is claimed, where the KL term is large."""
    signs = (1.0, -1.0) if subject.calls.maximised is None else (-1.0 if subject.calls.maximised else 1.0,)
    for factors in _LARGE:
        found = settled(subject, x, condition, only, factors)
        if found is not None and any(min(sign * w for w in found[1].weights[:2]) > 0 for sign in signs):
            return True
    return False
