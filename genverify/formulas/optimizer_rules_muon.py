"""The rule Muon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genverify.formulas.optimizer_hypers import EPS_NAMES, MAXIMIZE, RATE
from genverify.formulas.optimizer_rule import Axis, Hyper, Rule, accepted, recognised, slip

if TYPE_CHECKING:
    from genverify.oracles.recurrences_muon import Muon

__all__ = ["RULES"]


def _muon(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Muon:
    from genverify.oracles.recurrences_muon import Muon

    return Muon(
        nesterov=bool(flags.get("nesterov", True)),
        epsilon=choices.get("epsilon", "clamped"),
        factor=choices["factor"],
        decay=choices.get("decay", "decoupled"),
        maximize=bool(flags.get("maximize")),
    )


RULES = (
    Rule(
        name="optimizer.muon",
        statement="b ← μ b + (1-μ) g; u = (1-μ) g + μ b; θ ← (1 - η λ) θ - η c O(u), with O five Newton–Schulz steps",
        source="Jordan et al. 2024, Muon; torch.optim.Muon",
        hypers=(
            RATE,
            Hyper(name="momentum", aliases=("mu", "beta"), default=0.95, trials=(0.5,)),
            Hyper(name="nesterov", default=True, trials=(False,)),
            Hyper(name="weight_decay", aliases=("wd",), default=0.0, trials=(0.0, 0.3)),
            Hyper(name="eps", aliases=EPS_NAMES, default=1e-7, trials=(1e-3,)),
            # After one step of the iteration bfloat16 is off by a tenth at most, after five by a half.
            Hyper(name="ns_steps", aliases=("backend_steps", "steps"), default=5, trials=(1, 3)),
            Hyper(name="a", default=3.4445),
            Hyper(name="b", default=-4.775),
            Hyper(name="c", default=2.0315),
            MAXIMIZE,
        ),
        axes=(
            Axis(
                name="factor",
                values=(
                    accepted("original", "rate times √max(1, rows/columns)", "Jordan et al. 2024"),
                    accepted("adamw", "rate times 0.2 √max(rows, columns)", "Liu et al. 2025"),
                    recognised("none", "rate as it is"),
                ),
            ),
            Axis(
                name="epsilon",
                needs="eps",
                values=(accepted("clamped", "", "torch.optim.Muon"), accepted("added", "ε added to the norm")),
            ),
            Axis(
                name="decay",
                needs="weight_decay",
                values=(
                    accepted("decoupled", "decoupled decay η λ θ", "torch.optim.Muon"),
                    recognised("coupled", "coupled decay"),
                    slip("adjusted", "decay at the adjusted rate"),
                ),
            ),
        ),
        build=_muon,
        tuples={"ns_coefficients": ("a", "b", "c")},
        elementwise=False,
        wants="matrices",
    ),
)
