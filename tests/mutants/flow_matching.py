"""Mutants and twins of flow matching: the path, its velocity, the loss."""

from __future__ import annotations

import torch
from torch import nn

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin, declaring

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
PATH, VELOCITY = "flow_matching.linear_path", "flow_matching.velocity_target"
TRANSPORT, LOSS = "flow_matching.optimal_transport_path", "flow_matching.loss"


mutant, twin = declaring(MUTANTS, TWINS)


def beside(number, x):
    return number.reshape(-1, *[1] * (x.dim() - 1))


# The path.


@mutant(PATH)
def ends_exchanged(x0, x1, t):
    """t x₀ + (1 − t) x₁, of arguments that are called x₀ and x₁."""
    s = beside(t, x0)
    return s * x0 + (1 - s) * x1


@mutant(PATH)
def with_square_roots(x0, x1, t):
    """√(1 − t) x₀ + √t x₁: a path of diffusion."""
    s = beside(t, x0)
    return (1 - s).sqrt() * x0 + s.sqrt() * x1


@mutant(PATH)
def both_with_t(x0, x1, t):
    """t x₀ + t x₁: the second share is not 1 − t."""
    return beside(t, x0) * (x0 + x1)


@mutant(PATH)
def one_time_for_the_batch(x0, x1, t):
    """The time of the first row, for all."""
    return (1 - t[:1].reshape(-1)[0]) * x0 + t.reshape(-1)[0] * x1


@mutant(PATH)
def levels_exchanged(latents, noise, sigmas):
    """σ data + (1 − σ) noise: at a high level little noise."""
    s = beside(sigmas, latents)
    return s * latents + (1 - s) * noise


@twin(PATH)
def as_esser_et_al_have_it(latents, noise, sigmas):
    """As huggingface/diffusers' training of SD3 has it: the level is the time left."""
    sigmas = sigmas.view(-1, 1, 1, 1)
    return (1.0 - sigmas) * latents + sigmas * noise


@twin(PATH)
def from_data_to_noise(actions, noise, time_expanded):
    """As sii-research/tau-0-vla has it, #7: the other direction of time."""
    return time_expanded * noise + (1 - time_expanded) * actions


@twin(PATH)
def by_lerp(x_0, x_1, t):
    return torch.lerp(x_0, x_1, t[:, None, None, None])


@twin(PATH)
def one_point(x0, x1, t: float):
    return [a + float(t) * (b - a) for a, b in zip(x0, x1, strict=True)]


# The velocity.


@mutant(VELOCITY)
def backwards(x0, x1):
    """x₀ − x₁."""
    return x0 - x1


@mutant(VELOCITY)
def the_data_itself(x0, x1, t, xt):
    """A prediction of the end."""
    return x1


@mutant(VELOCITY)
def from_the_point(x0, x1, t, xt):
    """x₁ − x_t: shrinks as t grows."""
    return x1 - xt


@mutant(VELOCITY)
def whole_noise_is_subtracted(x0, x1, sigma_min):
    """x₁ − σ_min x₀, where 1 − σ_min belongs."""
    return x1 - sigma_min * x0


@mutant("flow_matching.velocity_target_at")
def not_divided(xt, x1, t, sigma_min=0.0):
    """x₁ − (1 − σ) x, not divided by the time that is left."""
    return x1 - (1 - sigma_min) * xt


@twin(VELOCITY)
def compute_conditional_flow(x0, x1, t, xt):
    """As atong01/conditional-flow-matching has it."""
    del t, xt
    return x1 - x0


class Target:
    """As atong01/conditional-flow-matching has it: TargetConditionalFlowMatcher."""

    def __init__(self, sigma=0.0):
        self.sigma = sigma

    def compute_conditional_flow(self, x1, t, xt):
        t = t.reshape(-1, *([1] * (x1.dim() - 1)))
        return (x1 - (1 - self.sigma) * xt) / (1 - (1 - self.sigma) * t)

    def compute_mu_t(self, x0, x1, t):
        return beside(t, x0) * x1 + (1 - (1 - self.sigma) * beside(t, x0)) * x0


TWINS += [
    Twin(name=f"{VELOCITY}: Target", make=lambda: Formula(Target(0.1).compute_conditional_flow, like=VELOCITY)),
    Twin(name=f"{TRANSPORT}: Target", make=lambda: Formula(Target(0.1).compute_mu_t, like=TRANSPORT)),
]


@twin(VELOCITY)
def noise_less_data(noise, model_input):
    return noise - model_input


@twin(VELOCITY)
def with_the_least_noise(x_0, x_1, sigma_min=1e-4):
    return x_1 - (1 - sigma_min) * x_0


# Optimal transport.


@mutant(TRANSPORT)
def least_noise_throughout(x0, x1, t, sigma_min):
    """(1 − t) x₀ + t x₁ + σ_min x₀."""
    s = beside(t, x0)
    return (1 - s) * x0 + s * x1 + sigma_min * x0


@mutant(TRANSPORT)
def least_noise_is_forgotten(x0, x1, t, sigma_min):
    """(1 − t) x₀ + t x₁, whatever is asked for."""
    s = beside(t, x0)
    return (1 - s) * x0 + s * x1


@mutant(TRANSPORT)
def sign_of_the_least_noise(x0, x1, t, sigma_min):
    """1 − (1 + σ_min) t."""
    s = beside(t, x0)
    return (1 - (1 + sigma_min) * s) * x0 + s * x1


