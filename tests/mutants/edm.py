"""Mutants and twins of Karras et al.'s schedule, preconditioning and loss weight, in the styles of its ports."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin, declaring

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
SIGMAS, PRECONDITIONING, WEIGHT = "edm.sigmas", "edm.preconditioning", "edm.loss_weight"


mutant, twin = declaring(MUTANTS, TWINS)


def beside(number, x):
    return number.reshape(-1, *[1] * (x.dim() - 1))


# The schedule.


@mutant(SIGMAS)
def one_step_short(n, sigma_min, sigma_max, rho=7.0):
    """i/n for i/(n − 1): the lowest level is never reached. Met as arange(n)/n."""
    ramp = torch.arange(n) / n
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return torch.cat([(high + ramp * (low - high)) ** rho, torch.zeros(1)])


@mutant(SIGMAS)
def from_the_lowest_up(n, sigma_min, sigma_max, rho=7.0):
    """The ends exchanged: a sampler would begin at the data."""
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return torch.cat([(low + torch.linspace(0, 1, n) * (high - low)) ** rho, torch.zeros(1)])


@mutant(SIGMAS)
def powers_exchanged(num_steps, sigma_min, sigma_max, rho=7.0):
    """ρ and 1/ρ exchanged."""
    low, high = sigma_min**rho, sigma_max**rho
    return torch.cat([(high + torch.linspace(0, 1, num_steps) * (low - high)) ** (1 / rho), torch.zeros(1)])


@mutant(SIGMAS)
def the_last_level_twice(n, sigma_min, sigma_max, rho=7.0):
    """The lowest level again for the zero: huggingface/diffusers#6477, DPM-Solver's last step is of width zero."""
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    found = (high + torch.linspace(0, 1, n) * (low - high)) ** rho
    return torch.cat([found, found[-1:]])


@mutant(SIGMAS)
def rho_is_ignored(n, sigma_min, sigma_max, rho=7.0):
    """Seven inside, whatever is asked for."""
    low, high = sigma_min ** (1 / 7), sigma_max ** (1 / 7)
    return torch.cat([(high + torch.linspace(0, 1, n) * (low - high)) ** 7, torch.zeros(1)])


@twin(SIGMAS)
def get_sigmas_karras(n, sigma_min, sigma_max, rho=7.0, device="cpu"):
    """As crowsonkb/k-diffusion has it; in float32."""
    ramp = torch.linspace(0, 1, n, device=device)
    min_inv_rho = sigma_min ** (1 / rho)
    max_inv_rho = sigma_max ** (1 / rho)
    sigmas = (max_inv_rho + ramp * (min_inv_rho - max_inv_rho)) ** rho
    return torch.cat([sigmas, sigmas.new_zeros([1])]).to(device)


@twin(SIGMAS)
def as_nvlabs_has_it(num_steps=18, sigma_min=0.002, sigma_max=80, rho=7):
    steps = torch.arange(num_steps, dtype=torch.float64)
    t_steps = (
        sigma_max ** (1 / rho) + steps / (num_steps - 1) * (sigma_min ** (1 / rho) - sigma_max ** (1 / rho))
    ) ** rho
    return torch.cat([t_steps, torch.zeros_like(t_steps[:1])])


@twin(SIGMAS)
def by_numpy_without_the_zero(num_inference_steps, sigma_min, sigma_max):
    """As huggingface/diffusers' schedulers convert, before they append the end."""
    rho = 7.0
    ramp = np.linspace(0, 1, num_inference_steps)
    return (sigma_max ** (1 / rho) + ramp * (sigma_min ** (1 / rho) - sigma_max ** (1 / rho))) ** rho


@twin(SIGMAS)
def as_a_list(N, sigma_min, sigma_max, rho):
    roots = [sigma_max ** (1 / rho) + i * (sigma_min ** (1 / rho) - sigma_max ** (1 / rho)) / (N - 1) for i in range(N)]
    return [torch.tensor(root**rho, dtype=torch.float64) for root in roots] + [torch.tensor(0.0, dtype=torch.float64)]


