"""The divergence of any two laws, from one table of expectations; torch's registered pairs stand in kl_pairs.md.

The log-density of every law here is a sum of a few functions of the outcome, with coefficients that are functions of
the parameters. So the divergence of any two is a sum of coefficients times expectations under the first, and what is
left to prove are the expectations. This page derives them, integrates every pair that torch registers, and shows what
a Bregman divergence and a transform have to do with it. What torch gets wrong, and where, is the page kl_pairs.md.

Sources: Kullback & Leibler 1951, "On information and sufficiency"; Brown 1986, "Fundamentals of statistical exponential
families"; Banerjee et al. 2005, "Clustering with Bregman divergences"; Gil, Alajaji & Linder 2013, "Rényi divergence
measures for commonly used univariate continuous distributions"; Bishop 2006, "Pattern Recognition and Machine
Learning", appendix B; Chyzak & Nielsen 2019, "A closed-form formula for the Kullback–Leibler divergence between Cauchy
distributions".
"""

from __future__ import annotations

import pytest
import sympy
import torch
from sympy import digamma, exp, log, loggamma

import genverify as gv
from genverify.claims import proves
from genverify.formulas import kl_pair_claims
from genverify.oracles import kl_pairs, kl_quadrature, kl_vector
from genverify.reference.likelihood import kl_families as reference

X, A, B, T = sympy.symbols("x a b t", positive=True)
LAWS = kl_pairs.laws()

# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# KL(p ‖ q) = Σ_T (c_T − d_T) E_p T.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# Linearity of the expectation. That the sums are the log-densities is checked law by law, at a symbol x.


def written(name: str, *parameters):
    """The log-density of the table at x, its functions of the outcome written out."""
    functions = {
        "one": lambda: 1, "x": lambda: X, "square": lambda c: (X - c) ** 2, "log": lambda: log(X),
        "log1m": lambda: log(1 - X), "decay": lambda t, c: exp(-t * (X - c)), "abs": lambda c: sympy.Abs(X - c),
        "rest": lambda n: n - X, "log_factorial": lambda: loggamma(X + 1),
        "log_square": lambda c, h: log((X - c) ** 2 + h**2),
    }  # fmt: skip
    return sum(c * functions[key[0]](*key[1:]) for key, c in LAWS[name].log_density(*parameters).items())


_ROOT = sympy.sqrt(2 * sympy.pi)
TEXTBOOK = {
    "Bernoulli": ((A,), A**X * (1 - A) ** (1 - X)),
    "Beta": ((A, B), X ** (A - 1) * (1 - X) ** (B - 1) * exp(loggamma(A + B) - loggamma(A) - loggamma(B))),
    "Cauchy": ((A, B), B / (sympy.pi * ((X - A) ** 2 + B**2))),
    "Exponential": ((A,), A * exp(-A * X)),
    "Gamma": ((A, B), B**A * X ** (A - 1) * exp(-B * X) / exp(loggamma(A))),
    "Geometric": ((A,), A * (1 - A) ** X),
    "Gumbel": ((A, B), exp(-(X - A) / B - exp(-(X - A) / B)) / B),
    "HalfNormal": ((A,), 2 * exp(-((X / A) ** 2) / 2) / (A * _ROOT)),
    "Laplace": ((A, B), exp(-sympy.Abs(X - A) / B) / (2 * B)),
    "Normal": ((A, B), exp(-(((X - A) / B) ** 2) / 2) / (B * _ROOT)),
    "Pareto": ((A, B), B * A**B / X ** (B + 1)),
    "Poisson": ((A,), A**X * exp(-A) / exp(loggamma(X + 1))),
    "Uniform": ((A, B), 1 / (B - A)),
}


@proves("kl.pairs.closed_form")
@pytest.mark.parametrize("name", TEXTBOOK)
def test_the_table_holds_the_densities_of_the_textbooks(name):
    """The logarithm of the density, opened."""
    parameters, density = TEXTBOOK[name]
    gap = sympy.expand_log(log(density), force=True) - sympy.expand_log(written(name, *parameters), force=True)
    assert sympy.simplify(sympy.expand_log(sympy.expand(gap), force=True)) == 0


