"""Claims on the importance-weighted bound."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = ["CONSISTENT", "GRADIENT", "MONOTONE"]

_BURDA = "Burda, Grosse & Salakhutdinov 2016"


def _subsets() -> sympy.Basic:
    import sympy

    w = sympy.symbols("w1:4", positive=True)
    pairs = [(w[0] + w[1]) / 2, (w[0] + w[2]) / 2, (w[1] + w[2]) / 2]
    return sympy.Eq(sum(w, sympy.S.Zero) / 3, sum(pairs, sympy.S.Zero) / 3, evaluate=False)


def _slope() -> sympy.Basic:
    import sympy

    w: Any = sympy.IndexedBase("w", positive=True)
    k, n = sympy.Symbol("k", integer=True, positive=True), sympy.Symbol("K", integer=True, positive=True)
    j = sympy.Symbol("j", integer=True, positive=True)
    left = sympy.Symbol(r"\nabla \log \frac{1}{K} \sum_k w_k")
    share: Any = w[k] / sympy.Sum(w[j], (j, 1, n))
    return sympy.Eq(left, sympy.Sum(share * sympy.Symbol(r"\nabla \log w_k"), (k, 1, n)), evaluate=False)


MONOTONE = claim(
    "iwae.bound.monotone", Status.DERIVED,
    statement="L_K = E log (1/K) Σ w_k has L_1 = ELBO, L_K ≤ L_{K+1} and L_K ≤ log p(x)",
    source=f"{_BURDA}, theorem 1",
    assumptions=("the weights are independent and alike, with E w = p(x)", "the identity is executed for K = 2"),
    equation=_subsets, theorems=("Jensen's inequality",),
)  # fmt: skip

GRADIENT = claim(
    "iwae.weighted_elbo.gradient", Status.DERIVED,
    statement="∇ log (1/K) Σ w_k = Σ w̃_k ∇ log w_k with w̃_k = w_k/Σ w: that of Σ w̃_k log w_k, the w̃ held "
    "fixed; with "
    "gradients through them there is a term Σ log w_k ∇ w̃_k more",
    source=f"{_BURDA}, eq. 13–14", assumptions=("K = 3, each log-weight any function of a parameter",), equation=_slope,
)  # fmt: skip

CONSISTENT = claim(
    "iwae.bound.rate", Status.SUPPORTED,
    statement="K (log p(x) − L_K) tends to ½ Var w/p(x)²",
    source="Maddison et al. 2017, proposition 1; Domke & Sheldon 2018, theorem 3",
    assumptions=("the linear-Gaussian model at the spec's parameters, whose weights have the moments it takes",),
)  # fmt: skip
