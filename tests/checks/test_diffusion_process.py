"""Whole diffusion processes: what is said of one, what is refused, what cannot be told, what is left as it was."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import genverify as gv
from genverify.cli.declaring import declare
from genverify.reference.diffusion.whole_process import WholeProcess
from tests.mutants.diffusion_whole import Process, StepBefore
from tests.mutants.diffusion_whole_styles import Denoise, Halved, Padded
from tests.mutants.diffusion_whole_twins import GaussianDiffusion, Unet

RATES = torch.linspace(0.01, 0.4, 8, dtype=torch.float64)


def judged(check: str, thing: Any, **declared: Any) -> gv.Verdict:
    subject = gv.DiffusionProcess(thing, **declared)
    (verdict,) = gv.verify(subject, checks=[f"diffusion_process.{check}"], budget="quick")
    return verdict


def notes(check: str, thing: Any, **declared: Any) -> str:
    verdict = judged(check, thing, **declared)
    assert verdict.outcome is gv.Outcome.PASS, str(verdict)
    return "\n".join(verdict.evidence.notes)


def test_what_was_taken_for_what_is_said():
    said = notes("q_sample", Process())
    assert "q_sample is q_sample (x_start: x0)" in said
    assert "p_losses is loss" in said
    assert "steps count from 0" in said
    assert "steps count from 1" in notes("q_sample", Padded())


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (Process(), "the network predicts the noise; drawn with the posterior's variance β̃; x̂_0 is not clipped"),
        (Denoise(Unet(), 9), "the network predicts the noise; drawn with the variance β; x̂_0 is not clipped"),
        (
            GaussianDiffusion(Unet(), image_size=2, timesteps=8),
            "the network predicts the velocity; drawn with the posterior's variance β̃; x̂_0 is clipped to [−1, 1]",
        ),
    ],
    ids=["Ho", "labml", "lucidrains"],
)
def test_what_a_step_back_is_is_found_and_said(thing, words):
    assert words in notes("p_sample", thing)


def test_the_moments_of_a_whole_sampler_are_those_of_the_recursion():
    verdict = judged("moments", Process())
    assert verdict.outcome is gv.Outcome.PASS, str(verdict)
    assert "8 steps" not in str(verdict.evidence.notes)
    assert any("12 steps, 13 draws" in one for one in verdict.evidence.notes)
    assert verdict.evidence.observed < verdict.evidence.allowed < 100 * torch.finfo(torch.float32).eps


class Disagreeing:
    """One function counts from 0, one from 1."""

    def __init__(self) -> None:
        self.betas = RATES
        self.ab = torch.cumprod(1 - RATES, 0)

    def q_sample(self, x0, t, noise):
        a = self.ab[t].reshape(-1, *[1] * (x0.dim() - 1))
        return a.sqrt() * x0 + (1 - a).sqrt() * noise

    def predict_start_from_noise(self, x_t, t, noise):
        a = self.ab[t - 1].reshape(-1, *[1] * (x_t.dim() - 1))
        return (x_t - (1 - a).sqrt() * noise) / a.sqrt()


@pytest.mark.parametrize(("first", "outcomes"), [(None, ("?", "?")), (0, (".", "F")), (1, ("F", "."))])
def test_where_functions_count_differently_nothing_is_accused_before_that_is_declared(first, outcomes):
    letters = {"INCONCLUSIVE": "?", "PASS": ".", "FAIL": "F"}
    found = [judged(check, Disagreeing(), first_step=first) for check in ("q_sample", "conversions")]
    assert tuple(letters[one.outcome] for one in found) == outcomes, found
    if first is None:
        assert "say first_step=0 or first_step=1" in found[0].evidence.message


def test_one_against_many_is_not_accused_either():
    assert judged("q_sample", StepBefore()).outcome is gv.Outcome.INCONCLUSIVE
    assert judged("conversions", StepBefore()).outcome is gv.Outcome.PASS


def test_a_single_step_is_judged():
    thing = WholeProcess(torch.tensor([0.3], dtype=torch.float64))
    for check in ("schedule", "q_sample", "posterior", "p_sample", "moments", "rates"):
        assert judged(check, thing, first_step=0).outcome is gv.Outcome.PASS


@pytest.mark.parametrize("rates", [[0.1, 1.5], [0.1, -0.2], [0.2, 1.0, 0.1], [0.1, float("nan")]], ids=str)
def test_rates_that_are_none_fail_and_nothing_else_is_judged(rates):
    made = {"betas": torch.tensor(rates, dtype=torch.float64), "q_sample": lambda x0, t, noise: x0}
    report = gv.verify(gv.DiffusionProcess(made), budget="quick")
    said = {verdict.check.partition(".")[2]: verdict for verdict in report}
    assert said["rates"].outcome is gv.Outcome.FAIL
    assert "outside (0, 1)" in said["rates"].evidence.message
    assert said["q_sample"].outcome is gv.Outcome.NOT_APPLICABLE
    assert "nothing follows from these rates" in said["q_sample"].evidence.message


def test_float16_is_judged_in_its_own_dtype_and_that_is_said():
    assert "judged in float16, in which the schedule is reckoned" in notes("q_sample", Halved().half())


def test_rates_that_round_to_nothing_in_float16_say_so():
    """1e-9 is zero there."""
    made = {"betas": torch.tensor([1e-4, 1e-9, 0.1]).half(), "q_sample": lambda x0, t, noise: x0}
    verdict = judged("rates", made)
    assert verdict.outcome is gv.Outcome.FAIL
    assert "in float16 1 − β has few digits" in verdict.evidence.message


@pytest.mark.parametrize(
    ("thing", "declared", "words"),
    [
        (Process, {}, "a class"),
        (SimpleNamespace(q_sample=lambda x0, t, noise: x0), {}, "without a schedule"),
        ({"betas": RATES}, {}, "at least one more table, or a function"),
        (Process(), {"roles": {"q_smaple": "q_sample"}}, "did you mean 'q_sample'"),
        (Process(), {"roles": {"q_sample": "noising"}}, "which cannot be called"),
        (Process(), {"roles": {"betas": "q_sample"}}, "which is no table"),
        (Process(), {"first_step": 2}, "0 or 1"),
        (Process(), {"prediction": "epsilon"}, "eps or x0 or v"),
        (Process(), {"variance": "tiny"}, "small or large"),
        (Process(), {"eta": -1.0}, "a number of at least 0"),
        (Process(), {"roles": {"q_sample": lambda a, b: a}}, "of which nothing is known"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_is_refused_with_what_to_do(thing, declared, words):
    with pytest.raises(gv.UsageError) as raised:
        gv.verify(gv.DiffusionProcess(thing, **declared), budget="quick")
    assert words in str(raised.value), str(raised.value)


def test_an_empty_event_is_refused():
    with pytest.raises(gv.UsageError):
        gv.verify(gv.DiffusionProcess(Process(), event_shape=(0,)), budget="quick")


def test_the_process_and_its_network_are_left_as_they_were():
    thing = GaussianDiffusion(Unet(), image_size=2, timesteps=6).train()
    model, before = thing.model, copy.deepcopy(thing.state_dict())
    gv.verify(gv.DiffusionProcess(thing), budget="quick")
    assert thing.model is model
    assert thing.training
    assert all(torch.equal(value, before[name]) for name, value in thing.state_dict().items())


def test_a_function_that_raises_is_not_accused_before_its_samples_are_declared():
    def q_sample(x0, t, noise):
        raise ValueError("images of 64 × 64 alone")

    made = {"betas": RATES, "alphas": 1 - RATES, "q_sample": q_sample,
            "predict_v": lambda x0, t, noise: Disagreeing().q_sample(noise, t, -x0)}  # fmt: skip
    verdict = judged("q_sample", made)
    assert verdict.outcome is gv.Outcome.INCONCLUSIVE
    assert "images of 64 × 64 alone" in verdict.evidence.message
    assert judged("q_sample", made, event_shape=(1, 2, 2)).outcome is gv.Outcome.FAIL


def test_it_is_known_on_the_command_line_by_itself():
    subject = declare("tests.mutants.diffusion_whole:Process", None, [("prediction", "eps")])
    assert subject.kind == "diffusion_process"
    assert subject.prediction == "eps"


def test_a_failure_is_replayed():
    subject = gv.DiffusionProcess(StepBefore(), first_step=0)
    (verdict,) = gv.verify(subject, checks=["diffusion_process.q_sample"], budget="quick")
    assert gv.replay(verdict.replay, subject).outcome is gv.Outcome.FAIL
