"""The schedulers of diffusers as whole processes, untouched; what truly fails is expected to, with a reason."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch

import genverify as gv

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what it warns of when it is imported is not ours to judge
    diffusers = pytest.importorskip("diffusers")

pytestmark = pytest.mark.filterwarnings("ignore")

# As much noise in twenty steps as is usual in a thousand.
SHORT: dict[str, Any] = {"num_train_timesteps": 20, "beta_start": 0.004, "beta_end": 0.3}

DDPM: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "by default": ({}, {}),
    "50 of its steps": ({}, {"steps": 50}),
    "13 of its steps, trailing": ({"timestep_spacing": "trailing"}, {"steps": 13}),
    "7 of its steps, linspace": ({"timestep_spacing": "linspace"}, {"steps": 7}),
    "with an offset": ({"steps_offset": 1}, {"steps": 50}),
    "twenty steps": (SHORT, {"variance": "small", "clip": True}),
    "fixed_small_log": ({**SHORT, "variance_type": "fixed_small_log"}, {"variance": "small"}),
    "fixed_large": ({**SHORT, "variance_type": "fixed_large"}, {"variance": "large"}),
    "velocity": ({**SHORT, "prediction_type": "v_prediction"}, {"prediction": "v"}),
    "data, not clipped": ({**SHORT, "prediction_type": "sample", "clip_sample": False}, {"clip": False}),
    "cosine": ({"num_train_timesteps": 20, "beta_schedule": "squaredcos_cap_v2"}, {}),
    "sigmoid": ({**SHORT, "beta_schedule": "sigmoid"}, {}),
    "dynamic thresholding": ({**SHORT, "thresholding": True, "sample_max_value": 1.5}, {}),
    "zero terminal SNR": (
        {**SHORT, "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"}, {"terminal_snr": 0.0},
    ),
}  # fmt: skip

DDIM: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "50 of its steps": ({}, {"steps": 50, "eta": 0.0}),
    "as Stable Diffusion has it": (
        {"set_alpha_to_one": False, "steps_offset": 1, "clip_sample": False, "beta_schedule": "scaled_linear",
         "beta_start": 0.00085, "beta_end": 0.012},
        {"steps": 50, "eta": 0.0, "clip": False},
    ),
    "twenty steps, half the noise": (SHORT, {"eta": 0.5}),
    "twenty steps, all the noise": (SHORT, {"eta": 1.0}),
    "data": ({**SHORT, "prediction_type": "sample"}, {"eta": 0.5}),
    "50 of its steps, trailing": ({"timestep_spacing": "trailing"}, {"steps": 50, "eta": 0.0}),
    "zero terminal SNR": (
        {"timestep_spacing": "trailing", "rescale_betas_zero_snr": True, "prediction_type": "v_prediction"},
        {"steps": 10, "eta": 0.0},
    ),
}  # fmt: skip


def subjects(scheduler: Any, table: dict[str, tuple[dict[str, Any], dict[str, Any]]]) -> list[gv.DiffusionProcess]:
    """Each configuration as a subject."""
    return [
        gv.DiffusionProcess(scheduler(**made), name=f"{scheduler.__name__}, {name}", **declared)
        for name, (made, declared) in table.items()
    ]


@gv.parametrize_with_checks([*subjects(diffusers.DDPMScheduler, DDPM), *subjects(diffusers.DDIMScheduler, DDIM)])
def test_a_scheduler_is_a_whole_process(subject: gv.DiffusionProcess, check: Any) -> None:
    check(subject)


STEP = "diffusion_process.ddim_step"
LARGE_LOG = (
    "diffusers 0.42.1, DDPMScheduler.step: of fixed_large_log the variance is log β, whose root is taken: NaN at every "
    "step but the last (huggingface/diffusers, issue 14569)"
)
TRAILING = (
    "diffusers 0.42.1, DDIMScheduler.step goes from t to t − T // n, and trailing steps are not so far apart: the last "
    "one, t = 76 of 13 steps, goes to t = 0, and not to the data (huggingface/diffusers, issue 9261)"
)
LINSPACE = (
    "diffusers 0.42.1, DDIMScheduler.step goes from t to t − T // n = t − 20, and linspaced steps are 99/4 apart: from "
    "t = 25 it goes to 5, and the next one begins at 0 (huggingface/diffusers, issue 11347)"
)


@pytest.mark.parametrize(
    ("subject", "check", "reason", "said"),
    [
        (
            gv.DiffusionProcess(diffusers.DDPMScheduler(**SHORT, variance_type="fixed_large_log")),
            "diffusion_process.p_sample", LARGE_LOG, "returns NaN",
        ),
        (
            gv.DiffusionProcess(diffusers.DDIMScheduler(timestep_spacing="trailing"), steps=13, eta=0.0),
            STEP, TRAILING, "from step 76 it goes to 0, and not to -1",
        ),
        (
            gv.DiffusionProcess(
                diffusers.DDIMScheduler(num_train_timesteps=100, beta_schedule="squaredcos_cap_v2",
                                        timestep_spacing="linspace"),
                steps=5, eta=0.0,
            ),
            STEP, LINSPACE, "it does not go to",
        ),
    ],
    ids=["fixed_large_log", "trailing", "linspace"],
)  # fmt: skip
def test_what_truly_fails_is_expected_to(subject: Any, check: str, reason: str, said: str) -> None:
    report = gv.verify(subject, checks=[check], expected_failures={check: reason}, budget="quick")
    (verdict,) = report
    assert verdict.outcome is gv.Outcome.FAIL, str(verdict)
    assert verdict.expected == reason
    assert said in verdict.evidence.message


def test_the_log_of_the_large_variance_has_no_root() -> None:
    scheduler = diffusers.DDPMScheduler(**SHORT, variance_type="fixed_large_log")
    sample = torch.zeros(1, 1, 2, 2)
    assert bool(torch.isnan(scheduler.step(sample, 10, sample).prev_sample).all())


@pytest.mark.parametrize(("spacing", "total", "steps"), [("trailing", 1000, 13), ("linspace", 100, 5)])
def test_a_ddim_step_goes_elsewhere_than_the_next_one_begins(spacing: str, total: int, steps: int) -> None:
    """By hand: from the last but one to ᾱ of t − T // n, which is not that of the last."""
    scheduler = diffusers.DDIMScheduler(num_train_timesteps=total, timestep_spacing=spacing, clip_sample=False)
    scheduler.set_timesteps(steps)
    t, after = (int(one) for one in scheduler.timesteps[-2:])
    sample = torch.ones(1, 1, 2, 2, dtype=torch.float64)
    reached = scheduler.step(0 * sample, t, sample).prev_sample
    kept = scheduler.alphas_cumprod.double()

    def gap(goes: int) -> float:
        return float((reached - (kept[goes] / kept[t]).sqrt()).abs().max())

    assert t - total // steps != after
    assert gap(t - total // steps) < 8 * torch.finfo(torch.float32).eps < gap(after)
