"""Elementwise, low-rank, autoregressive and spline flows as modules with one bug each."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from genverify.reference.flows.elementwise import LeakyRelu, Logit, Softplus, Tanh
from genverify.reference.flows.inverse_autoregressive import GatedAutoregressive, InverseAutoregressive
from genverify.reference.flows.masked_autoregressive import MaskedAutoregressive
from genverify.reference.flows.mixture_cdf import MixtureCdf
from genverify.reference.flows.planar import Planar, planar
from genverify.reference.flows.radial import Radial
from genverify.reference.flows.rational_quadratic_spline import RationalQuadraticSpline, rational_quadratic_spline
from genverify.reference.flows.sylvester import Sylvester
from tests.mutants.flow_layers import declarers
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
mutant, twin = declarers(MUTANTS, TWINS)


# ── Elementwise ──────────────────────────────────────────────────────────────────────────────────────────────────────


@mutant("logabsdet", 2)
class TanhOfLogits(Tanh):
    """1 − tanh for 1 − tanh²."""

    def forward(self, x):
        y = torch.tanh(x)
        return y, torch.log1p(-y).sum(-1)


@mutant("inverse_logabsdet", 2, image=(-1, 1))
class TanhInverseSign(Tanh):
    """The inverse's logabsdet is not negated."""

    def inverse(self, y):
        x, logabsdet = super().inverse(y)
        return x, -logabsdet


@mutant("round_trip_inverse", 2, 0.05, domain=(0, 1))
class LogitInverseUnscaled(Logit):
    """The squeeze to [α, 1 − α] is not undone (phlippe/uvadlc_notebooks#57)."""

    def inverse(self, y):
        return torch.sigmoid(y), super().inverse(y)[1]


@mutant("logabsdet", (2, 2), 0.5)
class LeakyOfImages(LeakyRelu):
    """Counts over the first axis of the event alone."""

    def forward(self, x):
        y, _ = super().forward(x)
        return y, math.log(self.slope) * (x < 0).to(x)[:, 0].sum(-1)


@mutant("round_trip_inverse", 2, image=(0, None))
class SoftplusInverseTruncated(Softplus):
    """log(eʸ) for log(eʸ − 1): right for large y."""

    def inverse(self, y):
        return y, super().inverse(y)[1]


@mutant("logabsdet", 2, 2, image=(0, 1))
class MixtureWithoutScale(MixtureCdf):
    """The components' slopes are not divided by their scales."""

    def forward(self, x):
        u = (x[..., None] - self.mean) * torch.exp(-self.log_scale)
        weights, below = torch.softmax(self.logits, -1), torch.sigmoid(u)
        return (weights * below).sum(-1), torch.log((weights * below * (1 - below)).sum(-1)).sum(-1)


@mutant("round_trip_forward", 2, 2, image=(0, 1), accuracy=1e-6)
class MixtureFewSteps(MixtureCdf):
    """A bisection of ten steps, stated to be good to 10⁻⁶."""

    def inverse(self, y):
        quantiles = self.mean + torch.exp(self.log_scale) * torch.logit(y)[..., None]
        low, high = quantiles.amin(-1), quantiles.amax(-1)
        for _ in range(10):
            middle = (low + high) / 2
            above = self.forward(middle)[0] > y
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        return low, -self.forward(low)[1]


# ── Of low rank ──────────────────────────────────────────────────────────────────────────────────────────────────────


@mutant("invertible", 2, 2)
class PlanarByNorm(Planar):
    """‖w‖ for ‖w‖² (pyro-ppl/pyro#2192, tonyduan/normalizing-flows#2): wᵀû may fall below −1."""

    def __init__(self, features):
        super().__init__(features)
        with torch.no_grad():
            self.w.copy_(torch.tensor([0.5, 3.0]))
            self.u.copy_(torch.tensor([1.0, 1.0]))

    def constrained(self):
        inner = self.w @ self.u
        return self.u + (F.softplus(inner) - 1.0 - 2 * inner) * self.w / self.w.norm()


