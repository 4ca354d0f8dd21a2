"""Policy gradients as pointwise formulas: the loss of an episode, of an actor with a critic, the clipped surrogate."""

from __future__ import annotations

import torch

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.policy_arguments import ends, gamma
from genverify.formulas.references import declares_reference
from genverify.oracles import policy as oracle
from genverify.reference.estimators import policy_gradient as reference
from genverify.reference.estimators import ppo
from genverify.subjects.domains import positive, real, unit_interval
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real
from genverify.subjects.specification import BATCHED, Argument, Axis, Form, Layout, Option, Specification

__all__ = ["ACTOR_LOSS", "GRADIENT_LOSS", "PPO_CLIP"]

_SIGN = Axis(
    name="sign",
    options=(
        Option(name=""),
        Option(
            name="not negated", keywords={"sign": 1.0}, accepted=False, note="the objective, and not a loss to minimise"
        ),
    ),
)
_LOG_PROBS = ("log_prob", "logp", "log_p", "log_pi", "logprobs", "logps", "lp", "logprob", "log_prob_actions", "lps")
_ADVANTAGES = ("advantage", "adv", "advs", "A", "a_hat", "advantage_estimates", "gae", "advantages_t", "adv_t")
_RETURNS = ("G", "R", "gt", "rets", "discounted_returns", "td_target", "targets", "target", "q_values", "qs", "Gs")

GRADIENT_LOSS = formula(
    Specification(
        name="policy.gradient_loss",
        statement="-Σ_t log π(a_t | s_t) G_t",
        source="Sutton & Barto 2018, section 13.3",
        arguments=(
            any_real("log_probs", "batch time", "log_prob", "logp", "log_p", "log_pi", "logprobs", "logps", "lp"),
            any_real(
                "returns", "batch time", "G", "rewards", "R", "advantages", "adv", "advantage", "gt", "reward", "rets",
                "discounted_returns", differentiable=False,
            ),
        ),
        oracle=lambda log_probs, returns, sign=-1.0: sign * log_probs * returns,
        output="batch time",
        dialects=(reduction("time", ("sum", "mean", "none")), reduction("batch", ("sum", "mean", "none")), _SIGN),
        trains=True, derivation="score_function.log_derivative",
    )
)  # fmt: skip

ACTOR_LOSS = formula(
    Specification(
        name="policy.actor_loss",
        statement="−log π(a) A, with A = G − V, or r + γ (1 − d) V' − V, or as given; A is a number in the gradient",
        source="Mnih et al. 2016, section 4; Sutton & Barto 2018, section 13.5",
        arguments=(
            any_real("log_probs", "batch", *_LOG_PROBS),
            any_real("advantages", "batch", *_ADVANTAGES, differentiable=False, default=None),
            any_real("returns", "batch", *_RETURNS, differentiable=False, default=None),
            any_real("values", "batch", "value", "v", "V", "state_values", "baseline", "baselines", "vs", "state_value",
                     "critic_values", "critic_value", default=None),
            any_real("rewards", "batch", "reward", "r", "rs", "rew", "rews", differentiable=False, default=None),
            any_real("next_values", "batch", "next_value", "v_next", "values_next", "next_v", "next_state_values",
                     "next_state_value", default=None),
            ends("batch"),
            gamma(0.99),
        ),
        oracle=oracle.actor_loss,
        surrogate=lambda **given: oracle.actor_loss(**given, fixed=True),
        output="batch",
        dialects=(reduction("batch", ("mean", "sum", "none")), _SIGN),
        trains=True, derivation="policy.actor_loss.gradient",
    )
)  # fmt: skip


def _log_probs(name: str, default: object, extra: tuple[Form, ...], *aliases: str, differentiable: bool) -> Argument:
    near = real(low=-1.5, high=0.0, extreme=20.0)
    forms = (
        Form(name=name, domain=near, aliases=aliases),
        Form(name=name.replace("log_", ""), domain=unit_interval(), canonical=torch.log,
             aliases=tuple(one.replace("log_", "").replace("log", "") for one in aliases if len(one) > 5)),
        *extra,
    )  # fmt: skip
    return Argument(name=name, axes="batch time", forms=forms, default=default, differentiable=differentiable)


