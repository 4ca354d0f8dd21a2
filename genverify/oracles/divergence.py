"""Divergences and entropies of discrete, Laplace and normal distributions, in additive terms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .activation import log_softmax
from .closed_form import Derivation, closed_form, step
from .computable import softplus

if TYPE_CHECKING:
    import sympy

__all__ = [
    "entropy_categorical", "free_bits", "jensen_shannon_categorical", "kl_bernoulli", "kl_categorical", "kl_laplace",
    "monte_carlo", "renyi_normals",
]  # fmt: skip

Terms = tuple[Tensor, ...]


@closed_form("divergence.kl_bernoulli", arguments={"first": "real", "second": "real"}, source="Kullback & Leibler 1951")
def kl_bernoulli(first: sympy.Symbol, second: sympy.Symbol) -> Derivation:
    """KL of Bernoulli distributions, by their logits l and m.

    σ(l) (l − m) − log(1 + eˡ) + log(1 + eᵐ)

    Shapes: broadcast; nats.

    Source: Kullback & Leibler 1951, eq. 2.4, for two outcomes.

    >>> kl_bernoulli(torch.tensor(1.0), torch.tensor(1.0))
    tensor(0.)
    """
    import sympy

    p, q = sympy.symbols("p q", positive=True)  # odds: e^l and e^m
    chance, other = p / (1 + p), q / (1 + q)
    definition = chance * sympy.log(chance / other) + (1 - chance) * sympy.log((1 - chance) / (1 - other))
    logs = chance * (sympy.log(p) - sympy.log(q)) - sympy.log(1 + p) + sympy.log(1 + q)
    value = (first - second) / (1 + sympy.exp(-first)) - softplus()(first) + softplus()(second)
    opened = sympy.expand_log(sympy.simplify(definition), force=True)
    return Derivation(value=value, steps=(step("by the odds eˡ and eᵐ", opened, logs, "log σ(l) = l − log(1 + eˡ)"),))


@closed_form(
    "divergence.kl_laplace", arguments={"mu": "real", "s": "positive", "nu": "real", "t": "positive"},
    source="Gil, Alajaji & Linder 2013",
)  # fmt: skip
def kl_laplace(mu: sympy.Symbol, s: sympy.Symbol, nu: sympy.Symbol, t: sympy.Symbol) -> Derivation:
    """KL(Laplace(μ, b) ‖ Laplace(ν, c)) = log c/b + |μ − ν|/c + (b/c) e^(−|μ − ν|/b) − 1.

    Shapes: broadcast; nats.

    Source: Gil, Alajaji & Linder 2013; integrated here.

    >>> kl_laplace(torch.tensor(1.0), torch.tensor(2.0), torch.tensor(1.0), torch.tensor(2.0))
    tensor(0.)
    """
    import sympy

    d, x = sympy.symbols("d x", positive=True)
    # E |X − ν| for X = μ + y and ν = μ + d: below μ, between, and beyond ν.
    law = sympy.exp(-x / s) / (2 * s)
    below, beyond = (sympy.Integral(f * law, (x, a, b)) for f, a, b in (((x + d), 0, sympy.oo), ((x - d), d, sympy.oo)))
    between = sympy.Integral((d - x) * law, (x, 0, d))
    mean = step("E |X − ν|", below + between + beyond, d + s * sympy.exp(-d / s), "integrated on three pieces")
    gap = sympy.Abs(mu - nu)
    value = sympy.log(t) - sympy.log(s) + gap / t + s * sympy.exp(-gap / s) / t - 1
    return Derivation(value=value, steps=(mean,))


@closed_form(
    "divergence.renyi_normals", source="Gil, Alajaji & Linder 2013",
    arguments={"mu": "real", "sigma": "positive", "nu": "real", "tau": "positive", "alpha": "positive"},
)  # fmt: skip
def renyi_normals(
    mu: sympy.Symbol, sigma: sympy.Symbol, nu: sympy.Symbol, tau: sympy.Symbol, alpha: sympy.Symbol
) -> Derivation:
    """Rényi's divergence of order α ≠ 1 of N(ν, τ²) from N(μ, σ²).

    log τ/σ + log(τ²/v)/(2(α − 1)) + α (μ − ν)²/(2v),  v = α τ² + (1 − α) σ² > 0

    Shapes: broadcast; nats, one number for each coordinate.

    Source: Gil, Alajaji & Linder 2013; van Erven & Harremoës 2014, eq. 10.

    >>> round(renyi_normals(1, 1, 0, 1, 0.5), 12)
    0.25
    """
    import sympy

    v = alpha * tau**2 + (1 - alpha) * sigma**2
    value = sympy.log(tau) - sympy.log(sigma) + sympy.log(tau**2 / v) / (2 * (alpha - 1))
    value += alpha * (mu - nu) ** 2 / (2 * v)
    # p^α q^(1 − α) is the exponential of a quadratic: complete the square, and α(1 − α)d²/v is left over.
    x = sympy.Symbol("x", real=True)
    power = alpha * (x - mu) ** 2 / sigma**2 + (1 - alpha) * (x - nu) ** 2 / tau**2
    centre = (alpha * mu * tau**2 + (1 - alpha) * nu * sigma**2) / v
    square = v / (sigma**2 * tau**2) * (x - centre) ** 2 + alpha * (1 - alpha) * (mu - nu) ** 2 / v
    return Derivation(
        value=value, steps=(step("complete the square", power, square, "the mean of p^α q^(1 − α)"),),
        conditions=(sympy.StrictGreaterThan(v, 0),),
    )  # fmt: skip


def kl_categorical(first: Tensor, second: Tensor) -> Terms:
    """KL of categorical distributions by their logits, a term for each class: ``p_k (log p_k − log q_k)``.

    Shapes: both [..., classes]; each of the terms, too.

    Source: Cover & Thomas 2006, eq. 2.26.

    >>> sum(kl_categorical(torch.tensor([0.0, 0.0]), torch.tensor([0.0, 0.0]))).sum()
    tensor(0.)
    """
    p = torch.softmax(first, -1)
    return (*(p * term for term in log_softmax(first)), *(-p * term for term in log_softmax(second)))


def entropy_categorical(logits: Tensor) -> Terms:
    """Shannon's entropy by logits, a term for each class: ``−p_k log p_k``.

    Shapes: [..., classes]; each of the terms, too; nats.

    Source: Cover & Thomas 2006, eq. 2.1.

    >>> sum(entropy_categorical(torch.tensor([0.0, 0.0]))).sum()
    tensor(0.6931)
    """
    p = torch.softmax(logits, -1)
    return tuple(-p * term for term in log_softmax(logits))


def jensen_shannon_categorical(first: Tensor, second: Tensor, *, weight: float = 0.5) -> Terms:
    """½ KL(p ‖ m) + ½ KL(q ‖ m) with m = (p + q)/2, by logits, a term for each class.

    Shapes: both [..., classes]; each of the terms, too. Another `weight` than ½ is put before both divergences.

    Source: Lin 1991, eq. 4.1 with weights ½.

    >>> far = torch.tensor([1e4, 0.0])
    >>> sum(jensen_shannon_categorical(far, -far)).sum()
    tensor(0.6931)
    """
    log_p, log_q = (torch.log_softmax(one, -1) for one in (first, second))
    log_m = torch.logaddexp(log_p, log_q)
    half = torch.log(torch.full_like(log_m, 2.0))
    p, q = log_p.exp(), log_q.exp()
    parts = (p * log_p, -p * log_m, p * half, q * log_q, -q * log_m, q * half)
    return tuple(weight * part for part in parts)


def free_bits(kl: Tensor, threshold: Tensor | float, divisor: Tensor | float, *, over: str = "batch") -> Terms:
    """Divergences that are not pushed below a threshold: ``Σ_j max(λ, mean_i KL_ij)``, over a divisor.

    Shapes: ``kl`` [batch, latent]; the result [latent] for `over` "batch", [batch, latent] for "" (each by itself), and
    [batch] for "latent" (the sum over the latents).

    Source: Kingma et al. 2016, on free bits.

    >>> free_bits(torch.tensor([[0.1, 3.0]]), 0.5, 1.0)
    (tensor([[0.5000, 3.0000]]),)
    """
    if over == "batch":
        kl = kl.mean(0, keepdim=True)
    elif over == "latent":
        kl = kl.sum(-1, keepdim=True)
    return (torch.maximum(kl, torch.as_tensor(threshold, dtype=kl.dtype, device=kl.device)) / divisor,)


def monte_carlo(log_p: Tensor, log_q: Tensor, *, kind: str = "k1") -> Terms:
    """Estimates of KL(p ‖ q) at draws from p: the log-ratio, half its square, or r − 1 − log r with r = q/p.

    Shapes: both alike; each of the terms, too.

    Source: Schulman 2020, "Approximating KL divergence".

    >>> sum(monte_carlo(torch.tensor(1.0), torch.tensor(0.0)))
    tensor(1.)
    """
    if kind == "k2":
        return (0.5 * (log_p - log_q) ** 2,)
    if kind == "k3":
        ratio = torch.exp(log_q - log_p)
        return ratio, -torch.ones_like(ratio), log_p, -log_q
    return log_p, -log_q
