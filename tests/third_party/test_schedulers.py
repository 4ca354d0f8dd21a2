"""torch's schedulers against the closed forms, stepped and resumed; torch's clipping, unscaling and averages."""

from __future__ import annotations

import math
import warnings

import pytest
import torch
from torch.optim import lr_scheduler

import genverify as gv
from genverify.errors import UsageError

SUBJECTS: dict[str, tuple[object, str, dict[str, object]]] = {
    "StepLR": (lr_scheduler.StepLR, "step", {}),
    "MultiStepLR": (lr_scheduler.MultiStepLR, "multi_step", {}),
    "ConstantLR": (lr_scheduler.ConstantLR, "constant", {}),
    "LinearLR": (lr_scheduler.LinearLR, "linear", {}),
    "LinearLR as a warm-up": (lr_scheduler.LinearLR, "linear_warmup", {}),
    "ExponentialLR": (lr_scheduler.ExponentialLR, "exponential", {}),
    "PolynomialLR": (lr_scheduler.PolynomialLR, "polynomial", {}),
    "CosineAnnealingLR": (lr_scheduler.CosineAnnealingLR, "cosine", {}),
    "CosineAnnealingWarmRestarts": (lr_scheduler.CosineAnnealingWarmRestarts, "cosine_restarts", {}),
    "OneCycleLR": (lr_scheduler.OneCycleLR, "one_cycle", {"options": {"anneal_strategy": ("linear",)}}),
    "OneCycleLR, three phases": (lr_scheduler.OneCycleLR, "one_cycle", {"fixed": {"three_phase": True}}),
    "CyclicLR": (lr_scheduler.CyclicLR, "cyclical", {"options": {"mode": ("triangular2", "exp_range")}}),
    "CyclicLR, its momentum": (
        lr_scheduler.CyclicLR,
        "cyclical_momentum",
        {"fixed": {"base_lr": 0.1, "max_lr": 1.0}, "options": {"mode": ("triangular2", "exp_range")}},
    ),
    "OneCycleLR, its momentum": (
        lr_scheduler.OneCycleLR,
        "one_cycle_momentum",
        {"fixed": {"max_lr": 1.0}, "options": {"anneal_strategy": ("linear",), "three_phase": (True,)}},
    ),
    "SWALR": (torch.optim.swa_utils.SWALR, "cosine", {}),
    "SWALR, straight": (torch.optim.swa_utils.SWALR, "linear", {"fixed": {"anneal_strategy": "linear"}}),
    "LambdaLR": (lr_scheduler.LambdaLR, "multiplier", {}),
    "MultiplicativeLR": (lr_scheduler.MultiplicativeLR, "product", {}),
}


def warmup_cosine(optimizer, warmup_steps, total_steps):
    """SequentialLR of a warm-up and a cosine; LinearLR begins above zero."""
    warm = lr_scheduler.LambdaLR(optimizer, lambda t: t / warmup_steps)
    wave = lr_scheduler.CosineAnnealingLR(optimizer, T_max=total_steps - warmup_steps)
    return lr_scheduler.SequentialLR(optimizer, [warm, wave], milestones=[warmup_steps])


def warmup_exponential(optimizer, warmup_steps, gamma):
    """SequentialLR of a warm-up and a decay."""
    warm = lr_scheduler.LambdaLR(optimizer, lambda t: t / warmup_steps)
    decay = lr_scheduler.ExponentialLR(optimizer, gamma)
    return lr_scheduler.SequentialLR(optimizer, [warm, decay], milestones=[warmup_steps])


def chained(optimizer, gamma, step_size):
    """ChainedScheduler of two staircases is one with γ²."""
    first = lr_scheduler.StepLR(optimizer, step_size, math.sqrt(gamma))
    second = lr_scheduler.StepLR(optimizer, step_size, math.sqrt(gamma))
    return lr_scheduler.ChainedScheduler([first, second], optimizer=optimizer)


SUBJECTS["SequentialLR: warm-up and cosine"] = (warmup_cosine, "warmup_cosine", {})
SUBJECTS["SequentialLR: warm-up and exponential"] = (warmup_exponential, "warmup_exponential", {})
SUBJECTS["ChainedScheduler"] = (chained, "step", {})


# Where there are ends, turns and seams that a few generic points may miss, cases are searched, too.
SEARCHED = {
    "StepLR", "PolynomialLR", "CosineAnnealingLR", "CosineAnnealingWarmRestarts", "OneCycleLR",
    "SequentialLR: warm-up and cosine",
}  # fmt: skip


