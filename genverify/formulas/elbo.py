"""The evidence lower bound of a VAE, by what its decoder is: Bernoulli, Gaussian, categorical."""

from __future__ import annotations

from typing import Any

import torch

from genverify.formulas import elbo_arguments as take
from genverify.formulas import iwae_arguments as draws
from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.density_arguments import chances, class_outcome
from genverify.formulas.references import declares_reference
from genverify.oracles import elbo as oracle
from genverify.reference.likelihood import elbo as reference
from genverify.subjects.formula import Formula
from genverify.subjects.specification import Axis, Layout, Option, Specification

__all__ = ["BERNOULLI", "CATEGORICAL", "GAUSSIAN", "MONTE_CARLO"]

Terms = tuple[torch.Tensor, ...]
_KINGMA = "Kingma & Welling 2014, eq. 7 and appendices B and C"
_BATCH = reduction("batch", ("mean", "sum", "none"))


def _whole(likelihood: Terms, mean: torch.Tensor, std: torch.Tensor, pixels: int, axes: int = 1, **how: Any) -> Terms:  # noqa: ANN401
    latent = oracle.gathered(oracle.divergence(mean, std))
    return oracle.bound(oracle.gathered(likelihood, axes), latent, pixels, mean.shape[-1], **how)


def _bernoulli(
    x: torch.Tensor, logit: torch.Tensor | None, reconstruction: torch.Tensor | None, mean: torch.Tensor,
    std: torch.Tensor, *, as_logit: bool = False, **how: Any,  # noqa: ANN401
) -> Terms:  # fmt: skip
    take.one_of(logit, reconstruction, "logits or probabilities, and a reconstruction")
    if reconstruction is not None:
        logit = reconstruction if as_logit else torch.logit(reconstruction)
    assert logit is not None
    return _whole(oracle.bernoulli(x, logit), mean, std, x.shape[-1], **how)


_MEANT = Axis(
    name="reconstruction",
    options=(
        Option(name=""),
        Option(name="the reconstruction is a logit", keywords={"as_logit": True},
               note="of a reconstruction whose name does not say what it is"),
    ),
)  # fmt: skip

BERNOULLI = formula(
    Specification(
        name="elbo.bernoulli",
        statement="Σ x log p + (1 − x) log(1 − p) − ½ Σ (μ² + σ² − 1 − log σ²), at one draw of z; a loss is minus that",
        source=_KINGMA,
        arguments=(
            take.binary_image(), take.likelihood_logit(), take.decoded(), take.encoder_mean(), take.encoder_scale(),
        ),
        oracle=_bernoulli,
        output="batch",
        dialects=(_BATCH, take.SIGN, take.WEIGHTS, _MEANT),
        layouts=take.image_layouts("x", "logit", "reconstruction"),
        sizes=take.SIZES,
        operations=48,
        derivation="elbo.identity",
    )
)  # fmt: skip


def _gaussian(
    x: torch.Tensor, reconstruction: torch.Tensor, scale: torch.Tensor | None, noise: torch.Tensor | None,
    mean: torch.Tensor, std: torch.Tensor, *, constant: bool = True, assumed_variance: float = 1.0,
    log_scale: bool = True, **how: Any,  # noqa: ANN401
) -> Terms:  # fmt: skip
    spread = noise if scale is None else scale
    likelihood = oracle.normal(x, reconstruction, spread, constant=constant, assumed_variance=assumed_variance)
    if spread is not None and not log_scale:
        likelihood = (*likelihood, torch.log(spread.expand_as(x)))
    return _whole(likelihood, mean, std, x.shape[-1], **how)


