"""Losses of VAEs beside the bound itself: with β, with a condition; and the product of Gaussian experts."""

from __future__ import annotations

import torch

from genverify.formulas import elbo_arguments as take
from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.references import declares_reference
from genverify.oracles import elbo as oracle
from genverify.reference.likelihood import vae as reference
from genverify.subjects.formula import Formula
from genverify.subjects.specification import Argument, Axis, Layout, Option, Specification

__all__ = ["BETA_LOSS", "CONDITIONAL_LOSS", "PRODUCT_OF_EXPERTS"]

Terms = tuple[torch.Tensor, ...]
Maybe = torch.Tensor | None
_BATCH = reduction("batch", ("mean", "sum", "none"))
_BETA = hyperparameter(
    "beta", "b", "kl_weight", "kld_weight", "variational_beta", "kl_coef", "kl_coeff", "lambda_kl", "kl_beta", "gamma",
    "beta_kl", "w_kl", "weight_kl", "kl_lambda", "kld_coef", "kl_scale", "lam", "lambda_", "alpha", "kl_w", "anneal",
    "kl_factor", "beta_norm", "c_kl", "kl_loss_weight", "annealing_factor", default=1.0, low=0.5, high=6.0,
    apart=(0.0,),
)  # fmt: skip
_DECODER = Axis(
    name="decoder",
    options=(
        Option(name="Bernoulli decoder"),
        Option(name="Bernoulli decoder by logits", keywords={"decoder": "logit"}),
        Option(name="Gaussian decoder of variance ½, without constants", keywords={"decoder": "square"},
               note="Σ (x − x̂)² without ½"),
        Option(name="Gaussian decoder, without constants", keywords={"decoder": "half square"}),
        Option(name="Gaussian decoder, with its constant", keywords={"decoder": "normal"}),
    ),
)  # fmt: skip


def _likelihood(x: torch.Tensor, logit: Maybe, reconstruction: Maybe, decoder: str) -> Terms:
    take.one_of(logit, reconstruction, "logits or probabilities, and a reconstruction")
    if logit is not None:
        return oracle.bernoulli(x, logit)
    assert reconstruction is not None
    if decoder == "logit":
        return oracle.bernoulli(x, reconstruction)
    if not decoder:
        return oracle.bernoulli(x, torch.logit(reconstruction))
    variance = 0.5 if decoder == "square" else 1.0
    return oracle.normal(x, reconstruction, None, constant=decoder == "normal", assumed_variance=variance)


def _total(terms: Terms) -> torch.Tensor:
    return torch.stack(torch.broadcast_tensors(*terms)).sum(0)


def _beta_loss(
    x: torch.Tensor, logit: Maybe, reconstruction: Maybe, mean: torch.Tensor, std: torch.Tensor,
    beta: torch.Tensor | float, capacity: torch.Tensor | float | None, *, decoder: str = "", weights: str = "",
) -> Terms:  # fmt: skip
    likelihood = oracle.gathered(_likelihood(x, logit, reconstruction, decoder))
    divergence = oracle.gathered(oracle.divergence(mean, std))
    if capacity is not None:
        side = torch.sign(_total(divergence) - capacity)
        divergence = (*(side * term for term in divergence), -side * capacity)
    return oracle.bound(likelihood, divergence, x.shape[-1], mean.shape[-1], sign=-1.0, weights=weights, beta=beta)


_NORMALISED = Option(
    name="each term averaged over its axis", keywords={"weights": "each averaged"},
    note="β normalised: it stands for β D/k, as in Higgins et al. 2017, section 4.2",
)  # fmt: skip
_UNWRITTEN = tuple(one for one in take.UNWRITTEN if "over the number of pixels" not in one.name)
_WEIGHTS = Axis(name="weights", options=(Option(name=""), take.PER_PIXEL, _NORMALISED, *_UNWRITTEN))

BETA_LOSS = formula(
    Specification(
        name="vae.beta_loss",
        statement="−E log p(x | z) + β KL(q ‖ N(0, I)), at one draw of z; with a capacity C, β |KL − C|",
        source="Higgins et al. 2017, eq. 4; Burgess et al. 2018 for the capacity",
        arguments=(
            take.binary_image(), take.likelihood_logit(), take.decoded(), take.encoder_mean(), take.encoder_scale(),
            _BETA,
            hyperparameter("capacity", "C", "cap", "c_max", "kl_target", "target_kl", "kl_capacity", default=None,
                           low=0.25, high=4.0),
        ),
        oracle=_beta_loss,
        output="batch",
        dialects=(_BATCH, _WEIGHTS, _DECODER),
        layouts=take.image_layouts("x", "logit", "reconstruction"),
        sizes=take.SIZES,
        operations=48,
        kinks=True,
        trains=True, derivation="vae.beta_loss.bound",
    )
)  # fmt: skip


