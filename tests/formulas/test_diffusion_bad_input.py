"""Schedules that are none: one step, rates outside (0, 1), too few digits; and steps that are not there."""

from __future__ import annotations

import pytest
import torch

import genverify as gv
from genverify.errors import UsageError
from genverify.reference.diffusion import losses, parametrisations, process, schedules

_X, _STEPS = torch.ones(1, 2), torch.tensor([0])


def _of(table, name="betas"):
    """A draw of x_t by a schedule that the function has inside, under that name."""
    betas = alphas_cumprod = table

    def by_rates(x0, t, noise):
        level = torch.cumprod(1 - betas, 0)[t].reshape(-1, 1, 1, 1).to(x0.dtype)
        return level.sqrt() * x0 + (1 - level).sqrt() * noise

    def by_levels(x0, t, noise):
        level = alphas_cumprod[t].reshape(-1, 1, 1, 1).to(x0.dtype)
        return level.sqrt() * x0 + (1 - level).sqrt() * noise

    return gv.Formula(by_rates if name == "betas" else by_levels, like="diffusion.q_sample")


def _outcomes(subject):
    return {verdict.outcome for verdict in gv.verify(subject, budget="quick")}


@pytest.mark.parametrize("steps", [1, 0, -3])
@pytest.mark.parametrize("make", [schedules.linear_betas, schedules.ve_sigmas])
def test_a_schedule_with_two_ends_has_two_steps(make, steps):
    with pytest.raises(ValueError, match="expected at least 2"):
        make(steps)


def test_a_cosine_of_one_step_is_clipped_at_once():
    assert schedules.cosine_betas(1).tolist() == [0.999]
    with pytest.raises(ValueError, match="expected at least 1"):
        schedules.cosine_betas(0)


@pytest.mark.parametrize("beta", [0.0, -0.1, 1.5, float("nan"), float("inf")])
def test_the_reference_refuses_a_rate_outside_the_unit_interval(beta):
    betas = torch.tensor([0.5, beta, 0.5])
    for call in (
        lambda: schedules.alpha_bar(betas), lambda: process.q_sample(_X, _STEPS, betas, _X),
        lambda: process.posterior(_X, _X, _STEPS, betas), lambda: process.q_step(_X, _STEPS, betas, _X),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"expected rates inside \(0, 1\)"):
            call()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.int64])
def test_the_reference_refuses_a_schedule_of_few_digits(dtype):
    with pytest.raises(ValueError, match="expected float32 or float64"):
        schedules.alpha_bar(torch.ones(3, dtype=dtype))


@pytest.mark.parametrize("shape", [(), (0,), (2, 2)])
def test_the_reference_refuses_what_is_no_vector(shape):
    with pytest.raises(ValueError, match="one for each step"):
        schedules.alpha_bar(torch.full(shape, 0.5))


def test_the_posterior_of_the_only_step_are_the_data():
    mean, variance = process.posterior(_X, 3 * _X, _STEPS, torch.tensor([0.25]))
    assert torch.equal(mean, _X)
    assert float(variance) == 0
    with pytest.raises(ValueError, match="expected at least 2"):
        process.learned_range_log_variance(_X, _STEPS, torch.tensor([0.25]))


@pytest.mark.parametrize("level", [-0.5, 1.5, float("nan")])
def test_the_reference_refuses_what_is_no_level(level):
    with pytest.raises(ValueError, match="products of 1 - beta"):
        parametrisations.x0_from_eps(_X, _X, level)
    with pytest.raises(ValueError, match="products of 1 - beta"):
        losses.snr(torch.tensor([level]))


def test_the_reference_says_which_predictions_and_steps_there_are():
    with pytest.raises(ValueError, match="expected epsilon, sample or v_prediction"):
        parametrisations.x0_eps_from_prediction(_X, _X, 0.5, "noise")
    with pytest.raises(ValueError, match="expected epsilon, sample or v_prediction"):
        losses.min_snr_weight(torch.tensor([0.5]), 5.0, "noise")
    with pytest.raises(ValueError, match="from 1 on"):
        losses.vlb_term(_X, _X, _STEPS, torch.tensor([0.5, 0.5]))


@pytest.mark.parametrize("name", ["betas", "alphas_cumprod"])
@pytest.mark.parametrize("bad", [1.5, -0.5, float("nan")])
def test_a_subject_with_rates_outside_the_unit_interval_is_refused(name, bad):
    with pytest.raises(UsageError, match="a schedule that holds"):
        gv.verify(_of(torch.tensor([0.5, bad, 0.25]), name))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_subject_with_a_schedule_in_half_precision_is_refused(dtype):
    with pytest.raises(UsageError, match="expected one in float32 or float64"):
        gv.verify(_of(torch.full((6,), 0.25, dtype=dtype)))


def test_a_product_taken_in_half_precision_fails():
    def q_sample(x0, t, betas, noise):
        level = torch.cumprod(1 - betas.half(), 0)[t].reshape(-1, *[1] * (x0.dim() - 1)).to(x0.dtype)
        return level.sqrt() * x0 + (1 - level).sqrt() * noise

    assert gv.Outcome.FAIL in _outcomes(gv.Formula(q_sample, like="diffusion.q_sample"))


@pytest.mark.parametrize("steps", [1, 2, 3, 1000])
def test_any_number_of_steps_can_be_verified(steps):
    outcomes = _outcomes(_of(torch.linspace(0.01, 0.02, steps, dtype=torch.float64)))
    assert gv.Outcome.PASS in outcomes <= {gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE}


def test_a_wrong_entry_at_the_end_of_a_long_schedule_is_found():
    table = torch.cumprod(torch.full((1000,), 0.999, dtype=torch.float64), 0)

    def q_sample(x0, t, noise):
        alphas_cumprod = table
        level = alphas_cumprod[torch.clamp(torch.as_tensor(t), max=998)].reshape(-1, 1, 1, 1)
        return level.sqrt() * x0 + (1 - level).sqrt() * noise

    subject = gv.Formula(q_sample, like="diffusion.q_sample", fixed={"alphas_cumprod": table})
    assert gv.Outcome.FAIL in _outcomes(subject)


def test_a_subject_without_a_schedule_is_told_what_is_missing():
    def q_sample(x0, t, noise):
        return x0 + t * noise

    with pytest.raises(UsageError, match="schedule"):
        gv.verify(gv.Formula(q_sample, like="diffusion.q_sample"))
