"""Claims on spectral normalisation."""

from __future__ import annotations

from genverify.claims import Status, claim

__all__ = ["GRADIENT", "PLACES", "POWER", "UNDER"]

POWER = claim(
    "spectral_norm.power_iteration.step", Status.DERIVED,
    statement="in the basis of singular vectors a step u ← WWᵀu/‖·‖ multiplies the components of u by σ_i², so that "
    "their ratio to the first goes to zero like (σ_i/σ₁)^2k; uᵀWv is never above σ₁",
    source="Golub & Van Loan 2013, section 8.2.1",
    assumptions=("executed for two singular values", "u not orthogonal to the first singular vector"),
    theorems=("the singular value decomposition",),
)  # fmt: skip

GRADIENT = claim(
    "spectral_norm.gradient", Status.DERIVED,
    statement="with u, v held, d(W/σ) = (dW − (uᵀdW v) W/σ)/σ for σ = uᵀWv; so the gradient of a loss is "
    "(G − ⟨G, W/σ⟩ uvᵀ)/σ, which is orthogonal to W: the norm of W does not move",
    source="Miyato et al. 2018, eq. 12", assumptions=("executed for two by two matrices of symbols", "σ ≠ 0"),
)  # fmt: skip

PLACES = claim(
    "lipschitz.spectral_norm_of_a_kernel.places", Status.DERIVED,
    statement="the order of the columns of a kernel's matrix [out, in·kh·kw] does not change its norm, since M Mᵀ does "
    "not see it; that of rows and columns together does",
    source="Miyato et al. 2018, section 2.1", assumptions=("executed for a 2 × 2 matrix and its columns exchanged",),
)  # fmt: skip

UNDER = claim(
    "spectral_norm.one_step_suffices", Status.REFUTED,
    statement="after one step of the power iteration W/σ has norm one",
    source="as read into Miyato et al. 2018, algorithm 1",
    counterexample="W = diag(2, 1), u = (1, 2)/√5: one step makes v = (1, 1)/√2, u = (2, 1)/√5 and σ = √(5/2) < 2, so "
    "that ‖W/σ‖ > 1",
    corrected="W/σ has at least norm one, whatever u, and goes to it as u is kept from step to step while W stays",
    assumptions=("u kept over calls", "executed for two singular values"),
)  # fmt: skip
