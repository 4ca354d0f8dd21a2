"""The penalty on the slope of a critic around real samples (DRAGAN), with the several noises that go by this name.

The paper's noise is normal, of a stated variance. The authors' first code, and most of what was written after it, takes
half of the standard deviation of the batch times a uniform number for each pixel, and often goes a random part of that
way: for each sample, as between real and generated samples, or for each pixel again. All of these are local, and the
paper leaves the choice open (section 2.4), so that each is accepted, by its name.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from genverify.formulas.catalogue import formula
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
from genverify.formulas.plain_numbers import number
from genverify.oracles import penalties as oracle
from genverify.subjects.domains import real, unit_interval
from genverify.subjects.parametrisation import draw
from genverify.subjects.specification import Argument, Axis, Form, Option, Specification

__all__ = ["DRAGAN"]

Terms = tuple[torch.Tensor, ...]
_PIXELS = "batch event"

_C = Argument(
    name="c", default=1.0, differentiable=False,
    forms=(
        Form(name="c", aliases=("variance", "noise_variance", "noise_var", "var"), domain=number(0.1, 2.0)),
        Form(
            name="deviation", domain=number(0.3, 1.5), canonical=lambda s: s * s,
            aliases=("std", "sigma", "noise_std", "noise_scale", "scale", "stddev", "perturbation_std"),
        ),
    ),
)  # fmt: skip
_K = Argument(
    name="k", default=1.0, differentiable=False,
    forms=(
        Form(
            name="k", domain=number(0.5, 2.0),
            aliases=("center", "centre", "slope", "target_norm", "norm_target", "K", "grad_norm_target"),
        ),
    ),
)  # fmt: skip
# The perturbation itself can be given alone.
_DELTA = draw("delta", _PIXELS, "", real(), "perturbation", "delta_x", "noise_added")
_NOISE = draw("noise", _PIXELS, "normal", real(), "gaussian", "gaussian_noise", "normal_noise", "randn")
_BETA = draw("beta", _PIXELS, "uniform", unit_interval(), "u", "uniform_noise", "rand", "uniform")
_SHARE = draw(
    "share", "batch", "uniform", unit_interval(), "alpha", "a", "t", "coefficient", "interpolation", "epsilon"
)
_SHARES = draw("shares", _PIXELS, "uniform", unit_interval(), "alphas")


def _perturbation(
    real: torch.Tensor, *, noise: Any, beta: Any, delta: Any, c: Any, law: str, divisor: str, of: str, stated: bool,  # noqa: ANN401
) -> torch.Tensor:  # fmt: skip
    """δ; NaN where what is drawn is not what this law draws."""
    c = float(c)
    nothing = torch.full_like(real, torch.nan)
    drawn = beta if noise is None else noise
    if delta is not None:
        return delta if (law, divisor, of, stated) == ("", "", "everything", False) and drawn is None else nothing
    if drawn is None or (law in ("centred", "plain") and beta is None) or (law == "spread" and noise is None):
        return nothing
    if noise is not None and law == "":
        return c**0.5 * noise if (divisor, of, stated) == ("", "everything", False) else nothing
    if law == "variance c":
        return c * noise if noise is not None else nothing
    if law == "plain":
        return c * beta
    spread = oracle.deviation(real, of=of, unbiased=not divisor)
    spread = spread**2 if law == "variance" else spread
    return (c if stated else 0.5) * spread * (2 * drawn - 1 if law == "centred" else drawn)


def _around(
    critic: Any, real: torch.Tensor, fake: Any, weight: Any, c: Any, k: Any, delta: Any, noise: Any, beta: Any,  # noqa: ANN401
    share: Any, shares: Any, *, scale: float = 1.0, law: str = "", divisor: str = "", of: str = "everything",  # noqa: ANN401
    way: str = "", stated: bool = False, generated: bool = False, squared: bool = False, whole: bool = False,
    flat: bool = False, one_sided: bool = False, steep: float = 0.0,
) -> Terms:  # fmt: skip
    unknown = tuple(torch.full((len(real),), torch.nan, dtype=real.dtype) for _ in range(3))
    part = shares if shares is not None else share
    if (generated and fake is None) or (way and part is None):
        return unknown
    centre = fake if generated else real
    added = _perturbation(
        centre, noise=noise, beta=beta, delta=delta, c=c, law=law, divisor=divisor, of=of, stated=stated
    )
    if bool(added.isnan().any()):
        return unknown
    if part is not None:
        part = {"": part, "back": 1 - part, "both": 2 * part - 1}[way]
        added = (part if part.dim() > 1 else part[:, None]) * added
    target = 0.0 if flat else float(k)
    norm = norms(critic, centre + added, squared=squared, whole=whole)
    norm = norm * torch.where(norm.detach() > steep, 1.0, torch.nan) if steep else norm
    above = torch.where(norm > target, 1.0, 0.0) if one_sided else 1.0
    return tuple(scale * weight * above * term for term in oracle.two_sided(norm, target))


_LAWS = (
    Option(name="", note="N(0, c I), or as the first code has it: half of the batch's deviation times U[0, 1)"),
    Option(name="normal, of the data's deviation", keywords={"law": "spread"}),
    Option(
        name="both ways", keywords={"law": "centred"},
        note="U(−1, 1) for U[0, 1): around the sample, and not beyond it alone (kodalinaveen3/DRAGAN#7)",
    ),
    Option(name="by n", keywords={"divisor": "n"}, note="NumPy's and TensorFlow's standard deviation"),
    Option(name="c of the data's deviations", keywords={"stated": True}, note="c for ½: khanrc/tf.gans-comparison"),
    Option(name="c of the data's deviations, by n", keywords={"stated": True, "divisor": "n"}),
    Option(name="normal, c of the data's deviations", keywords={"law": "spread", "stated": True}),
)  # fmt: skip
_WAYS = (
    Option(name="share of the real", keywords={"way": "back"}, note="1 − α is as uniform"),
    Option(name="share both ways", keywords={"way": "both"}, note="α in (−1, 1): kodalinaveen3/DRAGAN#7"),
)  # fmt: skip
_SLIPS = (
    Option(name="one-sided", keywords={"one_sided": True}, accepted=False, note="slopes below k are let alone"),
    Option(name="of the square", keywords={"squared": True}, accepted=False, note="(‖∇C‖² − k)²"),
    Option(
        name="over the whole batch", keywords={"whole": True}, accepted=False,
        note="one norm over all samples: a slope of 1/√n of each is asked for",
    ),
    Option(name="target 0", keywords={"flat": True}, accepted=False, note="the slope is driven to 0: that is R1"),
    Option(
        name="around generated samples", keywords={"generated": True}, accepted=False,
        note="the penalty belongs around the data: on the generated side it moves with the generator",
    ),
    Option(
        name="a deviation for each dimension", keywords={"of": "dimension"}, accepted=False,
        note="std over the batch alone: pixels that never change are not perturbed",
    ),
    Option(
        name="a deviation for each sample", keywords={"of": "sample"}, accepted=False,
        note="std over the dimensions alone: what is local depends on the sample's contrast",
    ),
    Option(
        name="the variance for the deviation", keywords={"law": "variance"}, accepted=False,
        note="half of the variance has the units of x²",
    ),
    Option(
        name="c for its root", keywords={"law": "variance c"}, accepted=False,
        note="c is a variance, of covariance c I: as a standard deviation it is √c, or named so (sigma, std)",
    ),
    Option(
        name="uniform noise of constant width", keywords={"law": "plain"}, accepted=False,
        note="U[0, 1) is neither centred, as the paper's noise, nor of the data's size, as the first code's",
    ),
)  # fmt: skip


def _together(law: Option, way: Option) -> Option:
    name = ", ".join(one.name for one in (law, way) if one.name)
    return Option(name=name, keywords={**law.keywords, **way.keywords}, note=way.note)


# One axis for all, since a slip beside every combination of the others would make a thousand dialects.
_LOCAL = Axis(name="noise", options=(*_LAWS, *(_together(law, way) for law in _LAWS for way in _WAYS), *_SLIPS))


def _differentiated(**given: Any) -> Terms:  # noqa: ANN401
    return _around(steep=STEEP, **given)


DRAGAN = formula(
    Specification(
        name="penalty.dragan",
        statement="E (‖∇C(x + δ)‖ − k)², k = 1, δ local noise around real samples x: N(0, c I)",
        source="Kodali, Abernethy, Hays & Kira 2017, eq. 1; the authors' code (kodalinaveen3/DRAGAN#5, #6)",
        arguments=(CRITIC, REAL, replace(FAKE, default=None), WEIGHT, _C, _K, _DELTA, _NOISE, _BETA, _SHARE, _SHARES),
        oracle=_around, surrogate=_differentiated, output="batch",
        dialects=(*OVER, TIMES_TEN, _LOCAL),
        drawn=(
            ("noise", "share"), ("beta", "share"), ("noise", "shares"), ("beta", "shares"), ("noise",), ("beta",),
            ("delta", "share"), ("delta",),
        ),
        layouts=layouts("real", "fake", "delta", "noise", "beta", "shares"), sizes=SIZES, operations=160,
        constraint=lambda sizes: sizes["batch"] * sizes.get("event", 4) > 1, trains=True,
        derivation="penalty.linear_critic",
    )
)  # fmt: skip
