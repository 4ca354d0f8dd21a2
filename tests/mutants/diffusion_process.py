"""Mutants of the forward process: a draw of x_t, one step, the posterior, a learned variance."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from genverify.subjects.formula import Formula
from tests.mutants.diffusion_schedules import marks
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
mutant, twin = marks(MUTANTS, TWINS)


def _levels(betas):
    return torch.cumprod(1 - betas, 0)


def extract(a, t, x_shape):
    b, *_ = t.shape
    out = a.gather(-1, t)
    return out.reshape(b, *((1,) * (len(x_shape) - 1)))


@mutant("q_sample")
def one_minus_root(x0, t, betas, noise):
    """1 − √ᾱ for √(1 − ᾱ). A classical slip: right at both ends."""
    a = _levels(betas)[t].view(-1, 1, 1, 1).sqrt()
    return a * x0 + (1 - a) * noise


@mutant("q_sample")
def noise_by_its_variance(x_start, t, alphas_cumprod, noise):
    """1 − ᾱ for its root. Met where a table of 1 − ᾱ is called sqrt_one_minus."""
    a = extract(alphas_cumprod, t, x_start.shape)
    return a.sqrt() * x_start + (1 - a) * noise


@mutant("q_sample")
def one_step_only(x0, t, betas, noise):
    """α_t for ᾱ_t. A classical slip: data are hardly noised at any t."""
    a = (1 - betas)[t].view(-1, *[1] * (x0.dim() - 1))
    return a.sqrt() * x0 + (1 - a).sqrt() * noise


@mutant("q_sample")
def step_before(x0, t, betas, noise):
    """ᾱ_{t−1}, of a table with ᾱ_0 = 1 in front. Met where T + 1 entries meet t from 0: at t = 0 there is no noise."""
    a = torch.cat((betas.new_ones(1), _levels(betas)))[t].view(-1, *[1] * (x0.dim() - 1))
    return a.sqrt() * x0 + (1 - a).sqrt() * noise


@mutant("q_sample")
def counted_from_one(x0, t, betas, noise):
    """Place t − 1, as in the paper, where t begins at 0: then the last entry is read. Met in notebooks."""
    a = _levels(betas)[t - 1].view(-1, *[1] * (x0.dim() - 1))
    return a.sqrt() * x0 + (1 - a).sqrt() * noise


@mutant("q_sample")
def exchanged(x_0, t, alpha_bar, eps):
    """The roots exchanged. Met where extract's two tables stand in the wrong order."""
    a = alpha_bar[t].view(-1, 1, 1, 1)
    return (1 - a).sqrt() * x_0 + a.sqrt() * eps


@mutant("q_sample")
def uniform_noise(x0, t, betas):
    """rand_like for randn_like. Met as a typing slip."""
    a = _levels(betas)[t].view(-1, *[1] * (x0.dim() - 1))
    return a.sqrt() * x0 + (1 - a).sqrt() * torch.rand_like(x0)


@twin("q_sample")
def with_extract(x_start, t, noise, sqrt_alphas_cumprod, sqrt_one_minus_alphas_cumprod):
    """By gather from two tables, in the style of the annotated diffusion model."""
    first = extract(sqrt_alphas_cumprod, t, x_start.shape)
    return first * x_start + extract(sqrt_one_minus_alphas_cumprod, t, x_start.shape) * noise


def _make_q_sample():
    betas = torch.linspace(1e-4, 0.02, 1000)
    alphas_cumprod = torch.cumprod(1.0 - betas, 0)
    sqrt_alphas_cumprod = torch.sqrt(alphas_cumprod)
    sqrt_one_minus_alphas_cumprod = torch.sqrt(1.0 - alphas_cumprod)

    def q_sample(x_start, t, noise=None):
        if noise is None:
            noise = torch.randn_like(x_start)
        first = extract(sqrt_alphas_cumprod, t, x_start.shape)
        return first * x_start + extract(sqrt_one_minus_alphas_cumprod, t, x_start.shape) * noise

    return q_sample


TWINS.append(
    Twin(name="diffusion.q_sample: closure", make=lambda: Formula(_make_q_sample(), like="diffusion.q_sample"))
)