@mutant(TRANSPORT)
def data_scaled_too(x0, x1, t, sigma_min):
    """(1 − σ_min) t x₁."""
    s = (1 - sigma_min) * beside(t, x0)
    return (1 - s) * x0 + s * x1


@twin(TRANSPORT)
def as_the_field_has_it(x_1, t, noise, sigma_min=1e-5):
    t = t[..., None, None, None]
    return (1 - (1 - sigma_min) * t) * noise + t * x_1


@twin(TRANSPORT)
def with_a_constant_inside(x0, x1, t):
    return t[:, None] * x1 + (1 - (1 - 1e-4) * t[:, None]) * x0


# The loss.


@mutant(LOSS)
def velocity_of_the_way_back(model, x0, x1):
    """Regressed on x₀ − x₁."""
    t = torch.rand(len(x0), dtype=x0.dtype)
    s = beside(t, x0)
    return ((model((1 - s) * x0 + s * x1, t) - (x0 - x1)) ** 2).mean()


@mutant(LOSS)
def regressed_on_the_data(model, x0, x1):
    """x₁ for x₁ − x₀."""
    t = torch.rand(len(x0), dtype=x0.dtype)
    s = beside(t, x0)
    return ((model((1 - s) * x0 + s * x1, t) - x1) ** 2).mean()


@mutant(LOSS)
def target_of_another_sample(model, x0, x1):
    """The noise of the target is drawn again. As theislab/CellFlow#305: a target of another path."""
    t = torch.rand(len(x0), dtype=x0.dtype)
    s = beside(t, x0)
    return ((model((1 - s) * x0 + s * x1, t) - (x1 - x0.roll(1, 0))) ** 2).mean()


@mutant(LOSS)
def told_the_time_that_is_left(model, x0, x1):
    """The network is told 1 − t."""
    t = torch.rand(len(x0), dtype=x0.dtype)
    s = beside(t, x0)
    return ((model((1 - s) * x0 + s * x1, 1 - t) - (x1 - x0)) ** 2).mean()


@mutant(LOSS)
def one_time_for_all(model, x0, x1):
    """A time for the whole batch: right in the mean, and noisier."""
    t = torch.rand(1, dtype=x0.dtype)
    return ((model((1 - t) * x0 + t * x1, t.expand(len(x0))) - (x1 - x0)) ** 2).mean()


@mutant(LOSS)
def noise_that_is_uniform(model, x1):
    """rand_like for randn_like."""
    x0, t = torch.rand_like(x1), torch.rand(len(x1), dtype=x1.dtype)
    s = beside(t, x1)
    return ((model((1 - s) * x0 + s * x1, t) - (x1 - x0)) ** 2).mean()


@mutant(LOSS)
def directions_mixed(model, x1):
    """The path goes from noise to data, the target from data to noise."""
    x0, t = torch.randn_like(x1), torch.rand(len(x1), dtype=x1.dtype)
    s = beside(t, x1)
    return ((model((1 - s) * x0 + s * x1, t) - (x0 - x1)) ** 2).mean()


@mutant(LOSS, "gradient")
def velocity_detached(model, x0, x1):
    """One factor of the square is detached: half of the gradient."""
    t = torch.rand(len(x0), dtype=x0.dtype)
    s = beside(t, x0)
    gap = model((1 - s) * x0 + s * x1, t) - (x1 - x0)
    return (gap * gap.detach()).mean()


@twin(LOSS)
def rectified_flow(model, x):
    """As many have it: data to noise, with a normal draw for the time."""
    t = torch.sigmoid(torch.randn((x.size(0),), dtype=x.dtype))
    texp = t.view([x.size(0), *([1] * len(x.shape[1:]))])
    z1 = torch.randn_like(x)
    zt = (1 - texp) * x + texp * z1
    vtheta = model(zt, t)
    return ((z1 - x - vtheta) ** 2).mean(dim=list(range(1, len(x.shape)))).mean()


@twin(LOSS)
def as_torchcfm_trains(model, x0, x1):
    t = torch.rand(x0.shape[0]).type_as(x0)
    xt = beside(t, x0) * x1 + (1 - beside(t, x0)) * x0
    vt = model(torch.cat([xt, t[:, None]], dim=-1))
    return torch.mean((vt - (x1 - x0)) ** 2)


@twin(LOSS)
def from_a_thousandth_on(model_fn, batch):
    """As gnobitab/RectifiedFlow has it, without its labels."""
    z0 = torch.randn_like(batch)
    t = torch.rand(batch.shape[0], dtype=batch.dtype) * (1 - 1e-3) + 1e-3
    t_expand = t.view(-1, 1, 1, 1).repeat(1, batch.shape[1], batch.shape[2], batch.shape[3])
    perturbed_data = t_expand * batch + (1.0 - t_expand) * z0
    losses = torch.square(model_fn(perturbed_data, t) - (batch - z0))
    return torch.mean(losses.reshape(losses.shape[0], -1), dim=-1).mean()


class Matcher(nn.Module):
    """A module with the least noise in it, that is told the time first."""

    def __init__(self, velocity, sigma_min=0.0):
        super().__init__()
        self.velocity, self.sigma_min = velocity, sigma_min

    def forward(self, x1, t, x0):
        s = beside(t, x1)
        x = (1 - (1 - self.sigma_min) * s) * x0 + s * x1
        return (self.velocity(t=t, x=x) - x1 + (1 - self.sigma_min) * x0).square().flatten(1).sum(1)


TWINS.append(Twin(name=f"{LOSS}: Matcher", make=lambda: Formula(Matcher, like=LOSS)))
