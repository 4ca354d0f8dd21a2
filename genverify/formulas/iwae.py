"""The importance-weighted bound, and the weighted sum whose gradient it has."""

from __future__ import annotations

from typing import Any

import torch

from genverify.formulas import iwae_arguments as take
from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.references import declares_reference
from genverify.oracles import iwae as oracle
from genverify.reference.likelihood import iwae as reference
from genverify.subjects.formula import Formula
from genverify.subjects.specification import Axis, Option, Specification

__all__ = ["BOUND", "SLIPS", "WEIGHTED_ELBO"]

Terms = tuple[torch.Tensor, ...]
_BATCH = reduction("batch", ("mean", "none", "sum"))
_BURDA = "Burda, Grosse & Salakhutdinov 2016"
SLIPS = (
    Option(name="without log K", keywords={"kind": "sum"}, accepted=False,
           note="log Σ w, where the mean of the weights belongs: too large by log K, and no bound"),
    Option(name="a mean of logarithms", keywords={"kind": "mean of logs"}, accepted=False,
           note="(1/K) Σ log w is the bound of one draw, better estimated, and no tighter"),
)  # fmt: skip


def _bound(*, kind: str = "", sign: float = 1.0, **parts: Any) -> Terms:  # noqa: ANN401
    return oracle.log_mean(take.sum_of(**parts), kind=kind, sign=sign)


BOUND = formula(
    Specification(
        name="iwae.bound",
        statement="log (1/K) Σ_k p(x, z_k)/q(z_k | x)",
        source=f"{_BURDA}, eq. 8",
        arguments=take.weight_parts(),
        oracle=_bound,
        output="batch",
        dialects=(_BATCH, take.ESTIMATE_OR_LOSS, Axis(name="mean", options=(Option(name=""), *SLIPS))),
        layouts=take.LAYOUTS,
        sizes=take.SIZES,
        derivation="iwae.bound.monotone",
    )
)


def _weighted(*, frozen: bool = False, **given: Any) -> Terms:  # noqa: ANN401
    how = {name: given.pop(name) for name in ("squared", "unnormalised", "sign") if name in given}
    return oracle.weighted_sum(take.sum_of(**given), frozen=frozen, **how)


def _frozen(**given: Any) -> Terms:  # noqa: ANN401
    return _weighted(frozen=True, **given)


WEIGHTED_ELBO = formula(
    Specification(
        name="iwae.weighted_elbo",
        statement="Σ_k w̃_k log w_k, w̃ normalised and without a gradient of its own: the gradient is Σ w̃_k ∇ log w_k",
        source=f"{_BURDA}, eq. 14",
        arguments=take.weight_parts(),
        oracle=_weighted,
        surrogate=_frozen,
        output="batch draw",
        dialects=(
            reduction("draw", ("sum",), {"mean": "over K once more: the weights sum to one already"}), _BATCH,
            take.ESTIMATE_OR_LOSS,
            Axis(
                name="weights",
                options=(
                    Option(name=""),
                    Option(name="squared", keywords={"squared": True},
                           note="doubly reparameterised, for the inference network: Tucker et al. 2019"),
                    Option(name="not normalised", keywords={"unnormalised": True}, accepted=False,
                           note="the weights must sum to one over the draws of each sample"),
                ),
            ),
        ),
        layouts=take.LAYOUTS,
        sizes=take.SIZES,
        operations=48,
        derivation="iwae.weighted_elbo.gradient",
    )
)  # fmt: skip


@declares_reference
def bound() -> Formula:
    """The reference bound."""
    return Formula(reference.bound, like="iwae.bound")


@declares_reference
def weighted_elbo() -> Formula:
    """The reference weighted sum."""
    return Formula(reference.weighted_elbo, like="iwae.weighted_elbo")
