"""Wild pairs of diffusion: what people wrote, wrong and right."""

import math

import torch
import torch.nn.functional as F
from tests.wild.pair import Pair

from genverify.subjects.formula import Formula


def _ab(betas):
    return torch.cumprod(1 - betas, 0)


def cosine_betas(T, s=0.008, max_beta=0.999):
    """ab(t) = f(t)/f(0), f(t) = cos^2(((t/T)+s)/(1+s) pi/2), t = 0..T; beta_t = 1 - ab(t)/ab(t-1), clipped."""
    t = torch.linspace(0, T, T + 1, dtype=torch.float64)
    f = torch.cos((t / T + s) / (1 + s) * math.pi / 2) ** 2
    return (1 - f[1:] / f[:-1]).clamp(max=max_beta)


def cosine_alphas_cumprod(T, s=0.008):
    """ab[t] for t = 0..T-1, recomputed from the clipped betas."""
    return _ab(cosine_betas(T, s))


def cosine_alphas_cumprod_from_zero(T, s=0.008):
    """WRONG: returns f(t)/f(0) from t = 0, so ab[0] = 1 and one entry is shifted.

    Source: Project-MONAI/GenerativeModels#489, fixed in Project-MONAI/MONAI#8427.  Symptom: index off by
    one everywhere (small for large T); at t = 0, 1 - ab = 0 and the posterior divides by zero (nan).
    """
    t = torch.linspace(0, T, T + 1, dtype=torch.float64)
    f = torch.cos((t / T + s) / (1 + s) * math.pi / 2) ** 2
    return (f / f[0])[:-1]


def alphas_cumprod_prev(betas):
    """ab[t-1], with 1 in front."""
    return F.pad(_ab(betas)[:-1], (1, 0), value=1.0)


def q_sample(x0, t, betas, noise):
    """sqrt(ab_t) x0 + sqrt(1-ab_t) noise."""
    a = _ab(betas)[t].view(-1, *[1] * (x0.dim() - 1))
    return a.sqrt() * x0 + (1 - a).sqrt() * noise


def q_sample_one_minus_sqrt(x0, t, betas, noise):
    """WRONG: sqrt(ab) x0 + (1 - sqrt(ab)) noise.

    Source: classical.  Symptom: right at the ends; noise too small in the middle.
    """
    a = _ab(betas)[t].view(-1, *[1] * (x0.dim() - 1)).sqrt()
    return a * x0 + (1 - a) * noise


def q_sample_not_cumulative(x0, t, betas, noise):
    """WRONG: uses alpha_t = 1 - beta_t, not the cumulative product.

    Source: classical.  Symptom: right at t = 0 only; the data are hardly noised at any t.
    """
    a = (1 - betas)[t].view(-1, *[1] * (x0.dim() - 1))
    return a.sqrt() * x0 + (1 - a).sqrt() * noise


def posterior_mean_var(x0, xt, t, betas):
    """mean = sqrt(ab_prev) beta/(1-ab) x0 + sqrt(alpha)(1-ab_prev)/(1-ab) xt; var = beta (1-ab_prev)/(1-ab)."""
    ab, prev = _ab(betas)[t], alphas_cumprod_prev(betas)[t]
    b = betas[t]
    mean = prev.sqrt() * b / (1 - ab) * x0 + (1 - b).sqrt() * (1 - prev) / (1 - ab) * xt
    return mean, b * (1 - prev) / (1 - ab)


def posterior_mean_var_swapped(x0, xt, t, betas):
    """WRONG mean: the coefficients of x0 and x_t are exchanged.

    Source: classical.  Symptom: hides when x0 = x_t; large otherwise; variance right.
    """
    _, v = posterior_mean_var(x0, xt, t, betas)
    m, _ = posterior_mean_var(xt, x0, t, betas)
    return m, v


def x0_from_eps(xt, eps, ab):
    """(xt - sqrt(1-ab) eps)/sqrt(ab)."""
    return (xt - (1 - ab) ** 0.5 * eps) / ab**0.5


def ddim_step(xt, eps, t, prev_t, betas, eta=0.0, noise=0.0):
    """sqrt(a') x0 + sqrt(1-a'-s^2) eps + s noise, s = eta sqrt((1-a')/(1-a)) sqrt(1-a/a'); prev_t = -1 means a' = 1."""
    ab = _ab(betas)
    a, p = ab[t], (ab[prev_t] if prev_t >= 0 else torch.ones((), dtype=betas.dtype))
    s2 = eta**2 * (1 - p) / (1 - a) * (1 - a / p)
    return p.sqrt() * x0_from_eps(xt, eps, a) + (1 - p - s2).clamp(min=0).sqrt() * eps + s2.sqrt() * noise


def ddim_step_direction_sigma(xt, eps, t, prev_t, betas, eta=0.0, noise=0.0):
    """WRONG: the direction term has coefficient sigma, not sqrt(1 - a' - sigma^2).

    Source: jsboige/CoursIA#16158.  Symptom: at eta = 0 (the default) the direction term vanishes, so the
    marginal variance is lost at every step; right only where 1 - a' = 2 sigma^2.
    """
    ab = _ab(betas)
    a, p = ab[t], (ab[prev_t] if prev_t >= 0 else torch.ones((), dtype=betas.dtype))
    s2 = eta**2 * (1 - p) / (1 - a) * (1 - a / p)
    return p.sqrt() * x0_from_eps(xt, eps, a) + s2.sqrt() * eps + s2.sqrt() * noise


def min_snr_weight(ab, gamma, prediction_type):
    """min(snr, gamma)/snr for eps, min(snr, gamma)/(snr+1) for v, min(snr, gamma) for x0."""
    snr = ab / (1 - ab)
    m = snr.clamp(max=gamma)
    return {"epsilon": m / snr, "v_prediction": m / (snr + 1), "sample": m}[prediction_type]


def min_snr_weight_plus_one_inside(ab, gamma, prediction_type):
    """WRONG for v: min(snr+1, gamma)/(snr+1).

    Source: huggingface/diffusers#5654, fixed in #6307 (again in #8466).  Symptom: weight 1 instead of
    snr/(snr+1) for all snr < gamma - 1, so the noisiest steps dominate; eps right.
    """
    snr = ab / (1 - ab)
    if prediction_type == "v_prediction":
        return (snr + 1).clamp(max=gamma) / (snr + 1)
    return min_snr_weight(ab, gamma, prediction_type)


def _pair(name, like, wrong, right):
    declared = f"diffusion.{like}"
    return Pair(name=name, wrong=lambda: Formula(wrong, like=declared), right=lambda: Formula(right, like=declared))


PAIRS = [
    _pair("diff_posterior_swapped", "posterior", posterior_mean_var_swapped, posterior_mean_var),
    _pair("diff_q_one_minus_sqrt", "q_sample", q_sample_one_minus_sqrt, q_sample),
    _pair("diff_min_snr_v", "min_snr_weight", min_snr_weight_plus_one_inside, min_snr_weight),
    _pair("diff_ddim_direction", "ddim_step", ddim_step_direction_sigma, ddim_step),
    _pair("diff_q_not_cumulative", "q_sample", q_sample_not_cumulative, q_sample),
    _pair("diff_cosine_from_zero", "cosine_alpha_bar", cosine_alphas_cumprod_from_zero, cosine_alphas_cumprod),
]