@pytest.mark.parametrize("name", SUBJECTS)
def test_torchs_schedulers_follow_the_closed_forms(name: str) -> None:
    kind, like, declared = SUBJECTS[name]
    report = gv.verify(
        gv.Formula(kind, like=f"schedule.{like}", **declared), budget="quick",
        checks=["formula.dialect", *(["formula.value"] if name in SEARCHED else [])],
    )  # fmt: skip
    assert {str(one.outcome) for one in report} == {"PASS"}, str(report)


def _optimizer(lr: float = 1.0) -> torch.optim.SGD:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)


def _rates(scheduler, optimizer, count: int) -> list[float]:
    found = []
    for _ in range(count):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


def test_an_instance_is_verified_by_its_settings_and_left_alone() -> None:
    optimizer = _optimizer(0.3)
    scheduler = lr_scheduler.MultiStepLR(optimizer, [2, 4], gamma=0.5)
    report = gv.verify(gv.Formula(scheduler, like="schedule.multi_step"), budget="quick", checks=["formula.value"])
    assert str(report.verdicts[0].outcome) == "PASS", str(report)
    assert scheduler.last_epoch == 0
    assert optimizer.param_groups[0]["lr"] == 0.3


def test_an_instance_that_does_not_keep_its_settings_is_refused() -> None:
    scheduler = lr_scheduler.LambdaLR(_optimizer(), lambda t: 0.5**t)
    with pytest.raises(UsageError, match="does not keep its lr_lambda"):
        gv.verify(gv.Formula(scheduler, like="schedule.multiplier"))


def test_a_scheduler_under_another_name_fails() -> None:
    subject = gv.Formula(
        lr_scheduler.ExponentialLR, like="schedule.linear_warmup", arguments={"gamma": "start_factor"},
        fixed={},
    )  # fmt: skip
    with pytest.raises(UsageError, match="warmup"):
        gv.verify(subject)
    report = gv.verify(
        gv.Formula(lr_scheduler.CosineAnnealingLR, like="schedule.linear"), budget="quick", checks=["formula.dialect"]
    )
    assert report.failures[0].evidence.witness


class ForgetsWhenResumed(lr_scheduler.ExponentialLR):
    """Loads a state, and goes on from the first rate."""

    def load_state_dict(self, state_dict):
        """Everything but the rate."""
        super().load_state_dict(state_dict)
        self.last_epoch = 0

    def get_lr(self):
        """By the closed form of the count, which was lost."""
        return [base * self.gamma**self.last_epoch for base in self.base_lrs]


def test_a_scheduler_that_forgets_when_resumed_fails() -> None:
    report = gv.verify(gv.Formula(ForgetsWhenResumed, like="schedule.exponential"), checks=["formula.dialect"])
    assert "resumed=True" in report.failures[0].evidence.message


def test_a_schedule_of_a_metric_has_no_closed_form() -> None:
    with pytest.raises(UsageError, match="metrics"):
        gv.verify(gv.Formula(lr_scheduler.ReduceLROnPlateau, like="schedule.step"))


def test_beyond_its_end_the_cosine_rises_again_and_one_cycle_refuses() -> None:
    """What torch does where the paper says nothing: a dialect of the cosine, and an error of the other."""
    (verdict,) = gv.verify(
        gv.Formula(lr_scheduler.CosineAnnealingLR, like="schedule.cosine"), checks=["formula.dialect"]
    )
    assert "held" not in verdict.evidence.message
    optimizer = _optimizer()
    rates = _rates(lr_scheduler.CosineAnnealingLR(optimizer, 4), optimizer, 9)
    assert rates[4] == 0.0
    assert abs(rates[8] - 1.0) < 8 * torch.finfo(torch.float64).eps * (2 * 4 / math.pi) ** 2
    optimizer = _optimizer()
    once = lr_scheduler.OneCycleLR(optimizer, 1.0, total_steps=4)
    with pytest.raises(ValueError, match="total steps"):
        _rates(once, optimizer, 6)


def test_no_steps_at_all() -> None:
    """T = 0: the cosine divides by zero; two others keep for ever the rate of a phase that is empty."""
    optimizer = _optimizer()
    with pytest.raises(ZeroDivisionError):
        _rates(lr_scheduler.CosineAnnealingLR(optimizer, T_max=0), optimizer, 1)
    # The chained form waits for the step at which T ends, and that was over before the first; the closed form does not.
    optimizer = _optimizer()
    constant = lr_scheduler.ConstantLR(optimizer, factor=0.5, total_iters=0)
    assert constant._get_closed_form_lr() == [1.0]
    assert _rates(constant, optimizer, 3) == [0.5, 0.5, 0.5]
    optimizer = _optimizer()
    assert _rates(lr_scheduler.LinearLR(optimizer, start_factor=0.5, total_iters=0), optimizer, 3) == [0.5, 0.5, 0.5]


