"""Adam's variants: which conventions come to the same, and which only look it.

Papers and libraries write one rule in several ways. Where ε stands changes the steps, although it looks like taste;
where η stands in a velocity does not, while η is constant. Adamax is a limit. Lion, LARS and LAMB do not see how
long the gradient is. RAdam does not look at its second moment at all when β₂ is small.

Source: Kingma & Ba 2015, sections 2 and 7.1; Chen et al. 2023; You, Gitman & Ginsburg 2017; You et al. 2020; Liu et al.
2020.
"""

from __future__ import annotations

import itertools

import mpmath
import sympy

import genverify as gv
from genverify.claims import proves
from genverify.formulas import optimizer_claims_variants as claims
from genverify.formulas import optimizer_references as references
from genverify.oracles.recurrences import symbols
from genverify.oracles.recurrences_adaptive import adam, rmsprop
from genverify.oracles.recurrences_delta import adamax
from genverify.oracles.recurrences_nadam import radam
from genverify.oracles.recurrences_reductions import Layout
from genverify.oracles.recurrences_signs import lion
from genverify.oracles.recurrences_trust import lamb, lars

# ── Claim, as it is commonly read ────────────────────────────────────────────────────────────────────────────────────
# √v̂ + ε, and (√v + ε̂)/√(1-β₂ᵗ) with ε̂ = ε, give the same steps.
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# g = 1e-8, ε = 1e-8, β₂ = 0.999: the first step is 0.500 α with ε outside, and 0.0307 α with ε̂ = ε.


@proves("adam_variants.epsilon.one_method")
def test_the_same_epsilon_makes_other_steps():
    """The lines that run, in mpmath."""
    hyper = {"lr": "1", "beta1": "0.9", "beta2": "0.999", "eps": "1e-8"}
    outside, hat = (-float(adam(epsilon=e).in_mpmath(["1e-8"], hyper)[0]) for e in ("outside", "hat"))
    assert (f"{outside:.3f}", f"{hat:.4f}") == ("0.500", "0.0307")


# ── Corrected statement, and its derivation ──────────────────────────────────────────────────────────────────────────
# (√v + ε̂)/√c = √(v/c) + ε̂/√c, c = 1-β₂ᵗ: the same as √v̂ + ε iff ε̂ = ε√c.


@proves("adam_variants.epsilon.one_method")
def test_epsilon_scaled_by_the_correction_makes_the_same_steps():
    """The displayed identity, and the denominators that run."""
    equation = claims.EPSILON.equation()
    names = {str(one): one for one in equation.free_symbols}
    c = sympy.Symbol("c", positive=True)
    one = (equation.lhs - equation.rhs).subs(names["beta_2"], (1 - c) ** (1 / names["t"]))
    assert sympy.simplify(one) == 0
    eps, two, t = symbols("eps beta2 t")
    scaled = adam(epsilon="hat").replace(eps=eps * sympy.sqrt(1 - two**t))
    hyper = {"lr": "1", "beta1": "0.9", "beta2": "0.999", "eps": "1e-8"}
    gradients = ["1e-8", "-3e-9", "2e-6", "0", "1e-7"]
    pairs = zip(scaled.in_mpmath(gradients, hyper), adam().in_mpmath(gradients, hyper), strict=True)
    assert all(abs(x - y) < mpmath.mpf(10) ** -40 for x, y in pairs)


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# While η is constant RMSProp's momentum may carry η inside the velocity or outside of it.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Folded, b' ← μ b' + η s; unfolded, b ← μ b + s. If b' = η b before a step, then μ η b + η s = η (μ b + s) after it;
# both begin at zero, and θ moves by b', and by η b.


@proves("adam_variants.rmsprop.folded_velocity")
def test_the_rate_commutes_with_the_velocity():
    """The step of the induction, on the lines that run."""
    folded, unit = dict(rmsprop(form="folded").lines), dict(rmsprop(form="unit").lines)
    b, lr, theta = symbols("b lr theta")
    assert sympy.simplify(folded["b"].subs(b, lr * b) - lr * unit["b"]) == 0
    assert sympy.simplify(folded["theta"].subs(b, lr * b) - unit["theta"]) == 0
    assert folded["theta"].subs(b, 0) == unit["theta"].subs(b, 0) == theta


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Adamax's u is the limit p → ∞ of the p-th root of a mean of p-th powers, decayed by β₂ᵖ.
#
# ── Evidence ─────────────────────────────────────────────────────────────────────────────────────────────────────────
# Five gradients, p = 10, 100, 1000, 10⁴, against the line that runs: the gap falls by ten each time.


@proves("adam_variants.adamax.limit")
def test_the_p_norm_tends_to_the_maximum():
    """At 60 digits, since p-th powers leave the range of a float."""
    u, d, two = symbols("u d beta2")
    line = dict(adamax(epsilon="none").lines)["u"]
    gradients, beta = [sympy.Rational(x) for x in ("1", "-3", "1/2", "2", "-1/4")], sympy.Rational(9, 10)
    largest = sympy.Integer(0)
    for g in gradients:
        largest = line.subs({u: largest, d: g, two: beta}, simultaneous=True)
    assert largest == 3 * beta**3
    gaps = []
    with mpmath.workdps(60):
        for p in (10, 100, 1000, 10_000):
            decay = mpmath.mpf("0.9") ** p
            v = mpmath.mpf(0)
            for g in gradients:
                v = decay * v + (1 - decay) * abs(mpmath.mpf(g.p) / g.q) ** p
            gaps.append(abs(v ** (mpmath.mpf(1) / p) - mpmath.mpf(largest.p) / largest.q))
    assert all(later < earlier / 5 for earlier, later in itertools.pairwise(gaps))


