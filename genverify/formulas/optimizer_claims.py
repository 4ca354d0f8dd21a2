"""What is claimed of gradient descent, momentum and Adam."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = ["BEST_RATE", "BIAS_CORRECTION", "CONVERGES", "DAMPENING", "DECAY", "EMA_IS_HEAVY_BALL", "STEP_BOUND"]


def _converges() -> sympy.Basic:
    import sympy

    eta, curvature = sympy.symbols("eta lambda_max", positive=True)
    contracts = sympy.Lt(sympy.Abs(1 - eta * curvature), 1)
    return sympy.Equivalent(contracts, sympy.Lt(eta, 2 / curvature))


def _best_rate() -> sympy.Basic:
    import sympy

    low, gap, eta = sympy.symbols("lambda_min gap eta", positive=True)
    high = low + gap
    rate = sympy.Max(sympy.Abs(1 - eta * low), sympy.Abs(1 - eta * high))
    kappa = high / low
    return sympy.Eq(rate.subs(eta, 2 / (low + high)), (kappa - 1) / (kappa + 1), evaluate=False)


def _ema_is_heavy_ball() -> sympy.Basic:
    import sympy

    eta, beta, m, b = sympy.symbols("eta beta m_t b_t", real=True)
    return sympy.Eq(eta * m, (eta * (1 - beta)) * b, evaluate=False)


def _dampening() -> sympy.Basic:
    import sympy

    beta, g1, b, m, t = sympy.symbols("beta g_1 b_t m_t t", real=True)
    return sympy.Eq(b, m + beta**t * g1, evaluate=False)


def _bias_correction() -> sympy.Basic:
    import sympy

    beta = sympy.Symbol("beta_1", positive=True)
    t, i = sympy.symbols("t i", integer=True, positive=True)
    weights = sympy.Sum((1 - beta) * beta ** (t - i), (i, 1, t)) / (1 - beta**t)
    return sympy.Eq(weights, 1, evaluate=False)


def _step_bound() -> sympy.Basic:
    import sympy

    alpha, one, two = sympy.symbols("alpha beta_1 beta_2", positive=True)
    step = sympy.Symbol(r"\Delta", real=True)
    return sympy.Le(sympy.Abs(step), alpha * (1 - one) / sympy.sqrt((1 - two) * (1 - one**2 / two)), evaluate=False)


def _decay() -> sympy.Basic:
    import sympy

    theta, eta, lam, g = sympy.symbols("theta eta lambda g", real=True)
    return sympy.Eq(theta - eta * (g + lam * theta), theta * (1 - eta * lam) - eta * g, evaluate=False)


CONVERGES = claim(
    "gradient_descent.quadratic.converges",
    Status.DERIVED,
    statement="on f(w) = ½ (w - w*)ᵀ A (w - w*) gradient descent converges to w* from every start iff 0 < η < 2/λ_max",
    source='the Blog, "gradient descent"; Nesterov 2018, section 1.2.3',
    assumptions=("A symmetric and positive definite, with largest eigenvalue λ_max", "η constant and positive"),
    theorems=("spectral theorem: A = QΛQᵀ with Q orthogonal",),
    equation=_converges,
)
BEST_RATE = claim(
    "gradient_descent.quadratic.best_rate",
    Status.DERIVED,
    statement="the smallest contraction factor of the error, over all η, is (κ-1)/(κ+1), at η = 2/(λ_min + λ_max)",
    source="Polyak 1964; Nesterov 2018, section 2.1.5",
    assumptions=("A symmetric and positive definite", "κ = λ_max/λ_min"),
    theorems=("spectral theorem",),
    equation=_best_rate,
)
EMA_IS_HEAVY_BALL = claim(
    "momentum.ema.equals_heavy_ball",
    Status.DERIVED,
    statement="the average m ← β m + (1-β) g at rate η steps as the heavy ball b ← β b + g at rate η(1-β) does",
    source='the Blog, "momentum"',
    assumptions=("both buffers begin at zero", "β and η constant"),
    equation=_ema_is_heavy_ball,
)
DAMPENING = claim(
    "momentum.torch_dampening.is_ema",
    Status.REFUTED,
    statement="torch.optim.SGD(momentum=β, dampening=β) is the average m ← β m + (1-β) g",
    source="common reading of torch.optim.SGD's documentation",
    counterexample="g₁ = 1, β = 0.9, η = 0.1: torch moves by -0.1, the average by -0.01",
    corrected="its buffer is b_t = m_t + βᵗ g₁: the average begun at m₀ = g₁, for the first step is undamped",
    equation=_dampening,
)
BIAS_CORRECTION = claim(
    "adam.bias_correction.unbiased",
    Status.DERIVED,
    statement="E m̂_t = E g and E v̂_t = E g² for every t, when the gradients are stationary",
    source="Kingma & Ba 2015, section 3",
    assumptions=("E g_i and E g_i² do not depend on i", "m₀ = v₀ = 0", "0 ≤ β < 1"),
    equation=_bias_correction,
)
STEP_BOUND = claim(
    "adam.step.bound",
    Status.REFUTED,
    statement="|Δ_t| ≤ α(1-β₁)/√(1-β₂) where 1-β₁ > √(1-β₂), and |Δ_t| ≤ α otherwise",
    source="Kingma & Ba 2015, section 2.1",
    assumptions=("ε ≥ 0",),
    counterexample="g_i = (β₁/β₂)^(T-i): 5.78 α at T = 1000 and the defaults, where the bound is 3.16 α; 2.30 α at "
    "β = (0.99, 0.999), where it is α",
    corrected="|Δ_t| ≤ α(1-β₁)/√((1-β₂)(1-β₁²/β₂)) for every t when β₁² < β₂: 7.27 α at the defaults, as T → ∞",
    theorems=("Cauchy–Schwarz", "inequality of the arithmetic and the geometric mean"),
    equation=_step_bound,
)
DECAY = claim(
    "adam.decay.coupled_is_not_decoupled",
    Status.DERIVED,
    statement="coupled decay g + λθ and decoupled decay θ(1-ηλ) are the same for gradient descent, and differ for Adam",
    source="Loshchilov & Hutter 2019, propositions 1 and 2",
    assumptions=("η and λ constant",),
    equation=_decay,
)
