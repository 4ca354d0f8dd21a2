"""Residual blocks that the formulas cannot judge are refused, and the message says why."""

from __future__ import annotations

import pytest
from torch import nn

import genverify as gv
from genverify.errors import UsageError

_CONV = {"kernel_size": 3, "padding": 1}
_REFUSED: dict[str, tuple[list[nn.Module], str]] = {
    "three": ([nn.Conv2d(2, 2, **_CONV) for _ in range(3)], "3 layers Conv2d in its branch"),
    "dense": ([nn.Linear(2, 2), nn.Linear(2, 2)], "0 layers Conv2d in its branch"),
    "one norm": ([nn.Conv2d(2, 2, **_CONV), nn.BatchNorm2d(2), nn.Conv2d(2, 2, **_CONV)], "1 normalisations"),
    "unpadded": ([nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3)], "padding inside `forward` is not seen"),
    "grouped": ([nn.Conv2d(2, 2, **_CONV, groups=2), nn.Conv2d(2, 2, **_CONV)], "dilation or groups"),
    "prelu": ([nn.Conv2d(2, 2, **_CONV), nn.PReLU(), nn.Conv2d(2, 2, **_CONV)], "a layer PReLU"),
    "draws": ([nn.Conv2d(2, 2, **_CONV), nn.Dropout(0.5), nn.Conv2d(2, 2, **_CONV)], 'mode="eval"'),
    "spectral": (
        [nn.utils.parametrizations.spectral_norm(nn.Conv2d(2, 2, **_CONV)), nn.Conv2d(2, 2, **_CONV)],
        "computed from others",
    ),
}  # fmt: skip


class _Block(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.body = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.body(x)


@pytest.mark.parametrize("name", _REFUSED)
def test_what_the_formula_does_not_know_is_refused(name: str) -> None:
    layers, words = _REFUSED[name]
    with pytest.raises(UsageError, match=words.replace("(", r"\(")):
        gv.verify(gv.Formula(_Block(layers), like="residual.basic_block"), budget="quick")


def test_a_mapping_by_hand_is_taken_at_its_word() -> None:
    layers = [nn.Conv2d(2, 2, **_CONV), nn.ReLU(), nn.Conv2d(2, 2, **_CONV), nn.Identity()]
    mapping = {f"body.{i}.{one}": f"{one}{k}" for k, i in ((1, 0), (2, 2)) for one in ("weight", "bias")}
    subject = gv.Formula(_Block(layers), like="residual.basic_block", arguments=mapping)
    gv.verify(subject, budget="quick").raise_for_failures()
