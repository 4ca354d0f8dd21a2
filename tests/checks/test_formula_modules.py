"""Modules with a state and a mode for every call; classes made for sizes; axes stated apart; default dtypes."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from genverify.formulas.catalogue import reduction
from genverify.subjects.domains import integer, lower_triangular
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Layout, Role
from genverify.subjects.structured_domains import modes
from tests.checks.toy_formula import known, outcome, right, wrong

BATCHED = (Layout(name="batched"),)


def centred(x, mode):
    """Each call's input less the running mean: that of the batch while training, which is then followed."""
    mean, found = torch.zeros_like(x[0, 0]), []
    for batch, word in zip(x, mode, strict=True):
        if word == "train":
            mean = mean + 0.5 * (batch.mean(0) - mean)
        found.append(batch - (batch.mean(0) if word == "train" else mean))
    return torch.stack(found)


class Centring(nn.Module):
    """What `centred` says, with the ways in which it goes wrong."""

    def __init__(self, momentum=0.5, follows_in_eval=False, old_in_eval=False, forgets=False, batch_in_eval=False):
        super().__init__()
        self.momentum, self.follows_in_eval, self.forgets = momentum, follows_in_eval, forgets
        self.old_in_eval, self.batch_in_eval = old_in_eval, batch_in_eval
        self.register_buffer("mean", torch.zeros(()))
        self.register_buffer("before", torch.zeros(()))

    def train(self, mode=True):
        if self.forgets and mode and not self.training:
            self.mean = torch.zeros(())
        return super().train(mode)

    def forward(self, x):
        if self.training or self.follows_in_eval:
            self.before = self.mean
            self.mean = (
                self.mean + self.momentum * (x.detach().mean(0) - self.mean)
                if not self.training
                else (self.mean + self.momentum * (x.mean(0) - self.mean))
            )
        kept = self.before if self.old_in_eval else self.mean
        return x - (x.mean(0) if self.training or self.batch_in_eval else kept)


class ByBatchNorm(nn.Module):
    """The same by torch's batch norm, whose variance is taken out again."""

    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(3, momentum=0.5, affine=False)

    def forward(self, x):
        if self.training:
            self.norm(torch.cat((x, x + 1.0, x - 1.0)))
            return x - x.mean(0)
        return x - self.norm.running_mean


MODES = dict(
    arguments=(any_real("x", "call batch event"), plain("mode", "call", modes(), role=Role.MODE, differentiable=False)),
    oracle=centred, output="call batch event", layouts=BATCHED,
    sizes={"call": (4, 6), "batch": (2, 3), "event": (3,)},
)  # fmt: skip


@pytest.mark.parametrize("make", [Centring, ByBatchNorm, lambda: nn.Sequential(Centring())])
def test_a_state_that_is_kept_right_through_any_sequence_of_modes(make):
    module = make().eval()
    with known(**MODES) as like:
        right(module, like, checks=("formula.dialect", "formula.value"), arguments=("x",))
    assert not module.training
    assert not any(bool(one.any()) for name, one in module.named_buffers() if name.endswith("mean"))


@pytest.mark.parametrize("bug", ["follows_in_eval", "old_in_eval", "forgets", "batch_in_eval"])
def test_a_state_that_is_lost_or_moved_in_the_wrong_mode(bug):
    with known(**MODES) as like:
        assert "toy" in wrong(Centring(**{bug: True}), like, "value", arguments=("x",))


def test_a_running_mean_that_follows_too_slowly():
    with known(**MODES) as like:
        wrong(Centring(momentum=0.1), like, "dialect", arguments=("x",))


def test_one_mode_for_every_call():
    class Noisy(nn.Module):
        def __init__(self, scale=1.0):
            super().__init__()
            self.drop, self.scale = nn.Dropout(0.5), scale

        def forward(self, x):
            return self.drop(x * x) * (1.0 if self.training else self.scale)

    with known(arguments=(any_real("x", "batch"),), oracle=lambda x: x**2, output="batch") as like:
        right(Noisy(), like, mode="eval")
        right(Noisy().eval(), like)
        wrong(Noisy(), like, "dialect", mode="train")
        wrong(Noisy(scale=0.5), like, "dialect", mode="eval")
        right(Noisy(scale=0.5), like, mode="eval", fixed={}, output=lambda y: 2 * y)


def test_the_axes_of_the_result_and_of_an_argument_stated_apart():
    with known(
        arguments=(any_real("x", "batch event"), any_real("scale", "event")), oracle=lambda x, scale: x * scale,
        output="batch event", dialects=(reduction("event", ("none", "sum")), reduction("batch", ("none",))),
        layouts=BATCHED,
    ) as like:  # fmt: skip
        first = {"x": "event batch", "return": "event batch"}
        right(lambda x, scale: x * scale[:, None], like, shapes=first)
        right(lambda x, scale: (x * scale[:, None]).T, like, shapes={"x": "event batch"})
        right(lambda x, scale: (x * scale)[:, :, None, None], like, shapes={"return": "batch event one one"})
        right(lambda x, scale: (x * scale)[0], like, shapes={"x": "one batch event", "return": "batch event"})
        wrong(lambda x, scale: x * scale[:, None].flip(0), like, "dialect", shapes=first)
        wrong(lambda x, scale: (x * scale[:, None]).T.contiguous(), like, "dialect", shapes=first)
        wrong(lambda x, scale: x * scale, like, "dialect", shapes={"return": "event batch"})
        wrong(lambda x, scale: (x * scale).sum(0), like, "dialect", shapes={"x": "batch event"})


