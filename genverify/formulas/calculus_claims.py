"""Claims on derivatives, curvature and critical points."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = [
    "BATCH_SUM", "CHAIN", "DIFFERENCES", "EMPIRICAL_FISHER", "EXPECTED", "GOE", "HUTCHINSON", "LOGABSDET", "MINIMUM",
    "MIXED", "NONNEGATIVE", "REMAINDER", "SYMMETRIC", "TWO_PASSES",
]  # fmt: skip


def _remainder() -> sympy.Basic:
    """J_ki = ∂f_k/∂θ_i, H = ∇²_f L, g_k = ∂L/∂f_k, B_kij = ∂²f_k/∂θ_i∂θ_j."""
    import sympy

    i, j, k, n, m = sympy.symbols("i j k l m", integer=True, positive=True)
    bases: list[Any] = [sympy.IndexedBase(name) for name in ("J", "H", "g", "B")]
    jacobian, outer, slope, curvature = bases
    kept: Any = sympy.Sum(jacobian[k, i] * outer[k, n] * jacobian[n, j], (k, 1, m), (n, 1, m))
    rest: Any = sympy.Sum(slope[k] * curvature[k, i, j], (k, 1, m))
    left = sympy.Symbol(r"\frac{\partial^{2} L(f(\theta))}{\partial \theta_{i} \partial \theta_{j}}")
    return sympy.Eq(left, kept + rest, evaluate=False)


def _orthant() -> sympy.Basic:
    import sympy

    return sympy.Eq(sympy.Symbol(r"P(\mathrm{GOE}(2) \succ 0)"), (2 - sympy.sqrt(2)) / 4, evaluate=False)


CHAIN = claim(
    "calculus.wave.derivatives", Status.DERIVED,
    statement="for f_k(x) = φ(w_k · x) the Jacobian is φ′(w_k · x) w_kj, and for Σ_k φ(w_k · x) the gradient is the "
    "sum of its rows: the oracle of every derivative here",
    source="the chain rule", assumptions=("executed at n = 2 and two ridges, all numbers symbols",),
)  # fmt: skip

SYMMETRIC = claim(
    "calculus.hessian.jacobian_of_gradient", Status.DERIVED,
    statement="the Hessian is the Jacobian of the gradient, is symmetric for a C² function, and H v, vᵀHv, its "
    "diagonal and its trace are the derivative of ∇f along v, f″ along v, ∂²f/∂x_i² and Δf",
    source="Nocedal & Wright 2006, section A.2",
    assumptions=("f twice continuously differentiable", "the algebra is executed at n = 2 on two ridges"),
    theorems=("Schwarz's theorem: mixed second derivatives that are continuous are equal",),
)  # fmt: skip

TWO_PASSES = claim(
    "calculus.products.by_two_passes", Status.DERIVED,
    statement="uᵀJ is linear in u, and its derivative along v with respect to u is Jv: two backward passes make a "
    "forward one",
    source="Pearlmutter 1994 (the R operator); Griewank & Walther 2008",
    assumptions=("executed at m = 3, n = 2, all entries symbols",),
)  # fmt: skip

BATCH_SUM = claim(
    "calculus.batch_jacobian.summed", Status.REFUTED,
    statement="differentiating Σ_b y_bk with respect to x_b gives the Jacobian of row b",
    source="the usual way to write a batch Jacobian, and tensorflow/tensorflow#38428 (GradientTape.batch_jacobian)",
    counterexample="y_b = x_b − x̄ over two rows: the sum is 0 and so is its derivative, but ∂y_b/∂x_b = 1/2",
    corrected="it gives Σ_b′ ∂y_b′k/∂x_b, which is the Jacobian of row b where no other row depends on x_b",
)  # fmt: skip

LOGABSDET = claim(
    "calculus.logabsdet.factors", Status.DERIVED,
    statement="for f(x) = R (u + ½ sin u), u = Lx, with L lower triangular and |det R| = 1, log|det J| is "
    "Σ_k log(1 + ½ cos u_k) + Σ_k log L_kk",
    source="det(ABC) = det A det B det C", assumptions=("L_kk > 0; executed at n = 2, all entries symbols",),
)  # fmt: skip

DIFFERENCES = claim(
    "calculus.finite_difference.order", Status.DERIVED,
    statement="(f(x + h) − f(x))/h is off by h f″/2 + O(h²), (f(x + h) − f(x − h))/2h by h² f‴/6 + O(h⁴)",
    source="LeVeque 2007, section 1.1", assumptions=("f five times continuously differentiable",),
    theorems=("Taylor's theorem",),
)  # fmt: skip

HUTCHINSON = claim(
    "calculus.hutchinson.unbiased", Status.DERIVED,
    statement="E vᵀAv = tr A for every A where the entries of v have mean 0, variance 1 and no correlation; the "
    "variance is 2‖S‖²_F for normal entries and 2 Σ_{i≠j} S_ij² for Rademacher ones, S = (A + Aᵀ)/2",
    source="Hutchinson 1989; Avron & Toledo 2011 (for symmetric A)",
    assumptions=("independent entries for the variances", "executed at n = 3, all entries of A symbols"),
)  # fmt: skip

MIXED = claim(
    "kernel.rbf.derivatives", Status.DERIVED,
    statement="∂²k/∂x∂yᵀ = k (I − ddᵀ/σ²)/σ² for k = exp(−‖d‖²/(2σ²)), d = x − y",
    source="Rasmussen & Williams 2006, eq. 9.1 (derivatives of a kernel)", assumptions=("executed at n = 2",),
)  # fmt: skip

MINIMUM = claim(
    "calculus.critical_point.positive_definite", Status.DERIVED,
    statement="at a critical point of a C² function a positive-definite Hessian makes a strict local minimum, a "
    "negative-definite one a strict local maximum, and one with eigenvalues of both signs a saddle",
    source="Nocedal & Wright 2006, theorem 2.4", assumptions=("f twice continuously differentiable",),
    theorems=("Taylor's theorem with Lagrange's remainder", "the spectral theorem", "continuity of eigenvalues"),
)  # fmt: skip

NONNEGATIVE = claim(
    "calculus.critical_point.nonnegative_eigenvalues", Status.REFUTED,
    statement="a critical point whose Hessian has no negative eigenvalue is a minimum",
    source="the Blog, on critical points",
    counterexample="x² + y³ at 0: the eigenvalues are 2 and 0, and f(0, −t) = −t³ < 0 for every t > 0",
    corrected="no negative eigenvalue is necessary for a minimum; sufficient is that all are positive, or that none is "
    "negative in a whole neighbourhood",
)  # fmt: skip

GOE = claim(
    "calculus.critical_point.goe", Status.SUPPORTED,
    statement="a symmetric matrix of independent normal entries is positive definite with a probability that falls "
    "faster than exponentially with n: 1/2, (2 − √2)/4, then about 0.02, 0.002 and 1e-4 at n = 3, 4, 5; so saddles "
    "outnumber minima among random critical points",
    source="Dean & Majumdar 2006 (the decay); Dauphin et al. 2014, section 2 (the use)",
    assumptions=("GOE: variance 2 on the diagonal, 1 off it; n = 1 and 2 exactly, 3 to 5 by simulation",),
    equation=_orthant,
)  # fmt: skip

REMAINDER = claim(
    "calculus.gauss_newton.remainder", Status.DERIVED,
    statement="the Hessian of θ ↦ L(f(θ)) is JᵀHJ + Σ_k g_k B_k, with J the Jacobian of f, H the Hessian of L in f, "
    "g_k = ∂L/∂f_k and B_k = ∇²f_k: it is the Gauss–Newton matrix JᵀHJ exactly where the sum vanishes, as it does "
    "where the slope of the loss is zero (a perfect fit) and where the model is linear",
    source="Schraudolph 2002; Nocedal & Wright 2006, eq. 10.5",
    assumptions=("f and L twice continuously differentiable; executed at m = n = 2, all symbols",),
    equation=_remainder,
)  # fmt: skip

EXPECTED = claim(
    "calculus.fisher.expected_gauss_newton", Status.DERIVED,
    statement="for cross-entropy after a softmax the Hessian in the logits is diag p − p pᵀ whatever the label, so the "
    "Gauss–Newton matrix is the Fisher information E_y∼p ∇log p(y) ∇log p(y)ᵀ",
    source="Martens 2020, section 9.2", assumptions=("executed at 3 classes and 2 parameters, all entries symbols",),
)  # fmt: skip

EMPIRICAL_FISHER = claim(
    "calculus.fisher.empirical", Status.REFUTED,
    statement="the mean of the outer products of the gradients at the given labels is the Fisher information",
    source='the "empirical Fisher" of many optimizers; see Kunstner, Hennig & Balles 2019, section 3',
    counterexample="two classes, logits (θ, 0), every label the first: at p = (1/4, 3/4) the Fisher information of θ "
    "is 3/16, and the squared gradient is 9/16",
    corrected="it is so in expectation over labels that are drawn from the model",
)  # fmt: skip
