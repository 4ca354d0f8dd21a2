"""What is claimed of schedules: that a recursion and a closed form are one, where phases meet, what lies between."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim
from genverify.oracles import schedule as oracle

if TYPE_CHECKING:
    import sympy

__all__ = [
    "COSINE_RECURSION", "COSINE_WITHOUT_CASE", "CYCLICAL_PERIOD", "EXPONENTIAL_RECURSION", "LINEAR_RECURSION",
    "NOAM_PEAK",
    "ONE_CYCLE_ENDPOINTS", "POLYNOMIAL_RECURSION", "RESTARTS", "SIGMOID_ODDS", "STEP_RECURSION", "WARMUP_CONTINUOUS",
    "cosine_ratio",
]  # fmt: skip


def _next(form: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401 - SymPy expressions
    """(η(t + 1), η(t), t)."""
    t = form.symbols[0]
    return form.expression.subs(t, t + 1), form.expression, t


def _linear() -> sympy.Basic:
    import sympy

    after, now, _ = _next(oracle.linear)
    _, total, start, end = oracle.linear.symbols
    return sympy.Eq(after, now + (end - start) / total, evaluate=False)


def _exponential() -> sympy.Basic:
    import sympy

    after, now, _ = _next(oracle.exponential)
    return sympy.Eq(after, oracle.exponential.symbols[2] * now, evaluate=False)


def _step() -> sympy.Basic:
    import sympy

    after, now, t = _next(oracle.staircase)
    _, _, gamma, period = oracle.staircase.symbols
    drop = sympy.Piecewise((gamma, sympy.Eq(sympy.Mod(t + 1, period), 0)), (1, True))
    return sympy.Eq(after, drop * now, evaluate=False)


def _polynomial() -> sympy.Basic:
    import sympy

    after, now, t = _next(oracle.polynomial)
    _, total, _, end, power = oracle.polynomial.symbols
    ratio = (1 - (t + 1) / total) / (1 - t / total)
    return sympy.Eq(after, end + ratio**power * (now - end), evaluate=False)


def cosine_ratio() -> Any:  # noqa: ANN401 - a SymPy expression
    """(1 + cos π(t + 1)/T)/(1 + cos πt/T)."""
    import sympy

    t, total, _, _ = oracle.cosine.symbols
    return (1 + sympy.cos(sympy.pi * (t + 1) / total)) / (1 + sympy.cos(sympy.pi * t / total))


def _cosine() -> sympy.Basic:
    import sympy

    after, now, _ = _next(oracle.cosine)
    end = oracle.cosine.symbols[3]
    return sympy.Eq(after, end + cosine_ratio() * (now - end), evaluate=False)


def _restarts() -> sympy.Basic:
    import sympy

    n, i = sympy.symbols("n i", integer=True, nonnegative=True)
    first = sympy.Symbol("T_0", positive=True)
    growth = sympy.Symbol("m", positive=True)
    return sympy.Eq(sympy.Sum(first * growth**i, (i, 0, n - 1)), first * (growth**n - 1) / (growth - 1), evaluate=False)


def _odds() -> sympy.Basic:
    import sympy

    t, base, slope, midpoint = oracle.sigmoid.symbols
    rate = oracle.sigmoid.expression
    return sympy.Eq(rate / (base - rate), sympy.exp(slope * (t - midpoint)), evaluate=False)


def _noam() -> sympy.Basic:
    import sympy

    t, base, warmup, width = oracle.noam.symbols
    peak = base / sympy.sqrt(width * warmup)
    return sympy.Eq(oracle.noam.expression, peak * sympy.Min(t / warmup, sympy.sqrt(warmup / t)), evaluate=False)


def _meeting() -> sympy.Basic:
    import sympy

    t, total, start, _ = oracle.cosine.symbols
    warmup = sympy.Symbol("w", positive=True)
    rise = oracle.linear.expression.subs(
        {oracle.linear.symbols[1]: warmup, oracle.linear.symbols[2]: 0}, simultaneous=True
    )
    rise = rise.subs(oracle.linear.symbols[3], start)
    wave = oracle.cosine.expression.subs({t: t - warmup, total: total - warmup}, simultaneous=True)
    before, after = sympy.Limit(rise, oracle.linear.symbols[0], warmup, "-"), sympy.Limit(wave, t, warmup, "+")
    return sympy.Eq(before, after, evaluate=False)


def _triangle() -> sympy.Basic:
    import sympy

    t, s = sympy.Symbol("t", real=True, nonnegative=True), sympy.Symbol("s", positive=True)
    height = 1 - sympy.Abs(t / s - 2 * sympy.floor(t / (2 * s)) - 1)
    return sympy.Eq(height.subs(t, t + 2 * s), height, evaluate=False)


_WHOLE = ("t = 0, 1, 2, …, T a whole number of steps",)

LINEAR_RECURSION = claim(
    "schedule.linear.recursion", Status.DERIVED,
    statement="η(t + 1) = η(t) + (η_T − η₀)/T with η(0) = η₀ is η₀ + (η_T − η₀) t/T; so is torch's recursion by "
    "factors, η(t + 1) = η(t) (1 + (η_T − η₀)/(T η₀ + t (η_T − η₀)))",
    source="Goodfellow, Bengio & Courville 2016, eq. 8.14; torch.optim.lr_scheduler.LinearLR",
    assumptions=(*_WHOLE, "t < T, and no rate is zero where it divides"), equation=_linear,
)  # fmt: skip

EXPONENTIAL_RECURSION = claim(
    "schedule.exponential.recursion", Status.DERIVED,
    statement="η(t + 1) = γ η(t) with η(0) = η₀ is η₀ γᵗ; multiplying the rate by γᵗ at step t gives γ^(t(t+1)/2)",
    source="torch.optim.lr_scheduler.ExponentialLR", assumptions=("t = 0, 1, 2, …, γ > 0",), equation=_exponential,
)  # fmt: skip

STEP_RECURSION = claim(
    "schedule.step.recursion", Status.DERIVED,
    statement="multiplying by γ exactly when s divides t + 1 gives η₀ γ^⌊t/s⌋",
    source="torch.optim.lr_scheduler.StepLR",
    assumptions=("t = qs + r with 0 ≤ r < s; the algebra is executed for every r at s ≤ 6, q a symbol",),
    equation=_step,
)  # fmt: skip

POLYNOMIAL_RECURSION = claim(
    "schedule.polynomial.recursion", Status.DERIVED,
    statement="η(t + 1) = η_T + ((1 − (t + 1)/T)/(1 − t/T))^p (η(t) − η_T) with η(0) = η₀ is "
    "η_T + (η₀ − η_T)(1 − t/T)^p",
    source="Liu, Rabinovich & Berg 2015; torch.optim.lr_scheduler.PolynomialLR", assumptions=(*_WHOLE, "t < T, p > 0"),
    equation=_polynomial,
)  # fmt: skip

COSINE_RECURSION = claim(
    "schedule.cosine.recursion", Status.DERIVED,
    statement="with η(0) = η₀ the recursion by the ratio (1 + cos π(t + 1)/T)/(1 + cos πt/T) of η − η_T, and at t = T, "
    "3T, 5T, … by adding ½ (η₀ − η_T)(1 − cos π/T), is η_T + ½ (η₀ − η_T)(1 + cos πt/T) for every t",
    source="Loshchilov & Hutter 2017, eq. 5; torch.optim.lr_scheduler.CosineAnnealingLR", assumptions=_WHOLE,
    equation=_cosine,
)  # fmt: skip

COSINE_WITHOUT_CASE = claim(
    "schedule.cosine.recursion_without_case", Status.REFUTED,
    statement="η(t + 1) = η_T + (1 + cos π(t + 1)/T)/(1 + cos πt/T) (η(t) − η_T) for every t",
    source="torch.optim.lr_scheduler.CosineAnnealingLR before pytorch/pytorch#19180",
    counterexample="t = T: 1 + cos π = 0, and η(T) − η_T = 0: the next rate is 0/0, where the closed form has "
    "η_T + ½ (η₀ − η_T)(1 − cos π/T)",
    corrected="it holds for every t but T, 3T, 5T, …, where the increment ½ (η₀ − η_T)(1 − cos π/T) takes its place",
    assumptions=_WHOLE,
)  # fmt: skip

RESTARTS = claim(
    "schedule.cosine_restarts.restarts", Status.DERIVED,
    statement="restart n comes at T₀ (mⁿ − 1)/(m − 1) for m ≠ 1 (at n T₀ for m = 1), and over one period the rates at "
    "t and T − t add up to η₀ + η_T, so that their mean lies half way",
    source="Loshchilov & Hutter 2017, section 3", assumptions=("m > 0",), equation=_restarts,
)  # fmt: skip

SIGMOID_ODDS = claim(
    "schedule.sigmoid.odds", Status.DERIVED,
    statement="η/(η₀ − η) = exp(k (t − t₀)): every step multiplies the odds by eᵏ", source="Bowman et al. 2016, "
    "section 3.1",
    assumptions=("η₀, k > 0",), equation=_odds,
)  # fmt: skip

NOAM_PEAK = claim(
    "schedule.noam.peak", Status.DERIVED,
    statement="f d^(−1/2) min(t^(−1/2), t w^(−3/2)) = η₀ min(t/w, √(w/t)) with η₀ = f (d w)^(−1/2), its largest value, "
    "at w",
    source="Vaswani et al. 2017, eq. 3", assumptions=("t, w, d, f > 0",), equation=_noam,
)  # fmt: skip

WARMUP_CONTINUOUS = claim(
    "schedule.warmup_cosine.continuous", Status.DERIVED,
    statement="at t = w the warm-up and the cosine over T − w both give η₀; with cos πt/T the rate drops there by "
    "½ (η₀ − η_T)(1 − cos πw/T)",
    source="Goyal et al. 2017, section 2.2; Loshchilov & Hutter 2017, eq. 5", assumptions=("0 < w < T",),
    equation=_meeting,
)  # fmt: skip

ONE_CYCLE_ENDPOINTS = claim(
    "schedule.one_cycle.endpoints", Status.DERIVED,
    statement="the rate is η/d at t = 0, η at pT − 1 from either side, and η/(d f) at T − 1",
    source="Smith & Topin 2019; torch.optim.lr_scheduler.OneCycleLR", assumptions=("1 < pT < T",),
)  # fmt: skip

CYCLICAL_PERIOD = claim(
    "schedule.cyclical.periodic", Status.DERIVED,
    statement="1 − |t/s − 2⌊t/(2s)⌋ − 1| has the period 2s, is t/s up to s and 2 − t/s from there to 2s",
    source="Smith 2017, section 3", assumptions=("s > 0, t ≥ 0",), equation=_triangle,
)  # fmt: skip
