"""The rule SparseAdam: Adam on the rows that have a gradient, and only on these."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genverify.formulas.optimizer_hypers import B1, B2, EPS, LR, MAXIMIZE, flags_of
from genverify.formulas.optimizer_rule import Axis, Rule, accepted, recognised, slip

if TYPE_CHECKING:
    from genverify.oracles.recurrences import Recurrence

__all__ = ["RULES"]


def _sparse_adam(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_adaptive import adam

    return adam(epsilon=choices.get("epsilon", "hat"), correction=choices["correction"], **flags_of(flags))


RULES = (
    Rule(
        name="optimizer.sparse_adam",
        aliases=("lazy_adam",),
        statement="in the rows with a gradient m ← β₁ m + (1-β₁) g; v ← β₂ v + (1-β₂) g²; "
        "θ ← θ - η √(1-β₂ᵗ)/(1-β₁ᵗ) m/(√v + ε)",
        source="torch.optim.SparseAdam; Kingma & Ba 2015, end of section 2",
        hypers=(LR, B1, B2, EPS, MAXIMIZE),
        axes=(
            Axis(
                name="epsilon",
                needs="eps",
                values=(
                    accepted("hat", "ε̂ added to √v before the bias correction", "torch.optim.SparseAdam"),
                    accepted("outside", "ε outside the root", "Kingma & Ba 2015, algorithm 1"),
                    recognised("inside", "ε inside the root √(v̂ + ε)"),
                    slip("no_root", "no square root of v̂"),
                ),
            ),
            Axis(
                name="correction",
                values=(
                    accepted("both", "both moments corrected"),
                    recognised("none", "no bias correction"),
                    slip("first", "only m corrected"),
                    slip("second", "only v corrected"),
                ),
            ),
        ),
        build=_sparse_adam,
        wants="sparse",
    ),
)