def test_event_axes_of_any_rank_beside_the_batch():
    with known(
        arguments=(any_real("x", "batch event"),), oracle=lambda x: tuple((x**2).unbind(-1)), output="batch",
        dialects=(reduction("batch", ("none", "mean")),), layouts=BATCHED,
    ) as like:  # fmt: skip
        images = {"x": "channel batch height width"}
        right(lambda x: x.pow(2).sum((0, 2, 3)), like, shapes=images)
        right(lambda x: x.transpose(0, 1).flatten(1).square().sum(1).mean(), like, shapes=images)
        wrong(lambda x: x.pow(2).sum((1, 2, 3)), like, "dialect", shapes=images)
        wrong(lambda x: x.pow(2).mean((0, 2, 3)), like, "dialect", shapes=images)


def test_a_lower_triangular_argument():
    def log_determinant(L):
        return 2 * torch.diagonal(L, dim1=-2, dim2=-1).log().sum(-1)

    with known(
        arguments=(plain("L", "batch event event", lower_triangular(), normwise=True),), output="batch",
        oracle=lambda L: 2 * torch.linalg.slogdet(L.tril())[1], layouts=BATCHED, operations=64,
    ) as like:  # fmt: skip
        right(log_determinant, like)
        right(lambda L: (L.tril() @ L.tril().mT).logdet(), like)
        # What stands above the diagonal is no part of a triangular matrix: neither is a gradient with respect to it.
        right(lambda L: torch.linalg.slogdet(L)[1] * 2, like)
        wrong(lambda L: log_determinant(L) / 2, like, "dialect")
        wrong(lambda L: 2 * L.abs().sum((-1, -2)).log(), like, "dialect")
        lost = outcome(lambda L: log_determinant(L.detach()) + 0 * L.sum((-1, -2)), like, by="gradient")
        assert lost == "FAIL"


def test_a_default_dtype_that_is_not_that_of_the_input():
    with known(arguments=(any_real("x", "batch"),), oracle=lambda x: x + 1 / 3, output="batch") as like:

        def third(x):
            return x + torch.full((), 1 / 3)

        narrow = {"checks": ("formula.dialect", "formula.value")}
        right(third, like, default_dtype=torch.float64)
        right(third, like, **narrow)  # good to float32, and told so
        wrong(lambda x: x + torch.full((), 0.33334), like, "dialect", default_dtype=torch.float64)
        wrong(third, like, "dialect", default_dtype=torch.float16)
        forgetful = wrong(
            lambda x: (x if torch.get_default_dtype() is torch.float64 else -x) + 1 / 3, like, "dialect",
            default_dtype=torch.float32,
        )  # fmt: skip
        assert "toy" in forgetful
    assert torch.get_default_dtype() is torch.float32


class Scaled:
    """Made for numbers of features, by which it divides and multiplies."""

    def __init__(self, features, outputs):
        self.features, self.outputs = features, outputs

    def __call__(self, x, y):
        return x.sum(-1) / self.features + y.sum(-1) * self.outputs


class Asserting(Scaled):
    def __call__(self, x, y):
        assert (x.shape[-1], y.shape[-1]) == (self.features, self.outputs)
        return super().__call__(x, y)


class AsModule(nn.Module):
    def __init__(self, *, outputs, features=2):
        super().__init__()
        self.inner = Scaled(features, outputs)

    def forward(self, x, y):
        return self.inner(x, y)


class Swapped(Scaled):
    def __init__(self, features, outputs):
        super().__init__(outputs, features)


class Fixed(Scaled):
    def __init__(self, features, outputs):
        super().__init__(3, outputs)


def test_a_class_that_is_made_for_the_sizes_that_were_drawn():
    with known(
        arguments=(
            any_real("x", "batch in"),
            any_real("y", "batch out"),
            plain("in", "in", integer(1, 3), ("features",), role=Role.SIZE),
            plain("out", "out", integer(1, 3), ("outputs",), role=Role.SIZE),
        ),
        oracle=lambda x, y: (*(x / x.shape[-1]).unbind(-1), *(y * y.shape[-1]).unbind(-1)), output="batch",
        layouts=BATCHED,
    ) as like:  # fmt: skip
        for one in (Scaled, Asserting, AsModule):
            right(one, like)
        right(lambda x, y: Scaled(x.shape[-1], y.shape[-1])(x, y), like)
        for one in (Swapped, Fixed):
            wrong(one, like, "dialect")
