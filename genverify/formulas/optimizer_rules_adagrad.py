"""The rules Adagrad and RMSProp: a step divided by the root of accumulated squares."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from genverify.formulas.optimizer_hypers import COMMON, COUPLED, EPS_EITHER, EPS_NAMES, LR, RATE, flags_of
from genverify.formulas.optimizer_rule import Axis, Hyper, Rule, accepted, slip

if TYPE_CHECKING:
    from genverify.oracles.recurrences import Recurrence

__all__ = ["RULES"]


def _adagrad(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_adaptive import adagrad

    return adagrad(
        epsilon=choices.get("epsilon", "outside"),
        accumulator=choices["accumulator"],
        decay=choices.get("decay", "none"),
        **flags_of(flags),
    )


def _rmsprop(choices: Mapping[str, str], flags: Mapping[str, Any]) -> Recurrence:
    from genverify.oracles.recurrences_adaptive import rmsprop

    return rmsprop(
        epsilon=choices.get("epsilon", "outside"),
        center=choices.get("center", "none"),
        form=choices.get("form", "none"),
        decay=choices.get("decay", "none"),
        **flags_of(flags),
    )


_ALPHA = Hyper(
    name="alpha",
    aliases=("rho", "decay", "decay_rate", "gamma", "beta", "beta2", "smoothing", "discount"),
    default=0.99,
    trials=(0.5,),
)

RULES = (
    Rule(
        name="optimizer.adagrad",
        statement="G ← G + g²; θ ← θ - η g / (√G + ε)",
        source="Duchi, Hazan & Singer 2011, figure 1",
        hypers=(
            LR,
            Hyper(name="lr_decay", default=0.0, trials=(0.1,)),
            Hyper(name="eps", aliases=EPS_NAMES, default=1e-10, trials=(1e-3,)),
            Hyper(
                name="initial_accumulator_value", aliases=("initial_accumulator", "init"), default=0.0, trials=(0.5,)
            ),
            *COMMON,
        ),
        axes=(
            Axis(name="epsilon", values=(*EPS_EITHER, slip("no_root", "no square root of G"))),
            Axis(name="accumulator", values=(accepted("sum", ""), slip("absolute", "|g| in place of g²"))),
            COUPLED,
        ),
        build=_adagrad,
    ),
    Rule(
        name="optimizer.rmsprop",
        statement="v ← α v + (1 - α) g²; θ ← θ - η g / (√v + ε)",
        source="Tieleman & Hinton 2012, lecture 6e; Graves 2013, eqs. (38)-(45)",
        hypers=(
            RATE,
            _ALPHA,
            Hyper(name="eps", aliases=EPS_NAMES, default=1e-8, trials=(1e-3,)),
            Hyper(name="centered", aliases=("center", "centred"), default=False, trials=(True,)),
            Hyper(name="momentum", aliases=("mu",), default=0.0, trials=(0.5,)),
            *COMMON,
        ),
        axes=(
            Axis(name="epsilon", values=(*EPS_EITHER, slip("no_root", "no square root of v"))),
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
            COUPLED,
        ),
        build=_rmsprop,
    ),
)