def _conditional_loss(
    x: torch.Tensor, logit: Maybe, reconstruction: Maybe, mean: torch.Tensor, std: torch.Tensor, prior_mean: Maybe,
    prior_std: Maybe, beta: torch.Tensor | float, *, decoder: str = "", weights: str = "",
) -> Terms:  # fmt: skip
    likelihood = oracle.gathered(_likelihood(x, logit, reconstruction, decoder))
    if prior_mean is None and prior_std is None:
        parts = oracle.divergence(mean, std)
    else:
        centre = torch.zeros_like(mean) if prior_mean is None else prior_mean
        spread = torch.ones_like(std) if prior_std is None else prior_std
        parts = oracle.divergence_of_pair(mean, std, centre, spread)
    divergence = oracle.gathered(parts)
    return oracle.bound(likelihood, divergence, x.shape[-1], mean.shape[-1], sign=-1.0, weights=weights, beta=beta)


CONDITIONAL_LOSS = formula(
    Specification(
        name="vae.conditional_loss",
        statement="−E log p(x | z, c) + β KL(q(z | x, c) ‖ p(z | c)), at one draw of z; the prior is N(0, I) where it "
        "is no argument",
        source="Sohn, Lee & Yan 2015",
        arguments=(
            take.binary_image(), take.likelihood_logit(), take.decoded(), take.encoder_mean(), take.encoder_scale(),
            take.prior_mean(), take.prior_scale(), _BETA,
        ),
        oracle=_conditional_loss,
        output="batch",
        dialects=(_BATCH, Axis(name="weights", options=(Option(name=""), take.PER_PIXEL, *_UNWRITTEN)), _DECODER),
        layouts=take.image_layouts("x", "logit", "reconstruction"),
        sizes=take.SIZES,
        operations=64,
        trains=True, derivation="vae.conditional_loss.identity",
    )
)  # fmt: skip


def _experts(mean: torch.Tensor, std: torch.Tensor, *, prior: bool = False, returned: str = "") -> tuple[Terms, Terms]:
    return oracle.product_of_experts(mean, std, prior=prior, returned=returned)


def _first(argument: Argument) -> Argument:
    return take.with_axes(argument, "expert batch latent")


PRODUCT_OF_EXPERTS = formula(
    Specification(
        name="vae.product_of_experts",
        statement="precision T = Σ_i 1/σ_i², mean Σ_i μ_i/σ_i² / T, variance 1/T",
        source="Hinton 2002; Cao & Fleet 2014; Wu & Goodman 2018, section 2.1",
        arguments=(_first(take.encoder_mean()), _first(take.encoder_scale())),
        oracle=_experts,
        output="batch latent|batch latent",
        outputs=("mean", "scale"),
        dialects=(
            Axis(
                name="second",
                options=(
                    Option(name="log-variance returned"),
                    Option(name="variance returned", keywords={"returned": "variance"}),
                    Option(name="standard deviation returned", keywords={"returned": "std"}),
                ),
            ),
            Axis(
                name="prior",
                options=(
                    Option(name=""),
                    Option(name="with the prior N(0, I) as one more expert", keywords={"prior": True}),
                ),
            ),
        ),
        layouts=(
            Layout(name="experts first"),
            Layout(name="experts second", shapes=dict.fromkeys(("mean", "std"), "batch expert latent")),
            Layout(name="one sample at a time", drop=("batch",)),
        ),
        sizes={"expert": (2, 3, 1)},
        operations=64,
        derivation="vae.product_of_experts.closed_form",
    )
)  # fmt: skip


@declares_reference
def beta_loss() -> Formula:
    """The reference loss with β."""
    return Formula(reference.beta_loss, like="vae.beta_loss")


@declares_reference
def conditional_loss() -> Formula:
    """The reference loss with a learned prior."""
    return Formula(reference.conditional_loss, like="vae.conditional_loss")


@declares_reference
def product_of_experts() -> Formula:
    """The reference product of experts."""
    return Formula(reference.product_of_experts, like="vae.product_of_experts")
