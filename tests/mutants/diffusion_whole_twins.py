"""Correct diffusion processes as lucidrains and openai write them, with all their tables and samplers."""

from __future__ import annotations

import enum
import math
from itertools import pairwise
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genverify.subjects.diffusion_process import DiffusionProcess
from tests.mutants.mutant import Twin

TWINS: list[Twin] = []
MUTANTS: list[Any] = []


def twin(**declared: Any) -> Any:
    """Declares what a function makes."""

    def declare(make: Any) -> Any:
        TWINS.append(Twin(name=f"diffusion: {make.__name__}", make=lambda: DiffusionProcess(make(), **declared)))
        return make

    return declare


def extract(a: Tensor, t: Tensor, x_shape: Any) -> Tensor:
    b, *_ = t.shape
    out = a.gather(-1, t)
    return out.reshape(b, *((1,) * (len(x_shape) - 1)))


class Unet(nn.Module):
    """A small network of images that keeps what wrappers ask it for."""

    channels, self_condition, random_or_learned_sinusoidal_cond = 1, False, False

    def __init__(self, out: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, out, 1)

    def forward(self, x: Tensor, t: Tensor, x_self_cond: Any = None, **kwargs: Any) -> Tensor:
        return self.conv(x) * t.reshape(-1, 1, 1, 1).to(x)


def cosine_beta_schedule(timesteps: int, s: float = 0.008) -> Tensor:
    t = torch.linspace(0, timesteps, timesteps + 1, dtype=torch.float64) / timesteps
    alphas_cumprod = torch.cos((t + s) / (1 + s) * math.pi * 0.5) ** 2
    alphas_cumprod = alphas_cumprod / alphas_cumprod[0]
    return torch.clip(1 - (alphas_cumprod[1:] / alphas_cumprod[:-1]), 0, 0.999)


