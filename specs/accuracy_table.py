"""The accuracy of every activation and loss in ULPs; ``python -m specs.accuracy_table`` measures it anew.

For each formula, torch's own implementation and the reference, each in float64, float32 and bfloat16: the largest error
met, in units of the last place of the true value (mpmath), and the input at which it was met. The search is that of the
check `formula.accuracy` at standard budget. The numbers belong to the library and the processor that ran it: the test
of this page does not measure again, it evaluates every implementation at the inputs on record in accuracy.md.

Sources: Muller et al. 2018, "Handbook of Floating-Point Arithmetic", 2nd ed., section 2.3.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional

from genverify.checks.formula_accuracy import Worst, measure
from genverify.checks.formula_identity import identify
from genverify.checks.formula_range import span_of
from genverify.claims import proves
from genverify.formulas.catalogue import all_formulas, find_formula
from genverify.formulas.references import reference_subjects
from genverify.numerics.ulp import ulp
from genverify.subjects.budget import BUDGETS, Run
from genverify.subjects.formula import Formula
from genverify.verify import prepare

PAGE = Path(__file__).resolve().parent / "accuracy.md"
DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16}

_HEAD = """\
# Accuracy of activations and losses

<!-- Written by `python -m specs.accuracy_table`; a test fails when it is stale. -->

The largest error met over the whole range of each dtype, in units of the last place (ULPs) of the value in mpmath, and
the input at which it was met. ½ is correct rounding. Large numbers are lost tails: the value there is close to zero,
and what computes it as a difference, or through an exponential that has underflowed, has no digit of it.
Losses are measured on one sample (one row of three logits).

| formula | implementation | dtype | ULPs | worst input |
| --- | --- | --- | --- | --- |
"""

THEIRS: dict[str, Any] = {
    "activation.elu": functional.elu,
    "activation.gelu": functional.gelu,
    "activation.gelu_tanh": lambda x: functional.gelu(x, approximate="tanh"),
    "activation.leaky_relu": functional.leaky_relu,
    "activation.log_sigmoid": functional.logsigmoid,
    "activation.log_softmax": lambda x: torch.log_softmax(x, -1),
    "activation.relu": torch.relu,
    "activation.selu": torch.selu,
    "activation.sigmoid": torch.sigmoid,
    "activation.silu": functional.silu,
    "activation.softmax": lambda x: torch.softmax(x, -1),
    "activation.softplus": lambda x: functional.softplus(x),
    "activation.tanh": torch.tanh,
    "loss.bce": lambda p, y: functional.binary_cross_entropy(p, y, reduction="none"),
    "loss.bce_with_logits": lambda x, y: functional.binary_cross_entropy_with_logits(x, y, reduction="none"),
    "loss.cross_entropy": lambda x, y: functional.cross_entropy(x, y, reduction="none"),
    "loss.cross_entropy_label_smoothing": lambda x, y: functional.cross_entropy(
        x, y, reduction="none", label_smoothing=0.1
    ),
    "loss.cross_entropy_soft_targets": lambda x, y: functional.cross_entropy(x, y, reduction="none"),
    "loss.cross_entropy_weighted": lambda x, y, weight: functional.cross_entropy(x, y, weight, reduction="none"),
    "loss.huber": lambda pred, y: functional.huber_loss(pred, y, reduction="none"),
    "loss.mse": lambda pred, y: functional.mse_loss(pred, y, reduction="none"),
    "loss.smooth_l1": lambda pred, y: functional.smooth_l1_loss(pred, y, reduction="none"),
}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table: whose, in which dtype, how far off, and where."""

    like: str
    whose: str
    dtype: str
    ulps: str
    at: str

    @property
    def error(self) -> float:
        """The ULPs as a number."""
        return float(self.ulps)


def subjects() -> Iterator[tuple[str, Formula]]:
    """(whose, subject) for everything in the table: torch's own and the references."""
    ours = {one.like: one for one in reference_subjects() if isinstance(one, Formula)}
    for like in measured():
        if like in THEIRS:
            yield "torch", Formula(THEIRS[like], like=like, arguments=_order(like))
        yield "reference", ours[like]


def measured() -> list[str]:
    """The formulas of the table: every activation and loss that has a value in mpmath."""
    return [
        name for name, one in all_formulas().items() if one.topic in ("activation", "loss") and one.exact is not None
    ]


def _order(like: str) -> tuple[str, ...]:
    return tuple(a.name for a in find_formula(like).arguments if a.default is ...)


