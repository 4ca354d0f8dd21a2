"""The rule L-BFGS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genverify.formulas.optimizer_hypers import RATE
from genverify.formulas.optimizer_rule import Axis, Hyper, Rule, accepted, slip

if TYPE_CHECKING:
    from genverify.oracles.recurrences_lbfgs import LBFGS

__all__ = ["RULES"]


def _lbfgs(choices: Mapping[str, str], flags: Mapping[str, Any]) -> LBFGS:
    from genverify.oracles.recurrences_lbfgs import LBFGS

    return LBFGS(first=choices["first"], scale=choices["scale"], direction_only=bool(flags.get("line_search")))


RULES = (
    Rule(
        name="optimizer.lbfgs",
        aliases=("l-bfgs",),
        statement="d = -H g by two loops over the last m pairs (s, y); θ ← θ + t d",
        source="Nocedal 1980; Nocedal & Wright 2006, algorithm 7.4; torch.optim.LBFGS",
        hypers=(
            Hyper(name="lr", aliases=RATE.aliases, default=1.0, trials=(0.5,)),
            Hyper(name="history_size", aliases=("m", "history", "memory"), default=100, trials=(2,)),
            Hyper(name="tolerance_grad", default=1e-7),
            Hyper(name="tolerance_change", default=1e-9),
            Hyper(name="line_search", aliases=("line_search_fn", "line_search_method")),
        ),
        axes=(
            Axis(
                name="first",
                values=(
                    accepted("shortened", "", "torch.optim.LBFGS"),
                    accepted("whole", "first step at the whole rate", "Nocedal & Wright 2006, algorithm 7.5"),
                ),
            ),
            Axis(
                name="scale",
                values=(
                    accepted("curvature", "", "Nocedal & Wright 2006, eq. (7.20)"),
                    slip("none", "H₀ is the identity, not scaled by the curvature"),
                ),
            ),
        ),
        build=_lbfgs,
        elementwise=False,
        wants="iterates",
    ),
)
