"""What is claimed of the steps back from noise to data, and of guidance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = ["ADAMS", "DDIM_MOMENTS", "DDPM_MOMENTS", "EXPONENTS", "INVERTIBLE", "MARGINAL", "MEAN", "exact_eps"]

_HO, _SONG = "Ho, Jain & Abbeel 2020", "Song, Meng & Ermon 2021"


def _mean() -> sympy.Basic:
    """The posterior's mean at x̂_0."""
    import sympy

    from genverify.oracles import diffusion as oracle

    xt, eps, level, previous = oracle.ddpm_mean.symbols
    x0 = (xt - sympy.sqrt(1 - level) * eps) / sympy.sqrt(level)
    names: dict[Any, Any] = dict(zip(oracle.posterior_mean.symbols, (x0, xt, level, previous), strict=True))
    return sympy.Eq(oracle.posterior_mean.expression.subs(names, simultaneous=True), oracle.ddpm_mean.expression,
                    evaluate=False)  # fmt: skip


MEAN = claim(
    "diffusion.ddpm_mean.posterior", Status.DERIVED,
    statement="the mean (x_t − β_t/√(1 − ᾱ_t) ε)/√α_t is the posterior's mean μ̃(x_t, x̂_0) at x̂_0 = (x_t − √(1 − "
        "ᾱ_t) ε)/√ᾱ_t",
    source=f"{_HO}, eqs. 10 and 11", assumptions=("0 < ᾱ_t < ᾱ_{t−1} ≤ 1",), equation=_mean,
)  # fmt: skip


def exact_eps(x: sympy.Expr, level: sympy.Expr, mean: sympy.Expr, c: sympy.Expr) -> sympy.Expr:
    """E[ε | x_t] for data N(m, c): √(1 − ᾱ) (x_t − √ᾱ m)/(ᾱ c + 1 − ᾱ)."""
    import sympy

    return sympy.sqrt(1 - level) * (x - sympy.sqrt(level) * mean) / (level * c + 1 - level)


def _ddpm_moments() -> sympy.Basic:
    """The gain of the exact mean, squared, times V_t, and the variance that is missing to V_{t−1}."""
    import sympy

    from genverify.oracles import diffusion as oracle

    xt, eps, level, previous = oracle.ddpm_mean.symbols
    mean, c = sympy.Symbol("m", real=True), sympy.Symbol("c", nonnegative=True)
    now, before = level * c + 1 - level, previous * c + 1 - previous
    gain = sympy.diff(oracle.ddpm_mean.expression.subs(eps, exact_eps(xt, level, mean, c)), xt)
    return sympy.Eq(before - gain**2 * now, (1 - level / previous) * before / now, evaluate=False)


DDPM_MOMENTS = claim(
    "diffusion.ddpm_step.data_moments", Status.DERIVED,
    statement="for data N(m, c) and the exact ε = E[ε | x_t], a DDPM step carries the mean √ᾱ_t m to √ᾱ_{t−1} m, and "
        "the "
    "variance V_t = ᾱ_t c + 1 − ᾱ_t to V_{t−1} if and only if σ_t² = β_t V_{t−1}/V_t: that is β̃_t for c = 0 and β_t "
    "for c = 1, "
    "between them for c in (0, 1); with another σ_t² the error e of the variance obeys e_{t−1} = A_t² e_t + σ_t² − "
    "β_t V_{t−1}/V_t, "
    "A_t = (V_t − β_t)/(√α_t V_t)",
    source=f"{_HO}, section 3.2 (both extremes); derived here in between",
        assumptions=("0 < ᾱ_t < ᾱ_{t−1} ≤ 1, c ≥ 0",),
    equation=_ddpm_moments,
)  # fmt: skip


def _marginal() -> sympy.Basic:
    """The variance of x' given x_0: of ε, which is that of x_t, and of z."""
    import sympy

    level, variance = sympy.symbols("abar' sigma2", positive=True)
    return sympy.Eq(sympy.sqrt(1 - level - variance) ** 2 + sympy.sqrt(variance) ** 2, 1 - level, evaluate=False)


MARGINAL = claim(
    "diffusion.ddim_step.marginal", Status.DERIVED,
    statement="for every σ² ≤ 1 − ᾱ', from x_t ~ q(x_t | x_0) a step with the true ε leads to x' ~ N(√ᾱ' x_0, (1 − "
        "ᾱ') I), "
    "whatever steps lie between; for 0 ≤ η ≤ 1, σ² ≤ 1 − ᾱ', and η = 1 is DDPM with β̃; at η = 0 nothing is drawn",
    source=f"{_SONG}, lemma 1 and eq. 16", assumptions=("0 < ᾱ < ᾱ' ≤ 1",), equation=_marginal,
)  # fmt: skip