@mutant("logabsdet", 2, 2)
class PlanarOfOriginalU(Planar):
    """The image has û, the logabsdet u."""

    def forward(self, x):
        return super().forward(x)[0], planar(x, self.w, self.u, self.b)[1]


@mutant("logabsdet", 2, 2)
class PlanarTransposed(Planar):
    """u for w in the argument of tanh, in the logabsdet alone."""

    def forward(self, x):
        y, _ = super().forward(x)
        u = self.constrained()
        return y, torch.log(torch.abs(1.0 + (1.0 - torch.tanh(x @ u + self.b) ** 2) * (self.w @ u)))


@mutant("inverse_logabsdet", 2, 2)
class PlanarInverseAtImage(Planar):
    """The inverse's logabsdet is taken at y, and not at x."""

    def inverse(self, y):
        return super().inverse(y)[0], -self.forward(y)[1]


@mutant("logabsdet", 3, 3)
class RadialFullPower(Radial):
    """D for D − 1: classical."""

    def forward(self, x):
        y, logabsdet = super().forward(x)
        alpha, beta = self.numbers()
        return y, logabsdet + torch.log1p(beta / (alpha + (x - self.center).norm(dim=1)))


@mutant("invertible", 2, 2)
class RadialUnbounded(Radial):
    """β = −α − e^b, below the bound."""

    def numbers(self):
        alpha = torch.exp(self.log_alpha)
        return alpha, -alpha - torch.exp(self.raw_beta) - 2


@mutant("round_trip_forward", 3, 3)
class RadialOtherRoot(Radial):
    """The inverse takes β/(α + s) with the image's distance s for r."""

    def inverse(self, y):
        alpha, beta = self.numbers()
        away = y - self.center
        s = away.norm(dim=1, keepdim=True)
        return self.center + away / (1 + beta / (alpha + s)), -self.forward(y)[1]


@mutant("logabsdet", 3, 3)
class RadialMean(Radial):
    """Averaged over the features."""

    def forward(self, x):
        y, logabsdet = super().forward(x)
        return y, logabsdet / x.shape[1]


@mutant("logabsdet", 3, 3, 2)
class SylvesterRankForFeatures(Sylvester):
    """Every factor counted as if it were the first."""

    def forward(self, x):
        y, _ = super().forward(x)
        r1, r2 = (torch.tanh(torch.diagonal(r)) for r in (self.first, self.second))
        q = torch.linalg.qr(self.columns).Q
        h = 1 - torch.tanh(x @ q @ torch.triu(self.second).T + self.b) ** 2
        return y, x.shape[1] * torch.log1p(h * r1 * r2)[:, 0]


@mutant("logabsdet", 3, 3, 2)
class SylvesterNotOrthogonal(Sylvester):
    """Q is normalised by columns, and not orthogonal."""

    def forward(self, x):
        q = self.columns / self.columns.norm(dim=0)
        r1, r2 = (torch.triu(r, 1) + torch.diag(torch.tanh(torch.diagonal(r))) for r in (self.first, self.second))
        h = torch.tanh(x @ q @ r2.mT + self.b)
        return x + h @ r1.mT @ q.mT, torch.log1p((1 - h**2) * torch.diagonal(r1) * torch.diagonal(r2)).sum(-1)


# ── Autoregressive ───────────────────────────────────────────────────────────────────────────────────────────────────


@mutant("logabsdet", 3, 3)
class MadeNotStrict(MaskedAutoregressive):
    """≥ for > in the output layer of MADE: classical."""

    def __init__(self, features):
        super().__init__(features)
        units = torch.arange(12) % 2 + 1
        self.made.mask_out = (torch.arange(1, features + 1).repeat(2)[:, None] >= units).float()


