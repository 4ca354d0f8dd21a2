"""Claims on adversarial games and their losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = [
    "CRITIC_SHIFT", "FEATURES", "HINGE_OPTIMUM", "LEAST_SQUARES_OPTIMUM", "LOG_INSIDE", "OPTIMAL_DISCRIMINATOR",
    "RELATIVISTIC_SHIFT", "SATURATION", "VALUE",
]  # fmt: skip

_GOODFELLOW = "Goodfellow et al. 2014"


def _value() -> sympy.Basic:
    import sympy

    k, n = sympy.symbols("k K", integer=True, positive=True)
    p = sympy.IndexedBase("p", positive=True)
    q = sympy.IndexedBase("q", positive=True)
    game = sympy.Sum(p[k] * sympy.log(p[k] / (p[k] + q[k])) + q[k] * sympy.log(q[k] / (p[k] + q[k])), (k, 1, n))  # type: ignore[operator]
    return sympy.Eq(game, -sympy.log(4) + 2 * sympy.Symbol("JSD(p, q)"), evaluate=False)


OPTIMAL_DISCRIMINATOR = claim(
    "gan.minimax.optimal_discriminator", Status.DERIVED,
    statement="p log D + q log(1 − D) has one maximum in 0 < D < 1, at D = p/(p + q): its slope vanishes there alone, "
    "and it is concave",
    source=f"{_GOODFELLOW}, proposition 1", assumptions=("p, q > 0 at the point x",),
)  # fmt: skip

VALUE = claim(
    "gan.minimax.value", Status.DERIVED,
    statement="against the best discriminator the generator's loss is −log 4 + 2 JSD(p, q): at least −log 4, which it "
    "takes where p = q alone",
    source=f"{_GOODFELLOW}, theorem 1", assumptions=("categorical p, q > 0; executed class by class",), equation=_value,
    theorems=("JSD ≥ 0, and = 0 where p = q alone (divergence.jensen_shannon.bounded)",),
)  # fmt: skip

SATURATION = claim(
    "gan.generator.saturation", Status.DERIVED,
    statement="in the logit f of a generated sample the slope of log(1 − D) is −D, which vanishes where the "
    "discriminator wins (D → 0), and that of −log D is D − 1, which goes to −1 there",
    source=f"{_GOODFELLOW}, section 3", assumptions=("D = σ(f), f real",),
)  # fmt: skip

HINGE_OPTIMUM = claim(
    "gan.hinge.optimum", Status.DERIVED,
    statement="p max(0, 1 − t) + q max(0, 1 + t) is least at t = 1 where p > q and at t = −1 where p < q; there it is "
    "2 min(p, q), which over all x makes 2 (1 − TV(p, q))",
    source="Lim & Ye 2017; Nguyen, Wainwright & Jordan 2009, example 4", assumptions=("p, q > 0 at the point x",),
)  # fmt: skip

LEAST_SQUARES_OPTIMUM = claim(
    "gan.least_squares.optimum", Status.DERIVED,
    statement="½ p (s − b)² + ½ q (s − a)² is least at s = (b p + a q)/(p + q)",
    source="Mao et al. 2017, eq. 4", assumptions=("p, q > 0 at the point x; a, b real",),
)  # fmt: skip

RELATIVISTIC_SHIFT = claim(
    "gan.relativistic.shift", Status.DERIVED,
    statement="a relativistic loss does not change when a constant is added to all scores, so that it determines a "
    "discriminator up to a constant alone; the minimax loss changes",
    source="Jolicoeur-Martineau 2019, section 4", assumptions=("real scores",),
)  # fmt: skip

FEATURES = claim(
    "gan.feature_matching.zero", Status.DERIVED,
    statement="‖E f(x) − E f(G(z))‖² is zero where the means agree, whatever else differs; its slope in one generated "
    "feature is 2 (mean of the generated − mean of the real)/n",
    source="Salimans et al. 2016, section 3.1", assumptions=("n generated samples; executed at n = 2",),
)  # fmt: skip

CRITIC_SHIFT = claim(
    "wgan.critic.shift", Status.DERIVED,
    statement="E C(G(z)) − E C(x) does not change when a constant is added to the critic, and is K times as large for "
    "K times the critic: without a bound on its slope it is unbounded below",
    source="Arjovsky et al. 2017, section 3", assumptions=("finite samples of real and generated scores",),
)  # fmt: skip

LOG_INSIDE = claim(
    "gan.minimax.log_inside", Status.REFUTED,
    statement="taking the logarithm inside the expectation keeps the optimal discriminator of E[D(x) (1 − D(G(z)))]",
    source="the Blog, on the value of the game",
    counterexample="on two points with p = (0.6, 0.4), q = (0.4, 0.6) the product E_p D · E_q (1 − D) is largest at "
    "D = (1, 0), and the sum of the logarithms at (0.6, 0.4)",
    corrected="the generator's optimum is the same: at q = p the best product is ¼ and the best sum of logarithms "
    "−log 4, and both are larger at every other q",
    assumptions=("two points; p as above for the corrected part",),
)  # fmt: skip
