"""The rules of gradient descent and of momentum in its forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genverify.formulas.optimizer_hypers import COMMON, COUPLED, LR, flags_of
from genverify.formulas.optimizer_rule import Axis, Hyper, Rule, Value, accepted, recognised, slip

if TYPE_CHECKING:
    from genverify.oracles.recurrences import Recurrence

__all__ = ["RULES"]

_TORCH_SGD = "torch.optim.SGD"


def _descent(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_momentum import descent

    return descent(decay=choices.get("decay", "none"), **flags_of(flags))


def _momentum(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_momentum import descent, momentum

    decay = choices.get("decay", "none")
    if "form" not in choices:  # the axis is idle: there is no momentum
        return descent(decay=decay, **flags_of(flags))
    return momentum(choices["form"], velocity=choices.get("velocity", "unit"), decay=decay, **flags_of(flags))


def _sgd(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    form = choices.get("form")
    if form in ("torch", "damped") and flags.get("nesterov"):
        choices = {**choices, "form": f"{form}_nesterov"}
    return _momentum(choices, flags)


_BETA = Hyper(
    name="momentum", aliases=("beta", "mu", "momentum_factor", "rho", "beta1", "decay_rate"), default=0.9, trials=(0.5,)
)
_DAMPENING = Hyper(name="dampening", aliases=("damping", "tau"), default=0.0, trials=(0.5,))
_NESTEROV = Hyper(name="nesterov", default=False, trials=(True,))
_HEAVY = ("heavy_ball", "heavy ball b = β b + g", "Polyak 1964, eq. (9)")
_EMA = ("ema", "average m = β m + (1 - β) g", "the Blog's momentum")
_UNDAMPED = ("ema_undamped_first", "average whose first step is undamped", "torch.optim.SGD with dampening = momentum")
_CORRECTED = ("ema_corrected", "bias-corrected average", "Kingma & Ba 2015, section 3")
_NAG = (
    "nesterov",
    "look-ahead g + β b",
    "Sutskever et al. 2013, eqs. (3)-(4), in the variable φ = θ + β v; torch.optim.SGD",
)
_NAG_EMA = ("nesterov_ema", "look-ahead (1 - β) g + β m on the average", "Dozat 2016, section 2.3")
_NO_GRADIENT = slip("nesterov_without_gradient", "look-ahead that forgets the gradient")
_FULL_GRADIENT = slip("nesterov_ema_full_gradient", "look-ahead g + β m on an average")
_VELOCITY = Axis(
    name="velocity",
    needs="momentum",
    values=(
        accepted("unit", "", _TORCH_SGD),
        accepted("folded", "η inside the velocity", "Sutskever et al. 2013, eq. (1)"),
        slip("stale", "θ moved by the old velocity, which is updated after the step"),
    ),
)


def _forms(own: tuple[Value, ...], *others: Value) -> Axis:
    return Axis(name="form", needs="momentum", values=(*own, *others))


def _momentum_rule(
    name: str,
    statement: str,
    source: str,
    own: tuple[Value, ...],
    others: tuple[Value, ...],
    **rest: Any,  # noqa: ANN401
) -> Rule:
    return Rule(
        name=f"optimizer.{name}",
        statement=statement,
        source=source,
        hypers=(LR, _BETA, Hyper(name="nesterov"), *COMMON),
        axes=(_forms(own, *others), _VELOCITY, COUPLED),
        build=_momentum,
        **rest,
    )


RULES = (
    Rule(
        name="optimizer.gradient_descent",
        aliases=("gd",),
        statement="θ ← θ - η g",
        source="Cauchy 1847; the Blog's algorithm",
        hypers=(LR, *COMMON),
        axes=(COUPLED,),
        build=_descent,
    ),
    Rule(
        name="optimizer.sgd",
        aliases=("torch_sgd",),
        source=_TORCH_SGD,
        statement="d = g + λ θ; b ← d at first, then μ b + (1 - τ) d; θ ← θ - η b, or θ - η (d + μ b) with nesterov",
        hypers=(
            LR,
            Hyper(name="momentum", aliases=("mu", "beta"), default=0.0, trials=(0.9,)),
            _DAMPENING,
            _NESTEROV,
            *COMMON,
        ),
        axes=(
            _forms(
                (accepted("torch", "first step undamped", _TORCH_SGD),),
                recognised("damped", "first step damped, too"),
                recognised(*_EMA),
                recognised("nesterov", "look-ahead g + β b"),
                _NO_GRADIENT,
            ),
            _VELOCITY,
            COUPLED,
        ),
        build=_sgd,
        legal=lambda h: not h.get("nesterov") or (bool(h.get("momentum")) and not h.get("dampening")),
    ),
    _momentum_rule(
        "heavy_ball",
        "b ← β b + g; θ ← θ - η b",
        "Polyak 1964, eq. (9); torch.optim.SGD(momentum=β)",
        (accepted(*_HEAVY),),
        (recognised(*_EMA), recognised(*_UNDAMPED), recognised(*_NAG), recognised(*_NAG_EMA), _NO_GRADIENT),
        aliases=("momentum", "polyak"),
    ),
    _momentum_rule(
        "momentum_ema",
        "m ← β m + (1 - β) g; θ ← θ - η m",
        "the Blog's momentum",
        (accepted(*_EMA),),
        (recognised(*_UNDAMPED), recognised(*_CORRECTED), recognised(*_HEAVY), recognised(*_NAG_EMA)),
        aliases=("ema", "ema_momentum"),
    ),
    _momentum_rule(
        "nesterov",
        "b ← β b + g; θ ← θ - η (g + β b)",
        "Nesterov 1983; Sutskever et al. 2013, eqs. (3)-(4); torch.optim.SGD",
        (accepted(*_NAG),),
        (recognised(*_HEAVY), recognised(*_EMA), recognised(*_NAG_EMA), _NO_GRADIENT, _FULL_GRADIENT),
        aliases=("nag",),
        implied={"nesterov": True},
    ),
    _momentum_rule(
        "nesterov_ema",
        "m ← β m + (1 - β) g; θ ← θ - η ((1 - β) g + β m)",
        "Dozat 2016, section 2.3",
        (accepted(*_NAG_EMA),),
        (_FULL_GRADIENT, recognised(*_EMA), recognised(*_NAG), recognised(*_HEAVY), _NO_GRADIENT),
        implied={"nesterov": True},
    ),
)
