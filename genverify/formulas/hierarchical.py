"""Latents in layers: the divergence summed over them, the bound, and the divergence of a residual parametrisation."""

from __future__ import annotations

from typing import Any

import torch

from genverify.formulas import elbo_arguments as take
from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.references import declares_reference
from genverify.oracles import elbo as oracle
from genverify.reference.likelihood import hierarchical as reference
from genverify.subjects.domains import real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, positive_scale
from genverify.subjects.specification import Argument, Axis, Form, Layout, Option, Specification

__all__ = ["ELBO", "KL", "RESIDUAL"]

Terms = tuple[torch.Tensor, ...]
Layers = torch.Tensor | list[torch.Tensor]
_BATCH = reduction("batch", ("mean", "none", "sum"))
_SONDERBY = "Sønderby et al. 2016"
_LAYOUTS = (Layout(name="batched"), Layout(name="one sample at a time", drop=("batch",)))
_SIZES = {"layer": (2, 3, 1)}
_PAIRS = (take.layered_mean("mean_q"), take.layered_scale("std_q"), take.layered_mean("mean_p", prior=True),
          take.layered_scale("std_p", prior=True))  # fmt: skip
_OVER = Axis(
    name="layers",
    options=(
        Option(name=""),
        Option(name="averaged over the layers", keywords={"over": "layers"}, accepted=False,
               note="the divergences of the layers add up: the chain rule of the divergence"),
        Option(name="averaged over the latents", keywords={"over": "latents"}, accepted=False,
               note="each layer's divergence is a sum over its latents"),
    ),
)  # fmt: skip


def _divergence(mean_q: Layers, std_q: Layers, mean_p: Layers, std_p: Layers, *, over: str = "") -> Terms:
    layers = list(zip(mean_q, std_q, mean_p, std_p, strict=True))
    divisor = {"layers": len(layers), "latents": layers[0][0].shape[-1]}.get(over, 1)
    return tuple(term / divisor for layer in layers for term in oracle.gathered(oracle.divergence_of_pair(*layer)))


KL = formula(
    Specification(
        name="kl.hierarchical",
        statement="Σ_l KL(q(z_l | z_{>l}, x) ‖ p(z_l | z_{>l})) of diagonal normals, at the z that was drawn",
        source=_SONDERBY,
        arguments=_PAIRS,
        oracle=_divergence,
        output="batch",
        dialects=(_BATCH, _OVER),
        layouts=_LAYOUTS,
        sizes=_SIZES,
        operations=64,
        derivation="kl.hierarchical.chain_rule",
    )
)

_LIKELIHOOD = Argument(
    name="log_likelihood",
    axes="batch",
    forms=(
        Form(
            name="log_likelihood", domain=real(extreme=1e6),
            aliases=("log_px", "log_p_x", "log_px_z", "log_p_x_z", "log_prob", "logp", "ll", "log_px_given_z",
                     "log_p_x_given_z", "recon_ll", "loglik", "log_likelihoods", "logpx"),
        ),
        Form(
            name="nll", domain=real(extreme=1e6), canonical=torch.neg,
            aliases=("recon_loss", "reconstruction_loss", "rec_loss", "neg_log_likelihood", "recon", "rec", "bce",
                     "distortion", "nll_x", "recons_loss"),
        ),
    ),
)  # fmt: skip


def _elbo(log_likelihood: torch.Tensor, *, sign: float = 1.0, **rest: Any) -> Terms:  # noqa: ANN401
    return (sign * log_likelihood, *(-sign * term for term in _divergence(**rest)))


ELBO = formula(
    Specification(
        name="elbo.hierarchical",
        statement="log p(x | z) − Σ_l KL(q(z_l | z_{>l}, x) ‖ p(z_l | z_{>l})), at the z that was drawn",
        source=_SONDERBY,
        arguments=(_LIKELIHOOD, *_PAIRS),
        oracle=_elbo,
        output="batch",
        dialects=(_BATCH, take.SIGN, _OVER),
        layouts=_LAYOUTS,
        sizes=_SIZES,
        operations=64,
        derivation="kl.hierarchical.chain_rule",
    )
)


def _residual(
    delta_mean: torch.Tensor, delta_std: torch.Tensor, std: torch.Tensor, mean: torch.Tensor | None = None
) -> Terms:
    square, ratio = 0.5 * (delta_mean / std) ** 2, 0.5 * delta_std**2
    return square, ratio, -torch.log(delta_std), torch.full_like(ratio, -0.5)


RESIDUAL = formula(
    Specification(
        name="kl.residual_normal",
        statement="KL(N(μ + Δμ, (σ Δσ)²) ‖ N(μ, σ²)) = ½ Σ Δμ²/σ² + Δσ² − log Δσ² − 1",
        source="Vahdat & Kautz 2020, eq. 2",
        arguments=(
            any_real("delta_mean", "batch latent", "delta_mu", "dmu", "d_mu", "residual_mu", "delta_m", "delta_q_mu",
                     "mu_delta", "dm"),
            take.residual_scale(), positive_scale("std", "batch latent"),
            any_real("mean", "batch latent", "mu", "loc", "prior_mu", "mu_p", default=None),
        ),
        oracle=_residual,
        output="batch latent",
        dialects=(
            reduction("latent", ("sum", "none"), {"mean": "averaged over the latents, whose divergences add up"}),
            reduction("batch", ("mean", "none", "sum")),
        ),
        layouts=_LAYOUTS,
        derivation="kl.diagonal_normals.additive",
    )
)  # fmt: skip


@declares_reference
def kl_hierarchical() -> Formula:
    """The reference divergence over layers."""
    return Formula(reference.divergence, like="kl.hierarchical", name="divergence over layers")


@declares_reference
def elbo_hierarchical() -> Formula:
    """The reference bound over layers."""
    return Formula(reference.bound, like="elbo.hierarchical", name="bound over layers")


@declares_reference
def residual_normal() -> Formula:
    """The reference divergence of a residual parametrisation."""
    return Formula(reference.residual_normal, like="kl.residual_normal")
