"""Mutants of samplers: the DDPM mean and step, DDIM and PLMS steps, guidance."""

from __future__ import annotations

import torch

from genverify.subjects.formula import Formula
from tests.mutants.diffusion_schedules import marks
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
mutant, twin = marks(MUTANTS, TWINS)


def _levels(betas):
    return torch.cumprod(1 - betas, 0)


def _at(table, t, like):
    return table[t].reshape(-1, *[1] * (like.dim() - 1))


def _parts(t, betas, like):
    """β, α, ᾱ_t and ᾱ_{t−1} of each sample."""
    ab = _levels(betas)
    prev = torch.cat((ab.new_ones(1), ab[:-1]))
    return tuple(_at(table, t, like) for table in (betas, 1 - betas, ab, prev))


@mutant("ddpm_mean")
def not_divided(xt, eps, t, betas):
    """1/√α is left out. Met where it is folded into the network's scale."""
    b, _, ab, _ = _parts(t, betas, xt)
    return xt - b / (1 - ab).sqrt() * eps


@mutant("ddpm_mean")
def level_for_its_complement(xt, eps, t, betas):
    """β/(1 − ᾱ) without its root. Met in homework."""
    b, a, ab, _ = _parts(t, betas, xt)
    return (xt - b / (1 - ab) * eps) / a.sqrt()


@mutant("ddpm_mean")
def divided_by_all(xt, eps, t, betas):
    """√ᾱ_t outside, for √α_t. Met where alpha and alpha_hat differ by one word."""
    b, _, ab, _ = _parts(t, betas, xt)
    return (xt - b / (1 - ab).sqrt() * eps) / ab.sqrt()


@mutant("ddpm_mean")
def root_of_the_rate(xt, eps, t, betas):
    """√β for β. Met where the noise of one step is subtracted."""
    b, a, ab, _ = _parts(t, betas, xt)
    return (xt - (b / (1 - ab)).sqrt() * eps) / a.sqrt()


@mutant("ddpm_mean")
def noise_added(xt, eps, t, betas):
    """A plus for the minus. Met where the score is taken for ε."""
    b, a, ab, _ = _parts(t, betas, xt)
    return (xt + b / (1 - ab).sqrt() * eps) / a.sqrt()


@twin("ddpm_mean")
def by_way_of_the_data(x, t, eps_theta, betas):
    """The posterior's mean at x̂_0, not clipped."""
    b, a, ab, prev = _parts(t, betas, x)
    x0 = (x - (1 - ab).sqrt() * eps_theta) / ab.sqrt()
    return prev.sqrt() * b / (1 - ab) * x0 + a.sqrt() * (1 - prev) / (1 - ab) * x


@twin("ddpm_mean")
def clipped(x, t, model_output, betas):
    """The posterior's mean at x̂_0, clipped to [−1, 1], as in hojonathanho/diffusion."""
    b, a, ab, prev = _parts(t, betas, x)
    x0 = ((x - (1 - ab).sqrt() * model_output) / ab.sqrt()).clamp(-1, 1)
    return prev.sqrt() * b / (1 - ab) * x0 + a.sqrt() * (1 - prev) / (1 - ab) * x


def _mean(xt, eps, t, betas):
    b, a, ab, prev = _parts(t, betas, xt)
    return (xt - b / (1 - ab).sqrt() * eps) / a.sqrt(), b, b * (1 - prev) / (1 - ab)


@mutant("ddpm_step", "value")
def noise_at_the_end(xt, eps, t, betas, noise):
    """√β_t z at t = 0, too: every sample keeps √β_1 of noise. Met where the mask t > 0 is left out."""
    mean, b, _ = _mean(xt, eps, t, betas)
    return mean + b.sqrt() * noise


@mutant("ddpm_step")
def variance_for_deviation(xt, eps, t, betas, noise):
    """β̃ z for √β̃ z. Met in huggingface/diffusers-like rewrites, where variance is the name of both."""
    mean, _, v = _mean(xt, eps, t, betas)
    return mean + v * noise


@mutant("ddpm_step")
def rate_for_deviation(xt, eps, t, betas, noise):
    """β z for √β z. Met as sigma_t = beta_t."""
    mean, b, _ = _mean(xt, eps, t, betas)
    return mean + b * noise * _at((torch.arange(len(betas)) > 0).to(xt.dtype), t, xt)


