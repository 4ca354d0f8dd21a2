"""Importance sampling: weights, estimates of an expectation and of a loss, the effective sample size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from genverify.claims import Status, claim
from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.references import declares_reference
from genverify.oracles import importance as oracle
from genverify.reference.likelihood import importance as reference
from genverify.subjects.domains import positive, real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Axis, Form, Layout, Option, Specification

if TYPE_CHECKING:
    import sympy

__all__ = ["EFFECTIVE_SAMPLE_SIZE", "MEAN", "SELF_NORMALISED_MEAN", "WEIGHTED_NLL", "WEIGHTS"]

_ROBERT = "Robert & Casella 2004"
_ONE = (Layout(name="all draws at once"),)
_SIZES = {"draw": (3, 4, 2, 1)}
_P = any_real("log_p", "draw", "logp", "log_target", "target_log_prob", "log_prob_p", "log_joint")
_Q = any_real("log_q", "draw", "log_q", "logq", "log_proposal", "proposal_log_prob", "log_prob_q", "logq_proposal")
_F = any_real("f", "draw", "fs", "f_x", "fx", "values", "h", "rewards", "f_values", "x")
_MEAN = reduction("draw", ("mean", "none"), {"sum": "a sum over the draws, where a mean belongs"})


def _weights(axes: str) -> Argument:
    """Unnormalised weights, by their logarithms or as they are; only their ratios count."""
    near = real(low=-2.0, high=2.0, extreme=300.0)
    forms = (
        Form(name="log_weights", domain=near,
             aliases=("log_w", "logw", "log_weights", "log_weight", "lw", "log_ratio", "log_ratios", "log_iw")),
        Form(name="weights", domain=positive(tiny=1e-12, huge=1e12), canonical=torch.log,
             aliases=("w", "weights", "weight", "iw", "ratios", "importance_weights", "ws")),
    )  # fmt: skip
    return Argument(name="log_weights", axes=axes, forms=forms)


WEIGHTS = formula(
    Specification(
        name="importance.weights",
        statement="w_i = p(x_i)/q(x_i)",
        source=f"{_ROBERT}, section 3.3",
        arguments=(_P, _Q),
        oracle=oracle.weights,
        output="draw",
        dialects=(
            reduction("draw", ("none",)),
            Axis(
                name="weights",
                options=(
                    Option(name=""),
                    Option(name="normalised to sum to one", keywords={"normalised": True}),
                    Option(name="in the logarithm", keywords={"logarithm": True}, accepted=False,
                           note="log w_i, and no weight"),
                ),
            ),
        ),
        layouts=_ONE,
        sizes=_SIZES,
        derivation="importance.mean.unbiased",
    )
)  # fmt: skip

MEAN = formula(
    Specification(
        name="importance.mean",
        statement="(1/n) Σ (p(x_i)/q(x_i)) f(x_i), x_i drawn from q",
        source=f"{_ROBERT}, eq. 3.8",
        arguments=(_P, _Q, _F),
        oracle=oracle.mean,
        output="draw",
        dialects=(_MEAN,),
        layouts=_ONE,
        sizes=_SIZES,
        derivation="importance.mean.unbiased",
    )
)

SELF_NORMALISED_MEAN = formula(
    Specification(
        name="importance.self_normalised_mean",
        statement="Σ w_i f(x_i) / Σ w_i",
        source=f"{_ROBERT}, eq. 3.10",
        arguments=(_weights("draw"), _F),
        oracle=oracle.self_normalised_mean,
        output="draw",
        dialects=(reduction("draw", ("sum",), {"mean": "divided by n once more: the weights sum to one already"}),),
        layouts=_ONE,
        sizes=_SIZES,
        operations=48,
        derivation="importance.self_normalised_mean.bias",
    )
)

WEIGHTED_NLL = formula(
    Specification(
        name="importance.weighted_nll",
        statement="−(1/n) Σ w_i log p(x_i), or over Σ w_i",
        source="Shimodaira 2000",
        arguments=(
            any_real("log_prob", "draw", "log_p", "logp", "log_probs", "logprob", "log_likelihood", "ll"),
            plain("weight", "draw", positive(), ("w", "weights", "iw", "importance_weights", "ratio", "ratios")),
        ),
        oracle=oracle.weighted_nll,
        output="draw",
        dialects=(
            reduction("draw", ("mean", "sum", "none")),
            Axis(
                name="weights",
                options=(
                    Option(name=""),
                    Option(name="relative to the mean weight", keywords={"relative": True}),
                ),
            ),
        ),
        layouts=_ONE,
        sizes=_SIZES,
        derivation="importance.mean.unbiased",
    )
)  # fmt: skip

EFFECTIVE_SAMPLE_SIZE = formula(
    Specification(
        name="importance.effective_sample_size",
        statement="(Σ w_i)²/Σ w_i²",
        source="Kong 1992; Liu 2001, section 2.5.3",
        arguments=(_weights("batch draw"),),
        oracle=oracle.effective_sample_size,
        output="batch",
        dialects=(
            reduction("batch", ("none", "mean")),
            Axis(
                name="convention",
                options=(
                    Option(name=""),
                    Option(name="over n", keywords={"relative": True}, note="the efficiency, between 1/n and 1"),
                    Option(name="perplexity of the weights", keywords={"perplexity": True}, accepted=False,
                           note="the exponential of their entropy: Rényi's order 1, not 2"),
                ),
            ),
        ),
        layouts=(Layout(name="a row of draws"), Layout(name="all draws at once", drop=("batch",))),
        sizes=_SIZES,
        operations=64,
        derivation="importance.effective_sample_size.bounds",
    )
)  # fmt: skip


def _ess() -> sympy.Basic:
    import sympy

    n = sympy.Symbol("n", positive=True)
    c = sympy.Symbol("c", nonnegative=True)
    return sympy.Eq(n**2 / (n * (1 + c**2)), n / (1 + c**2), evaluate=False)


UNBIASED = claim(
    "importance.mean.unbiased", Status.DERIVED,
    statement="E_q[(p/q) f] = E_p f where q > 0 wherever p f ≠ 0",
    source=f"{_ROBERT}, eq. 3.8", assumptions=("the algebra is executed at two outcomes, all probabilities symbols",),
)  # fmt: skip

BIAS = claim(
    "importance.self_normalised_mean.bias", Status.DERIVED,
    statement="the self-normalised estimate is biased, at p = (½, ½), q = (¼, ¾), f = (1, 0) by −1/4 for n = 1, and "
    "it is consistent: n times the bias tends to E_p f · Var_q w − Cov_q(w, wf) = −1/3",
    source=f"{_ROBERT}, section 3.3.2", assumptions=("two outcomes; expectations are exact sums over the draws",),
)  # fmt: skip

ESS = claim(
    "importance.effective_sample_size.bounds", Status.DERIVED,
    statement="1 ≤ (Σ w)²/Σ w² ≤ n: it is n/(1 + c²), c the coefficient of variation of the weights, n for equal "
    "weights and 1 for a single weight that is not 0",
    source="Kong 1992", assumptions=("w_i ≥ 0, not all 0",), equation=_ess, theorems=("Cauchy–Schwarz",),
)  # fmt: skip


def _declare(name: str) -> None:
    """Registers the reference of that name as a subject."""

    def make() -> Formula:
        return Formula(getattr(reference, name), like=f"importance.{name}")

    make.__name__ = name
    declares_reference(make)


for _name in reference.__all__:
    _declare(_name)
