"""`target.series_sum`: the sum of a series, from a number of terms that is random."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from genverify.errors import UsageError
from genverify.formulas.references import declares_reference
from genverify.formulas.target import COUNT, target
from genverify.oracles import stochastic_targets as oracle
from genverify.reference.estimators import russian_roulette
from genverify.subjects.domains import Domain, function_of_index, real, unit_interval
from genverify.subjects.estimator import GradientEstimator, Target
from genverify.subjects.functions import Table
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Argument, Form, Layout, Role, Specification

__all__ = ["SERIES_SUM"]


def _reached() -> Domain:
    """P(N ≥ k), from one downwards."""

    def make(raw: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        return _tail(torch.softmax(raw.reshape(shape), -1)).to(dtype)

    return Domain(name="probability of being reached", low=-1.0, high=1.0, make=make)


def _probability() -> Domain:
    return Domain(
        name="probabilities", low=-1.0, high=1.0,
        make=lambda raw, shape, dtype: torch.softmax(raw.reshape(shape), -1).to(dtype),
    )  # fmt: skip


def _tail(probability: Tensor) -> Tensor:
    return probability.flip(-1).cumsum(-1).flip(-1)


def _terms(given: Tensor | Table) -> Tensor:
    return (given.entries if isinstance(given, Table) else given).to(torch.float64)


def _sum(*, terms: Tensor | Table, **rest: object) -> Tensor:
    return oracle.series_sum(_terms(terms))


def _sample(given: Mapping[str, Any], n: int) -> dict[str, Tensor]:
    if given.get("reached") is None:
        raise UsageError(
            given="an estimator that is told where to stop, and not with which probability",
            expected="a parameter for P(N ≥ k) (reached, survival, tail) or for P(N = k) (pmf)",
            do="name that parameter, or let the estimator draw where it stops itself",
        )
    reached = given["reached"]
    probability = reached - torch.cat([reached[1:], torch.zeros(1, dtype=reached.dtype)])
    return {"last": torch.multinomial(probability.clamp_min(0.0), n, replacement=True)}


def _largest(given: Mapping[str, Any]) -> float:
    reached = given.get("reached")
    scale = 1.0 if reached is None else 1.0 / float(reached.min())
    return float(_terms(given["terms"]).abs().sum()) * scale


SERIES_SUM = target(
    Target(
        specification=Specification(
            name="target.series_sum",
            statement="Σ_k a_k = E Σ_{k ≤ N} a_k / P(N ≥ k)",
            source="Lyne, Girolami, Atchadé, Strathmann & Simpson 2015, section 2",
            oracle=_sum,
            sizes={"terms": (4, 3, 2), "samples": (1, 2)},
            layouts=(Layout(name="one series"),),
            arguments=(
                Argument(
                    name="terms", axes="terms", differentiable=False,
                    forms=(
                        Form(
                            name="terms", domain=real(),
                            aliases=("a", "terms", "series", "coeffs", "coefficients", "deltas", "increments", "ak"),
                        ),
                        Form(
                            name="term", domain=function_of_index(),
                            aliases=("term", "term_fn", "a_k", "get_term", "f", "fn", "summand", "delta"),
                        ),
                    ),
                ),
                Argument(
                    name="reached", axes="terms", differentiable=False, default=None,
                    forms=(
                        Form(
                            name="reached", domain=_reached(),
                            aliases=("reached", "survival", "tail", "tails", "tail_probs", "survival_probs", "reach",
                                     "cdf_complement", "sf", "p_geq_k", "ccdf"),
                        ),
                        Form(
                            name="pmf", domain=_probability(), canonical=_tail,
                            aliases=("pmf", "probs", "probability", "p_n", "stop_probs", "pn", "weights", "qk"),
                        ),
                    ),
                ),
                Argument(
                    name="last", axes="samples", role=Role.DRAW, law="categorical", differentiable=False, default=None,
                    forms=(Form(name="last", aliases=("last", "N", "level", "levels", "stop", "tau", "idx", "n_stop"),
                                domain=real()),),
                ),
                plain("rate", "", unit_interval(), ("p", "q", "prob", "rho", "stop_prob", "continue_prob", "geom_p",
                                                     "p_stop", "p_continue", "survival_prob", "lamb"),
                      differentiable=False, default=None),
                COUNT,
            ),
        ),
        gradient=False,
        sample=_sample,
        magnitude=_largest,
    )
)  # fmt: skip


@declares_reference
def roulette_sum() -> GradientEstimator:
    """The reference Russian roulette."""
    return GradientEstimator(russian_roulette.roulette, like="target.series_sum", name="Russian roulette")


@declares_reference
def single_term_sum() -> GradientEstimator:
    """The reference single-term estimator."""
    return GradientEstimator(russian_roulette.single_term, like="target.series_sum", name="single term")
