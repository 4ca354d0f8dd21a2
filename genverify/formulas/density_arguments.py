"""The arguments of discrete and heavy-tailed densities: outcomes, probabilities or logits, locations, spreads."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from genverify.formulas.naming import MEAN, VALUE
from genverify.subjects.domains import Domain, one_hot, positive, real, simplex, unit_interval
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Form

__all__ = ["chance", "chances", "class_outcome", "location", "outcome", "spread"]

_OUTCOME = (*VALUE, "targets", "labels", "outcome", "outcomes", "k", "action", "actions", "a", "b", "bits", "image")
_LOGIT = ("logit", "logits", "l", "eta", "scores", "score", "natural", "log_odds")
_PROBABILITY = (
    "prob", "probs", "probability", "probabilities", "theta", "pi", "p_hat", "phat", "rate", "rho", "dist",
    "distribution", "x_hat", "recon", "reconstruction",
)  # fmt: skip
_LOG_PROBABILITY = (
    "log_probability", "log_probs", "logp", "logprobs", "lprobs", "log_probabilities", "lp", "log_pi", "log_softmax",
)  # fmt: skip


def _named(group: str) -> tuple[str, ...]:
    """Names of the probabilities themselves: a bare ``p``; of a pair, whatever suffix stands alone (p, q; a, b)."""
    return ("p",) if not group else ("",)


def outcome(name: str = "x") -> Argument:
    """An outcome 0 or 1, as a floating number."""
    domain = Domain(name="0 or 1", low=0, high=1, integral=True,
                    make=lambda raw, shape, dtype: (raw.reshape(shape) > 0.5).to(dtype))  # fmt: skip
    return plain(name, "batch event", domain, _OUTCOME, differentiable=False)


def chance(name: str = "logit", axes: str = "batch event", group: str = "", reach: float = 4.0) -> Argument:
    """The parameter of a Bernoulli distribution: its logit, up to ±10⁴ where finiteness is claimed, or its probability.

    A probability is kept from the ends: 1 − p of a float32 beside 1 has no digits left.
    """
    inside = replace(unit_interval(), low=-3.0, high=3.0, extreme_low=-6.0, extreme_high=6.0)
    forms = (
        Form(name="logit", domain=real(low=-reach, high=reach, extreme=1e4), aliases=_LOGIT),
        Form(
            name="probability", domain=inside, aliases=(*_PROBABILITY, *_named(group)),
            # p ↦ log p − log(1 − p), in two logarithms as people write them.
            canonical=lambda p: torch.log(p) - torch.log1p(-p),
        ),
    )  # fmt: skip
    return Argument(name=name, axes=axes, forms=forms, group=group)


def chances(name: str = "logits", axes: str = "batch class", group: str = "", reach: float = 2.0) -> Argument:
    """The parameters of a categorical distribution: logits, probabilities or log-probabilities of the classes."""

    def tangent(gradient: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        p = value.exp()
        return gradient - p * (gradient * p).sum(-1, keepdim=True) / (p * p).sum(-1, keepdim=True)

    logs = Domain(
        name="log-probabilities", extreme_low=-12.0, extreme_high=12.0, tangent=tangent,
        make=lambda raw, shape, dtype: torch.log_softmax(raw.reshape(shape), -1).to(dtype),
    )  # fmt: skip
    forms = (
        Form(name="logits", domain=real(low=-reach, high=reach, extreme=1e4), aliases=_LOGIT),
        Form(name="probability", domain=simplex(), aliases=(*_PROBABILITY, *_named(group)), canonical=torch.log),
        Form(name="log_probability", domain=logs, aliases=_LOG_PROBABILITY),
    )
    return Argument(name=name, axes=axes, forms=forms, group=group)


def class_outcome(name: str = "x", axes: str = "batch class") -> Argument:
    """The class of each row: an index, or one-hot."""
    index = Domain(name="class index", low=0.0, high=1.0, make=lambda raw, shape, dtype: raw.reshape(shape).argmax(-1))
    forms = (
        Form(name=name, domain=index, aliases=(*_OUTCOME, "index", "indices", "classes", "idx", "c"),
             without=("class",)),
        Form(name="one_hot", domain=one_hot(),
             aliases=("onehot", "x_onehot", "y_onehot", "x_one_hot", "y_one_hot", "target_onehot", "one_hot_x")),
    )  # fmt: skip
    return Argument(name=name, axes=axes, forms=forms, differentiable=False)


def location(name: str = "mean", axes: str = "batch event", group: str = "", extreme: float = 1e3) -> Argument:
    """A location: the median, and the mean where there is one."""
    aliases = (*MEAN, "location", "median")
    return replace(
        any_real(name, axes, *aliases, group=group),
        forms=(Form(name="mean" if group else name, aliases=aliases, domain=real(extreme=extreme)),),
    )


def spread(
    name: str = "scale", axes: str = "batch event", group: str = "", *, low: float = 0.25, extreme: float = 1e3
) -> Argument:
    """A scale that is no standard deviation, such as Laplace's b, or its logarithm; between 1/extreme and extreme."""
    forms = (
        Form(
            name="scale", domain=positive(low=low, high=3.0, tiny=1 / extreme, huge=extreme),
            aliases=("scale", "b", "s", "diversity", "scales", "spread", "beta"),
        ),
        Form(
            name="log_scale", domain=_log(low, extreme), canonical=torch.exp,
            aliases=("log_scale", "logscale", "log_s", "log_b", "logs", "log_scales", "logscales", "ls"),
        ),
    )  # fmt: skip
    return Argument(name=name, axes=axes, forms=forms, group=group)


def _log(low: float, extreme: float) -> Domain:
    far = math.log(extreme)
    return replace(real(low=math.log(low), high=1.0, extreme=far), interval=None)
