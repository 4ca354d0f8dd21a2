"""Draws from a mixture with one named bug each."""

from __future__ import annotations

import torch

from genverify.subjects.sampler import Sampler
from tests.mutants.mutant import Mutant, Twin

TWINS: list[Twin] = []


def moment_matched(weights, mean, std, n):
    """Parameters are averaged, and one normal law is drawn from: the modes are gone (classical)."""
    return weights @ mean + (weights @ std) * torch.randn(n, mean.shape[1], dtype=mean.dtype)


def evenly(weights, mean, std, n):
    """Components are drawn evenly: the weights are ignored (classical)."""
    k = torch.randint(0, len(weights), (n,))
    return mean[k] + std[k] * torch.randn(n, mean.shape[1], dtype=mean.dtype)


MUTANTS = [
    Mutant(
        name=f"law.mixture: {f.__name__}", killed_by="sampler.law", make=lambda f=f: Sampler(f, law="law.mixture")
    )
    for f in (moment_matched, evenly)
]  # fmt: skip
