"""Claims on estimates of log p(x), and on bits per dimension."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim
from genverify.oracles import linear_gaussian_scalar as scalar

if TYPE_CHECKING:
    import sympy

__all__ = ["QUANTISED", "UNBIASED", "VARIANCE"]


def _ratio() -> sympy.Basic:
    import sympy

    return sympy.Eq(sympy.Symbol(r"\log \rho"), scalar.log_second_moment_ratio.expression, evaluate=False)


def _scaled() -> sympy.Basic:
    import sympy

    d, levels, log_p = sympy.Symbol("D", positive=True), sympy.Symbol("L", positive=True), sympy.Symbol(r"\log p(y)")
    bits = sympy.Symbol(r"\mathrm{bits}")
    return sympy.Eq(bits, -(log_p - d * sympy.log(levels)) / (d * sympy.log(2)), evaluate=False)


UNBIASED = claim(
    "likelihood.naive_monte_carlo.unbiased", Status.DERIVED,
    statement="(1/n) Σ p(x | z_k), z_k drawn from the prior, is unbiased for p(x), and (1/n) Σ p(x | z_k) "
    "p(z_k)/q(z_k) "
    "with draws of q is, too; their logarithms are too small on average, and the mean of the logarithms more so",
    source="VAE-GAN post; Doersch 2016, section 2; Robert & Casella 2004, eq. 3.4 and 3.8",
    assumptions=("two outcomes of z, all probabilities symbols; q > 0 wherever p > 0",),
    theorems=("Jensen's inequality",),
)  # fmt: skip

VARIANCE = claim(
    "likelihood.naive_monte_carlo.variance", Status.DERIVED,
    statement="over d independent dimensions the estimate from n draws of the prior has the relative variance (ρᵈ "
    "− 1)/n, "
    "ρ = E p(x | z)²/p(x)² > 1 unless p(x | z) does not depend on z: it grows exponentially with d; the absolute "
    "variance falls where E p(x | z)² < 1",
    source="VAE-GAN post, on the number of samples; Doersch 2016, section 2",
    assumptions=("each dimension z_j ~ N(0, 1), x_j | z_j ~ N(wz_j + c, s²), at the same x_j",), equation=_ratio,
)  # fmt: skip

QUANTISED = claim(
    "likelihood.bits_per_dimension.quantised", Status.DERIVED,
    statement="for y = (x + u)/L with u uniform on [0, 1)ᴰ, log p(x + u) = log p(y) − D log L, and its expectation "
    "over u "
    "is at most log P(x), the mass of the cell: the bits are an upper bound of those of a lossless code",
    source="Theis, van den Oord & Bethge 2016, section 3.1", equation=_scaled,
    assumptions=("executed at D = 1 for any density, and for the inequality at a linear one",),
    theorems=("change of variables", "Jensen's inequality"),
)  # fmt: skip
