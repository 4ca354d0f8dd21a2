"""Mutants and twins of score matching, Tweedie's formula and Langevin's step."""

from __future__ import annotations

import torch
from torch import autograd, nn

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin, declaring

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
DENOISING, SLICED = "score.denoising_matching", "score.sliced_matching"
TWEEDIE, LANGEVIN = "score.tweedie", "score.langevin_step"


mutant, twin = declaring(MUTANTS, TWINS)


def beside(number, x):
    return number.view(-1, *[1] * (x.dim() - 1))


# Denoising.


@mutant(DENOISING)
def over_sigma_cubed(score_net, x, sigma):
    """−ε/σ²: σ² for σ."""
    s, eps = beside(sigma, x), torch.randn_like(x)
    return 0.5 * ((score_net(x + s * eps, sigma) + eps / s**2) ** 2).flatten(1).sum(1).mean()


@mutant(DENOISING)
def towards_the_noise(score_net, x, sigma):
    """The target without its minus: the score points away from the data."""
    s, eps = beside(sigma, x), torch.randn_like(x)
    return 0.5 * ((score_net(x + s * eps, sigma) - eps / s) ** 2).flatten(1).sum(1).mean()


@mutant(DENOISING)
def the_noise_is_the_target(score_net, x, sigma):
    """s + ε: not divided by σ."""
    s, eps = beside(sigma, x), torch.randn_like(x)
    return ((score_net(x + s * eps, sigma) + eps) ** 2).flatten(1).sum(1).mean()


@mutant(DENOISING)
def noise_of_the_variance(score_net, x, sigma):
    """x + σ² ε, with the target of x + σ ε."""
    s, eps = beside(sigma, x), torch.randn_like(x)
    return 0.5 * ((score_net(x + s**2 * eps, sigma) + eps / s) ** 2).flatten(1).sum(1).mean()


@mutant(DENOISING)
def of_the_clean_sample(score_net, x, sigma):
    """The network sees the sample without its noise."""
    s, eps = beside(sigma, x), torch.randn_like(x)
    return 0.5 * ((score_net(x, sigma) + eps / s) ** 2).flatten(1).sum(1).mean()


@mutant(DENOISING)
def weighted_by_the_deviation(score_net, x, sigma):
    """λ = σ, where σ² makes levels weigh the same."""
    s, eps = beside(sigma, x), torch.randn_like(x)
    return 0.5 * (s * (score_net(x + s * eps, sigma) + eps / s) ** 2).flatten(1).sum(1).mean()


@mutant(DENOISING, "gradient")
def score_detached(score_net, x, sigma):
    """The score is detached on one side of the square."""
    s, eps = beside(sigma, x), torch.randn_like(x)
    residual = score_net(x + s * eps, sigma) + eps / s
    return 0.5 * (residual.detach() * residual).flatten(1).sum(1).mean()


@twin(DENOISING)
def anneal_dsm_score_estimation(scorenet, samples, used_sigmas, anneal_power=2.0):
    """As ermongroup/ncsn has it, its levels given in place of their labels."""
    used_sigmas = used_sigmas.view(samples.shape[0], *([1] * len(samples.shape[1:])))
    perturbed_samples = samples + torch.randn_like(samples) * used_sigmas
    target = -1 / (used_sigmas**2) * (perturbed_samples - samples)
    scores = scorenet(perturbed_samples, used_sigmas.flatten())
    target = target.view(target.shape[0], -1)
    scores = scores.view(scores.shape[0], -1)
    loss = 1 / 2.0 * ((scores - target) ** 2).sum(dim=-1) * used_sigmas.squeeze() ** anneal_power
    return loss.mean(dim=0)


@twin(DENOISING)
def loss_fn(model, x, std):
    """As the tutorial beside Song et al. 2021 has it."""
    z = torch.randn_like(x)
    perturbed_x = x + z * std[:, None, None, None]
    score = model(perturbed_x, std)
    return torch.mean(torch.sum((score * std[:, None, None, None] + z) ** 2, dim=(1, 2, 3)))


@twin(DENOISING)
def with_the_noise_given(score, x, sigma, noise):
    s = beside(sigma, x)
    return 0.5 * (score(x + s * noise, sigma) + noise / s).square().sum(1)


@twin(DENOISING)
def of_one_level_and_no_condition(scorenet, samples, sigma=0.5):
    """As ermongroup/ncsn has it: dsm_score_estimation."""
    perturbed_samples = samples + torch.randn_like(samples) * sigma
    target = -1 / (sigma**2) * (perturbed_samples - samples)
    scores = scorenet(perturbed_samples)
    target = target.view(target.shape[0], -1)
    scores = scores.view(scores.shape[0], -1)
    return 1 / 2.0 * ((scores - target) ** 2).sum(dim=-1).mean(dim=0)


