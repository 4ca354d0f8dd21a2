"""Diffusion processes elsewhere: all of their functions at the same samples and steps."""

from __future__ import annotations

import torch

import genverify as gv
from genverify.parity.execution import BASELINE
from genverify.parity.matrix import parity
from genverify.reference.diffusion.whole_process import WholeProcess
from genverify.verdict import Outcome
from tests.parity.strange_executions import BF16, F32, LAST


class Process(torch.nn.Module):
    """A schedule of sixteen steps, a function that noises, and one that goes back."""

    def __init__(self) -> None:
        super().__init__()
        levels = torch.cumprod(1 - torch.linspace(1e-3, 0.1, 16, dtype=torch.float64), 0)
        self.register_buffer("alphas_cumprod", levels)

    def q_sample(self, x_start, t, noise):
        level = self.alphas_cumprod[t].reshape(-1, *[1] * (x_start.dim() - 1))
        return level.sqrt() * x_start + (1 - level).sqrt() * noise

    def predict_start_from_noise(self, x_t, t, noise):
        level = self.alphas_cumprod[t].reshape(-1, *[1] * (x_t.dim() - 1))
        return (x_t - (1 - level).sqrt() * noise) / level.sqrt()


class ThroughHalf(Process):
    """Samples go through float16 where they are float32: a leftover of mixed precision."""

    def q_sample(self, x_start, t, noise):
        if x_start.dtype == torch.float32:
            x_start = x_start.half().float()
        return super().q_sample(x_start, t, noise)


def outcomes(process, **declared):
    report = parity(gv.DiffusionProcess(process, **declared), executions=[BASELINE, F32, BF16, LAST])
    return {verdict.check.removeprefix("parity."): verdict.outcome for verdict in report}


def test_a_process_with_its_sampler_agrees_everywhere():
    process = WholeProcess(torch.linspace(1e-3, 0.2, 24, dtype=torch.float64))
    assert set(outcomes(process, first_step=0, prediction="eps").values()) == {Outcome.PASS}


def test_functions_alone_are_enough():
    # A sample of three numbers has no channels that could be last.
    found = outcomes(Process(), event_shape=3)
    assert found.pop(LAST.name) is Outcome.NOT_APPLICABLE
    assert set(found.values()) == {Outcome.PASS}


def test_what_is_lost_in_one_dtype_is_found_there_and_in_no_wider_one():
    found = outcomes(ThroughHalf(), event_shape=3)
    assert found[BASELINE.name] is Outcome.PASS
    assert found[F32.name] is Outcome.FAIL