class GaussianDiffusion(nn.Module):
    """lucidrains/denoising-diffusion-pytorch: float32 buffers, a step as a number, results moved to (0, 1)."""

    def __init__(self, model: nn.Module, *, image_size: int, timesteps: int = 20, objective: str = "pred_v",
                 sampling_timesteps: int | None = None, ddim_sampling_eta: float = 0.0) -> None:  # fmt: skip
        super().__init__()
        self.model, self.objective, self.image_size = model, objective, (image_size, image_size)
        self.channels = model.channels
        betas = cosine_beta_schedule(timesteps)
        alphas = 1.0 - betas
        alphas_cumprod = torch.cumprod(alphas, dim=0)
        alphas_cumprod_prev = F.pad(alphas_cumprod[:-1], (1, 0), value=1.0)
        self.num_timesteps = int(betas.shape[0])
        self.sampling_timesteps = sampling_timesteps or timesteps
        self.ddim_sampling_eta = ddim_sampling_eta
        register = lambda name, val: self.register_buffer(name, val.to(torch.float32))  # noqa: E731
        register("betas", betas)
        register("alphas_cumprod", alphas_cumprod)
        register("alphas_cumprod_prev", alphas_cumprod_prev)
        register("sqrt_alphas_cumprod", torch.sqrt(alphas_cumprod))
        register("sqrt_one_minus_alphas_cumprod", torch.sqrt(1.0 - alphas_cumprod))
        register("log_one_minus_alphas_cumprod", torch.log(1.0 - alphas_cumprod))
        register("sqrt_recip_alphas_cumprod", torch.sqrt(1.0 / alphas_cumprod))
        register("sqrt_recipm1_alphas_cumprod", torch.sqrt(1.0 / alphas_cumprod - 1))
        posterior_variance = betas * (1.0 - alphas_cumprod_prev) / (1.0 - alphas_cumprod)
        register("posterior_variance", posterior_variance)
        register("posterior_log_variance_clipped", torch.log(posterior_variance.clamp(min=1e-20)))
        register("posterior_mean_coef1", betas * torch.sqrt(alphas_cumprod_prev) / (1.0 - alphas_cumprod))
        register("posterior_mean_coef2", (1.0 - alphas_cumprod_prev) * torch.sqrt(alphas) / (1.0 - alphas_cumprod))

    def predict_start_from_noise(self, x_t: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        return (extract(self.sqrt_recip_alphas_cumprod, t, x_t.shape) * x_t
                - extract(self.sqrt_recipm1_alphas_cumprod, t, x_t.shape) * noise)  # fmt: skip

    def predict_noise_from_start(self, x_t: Tensor, t: Tensor, x0: Tensor) -> Tensor:
        return (extract(self.sqrt_recip_alphas_cumprod, t, x_t.shape) * x_t - x0) / extract(
            self.sqrt_recipm1_alphas_cumprod, t, x_t.shape
        )

    def predict_v(self, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        return (extract(self.sqrt_alphas_cumprod, t, x_start.shape) * noise
                - extract(self.sqrt_one_minus_alphas_cumprod, t, x_start.shape) * x_start)  # fmt: skip

    def predict_start_from_v(self, x_t: Tensor, t: Tensor, v: Tensor) -> Tensor:
        return (extract(self.sqrt_alphas_cumprod, t, x_t.shape) * x_t
                - extract(self.sqrt_one_minus_alphas_cumprod, t, x_t.shape) * v)  # fmt: skip

    def q_posterior(self, x_start: Tensor, x_t: Tensor, t: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        posterior_mean = (extract(self.posterior_mean_coef1, t, x_t.shape) * x_start
                          + extract(self.posterior_mean_coef2, t, x_t.shape) * x_t)  # fmt: skip
        return (posterior_mean, extract(self.posterior_variance, t, x_t.shape),
                extract(self.posterior_log_variance_clipped, t, x_t.shape))  # fmt: skip

    def model_predictions(self, x: Tensor, t: Tensor, x_self_cond: Any = None, clip_x_start: bool = False) -> Any:
        out = self.model(x, t, x_self_cond)
        if self.objective == "pred_noise":
            pred_noise, x_start = out, self.predict_start_from_noise(x, t, out)
        elif self.objective == "pred_x0":
            x_start = out
            pred_noise = self.predict_noise_from_start(x, t, x_start)
        else:
            x_start = self.predict_start_from_v(x, t, out)
            pred_noise = self.predict_noise_from_start(x, t, x_start)
        if clip_x_start:
            x_start = x_start.clamp(-1.0, 1.0)
            pred_noise = self.predict_noise_from_start(x, t, x_start)
        return pred_noise, x_start

    def p_mean_variance(self, x: Tensor, t: Tensor, x_self_cond: Any = None, clip_denoised: bool = True) -> Any:
        _, x_start = self.model_predictions(x, t, x_self_cond)
        if clip_denoised:
            x_start.clamp_(-1.0, 1.0)
        model_mean, posterior_variance, posterior_log_variance = self.q_posterior(x_start=x_start, x_t=x, t=t)
        return model_mean, posterior_variance, posterior_log_variance, x_start

    @torch.inference_mode()
    def p_sample(self, x: Tensor, t: int, x_self_cond: Any = None) -> tuple[Tensor, Tensor]:
        b, *_ = *x.shape, x.device
        batched_times = torch.full((b,), t, device=x.device, dtype=torch.long)
        model_mean, _, model_log_variance, x_start = self.p_mean_variance(x=x, t=batched_times, clip_denoised=True)
        noise = torch.randn_like(x) if t > 0 else 0.0
        return model_mean + (0.5 * model_log_variance).exp() * noise, x_start

    @torch.inference_mode()
    def p_sample_loop(self, shape: Any, return_all_timesteps: bool = False) -> Tensor:
        img = torch.randn(shape, device=self.betas.device)
        for t in reversed(range(0, self.num_timesteps)):
            img, _ = self.p_sample(img, t, None)
        return (img + 1) * 0.5

    @torch.inference_mode()
    def ddim_sample(self, shape: Any, return_all_timesteps: bool = False) -> Tensor:
        batch, device, eta = shape[0], self.betas.device, self.ddim_sampling_eta
        times = torch.linspace(-1, self.num_timesteps - 1, steps=self.sampling_timesteps + 1)
        times = list(reversed(times.int().tolist()))
        img = torch.randn(shape, device=device)
        for time, time_next in pairwise(times):
            time_cond = torch.full((batch,), time, device=device, dtype=torch.long)
            pred_noise, x_start = self.model_predictions(img, time_cond, None, clip_x_start=True)
            if time_next < 0:
                img = x_start
                continue
            alpha, alpha_next = self.alphas_cumprod[time], self.alphas_cumprod[time_next]
            sigma = eta * ((1 - alpha / alpha_next) * (1 - alpha_next) / (1 - alpha)).sqrt()
            c = (1 - alpha_next - sigma**2).sqrt()
            img = x_start * alpha_next.sqrt() + c * pred_noise + sigma * torch.randn_like(img)
        return (img + 1) * 0.5

    def q_sample(self, x_start: Tensor, t: Tensor, noise: Tensor | None = None) -> Tensor:
        noise = torch.randn_like(x_start) if noise is None else noise
        return (extract(self.sqrt_alphas_cumprod, t, x_start.shape) * x_start
                + extract(self.sqrt_one_minus_alphas_cumprod, t, x_start.shape) * noise)  # fmt: skip

    def p_losses(self, x_start: Tensor, t: Tensor, noise: Tensor | None = None) -> Tensor:
        b, _, h, w = x_start.shape
        assert (h, w) == self.image_size
        noise = torch.randn_like(x_start) if noise is None else noise
        out = self.model(self.q_sample(x_start=x_start, t=t, noise=noise), t, None)
        target = {"pred_noise": noise, "pred_x0": x_start}.get(self.objective)
        target = self.predict_v(x_start, t, noise) if target is None else target
        loss = F.mse_loss(out, target, reduction="none").reshape(b, -1).mean(1)
        snr = self.alphas_cumprod / (1 - self.alphas_cumprod)
        return (loss * (snr[t] / (snr[t] + 1))).mean()


@twin()
def lucidrains_v() -> Any:
    return GaussianDiffusion(Unet(), image_size=2)


@twin(prediction="eps", first_step=0)
def lucidrains_noise() -> Any:
    return GaussianDiffusion(Unet(), image_size=2, objective="pred_noise")


@twin(clip=True, eta=0.3)
def lucidrains_data_and_fewer_steps() -> Any:
    return GaussianDiffusion(Unet(), image_size=2, objective="pred_x0", sampling_timesteps=5, ddim_sampling_eta=0.3)


class ModelMeanType(enum.Enum):
    PREVIOUS_X = enum.auto()
    START_X = enum.auto()
    EPSILON = enum.auto()


def _extract_into_tensor(arr: Any, timesteps: Tensor, broadcast_shape: Any) -> Tensor:
    res = torch.from_numpy(arr).to(device=timesteps.device)[timesteps].float()
    while len(res.shape) < len(broadcast_shape):
        res = res[..., None]
    return res.expand(broadcast_shape)


class Improved:
    """openai/improved-diffusion: numpy tables in float64 that are cast when they are read, and a rescaled step."""

    def __init__(self, betas: Any, model_mean_type: ModelMeanType, var: str = "small", rescale: bool = False) -> None:
        self.model_mean_type, self.var, self.rescale_timesteps = model_mean_type, var, rescale
        self.betas = betas = np.array(betas, dtype=np.float64)
        self.num_timesteps = int(betas.shape[0])
        alphas = 1.0 - betas
        self.alphas_cumprod = np.cumprod(alphas, axis=0)
        self.alphas_cumprod_prev = np.append(1.0, self.alphas_cumprod[:-1])
        self.alphas_cumprod_next = np.append(self.alphas_cumprod[1:], 0.0)
        self.sqrt_alphas_cumprod = np.sqrt(self.alphas_cumprod)
        self.sqrt_one_minus_alphas_cumprod = np.sqrt(1.0 - self.alphas_cumprod)
        self.sqrt_recip_alphas_cumprod = np.sqrt(1.0 / self.alphas_cumprod)
        self.sqrt_recipm1_alphas_cumprod = np.sqrt(1.0 / self.alphas_cumprod - 1)
        self.posterior_variance = betas * (1.0 - self.alphas_cumprod_prev) / (1.0 - self.alphas_cumprod)
        self.posterior_log_variance_clipped = np.log(np.append(self.posterior_variance[1], self.posterior_variance[1:]))
        self.posterior_mean_coef1 = betas * np.sqrt(self.alphas_cumprod_prev) / (1.0 - self.alphas_cumprod)
        self.posterior_mean_coef2 = (1.0 - self.alphas_cumprod_prev) * np.sqrt(alphas) / (1.0 - self.alphas_cumprod)

    def _scale_timesteps(self, t: Tensor) -> Tensor:
        return t.float() * (1000.0 / self.num_timesteps) if self.rescale_timesteps else t

    def q_mean_variance(self, x_start: Tensor, t: Tensor) -> Any:
        mean = _extract_into_tensor(self.sqrt_alphas_cumprod, t, x_start.shape) * x_start
        variance = _extract_into_tensor(1.0 - self.alphas_cumprod, t, x_start.shape)
        return mean, variance, _extract_into_tensor(np.log(1.0 - self.alphas_cumprod), t, x_start.shape)

    def q_sample(self, x_start: Tensor, t: Tensor, noise: Tensor | None = None) -> Tensor:
        noise = torch.randn_like(x_start) if noise is None else noise
        return (_extract_into_tensor(self.sqrt_alphas_cumprod, t, x_start.shape) * x_start
                + _extract_into_tensor(self.sqrt_one_minus_alphas_cumprod, t, x_start.shape) * noise)  # fmt: skip

    def q_posterior_mean_variance(self, x_start: Tensor, x_t: Tensor, t: Tensor) -> Any:
        mean = (_extract_into_tensor(self.posterior_mean_coef1, t, x_t.shape) * x_start
                + _extract_into_tensor(self.posterior_mean_coef2, t, x_t.shape) * x_t)  # fmt: skip
        variance = _extract_into_tensor(self.posterior_variance, t, x_t.shape)
        return mean, variance, _extract_into_tensor(self.posterior_log_variance_clipped, t, x_t.shape)

    def _predict_xstart_from_eps(self, x_t: Tensor, t: Tensor, eps: Tensor) -> Tensor:
        return (_extract_into_tensor(self.sqrt_recip_alphas_cumprod, t, x_t.shape) * x_t
                - _extract_into_tensor(self.sqrt_recipm1_alphas_cumprod, t, x_t.shape) * eps)  # fmt: skip

    def _predict_xstart_from_xprev(self, x_t: Tensor, t: Tensor, xprev: Tensor) -> Tensor:
        first = _extract_into_tensor(1.0 / self.posterior_mean_coef1, t, x_t.shape) * xprev
        return first - _extract_into_tensor(self.posterior_mean_coef2 / self.posterior_mean_coef1, t, x_t.shape) * x_t

    def _predict_eps_from_xstart(self, x_t: Tensor, t: Tensor, pred_xstart: Tensor) -> Tensor:
        return (_extract_into_tensor(self.sqrt_recip_alphas_cumprod, t, x_t.shape) * x_t
                - pred_xstart) / _extract_into_tensor(self.sqrt_recipm1_alphas_cumprod, t, x_t.shape)  # fmt: skip

    def p_mean_variance(self, model: Any, x: Tensor, t: Tensor, clip_denoised: bool = True, denoised_fn: Any = None,
                        model_kwargs: Any = None) -> dict[str, Tensor]:  # fmt: skip
        b, c = x.shape[:2]
        assert t.shape == (b,)
        output = model(x, self._scale_timesteps(t), **(model_kwargs or {}))
        if self.var == "learned range":
            assert output.shape == (b, c * 2, *x.shape[2:])
            output, values = torch.split(output, c, dim=1)
            min_log = _extract_into_tensor(self.posterior_log_variance_clipped, t, x.shape)
            max_log = _extract_into_tensor(np.log(self.betas), t, x.shape)
            frac = (values + 1) / 2
            log_variance = frac * max_log + (1 - frac) * min_log
            variance = torch.exp(log_variance)
        else:
            large = np.append(self.posterior_variance[1], self.betas[1:])
            tables = {"large": (large, np.log(large)),
                      "small": (self.posterior_variance, self.posterior_log_variance_clipped)}[self.var]  # fmt: skip
            variance, log_variance = (_extract_into_tensor(one, t, x.shape) for one in tables)
        clip = (lambda x: x.clamp(-1, 1)) if clip_denoised else (lambda x: x)
        if self.model_mean_type == ModelMeanType.PREVIOUS_X:
            pred_xstart = clip(self._predict_xstart_from_xprev(x_t=x, t=t, xprev=output))
            mean = output
        else:
            start = self.model_mean_type == ModelMeanType.START_X
            pred_xstart = clip(output if start else self._predict_xstart_from_eps(x_t=x, t=t, eps=output))
            mean, _, _ = self.q_posterior_mean_variance(x_start=pred_xstart, x_t=x, t=t)
        return {"mean": mean, "variance": variance, "log_variance": log_variance, "pred_xstart": pred_xstart}

    def p_sample(self, model: Any, x: Tensor, t: Tensor, clip_denoised: bool = True) -> dict[str, Tensor]:
        out = self.p_mean_variance(model, x, t, clip_denoised=clip_denoised)
        noise = torch.randn_like(x)
        nonzero_mask = (t != 0).float().view(-1, *([1] * (len(x.shape) - 1)))
        return {"sample": out["mean"] + nonzero_mask * torch.exp(0.5 * out["log_variance"]) * noise,
                "pred_xstart": out["pred_xstart"]}  # fmt: skip

    def p_sample_loop(self, model: Any, shape: Any, noise: Any = None, device: Any = None) -> Tensor:
        device = next(model.parameters()).device if device is None else device
        img = torch.randn(*shape, device=device) if noise is None else noise
        for i in list(range(self.num_timesteps))[::-1]:
            img = self.p_sample(model, img, torch.tensor([i] * shape[0], device=device))["sample"]
        return img

    def ddim_sample(self, model: Any, x: Tensor, t: Tensor, clip_denoised: bool = True,
                    eta: float = 0.0) -> dict[str, Tensor]:  # fmt: skip
        out = self.p_mean_variance(model, x, t, clip_denoised=clip_denoised)
        eps = self._predict_eps_from_xstart(x, t, out["pred_xstart"])
        alpha_bar = _extract_into_tensor(self.alphas_cumprod, t, x.shape)
        alpha_bar_prev = _extract_into_tensor(self.alphas_cumprod_prev, t, x.shape)
        sigma = (eta * torch.sqrt((1 - alpha_bar_prev) / (1 - alpha_bar))
                 * torch.sqrt(1 - alpha_bar / alpha_bar_prev))  # fmt: skip
        noise = torch.randn_like(x)
        mean = out["pred_xstart"] * torch.sqrt(alpha_bar_prev) + torch.sqrt(1 - alpha_bar_prev - sigma**2) * eps
        nonzero_mask = (t != 0).float().view(-1, *([1] * (len(x.shape) - 1)))
        return {"sample": mean + nonzero_mask * sigma * noise, "pred_xstart": out["pred_xstart"]}

    def training_losses(self, model: Any, x_start: Tensor, t: Tensor, model_kwargs: Any = None,
                        noise: Tensor | None = None) -> dict[str, Tensor]:  # fmt: skip
        noise = torch.randn_like(x_start) if noise is None else noise
        x_t = self.q_sample(x_start, t, noise=noise)
        output = model(x_t, self._scale_timesteps(t))
        target = {
            ModelMeanType.PREVIOUS_X: self.q_posterior_mean_variance(x_start=x_start, x_t=x_t, t=t)[0],
            ModelMeanType.START_X: x_start, ModelMeanType.EPSILON: noise,
        }[self.model_mean_type]  # fmt: skip
        mse = ((target - output) ** 2).mean(dim=list(range(1, len(x_start.shape))))
        return {"mse": mse, "loss": mse}


RATES = np.linspace(0.003, 0.35, 16)


@twin()
def improved_noise_and_the_large_variance() -> Any:
    return Improved(RATES, ModelMeanType.EPSILON, "large")


@twin(eta=1.0)
def improved_data_and_a_rescaled_step() -> Any:
    return Improved(RATES, ModelMeanType.START_X, "small", rescale=True)


@twin()
def improved_learned_range() -> Any:
    return Improved(RATES, ModelMeanType.EPSILON, "learned range")


@twin()
def improved_a_thousand_steps() -> Any:
    return Improved(np.linspace(1e-4, 0.02, 1000), ModelMeanType.EPSILON)


class ZeroTerminal(Improved):
    """Nothing of the signal is left at the end, and the network predicts the data."""

    def __init__(self) -> None:
        root = np.sqrt(np.cumprod(1 - RATES))
        root = (root - root[-1]) * root[0] / (root[0] - root[-1])
        kept = root**2
        with np.errstate(divide="ignore"):
            super().__init__(1 - np.append(kept[:1], kept[1:] / kept[:-1]), ModelMeanType.START_X)

    def _predict_eps_from_xstart(self, x_t: Tensor, t: Tensor, pred_xstart: Tensor) -> Tensor:
        # 1/√ᾱ is infinite at the end, where x_t is ε.
        rest = x_t - _extract_into_tensor(self.sqrt_alphas_cumprod, t, x_t.shape) * pred_xstart
        return rest / _extract_into_tensor(self.sqrt_one_minus_alphas_cumprod, t, x_t.shape)


@twin(terminal_snr=0.0)
def zero_terminal_snr() -> Any:
    return ZeroTerminal()
