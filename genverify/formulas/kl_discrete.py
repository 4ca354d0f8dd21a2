"""Kullback–Leibler divergences of discrete and Laplace distributions; free bits; estimates from draws."""

from __future__ import annotations

import torch

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.density_arguments import chance, chances, location, spread
from genverify.formulas.divergence import PER_ROW, over_classes
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.references import declares_reference
from genverify.oracles import divergence as oracle
from genverify.reference.likelihood import divergences as reference
from genverify.subjects.domains import positive
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import BATCHED, Axis, Option, Specification

__all__ = ["BERNOULLI", "CATEGORICAL", "FREE_BITS", "LAPLACE", "MONTE_CARLO"]

Terms = tuple[torch.Tensor, ...]
Number = torch.Tensor | float

_DIRECTION = Axis(
    name="direction",
    options=(
        Option(name=""),
        Option(name="reversed", keywords={"reversed_": True}, accepted=False,
               note="KL(q ‖ p): the expectation is under the second"),
    ),
)  # fmt: skip
_OVER_EVENT = (
    reduction("event", ("sum", "none"), {"mean": "averaged over independent coordinates, whose divergences add up"}),
    *PER_ROW,
)


def _bernoulli(logit_p: torch.Tensor, logit_q: torch.Tensor, *, reversed_: bool = False) -> Terms:
    first, second = (logit_q, logit_p) if reversed_ else (logit_p, logit_q)
    one = torch.ones_like(first + second)  # code has log(1 + e^(−|l|)), which rounds at one
    return (*oracle.kl_bernoulli.terms(first, second), one, -one)


BERNOULLI = formula(
    Specification(
        name="kl.bernoulli",
        statement="KL(Bernoulli(p) ‖ Bernoulli(q)) = p log p/q + (1 − p) log (1 − p)/(1 − q)",
        source="Kullback & Leibler 1951, eq. 2.4",
        arguments=(chance("logit_p", group="first"), chance("logit_q", group="second")),
        oracle=_bernoulli,
        output="batch event",
        dialects=(*_OVER_EVENT, _DIRECTION),
        operations=48,
        derivation="kl.bernoulli.closed_form",
    )
)


def _categorical(logits_p: torch.Tensor, logits_q: torch.Tensor, *, reversed_: bool = False) -> Terms:
    return oracle.kl_categorical(*((logits_q, logits_p) if reversed_ else (logits_p, logits_q)))


CATEGORICAL = formula(
    Specification(
        name="kl.categorical",
        statement="KL(p ‖ q) = Σ_k p_k (log p_k − log q_k)",
        source="Cover & Thomas 2006, eq. 2.26",
        arguments=(chances("logits_p", group="first"), chances("logits_q", group="second")),
        oracle=_categorical,
        output="batch class",
        dialects=(over_classes("divergence"), *PER_ROW, _DIRECTION),
        sizes={"class": (2, 3, 4)},
        operations=48,
        derivation="kl.categorical.nonnegative",
    )
)

LAPLACE = formula(
    Specification(
        name="kl.laplace",
        statement="KL(Laplace(μ, b) ‖ Laplace(ν, c)) = log c/b + |μ − ν|/c + (b/c) e^(−|μ − ν|/b) − 1",
        source="Gil, Alajaji & Linder 2013",
        arguments=(
            location("mean_p", group="first"), spread("scale_p", group="first"),
            location("mean_q", group="second"), spread("scale_q", group="second"),
        ),
        oracle=lambda mean_p, scale_p, mean_q, scale_q: oracle.kl_laplace.terms(mean_p, scale_p, mean_q, scale_q),
        output="batch event",
        dialects=_OVER_EVENT,
        kinks=True,
        derivation="kl.laplace.closed_form",
    )
)  # fmt: skip

FREE_BITS = formula(
    Specification(
        name="kl.free_bits",
        statement="Σ_j max(λ, mean_i KL_ij)",
        source="Kingma et al. 2016, on free bits; each by itself: Li et al. 2019",
        arguments=(
            plain("kl", "batch latent", positive(low=0.05, high=4.0),
                  ("kl_per_dim", "kld", "kls", "kl_div", "kl_loss", "kl_elements", "kl_dim", "kl_z", "x")),
            hyperparameter("threshold", "lam", "lambda_", "free_bits", "free_nats", "lamb", "min_kl", "fb", "kl_min",
                           "delta", "epsilon", "target", default=None, low=0.1, high=3.0, apart=(0.0,)),
            hyperparameter("divisor", "n_spatial", "n_pixels", "num_pixels", "scale", "norm", default=1.0, low=1.0,
                           high=16.0),
        ),
        oracle=oracle.free_bits,
        output="batch latent",
        dialects=(
            reduction("latent", ("sum", "mean", "none")), reduction("batch", ("mean", "sum", "none")),
            Axis(
                name="threshold",
                options=(
                    Option(name=""),
                    Option(name="on each sample by itself", keywords={"over": ""}),
                    Option(name="on the sum over the latents", keywords={"over": "latent"}),
                ),
            ),
        ),
        layouts=(BATCHED,),
        sizes={"batch": (2, 3, 1), "latent": (2, 3, 1)},
        kinks=True,
        derivation="kl.free_bits.no_gradient_below",
    )
)  # fmt: skip
# "log" with the suffix of a pair: log_p, log_q.
_LOG = ("log_prob", "logprob", "log_probs", "log_density", "logpdf", "log")
_NO_SUM = {"sum": "a sum over the draws, where a mean belongs"}
MONTE_CARLO = formula(
    Specification(
        name="kl.monte_carlo",
        statement="(1/n) Σ log p(z_i) − log q(z_i), z_i drawn from p",
        source="Kingma & Welling 2014, eq. 6; Schulman 2020",
        arguments=(
            any_real("log_p", "batch", *_LOG, group="first"),
            any_real("log_q", "batch", *_LOG, group="second"),
        ),
        oracle=oracle.monte_carlo,
        output="batch",
        dialects=(
            reduction("batch", ("mean", "none"), _NO_SUM),
            Axis(
                name="estimator",
                options=(
                    Option(name=""),
                    Option(name="r − 1 − log r", keywords={"kind": "k3"}, note="unbiased, and never negative"),
                    Option(name="½ (log r)²", keywords={"kind": "k2"}, accepted=False,
                           note="biased: its expectation is another divergence"),
                ),
            ),
        ),
        layouts=(BATCHED,),
        derivation="kl.monte_carlo.unbiased",
    )
)  # fmt: skip


@declares_reference
def kl_bernoulli() -> Formula:
    """The reference divergence of Bernoulli distributions."""
    return Formula(reference.kl_bernoulli, like="kl.bernoulli")


@declares_reference
def kl_categorical() -> Formula:
    """The reference divergence of categorical distributions."""
    return Formula(reference.kl_categorical, like="kl.categorical")


@declares_reference
def kl_laplace() -> Formula:
    """The reference divergence of Laplace distributions."""
    return Formula(reference.kl_laplace, like="kl.laplace")


@declares_reference
def free_bits() -> Formula:
    """The reference free bits."""
    return Formula(reference.free_bits, like="kl.free_bits")


@declares_reference
def monte_carlo() -> Formula:
    """The reference estimate from draws."""
    return Formula(reference.monte_carlo, like="kl.monte_carlo")
