"""What formulas of returns and advantages take: rewards, values, the ends of episodes, the discount."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from genverify.formulas.hyperparameter import hyperparameter
from genverify.subjects.domains import binary
from genverify.subjects.parametrisation import any_real
from genverify.subjects.specification import Argument, Form, Layout
from genverify.subjects.structured_domains import mask

__all__ = ["NEXT_DONE", "NEXT_VALUE", "SIZES", "TRAJECTORIES", "ends", "gamma", "one_state_more", "rewards", "values"]

_DONE = (
    "dones", "done", "terminals", "terminal", "terminated", "d", "ds", "is_done", "is_terminal", "done_flags", "ends",
    "episode_ends", "dones_t", "terminations", "done_mask", "is_terminals",
)  # fmt: skip
_KEPT = (
    "masks", "mask", "not_dones", "not_done", "nonterminals", "nonterminal", "continues", "cont", "non_terminal",
    "nonterms", "notdone", "undone", "undones", "bootstrap_mask",
)  # fmt: skip
SIZES = {"time": (3, 4, 5, 1), "state": (4, 5, 6, 2)}


def _complement(kept: torch.Tensor) -> torch.Tensor:
    return 1.0 - kept.to(torch.float64)


def ends(axes: str) -> Argument:
    """Whether the episode ends at a step: 1 where it does, or its complement, or flags of type bool."""
    forms = (
        Form(name="dones", domain=binary(), aliases=_DONE, otherwise="flags"),
        Form(name="masks", domain=binary(), aliases=_KEPT, canonical=_complement, otherwise="kept_flags"),
        Form(name="flags", domain=mask(some=False), aliases=("done_bools",)),
        Form(name="kept_flags", domain=mask(some=False), aliases=("alive",), canonical=_complement),
    )
    return Argument(name="dones", axes=axes, forms=forms, default=None, differentiable=False)


NEXT_DONE = Argument(
    name="next_done", axes="batch", default=None, differentiable=False,
    forms=(Form(name="next_done", domain=binary(),
                aliases=("last_done", "last_dones", "next_dones", "final_done", "done_last", "next_terminal")),),
)  # fmt: skip
NEXT_VALUE = any_real(
    "next_value", "batch", "last_value", "last_values", "bootstrap_value", "bootstrap", "next_val", "last_val",
    "final_value", "value_last", "bootstrap_values", "v_last", "last_v", "next_v", "end_v", "r_last", "v_final",
    "next_state_value", "value_next", default=None, differentiable=False,
)  # fmt: skip


def gamma(default: float) -> Argument:
    """The discount, a plain number."""
    return hyperparameter(
        "gamma", "discount", "discount_factor", "g", "discount_rate", "gamma_", "y", default=default, low=0.5,
        high=0.99, apart=(1.0, 0.0),
    )  # fmt: skip


def rewards(axes: str) -> Argument:
    """Rewards, which are data."""
    return any_real("rewards", axes, "reward", "r", "rews", "rew", "rs", "R", differentiable=False)


def values(axes: str) -> Argument:
    """The critic's values of the states."""
    return any_real(
        "values", axes, "value", "v", "V", "vals", "v_s", "state_values", "vpred", "baselines", "vs", "critic_values",
        "value_preds", "val", "baseline", differentiable=False,
    )  # fmt: skip


def one_state_more(sizes: Mapping[str, int], known: Mapping[str, Any]) -> Mapping[str, int]:
    """Values at one state more than there are rewards, in the layouts that have them so."""
    return {"state": sizes["time"] + 1} if "state" in sizes else {}


_STEPWISE = ("rewards", "dones", "next_values", "return")


def _trajectories(values: str, note: str) -> tuple[Layout, ...]:
    instead = {} if values == "time" else {"values": f"batch {values}"}
    flat = {} if values == "time" else {"values": values}
    return (
        Layout(name=f"batch, time{note}", instead=instead,
               shapes={**dict.fromkeys(_STEPWISE, "batch time"), "values": f"batch {values}"}),
        Layout(name=f"time, batch{note}", instead=instead,
               shapes={**dict.fromkeys(_STEPWISE, "time batch"), "values": f"{values} batch"}),
        Layout(name=f"one trajectory at a time{note}", drop=("batch",), instead=flat),
    )  # fmt: skip


# Values of the states before each step, with what follows the last one apart; or of all states, one more.
TRAJECTORIES = (*_trajectories("time", ""), *_trajectories("state", ", a value of the last state with the others"))
