"""What is claimed of vector quantisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim
from genverify.formulas.vq_arguments import SOURCE

if TYPE_CHECKING:
    import sympy

__all__ = ["EXPANDED_SQUARE", "EXPLODES", "PERPLEXITY_RANGE", "RUNNING_MEAN", "STRAIGHT_THROUGH", "WHICH_MOVES_WHAT"]


def _expanded() -> sympy.Basic:
    import sympy

    z, e = (sympy.Matrix(sympy.symbols(f"{name}_1:4", real=True)) for name in "ze")
    return sympy.Eq((z - e).dot(z - e), z.dot(z) + e.dot(e) - 2 * z.dot(e), evaluate=False)


EXPANDED_SQUARE = claim(
    "vq.nearest_code.expanded_square", Status.DERIVED,
    statement="argmin_k ‖z − e_k‖² = argmin_k (‖e_k‖² − 2 z·e_k): ‖z‖² is the same for every code; ‖e_k‖² is not",
    source=f"{SOURCE}, eq. 1", equation=_expanded,
)  # fmt: skip


def _through() -> sympy.Basic:
    import sympy

    z, constant = sympy.symbols("z c", real=True)
    return sympy.Eq(sympy.Derivative(z + constant, z), 1, evaluate=False)


STRAIGHT_THROUGH = claim(
    "vq.straight_through.gradient", Status.DERIVED,
    statement="y = z + sg(e − z) is e, with ∂y/∂z = I and ∂y/∂e = 0 for every z and e; the true derivative of e(z) is "
    "zero almost everywhere",
    source=f"{SOURCE}, section 3.2", assumptions=("sg(c) is c, with derivative zero",), equation=_through,
)  # fmt: skip


def _moves() -> sympy.Basic:
    """Both gradients, as a row: of the first term to e, and of the second to z."""
    import sympy

    z, e, beta = sympy.Symbol("z", real=True), sympy.Symbol("e", real=True), sympy.Symbol("beta", positive=True)
    left = sympy.Matrix([[sympy.Derivative((z - e) ** 2, e), sympy.Derivative(beta * (z - e) ** 2, z)]])
    return sympy.Eq(left, sympy.Matrix([[2 * (e - z), 2 * beta * (z - e)]]), evaluate=False)


WHICH_MOVES_WHAT = claim(
    "vq.loss.which_term_moves_what", Status.DERIVED,
    statement="‖sg(z) − e‖² moves the code alone, by −2(e − z), and β ‖z − sg(e)‖² the vector alone, by −2β(z − e); a "
    "code is at rest at the mean of its vectors, whatever β is",
    source=f"{SOURCE}, eq. 3 and section 3.2", equation=_moves,
)  # fmt: skip


def _running() -> sympy.Basic:
    """The step from T batches to T + 1, of the sums."""
    import sympy

    gamma = sympy.Symbol("gamma", positive=True)
    steps, t = sympy.symbols("T t", integer=True, positive=True)
    start = sympy.Symbol("m_0", real=True)
    s: Any = sympy.IndexedBase("s", real=True)
    closed = gamma**steps * start + sympy.Sum((1 - gamma) * gamma ** (steps - t) * s[t], (t, 1, steps))
    return sympy.Eq(gamma * closed + (1 - gamma) * s[steps + 1], closed.subs(steps, steps + 1), evaluate=False)


RUNNING_MEAN = claim(
    "vq.ema_codebook.running_mean", Status.DERIVED,
    statement="begun at N = 0 and m = 0, the code e = m/N is the mean of all the vectors that it was ever chosen for, "
    "each weighed by γ to the power of its age; a division of N and m by 1 − γᵗ changes nothing",
    source=f"{SOURCE}, eqs. 6–8", assumptions=("0 < γ < 1", "the code was chosen at least once"), equation=_running,
)  # fmt: skip


def _explodes() -> sympy.Basic:
    """The code after one step in which it is not chosen, over what it was."""
    import sympy

    gamma, eps, total = sympy.symbols("gamma epsilon n", positive=True)
    codes = sympy.Symbol("K", integer=True, positive=True)
    count = (0 + eps) / (total + codes * eps) * total
    return sympy.Eq(gamma / count, gamma * (total + codes * eps) / (eps * total), evaluate=False)


EXPLODES = claim(
    "vq.ema_codebook.explodes", Status.DERIVED,
    statement="a code that begins with N = 0 and m = e, and is not chosen in the first step, is multiplied by "
    "γ (n + K ε)/(ε n) under Laplace smoothing, n being Σ N: by about γ/ε",
    source="Sonnet's VectorQuantizerEMA, where counts begin at zero and sums, in PyTorch ports, at the codes",
    assumptions=("0 < γ < 1", "ε > 0", "n > 0"), equation=_explodes,
)  # fmt: skip


def _uniform() -> sympy.Basic:
    import sympy

    used = sympy.Symbol("M", integer=True, positive=True)
    k = sympy.Symbol("k", integer=True, positive=True)
    surprise: Any = sympy.Sum(-sympy.log(1 / used) / used, (k, 1, used))
    return sympy.Eq(sympy.exp(surprise), used, evaluate=False)


PERPLEXITY_RANGE = claim(
    "vq.perplexity.range", Status.DERIVED,
    statement="1 ≤ exp(−Σ p_k log p_k) ≤ K; it is M where M codes are used equally often and the others never",
    source="Jelinek, Mercer, Bahl & Baker 1977", theorems=("Jensen's inequality",), equation=_uniform,
)  # fmt: skip
