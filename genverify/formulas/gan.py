"""Losses of generative adversarial networks, of the discriminator's logits and of its probabilities."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.density_arguments import chances
from genverify.formulas.gan_arguments import FACTOR, LAYOUTS, OVER, SIGN, generated, of_the_data
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.references import declares_reference
from genverify.oracles import adversarial as oracle
from genverify.oracles import divergence
from genverify.reference.adversarial import losses as reference
from genverify.subjects.domains import positive, real
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real
from genverify.subjects.specification import Argument, Axis, Form, Layout, Option, Specification

__all__ = [
    "DISCRIMINATOR_HINGE", "DISCRIMINATOR_LEAST_SQUARES", "DISCRIMINATOR_MINIMAX", "FEATURE_MATCHING",
    "GENERATOR_HINGE", "GENERATOR_LEAST_SQUARES", "GENERATOR_NONSATURATING", "GENERATOR_SATURATING",
    "OPTIMAL_DISCRIMINATOR", "RELATIVISTIC_DISCRIMINATOR", "RELATIVISTIC_GENERATOR", "VALUE_AT_OPTIMUM",
]  # fmt: skip

Terms = tuple[torch.Tensor, ...]

_GOODFELLOW = "Goodfellow et al. 2014"
_LABELS = Axis(
    name="labels",
    options=(
        Option(name=""),
        Option(name="real labels 0.9", keywords={"smooth": 0.1}, note="one-sided smoothing, as a constant"),
        Option(
            name="labels 0.9 and 0.1", keywords={"smooth": 0.1, "noise": 0.1},
            note="smoothed on both sides: D* is no longer p_d/(p_d + p_g)",
        ),
        Option(
            name="labels exchanged", keywords={"exchanged": True}, accepted=False,
            note="1 for generated samples and 0 for real ones",
        ),
    ),
)  # fmt: skip


def _scaled(terms: Terms, factor: float, sign: float = 1.0) -> Terms:
    return tuple(factor * sign * term for term in terms)


def _minimax(
    real: torch.Tensor, fake: torch.Tensor, smoothing: Any, *, factor: float = 1.0, sign: float = 1.0,  # noqa: ANN401
    smooth: float = 0.0, noise: float = 0.0, exchanged: bool = False,
) -> Terms:  # fmt: skip
    first, second = (fake, real) if exchanged else (real, fake)
    return _scaled(oracle.minimax_discriminator.terms(first, second, smooth or smoothing, noise), factor, sign)


def _by_logits(terms: Callable[..., Terms], *names: str) -> Callable[..., Terms]:
    """The oracle of a probability D: that of its logit log D − log(1 − D), in two logarithms as people write them."""

    def computed(**given: Any) -> Terms:  # noqa: ANN401
        logits = {name: torch.log(given[name]) - torch.log1p(-given[name]) for name in names}
        return terms(**(given | logits))

    return computed


def _loss(name: str, statement: str, source: str, arguments: tuple[Argument, ...], oracle: Any, **rest: Any) -> None:  # noqa: ANN401
    settings = {"output": "batch event", "layouts": LAYOUTS, "gradient_at_extremes": True, "trains": True, **rest}
    _MADE[name] = formula(
        Specification(name=f"gan.{name}", statement=statement, source=source, arguments=arguments, oracle=oracle,
                      **settings)
    )  # fmt: skip


def _both(name: str, statement: str, source: str, arguments: Any, terms: Any, *names: str, **rest: Any) -> None:  # noqa: ANN401
    """A loss of logits, and under a name of its own the same of probabilities, which is tried where the first fails."""
    _loss(name, statement, source, arguments(False), terms, namesakes=(f"gan.{name}_probability",), **rest)
    _loss(
        f"{name}_probability", f"{statement}, of the probability D", source, arguments(True), _by_logits(terms, *names),
        **{**rest, "gradient_at_extremes": False},
    )  # fmt: skip


_MADE: dict[str, Specification] = {}

_SMOOTHING = hyperparameter(
    "smoothing", "label_smoothing", "smooth", "eps", "epsilon", "label_smooth", "ls", default=0.0, low=0.02, high=0.3,
    apart=(0.0,),
)  # fmt: skip
_both(
    "discriminator_loss_minimax", "−E log D(x) − E log(1 − D(G(z)))", f"{_GOODFELLOW}, eq. 1",
    lambda chances: (of_the_data(chances=chances), generated(chances=chances), _SMOOTHING), _minimax, "real", "fake",
    dialects=(*OVER, FACTOR, _LABELS, SIGN), derivation="gan.minimax.optimal_discriminator",
)  # fmt: skip


def _generator(fake: torch.Tensor, *, other: bool = False, sign: float = 1.0, saturating: bool = False) -> Terms:
    chosen = oracle.saturating_generator if saturating != other else oracle.nonsaturating_generator
    return _scaled(chosen.terms(fake), 1.0, sign)


def _form(name: str, note: str) -> Axis:
    return Axis(
        name="form", options=(Option(name=""), Option(name=name, keywords={"other": True}, accepted=False, note=note))
    )


_both(
    "generator_loss_saturating", "E log(1 − D(G(z)))", f"{_GOODFELLOW}, eq. 1",
    lambda chances: (generated(alone=True, chances=chances),),
    lambda **given: _generator(saturating=True, **given), "fake",
    dialects=(*OVER, _form("non-saturating", "−E log D(G(z)): gan.generator_loss_nonsaturating"), SIGN),
    derivation="gan.generator.saturation",
)  # fmt: skip
_both(
    "generator_loss_nonsaturating", "−E log D(G(z))", f"{_GOODFELLOW}, section 3",
    lambda chances: (generated(alone=True, chances=chances),), _generator, "fake",
    dialects=(*OVER, _form("saturating", "E log(1 − D(G(z))): gan.generator_loss_saturating"), SIGN),
    derivation="gan.generator.saturation",
)  # fmt: skip


def _hinge(
    real: torch.Tensor, fake: torch.Tensor, *, factor: float = 1.0, sign: float = 1.0, exchanged: bool = False
) -> Terms:
    first, second = (fake, real) if exchanged else (real, fake)
    return _scaled(oracle.hinge_discriminator.terms(first, second), factor, sign)


_EXCHANGED = Axis(
    name="roles",
    options=(
        Option(name=""),
        Option(name="exchanged", keywords={"exchanged": True}, accepted=False, note="real and generated the other way"),
    ),
)  # fmt: skip
_loss(
    "discriminator_loss_hinge", "E max(0, 1 − r) + E max(0, 1 + f)", "Lim & Ye 2017; Miyato et al. 2018, eq. 16",
    (of_the_data(), generated()), _hinge, dialects=(*OVER, FACTOR, _EXCHANGED, SIGN), kinks=True,
    derivation="gan.hinge.optimum",
)  # fmt: skip
_loss(
    "generator_loss_hinge", "−E f", "Miyato et al. 2018, eq. 17", (generated(alone=True),),
    lambda fake, sign=1.0: (-sign * fake,), dialects=(*OVER, SIGN), derivation="gan.hinge.optimum",
)  # fmt: skip

_TARGETS = Axis(
    name="labels",
    options=(
        Option(name=""),
        Option(name="−1 and 1", keywords={"low": -1.0, "aim": 0.0}, note="Mao et al. 2017, eq. 8: aims at 0"),
        Option(name="real labels 0.9", keywords={"high": 0.9}, note="one-sided smoothing, as a constant"),
    ),
)  # fmt: skip
_AIMS = Axis(
    name="labels",
    options=(
        Option(name=""),
        Option(
            name="aims at 0, for labels −1 and 1", keywords={"aim": 0.0},
            note="Mao et al. 2017, eq. 8: a = −1, b = 1, c = 0; beside a discriminator with the labels 0 and 1 it is "
            "the label of generated samples",
        ),
    ),
)  # fmt: skip
_WITHOUT_HALF = Axis(
    name="factor",
    options=(
        Option(name=""),
        Option(name="without ½", keywords={"factor": 2.0}, note="a mean of squares, and not half of it"),
        Option(name="halved once more", keywords={"factor": 0.5}, note="the mean of the two halves"),
    ),
)  # fmt: skip


def _least_squares(
    real: torch.Tensor, fake: torch.Tensor, *, factor: float = 1.0, low: float = 0.0, high: float = 1.0,
    aim: float = 1.0, exchanged: bool = False,
) -> Terms:  # fmt: skip
    first, second = (fake, real) if exchanged else (real, fake)
    terms = (*oracle.least_squares.terms(first, high), *oracle.least_squares.terms(second, low))
    return _scaled(terms, factor)


_loss(
    "discriminator_loss_least_squares", "½ E (r − 1)² + ½ E f²", "Mao et al. 2017, eq. 9",
    (of_the_data(reach=3.0), generated(reach=3.0)), _least_squares,
    dialects=(*OVER, _TARGETS, _WITHOUT_HALF, _EXCHANGED), derivation="gan.least_squares.optimum",
)  # fmt: skip
_loss(
    "generator_loss_least_squares", "½ E (f − 1)²", "Mao et al. 2017, eq. 9", (generated(alone=True, reach=3.0),),
    lambda fake, factor=1.0, aim=1.0: _scaled(oracle.least_squares.terms(fake, aim), factor),
    dialects=(
        *OVER, _AIMS, _WITHOUT_HALF,
    ), derivation="gan.least_squares.optimum",
)  # fmt: skip


def _relativistic(
    real: torch.Tensor, fake: torch.Tensor, *, factor: float = 1.0, average: str = "", exchanged: bool = False,
    generator: bool = False,
) -> Terms:  # fmt: skip
    first, second = (fake, real) if exchanged != generator else (real, fake)
    if not average:
        return _scaled(oracle.relativistic.terms(first, second), factor)
    against = [one.mean(0) if average == "place" and one.dim() else one.mean() for one in (second, first)]
    terms = (*oracle.relativistic.terms(first, against[0]), *oracle.relativistic.terms(against[1], second))
    return _scaled(terms, factor)


_AVERAGE = Axis(
    name="opponent",
    options=(
        Option(name=""),
        Option(
            name="the average one", keywords={"average": "all"},
            note="Jolicoeur-Martineau 2019, eq. 6: each against the mean of the others",
        ),
        Option(
            name="the average one, per place", keywords={"average": "place"},
            note="Wang et al. 2018 (ESRGAN): each place of a map of scores against the mean over the batch there",
        ),
    ),
)  # fmt: skip
for _name, _statement, _source, _by in (
    ("relativistic_discriminator_loss", "−E log σ(r − f)", "Jolicoeur-Martineau 2019, eq. 4", False),
    ("relativistic_generator_loss", "−E log σ(f − r)", "Jolicoeur-Martineau 2019, eq. 5", True),
):
    _loss(
        # Of a difference: beyond four, log(1 + exp(-x)) has lost what float32 has of it, torch's own as well.
        _name, _statement, _source,
        (of_the_data(differentiable=not _by, more=("y_pred",), reach=2.0), generated(reach=2.0)),
        lambda _by=_by, **given: _relativistic(generator=_by, **given),
        dialects=(*OVER, FACTOR, _AVERAGE, _EXCHANGED), derivation="gan.relativistic.shift",
        layouts=(*LAYOUTS[:2], LAYOUTS[3]),
    )  # fmt: skip


def _density(name: str, *aliases: str) -> Argument:
    logarithms = tuple(f"log_{alias}" for alias in aliases)
    forms = (
        Form(name=f"log_{name}", domain=real(low=-3.0, high=3.0, extreme=1e4), aliases=logarithms),
        Form(name=name, domain=positive(tiny=1e-30, huge=1e30), aliases=aliases, canonical=torch.log),
    )
    return Argument(name=name, axes="batch", forms=forms)


def _optimal(data: torch.Tensor, generator: torch.Tensor, *, exchanged: bool = False) -> Terms:
    first, second = (generator, data) if exchanged else (data, generator)
    return oracle.optimal_discriminator.terms(first, second)


_MADE["optimal_discriminator"] = formula(
    Specification(
        name="gan.optimal_discriminator",
        statement="D*(x) = p_d(x)/(p_d(x) + p_g(x))",
        source=f"{_GOODFELLOW}, proposition 1",
        arguments=(
            _density("data", "pd", "p_d", "p_data", "pdata", "p_real", "data", "real", "p", "px", "density_data"),
            _density("generator", "pg", "p_g", "p_gen", "p_model", "p_fake", "gen", "fake", "q", "generator", "pgen"),
        ),
        oracle=_optimal,
        output="batch",
        dialects=(reduction("batch", ("none",)), _EXCHANGED),
        gradient_at_extremes=True,
        derivation="gan.minimax.optimal_discriminator",
    )
)  # fmt: skip


def _at_optimum(logits_p: torch.Tensor, logits_q: torch.Tensor, *, weight: float = 0.5, constant: bool = True) -> Terms:
    twice = tuple(2.0 * term for term in divergence.jensen_shannon_categorical(logits_p, logits_q, weight=weight))
    return (*twice, *((-math.log(4.0) * torch.softmax(logits_p, -1),) if constant else ()))


_MADE["value_at_optimum"] = formula(
    Specification(
        name="gan.value_at_optimum",
        statement="C(G) = −log 4 + 2 JSD(p_d, p_g)",
        source=f"{_GOODFELLOW}, theorem 1",
        arguments=(chances("logits_p", group="first"), chances("logits_q", group="second")),
        oracle=_at_optimum,
        output="batch class",
        dialects=(
            reduction("class", ("sum",), {"mean": "averaged over the classes, too"}),
            reduction("batch", ("none", "mean", "sum")),
            Axis(name="factor", options=(
                Option(name=""),
                Option(name="the divergence without its ½", keywords={"weight": 1.0}, accepted=False,
                       note="−log 4 + 4 JSD: at most log 4, where the value is at most 0"),
                Option(name="without −log 4", keywords={"constant": False}, accepted=False,
                       note="2 JSD alone: zero, and not −log 4, where generator and data agree"),
            )),
        ),
        sizes={"class": (2, 3, 4)}, operations=64,
        derivation="gan.minimax.value",
    )
)  # fmt: skip


def _matching(real: torch.Tensor, fake: torch.Tensor, *, absolute: bool = False, apart: bool = False) -> Terms:
    return (oracle.feature_matching(real, fake, absolute=absolute, apart=apart),)


_MADE["feature_matching"] = formula(
    Specification(
        name="gan.feature_matching",
        statement="‖E f(x) − E f(G(z))‖²",
        source="Salimans et al. 2016, section 3.1",
        arguments=(
            any_real("real", "batch feature", "real_features", "features_real", "real_feat", "feat_real", "f_real",
                     "real_feats", "x", "phi_real", "real_activations", differentiable=False),
            any_real("fake", "batch feature", "fake_features", "features_fake", "fake_feat", "feat_fake", "f_fake",
                     "fake_feats", "y", "gen_features", "phi_fake", "fake_activations", "generated_features"),
        ),
        oracle=_matching,
        output="feature",
        dialects=(
            reduction("feature", ("sum", "mean", "none")),
            Axis(name="distance", options=(
                Option(name=""),
                Option(name="absolute", keywords={"absolute": True}, note="the L1 distance of the means"),
                Option(name="absolute, sample by sample", keywords={"absolute": True, "apart": True},
                       note="Wang et al. 2018, eq. 4, where each generated sample has a real one of its own"),
                Option(name="sample by sample", keywords={"apart": True}, accepted=False,
                       note="the means over the batch are missing: each generated sample is drawn to the real one "
                       "that happens to stand beside it, and all of them to the mean of the data"),
            )),
        ),
        layouts=(Layout(name="batched"),), kinks=True, trains=True,
        derivation="gan.feature_matching.zero",
    )
)  # fmt: skip

DISCRIMINATOR_MINIMAX = _MADE["discriminator_loss_minimax"]
GENERATOR_SATURATING = _MADE["generator_loss_saturating"]
GENERATOR_NONSATURATING = _MADE["generator_loss_nonsaturating"]
DISCRIMINATOR_HINGE = _MADE["discriminator_loss_hinge"]
GENERATOR_HINGE = _MADE["generator_loss_hinge"]
DISCRIMINATOR_LEAST_SQUARES = _MADE["discriminator_loss_least_squares"]
GENERATOR_LEAST_SQUARES = _MADE["generator_loss_least_squares"]
RELATIVISTIC_DISCRIMINATOR = _MADE["relativistic_discriminator_loss"]
RELATIVISTIC_GENERATOR = _MADE["relativistic_generator_loss"]
OPTIMAL_DISCRIMINATOR = _MADE["optimal_discriminator"]
VALUE_AT_OPTIMUM = _MADE["value_at_optimum"]
FEATURE_MATCHING = _MADE["feature_matching"]


def _declare(name: str) -> None:
    def make() -> Formula:
        return Formula(getattr(reference, name), like=f"gan.{name}")

    declares_reference(make)


for _name in _MADE:
    if hasattr(reference, _name):
        _declare(_name)
