"""torch.optim × options × verdict × dialect, as a table: ``python -m tests.third_party.torch_optim_table`` at standard.

`CONFIGURATIONS` is what the test of this table looks at, too, at quick budget.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from typing import Any

import torch

from genverify.identification import identify
from genverify.subjects.optimizer import Optimizer
from genverify.verdict import Outcome
from genverify.verify import verify

ASCENT = {"maximize": True, "weight_decay": 0.1}
CONFIGURATIONS: list[tuple[str, str, dict[str, Any]]] = [
    ("SGD", "sgd", {"lr": 0.1}),
    ("SGD", "sgd", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", "nesterov", {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1}),
    ("SGD", "sgd", {"lr": 0.1, "momentum": 0.9, **ASCENT, "foreach": True}),
    ("Adam", "adam", {}),
    ("Adam", "adam", {**ASCENT, "foreach": True}),
    ("Adam", "amsgrad", {"amsgrad": True}),
    ("Adam", "adam", {"fused": True}),
    ("Adam", "adamw", {"decoupled_weight_decay": True, "weight_decay": 0.1}),
    ("AdamW", "adamw", {}),
    ("AdamW", "adamw", {"amsgrad": True, "maximize": True, "foreach": True}),
    ("RMSprop", "rmsprop", {}),
    ("RMSprop", "rmsprop", {"centered": True, "momentum": 0.9, **ASCENT}),
    ("Adagrad", "adagrad", {}),
    ("Adagrad", "adagrad", {"lr_decay": 0.1, "initial_accumulator_value": 0.5, **ASCENT}),
    ("Adadelta", "adadelta", {}),
    ("Adadelta", "adadelta", {**ASCENT, "foreach": True}),
    ("Adamax", "adamax", {}),
    ("Adamax", "adamax", {**ASCENT, "foreach": True}),
    ("NAdam", "nadam", {}),
    ("NAdam", "nadam", {"decoupled_weight_decay": True, **ASCENT}),
    ("RAdam", "radam", {}),
    ("RAdam", "radam", {"decoupled_weight_decay": True, **ASCENT}),
    ("Rprop", "rprop", {}),
    ("Rprop", "rprop", {"maximize": True, "foreach": True}),
    ("ASGD", "asgd", {}),
    ("ASGD", "asgd", {**ASCENT, "t0": 3}),
    ("Adafactor", "adafactor", {}),
    ("Adafactor", "adafactor", {**ASCENT, "foreach": True}),
    ("SparseAdam", "sparse_adam", {}),
    ("SparseAdam", "sparse_adam", {"maximize": True}),
    ("Muon", "muon", {}),
    ("Muon", "muon", {"nesterov": False, "adjust_lr_fn": "match_rms_adamw"}),
    ("LBFGS", "lbfgs", {}),
    ("LBFGS", "lbfgs", {"lr": 0.5, "history_size": 3}),
    ("LBFGS", "lbfgs", {"line_search_fn": "strong_wolfe"}),
]


def row(name: str, rule: str, options: dict[str, Any], budget: str, checks: list[str] | None = None) -> tuple[str, Any]:
    """One line of the table, and the report that it sums up."""
    kind = getattr(torch.optim, name)
    begun = time.process_time()
    report = verify(Optimizer(kind, rule=rule, **options), budget=budget, checks=checks)
    seconds = time.process_time() - begun
    counts = {outcome: report.count(outcome) for outcome in Outcome}
    shown = ", ".join(f"{n} {outcome.name}" for outcome, n in counts.items() if n)
    shown += "".join(f" ({one.check})" for one in report.failures)
    words = ", ".join(f"{key}={value!r}" for key, value in options.items())
    notes = {note for one in report for note in one.evidence.notes if "dialect" in note}
    note = ("; " + "; ".join(sorted(notes))) if notes else ""
    return f"| {name} | {words or 'defaults'} | {rule} | {shown} | {seconds:.1f} s{note} |", report


def dialect(name: str, options: dict[str, Any]) -> str:
    """What `identify` says of it."""
    try:
        return str(identify(getattr(torch.optim, name), **options)).partition(": ")[2].partition(", with")[0]
    except Exception as error:  # a line search cannot be identified
        return str(error)


def table(budget: str) -> Iterator[str]:
    """The lines of the table."""
    yield "| optimizer | options | rule | verdicts | seconds |"
    yield "|---|---|---|---|---|"
    for name, rule, options in CONFIGURATIONS:
        line, _ = row(name, rule, options, budget)
        yield f"{line[:-2]}; identified as {dialect(name, options)} |"


if __name__ == "__main__":
    for text in table(sys.argv[1] if len(sys.argv) > 1 else "standard"):
        print(text, flush=True)
