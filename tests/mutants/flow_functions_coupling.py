"""Autoregressive steps, coupling layers and splines with one bug each, and right ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from genverify.reference.flows.rational_quadratic_spline import rational_quadratic_spline
from tests.mutants.flow_functions import declarers
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
mutant, twin = declarers(MUTANTS, TWINS)


# ── Autoregressive and coupling ──────────────────────────────────────────────────────────────────────────────────────


@mutant("flow.masked_autoregressive")
def maf_sign(x, mu, alpha):
    """+Σ α of the normalising direction (ikostrikov/pytorch-flows#16, the other way round)."""
    return (x - mu) * torch.exp(-alpha), alpha.sum(-1)


@mutant("flow.masked_autoregressive")
def maf_log_variance(x, mu, logvar):
    """−Σ log σ² for −Σ log σ."""
    return (x - mu) * torch.exp(-0.5 * logvar), -logvar.sum(-1)


@mutant("flow.masked_autoregressive")
def maf_shift_after(x, mu, alpha):
    """x e^(−α) − μ."""
    return x * torch.exp(-alpha) - mu, -alpha.sum(-1)


@mutant("flow.masked_autoregressive")
def maf_last_axis_kept(x, mu, alpha):
    """A number for each feature, not declared."""
    return (x - mu) * torch.exp(-alpha), -alpha


@twin("flow.masked_autoregressive")
def maf_generates(u, m, a):
    """Noise → data."""
    return u * torch.exp(a) + m, a.sum(-1, keepdim=True)


@mutant("flow.inverse_autoregressive")
def iaf_without_log(z, m, sigma):
    """Σ σ."""
    return sigma * z + m, sigma.sum(-1)


@mutant("flow.inverse_autoregressive")
def iaf_batch(z, m, sigma):
    """Summed over the batch."""
    return sigma * z + m, torch.log(sigma).sum()


@mutant("flow.inverse_autoregressive")
def iaf_shift_scaled(z, m, sigma):
    """σ (z + m)."""
    return sigma * (z + m), torch.log(sigma).sum(-1)


@mutant("flow.inverse_autoregressive")
def iaf_doubled(z, m, sigma):
    """log σ²."""
    return sigma * z + m, torch.log(sigma**2).sum(-1)


@twin("flow.inverse_autoregressive")
def iaf_of_logarithms(z, mu, log_sigma):
    """By log σ."""
    return mu + torch.exp(log_sigma) * z, log_sigma.sum(1)


@mutant("flow.gated_autoregressive")
def gate_not_closed(z, m, s):
    """m for (1 − σ) m."""
    g = torch.sigmoid(s)
    return g * z + m, torch.log(g).sum(-1)


@mutant("flow.gated_autoregressive")
def gate_logit(z, m, s):
    """Σ s for Σ log σ(s)."""
    g = torch.sigmoid(s)
    return g * z + (1 - g) * m, s.sum(-1)


@mutant("flow.gated_autoregressive")
def gate_of_the_other(z, m, s):
    """The gate on m, its complement on z; the logabsdet as if not."""
    g = torch.sigmoid(s)
    return (1 - g) * z + g * m, torch.log(g).sum(-1)


@mutant("flow.gated_autoregressive")
def gate_reversed(z, m, s):
    """−Σ log σ."""
    g = torch.sigmoid(s)
    return g * z + (1 - g) * m, -torch.log(g).sum(-1)


@twin("flow.gated_autoregressive")
def gate_with_a_bias(z, m, s):
    """σ(s + 1.5), near the identity at first."""
    g = torch.sigmoid(s + 1.5)
    return m + g * (z - m), F.logsigmoid(s + 1.5).sum(-1)


@mutant("flow.affine_coupling")
def coupling_before_tanh(x, net):
    """Scales by exp tanh s, and counts s."""
    a, b = x.chunk(2, -1)
    s, t = net(a).chunk(2, -1)
    return torch.cat([a, b * torch.tanh(s).exp() + t], -1), s.sum(-1)


@mutant("flow.affine_coupling")
def coupling_counts_shift(x, net):
    """Sums the whole output of the network."""
    a, b = x.chunk(2, -1)
    out = net(a)
    s, t = out.chunk(2, -1)
    return torch.cat([a, b * s.exp() + t], -1), out.sum(-1)


@mutant("flow.affine_coupling")
def coupling_mask_counts_all(x, mask, s, t):
    """The scales of the kept ones are counted, too."""
    kept = x * mask
    return kept + (1 - mask) * (x * s(kept).exp() + t(kept)), s(kept).sum(-1)


@mutant("flow.affine_coupling")
def coupling_sees_itself(x, s, t):
    """Scale and shift of the part that they change."""
    a, b = x.chunk(2, -1)
    return torch.cat([a, b * s(b).exp() + t(b)], -1), s(b).sum(-1)


@twin("flow.affine_coupling")
def coupling_bounded(x, scale_net, shift_net):
    """exp tanh s; the second half is kept."""
    a, b = x.chunk(2, -1)
    s = torch.tanh(scale_net(b))
    return torch.cat([a * s.exp() + shift_net(b), b], -1), s.sum(-1)


@twin("flow.affine_coupling")
def coupling_of_glow(x, net):
    """σ(s + 2), shift first, as Glow's code: (b + t) s is not meant here."""
    a, b = x.chunk(2, -1)
    t, s = net(a).chunk(2, -1)
    return torch.cat([a, b * torch.sigmoid(s + 2) + t], -1), F.logsigmoid(s + 2).sum(-1)


@mutant("flow.additive_coupling")
def additive_counts(x, t):
    """Σ t as logabsdet."""
    a, b = x.chunk(2, -1)
    return torch.cat([a, b + t(a)], -1), t(a).sum(-1)


@mutant("flow.additive_coupling")
def additive_of_itself(x, t):
    """Shifts a part by a function of itself."""
    a, b = x.chunk(2, -1)
    return torch.cat([a, b + t(b)], -1)


@mutant("flow.additive_coupling")
def additive_twice(x, t):
    """The shift doubled."""
    a, b = x.chunk(2, -1)
    return torch.cat([a, b + 2 * t(a)], -1)


@mutant("flow.additive_coupling")
def additive_of_shifted(x, t):
    """Both parts, the second from the shifted first: two layers."""
    a, b = x.chunk(2, -1)
    a = a + t(b)
    return torch.cat([a, b + t(a)], -1)


@twin("flow.additive_coupling")
def additive_in_place(x, coupling_fn):
    """On its own copy, in place, by a mask."""
    y = x.clone()
    half = x.shape[-1] // 2
    y[..., half:] += coupling_fn(x[..., :half])
    return y, 0.0


# ── Splines ──────────────────────────────────────────────────────────────────────────────────────────────────────────

SPLINE = "flow.rational_quadratic_spline"


def _spline(x, xk, yk, d, slope=None, image=None):
    inside = (x >= xk[:, 0]) & (x <= xk[:, -1])
    held = torch.minimum(torch.maximum(x, xk[:, 0]), xk[:, -1])
    k = ((held[..., None] >= xk).sum(-1) - 1).clamp(0, xk.shape[1] - 2)
    pick = lambda table, index: table.expand(*x.shape, -1).gather(-1, index[..., None])[..., 0]  # noqa: E731
    x0, y0, d0 = (pick(t, k) for t in (xk, yk, d))
    x1, y1, d1 = (pick(t, k + 1) for t in (xk, yk, d))
    s, t = (y1 - y0) / (x1 - x0), (held - x0) / (x1 - x0)
    below = s + (d1 + d0 - 2 * s) * t * (1 - t)
    y = y0 + (y1 - y0) * (s * t**2 + d0 * t * (1 - t)) / below
    rise = s**2 * (d1 * t**2 + 2 * s * t * (1 - t) + d0 * (1 - t) ** 2)
    log = torch.log(rise) - 2 * torch.log(below)
    log = slope(log, s, t, d0, d1, below) if slope else log
    y = image(y, y0, y1, s, t, d0, d1, below) if image else y
    return torch.where(inside, y, x), torch.where(inside, log, 0.0).sum(-1)


@mutant(SPLINE)
def spline_slopes_exchanged(x, xk, yk, d):
    """δ₀ and δ₁ exchanged in the slope."""

    def slope(log, s, t, d0, d1, below):
        return torch.log(s**2 * (d0 * t**2 + 2 * s * t * (1 - t) + d1 * (1 - t) ** 2)) - 2 * torch.log(below)

    return _spline(x, xk, yk, d, slope)


@mutant(SPLINE)
def spline_denominator_once(x, xk, yk, d):
    """The denominator of the slope is not squared."""
    return _spline(x, xk, yk, d, lambda log, s, t, d0, d1, below: log + torch.log(below))


@mutant(SPLINE)
def spline_without_square(x, xk, yk, d):
    """s for s²."""
    return _spline(x, xk, yk, d, lambda log, s, t, d0, d1, below: log - torch.log(s))


@mutant(SPLINE)
def spline_denominator(x, xk, yk, d):
    """δ₁ − δ₀ for δ₁ + δ₀ in the denominator of the image."""
    return _spline(
        x, xk, yk, d, None,
        lambda y, y0, y1, s, t, d0, d1, below: y0
        + (y1 - y0) * (s * t**2 + d0 * t * (1 - t)) / (s + (d1 - d0 + 2 * s).abs() * t * (1 - t)),
    )  # fmt: skip


@mutant(SPLINE)
def spline_clamped_tails(x, xk, yk, d):
    """What lies outside is moved to the ends: no bijection."""
    inside = torch.minimum(torch.maximum(x, xk[:, 0]), xk[:, -1])
    return _spline(inside, xk, yk, d)


@twin(SPLINE, dialect="one number an element")
def spline_elementwise(x, knots_x, knots_y, derivatives):
    """One number an element, as nflows' function."""
    y = rational_quadratic_spline(x, knots_x, knots_y, derivatives)[0]
    parts = [
        rational_quadratic_spline(x[:, i : i + 1], *(one[i : i + 1] for one in (knots_x, knots_y, derivatives)))[1]
        for i in range(x.shape[1])
    ]
    return y, torch.stack(parts, 1)


@twin(SPLINE)
def spline_back(y, xk, yk, dk):
    """The inverse."""
    return rational_quadratic_spline(y, xk, yk, dk, inverse=True)