GAUSSIAN = formula(
    Specification(
        name="elbo.gaussian",
        statement="Σ log N(x; x̂, s²) − ½ Σ (μ² + σ² − 1 − log σ²), at one draw of z; s = 1 where it is no argument, "
        "and a loss is minus that",
        source=_KINGMA,
        arguments=(
            # A bare sigma is the encoder's, unless the encoder has another: the noise comes last.
            take.image(), take.decoder_mean(), take.pixel_scale(), take.encoder_mean(), take.encoder_scale(),
            take.noise(),
        ),
        oracle=_gaussian,
        output="batch",
        dialects=(
            _BATCH, take.SIGN, take.WEIGHTS,
            Axis(
                name="constants",
                options=(
                    Option(name="without ½ log 2π", keywords={"constant": False}),
                    Option(name=""),
                    Option(name="of a decoder of variance ½, without constants",
                           keywords={"constant": False, "assumed_variance": 0.5},
                           note="Σ (x − x̂)² without ½, where no scale is given"),
                    Option(name="without log s", keywords={"constant": False, "log_scale": False}, accepted=False,
                           note="the decoder's own log-scale is forgotten: its best scale is then infinite"),
                ),
            ),
        ),
        layouts=take.image_layouts("x", "reconstruction", "scale"),
        sizes=take.SIZES,
        operations=48,
        derivation="elbo.identity",
    )
)  # fmt: skip


def _categorical(x: torch.Tensor, logits: torch.Tensor, mean: torch.Tensor, std: torch.Tensor, **how: Any) -> Terms:  # noqa: ANN401
    hot = x if x.is_floating_point() else torch.nn.functional.one_hot(x, logits.shape[-1]).to(logits)
    return _whole(oracle.categorical(hot, logits), mean, std, logits.shape[-2], axes=2, **how)


CATEGORICAL = formula(
    Specification(
        name="elbo.categorical",
        statement="Σ log softmax(l)_x − ½ Σ (μ² + σ² − 1 − log σ²), at one draw of z, a class for each pixel or token",
        source="Bowman et al. 2016, section 2.2; van den Oord et al. 2016, section 3.1",
        arguments=(
            class_outcome(axes="batch event class"), chances(axes="batch event class"), take.encoder_mean(),
            take.encoder_scale(),
        ),
        oracle=_categorical,
        output="batch",
        dialects=(_BATCH, take.SIGN, take.WEIGHTS),
        layouts=(
            Layout(name="classes last"),
            Layout(name="classes second", shapes={"logits": "batch class event"}),
            Layout(name="images", shapes={"logits": "batch class height width", "x": "batch height width"}),
            Layout(name="one sample at a time", drop=("batch",)),
        ),
        sizes={"class": (3, 2, 4), "height": (2, 1), "width": (1, 2)},
        operations=64,
        derivation="elbo.identity",
    )
)  # fmt: skip


def _monte_carlo(*, sign: float = 1.0, prior_forgotten: bool = False, **parts: Any) -> Terms:  # noqa: ANN401
    if prior_forgotten and parts["log_prior"] is not None:
        parts["log_prior"] = torch.zeros_like(parts["log_prior"])
    return (sign * draws.sum_of(**parts),)


MONTE_CARLO = formula(
    Specification(
        name="elbo.monte_carlo",
        statement="(1/K) Σ_k log p(x | z_k) + log p(z_k) − log q(z_k | x), z_k drawn from q",
        source="Kingma & Welling 2014, eq. 6",
        arguments=draws.weight_parts(),
        oracle=_monte_carlo,
        output="batch draw",
        dialects=(
            reduction("draw", ("mean", "none"), {"sum": "a sum over the draws, where a mean belongs"}), _BATCH,
            draws.ESTIMATE_OR_LOSS,
            Axis(
                name="prior",
                options=(
                    Option(name=""),
                    Option(name="without log p(z)", keywords={"prior_forgotten": True}, accepted=False,
                           note="the latents are pushed to no prior: the entropy of q alone is left"),
                ),
            ),
        ),
        layouts=(*draws.LAYOUTS, Layout(name="one draw", drop=("draw",))),
        sizes=draws.SIZES,
        derivation="elbo.jensen",
    )
)  # fmt: skip


@declares_reference
def monte_carlo() -> Formula:
    """The reference bound by draws alone."""
    return Formula(reference.monte_carlo, like="elbo.monte_carlo")


@declares_reference
def bernoulli() -> Formula:
    """The reference bound of a Bernoulli decoder."""
    return Formula(reference.bernoulli, like="elbo.bernoulli")


@declares_reference
def gaussian() -> Formula:
    """The reference bound of a Gaussian decoder."""
    return Formula(reference.gaussian, like="elbo.gaussian")


@declares_reference
def categorical() -> Formula:
    """The reference bound of a categorical decoder."""
    return Formula(reference.categorical, like="elbo.categorical")
