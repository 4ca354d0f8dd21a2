"""Formulas whose result is what they leave in `.grad`: clipping, unscaling."""

from __future__ import annotations

import torch

from genverify.subjects.domains import positive, real
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Layout
from tests.checks.toy_formula import known, outcome, right, wrong


def _clipped(gradient: torch.Tensor, bound: torch.Tensor) -> torch.Tensor:
    # torch adds 1e-6 to the norm.
    return gradient * torch.clamp(bound / (torch.linalg.vector_norm(gradient) + 1e-6), max=1.0)


def _clip():
    return known(
        arguments=(
            plain("gradient", "entry", real(), ("params", "parameters", "p"), in_grad=True, differentiable=False),
            plain("bound", "", positive(), ("max_norm", "c"), differentiable=False),
        ),
        oracle=_clipped, output="entry", layouts=(Layout(name="whole"),), kinks=True, gradient=False,
    )  # fmt: skip


def test_what_is_left_in_grad_is_the_result():
    with _clip() as like:
        checks = ("formula.dialect", "formula.value", "formula.inputs_untouched")
        right(torch.nn.utils.clip_grad_norm_, like, arguments=("gradient", "bound"), checks=checks)

        def always(params, max_norm):
            params.grad.mul_(max_norm / (params.grad.norm() + 1e-6))

        def replaced(params, max_norm):
            params.grad = _clipped(params.grad, max_norm)

        right(replaced, like, checks=checks)
        assert "value" in wrong(always, like, "dialect")
        assert outcome(lambda params, max_norm: None, like, by="dialect") == "FAIL"


def test_a_gradient_that_is_thrown_away_is_named():
    with _clip() as like:

        def forgets(params, max_norm):
            params.grad = None

        assert "left no gradient" in wrong(forgets, like, "dialect")
