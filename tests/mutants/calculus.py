"""Mutants of calculus: a transposition, a missing block, an approximation sold as the thing itself."""

from __future__ import annotations

from enum import Enum

import torch
from torch.func import grad, hessian, jacrev, vmap

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin


def _leaf(x):
    return x.detach().clone().requires_grad_()


def jacobian_transposed(f, x):
    """Inputs along rows: met where gradients of outputs are stacked as columns, and square maps hide it."""
    x = _leaf(x)
    return torch.stack([torch.autograd.grad(one, x, retain_graph=True)[0] for one in f(x)], dim=1)


def jvp_is_vjp(f, x, v):
    """vᵀJ sold as Jv: "autograd.grad with grad_outputs=v"; it raises unless the map is square, and then it is wrong."""
    x = _leaf(x)
    y = f(x)
    return torch.autograd.grad(y, x, v if v.shape == y.shape else torch.ones_like(y))[0]


def vjp_of_ones(f, x, u):
    """The sum of the rows, the cotangent forgotten: y.sum().backward(), met in hand-written backward passes."""
    x = _leaf(x)
    return torch.autograd.grad(f(x).sum(), x)[0]


def hessian_by_outer_product(f, x):
    """g gᵀ, the empirical Fisher or Gauss–Newton of one output, sold as the Hessian: met in pruning and continual
    learning code."""
    g = grad(f)(x)
    return torch.outer(g, g)


def hessian_of_diagonal_blocks(f, x):
    """Cross terms dropped: each coordinate's gradient is differentiated in that coordinate only."""
    return torch.diag(torch.diagonal(hessian(f)(x)))


def hessian_upper(f, x):
    """Only j ≥ i is filled and the mirror image is forgotten: met in loops that save half of the passes."""
    return torch.triu(hessian(f)(x))


def hessian_doubled_diagonal(f, x):
    """U + Uᵀ without halving the diagonal: the other end of the same saving."""
    upper = torch.triu(hessian(f)(x))
    return upper + upper.mT


def hvp_through_detached_gradient(f, x, v):
    """∇f · v is differentiated with respect to v in place of x: ∇f comes back as H v."""
    v = v.detach().requires_grad_()
    return torch.autograd.grad((grad(f)(x) * v).sum(), v)[0]