@twin(DENOISING)
def as_a_squared_error(score_fn, x0, sigma):
    s = beside(sigma, x0)
    x = torch.normal(x0, s.expand_as(x0))
    return nn.functional.mse_loss(s * score_fn(x, sigma), (x0 - x) / s)


# Sliced.


def along(score, x, v):
    x = x.detach().requires_grad_()
    s = (score(x) * v).flatten(1).sum(1)
    (slope,) = autograd.grad(s.sum(), x, create_graph=True)
    return (slope * v).flatten(1).sum(1), s


@mutant(SLICED)
def without_the_half(score, x):
    """(vᵀs)², without ½."""
    trace, s = along(score, x, torch.randn_like(x))
    return (trace + s**2).mean()


@mutant(SLICED)
def trace_subtracted(score, x):
    """½ (vᵀs)² − vᵀ∇s v."""
    trace, s = along(score, x, torch.randn_like(x))
    return (0.5 * s**2 - trace).mean()


@mutant(SLICED)
def slope_not_projected_again(score, x):
    """The sum of vᵀ∇s, and not its product with v."""
    v = torch.randn_like(x)
    x = x.detach().requires_grad_()
    s = (score(x) * v).flatten(1).sum(1)
    (slope,) = autograd.grad(s.sum(), x, create_graph=True)
    return (slope.flatten(1).sum(1) + 0.5 * s**2).mean()


@mutant(SLICED)
def one_direction_for_the_batch(score, x):
    """One v for all samples: its mean is right, and it wastes the batch."""
    trace, s = along(score, x, torch.randn_like(x[:1]).expand_as(x))
    return (trace + 0.5 * s**2).mean()


@mutant(SLICED)
def direction_of_a_cube(score, x):
    """Uniform in [0, 1): E vvᵀ is not the identity."""
    trace, s = along(score, x, torch.rand_like(x))
    return (trace + 0.5 * s**2).mean()


@mutant(SLICED)
def of_unit_length(score, x):
    """v on the unit sphere: E vvᵀ = I/d."""
    v = torch.randn_like(x)
    trace, s = along(score, x, v / v.flatten(1).norm(dim=1).view(-1, *[1] * (x.dim() - 1)))
    return (trace + 0.5 * s**2).mean()


@mutant(SLICED, "gradient")
def without_a_graph(score, x):
    """create_graph is missing: nothing is learnt from the trace."""
    v = torch.randn_like(x)
    x = x.detach().requires_grad_()
    s = (score(x) * v).flatten(1).sum(1)
    (slope,) = autograd.grad(s.sum(), x, retain_graph=True)
    return ((slope * v).flatten(1).sum(1) + 0.5 * s**2).mean()


@mutant(SLICED)
def energy_for_its_slope(energy_net, x):
    """s = +∇E, where −∇E belongs."""
    v = torch.randn_like(x)
    x = x.detach().requires_grad_()
    (score,) = autograd.grad(energy_net(x).sum(), x, create_graph=True)
    s = (score * v).sum(1)
    (slope,) = autograd.grad(s.sum(), x, create_graph=True)
    return ((slope * v).sum(1) + 0.5 * s**2).mean()


@twin(SLICED)
def sliced_score_estimation_vr(score_net, samples, n_particles=1):
    """As ermongroup/ncsn has it."""
    dup_samples = samples.unsqueeze(0).expand(n_particles, *samples.shape).contiguous().view(-1, *samples.shape[1:])
    dup_samples = dup_samples.detach().requires_grad_(True)
    vectors = torch.randn_like(dup_samples)
    grad1 = score_net(dup_samples)
    gradv = torch.sum(grad1 * vectors)
    grad2 = autograd.grad(gradv, dup_samples, create_graph=True)[0]
    grad1 = grad1.view(dup_samples.shape[0], -1)
    loss1 = torch.sum(grad1 * grad1, dim=-1) / 2.0
    loss2 = torch.sum((vectors * grad2).view(dup_samples.shape[0], -1), dim=-1)
    loss1 = loss1.view(n_particles, -1).mean(dim=0)
    loss2 = loss2.view(n_particles, -1).mean(dim=0)
    loss = loss1 + loss2
    return loss.mean(), loss1.mean(), loss2.mean()


