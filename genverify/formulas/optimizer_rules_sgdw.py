"""The rule SGDW: momentum with decoupled weight decay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genverify.formulas.optimizer_hypers import COMMON, LR, decay_axis, flags_of
from genverify.formulas.optimizer_rule import Axis, Hyper, Rule, accepted, recognised, slip

if TYPE_CHECKING:
    from genverify.oracles.recurrences import Recurrence

__all__ = ["RULES"]


def _sgdw(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_momentum import descent, momentum

    decay = choices.get("decay", "none")
    if "form" not in choices:  # the axis is idle: there is no momentum
        return descent(decay=decay, **flags_of(flags))
    form = choices["form"]
    if flags.get("nesterov"):
        form = {"torch": "torch_nesterov", "damped": "damped_nesterov"}.get(form, form)
    return momentum(form, velocity=choices.get("velocity", "folded"), decay=decay, **flags_of(flags))


_LH = "Loshchilov & Hutter 2019, algorithm 1"

RULES = (
    Rule(
        name="optimizer.sgdw",
        statement="m ← β m + η g; θ ← θ - m - λ θ",
        source=_LH,
        hypers=(
            LR,
            Hyper(name="momentum", aliases=("mu", "beta", "beta1", "momentum_factor"), default=0.9, trials=(0.5,)),
            Hyper(name="dampening", aliases=("damping",), default=0.0, trials=(0.5,)),
            Hyper(name="nesterov", default=False, trials=(True,)),
            *COMMON,
        ),
        axes=(
            decay_axis(
                accepted("decoupled_unscaled", "decoupled decay λ θ", _LH),
                accepted("decoupled", "decoupled decay η λ θ", "timm.optim.SGDW"),
                recognised("coupled", "coupled decay", "torch.optim.SGD"),
            ),
            Axis(
                name="velocity",
                needs="momentum",
                values=(
                    accepted("folded", "η inside the velocity", _LH),
                    accepted("unit", "η outside the velocity", "timm.optim.SGDW"),
                    slip("stale", "θ moved by the old velocity, which is updated after the step"),
                ),
            ),
            Axis(
                name="form",
                needs="momentum",
                values=(
                    accepted("torch", "", "timm.optim.SGDW"),
                    recognised("damped", "first step damped, too"),
                    recognised("ema", "average m = β m + (1 - β) g"),
                ),
            ),
        ),
        build=_sgdw,
        legal=lambda h: not h.get("nesterov") or (bool(h.get("momentum")) and not h.get("dampening")),
    ),
)
