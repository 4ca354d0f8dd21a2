"""Scores: how ∇ log p is learnt without p, what it says of the data, and where Langevin's step leads.

The score of data is not known, so that it cannot be regressed on. That of noise around a sample is, and so is a trace
of the Jacobian; both losses differ from the one that is meant by a constant.

Sources: Vincent 2011, "A connection between score matching and denoising autoencoders"; Hyvärinen 2005, "Estimation of
non-normalized statistical models by score matching"; Song, Garg, Shi & Ermon 2020, "Sliced score matching"; Efron 2011,
"Tweedie's formula and selection bias"; Welling & Teh 2011; Song & Ermon 2019.
"""

from __future__ import annotations

import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.formulas import score as declared
from genverify.noise import expectation
from genverify.oracles import score as oracle
from genverify.reference.diffusion import langevin, sliced_score

X, EPS, U = sympy.symbols("x epsilon u", real=True)
MEAN, WIDTH, SIGMA = sympy.symbols("m d sigma", positive=True)
COEFFICIENTS = sympy.symbols("c0:4", real=True)


def cubic(at):
    """Any polynomial of degree three."""
    return sum(c * at**power for power, c in enumerate(COEFFICIENTS))


def mean(expression, *normals):
    """E over independent standard normal symbols of a polynomial: E zᵏ is (k − 1)!! for even k."""
    for z in normals:
        terms = sympy.Poly(sympy.expand(expression), z).terms()
        expression = sum(c * sympy.factorial2(k - 1) for (k,), c in terms if k % 2 == 0)
    return sympy.expand(expression)


def fine(subject) -> bool:
    """Whether every check that applies says PASS."""
    outcomes = {v.outcome for v in gv.verify(subject, budget="quick")}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