# ── Claims ───────────────────────────────────────────────────────────────────────────────────────────────────────────
# Lion, LARS without decay, and LAMB with ε = 0 do not see how long the gradients are.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Buffers that are linear in the gradients scale by c, v scales by c²; by induction, since they begin at zero. The sign
# of c x is that of x. In LARS r = c_t ‖θ‖/‖g‖ scales by 1/c, and r g is unchanged. In LAMB m̂/√v̂ is.


@proves("adam_variants.lion.scale_invariant")
def test_lions_direction_does_not_scale():
    """The buffer is linear, and what stands under the sign, too."""
    m, d, c = *symbols("m d"), sympy.Symbol("c", positive=True)
    lines = dict(lion().lines)
    assert sympy.expand(lines["m"].subs({m: c * m, d: c * d}, simultaneous=True) - c * lines["m"]) == 0
    (under,) = lines["x"].args
    assert sympy.expand(under.subs({m: c * m, d: c * d}, simultaneous=True) - c * under) == 0
    positive, negative = (sympy.Symbol(n, **{n: True}) for n in ("positive", "negative"))
    assert all(sympy.sign(c * x) == sympy.sign(x) for x in (positive, negative, sympy.Integer(0)))


@proves("adam_variants.trust_ratio.scale_invariant")
def test_trust_ratios_undo_the_gradients_length():
    """LARS's and LAMB's own lines, symbolically where they are elementwise, and run with gradients a thousand times."""
    m, v, d = symbols("m v d")
    c = sympy.Symbol("c", positive=True)
    lines = dict(lamb().lines)
    assert sympy.expand(lines["m"].subs({m: c * m, d: c * d}, simultaneous=True) - c * lines["m"]) == 0
    assert sympy.expand(lines["v"].subs({v: c**2 * v, d: c * d}, simultaneous=True) - c**2 * lines["v"]) == 0
    direction = lines["x"].subs(symbols("eps")[0], 0)
    assert sympy.simplify(direction.subs({m: c * m, v: c**2 * v}, simultaneous=True) - direction) == 0
    (length,) = symbols("gradients")
    ratio = dict(lars().lines)["r"]
    while isinstance(ratio, sympy.Piecewise):  # the first branch: no norm is zero
        ratio = ratio.args[0][0]
    assert sympy.simplify(ratio.subs(length, c * length) * c * d - ratio * d) == 0
    hyper = {"lr": "0.1", "momentum": "0.9", "trust_coefficient": "0.01", "weight_decay": "0", "eps": "0"}
    hyper |= {"beta1": "0.9", "beta2": "0.99"}
    gradients = [["1", "-2", "0.5"], ["0.25", "1", "-1"], ["3", "0.125", "1"]]
    louder = [[mpmath.mpf(x) * 1000 for x in row] for row in gradients]
    layout = Layout(((3,),))
    for recurrence in (lars(), lamb()):
        one, other = (
            recurrence.in_mpmath(rows, hyper, start=["1", "2", "-1"], layout=layout) for rows in (gradients, louder)
        )
        apart = max(abs(x - y) for a, b in zip(one, other, strict=True) for x, y in zip(a, b, strict=True))
        assert apart < mpmath.mpf(10) ** -40
        assert one[-1][0] != 1


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# With β₂ ≤ 2/3 RAdam never uses its second moment.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# ρ_t = ρ_∞ - 2tβ₂ᵗ/(1-β₂ᵗ) < ρ_∞ = 2/(1-β₂) - 1, since 0 < β₂ᵗ < 1, and ρ_∞ ≤ 5 iff 1-β₂ ≥ 1/3. At β₂ = 0.999 the
# sixth step is the first that is rectified.


@proves("adam_variants.radam.never_rectified")
def test_short_averages_are_never_rectified():
    """The displayed bounds, solved; what is subtracted is positive; ρ_1, …, ρ_5 < 5 < ρ_6 at 0.999."""
    short, small = sorted(claims.NEVER_RECTIFIED.equation().args, key=lambda one: one.lhs.is_Symbol, reverse=True)
    (beta,) = short.free_symbols
    assert sympy.Interval.open(0, 1).intersect(small.as_set()) == sympy.Interval.Lopen(0, sympy.Rational(2, 3))
    assert sympy.Interval.open(0, 1).intersect(short.as_set()) == sympy.Interval.Lopen(0, sympy.Rational(2, 3))
    lines = dict(radam().lines)
    two, t, whole = symbols("beta2 t rho_inf")
    assert sympy.simplify(lines["rho_inf"].subs(two, beta) - small.lhs) == 0
    q, n = sympy.symbols("q n", positive=True)  # β₂ᵗ = 1/(1 + q)
    subtracted = (whole - lines["rho_t"]).subs(t, n).subs(two**n, 1 / (1 + q))
    assert not subtracted.has(two)
    assert sympy.simplify(subtracted).is_positive
    at = [
        lines["rho_t"].subs({whole: lines["rho_inf"], t: k}).subs(two, sympy.Rational(999, 1000)) for k in range(1, 7)
    ]
    assert max(at[:5]) < 5 < at[5]


# ── Reference and verdict ────────────────────────────────────────────────────────────────────────────────────────────


@proves("adam_variants.trust_ratio.scale_invariant")
def test_the_references_pass_their_trajectories():
    """Lion, RAdam, LARS and LAMB."""
    for name in ("lion", "radam", "lars", "lamb"):
        report = gv.verify(getattr(references, name)(), budget="quick", checks=["optimizer.trajectory"])
        assert report.count(gv.Outcome.PASS) == 1, str(report)