@proves("kl.pairs.closed_form")
@pytest.mark.parametrize("name", ["kl_exponential", "kl_gamma", "kl_pareto", "kl_poisson"])
def test_the_references_are_these_closed_forms(name):
    """As a user would ask, for a function of one's own."""
    like = "kl." + name.removeprefix("kl_")
    gv.verify(gv.Formula(getattr(reference, name), like=like), budget="quick").raise_for_failures()


# ── Claim ────────────────────────────────────────────────────────────────────────────────────────────────────────────
# The expectations of the table.
#
# ── Derivation ───────────────────────────────────────────────────────────────────────────────────────────────────────
# With p ∝ h(x) e^(η T − A(η)), differentiate ∫ p = 1 once and twice: E T = A′, Var T = A″.


def expected(name: str, key: str, parameters, *numbers):
    """The table's expectation."""
    return LAWS[name].expectation((key, *numbers), *parameters)


SLOPES = {
    # law, function: (parameters, log-normaliser in η, η, its value, the number of derivatives)
    ("Gamma", "log"): ((A, B), lambda e: loggamma(e + 1) - (e + 1) * log(B), A - 1),
    ("Gamma", "x"): ((A, B), lambda e: loggamma(A) - A * log(-e), -B),
    ("Exponential", "x"): ((A,), lambda e: -log(-e), -A),
    ("Poisson", "x"): ((A,), exp, log(A)),
    ("Bernoulli", "x"): ((A,), lambda e: log(1 + exp(e)), log(A / (1 - A))),
    ("Geometric", "x"): ((A,), lambda e: -log(1 - exp(e)), log(1 - A)),
    ("Beta", "log"): ((A, B), lambda e: loggamma(e + 1) + loggamma(B) - loggamma(e + 1 + B), A - 1),
    ("Beta", "log1m"): ((A, B), lambda e: loggamma(e + 1) + loggamma(A) - loggamma(e + 1 + A), B - 1),
    ("ContinuousBernoulli", "x"): ((A,), lambda e: log((exp(e) - 1) / e), log(A) - log(1 - A)),
}


@proves("kl.pairs.moments")
@pytest.mark.parametrize(("name", "key"), SLOPES)
def test_expectations_are_slopes_of_the_log_normaliser(name, key):
    """E T = A′(η); for x the variance A″(η) as well, where the table has one."""
    parameters, normaliser, at = SLOPES[name, key]
    e = sympy.Symbol("e", real=True)
    slope = sympy.diff(normaliser(e), e).subs(e, at)
    assert sympy.simplify((slope - expected(name, key, parameters)).rewrite(digamma)) == 0
    law = LAWS[name]
    if key == "x" and law.variance is not None:
        curvature = sympy.diff(normaliser(e), e, 2).subs(e, at)
        assert sympy.simplify(curvature - law.variance(*parameters)) == 0


INTEGRALS = {
    "uniform, log": (sympy.Integral(log(X), (X, A, B)) / (B - A), ("Uniform", "log", (A, B))),
    "uniform, square": (sympy.Integral((X - T) ** 2, (X, A, B)) / (B - A), ("Uniform", "square", (A, B), T)),
    "uniform, decay": (sympy.Integral(exp(-T * X), (X, A, B)) / (B - A), ("Uniform", "decay", (A, B), T, 0)),
    # y = log x/s is exponential with rate α: E y = 1/α, E s e^y = sα/(α − 1).
    "Pareto, log": (log(A) + sympy.Integral(X * B * exp(-B * X), (X, 0, sympy.oo)), ("Pareto", "log", (A, B))),
    "Pareto, x": (A * (B + 1) * sympy.Integral(exp(-B * X), (X, 0, sympy.oo)), ("Pareto", "x", (A, B + 1))),
    # x = μ + by: E |y + d| for y Laplace, d > 0, on three pieces.
    "Laplace, abs": (
        B * (sympy.Integral((X + T) * exp(-X) / 2, (X, 0, sympy.oo))
             + sympy.Integral((T - X) * exp(-X) / 2, (X, 0, T))
             + sympy.Integral((X - T) * exp(-X) / 2, (X, T, sympy.oo))),
        ("Laplace", "abs", (T * B, B), 0),
    ),
    "normal, decay": (
        sympy.Integral(exp(-T * B * X - X**2 / 2) / _ROOT, (X, -sympy.oo, sympy.oo)) * exp(-T * A),
        ("Normal", "decay", (A, B), T, 0),
    ),
    # e^(−(x − μ)/b) is exponential with rate 1 under a Gumbel law.
    "Gumbel, x": (A - B * sympy.Integral(log(X) * exp(-X), (X, 0, sympy.oo)), ("Gumbel", "x", (A, B))),
    "exponential, log": (sympy.Integral(log(X) * exp(-X), (X, 0, sympy.oo)) - log(A), ("Exponential", "log", (A,))),
    "exponential, decay": (
        A * sympy.Integral(exp(-(A + T) * X), (X, 0, sympy.oo)), ("Exponential", "decay", (A,), T, 0)),
}  # fmt: skip