def _ddim_moments() -> sympy.Basic:
    """What is lost of the variance: Lagrange's identity for (√c √ᾱ, √(1 − ᾱ)) and (√c √ᾱ', √(1 − ᾱ'))."""
    import sympy

    a, s, b, r = sympy.symbols("a s a' s'", positive=True)
    c = sympy.Symbol("c", nonnegative=True)
    now, wanted = a**2 * c + s**2, b**2 * c + r**2
    got = (a * b * c + s * r) ** 2 / now
    return sympy.Eq(wanted - got, c * (b * s - a * r) ** 2 / now, evaluate=False)


DDIM_MOMENTS = claim(
    "diffusion.ddim_step.data_moments", Status.DERIVED,
    statement="for data N(m, c) and the exact ε, a DDIM step with η = 0 carries the mean exactly, and of the variance "
    "V' = ᾱ' c + 1 − ᾱ' it loses c (√(ᾱ'(1 − ᾱ)) − √(ᾱ(1 − ᾱ')))²/V, which is of second order in the step and zero "
    "only for c = 0; "
    "all samples together are too narrow, never too wide, and the loss vanishes as the steps become many",
    source=f"{_SONG}, eq. 12; derived here", assumptions=("a² = ᾱ, s² = 1 − ᾱ, and so with primes; 0 < ᾱ < ᾱ' ≤ 1",),
    equation=_ddim_moments,
)  # fmt: skip


def _collapse() -> sympy.Basic:
    import sympy

    a, b, x = sympy.symbols("A B x", real=True, nonzero=True)
    return sympy.Eq(sympy.diff(a * x + b * (-(a / b) * x), x), 0, evaluate=False)


INVERTIBLE = claim(
    "diffusion.ddim_step.invertible", Status.REFUTED,
    statement="a DDIM step with η = 0, x' = A x + B ε(x), is invertible: x can be had from x'",
    source="folklore of DDIM inversion, after Song, Meng & Ermon 2021, section 4.3", equation=_collapse,
    counterexample="ε(x) = −(A/B) x, for which x' = 0 for every x; A = √(ᾱ'/ᾱ) and B = √(1 − ᾱ') − A √(1 − ᾱ) < 0, so "
        "that this "
    "network is as harmless as any: it predicts a multiple of x",
    corrected="where |B| Lip ε < A, x ↦ A x + B ε(x) is a bijection with an inverse of Lipschitz constant at most "
    "1/(A − |B| Lip ε), and x ← (x' − B ε(x))/A converges to it at the rate |B| Lip ε/A; at equality it need not be "
    "one",
    theorems=("Banach 1922, fixed point of a contraction",),
)  # fmt: skip


def _adams() -> sympy.Basic:
    """The weights of four predictions, as integrals of the polynomials through them."""
    import sympy

    t = sympy.Symbol("t", real=True)
    nodes = (0, -1, -2, -3)
    weights = []
    for node in nodes:
        through = sympy.prod([(t - other) / sympy.Integer(node - other) for other in nodes if other != node])
        weights.append(sympy.integrate(sympy.expand(through), (t, 0, 1)))
    written = [sympy.Rational(number, 24) for number in (55, -59, 37, -9)]
    return sympy.Eq(sympy.Matrix([weights]), sympy.Matrix([written]), evaluate=False)


ADAMS = claim(
    "diffusion.plms_step.order", Status.DERIVED,
    statement="the weights of k equally spaced predictions are those of Adams and Bashforth: they add up to one, and "
        "integrate "
    "polynomials of degree below k over the step without error; with a constant ε the step is the DDIM step",
    source="Liu, Ren, Lin & Zhao 2022, eq. 12", assumptions=("equally spaced steps",), equation=_adams,
)  # fmt: skip


def _exponents() -> sympy.Basic:
    """The score of p(x) (p(x | c)/p(x))^s in the two scores."""
    import sympy

    x, s = sympy.symbols("x s", real=True)
    joint, plain = (sympy.Function(name)(x) for name in ("p_c", "p"))
    law = sympy.log(plain) + s * (sympy.log(joint) - sympy.log(plain))
    u, c = sympy.diff(sympy.log(plain), x), sympy.diff(sympy.log(joint), x)
    return sympy.Eq(sympy.diff(law, x), u + s * (c - u), evaluate=False)


EXPONENTS = claim(
    "diffusion.classifier_free_guidance.exponents", Status.DERIVED,
    statement="u + s (c − u) of two scores is the score of p(x)^(1 − s) p(x | c)^s up to a constant; s = 1 + w makes "
        "it "
    "(1 + w) c − w u, s = 1 is the conditional score and s = 0 the unconditional one",
    source="Ho & Salimans 2022, eqs. 5 and 6", assumptions=("p(x), p(x | c) > 0 and differentiable",),
        equation=_exponents,
)  # fmt: skip
