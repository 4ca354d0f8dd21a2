"""Mutants and twins of steps in noise levels: Euler, Heun, ancestral; and of whole samplers."""

from __future__ import annotations

import torch

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin, declaring

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
EULER, HEUN, ANCESTRAL = "edm.euler_step", "edm.heun_step", "edm.ancestral_step"


mutant, twin = declaring(MUTANTS, TWINS)


def append_dims(x, dims):
    return x[(...,) + (None,) * (dims - x.ndim)]


def to_d(x, sigma, denoised):
    return (x - denoised) / append_dims(sigma, x.ndim)


def ones(x):
    return x.new_ones([x.shape[0]])


# Euler.


@mutant(EULER)
def divided_by_the_next_level(model, x, sigma, sigma_next):
    """(x − D)/σ′: the level that is left is meant. nkalyanv99/UNI-D2#3, the two exchanged."""
    return x + (sigma_next - sigma) * (x - model(x, sigma * ones(x))) / (sigma_next + 1e-3)


@mutant(EULER)
def along_the_score(model, x, sigma, sigma_next):
    """(x − D)/σ², minus the score, where σ times as much belongs."""
    return x + (sigma_next - sigma) * (x - model(x, sigma)) / sigma**2


@mutant(EULER)
def against_the_slope(model, x, sigma, sigma_next):
    """σ − σ′ for σ′ − σ: the sample becomes noisier."""
    return x + (sigma - sigma_next) * (x - model(x, sigma)) / sigma


@mutant(EULER)
def denoised_at_the_next_level(model, x, sigma, sigma_next):
    """The denoiser is told the level to which the step goes."""
    return x + (sigma_next - sigma) * to_d(x, sigma, model(x, sigma_next * ones(x)))


@mutant(EULER)
def of_the_logarithm(x, denoised, sigma, sigma_next):
    """log σ′/σ for (σ′ − σ)/σ: the step of another variable."""
    return x + (x - denoised) * torch.log((sigma_next + 1e-3) / sigma)


@mutant(EULER)
def noise_kept(x, denoised, sigma, sigma_next):
    """D + σ′ (x − D): not divided by σ."""
    return denoised + sigma_next * (x - denoised)


@mutant(EULER)
def sampler_one_level_late(model, x, sigmas):
    """The denoiser at σ_{i+1} in a loop: an index off by one."""
    for i in range(len(sigmas) - 1):
        d = (x - model(x, sigmas[i + 1] * ones(x))) / sigmas[i]
        x = x + d * (sigmas[i + 1] - sigmas[i])
    return x


@twin(EULER)
def sample_euler(
    model, x, sigmas, extra_args=None, callback=None, disable=None, s_churn=0.0, s_tmin=0.0, s_tmax=float("inf"),
    s_noise=1.0,
):  # fmt: skip
    """As crowsonkb/k-diffusion has it."""
    extra_args = {} if extra_args is None else extra_args
    s_in = x.new_ones([x.shape[0]])
    for i in range(len(sigmas) - 1):
        gamma = min(s_churn / (len(sigmas) - 1), 2**0.5 - 1) if s_tmin <= sigmas[i] <= s_tmax else 0.0
        eps = torch.randn_like(x) * s_noise
        sigma_hat = sigmas[i] * (gamma + 1)
        if gamma > 0:
            x = x + eps * (sigma_hat**2 - sigmas[i] ** 2) ** 0.5
        denoised = model(x, sigma_hat * s_in, **extra_args)
        d = to_d(x, sigma_hat, denoised)
        dt = sigmas[i + 1] - sigma_hat
        x = x + d * dt
    return x


@twin(EULER)
@torch.no_grad()
def as_nvlabs_has_it(net, x_hat, t_hat, t_next, class_labels=None):
    denoised = net(x_hat, t_hat, class_labels).to(torch.float64)
    d_cur = (x_hat.to(torch.float64) - denoised) / t_hat
    return x_hat + (t_next - t_hat) * d_cur


@twin(EULER)
def as_diffusers_has_it(sample, pred_original_sample, sigma_hat, sigma_next):
    derivative = (sample - pred_original_sample) / sigma_hat
    return sample + derivative * (sigma_next - sigma_hat)


@twin(EULER)
def as_a_mixture(x, denoised, sigma, next_sigma):
    return torch.lerp(denoised, x, append_dims(next_sigma / sigma, x.ndim))


class Stepper:
    """A method, and a list of rows."""

    def step(self, denoise_fn, latents, sigma_t, sigma_next):
        rows = []
        for row, now, then in zip(latents.split(1), sigma_t, sigma_next, strict=True):
            denoised = denoise_fn(row, now.reshape(1))
            rows.append(row + (then - now) * (row - denoised) / now)
        return torch.cat(rows)


