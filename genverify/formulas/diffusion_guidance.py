"""Guidance by the difference of two predictions, as a formula."""

from __future__ import annotations

from typing import Any

import torch

from genverify.formulas.catalogue import formula
from genverify.formulas.diffusion_arguments import SIZES
from genverify.formulas.plain_numbers import choice
from genverify.formulas.references import declares_reference
from genverify.oracles import diffusion as oracle
from genverify.reference.diffusion import samplers as reference
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Axis, Layout, Option, Specification

__all__ = ["GUIDANCE"]

Terms = tuple[torch.Tensor, ...]
Tensor = torch.Tensor
Number = Any


def _guided(
    conditional: Tensor,
    unconditional: Tensor,
    scale: Number,
    *,
    form: str = "",
) -> Terms:
    s = torch.as_tensor(scale, dtype=torch.float64)
    if form == "paper":
        return oracle.guidance.terms(conditional, unconditional, 1 + s)
    if form == "exchanged":
        return oracle.guidance.terms(unconditional, conditional, s)
    if form == "mixed":
        return s * conditional, unconditional
    if form == "backward":
        return conditional, s * unconditional, -s * conditional
    return oracle.guidance.terms(conditional, unconditional, s)


GUIDANCE = formula(
    Specification(
        name="diffusion.classifier_free_guidance",
        statement="u + s (c − u), or with s = 1 + w as (1 + w) c − w u",
        source="Ho & Salimans 2022, eq. 6",
        arguments=(
            any_real("conditional", "batch event", "cond", "eps_cond", "noise_pred_text", "noise_pred_cond", "c",
                "pred_cond",
                     "e_t", "cond_eps", "text", "eps_text", "noise_cond", "e_cond", "cond_pred", "conditional_eps",
                     "logits", "pred", "cond_scores", "eps_c", "epsilon_cond", "conditioned", "e_c", "cond_output"),
            any_real("unconditional", "batch event", "uncond", "eps_uncond", "noise_pred_uncond", "u", "pred_uncond",
                "null",
                     "e_t_uncond", "uncond_eps", "eps_null", "noise_uncond", "e_uncond", "uncond_pred", "null_logits",
                     "unconditional_eps", "uncond_scores", "eps_u", "epsilon_uncond", "unconditioned", "e_u",
                     "uncond_output"),
            plain("scale", "", choice(3.0, 7.5, 0.5, 1.5), ("guidance_scale", "w", "s", "cfg_scale", "cond_scale",
                "guidance",
                  "unconditional_guidance_scale", "omega", "cfg", "weight", "guidance_weight", "strength", "gamma"),
                  differentiable=False),
        ),
        oracle=_guided, output="batch event",
        dialects=(
            Axis(name="scale", options=(
                Option(name=""),
                Option(name="(1 + w) c − w u", keywords={"form": "paper"},
                note="as the paper has it: w = 0 is no guidance"),
                Option(name="roles exchanged", keywords={"form": "exchanged"}, accepted=False,
                       note="c + s (u − c): the condition is avoided"),
                Option(name="u not subtracted", keywords={"form": "mixed"}, accepted=False, note="u + s c"),
                Option(name="c − s (c − u)", keywords={"form": "backward"}, accepted=False,
                       note="moved towards the unconditional prediction"),
            )),
        ),
        layouts=(
            Layout(name="batched"),
            Layout(name="images", shapes=dict.fromkeys(
                ("conditional", "unconditional", "return"), "batch channel height width")),
        ),
        sizes=SIZES, derivation="diffusion.classifier_free_guidance.exponents",
    )
)  # fmt: skip


@declares_reference
def diffusion_guidance() -> Formula:
    """The reference guidance."""
    return Formula(reference.classifier_free_guidance, like="diffusion.classifier_free_guidance")
