"""Claims on divergences of any two laws: by expectations, by the log-normaliser, and through transforms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = ["BREGMAN", "CLOSED_FORM", "DIRICHLET", "MOMENTS", "QUADRATURE", "TRANSFORMED", "WISHART"]


def _bregman() -> sympy.Basic:
    import sympy

    p, q = sympy.symbols("eta_p eta_q", real=True)
    normaliser: Any = sympy.Function("A")
    left = sympy.Symbol(r"\mathrm{KL}(p_{\eta_p} \,\Vert\, p_{\eta_q})")
    slope = sympy.Derivative(normaliser(p), p)
    return sympy.Eq(left, normaliser(q) - normaliser(p) - (q - p) * slope, evaluate=False)


CLOSED_FORM = claim(
    "kl.pairs.closed_form", Status.DERIVED,
    statement="where log p = Σ c_T T(x) and log q = Σ d_T T(x), KL(p ‖ q) = Σ (c_T − d_T) E_p T: the log-densities of "
    "the table are those of the textbooks, term by term",
    source="Kullback & Leibler 1951, section 2", assumptions=("the support of p lies in that of q; E_p T finite",),
)  # fmt: skip

MOMENTS = claim(
    "kl.pairs.moments", Status.DERIVED,
    statement="the expectations in the table are the slopes of the log-normaliser (gamma, beta, Poisson, geometric, "
    "continuous Bernoulli), or integrals (uniform, Pareto, Laplace, normal)",
    source="Brown 1986, theorem 2.2 (derivatives of the log-normaliser); integrated here elsewhere",
    assumptions=("parameters inside their domains",),
)  # fmt: skip

QUADRATURE = claim(
    "kl.pairs.quadrature", Status.SUPPORTED,
    statement="every closed form of a pair that torch registers is the integral (or sum) of p (log p − log q), to 15 "
    "digits",
    source="Kullback & Leibler 1951, section 2", assumptions=("the parameters of the spec",),
)  # fmt: skip

BREGMAN = claim(
    "kl.pairs.bregman", Status.DERIVED,
    statement="within an exponential family KL(p ‖ q) = A(η_q) − A(η_p) − ⟨η_q − η_p, ∇A(η_p)⟩, the Bregman divergence "
    "of the log-normaliser with the arguments swapped",
    source="Banerjee et al. 2005", assumptions=("executed for the exponential, Poisson and Bernoulli families",),
    equation=_bregman,
)  # fmt: skip

DIRICHLET = claim(
    "kl.pairs.dirichlet", Status.DERIVED,
    statement="KL(Dirichlet(a) ‖ Dirichlet(b)) = log B(b)/B(a) + Σ (a_k − b_k)(ψ(a_k) − ψ(Σa)): E log x_k is the slope "
    "of log B in a_k",
    source="Bishop 2006, appendix B", assumptions=("executed at three classes",),
)  # fmt: skip

WISHART = claim(
    "kl.pairs.wishart", Status.SUPPORTED,
    statement="the divergence of Wishart laws is the Bregman divergence of their log-normaliser "
    "ν/2 (k log 2 + log|V|) + log Γ_k(ν/2), and at k = 1 that of Gamma(ν/2, 1/(2V))",
    source="Bishop 2006, appendix B",
    assumptions=("the parameters of the spec; derivatives by automatic differentiation",),
)  # fmt: skip

TRANSFORMED = claim(
    "kl.pairs.transformed", Status.REFUTED,
    statement="the divergence of two transformed laws with equal transforms is that of their base laws",
    source="torch.distributions.kl, for TransformedDistribution",
    counterexample="|x| for x ~ N(1, 1) and x ~ N(−1, 1) are one folded normal law, at distance 0; the base laws are "
    "at distance 2",
    corrected="it is for a bijection (kl.bijection_invariance); in general it is not larger (data processing)",
    assumptions=("executed for |x| of normal laws",), theorems=("change of variables",),
)  # fmt: skip
