"""The arguments of estimates of log p(x) from draws of z: log-weights, or the densities that they are made of."""

from __future__ import annotations

from dataclasses import replace

import torch

from genverify.errors import UsageError
from genverify.subjects.domains import positive, real
from genverify.subjects.specification import Argument, Axis, Form, Layout, Option

__all__ = ["ESTIMATE_OR_LOSS", "LAYOUTS", "SIZES", "likelihoods", "log_weights", "sum_of", "weight_parts"]

# Log-densities of images lie hundreds below zero: as far as that the formulas are claimed to be finite.
_LOGS = replace(real(low=-2.0, high=2.0, extreme=1e3), apart=(-300.0,))
_LIKELIHOOD = (
    "log_likelihood", "log_likelihoods", "loglik", "ll", "log_px_z", "log_px_given_z", "log_p_x_given_z", "log_p_x_z",
    "log_pxz", "logp_x_z", "logpx_z", "log_probs", "log_prob", "logp", "log_p", "log_lik", "lls", "log_pxgz",
    "log_likes",
    "logpxz", "log_px", "recon_log_prob", "log_p_xgz", "px_z_log", "log_lik_x", "log_like", "log_pxz_given_z",
)  # fmt: skip
_PRIOR = (
    "log_prior", "log_pz", "log_p_z", "logpz", "logp_z", "prior_log_prob", "log_prob_prior", "log_prior_z", "logprior",
)  # fmt: skip
_POSTERIOR = (
    "log_posterior", "log_q", "log_qz", "log_q_z", "log_qz_x", "log_q_z_x", "log_q_z_given_x", "log_qz_given_x", "logq",
    "logqz", "logqz_x", "logq_z_x", "log_proposal", "log_variational", "log_prob_q", "posterior_log_prob", "log_qzx",
    "log_qzgx", "log_enc", "log_encoder", "log_approx_posterior",
)  # fmt: skip
_JOINT = (
    "log_joint", "log_pxz_joint", "log_p_joint", "log_p_xz", "logp_xz", "log_px_and_z", "joint_log_prob",
    "log_p_x_and_z",
    "log_joint_prob", "log_pzx", "log_p_zx",
)  # fmt: skip
_WEIGHTS = (
    "log_w", "logw", "log_weight", "lw", "log_iw", "log_ratio", "log_ratios", "log_importance_weights", "log_ws",
    "log_importance_weight", "log_weights_k", "elbos", "elbo", "log_wk", "iw_log", "lws", "log_unnormalized_weights",
    "log_w_k", "log_likelihood_ratio", "importance_log_weights",
)  # fmt: skip
_AXES = "batch draw"


def _optional(name: str, aliases: tuple[str, ...]) -> Argument:
    return Argument(name=name, axes=_AXES, forms=(Form(name=name, aliases=aliases, domain=_LOGS),), default=None)


def log_weights() -> Argument:
    """The log-weight: log w_k = log p(x, z_k) − log q(z_k | x)."""
    return _optional("log_weights", _WEIGHTS)


def likelihoods() -> Argument:
    """p(x | z_k) at draws of the prior: by the logarithm, or as it is."""
    plain = (
        "likelihood", "likelihoods", "p_x_given_z", "px_z", "px_given_z", "p_x_z", "probs", "p", "probabilities", "pxz",
        "prob",
    )  # fmt: skip
    forms = (
        Form(name="log_likelihood", aliases=_LIKELIHOOD, domain=_LOGS),
        Form(name="likelihood", aliases=plain, domain=positive(tiny=1e-30, huge=1e30), canonical=torch.log),
    )
    return Argument(name="log_likelihood", axes=_AXES, forms=forms)


def weight_parts() -> tuple[Argument, ...]:
    """The log-densities that a log-weight is made of: likelihood and prior, or both in one, and the posterior."""
    return (
        log_weights(), _optional("log_likelihood", _LIKELIHOOD), _optional("log_prior", _PRIOR),
        _optional("log_joint", _JOINT), _optional("log_posterior", _POSTERIOR),
    )  # fmt: skip


def sum_of(
    log_weights: torch.Tensor | None, log_likelihood: torch.Tensor | None, log_prior: torch.Tensor | None,
    log_joint: torch.Tensor | None, log_posterior: torch.Tensor | None,
) -> torch.Tensor:  # fmt: skip
    """The log-weight, log p(x | z) + log p(z) − log q(z | x) from the parts that there are.

    Raises:
        UsageError: They do not make a weight.
    """
    if log_weights is not None:
        return log_weights
    joint = log_joint
    if joint is None and log_likelihood is not None and log_prior is not None:
        joint = log_likelihood + log_prior
    if joint is None or log_posterior is None:
        raise UsageError(
            given="no log-weights, and not all of the densities that make one",
            expected="log_weights; or log_likelihood, log_prior and log_posterior; or log_joint and log_posterior",
            do="say which parameter is which: arguments={…: …}",
        )  # fmt: skip
    return joint - log_posterior


_ALL = ("log_weights", "log_likelihood", "log_prior", "log_joint", "log_posterior")
LAYOUTS = (
    Layout(name="draws last"),
    Layout(name="draws first", shapes=dict.fromkeys(_ALL, "draw batch")),
    Layout(name="one sample at a time", drop=("batch",)),
)
SIZES = {"draw": (3, 4, 2, 1)}
ESTIMATE_OR_LOSS = Axis(
    name="sign", options=(Option(name=""), Option(name="the negative: a loss", keywords={"sign": -1.0}))
)
