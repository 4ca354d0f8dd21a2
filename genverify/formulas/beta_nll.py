"""The β-NLL of heteroscedastic regression: weighted by σ^(2β), through which no gradient flows."""

from __future__ import annotations

import math

import torch

from genverify.claims import Status, claim
from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.naming import MEAN, VALUE
from genverify.formulas.references import declares_reference
from genverify.oracles import gaussian
from genverify.reference.likelihood import beta_nll as reference
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, positive_scale
from genverify.subjects.specification import Axis, Option, Specification

__all__ = ["BETA_NLL", "EQUAL_WEIGHTS", "STOPPED"]

Terms = tuple[torch.Tensor, ...]


def _terms(
    x: torch.Tensor,
    mean: torch.Tensor,
    std: torch.Tensor,
    beta: torch.Tensor | float,
    stopped: bool,
    constant: bool,
    power: float,
) -> Terms:
    terms = gaussian.nll.terms(x, mean, std)
    if not constant:
        terms = (*terms, torch.full_like(terms[0], -0.5 * math.log(2.0 * math.pi)))
    weight = (std.detach() if stopped else std) ** (power * beta)
    return tuple(weight * term for term in terms)


def _value(
    x: torch.Tensor,
    mean: torch.Tensor,
    std: torch.Tensor,
    beta: torch.Tensor | float,
    *,
    constant: bool = True,
    power: float = 2.0,
) -> Terms:
    return _terms(x, mean, std, beta, False, constant, power)


def _slope(
    x: torch.Tensor,
    mean: torch.Tensor,
    std: torch.Tensor,
    beta: torch.Tensor | float,
    *,
    constant: bool = True,
    power: float = 2.0,
) -> Terms:
    return _terms(x, mean, std, beta, True, constant, power)


BETA_NLL = formula(
    Specification(
        name="normal.beta_nll",
        statement="⌊σ^(2β)⌋ [½ ((x − μ)/σ)² + log σ + ½ log 2π], ⌊ ⌋ stopping the gradient",
        source="Seitzer et al. 2022, eq. 5",
        arguments=(
            any_real("x", "batch event", *VALUE),
            any_real("mean", "batch event", *MEAN, "input", "mu_hat", "inputs_mean"),
            positive_scale("std", "batch event"),
            hyperparameter("beta", "b", "exponent", default=0.5, low=0.1, high=1.0, apart=(0.0,)),
        ),
        oracle=_value,
        surrogate=_slope,
        output="batch event",
        dialects=(
            reduction("event", ("none", "sum", "mean")), reduction("batch", ("none", "mean", "sum")),
            Axis(
                name="constant",
                options=(Option(name=""), Option(name="without ½ log 2π", keywords={"constant": False})),
            ),
            Axis(
                name="weight",
                options=(
                    Option(name=""),
                    Option(name="σ^β", keywords={"power": 1.0}, accepted=False,
                           note="the standard deviation to the power β, and not the variance"),
                    Option(name="σ^(−2β)", keywords={"power": -2.0}, accepted=False,
                           note="the precision to the power β: points of small variance weigh still more"),
                ),
            ),
        ),
        derivation="normal.beta_nll.equal_weights",
    )
)  # fmt: skip

STOPPED = claim(
    "normal.beta_nll.stopped", Status.REFUTED,
    statement="the gradient of the β-NLL is the derivative of its value",
    source="a usual reading of Seitzer et al. 2022, eq. 5, in which the weight is not to be differentiated",
    counterexample="x = μ, σ = 2, β = 1: the value 4 log 2 has slope 4 log 2 + 2 in σ, and the gradient is 2",
    corrected="the gradient is σ^(2β) times that of the negative log-likelihood, and that of no function: its cross "
    "derivatives differ by 2β σ^(2β − 3) (μ − x)",
    assumptions=("μ, σ the only parameters",),
)  # fmt: skip

EQUAL_WEIGHTS = claim(
    "normal.beta_nll.equal_weights", Status.DERIVED,
    statement="at β = 1 the gradient in μ is μ − x, that of ½ (x − μ)²; at β = 0 it is that of the likelihood, "
    "(μ − x)/σ²; the gradient in σ vanishes at σ² = (x − μ)² for every β",
    source="Seitzer et al. 2022, section 4", assumptions=("σ > 0",),
)  # fmt: skip


@declares_reference
def beta_nll() -> Formula:
    """The reference β-NLL."""
    return Formula(reference.beta_nll, like="normal.beta_nll")
