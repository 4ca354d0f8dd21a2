"""The rules Adam, AdamW and AMSGrad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genverify.formulas.optimizer_hypers import B1, B2, COMMON, DECAY_AFTER, EPS, L2, LH, LR, decay_axis, flags_of
from genverify.formulas.optimizer_rule import Axis, Hyper, Rule, Value, accepted, recognised, slip

if TYPE_CHECKING:
    from genverify.oracles.recurrences import Recurrence

__all__ = ["RULES"]


def _adam(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_adaptive import adam

    maximum = choices.get("maximum", "none") if flags.get("amsgrad") else "none"
    return adam(
        epsilon=choices.get("epsilon", "outside"),
        correction=choices["correction"],
        decay=choices.get("decay", "none"),
        maximum="none" if maximum == "not_stored" else maximum,
        second=choices.get("second", "square"),
        **flags_of(flags),
    )


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


def _maximum(*values: Value) -> Axis:
    return Axis(name="maximum", needs="amsgrad", values=(*values, slip("not_stored", "the maximum of v is not kept")))


_MAXIMUM = _maximum(
    accepted("v", "maximum of v", "Reddi et al. 2018, algorithm 2; torch.optim.Adam"),
    accepted("v_hat", "maximum of v̂", "optax.amsgrad"),
)
_ADAM_HYPERS = (LR, B1, B2, EPS, _AMSGRAD, *COMMON)
_ADAM_DECAY = decay_axis(
    L2,
    recognised("decoupled", "decoupled decay η λ θ", f"{LH}: that is AdamW"),
    recognised("decoupled_unscaled", "decoupled decay λ θ", LH),
    recognised(*DECAY_AFTER),
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

RULES = (
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
        LH,
        _CORRECTION,
        decay_axis(
            accepted("decoupled", "decoupled decay η λ θ", "torch.optim.AdamW"),
            accepted("decoupled_unscaled", "decoupled decay λ θ", LH),
            recognised("coupled", "coupled decay", "torch.optim.Adam"),
            recognised(*DECAY_AFTER),
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