@mutant("ddpm_step")
def mean_of_the_wrong_noise(xt, eps, t, betas, noise):
    """The drawn noise, not the predicted one, is subtracted, too. Met where both are called noise."""
    mean, _, v = _mean(xt, eps, t, betas)
    return mean + v.sqrt() * (noise - eps)


@mutant("ddpm_step")
def log_variance_not_halved(xt, eps, t, betas, noise):
    """exp(log β̃) for exp(½ log β̃). Met where the ½ of openai/improved-diffusion is lost."""
    mean, _, v = _mean(xt, eps, t, betas)
    return mean + torch.exp(torch.log(v.clamp(min=1e-20))) * noise


@mutant("ddpm_step")
def nothing_drawn(xt, eps, t, betas):
    """The mean alone: every sample is the same. Met where temperature=0 was left in."""
    return _mean(xt, eps, t, betas)[0]


@twin("ddpm_step")
def noise_inside(x, t, model_output, betas):
    """Noise made inside and masked, as in openai/improved-diffusion: exp(½ log-variance)."""
    mean, _, v = _mean(x, model_output, t, betas)
    noise = torch.randn_like(x)
    mask = (torch.as_tensor(t) != 0).to(x.dtype).reshape(-1, *[1] * (x.dim() - 1))
    return mean + mask * torch.exp(0.5 * torch.log(v.clamp(min=1e-20))) * noise


@twin("ddpm_step")
def wide(x, t, predicted_noise, betas):
    """σ² = β, t a number, and no draw at the last step."""
    alpha, alpha_hat, beta = 1 - betas[t], _levels(betas)[t], betas[t]
    noise = torch.randn_like(x) if t > 0 else torch.zeros_like(x)
    return (
        1 / torch.sqrt(alpha) * (x - ((1 - alpha) / torch.sqrt(1 - alpha_hat)) * predicted_noise)
        + torch.sqrt(beta) * noise
    )


def _annotated():
    betas = torch.linspace(1e-4, 0.02, 200, dtype=torch.float64)

    def p_sample(x, t, predicted_noise):
        mean, _, v = _mean(x, predicted_noise, t, betas)
        return mean if t == 0 else mean + v.sqrt() * torch.randn_like(x)

    return p_sample


TWINS.append(
    Twin(name="diffusion.ddpm_step: annotated", make=lambda: Formula(_annotated(), like="diffusion.ddpm_step"))
)


def _ddim(xt, eps, t, prev_t, betas, eta, noise, direction=None, sigma=None, x0=None):
    ab = _levels(betas)
    a, p = ab[t], (ab[prev_t] if prev_t >= 0 else ab.new_ones(()))
    s2 = eta**2 * (1 - p) / (1 - a) * (1 - a / p) if sigma is None else sigma(a, p, eta)
    toward = (1 - p - s2).clamp(min=0).sqrt() if direction is None else direction(a, p, s2, eta)
    data = (xt - (1 - a).sqrt() * eps) / a.sqrt() if x0 is None else x0(a, p)
    return p.sqrt() * data + toward * eps + s2.sqrt() * noise


@mutant("ddim_step")
def direction_by_sigma(xt, eps, t, prev_t, betas, eta=0.0, noise=0.0):
    """σ for √(1 − ᾱ' − σ²). Met in jsboige/CoursIA#16158."""
    return _ddim(xt, eps, t, prev_t, betas, eta, noise, direction=lambda a, p, s2, eta: s2.sqrt())


@mutant("ddim_step")
def direction_keeps_all(xt, eps, t, prev_t, betas, eta=0.0, noise=0.0):
    """σ² is not subtracted: right at η = 0, the default. Met where η was added later."""
    return _ddim(xt, eps, t, prev_t, betas, eta, noise, direction=lambda a, p, s2, eta: (1 - p).sqrt())


@mutant("ddim_step", "value")
def eta_not_squared(xt, eps, t, prev_t, betas, eta=0.0, noise=0.0):
    """1 − ᾱ' − η σ̂² in the direction: right at η = 0 and 1. Asked in inbarhub/DDPM_inversion#12."""
    return _ddim(
        xt, eps, t, prev_t, betas, eta, noise,
        direction=lambda a, p, s2, eta: (1 - p - eta * (1 - p) / (1 - a) * (1 - a / p)).clamp(min=0).sqrt(),
    )  # fmt: skip


