"""Wild pairs of the flows: what people wrote, wrong and right."""

import math

import torch
import torch.nn.functional as F
from tests.wild.pair import Pair
from torch import nn

from genverify.subjects.bijection import Bijection
from genverify.subjects.formula import Formula

LOG2PI = math.log(2 * math.pi)


class SigmoidFlow(nn.Module):
    """z = sigmoid(x) for any shape (B, ...); log-det summed over all non-batch axes."""

    def forward(self, x):
        return torch.sigmoid(x), -(F.softplus(x) + F.softplus(-x)).flatten(1).sum(1)

    def inverse(self, z):
        x = torch.log(z) - torch.log1p(-z)
        return x, (F.softplus(x) + F.softplus(-x)).flatten(1).sum(1)


class SigmoidFlowSumDim1(SigmoidFlow):
    """WRONG: sums over axis 1 only.

    Source: vislearn/FrEIA#176.  Symptom: right for (B, D); for images the result has shape (B, H, W) and
    broadcasts.
    """

    def forward(self, x):
        return torch.sigmoid(x), -(F.softplus(x) + F.softplus(-x)).sum(1)


class NumericalInverse(nn.Module):
    """z = x + 0.5 tanh(x), inverse by bisection; log-det of the inverse is MINUS the forward one."""

    def forward(self, x):
        return x + 0.5 * torch.tanh(x), torch.log1p(0.5 / torch.cosh(x) ** 2).sum(-1)

    def inverse(self, z):
        lo, hi = z - 1, z + 1
        for _ in range(80):
            mid = (lo + hi) / 2
            up = mid + 0.5 * torch.tanh(mid) < z
            lo, hi = torch.where(up, mid, lo), torch.where(up, hi, mid)
        x = (lo + hi) / 2
        return x, -self.forward(x)[1]


class NumericalInverseSign(NumericalInverse):
    """WRONG: returns the forward log-determinant from the inverse.

    Source: danielward27/flowjax#208 (fixed in #209; the test used a volume-preserving map).
    Symptom: hides whenever log det = 0.
    """

    def inverse(self, z):
        x, ld = super().inverse(z)
        return x, -ld


class Conv1x1(nn.Module):
    """Invertible 1x1 convolution: log-det = H W log|det K|."""

    def __init__(self, k):
        super().__init__()
        self.k = nn.Parameter(k)

    def _ld(self, x):
        return x.shape[2] * x.shape[3] * torch.linalg.slogdet(self.k)[1].expand(len(x))

    def forward(self, x):
        return torch.einsum("ij,bjhw->bihw", self.k, x), self._ld(x)

    def inverse(self, z):
        return torch.einsum("ij,bjhw->bihw", torch.linalg.inv(self.k), z), -self._ld(z)


class Conv1x1NoPixels(Conv1x1):
    """WRONG: log|det K| once, not once per pixel.

    Source: jaywalnut310/glow-tts#17 (asked of a 1-D version); tensorflow/probability#238 is the same for
    batch norm.  Symptom: factor H*W; hides for 1x1 images and det = +-1 (the usual rotation init).
    """

    def _ld(self, x):
        return torch.linalg.slogdet(self.k)[1].expand(len(x))


class BatchNormFlow(nn.Module):
    """Eval-mode batch norm on (B,C,H,W): log-det = H W sum_c (log gamma_c - 0.5 log(var_c+eps))."""

    def __init__(self, mean, var, gamma, eps=1e-5):
        super().__init__()
        self.mean, self.var, self.gamma, self.eps = mean, var, gamma, eps

    def forward(self, x):
        s = self.gamma / torch.sqrt(self.var + self.eps)
        z = (x - self.mean.view(1, -1, 1, 1)) * s.view(1, -1, 1, 1)
        return z, x.shape[2] * x.shape[3] * torch.log(s).sum().expand(len(x))


class BatchNormFlowNoPixels(BatchNormFlow):
    """WRONG: the factor H*W is missing.

    Source: tensorflow/probability#238.  Symptom: factor H*W; right for (B, C, 1, 1).
    """

    def forward(self, x):
        z, ld = super().forward(x)
        return z, ld / (x.shape[2] * x.shape[3])


class Composite(nn.Module):
    """Flows in sequence; both directions add up the log-determinants."""

    def __init__(self, flows):
        super().__init__()
        self.flows = nn.ModuleList(flows)

    def forward(self, x):
        tot = 0
        for f in self.flows:
            x, ld = f(x)
            tot = tot + ld
        return x, tot

    def inverse(self, z):
        tot = 0
        for f in reversed(self.flows):
            z, ld = f.inverse(z)
            tot = tot + ld
        return z, tot


class CompositeOverwrites(Composite):
    """WRONG: in the inverse, the running total is overwritten by each flow's log-det.

    Source: tensorflow/models#7465 (real_nvp decoder).  Symptom: only the last flow counts; forward right;
    hides for a single flow.
    """

    def inverse(self, z):
        tot = 0
        for f in reversed(self.flows):
            z, tot = f.inverse(z)
        return z, tot


