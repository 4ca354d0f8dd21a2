"""Scores: the losses by which they are learnt, the mean of the data that they give, and Langevin's step."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.field_arguments import (
    FIELD_SIZES,
    SAMPLE,
    SCORE_FUNCTION,
    SIZES,
    column,
    layouts,
    levels,
    standard_normal,
)
from genverify.formulas.references import declares_reference
from genverify.oracles import score as oracle
from genverify.reference.diffusion import denoising_score, langevin, sliced_score, tweedie
from genverify.subjects.domains import unit_interval
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain, positive_scale
from genverify.subjects.smooth_domains import smooth_scalar
from genverify.subjects.specification import Argument, Axis, Layout, Option, Role, Specification

__all__ = ["DENOISING", "LANGEVIN", "SLICED", "TWEEDIE"]

Terms = tuple[Tensor, ...]
_LEVEL = (
    "sigmas", "std", "noise_level", "noise_std", "sigma_t", "used_sigmas", "s", "sd", "noise_scale", "t", "sig",
)  # fmt: skip
_SIGMA = levels("sigma", 0.2, 2.0, *_LEVEL, differentiable=False)
_DATA = any_real(
    "x", "batch event", "samples", "x0", "x_0", "data", "batch", "x_clean", "clean", "inputs", "x_start", "images", "y",
    "batch_x", "X", "sample", "input", "xs", differentiable=False,
)  # fmt: skip
_OVER = (reduction("event", ("sum", "mean")), reduction("batch", ("mean", "sum", "none")))
_HALF = Axis(
    name="factor", options=(Option(name="", keywords={"scale": 0.5}), Option(name="without ½", keywords={"scale": 1.0}))
)
_ALONE = Axis(
    name="condition",
    options=(
        Option(name=""),
        Option(name="a score of the sample alone", keywords={"alone": True},
               note="Song & Ermon 2020: the level scales it from outside, or there is one level"),
    ),
)  # fmt: skip


def _denoising(
    score: Any, x: Tensor, sigma: Any, noise: Tensor, *, scale: float, alone: bool = False, power: int = 0,  # noqa: ANN401
    target: str = "",
) -> Terms:  # fmt: skip
    level = column(sigma)
    noisy = x + level * noise
    found = score(noisy) if alone else score(noisy, sigma)
    return tuple(scale * level**power * term for term in oracle.denoising(found, x, noise, level, target))


DENOISING = formula(
    Specification(
        name="score.denoising_matching", trains=True,
        statement="½ E ‖s(x̃, σ) + (x̃ − x)/σ²‖², x̃ = x + σ ε, ε standard normal",
        source="Vincent 2011, eq. 11; Song & Ermon 2019, eqs. 5 and 6",
        arguments=(SCORE_FUNCTION, _DATA, _SIGMA, standard_normal("noise")),
        oracle=_denoising, output="batch event",
        dialects=(
            *_OVER, _HALF, _ALONE,
            Axis(name="target", options=(
                Option(name=""), Option(name="times σ²", keywords={"power": 2}, note="Song & Ermon 2019, eq. 6"),
                Option(name="times σ", keywords={"power": 1}, accepted=False, note="σ² makes levels weigh the same"),
                Option(name="the score's negative", keywords={"target": "sign"}, accepted=False,
                       note="s − (x̃ − x)/σ²: the score points away from the data"),
                Option(name="the noise", keywords={"target": "noise"}, accepted=False,
                       note="s + ε: σ times too small, the target of a predictor of noise"),
                Option(name="over σ³", keywords={"target": "square"}, accepted=False, note="s + ε/σ², and not ε/σ"),
            )),
        ),
        layouts=layouts(("x", "noise"), ("sigma",)), sizes=FIELD_SIZES, operations=256,
        derivation="score.denoising_matching.explicit",
    )
)  # fmt: skip


def _sign(outcome: Tensor) -> Tensor:
    """Zero and one as the two signs."""
    return 2 * outcome - 1


def _direction() -> Argument:
    known = standard_normal("direction", "v", "vectors", "projections", "vector", "projection", "u", "random_v", "vec")
    return replace(known, laws={"integers": _sign, "bernoulli": _sign})


def _sliced(
    score: Any, x: Tensor, direction: Tensor, sigma: Any, *, whole: bool = False, half: float = 1.0, sign: float = 1.0,  # noqa: ANN401
    sphere: bool = False,
) -> Terms:  # fmt: skip
    field = score if sigma is None else (lambda rows: score(rows, sigma))
    if sphere:
        direction = direction / direction.norm(dim=-1, keepdim=True) * direction.shape[-1] ** 0.5
    trace, norm = oracle.sliced(field, x, direction, whole=whole)
    return sign * trace, half * norm


_SLICED_DIALECTS = (
    reduction("batch", ("mean", "sum", "none")),
    Axis(name="norm", options=(
        Option(name=""),
        Option(name="of reduced variance", keywords={"whole": True}, note="½ ‖s‖²: Song et al. 2020, eq. 8"),
    )),
    Axis(name="direction", options=(
        Option(name=""), Option(name="on the sphere of radius √d", keywords={"sphere": True}, note="E vvᵀ = I, too"),
    )),
    Axis(name="slip", options=(
        Option(name=""),
        Option(name="without ½", keywords={"half": 2.0}, accepted=False, note="half of the score is learnt"),
        Option(name="the trace subtracted", keywords={"sign": -1.0}, accepted=False,
               note="the loss has no minimum: the score grows where it should fall"),
    )),
)  # fmt: skip
_SLICED = {
    "source": "Song, Garg, Shi & Ermon 2020, eqs. 7 and 8", "output": "batch", "dialects": _SLICED_DIALECTS,
    "operations": 256, "derivation": "score.sliced_matching.unbiased",
}  # fmt: skip
_ROWS = {name: "batch channel height width" for name in ("x", "direction")}
SLICED = formula(
    Specification(
        name="score.sliced_matching", trains=True, statement="E vᵀ ∇s(x) v + ½ (vᵀ s(x))², v standard normal or signs",
        arguments=(
            SCORE_FUNCTION, _DATA, _direction(),
            levels("sigma", 0.2, 2.0, *_LEVEL, "labels", default=None, differentiable=False),
        ),
        oracle=_sliced, sizes=FIELD_SIZES,
        namesakes=("score.sliced_matching_energy", "score.sliced_matching_log_density"),
        layouts=(Layout(name="vectors"), Layout(name="images", shapes=_ROWS),
                 Layout(name="vectors, one level for all", shared=("sigma",), first_with_number=True)),
        **_SLICED,
    )
)  # fmt: skip


def _of_a_scalar(name: str, statement: str, sign: float, *aliases: str) -> Specification:
    """Sliced score matching of a function whose slope is the score, or its negative."""

    def computed(scalar: Any, **given: Any) -> Terms:  # noqa: ANN401
        def score(rows: Tensor) -> Tensor:
            return sign * torch.func.grad(lambda at: scalar(at).sum())(rows)

        return _sliced(score, sigma=None, **given)

    function = plain(name, "hidden event", smooth_scalar(), aliases, role=Role.FUNCTION)
    return formula(
        Specification(
            name=f"score.sliced_matching_{name}", statement=statement,
            arguments=(function, _DATA, _direction()),
            oracle=lambda **given: computed(given.pop(name), **given), sizes={**SIZES, "hidden": (2, 1)},
            layouts=(Layout(name="vectors"),), **_SLICED,
        )
    )  # fmt: skip


_of_a_scalar("energy", "E vᵀ ∇s v + ½ (vᵀs)², s = −∇E(x)", -1.0, "energy_net", "energy_fn", "E", "energy_model", "ebm")
_of_a_scalar("log_density", "E vᵀ ∇s v + ½ (vᵀs)², s = ∇ log p(x)", 1.0, "log_prob", "log_p", "logp", "log_prob_fn")


_SCORE = any_real("score", "batch event", "s", "grad_log_p", "score_pred", "pred_score", "scores", "s_theta", "grad")
_SHARE = levels(
    "share", 0.2, 1.0, "alpha", "alpha_t", "a", "mean_coeff", "s_t", "signal", "mean_scale", "sqrt_alpha_bar",
    default=1.0, differentiable=False,
)  # fmt: skip
_TWEEDIE_SLIPS = Axis(
    name="step",
    options=(
        Option(name=""),
        Option(name="a deviation for a variance", keywords={"power": 1}, accepted=False, note="x + σ s"),
        Option(name="away from the data", keywords={"sign": -1.0}, accepted=False, note="x − σ² s"),
        Option(name="not divided by α", keywords={"divide": False}, accepted=False, note="x + σ² s is α E[y | x]"),
    ),
)  # fmt: skip


def _tweedie(
    x: Tensor, score: Tensor, std: Any, share: Any, *, power: int = 2, sign: float = 1.0, divide: bool = True  # noqa: ANN401
) -> Terms:  # fmt: skip
    by = column(share) if divide else 1.0
    return x / by, sign * column(std) ** power * score / by


_STATED = "E[y | x] = (x + σ² s)/α, x = α y + σ ε, s = ∇ log p(x); α = 1 if not given"
_EFRON = "Efron 2011, eq. 1.4; Robbins 1956"
_FORMS = ("score.tweedie_by_function", "score.tweedie_of_alpha_bar")
TWEEDIE = formula(
    Specification(
        name="score.tweedie", statement=_STATED, source=_EFRON,
        arguments=(SAMPLE, _SCORE, positive_scale("std", "batch", "", "sigma_t", differentiable=False), _SHARE),
        oracle=_tweedie, output="batch event", dialects=(_TWEEDIE_SLIPS,),
        layouts=layouts(("x", "score"), ("std", "share")),
        sizes=SIZES, namesakes=_FORMS, derivation="score.tweedie.normal",
    )
)  # fmt: skip
_FUNCTION = replace(SCORE_FUNCTION, differentiable=False)
_BY_FUNCTION = formula(
    Specification(
        name="score.tweedie_by_function", statement=_STATED, source=_EFRON,
        arguments=(_FUNCTION, SAMPLE, _SIGMA, _SHARE),
        oracle=lambda score, x, sigma, share, **how: _tweedie(x, score(x, sigma), sigma, share, **how),
        output="batch event", dialects=(_TWEEDIE_SLIPS,), layouts=layouts(("x",), ("sigma", "share")),
        sizes=FIELD_SIZES, operations=128, derivation="score.tweedie.normal",
    )
)  # fmt: skip


def _of_alpha_bar(x: Tensor, score: Tensor, alpha_bar: Any, *, roots: bool = True, **how: Any) -> Terms:  # noqa: ANN401
    left = torch.as_tensor(alpha_bar, dtype=torch.float64)
    return _tweedie(x, score, torch.sqrt(1 - left), torch.sqrt(left) if roots else left, **how)


_OF_ALPHA_BAR = formula(
    Specification(
        name="score.tweedie_of_alpha_bar", statement="E[x₀ | x_t] = (x_t + (1 − ᾱ) s)/√ᾱ", source=_EFRON,
        arguments=(
            SAMPLE, _SCORE,
            plain("alpha_bar", "batch", unit_interval(),
                  ("ab", "alphas_cumprod", "alpha_bar_t", "a_bar", "alpha_cumprod", "alphas_cumprod_t", "abar"),
                  differentiable=False),
        ),
        oracle=_of_alpha_bar, output="batch event", layouts=layouts(("x", "score"), ("alpha_bar",)), sizes=SIZES,
        dialects=(
            _TWEEDIE_SLIPS,
            Axis(name="root", options=(
                Option(name=""),
                Option(name="of ᾱ forgotten", keywords={"roots": False}, accepted=False, note="divided by ᾱ, not √ᾱ"),
            )),
        ),
        derivation="score.tweedie.normal",
    )
)  # fmt: skip


_STEP = levels(
    "step", 0.01, 1.0, "step_size", "eps", "epsilon", "eta", "alpha", "lr", "dt", "h", "delta", "alpha_i", "tau",
    "stepsize", "gamma", "e", "a", "width", "delta_t", differentiable=False,
)  # fmt: skip
_LANGEVIN_DIALECTS = (
    Axis(name="step", options=(
        Option(name="", keywords={"half": True}),
        Option(name="of width η", keywords={"half": False}, note="x + η s + √(2η) z: the same with ε = 2η"),
    )),
    Axis(name="slip", options=(
        Option(name=""),
        Option(name="noise without its root", keywords={"slip": "root"}, accepted=False,
               note="the noise is multiplied with the step: the samples gather at modes"),
        Option(name="noise of the other convention", keywords={"slip": "other"}, accepted=False,
               note="ε s with √ε z, or (ε/2) s with √(2ε) z: another temperature"),
        Option(name="down the density", keywords={"slip": "sign"}, accepted=False, note="x − … s: away from the data"),
    )),
)  # fmt: skip


def _langevin(x: Tensor, score: Tensor, step: Any, noise: Tensor, *, half: bool, slip: str = "") -> Terms:  # noqa: ANN401
    width = column(step) / (2 if half else 1)
    here, drift, diffusion = oracle.langevin(x, score, noise, width)
    if slip == "root":
        diffusion = 2 * width * noise
    elif slip == "other":
        diffusion = diffusion / 2**0.5 if not half else diffusion * 2**0.5
    return here, -drift if slip == "sign" else drift, diffusion


def _langevin_by_function(score: Any, x: Tensor, condition: Any, **given: Any) -> Terms:  # noqa: ANN401
    return _langevin(x=x, score=score(x) if condition is None else score(x, condition), **given)


_PARISI = "x′ = x + (ε/2) s(x) + √ε z, z standard normal"
_WELLING = "Welling & Teh 2011, eq. 4; Song & Ermon 2019, eq. 4"
_MORE = {"output": "batch event", "gradient": False, "dialects": _LANGEVIN_DIALECTS, "operations": 128}
LANGEVIN = formula(
    Specification(
        name="score.langevin_step", statement=_PARISI, source=_WELLING,
        arguments=(
            _FUNCTION, SAMPLE, _STEP, standard_normal("noise"),
            levels("condition", 0.2, 2.0, "sigma", "t", "labels", "noise_level", "label", "c", "cond", "sigma_i",
                   default=None, differentiable=False),
        ),
        oracle=_langevin_by_function, layouts=layouts(("x", "noise"), ("step", "condition")), sizes=FIELD_SIZES,
        namesakes=("score.langevin_step_given",), derivation="score.langevin_step.variance", **_MORE,
    )
)  # fmt: skip
_GIVEN = formula(
    Specification(
        name="score.langevin_step_given", statement=_PARISI, source=_WELLING,
        arguments=(SAMPLE, _SCORE, _STEP, standard_normal("noise")), oracle=_langevin,
        layouts=layouts(("x", "score", "noise"), ("step",)), sizes=SIZES, derivation="score.langevin_step.variance",
        **_MORE,
    )
)  # fmt: skip


@declares_reference
def denoising() -> Formula:
    """The reference loss on noisy samples."""
    return Formula(denoising_score.denoising_matching, like="score.denoising_matching")


@declares_reference
def sliced() -> Formula:
    """The reference loss along random directions."""
    return Formula(sliced_score.sliced_matching, like="score.sliced_matching")


@declares_reference
def posterior_mean() -> Formula:
    """The reference mean of the data."""
    return Formula(tweedie.tweedie, like="score.tweedie")


@declares_reference
def langevin_step() -> Formula:
    """The reference step."""
    return Formula(langevin.langevin_step, like="score.langevin_step")
