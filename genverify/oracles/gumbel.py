"""Gumbel noise and the laws made of it: the inverse of its distribution function, the maximum, the Concrete density."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .closed_form import Derivation, closed_form, step

if TYPE_CHECKING:
    import sympy

__all__ = ["concrete_log_prob", "from_exponential", "from_uniform", "maximum", "softmax"]

Terms = tuple[Tensor, ...]


@closed_form(
    "gumbel.from_uniform", arguments={"u": "positive", "loc": "real", "scale": "positive"}, source="Gumbel 1954"
)
def from_uniform(u: sympy.Symbol, loc: sympy.Symbol, scale: sympy.Symbol) -> Derivation:
    """The number below which a Gumbel variable falls with probability u: μ − β log(−log u).

    Shapes: all broadcast. Domain: 0 < u < 1.

    >>> from_uniform(0.5, 0.0, 1.0) == -math.log(math.log(2.0))
    True
    """
    import sympy

    value = loc - scale * sympy.log(-sympy.log(u))
    below = sympy.exp(-sympy.exp(-(value - loc) / scale))
    return Derivation(value=value, steps=(step("P(X ≤ x) at this x", below, u, "P(X ≤ x) = exp(−exp(−(x − μ)/β))"),))


def from_exponential(e: Tensor) -> Tensor:
    """−log e, a standard Gumbel number where e is a standard exponential one.

    Source: P(−log e ≤ x) = P(e ≥ exp(−x)) = exp(−exp(−x)).

    >>> from_exponential(torch.ones(1))
    tensor([-0.])
    """
    return -torch.log(e)


def _reflected(noise: Tensor) -> tuple[Tensor, Tensor]:
    """The noise of 1 − u where this is that of u, and how far a rounding of 1 − u moves it."""
    u = torch.exp(-torch.exp(-noise))
    other = -torch.expm1(-torch.exp(-noise))
    return -torch.log(-torch.log(other)), 1.0 / (u * other)


def softmax(
    logits: Tensor, noise: Tensor, temperature: float | Tensor, *, hard: bool = False, sign: float = 1.0,
    inverse: bool = False, bare_noise: bool = False, logarithm: bool = False, reflected: bool = False,
) -> Terms:  # fmt: skip
    """The relaxed one-hot of logits with noise, hard or not; slips: the sign, τ or the place of τ, the logarithm.

    Shapes: logits and noise [..., outcomes]; each of the terms, too.

    Source: Jang, Gu & Poole 2017, eq. 2.

    >>> softmax(torch.zeros(2), torch.zeros(2), 0.5)[0]
    tensor([0.5000, 0.5000])
    """
    tau = 1.0 / temperature if inverse else temperature
    noise, moved = _reflected(noise) if reflected else (noise, torch.zeros_like(noise))
    scores = logits / tau + sign * noise if bare_noise else (logits + sign * noise) / tau
    soft = torch.log_softmax(scores, -1) if logarithm else torch.softmax(scores, -1)
    # 1 − u is rounded on the scale of one: terms that cancel.
    extra = ((soft * moved.amax(-1, keepdim=True) / tau).detach(),) if reflected else ()
    # The slope of a softmax is y (w − Σ w y), a difference that may cancel: so do these terms.
    own = () if logarithm else (soft.detach() * scores,)
    around = (*extra, *(-one for one in extra), *own, *(-one for one in own))
    if not hard:
        return (soft, *around)
    # Two terms: however the two are added up, they are rounded on the scale of the soft value.
    return (_one_hot(scores, moved) - soft, soft, *around)


def _one_hot(scores: Tensor, moved: Tensor) -> Tensor:
    """One-hot of the largest; NaN, which promises nothing, where rounding in float32 may choose another."""
    top = scores.topk(2, -1)
    scale = 1.0 + scores.abs().amax(-1) + moved.amax(-1)
    close = (top.values[..., 0] - top.values[..., 1]) <= 64 * torch.finfo(torch.float32).eps * scale
    hot = torch.nn.functional.one_hot(top.indices[..., 0], scores.shape[-1]).to(scores)
    return torch.where(close.unsqueeze(-1), torch.nan, hot)


def maximum(
    logits: Tensor, noise: Tensor, *, one_hot: bool = False, sign: float = 1.0, reflected: bool = False
) -> Tensor:
    """The index of the largest θ + g, or its one-hot.

    Shapes: both [..., outcomes]; [...], or [..., outcomes].

    Source: Maddison, Tarlow & Minka 2014, section 2; Yellott 1977.

    >>> maximum(torch.tensor([0.0, 1.0]), torch.tensor([2.0, 0.0]))
    tensor(0.)
    """
    noise, moved = _reflected(noise) if reflected else (noise, torch.zeros_like(noise))
    hot = _one_hot(logits + sign * noise, moved)
    return hot if one_hot else (hot * torch.arange(hot.shape[-1])).sum(-1)


def concrete_log_prob(
    logits: Tensor, temperature: float | Tensor, sample: Tensor | None = None, log_sample: Tensor | None = None, *,
    space: str = "", constant: bool = True, unnormalised: bool = False,
) -> Terms:  # fmt: skip
    """The log-density of the Concrete law at x, or that of log x where the logarithms are given.

    log Γ(K) + (K − 1) log τ + Σ (θ_k − (τ + 1) log x_k) − K log Σ exp(θ_k − τ log x_k); of log x without Σ log x_k.

    Shapes: all [..., K]; each of the terms [...].

    Source: Maddison, Mnih & Teh 2017, eq. 10, and appendix C.2 for log x.

    >>> float(sum(concrete_log_prob(torch.zeros(2), 1.0, torch.tensor([0.5, 0.5]))).exp().round(decimals=5))
    1.0
    """
    logs = sample.log() if sample is not None else log_sample
    if logs is None:
        raise ValueError("given neither the sample nor its logarithm")
    of_logs = space == "log" or (space == "" and sample is None)
    outcomes, tau = logs.shape[-1], torch.as_tensor(temperature, dtype=logs.dtype)
    scores = logits - tau * logs
    whole = -outcomes * torch.logsumexp(scores, -1)
    found = [*logits.expand_as(logs).unbind(-1), *(-tau * logs).unbind(-1)]
    found += [] if unnormalised else [whole]
    found += [] if of_logs else [*(-logs).unbind(-1)]
    if constant:
        found += [torch.full_like(whole, math.lgamma(outcomes)), ((outcomes - 1) * tau.log()).expand_as(whole)]
    # Code that shifts by the largest score rounds on its scale: terms that cancel.
    shift = outcomes * scores.amax(-1).detach()
    return (*found, shift, -shift)
