"""What is claimed of randomised estimates of a number: probes of a trace, cut series, roulette, weighted draws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = [
    "CUT_SERIES",
    "IMPORTANCE_VARIANCE",
    "NORMAL_PROBES",
    "POWER_SERIES",
    "RADEMACHER_PROBES",
    "ROULETTE",
    "ROULETTE_GEOMETRIC",
    "ROULETTE_VARIANCE",
    "SINGLE_TERM",
    "TRACE",
    "series_and_law",
    "square_matrix",
]

_LYNE = "Lyne, Girolami, Atchadé, Strathmann & Simpson 2015, section 2"


def square_matrix(size: int) -> sympy.Matrix:
    """A square matrix of symbols, not symmetric."""
    import sympy

    return sympy.Matrix(size, size, lambda i, j: sympy.Symbol(f"a{i + 1}{j + 1}", real=True))


def series_and_law(size: int) -> tuple[list[Any], list[Any]]:
    """The terms of a series, and the probability of stopping after each; the last is what is left of one."""
    import sympy

    terms = list(sympy.symbols(f"a1:{size + 1}", real=True))
    stops = list(sympy.symbols(f"p1:{size}", positive=True))
    return terms, [*stops, 1 - sum(stops)]


def trace_equation() -> sympy.Basic:
    """Σ_ij a_ij E v_i v_j, with the second moments as symbols, in two dimensions: tr A M."""
    import sympy

    moments = sympy.Matrix([[sympy.Symbol("m11"), sympy.Symbol("m12")], [sympy.Symbol("m12"), sympy.Symbol("m22")]])
    first, second = sympy.symbols("v1 v2", real=True)
    probe, matrix = sympy.Matrix([first, second]), square_matrix(2)
    form = sympy.Poly(sympy.expand((probe.T * matrix * probe)[0]), first, second)
    known: dict[Any, Any] = {(2, 0): moments[0, 0], (1, 1): moments[0, 1], (0, 2): moments[1, 1]}
    mean = sympy.Add(*(coefficient * known[powers] for powers, coefficient in form.terms()))
    return sympy.Eq(mean, (matrix * moments).trace(), evaluate=False)


def _off_diagonal(matrix: sympy.Matrix) -> Any:  # noqa: ANN401 - a SymPy expression
    """2 ‖S‖² − 2 Σ s_ii² with S the symmetric part."""
    symmetric = (matrix + matrix.T) / 2
    return 2 * sum(entry**2 for entry in symmetric) - 2 * sum(entry**2 for entry in symmetric.diagonal())


def rademacher_equation() -> sympy.Basic:
    """Var vᵀ A v over all signs in three dimensions, each as likely."""
    import itertools

    import sympy

    matrix = square_matrix(3)
    forms = []
    for signs in itertools.product((-1, 1), repeat=3):
        probe = sympy.Matrix(signs)
        forms.append((probe.T * matrix * probe)[0])
    variance = sum(one**2 for one in forms) / 8 - (sympy.Add(*forms) / 8) ** 2
    return sympy.Eq(sympy.expand(variance), sympy.expand(_off_diagonal(matrix)), evaluate=False)


def normal_equation() -> sympy.Basic:
    """Var vᵀ A v by the moments of two independent standard normal draws: 1, 0, 1, 0, 3."""
    import sympy

    first, second = sympy.symbols("v1 v2", real=True)
    probe, matrix = sympy.Matrix([first, second]), square_matrix(2)
    form = sympy.expand((probe.T * matrix * probe)[0])
    moment = (1, 0, 1, 0, 3)

    def mean(of: sympy.Expr) -> sympy.Expr:
        terms = sympy.Poly(sympy.expand(of), first, second).terms()
        return sympy.Add(*(c * moment[i] * moment[j] for (i, j), c in terms))

    symmetric = (matrix + matrix.T) / 2
    right = 2 * sum(entry**2 for entry in symmetric)
    return sympy.Eq(sympy.expand(mean(form**2) - mean(form) ** 2), sympy.expand(right), evaluate=False)


def power_series_equation() -> sympy.Basic:
    """The Taylor series of log det(I + t J) in t, against Σ (-1)^{k+1} tr(J^k) t^k/k, to the fifth power."""
    import sympy

    t = sympy.Symbol("t")
    matrix = square_matrix(2)
    found = sympy.series(sympy.log((sympy.eye(2) + t * matrix).det()), t, 0, 6).removeO()
    series = sum((-1) ** (k + 1) * (matrix**k).trace() * t**k / k for k in range(1, 6))
    return sympy.Eq(sympy.expand(found), sympy.expand(series), evaluate=False)


def _roulette(terms: list[Any], stops: list[Any]) -> list[Any]:
    """The estimate for each place to stop: Σ_{k ≤ N} a_k / P(N ≥ k)."""
    reached = [sum(stops[k:]) for k in range(len(stops))]
    weighted = [a / p for a, p in zip(terms, reached, strict=True)]
    return [sum(weighted[: n + 1]) for n in range(len(terms))]


def roulette_equation() -> sympy.Basic:
    """E Σ_{k ≤ N} a_k / P(N ≥ k) for four terms and any law of N."""
    import sympy

    terms, stops = series_and_law(4)
    mean = sum(p * one for p, one in zip(stops, _roulette(terms, stops), strict=True))
    return sympy.Eq(mean, sum(terms), evaluate=False)


def single_term_equation() -> sympy.Basic:
    """E a_N / P(N) for four terms."""
    import sympy

    terms, stops = series_and_law(4)
    mean = sympy.Add(*(p * (a / p) for a, p in zip(terms, stops, strict=True)))
    return sympy.Eq(mean, sum(terms), evaluate=False)


def roulette_variance_equation() -> sympy.Basic:
    """Var of the roulette against Σ_jk a_j a_k (1/P(N ≥ min(j, k)) − 1), for three terms."""
    import sympy

    terms, stops = series_and_law(3)
    squares = sum(p * one**2 for p, one in zip(stops, _roulette(terms, stops), strict=True))
    reached = [sum(stops[k:]) for k in range(3)]
    right = sum(terms[j] * terms[k] * (1 / reached[min(j, k)] - 1) for j in range(3) for k in range(3))
    return sympy.Eq(squares - sum(terms) ** 2, right, evaluate=False)


def geometric_variance_equation() -> sympy.Basic:
    """Σ_jk a_j a_k (1/P(N ≥ min(j, k)) − 1) for a_k = r^k and P(N ≥ k) = q^{k−1}, summed where r² < q."""
    import sympy

    r, q = sympy.symbols("r q", positive=True)
    # Σ_jk a_j a_k/P(N ≥ min) = Σ_k (a_k² + 2 a_k Σ_{j>k} a_j)/q^{k-1}, and Σ_{j>k} r^j = r^{k+1}/(1 - r): geometric
    # with ratio r²/q, whose first term is r² (1 + 2r/(1 - r)).
    first, ratio = r**2 * (1 + 2 * r / (1 - r)), r**2 / q
    left = first / (1 - ratio) - (r / (1 - r)) ** 2
    return sympy.Eq(left, r**4 * (1 - q) / ((1 - r) ** 2 * (q - r**2)), evaluate=False)


def importance_variance_equation() -> sympy.Basic:
    """Σ p² f²/q − (Σ p |f|)² as a sum of squares, three outcomes, |f| as symbols."""
    import sympy

    p, f, q = (sympy.symbols(f"{name}1:4", positive=True) for name in "pfq")
    q = (q[0], q[1], 1 - q[0] - q[1])
    mean = sum(a * b for a, b in zip(p, f, strict=True))
    squares = sum((a * b) ** 2 / c for a, b, c in zip(p, f, q, strict=True))
    gaps = sum(c * (a * b / c - mean) ** 2 for a, b, c in zip(p, f, q, strict=True))
    return sympy.Eq(squares - mean**2, gaps, evaluate=False)


TRACE = claim(
    "stochastic_traces.unbiased",
    Status.DERIVED,
    statement="E vᵀAv = tr A for every A if and only if E vvᵀ = I",
    source="Hutchinson 1990, section 2; the condition is linearity",
    assumptions=("E vvᵀ = M exists",),
    equation=trace_equation,
)

RADEMACHER_PROBES = claim(
    "stochastic_traces.rademacher_variance",
    Status.DERIVED,
    statement="For independent signs v, Var vᵀAv = 2‖S‖_F² − 2 Σ s_ii², S = (A + Aᵀ)/2: only what is off the diagonal",
    source="Hutchinson 1990, for symmetric A; Avron & Toledo 2011",
    equation=rademacher_equation,
)

NORMAL_PROBES = claim(
    "stochastic_traces.normal_variance",
    Status.DERIVED,
    statement="For v ~ N(0, I), Var vᵀAv = 2‖S‖_F², S = (A + Aᵀ)/2: by 2 Σ s_ii² more than with signs",
    source="Avron & Toledo 2011",
    equation=normal_equation,
)

POWER_SERIES = claim(
    "stochastic_traces.power_series",
    Status.DERIVED,
    statement="log det(I + J) = Σ_{k≥1} (−1)^{k+1} tr(J^k)/k where every eigenvalue of J has modulus below one",
    source="Behrmann et al. 2019, section 3.2",
    assumptions=("the spectral radius of J is below one; ‖J‖ < 1 suffices",),
    equation=power_series_equation,
    theorems=(
        "log(1 + λ) = Σ (−1)^{k+1} λ^k/k for |λ| < 1",
        "trace and determinant are sum and product of the eigenvalues (Schur 1909)",
    ),
)

CUT_SERIES = claim(
    "stochastic_traces.cut_series",
    Status.DERIVED,
    statement="Cut after K terms it is off by at most d ρ^{K+1}/((K + 1)(1 − ρ)), with ρ the spectral radius of J; and "
    "by no less than d ρ^{K+1}/(K + 1) for J = −ρI",
    source="Behrmann et al. 2019 (the convergence of the series); the constants are derived here",
    assumptions=("ρ < 1",),
)

ROULETTE = claim(
    "roulette.unbiased",
    Status.DERIVED,
    statement="E Σ_{k≤N} a_k/P(N ≥ k) = Σ_k a_k",
    source=_LYNE,
    assumptions=("P(N ≥ k) > 0 wherever a_k ≠ 0", "Σ |a_k| < ∞"),
    equation=roulette_equation,
    theorems=("Fubini, for infinitely many terms",),
)

SINGLE_TERM = claim(
    "roulette.single_term",
    Status.DERIVED,
    statement="E a_N/P(N) = Σ_k a_k",
    source=_LYNE,
    assumptions=("P(N = k) > 0 wherever a_k ≠ 0", "Σ |a_k| < ∞"),
    equation=single_term_equation,
)

ROULETTE_VARIANCE = claim(
    "roulette.variance",
    Status.DERIVED,
    statement="Var Σ_{k≤N} a_k/P(N ≥ k) = Σ_jk a_j a_k (1/P(N ≥ min(j, k)) − 1)",
    source="derived here: P(N ≥ j, N ≥ k) = P(N ≥ max(j, k))",
    assumptions=("the double sum converges absolutely",),
    equation=roulette_variance_equation,
)

ROULETTE_GEOMETRIC = claim(
    "roulette.geometric",
    Status.DERIVED,
    statement="For a_k = r^k and P(N ≥ k) = q^{k−1}, 0 < r < 1, the variance is r⁴(1 − q)/((1 − r)²(q − r²)) where "
    "r² < q, and infinite where r² ≥ q > 0 and q < 1",
    source="derived here; Chen et al. 2019 require as much of the law of N",
    equation=geometric_variance_equation,
)

IMPORTANCE_VARIANCE = claim(
    "importance.mean.variance",
    Status.DERIVED,
    statement="n Var (1/n) Σ f(x_i)p(x_i)/q(x_i) = E_q[(fp/q)²] − (E_p f)² ≥ (E_p|f|)² − (E_p f)², with equality where "
    "q is proportional to |f|p: a better proposal than p itself",
    source="Robert & Casella 2004, section 3.3 (the optimal proposal); Kahn & Marshall 1953",
    assumptions=("q > 0 wherever fp ≠ 0",),
    equation=importance_variance_equation,
)