def test_a_rise_of_one_step_divides_by_zero() -> None:
    """OneCycleLR with pT = 1: the first phase ends at step zero."""
    with pytest.raises(ZeroDivisionError):
        lr_scheduler.OneCycleLR(_optimizer(), 1.0, total_steps=10, pct_start=0.1)


def test_a_scheduler_stepped_before_its_optimizer_is_warned_of_by_torch_and_not_by_the_adapter() -> None:
    optimizer = _optimizer()
    scheduler = lr_scheduler.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match=r"before `optimizer.step\(\)`"):
        scheduler.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gv.verify(gv.Formula(lr_scheduler.StepLR, like="schedule.step"), budget="quick", checks=["formula.dialect"])


@pytest.mark.parametrize(
    ("f", "like", "dialect"),
    [
        (torch.nn.utils.clip_grad_norm_, "clipping.global_norm", "1e-6 added to the norm"),
        (torch.nn.utils.clip_grad_value_, "clipping.value", "as written"),
        (torch.nn.utils.get_total_norm, "clipping.total_norm", "as written"),
    ],
)
def test_torchs_clipping(f, like: str, dialect: str) -> None:
    report = gv.verify(gv.Formula(f, like=like), budget="quick", checks=["formula.dialect", "formula.value"])
    assert {str(one.outcome) for one in report} == {"PASS"}, str(report)
    (named,) = [one for one in report if one.check == "formula.dialect"]
    assert named.evidence.message == f"dialect: {dialect}"


def test_torch_names_a_gradient_that_is_no_number_only_if_asked() -> None:
    w = torch.nn.Parameter(torch.zeros(2))
    w.grad = torch.tensor([1.0, math.inf])
    with pytest.raises(RuntimeError, match="non-finite"):
        torch.nn.utils.clip_grad_norm_([w], 1.0, error_if_nonfinite=True)
    assert w.grad.tolist() == [1.0, math.inf]
    torch.nn.utils.clip_grad_norm_([w], 1.0)
    assert w.grad[0] == 0.0
    assert w.grad[1].isnan()


def unscale_by_torch(parameters, scale):
    """torch's GradScaler on the CPU."""
    scaler = torch.amp.GradScaler("cpu", init_scale=scale)
    scaler.scale(torch.zeros(()))
    scaler.unscale_(torch.optim.SGD(parameters, lr=1.0))


def test_torchs_scaler_unscales_and_skips_a_step() -> None:
    report = gv.verify(gv.Formula(unscale_by_torch, like="accumulation.loss_scaling"), budget="quick")
    assert not report.failures, str(report)
    assert report.count(gv.Outcome.PASS)
    w = torch.nn.Parameter(torch.ones(2))
    optimizer, scaler = torch.optim.SGD([w], lr=1.0), torch.amp.GradScaler("cpu", init_scale=4.0)
    scaler.scale((w * torch.tensor([1.0, math.inf])).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    assert w.tolist() == [1.0, 1.0]
    assert scaler.get_scale() == 2.0


@pytest.mark.parametrize(
    ("kind", "like", "fixed", "words"),
    [
        (lr_scheduler.CosineAnnealingLR, "cosine", {"T_max": 0}, "at least one step"),
        (lr_scheduler.LinearLR, "linear", {"total_iters": -3}, "total = -3"),
        (lr_scheduler.StepLR, "step", {"step_size": 0}, "period = 0"),
        (lambda step, lr, T: lr * (1 - step / T), "linear", {"lr": math.nan, "T": 4}, "finite"),
        (lr_scheduler.ReduceLROnPlateau, "step", {}, "metrics"),
    ],
)
def test_what_is_no_schedule_is_refused_before_anything_is_run(kind, like, fixed, words) -> None:
    with pytest.raises(UsageError, match=words):
        gv.verify(gv.Formula(kind, like=f"schedule.{like}", fixed=fixed))


def test_a_rate_of_zero_stays_zero_and_an_early_step_of_the_scheduler_changes_nothing() -> None:
    at_rest = lr_scheduler.StepLR(_optimizer(0.0), 3)
    early = lr_scheduler.StepLR(_optimizer(0.1), 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of a scheduler that is stepped before its optimizer
        early.step()
    for scheduler in (at_rest, early):
        report = gv.verify(gv.Formula(scheduler, like="schedule.step"), budget="quick", checks=["formula.value"])
        report.raise_for_failures()
    assert early.last_epoch == 1