class GaussianDiffusion(nn.Module):
    """Buffers of float32 made of float64, as in lucidrains/denoising-diffusion-pytorch."""

    def __init__(self, timesteps=1000):
        super().__init__()
        betas = torch.linspace(1e-4, 0.02, timesteps, dtype=torch.float64)
        alphas_cumprod = torch.cumprod(1 - betas, 0)
        prev = torch.nn.functional.pad(alphas_cumprod[:-1], (1, 0), value=1.0)
        variance = betas * (1.0 - prev) / (1.0 - alphas_cumprod)
        for name, value in {
            "betas": betas, "alphas_cumprod": alphas_cumprod, "alphas_cumprod_prev": prev,
            "sqrt_alphas_cumprod": alphas_cumprod.sqrt(), "sqrt_one_minus_alphas_cumprod": (1 - alphas_cumprod).sqrt(),
            "posterior_variance": variance, "posterior_log_variance_clipped": torch.log(variance.clamp(min=1e-20)),
            "posterior_mean_coef1": betas * prev.sqrt() / (1.0 - alphas_cumprod),
            "posterior_mean_coef2": (1.0 - prev) * (1 - betas).sqrt() / (1.0 - alphas_cumprod),
        }.items():  # fmt: skip
            self.register_buffer(name, value.to(torch.float32))

    def q_sample(self, x_start, t, noise=None):
        noise = torch.randn_like(x_start) if noise is None else noise
        return (
            extract(self.sqrt_alphas_cumprod, t, x_start.shape) * x_start
            + extract(self.sqrt_one_minus_alphas_cumprod, t, x_start.shape) * noise
        )

    def q_posterior(self, x_start, x_t, t):
        mean = (
            extract(self.posterior_mean_coef1, t, x_t.shape) * x_start
            + extract(self.posterior_mean_coef2, t, x_t.shape) * x_t
        )
        return (
            mean,
            extract(self.posterior_variance, t, x_t.shape),
            extract(self.posterior_log_variance_clipped, t, x_t.shape),
        )

    def forward(self, x_start, t, noise):
        return self.q_sample(x_start, t, noise)


TWINS += [
    Twin(
        name="diffusion.q_sample: method", make=lambda: Formula(GaussianDiffusion().q_sample, like="diffusion.q_sample")
    ),
    Twin(name="diffusion.q_sample: module", make=lambda: Formula(GaussianDiffusion(), like="diffusion.q_sample")),
    Twin(
        name="diffusion.posterior: method",
        make=lambda: Formula(GaussianDiffusion().q_posterior, like="diffusion.posterior", output=lambda r: r[:2]),
    ),
]


@twin("q_sample", arguments={"t": "count_from_one"})
def paper_indices(x0, t, betas, eps):
    """t from 1 to T, as in the paper, and said so."""
    a = _levels(betas)[t - 1].reshape(-1, *[1] * (x0.dim() - 1))
    return a.sqrt() * x0 + (1 - a).sqrt() * eps


@twin("q_sample")
def vectors(x0, t, alpha_bars):
    """Vectors, and noise that is made inside."""
    a = alpha_bars[t][:, None]
    return a**0.5 * x0 + (1 - a) ** 0.5 * torch.randn(x0.shape, dtype=x0.dtype)


@mutant("q_step")
def noise_by_beta(x, t, betas, noise):
    """β for its root. Met where sigma_t is set to beta_t."""
    b = betas[t].view(-1, *[1] * (x.dim() - 1))
    return (1 - b).sqrt() * x + b * noise


@mutant("q_step")
def not_scaled(x, t, betas, noise):
    """x is kept as it is: the variance grows. Met where a random walk is meant."""
    b = betas[t].view(-1, *[1] * (x.dim() - 1))
    return x + b.sqrt() * noise


@mutant("q_step")
def all_steps(x, t, betas, noise):
    """ᾱ_t for α_t. Met where q_sample is iterated."""
    a = _levels(betas)[t].view(-1, *[1] * (x.dim() - 1))
    return a.sqrt() * x + (1 - a).sqrt() * noise


