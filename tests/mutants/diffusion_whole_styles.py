"""Correct diffusion processes in other styles: where tables live, how steps count, who draws, which dtype."""

from __future__ import annotations

import warnings
from types import ModuleType, SimpleNamespace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genverify.reference.diffusion.whole_process import WholeProcess
from genverify.subjects.diffusion_process import DiffusionProcess
from tests.mutants.diffusion_whole_twins import Unet
from tests.mutants.mutant import Twin

TWINS: list[Twin] = []
MUTANTS: list[Any] = []


def twin(**declared: Any) -> Any:
    """Declares what a function makes."""

    def declare(make: Any) -> Any:
        TWINS.append(Twin(name=f"diffusion: {make.__name__}", make=lambda: DiffusionProcess(make(), **declared)))
        return make

    return declare


class Padded:
    """Steps from 1 to T: tables have the data in front, β_0 = 0 and ᾱ_0 = 1."""

    def __init__(self, steps: int = 12) -> None:
        self.T = steps
        self.beta = torch.cat([torch.zeros(1, dtype=torch.float64), torch.linspace(0.01, 0.3, steps).double()])
        self.alpha = 1 - self.beta
        self.alpha_bar = self.alpha.cumprod(0)
        self.beta_tilde = torch.zeros_like(self.beta)
        self.beta_tilde[1:] = self.beta[1:] * (1 - self.alpha_bar[:-1]) / (1 - self.alpha_bar[1:])

    def q_sample(self, x0: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        ab = self.alpha_bar[t].view(-1, *[1] * (x0.dim() - 1))
        return ab.sqrt() * x0 + (1 - ab).sqrt() * eps

    def p_sample(self, model: Any, x_t: Tensor, t: int) -> Tensor:
        eps = model(x_t, torch.full((len(x_t),), t))
        mean = (x_t - self.beta[t] / (1 - self.alpha_bar[t]).sqrt() * eps) / self.alpha[t].sqrt()
        return mean if t == 1 else mean + self.beta_tilde[t].sqrt() * torch.randn_like(x_t)

    def sample(self, model: Any, shape: Any) -> Tensor:
        x = torch.randn(shape, dtype=torch.float64)
        for t in range(self.T, 0, -1):
            x = self.p_sample(model, x, t)
        return x


@twin()
def padded_tables_and_steps_from_one() -> Any:
    return Padded()


class FromOne:
    """Steps from 1 to T over tables that begin with the first: place t − 1 is read."""

    def __init__(self) -> None:
        self.betas = torch.linspace(0.01, 0.3, 10, dtype=torch.float64)
        self.alphas_bar = torch.cumprod(1 - self.betas, 0)

    def forward_process(self, x0: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        eps = torch.randn_like(x0)
        ab = self.alphas_bar[t - 1].reshape(-1, *[1] * (x0.dim() - 1))
        return ab.sqrt() * x0 + (1 - ab).sqrt() * eps, eps

    def reverse_step(self, x_t: Tensor, t: int, eps_theta: Tensor) -> Tensor:
        ab, beta = self.alphas_bar[t - 1], self.betas[t - 1]
        mean = (x_t - beta / (1 - ab).sqrt() * eps_theta) / (1 - beta).sqrt()
        return mean + beta.sqrt() * torch.randn_like(x_t) if t > 1 else mean


@twin(first_step=1, variance="large")
def steps_from_one_with_the_prediction_as_an_argument() -> Any:
    return FromOne()


class Denoise:
    """labml.ai: `eps_model`, a mean and a variance, σ² = β, and noise wherever t > 0."""

    def __init__(self, eps_model: nn.Module, n_steps: int) -> None:
        self.eps_model, self.n_steps = eps_model, n_steps
        self.beta = torch.linspace(0.004, 0.2, n_steps)
        self.alpha = 1.0 - self.beta
        self.alpha_bar = torch.cumprod(self.alpha, dim=0)
        self.sigma2 = self.beta

    def q_xt_x0(self, x0: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        ab = self.alpha_bar.gather(-1, t).reshape(-1, 1, 1, 1)
        return ab**0.5 * x0, 1 - ab

    def q_sample(self, x0: Tensor, t: Tensor, eps: Tensor | None = None) -> Tensor:
        eps = torch.randn_like(x0) if eps is None else eps
        mean, var = self.q_xt_x0(x0, t)
        return mean + (var**0.5) * eps

    def p_sample(self, xt: Tensor, t: Tensor) -> Tensor:
        eps_theta = self.eps_model(xt, t)
        alpha_bar = self.alpha_bar.gather(-1, t).reshape(-1, 1, 1, 1)
        alpha = self.alpha.gather(-1, t).reshape(-1, 1, 1, 1)
        mean = 1 / (alpha**0.5) * (xt - (1 - alpha) / (1 - alpha_bar) ** 0.5 * eps_theta)
        var = self.sigma2.gather(-1, t).reshape(-1, 1, 1, 1)
        eps = torch.randn(xt.shape, device=xt.device)
        return mean + (var**0.5) * eps * (t > 0).reshape(-1, 1, 1, 1)

    def loss(self, x0: Tensor, noise: Tensor | None = None) -> Tensor:
        t = torch.randint(0, self.n_steps, (x0.shape[0],), device=x0.device, dtype=torch.long)
        noise = torch.randn_like(x0) if noise is None else noise
        return F.mse_loss(noise, self.eps_model(self.q_sample(x0, t, eps=noise), t))


@twin()
def labml() -> Any:
    return Denoise(Unet(), 15)


def closed_over() -> dict[str, Any]:
    """Functions over a schedule that nobody keeps in an object."""
    betas = torch.linspace(0.01, 0.5, 8, dtype=torch.float64)
    ab = torch.cumprod(1 - betas, 0)

    def q_sample(x_0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        at = ab[t].reshape(-1, *[1] * (x_0.dim() - 1))
        return torch.sqrt(at) * x_0 + torch.sqrt(1 - at) * noise

    def ddim_step(x_t: Tensor, t: int, t_prev: int, eps: Tensor, eta: float = 0.0) -> Tensor:
        now, then = ab[t], ab[t_prev] if t_prev >= 0 else torch.ones(())
        x_0 = (x_t - torch.sqrt(1 - now) * eps) / torch.sqrt(now)
        sigma = eta * torch.sqrt((1 - then) / (1 - now) * (1 - now / then))
        return torch.sqrt(then) * x_0 + torch.sqrt(1 - then - sigma**2) * eps + sigma * torch.randn_like(x_t)

    return {"betas": betas, "q_sample": q_sample, "ddim_step": ddim_step}


TWINS.append(Twin(name="diffusion: a mapping of closures", make=lambda: DiffusionProcess(closed_over(), eta=0.5)))
TWINS.append(Twin(
    name="diffusion: functions by role",
    make=lambda: DiffusionProcess(SimpleNamespace(), roles={
        "betas": closed_over()["betas"], "q_sample": closed_over()["q_sample"], "ddim_step": closed_over()["ddim_step"],
    }),
))  # fmt: skip


class LogSnr:
    """A schedule by its log-SNR, and the velocity."""

    def __init__(self) -> None:
        self.log_snr = torch.linspace(6.0, -6.0, 14, dtype=torch.float64)

    def _at(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        snr = self.log_snr[t].reshape(-1, *[1] * (like.dim() - 1))
        return snr.sigmoid().sqrt(), (-snr).sigmoid().sqrt()

    def diffuse(self, x: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        alpha, sigma = self._at(t, x)
        return x * alpha + noise * sigma

    def predict_x0_from_v(self, z: Tensor, t: Tensor, v: Tensor) -> Tensor:
        alpha, sigma = self._at(t, z)
        return alpha * z - sigma * v

    def predict_eps_from_v(self, z: Tensor, t: Tensor, v: Tensor) -> Tensor:
        alpha, sigma = self._at(t, z)
        return sigma * z + alpha * v


@twin()
def log_snr() -> Any:
    return LogSnr()


class Scripted(nn.Module):
    """A scripted module: its schedule in buffers, nothing that can be replaced."""

    def __init__(self) -> None:
        super().__init__()
        betas = torch.linspace(0.01, 0.4, 9, dtype=torch.float64)
        self.register_buffer("betas", betas)
        self.register_buffer("alphas_cumprod", torch.cumprod(1.0 - betas, 0))

    @torch.jit.export
    def q_sample(self, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        a = self.alphas_cumprod[t].view(-1, 1, 1, 1)
        return torch.sqrt(a) * x_start + torch.sqrt(1.0 - a) * noise

    @torch.jit.export
    def predict_start_from_noise(self, x_t: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        a = self.alphas_cumprod[t].view(-1, 1, 1, 1)
        return (x_t - torch.sqrt(1.0 - a) * noise) / torch.sqrt(a)

    def forward(self, x: Tensor) -> Tensor:
        return x


@twin()
def scripted() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(Scripted())


class Halved(nn.Module):
    """A schedule in float16, as a module that was cast whole."""

    def __init__(self) -> None:
        super().__init__()
        betas = torch.linspace(0.05, 0.5, 6)
        self.register_buffer("betas", betas)
        self.register_buffer("alphas_cumprod", torch.cumprod(1 - betas, 0))

    def q_sample(self, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        a = self.alphas_cumprod[t].view(-1, *[1] * (x_start.dim() - 1))
        return a.sqrt() * x_start + (1 - a).sqrt() * noise


@twin()
def in_float16() -> Any:
    return Halved().half()


@twin(first_step=0)
def a_single_step() -> Any:
    return WholeProcess(torch.tensor([0.3], dtype=torch.float64))


class FloatTables:
    """Everything in float32, a thousand steps of a straight line."""

    def __init__(self, noise_steps: int = 1000) -> None:
        self.noise_steps = noise_steps
        self.beta = torch.linspace(1e-4, 0.02, noise_steps)
        self.alpha = 1.0 - self.beta
        self.alpha_hat = torch.cumprod(self.alpha, dim=0)

    def noise_images(self, x: Tensor, t: Tensor) -> tuple[Tensor, Tensor]:
        sqrt_alpha_hat = torch.sqrt(self.alpha_hat[t])[:, None, None, None]
        sqrt_one_minus_alpha_hat = torch.sqrt(1 - self.alpha_hat[t])[:, None, None, None]
        noise = torch.randn_like(x)
        return sqrt_alpha_hat * x + sqrt_one_minus_alpha_hat * noise, noise

    def sample(self, model: Any, n: int) -> Tensor:
        x = torch.randn((n, 1, 2, 2))
        for i in reversed(range(1, self.noise_steps)):
            t = (torch.ones(n) * i).long()
            predicted_noise = model(x, t)
            alpha, alpha_hat = self.alpha[t][:, None, None, None], self.alpha_hat[t][:, None, None, None]
            beta = self.beta[t][:, None, None, None]
            noise = torch.randn_like(x) if i > 1 else torch.zeros_like(x)
            mean = 1 / torch.sqrt(alpha) * (x - ((1 - alpha) / (torch.sqrt(1 - alpha_hat))) * predicted_noise)
            x = mean + torch.sqrt(beta) * noise
        return x


TWINS.append(Twin(
    name="diffusion: float32 throughout",
    make=lambda: DiffusionProcess({"beta": FloatTables().beta, "alpha": FloatTables().alpha,
                                   "alpha_hat": FloatTables().alpha_hat, "noise_images": FloatTables().noise_images}),
))  # fmt: skip


def annotated() -> dict[str, Any]:
    """The annotated diffusion model: functions of a module, a step as a tensor and as a number beside it."""
    betas = torch.linspace(0.003, 0.3, 10)
    alphas = 1.0 - betas
    alphas_cumprod = torch.cumprod(alphas, axis=0)
    alphas_cumprod_prev = F.pad(alphas_cumprod[:-1], (1, 0), value=1.0)
    sqrt_recip_alphas = torch.sqrt(1.0 / alphas)
    sqrt_alphas_cumprod, rest = torch.sqrt(alphas_cumprod), torch.sqrt(1.0 - alphas_cumprod)
    posterior_variance = betas * (1.0 - alphas_cumprod_prev) / (1.0 - alphas_cumprod)

    def at(a: Tensor, t: Tensor, x: Tensor) -> Tensor:
        return a.gather(-1, t.cpu()).reshape(t.shape[0], *((1,) * (len(x.shape) - 1)))

    def q_sample(x_start: Tensor, t: Tensor, noise: Tensor | None = None) -> Tensor:
        noise = torch.randn_like(x_start) if noise is None else noise
        return at(sqrt_alphas_cumprod, t, x_start) * x_start + at(rest, t, x_start) * noise

    def p_losses(denoise_model: Any, x_start: Tensor, t: Tensor, noise: Any = None, loss_type: str = "l1") -> Tensor:
        noise = torch.randn_like(x_start) if noise is None else noise
        predicted_noise = denoise_model(q_sample(x_start=x_start, t=t, noise=noise), t)
        return F.l1_loss(noise, predicted_noise) if loss_type == "l1" else F.smooth_l1_loss(noise, predicted_noise)

    def p_sample(model: Any, x: Tensor, t: Tensor, t_index: int) -> Tensor:
        model_mean = at(sqrt_recip_alphas, t, x) * (x - at(betas, t, x) * model(x, t) / at(rest, t, x))
        if t_index == 0:
            return model_mean
        return model_mean + torch.sqrt(at(posterior_variance, t, x)) * torch.randn_like(x)

    def p_sample_loop(model: Any, shape: Any) -> Tensor:
        img = torch.randn(shape)
        for i in reversed(range(10)):
            img = p_sample(model, img, torch.full((shape[0],), i, dtype=torch.long), i)
        return img

    return {
        "betas": betas, "alphas": alphas, "alphas_cumprod": alphas_cumprod, "alphas_cumprod_prev": alphas_cumprod_prev,
        "sqrt_recip_alphas": sqrt_recip_alphas, "sqrt_alphas_cumprod": sqrt_alphas_cumprod,
        "sqrt_one_minus_alphas_cumprod": rest, "posterior_variance": posterior_variance, "q_sample": q_sample,
        "p_losses": p_losses, "p_sample": p_sample, "p_sample_loop": p_sample_loop,
    }  # fmt: skip


TWINS.append(Twin(name="diffusion: annotated, a mapping", make=lambda: DiffusionProcess(annotated())))


def module() -> ModuleType:
    """The same as a module of Python."""
    made = ModuleType("annotated")
    vars(made).update(annotated())
    return made


TWINS.append(Twin(name="diffusion: annotated, a module", make=lambda: DiffusionProcess(module(), prediction="eps")))
