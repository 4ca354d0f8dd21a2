"""Initialisations and dropouts with one named bug each, and unusual ones that are right."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from genverify.subjects.sampler import Sampler
from tests.mutants.mutant import Mutant, Twin


def by_fan_out(shape):
    """Fan out for fan in: [out, in] read as [in, out] (ported from Keras, whose kernels are [in, out])."""
    return torch.randn(shape) * math.sqrt(2.0 / shape[0])


def kernel_forgotten(shape):
    """The positions of a convolution's kernel are not counted."""
    return torch.randn(shape) * math.sqrt(2.0 / shape[1])


def gain_squared(shape):
    """The gain, √2, and the 2 of the variance both."""
    return torch.randn(shape) * 2.0 / math.sqrt(math.prod(shape[1:]))


def std_for_bound(shape):
    """Uniform on ± the standard deviation: smaller by √3 (classical)."""
    fans = (shape[0] + shape[1]) * math.prod(shape[2:])
    return torch.empty(shape).uniform_(-1, 1) * math.sqrt(2.0 / fans)


def truncated(shape):
    """A normal that is cut at two standard deviations and not widened again: 0.88 of the spread."""
    std = math.sqrt(2.0 / ((shape[0] + shape[1]) * math.prod(shape[2:])))
    return nn.init.trunc_normal_(torch.empty(shape), std=std, a=-2 * std, b=2 * std)


def one_row_for_all(shape):
    """All units get the same weights: they stay the same forever."""
    row = torch.randn(1, *shape[1:]) * math.sqrt(2.0 / math.prod(shape[1:]))
    return row.expand(shape).clone()


def qr_as_it_is(n):
    """The signs are the library's, not uniform (Mezzadri 2007, section 5)."""
    return torch.linalg.qr(torch.randn(n, n))[0]


def rotations_only(n):
    """The determinant is made 1: half of the orthogonal matrices are never drawn."""
    q, r = torch.linalg.qr(torch.randn(n, n))
    q = q * torch.diagonal(r).sign()
    return torch.cat([q[:, :1] * torch.det(q), q[:, 1:]], 1)


def not_scaled(x, p=0.5):
    """The mask alone: the mean shrinks by 1 − p (many re-implementations)."""
    return x * torch.bernoulli(torch.full_like(x, 1 - p))


def scaled_by_p(x, p=0.5):
    """Divided by p for 1 − p: the same at one half only."""
    return x * torch.bernoulli(torch.full_like(x, 1 - p)) / p


def keeps_with_p(x, p=0.5):
    """p taken for the probability to keep."""
    return x * torch.bernoulli(torch.full_like(x, p)) / (1 - p)


def one_mask_for_the_batch(x, p=0.5):
    """The mask of the first row is used for all."""
    return x * torch.bernoulli(torch.full_like(x[:1], 1 - p)) / (1 - p)


def zeros_for_the_limit(x, p=0.5):
    """Alpha dropout that sets to zero, with the affine map of the right one."""
    low = -1.7580993408473766
    a = ((1 - p) * (1 + p * low**2)) ** -0.5
    return a * x * torch.bernoulli(torch.full_like(x, 1 - p)) - a * p * low


def by_numbers(tensor, gain=1.0):
    """In place, one number after the other."""
    bound = gain * math.sqrt(6.0 / (tensor.shape[0] + tensor.shape[1]) / math.prod(tensor.shape[2:]))
    with torch.no_grad():
        for flat in range(tensor.numel()):
            tensor.view(-1)[flat] = bound * (1 - 2 * torch.rand(()))
    return tensor


def mask_as_bool(x, keep_prob):
    """Where, not times, by the probability to keep."""
    kept = torch.bernoulli(torch.full_like(x, keep_prob)).bool()
    return torch.where(kept, x / keep_prob, 0.0)


def _mutant(f, law: str) -> Mutant:
    return Mutant(name=f"{law}: {f.__name__}", make=lambda: Sampler(f, law=law), killed_by="sampler.law")


def _twin(name: str, f, law: str, **fields) -> Twin:
    return Twin(name=f"{law}: {name}", make=lambda: Sampler(f, law=law, **fields))


XU, XN = "initialization.xavier_uniform", "initialization.xavier_normal"
KU, KN, HAAR = "initialization.kaiming_uniform", "initialization.kaiming_normal", "initialization.haar_orthogonal"
DROPOUT, ALPHA = "dropout.bernoulli", "dropout.alpha"
MUTANTS = [
    _mutant(by_fan_out, KN), _mutant(kernel_forgotten, KN), _mutant(gain_squared, KN), _mutant(std_for_bound, XU),
    _mutant(truncated, XN), _mutant(one_row_for_all, KN), _mutant(qr_as_it_is, HAAR), _mutant(rotations_only, HAAR),
    _mutant(not_scaled, DROPOUT), _mutant(scaled_by_p, DROPOUT), _mutant(keeps_with_p, DROPOUT),
    _mutant(one_mask_for_the_batch, DROPOUT), _mutant(zeros_for_the_limit, ALPHA),
]  # fmt: skip
TWINS = [
    _twin("by_numbers", by_numbers, XU),
    _twin("mask_as_bool", mask_as_bool, DROPOUT),
    _twin("F.dropout", functional.dropout, DROPOUT),
    _twin("AlphaDropout", nn.AlphaDropout(0.25), ALPHA, at={"p": 0.25}),
    _twin("xavier_normal_", nn.init.xavier_normal_, XN),
    _twin("kaiming_normal_", nn.init.kaiming_normal_, KN, fixed={"nonlinearity": "relu"}),
    _twin("orthogonal_", nn.init.orthogonal_, HAAR),
    _twin(
        "a layer's own", lambda: nn.Linear(3, 2).weight, KU, at={"shape": (2, 3), "gain": 1 / math.sqrt(3)}
    ),
]  # fmt: skip