@twin(SIGMAS)
def level_of_a_step(i, n, sigma_min, sigma_max, rho=7.0):
    return (sigma_max ** (1 / rho) + i / (n - 1) * (sigma_min ** (1 / rho) - sigma_max ** (1 / rho))) ** rho


# The preconditioning.


class Preconditioned(nn.Module):
    """Scalings that subclasses get wrong, one each."""

    def __init__(self, model, sigma_data=0.5):
        super().__init__()
        self.model = model
        self.sigma_data = sigma_data

    def scalings(self, sigma):
        total = sigma**2 + self.sigma_data**2
        return self.sigma_data**2 / total, sigma * self.sigma_data / total.sqrt(), 1 / total.sqrt()

    def noise(self, sigma):
        return sigma.log() / 4

    def forward(self, x, sigma):
        sigma = beside(sigma, x)
        c_skip, c_out, c_in = self.scalings(sigma)
        return c_skip * x + c_out * self.model(c_in * x, self.noise(sigma).flatten())


@mutant(PRECONDITIONING)
class SkipAndOutExchanged(Preconditioned):
    """c_skip multiplies the network, and c_out the sample."""

    def scalings(self, sigma):
        c_skip, c_out, c_in = super().scalings(sigma)
        return c_out, c_skip, c_in


@mutant(PRECONDITIONING)
class OutWithoutItsRoot(Preconditioned):
    """σ σ_d/(σ² + σ_d²)."""

    def scalings(self, sigma):
        c_skip, c_out, c_in = super().scalings(sigma)
        return c_skip, c_out * c_in, c_in


@mutant(PRECONDITIONING)
class InputNotScaled(Preconditioned):
    """c_in is computed, and not used: the network is given x itself."""

    def forward(self, x, sigma):
        sigma = beside(sigma, x)
        c_skip, c_out, _ = self.scalings(sigma)
        return c_skip * x + c_out * self.model(x, self.noise(sigma).flatten())


@mutant(PRECONDITIONING)
class LogarithmNotQuartered(Preconditioned):
    """ln σ, without the quarter."""

    def noise(self, sigma):
        return sigma.log()


@mutant(PRECONDITIONING)
class DataOfVarianceHalf(Preconditioned):
    """σ_d where σ_d² belongs: right at σ_d = 1. Met in copies of the default 0.5."""

    def scalings(self, sigma):
        total = sigma**2 + self.sigma_data
        return self.sigma_data / total, sigma * self.sigma_data**0.5 / total.sqrt(), 1 / total.sqrt()


@mutant(PRECONDITIONING)
class OfUnitData(Preconditioned):
    """σ_d = 1 inside, whatever is asked for: huggingface/diffusers#9563."""

    def scalings(self, sigma):
        total = sigma**2 + 1
        return 1 / total, sigma / total.sqrt(), 1 / total.sqrt()


@mutant("edm.preconditioning_scalings", arguments={"sigma": "sigma", "sigma_data": "data"})
def skip_with_the_noise_above(sigma, sigma_data=0.5):
    """c_skip = σ²/(σ² + σ_d²): the share of the noise is kept."""
    total = sigma**2 + sigma_data**2
    return sigma**2 / total, sigma * sigma_data / total.sqrt(), 1 / total.sqrt()


@twin(PRECONDITIONING)
class EDMPrecond(Preconditioned):
    """As NVlabs/edm has it, with its labels left out."""

    def forward(self, x, sigma, class_labels=None, force_fp32=False, **model_kwargs):
        sigma = sigma.reshape(-1, *[1] * (x.dim() - 1))
        c_skip = self.sigma_data**2 / (sigma**2 + self.sigma_data**2)
        c_out = sigma * self.sigma_data / (sigma**2 + self.sigma_data**2).sqrt()
        c_in = 1 / (self.sigma_data**2 + sigma**2).sqrt()
        F_x = self.model((c_in * x), (sigma.log() / 4).flatten(), class_labels=class_labels, **model_kwargs)
        return c_skip * x + c_out * F_x


