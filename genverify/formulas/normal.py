"""The normal distribution: log-density, negative log-likelihood, score, distribution function, entropy."""

from __future__ import annotations

import math

import torch

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.naming import MEAN, VALUE
from genverify.formulas.references import declares_reference
from genverify.oracles import gaussian
from genverify.reference.likelihood import normal as reference
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, positive_scale
from genverify.subjects.specification import Axis, Option, Specification

__all__ = ["CDF", "ENTROPY", "LOG_PROB", "NLL", "SCORE", "STANDARD_LOG_PROB"]

Terms = tuple[torch.Tensor, ...]

_ARGUMENTS = (
    any_real("x", "batch event", *VALUE),
    any_real("mean", "batch event", *MEAN, "input"),
    positive_scale("std", "batch event"),
)
_REDUCTIONS = (reduction("event", ("none", "sum", "mean")), reduction("batch", ("none", "mean", "sum")))
_CONSTANT = Axis(
    name="constant",
    options=(Option(name=""), Option(name="without ½ log 2π", keywords={"constant": False})),
)
_FACTOR = Axis(
    name="factor",
    options=(
        Option(name=""),
        Option(name="doubled", keywords={"factor": 2.0}, accepted=False, note="the factor ½ is lost: a deviance"),
    ),
)


def _nll(
    x: torch.Tensor, mean: torch.Tensor, std: torch.Tensor, *, constant: bool = True, factor: float = 1.0
) -> Terms:
    terms = gaussian.nll.terms(x, mean, std)
    if not constant:
        terms = (*terms, torch.full_like(terms[0], -0.5 * math.log(2.0 * math.pi)))
    return tuple(factor * term for term in terms)


def _cdf(x: torch.Tensor, mean: torch.Tensor, std: torch.Tensor) -> Terms:
    # Two terms, as in the statement: the form ½ (1 + erf) rounds at ½, and claims no more digits in the tail.
    below = gaussian.cdf(x, mean, std)
    return torch.full_like(below, 0.5), below - 0.5


def _entropy(std: torch.Tensor) -> Terms:
    return gaussian.entropy.terms(std)


LOG_PROB = formula(
    Specification(
        name="normal.log_prob",
        statement="log N(x | μ, σ²) = −½ ((x − μ)/σ)² − log σ − ½ log 2π",
        source="Bishop 2006, eq. 1.46",
        arguments=_ARGUMENTS,
        oracle=lambda x, mean, std: gaussian.log_prob.terms(x, mean, std),
        output="batch event",
        dialects=_REDUCTIONS,
        derivation="normal.log_prob.normalised",
    )
)

STANDARD_LOG_PROB = formula(
    Specification(
        name="normal.standard_log_prob",
        statement="log N(x | 0, I) = −½ Σ (x² + log 2π)",
        source="Bishop 2006, eq. 1.46",
        arguments=(any_real("x", "batch event", *VALUE, "u", "eps", "noise"),),
        oracle=lambda x: gaussian.log_prob.terms(x, torch.zeros_like(x), torch.ones_like(x)),
        output="batch event",
        dialects=_REDUCTIONS,
        derivation="normal.standard_log_prob.product",
    )
)

NLL = formula(
    Specification(
        name="normal.nll",
        statement="−log N(x | μ, σ²) = ½ ((x − μ)/σ)² + log σ + ½ log 2π",
        source="Bishop 2006, eq. 1.46; Nix & Weigend 1994, eq. 3",
        arguments=_ARGUMENTS,
        oracle=_nll,
        output="batch event",
        dialects=(*_REDUCTIONS, _CONSTANT, _FACTOR),
        derivation="normal.log_prob.normalised",
    )
)

SCORE = formula(
    Specification(
        name="normal.score",
        statement="∂ log N(x | μ, σ²)/∂x = −(x − μ)/σ²",
        source="Hyvärinen 2005, section 2",
        arguments=_ARGUMENTS,
        oracle=lambda x, mean, std: gaussian.score.terms(x, mean, std),
        output="batch event",
        dialects=(reduction("event", ("none",)), reduction("batch", ("none",))),
        derivation="normal.score.mean_zero",
    )
)

CDF = formula(
    Specification(
        name="normal.cdf",
        statement="P(X ≤ x) = ½ (1 + erf((x − μ)/(σ√2)))",
        source="Abramowitz & Stegun 1964, eq. 26.2.29",
        arguments=_ARGUMENTS,
        oracle=_cdf,
        output="batch event",
        dialects=(reduction("event", ("none",)), reduction("batch", ("none",))),
        derivation="normal.cdf.distribution",
    )
)

ENTROPY = formula(
    Specification(
        name="normal.entropy",
        statement="H = Σ ½ log(2πe σ²)",
        source="Cover & Thomas 2006, eq. 8.9",
        arguments=(positive_scale("std", "batch event"),),
        oracle=_entropy,
        output="batch event",
        dialects=_REDUCTIONS,
        derivation="normal.entropy.expected",
    )
)


@declares_reference
def log_prob() -> Formula:
    """The reference log-density."""
    return Formula(reference.log_prob, like="normal.log_prob")


@declares_reference
def standard_log_prob() -> Formula:
    """The reference log-density of N(0, I)."""
    return Formula(reference.standard_log_prob, like="normal.standard_log_prob")


@declares_reference
def nll() -> Formula:
    """The reference negative log-likelihood."""
    return Formula(reference.nll, like="normal.nll")


@declares_reference
def score() -> Formula:
    """The reference score."""
    return Formula(reference.score, like="normal.score")


@declares_reference
def cdf() -> Formula:
    """The reference distribution function."""
    return Formula(reference.cdf, like="normal.cdf")


@declares_reference
def entropy() -> Formula:
    """The reference entropy."""
    return Formula(reference.entropy, like="normal.entropy")
