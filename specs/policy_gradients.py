"""Policy gradients: returns, advantages and the clipped surrogate, and what each baseline does to the mean.

An episode is a sequence of actions with rewards. Its gradient weighs the score of each action with an estimate of how
much better than usual things went after it. This page derives the estimates in use, says which keep the gradient
unbiased and by how much the others shrink or bend it, and shows where the clipped surrogate has a slope.

Sources: Williams 1992; Sutton & Barto 2018, "Reinforcement learning", chapters 3, 6 and 13; Schulman, Moritz, Levine,
Jordan & Abbeel 2016, "High-dimensional continuous control using generalized advantage estimation" (ICLR); Schulman,
Wolski, Dhariwal, Radford & Klimov 2017, "Proximal policy optimization algorithms"; Mnih et al. 2016 (ICML); Kool, van
Hoof & Welling 2019, "Buy 4 REINFORCE samples, get a baseline for free!"; Shao et al. 2024, "DeepSeekMath"; Liu et al.
2025, "Understanding R1-Zero-like training".
"""

from __future__ import annotations

import itertools

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import policy_claims as topic
from genverify.formulas.estimator import three_outcomes
from genverify.noise import expectation
from genverify.oracles import estimators as oracle
from genverify.reference.estimators import advantages, policy_gradient, ppo, score_function
from genverify.subjects.estimator import GradientEstimator

_LOGITS = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64)
_REWARDS = torch.tensor([2.0, -1.0, 0.5], dtype=torch.float64)
_PATTERNS = list(itertools.product((0, 1), repeat=3))


def passes(f, like: str, **declared) -> bool:
    """Whether every check that applies says PASS."""
    outcomes = {v.outcome for v in gv.verify(gv.Formula(f, like=f"policy.{like}", **declared), budget="quick")}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


def weighed(weigh, n):
    """The mean over n draws of weigh(rewards) times the score."""

    def estimate():
        k = torch.multinomial(torch.softmax(_LOGITS, -1), n, replacement=True)
        return score_function.log_derivative(weigh(_REWARDS[k]), score_function.categorical_score(_LOGITS, k)).mean(0)

    return expectation(estimate)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The recursions for returns and generalised advantages are sums, cut where an episode ends.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Unrolled at three steps with symbols for everything, at each of the eight patterns of ends.


def unrolled(parts, rate, ends):
    """x_0 where x_t = part_t + rate (1 − d_t) x_{t+1}, and the same as a sum up to the first end."""
    recursion = sympy.S.Zero
    for part, end in zip(reversed(parts), reversed(ends), strict=True):
        recursion = part + rate * (1 - end) * recursion
    last = ends.index(1) if 1 in ends else len(ends) - 1
    return recursion, sum(rate**s * parts[s] for s in range(last + 1))


@proves("policy.returns.sum")
def test_returns_are_sums_up_to_the_end():
    """Every pattern; with a value behind the last state where no episode ends."""
    r, v, gamma, _ = topic.trajectory()
    for ends in _PATTERNS:
        recursion, total = unrolled(r, gamma, ends)
        assert sympy.expand(recursion - total) == 0
    with_value, total = unrolled([*r, v[3]], gamma, (0, 0, 0, 0))
    assert sympy.expand(with_value - total) == 0
    assert passes(advantages.returns, "returns")


@proves("policy.gae.double_sum")
def test_generalised_advantages_are_sums_of_temporal_differences():
    """Every pattern, each δ with its own (1 − d); the displayed equation is the one without ends."""
    equation = topic.GAE.equation()
    assert sympy.expand(equation.lhs - equation.rhs) == 0
    r, v, gamma, lam = topic.trajectory()
    for ends in _PATTERNS:
        delta = [r[t] + gamma * (1 - ends[t]) * v[t + 1] - v[t] for t in range(3)]
        recursion, total = unrolled(delta, gamma * lam, ends)
        assert sympy.expand(recursion - total) == 0
    assert passes(advantages.gae, "gae")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# λ = 0 gives the temporal difference, λ = 1 the return less the value: the values in between telescope.


