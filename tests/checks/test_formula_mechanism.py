"""What a Formula can say: each way, on a formula of this test, spares a right function and catches a wrong one."""

from __future__ import annotations

import math

import torch
from torch import nn

import genverify as gv
from genverify.checks.formula_kink import bent
from genverify.formulas.catalogue import reduction
from genverify.subjects.domains import (
    function_of_index,
    integer,
    positive,
    real,
)
from genverify.subjects.parametrisation import any_real, draw, plain
from genverify.subjects.specification import Layout, Role, Specification
from genverify.subjects.structured_domains import (
    listed,
)
from tests.checks.toy_formula import known, outcome, right, wrong

BATCH = (reduction("batch", ("none", "mean", "sum")),)


def squared_error(**more):
    return known(
        arguments=(any_real("pred", "batch"), any_real("target", "batch")),
        oracle=lambda pred, target: (pred - target) ** 2,
        output="batch",
        dialects=BATCH,
        **more,
    )


def test_options_in_combination_the_own_default_first():
    def loss(pred, target, reduction="mean", half=False):
        error = (pred - target) ** 2 * (0.5 if half else 1.0)
        return {"mean": error.mean(), "sum": error.sum(), "none": error}[reduction]

    def sloppy(pred, target, reduction="mean"):
        error = (pred - target) ** 2
        return error.mean() if reduction == "mean" else error.sum() / 2

    with squared_error() as like:
        right(loss, like, options={"reduction": ("sum", "none")})
        right(sloppy, like)
        assert "reduction='sum'" in wrong(sloppy, like, "dialect", options={"reduction": ("sum", "mean")})
        assert "half=True" in wrong(loss, like, "dialect", options={"half": (True,)})


def test_axes_reordered_with_ones_and_split():
    with known(
        arguments=(any_real("x", "batch event"),), oracle=lambda x: x**2, output="batch event",
        dialects=(reduction("event", ("sum", "none")), *BATCH), layouts=(Layout(name="batched"),),
    ) as like:  # fmt: skip

        def images(x):
            b, _, _, _ = x.shape
            return (x**2).reshape(b, -1).sum(1)

        split = {"x": "batch channel height width"}
        right(images, like, shapes=split)
        right(lambda x: x**2, like, shapes=split)
        wrong(lambda x: (x**2).sum((1, 2)).mean(-1), like, "dialect", shapes=split)
        right(lambda x: (x**2).sum(0), like, shapes={"x": "event batch"})
        wrong(lambda x: (x**2).sum(1), like, "dialect", shapes={"x": "event batch"})
    with squared_error() as like:
        column = {"pred": "batch one"}
        right(lambda pred, target: (pred.squeeze(1) - target) ** 2, like, shapes=column)
        # The classic: (n, 1) against (n,) broadcasts to (n, n).
        wrong(lambda pred, target: ((pred - target) ** 2).mean(), like, "dialect", shapes=column)


def test_a_subject_that_raises_is_shown_under_its_own_names():
    def refuses(recon, y, strict=True):
        if strict:
            raise ValueError("no")
        return (recon - y) ** 2

    with squared_error() as like:
        subject = gv.Formula(refuses, like=like, arguments=("pred", "target"), options={"strict": (True,)})
        for check in ("formula.dialect", "formula.value"):
            (found,) = gv.verify(subject, budget="quick", checks=[check])
            assert found.outcome is gv.Outcome.FAIL
            assert {"recon", "y"} <= set(found.evidence.witness) <= {"recon", "y", "strict"}
            assert "no" in found.evidence.message


def test_stated_accuracy_replaces_rounding_but_not_more():
    with known(arguments=(any_real("x", "batch"),), oracle=torch.nn.functional.gelu, dialects=()) as like:

        def tanh(x):
            return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))

        wrong(tanh, like, "dialect")
        assert outcome(tanh, like, accuracy=5e-4, by="gradient") == "NOT_APPLICABLE"
        right(tanh, like, accuracy=5e-4)
        wrong(lambda x: x * torch.sigmoid(1.702 * x), like, "dialect", accuracy=5e-4)