class LinearMAF(nn.Module):
    """u_i = (x_i - m_i(x_<i)) exp(-a_i(x_<i)), conditioners linear with a strictly lower triangular mask."""

    def __init__(self, d):
        super().__init__()
        self.wm, self.wa = nn.Parameter(0.3 * torch.randn(d, d)), nn.Parameter(0.3 * torch.randn(d, d))
        self.register_buffer("mask", torch.tril(torch.ones(d, d), -1), persistent=False)

    def cond(self, x):
        return x @ (self.wm * self.mask).T, torch.tanh(x @ (self.wa * self.mask).T) + 0.1

    def forward(self, x):
        m, a = self.cond(x)
        return (x - m) * torch.exp(-a), -a.sum(-1)

    def inverse(self, u):
        x = torch.zeros_like(u)
        for i in range(u.shape[1]):
            m, a = self.cond(x)
            x = torch.cat((x[:, :i], (u * torch.exp(a) + m)[:, i : i + 1], x[:, i + 1 :]), 1)
        return x, self.cond(x)[1].sum(-1)


class LinearMAFNonStrict(LinearMAF):
    """WRONG: the mask keeps the diagonal (>= instead of > in MADE's output layer).

    Source: classical.  Symptom: output i depends on x_i, so -sum a is not the log-det and the sequential
    inverse fails; the Jacobian is still triangular.
    """

    def __init__(self, d):
        super().__init__(d)
        self.mask = torch.tril(torch.ones(d, d))


class Radial(nn.Module):
    """z = x + beta h (x - c), h = 1/(alpha + r); log-det = (D-1) log(1+beta h) + log(1 + beta h - beta r h^2)."""

    def __init__(self, c, alpha, beta):
        super().__init__()
        self.c, self.alpha, self.beta = c, alpha, beta

    power = 1

    def forward(self, x):
        d = x - self.c
        r = d.norm(dim=-1)
        h = 1 / (self.alpha + r)
        bh = self.beta * h
        ld = (x.shape[1] - self.power) * torch.log1p(bh) + torch.log(1 + bh - self.beta * r * h**2)
        return x + bh[:, None] * d, ld


class RadialFullPower(Radial):
    """WRONG: exponent D instead of D - 1 on the tangential factor.

    Source: classical.  Symptom: error log(1 + beta h), up to log(1 + beta/alpha) at the centre, vanishing
    far away.
    """

    power = 0


def seeded(make):
    """What `make` makes under a fixed seed; the global random state stays."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(1)
        return make()


def conv(cls):
    return cls(torch.tensor([[1.5, 0.25], [-0.5, 0.75]]))


def batch_norm(cls):
    return cls(torch.tensor([0.5, -1.0]), torch.tensor([2.0, 0.5]), torch.tensor([1.5, 0.5]))


def radial(cls):
    return cls(torch.tensor([0.5, -0.25, 1.0]), 1.0, 2.0)


def composite(cls):
    return seeded(lambda: cls([LinearMAF(2), LinearMAF(2)]))


def pair(name, wrong, right, make, event_shape):
    return Pair(
        name=name,
        wrong=lambda: Bijection(make(wrong), event_shape=event_shape, name=wrong.__name__),
        right=lambda: Bijection(make(right), event_shape=event_shape, name=right.__name__),
    )


def normal_log_prob(z):
    """log N(z | 0, I)."""
    return -0.5 * (z**2 + LOG2PI).sum(-1)


def multiscale_log_prob(parts, log_det):
    """Multi-scale flow: every factored-out part counts under the prior."""
    return sum(normal_log_prob(p) for p in parts) + log_det


def multiscale_log_prob_last_only(parts, log_det):
    """WRONG: only the last scale is scored; the split-off halves are dropped.

    Source: classical.  Symptom: larger likelihood with no upper bound: information is hidden in the
    dropped half; hides for a single scale.
    """
    return normal_log_prob(parts[-1]) + log_det


PAIRS = [
    Pair(
        name="flow_multiscale_last",
        wrong=lambda: Formula(multiscale_log_prob_last_only, like="flow.multiscale_log_prob"),
        right=lambda: Formula(multiscale_log_prob, like="flow.multiscale_log_prob"),
    ),
    pair("flow_sigmoid_dims", SigmoidFlowSumDim1, SigmoidFlow, lambda cls: cls(), (2, 3, 2)),
    pair("flow_numerical_inverse", NumericalInverseSign, NumericalInverse, lambda cls: cls(), 3),
    pair("flow_conv1x1_pixels", Conv1x1NoPixels, Conv1x1, conv, (2, 2, 3)),
    pair("flow_bn_pixels", BatchNormFlowNoPixels, BatchNormFlow, batch_norm, (2, 2, 2)),
    pair("flow_composite_overwrite", CompositeOverwrites, Composite, composite, 2),
    pair("flow_made_non_strict", LinearMAFNonStrict, LinearMAF, lambda cls: seeded(lambda: cls(3)), 3),
    pair("flow_radial_power", RadialFullPower, Radial, radial, 3),
]