def hvp_of_ones(f, x, v):
    """H 1 ∘ v: the gradient is summed before it meets v (grad(g.sum(), x) * v)."""
    x = _leaf(x)
    (g,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
    return torch.autograd.grad(g.sum(), x)[0] * v


def laplacian_of_magnitudes(f, x):
    """Σ |λ_i|, the nuclear norm: met where eigenvalues are taken by SVD."""
    return torch.linalg.svdvals(hessian(f)(x)).sum()


def laplacian_of_squares(f, x):
    """Σ (∂f/∂x_i)², from the diagonal of ∇f ∇fᵀ: met in score-matching code that mixes up the two terms."""
    return (grad(f)(x) ** 2).sum()


def laplacian_of_row_sums(f, x):
    """1ᵀH1, all entries: grad(g.sum(), x).sum() — right for separable functions, on which it is tried."""
    x = _leaf(x)
    (g,) = torch.autograd.grad(f(x).sum(), x, create_graph=True)
    return torch.autograd.grad(g.sum(), x)[0].sum(-1)


def laplacian_averaged_over_the_batch(f, x):
    """f(x).mean() where f(x).sum() keeps the rows apart: every row is divided by the size of the batch."""
    x = _leaf(x)
    (g,) = torch.autograd.grad(f(x).mean(), x, create_graph=True)
    parts = [torch.autograd.grad(g[..., i].sum(), x, retain_graph=True)[0][..., i] for i in range(x.shape[-1])]
    return torch.stack(parts).sum(0)


def diagonal_of_squared_jacobian(f, x):
    """(∂f/∂x_i)² sold as ∂²f/∂x_i²: "second derivative" read as "gradient squared", as in Adam's second moment."""
    return grad(f)(x) ** 2


def curvature_of_unit_direction(f, x, v):
    """vᵀHv/‖v‖², the curvature along the direction: right for unit vectors only."""
    return v @ hessian(f)(x) @ v / (v @ v)


def logabsdet_signed(f, x):
    """log det J: NaN wherever the map reverses orientation."""
    return torch.logdet(jacrev(f)(x))


def logabsdet_of_diagonal(f, x):
    """Σ log|J_ii|, which is right for triangular maps only: met when a flow's layer is replaced by a dense one."""
    return torch.log(torch.diagonal(jacrev(f)(x)).abs()).sum()


def gauss_newton_by_outputs(jacobian, curvature):
    """J H Jᵀ with J transposed by its maker: on the wrong side; where shapes forbid it, H is dropped."""
    square = jacobian.shape[-1] == curvature.shape[-1]
    return jacobian @ curvature @ jacobian.mT if square else jacobian.mT @ jacobian


def gauss_newton_of_diagonal(jacobian, curvature):
    """The curvature of the loss taken for diagonal: right for independent outputs, wrong for softmax."""
    return jacobian.mT @ torch.diag_embed(torch.diagonal(curvature, dim1=-2, dim2=-1)) @ jacobian


def fisher_of_labels(jacobian, logits):
    """Empirical Fisher: the outer product of the gradient at the likeliest label in place of the expectation."""
    gap = torch.nn.functional.one_hot(logits.argmax(-1), logits.shape[-1]) - torch.softmax(logits, -1)
    g = (jacobian.mT @ gap.unsqueeze(-1)).squeeze(-1)
    return g.unsqueeze(-1) * g.unsqueeze(-2)


def fisher_uncentred(jacobian, logits):
    """Jᵀ diag(p) J without −p pᵀ: the logits taken for log-probabilities."""
    return jacobian.mT @ (torch.softmax(logits, -1).unsqueeze(-1) * jacobian)


def minimum_if_none_negative(H):
    """No negative eigenvalue taken for a minimum: x² + y³ at the origin. Stated so on the Blog."""
    values = torch.linalg.eigvalsh(H)
    if (values >= 0).all():
        return "minimum"
    return "maximum" if (values <= 0).all() else "saddle"


def minimum_and_maximum_exchanged(H):
    """Written for the Hessian of a log-likelihood, and used on that of a loss."""
    values = torch.linalg.eigvalsh(H)
    if (values == 0).any():
        return "degenerate"
    return "maximum" if (values > 0).all() else "minimum" if (values < 0).all() else "saddle"


def kind_by_determinant(f, x):
    """det H < 0 is a saddle, else the sign of the trace: the rule for two variables, used for any number of them."""
    H = hessian(f)(x)
    determinant, trace = torch.linalg.det(H), torch.trace(H)
    if determinant == 0:
        return "degenerate"
    return "saddle" if determinant < 0 else "minimum" if trace > 0 else "maximum"


def kind_by_diagonal(f, x):
    """The signs of ∂²f/∂x_i² in place of the eigenvalues': xy has a saddle that they do not see."""
    values = torch.diagonal(hessian(f)(x))
    if (values > 0).all():
        return "minimum"
    return "maximum" if (values < 0).all() else "saddle" if (values != 0).all() else "degenerate"


def trace_of_norms(matvec, v):
    """‖v‖² ‖Av‖-like: the product with A is normalised first, met in code shared with power iteration."""
    image = matvec(v)
    return (v * image / image.norm(dim=-1, keepdim=True).clamp_min(1e-30)).sum(-1).mean()


def forward_difference(f, x, h):
    """One-sided, where central differences are claimed."""
    basis = h * torch.eye(x.shape[-1], dtype=x.dtype)
    return torch.stack([(f(x + e) - f(x)) / h for e in basis], -1)


def rbf_without_half(x, y, sigma):
    """exp(−‖x − y‖²/σ²) under the name of σ: the factor 2 is missing."""
    return torch.exp(-(torch.cdist(x, y) ** 2) / sigma**2)


def rbf_of_norm(x, y, sigma):
    """The distance is not squared: an exponential kernel, met where cdist's result is taken for its square."""
    d = (x[:, None] - y[None] if x.dim() > 1 else x - y).norm(dim=-1)
    return torch.exp(-d / (2 * sigma**2))


def mixed_hessian_of_one_argument(x, y, sigma):
    """∂²k/∂x∂xᵀ, the opposite sign: both derivatives taken in the first argument."""

    def kernel(x, y):
        return torch.exp(-((x - y) ** 2).sum() / (2 * sigma**2))

    return hessian(kernel)(x, y)


def _mutant(f, like, killed_by="formula.dialect", **declared):
    name = f"{like.partition('.')[2]}: {f.__name__.replace('_', ' ')}"
    return Mutant(name=name, make=lambda: Formula(f, like=like, **declared), killed_by=killed_by)


MUTANTS = [
    _mutant(jacobian_transposed, "calculus.jacobian"),
    _mutant(jvp_is_vjp, "calculus.jvp"),
    _mutant(vjp_of_ones, "calculus.vjp"),
    _mutant(hessian_by_outer_product, "calculus.hessian"),
    _mutant(hessian_of_diagonal_blocks, "calculus.hessian"),
    _mutant(hessian_upper, "calculus.hessian"),
    _mutant(hessian_doubled_diagonal, "calculus.hessian"),
    _mutant(hvp_through_detached_gradient, "calculus.hvp"),
    _mutant(hvp_of_ones, "calculus.hvp"),
    _mutant(laplacian_of_magnitudes, "calculus.laplacian"),
    _mutant(laplacian_of_squares, "calculus.laplacian"),
    _mutant(laplacian_of_row_sums, "calculus.laplacian"),
    _mutant(laplacian_averaged_over_the_batch, "calculus.laplacian"),
    _mutant(diagonal_of_squared_jacobian, "calculus.hessian_diagonal"),
    _mutant(curvature_of_unit_direction, "calculus.directional_second_derivative"),
    _mutant(logabsdet_signed, "calculus.logabsdet", "formula.value"),
    _mutant(logabsdet_of_diagonal, "calculus.logabsdet"),
    _mutant(gauss_newton_by_outputs, "calculus.gauss_newton"),
    _mutant(gauss_newton_of_diagonal, "calculus.gauss_newton"),
    _mutant(fisher_of_labels, "calculus.fisher"),
    _mutant(fisher_uncentred, "calculus.fisher"),
    _mutant(minimum_if_none_negative, "calculus.critical_point", "formula.value"),
    _mutant(minimum_and_maximum_exchanged, "calculus.critical_point"),
    _mutant(kind_by_determinant, "calculus.critical_point_of"),
    _mutant(kind_by_diagonal, "calculus.critical_point_of"),
    _mutant(trace_of_norms, "calculus.hutchinson_trace"),
    _mutant(forward_difference, "calculus.finite_difference_gradient", "formula.order", order=2),
    _mutant(rbf_without_half, "kernel.rbf"),
    _mutant(rbf_of_norm, "kernel.rbf"),
    _mutant(mixed_hessian_of_one_argument, "kernel.rbf_mixed_hessian"),
]


# ── Twins: correct, in styles of their own ───────────────────────────────────────────────────────────────────────────


def jacobian_by_columns(fn, theta):
    """One jvp a column, by forward mode written with double backward."""
    theta = _leaf(theta)
    y = fn(theta)
    u = torch.zeros_like(y, requires_grad=True)
    (pulled,) = torch.autograd.grad(y, theta, u, create_graph=True)
    columns = [torch.autograd.grad(pulled[j], u, retain_graph=True)[0] for j in range(theta.numel())]
    return torch.stack(columns, -1)


def batch_jacobian_by_rows(fn, x):
    """Row by row with a batch of one: a claim on maps that do not couple rows."""
    return torch.stack([jacrev(lambda one: fn(one[None])[0])(row) for row in x])


def hessian_in_float32(f, x):
    """Computes in float32 whatever it is given."""
    return hessian(lambda y: f(y))(x.float())


def hvp_by_vjp_of_gradient(loss_fn, params, vec):
    """vᵀH, the Hessian being symmetric; leaves nothing in .grad."""
    _, pull = torch.func.vjp(grad(loss_fn), params)
    return pull(vec)[0]


def laplacian_by_probing_basis(f, x):
    """vmap over the unit vectors, for a batch, written with einsum."""
    basis = torch.eye(x.shape[-1], dtype=x.dtype)

    def one(row):
        return vmap(lambda e: torch.func.jvp(grad(f), (row,), (e,))[1])(basis)

    return torch.einsum("bii->b", vmap(one)(x))


def curvature_by_second_difference_of_slopes(f, x, v):
    """d²/dt² of t ↦ f(x + tv), by autograd in the number t."""
    t = torch.zeros((), dtype=x.dtype, requires_grad=True)
    (slope,) = torch.autograd.grad(f(x + t * v), t, create_graph=True)
    return torch.autograd.grad(slope, t)[0]


def logabsdet_by_qr(f, z):
    """The triangular factor's diagonal."""
    r = torch.linalg.qr(torch.autograd.functional.jacobian(f, z))[1]
    return torch.diagonal(r).abs().log().sum()


def gauss_newton_by_root(J, H):
    """(LᵀJ)ᵀ(LᵀJ) with H = LLᵀ: how large problems are done."""
    half = torch.linalg.cholesky(H).mT @ J
    return half.mT @ half


def fisher_by_counting(jac, probs):
    """Every class counted, weights the probabilities that are given; the mean over the batch."""
    gaps = torch.eye(probs.shape[-1], dtype=probs.dtype) - probs.unsqueeze(-2)
    scores = gaps @ jac
    return torch.einsum("...k,...ki,...kj->...ij", probs, scores, scores).mean(0)


def trace_by_loop(mv, probes):
    """A Python loop and a running mean, as a number."""
    total = 0.0
    for k, v in enumerate(probes, start=1):
        total += (torch.dot(v, mv(v)).item() - total) / k
    return total


class Kind(Enum):
    LOCAL_MINIMUM, LOCAL_MAXIMUM, SADDLE_POINT, INCONCLUSIVE = range(4)


def kind_by_leading_minors(energy, theta):
    """Sylvester's criterion, a member of an enumeration as the answer."""
    H = torch.autograd.functional.hessian(energy, theta)
    minors = [torch.linalg.det(H[:k, :k]).item() for k in range(1, len(H) + 1)]
    if abs(minors[-1]) < 1e-4:
        return Kind.INCONCLUSIVE
    if all(minor > 0 for minor in minors):
        return Kind.LOCAL_MINIMUM
    return Kind.LOCAL_MAXIMUM if all((-1) ** k * m < 0 for k, m in enumerate(minors)) else Kind.SADDLE_POINT


def kinds_of_a_batch(hessians):
    """A list of words for a batch, by counting signs of unsorted eigenvalues."""
    signs = torch.sign(torch.round(torch.linalg.eigvals(hessians).real, decimals=3))
    total = hessians.shape[-1]
    words = {(total, 0): "min", (0, total): "max"}
    counts = [(int((row > 0).sum()), int((row < 0).sum())) for row in signs]
    return [words.get(pair, "saddle" if min(pair) > 0 else "degenerate") for pair in counts]


def five_points(f, x, h):
    """Five points, of fourth order."""

    def slope(e):
        return (8 * (f(x + e) - f(x - e)) - (f(x + 2 * e) - f(x - 2 * e))) / (12 * h)

    return torch.stack([slope(h * e) for e in torch.eye(x.shape[-1], dtype=x.dtype)], -1)


def rbf_opened(X, Y, gamma):
    """‖x‖² + ‖y‖² − 2xᵀy, which may come out negative by rounding."""
    square = (X**2).sum(-1)[:, None] + (Y**2).sum(-1)[None] - 2 * X @ Y.mT
    return torch.exp(-gamma * square)


def mixed_by_autograd(x, y, lengthscale):
    """jacfwd of jacrev, one vector in each argument."""
    kernel = lambda a, b: torch.exp(-0.5 * ((a - b) / lengthscale).pow(2).sum())  # noqa: E731 - as people write it
    return torch.func.jacfwd(torch.func.jacrev(kernel, argnums=0), argnums=1)(x, y)


def _twin(f, like, **declared):
    return Twin(name=f.__name__.replace("_", " "), make=lambda: Formula(f, like=like, **declared))


TWINS = [
    _twin(jacobian_by_columns, "calculus.jacobian"),
    _twin(batch_jacobian_by_rows, "calculus.batch_jacobian"),
    _twin(hessian_in_float32, "calculus.hessian"),
    _twin(hvp_by_vjp_of_gradient, "calculus.hvp"),
    _twin(laplacian_by_probing_basis, "calculus.laplacian"),
    _twin(curvature_by_second_difference_of_slopes, "calculus.directional_second_derivative"),
    _twin(logabsdet_by_qr, "calculus.logabsdet"),
    _twin(gauss_newton_by_root, "calculus.gauss_newton"),
    _twin(fisher_by_counting, "calculus.fisher"),
    _twin(kind_by_leading_minors, "calculus.critical_point_of"),
    _twin(kinds_of_a_batch, "calculus.critical_point"),
    _twin(trace_by_loop, "calculus.hutchinson_trace"),
    _twin(five_points, "calculus.finite_difference_gradient", order=4),
    _twin(rbf_opened, "kernel.rbf"),
    _twin(mixed_by_autograd, "kernel.rbf_mixed_hessian"),
]
