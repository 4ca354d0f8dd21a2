"""What the loss of a latent-variable model is held against: the closed forms of its terms."""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from genverify.oracles import density, gaussian, loss, multivariate_gaussian
from genverify.subjects.latent_variable_model import LatentOracles, LatentVariableModel

__all__ = ["introduce"]


def introduce(subject: LatentVariableModel) -> LatentVariableModel:
    """The model with the oracles of the terms of an ELBO."""
    oracles = LatentOracles(
        kl=gaussian.kl_divergence, kl_full=multivariate_gaussian.mvn_kl.terms, log_normal=gaussian.log_prob,
        bernoulli=loss.bce, bernoulli_logits=_bernoulli_logits,
    )  # fmt: skip
    return replace(subject, oracles=oracles, memory={})


def _bernoulli_logits(logit: Tensor, label: Tensor) -> Tensor:
    """The negative log-likelihood of a Bernoulli variable given its logit."""
    found = density.bernoulli(label, logit)
    assert isinstance(found, Tensor)
    return -found