@twin(PRECONDITIONING)
class Denoiser(nn.Module):
    """As crowsonkb/k-diffusion has it: the network takes the logarithm of σ itself."""

    def __init__(self, inner_model, sigma_data=1.0):
        super().__init__()
        self.inner_model = inner_model
        self.sigma_data = sigma_data

    def get_scalings(self, sigma):
        c_skip = self.sigma_data**2 / (sigma**2 + self.sigma_data**2)
        c_out = sigma * self.sigma_data / (sigma**2 + self.sigma_data**2) ** 0.5
        c_in = 1 / (sigma**2 + self.sigma_data**2) ** 0.5
        return c_skip, c_out, c_in

    def forward(self, input, sigma, **kwargs):
        c_skip, c_out, c_in = [one[(...,) + (None,) * (input.ndim - one.ndim)] for one in self.get_scalings(sigma)]
        return self.inner_model(input * c_in, sigma, **kwargs) * c_out + input * c_skip


class WithBuffers(nn.Module):
    """σ_d is a buffer of another name, and numbers come as a dictionary."""

    def __init__(self):
        super().__init__()
        self.register_buffer("spread", torch.tensor(0.5, dtype=torch.float64))

    def forward(self, sigma):
        total = torch.hypot(sigma, self.spread.to(sigma))
        share = self.spread / total
        return {"c_in": 1 / total, "c_noise": sigma.log() / 4, "c_out": sigma * share, "c_skip": share**2}


TWINS.append(Twin(name=f"{PRECONDITIONING}: WithBuffers", make=lambda: Formula(WithBuffers(), like=PRECONDITIONING)))
TWINS.append(
    Twin(
        name=f"{PRECONDITIONING}: get_scalings",
        make=lambda: Formula(Denoiser(None).get_scalings, like=PRECONDITIONING),
    )
)  # fmt: skip


@twin(PRECONDITIONING)
def precondition_outputs(sample, model_output, sigma, sigma_data=0.5):
    """As huggingface/diffusers' EDM schedulers have it."""
    c_skip = sigma_data**2 / (sigma**2 + sigma_data**2)
    c_out = sigma * sigma_data / (sigma**2 + sigma_data**2) ** 0.5
    return c_skip * sample + c_out * model_output


@twin(PRECONDITIONING)
def precondition_inputs(sample, sigma, sigma_data=0.5):
    return sample * (1 / ((sigma**2 + sigma_data**2) ** 0.5))


# The weight.


@mutant(WEIGHT)
def as_alphafold_prints_it(sigma, sigma_data=0.5):
    """(σ + σ_d)² for (σ σ_d)²: lucidrains/alphafold3-pytorch#68."""
    return (sigma**2 + sigma_data**2) * (sigma + sigma_data) ** -2


@mutant(WEIGHT)
def square_of_sigma_alone(sigma, sigma_data=0.5):
    """σ σ_d²: the square is on σ_d alone."""
    return (sigma**2 + sigma_data**2) / (sigma * sigma_data**2)


@mutant(WEIGHT)
def its_inverse(sigma, sigma_data=0.5):
    """c_out²: the noisiest levels dominate."""
    return (sigma * sigma_data) ** 2 / (sigma**2 + sigma_data**2)


@mutant(WEIGHT)
def of_another_sigma_data(sigma, sigma_data=0.5):
    """0.5 inside, whatever is asked for: NVIDIA/physicsnemo#1534, a preconditioner that ignores the setting."""
    return (sigma**2 + 0.25) / (sigma * 0.5) ** 2


@twin(WEIGHT)
def as_one_over_c_out_squared(sigma, sigma_data=0.5):
    c_out = sigma * sigma_data / torch.sqrt(sigma**2 + sigma_data**2)
    return 1 / c_out**2


@twin(WEIGHT)
def of_levels_beside_images(padded_sigmas, sigma_data=0.5):
    padded_sigmas = padded_sigmas[:, None, None, None]
    return (padded_sigmas**2 + sigma_data**2) / (padded_sigmas * sigma_data) ** 2


@twin(SIGMAS)
def with_constants_inside(n_steps, device="cpu"):
    i = torch.arange(n_steps, device=device)
    return (80 ** (1 / 7) + i / (n_steps - 1) * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