@mutant("q_step")
def root_of_one_minus_root(x, t, betas, noise):
    """√(1 − √β) before x. Met in lecture code."""
    b = betas[t].view(-1, *[1] * (x.dim() - 1)).sqrt()
    return (1 - b).sqrt() * x + b * noise


@twin("q_step")
def one_beta(x_prev, beta, noise):
    """One rate for all, by its value."""
    return (1 - beta) ** 0.5 * x_prev + beta**0.5 * noise


@twin("q_step")
def from_alphas(x, t, alphas):
    """In α, noise made inside."""
    a = extract(alphas, t, x.shape)
    return torch.addcmul(a.sqrt() * x, (1 - a).sqrt(), torch.randn_like(x))


def _posterior(x0, xt, t, betas, mean=None, variance=None):
    """The right posterior, with one of its parts replaced."""
    ab = _levels(betas)
    prev = torch.cat((ab.new_ones(1), ab[:-1]))
    at = {"ab": ab, "prev": prev, "b": betas, "a": 1 - betas}
    at = {name: table[t].reshape(-1, *[1] * (x0.dim() - 1)) for name, table in at.items()}
    ab, prev, b, a = at["ab"], at["prev"], at["b"], at["a"]
    right = prev.sqrt() * b / (1 - ab) * x0 + a.sqrt() * (1 - prev) / (1 - ab) * xt
    spread = b * (1 - prev) / (1 - ab)
    return (right if mean is None else mean(ab, prev, b, a)), (spread if variance is None else variance(ab, prev, b, a))


@mutant("posterior")
def coefficients_exchanged(x0, xt, t, betas):
    """x_0 for x_t and back. A classical slip."""
    return _posterior(xt, x0, t, betas)


@mutant("posterior")
def beta_for_beta_tilde(x0, xt, t, betas):
    """The variance β_t, which is that of data that are noise. Met as fixed_large under the posterior's name."""
    return _posterior(x0, xt, t, betas, variance=lambda ab, prev, b, a: b)


@mutant("posterior", "value")
def previous_twice(x0, xt, t, betas):
    """ᾱ_{t−1} with its own first entry in front: a variance at t = 0. Met as index max(t − 1, 0)."""
    ab = _levels(betas)
    prev = torch.cat((ab[:1], ab[:-1]))[t].reshape(-1, *[1] * (x0.dim() - 1))
    ab, b = (table[t].reshape(-1, *[1] * (x0.dim() - 1)) for table in (ab, betas))
    mean = prev.sqrt() * b / (1 - ab) * x0 + (1 - b).sqrt() * (1 - prev) / (1 - ab) * xt
    return mean, b * (1 - prev) / (1 - ab)


@mutant("posterior")
def deviation_for_variance(x0, xt, t, betas):
    """√β̃. Met where a caller takes the second result for a standard deviation, and it was made one."""
    return _posterior(x0, xt, t, betas, variance=lambda ab, prev, b, a: (b * (1 - prev) / (1 - ab)).sqrt())


@mutant("posterior")
def root_of_level_at_t(x0, xt, t, betas):
    """√ᾱ_t before x_0, for √ᾱ_{t−1}. Met in huggingface/diffusers-like rewrites."""
    return _posterior(
        x0,
        xt,
        t,
        betas,
        mean=lambda ab, prev, b, a: ab.sqrt() * b / (1 - ab) * x0 + a.sqrt() * (1 - prev) / (1 - ab) * xt,
    )


@twin("posterior")
def by_precisions(x0, xt, t, betas):
    """Bayes' rule by hand: precisions add up, and so do precision times mean; at t = 0 the data themselves."""
    a = (1 - betas)[t].reshape(-1, *[1] * (x0.dim() - 1))
    ab = _levels(betas)[t].reshape(-1, *[1] * (x0.dim() - 1))
    prev = torch.where(torch.as_tensor(t).reshape(ab.shape) == 0, torch.ones_like(ab), ab / a)
    first = prev == 1
    safe = torch.where(first, torch.full_like(prev, 0.5), prev)
    precision = a / (1 - a) + 1 / (1 - safe)
    mean = (a.sqrt() * xt / (1 - a) + safe.sqrt() * x0 / (1 - safe)) / precision
    return torch.where(first, x0, mean), torch.where(first, torch.zeros_like(precision), 1 / precision)


