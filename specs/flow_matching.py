"""Flow matching: straight paths between noise and data, and the velocity that is learnt from them.

Each pair of a noise and a sample is joined by a straight line. At a point where many lines cross, the network learns
the mean of their velocities, and that mean is what carries the one density to the other.

Sources: Lipman, Chen, Ben-Hamu, Nickel & Le 2023, "Flow matching for generative modeling"; Liu, Gong & Liu 2023, "Flow
straight and fast"; Tong et al. 2024, "Improving and generalizing flow-based generative models"; Albergo &
Vanden-Eijnden 2023, "Building normalizing flows with stochastic interpolants".
"""

from __future__ import annotations

import sympy

import genverify as gv
from genverify.claims import proves
from genverify.formulas import flow_matching as declared
from genverify.oracles import probability_path as oracle


def fine(*subjects) -> bool:
    """Whether every check that applies says PASS."""
    outcomes = {v.outcome for v in gv.verify(list(subjects), budget="quick")}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


def failure(f, like: str) -> str:
    """What is said of a wrong one."""
    return str(gv.verify(gv.Formula(f, like=like), budget="quick", checks=["formula.dialect"]).failures[0])


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The velocity is the derivative of the path, and a function of the point.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# The path is linear in t. Solved for x₀ it gives the velocity at a point; with σ_min = 0 that is (x₁ − x)/(1 − t).


@proves("flow_matching.path.velocity")
def test_the_velocity_is_the_derivative():
    """The steps of the three derivations; σ_min = 0; the references pass, and exchanged ends are named."""
    titles = [one.title for form in (oracle.path, oracle.velocity, oracle.velocity_at) for one in form.steps]
    assert titles[-2:] == ["the derivative", "on the path it is the same"]
    x, x1, t, least = oracle.velocity_at.symbols
    assert sympy.simplify(oracle.velocity_at.expression.subs(least, 0) - (x1 - x) / (1 - t)) == 0
    assert fine(declared.linear_path(), declared.velocity_target(), declared.optimal_transport_path())
    assert "reversed" in failure(lambda x0, x1, t: t[:, None] * x0 + (1 - t[:, None]) * x1, "flow_matching.linear_path")
    assert "backwards" in failure(lambda x0, x1: x0 - x1, "flow_matching.velocity_target")


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The loss is least at the mean velocity, and the mean velocity carries noise to data.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# A squared error is least at the conditional mean. For normal x₀ and x₁ that is the regression of x₁ − x₀ on x_t: with
# E x_t = t m, Var x_t = t² d² + (1 − t)² and Cov(x₁ − x₀, x_t) = t d² − (1 − t). Its flow keeps x_t normal: the mean
# obeys μ′ = u(μ), the variance v′ = 2 v ∂u/∂x.


@proves("flow_matching.loss.marginal")
def test_the_mean_velocity_carries_noise_to_data():
    """The regression; both moments of the marginal; the continuity equation itself; the reference passes."""
    x, t, mean, width = oracle.marginal_velocity.symbols
    u = oracle.marginal_velocity.expression
    z, y = sympy.symbols("z y", real=True)  # x₀ = z, x₁ = m + d y, both standard
    point, velocity = (1 - t) * z + t * (mean + width * y), mean + width * y - z

    def covariance(a, b):
        """Of two affine functions of z and y."""
        return sum(sympy.diff(a, one) * sympy.diff(b, one) for one in (z, y))

    variance = covariance(point, point)
    regression = mean + covariance(velocity, point) / variance * (x - t * mean)
    assert sympy.simplify(u - regression) == 0
    assert sympy.simplify(u.subs(x, t * mean) - sympy.diff(t * mean, t)) == 0
    assert sympy.simplify(2 * variance * sympy.diff(u, x) - sympy.diff(variance, t)) == 0
    density = sympy.exp(-((x - t * mean) ** 2) / (2 * variance)) / sympy.sqrt(variance)
    flow = sympy.diff(density, t) + sympy.diff(u * density, x)
    assert sympy.simplify(flow / density) == 0
    assert (variance.subs(t, 0), sympy.simplify(variance.subs(t, 1))) == (1, width**2)
    assert fine(declared.loss())


@proves("flow_matching.loss.marginal")
def test_of_all_linear_fields_the_mean_velocity_is_the_best():
    """The expected loss of a x + b at a time, over noise and data: its minimum is the mean velocity."""
    x, t, mean, width = oracle.marginal_velocity.symbols
    a, b = sympy.symbols("a b", real=True)
    z, y = sympy.symbols("z y", real=True)
    point, velocity = (1 - t) * z + t * (mean + width * y), mean + width * y - z
    loss = sympy.expand((a * point + b - velocity) ** 2)
    for one in (z, y):  # E of one and of a square is one, of the symbol itself zero
        loss = sum(c for (k,), c in sympy.Poly(loss, one).terms() if k in (0, 2))
    best = sympy.solve([sympy.diff(loss, one) for one in (a, b)], (a, b), dict=True)
    assert len(best) == 1
    assert sympy.simplify(best[0][a] * x + best[0][b] - oracle.marginal_velocity.expression) == 0