TWINS.append(Twin(name=f"{EULER}: method", make=lambda: Formula(Stepper().step, like=EULER)))


# Heun.


def heun(model, x, sigma, sigma_next, *, second=None, mean=0.5, point=None):
    d = (x - model(x, sigma)) / sigma
    ahead = x + (sigma_next - sigma) * d
    if sigma_next == 0:
        return ahead
    at, level = ahead if point is None else point, sigma_next if second is None else second
    d_2 = (at - model(at, level)) / level
    return x + (sigma_next - sigma) * ((1 - mean) * d + mean * d_2)


@mutant(HEUN)
def second_at_the_old_level(model, x, sigma, sigma_next):
    """The second slope at σ, where σ′ belongs."""
    return heun(model, x, sigma, sigma_next, second=sigma)


@mutant(HEUN)
def second_at_the_old_sample(model, x, sigma, sigma_next):
    """The second slope at x, not at the predicted sample."""
    return heun(model, x, sigma, sigma_next, point=x)


@mutant(HEUN)
def second_slope_alone(model, x, sigma, sigma_next):
    """The slope at the end replaces that at the beginning."""
    return heun(model, x, sigma, sigma_next, mean=1.0)


@mutant(HEUN)
def without_the_half(model, x, sigma, sigma_next):
    """d + d′, and not their mean."""
    d = (x - model(x, sigma)) / sigma
    ahead = x + (sigma_next - sigma) * d
    if sigma_next == 0:
        return ahead
    return x + (sigma_next - sigma) * (d + (ahead - model(ahead, sigma_next)) / sigma_next)


@mutant(HEUN)
def corrected_from_the_prediction(model, x, sigma, sigma_next):
    """The mean slope is added to the predicted sample, not to the one before."""
    return heun(model, x, sigma, sigma_next) + (sigma_next - sigma) * (x - model(x, sigma)) / sigma


@mutant(HEUN, "value")
def divides_by_zero_at_the_end(model, x, sigma, sigma_next):
    """No special case at σ′ = 0: NaN in the last step."""
    d = (x - model(x, sigma)) / sigma
    ahead = x + (sigma_next - sigma) * d
    return x + (sigma_next - sigma) * (d + (ahead - model(ahead, sigma_next)) / sigma_next) / 2


@twin(HEUN)
def sample_heun(
    model, x, sigmas, extra_args=None, callback=None, disable=None, s_churn=0.0, s_tmin=0.0, s_tmax=float("inf"),
    s_noise=1.0,
):  # fmt: skip
    """As crowsonkb/k-diffusion has it."""
    extra_args = {} if extra_args is None else extra_args
    s_in = x.new_ones([x.shape[0]])
    for i in range(len(sigmas) - 1):
        sigma_hat = sigmas[i]
        denoised = model(x, sigma_hat * s_in, **extra_args)
        d = to_d(x, sigma_hat, denoised)
        dt = sigmas[i + 1] - sigma_hat
        if sigmas[i + 1] == 0:
            x = x + d * dt
        else:
            x_2 = x + d * dt
            d_2 = to_d(x_2, sigmas[i + 1], model(x_2, sigmas[i + 1] * s_in, **extra_args))
            x = x + (d + d_2) / 2 * dt
    return x


@twin(HEUN)
def with_the_time_first(denoiser, x, t_cur, t_next):
    d_cur = (x - denoiser(t_cur, x)) / t_cur
    x_next = x + (t_next - t_cur) * d_cur
    if float(t_next) > 0:
        d_prime = (x_next - denoiser(t_next, x_next)) / t_next
        x_next = x + (t_next - t_cur) * (0.5 * d_cur + 0.5 * d_prime)
    return x_next


@twin(HEUN)
def of_rows_with_ends_among_them(D, x, sigma, sigma_next):
    now, then = append_dims(sigma, x.ndim), append_dims(sigma_next, x.ndim)
    d = (x - D(x, sigma=sigma)) / now
    ahead = x + (then - now) * d
    rest = then > 0
    d_2 = torch.where(rest, (ahead - D(ahead, sigma=sigma_next)) / torch.where(rest, then, 1.0), d)
    return x + (then - now) * (d + d_2) / 2


# Ancestral.


def get_ancestral_step(sigma_from, sigma_to, eta=1.0):
    """As crowsonkb/k-diffusion has it."""
    if not eta:
        return sigma_to, 0.0
    sigma_up = min(sigma_to, eta * (sigma_to**2 * (sigma_from**2 - sigma_to**2) / sigma_from**2) ** 0.5)
    sigma_down = (sigma_to**2 - sigma_up**2) ** 0.5
    return sigma_down, sigma_up


