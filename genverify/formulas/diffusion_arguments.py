"""What diffusion formulas take: a whole schedule or the level of one step, the step, data, noise and predictions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from genverify.errors import UsageError
from genverify.oracles import diffusion_tables as tables
from genverify.subjects.domains import Domain, integer, real
from genverify.subjects.parametrisation import any_real, draw
from genverify.subjects.specification import Argument, Constraint, Form, Layout, Role
from genverify.subjects.structured_domains import decreasing, schedule

__all__ = [
    "EARLIER", "EVENT", "FALLS", "LATER", "LAYOUTS", "LEVEL_ONLY", "NOISE_LEVEL", "PREDICTED_EPS", "PREVIOUS", "SIZES",
    "STEP",
    "WITHIN", "XT", "anatomy", "levels", "noise", "pair", "reach", "seldom", "two_levels", "x0",
]  # fmt: skip

Number = Any

EVENT = "batch channel height width"
# No axis of a sample is ever as large as a batch, unless either is one: a number for each sample that is not put in
# front of its axes must not fit by accident.
SIZES = {"batch": (1, 2), "channel": (1, 3), "height": (3, 1), "width": (4, 1), "step": (6,)}
_STEPS = SIZES["step"][0]

_LEVEL_NAMES = (
    "alphas_cumprod", "alpha_cumprod", "alpha_bars", "alphas_bar", "alphabar", "alphabars", "abar", "abars", "ab",
    "a_bar",
    "alpha_hat", "alpha_hats", "alphas_hat", "alphas_prod", "alpha_prod", "alpha_prod_t", "alpha_bar_t", "alphas_cum",
    "bar_alpha", "bar_alphas", "alpha_cum", "alphas_cump", "alpha_cumprods", "cumprod_alphas", "alphas_bars",
    "alphas_cumprods", "alpha_cumprod_t", "alphas_cumprod_t", "abar_t", "ab_t", "a_t", "at", "alpha_cum_prod",
    "alpha_bar_schedule", "bar_alpha_t", "alphas_t_bar", "alpha_hat_t", "gammas",
)  # fmt: skip
_BETA_NAMES = (
    "beta", "beta_t", "b", "betas_t", "beta_schedule", "noise_schedule", "variance_schedule", "bt", "beta_ts",
    "variances",
)  # fmt: skip
_PREVIOUS_NAMES = (
    "alphas_cumprod_prev", "alpha_cumprod_prev", "alpha_bar_prev", "ab_prev", "abar_prev", "alpha_prod_t_prev",
    "alpha_prod_prev", "alpha_bar_prevs", "alpha_bars_prev", "alphas_bar_prev", "alpha_hat_prev", "a_prev",
    "alpha_bar_t_prev", "alpha_bar_next", "alphas_prev", "prev_ab", "alpha_bar_s", "at_next", "a_next",
    "alpha_cumprod_t_prev",
    "prev_alpha_bar", "abar_t_prev", "ab_t_prev", "alpha_next_bar", "alphas_cumprod_t_prev",
)  # fmt: skip
_STEP_NAMES = (
    "t", "timestep", "timesteps", "time", "i", "k", "n", "idx", "index", "ts", "time_step", "time_steps", "t_index",
    "steps", "t_idx", "tt", "t_batch", "times", "cur_t", "current_t", "t_now", "time_idx", "step_index", "batch_t",
)  # fmt: skip


def _turned(function: Any) -> Domain:  # noqa: ANN401 - cos or sin
    """√ᾱ and √(1 − ᾱ) of one and the same schedule, whatever is drawn: they are legal together or not at all."""

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor:
        size = shape[-1] if shape else 1
        angle = (torch.arange(size, dtype=torch.float64) + 1) / (size + 1) * (0.95 * math.pi / 2)
        return function(angle).expand(*shape[:-1], size).reshape(shape).to(dtype)

    return Domain(name="of a fixed schedule", make=make)


def _kept(betas: torch.Tensor) -> torch.Tensor:
    return torch.cumprod(1 - betas, -1) if betas.dim() else 1 - betas


def _alphas(betas: Domain) -> Domain:
    return Domain(
        name="schedule of 1 − β", make=lambda raw, shape, dtype: (1 - betas.make(raw, shape, torch.float64)).to(dtype)
    )


def _cumulated(alphas: torch.Tensor) -> torch.Tensor:
    return torch.cumprod(alphas, -1) if alphas.dim() else alphas


def levels(
    first: str = "alpha_bar", *more: str, alphas: tuple[str, ...] = ("alpha",), roots: tuple[str, ...] = ()
) -> Argument:
    """The schedule, one entry a step: ᾱ, β, α or √ᾱ; `first` is the parametrisation that is looked for first."""
    forms = {
        "alpha_bar": Form(name="alpha_bar", aliases=(*_LEVEL_NAMES, *more), domain=decreasing()),
        "betas": Form(name="betas", aliases=_BETA_NAMES, domain=schedule(), canonical=_kept),
        "alphas": Form(name="alphas", aliases=alphas, domain=_alphas(schedule()), canonical=_cumulated),
        "sqrt_alpha_bar": Form(
            name="sqrt_alpha_bar", domain=_turned(torch.cos), canonical=torch.square,
            aliases=("sqrt_alphas_cumprod", "sqrt_alpha_cumprod", "sqrt_alpha_hat", "sqrt_ab", "sqrt_abar", "sqrtab",
                     "sqrt_alphas_bar", "sqrt_alpha_bars", "sqrt_alpha_prod", "sqrt_alphas_cumprod_t", "signal_rate",
                     "signal_rates", "sqrt_alpha_bar_t", "sqrt_alpha_cum_prod", "sqrt_alpha_prod_t", *roots),
        ),
    }  # fmt: skip
    ordered = (forms.pop(first), *forms.values())
    # 1 − ᾱ of the first steps loses most digits of an ᾱ in float32, whichever tables there are beside it.
    return Argument(name="schedule", axes="step", forms=ordered, differentiable=False, narrowly="alpha_bar")


NOISE_LEVEL = Argument(
    name="noise_level", axes="step", role=Role.OPTION, differentiable=False, default=None,
    forms=(
        Form(
            name="sqrt_one_minus_alpha_bar", domain=_turned(torch.sin),
            aliases=("sqrt_one_minus_alphas_cumprod", "sqrt_one_minus_alpha_cumprod", "sqrt_one_minus_alpha_hat",
                     "sqrt_one_minus_ab", "sqrt_one_minus_abar", "sqrtmab", "sqrt_1m_alphas_cumprod", "noise_rate",
                     "sqrt_one_minus_alphas_bar", "sqrt_one_minus_alpha_prod", "sqrt_one_minus_alpha_prod_t",
                     "sqrt_one_minus_alphas_cumprod_t", "noise_rates", "sigma", "sigma_t", "sigmas", "s_t", "sigma_ts",
                     "sqrt_one_minus_alpha_bar_t", "sqrt_one_minus_alpha_bars", "sqrt_one_minus_alpha_cum_prod"),
        ),
    ),
)  # fmt: skip


def _one_step_back(level: torch.Tensor) -> torch.Tensor:
    return torch.cat((torch.ones_like(level[:1]), level[:-1]))


PREVIOUS = Argument(
    name="previous", axes="step", differentiable=False, default=None, follows=("schedule", _one_step_back),
    forms=(
        Form(
            name="previous_alpha_bar", aliases=_PREVIOUS_NAMES,
            domain=Domain(
                name="in (½, 1)",
                make=lambda raw, shape, dtype: (0.75 + 0.24 * torch.tanh(raw)).reshape(shape).to(dtype),
            ),
        ),
    ),
)  # fmt: skip


def _less_one(t: Number) -> Any:  # noqa: ANN401 - a tensor or an int
    return t - 1


def seldom(last: int, *others: int) -> Domain:
    """One of several integers, or `last`, at which many subjects draw no noise, and which no fixed probe meets.

    The last is where the raw number is exactly 0, ½ or 1: cases often have these, a generic point has none of them. So
    all probes make the same draws, and how a subject draws can be read off them.
    """

    def make(raw: torch.Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Any:  # noqa: ANN401
        generic = torch.tensor(others)[(raw * len(others)).floor().clamp(0, len(others) - 1).to(torch.int64)]
        found = torch.where((raw == 0) | (raw == 0.5) | (raw == 1), torch.full_like(generic, last), generic)
        return found.reshape(shape) if shape else int(found.item())

    return Domain(name=f"integer {others[0]}..{others[-1]} or {last}", low=0.0, high=1.0, make=make)


STEP = Argument(
    name="t", axes="batch", differentiable=False, default=None,
    forms=(
        Form(name="index", aliases=_STEP_NAMES, domain=integer(0, _STEPS - 1)),
        Form(name="count_from_one", aliases=("t_from_one",), domain=integer(1, _STEPS), canonical=_less_one),
    ),
)  # fmt: skip
LATER = Argument(
    name="before", axes="batch", differentiable=False, default=None,
    forms=(
        Form(
            name="previous_step", domain=seldom(-1, 0, 1),
            aliases=("prev_t", "t_prev", "t_next", "next_t", "prev_timestep", "s", "t_prime", "previous_t", "prev",
                     "timestep_prev", "prev_timesteps", "time_next", "t_minus", "previous_timestep", "i_prev", "j"),
        ),
        Form(name="previous_count_from_one", aliases=(), domain=seldom(0, 1, 2), canonical=_less_one),
    ),
)  # fmt: skip


def x0(*more: str) -> Argument:
    """The data."""
    return any_real(
        "x0", EVENT, "x_0", "x_start", "xstart", "x", "img", "image", "images", "data", "sample", "original_samples",
        "x_orig",
        "clean", "pred_xstart", "pred_x0", "x0_pred", "x_start_pred", "pred_x_start", "x_0_pred", "original", "x0_hat",
        "x_zero", "y", "z0", "latents", "z_0", "batch", "clean_images", "inputs", "pred_original_sample", *more,
    )  # fmt: skip


XT = any_real(
    "xt", EVENT, "x_t", "x", "sample", "img", "noisy", "z_t", "zt", "z", "noisy_samples", "noisy_image", "latents",
    "x_noisy",
    "noisy_images", "noised", "latent", "xs", "image", "y", "samples", "img_t", "x_T", "latents_t",
)  # fmt: skip
PREDICTED_EPS = any_real(
    "eps", EVENT, "epsilon", "noise", "noise_pred", "pred_noise", "eps_pred", "model_output", "eps_theta", "e_t", "et",
    "e",
    "predicted_noise", "epsilon_theta", "eps_hat", "pred_eps", "out", "noise_hat", "epsilon_pred", "score_model_output",
    "eps_t", "pred", "model_out", "z", "predicted_eps", "estimated_noise", "output", "n", "pred_epsilon",
)  # fmt: skip


def noise(*more: str) -> Argument:
    """The normal draw, given or made inside."""
    return draw(
        "noise", EVENT, "normal", real(extreme=8.0), "eps", "epsilon", "z", "n", "e", "noises", "gaussian_noise",
        "randn",
        "eta_noise", "variance_noise", "w", "xi", "rand", *more,
    )  # fmt: skip


_TABLES = ("schedule", "noise_level", "previous")
_LEVEL = {name: "batch" for name in _TABLES}
# With a step, and without: then the level is that of the step.
LAYOUTS = (
    Layout(name="images, a step for each", needs=("t",)),
    Layout(name="sequences, a step for each", drop=("channel",), needs=("t",)),
    Layout(name="vectors, a step for each", drop=("channel", "height"), needs=("t",)),
    Layout(name="one step for the batch", shared=("t", "before"), needs=("t",)),
    Layout(name="one sample at a time", drop=("batch",), needs=("t",)),
    Layout(name="one level for the batch", instead=_LEVEL, shared=_TABLES),
    Layout(name="images, a level for each", instead=_LEVEL),
    Layout(name="vectors, a level for each", instead=_LEVEL, drop=("channel", "height")),
)  # fmt: skip
LEVEL_ONLY = (
    Layout(name="a step for each", needs=("t",)),
    Layout(name="one step", shared=("t",), needs=("t",)),
    Layout(name="a level for each", instead=_LEVEL),
    Layout(name="one level", instead=_LEVEL, drop=("batch",)),
)  # fmt: skip


def _within(values: Mapping[str, Any]) -> bool:
    t, size = values.get("t"), values.get("step", _STEPS)
    return t is None or size == _STEPS or int(torch.as_tensor(t).max()) < size


def _falls(values: Mapping[str, Any]) -> bool:
    """Only levels that are both given say so; tables of a schedule are right by themselves."""
    before, level = values.get("previous"), values.get("schedule")
    if not isinstance(before, torch.Tensor) or not isinstance(level, torch.Tensor) or before.shape != level.shape:
        return True
    return values.get("t") is not None or bool((level < before).all())


def _earlier(values: Mapping[str, Any]) -> bool:
    t, before = values.get("t"), values.get("before")
    return t is None or before is None or bool((torch.as_tensor(before) < torch.as_tensor(t)).all())


WITHIN = Constraint(statement="t is a step of the schedule", holds=_within)
FALLS = Constraint(statement="ᾱ_t < ᾱ_{t−1}", holds=_falls)
EARLIER = Constraint(statement="the step that is gone to comes before t", holds=_earlier)


def pair(
    schedule: torch.Tensor, t: Number, noise_level: torch.Tensor | None, like: torch.Tensor, *, which: str = "",
    back: int = 0, first: int = 0,
) -> tuple[torch.Tensor, torch.Tensor]:  # fmt: skip
    """√ᾱ and √(1 − ᾱ) of each sample, with axes of size one for those of the sample; other readings are slips."""
    table = tables.ratios(schedule) if which == "step" and t is not None else schedule
    level = tables.entry(table, t, back=back, first=first)
    scale = (1 - level).sqrt() if noise_level is None or which or back else tables.entry(noise_level, t, first=first)
    return tables.aligned(level.sqrt(), like), tables.aligned(scale, like)


def two_levels(
    schedule: torch.Tensor,
    t: Number,
    previous: torch.Tensor | None,
    *,
    first: int = 0,
) -> tuple[torch.Tensor, torch.Tensor]:
    """ᾱ_t and ᾱ_{t−1} of each sample; NaN for the latter where there is nothing to take it from."""
    level = tables.entry(schedule, t, first=first)
    if previous is not None:
        return level, tables.entry(previous, t, first=first)
    return level, torch.full_like(level, math.nan) if t is None else tables.entry(schedule, t, back=1, first=first)


def reach(kept: Mapping[str, Any], *, seldom_first: bool = False) -> Mapping[str, Domain]:
    """The steps as far as the subject's own schedule goes: both ends, and some between.

    Raises:
        UsageError: What it has is no schedule: a rate outside [0, 1], no entry at all, or too few digits.
    """
    table = kept.get("schedule")
    if not isinstance(table, torch.Tensor):
        return {}
    if table.dtype in (torch.float16, torch.bfloat16):
        raise UsageError(
            given=f"a schedule in {str(table.dtype).removeprefix('torch.')}",
            expected="one in float32 or float64: 1 − ᾱ of the first steps, and the product of many α, need the digits",
            do="make the schedule in float64, and cast what is computed from it",
        )  # fmt: skip
    if table.is_floating_point() and not bool(((table >= 0) & (table <= 1)).all()):
        bad = table[~((table >= 0) & (table <= 1))].reshape(-1)[0]
        raise UsageError(
            given=f"a schedule that holds {float(bad):g}", expected="rates, or products of 1 − β, inside (0, 1)",
            do="check the ends of the schedule; a scale of 1000/T takes β beyond 1 where T is small",
        )  # fmt: skip
    if table.dim() != 1 or table.numel() in (0, _STEPS):
        return {}
    size = table.numel()
    points = sorted({0, 1, 2, size // 8, size // 4, size // 2, 3 * size // 4, size - 2, size - 1} & set(range(size)))
    if seldom_first and size > 1:
        return {"t": seldom(*points)}
    return {"t": integer(points[0], points[0], sentinels=tuple(points[1:]))}


def anatomy(names: Sequence[str] = ("alpha_bar", "betas")) -> Any:  # noqa: ANN401 - see Specification.anatomy
    """The schedule that a module holds in its buffers: told, and never replaced, since they belong together."""
    argument = levels(names[0])

    def found(module: nn.Module, trains: bool) -> Mapping[str, Any]:
        buffers = dict(module.named_buffers())
        for form in argument.forms:
            for name in (form.name, *form.aliases):
                table = buffers.get(name)
                if table is not None and table.dim() == 1 and table.is_floating_point():
                    level = form.canonical(table.detach().to(torch.float64))
                    told = 1 - level / _one_step_back(level) if names[0] == "betas" else level
                    return {"schedule": told.to(table.dtype)}
        return {}

    return found
