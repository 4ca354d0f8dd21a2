"""What is claimed of returns, advantages and policy losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim
from genverify.formulas.estimator import three_outcomes

if TYPE_CHECKING:
    import sympy

__all__ = [
    "ACTOR", "EMA", "GAE", "GAE_ENDS", "GROUP_MEAN", "PPO_AT_ONE", "PPO_CASES", "RETURNS", "REWARD_TO_GO",
    "SCALE_FREE", "STANDARDISED", "TD_ERROR",
]  # fmt: skip

_SCHULMAN = "Schulman, Moritz, Levine, Jordan & Abbeel 2016"
_PPO = "Schulman, Wolski, Dhariwal, Radford & Klimov 2017"
_STEPS = 3


def trajectory() -> tuple[list[sympy.Symbol], list[sympy.Symbol], sympy.Symbol, sympy.Symbol]:
    """Rewards of three steps, values of their states and of the state behind them, γ and λ."""
    import sympy

    return (
        list(sympy.symbols("r0:3", real=True)), list(sympy.symbols("V0:4", real=True)),
        sympy.Symbol("gamma", positive=True), sympy.Symbol("lambda", positive=True),
    )  # fmt: skip


def temporal_differences() -> list[sympy.Expr]:
    """δ_t = r_t + γ V_{t+1} − V_t."""
    r, v, gamma, _ = trajectory()
    return [r[t] + gamma * v[t + 1] - v[t] for t in range(_STEPS)]


def gae_equation() -> sympy.Basic:
    """The recursion at the first step, unrolled, is the sum Σ (γλ)^s δ_s."""
    import sympy

    _, _, gamma, lam = trajectory()
    delta = sympy.symbols("delta0:3", real=True)
    recursion: sympy.Expr = sympy.S.Zero
    for one in reversed(delta):
        recursion = one + gamma * lam * recursion
    return sympy.Eq(recursion, sum((gamma * lam) ** s * delta[s] for s in range(_STEPS)), evaluate=False)


def telescoped_equation() -> sympy.Basic:
    """At λ = 1 the sum of discounted δ is the return with the last value, less the first value."""
    import sympy

    r, v, gamma, _ = trajectory()
    total = sum((gamma**s * delta for s, delta in enumerate(temporal_differences())), sympy.S.Zero)
    target = sum((gamma**s * r[s] for s in range(_STEPS)), sympy.S.Zero) + gamma**_STEPS * v[_STEPS]
    return sympy.Eq(total, target - v[0], evaluate=False)


def ppo_equation() -> sympy.Basic:
    """∂/∂θ₁ of E r A at π = π_old, for three actions: r = π_k/π_old,k and E over π_old."""
    import sympy

    theta, p, f = three_outcomes()
    old = [one.subs({t: sympy.Symbol(f"{t}_old", real=True) for t in theta}) for one in p]
    surrogate = sum((q * (one / q) * a for q, one, a in zip(old, p, f, strict=True)), sympy.S.Zero)
    objective = sum((one * a for one, a in zip(p, f, strict=True)), sympy.S.Zero)
    return sympy.Eq(sympy.diff(surrogate, theta[0]), sympy.diff(objective, theta[0]), evaluate=False)


def four_answers_equation() -> sympy.Basic:
    """Standardised advantages of four answers, rewards 0 and 1: the factor of ∇p in the mean of the estimate.

    m of the four are right, s is their standard deviation over 3; right ones have the score ∇p/p, wrong −∇p/(1 − p).
    """
    import sympy

    p, g = sympy.Symbol("p", positive=True), 4
    total: sympy.Expr = sympy.S.Zero
    for m in range(1, g):
        share = sympy.Rational(m, g)
        s = sympy.sqrt(sympy.Rational(m * (g - m), g * (g - 1)))
        mean = (m * (1 - share) / s / p + (g - m) * share / s / (1 - p)) / g
        total += sympy.binomial(g, m) * p**m * (1 - p) ** (g - m) * mean
    factor = sympy.Rational(3, 2) - (3 - 3 * sympy.sqrt(3) / 2) * p * (1 - p)
    return sympy.Eq(total, factor, evaluate=False)


RETURNS = claim(
    "policy.returns.sum",
    Status.DERIVED,
    statement="G_t = r_t + γ (1 − d_t) G_{t+1} is Σ_{s ≥ t} γ^(s−t) r_s up to the end of the episode, and with "
    "γ^(T−t) V(s_T) where the episode has none",
    source="Sutton & Barto 2018, eq. 3.8 and 3.9",
    assumptions=("the algebra is executed at three steps, and at every pattern of ends",),
)

REWARD_TO_GO = claim(
    "policy.returns.reward_to_go",
    Status.DERIVED,
    statement="Rewards before an action do not change the mean of its term: E[r_s ∇ log π(a_t)] = 0 for s < t; so the "
    "whole return and the reward-to-go give the same gradient",
    source="Sutton & Barto 2018, section 13.3; Peters & Schaal 2008, section 3.2",
    assumptions=("a_t is drawn given the past", "executed at two steps with two actions, all probabilities symbols"),
)

TD_ERROR = claim(
    "policy.td_error.mean",
    Status.DERIVED,
    statement="With the true V, E[δ | s, a] = Q(s, a) − V(s), the advantage, and E[δ | s] = 0",
    source="Sutton & Barto 2018, section 13.5; Schulman et al. 2016, section 3",
    assumptions=("executed at two actions and two following states, all probabilities symbols",),
)

GAE = claim(
    "policy.gae.double_sum",
    Status.DERIVED,
    statement="The recursion A_t = δ_t + γλ (1 − d_t) A_{t+1} is Σ_{s ≥ t} (γλ)^(s−t) δ_s, cut where an episode ends",
    source=f"{_SCHULMAN}, eq. 16",
    assumptions=("executed at three steps, and at every pattern of ends",),
    equation=gae_equation,
)

GAE_ENDS = claim(
    "policy.gae.ends",
    Status.DERIVED,
    statement="λ = 0 gives the temporal difference; λ = 1 the return, with γ^(T−t) V(s_T), less V(s_t)",
    source=f"{_SCHULMAN}, eq. 17 and 18",
    assumptions=("executed at three steps",),
    equation=telescoped_equation,
)

GROUP_MEAN = claim(
    "policy.group_mean_advantage.shrinks",
    Status.DERIVED,
    statement="r_i less the mean of the group is (1 − 1/G) of r_i less the mean of the others, so its policy gradient "
    "has the mean (1 − 1/G) ∇ E r: the right direction, half as long at G = 2",
    source="Kool, van Hoof & Welling 2019, section 3; the factor is Bessel's",
    assumptions=("the answers of a group are independent and identically distributed",),
)

STANDARDISED = claim(
    "policy.standardised_advantage.unbiased",
    Status.REFUTED,
    statement="Dividing advantages by their standard deviation only rescales the gradient",
    source="common reading of Shao et al. 2024, section 4.1",
    counterexample="rewards 0, 1 and 3 with equal chances, G = 2: two different rewards have the advantages ±1/√2, "
    "however far they lie apart, so the mean of the estimate is proportional to (−1, 0, 1), and ∇ E r to (−4, −1, 5)",
    corrected="at G = 2 the mean is √½ Σ_k ∇p_k (P(r < r_k) − P(r > r_k)): how often it wins stands for "
    "the reward. For rewards 0 and 1 the direction is that of ∇ E r, with the factor 1/√2 at G = 2 and "
    "3/2 − (3 − 3√3/2) p(1 − p) at G = 4, which depends on how hard the prompt is",
    equation=four_answers_equation,
)

SCALE_FREE = claim(
    "policy.standardised_advantage.scale_free",
    Status.DERIVED,
    statement="a r + c has the standardised advantages of r, for every a > 0 and c, at ε = 0; they sum to zero and "
    "their squares to G − 1, or G over n",
    source="Shao et al. 2024, section 4.1",
    assumptions=("the rewards are not all equal", "executed at three rewards"),
)

EMA = claim(
    "policy.ema_baseline_advantage.unbiased",
    Status.DERIVED,
    statement="A baseline of earlier batches keeps the gradient unbiased; updated first, with weight (1 − β)/n on the "
    "own reward, it shrinks the mean to 1 − (1 − β)/n of it",
    source="Williams 1992, section 4; linearity",
    assumptions=("batches are independent",),
)

ACTOR = claim(
    "policy.actor_loss.gradient",
    Status.DERIVED,
    statement="With V held fixed the loss has the mean gradient −E[(Q − V) ∇ log π] = −∇ E Q, whatever V is; where the "
    "gradient goes through V it is log π(a) there, of mean −H(π), and no error of V's",
    source="Sutton & Barto 2018, section 13.4",
    assumptions=("executed at three actions",),
)

PPO_CASES = claim(
    "policy.ppo_clip.cases",
    Status.DERIVED,
    statement="min(r A, clip(r, 1 − ε, 1 + ε) A) is min(r, 1 + ε) A for A ≥ 0 and max(r, 1 − ε) A for A < 0: it never "
    "exceeds r A, and its slope in r is A, or 0 beyond the bound on the side to which A pushes",
    source=f"{_PPO}, section 3 and figure 1",
    assumptions=("r > 0, 0 < ε < 1",),
)

PPO_AT_ONE = claim(
    "policy.ppo_clip.at_one",
    Status.DERIVED,
    statement="At π = π_old the clipped surrogate has the gradient of E A, the policy gradient",
    source=f"{_PPO}, section 2.1 and 3",
    assumptions=("executed at three actions, all logits symbols",),
    equation=ppo_equation,
)