@twin(SLICED)
def sliced_score_matching(energy_net, samples):
    """As ermongroup/sliced_score_matching has it, of one particle."""
    samples = samples.detach().requires_grad_(True)
    vectors = torch.randn_like(samples)
    logp = -energy_net(samples).sum()
    grad1 = autograd.grad(logp, samples, create_graph=True)[0]
    loss1 = torch.sum(grad1 * vectors, dim=-1) ** 2 * 0.5
    grad2 = autograd.grad(torch.sum(grad1 * vectors), samples, create_graph=True)[0]
    return (loss1 + torch.sum(vectors * grad2, dim=-1)).mean()


@twin(SLICED)
def with_signs_in_forward_order(score_fn, x):
    v = torch.randint(0, 2, x.shape).to(x.dtype) * 2 - 1
    value, slope = torch.func.jvp(score_fn, (x,), (v,))
    return (slope * v).flatten(1).sum(1) + 0.5 * (value * v).flatten(1).sum(1) ** 2


# Tweedie.


@mutant(TWEEDIE)
def deviation_for_variance(x, score, sigma):
    """x + σ s."""
    return x + beside(sigma, x) * score


@mutant(TWEEDIE)
def away_from_the_data(x, score, sigma):
    """x − σ² s."""
    return x - beside(sigma, x) ** 2 * score


@mutant(TWEEDIE)
def variance_squared_again(x, score, var):
    """σ⁴ for σ²: a variance is taken for a deviation."""
    return x + beside(var, x) ** 2 * score


@mutant(TWEEDIE)
def root_of_alpha_bar_forgotten(x_t, score, alpha_bar):
    """Divided by ᾱ, not √ᾱ."""
    a = beside(alpha_bar, x_t)
    return (x_t + (1 - a) * score) / a


@mutant(TWEEDIE)
def only_the_score_is_scaled(x_t, score, sigma_t, alpha_t):
    """x + σ² s/α: the sample is not divided."""
    return x_t + beside(sigma_t, x_t) ** 2 * score / beside(alpha_t, x_t)


@twin(TWEEDIE)
def of_a_logarithm(x, score, log_var):
    return torch.addcmul(x, beside(log_var, x).exp(), score)


@twin(TWEEDIE)
def as_dps_has_it(x_t, score, alpha_bar):
    a = beside(alpha_bar, x_t)
    return (x_t + (1 - a) * score) / a.sqrt()


@twin(TWEEDIE)
def denoise(score_fn, x, sigma):
    return x + score_fn(x, sigma) * sigma[:, None, None, None] ** 2


@twin(TWEEDIE)
def of_one_variance(x, s, variance):
    return x + variance * s


# Langevin.


@mutant(LANGEVIN)
def noise_without_its_root(score, x, step_size):
    """ε z for √ε z."""
    return x + step_size / 2 * score(x) + step_size * torch.randn_like(x)


@mutant(LANGEVIN)
def without_the_half_of_the_drift(score, x, step_size):
    """ε s with √ε z: at half of the temperature."""
    return x + step_size * score(x) + step_size**0.5 * torch.randn_like(x)


@mutant(LANGEVIN)
def down_the_density(score, x, step_size):
    """x − ε/2 s."""
    return x - step_size / 2 * score(x) + step_size**0.5 * torch.randn_like(x)


@mutant(LANGEVIN)
def without_noise(score, x, step_size):
    """An ascent to the mode."""
    return x + step_size / 2 * score(x)


@mutant(LANGEVIN)
def uniform_noise(score, x, step_size):
    """rand for randn."""
    return x + step_size / 2 * score(x) + step_size**0.5 * torch.rand_like(x)


@twin(LANGEVIN)
def as_ncsn_has_it(x, scorenet, step_size, labels):
    noise = torch.randn_like(x) * torch.sqrt(step_size * 2)
    return x + step_size * scorenet(x, labels) + noise


@twin(LANGEVIN)
def as_welling_and_teh_write(x, grad_log_p, eps):
    return x + eps / 2 * grad_log_p + torch.sqrt(eps) * torch.randn_like(x)


class Sampler:
    """A method, with a step of its own, that returns the sample and its mean."""

    step_size = 0.25

    def update(self, score_fn, x):
        mean = x + self.step_size * score_fn(x)
        return mean + (2 * self.step_size) ** 0.5 * torch.randn_like(x), mean


TWINS.append(Twin(name=f"{LANGEVIN}: method", make=lambda: Formula(Sampler().update, like=LANGEVIN)))


@twin(LANGEVIN)
def with_a_step_of_its_own_in_float32(x, score_fn, step_size=0.01):
    return x + 0.5 * step_size * score_fn(x) + step_size**0.5 * torch.randn(x.shape)