@proves("kl.pairs.moments")
@pytest.mark.parametrize("name", INTEGRALS)
def test_expectations_are_integrals(name):
    """Integrated by SymPy."""
    integral, (law, key, parameters, *numbers) = INTEGRALS[name]
    gap = sympy.expand_log(integral.doit() - expected(law, key, parameters, *numbers), force=True)
    assert sympy.simplify(gap) == 0


# ── Evidence ─────────────────────────────────────────────────────────────────────────────────────────────────────────
# A second witness, which knows no expectation: the definition, integrated by the double-exponential rule.

AT = {
    "Bernoulli": ((0.3,), (0.6,)), "Beta": ((1.5, 2.5), (2.0, 1.25)), "Binomial": ((5, 0.3), (5, 0.6)),
    "Cauchy": ((0.5, 1.5), (-0.25, 0.75)), "ContinuousBernoulli": ((0.3,), (0.8,)), "Exponential": ((1.5,), (0.75,)),
    "Gamma": ((1.75, 1.5), (2.5, 0.75)), "Geometric": ((0.3,), (0.6,)), "Gumbel": ((0.5, 1.5), (-0.25, 1.25)),
    "HalfNormal": ((1.5,), (0.75,)), "Laplace": ((0.5, 1.5), (-0.25, 0.75)), "Normal": ((0.5, 1.5), (-0.25, 0.75)),
    "Pareto": ((1.5, 3.5), (1.25, 2.5)), "Poisson": ((1.5,), (0.75,)), "Uniform": ((0.25, 0.75), (-1.0, 2.5)),
}  # fmt: skip


def finite_pairs():
    """Pairs whose divergence is finite at these parameters."""
    for p, q in kl_pairs.pairs():
        first = (1.5, 2.5) if (p, q) == ("Uniform", "Pareto") else AT[p][0]
        one, other = (
            dict(zip(LAWS[p].parameters, first, strict=True)),
            dict(zip(LAWS[q].parameters, AT[q][1], strict=True)),
        )
        if kl_pairs.contained(p, q, one, other):
            yield p, q, one, other


@proves("kl.pairs.quadrature")
def test_the_definition_agrees():
    """All of them; and an infinite one."""
    import mpmath

    checked = 0
    for p, q, first, second in finite_pairs():
        by_definition = kl_quadrature.divergence(p, q, first, second)
        by_table = kl_pairs.closed(p, q).mpmath(*first.values(), *second.values(), dps=20)
        assert abs(by_definition - by_table) <= mpmath.mpf(10) ** -15 * abs(by_table), (p, q)
        checked += 1
    assert checked >= 45
    assert not kl_pairs.contained("Normal", "Gamma", {"loc": 0.0, "scale": 1.0}, {"concentration": 1.0, "rate": 1.0})


@proves("kl.pairs.bregman")
@pytest.mark.parametrize(
    ("name", "natural", "normaliser"),
    [
        ("Exponential", lambda r: -r, lambda e: -log(-e)),
        ("Poisson", log, exp),
        ("Bernoulli", lambda p: log(p) - log(1 - p), lambda e: log(1 + exp(e))),
    ],
)
def test_a_bregman_divergence_of_the_log_normaliser(name, natural, normaliser):
    """The closed form of the table is A(η_q) − A(η_p) − (η_q − η_p) A′(η_p)."""
    closed = kl_pairs.closed(name, name)
    p, q = closed.symbols
    shown = kl_pair_claims.BREGMAN.equation().rhs
    eta = dict(zip(sympy.symbols("eta_p eta_q", real=True), (natural(p), natural(q)), strict=True))
    assert shown.free_symbols == set(eta)
    bregman = shown.replace(sympy.Function("A"), normaliser).doit().subs(eta)
    odds = {p: A / (1 + A), q: B / (1 + B)} if name == "Bernoulli" else {}
    gap = sympy.simplify((bregman - closed.expression).subs(odds))
    assert sympy.simplify(sympy.expand_log(sympy.factor(gap), force=True)) == 0


