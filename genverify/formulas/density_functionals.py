"""Entropies and distribution functions beside the normal ones: Bernoulli, Laplace; what every density must obey."""

from __future__ import annotations

import torch

from genverify.claims import Status, claim
from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.density_arguments import chance, location, spread
from genverify.formulas.divergence import PER_ROW
from genverify.formulas.naming import VALUE
from genverify.formulas.references import declares_reference
from genverify.oracles import entropies as oracle
from genverify.reference.likelihood import entropies as reference
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real
from genverify.subjects.specification import Axis, Option, Specification

__all__ = [
    "DRAWS", "ENTROPY_BERNOULLI", "ENTROPY_LAPLACE", "LAPLACE_CDF", "LAPLACE_DISTRIBUTION", "MASS", "SCORE", "TAILS",
]  # fmt: skip

Terms = tuple[torch.Tensor, ...]
_EVENT = (
    reduction("event", ("sum", "none"), {"mean": "averaged over independent coordinates, whose entropies add up"}),
    *PER_ROW,
)


def _unit() -> Axis:
    bits = Option(name="in bits", keywords={"unit": 1.4426950408889634}, accepted=False, note="logarithms to base 2")
    return Axis(name="unit", options=(Option(name=""), bits))


def _bernoulli(logit: torch.Tensor, *, unit: float = 1.0) -> Terms:
    one = torch.ones_like(logit)  # code has log(1 + e^(−|l|)), which rounds at one
    return tuple(unit * term for term in (*oracle.bernoulli.terms(logit), one, -one))


def _laplace(scale: torch.Tensor, *, unit: float = 1.0) -> Terms:
    return tuple(unit * term for term in oracle.laplace.terms(scale))


BERNOULLI = formula(
    Specification(
        name="entropy.bernoulli",
        statement="H = −p log p − (1 − p) log (1 − p)",
        source="Cover & Thomas 2006, eq. 2.5",
        arguments=(chance("logit"),),
        oracle=_bernoulli,
        output="batch event",
        dialects=(*_EVENT, _unit()),
        operations=48,
        derivation="density.entropy.bernoulli",
    )
)

LAPLACE = formula(
    Specification(
        name="entropy.laplace",
        statement="H = 1 + log 2b",
        source="Cover & Thomas 2006, table 17.1",
        arguments=(spread("scale"),),
        oracle=_laplace,
        output="batch event",
        dialects=(*_EVENT, _unit()),
        derivation="density.entropy.laplace",
    )
)


def _laplace_cdf(x: torch.Tensor, mean: torch.Tensor, scale: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """The terms of the closed form, and two of no value whose slopes cancel.

    ``1 − e^(−|z|)`` is expm1, and expm1 is differentiated as expm1 + 1: in the tail that rounds a slope of 1/(2b).
    """
    half = (x - mean) / (2 * scale)
    slope = half - half.detach()
    return (*oracle.laplace_cdf.terms(x, mean, scale), slope, -slope)


LAPLACE_CDF = formula(
    Specification(
        name="density.laplace_cdf",
        statement="P(X ≤ x) = ½ + ½ sgn(x − μ)(1 − e^(−|x − μ|/b))",
        source="Johnson, Kotz & Balakrishnan 1995, chapter 24",
        arguments=(any_real("x", "batch event", *VALUE), location("mean"), spread("scale")),
        oracle=_laplace_cdf,
        output="batch event",
        dialects=(reduction("event", ("none",)), reduction("batch", ("none",))),
        kinks=True,
        derivation="density.laplace.distribution",
    )
)

ENTROPY_BERNOULLI = claim(
    "density.entropy.bernoulli", Status.DERIVED,
    statement="E −log p(x) = σ(l) log(1 + e^(−l)) + σ(−l) log(1 + eˡ), log 2 at l = 0 and nowhere more",
    source="Cover & Thomas 2006, eq. 2.5", assumptions=("l real",),
)  # fmt: skip

ENTROPY_LAPLACE = claim(
    "density.entropy.laplace", Status.DERIVED,
    statement="E −log p(x) = 1 + log 2b, since |x − μ| is exponential with mean b",
    source="Cover & Thomas 2006, table 17.1", assumptions=("μ real, b > 0",),
)  # fmt: skip

LAPLACE_DISTRIBUTION = claim(
    "density.laplace.distribution", Status.DERIVED,
    statement="the slope of ½ + ½ sgn(x − μ)(1 − e^(−|x − μ|/b)) is the density, and its limits are 0 and 1",
    source="Johnson, Kotz & Balakrishnan 1995, chapter 24", assumptions=("x ≠ μ for the slope",),
)  # fmt: skip

SCORE = claim(
    "density.score.mean_zero", Status.DERIVED,
    statement="E ∂ log p(x; θ)/∂θ = 0 for the Bernoulli, categorical and Laplace distributions, in every parameter",
    source="Fisher 1922",
    assumptions=("three classes for the categorical distribution; Laplace's density is smooth in μ but at x = μ",),
    theorems=("differentiation under the integral",),
)  # fmt: skip

MASS = claim(
    "density.mass_of_the_references", Status.SUPPORTED,
    statement="the references have mass one: by quadrature where the outcome is a number, by summing the outcomes else",
    source="the definition of a density", assumptions=("the parameters of the spec",),
)  # fmt: skip

DRAWS = claim(
    "density.draws", Status.SUPPORTED,
    statement="the expectation of −log p at a sampler's own draws, integrated out, is the entropy: sampler, density "
    "and entropy are of one distribution",
    source="Cover & Thomas 2006, eq. 8.1", assumptions=("torch's samplers, at the parameters of the spec",),
)  # fmt: skip

TAILS = claim(
    "density.tails", Status.SUPPORTED,
    statement="the references keep their digits in the tails: at logits of ±10⁴, and 10⁸ scales from the mean",
    source="derived here", assumptions=("the points of the spec; IEEE 754 float64",),
)  # fmt: skip


@declares_reference
def bernoulli() -> Formula:
    """The reference entropy of Bernoulli distributions."""
    return Formula(reference.bernoulli, like="entropy.bernoulli")


@declares_reference
def laplace() -> Formula:
    """The reference entropy of Laplace distributions."""
    return Formula(reference.laplace, like="entropy.laplace")


@declares_reference
def laplace_cdf() -> Formula:
    """The reference distribution function of Laplace distributions."""
    return Formula(reference.laplace_cdf, like="density.laplace_cdf")