@mutant(ANCESTRAL)
def to_the_level_itself(model, x, sigma, sigma_next, eta=1.0):
    """Euler's step goes to σ′, and noise comes on top."""
    _, up = get_ancestral_step(sigma, sigma_next, eta)
    return x + to_d(x, sigma, model(x, sigma)) * (sigma_next - sigma) + torch.randn_like(x) * up


@mutant(ANCESTRAL)
def variance_for_deviation(model, x, sigma, sigma_next, eta=1.0):
    """The noise is multiplied with σ_up²."""
    down, up = get_ancestral_step(sigma, sigma_next, eta)
    return x + to_d(x, sigma, model(x, sigma)) * (down - sigma) + torch.randn_like(x) * up**2


@mutant(ANCESTRAL)
def noise_of_the_old_level(model, x, sigma, sigma_next, eta=1.0):
    """σ exchanged with σ′ under the root, in absolute value."""
    up = (sigma**2 * abs(sigma_next**2 - sigma**2)) ** 0.5 / sigma_next
    down = (sigma_next**2 - torch.clamp(up, max=sigma_next) ** 2) ** 0.5
    return x + to_d(x, sigma, model(x, sigma)) * (down - sigma) + torch.randn_like(x) * torch.clamp(up, max=sigma_next)


@mutant(ANCESTRAL)
def noise_for_the_whole_batch(model, x, sigma, sigma_next, eta=1.0):
    """One draw for all samples."""
    down, up = get_ancestral_step(sigma, sigma_next, eta)
    return x + to_d(x, sigma, model(x, sigma)) * (down - sigma) + torch.randn_like(x[:1]) * up


@mutant(ANCESTRAL)
def uniform_noise(model, x, sigma, sigma_next, eta=1.0):
    """rand for randn."""
    down, up = get_ancestral_step(sigma, sigma_next, eta)
    return x + to_d(x, sigma, model(x, sigma)) * (down - sigma) + torch.rand_like(x) * up


@mutant(ANCESTRAL)
def deviations_subtracted(sigma_from, sigma_to, eta=1.0):
    """σ_down = σ′ − σ_up: variances add, and not deviations."""
    _, up = get_ancestral_step(sigma_from, sigma_to, eta)
    return sigma_to - up, up


@mutant("edm.ancestral_sigmas", fixed={"eta": 1.0})
def eta_outside_the_least(sigma_from, sigma_to, eta=1.0):
    """The ratio σ′/σ is not squared."""
    up = (sigma_to**2 * (sigma_from - sigma_to) / sigma_from) ** 0.5
    return (sigma_to**2 - up**2) ** 0.5, up


TWINS.append(
    Twin(name=f"{ANCESTRAL}: get_ancestral_step", make=lambda: Formula(get_ancestral_step, like=ANCESTRAL))
)  # fmt: skip


@twin(ANCESTRAL)
def step_of_k_diffusion(model, x, sigma, sigma_next, eta=1.0, s_noise=1.0):
    denoised = model(x, sigma * ones(x))
    sigma_down, sigma_up = get_ancestral_step(sigma, sigma_next, eta=eta)
    x = x + to_d(x, sigma, denoised) * (sigma_down - sigma)
    if sigma_next > 0:
        x = x + torch.randn_like(x) * s_noise * sigma_up
    return x


@mutant(ANCESTRAL, killed_by="value")
def step_without_noise_near_the_end(model, x, sigma, sigma_next, eta=1.0, s_noise=1.0):
    """The last step draws nothing, and so do those before it: the bound is on the wrong side of the last level."""
    denoised = model(x, sigma * ones(x))
    sigma_down, sigma_up = get_ancestral_step(sigma, sigma_next, eta=eta)
    x = x + to_d(x, sigma, denoised) * (sigma_down - sigma)
    if sigma_next > 0.5:
        x = x + torch.randn_like(x) * s_noise * sigma_up
    return x


@twin(ANCESTRAL)
def as_diffusers_has_it_ancestral(sample, pred_original_sample, sigma_from, sigma_to, noise):
    """As EulerAncestralDiscreteScheduler has it, the noise given."""
    sigma_up = (sigma_to**2 * (sigma_from**2 - sigma_to**2) / sigma_from**2) ** 0.5
    sigma_down = (sigma_to**2 - sigma_up**2) ** 0.5
    derivative = (sample - pred_original_sample) / sigma_from
    return sample + derivative * (sigma_down - sigma_from) + noise * sigma_up
