"""What a whole diffusion process is held against: the closed forms of its parts; and the whole reference."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.references import declares_reference
from genverify.oracles import diffusion as oracle
from genverify.reference.diffusion.whole_process import WholeProcess
from genverify.subjects.diffusion_process import DiffusionOracles, DiffusionProcess

__all__ = ["introduce"]


def introduce(subject: DiffusionProcess) -> DiffusionProcess:
    """The process with the oracles of its parts."""
    oracles = DiffusionOracles(
        q_sample=oracle.q_sample.terms, posterior_mean=oracle.posterior_mean.terms,
        posterior_variance=_one(oracle.posterior_variance), x0_from_eps=oracle.x0_from_eps.terms,
        eps_from_x0=oracle.eps_from_x0.terms, v_target=oracle.velocity.terms, x0_from_v=oracle.x0_from_v.terms,
        eps_from_v=oracle.eps_from_v.terms, ddim_variance=_one(oracle.ddim_variance),
        ddim_step=oracle.ddim_step.terms,
    )  # fmt: skip
    return replace(subject, oracles=oracles, memory={})


def _one(closed: Callable[..., Any]) -> Callable[..., Tensor]:
    def value(*arguments: Tensor | float) -> Tensor:
        return torch.as_tensor(closed(*arguments), dtype=torch.float64)

    return value


@declares_reference
def whole() -> DiffusionProcess:
    """Ho, Jain & Abbeel's process over 24 steps."""
    betas = torch.linspace(0.004, 0.4, 24, dtype=torch.float64)
    return DiffusionProcess(WholeProcess(betas), first_step=0, prediction="eps", name="WholeProcess")
