"""What is claimed of Adam's variants: where they do not converge, and which conventions come to the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = [
    "ADAMAX",
    "CONVERGES",
    "CYCLE",
    "EPSILON",
    "FOLDED",
    "LENGTHS",
    "MOMENTUM_DECAY",
    "NEVER_RECTIFIED",
    "RESCALED_DECAY",
    "SIGNS",
]


def _cycle() -> sympy.Basic:
    import sympy

    t = sympy.Symbol("t", integer=True, positive=True)
    up = 1 / sympy.sqrt(3 * t + 2) + 1 / sympy.sqrt(3 * t + 3)
    return sympy.Ge(up / sympy.sqrt(2), 1 / sympy.sqrt(3 * t + 1), evaluate=False)


def _epsilon() -> sympy.Basic:
    import sympy

    v, eps, two = sympy.symbols("v epsilon beta_2", positive=True)
    t = sympy.Symbol("t", integer=True, positive=True)
    c = 1 - two**t
    hat = (sympy.sqrt(v) + eps * sympy.sqrt(c)) / sympy.sqrt(c)
    return sympy.Eq(hat, sympy.sqrt(v / c) + eps, evaluate=False)


def _never() -> sympy.Basic:
    import sympy

    two = sympy.Symbol("beta_2", positive=True)
    return sympy.Equivalent(sympy.Le(2 / (1 - two) - 1, 5), sympy.Le(two, sympy.Rational(2, 3)))


def _rescaled() -> sympy.Basic:
    import sympy

    theta, eta, lam, g = sympy.symbols("theta eta lambda g", real=True)
    return sympy.Eq(theta - eta * g - lam * theta, theta - eta * (g + lam / eta * theta), evaluate=False)


CONVERGES = claim(
    "amsgrad.adam.converges",
    Status.REFUTED,
    statement="Adam's average regret vanishes on every sequence of convex functions with bounded gradients, over a "
    "bounded set",
    source="Kingma & Ba 2015, theorem 4.1; refuted by Reddi, Kale & Kumar 2018, theorem 1",
    assumptions=("steps α/√t", "β₁²/√β₂ < 1"),
    counterexample="f_t(x) = 3x when t mod 3 = 1 and -x otherwise, on [-1, 1], with β = (0, 1/10), α = 1/2: Adam "
    "returns to x = 1 after every three steps, where it loses 1 in each cycle; x = -1 gains 1",
    corrected="without bias corrections the two steps up are here together at least as long as the one down, so that "
    "x₃ₜ₊₁ = 1 for every t",
    equation=_cycle,
)
CYCLE = claim(
    "amsgrad.reddi.converges",
    Status.SUPPORTED,
    statement="on the functions that lead Adam to the worst point AMSGrad goes to the best, x = -1",
    source="Reddi, Kale & Kumar 2018, section 5",
    assumptions=("f_t(x) = 3x when t mod 3 = 1 and -x otherwise, on [-1, 1]", "β = (0, 1/10), steps α/√t, α = 1/2"),
)
EPSILON = claim(
    "adam_variants.epsilon.one_method",
    Status.REFUTED,
    statement="ε outside the root √v̂ + ε, and ε̂ = ε added to √v before the bias correction, give the same steps",
    source="common reading of Kingma & Ba 2015, end of section 2",
    counterexample="g = 1e-8, ε = 1e-8, β₂ = 0.999: the first step is 0.500 α with ε outside and 0.0307 α with ε̂ = ε",
    corrected="they are the same iff ε̂ = ε √(1-β₂ᵗ), which changes with t",
    equation=_epsilon,
)
FOLDED = claim(
    "adam_variants.rmsprop.folded_velocity",
    Status.DERIVED,
    statement="RMSProp with momentum steps alike whether η stands inside the velocity or outside of it",
    source="torch.optim.RMSprop; tf.keras.optimizers.RMSprop",
    assumptions=("η constant", "the velocity begins at zero"),
)
ADAMAX = claim(
    "adam_variants.adamax.limit",
    Status.SUPPORTED,
    statement="Adamax's u is the limit of (Σ (1-β₂ᵖ) β₂^{p(t-i)} |g_i|ᵖ)^{1/p} as p → ∞",
    source="Kingma & Ba 2015, section 7.1",
)
SIGNS = claim(
    "adam_variants.lion.scale_invariant",
    Status.DERIVED,
    statement="Lion makes the same steps when every gradient is multiplied by the same c > 0",
    source="Chen et al. 2023, algorithm 2",
    assumptions=("m₀ = 0", "decoupled decay"),
)
LENGTHS = claim(
    "adam_variants.trust_ratio.scale_invariant",
    Status.DERIVED,
    statement="LARS without weight decay, and LAMB with ε = 0, step alike when every gradient is multiplied by c > 0",
    source="You, Gitman & Ginsburg 2017; You et al. 2020",
    assumptions=("buffers begin at zero", "no norm is zero"),
)
NEVER_RECTIFIED = claim(
    "adam_variants.radam.never_rectified",
    Status.DERIVED,
    statement="with β₂ ≤ 2/3 RAdam never uses its second moment: ρ_t < ρ_∞ ≤ 5 for every t",
    source="Liu et al. 2020, algorithm 2, with torch's threshold 5",
    assumptions=("0 < β₂ < 1",),
    equation=_never,
)
RESCALED_DECAY = claim(
    "weight_decay.gradient_descent.rescaled",
    Status.DERIVED,
    statement="without momentum SGDW's decay λ is coupled decay λ/η",
    source="Loshchilov & Hutter 2019, proposition 1",
    assumptions=("η constant and positive", "SGDW's λ is not multiplied by η"),
    equation=_rescaled,
)
MOMENTUM_DECAY = claim(
    "weight_decay.momentum.differs",
    Status.DERIVED,
    statement="with momentum β ≠ 0 no coupled decay makes the steps of SGDW: at g = 0 the second differs by β λ θ₀",
    source="Loshchilov & Hutter 2019, section 2",
    assumptions=("the buffer begins at zero", "λ ≠ 0", "coupled λ/η, which makes the first step the same"),
)
