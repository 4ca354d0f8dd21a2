"""The rules Rprop and Lion, which heed the signs of gradients alone, and ASGD."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genverify.formulas.optimizer_hypers import (
    B1,
    COMMON,
    COUPLED,
    INDIFFERENT,
    LR,
    MAXIMIZE,
    RATE,
    decay_axis,
    flags_of,
)
from genverify.formulas.optimizer_rule import Axis, Hyper, Rule, accepted, recognised, slip

if TYPE_CHECKING:
    from genverify.oracles.recurrences import Recurrence

__all__ = ["RULES"]


def _rprop(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_signs import rprop

    return rprop(variant=choices["variant"], clamp=choices["clamp"], **flags_of(flags))


def _lion(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_signs import lion

    return lion(direction=choices["direction"], decay=choices.get("decay", "none"), **flags_of(flags))


def _asgd(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_signs import asgd

    return asgd(rate=choices["rate"], decay=choices.get("decay", "none"), **flags_of(flags))


_IH = "Igel & Hüsken 2003"
_CHEN = "Chen et al. 2023, algorithm 2"

RULES = (
    Rule(
        name="optimizer.rprop",
        aliases=("irprop_minus",),
        statement="s ← clamp(s η⁺) where g keeps its sign, clamp(s η⁻) where it changes; θ ← θ - s sign g, but no step "
        "at a change of sign; s = η at first",
        source=f"Riedmiller & Braun 1993; {_IH} (iRprop⁻); torch.optim.Rprop",
        hypers=(
            Hyper(name="lr", aliases=(*RATE.aliases, "initial_step", "delta0"), default=0.01, trials=(0.1,)),
            Hyper(name="etaminus", aliases=("eta_minus", "etas[0]"), default=0.5, trials=(0.25,)),
            Hyper(name="etaplus", aliases=("eta_plus", "etas[1]"), default=1.2, trials=(2.0,)),
            Hyper(name="step_size_min", aliases=("step_min", "delta_min"), default=1e-6, trials=(1e-3,)),
            Hyper(name="step_size_max", aliases=("step_max", "delta_max"), default=50.0, trials=(0.05,)),
            MAXIMIZE,
            *INDIFFERENT,
        ),
        axes=(
            Axis(
                name="variant",
                values=(
                    accepted("zeroed", "no step at a change of sign, after which the gradient counts as new", _IH),
                    accepted("minus", "a smaller step at a change of sign (Rprop⁻)", _IH),
                    accepted(
                        "plus", "the last step taken back at a change of sign (Rprop⁺)", "Riedmiller & Braun 1993"
                    ),
                    slip("zeroed_step", "no step at a change of sign, but the gradient is remembered"),
                ),
            ),
            Axis(
                name="clamp",
                values=(
                    accepted("both", ""),
                    slip("none", "step sizes that are not clamped"),
                    slip("above", "no smallest step size"),
                    slip("below", "no greatest step size"),
                ),
            ),
        ),
        build=_rprop,
        tuples={"etas": ("etaminus", "etaplus"), "step_sizes": ("step_size_min", "step_size_max")},
        legal=lambda h: h.get("step_size_min", 0) <= h.get("lr", 0) <= h.get("step_size_max", 1),
    ),
    Rule(
        name="optimizer.lion",
        statement="θ ← θ - η (sign(β₁ m + (1-β₁) g) + λ θ); m ← β₂ m + (1-β₂) g",
        source=_CHEN,
        hypers=(
            LR,
            B1,
            Hyper(name="beta2", aliases=("beta_2", "b2", "betas[1]"), default=0.99, trials=(0.5,)),
            *COMMON,
        ),
        axes=(
            Axis(
                name="direction",
                values=(
                    accepted("interpolated", ""),
                    recognised("moment", "sign of m after its update", "Bernstein et al. 2018 (signum), β = β₂"),
                    slip("late", "m updated before the interpolation"),
                    slip("shared", "the interpolation kept as m"),
                    slip("no_sign", "no sign"),
                ),
            ),
            decay_axis(
                accepted("decoupled", "decoupled decay η λ θ", _CHEN),
                recognised("decoupled_unscaled", "decoupled decay λ θ"),
                recognised("coupled", "coupled decay"),
                recognised("decoupled_after", "decoupled decay applied after the step"),
            ),
        ),
        build=_lion,
    ),
    Rule(
        name="optimizer.asgd",
        statement="θ ← θ (1 - λ η_t) - η_t g; η_{t+1} = η/(1 + λ η t)^α, η₁ = η; the average of θ is kept beside it",
        source="Polyak & Juditsky 1992; torch.optim.ASGD",
        hypers=(
            RATE,
            Hyper(name="lambd", aliases=("lambda_", "lam"), default=1e-4),
            Hyper(name="alpha", aliases=("power",), default=0.75, trials=(0.5,)),
            Hyper(name="t0", default=1e6),
            *COMMON,
        ),
        axes=(
            Axis(
                name="rate",
                values=(
                    accepted("before", "", "torch.optim.ASGD"),
                    accepted("current", "η_t made of today's η", "Polyak & Juditsky 1992"),
                    accepted("now", "η_t = η/(1 + λ η t)^α", "Bottou 2012, section 5.3"),
                    slip("constant", "a rate that does not decay"),
                ),
            ),
            COUPLED,
        ),
        build=_asgd,
        decaying=("weight_decay", "lambd"),
    ),
)