def rows(budget: str = "standard") -> Iterator[Row]:
    """Measures everything, which takes a minute."""
    for whose, subject in subjects():
        prepared = prepare(subject)
        found = identify(prepared)
        assert found.accepted, f"{whose}'s {subject.like} follows no accepted dialect"
        for name, dtype in DTYPES.items():
            worst = measure(span_of(prepared, found), dtype, Run(budget=BUDGETS[budget]))
            if worst is not None:
                yield _row(subject.like, whose, name, worst, prepared)


def _row(like: str, whose: str, dtype: str, worst: Worst, prepared: Any) -> Row:
    names = {bound.parameter: bound.argument.name for bound in prepared.match.bound}
    at = ", ".join(f"{names[parameter]}={value.removesuffix(' (bfloat16)')}" for parameter, value in worst.at.items())
    return Row(like=like, whose=whose, dtype=dtype, ulps=f"{worst.ulps:.3g}", at=at)


def write(found: list[Row]) -> str:
    """The text of accuracy.md."""
    lines = [f"| `{r.like}` | {r.whose} | {r.dtype} | {r.ulps} | `{r.at}` |" for r in found]
    return _HEAD + "\n".join(lines) + "\n"


def read(text: str) -> list[Row]:
    """The rows of accuracy.md."""
    found = []
    for line in text.splitlines():
        cells = [cell.strip().strip("`") for cell in line.split("|")[1:-1]]
        if len(cells) == 5 and cells[0].startswith(("activation.", "loss.")):
            found.append(Row(like=cells[0], whose=cells[1], dtype=cells[2], ulps=cells[3], at=cells[4]))
    return found


def evaluated(row: Row, subject: Formula) -> float:
    """The error in ULPs of an implementation at the input on record."""
    import mpmath as mp

    specification, dtype = find_formula(row.like), DTYPES[row.dtype]
    at = {key: ast.literal_eval(value) for key, value in _pairs(row.at)}
    given, exact = [], []
    for argument in specification.arguments:
        if argument.name not in at:
            exact.append(argument.default)
            continue
        value = at[argument.name]
        exact.append(value)
        tensor = torch.tensor(value) if isinstance(value, int) else torch.tensor(value, dtype=torch.float64).to(dtype)
        given.append((tensor, argument.axes == "class"))
    if row.whose == "reference" and row.like == "loss.focal":
        exact[2] = 0.25  # the reference's own α
    keywords = {"relative": True} if row.like.endswith("weighted") and row.whose == "reference" else {}
    true = specification.exact(*exact, **keywords)  # type: ignore[misc]
    reduced = row.whose == "reference" and row.like.startswith("loss.") and row.like != "loss.label_smoothing_targets"
    errors = []
    # One row, and as many as the library takes by vector instructions, whose last bits may differ.
    for count in (1,) if reduced else (1, 64):
        rows = [tensor if shared else tensor.expand(count, *tensor.shape).contiguous() for tensor, shared in given]
        got = subject.f(*rows).reshape(count, -1)[0]
        for want, number in zip(true if isinstance(true, list) else [true], got.tolist(), strict=True):
            if abs(want) <= torch.finfo(dtype).max:
                spacing = float(ulp(torch.tensor(float(want), dtype=torch.float64), dtype))
                errors.append(float(abs(mp.mpf(number) - want) / spacing))
    return max(errors)


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    depth, start = 0, 0
    for place, letter in enumerate(text + ","):
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            name, _, value = text[start:place].strip().partition("=")
            yield name, value
            start = place + 1


@proves("activation.accuracy.worst_inputs")
def test_the_table_names_every_activation_and_loss():
    """A formula that is new must be measured: run `python -m specs.accuracy_table`."""
    found = read(PAGE.read_text(encoding="utf-8"))
    here = {(row.like, row.whose, row.dtype) for row in found}
    assert {like for like, _, _ in here} == set(measured())
    assert {(like, "torch") for like in THEIRS} == {(like, whose) for like, whose, _ in here if whose == "torch"}
    for like in measured():
        assert {dtype for name, whose, dtype in here if (name, whose) == (like, "reference")} == set(DTYPES)


@proves("activation.accuracy.worst_inputs")
@pytest.mark.parametrize("dtype", DTYPES)
def test_the_inputs_on_record_show_the_errors_on_record(dtype):
    """Within one unit or a half of it: another processor's vector library may round some last bits otherwise."""
    known = {(whose, subject.like): subject for whose, subject in subjects()}
    for row in read(PAGE.read_text(encoding="utf-8")):
        if row.dtype == dtype:
            error = evaluated(row, known[row.whose, row.like])
            assert math.isclose(error, row.error, rel_tol=0.5, abs_tol=1.0), row


def main() -> None:
    """Measures, and writes accuracy.md."""
    PAGE.write_text(write(list(rows())), encoding="utf-8")


if __name__ == "__main__":
    main()
