"""Mutants of what a network predicts: noise, data, velocity, score, and each from another."""

from __future__ import annotations

import torch

from tests.mutants.diffusion_schedules import marks
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
mutant, twin = marks(MUTANTS, TWINS)


def _at(table, t, like):
    return table[t].reshape(-1, *[1] * (like.dim() - 1))


@mutant("x0_from_eps")
def divided_by_the_level(xt, eps, ab):
    """ᾱ for its root below. Met where alpha is meant to be the root already."""
    return (xt - (1 - ab) ** 0.5 * eps) / ab


@mutant("x0_from_eps")
def noise_by_one_minus_level(xt, eps, ab):
    """1 − ᾱ for its root. Met together with q_sample's slip, so that training looks right."""
    return (xt - (1 - ab) * eps) / ab**0.5


@mutant("x0_from_eps")
def rates_of_one_step(x_t, t, noise, betas):
    """α_t for ᾱ_t. Met where the tables are not cumulated."""
    a = _at(1 - betas, t, x_t)
    return (x_t - (1 - a).sqrt() * noise) / a.sqrt()


@mutant("x0_from_eps")
def only_the_data_divided(xt, eps, ab):
    """The brackets are lost: x_t/√ᾱ − √(1 − ᾱ) ε. Met in rewrites by hand."""
    return xt / ab**0.5 - (1 - ab) ** 0.5 * eps


@mutant("x0_from_eps")
def noise_is_added(xt, eps, ab):
    """A plus for the minus. Met where the score is taken for the noise."""
    return (xt + (1 - ab) ** 0.5 * eps) / ab**0.5


@twin("x0_from_eps")
def reciprocals(x_t, t, noise, alphas_cumprod):
    """√(1/ᾱ) x − √(1/ᾱ − 1) ε, the tables of openai/guided-diffusion, by gather."""
    first, second = (_at(table, t, x_t) for table in ((1 / alphas_cumprod).sqrt(), (1 / alphas_cumprod - 1).sqrt()))
    return first * x_t - second * noise


@twin("x0_from_eps")
def both_roots(sample, model_output, sqrt_alpha_prod, sqrt_one_minus_alpha_prod):
    """By the two roots, which are given."""
    return (sample - sqrt_one_minus_alpha_prod * model_output) / sqrt_alpha_prod


@mutant("eps_from_x0")
def divided_by_the_signal(xt, x0, ab):
    """√ᾱ below. Met where x0_from_eps is copied."""
    return (xt - ab**0.5 * x0) / ab**0.5


@mutant("eps_from_x0")
def signal_not_scaled(xt, x0, ab):
    """x_0 is not multiplied by √ᾱ. Met where the variance-exploding formula is taken."""
    return (xt - x0) / (1 - ab) ** 0.5


@mutant("eps_from_x0")
def divided_by_the_variance(xt, x0, ab):
    """1 − ᾱ below: the negative score. Met where the two are confused."""
    return (xt - ab**0.5 * x0) / (1 - ab)


@mutant("eps_from_x0")
def turned(xt, x0, ab):
    """The negative. Met where the direction to the data is meant."""
    return (ab**0.5 * x0 - xt) / (1 - ab) ** 0.5


@twin("eps_from_x0")
def by_reciprocals(x_t, t, x0, alphas_cumprod):
    """(√(1/ᾱ) x_t − x_0)/√(1/ᾱ − 1), as in lucidrains/denoising-diffusion-pytorch."""
    first, second = (_at(table, t, x_t) for table in ((1 / alphas_cumprod).sqrt(), (1 / alphas_cumprod - 1).sqrt()))
    return (first * x_t - x0) / second


@twin("eps_from_x0")
def vectors(xt, x0, alpha_bar):
    """Vectors, and a level for each."""
    return torch.stack([(a - c**0.5 * b) / (1 - c) ** 0.5 for a, b, c in zip(xt, x0, alpha_bar, strict=True)])


@mutant("v_target")
def plus(x0, noise, ab):
    """A plus: that is q_sample with its roots exchanged. Met where the velocity is written from memory."""
    return ab**0.5 * noise + (1 - ab) ** 0.5 * x0


@mutant("v_target")
def negative(x0, noise, ab):
    """The velocity towards the data. Met where it is taken from flow matching."""
    return (1 - ab) ** 0.5 * x0 - ab**0.5 * noise


@mutant("v_target")
def roots_exchanged(x0, noise, alpha, sigma):
    """α x_0 and σ ε, for α ε and σ x_0. Met in a first draft of huggingface/diffusers' get_velocity."""
    return sigma * noise - alpha * x0


@mutant("v_target")
def straight(x0, noise, ab):
    """ε − x_0, of a rectified flow, with its roots left out. Met where both are called v."""
    return noise - x0 + 0 * ab


@twin("v_target")
def get_velocity(sample, noise, timesteps, alphas_cumprod):
    """As huggingface/diffusers has it: roots by ** 0.5, axes added in a loop."""
    a, s = alphas_cumprod[timesteps] ** 0.5, (1 - alphas_cumprod[timesteps]) ** 0.5
    a, s = a.flatten(), s.flatten()
    while len(a.shape) < len(sample.shape):
        a, s = a.unsqueeze(-1), s.unsqueeze(-1)
    return a * noise - s * sample


@twin("v_target")
def alpha_and_sigma(x0, eps, alpha, sigma):
    """By both roots, in the names of crowsonkb/v-diffusion-pytorch."""
    return torch.addcmul(alpha * eps, sigma, x0, value=-1)


