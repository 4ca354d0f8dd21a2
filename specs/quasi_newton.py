"""L-BFGS: a memory of steps stands for the curvature; on a quadratic any memory will do.

The direction is -H g, where H is made of the last m pairs (s, y) of a step and the change of gradient along it, by two
loops of inner products. With exact line searches on a quadratic, all but the newest pair drop out, and what is left is
the direction of conjugate gradients.

Source: Nocedal 1980; Nazareth 1979; Nocedal & Wright 2006, chapters 5 and 7; torch.optim.LBFGS.
"""

from __future__ import annotations

import pytest
import sympy
import torch

from genverify.claims import proves
from genverify.formulas.optimizer_claims_lbfgs import CONJUGATE
from genverify.oracles.recurrences_lbfgs import two_loops
from genverify.oracles.running_error import Ball
from genverify.reference.optimizers.lbfgs import LBFGS, direction


def _two_loops(g, pairs):
    """-H g for vectors of symbols; the pairs oldest first."""
    q, weights = g, []
    for s, y in reversed(pairs):
        weights.append((s.T * q)[0] / (s.T * y)[0])
        q = q - weights[-1] * y
    s, y = pairs[-1]
    r = (s.T * y)[0] / (y.T * y)[0] * q
    for (s, y), weight in zip(pairs, reversed(weights), strict=True):
        r = r + (weight - (y.T * r)[0] / (s.T * y)[0]) * s
    return -r


def _conjugate(a, b, theta, steps):
    """The iterates of conjugate gradients, in exact arithmetic."""
    residual = b - a * theta
    d, found = residual, [theta]
    for _ in range(steps):
        rate = (residual.T * residual)[0] / (d.T * a * d)[0]
        theta = theta + rate * d
        after = residual - rate * a * d
        d = after + (after.T * after)[0] / (residual.T * residual)[0] * d
        residual = after
        found.append(theta)
    return found


_A = sympy.Matrix([[2, 1, 0, 0], [1, 3, 1, 0], [0, 1, 5, 2], [0, 0, 2, 7]])
_B = sympy.Matrix([1, 0, 2, -1])

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# On ½ θᵀAθ - bᵀθ with A positive definite and exact line searches, L-BFGS with any memory m ≥ 1 makes the steps of
# conjugate gradients: d = -γ (g - (yᵀg / yᵀs) s) with the newest pair (s, y) alone. So it ends after n steps at most.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# By induction over the steps. If all steps so far were those of conjugate gradients, then g is orthogonal to every s
# (exact searches along conjugate directions) and to every earlier gradient, so yᵢᵀg = 0 for all but the newest pair.
# In the first loop every weight sᵀq / sᵀy is zero, since q stays g. In the second r is γ g until the newest pair,
# where it becomes γ (g - (yᵀg / yᵀs) s): the direction of Hestenes and Stiefel, times γ > 0, which an exact search
# does not see. Conjugate directions are independent, so that there are n of them at most.


@proves("lbfgs.conjugate_gradients")
@pytest.mark.parametrize("memory", [1, 2, 3])
def test_older_pairs_drop_out_of_the_two_loops(memory):
    """Vectors of symbols in coordinates in which the orthogonalities hold by construction."""
    n = 2 * memory + 1
    gradients = [sympy.Matrix([sympy.Symbol(f"g_{k}") if j == k else 0 for j in range(n)]) for k in range(memory + 1)]
    g = gradients[-1]
    # s_k is orthogonal to g; in the other coordinates it is anything.
    steps = [sympy.Matrix([sympy.Symbol(f"s_{k}{j}") if j != memory else 0 for j in range(n)]) for k in range(memory)]
    changes = [gradients[k + 1] - gradients[k] for k in range(memory)]
    found = _two_loops(g, list(zip(steps, changes, strict=True)))
    s, y = steps[-1], changes[-1]
    gamma = (s.T * y)[0] / (y.T * y)[0]
    equation = CONJUGATE.equation()
    names = {str(one): one for one in equation.free_symbols}
    for j in range(n):
        values = {names["gamma"]: gamma, names["g"]: g[j], names["s"]: s[j], names["y^Tg"]: (y.T * g)[0],
                  names["y^Ts"]: (y.T * s)[0]}  # fmt: skip
        assert sympy.simplify(found[j] - equation.rhs.subs(values)) == 0


@proves("lbfgs.conjugate_gradients")
@pytest.mark.parametrize("memory", [1, 4])
def test_it_walks_with_conjugate_gradients_in_exact_arithmetic(memory):
    """Four unknowns in rational numbers: the same points, and the minimum after four steps."""
    theta, pairs = sympy.zeros(4, 1), []
    walked, g = [theta], _A * theta - _B
    for _ in range(4):
        d = _two_loops(g, pairs) if pairs else -g
        step = -(g.T * d)[0] / (d.T * _A * d)[0] * d
        theta, before = theta + step, g
        g = _A * theta - _B
        pairs = [*pairs, (step, g - before)][-memory:]
        walked.append(theta)
    assert walked == _conjugate(_A, _B, sympy.zeros(4, 1), 4)
    assert g == sympy.zeros(4, 1)


# ── Reference ────────────────────────────────────────────────────────────────────────────────────────────────────────
# `genverify.reference.optimizers.lbfgs`, whose rate may be a function of the direction: here the exact search.


@proves("lbfgs.conjugate_gradients")
@pytest.mark.parametrize("memory", [1, 4])
def test_the_reference_is_at_the_minimum_after_four_steps(memory):
    """The same quadratic in float64: after k steps at the points of conjugate gradients, up to rounding."""
    a, b = (torch.tensor(one.tolist(), dtype=torch.float64) for one in (_A, _B))
    w = torch.nn.Parameter(torch.zeros(4, dtype=torch.float64))

    def exact(d):
        return float(-(a @ w - b[:, 0]) @ d / (d @ a @ d))

    optimizer = LBFGS([w], lr=exact, history_size=memory)
    due = _conjugate(_A, _B, sympy.zeros(4, 1), 4)
    condition = float(torch.linalg.cond(a))
    for point in due[1:]:
        w.grad = a @ w.detach() - b[:, 0]
        optimizer.step()
        # Each step divides by sᵀy and dᵀAd, whose relative errors are those of sums of four terms, times the condition.
        allowed = 64 * condition * torch.finfo(torch.float64).eps
        assert float((w.detach() - torch.tensor([float(x) for x in point], dtype=torch.float64)).abs().max()) <= allowed


# ── Verdict ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@proves("lbfgs.conjugate_gradients")
def test_the_oracle_and_the_reference_go_the_same_way():
    """Two loops written twice."""
    g, pairs = torch.tensor([1.0, -2.0, 0.5]).double(), []
    for k in range(3):
        s = torch.tensor([0.5, 0.25 * k, -1.0]).double()
        pairs.append((s, s * torch.tensor([1.0, 2.0, 3.0]).double()))
    balls = [tuple(Ball.exact(one, torch.float64) for one in pair) for pair in pairs]
    expected = two_loops(Ball.exact(g, torch.float64), balls)
    assert bool(((direction(g, pairs) - expected.value).abs() <= expected.radius).all())