@proves("policy.gae.ends")
def test_the_two_ends_of_lambda():
    """At three steps; the reference agrees with its own parts."""
    equation = topic.GAE_ENDS.equation()
    assert sympy.expand(equation.lhs - equation.rhs) == 0
    delta, (_, _, gamma, lam) = topic.temporal_differences(), topic.trajectory()
    total = sum((gamma * lam) ** s * one for s, one in enumerate(delta))
    assert sympy.expand(total.subs(lam, 0) - delta[0]) == 0
    assert sympy.expand(total.subs(lam, 1) - equation.lhs) == 0
    rewards, values = torch.tensor([1.0, -2.0, 0.5]), torch.tensor([0.25, 1.0, -0.5])
    zero, last = torch.zeros(3), torch.tensor(2.0)
    whole = advantages.returns(rewards, zero, 0.5, last) - values
    steps = advantages.td_error(rewards, values, torch.cat((values[1:], last[None])), zero, 0.5)
    assert torch.equal(advantages.gae(rewards, values, zero, last, 0.5, 1.0), whole)  # exact: powers of two
    assert torch.equal(advantages.gae(rewards, values, zero, last, 0.5, 0.0), steps)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# With the true values E[δ | s, a] is the advantage, and its mean over actions is 0.


@proves("policy.td_error.mean")
def test_the_mean_of_a_temporal_difference():
    """Two actions, two states that follow, symbols for policy, transitions, rewards and values."""
    pi, gamma = sympy.symbols("pi gamma", positive=True)
    p = sympy.symbols("p0:2", positive=True)  # P(s' = first | a)
    r, after = sympy.symbols("r0:2", real=True), sympy.symbols("V1:3", real=True)
    q = [r[a] + gamma * (p[a] * after[0] + (1 - p[a]) * after[1]) for a in range(2)]
    value = pi * q[0] + (1 - pi) * q[1]
    mean = [p[a] * (r[a] + gamma * after[0] - value) + (1 - p[a]) * (r[a] + gamma * after[1] - value) for a in range(2)]
    assert all(sympy.expand(one - (quality - value)) == 0 for one, quality in zip(mean, q, strict=True))
    assert sympy.expand(pi * mean[0] + (1 - pi) * mean[1]) == 0
    assert passes(advantages.td_error, "td_error")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# A reward that came before an action does not change the mean of its term, so the whole return and the reward-to-go
# have the same gradient.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Given the past r_s is a number, and Σ_a π(a) ∇ log π(a) = ∇ 1 = 0.


@proves("policy.returns.reward_to_go")
def test_what_came_before_does_not_matter():
    """Two steps, two actions each, the second policy depending on the first action; all four episodes summed."""
    theta = sympy.symbols("theta0:3", real=True)
    r = sympy.symbols("r0:2", real=True)

    def chance(logit, a):
        return 1 / (1 + sympy.exp(-logit if a else logit))

    early = sympy.S.Zero
    for a, b in itertools.product((0, 1), repeat=2):
        first, second = chance(theta[0], a), chance(theta[1 + a], b)
        early += first * second * r[a] * sympy.diff(sympy.log(second), theta[1 + a])
    assert sympy.simplify(early) == 0


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The mean of the group shrinks the gradient by 1 − 1/G; the mean of the others does not.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# r_i − r̄ = (1 − 1/G)(r_i − mean of the others), and the others are independent of the i-th answer.


@proves("policy.group_mean_advantage.shrinks")
@pytest.mark.parametrize("size", [2, 3])
def test_the_group_mean_shrinks_the_gradient(size):
    """The factor between the two, for all rewards; every outcome of G draws from the reference advantage."""
    r = sympy.symbols(f"r1:{size + 1}", real=True)
    others = r[0] - sum(r[1:]) / sympy.Integer(size - 1)
    assert sympy.expand(r[0] - sum(r) / sympy.Integer(size) - (1 - sympy.Rational(1, size)) * others) == 0
    exact = oracle.categorical_gradient(_LOGITS, _REWARDS)
    for weigh, factor in (
        (advantages.group_mean_advantage, 1 - 1 / size),
        (advantages.leave_one_out_advantage, 1.0),
    ):
        found = weighed(weigh, size)
        assert found.method == "enumeration"
        assert ((found.mean - factor * exact).abs() <= 64 * found.error).all()
        assert passes(weigh, weigh.__name__)