def test_order_of_an_approximation():
    with known(
        arguments=(
            any_real("x", "batch"),
            plain("h", "", positive(low=0.02, high=0.2), ("step", "eps"), role=Role.STEP, differentiable=False),
        ),
        oracle=torch.cos, output="batch", gradient=False,
    ) as like:  # fmt: skip

        def forward(x, h):
            return (torch.sin(x + h) - torch.sin(x)) / h

        def central(x, h):
            return (torch.sin(x + h) - torch.sin(x - h)) / (2 * h)

        for f, p in ((forward, 1), (central, 2), (central, 1)):
            assert outcome(f, like, by="order", order=p) == "PASS", (f, p)
        assert "which is order 1" in wrong(forward, like, "order", order=2)
        assert "order" in wrong(lambda x, h: 1.1 * central(x, h), like, "order", order=1)


def test_a_list_of_tensors_is_one_argument():
    with known(
        arguments=(plain("grads", "layer event", listed(real()), ("gradients", "tensors")),),
        oracle=lambda grads: torch.stack(grads).square().sum(), output="", operations=64,
        layouts=(Layout(name="a list"),),
    ) as like:  # fmt: skip
        right(lambda grads: sum((g**2).sum() for g in grads), like)
        wrong(lambda grads: sum((g**2).mean() for g in grads), like, "dialect")
        wrong(lambda grads: (grads[0] ** 2).sum(), like, "dialect")
        assert "grads[" in wrong(
            lambda grads: (grads[0] ** 2).sum() + sum((g.detach() ** 2).sum() for g in grads[1:]), like, "gradient"
        )


def test_functions_and_draws_passed_or_made_inside():
    with known(
        arguments=(any_real("mu", "batch"), draw("eps", "batch", "normal", real(), "noise")),
        oracle=lambda mu, eps: mu + 2 * eps, output="batch",
    ) as like:  # fmt: skip
        right(lambda mu, eps: mu + 2 * eps, like)
        right(lambda mu: mu + 2 * torch.randn_like(mu), like)
        right(lambda mu: torch.distributions.Normal(mu, 2.0).rsample(), like)
        wrong(lambda mu: mu + 2 * torch.rand_like(mu), like, "dialect")
        wrong(lambda mu: mu + 4 * torch.randn_like(mu), like, "dialect")
        assert outcome(lambda mu: torch.distributions.Normal(mu, 2.0).sample(), like, by="gradient") != "PASS"
    with known(
        arguments=(
            plain("k", "batch", integer(0, 2)),
            plain("f", "table", function_of_index(), ("reward",), role=Role.FUNCTION, differentiable=False),
        ),
        oracle=lambda k, f: f(k) ** 2, output="batch", sizes={"table": (3,)},
    ) as like:  # fmt: skip
        right(lambda k, f: f(k) * f(k), like)
        wrong(lambda k, f: f(k * 0) ** 2, like, "dialect")


def test_value_and_gradient_specified_apart():
    with known(
        arguments=(any_real("x", "batch"),), oracle=torch.round, surrogate=lambda x: x, output="batch", kinks=True,
    ) as like:  # fmt: skip
        right(lambda x: x + (x.round() - x).detach(), like)
        assert outcome(lambda x: x.round(), like, by="gradient") == "FAIL"
        assert "carries no gradient" in wrong(lambda x: x.detach().round(), like, "gradient")
        assert outcome(lambda x: x, like, by="dialect") == "FAIL"


def test_outputs_that_sum_to_one_have_no_kink_where_only_their_sum_is_flat():
    with known(
        arguments=(any_real("x", "batch entry"),), oracle=lambda x: torch.softmax(x, -1), output="batch entry",
        kinks=True,
    ) as like:  # fmt: skip
        right(lambda x: x.softmax(-1), like)
        assert outcome(lambda x: x.detach().softmax(-1) + 0 * x, like, by="gradient") == "FAIL"
        assert outcome(lambda x: 2 * x.softmax(-1) - x.softmax(-1).detach(), like, by="gradient") == "FAIL"


