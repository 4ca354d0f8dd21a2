"""Claims on penalties of a critic's slope."""

from __future__ import annotations

from genverify.claims import Status, claim

__all__ = ["FIRST_CODE", "INTERPOLATES", "LINEAR", "SHARED_DRAW"]

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

SHARED_DRAW = claim(
    "penalty.shared_draw", Status.DERIVED,
    statement="with one draw for the whole batch the penalty's mean over draws is what it is with a draw for each row, "
    "and its variance, of n rows that are alike, n times as large: n rows then say no more than one",
    source="elementary; met as torch.rand(1) in gradient penalties",
    assumptions=("finite variance; executed for n = 2, 3 and a penalty that is any quadratic function of its draw",),
)  # fmt: skip

FIRST_CODE = claim(
    "penalty.dragan.first_code", Status.DERIVED,
    statement="the perturbation ½ s u of the authors' first code, u uniform in [0, 1), has the mean s/4 and the "
    "variance s²/48 in every dimension, and a random part α of it the mean s/8 and the variance 7 s²/576: for no c is "
    "it the N(0, c I) of the paper, and it moves every pixel up",
    source="kodalinaveen3/DRAGAN#5 and #6 against Kodali et al. 2017, eq. 1",
    assumptions=("α and u independent and uniform in [0, 1)",),
)  # fmt: skip
