"""What is claimed of clipping and of accumulated gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from genverify.claims import Status, claim

if TYPE_CHECKING:
    import sympy

__all__ = [
    "IDEMPOTENT",
    "IDENTITY",
    "MEAN_OF_MEANS",
    "NORM_OF_BOX",
    "NORM_PROJECTION",
    "SCALING_ORDER",
    "VALUE_PROJECTION",
]  # fmt: skip


def _ball() -> sympy.Basic:
    """‖x − g‖² − (‖g‖ − c)², with ‖g‖ = c + b, ‖x‖ = r = c − a and 1 − cos ∠(x, g) = u."""
    import sympy

    a, b, r, u = sympy.symbols("a b r u", nonnegative=True)
    c = r + a
    norm = c + b
    distance = r**2 - 2 * r * norm * (1 - u) + norm**2
    return sympy.Eq(distance - (norm - c) ** 2, a**2 + 2 * a * b + 2 * r * norm * u, evaluate=False)


def _box() -> sympy.Basic:
    """(x − g)² − (c − g)² with g = c + b and x = c − a."""
    import sympy

    a, b, c = sympy.symbols("a b c", nonnegative=True)
    x, g = c - a, c + b
    return sympy.Eq((x - g) ** 2 - (c - g) ** 2, a**2 + 2 * a * b, evaluate=False)


def _again() -> sympy.Basic:
    """ε + c n/(n + ε) − c for n = c − ε + b, b ≥ 0: what the second clipping of torch sees above the bound."""
    import sympy

    c, epsilon = sympy.symbols("c varepsilon", positive=True)
    b = sympy.Symbol("b", nonnegative=True)
    norm = c - epsilon + b
    return sympy.Eq(c * norm / (norm + epsilon) + epsilon - c, epsilon * b / (c + b), evaluate=False)


def _parts() -> sympy.Basic:
    """S_i is the sum of the gradients of part i, g_i = S_i/n_i their mean."""
    import sympy

    n, k = sympy.symbols("n_1 n_2", integer=True, positive=True)
    first, second, one, other = sympy.symbols("g_1 g_2 S_1 S_2", real=True)
    return sympy.Eq((n * first + k * second) / (n + k), (one + other) / (n + k), evaluate=False)


def _order() -> sympy.Basic:
    """Of norms: clip(n, c) = n min(1, c/n)."""
    import sympy

    c, scale, norm = sympy.symbols("c S n", positive=True)
    clip: Any = sympy.Function("clip")
    return sympy.Eq(clip(scale * norm, c) / scale, clip(norm, c / scale), evaluate=False)


NORM_PROJECTION = claim(
    "clipping.global_norm.projection", Status.DERIVED,
    statement="g min(1, c/‖g‖) is the point of the ball ‖x‖ ≤ c that is closest to g, and no other is as close; its "
    "norm is at most c, it points where g points, and it is g itself where ‖g‖ ≤ c",
    source="Pascanu, Mikolov & Bengio 2013, algorithm 1; Boyd & Vandenberghe 2004, section 8.1",
    assumptions=("the Euclidean norm of all entries together, c > 0",), equation=_ball,
    theorems=("Cauchy–Schwarz: x·g = ‖x‖ ‖g‖ cos ∠(x, g) with |cos| ≤ 1",),
)  # fmt: skip

VALUE_PROJECTION = claim(
    "clipping.value.projection", Status.DERIVED,
    statement="max(−c, min(c, g)) in every entry is the point of the box |x_i| ≤ c that is closest to g",
    source="Graves 2013, section 2.1; Boyd & Vandenberghe 2004, section 8.1", assumptions=("c > 0",), equation=_box,
)  # fmt: skip

NORM_OF_BOX = claim(
    "clipping.value.norm", Status.REFUTED,
    statement="clipping every entry to c clips the norm to c, and keeps the direction",
    source="usual reading of clip_grad_value_",
    counterexample="g = (3, 1), c = 1: the result (1, 1) has the norm √2, and does not point where g points",
    corrected="the norm is at most c √n over n entries, with equality for entries that are all beyond the bound; "
    "signs stay",
)  # fmt: skip

IDEMPOTENT = claim(
    "clipping.global_norm.idempotent", Status.DERIVED,
    statement="clipping twice is clipping once; with torch's ε it is so up to a factor between c/(c + ε) and 1",
    source="torch.nn.utils.clip_grad_norm_", assumptions=("c > ε > 0; ‖g‖ + ε ≥ c, else nothing is done",),
    equation=_again,
)  # fmt: skip

IDENTITY = claim(
    "accumulation.mean_gradient.identity", Status.DERIVED,
    statement="Σ n_i g_i / Σ n_i is the gradient of the mean loss over all samples, g_i being those of the means "
    "over parts",
    source="linearity of the gradient",
    assumptions=("two parts (more by induction) of n_i samples with gradients that add up to S_i; g_i = S_i/n_i",),
    equation=_parts,
)  # fmt: skip

MEAN_OF_MEANS = claim(
    "accumulation.mean_of_means", Status.REFUTED,
    statement="the mean of the micro-batches' gradients is the gradient of the mean over the batch",
    source="usual form of gradient accumulation, loss / accumulation_steps",
    counterexample="n = (2, 1), g = (1, 4): the mean of the means is 5/2, the gradient of the mean is 2",
    corrected="it is, exactly when the parts have equal sizes or equal gradients (of two parts)",
)  # fmt: skip

SCALING_ORDER = claim(
    "accumulation.loss_scaling.order", Status.DERIVED,
    statement="unscaling and clipping then gives the clipped gradient of the loss; clipping to c before is clipping "
    "to c/S",
    source="Micikevicius et al. 2018, section 3.2",
    assumptions=("c, S > 0 and n = ‖g‖ > 0; clip(n, c) = n min(1, c/n) is the norm after clipping",), equation=_order,
)  # fmt: skip
