"""Planar, radial and Sylvester flows as functions with one bug each, and right ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from tests.mutants.flow_functions import declarers
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
mutant, twin = declarers(MUTANTS, TWINS)


def _planar(x, w, u, b, slope):
    h = torch.tanh(x @ w + b)
    return x + u * h[:, None], torch.log(torch.abs(1 + slope(h) * (w @ u)))


@mutant("flow.planar")
def planar_without_square(x, w, u, b):
    """1 − h."""
    return _planar(x, w, u, b, lambda h: 1 - h)


@mutant("flow.planar")
def planar_activation(x, w, u, b):
    """h for h′."""
    return _planar(x, w, u, b, lambda h: h)


@mutant("flow.planar")
def planar_without_slope(x, w, u, b):
    """log|1 + wᵀu|."""
    return _planar(x, w, u, b, lambda h: torch.ones_like(h))


@mutant("flow.planar")
def planar_without_logarithm(x, w, u, b):
    """The determinant."""
    y, logabsdet = _planar(x, w, u, b, lambda h: 1 - h**2)
    return y, logabsdet.exp()


@mutant("flow.planar")
def planar_norm(x, w, u, b):
    """û with ‖w‖ for ‖w‖² (pyro-ppl/pyro#2192, tonyduan/normalizing-flows#2)."""
    inner = w @ u
    u = u + (F.softplus(inner) - 1 - inner) * w / w.norm()
    return _planar(x, w, u, b, lambda h: 1 - h**2)


@mutant("flow.planar")
def planar_bias_forgotten(x, w, u, b):
    """h′ without the bias."""
    y, _ = _planar(x, w, u, b, lambda h: h)
    return y, torch.log(torch.abs(1 + (1 - torch.tanh(x @ w) ** 2) * (w @ u)))


@twin("flow.planar")
def planar_constrained(z, w, u, b):
    """û, and 10⁻⁸ under the logarithm; parameters as rows (abdulfatir/normalizing-flows)."""
    inner = (w * u).sum()
    u = u + (torch.log1p(torch.exp(inner)) - 1 - inner) * w / (w**2).sum()
    h = torch.tanh(F.linear(z, w, b))
    psi = (1 - h**2) * w
    return z + u * h, torch.log(torch.abs(1 + psi @ u.t()) + 1e-8)


@twin("flow.planar")
def planar_amortised(z, u, w, b):
    """Parameters for each row, by bmm (riannevdberg/sylvester-flows)."""
    z = z.unsqueeze(2)
    inner = torch.bmm(w, z) + b
    y = z + u * torch.tanh(inner)
    psi = w * (1 - torch.tanh(inner) ** 2)
    return y.squeeze(2), torch.log(torch.abs(1 + torch.bmm(psi, u))).squeeze(2).squeeze(1)


@twin("flow.planar")
def planar_logabsdet(z, weight, scale, bias):
    """The logabsdet alone."""
    slope = 1 - torch.tanh(z @ weight + bias) ** 2
    return torch.log(torch.abs(1 + slope * (weight * scale).sum()))


def _radial(x, c, alpha, beta, logabsdet):
    d = x - c
    r = d.norm(dim=1)
    h = 1 / (alpha + r)
    return x + (beta * h)[:, None] * d, logabsdet(x.shape[1], r, h, beta)


@mutant("flow.radial")
def radial_full_power(x, c, alpha, beta):
    """D for D − 1: classical."""
    return _radial(x, c, alpha, beta, lambda n, r, h, b: n * torch.log(1 + b * h) + torch.log(1 + b * h - b * r * h**2))


@mutant("flow.radial")
def radial_sign(x, c, alpha, beta):
    """+ β r h² for −: h′ = −h²."""
    return _radial(
        x, c, alpha, beta, lambda n, r, h, b: (n - 1) * torch.log(1 + b * h) + torch.log(1 + b * h + b * r * h**2)
    )


@mutant("flow.radial")
def radial_without_tangent(x, c, alpha, beta):
    """The radial slope alone."""
    return _radial(x, c, alpha, beta, lambda n, r, h, b: torch.log(1 + b * h - b * r * h**2))


@mutant("flow.radial")
def radial_without_radius(x, c, alpha, beta):
    """β h² for β r h²."""
    return _radial(
        x, c, alpha, beta, lambda n, r, h, b: (n - 1) * torch.log(1 + b * h) + torch.log((1 + b * h - b * h**2).abs())
    )


@mutant("flow.radial")
def radial_squared(x, c, alpha, beta):
    """r² for r."""
    d = x - c
    r = (d * d).sum(1)
    h = 1 / (alpha + r)
    y = x + (beta * h)[:, None] * d
    return y, (x.shape[1] - 1) * torch.log(1 + beta * h) + torch.log((1 + beta * h - beta * r * h**2).abs())


@twin("flow.radial")
def radial_of_logarithms(z, z0, log_alpha, beta):
    """β̂ = −α + softplus(β), with numbers as [1] (tonyduan/normalizing-flows)."""
    alpha = torch.exp(log_alpha)
    beta = F.softplus(beta) - alpha
    r = torch.linalg.norm(z - z0, dim=1, keepdim=True)
    h = 1 / (alpha + r)
    y = z + beta * h * (z - z0)
    return y, ((z.shape[1] - 1) * torch.log1p(beta * h) + torch.log1p(beta * h - beta * r * h**2)).squeeze(1)


def _sylvester(x, q, r1, r2, b, logabsdet):
    h = torch.tanh(x @ q @ r2.T + b)
    return x + h @ r1.T @ q.T, logabsdet(1 - h**2, torch.diag(r1), torch.diag(r2))


@mutant("flow.sylvester")
def sylvester_without_slope(x, Q, R1, R2, b):
    """h′ left out."""
    return _sylvester(x, Q, R1, R2, b, lambda s, d1, d2: torch.log(1 + d1 * d2).sum(-1).expand(len(s)))


@mutant("flow.sylvester")
def sylvester_one_diagonal(x, Q, R1, R2, b):
    """One of the two diagonals."""
    return _sylvester(x, Q, R1, R2, b, lambda s, d1, d2: torch.log((1 + s * d1).abs()).sum(-1))


@mutant("flow.sylvester")
def sylvester_sum_inside(x, Q, R1, R2, b):
    """log|1 + Σ| for Σ log|1 + ·|."""
    return _sylvester(x, Q, R1, R2, b, lambda s, d1, d2: torch.log((1 + (s * d1 * d2).sum(-1)).abs()))


@mutant("flow.sylvester")
def sylvester_product(x, Q, R1, R2, b):
    """The product of the diagonals without the one."""
    return _sylvester(x, Q, R1, R2, b, lambda s, d1, d2: torch.log((s * d1 * d2).abs() + 1e-6).sum(-1))


@twin("flow.sylvester")
def sylvester_dense(z, Q, R, R_tilde, b):
    """By the determinant of the small matrix."""
    h = torch.tanh(z @ Q @ R_tilde.T + b)
    small = torch.eye(len(b), dtype=z.dtype) + (1 - h**2)[:, None, :] * (R_tilde @ R)
    return z + h @ R.T @ Q.T, torch.linalg.slogdet(small).logabsdet