@mutant("ddim_step")
def noise_of_the_step_that_is_left(xt, eps, t, prev_t, betas, eta=0.0, noise=0.0):
    """√(1 − ᾱ_t) in the direction. Met where the two levels are exchanged in one place."""
    return _ddim(
        xt, eps, t, prev_t, betas, eta, noise, direction=lambda a, p, s2, eta: (1 - a - s2).clamp(min=0).sqrt()
    )


@mutant("ddim_step", "value")
def noise_by_the_level(xt, eps, t, prev_t, betas, eta=0.0, noise=0.0):
    """σ = η √(1 − ᾱ_t). Met, with the same in the direction, in the first form of jsboige/CoursIA#16158."""
    return _ddim(xt, eps, t, prev_t, betas, eta, noise, sigma=lambda a, p, eta: eta**2 * (1 - a))


@mutant("ddim_step")
def data_not_divided(xt, eps, t, prev_t, betas, eta=0.0, noise=0.0):
    """x̂_0 without 1/√ᾱ. Met where pred_x0 is read from the wrong line."""
    return _ddim(xt, eps, t, prev_t, betas, eta, noise, x0=lambda a, p: xt - (1 - a).sqrt() * eps)


@mutant("ddim_step", "value")
def last_level_is_the_first(xt, eps, t, prev_t, betas):
    """ᾱ_1 for the data's 1: the last step does not arrive. Met as set_alpha_to_one=False where it was not meant."""
    ab = _levels(betas)
    a, p = ab[t], ab[max(prev_t, 0)]
    return p.sqrt() * (xt - (1 - a).sqrt() * eps) / a.sqrt() + (1 - p).sqrt() * eps


@twin("ddim_step")
def deterministic(xt, eps, alpha_bar, alpha_bar_prev):
    """η = 0 and nothing else, by both levels."""
    return (
        alpha_bar_prev**0.5 * (xt - (1 - alpha_bar) ** 0.5 * eps) / alpha_bar**0.5 + (1 - alpha_bar_prev) ** 0.5 * eps
    )


@twin("ddim_step")
def of_compvis(x, e_t, t, prev_t, betas, eta=1.0, noise=None):
    """As in CompVis/latent-diffusion, clamped below, noise made inside unless it is given."""
    ab = torch.cat((betas.new_ones(1), _levels(betas)))
    a, a_prev = ab[t + 1], ab[prev_t + 1]
    sigma = eta * ((1 - a_prev) / (1 - a) * (1 - a / a_prev)).sqrt()
    pred_x0 = (x - (1 - a).sqrt() * e_t) / a.sqrt()
    drawn = torch.randn_like(x) if noise is None else noise
    return a_prev.sqrt() * pred_x0 + (1.0 - a_prev - sigma**2).clamp(min=0).sqrt() * e_t + sigma * drawn


@twin("ddim_step")
def by_ratios(x, t, eps, alphas_cumprod):
    """From one step to the next in terms of x/√ᾱ, an Euler step in √((1 − ᾱ)/ᾱ)."""
    ab = torch.cat((alphas_cumprod.new_ones(1), alphas_cumprod))
    a, p = (ab[torch.as_tensor(i)].reshape(-1, *[1] * (x.dim() - 1)) for i in (t + 1, t))
    return p.sqrt() * (x / a.sqrt() + (((1 - p) / p).sqrt() - ((1 - a) / a).sqrt()) * eps)


_ADAMS = {0: (1.0,), 1: (1.5, -0.5), 2: (23 / 12, -16 / 12, 5 / 12), 3: (55 / 24, -59 / 24, 37 / 24, -9 / 24)}


def _plms(x, eps, old_eps, t, prev_t, betas, weights=None, order=reversed):
    numbers = (weights or _ADAMS)[len(old_eps)]
    e = sum(w * one for w, one in zip(numbers, [eps, *order(old_eps)], strict=True))
    return _ddim(x, e, t, prev_t, betas, 0.0, 0.0)


@mutant("plms_step")
def signs_lost(x, eps, old_eps, t, prev_t, betas):
    """All weights positive: they no longer add up to one. Met where the table is typed from a scan."""
    return _plms(x, eps, old_eps, t, prev_t, betas, {n: tuple(abs(w) for w in ws) for n, ws in _ADAMS.items()})


