"""The rules Adadelta and Adamax."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genverify.formulas.optimizer_hypers import B1, B2, COMMON, COUPLED, EPS, EPS_NAMES, LR, RATE, flags_of
from genverify.formulas.optimizer_rule import Axis, Hyper, Rule, accepted, recognised, slip

if TYPE_CHECKING:
    from genverify.oracles.recurrences import Recurrence

__all__ = ["RULES"]


def _adadelta(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_delta import adadelta

    return adadelta(
        epsilon=choices.get("epsilon", "inside"),
        accumulator=choices["accumulator"],
        decay=choices.get("decay", "none"),
        **flags_of(flags),
    )


def _adamax(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_delta import adamax

    return adamax(
        epsilon=choices.get("epsilon", "none"),
        correction=choices["correction"],
        second=choices["second"],
        decay=choices.get("decay", "none"),
        **flags_of(flags),
    )


_RHO = Hyper(name="rho", aliases=("decay", "gamma", "alpha", "beta", "decay_rate", "beta2"), default=0.9, trials=(0.5,))
_KB = "Kingma & Ba 2015, algorithm 2"

RULES = (
    Rule(
        name="optimizer.adadelta",
        statement="v ← ρ v + (1-ρ) g²; Δ = √(u + ε)/√(v + ε) g; u ← ρ u + (1-ρ) Δ²; θ ← θ - η Δ",
        source="Zeiler 2012, algorithm 1, where η = 1",
        hypers=(
            Hyper(name="lr", aliases=RATE.aliases, default=1.0, trials=(0.5,)),
            _RHO,
            Hyper(name="eps", aliases=EPS_NAMES, default=1e-6, trials=(1e-3,)),
            *COMMON,
        ),
        axes=(
            Axis(
                name="epsilon",
                needs="eps",
                values=(
                    accepted("inside", "ε inside both roots", "Zeiler 2012, eq. (9)"),
                    recognised("outside", "ε outside both roots"),
                ),
            ),
            Axis(
                name="accumulator",
                values=(
                    accepted("steps", ""),
                    slip("swapped", "the two accumulators swapped"),
                    slip("fresh", "u updated before it is used"),
                    slip("gradients", "u of the gradients in place of the steps"),
                    recognised("scaled", "u of the steps times η"),
                ),
            ),
            COUPLED,
        ),
        build=_adadelta,
    ),
    Rule(
        name="optimizer.adamax",
        statement="m ← β₁ m + (1-β₁) g; u ← max(β₂ u, |g|); θ ← θ - η/(1-β₁ᵗ) m/u",
        source=_KB,
        hypers=(LR, B1, B2, EPS, *COMMON),
        axes=(
            Axis(
                name="epsilon",
                needs="eps",
                values=(
                    accepted("in_maximum", "ε beside |g|: max(β₂ u, |g| + ε)", "torch.optim.Adamax"),
                    accepted("outside", "ε beside u", "Keras"),
                    accepted("none", "no ε", _KB),
                    recognised("in_decayed", "ε beside β₂ u: max(β₂ u + ε, |g|)"),
                ),
            ),
            Axis(
                name="correction",
                values=(
                    accepted("first", ""),
                    slip("both", "u corrected, too: it is a maximum, and has no bias of that kind"),
                    slip("second", "u corrected in place of m"),
                    recognised("none", "no bias correction"),
                ),
            ),
            Axis(
                name="second",
                values=(
                    accepted("maximum", ""),
                    slip("undecayed", "max(u, |g|), which never forgets"),
                    slip("mean", "a mean of |g| in place of the maximum"),
                    slip("of_moment", "|m| in place of |g| in the maximum"),
                ),
            ),
            COUPLED,
        ),
        build=_adamax,
    ),
)
