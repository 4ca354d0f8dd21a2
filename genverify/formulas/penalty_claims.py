"""Claims on penalties of a critic's slope."""

from __future__ import annotations

from genverify.claims import Status, claim

__all__ = ["INTERPOLATES", "LINEAR"]

LINEAR = claim(
    "penalty.linear_critic", Status.DERIVED,
    statement="of a linear critic w·x the penalty is (‖w‖ − 1)² wherever the points are, and its gradient in w is "
    "2 (‖w‖ − 1) w/‖w‖: along w, and zero at slope 1",
    source="Gulrajani et al. 2017, eq. 3", assumptions=("w ≠ 0; the algebra is executed in two dimensions",),
)  # fmt: skip

INTERPOLATES = claim(
    "penalty.interpolates_are_not_enough", Status.REFUTED,
    statement="a critic whose gradient penalty is zero on all points between real and generated samples is 1-Lipschitz",
    source="as often read into Gulrajani et al. 2017, section 4",
    counterexample="real samples at 0, generated ones at 1, C(x) = −x up to 1 and −x − (x − 1)² beyond: the slope is "
    "−1 at every interpolate, and −3 at x = 2",
    corrected="if ‖∇C‖ ≤ 1 on a convex set, C is 1-Lipschitz on that set, and no more is known outside it",
    assumptions=("C differentiable on the set",),
    theorems=("the mean value theorem along a segment",),
)  # fmt: skip