# ── Claim, REFUTED ───────────────────────────────────────────────────────────────────────────────────────────────────
# "Dividing advantages by their standard deviation only rescales the gradient."
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# Rewards 0, 1, 3, equal chances, two answers a prompt. Whatever the two rewards are, if they differ the advantages are
# ±1/√2: winning by three counts as much as winning by one.


@proves("policy.standardised_advantage.unbiased")
def test_standardised_advantages_bend_the_gradient():
    """Nine outcomes with rational numbers, and the reference by enumeration: (−1, 0, 1) against (−4, −1, 5)."""
    a, b = sympy.symbols("a b", real=True)
    variance = (a - (a + b) / 2) ** 2 + (b - (a + b) / 2) ** 2  # over n − 1 = 1
    assert sympy.simplify(((a - b) / 2) ** 2 / variance) == sympy.Rational(1, 2)
    third, rewards = sympy.Rational(1, 3), (0, 1, 3)
    wins = [sum(third * ((mine > r) - (mine < r)) for r in rewards) for mine in rewards]
    bent = [third * (w - sum(wins) * third) for w in wins]
    straight = [third * (r - sum(rewards) * third) for r in rewards]
    assert [9 * one / 2 for one in bent] == [-1, 0, 1]
    assert [9 * one for one in straight] == [-4, -1, 5]
    table = torch.tensor(rewards, dtype=torch.float64)
    logits = torch.zeros(3, dtype=torch.float64)

    def estimate():
        k = torch.multinomial(torch.softmax(logits, -1), 2, replacement=True)
        weights = advantages.standardised_advantage(table[k], 1e-12)
        return score_function.log_derivative(weights, score_function.categorical_score(logits, k)).mean(0)

    found = expectation(estimate).mean
    expected = torch.tensor([float(one / sympy.sqrt(2)) for one in bent], dtype=torch.float64)
    assert (found - expected).abs().max() < 1e-9


# ── Corrected claim ──────────────────────────────────────────────────────────────────────────────────────────────────
# For rewards 0 and 1 the direction is right, and the length is a number at G = 2, but depends on how hard the prompt is
# at G = 4: 3/2 of ∇p where nearly all answers fail or succeed, and 1.4 of it in the middle.


@proves("policy.standardised_advantage.unbiased")
def test_the_length_depends_on_how_hard_the_prompt_is():
    """The sum over the number of right answers among four, in symbols; the same by enumeration at two prompts."""
    equation = topic.STANDARDISED.equation()
    assert sympy.simplify(equation.lhs - equation.rhs) == 0
    p = sympy.Symbol("p", positive=True)
    assert sympy.diff(equation.rhs, p).subs(p, sympy.Rational(1, 4)) != 0
    for chance in (0.1, 0.5):
        logits = torch.tensor([chance, 1 - chance], dtype=torch.float64).log()

        def estimate(logits=logits):
            k = torch.multinomial(torch.softmax(logits, -1), 4, replacement=True)
            weights = advantages.standardised_advantage(1.0 - k.to(torch.float64), 1e-12)
            return score_function.log_derivative(weights, score_function.categorical_score(logits, k)).mean(0)

        factor = float(equation.rhs.subs(p, sympy.Float(chance)))
        assert abs(float(expectation(estimate).mean[0]) / (chance * (1 - chance)) - factor) < 1e-9


@proves("policy.standardised_advantage.scale_free")
def test_standardised_advantages_forget_scale_and_place():
    """(a r + c) has the advantages of r; they sum to 0 and their squares to n − 1."""
    r = sympy.symbols("r1:4", real=True)
    a, c = sympy.Symbol("a", positive=True), sympy.Symbol("c", real=True)

    def squared(x):
        mean = sum(x) / sympy.Integer(len(x))
        variance = sum((one - mean) ** 2 for one in x) / sympy.Integer(len(x) - 1)
        return [one - mean for one in x], variance

    deviations, variance = squared(r)
    moved, scaled = squared([a * one + c for one in r])
    assert sympy.expand(scaled - a**2 * variance) == 0
    assert all(sympy.expand(after - a * before) == 0 for before, after in zip(deviations, moved, strict=True))
    assert sympy.expand(sum(deviations)) == 0
    assert sympy.simplify(sum(one**2 for one in deviations) / variance) == 2
    assert passes(advantages.standardised_advantage, "standardised_advantage")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# A running average of earlier batches has not seen the sample. Updated first, it has, with weight (1 − β)/n.


