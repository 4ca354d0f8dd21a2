"""The rules of the catalogue: gradient descent, momentum in its forms, Adagrad, RMSProp, Adam and its kin, as data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genverify.errors import UsageError, nearest
from genverify.formulas.optimizer_rule import Axis, Hyper, Rule, Value, accepted, recognised, slip

if TYPE_CHECKING:
    from genverify.oracles.recurrences import Recurrence

__all__ = ["RULES", "find_rule"]

_LR = Hyper(name="lr", aliases=("learning_rate", "step_size", "eta", "lr0", "stepsize", "rate", "alpha", "gamma"))
_RATE = Hyper(name="lr", aliases=("learning_rate", "step_size", "eta", "lr0", "stepsize", "rate"))
_EPS_NAMES = ("epsilon", "e", "delta", "eps_hat", "epsilon_hat", "eta_eps")
_DECAY = Hyper(name="weight_decay", aliases=("wd", "l2", "lambda_", "weight_decay_rate"), default=0.0, trials=(0.1,))
_MAXIMIZE = Hyper(name="maximize", aliases=("maximise", "ascent"), default=False, trials=(True,))
_INDIFFERENT = (Hyper(name="foreach", trials=(True,)), Hyper(name="fused", trials=(True,)))
_COMMON = (_DECAY, _MAXIMIZE, *_INDIFFERENT)

_TORCH_SGD = "torch.optim.SGD"
_L2 = accepted("coupled", "coupled decay", "torch.optim")
_LH = "Loshchilov & Hutter 2019, algorithm 2"


def _decay_axis(*values: Value) -> Axis:
    return Axis(name="decay", needs="weight_decay", values=values)


_COUPLED = _decay_axis(
    _L2,
    recognised("decoupled", "decoupled decay η λ θ", _LH),
    recognised("decoupled_unscaled", "decoupled decay λ θ", _LH),
)


def _flags(flags: Mapping[str, Any]) -> dict[str, Any]:
    return {"maximize": bool(flags.get("maximize"))}


def _descent(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_momentum import descent

    return descent(decay=choices.get("decay", "none"), **_flags(flags))


def _momentum(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_momentum import descent, momentum

    decay = choices.get("decay", "none")
    if "form" not in choices:  # the axis is idle: there is no momentum
        return descent(decay=decay, **_flags(flags))
    return momentum(choices["form"], velocity=choices.get("velocity", "unit"), decay=decay, **_flags(flags))


def _sgd(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    form = choices.get("form")
    if form in ("torch", "damped") and flags.get("nesterov"):
        choices = {**choices, "form": f"{form}_nesterov"}
    return _momentum(choices, flags)


def _adam(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_adaptive import adam

    maximum = choices.get("maximum", "none") if flags.get("amsgrad") else "none"
    return adam(
        epsilon=choices.get("epsilon", "outside"),
        correction=choices["correction"],
        decay=choices.get("decay", "none"),
        maximum="none" if maximum == "not_stored" else maximum,
        second=choices.get("second", "square"),
        **_flags(flags),
    )


def _rmsprop(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_adaptive import rmsprop

    return rmsprop(
        epsilon=choices.get("epsilon", "outside"),
        center=choices.get("center", "none"),
        form=choices.get("form", "none"),
        decay=choices.get("decay", "none"),
        **_flags(flags),
    )


def _adagrad(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_adaptive import adagrad

    return adagrad(
        epsilon=choices.get("epsilon", "outside"),
        accumulator=choices["accumulator"],
        decay=choices.get("decay", "none"),
        **_flags(flags),
    )


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
        hypers=(_LR, _BETA, Hyper(name="nesterov"), *_COMMON),
        axes=(_forms(own, *others), _VELOCITY, _COUPLED),
        build=_momentum,
        **rest,
    )


_B1 = Hyper(name="beta1", aliases=("beta_1", "b1", "betas[0]"), default=0.9, trials=(0.5, 0.0))
_B2 = Hyper(name="beta2", aliases=("beta_2", "b2", "betas[1]"), default=0.999, trials=(0.9,))
_EPS = Hyper(name="eps", aliases=_EPS_NAMES, default=1e-8, trials=(1e-3,))
_AMSGRAD = Hyper(name="amsgrad", aliases=("ams", "use_amsgrad"), default=False, trials=(True,))
_KB = "Kingma & Ba 2015"
_EPSILON = Axis(
    name="epsilon",
    needs="eps",
    values=(
        accepted("outside", "ε outside the root", f"{_KB}, algorithm 1"),
        accepted("hat", "ε̂ added to √v before the bias correction", f"{_KB}, end of section 2"),
        recognised("inside", "ε inside the root √(v̂ + ε)", "optax.adam(eps_root=)"),
        recognised("inside_hat", "ε inside the root √(v + ε) before the bias correction", "Graves 2013, eq. (40)"),
        slip("no_root", "no square root of v̂"),
    ),
)
_BOTH = ("both", "both moments corrected", f"{_KB}, algorithm 1")
_NONE = ("none", "no bias correction", "Reddi et al. 2018, algorithm 2; BertAdam")
_PARTIAL = (slip("first", "only m corrected"), slip("second", "only v corrected"))
_SECOND = Axis(
    name="second",
    values=(
        accepted("square", ""),
        slip("absolute", "|g| in place of g² in the second moment"),
        slip("momentum", "m² in place of g² in the second moment"),
    ),
)
_AFTER = ("decoupled_after", "decoupled decay applied after the step", "transformers.AdamW")


def _maximum(*values: Value) -> Axis:
    return Axis(name="maximum", needs="amsgrad", values=(*values, slip("not_stored", "the maximum of v is not kept")))


_MAXIMUM = _maximum(
    accepted("v", "maximum of v", "Reddi et al. 2018, algorithm 2; torch.optim.Adam"),
    accepted("v_hat", "maximum of v̂", "optax.amsgrad"),
)
_ADAM_HYPERS = (_LR, _B1, _B2, _EPS, _AMSGRAD, *_COMMON)
_ADAM_DECAY = _decay_axis(
    _L2,
    recognised("decoupled", "decoupled decay η λ θ", f"{_LH}: that is AdamW"),
    recognised("decoupled_unscaled", "decoupled decay λ θ", _LH),
    recognised(*_AFTER),
)
_ALPHA = Hyper(
    name="alpha",
    aliases=("rho", "decay", "decay_rate", "gamma", "beta", "beta2", "smoothing", "discount"),
    default=0.99,
    trials=(0.5,),
)
_EPS_EITHER = (
    accepted("outside", "ε outside the root", "torch.optim"),
    accepted("inside", "ε inside the root", "TensorFlow"),
)


def _adam_rule(name: str, statement: str, source: str, correction: Axis, decay: Axis, **rest: Any) -> Rule:  # noqa: ANN401 - fields of Rule  # noqa: ANN401
    return Rule(
        name=f"optimizer.{name}",
        statement=statement,
        source=source,
        hypers=_ADAM_HYPERS,
        axes=(_EPSILON, correction, _MAXIMUM, decay, _SECOND),
        build=_adam,
        **rest,
    )


_CORRECTION = Axis(name="correction", values=(accepted(*_BOTH), recognised(*_NONE), *_PARTIAL))

_ALL = (
    Rule(
        name="optimizer.gradient_descent",
        aliases=("gd",),
        statement="θ ← θ - η g",
        source="Cauchy 1847; the Blog's algorithm",
        hypers=(_LR, *_COMMON),
        axes=(_COUPLED,),
        build=_descent,
    ),
    Rule(
        name="optimizer.sgd",
        aliases=("torch_sgd",),
        source=_TORCH_SGD,
        statement="d = g + λ θ; b ← d at first, then μ b + (1 - τ) d; θ ← θ - η b, or θ - η (d + μ b) with nesterov",
        hypers=(
            _LR,
            Hyper(name="momentum", aliases=("mu", "beta"), default=0.0, trials=(0.9,)),
            _DAMPENING,
            _NESTEROV,
            *_COMMON,
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
            _COUPLED,
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
    Rule(
        name="optimizer.adagrad",
        statement="G ← G + g²; θ ← θ - η g / (√G + ε)",
        source="Duchi, Hazan & Singer 2011, figure 1",
        hypers=(
            _LR,
            Hyper(name="lr_decay", default=0.0, trials=(0.1,)),
            Hyper(name="eps", aliases=_EPS_NAMES, default=1e-10, trials=(1e-3,)),
            Hyper(
                name="initial_accumulator_value", aliases=("initial_accumulator", "init"), default=0.0, trials=(0.5,)
            ),
            *_COMMON,
        ),
        axes=(
            Axis(name="epsilon", values=(*_EPS_EITHER, slip("no_root", "no square root of G"))),
            Axis(name="accumulator", values=(accepted("sum", ""), slip("absolute", "|g| in place of g²"))),
            _COUPLED,
        ),
        build=_adagrad,
    ),
    Rule(
        name="optimizer.rmsprop",
        statement="v ← α v + (1 - α) g²; θ ← θ - η g / (√v + ε)",
        source="Tieleman & Hinton 2012, lecture 6e; Graves 2013, eqs. (38)-(45)",
        hypers=(
            _RATE,
            _ALPHA,
            Hyper(name="eps", aliases=_EPS_NAMES, default=1e-8, trials=(1e-3,)),
            Hyper(name="centered", aliases=("center", "centred"), default=False, trials=(True,)),
            Hyper(name="momentum", aliases=("mu",), default=0.0, trials=(0.5,)),
            *_COMMON,
        ),
        axes=(
            Axis(name="epsilon", values=(*_EPS_EITHER, slip("no_root", "no square root of v"))),
            Axis(
                name="center",
                needs="centered",
                values=(
                    accepted("variance", "v - m²", "Graves 2013, eq. (40)"),
                    slip("mean", "v - m in place of v - m²"),
                    slip("none", "not centred"),
                ),
            ),
            Axis(
                name="form",
                needs="momentum",
                values=(
                    accepted("unit", "", "torch.optim.RMSprop"),
                    accepted("folded", "η inside the velocity", "TensorFlow"),
                ),
            ),
            _COUPLED,
        ),
        build=_rmsprop,
    ),
    _adam_rule(
        "adam",
        "m ← β₁ m + (1-β₁) g; v ← β₂ v + (1-β₂) g²; θ ← θ - η m̂ / (√v̂ + ε)",
        f"{_KB}, algorithm 1",
        _CORRECTION,
        _ADAM_DECAY,
    ),
    _adam_rule(
        "adamw",
        "Adam with θ ← θ - η λ θ beside the step, not in the gradient",
        _LH,
        _CORRECTION,
        _decay_axis(
            accepted("decoupled", "decoupled decay η λ θ", "torch.optim.AdamW"),
            accepted("decoupled_unscaled", "decoupled decay λ θ", _LH),
            recognised("coupled", "coupled decay", "torch.optim.Adam"),
            recognised(*_AFTER),
        ),
    ),
    _adam_rule(
        "amsgrad",
        "Adam with the running maximum of v in the denominator",
        "Reddi et al. 2018, algorithm 2",
        Axis(name="correction", values=(accepted(*_BOTH), accepted(*_NONE), *_PARTIAL)),
        _ADAM_DECAY,
        implied={"amsgrad": True},
    ),
)

RULES: dict[str, Rule] = {rule.name: rule for rule in _ALL}


def find_rule(name: str) -> Rule:
    """The rule of that name, with or without ``optimizer.`` before it, or of that alias.

    Raises:
        UsageError: There is no such rule.

    >>> find_rule("adam").name
    'optimizer.adam'
    """
    bare = name.removeprefix("optimizer.")
    known = {word: rule for rule in _ALL for word in (rule.name.removeprefix("optimizer."), *rule.aliases)}
    if bare not in known:
        raise UsageError(given=f"rule {name!r}", expected="a rule of the catalogue", do=nearest(bare, sorted(known)))
    return known[bare]