@mutant("x0_eps_from_v")
def data_with_a_plus(xt, v, ab):
    """α x + σ v. Met in huggingface/diffusers#1421, and corrected in its review."""
    a, s = ab**0.5, (1 - ab) ** 0.5
    return a * xt + s * v, s * xt + a * v


@mutant("x0_eps_from_v")
def noise_with_a_minus(xt, v, ab):
    """σ x − α v. Met as the other half of the same slip."""
    a, s = ab**0.5, (1 - ab) ** 0.5
    return a * xt - s * v, s * xt - a * v


@mutant("x0_eps_from_v")
def results_exchanged(xt, v, ab):
    """(ε, x_0) for (x_0, ε). Met where a caller unpacks in the other order."""
    a, s = ab**0.5, (1 - ab) ** 0.5
    return s * xt + a * v, a * xt - s * v


@mutant("x0_eps_from_v")
def solved_at_x0(xt, v, ab):
    """ε = (v + σ x_t)/α, as if x_t were x_0. Asked in threestudio-project/threestudio#126."""
    a, s = ab**0.5, (1 - ab) ** 0.5
    return a * xt - s * v, (v + s * xt) / a


@twin("x0_eps_from_v")
def by_angles(xt, v, ab):
    """A rotation by the angle φ = atan2(σ, α)."""
    phi = torch.atan2((1 - ab) ** 0.5, ab**0.5)
    return torch.cos(phi) * xt - torch.sin(phi) * v, torch.sin(phi) * xt + torch.cos(phi) * v


@twin("x0_eps_from_v")
def noise_by_the_data(xt, v, ab):
    """ε from x̂_0: (x − a x̂_0)/s."""
    x = ab**0.5 * xt - (1 - ab) ** 0.5 * v
    return x, (xt - ab**0.5 * x) / (1 - ab) ** 0.5


def _prediction(out, xt, ab, kind):
    a, s = ab**0.5, (1 - ab) ** 0.5
    if kind == "epsilon":
        return (xt - s * out) / a, out
    if kind == "sample":
        return out, (xt - a * out) / s
    return a * xt - s * out, s * xt + a * out


@mutant("x0_eps_from_prediction", "value")
def noise_not_recomputed(model_output, xt, ab, prediction_type="epsilon"):
    """Of predicted data the noise is the prediction itself. Met in huggingface/diffusers#1486, fixed in #2094."""
    x, e = _prediction(model_output, xt, ab, prediction_type)
    return x, (model_output if prediction_type == "sample" else e)


@mutant("x0_eps_from_prediction")
def velocity_is_noise(model_output, xt, ab, prediction_type="epsilon"):
    """v is taken for ε. Met where a scheduler ignores prediction_type."""
    return _prediction(model_output, xt, ab, "sample" if prediction_type == "sample" else "epsilon")


@mutant("x0_eps_from_prediction", "value")
def data_of_velocity_with_a_plus(model_output, xt, ab, prediction_type="epsilon"):
    """α x + σ v. Met in huggingface/diffusers#1421."""
    x, e = _prediction(model_output, xt, ab, prediction_type)
    return (ab**0.5 * xt + (1 - ab) ** 0.5 * model_output if prediction_type == "v_prediction" else x), e


@mutant("x0_eps_from_prediction")
def not_divided(model_output, xt, ab, prediction_type="epsilon"):
    """x − s ε is not divided by a. Met where the last line is shared with v."""
    x, e = _prediction(model_output, xt, ab, prediction_type)
    return (xt - (1 - ab) ** 0.5 * model_output if prediction_type == "epsilon" else x), e


@twin("x0_eps_from_prediction")
def of_lucidrains(model_output, x_t, t, alphas_cumprod, objective="pred_v"):
    """In the words pred_noise, pred_x0, pred_v, each by way of the other."""
    ab = _at(alphas_cumprod, t, x_t)
    kind = {"pred_noise": "epsilon", "pred_x0": "sample", "pred_v": "v_prediction"}[objective]
    return _prediction(model_output, x_t, ab, kind)


@twin("x0_eps_from_prediction", fixed={"prediction_type": "sample"})
def always_data(model_output, xt, ab):
    """A network of one kind, which is said."""
    return {"x0": model_output, "eps": (xt - ab.sqrt() * model_output) / (1 - ab).sqrt()}


@mutant("score_from_eps")
def the_noise_itself(eps, ab):
    """Not divided. Met where the constant is "absorbed"."""
    return -eps * torch.ones_like(ab)


@mutant("score_from_eps")
def positive(eps, ab):
    """ε/√(1 − ᾱ): towards the noise. Met in Langevin loops that run away."""
    return eps / (1 - ab) ** 0.5


@mutant("score_from_eps")
def by_the_variance(eps, ab):
    """Divided by 1 − ᾱ. Met where ε has been multiplied by its deviation elsewhere."""
    return -eps / (1 - ab)


@mutant("score_from_eps")
def by_the_signal(eps, ab):
    """Divided by √ᾱ. Met where the two tables are confused."""
    return -eps / ab**0.5


@twin("score_from_eps")
def by_sigma(eps, t, alphas_cumprod):
    """By rsqrt, and the table of 1 − ᾱ."""
    return eps * _at(torch.rsqrt(1 - alphas_cumprod), t, eps).neg()
