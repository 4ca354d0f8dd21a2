"""What is claimed of maps: convolutions under shifts, adjoints, and how gradients pass through depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = ["ADJOINT", "DEPTH", "EQUIVARIANT", "INVARIANCE", "INVARIANT", "MODES", "RESIDUAL"]


def _indexed(names: str) -> list[Any]:
    """Symbols that take an index, one for each word."""
    import sympy

    return [sympy.IndexedBase(name) for name in names.split()]


def _shifted() -> sympy.Basic:
    """Entry i of the image of the shifted input, and entry i − t of the image, y_i = Σ_a w_a x_{s i + a − p}."""
    import sympy

    i, a, t, k, s, p = sympy.symbols("i a t k s p", integer=True)
    w, x, y = _indexed("w x y")
    return sympy.Eq(sympy.Sum(w[a] * x[s * i + a - p - s * t], (a, 0, k - 1)), y[i - t], evaluate=False)


def _pooled() -> sympy.Basic:
    import sympy

    i, t, n = sympy.symbols("i t n", integer=True)
    (y,) = _indexed("y")
    moved = y[sympy.Mod(i - t, n, evaluate=False)]
    return sympy.Eq(sympy.Sum(moved, (i, 0, n - 1)), sympy.Sum(y[i], (i, 0, n - 1)), evaluate=False)


def _transposed() -> sympy.Basic:
    import sympy

    i, a, s, p, k, m = sympy.symbols("i a s p k m", integer=True)
    w, x, y = _indexed("w x y")
    there = sympy.Sum(y[i] * w[a] * x[s * i + a - p], (a, 0, k - 1), (i, 0, m - 1))
    j, n = sympy.symbols("j n", integer=True)
    (z,) = _indexed("z")
    return sympy.Eq(there, sympy.Sum(x[j] * z[j], (j, 0, n - 1)), evaluate=False)


def _modes() -> sympy.Basic:
    import sympy

    u, v = sympy.MatrixSymbol("u", 2, 1), sympy.MatrixSymbol("v", 2, 1)
    outer, inner = sympy.MatrixSymbol("J_2", 2, 2), sympy.MatrixSymbol("J_1", 2, 2)
    forward = sympy.MatMul(v.T, sympy.MatMul(outer, sympy.MatMul(inner, u)))
    reverse = sympy.MatMul(sympy.MatMul(sympy.MatMul(v.T, outer), inner), u)
    return sympy.Eq(forward, reverse, evaluate=False)


def _residual() -> sympy.Basic:
    import sympy

    x = sympy.Symbol("x", real=True)
    branch = sympy.Function("F")(x)
    return sympy.Eq(sympy.Derivative(x + branch, x), 1 + sympy.Derivative(branch, x), evaluate=False)


def _depth() -> sympy.Basic:
    import sympy

    count, k = sympy.symbols("L k", integer=True, positive=True)
    (slope,) = _indexed("a")
    whole = sympy.Symbol(r"\frac{\partial x_{L}}{\partial x_{0}}")
    return sympy.Eq(whole, sympy.Product(1 + slope[k], (k, 1, count)), evaluate=False)


INVARIANCE = claim(
    "convolution_equivariance.invariance", Status.REFUTED,
    statement="convolution layers are invariant to location",
    source="the Blog, on convolution layers",
    equation=_shifted,
    counterexample="x = (1, 0, 0, 0) and the kernel (1, 2, 3), with circular padding: the response to x shifted by one "
    "is the response shifted by one, and not the response",
    corrected="with circular padding a convolution is equivariant to cyclic shifts: a shifted input has a shifted "
    "image. With zero padding that holds away from the border only",
)  # fmt: skip

EQUIVARIANT = claim(
    "convolution_equivariance.equivariant", Status.DERIVED,
    statement="for every kernel, a circular cross-correlation of stride s maps an input shifted by s·t to its image "
    "shifted by t, y being the image, y_i = Σ_a w_a x_{s i + a − p}; with zero padding this holds at the outputs whose "
    "windows see no padding, before or after",
    source="Goodfellow, Bengio & Courville 2016, section 9.2",
    assumptions=(
        "one spatial axis; s divides n; indices modulo the length of the axis",
        "executed for n = 6 inputs, kernels of 3, strides 1, 2 and 3",
    ),
    equation=_shifted,
)  # fmt: skip

INVARIANT = claim(
    "convolution_equivariance.invariant", Status.DERIVED,
    statement="what is summed or averaged over all positions after an equivariant map is invariant to cyclic shifts",
    source="Goodfellow, Bengio & Courville 2016, section 9.3",
    assumptions=("the map is equivariant to cyclic shifts",),
    equation=_pooled,
)  # fmt: skip

ADJOINT = claim(
    "convolution_equivariance.adjoint", Status.DERIVED,
    statement="the adjoint of a cross-correlation of stride s and padding p with the kernel w is the transposed "
    "convolution z_j = Σ_i w_{j + p − s i} y_i with the same kernel, stride and padding: ⟨w ⋆ x, y⟩ = ⟨x, z⟩",
    source="Dumoulin & Visin 2016, section 4",
    assumptions=(
        "one spatial axis; entries of x beyond its ends are 0",
        "executed for 7 inputs, kernels of 3, strides 1 to 3, paddings 0 to 2",
    ),
    equation=_transposed,
)  # fmt: skip

MODES = claim(
    "gradient_flow.adjoint", Status.DERIVED,
    statement="forward mode and reverse mode compute one number: vᵀ(J₂(J₁u)) = ((vᵀJ₂)J₁)u, so that each can be held "
    "against the other, and both against the slope of t ↦ vᵀf(x + t u)",
    source="Griewank & Walther 2008, chapter 3",
    assumptions=("f differentiable at x; executed for two layers of two units, the slope for one f",),
    equation=_modes,
    theorems=("chain rule", "associativity of the matrix product"),
)  # fmt: skip

RESIDUAL = claim(
    "gradient_flow.residual", Status.DERIVED,
    statement="the Jacobian of the residual block x + F(x) is I + ∂F/∂x",
    source="He et al. 2016a, eq. 1; He et al. 2016b, eq. 5",
    assumptions=("F differentiable at x",),
    equation=_residual,
)  # fmt: skip

DEPTH = claim(
    "gradient_flow.depth", Status.DERIVED,
    statement="through L residual blocks with branch slopes a_1, …, a_L the gradient is Π (1 + a_k) = 1 + Σ a_k + …, "
    "which holds a 1 whatever the branches; through the plain chain of the branches it is Π a_k, which vanishes with "
    "any one of them",
    source="He et al. 2016b, eqs. 4–5",
    assumptions=("scalar blocks, L ≤ 4",),
    equation=_depth,
)  # fmt: skip
