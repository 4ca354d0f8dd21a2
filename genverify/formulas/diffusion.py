"""Diffusion: all of its formulas, which are declared in the files beside this one."""

from __future__ import annotations

from genverify.formulas.diffusion_guidance import GUIDANCE
from genverify.formulas.diffusion_losses import LOSS_SIMPLE, MIN_SNR_WEIGHT, P2_WEIGHT, SNR, VLB_TERM
from genverify.formulas.diffusion_parametrisations import (
    EPS_FROM_X0,
    SCORE_FROM_EPS,
    V_TARGET,
    X0_EPS_FROM_PREDICTION,
    X0_EPS_FROM_V,
    X0_FROM_EPS,
)
from genverify.formulas.diffusion_process import LEARNED_RANGE, POSTERIOR, Q_SAMPLE, Q_STEP
from genverify.formulas.diffusion_samplers import DDIM_STEP, DDPM_MEAN, DDPM_STEP, PLMS_STEP
from genverify.formulas.diffusion_schedules import (
    ALPHA_BAR,
    ALPHA_BAR_PREV,
    COSINE_ALPHA_BAR,
    COSINE_BETAS,
    LINEAR_BETAS,
    VE_SIGMAS,
    ZERO_TERMINAL_SNR,
)

__all__ = [
    "ALPHA_BAR", "ALPHA_BAR_PREV", "COSINE_ALPHA_BAR", "COSINE_BETAS", "DDIM_STEP", "DDPM_MEAN", "DDPM_STEP",
    "EPS_FROM_X0",
    "GUIDANCE", "LEARNED_RANGE", "LINEAR_BETAS", "LOSS_SIMPLE", "MIN_SNR_WEIGHT", "P2_WEIGHT", "PLMS_STEP", "POSTERIOR",
    "Q_SAMPLE", "Q_STEP", "SCORE_FROM_EPS", "SNR", "VE_SIGMAS", "VLB_TERM", "V_TARGET", "X0_EPS_FROM_PREDICTION",
    "X0_EPS_FROM_V", "X0_FROM_EPS", "ZERO_TERMINAL_SNR",
]  # fmt: skip