def test_a_kink_is_told_from_the_rounding_of_a_constant_sum():
    beside, at = 2.0**-26, torch.tensor([[0.3, -1.2, 0.7], [2.0, 0.1, -0.4]], dtype=torch.float64)
    for smooth in (lambda x: (x.softmax(-1),), lambda x: (x[..., :1].softmax(-1),), lambda x: (x.sin(), x**2)):
        assert not bent(smooth, [at], beside)
        assert not bent(smooth, [torch.zeros(3, dtype=torch.float64)], beside)
    for kinked in (lambda x: (x.abs().softmax(-1),), lambda x: (x.relu(),), lambda x: (x, x.abs())):
        assert bent(kinked, [torch.zeros(3, dtype=torch.float64)], beside)
        assert not bent(kinked, [at], beside)


def test_several_outputs_by_order_and_by_name():
    with known(
        arguments=(any_real("x", "sample event"),), oracle=lambda x: (x.mean(0), x.amax(0)), output="event|event",
        outputs=("mean", "largest"), layouts=(Layout(name="batched"),), kinks=True,
    ) as like:  # fmt: skip
        right(lambda x: (x.mean(0), x.max(0).values), like)
        right(lambda x: {"largest": x.max(0).values, "mean": x.mean(0)}, like)
        wrong(lambda x: (x.max(0).values, x.mean(0)), like, "dialect")
        assert outcome(lambda x: (x.mean(0), x.max(0).values.detach()), like, by="gradient") == "FAIL"
        assert "where the formula has 2" in wrong(lambda x: x.mean(0), like, "dialect")


def test_what_is_overwritten_is_the_result():
    with known(arguments=(any_real("x", "batch"),), oracle=lambda x: 2 * x + 1, output="batch") as like:

        def double(x):
            x.mul_(2).add_(1)

        right(double, like, in_place=("x",))
        assert "nothing (None)" in wrong(double, like, "dialect")
        wrong(lambda x: x.mul_(2).add_(1), like, "inputs_untouched")


class Running(nn.Module):
    """The mean of all calls, by an exponential average that starts at zero and is corrected."""

    def __init__(self, beta=0.5, corrected=True, frozen=True):
        super().__init__()
        self.beta, self.corrected, self.frozen = beta, corrected, frozen
        self.register_buffer("m", torch.zeros(()))
        self.steps = 0

    def forward(self, x):
        if self.training or not self.frozen:
            self.m = self.beta * self.m + (1 - self.beta) * x
            self.steps += 1
        return self.m / (1 - self.beta**self.steps) if self.corrected else self.m


def test_a_state_over_calls_and_the_last_call_in_eval_mode():
    def average(x):
        m = torch.zeros_like(x[0])
        for row in x[:-1]:
            m = 0.5 * m + 0.5 * row
        return m / (1 - 0.5 ** (len(x) - 1))

    with known(
        arguments=(any_real("x", "call event"),), oracle=average, output="event", modes=("train", "eval"),
        sizes={"call": (2, 3, 4)}, layouts=(Layout(name="batched"),),
    ) as like:  # fmt: skip
        model = Running()
        right(model, like)
        assert model.steps == 0
        right(Running, like)
        wrong(Running(corrected=False), like, "dialect")
        wrong(Running(beta=0.9), like, "dialect")
        wrong(Running(frozen=False), like, "dialect")


LINEAR = dict(
    arguments=(
        any_real("x", "batch in", "input"),
        any_real("weight", "out in", "W"),
        any_real("bias", "out", "b"),
        plain("in", "in", integer(1, 3), ("in_features",), role=Role.SIZE),
        plain("out", "out", integer(1, 3), ("out_features",), role=Role.SIZE),
    ),
    oracle=lambda x, weight, bias: x @ weight.mT + bias,
    output="batch out", operations=64,
)  # fmt: skip


