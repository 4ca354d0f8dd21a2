"""Two samples, or two normal laws, compared: maximum mean discrepancy, and Fréchet's distance behind the FID.

Two numbers by which samples of a model are judged. The one compares mean values of a kernel, and is unbiased if the
pairs of a draw with itself are left out, divisor included. The other fits a normal law to each sample, and needs the
square root of a product of matrices that do not commute. This page derives both, and shows what the usual slips do.

Sources: Gretton et al. 2012, "A kernel two-sample test" (JMLR 13); Dowson & Landau 1982, "The Fréchet distance between
multivariate normal distributions"; Olkin & Pukelsheim 1982, "The distance between two random vectors with given
dispersion matrices"; Heusel et al. 2017, "GANs trained by a two time-scale update rule"; Higham 2008, "Functions of
matrices".
"""

from __future__ import annotations

import itertools

import pytest
import sympy
import torch

import genverify as gv
from genverify.claims import proves
from genverify.oracles import two_samples as oracle
from genverify.reference.likelihood import two_samples as reference

P, Q, C = sympy.symbols("p q c", positive=True)  # chances of the second of two points, and the kernel between them


def passes(subject: gv.Formula) -> bool:
    """Whether every check that applies says PASS."""
    outcomes = {v.outcome for v in gv.verify(subject, budget="quick")}
    return gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


def kernel(a: int, b: int):
    """1 on the diagonal, c beside it."""
    return sympy.S.One if a == b else C


def expectation(statistic):
    """E over samples of two from the one law and of three from the other, by enumeration."""
    total = sympy.S.Zero
    for x in itertools.product((0, 1), repeat=2):
        for y in itertools.product((0, 1), repeat=3):
            chance = sympy.prod([P if one else 1 - P for one in x]) * sympy.prod([Q if one else 1 - Q for one in y])
            total += chance * statistic(x, y)
    return sympy.expand(total)


def within(sample, *, diagonal: bool, pairs: int):
    """The sum of the kernel over pairs of one sample, over a number of pairs."""
    n = len(sample)
    return sum(kernel(sample[i], sample[j]) for i in range(n) for j in range(n) if diagonal or i != j) / sympy.S(pairs)


def statistic(diagonal: bool, over_all: bool):
    """The estimate with or without the diagonal, over n² or n(n − 1) pairs."""

    def of(x, y):
        parts = [within(s, diagonal=diagonal, pairs=len(s) * (len(s) if over_all else len(s) - 1)) for s in (x, y)]
        return sum(parts) - 2 * sum(kernel(a, b) for a in x for b in y) / sympy.S(len(x) * len(y))

    return of


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# E of the estimate over pairs i ≠ j is MMD²; with i = j and n² it is larger by (1/n) E [k(x, x) − k(x, x′)] a sample.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Pairs i ≠ j are independent, so each has expectation E k(x, x′); of n² pairs n have k(x, x) instead.


@proves("divergence.mmd.unbiased")
def test_which_pairs_count():
    """Every outcome of five draws from laws on two points: for all chances and every kernel."""
    same = lambda a: a**2 + (1 - a) ** 2 + 2 * a * (1 - a) * C  # noqa: E731 - E k(x, x′) within a law
    mixed = P * Q + (1 - P) * (1 - Q) + C * (P * (1 - Q) + Q * (1 - P))
    exact = same(P) + same(Q) - 2 * mixed
    assert sympy.expand(expectation(statistic(diagonal=False, over_all=False)) - exact) == 0
    bias = (1 - same(P)) / 2 + (1 - same(Q)) / 3
    assert sympy.expand(expectation(statistic(diagonal=True, over_all=True)) - exact - bias) == 0
    for slip in (statistic(diagonal=True, over_all=False), statistic(diagonal=False, over_all=True)):
        gap = sympy.expand(expectation(slip) - exact)
        assert gap.subs({P: sympy.Rational(1, 2), Q: sympy.Rational(1, 2), C: sympy.Rational(1, 2)}) != 0
    assert sympy.factor(exact) == sympy.factor(2 * (1 - C) * (P - Q) ** 2)