def failure(f, like: str) -> str:
    """What is said of a wrong one."""
    return str(gv.verify(gv.Formula(f, like=like), budget="quick", checks=["formula.dialect"]).failures[0])


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Denoising score matching is explicit score matching of the noisy density, up to a constant.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Multiply out both squares. E s(x̃)² is in both, and E s(x̃) ∂ log q(x̃) = E s(x̃) ∂ log q(x̃ | x), as ∂q = ∫ ∂q(x̃ |
# x) p(x).


@proves("score.denoising_matching.explicit")
def test_the_difference_does_not_depend_on_the_score():
    """Both losses in closed form for normal data and any cubic; the target's own derivation; the reference passes."""
    noisy = MEAN + WIDTH * U + SIGMA * EPS
    total = WIDTH**2 + SIGMA**2
    denoising = mean((cubic(noisy) + EPS / SIGMA) ** 2, U, EPS) / 2
    explicit = mean((cubic(noisy) + (noisy - MEAN) / total) ** 2, U, EPS) / 2
    gap = sympy.simplify(denoising - explicit)
    assert not gap.free_symbols & set(COEFFICIENTS)
    assert sympy.simplify(gap - (1 / SIGMA**2 - 1 / total) / 2) == 0
    wrong = mean((cubic(noisy) + EPS / SIGMA**2) ** 2, U, EPS) / 2
    assert sympy.simplify(wrong - explicit).free_symbols & set(COEFFICIENTS)
    assert [one.title for one in oracle.smoothed_target.steps] == ["differentiated", "in the noise"]
    assert fine(declared.denoising())


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The sliced loss has the mean of Hyvärinen's, and that is explicit score matching up to a constant.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# E v_i v_j = 1 for i = j and else 0 leaves tr J and ‖s‖². By parts, E s ∂ log p = −E s′.


@proves("score.sliced_matching.unbiased")
def test_the_slices_have_the_mean_of_the_whole():
    """Two dimensions for v, a cubic for the score; the reference's mean over its draws; without ½ another minimum."""
    v, s = sympy.symbols("v1 v2"), sympy.Matrix(sympy.symbols("s1 s2"))
    jacobian = sympy.Matrix(2, 2, sympy.symbols("j11 j12 j21 j22"))
    direction = sympy.Matrix(v)
    one = (direction.T * jacobian * direction)[0] + (direction.T * s)[0] ** 2 / 2
    assert sympy.expand(mean(one, *v) - jacobian.trace() - (s.T * s)[0] / 2) == 0

    at = MEAN + WIDTH * U
    score = (MEAN - at) / WIDTH**2
    implicit = mean(sympy.diff(cubic(X), X).subs(X, at) + cubic(at) ** 2 / 2, U)
    explicit = mean((cubic(at) - score) ** 2, U) / 2
    assert not sympy.simplify(implicit - explicit).free_symbols & set(COEFFICIENTS)
    slope = sympy.Symbol("a")
    doubled = mean((slope + (slope * at) ** 2).subs(MEAN, 0), U)
    assert sympy.solve(sympy.diff(doubled, slope), slope) == [-1 / (2 * WIDTH**2)]

    matrix = torch.tensor([[1.0, 0.5], [-2.0, 0.25]], dtype=torch.float64)
    x = torch.tensor([[1.0, -1.0]], dtype=torch.float64)
    found = expectation(lambda: sliced_score.sliced_matching(lambda rows: rows @ matrix.mT, x).detach())
    exact = float(matrix.trace() + (x @ matrix.mT).square().sum() / 2)
    assert abs(float(found.mean) - exact) <= float(found.error) + 64 * torch.finfo(x.dtype).eps * abs(exact)
    assert fine(declared.sliced())


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# x + σ² ∇ log p(x) is the mean of the data behind x.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# ∂p(x) = ∫ p(y) ∂N(x | y, σ²) = ∫ p(y) N(x | y, σ²) (y − x)/σ², so σ² ∂ log p = E[y | x] − x. For normal data the mean
# is where the exponent in y is least.


@proves("score.tweedie.normal")
def test_the_mode_of_the_exponent_is_tweedies_mean():
    """The derivation; with α; the reference passes, and σ for σ² is named."""
    assert [one.title for one in oracle.tweedie_mean.steps] == ["Tweedie's formula"]
    alpha, y = sympy.symbols("alpha y", positive=True)
    exponent = -((y - MEAN) ** 2) / (2 * WIDTH**2) - (X - alpha * y) ** 2 / (2 * SIGMA**2)
    (behind,) = sympy.solve(sympy.diff(exponent, y), y)
    score = -(X - alpha * MEAN) / (alpha**2 * WIDTH**2 + SIGMA**2)
    assert sympy.simplify((X + SIGMA**2 * score) / alpha - behind) == 0
    assert fine(declared.posterior_mean())
    assert "x + σ s" in failure(lambda x, score, sigma: x + sigma[:, None] * score, "score.tweedie")


# ── Claim, as it is read ─────────────────────────────────────────────────────────────────────────────────────────────
# Langevin's step leaves the density as it is.
#
# ── Counterexample ───────────────────────────────────────────────────────────────────────────────────────────────────
# A standard normal density, ε = 1: x′ = x/2 + z, and the variance that stays is 4/3.


@proves("score.langevin_step.stationary")
def test_a_step_of_width_one_widens_the_density():
    """The variance after one step from one, and the one that stays; the reference's, its noise integrated out."""
    v = sympy.Symbol("v", positive=True)
    assert sympy.Rational(1, 4) * 1 + 1 == sympy.Rational(5, 4)
    assert sympy.solve(v / 4 + 1 - v, v) == [sympy.Rational(4, 3)]
    start, one = torch.zeros(1, 1, dtype=torch.float64), torch.tensor(1.0, dtype=torch.float64)
    found = expectation(lambda: langevin.langevin_step(lambda x: -x, start, one))
    assert abs(float(found.variance) - 1.0) <= float(found.variance_error) + 64 * torch.finfo(start.dtype).eps


# ── Corrected statement, and its derivation ──────────────────────────────────────────────────────────────────────────
# x′ = (1 − ε/2) x + √ε z has the variance (1 − ε/2)² v + ε, which is v at v = 1/(1 − ε/4).


def stays(drift, noise):
    """The variance v that (1 − drift) x + √noise z leaves, of the score −x."""
    v = sympy.Symbol("v", positive=True)
    (found,) = sympy.solve((1 - drift) ** 2 * v + noise - v, v)
    return sympy.simplify(found)


@proves("score.langevin_step.stationary")
def test_the_variance_that_stays():
    """Solved for v."""
    eps = sympy.Symbol("epsilon", positive=True)
    assert sympy.simplify(stays(eps / 2, eps) - 1 / (1 - eps / 4)) == 0
    assert sympy.limit(stays(eps / 2, eps), eps, 0) == 1


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# Small steps keep the density if drift and noise belong together, and only then.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# With the drift a and the noise b the variance that stays is b/(a (2 − a)): b/(2a) for small a.


@proves("score.langevin_step.variance")
def test_drift_and_noise_belong_together():
    """Limits of the right step, and of two slips; the reference passes, and the slip is named."""
    eps = sympy.Symbol("epsilon", positive=True)
    assert sympy.limit(stays(eps / 2, eps), eps, 0) == 1
    assert sympy.limit(stays(eps / 2, eps**2), eps, 0) == 0
    assert sympy.limit(stays(eps, eps), eps, 0) == sympy.Rational(1, 2)
    assert fine(declared.langevin_step())

    def without_the_root(score, x, step_size):
        return x + step_size / 2 * score(x) + step_size * torch.randn_like(x)

    assert "noise without its root" in failure(without_the_root, "score.langevin_step")
