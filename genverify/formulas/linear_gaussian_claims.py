"""Claims on the linear-Gaussian latent variable model, of which everything is known in closed form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from genverify.claims import Status, claim
from genverify.oracles import linear_gaussian_scalar as scalar

if TYPE_CHECKING:
    import sympy

__all__ = ["BOUND", "EVIDENCE", "GRADIENTS", "TANGENT"]

_MODEL = "z ~ N(0, I), x | z ~ N(Wz + c, Ψ), Ψ diagonal, q(z | x) = N(Ax + b, LLᵀ), L invertible"
_SMALL = "the algebra is executed with one latent and one pixel, and with two of each, all entries symbols"


def _evidence() -> sympy.Basic:
    import sympy

    return sympy.Eq(sympy.Symbol(r"\log p(x)"), scalar.log_evidence.expression, evaluate=False)


def _bound() -> sympy.Basic:
    import sympy

    return sympy.Eq(sympy.Symbol(r"\mathrm{ELBO}"), scalar.elbo.expression, evaluate=False)


EVIDENCE = claim(
    "linear_gaussian.evidence", Status.DERIVED,
    statement="x ~ N(c, WWᵀ + Ψ), and p(z | x) = N(M⁻¹WᵀΨ⁻¹(x − c), M⁻¹) with M = I + WᵀΨ⁻¹W",
    source="Tipping & Bishop 1999, section 3; Bishop 2006, eq. 2.115 and 2.116",
    assumptions=(_MODEL, _SMALL), equation=_evidence,
)  # fmt: skip

BOUND = claim(
    "linear_gaussian.bound", Status.DERIVED,
    statement="ELBO = log N(x; Wm + c, Ψ) − ½ tr(WᵀΨ⁻¹W LLᵀ) − KL(N(m, LLᵀ) ‖ N(0, I)) with m = Ax + b, and log "
    "p(x) less "
    "that is KL(q ‖ p(z | x))",
    source="Kingma & Welling 2014, eq. 1 and 3", assumptions=(_MODEL, _SMALL), equation=_bound,
)  # fmt: skip

GRADIENTS = claim(
    "linear_gaussian.gradients", Status.DERIVED,
    statement="with r = Ψ⁻¹(x − c − Wm), g = Wᵀr − m and M = I + WᵀΨ⁻¹W the ELBO has ∂W = r mᵀ − Ψ⁻¹WLLᵀ, ∂c = r, "
    "∂s = s r² + diag(WLLᵀWᵀ)/s³ − 1/s, ∂A = g xᵀ, ∂b = g, ∂L = tril(L⁻ᵀ − ML)",
    source="differentiated here; Petersen & Pedersen 2012, section 8.1",
    assumptions=(_MODEL, "the algebra is executed with two latents and two pixels, all entries symbols"),
)  # fmt: skip

TANGENT = claim(
    "linear_gaussian.tangent", Status.SUPPORTED,
    statement="where q is the posterior at x, the ELBO and log p(x) agree at x, and so do their gradients with "
    "respect to "
    "the decoder: the gap is at its least there",
    source="Neal & Hinton 1998, theorem 2, for the gradients", assumptions=("the settings of the spec",),
)  # fmt: skip
