"""Penalties on the slope of a critic: between real and generated samples, on either of them, and around."""

from __future__ import annotations

from typing import Any

import torch

from genverify.formulas.catalogue import formula
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.penalty_arguments import (
    CRITIC,
    FAKE,
    OVER,
    REAL,
    SIZES,
    STEEP,
    TIMES_TEN,
    WEIGHT,
    layouts,
    norms,
)
from genverify.formulas.penalty_local import DRAGAN
from genverify.formulas.references import declares_reference
from genverify.oracles import penalties as oracle
from genverify.reference.adversarial import penalties as reference
from genverify.subjects.domains import unit_interval
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import draw
from genverify.subjects.specification import Argument, Axis, Option, Specification

__all__ = ["DRAGAN", "ONE_SIDED", "R1", "R2", "WGAN_GP"]

Terms = tuple[torch.Tensor, ...]

_SHARE = draw(
    "share", "batch", "uniform", unit_interval(), "alpha", "eps", "epsilon", "a", "t", "u", "coefficient", "rand",
    "interpolation",
)  # fmt: skip
_GAMMA = hyperparameter(
    "weight", "gamma", "r1_gamma", "reg_weight", "reg_param", "r1_weight", "lambda_r1", "r1_reg", "r2_gamma", "lam",
    "lambda_gp", "coef", default=1.0, low=0.5, high=10.0,
)  # fmt: skip
_SHARES = Axis(
    name="share",
    options=(Option(name=""), Option(name="of the generated", keywords={"flipped": True}, note="1 − a is as uniform")),
)  # fmt: skip
_SLIPS = (
    Option(
        name="of the square", keywords={"squared": True}, accepted=False,
        note="(‖∇C‖² − 1)² is another penalty, of another unit",
    ),
    Option(
        name="over the whole batch", keywords={"whole": True}, accepted=False,
        note="one norm over all samples: a slope of 1/√n of each is asked for",
    ),
    Option(name="target 0", keywords={"target": 0.0}, accepted=False, note="the slope is driven to 0, and not to 1"),
)  # fmt: skip


def _between(
    critic: Any, real: torch.Tensor, fake: torch.Tensor, share: torch.Tensor, weight: Any, *,  # noqa: ANN401
    scale: float = 1.0, flipped: bool = False, squared: bool = False, whole: bool = False, target: float = 1.0,
    one_sided: bool = False, steep: float = 0.0,
) -> Terms:  # fmt: skip
    at = oracle.interpolated(real, fake, share, flipped=flipped)
    norm = norms(critic, at, squared=squared, whole=whole)
    norm = norm * torch.where(norm.detach() > steep, 1.0, torch.nan) if steep else norm
    above = torch.where(norm > target, 1.0, 0.0) if one_sided else 1.0
    return tuple(scale * weight * above * term for term in oracle.two_sided(norm, target))


def _penalty(name: str, statement: str, source: str, sides: tuple[Option, ...], one_sided: bool) -> Specification:
    def computed(**given: Any) -> Terms:  # noqa: ANN401
        settings: dict[str, Any] = {"one_sided": one_sided, **given}
        return _between(**settings)

    def differentiated(**given: Any) -> Terms:  # noqa: ANN401
        return computed(steep=STEEP, **given)

    return formula(
        Specification(
            name=f"penalty.{name}", statement=statement, source=source,
            arguments=(CRITIC, REAL, FAKE, _SHARE, WEIGHT), oracle=computed, surrogate=differentiated,
            output="batch",
            dialects=(*OVER, TIMES_TEN, _SHARES, Axis(name="penalty", options=(Option(name=""), *sides, *_SLIPS))),
            layouts=layouts("real", "fake"), sizes=SIZES, operations=128, kinks=one_sided,
            trains=True, derivation="penalty.linear_critic",
        )
    )  # fmt: skip


WGAN_GP = _penalty(
    "wgan_gp", "E (‖∇C(x̂)‖ − 1)², x̂ = a x + (1 − a) G(z), a uniform", "Gulrajani et al. 2017, eq. 3",
    (Option(name="one-sided", keywords={"one_sided": True}, accepted=False, note="that is penalty.one_sided"),), False,
)  # fmt: skip
ONE_SIDED = _penalty(
    "one_sided", "E max(0, ‖∇C(x̂)‖ − 1)², x̂ = a x + (1 − a) G(z), a uniform",
    "Petzka, Fischer & Lukovnikov 2018, eq. 8",
    (Option(name="two-sided", keywords={"one_sided": False}, accepted=False, note="that is penalty.wgan_gp"),), True,
)  # fmt: skip


def _at(critic: Any, at: torch.Tensor, weight: Any, *, scale: float, per: bool) -> Terms:  # noqa: ANN401
    squares = oracle.squared_slopes(critic, at)
    terms = (scale * weight * squares).unbind(-1)
    return tuple(term / squares.shape[-1] for term in terms) if per else tuple(terms)


def _on_samples(name: str, samples: Argument, statement: str, source: str) -> Specification:
    def computed(critic: Any, weight: Any, scale: float = 0.5, per: bool = False, **given: torch.Tensor) -> Terms:  # noqa: ANN401
        return _at(critic, given[samples.name], weight, scale=scale, per=per)

    return formula(
        Specification(
            name=f"penalty.{name}", statement=statement, source=source, arguments=(CRITIC, samples, _GAMMA),
            oracle=computed, surrogate=computed, output="batch",
            dialects=(
                *OVER,
                Axis(name="factor", options=(
                    Option(name=""), Option(name="without ½", keywords={"scale": 1.0}),
                    Option(name="times 10 / 2", keywords={"scale": 5.0}, note="γ = 10, as a constant"),
                    Option(name="times 10", keywords={"scale": 10.0}, note="2γ = 20, as a constant"),
                )),
                Axis(name="dimensions", options=(
                    Option(name=""),
                    Option(name="averaged", keywords={"per": True}, accepted=False,
                           note="the mean over the dimensions: 1/d of ‖∇C‖²"),
                )),
            ),
            layouts=layouts(samples.name), sizes=SIZES, operations=128,
            trains=True, derivation="penalty.linear_critic",
        )
    )  # fmt: skip


R1 = _on_samples("r1", REAL, "½ E ‖∇C(x)‖² at real samples", "Mescheder, Geiger & Nowozin 2018, eq. 9")
R2 = _on_samples("r2", FAKE, "½ E ‖∇C(y)‖² at generated samples", "Mescheder, Geiger & Nowozin 2018, eq. 10")


def _declare(name: str) -> None:
    def make() -> Formula:
        return Formula(getattr(reference, name), like=f"penalty.{name}")

    declares_reference(make)


for _name in reference.__all__:
    _declare(_name)
