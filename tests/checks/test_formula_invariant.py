"""Results that are not determined are judged by what all right ones have in common; slips of a gradient are named."""

from __future__ import annotations

import torch
from torch import nn

from genverify.subjects.parametrisation import any_real
from genverify.subjects.specification import Axis, Option
from tests.checks.toy_formula import known, outcome, right, wrong


def _direction() -> dict[str, object]:
    """The direction of a vector, up to its sign: all right ones have u uᵀ in common."""

    def projector(v: torch.Tensor) -> torch.Tensor:
        return v[..., :, None] * v[..., None, :] / (v * v).sum(-1)[..., None, None]

    return {
        "arguments": (any_real("v", "batch event"),),
        "oracle": projector,
        "invariant": lambda got, v: got[..., :, None] * got[..., None, :] if got.shape == v.shape else None,
        "output": "batch event event", "gradient": False, "sizes": {"event": (2, 3)},
    }  # fmt: skip


def test_either_sign_is_right():
    with known(**_direction()) as name:
        right(lambda v: v / v.norm(dim=-1, keepdim=True), name)
        right(lambda v: -nn.functional.normalize(v, dim=-1, eps=0), name)
        assert "claimed" in wrong(lambda v: v, name, "value")
        assert outcome(lambda v: v.sum(-1), name, "value") == "FAIL"


def _stopped() -> dict[str, object]:
    return {
        "arguments": (any_real("x", "batch"), any_real("w", "batch")),
        "oracle": lambda x, w, both=False: x * w,
        "surrogate": lambda x, w, both=False: x * (w if both else w.detach()),
        "dialects": (
            Axis(
                name="slip",
                options=(
                    Option(name=""),
                    Option(name="nothing stopped", keywords={"both": True}, accepted=False, note="w learns"),
                ),
            ),
        ),
    }


def test_a_wrong_gradient_of_a_right_value_is_named():
    with known(**_stopped()) as name:
        right(lambda x, w: x * w.detach(), name)
        assert "it is that of nothing stopped, which is wrong under this name: w learns" in wrong(
            lambda x, w: x * w, name, "gradient"
        )
        assert "it is that of" not in wrong(lambda x, w: 2 * x * w.detach() - x.detach() * w.detach(), name, "gradient")


class _Scaled(nn.Module):
    def __init__(self, *, learnt: bool) -> None:
        super().__init__()
        w = torch.ones(2)
        if learnt:
            self.w = nn.Parameter(w)
        else:
            self.register_buffer("w", w)

    def forward(self, x):
        return x * self.w


def test_no_gradient_reaches_a_buffer():
    with known(**_stopped()) as name:
        assert outcome(_Scaled(learnt=True), name, "gradient") == "FAIL"
        assert outcome(_Scaled(learnt=False), name, "gradient") == "PASS"