@proves("kl.pairs.dirichlet")
def test_dirichlet():
    """E log x_k = ∂ log B/∂a_k at three classes; two classes are a beta law; the reference passes."""
    a = sympy.symbols("a1:4", positive=True)
    log_beta = sum(map(loggamma, a)) - loggamma(sum(a))
    for one in a:
        assert sympy.simplify(sympy.diff(log_beta, one).rewrite(digamma) - digamma(one) + digamma(sum(a))) == 0
    first, second = (torch.tensor(v, dtype=torch.float64) for v in ([1.5, 2.5], [2.0, 1.25]))
    by_beta = kl_pairs.closed("Beta", "Beta")(*first, *second)
    found = torch.stack(kl_vector.dirichlet(first, second)).sum()
    assert abs(float(found - by_beta)) <= 64 * torch.finfo(torch.float64).eps * float(
        torch.stack(kl_vector.dirichlet(first, second)).abs().sum()
    )
    gv.verify(gv.Formula(reference.kl_dirichlet, like="kl.dirichlet"), budget="quick").raise_for_failures()


@proves("kl.pairs.wishart")
def test_wishart():
    """Against the Bregman divergence, and at k = 1 against a gamma law."""
    df_p, df_q = (torch.tensor(v, dtype=torch.float64) for v in (3.5, 4.25))
    scale_p, scale_q = (torch.tensor(v).double() for v in ([[2.0, 0.5], [0.5, 1.0]], [[1.0, -0.25], [-0.25, 0.75]]))

    def normaliser(half: torch.Tensor, precision: torch.Tensor) -> torch.Tensor:
        """A of η = (−V⁻¹/2, ν/2)."""
        k = precision.shape[-1]
        return half * (k * torch.tensor(2.0).double().log() - torch.logdet(precision)) + torch.mvlgamma(half, k)

    at = (df_p / 2, torch.linalg.inv(scale_p))
    by_half, by_precision = torch.func.grad(normaliser, (0, 1))(*at)
    to = (df_q / 2, torch.linalg.inv(scale_q))
    bregman = normaliser(*to) - normaliser(*at) - (to[0] - at[0]) * by_half - ((to[1] - at[1]) * by_precision).sum()
    terms = torch.stack(kl_vector.wishart(df_p, scale_p, df_q, scale_q))
    slack = 128 * torch.finfo(torch.float64).eps * float(terms.abs().sum())
    assert abs(float(terms.sum() - bregman)) <= slack
    one = (df_p, scale_p[:1, :1], df_q, scale_q[:1, :1])
    gamma = kl_pairs.closed("Gamma", "Gamma")(df_p / 2, 1 / (2 * scale_p[0, 0]), df_q / 2, 1 / (2 * scale_q[0, 0]))
    assert abs(float(torch.stack(kl_vector.wishart(*one)).sum() - gamma)) <= slack


@proves("kl.pairs.transformed")
def test_a_fold_brings_laws_together():
    """The density of |x| is p(x) + p(−x), which is the same for ±μ; the base laws are 2μ² apart (σ = 1)."""
    mu = sympy.Symbol("mu", positive=True)

    def bell(centre):
        return exp(-((X - centre) ** 2) / 2) / _ROOT

    assert sympy.simplify((bell(mu) + bell(-mu)) - (bell(-mu) + bell(mu)).subs(X, X)) == 0
    folded_plus, folded_minus = bell(mu) + bell(mu).subs(X, -X), bell(-mu) + bell(-mu).subs(X, -X)
    assert sympy.simplify(folded_plus - folded_minus) == 0
    between = kl_pairs.closed("Normal", "Normal").expression.subs(
        dict(zip(kl_pairs.closed("Normal", "Normal").symbols, (mu, 1, -mu, 1), strict=True))
    )
    assert sympy.simplify(between - 2 * mu**2) == 0
