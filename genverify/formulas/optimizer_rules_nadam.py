"""The rules NAdam and RAdam."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from genverify.formulas.optimizer_hypers import B1, B2, COMMON, DECAY_AFTER, EPS, L2, LH, LR, decay_axis, flags_of
from genverify.formulas.optimizer_rule import Axis, Hyper, Rule, Value, accepted, recognised, slip

if TYPE_CHECKING:
    from genverify.oracles.recurrences import Recurrence

__all__ = ["RULES"]

_DECOUPLED_FLAG = "decoupled_weight_decay"


def _decays(*without: Value) -> tuple[Axis, Axis]:
    """What the decay may be where torch's flag is not set, and what it is where it is."""
    told = (
        accepted("decoupled", "decoupled decay η λ θ", f"{LH}; torch.optim"),
        recognised("coupled", "coupled decay in spite of the flag"),
        recognised("decoupled_unscaled", "decoupled decay λ θ", LH),
        recognised(*DECAY_AFTER),
    )
    return replace(decay_axis(*without), unless=_DECOUPLED_FLAG), replace(decay_axis(*told), once=_DECOUPLED_FLAG)


def _nadam(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_nadam import nadam

    return nadam(
        epsilon=choices.get("epsilon", "outside"),
        schedule=choices["schedule"],
        average=choices["average"],
        second=choices["second"],
        decay=choices.get("decay", "none"),
        **flags_of(flags),
    )


def _radam(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_nadam import radam

    return radam(
        epsilon=choices.get("epsilon", "none"),
        threshold=choices["threshold"],
        early=choices["early"],
        rectification=choices["rectification"],
        decay=choices.get("decay", "none"),
        **flags_of(flags),
    )


_FLAG = Hyper(name=_DECOUPLED_FLAG, aliases=("decoupled",), default=False, trials=(True,))
_DOZAT = "Dozat 2016, algorithm 2"
_LIU = "Liu et al. 2020, algorithm 2"

RULES = (
    Rule(
        name="optimizer.nadam",
        statement="μ_t = β₁ (1 - 0.96^(t ψ)/2); m and v as Adam's; "
        "θ ← θ - η (μ_{t+1} m/(1 - Π μ_{≤t+1}) + (1-μ_t) g/(1 - Π μ_{≤t})) / (√v̂ + ε)",
        source=f"{_DOZAT}; torch.optim.NAdam",
        hypers=(
            LR,
            B1,
            B2,
            EPS,
            Hyper(name="momentum_decay", aliases=("schedule_decay", "psi"), default=4e-3, trials=(0.5,)),
            _FLAG,
            *COMMON,
        ),
        axes=(
            Axis(
                name="schedule",
                values=(
                    accepted("warming", "μ_t warms up", _DOZAT),
                    accepted("constant", "constant μ = β₁", "optax.nadam"),
                    accepted("constant_now", "constant μ = β₁, corrected by 1 - β₁ᵗ", "Ruder 2016, section 4.8"),
                    slip("same", "μ_t in place of μ_{t+1} in the look-ahead"),
                    slip("no_product", "1 - β₁ᵗ in place of the product of the μ"),
                    slip("uncorrected_gradient", "the gradient's share not corrected by 1 - β₁ᵗ"),
                ),
            ),
            Axis(
                name="average",
                values=(
                    accepted("plain", "", "torch.optim.NAdam"),
                    accepted("scheduled", "μ_t in the average, too", _DOZAT),
                ),
            ),
            Axis(
                name="second",
                values=(
                    accepted("corrected", ""),
                    accepted("scaled", "v̂ = β₂ v/(1 - β₂ᵗ)", _DOZAT),
                    slip("uncorrected", "v not corrected"),
                ),
            ),
            Axis(
                name="epsilon",
                needs="eps",
                values=(accepted("outside", "", _DOZAT), recognised("inside", "ε inside the root √(v̂ + ε)")),
            ),
            *_decays(
                L2,
                recognised("decoupled", "decoupled decay η λ θ", LH),
                recognised("decoupled_unscaled", "decoupled decay λ θ", LH),
                recognised(*DECAY_AFTER),
            ),
        ),
        build=_nadam,
    ),
    Rule(
        name="optimizer.radam",
        statement="m and v as Adam's; ρ_t = ρ_∞ - 2tβ₂ᵗ/(1-β₂ᵗ), ρ_∞ = 2/(1-β₂) - 1; θ ← θ - η r_t m̂/√v̂ where ρ_t "
        "is large, θ ← θ - η m̂ before; r_t = √((ρ_t-4)(ρ_t-2)ρ_∞/((ρ_∞-4)(ρ_∞-2)ρ_t))",
        source=f"{_LIU}; torch.optim.RAdam",
        hypers=(LR, B1, Hyper(name="beta2", aliases=B2.aliases, default=0.999, trials=(0.9, 0.5)), EPS, _FLAG, *COMMON),
        axes=(
            Axis(
                name="threshold",
                values=(
                    accepted("five", "rectified where ρ_t > 5", "the authors' code; torch.optim.RAdam"),
                    accepted("four", "rectified where ρ_t > 4", _LIU),
                    slip("six", "rectified where ρ_t > 6"),
                ),
            ),
            Axis(
                name="epsilon",
                needs="eps",
                values=(
                    accepted("hat", "ε added to √v before the correction", "torch.optim.RAdam"),
                    accepted("outside", "ε outside the root √v̂"),
                    accepted("none", "no ε", _LIU),
                    recognised("inside", "ε inside the root √(v̂ + ε)"),
                ),
            ),
            Axis(
                name="early",
                values=(
                    accepted("momentum", "", _LIU),
                    accepted("still", "no step while ρ_t is small", "the authors' code, degenerated_to_sgd=False"),
                    slip("gradient", "the gradient in place of m̂ while ρ_t is small"),
                    slip("uncorrected", "m in place of m̂ while ρ_t is small"),
                ),
            ),
            Axis(
                name="rectification",
                values=(
                    accepted("paper", ""),
                    slip("none", "no rectification: r_t = 1"),
                    slip("no_root", "r_t² in place of r_t"),
                    slip("unscaled", "r_t not divided by its limit"),
                ),
            ),
            *_decays(
                L2,
                accepted("decoupled", "decoupled decay η λ θ", "the authors' code"),
                recognised("decoupled_unscaled", "decoupled decay λ θ", LH),
                recognised(*DECAY_AFTER),
            ),
        ),
        build=_radam,
    ),
)