@proves("policy.ema_baseline_advantage.unbiased")
def test_a_running_average_must_be_updated_afterwards():
    """The own reward's weight, in symbols; both orders by enumeration."""
    g, beta = sympy.symbols("g beta", positive=True)
    n, b = 3, torch.tensor(0.25, dtype=torch.float64)
    own = [g if j == 0 else sympy.S.Zero for j in range(n)]  # E[r_j s_i], j = i first
    assert sympy.expand(own[0] - (1 - beta) * sum(own) / n - (1 - (1 - beta) / n) * g) == 0
    exact = oracle.categorical_gradient(_LOGITS, _REWARDS)
    later = weighed(lambda r: advantages.ema_baseline_advantage(r, b, 0.5)[0], n)
    first = weighed(lambda r: r - advantages.ema_baseline_advantage(r, b, 0.5)[1], n)
    assert ((later.mean - exact).abs() <= 64 * later.error).all()
    assert ((first.mean - (1 - 0.5 / n) * exact).abs() <= 64 * first.error).all()
    assert passes(advantages.ema_baseline_advantage, "ema_baseline_advantage", output=lambda found: found[0])


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# An actor's loss holds the critic's value fixed. Then V drops out of the mean, whatever it is.


@proves("policy.actor_loss.gradient")
def test_the_critic_drops_out_of_the_actors_gradient():
    """Three actions: the mean gradient is −∇ E Q; through V it would be log π(a), of mean −H(π)."""
    theta, p, q = three_outcomes()
    value = sympy.Symbol("V", real=True)
    score = [sympy.diff(sympy.log(one), theta[0]) for one in p]
    mean = -sum(one * (quality - value) * s for one, quality, s in zip(p, q, score, strict=True))
    target = -sympy.diff(sum(one * quality for one, quality in zip(p, q, strict=True)), theta[0])
    assert sympy.simplify(mean - target) == 0
    log_p, g = sympy.symbols("l G", real=True)
    assert sympy.diff(-log_p * (g - value), value) == log_p
    assert passes(policy_gradient.actor_loss, "actor_loss")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The clipped surrogate, case by case, and its gradient where new and old policy agree.


@proves("policy.ppo_clip.cases")
def test_the_clipped_surrogate_case_by_case():
    """For each sign of A and on each side of 1 ± ε the least of the two terms is the stated one, with its slope."""
    size, eps, above = sympy.symbols("a epsilon h", positive=True)
    low, high = 1 - eps, 1 + eps
    # (sign of A, r, clip r): below, inside and above the bounds; h is the distance, inside r = 1 ± ε ∓ h.
    for sign in (1, -1):
        for r, clipped, bounded in (
            (low - above, low, low - above if sign > 0 else low),
            (high + above, high, high if sign > 0 else high + above),
        ):
            plain, held = sign * size * r, sign * size * clipped
            gap = sympy.expand(plain - held)
            least = plain if gap.is_negative else held
            assert gap.is_negative or gap.is_positive
            assert sympy.expand(least - sign * size * bounded) == 0
            assert (sympy.expand(plain - least)).is_nonnegative  # a bound from below
            assert sympy.diff(least, above) in (0, sign * size * sympy.diff(r, above))
    assert passes(ppo.clip_loss, "ppo_clip")


@proves("policy.ppo_clip.at_one")
def test_at_the_old_policy_it_is_the_policy_gradient():
    """Both derivatives, for all logits; the reference's gradient is the score times the advantage."""
    equation = topic.PPO_AT_ONE.equation()
    theta, _, _ = three_outcomes()
    here = {sympy.Symbol(f"{one}_old", real=True): one for one in theta}
    assert sympy.simplify(equation.lhs.subs(here) - equation.rhs) == 0
    old = torch.log_softmax(_LOGITS, -1)

    def loss(logits, f, samples):
        return -ppo.clip_loss(torch.log_softmax(logits, -1)[samples], old[samples], f(samples))

    subject = GradientEstimator(
        lambda logits: loss(logits, lambda k: _REWARDS[k], torch.multinomial(logits.detach().softmax(-1), 2, True)),
        target=oracle.categorical_gradient(_LOGITS, _REWARDS), at=(_LOGITS,), surrogate=True,
    )  # fmt: skip
    assert not gv.verify(subject, budget="quick").failures
