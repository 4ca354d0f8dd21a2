"""Claims on Wasserstein distances that are known."""

from __future__ import annotations

from genverify.claims import Status, claim

__all__ = ["NORMALS", "PAIRS_AS_THEY_COME", "SORTED"]

SORTED = claim(
    "transport.wasserstein_1d.sorted", Status.DERIVED,
    statement="on the line no pairing of n points with n points is cheaper than that of equal ranks, for costs |x − y| "
    "and (x − y)²; for p = 1 the cost is also ∫ |F − G|",
    source="Villani 2003, theorem 2.18 and remark 2.19",
    assumptions=(
        "executed for two points each, in every order; of more, a pairing that is not sorted has two pairs to exchange",
    ),
    theorems=("every coupling of uniform laws is a mixture of permutations (Birkhoff 1946)",),
)  # fmt: skip

NORMALS = claim(
    "transport.wasserstein_normals.quantiles", Status.DERIVED,
    statement="equal quantiles of N(μ, σ²) and N(ν, τ²) are μ + σz and ν + τz, so that W₂² = (μ − ν)² + (σ − τ)², and "
    "W₁ is the mean of |μ − ν + (σ − τ) z|",
    source="Dowson & Landau 1982; Givens & Shortt 1984, proposition 7",
    assumptions=("on the line; with diagonal covariances W₂² is the sum over the coordinates",),
    theorems=("the coupling of equal quantiles is optimal on the line (transport.wasserstein_1d.sorted)",),
)  # fmt: skip

PAIRS_AS_THEY_COME = claim(
    "transport.wasserstein_1d.unsorted", Status.REFUTED,
    statement="the mean of |x_i − y_i| is the Wasserstein distance of two samples",
    source="losses that leave out the sort",
    counterexample="x = (0, 1), y = (1, 0): the mean is 1, and the distance of equal samples is 0",
    corrected="it is the cost of one coupling, at least the distance, and equal to it where both are sorted alike",
    assumptions=("executed for two points each",),
)  # fmt: skip
