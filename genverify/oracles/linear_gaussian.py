"""The linear-Gaussian latent variable model in any dimension: evidence, posterior, bound, gap and every gradient.

z ~ N(0, I), x | z ~ N(Wz + c, diag s²), and q(z | x) = N(Ax + b, LLᵀ). The forms at one dimension are derived in
`linear_gaussian_scalar`; here is what they are in matrices. Every gradient is written out, and not left to autodiff.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from genverify.errors import UsageError

from .multivariate_gaussian import mvn_kl, mvn_log_prob

__all__ = ["Encoder", "Model", "elbo", "elbo_gradients", "gap", "log_evidence", "log_evidence_gradients", "posterior"]


@dataclass(frozen=True, kw_only=True)
class Model:
    """z ~ N(0, I), x | z ~ N(Wz + c, diag s²).

    Shapes: ``weight`` W [observed, latent], ``bias`` c [observed], ``noise`` s [observed], a standard deviation.

    Raises:
        UsageError: The shapes do not fit, or a standard deviation is not positive.
    """

    weight: Tensor
    bias: Tensor
    noise: Tensor

    def __post_init__(self) -> None:
        """Refuse what is no model."""
        observed = (self.weight.shape[0],)
        if self.weight.ndim != 2 or not tuple(self.bias.shape) == tuple(self.noise.shape) == observed:
            raise UsageError(
                given=f"shapes {tuple(self.weight.shape)}, {tuple(self.bias.shape)}, {tuple(self.noise.shape)}",
                expected="weight [observed, latent], bias and noise [observed]", do="transpose the weight perhaps",
            )  # fmt: skip
        if not bool((self.noise > 0).all()):
            raise UsageError(
                given=f"noise {self.noise.tolist()}", expected="standard deviations above 0",
                do="without noise x has no density given z",
            )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """q(z | x) = N(Ax + b, LLᵀ), the same covariance for every x.

    Shapes: ``gain`` A [latent, observed], ``offset`` b [latent], ``factor`` L [latent, latent], lower triangular.
    """

    gain: Tensor
    offset: Tensor
    factor: Tensor

    def mean(self, x: Tensor) -> Tensor:
        """Ax + b, for each row of x."""
        return x @ self.gain.mT + self.offset


def _precision(model: Model) -> Tensor:
    """I + WᵀΨ⁻¹W, the precision of the posterior."""
    scaled = model.weight / model.noise[:, None]
    return torch.eye(scaled.shape[1], dtype=scaled.dtype, device=scaled.device) + scaled.mT @ scaled


def posterior(x: Tensor, model: Model) -> tuple[Tensor, Tensor]:
    """p(z | x) = N(M⁻¹WᵀΨ⁻¹(x − c), M⁻¹), M = I + WᵀΨ⁻¹W.

    Shapes: ``x`` [batch, observed]; the mean [batch, latent], the covariance [latent, latent].

    Source: Tipping & Bishop 1999, section 3, with a variance for each coordinate; Bishop 2006, eq. 2.116.
    """
    precision = _precision(model)
    pull = model.weight.mT / model.noise**2
    mean = torch.linalg.solve(precision, pull @ (x - model.bias).mT).mT
    return mean, torch.linalg.inv(precision)


def log_evidence(x: Tensor, model: Model) -> Tensor:
    """The evidence: log p(x) = log N(x; c, WWᵀ + Ψ).

    Shapes: ``x`` [batch, observed]; [batch], nats.

    Source: Bishop 2006, eq. 2.115.
    """
    covariance = model.weight @ model.weight.mT + torch.diag(model.noise**2)
    return mvn_log_prob(x, model.bias.expand_as(x), covariance.expand(len(x), *covariance.shape))


def elbo(x: Tensor, model: Model, encoder: Encoder) -> Tensor:
    """E_q log p(x | z) − KL(q ‖ N(0, I)) with both expectations taken.

    log N(x; W m + c, Ψ) − ½ ‖Ψ^(−½) W L‖² − ½ (‖L‖² + mᵀm − k − log det LLᵀ),  m = Ax + b

    Shapes: ``x`` [batch, observed]; [batch], nats.

    Source: Kingma & Welling 2014, eq. 3.
    """
    mean = encoder.mean(x)
    residual = (x - model.bias - mean @ model.weight.mT) / model.noise
    spread = ((model.weight / model.noise[:, None]) @ encoder.factor).square().sum()
    logs = torch.log(2 * torch.pi * model.noise**2).sum()
    likelihood = -0.5 * (logs + residual.square().sum(-1) + spread)
    trace = encoder.factor.square().sum() - mean.shape[-1]
    divergence = 0.5 * (trace + mean.square().sum(-1)) - encoder.factor.diagonal().abs().log().sum()
    return likelihood - divergence


def gap(x: Tensor, model: Model, encoder: Encoder) -> Tensor:
    """KL(q(z | x) ‖ p(z | x)), which is log p(x) − ELBO.

    Shapes: ``x`` [batch, observed]; [batch], nats.

    Source: Kingma & Welling 2014, eq. 1.
    """
    mean, covariance = posterior(x, model)
    own = encoder.factor @ encoder.factor.mT
    whole = (len(x), *covariance.shape)
    return mvn_kl(encoder.mean(x), own.expand(whole), mean, covariance.expand(whole))


def elbo_gradients(x: Tensor, model: Model, encoder: Encoder) -> dict[str, Tensor]:
    """The gradient of Σ_batch ELBO with respect to every parameter, written out.

    With r = Ψ⁻¹(x − c − Wm), g = Wᵀr − m and H = I + WᵀΨ⁻¹W:

    ∂W = r mᵀ − Ψ⁻¹W LLᵀ,  ∂c = r,  ∂s = s r² + diag(W LLᵀ Wᵀ)/s³ − 1/s,  ∂A = g xᵀ,  ∂b = g,  ∂L = tril(L⁻ᵀ − HL)

    Shapes: those of the parameters, by their names.

    Source: differentiated here; Petersen & Pedersen 2012, section 8.1, for the matrix rules.
    """
    mean, count = encoder.mean(x), len(x)
    precision = 1 / model.noise**2
    r = (x - model.bias - mean @ model.weight.mT) * precision
    g = r @ model.weight - mean
    own = encoder.factor @ encoder.factor.mT
    carried = model.weight @ own
    inverse = torch.linalg.inv(encoder.factor).mT
    return {
        "weight": r.mT @ mean - count * precision[:, None] * carried,
        "bias": r.sum(0),
        "noise": model.noise * r.square().sum(0)
        + count * ((carried * model.weight).sum(-1) / model.noise**3 - 1 / model.noise),
        "gain": g.mT @ x,
        "offset": g.sum(0),
        "factor": count * torch.tril(inverse - _precision(model) @ encoder.factor),
    }


def log_evidence_gradients(x: Tensor, model: Model) -> dict[str, Tensor]:
    """The gradient of Σ_batch log p(x): with u = C⁻¹(x − c), ∂c = u, ∂W = (uuᵀ − C⁻¹)W, ∂s = s diag(uuᵀ − C⁻¹).

    Shapes: those of the parameters, by their names.

    Source: Tipping & Bishop 1999, appendix A, with a variance for each coordinate.
    """
    inverse = torch.linalg.inv(model.weight @ model.weight.mT + torch.diag(model.noise**2))
    u = (x - model.bias) @ inverse
    curvature = u.mT @ u - len(x) * inverse
    return {"weight": curvature @ model.weight, "bias": u.sum(0), "noise": curvature.diagonal() * model.noise}
