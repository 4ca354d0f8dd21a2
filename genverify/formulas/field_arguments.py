"""What formulas of diffusion in continuous time take: a field to evaluate, samples, noise levels and times."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch

from genverify.subjects.domains import Domain
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Form, Layout, Role
from genverify.subjects.timed_functions import TimedWaves

__all__ = [
    "DENOISED", "DENOISER", "FIELD_SIZES", "NEXT", "SAMPLE", "SCORE_FUNCTION", "SIGMA", "SIZES", "VELOCITY", "column",
    "field", "layouts", "levels", "standard_normal", "time", "uniform_time",
]  # fmt: skip

Value = Any
# Rows of two numbers at least: a time is told from a sample by its size.
SIZES = {"batch": (3, 2, 4, 1), "event": (2, 3, 5), "channel": (2, 1), "height": (2,), "width": (1, 2)}
FIELD_SIZES = {**SIZES, "hidden": (2, 1), "pair": (2,)}


def timed_waves() -> Domain:
    """A field by its numbers; its axes are pair (of size two), hidden and event."""
    return Domain(
        name="function of a sample and a time", low=-1.0, high=1.0,
        make=lambda raw, shape, dtype: TimedWaves(raw.reshape(shape).to(dtype)),
    )  # fmt: skip


def field(name: str, *aliases: str, differentiable: bool = False) -> Argument:
    """A function of a sample and a time that the formula evaluates."""
    everywhere = ("model", "net", "network", "f", "fn", "model_fn", "nn", "unet", "inner_model", "backbone", "func")
    return plain(
        name, "pair hidden event", timed_waves(), tuple(dict.fromkeys((*aliases, *everywhere))), role=Role.FUNCTION,
        differentiable=differentiable,
    )  # fmt: skip


DENOISER = field(
    "denoiser", "denoise", "D", "denoise_fn", "denoiser_fn", "denoise_model", "d_fn", "D_theta", "predict_x0"
)
SCORE_FUNCTION = field(
    "score", "score_fn", "score_model", "scorenet", "score_net", "s", "score_function", "s_theta", "score_network",
    "scoreNet", "scorer", "grad_log_p", "grad_log_prob", "score_f", "s_fn", differentiable=True,
)  # fmt: skip
VELOCITY = field(
    "velocity", "v", "velocity_fn", "v_theta", "vector_field", "vf", "velocity_model", "flow", "flow_model", "v_model",
    "v_fn", "vt_model", "velocity_net", "u_theta", "drift", "vnet", "v_net", "field", differentiable=True,
)  # fmt: skip

SAMPLE = any_real(
    "x", "batch event", "x_t", "xt", "sample", "latents", "z", "x_hat", "x_cur", "x_noisy", "noisy", "samples", "input",
    "latent", "y", "x_i", "img", "images", "noised", "noised_images", "noisy_images", "x_sigma", "x_in", "xs",
    "x_tilde", "inputs", "state", "noised_input", "data", "perturbed",
)  # fmt: skip
DENOISED = any_real(
    "denoised", "batch event", "D", "x0", "x_0", "pred_x0", "x0_pred", "denoised_x", "x_start", "D_x", "denoise", "D0",
    "pred_original_sample", "denoised_cur", "x0_hat", "pred_xstart", "D_cur", "prediction", "pred", "model_output",
    "denoised_i",
)  # fmt: skip


def levels(name: str, low: float, high: float, *aliases: str, zero: bool = False, **rest: Any) -> Argument:  # noqa: ANN401
    """A noise level between low and high, one for each row; with `zero`, the lowest tenth stands for zero."""
    bottom, top = math.log(low), math.log(high)

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        known = raw.clamp(bottom, top).exp()
        return torch.where((raw < bottom + (top - bottom) / 10) & zero, 0.0, known).reshape(shape).to(dtype)

    domain = Domain(
        name=f"noise level {low:g}..{high:g}", low=bottom, high=top, simple=min(max(0.0, bottom), top), make=make
    )
    return plain(name, "batch", domain, aliases, **rest)


_SIGMA = (
    "sigma_t", "t", "sigma_cur", "sigma_from", "t_hat", "sigma_hat", "t_cur", "sigmas", "sigma_i", "noise_level", "std",
    "sig", "s", "noise_std", "cur_sigma", "current_sigma", "sigma_s", "sigma_n", "t_i", "from_sigma", "sigma0",
)  # fmt: skip
SIGMA = levels("sigma", 1.0, 5.0, *_SIGMA, differentiable=False)
# Always below the level that is left; zero, with which every schedule ends, is among them.
_NEXT = (
    "next_sigma", "sigma_to", "t_next", "sigma_down", "next_t", "sigma_i1", "sigma_end", "sigma_new", "to_sigma",
    "sigma_nxt", "sigma_p1", "sigma1", "target_sigma", "sigma_prime", "sigma_target",
)  # fmt: skip
NEXT = levels("sigma_next", 0.1, 0.9, *_NEXT, zero=True, differentiable=False)


def time(name: str = "t", *aliases: str, low: float = 0.05, high: float = 0.95, **rest: Any) -> Argument:  # noqa: ANN401
    """A time inside an interval, one for each row."""
    domain = Domain(
        name=f"time {low:g}..{high:g}", low=low, high=high, simple=(low + high) / 2,
        make=lambda raw, shape, dtype: raw.reshape(shape).to(dtype),
    )  # fmt: skip
    known = ("time", "timestep", "timesteps", "ts", "times", "tau", "time_steps", "time_step", "t_batch")
    return plain(name, "batch", domain, (*aliases, *known), **rest)


def standard_normal(name: str, *aliases: str) -> Argument:
    """A standard normal draw for each number of a sample, passed in or made inside."""
    form = Form(
        name=name, domain=any_real("noise", "").forms[0].domain,
        aliases=(*aliases, "noise", "eps", "epsilon", "z", "xi", "n", "rand", "randn", "noise_sample", "w", "gaussian"),
    )  # fmt: skip
    return Argument(name=name, axes="batch event", forms=(form,), role=Role.DRAW, law="normal", differentiable=False)


def uniform_time() -> Argument:
    """A time for each row, passed in or drawn: uniform, or the logistic map of a normal draw (Esser et al. 2024)."""
    known = time()
    return replace(known, role=Role.DRAW, law="uniform", laws={"normal": torch.sigmoid}, differentiable=False)


def column(number: Value) -> Value:
    """A number for each row beside samples [batch, event]; one number stays as it is."""
    number = torch.as_tensor(number, dtype=torch.float64)
    return number[:, None] if number.dim() else number


def layouts(samples: tuple[str, ...], times: tuple[str, ...] = (), *, returned: bool = True) -> tuple[Layout, ...]:
    """Vectors and images; of each, times one for each row, one for all, and one for each row with axes beside it."""
    image = "batch channel height width"
    pictures = {**dict.fromkeys(samples, image), **({"return": image} if returned else {})}
    made = [Layout(name="vectors")]
    if times:
        made.append(Layout(name="vectors, one time for all", shared=times, first_with_number=True))
    made.append(Layout(name="images", shapes=pictures))
    if times:
        made += [
            Layout(name="images, one time for all", shapes=pictures, shared=times),
            Layout(name="vectors, times as a column", shapes=dict.fromkeys(times, "batch one")),
            Layout(
                name="images, times with axes of one",
                shapes={**pictures, **dict.fromkeys(times, "batch one one one")},
            ),
        ]  # fmt: skip
    return tuple(made)