@mutant("autoregressive", 3, 3, autoregressive=True)
class MadeWithoutMask(MaskedAutoregressive):
    """The mask of the output layer is all ones."""

    def __init__(self, features):
        super().__init__(features)
        self.made.mask_out = torch.ones_like(self.made.mask_out)


@mutant("inverse_logabsdet", 3, 3)
class MafInverseSign(MaskedAutoregressive):
    """−Σ α from the inverse (ikostrikov/pytorch-flows#16)."""

    def inverse(self, u, context=None):
        x, logabsdet = super().inverse(u, context)
        return x, -logabsdet


@mutant("round_trip_forward", 3, 3)
class MafOnePass(MaskedAutoregressive):
    """The inverse in one pass: μ and α of u."""

    def inverse(self, u, context=None):
        mean, log_scale = self.mean_and_log_scale(u, context)
        return u * torch.exp(log_scale) + mean, log_scale.sum(-1)


@mutant("round_trip_inverse", 3, 3)
class MafOneStepShort(MaskedAutoregressive):
    """The loop over the features ends one too early."""

    def inverse(self, u, context=None):
        x = torch.zeros_like(u)
        for _ in range(u.shape[-1] - 1):
            mean, log_scale = self.mean_and_log_scale(x, context)
            x = u * torch.exp(log_scale) + mean
        return x, self.mean_and_log_scale(x, context)[1].sum(-1)


@mutant("logabsdet", 3, 3)
class IafSign(InverseAutoregressive):
    """−Σ log σ."""

    def forward(self, z):
        y, logabsdet = super().forward(z)
        return y, -logabsdet


@mutant("logabsdet", 3, 3)
class GateWithoutBias(GatedAutoregressive):
    """The logabsdet forgets the gate's bias."""

    def forward(self, z):
        y, _ = super().forward(z)
        return y, F.logsigmoid(self.made(z)[1]).sum(-1)


# ── Splines ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@mutant("inverse_logabsdet", 2, 2)
class SplineInverseSign(RationalQuadraticSpline):
    """The inverse returns the forward logabsdet (facebookincubator/flowtorch#100)."""

    def inverse(self, y):
        x, logabsdet = super().inverse(y)
        return x, -logabsdet


@mutant("round_trip_inverse", 2, 2, domain=(-3, 3), image=(-3, 3))
class SplineKnotsUnsorted(RationalQuadraticSpline):
    """Bins as knots, without their cumulative sum."""

    def knots(self):
        x, y, slopes = super().knots()
        return x[:, [0, 2, 1, 3, 4]], y, slopes


@mutant("inverse_logabsdet", 1, 1)
class SplineInverseAtTheEdge(RationalQuadraticSpline):
    """The inverse's slope lacks the width of the bin."""

    def inverse(self, y):
        x, logabsdet = super().inverse(y)
        knots, _, _ = self.knots()
        return x, logabsdet + torch.where(y.abs() < self.bound, torch.log(knots.diff().amin()), 0.0).sum(-1)


@mutant("round_trip_forward", 2, 2)
class SplineClamped(RationalQuadraticSpline):
    """What lies outside is moved to the ends: no tails."""

    def forward(self, x):
        return super().forward(x.clamp(-self.bound, self.bound))


@mutant("finite", 2, 2)
class SplineTailsNan(RationalQuadraticSpline):
    """Outside the root of a negative number is taken (pyro-ppl/pyro#3139), and not replaced."""

    def forward(self, x):
        y, logabsdet = super().forward(x)
        return torch.where(x.abs() > self.bound, torch.sqrt(self.bound - x.abs()), y), logabsdet


@mutant("logabsdet", 2, 2)
class SplineSlopesShifted(RationalQuadraticSpline):
    """The slopes of the neighbouring knots in the logabsdet."""

    def forward(self, x):
        y, _ = super().forward(x)
        knots_x, knots_y, slopes = self.knots()
        return y, rational_quadratic_spline(x, knots_x, knots_y, slopes.roll(1, 1))[1]
