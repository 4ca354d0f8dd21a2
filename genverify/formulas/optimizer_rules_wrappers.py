"""The rules of optimizers around an optimizer: Lookahead and SAM."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genverify.formulas.optimizer_hypers import B1, B2, EPS, MAXIMIZE, RATE, flags_of
from genverify.formulas.optimizer_rule import Axis, Hyper, Rule, accepted, recognised, slip

if TYPE_CHECKING:
    from genverify.oracles.recurrences import Recurrence
    from genverify.oracles.recurrences_wrapped import Lookahead, Perturbed

__all__ = ["RULES"]

_BASE = Axis(
    name="base",
    values=(
        accepted("sgd", "around SGD", "torch.optim.SGD"),
        accepted("adam", "around Adam", "torch.optim.Adam"),
        accepted("adamw", "around AdamW", "torch.optim.AdamW"),
    ),
)


def _inner(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_adaptive import adam
    from genverify.oracles.recurrences_momentum import descent, momentum

    decayed, signed = bool(flags.get("weight_decay")), flags_of(flags)
    if choices["base"] != "sgd":
        kind = "decoupled" if choices["base"] == "adamw" else "coupled"
        maximum = "v" if flags.get("amsgrad") else "none"
        return adam(epsilon="outside", correction="both", decay=kind if decayed else "none", maximum=maximum, **signed)
    decay = "coupled" if decayed else "none"
    if not flags.get("momentum"):
        return descent(decay=decay, **signed)
    return momentum("torch_nesterov" if flags.get("nesterov") else "torch", decay=decay, **signed)


def _lookahead(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Lookahead:
    from genverify.oracles.recurrences_wrapped import Lookahead

    return Lookahead(
        base=_inner(choices, flags), inner=choices["inner"], weight=choices["weight"], phase=choices["phase"]
    )


def _sam(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Perturbed:
    from genverify.oracles.recurrences_wrapped import Perturbed

    return Perturbed(base=_inner(choices, flags))


_INNER = (
    RATE,
    Hyper(name="momentum", aliases=("mu", "momentum_factor"), default=0.0),
    Hyper(name="dampening", default=0.0),
    Hyper(name="nesterov", default=False),
    B1,
    B2,
    EPS,
    Hyper(name="amsgrad", default=False),
    Hyper(name="weight_decay", aliases=("wd",), default=0.0),
    MAXIMIZE,
)

RULES = (
    Rule(
        name="optimizer.lookahead",
        statement="θ by the inner optimizer; every k steps θ ← φ + α (θ - φ), φ ← θ",
        source="Zhang, Lucas, Hinton & Ba 2019, algorithm 1",
        hypers=(
            Hyper(name="k", aliases=("la_steps", "sync_period", "lookahead_k"), default=5),
            Hyper(name="alpha", aliases=("la_alpha", "slow_step_size", "lookahead_alpha"), default=0.5),
            *_INNER,
        ),
        axes=(
            _BASE,
            Axis(
                name="inner",
                values=(
                    accepted("kept", "", "Zhang et al. 2019, section 2: the inner optimizer's state is maintained"),
                    accepted("reset", "inner buffers reset", "Zhang et al. 2019, appendix"),
                ),
            ),
            Axis(
                name="weight",
                values=(accepted("alpha", ""), slip("complement", "slow weights moved by 1 - α in place of α")),
            ),
            Axis(
                name="phase",
                values=(
                    accepted("kth", ""),
                    recognised("first", "slow weights begun after the first step, and met at steps 1, k + 1, …"),
                ),
            ),
        ),
        build=_lookahead,
        wants="all gradients",
    ),
    Rule(
        name="optimizer.sam",
        aliases=("sharpness_aware_minimization",),
        statement="ε̂ = ρ ∇L(θ)/‖∇L(θ)‖; the inner step from θ with ∇L(θ + ε̂)",
        source="Foret, Kleiner, Mobahi & Neyshabur 2021, algorithm 1 and eq. (2)",
        hypers=(Hyper(name="rho", default=0.05), *_INNER),
        axes=(_BASE,),
        build=_sam,
        wants="closure",
    ),
)
