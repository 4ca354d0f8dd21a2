"""What is claimed of residual flows: determinants, iterations that stop, and series that stop at random."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = ["DETERMINANT", "NEUMANN", "POISSON", "RATE", "ROULETTE", "STOPPING"]


def determinant_equation() -> sympy.Basic:
    """A pair of conjugate eigenvalues: their factor of the determinant against the bound below."""
    import sympy

    angle, radius = sympy.symbols("theta rho", real=True)
    factor = (1 + radius * sympy.cos(angle)) ** 2 + (radius * sympy.sin(angle)) ** 2
    gap = 2 * radius * (1 + sympy.cos(angle))
    return sympy.Eq(factor - (1 - radius) ** 2, gap, evaluate=False)


def rate_equation() -> sympy.Basic:
    """For g(x) = −L x the error after n steps is the bound."""
    import sympy

    n = sympy.Symbol("n", integer=True, nonnegative=True)
    y, lipschitz = sympy.symbols("y L", positive=True)
    error = y / (1 - lipschitz) - y * (1 - lipschitz ** (n + 1)) / (1 - lipschitz)
    return sympy.Eq(error, lipschitz**n / (1 - lipschitz) * lipschitz * y, evaluate=False)


def stopping_equation() -> sympy.Basic:
    """For g(x) = −L x what is left after n steps, through the last step."""
    import sympy

    n = sympy.Symbol("n", integer=True, positive=True)
    y, lipschitz = sympy.symbols("y L", positive=True)

    def iterate(count: sympy.Expr) -> sympy.Expr:
        return y * (1 - lipschitz ** (count + 1)) / (1 - lipschitz)

    left = y / (1 - lipschitz) - iterate(n)
    return sympy.Eq(left, lipschitz / (1 - lipschitz) * (iterate(n) - iterate(n - 1)), evaluate=False)


def roulette_equation() -> sympy.Basic:
    """One exact term and three that may be missing, N from one to three with any law: the mean is the whole sum."""
    import sympy

    terms = list(sympy.symbols("a1:5", real=True))
    first, second = sympy.symbols("p1 p2", positive=True)
    law = [first, second, 1 - first - second]
    reached = [sympy.Integer(1), 1 - first, 1 - first - second]

    def estimate(count: int) -> sympy.Expr:
        return terms[0] + sum(terms[1 + k] / reached[k] for k in range(count))

    mean = sympy.Add(*(share * estimate(count) for count, share in enumerate(law, start=1)))
    return sympy.Eq(mean, sympy.Add(*terms), evaluate=False)


def poisson_equation() -> sympy.Basic:
    """The ratio of successive lower bounds of the terms of the variance."""
    import sympy

    k = sympy.Symbol("k", integer=True, positive=True)
    rho, rate = sympy.symbols("rho lambda", positive=True)

    def bound(at: sympy.Expr) -> sympy.Expr:
        return rho ** (2 * at) / at**2 * sympy.factorial(at) / rate**at

    ratio = rho**2 * k**2 / (rate * (k + 1))
    return sympy.Eq(bound(k + 1) / bound(k), ratio, evaluate=False)


def neumann_equation() -> sympy.Basic:
    """The slope of log(1 + s u) in s, and Neumann's series summed."""
    import sympy

    s, u, k = sympy.Symbol("s", positive=True), sympy.Symbol("u", positive=True), sympy.Symbol("k", integer=True)
    series = sympy.Sum((-1) ** k * (s * u) ** k * u, (k, 0, sympy.oo))
    return sympy.Eq(sympy.Derivative(sympy.log(1 + s * u), s), series, evaluate=False)


DETERMINANT = claim(
    "residual_flows.determinant", Status.DERIVED,
    statement="if the operator norm of J is at most L < 1, det(I + J) is positive, and d log(1 − L) ≤ log det(I + J) ≤ "
    "d log(1 + L): no absolute value is needed",
    source="Behrmann et al. 2019, section 3.1 and appendix A", assumptions=("J real, d × d",),
    theorems=("eigenvalues of a real matrix come in conjugate pairs and are at most its norm",),
    equation=determinant_equation,
)  # fmt: skip
RATE = claim(
    "residual_flows.rate", Status.DERIVED,
    statement="the bound Lⁿ/(1 − L) ‖x_1 − x_0‖ of the error after n steps of x ← y − g(x) is attained, by g(x) = −L x "
    "from x_0 = y: fewer steps than it asks for are too few",
    source="Behrmann et al. 2019, theorem 1; Banach 1922", equation=rate_equation,
)  # fmt: skip
STOPPING = claim(
    "residual_flows.stopping_rule", Status.REFUTED,
    statement="iterating until all (x_n − x_{n−1})² < atol + rtol |y| gives the inverse to within atol + rtol |y|",
    source="the code beside Chen et al. 2019 (rtqichen/residual-flows, `_inverse_fixed_point`, atol = rtol = 1e-5) and "
    "its ports, read as the names of its arguments say",
    counterexample="g(x) = −0.9 x, y = 1: it stops where the last step is 4.2e-3 and the error 3.8e-2, against 2e-5",
    corrected="the rule bounds the last step by the root √(atol + rtol |y|), and what is left is at most L/(1 − L) "
    "times the last step, which g(x) = −L x attains; so the step has to be below (1 − L)/L of the error that is meant",
    assumptions=("Lip g ≤ L < 1",), theorems=("Banach's fixed-point theorem, the bound a posteriori",),
    equation=stopping_equation,
)  # fmt: skip
ROULETTE = claim(
    "residual_flows.roulette", Status.DERIVED,
    statement="E Σ_{k ≤ m + N} (−1)^{k+1}/k · vᵀJ^k v / P(N ≥ k − m) = log det(I + J) for E vvᵀ = I, N independent of "
    "v with P(N ≥ k) > 0 for every k, and ‖J‖ < 1",
    source="Chen et al. 2019, theorem 1 and section 3.1",
    assumptions=("one exact term and three others, for the algebra executed",),
    theorems=("Fubini: Σ_k E|vᵀJ^k v|/k ≤ E‖v‖² Σ L^k/k < ∞", "the series of the logarithm"),
    equation=roulette_equation,
)  # fmt: skip
POISSON = claim(
    "residual_flows.poisson_variance", Status.REFUTED,
    statement="the estimate that stops at a Poisson number of terms has a finite variance when Lip g < 1",
    source="the option n_dist='poisson' beside Chen et al. 2019, read as interchangeable with 'geometric'",
    counterexample="J = −ρ I with any ρ > 0: all terms have one sign, and the variance is at least Σ (ρ^k/k)² "
    "(1/P(N ≥ k) − 1), whose terms grow without bound",
    corrected="it is unbiased and its variance is infinite; geometric stops have a finite variance where L² < 1 − p",
    theorems=("the ratio test",), equation=poisson_equation,
)  # fmt: skip
NEUMANN = claim(
    "residual_flows.neumann", Status.DERIVED,
    statement="∂ log det(I + J) = Σ_{k ≥ 0} (−1)^k tr(J^k ∂J): Neumann's series gives the gradient; as a value it is "
    "tr J(I + J)⁻¹ where ∂J = J, and not the logarithm",
    source="Chen et al. 2019, eq. 8", assumptions=("one eigenvalue, for the algebra executed",),
    theorems=("Jacobi's formula",), equation=neumann_equation,
)  # fmt: skip
