"""Kullback–Leibler divergences between normal distributions."""

from __future__ import annotations

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.naming import MEAN
from genverify.formulas.references import declares_reference
from genverify.oracles import gaussian
from genverify.reference.likelihood import kl as reference
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, positive_scale, scale_matrix
from genverify.subjects.specification import Specification

__all__ = ["DIAGONAL_NORMALS", "DIAGONAL_TO_STANDARD_NORMAL", "MVN_CHOLESKY", "MVN_COVARIANCE"]

_BETA = "the sum over the latent axis is averaged: a KL term weighted by β = 1/k"
_OVER = (
    reduction("latent", ("sum", "none"), {"mean": _BETA}),
    reduction("batch", ("none", "mean", "sum")),
)
_PER_SAMPLE = (reduction("batch", ("none", "mean", "sum")),)

DIAGONAL_TO_STANDARD_NORMAL = formula(
    Specification(
        name="kl.diagonal_to_standard_normal",
        statement="KL(N(μ, diag σ²) ‖ N(0, I)) = ½ Σ (μ² + σ² − 1 − log σ²)",
        source="Kingma & Welling 2014, appendix B",
        arguments=(any_real("mean", "batch latent", *MEAN), positive_scale("std", "batch latent")),
        oracle=lambda mean, std: gaussian.kl_diagonal_to_standard.terms(mean, std),
        output="batch latent",
        dialects=_OVER,
        derivation="kl.diagonal_to_standard_normal.closed_form",
    )
)

DIAGONAL_NORMALS = formula(
    Specification(
        name="kl.diagonal_normals",
        statement="KL(N(μ_p, σ_p²) ‖ N(μ_q, σ_q²)) = Σ log σ_q/σ_p + (σ_p² + (μ_p − μ_q)²)/(2σ_q²) − ½",
        source="Kullback & Leibler 1951, eq. 2.4",
        arguments=(
            any_real("mean_p", "batch latent", *MEAN, group="first"),
            positive_scale("std_p", "batch latent", "first"),
            any_real("mean_q", "batch latent", *MEAN, "=nu", group="second"),
            positive_scale("std_q", "batch latent", "second", "=tau"),
        ),
        oracle=lambda mean_p, std_p, mean_q, std_q: gaussian.kl_divergence.terms(mean_p, std_p, mean_q, std_q),
        output="batch latent",
        dialects=_OVER,
        derivation="kl.normal.closed_form",
    )
)


def _mvn(canonical: str) -> dict[str, object]:
    return {
        "statement": "KL(N(μ_p, Σ_p) ‖ N(μ_q, Σ_q)) = "
        "½ [tr Σ_q⁻¹Σ_p + dᵀΣ_q⁻¹d − k + log det Σ_q/det Σ_p], d = μ_q − μ_p",
        "source": "Doersch 2016, eq. 6",
        "arguments": (
            any_real("mean_p", "batch latent", *MEAN, group="first"),
            scale_matrix("covariance_p", "batch latent latent", "first", written=canonical),
            any_real("mean_q", "batch latent", *MEAN, group="second"),
            scale_matrix("covariance_q", "batch latent latent", "second", written=canonical),
        ),
        "oracle": lambda mean_p, covariance_p, mean_q, covariance_q: gaussian.mvn_kl.terms(
            mean_p, covariance_p, mean_q, covariance_q
        ),
        "output": "batch",
        "dialects": _PER_SAMPLE,
        "operations": 128,
        "derivation": "kl.mvn.closed_form",
    }


MVN_COVARIANCE = formula(Specification(name="kl.mvn_covariance", **_mvn("covariance")))  # type: ignore[arg-type]
MVN_CHOLESKY = formula(Specification(name="kl.mvn_cholesky", **_mvn("cholesky")))  # type: ignore[arg-type]


@declares_reference
def diagonal_to_standard_normal() -> Formula:
    """The reference KL term of a VAE."""
    return Formula(reference.diagonal_to_standard_normal, like="kl.diagonal_to_standard_normal")


@declares_reference
def diagonal_normals() -> Formula:
    """The reference divergence of diagonal normals."""
    return Formula(reference.diagonal_normals, like="kl.diagonal_normals")


@declares_reference
def mvn_covariance() -> Formula:
    """The reference divergence by covariances."""
    return Formula(reference.mvn_covariance, like="kl.mvn_covariance")


@declares_reference
def mvn_cholesky() -> Formula:
    """The reference divergence by Cholesky factors."""
    return Formula(reference.mvn_cholesky, like="kl.mvn_cholesky")
