"""The rules LARS, LAMB and Adafactor, in which the entries of a parameter meet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genverify.formulas.optimizer_hypers import (
    B1,
    B2,
    COMMON,
    EPS_NAMES,
    INDIFFERENT,
    MAXIMIZE,
    RATE,
    decay_axis,
    flags_of,
)
from genverify.formulas.optimizer_rule import Axis, Hyper, Rule, accepted, recognised, slip

if TYPE_CHECKING:
    from genverify.oracles.recurrences import Recurrence

__all__ = ["RULES"]


def _lars(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_trust import lars

    return lars(
        trust=choices["trust"],
        vectors=choices["vectors"],
        velocity=choices.get("velocity", "folded"),
        epsilon=choices.get("epsilon", "none"),
        nesterov=bool(flags.get("nesterov")),
        **flags_of(flags),
    )


def _lamb(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_trust import lamb

    return lamb(
        correction=choices["correction"],
        phi=choices["phi"],
        ratio=choices["ratio"],
        epsilon=choices.get("epsilon", "outside"),
        **flags_of(flags),
    )


def _adafactor(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_factored import adafactor

    return adafactor(
        form=choices["form"],
        factors=choices["factors"],
        clipping=choices["clipping"],
        scale="parameter" if flags.get("scale_parameter", True) else "none",
        relative=bool(flags.get("relative_step", True)),
        decay=choices.get("decay", "none"),
        machine=flags.get("eps1") is None,
        **flags_of(flags),
    )


_YOU17 = "You, Gitman & Ginsburg 2017, algorithm 1"
_YOU20 = "You et al. 2020, algorithm 2"
_SS = "Shazeer & Stern 2018, algorithm 4"

_LARS = Rule(
    name="optimizer.lars",
    statement="r = c ‖θ‖/(‖g‖ + λ ‖θ‖), 1 where a norm is zero; b ← μ b + η r (g + λ θ); θ ← θ - b",
    source=_YOU17,
    hypers=(
        RATE,
        Hyper(name="momentum", aliases=("mu", "beta", "momentum_factor"), default=0.9, trials=(0.5,)),
        Hyper(
            name="trust_coefficient",
            aliases=("trust_coef", "eta", "coefficient", "trust", "lars_coefficient"),
            default=1e-3,
            trials=(0.1,),
        ),
        Hyper(name="eps", aliases=EPS_NAMES, default=0.0),
        Hyper(name="nesterov", default=False, trials=(True,)),
        *COMMON,
    ),
    axes=(
        Axis(
            name="trust",
            values=(
                accepted("sum", "", _YOU17),
                accepted("joint", "c ‖θ‖/‖g + λ θ‖", "optax.lars"),
                recognised("clipped", "the ratio over η clipped at 1", "apex.parallel.LARC(clip=True)"),
                slip("gradient", "‖g‖ without λ ‖θ‖ in the ratio"),
                slip("rms", "the root mean square in place of the norm of g"),
                slip("inverted", "‖g‖ / ‖θ‖ in place of ‖θ‖ / ‖g‖"),
            ),
        ),
        Axis(
            name="velocity",
            needs="momentum",
            values=(
                accepted("folded", "", _YOU17),
                accepted("unit", "η outside the velocity", "optax.lars"),
                slip("outside", "the ratio applied to the velocity, not to what enters it"),
            ),
        ),
        Axis(
            name="vectors",
            values=(
                accepted("adapted", "", _YOU17),
                accepted(
                    "plain", "parameters of one dimension neither adapted nor decayed", "You et al. 2020, experiments"
                ),
                accepted("bare", "parameters of one dimension not adapted", "optax.lars(trust_ratio_mask=)"),
            ),
        ),
        Axis(name="epsilon", needs="eps", values=(accepted("outside", "ε in the denominator"), slip("none", "no ε"))),
    ),
    build=_lars,
    elementwise=False,
    legal=lambda h: not h.get("nesterov") or bool(h.get("momentum")),
)
_LAMB = Rule(
    name="optimizer.lamb",
    statement="r = m̂/(√v̂ + ε) + λ θ; θ ← θ - η φ(‖θ‖)/‖r‖ r, the ratio 1 where a norm is zero",
    source=_YOU20,
    hypers=(RATE, B1, B2, Hyper(name="eps", aliases=EPS_NAMES, default=1e-6, trials=(1e-3,)), *COMMON),
    axes=(
        Axis(
            name="correction",
            values=(
                accepted("both", "both moments corrected", _YOU20),
                accepted("none", "no bias correction", "You et al. 2020, appendix; the authors' code"),
            ),
        ),
        Axis(
            name="phi",
            values=(
                accepted("identity", "", _YOU20),
                accepted("clamped", "φ(z) = min(z, 10)", "You et al. 2020, φ(z) = min(max(z, γ_l), γ_u)"),
            ),
        ),
        Axis(
            name="ratio",
            values=(
                accepted("update", ""),
                recognised("clipped", "the ratio clipped at 1", "timm.optim.Lamb(trust_clip=True)"),
                recognised("decayed", "no ratio at all: that is AdamW", "timm.optim.Lamb without weight decay"),
                slip("undecayed", "‖m̂/√v̂‖ without λ θ in the ratio"),
                slip("gradient", "the norm of the gradient in the ratio"),
                slip("rms", "the root mean square in place of the norm of r"),
                slip("inverted", "‖r‖ / ‖θ‖ in place of ‖θ‖ / ‖r‖"),
            ),
        ),
        Axis(
            name="epsilon",
            needs="eps",
            values=(
                accepted("outside", ""),
                accepted("hat", "ε̂ added to √v"),
                recognised("inside", "ε inside the root"),
            ),
        ),
    ),
    build=_lamb,
    elementwise=False,
)
_ADAFACTOR = Rule(
    name="optimizer.adafactor",
    statement="V's rows and columns averaged with β₂ₜ = 1 - t^τ; V̂ = R C/mean R; u = g/√V̂; "
    "θ ← θ - max(ε₂, RMS θ) min(η, 1/√t) u/max(1, RMS(u)/d)",
    source=f"{_SS}; torch.optim.Adafactor",
    hypers=(
        Hyper(name="lr", aliases=RATE.aliases, default=0.01, trials=(0.5,)),
        Hyper(name="beta2_decay", aliases=("decay_rate", "tau"), default=-0.8, trials=(-0.5,)),
        Hyper(name="eps1", aliases=("epsilon1", "eps[0]")),
        Hyper(name="eps2", aliases=("epsilon2", "eps[1]"), default=1e-3),
        Hyper(name="clip", aliases=("d", "clip_threshold", "clipping_threshold"), default=1.0, trials=(2.0,)),
        Hyper(name="relative_step", default=True),
        Hyper(name="scale_parameter", default=True),
        Hyper(name="weight_decay", aliases=("wd",), default=0.0, trials=(0.1,)),
        MAXIMIZE,
        *INDIFFERENT,
    ),
    axes=(
        Axis(
            name="form",
            values=(
                accepted("torch", "ε₁ a floor of V̂", "torch.optim.Adafactor"),
                accepted("paper", "ε₁ added to g²", _SS),
            ),
        ),
        Axis(
            name="factors",
            values=(
                accepted("normalised", ""),
                slip("product", "R C without the division by mean R"),
                slip("rows", "the rows alone"),
                recognised("elementwise", "V not factored"),
            ),
        ),
        Axis(
            name="clipping",
            values=(
                accepted("rms", ""),
                slip("none", "no clipping of the update"),
                slip("always", "the update always scaled to RMS d"),
            ),
        ),
        decay_axis(
            accepted("decoupled", "decoupled decay η λ θ", "torch.optim.Adafactor"),
            accepted("decoupled_step", "decoupled decay α_t λ θ", "fairseq"),
            recognised("coupled", "coupled decay"),
        ),
    ),
    build=_adafactor,
    elementwise=False,
    tuples={"betas": ("beta1", "beta2"), "eps": ("eps1", "eps2")},
)

RULES = (_LARS, _LAMB, _ADAFACTOR)
