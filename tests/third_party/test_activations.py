"""torch's own activations and losses, as their users have them, against the catalogue."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.nn import functional

import genverify as gv

_ROWS: list[str] = []
X = ("x",)


def act(f: object, name: str, **declared: object) -> gv.Formula:
    return gv.Formula(f, like=f"activation.{name}", **declared)  # type: ignore[arg-type]


def loss(f: object, name: str, **declared: object) -> gv.Formula:
    return gv.Formula(f, like=f"loss.{name}", **declared)  # type: ignore[arg-type]


SUBJECTS: dict[str, gv.Formula] = {
    "torch.sigmoid": act(torch.sigmoid, "sigmoid", arguments=X),
    "nn.ReLU(inplace=True)": act(nn.ReLU(inplace=True), "relu", in_place=("input",)),
    "nn.LeakyReLU(0.2)": act(nn.LeakyReLU(0.2), "leaky_relu"),
    "functional.elu": act(functional.elu, "elu"),
    "nn.GELU()": act(nn.GELU(), "gelu"),
    "nn.GELU(approximate='tanh')": act(nn.GELU(approximate="tanh"), "gelu_tanh"),
    "nn.Softplus": act(nn.Softplus, "softplus"),
    "functional.softmax": act(functional.softmax, "softmax", fixed={"dim": -1}),
    "nn.Softmax2d()": act(
        nn.Softmax2d(), "softmax", layout="batched", shapes={"input": "n class h w", "return": "n class h w"}
    ),
    "functional.mse_loss": loss(functional.mse_loss, "mse", options={"reduction": ("mean", "sum", "none")}),
    "nn.HuberLoss": loss(nn.HuberLoss, "huber"),
    "nn.BCELoss()": loss(nn.BCELoss(), "bce"),
    "functional.binary_cross_entropy(soft)": loss(
        functional.binary_cross_entropy, "bce", arguments={"target": "soft"}
    ),
    "functional.binary_cross_entropy_with_logits": loss(
        functional.binary_cross_entropy_with_logits, "bce_with_logits"
    ),
    "functional.cross_entropy": loss(
        functional.cross_entropy, "cross_entropy", options={"reduction": ("mean", "sum", "none")}
    ),
    "functional.nll_loss": loss(functional.nll_loss, "cross_entropy", arguments={"input": "log_probability"}),
    "functional.cross_entropy(weight)": loss(functional.cross_entropy, "cross_entropy_weighted"),
    "functional.cross_entropy(label_smoothing)": loss(
        functional.cross_entropy, "cross_entropy_label_smoothing"
    ),
    "nn.CrossEntropyLoss(label_smoothing=0.1)": loss(
        nn.CrossEntropyLoss(label_smoothing=0.1), "cross_entropy_label_smoothing"
    ),
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def verdict_table() -> Iterator[None]:
    """Prints every verdict after the last test; `pytest -s` shows it."""
    yield
    print("\n" + "\n".join(_ROWS))


@pytest.mark.parametrize("name", SUBJECTS)
def test_torch(name: str) -> None:
    report = gv.verify(SUBJECTS[name], budget="quick")
    outcomes = {verdict.check.partition(".")[2]: str(verdict.outcome) for verdict in report}
    _ROWS.append(f"{name:55}" + "  ".join(f"{check} {outcome}" for check, outcome in outcomes.items()))
    bad = [str(v) for v in report if v.outcome not in (gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE)]
    assert not bad, "\n".join(bad)
    assert report.count(gv.Outcome.PASS)