@mutant("plms_step")
def past_not_used(x, eps, old_eps, t, prev_t, betas):
    """The list is never filled: DDIM. Met where old_eps is a local variable."""
    return _ddim(x, eps, t, prev_t, betas, 0.0, 0.0)


@mutant("plms_step")
def oldest_left_out_of_four(x, eps, old_eps, t, prev_t, betas):
    """The third-order weights are kept where four predictions are there. Met as len(old_eps) > 3."""
    return _plms(x, eps, old_eps[-2:], t, prev_t, betas)


@mutant("plms_step", "value")
def divisors_exchanged(x, eps, old_eps, t, prev_t, betas):
    """(23, −16, 5)/24 and so on. Met as a typing slip: the weights add up to one half."""
    wrong = {**_ADAMS, 2: (23 / 24, -16 / 24, 5 / 24)}
    return _plms(x, eps, old_eps, t, prev_t, betas, wrong)


@twin("plms_step")
def of_stable_diffusion(x, e_t, old_eps, t, prev_t, alphas_cumprod):
    """As in CompVis/stable-diffusion's plms.py: branches by the length of the list."""
    if len(old_eps) == 0:
        e = e_t
    elif len(old_eps) == 1:
        e = (3 * e_t - old_eps[-1]) / 2
    elif len(old_eps) == 2:
        e = (23 * e_t - 16 * old_eps[-1] + 5 * old_eps[-2]) / 12
    else:
        e = (55 * e_t - 59 * old_eps[-1] + 37 * old_eps[-2] - 9 * old_eps[-3]) / 24
    a, p = alphas_cumprod[t], (alphas_cumprod[prev_t] if prev_t >= 0 else alphas_cumprod.new_ones(()))
    return p.sqrt() * (x - (1 - a).sqrt() * e) / a.sqrt() + (1 - p).sqrt() * e


@twin("plms_step")
def transfer(sample, ets, model_output, alpha_prod_t, alpha_prod_t_prev):
    """The transfer of pseudo-numerical methods, eq. 9 and 11, as in huggingface/diffusers' PNDM; the newest first."""
    e = sum(w * one for w, one in zip(_ADAMS[len(ets)], [model_output, *ets], strict=True))
    beta, beta_prev = 1 - alpha_prod_t, 1 - alpha_prod_t_prev
    below = alpha_prod_t * beta_prev**0.5 + (alpha_prod_t * beta * alpha_prod_t_prev) ** 0.5
    return (alpha_prod_t_prev / alpha_prod_t) ** 0.5 * sample - (alpha_prod_t_prev - alpha_prod_t) * e / below


@mutant("classifier_free_guidance")
def roles_exchanged(noise_pred_text, noise_pred_uncond, guidance_scale):
    """c + s (u − c): the condition is avoided. Met where chunk(2) is unpacked in the other order."""
    return noise_pred_text + guidance_scale * (noise_pred_uncond - noise_pred_text)


@mutant("classifier_free_guidance")
def not_subtracted(cond, uncond, w):
    """u + w c. Met where the bracket is lost."""
    return uncond + w * cond


@mutant("classifier_free_guidance")
def both_weights_the_same(cond, uncond, w):
    """(1 + w) c + w u. Met as a lost minus."""
    return (1 + w) * cond + w * uncond


@mutant("classifier_free_guidance", "gradient")
def unconditional_detached(cond, uncond, s):
    """The unconditional one is detached in one place: the value is right. Met where a sampler is trained through."""
    return uncond + s * (cond - uncond.detach())


@mutant("classifier_free_guidance")
def divided(cond, uncond, w):
    """((1 + w) c − w u)/(1 + w). Met where it is "normalised"."""
    return ((1 + w) * cond - w * uncond) / (1 + w)


@twin("classifier_free_guidance")
def from_the_conditional(noise_pred_text, noise_pred_uncond, guidance_scale):
    """c + s (c − u): the paper's, asked about in threestudio-project/threestudio#289."""
    return noise_pred_text + guidance_scale * (noise_pred_text - noise_pred_uncond)


@twin("classifier_free_guidance")
def interpolated(cond, uncond, cond_scale):
    """torch.lerp beyond one."""
    return torch.lerp(uncond, cond, cond_scale)
