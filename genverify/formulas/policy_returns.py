"""Returns, temporal differences and generalised advantages as formulas."""

from __future__ import annotations

from genverify.formulas.catalogue import formula
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.policy_arguments import (
    NEXT_DONE,
    NEXT_VALUE,
    SIZES,
    TRAJECTORIES,
    ends,
    gamma,
    one_state_more,
    rewards,
    values,
)  # fmt: skip
from genverify.formulas.references import declares_reference
from genverify.oracles import policy as oracle
from genverify.reference.estimators import advantages as reference
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real
from genverify.subjects.specification import Axis, Option, Specification

__all__ = ["GAE", "RETURNS", "TD_ERROR"]

_FLAGS = Axis(
    name="flags",
    options=(
        Option(name=""),
        Option(name="read one step late", keywords={"late": True}, accepted=False,
               note="the flag of step t + 1 stands at step t, as if it said that the episode ended before the step"),
    ),
)  # fmt: skip
_SCALED = Option(
    name="standardised", keywords={"scale": 1e-8}, accepted=False,
    note="divided by its spread over the trajectory: another formula, policy.standardised_advantage, of it",
)  # fmt: skip

RETURNS = formula(
    Specification(
        name="policy.returns",
        statement="G_t = r_t + γ (1 − d_t) G_{t+1}, begun at the value of the last state, or at 0",
        source="Sutton & Barto 2018, eq. 3.8 and 3.9",
        arguments=(rewards("batch time"), gamma(1.0), ends("batch time"), NEXT_VALUE, NEXT_DONE),
        oracle=oracle.returns,
        output="batch time", gradient=False,
        dialects=(
            _FLAGS,
            Axis(name="horizon", options=(
                Option(name=""),
                Option(name="the whole return at every step", keywords={"horizon": "whole"}, accepted=False,
                       note="what came before the action is counted, too: no bias in a policy gradient, more variance"),
                Option(name="discounted from the start", keywords={"horizon": "start"}, accepted=False,
                       note="γ^t G_t, which weighs late steps less"),
                # Among these, since of one and the same number at every step there is no spread to divide by.
                _SCALED,
            )),
        ),
        layouts=TRAJECTORIES[:3], sizes=SIZES, operations=64,
        derivation="policy.returns.sum",
    )
)  # fmt: skip

TD_ERROR = formula(
    Specification(
        name="policy.td_error",
        statement="δ = r + γ (1 − d) V(s') − V(s)",
        source="Sutton & Barto 2018, eq. 6.5",
        arguments=(
            any_real("reward", "batch", "rewards", "r", "rew", "rews", "rs", "R", "reward_t1", "reward_t"),
            any_real("value", "batch", "values", "v", "V", "v_t", "state_value", "q", "q_value", "q_values", "v_s",
                     "value_t", "value_t0", "val", "q_sa", "state_values", "current_value", "vs"),
            any_real("next_value", "batch", "next_values", "v_next", "next_v", "v_tp1", "next_state_value", "next_q",
                     "value_next", "v_prime", "value_t1", "next_val", "target_value", "v_s_", "next_state_values",
                     "next_q_values", "bootstrap_value", "max_next_q", "next_q_value", "v_t1"),
            gamma(0.99),
            ends("batch"),
        ),
        oracle=oracle.td_error,
        output="batch", gradient=False,
        dialects=(
            Axis(name="sign", options=(
                Option(name=""),
                Option(name="the value less its target", keywords={"sign": -1.0}, accepted=False,
                       note="V is moved against δ: with the wrong sign it runs away from its target"),
            )),
        ),
        derivation="policy.td_error.mean",
    )
)  # fmt: skip

GAE = formula(
    Specification(
        name="policy.gae",
        statement="A_t = δ_t + γ λ (1 − d_t) A_{t+1}, δ_t = r_t + γ (1 − d_t) V(s_{t+1}) − V(s_t)",
        source="Schulman, Moritz, Levine, Jordan & Abbeel 2016, eq. 16",
        arguments=(
            rewards("batch time"), values("batch time"), gamma(0.99),
            hyperparameter("lam", "lambda_", "gae_lambda", "lmbda", "lambd", "tau", "lamda", "lam_", "gae_lam", "l",
                           "lamb", "lmda", default=0.95, low=0.5, high=0.99, apart=(0.0, 1.0)),
            ends("batch time"), NEXT_VALUE,
            any_real("next_values", "batch time", "values_next", "v_next", "next_vals", "v_s_", "next_state_values",
                     "next_vs", default=None, differentiable=False),
            NEXT_DONE,
        ),
        oracle=oracle.gae,
        output="batch time", gradient=False,
        dialects=(
            _FLAGS,
            Axis(name="end", options=(
                Option(name=""),
                Option(name="the sum runs on behind an end", keywords={"through": "sum"}, accepted=False,
                       note="1 − d is missing from the recursion: advantages of the next episode leak into this one"),
                Option(name="the next episode's value behind an end", keywords={"through": "value"}, accepted=False,
                       note="1 − d is missing from δ: the value of the next episode's first state is taken for what "
                       "follows"),
            )),
            Axis(name="result", options=(
                Option(name=""),
                Option(name="plus the values", keywords={"plus_values": True}, accepted=False,
                       note="the λ-return A + V, the critic's target"),
                _SCALED,
            )),
        ),
        layouts=TRAJECTORIES, sizes=SIZES, settle=one_state_more, operations=64,
        derivation="policy.gae.double_sum",
    )
)  # fmt: skip


@declares_reference
def policy_returns() -> Formula:
    """The reference returns."""
    return Formula(reference.returns, like="policy.returns")


@declares_reference
def policy_td_error() -> Formula:
    """The reference temporal difference."""
    return Formula(reference.td_error, like="policy.td_error")


@declares_reference
def policy_gae() -> Formula:
    """The reference advantages."""
    return Formula(reference.gae, like="policy.gae")
