"""What is claimed of the flows of the catalogue: their log-determinants, and where they are invertible."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Claim, Status, claim
from genverify.oracles import flow_elementwise, flow_jacobians, flow_spline

if TYPE_CHECKING:
    import sympy

__all__ = ["SLOPES"]


def _determinant(made: Any) -> sympy.Basic:  # noqa: ANN401 - (jacobian, its determinant)
    import sympy

    jacobian, value = made
    return sympy.Eq(sympy.Determinant(sympy.ImmutableMatrix(jacobian)), value, evaluate=False)


def _slope_claim(name: str, statement: str, form: Any, source: str, *assumptions: str) -> Claim:  # noqa: ANN401
    return claim(
        f"flow.{name}.slope", Status.DERIVED, statement=statement, source=source, assumptions=assumptions,
        equation=lambda: form.steps[0].equation,
    )  # fmt: skip


# Claim → the closed form whose steps prove it.
SLOPES = {
    _slope_claim("tanh", "log tanh′(x) = 2 log 2 − 2x − 2 log(1 + e^(−2x)), which cancels nowhere",
                 flow_elementwise.tanh_slope, "Haarnoja et al. 2018, appendix C").name: flow_elementwise.tanh_slope,
    _slope_claim("sigmoid", "log σ′(x) = −log(1 + e^(−x)) − log(1 + e^x)", flow_elementwise.sigmoid_slope,
                 "Bishop 2006, eq. 4.88").name: flow_elementwise.sigmoid_slope,
    _slope_claim("logit", "log logit′(x) = −log x − log(1 − x); of u = α + (1 − 2α) x the slope has the factor 1 − 2α",
                 flow_elementwise.logit_slope, "Dinh, Sohl-Dickstein & Bengio 2017, section 4.1",
                 "0 < x < 1, 0 ≤ α < ½").name: flow_elementwise.logit_slope,
    _slope_claim("softplus", "log softplus′(x) = −log(1 + e^(−x))", flow_elementwise.softplus_slope,
                 "Dugas et al. 2001").name: flow_elementwise.softplus_slope,
}  # fmt: skip

ELEMENTWISE = claim(
    "flow.elementwise.logabsdet", Status.DERIVED,
    statement="the logabsdet of y_i = f_i(x_i) is Σ_i log|f_i′(x_i)|, over all axes of the event",
    source="Papamakarios et al. 2021, section 3.1.1",
    assumptions=("each f_i differentiable",),
)  # fmt: skip
LEAKY = claim(
    "flow.leaky_relu.slope", Status.DERIVED,
    statement="the slope of max(x, 0) + a min(x, 0) is 1 above zero and a below; at zero there is none",
    source="Maas, Hannun & Ng 2013, eq. 3", assumptions=("a > 0, a ≠ 1",),
)  # fmt: skip
MIXTURE = claim(
    "flow.mixture_cdf.slope", Status.DERIVED,
    statement="the slope of Σ_k π_k σ((x − μ_k)/s_k) is the density of the mixture, Σ_k π_k σ′((x − μ_k)/s_k)/s_k > 0",
    source="Ho et al. 2019, eqs. 12 and 13", assumptions=("π_k, s_k > 0", "two components, for the algebra executed"),
)  # fmt: skip
LINEAR = claim(
    "flow.linear.logabsdet", Status.DERIVED,
    statement="y = W x + b has the logabsdet log|det W| at every x; of a permutation it is 0, of a diagonal matrix "
    "Σ log|s_i|, and at h·w pixels h·w times as much",
    source="Kingma & Dhariwal 2018, table 1", 
    theorems=("det of a block diagonal matrix is the product of the blocks'",),
)  # fmt: skip
HOUSEHOLDER = claim(
    "flow.householder.orthogonal", Status.DERIVED,
    statement="H = I − 2 v vᵀ/‖v‖² is symmetric, its own inverse, and has the determinant −1",
    source="Householder 1958", assumptions=("v ≠ 0", "two and three dimensions, for the algebra executed"),
)  # fmt: skip
LU = claim(
    "flow.lu_linear.logabsdet", Status.DERIVED,
    statement="log|det P L (U + diag s)| = Σ log|s_i| with L unit lower and U strictly upper triangular",
    source="Kingma & Dhariwal 2018, eqs. 10 and 11",
    assumptions=("s_i ≠ 0", "three dimensions, for the algebra executed"),
)  # fmt: skip
CONV = claim(
    "flow.conv1x1.logabsdet", Status.DERIVED,
    statement="a 1 × 1 convolution K of an image of h × w pixels has the logabsdet h·w·log|det K|",
    source="Kingma & Dhariwal 2018, eq. 9",
    assumptions=("K invertible", "2 channels and 2 pixels, for the algebra executed"),
)  # fmt: skip
SQUEEZE = claim(
    "flow.squeeze.permutes", Status.DERIVED,
    statement="squeezing is a permutation of the numbers of an image, so that its logabsdet is 0",
    source="Dinh, Sohl-Dickstein & Bengio 2017, section 3.6", assumptions=("even height and width",),
)  # fmt: skip
BATCH_NORM = claim(
    "flow.batch_norm.train_mode", Status.REFUTED,
    statement="batch normalisation is a bijection with log|det ∂y/∂x| = −½ Σ log(σ̃² + ε)",
    source="Dinh, Sohl-Dickstein & Bengio 2017, section 3.7 and appendix E, eqs. 22 and 23",
    counterexample="with the moments of the batch and two rows of one feature the image is ±(x₁ − x₂)/(2 √(v + ε)): "
    "x and x + c have one image, and the Jacobian of the batch is singular",
    corrected="with moments that are kept (eval mode, or running ones that are not differentiated) it is an affine map "
    "of each row, and the formula holds; with the moments of the batch rows depend on each other",
    equation=lambda: _batch_equation(),
)  # fmt: skip
PLANAR = claim(
    "flow.planar.logabsdet", Status.DERIVED,
    statement="det ∂(x + u h(wᵀx + b))/∂x = 1 + h′(wᵀx + b) wᵀu, whatever the function h is",
    source="Rezende & Mohamed 2015, eqs. 10–12",
    assumptions=("h differentiable", "one to three dimensions, for the algebra executed"),
    theorems=("matrix determinant lemma (any dimension)",), equation=lambda: _determinant(flow_jacobians.planar(2)),
)  # fmt: skip
PLANAR_INVERTIBLE = claim(
    "flow.planar.invertible", Status.DERIVED,
    statement="x + u tanh(wᵀx + b) is invertible if and only if wᵀu ≥ −1; at equality it is a homeomorphism whose "
    "logabsdet is −∞ on the hyperplane wᵀx + b = 0",
    source="Rezende & Mohamed 2015, section A.1",
    assumptions=("w ≠ 0",),
    theorems=("a continuous function of the line that rises strictly, without bounds, is a homeomorphism",),
)  # fmt: skip
PLANAR_CONSTRAINED = claim(
    "flow.planar.constrained", Status.DERIVED,
    statement="û = u + (m(wᵀu) − wᵀu) w/‖w‖² with m(a) = −1 + log(1 + e^a) has wᵀû = m(wᵀu) > −1; with ‖w‖ for ‖w‖² it "
    "has not",
    source="Rezende & Mohamed 2015, section A.1", assumptions=("w ≠ 0",),
)  # fmt: skip
RADIAL = claim(
    "flow.radial.logabsdet", Status.DERIVED,
    statement="det ∂(x + β h (x − c))/∂x = (1 + β h)^(D−1) (1 + β h − β r h²), h = 1/(α + r)",
    source="Rezende & Mohamed 2015, eq. 14",
    assumptions=("α > 0, x ≠ c", "one to three dimensions, for the algebra executed"),
    theorems=("matrix determinant lemma (any dimension)",), equation=lambda: _determinant(flow_jacobians.radial(2)),
)  # fmt: skip
RADIAL_INVERTIBLE = claim(
    "flow.radial.invertible", Status.DERIVED,
    statement="r ↦ r (1 + β/(α + r)) rises strictly for r > 0 if and only if β ≥ −α: then the radial flow is "
    "invertible",
    source="Rezende & Mohamed 2015, section A.2", assumptions=("α > 0",),
)  # fmt: skip
SYLVESTER = claim(
    "flow.sylvester.logabsdet", Status.DERIVED,
    statement="det(I + A B) = det(I + B A); with A = Q R₁ diag(h′), B = R₂ Qᵀ, QᵀQ = I the latter is triangular, with "
    "the diagonal 1 + h′_i (R₁)_ii (R₂)_ii",
    source="van den Berg et al. 2018, theorem 1 and eq. 13",
    assumptions=("sizes up to 3 × 2, for the algebra executed",),
    theorems=("Sylvester's determinant identity (any size)",),
)  # fmt: skip
AUTOREGRESSIVE = claim(
    "flow.autoregressive.logabsdet", Status.DERIVED,
    statement="u_i = (x_i − μ_i) e^(−α_i) with any functions μ_i and α_i of x_1 … x_(i−1) has the logabsdet −Σ α_i; "
    "its inverse, x_i = u_i e^(α_i) + μ_i, is found in order",
    source="Papamakarios, Pavlakou & Murray 2017, eqs. 3–5; Kingma et al. 2016, eqs. 10 and 11",
    assumptions=("μ_i and α_i differentiable", "two to four features, for the algebra executed"),
    theorems=("the determinant of a triangular matrix is the product of its diagonal (any size)",),
    equation=lambda: _triangular(),
)  # fmt: skip
ADDITIVE = claim(
    "flow.additive_coupling.logabsdet", Status.DERIVED,
    statement="y = (a, b + t(a)) has the determinant 1, whatever the function t is",
    source="Dinh, Krueger & Bengio 2015, section 3.2", assumptions=("t differentiable",),
)  # fmt: skip
SPLINE = claim(
    "flow.rational_quadratic_spline.slope", Status.DERIVED,
    statement="a rational-quadratic piece has the slope s² (δ₁ ξ² + 2 s ξ (1 − ξ) + δ₀ (1 − ξ)²)/(s + (δ₁ + δ₀ − 2s) ξ "
    "(1 − ξ))², which is positive, and δ₀ and δ₁ at its ends",
    source="Durkan et al. 2019, eq. 5", assumptions=("s, δ₀, δ₁ > 0, 0 ≤ ξ ≤ 1",), equation=lambda: _spline_equation(),
)  # fmt: skip
MULTISCALE = claim(
    "flow.multiscale.density", Status.DERIVED,
    statement="factoring parts out on the way is a bijection of all numbers: every part counts under the prior; the "
    "last one alone has no bounded likelihood",
    source="Dinh, Sohl-Dickstein & Bengio 2017, section 3.6",
    assumptions=("two scales of one number each, for the algebra executed",),
)  # fmt: skip


def _batch_equation() -> sympy.Basic:
    import sympy

    image, determinant = flow_jacobians.batch_of_two()
    return sympy.Eq(sympy.Function("det")(image), determinant, evaluate=False)


def _triangular() -> sympy.Basic:
    import sympy

    jacobian, total = flow_jacobians.autoregressive(2)
    return _determinant((jacobian, sympy.exp(total)))


def _spline_equation() -> sympy.Basic:
    import sympy

    made = flow_spline.piece()
    return sympy.Eq(sympy.Derivative(made["stated"], made["xi"]) / made["width"], made["slope"], evaluate=False)
