"""Claims on pictures of a loss."""

from __future__ import annotations

from genverify.claims import Status, claim

__all__ = ["CENTRE", "INVARIANCE", "NORMS", "SUBSTITUTION"]

_SOURCE = "Li, Xu, Taylor, Studer & Goldstein 2018, section 4"

NORMS = claim(
    "landscape.filter_normalised_direction.norms", Status.DERIVED,
    statement="d_i ‖w_i‖/‖d_i‖ has the norm of filter i, does not change when d_i is scaled by a positive number, and "
    "is scaled by c where w_i is scaled by c > 0",
    source=_SOURCE, assumptions=("d_i ≠ 0; executed at two entries a filter",),
)  # fmt: skip

SUBSTITUTION = claim(
    "landscape.plane.substitution", Status.DERIVED,
    statement="for L = Σ_h φ(w_h · θ) the loss over the plane is Σ_h φ(a_h + α b_h + β c_h), with the products of w_h "
    "with centre and directions as a_h, b_h, c_h",
    source="linearity", assumptions=("executed at n = 2",),
)  # fmt: skip

INVARIANCE = claim(
    "landscape.invariance.rescaling", Status.SUPPORTED,
    statement="rescalings that leave the network's function unchanged leave the picture along filter-normalised "
    "directions unchanged: of whole layers of a ReLU network by c and 1/c, and of single filters before batch norm; "
    "raw directions change it, and under the second so do directions normalised by layer",
    source=_SOURCE, assumptions=("the networks of the spec; biases do not move, or there are none",),
)  # fmt: skip

CENTRE = claim(
    "landscape.plane.centre", Status.SUPPORTED,
    statement="the point (0, 0) of the picture is the trained loss, and after training a minimum of the picture",
    source=_SOURCE, assumptions=("the network of the spec",),
)  # fmt: skip
