"""Conditional normal laws: given a part of the vector, and given a noisy linear observation."""

from __future__ import annotations

from dataclasses import replace

import torch

from genverify.claims import Status, claim
from genverify.formulas.catalogue import formula
from genverify.formulas.naming import VALUE
from genverify.formulas.references import declares_reference
from genverify.oracles import conditioning as oracle
from genverify.reference.likelihood import conditioning as reference
from genverify.subjects.domains import Domain, real, spd
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain, positive_scale
from genverify.subjects.specification import Argument, Axis, Layout, Option, Specification

__all__ = ["BAYES", "CONDITIONAL", "COVARIANCE_IS_CONSTANT", "LINEAR_POSTERIOR", "PUSH_THROUGH"]


def _blocks(first: str, second: str, *stems: str) -> tuple[str, ...]:
    """Names of a block: a stem with the places, as in ``Sigma_ab``, ``S12``, ``cov_xy``."""
    places = {"a": ("a", "1", "x", "u"), "b": ("b", "2", "y", "v")}
    pairs = zip(places[first], places[second], strict=True) if second else ((one, "") for one in places[first])
    return tuple(f"{stem}{one}{other}" for one, other in pairs for stem in stems)


_COV, _MEAN = ("cov", "Sigma", "S", "K", "C", "covariance"), ("mean", "mu", "m", "loc")
# So small that the joint matrix is positive definite with blocks beside it whose eigenvalues are near one.
_SMALL = real(low=-0.2, high=0.2)


def _block(name: str, axes: str, *aliases: str) -> Argument:
    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        return near.make(0.4 * raw, shape, dtype)

    near = spd()
    return plain(name, axes, replace(near, make=make), aliases, normwise=True)


def _near(domain: Domain) -> Domain:
    """The domain at moderate size: a noise far below the signal makes the joint covariance singular."""
    return replace(domain, extreme_low=None, extreme_high=None, interval=None)


def _noise() -> Argument:
    """The scale of the noise, in all parametrisations, also with the noise in its name."""
    made = positive_scale("noise", "", "", "sigma_x")
    named = []
    for form in made.forms:
        longer = (f"{what}_{one}" for what in ("noise", "obs") for one in form.aliases)
        named.append(replace(form, aliases=(*form.aliases, *longer), domain=_near(form.domain)))
    return replace(made, forms=tuple(named))


CONDITIONAL = formula(
    Specification(
        name="gaussian.conditional",
        statement="x_a | x_b ~ N(μ_a + Σ_ab Σ_bb⁻¹(x_b − μ_b), Σ_aa − Σ_ab Σ_bb⁻¹ Σ_ba)",
        source="Bishop 2006, eqs. 2.81 and 2.82",
        arguments=(
            any_real("mean_a", "a", *_blocks("a", "", *_MEAN)),
            any_real("mean_b", "b", *_blocks("b", "", *_MEAN)),
            _block("cov_aa", "a a", *_blocks("a", "a", *_COV)),
            plain("cov_ab", "a b", _SMALL, _blocks("a", "b", *_COV)),
            _block("cov_bb", "b b", *_blocks("b", "b", *_COV)),
            any_real("x_b", "b", "x2", "xb", "y", "x_2", "obs", "observed", "value", "b"),
        ),
        oracle=oracle.conditional,
        output="a|a other",
        outputs=("mean", "covariance"),
        layouts=(Layout(name="one vector"),),
        sizes={"a": (2, 1), "b": (3, 2, 1)},
        operations=128,
        derivation="gaussian.conditional.bayes",
    )
)

LINEAR_POSTERIOR = formula(
    Specification(
        name="gaussian.linear_posterior",
        statement="z | x ~ N(ΣWᵀ(x − b)/σ², Σ), Σ = (I + WᵀW/σ²)⁻¹, for x = Wz + b + σε, z ~ N(0, I)",
        source="Bishop 2006, eqs. 2.116 and 2.117; Tipping & Bishop 1999",
        arguments=(
            any_real("x", "batch data", *VALUE, "X"),
            plain("weight", "data latent", _near(real()),
                  ("W", "w", "A", "H", "C", "loading", "loadings", "weights", "decoder")),
            any_real("bias", "data", "b", "mu", "mean", "offset", "shift", "mu_x", default=0.0),
            _noise(),
        ),
        oracle=oracle.linear_posterior,
        output="batch latent|latent other",
        outputs=("mean", "covariance"),
        dialects=(
            Axis(
                name="spread",
                options=(
                    Option(name=""),
                    Option(name="by precision", keywords={"form": "precision"},
                           note="I + WᵀW/σ², the inverse of the covariance"),
                ),
            ),
        ),
        layouts=(
            Layout(name="a batch of observations"),
            Layout(name="one observation", drop=("batch",)),
        ),
        # Also fewer data than latents, where directions that are not seen keep the variance of the prior.
        sizes={"batch": (2, 3, 1), "data": (3, 2, 1), "latent": (2, 3, 1)},
        operations=256,
        derivation="gaussian.linear_posterior.push_through",
    )
)  # fmt: skip

BAYES = claim(
    "gaussian.conditional.bayes", Status.DERIVED,
    statement="log N(x_a, x_b) − log N(x_b) = log N(x_a | μ_a + Σ_ab Σ_bb⁻¹(x_b − μ_b), Σ_aa − Σ_ab Σ_bb⁻¹ Σ_ba)",
    source="Bishop 2006, section 2.3.1",
    assumptions=("Σ positive definite; the algebra is executed for one coordinate each, and two given one",),
)  # fmt: skip

COVARIANCE_IS_CONSTANT = claim(
    "gaussian.conditional.covariance", Status.DERIVED,
    statement="the conditional covariance does not depend on x_b, is the inverse of the block Λ_aa of the precision, "
    "and is not larger than Σ_aa",
    source="Bishop 2006, eqs. 2.73 and 2.82", assumptions=("executed for one coordinate each, and two given one",),
)  # fmt: skip

PUSH_THROUGH = claim(
    "gaussian.linear_posterior.push_through", Status.DERIVED,
    statement="Wᵀ(WWᵀ + σ²I)⁻¹ = (WᵀW + σ²I)⁻¹Wᵀ and I − Wᵀ(WWᵀ + σ²I)⁻¹W = (I + WᵀW/σ²)⁻¹: conditioning the joint "
    "law and Bayes' rule by precisions are one",
    source="Woodbury 1950; Tipping & Bishop 1999", assumptions=("executed for two data and one or two latent numbers",),
)  # fmt: skip


@declares_reference
def conditional() -> Formula:
    """The reference conditional law."""
    return Formula(reference.conditional, like="gaussian.conditional")


@declares_reference
def linear_posterior() -> Formula:
    """The reference posterior of a linear-Gaussian model."""
    return Formula(reference.linear_posterior, like="gaussian.linear_posterior")