def _clip_bounds() -> tuple[Argument, ...]:
    return (
        hyperparameter("clip", "eps", "epsilon", "clip_eps", "clip_epsilon", "clip_range", "clip_ratio", "clip_param",
                       "eps_clip", "cliprange", "clip_coef", "ratio_clip", "policy_clip", "ppo_clip", "clip_value",
                       default=0.2, low=0.05, high=0.4),
        hyperparameter("clip_low", "eps_low", "epsilon_low", "clip_eps_low", "clip_ratio_low", "clip_epsilon_low",
                       default=None, low=0.05, high=0.4),
        hyperparameter("clip_high", "eps_high", "epsilon_high", "clip_eps_high", "clip_ratio_high", "clip_epsilon_high",
                       default=None, low=0.05, high=0.4),
        hyperparameter("dual", "dual_clip", "clip_ratio_c", "c_dual", default=None, low=1.5, high=3.0),
    )  # fmt: skip


PPO_CLIP = formula(
    Specification(
        name="policy.ppo_clip",
        statement="−min(r A, clip(r, 1 − ε, 1 + ε) A), r = π(a)/π_old(a), ε = 0.2",
        source="Schulman, Wolski, Dhariwal, Radford & Klimov 2017, eq. 7",
        arguments=(
            _log_probs(
                "log_probs", ...,
                (
                    Form(name="ratio", domain=positive(low=0.4, high=2.5, tiny=1e-6, huge=1e6), canonical=torch.log,
                         aliases=("ratios", "r", "prob_ratio", "rt", "r_t", "importance_ratio", "rho")),
                    Form(name="log_ratio", domain=real(low=-0.8, high=0.8, extreme=20.0),
                         aliases=("logratio", "log_ratios", "logratios", "log_r")),
                ),
                "log_prob", "logp", "new_log_probs", "new_log_prob", "log_probs_new", "log_prob_new", "logp_new",
                "new_logp", "curr_log_prob", "cur_log_probs", "log_pi", "logprobs", "newlogprob", "new_logprobs", "lp",
                "curr_log_probs", "current_log_probs", "log_pis", "pi_logp", "log_pi_new", "logprobs_new", "logprob",
                "per_token_logps", "log_p", "action_log_probs", "policy_log_probs", "new_policy_log_probs",
                differentiable=True,
            ),
            _log_probs(
                "old_log_probs", None, (),
                "old_log_prob", "logp_old", "log_probs_old", "log_prob_old", "old_logp", "old_logprobs", "oldlogprob",
                "log_old_pi", "log_pi_old", "b_logprobs", "logprobs_old", "old_logprob", "old_per_token_logps",
                "log_probs_prev", "prev_log_probs", "olp", "log_p_old", "old_log_pi", "old_action_log_probs",
                "behavior_log_probs", "ref_log_probs", "log_old_probs", "old_policy_log_probs", differentiable=False,
            ),
            any_real("advantages", "batch time", *_ADVANTAGES, differentiable=False),
            *_clip_bounds(),
        ),
        oracle=oracle.ppo_clip,
        output="batch time",
        dialects=(
            reduction("time", ("mean", "sum", "none")), reduction("batch", ("mean", "sum", "none")),
            Axis(name="sign", options=(
                Option(name=""),
                Option(name="the objective, to be maximised", keywords={"sign": 1.0}),
            )),
            Axis(name="bound", options=(
                Option(name=""),
                Option(name="the larger of the two", keywords={"slip": "largest"}, accepted=False,
                       note="a bound from above: an update that has gone too far is rewarded further"),
                Option(name="clipped on both sides always", keywords={"slip": "always"}, accepted=False,
                       note="there is no min: a ratio on the wrong side gets no gradient to bring it back"),
                Option(name="the least ratio, before A multiplies", keywords={"slip": "ratio"}, accepted=False,
                       note="min(r, clip r) A: for A < 0 that is the larger of the two"),
            )),
        ),
        layouts=(BATCHED, Layout(name="one number a sample", drop=("time",)), Layout(
            name="one number at a time", drop=("batch", "time"))),
        kinks=True,
        trains=True, derivation="policy.ppo_clip.cases",
    )
)  # fmt: skip


@declares_reference
def policy_gradient_loss() -> Formula:
    """The reference policy-gradient loss."""
    return Formula(reference.gradient_loss, like="policy.gradient_loss")


@declares_reference
def policy_actor_loss() -> Formula:
    """The reference loss of an actor with a critic."""
    return Formula(reference.actor_loss, like="policy.actor_loss")


@declares_reference
def policy_ppo_clip() -> Formula:
    """The reference clipped surrogate."""
    return Formula(ppo.clip_loss, like="policy.ppo_clip")
