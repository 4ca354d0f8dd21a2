"""Advantages relative to a group, to the other samples, to a running average: rewards less a baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from genverify.formulas.catalogue import formula
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.plain_numbers import number
from genverify.formulas.references import declares_reference
from genverify.oracles import policy as oracle
from genverify.reference.estimators import advantages as reference
from genverify.subjects.choices import option
from genverify.subjects.domains import integer
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real
from genverify.subjects.specification import Argument, Axis, Form, Layout, Option, Specification

__all__ = ["EMA_BASELINE", "GROUP_MEAN", "LEAVE_ONE_OUT", "STANDARDISED"]

Terms = tuple[torch.Tensor, ...]

_REWARDS = (
    "reward", "r", "rs", "scores", "returns", "rlhf_reward", "rlhf_rewards", "advantages", "adv", "advantage", "rews",
    "group_rewards", "x", "R", "G", "values", "rew",
)  # fmt: skip
_SIZES = {"group": (3, 4, 2), "flat": (6, 8, 12), "batch": (2, 3)}
_GROUP_SIZE = option(
    "group_size", integer(2, 3), None, "num_generations", "rloo_k", "k", "K", "n_samples", "num_samples", "group",
    "n_generations", "samples_per_prompt", "num_return_sequences", "n_per_prompt", "rollouts_per_example",
)  # fmt: skip
_LAYOUTS = (
    Layout(name="flat, group after group", instead={"rewards": "flat"}, needs=("group_size",)),
    Layout(name="a row for each group", shapes={"rewards": "batch group", "return": "batch group"}),
    Layout(name="a column for each group", shapes={"rewards": "group batch", "return": "group batch"}),
    Layout(name="one group", drop=("batch",), shapes={"rewards": "group", "return": "group"}),
)
_ORDER = Axis(
    name="order",
    options=(
        Option(name=""),
        Option(name="strided", keywords={"strided": True}, accepted=False,
               note="reshaped as [group, prompts]: right only where the members of a group do not lie side by side"),
    ),
)  # fmt: skip


def _whole_groups(sizes: Mapping[str, int], known: Mapping[str, Any]) -> Mapping[str, int]:
    """A flat row holds two groups or more, whole ones; a row has as many members as the group is said to have."""
    size = known.get("group_size")
    if size is None:
        return {}
    flat = {"flat": max(2 * size, sizes["flat"] - sizes["flat"] % size)} if "flat" in sizes else {}
    return {**flat, **({"group": size} if "group" in sizes else {})}


def _grouped(terms: Callable[..., Terms]) -> Callable[..., Terms]:
    """The terms of each group, where the groups lie one after the other in a row."""

    def found(rewards: torch.Tensor, group_size: int | None = None, strided: bool = False, **rest: Any) -> Terms:  # noqa: ANN401
        if group_size is None or rewards.dim() > 1:
            return terms(rewards, **rest)
        if rewards.shape[-1] == group_size:  # code that is told how large groups are is given several of them
            return (rewards * torch.nan,)
        table = rewards.reshape(group_size, -1).mT if strided else rewards.reshape(-1, group_size)
        parts = terms(table, **rest)
        return tuple((one.mT if strided else one).reshape(-1) for one in parts)

    return found


def _against_mean(rewards: torch.Tensor, *, slip: str = "") -> Terms:
    if slip == "all":
        return tuple(one.reshape(rewards.shape) for one in oracle.centred(rewards.reshape(1, -1)))
    return oracle.standardised(rewards) if slip == "scaled" else oracle.centred(rewards, leave_one_out=slip == "others")


def _against_others(rewards: torch.Tensor, *, slip: str = "") -> Terms:
    if slip == "baseline":
        total, own = oracle.centred(rewards, leave_one_out=True)[1:]
        return -total, -own
    return oracle.centred(rewards, leave_one_out=slip != "own")


def _standardised(
    rewards: torch.Tensor, eps: torch.Tensor | float | None = None, *, constant: float = 1e-8, over: str = "",
    biased: bool = False, place: str = "",
) -> Terms:  # fmt: skip
    table = rewards.reshape(1, -1) if over == "all" else rewards
    given = {"eps": constant if eps is None else eps, "biased": biased, "place": place}
    parts = oracle.standardised(table, together=over == "spread", **given)
    return tuple(one.reshape(rewards.shape) for one in parts)


def _slip(name: str, word: str, note: str) -> Option:
    return Option(name=name, keywords={"slip": word}, accepted=False, note=note)


def _specification(
    name: str, statement: str, source: str, terms: Callable[..., Terms], *axes: Axis, derivation: str,
    arguments: tuple[Argument, ...] = (), operations: int = 32,
) -> Specification:  # fmt: skip
    return formula(
        Specification(
            name=name, statement=statement, source=source, oracle=_grouped(terms),
            arguments=(
                any_real("rewards", "batch group", *_REWARDS, differentiable=False), _GROUP_SIZE,
                *arguments,
            ),
            output="batch group", gradient=False, dialects=axes, layouts=_LAYOUTS, sizes=_SIZES,
            settle=_whole_groups, derivation=derivation, operations=operations,
        )
    )  # fmt: skip


GROUP_MEAN = _specification(
    "policy.group_mean_advantage", "r_i − (1/G) Σ_j r_j", "Shao et al. 2024, section 4.1; Liu et al. 2025, section 3.2",
    _against_mean,
    Axis(name="baseline", options=(
        Option(name=""),
        _slip("over all groups", "all", "the mean of the whole batch, and not of the group"),
        _slip("divided by the spread", "scaled", "that is policy.standardised_advantage"),
        _slip("of the others", "others", "that is policy.leave_one_out_advantage, G/(G − 1) of this"),
    )),
    _ORDER,
    derivation="policy.group_mean_advantage.shrinks",
)  # fmt: skip

LEAVE_ONE_OUT = _specification(
    "policy.leave_one_out_advantage", "r_i − (1/(G−1)) Σ_{j≠i} r_j",
    "Kool, van Hoof & Welling 2019; Ahmadian et al. 2024, section 2.2", _against_others,
    Axis(name="baseline", options=(
        Option(name=""),
        _slip("of the whole group", "own", "the own reward is in the mean: (1 − 1/G) of the advantage"),
        _slip("the baseline alone", "baseline", "the mean of the others, and not what the reward is above it"),
    )),
    _ORDER,
    derivation="score_function.leave_one_out",
)  # fmt: skip


def _guard(constant: float, place: str = "") -> Option:
    name = " ".join(word for word in (f"ε = {constant:g}", place and _PLACES[place]) if word)
    return Option(name=name, keywords={"constant": constant, "place": place})


_PLACES = {"root": "under the root", "floor": "as a floor"}
_NO_GUARD = Option(
    name="no ε", keywords={"constant": 0.0}, accepted=False,
    note="0/0 where all rewards are equal, as in a group that is solved or lost",
)  # fmt: skip

STANDARDISED = _specification(
    "policy.standardised_advantage", "(r_i − mean r)/(std r + ε), std over n − 1 or n",
    "Shao et al. 2024, section 4.1; Andrychowicz et al. 2021, section 3.4 (over a batch)", _standardised,
    Axis(name="over", options=(
        Option(name=""), Option(name="over everything", keywords={"over": "all"}),
        Option(name="mean of the group, spread of all groups", keywords={"over": "spread"}),
    )),
    Axis(name="spread", options=(Option(name=""), Option(name="over n", keywords={"biased": True}))),
    # The constant stands where the subject is given none.
    Axis(name="ε", options=(
        Option(name=""), _guard(1e-4), _guard(1e-5), _guard(1e-8, "root"), _guard(1e-5, "root"), _guard(1e-8, "floor"),
        _NO_GUARD,
    )),
    arguments=(
        hyperparameter("eps", "epsilon", "e", "advantage_eps", "stability_eps", "adv_eps", default=None, low=1e-6,
                       high=1e-1),
    ),
    operations=64,
    derivation="policy.standardised_advantage.scale_free",
)  # fmt: skip

EMA_BASELINE = formula(
    Specification(
        name="policy.ema_baseline_advantage",
        statement="r − b, and then b ← β b + (1 − β) mean r; b = 0 at first",
        source="Williams 1992, section 4; Mnih & Gregor 2014, section 2.3",
        arguments=(
            any_real("rewards", "call batch", *_REWARDS, differentiable=False),
            Argument(name="decay", differentiable=False, default=0.9, forms=(
                Form(name="decay", domain=number(0.3, 0.97),
                     aliases=("beta", "momentum", "ema_decay", "m", "decay_rate", "baseline_decay", "baseline_momentum",
                              "mu", "smoothing", "ema_beta")),
                Form(name="rate", domain=number(0.03, 0.7), canonical=lambda rate: 1.0 - rate,
                     aliases=("lr", "tau", "baseline_lr", "step_size", "ema_rate", "one_minus_decay", "rho",
                              "learning_rate")),
            )),
            any_real("baseline", "", "b", "running_mean", "ema", "mean", "moving_average", "running_baseline", "avg",
                     "running_avg", "prev_baseline", "mean_reward", "moving_mean", "baseline_value", default=0.0,
                     differentiable=False),
        ),
        oracle=oracle.ema_advantage,
        output="batch", gradient=False,
        dialects=(
            Axis(name="baseline", options=(
                Option(name=""),
                Option(name="updated first", keywords={"seen": True}, accepted=False,
                       note="the baseline has seen its own sample, with weight (1 − β)/n: the gradient shrinks"),
            )),
            Axis(name="start", options=(
                Option(name=""),
                Option(name="begun at the first mean", keywords={"first": True}, accepted=False,
                       note="the first batch is compared with its own mean; later ones are not"),
            )),
            Axis(name="roles", options=(
                Option(name=""),
                Option(name="roles exchanged", keywords={"exchanged": True}, accepted=False,
                       note="β weighs the new rewards: the average forgets almost at once"),
            )),
        ),
        layouts=(
            Layout(name="one batch", drop=("call",), needs=("baseline",)),
            Layout(name="batch after batch"),
        ),
        sizes={"call": (1, 2, 3)},
        derivation="policy.ema_baseline_advantage.unbiased",
    )
)  # fmt: skip


def _declare(name: str, **declared: Any) -> None:  # noqa: ANN401
    """Registers the reference of that name as a subject."""

    def make() -> Formula:
        return Formula(getattr(reference, name), like=f"policy.{name}", **declared)

    make.__name__ = name
    declares_reference(make)


for _name in ("group_mean_advantage", "leave_one_out_advantage", "standardised_advantage"):
    _declare(_name)
_declare("ema_baseline_advantage", output=lambda found: found[0])
