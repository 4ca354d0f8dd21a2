"""Claims on regularisers and steps towards orthogonality."""

from __future__ import annotations

from genverify.claims import Status, claim

__all__ = ["BJORCK", "COSINES", "DEFECT", "DIAGONAL", "OFFDIAGONAL"]

DEFECT = claim(
    "orthogonality.defect_of_singular_values", Status.DERIVED,
    statement="‖W Wᵀ − I‖² = Σ (s_i² − 1)² over the singular values s_i of the rows (with zeros, where there are more "
    "rows than columns); with WᵀW it differs by the number of rows less that of columns",
    source="Bansal, Chen & Wang 2018, section 3.1", assumptions=("executed for a 2 × 1 and for 2 × 2 matrices",),
    theorems=("the Frobenius norm does not change under rotations",),
)  # fmt: skip

OFFDIAGONAL = claim(
    "orthogonality.offdiagonal_gradient", Status.DERIVED,
    statement="the gradient of ½ ‖W Wᵀ ∘ (1 − I)‖² is 2 (W Wᵀ ∘ (1 − I)) W",
    source="Brock, Donahue & Simonyan 2019, eq. 3", assumptions=("executed for two rows of two entries",),
)  # fmt: skip

DIAGONAL = claim(
    "orthogonality.without_the_mask", Status.REFUTED,
    statement="W − 2 η (W Wᵀ) W makes rows orthogonal, with or without the mask",
    source="implementations of orthogonal regularisation without 1 − I",
    counterexample="W = I, whose rows are orthonormal: the step has (1 − 2η) I, and shrinks them at every call",
    corrected="with the mask a matrix of orthogonal rows stays as it is",
    assumptions=("executed for two rows",),
)  # fmt: skip

COSINES = claim(
    "orthogonality.cosines", Status.DERIVED,
    statement="Σ_{i≠j} |cos(w_i, w_j)| does not change when rows are scaled, so its gradient in a row is "
    "orthogonal to it",
    source="after Rodríguez et al. 2017", assumptions=("executed for two rows of two entries, not orthogonal",),
)  # fmt: skip

BJORCK = claim(
    "orthogonality.bjorck.singular_values", Status.DERIVED,
    statement="a step W ← (1 + β) W − β W WᵀW keeps the singular vectors and moves singular values by s + β s (1 − "
    "s²): for β = ½ quadratically to one, 1 − s′ = (1 − s)² (1 + s/2), from any s in (0, √3)",
    source="Björck & Bowie 1971", assumptions=("executed for singular values that are symbols",),
)  # fmt: skip