@proves("divergence.mmd.unbiased")
def test_the_references():
    """Both pass; the unbiased one is negative at times, the biased one is not."""
    assert passes(gv.Formula(reference.mmd, like="divergence.mmd"))
    assert passes(gv.Formula(reference.mmd_unbiased, like="divergence.mmd"))
    x, y = torch.tensor([[0.0], [1.0]]), torch.tensor([[0.0], [1.0]])
    assert reference.mmd_unbiased(x, y) < 0 == reference.mmd(x, y)

    def kept(x: torch.Tensor, y: torch.Tensor, sigma: torch.Tensor | float = 1.0) -> torch.Tensor:
        n, m = len(x), len(y)
        return reference.mmd_unbiased(x, y, sigma) + 1 / (n - 1) + 1 / (m - 1)

    (verdict,) = gv.verify(gv.Formula(kept, like="divergence.mmd"), checks=["formula.dialect"])
    assert verdict.outcome is gv.Outcome.FAIL
    assert "diagonal kept" in verdict.evidence.message


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# d² = ‖μ − ν‖² + tr(Σ_p + Σ_q − 2 (Σ_p Σ_q)^½).
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# On the line the optimal coupling takes equal quantiles, μ + σε and ν + τε with the same ε. In more dimensions the best
# linear map has the cross-covariance of greatest trace, tr (Σ_p^½ Σ_q Σ_p^½)^½; its eigenvalues are those of Σ_p Σ_q.


@proves("divergence.frechet.closed_form")
def test_on_the_line():
    """E (μ + σε − ν − τε)², integrated; the reference passes."""
    mu, nu, e = sympy.symbols("mu nu epsilon", real=True)
    sigma, tau = sympy.symbols("sigma tau", positive=True)
    bell = sympy.exp(-(e**2) / 2) / sympy.sqrt(2 * sympy.pi)
    squared = sympy.integrate(sympy.expand((mu - nu + (sigma - tau) * e) ** 2) * bell, (e, -sympy.oo, sympy.oo))
    closed = (mu - nu) ** 2 + sigma**2 + tau**2 - 2 * sympy.sqrt(sigma**2 * tau**2)
    assert sympy.expand(sympy.simplify(squared) - closed) == 0
    assert passes(gv.Formula(reference.frechet, like="divergence.frechet"))


@proves("divergence.frechet.closed_form")
def test_the_trace_of_a_root():
    """For two eigenvalues: (√a + √b)² = a + b + 2√(ab); the iteration of the oracle finds the root."""
    a, b = sympy.symbols("a b", positive=True)
    assert sympy.expand((sympy.sqrt(a) + sympy.sqrt(b)) ** 2 - (a + b + 2 * sympy.sqrt(a * b))) == 0
    product = torch.tensor([[4.0, 0.0], [0.0, 1.0]]).double() @ torch.tensor([[2.5, 1.5], [1.5, 2.5]]).double()
    root = oracle.square_root(product)
    eps = torch.finfo(torch.float64).eps
    assert float((root @ root - product).abs().max()) <= 64 * eps * float(product.abs().sum())
    assert abs(float(root.trace()) - float((product.trace() + 2 * product.det().sqrt()).sqrt())) <= 64 * eps * 5


@proves("divergence.frechet.order_of_roots")
def test_roots_may_not_be_multiplied():
    """The counterexample; for diagonal matrices there is no difference."""
    p, q = sympy.diag(4, 1), sympy.Matrix([[5, 3], [3, 5]]) / 2
    product = p * q
    right = sympy.sqrt(product.trace() + 2 * sympy.sqrt(product.det()))
    assert sympy.simplify(right - sympy.sqrt(sympy.Rational(41, 2))) == 0
    half = sympy.Matrix([[3, 1], [1, 3]]) / 2
    assert half * half == q
    wrong = (sympy.diag(2, 1) * half).trace()
    assert wrong == sympy.Rational(9, 2) < right
    a, b, c, d = sympy.symbols("a b c d", positive=True)
    commuting = sympy.sqrt(a * c) + sympy.sqrt(b * d)
    assert (
        sympy.simplify(
            commuting - (sympy.diag(*map(sympy.sqrt, (a, b))) * sympy.diag(*map(sympy.sqrt, (c, d)))).trace()
        )
        == 0
    )


@proves("divergence.frechet.closed_form")
@pytest.mark.parametrize("rank", [1])
def test_a_singular_covariance_has_a_distance_too(rank):
    """Fewer images than features: Σ is singular, its root is not differentiable, and the distance is finite.

    A covariance that is not positive definite lies outside the formula's domain: no function is accused for what it
    does there. Here the reference fails in the Cholesky factor, and eigenvalues give the limit.
    """
    p, q = torch.diag(torch.tensor([1.0, 0.0])).double(), torch.eye(2).double()
    shared = torch.linalg.eigvals(p @ q).real.clamp(min=0).sqrt().sum()
    assert float(p.trace() + q.trace() - 2 * shared) == rank
    with pytest.raises(torch.linalg.LinAlgError):
        reference.frechet(torch.zeros(2).double(), p, torch.zeros(2).double(), q)
