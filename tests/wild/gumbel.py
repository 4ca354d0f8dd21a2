"""Wild pairs of Gumbel noise: what people wrote, wrong and right, each with its thread."""

from __future__ import annotations

import torch

from genverify.subjects.formula import Formula
from tests.wild.pair import Pair


def relaxed(logits, temperature, eps=1e-20):
    """softmax((θ − log(−log u))/τ)."""
    noise = -torch.log(-torch.log(torch.rand_like(logits) + eps) + eps)
    return torch.softmax((logits + noise) / temperature, -1)


def relaxed_with_the_temperature_as_guard(logits, temperature, eps=1e-20):
    """WRONG: the temperature lands in the place of the guard, and is not divided by.

    Source: nec-research/tf-imle#1 (fixed there).  Symptom: the noise is squeezed, and the temperature changes its law.
    """
    noise = -torch.log(-torch.log(torch.rand_like(logits) + temperature) + temperature)
    return torch.softmax(logits + noise, -1)


def sample(logits):
    """argmax (θ − log(−log u))."""
    return torch.argmax(logits - torch.log(-torch.log(torch.rand_like(logits))), -1)


def sample_with_one_logarithm(logits):
    """WRONG: θ − log u.

    Source: proposed in openai/baselines#172, where both logarithms are right.  Symptom: noise of another law; the
    likeliest outcome is still drawn most.
    """
    return torch.argmax(logits - torch.log(torch.rand_like(logits)), -1)


def density(value, logits, temperature):
    """The Concrete law's density on the simplex."""
    k = value.shape[-1]
    scores = torch.log_softmax(logits - temperature * value.log(), -1)
    constant = torch.lgamma(torch.tensor(float(k))) + (k - 1) * torch.log(torch.tensor(temperature))
    return constant.to(value) + (scores - value.log()).sum(-1)


def density_as_cross_entropy(value, logits, temperature):
    """WRONG: Σ x log p, since a density above one looked like a mistake.

    Source: waiwasabi/synth-design (its class overrides torch's log_prob, which "returns positive values").  Symptom: no
    density; near the corners it is close to the log-probability of the corner.
    """
    return (value * torch.log_softmax(logits, -1)).sum(-1)


def _pair(name, wrong, right, like):
    return Pair(
        name=name, wrong=lambda: Formula(wrong, like=f"gumbel.{like}"),
        right=lambda: Formula(right, like=f"gumbel.{like}"),
    )  # fmt: skip


PAIRS = [
    _pair("gumbel_temperature_as_guard", relaxed_with_the_temperature_as_guard, relaxed, "softmax"),
    _pair("gumbel_one_logarithm", sample_with_one_logarithm, sample, "max"),
    _pair("gumbel_cross_entropy", density_as_cross_entropy, density, "concrete_log_prob"),
]
