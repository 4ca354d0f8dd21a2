"""Claims on what a diffusion model learns where the density of the data, and so the best noise, is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = ["BEST_NOISE", "BOUND", "EQUAL_RATIOS", "FLOW", "SAMPLES", "STEPS_COST"]

_HO = "Ho, Jain & Abbeel 2020"
_LAWS = "moons, rings and a checkerboard in the plane, whose densities are known with any noise added"


def _weight() -> sympy.Basic:
    """The weight of a term of the bound, with ᾱ_t = 1/(1 + ρ²σ²) and ᾱ_{t−1} = 1/(1 + σ²)."""
    import sympy

    sigma, rho = sympy.symbols("sigma rho", positive=True)
    before, level = 1 / (1 + sigma**2), 1 / (1 + rho**2 * sigma**2)
    alpha = level / before
    variance = (1 - alpha) * (1 - before) / (1 - level)
    return sympy.Eq((1 - alpha) ** 2 / (2 * variance * alpha * (1 - level)), (rho**2 - 1) / 2, evaluate=False)


EQUAL_RATIOS = claim(
    "diffusion.training.equal_ratios", Status.DERIVED,
    statement="with σ_t = √((1 − ᾱ_t)/ᾱ_t) in equal ratios ρ the terms of the variational bound are "
    "½ (ρ² − 1) ‖ε − ε_θ‖², one weight for all t: the simple loss is the bound, but for its first and last term",
    source=f"{_HO}, eqs. 12 and 14; Kingma, Salimans, Poole & Ho 2021, section 4.1 (ratios of signal to noise)",
    assumptions=("ρ > 1, and the variance of the reverse step is that of the posterior",), equation=_weight,
)  # fmt: skip


def _least() -> sympy.Basic:
    import sympy

    p = sympy.symbols("p1:3", positive=True)
    eps, f = sympy.symbols("epsilon1:3", real=True), sympy.Symbol("f", real=True)
    mean = p[0] * eps[0] + p[1] * eps[1]
    off = sum(a * (e - f) ** 2 for a, e in zip(p, eps, strict=True))
    least = sum(a * (e - mean) ** 2 for a, e in zip(p, eps, strict=True))
    return sympy.Eq(off - least, (f - mean) ** 2, evaluate=False)


BEST_NOISE = claim(
    "diffusion.training.best_noise", Status.DERIVED,
    statement="E‖ε − f(x_t)‖² = E‖ε − ε*‖² + E‖ε* − f‖² with ε*(x_t) = E(ε | x_t) = −√(1 − ᾱ_t) ∇ log q(x_t): no "
    "network has a smaller loss, nor on average a higher bound, than the score of the noised data has",
    source="Vincent 2011; Efron 2011, eq. 2.8 (Tweedie's formula)",
    assumptions=("finite variance; executed for two values of ε given x_t, of weights that sum to one",),
    theorems=("E(x_0 | x_t) = (x_t + (1 − ᾱ_t) ∇ log q(x_t))/√ᾱ_t (Tweedie)",), equation=_least,
)  # fmt: skip

STEPS_COST = claim(
    "diffusion.training.steps_cost", Status.SUPPORTED,
    statement="with the best noise there is, the bound of 200 steps stays a tenth of a nat and more below the "
    "log-likelihood, and each halving of the steps about doubles that",
    source=f"{_HO}, eq. 5", assumptions=("the variance of the reverse step is that of the posterior", _LAWS),
)  # fmt: skip

BOUND = claim(
    "diffusion.training.bound", Status.SUPPORTED,
    statement="the variational bound of a small trained model lies below that of the best noise, by 0.1 nats at most "
    "on moons, 0.2 on rings and 0.45 on the checkerboard, and above the log-likelihood of the best normal law",
    source=f"{_HO}, section 3", assumptions=(_LAWS, "1200 steps of 512 of 20,000 draws; 200 steps of noise"),
)  # fmt: skip

SAMPLES = claim(
    "diffusion.training.samples", Status.SUPPORTED,
    statement="its samples are about as far from a set of data (W₁) as another set of data is (two fifths more at "
    "most), and nearer than samples of the best normal law",
    source=f"{_HO}, algorithm 2", assumptions=(_LAWS, "1000 samples and 1000 data"),
)  # fmt: skip

FLOW = claim(
    "diffusion.training.flow", Status.SUPPORTED,
    statement="the probability flow of the same network gives a log-likelihood that is nearer to the truth than the "
    "bound, and not above it",
    source="Song, Sohl-Dickstein et al. 2021, section 4.3 and appendix D.2",
    assumptions=(_LAWS, "of the data with the first level of noise; Heun's steps, whose error is measured"),
)  # fmt: skip
