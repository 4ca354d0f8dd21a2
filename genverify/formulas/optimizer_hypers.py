"""Hyperparameters and conventions that many rules share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from genverify.formulas.optimizer_rule import Axis, Hyper, Value, accepted, recognised

__all__ = [
    "B1",
    "B2",
    "COMMON",
    "COUPLED",
    "DECAY",
    "DECAY_AFTER",
    "EPS",
    "EPS_EITHER",
    "EPS_NAMES",
    "INDIFFERENT",
    "L2",
    "LH",
    "LR",
    "MAXIMIZE",
    "RATE",
    "decay_axis",
    "flags_of",
]

LR = Hyper(name="lr", aliases=("learning_rate", "step_size", "eta", "lr0", "stepsize", "rate", "alpha", "gamma"))
RATE = Hyper(name="lr", aliases=("learning_rate", "step_size", "eta", "lr0", "stepsize", "rate"))
EPS_NAMES = ("epsilon", "e", "delta", "eps_hat", "epsilon_hat", "eta_eps")
DECAY = Hyper(name="weight_decay", aliases=("wd", "l2", "lambda_", "weight_decay_rate"), default=0.0, trials=(0.1, 0.0))
MAXIMIZE = Hyper(name="maximize", aliases=("maximise", "ascent"), default=False, trials=(True,))
INDIFFERENT = (Hyper(name="foreach", trials=(True,)), Hyper(name="fused", trials=(True,)))
COMMON = (DECAY, MAXIMIZE, *INDIFFERENT)
L2 = accepted("coupled", "coupled decay", "torch.optim")
LH = "Loshchilov & Hutter 2019, algorithm 2"


def decay_axis(*values: Value) -> Axis:
    """The axis of where the weight decay λ acts, with these conventions."""
    return Axis(name="decay", needs="weight_decay", values=values)


COUPLED = decay_axis(
    L2,
    recognised("decoupled", "decoupled decay η λ θ", LH),
    recognised("decoupled_unscaled", "decoupled decay λ θ", LH),
)


def flags_of(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The flags that every recurrence heeds, out of all hyperparameters."""
    return {"maximize": bool(flags.get("maximize"))}


B1 = Hyper(name="beta1", aliases=("beta_1", "b1", "betas[0]"), default=0.9, trials=(0.5, 0.0))
B2 = Hyper(name="beta2", aliases=("beta_2", "b2", "betas[1]"), default=0.999, trials=(0.9,))
EPS = Hyper(name="eps", aliases=EPS_NAMES, default=1e-8, trials=(1e-3,))
EPS_EITHER = (
    accepted("outside", "ε outside the root", "torch.optim"),
    accepted("inside", "ε inside the root", "TensorFlow"),
)
DECAY_AFTER = ("decoupled_after", "decoupled decay applied after the step", "transformers.AdamW")
