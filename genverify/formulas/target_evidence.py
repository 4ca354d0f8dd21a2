"""`target.marginal_likelihood`: p(x) itself, from draws of the prior or from weighted draws of an encoder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.references import declares_reference
from genverify.formulas.target import COUNT, target
from genverify.oracles.linear_gaussian_scalar import quadratic_evidence
from genverify.reference.likelihood import marginal as reference
from genverify.subjects.domains import Domain, real
from genverify.subjects.estimator import GradientEstimator, Target
from genverify.subjects.functions import Quadratic
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Argument, Form, Layout, Role, Specification

__all__ = ["MARGINAL_LIKELIHOOD"]

# log p(x | z) where the subject is given numbers and no function; and an encoder N(m, l²) beside the posterior.
_OWN = Quadratic(-0.75, 0.5, -0.25)
_MEAN, _STD = 0.25, 0.875


def _concave() -> Domain:
    """The log-likelihood a z² + b z + c of a linear-Gaussian model, a < 0."""

    def make(raw: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Quadratic:
        a, b, c = (float(number) for number in raw.reshape(-1)[:3])
        return Quadratic(-0.25 - 0.5 * abs(a), b, c)

    return Domain(name="log-likelihood as a function of the latent", low=-1.0, high=1.0, make=make)


def _function(given: Mapping[str, Any]) -> Quadratic:
    found = given.get("log_likelihood")
    return found if isinstance(found, Quadratic) else _OWN


def _evidence(**given: object) -> Tensor:
    f = _function(given)
    return torch.tensor(quadratic_evidence(f.a, f.b, f.c), dtype=torch.float64)


def _sample(given: Mapping[str, Any], n: int) -> dict[str, Tensor]:
    # One noise for both laws: a subject is given draws of the one or of the other.
    f, noise = _function(given), torch.randn(n, 1, dtype=torch.float64)
    z = _MEAN + _STD * noise
    joint = f(z) - 0.5 * z.square().sum(-1) - 0.5 * math.log(2 * math.pi)
    log_q = -0.5 * noise.square().sum(-1) - math.log(_STD) - 0.5 * math.log(2 * math.pi)
    at_prior = f(noise)
    return {
        "samples": noise, "log_likelihoods": at_prior, "likelihoods": at_prior.exp(), "log_joint": joint,
        "log_q": log_q, "log_weights": joint - log_q, "weights": (joint - log_q).exp(),
    }  # fmt: skip


def _largest(given: Mapping[str, Any]) -> float:
    f = _function(given)
    return math.exp(f.c + f.b**2 / (4 * abs(f.a))) / _STD


def _numbers(name: str, *aliases: str, axes: str = "samples", law: str = "normal") -> Argument:
    form = Form(name=name, aliases=aliases, domain=real())
    return Argument(
        name=name, forms=(form,), axes=axes, role=Role.DRAW, law=law, differentiable=False, default=None
    )  # fmt: skip


_LIKELIHOOD = plain(
    "log_likelihood", "coefficients", _concave(),
    ("log_likelihood_fn", "log_lik_fn", "loglik_fn", "log_px_z_fn", "log_p_x_given_z_fn", "log_prob_fn", "decoder",
     "decoder_log_prob", "log_lik", "loglik", "f", "log_p_fn"),
    role=Role.FUNCTION, differentiable=False, default=None,
)  # fmt: skip

MARGINAL_LIKELIHOOD = target(
    Target(
        specification=Specification(
            name="target.marginal_likelihood",
            statement="p(x) = E p(x | z) over the prior N(0, 1), or E w over an encoder, w = p(x, z)/q(z | x)",
            source="Doersch 2016, section 2; Robert & Casella 2004, eq. 3.4 and 3.8",
            oracle=_evidence,
            layouts=(Layout(name="one latent"),),
            sizes={"coefficients": (3,), "samples": (2, 1), "dim": (1,)},
            arguments=(
                _LIKELIHOOD,
                _numbers("samples", "z", "zs", "draws", "latents", "eps", axes="samples dim"),
                _numbers("log_likelihoods", "log_px_z", "log_p_x_given_z", "log_px_given_z", "lls", "log_probs", "ll",
                         "log_p_x_z"),
                _numbers("likelihoods", "px_z", "p_x_given_z", "px_given_z", "p_x_z"),
                _numbers("log_joint", "log_p_xz", "log_pxz", "log_p_joint", "joint_log_prob"),
                _numbers("log_q", "log_qz", "log_q_z_x", "log_qz_x", "log_q_z_given_x", "log_posterior"),
                _numbers("log_weights", "log_w", "logw", "lw", "log_iw", "log_ratio"),
                _numbers("weights", "w", "iw", "importance_weights", "ratio"),
                COUNT,
            ),
        ),
        gradient=False,
        sample=_sample,
        magnitude=_largest,
        continuous=True,
    )
)  # fmt: skip


@declares_reference
def naive_estimate() -> GradientEstimator:
    """The reference estimate from draws of the prior."""
    return GradientEstimator(reference.naive, like="target.marginal_likelihood", name="naive evidence")


@declares_reference
def weighted_estimate() -> GradientEstimator:
    """The reference estimate from weighted draws."""
    return GradientEstimator(reference.weighted, like="target.marginal_likelihood", name="weighted evidence")