@twin("posterior")
def previous_given(x_start, x_t, alpha_prod_t, alpha_prod_t_prev):
    """By the levels of the two steps, β_t from their ratio, as huggingface/diffusers does it."""
    alpha = alpha_prod_t / alpha_prod_t_prev
    beta = 1 - alpha
    mean = (alpha_prod_t_prev**0.5 * beta) / (1 - alpha_prod_t) * x_start
    mean = mean + alpha**0.5 * (1 - alpha_prod_t_prev) / (1 - alpha_prod_t) * x_t
    return {"mean": mean, "variance": (1 - alpha_prod_t_prev) / (1 - alpha_prod_t) * beta}


def _range(betas):
    ab = _levels(betas)
    prev = torch.cat((ab.new_ones(1), ab[:-1]))
    low = betas * (1 - prev) / (1 - ab)
    return torch.cat((low[1:2], low[1:])), betas


def _mixed(v, t, low, high, share):
    low, high = (table[t].reshape(-1, *[1] * (v.dim() - 1)) for table in (low, high))
    return share * high + (1 - share) * low


@mutant("learned_range_log_variance")
def share_itself(v, t, betas):
    """v for ½ (v + 1). Met in openai/improved-diffusion#7 as a question, and in ports as a bug."""
    low, high = _range(betas)
    return _mixed(v, t, low.log(), high.log(), v)


@mutant("learned_range_log_variance")
def without_logarithms(v, t, betas):
    """The variances are interpolated. Met in huggingface/diffusers#2090."""
    low, high = _range(betas)
    return _mixed(v, t, low, high, (v + 1) / 2).log()


@mutant("learned_range_log_variance")
def ends_exchanged(v, t, betas):
    """v = 1 gives β̃. Met where min_log and max_log are exchanged."""
    low, high = _range(betas)
    return _mixed(v, t, high.log(), low.log(), (v + 1) / 2)


@mutant("learned_range_log_variance")
def level_for_rate(v, t, betas):
    """log(1 − ᾱ_t) for log β_t. Met where the table of q(x_t|x_0) is taken (as in tqch/ddpm-torch#9, the other way)."""
    low, _ = _range(betas)
    return _mixed(v, t, low.log(), (1 - _levels(betas)).log(), (v + 1) / 2)


@mutant("learned_range_log_variance", "value")
def minus_infinity_first(v, t, betas):
    """log β̃_1 = log 0 at t = 0. Met where the clipped table is not used."""
    ab = _levels(betas)
    prev = torch.cat((ab.new_ones(1), ab[:-1]))
    return _mixed(v, t, (betas * (1 - prev) / (1 - ab)).log(), betas.log(), (v + 1) / 2)


@twin("learned_range_log_variance")
def numpy_tables(model_var_values, t, betas):
    """Tables by NumPy, as in openai/improved-diffusion, read into float32."""
    b = betas.double().numpy()
    ab = np.cumprod(1 - b)
    posterior = b * (1 - np.append(1.0, ab[:-1])) / (1 - ab)
    clipped = np.log(np.append(posterior[1], posterior[1:]))

    def at(array):
        found = torch.from_numpy(array)[t].float()
        while 0 < found.dim() < model_var_values.dim():
            found = found[..., None]
        return found

    share = (model_var_values + 1) / 2
    return share * at(np.log(b)) + (1 - share) * at(clipped)


@twin("learned_range_log_variance")
def clamped(v, t, alphas_cumprod):
    """β̃ clamped at 1e-20, as in lucidrains/denoising-diffusion-pytorch."""
    prev = torch.nn.functional.pad(alphas_cumprod[:-1], (1, 0), value=1.0)
    betas = 1 - alphas_cumprod / prev
    low = (betas * (1 - prev) / (1 - alphas_cumprod)).clamp(min=1e-20).log()
    return _mixed(v, t, low, betas.log(), (v + 1) * 0.5)
