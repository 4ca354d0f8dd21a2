"""The multivariate normal distribution, by covariance, precision and Cholesky factor."""

from __future__ import annotations

import math

import torch

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.naming import MEAN, VALUE
from genverify.formulas.references import declares_reference
from genverify.oracles import gaussian
from genverify.reference.likelihood import mvn as reference
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, scale_matrix
from genverify.subjects.specification import BATCHED, SINGLE, Layout, Specification

__all__ = ["ENTROPY", "LOG_PROB_CHOLESKY", "LOG_PROB_COVARIANCE", "LOG_PROB_PRECISION"]

_LAYOUTS = (
    BATCHED,
    Layout(name="one distribution for the whole batch", shared=("mean", "covariance")),
    SINGLE,
)
_REDUCTION = (reduction("batch", ("none", "mean", "sum")),)


def _log_prob(name: str, written: str) -> Specification:
    return formula(
        Specification(
            name=name,
            statement="log N(x | μ, Σ) = −½ (x − μ)ᵀΣ⁻¹(x − μ) − ½ log det Σ − (k/2) log 2π",
            source="Bishop 2006, eq. 2.43",
            arguments=(
                any_real("x", "batch event", *VALUE),
                any_real("mean", "batch event", *MEAN),
                scale_matrix("covariance", "batch event event", written=written),
            ),
            oracle=lambda x, mean, covariance: gaussian.mvn_log_prob.terms(x, mean, covariance),
            output="batch",
            dialects=_REDUCTION,
            layouts=_LAYOUTS,
            operations=128,
            derivation="mvn.log_prob.change_of_variables",
        )
    )


LOG_PROB_COVARIANCE = _log_prob("mvn.log_prob_covariance", "covariance")
LOG_PROB_PRECISION = _log_prob("mvn.log_prob_precision", "precision")
LOG_PROB_CHOLESKY = _log_prob("mvn.log_prob_cholesky", "cholesky")


def _entropy(covariance: torch.Tensor) -> tuple[torch.Tensor, ...]:
    # −E log p(x), since E (x − μ)ᵀΣ⁻¹(x − μ) = k. The determinant by LU: eigenvalues have no second derivative where
    # two are equal, so that the allowance of the gradient could not be known there.
    half_logs = 0.5 * torch.linalg.slogdet(covariance).logabsdet
    k = covariance.shape[-1]
    return half_logs, torch.full_like(half_logs, 0.5 * k * (1.0 + math.log(2.0 * math.pi)))


ENTROPY = formula(
    Specification(
        name="mvn.entropy",
        statement="H = ½ log det(2πe Σ)",
        source="Cover & Thomas 2006, theorem 8.4.1",
        arguments=(scale_matrix("covariance", "batch event event"),),
        oracle=_entropy,
        output="batch",
        dialects=_REDUCTION,
        operations=128,
        derivation="mvn.entropy.expected",
    )
)


@declares_reference
def log_prob_covariance() -> Formula:
    """The reference log-density by covariance."""
    return Formula(reference.log_prob_covariance, like="mvn.log_prob_covariance")


@declares_reference
def log_prob_precision() -> Formula:
    """The reference log-density by precision."""
    return Formula(reference.log_prob_precision, like="mvn.log_prob_precision")


@declares_reference
def log_prob_cholesky() -> Formula:
    """The reference log-density by Cholesky factor."""
    return Formula(reference.log_prob_cholesky, like="mvn.log_prob_cholesky")


@declares_reference
def entropy() -> Formula:
    """The reference entropy."""
    return Formula(reference.entropy, like="mvn.entropy")