def test_weights_that_the_module_holds_are_shared_with_the_oracle():
    class Transposed(nn.Linear):
        def forward(self, input):
            return input @ self.weight.mT - self.bias

    class Stopped(nn.Linear):
        def forward(self, input):
            return nn.functional.linear(input, self.weight.detach(), self.bias)

    with known(**LINEAR) as like:
        layer = nn.Linear(3, 2)
        kept = layer.weight.detach().clone()
        right(layer, like)
        assert torch.equal(layer.weight, kept)
        right(nn.functional.linear, like, arguments=("x", "weight", "bias"))
        wrong(Transposed(3, 2), like, "dialect")
        assert "∂/∂weight" in wrong(Stopped(3, 2), like, "gradient")


def test_constructor_arguments_are_drawn_too():
    class Power:
        def __init__(self, gain):
            self.gain = gain

        def __call__(self, x):
            return self.gain * x**2

    class Forgetful(Power):
        def __call__(self, x):
            return x**2

    with known(
        arguments=(any_real("x", "batch"), any_real("gain", "")), oracle=lambda x, gain: gain * x**2, output="batch"
    ) as like:
        right(Power, like)
        wrong(Forgetful, like, "dialect")


def test_defaults_dtypes_and_narrow_subjects():
    with known(
        arguments=(any_real("x", "batch"), any_real("shift", "", default=torch.zeros(()))),
        oracle=lambda x, shift: torch.exp(x) + shift, output="batch",
    ) as like:  # fmt: skip
        right(lambda x, shift=0: x.exp() + shift, like)
        right(lambda x, shift=None: x.exp() + (0 if shift is None else shift), like)
        wrong(lambda x, shift=1.0: x.exp(), like, "value")
        right(lambda shift=0.0, x=None: x.exp() + shift, like)
        right(lambda x: x.float().exp(), like)
        right(lambda x: x.exp() + torch.zeros(1), like, default_dtype=torch.float64)

        report = gv.verify(gv.Formula(lambda x: x.exp() + 4e-8, like=like), budget="quick", checks=["formula.dialect"])
        assert "accurate to float32 only: its value is the formula's plus 4e-08" in str(report)

        def only_single(x):
            if x.dtype is not torch.float32:
                raise TypeError("float32 only")
            return x.exp()

        right(only_single, like)
        right(only_single, like, dtype=torch.float32)
        wrong(lambda x: x.half().exp().to(x.dtype), like, "dialect")


def test_a_kept_answer_a_wrong_stride_and_a_special_point():
    class Kept:
        def __init__(self):
            self.answers = {}

        def __call__(self, x):
            return self.answers.setdefault(tuple(x.shape), x.exp())

    with known(arguments=(any_real("x", "batch"),), oracle=torch.exp, output="batch") as like:
        assert "remembers" in wrong(Kept(), like, "repeatable")
        # Wrong, but not for what it remembers.
        assert outcome(lambda x: torch.where(x > 1, 0.0, x.exp()), like, by="repeatable") == "PASS"
        wrong(lambda x: torch.as_strided(x, x.shape, (1,)).exp(), like, "value")
        assert outcome(lambda x: (x.exp() * x) / x, like, by="value") == "FAIL"


def test_a_dialect_that_sums_the_batch_and_leaves_the_event_is_a_slip():
    with known(
        arguments=(any_real("x", "batch event"),), oracle=lambda x: x**2, output="batch event",
        dialects=(reduction("event", ("sum", "none")), *BATCH),
    ) as like:  # fmt: skip
        right(lambda x: (x**2).mean(0), like)
        assert "the batch axis is summed" in wrong(lambda x: (x**2).sum(0), like, "dialect")
        right(lambda x: (x**2).sum(0), like, dialect="per event, sum over batch")


def test_specifications_are_data():
    made = Specification(name="a.b", statement="", source="", arguments=(), oracle=lambda: 0)
    assert made.topic == "a"
