"""What losses of adversarial games take: the discriminator's results on real and on generated samples."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from genverify.formulas.catalogue import reduction
from genverify.subjects.domains import Domain, real, unit_interval
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import BATCHED, SINGLE, Argument, Axis, Layout, Option

__all__ = ["FACTOR", "LAYOUTS", "OVER", "SIGN", "generated", "of_the_data"]

# `{}` is the word for whose samples these are.
_PATTERNS = (
    "{}", "d_{}", "{}_logits", "logits_{}", "{}_output", "output_{}", "{}_outputs", "{}_pred", "pred_{}", "{}_preds",
    "{}_score", "{}_scores", "score_{}", "scores_{}", "d_out_{}", "disc_{}", "disc_{}_output", "disc_{}_pred", "dis_{}",
    "{}_out", "out_{}", "{}_validity", "validity_{}", "critic_{}", "c_{}", "d_{}_logits", "d_logits_{}", "{}_logit",
    "logit_{}", "y_{}", "{}_prediction", "{}_predictions", "D_on_{}", "d_{}_pred", "d_{}_output", "d_{}_out", "{}_d",
    "{}_critic", "critic_{}_output", "discriminator_{}", "discriminator_{}_output", "{}_disc", "d_loss_{}", "{}_prob",
    "{}_probs", "prob_{}", "p_{}", "{}_dis", "netD_{}", "dout_{}", "{}_values", "{}_discriminator_output",
    "y_pred_{}",
)  # fmt: skip
_ALONE = (
    "logits", "logit", "output", "outputs", "pred", "preds", "prediction", "score", "scores", "validity", "x", "d_g_z",
    "dgz", "D_G_z", "d_out", "critic_value", "critic_values", "critic_scores", "disc_output", "disc_out", "d", "out",
)  # fmt: skip

OVER = (reduction("event", ("mean", "sum", "none")), reduction("batch", ("mean", "sum", "none")))
LAYOUTS = (
    BATCHED, Layout(name="one output a sample", drop=("event",)), SINGLE,
    Layout(name="one number at a time", drop=("batch", "event")),
)  # fmt: skip
FACTOR = Axis(
    name="factor",
    options=(
        Option(name=""),
        Option(name="halved", keywords={"factor": 0.5}, note="the mean of the two halves, and not their sum"),
    ),
)  # fmt: skip
SIGN = Axis(
    name="sign",
    options=(
        Option(name=""),
        Option(name="negated", keywords={"sign": -1.0}, accepted=False, note="what is to be maximised, and not a loss"),
    ),
)  # fmt: skip


def _names(*words: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(pattern.format(word) for word in words for pattern in _PATTERNS))


def _domain(chances: bool, reach: float) -> Domain:
    """Logits, up to ±10⁴ where finiteness is claimed; or probabilities inside (0, 1)."""
    return replace(unit_interval(), low=-3.0, high=3.0) if chances else real(low=-reach, high=reach, extreme=1e4)


def of_the_data(
    name: str = "real", *, chances: bool = False, reach: float = 4.0, differentiable: bool = True,
    more: Iterable[str] = (),
) -> Argument:  # fmt: skip
    """The discriminator's results on samples of the data; a generator has no share in them, and may detach them."""
    names = (*_names("real", "true", "data"), "d_x", "dx", "D_x", *more)
    return plain(name, "batch event", _domain(chances, reach), names, differentiable=differentiable)


def generated(
    name: str = "fake", *, alone: bool = False, chances: bool = False, reach: float = 4.0, more: Iterable[str] = ()
) -> Argument:
    """The discriminator's results on generated samples; `alone`, where there are no others."""
    names = _names("fake", "gen", "generated", "synthetic", "synth", "sample", "g")
    lonely = _ALONE if alone else ()
    return plain(name, "batch event", _domain(chances, reach), (*names, *lonely, "d_g", *more))
