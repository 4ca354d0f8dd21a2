"""The law of draws from a mixture of normal distributions; references that draw from it and from simpler laws."""

from __future__ import annotations

import torch
from torch import Tensor

from genverify.formulas.law import names_law
from genverify.formulas.naming import MEAN
from genverify.formulas.references import declares_reference
from genverify.oracles import laws as oracle
from genverify.reference.likelihood import sampling as reference
from genverify.subjects.domains import integer, real, simplex
from genverify.subjects.parametrisation import any_real, plain, positive_scale
from genverify.subjects.sampler import JointLaw, NamedLaw, Sampler
from genverify.subjects.specification import Argument, Form, Layout, Role, Specification

__all__ = ["MIXTURE"]


def _joint(*, weights: Tensor, mean: Tensor, std: Tensor, n: int | None = None) -> JointLaw:
    """The joint law of n rows: each is a mixture over its whole row, rows are independent."""
    weights, mean, std = (one.to(torch.float64) for one in (weights, mean, std))
    rows, dim = (1 if n is None else n), mean.shape[-1]
    centre = weights @ mean
    deviation = mean - centre
    block = torch.diag(weights @ std**2) + (weights * deviation.mT) @ deviation

    def characteristic(w: Tensor) -> Tensor:
        parts = w.reshape(len(w), rows, dim)
        phase = torch.einsum("krd,cd->krc", parts, mean)
        size = torch.exp(-0.5 * torch.einsum("krd,cd->krc", parts**2, std**2))
        return (weights * torch.polar(size, phase)).sum(-1).prod(-1)

    def cdf(z: Tensor) -> Tensor:
        below = torch.stack(
            [
                oracle.normal_cdf(z, m.expand(len(z)), s.expand(len(z)))
                for m, s in zip(mean[:, 0], std[:, 0], strict=True)
            ]
        )
        return weights @ below

    return JointLaw(
        shape=(dim,) if n is None else (n, dim),
        mean=centre.repeat(rows),
        covariance=torch.block_diag(*[block] * rows),
        characteristic=characteristic,
        cdf=cdf if dim == 1 else None,
        spread=float(torch.diagonal(block).detach().mean().sqrt()),
    )  # fmt: skip


_WEIGHTS = Argument(
    name="weights", axes="component",
    forms=(
        Form(name="weights", domain=simplex(),
             aliases=("w", "pi", "pis", "mix", "mixing", "probs", "p", "coefficients", "phi")),
        Form(name="logits", domain=real(), aliases=("logit", "mix_logits", "logits_pi"),
             canonical=lambda x: torch.softmax(x, -1)),
        Form(name="log_weights", domain=real(), aliases=("log_pi", "log_w", "log_mix", "log_probs", "log_weight"),
             canonical=lambda x: torch.softmax(x, -1)),
    ),
)  # fmt: skip

MIXTURE = names_law(
    NamedLaw(
        specification=Specification(
            name="law.mixture",
            statement="k ~ π, x ~ N(μ_k, diag σ_k²), one k for each row",
            source="Bishop 2006, section 2.3.9",
            oracle=_joint,
            arguments=(
                _WEIGHTS, any_real("mean", "component dim", *MEAN), positive_scale("std", "component dim"),
                plain("n", "", integer(2, 3), ("num_samples", "n_samples", "num", "N", "n_draws", "count"),
                      role=Role.OPTION, differentiable=False, default=None),
            ),
            layouts=(Layout(name="one mixture"),),
            sizes={"component": (2, 3), "dim": (2, 1)},
        )
    )
)  # fmt: skip


@declares_reference
def sampler_mixture() -> Sampler:
    """The reference draw from a mixture."""
    return Sampler(reference.mixture, law="law.mixture")


@declares_reference
def sampler_bernoulli() -> Sampler:
    """The reference draw from a Bernoulli law."""
    return Sampler(reference.bernoulli, law="law.bernoulli", name="sample bernoulli")


@declares_reference
def sampler_categorical() -> Sampler:
    """The reference draw from a categorical law."""
    return Sampler(reference.categorical, law="law.categorical", name="sample categorical")


@declares_reference
def sampler_laplace() -> Sampler:
    """The reference draw from a Laplace law, which carries the gradient of location and scale."""
    return Sampler(reference.laplace, law="law.laplace", pathwise=True, name="sample laplace")
