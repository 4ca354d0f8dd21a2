"""What is examined of every optimizer before anything is drawn: each option's values, and every two of them together.

All on one revealing stream: drawn options and drawn streams rarely meet where a fault of both of them shows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch

from genverify.strategies.pairwise import every_pair, every_value
from genverify.strategies.registry import examines
from genverify.subjects.budget import Run
from genverify.subjects.case import Case
from genverify.subjects.optimizer_stream import REVEALING, revealing, revealing_rows

__all__ = ["revealing_cases", "smaller"]


def smaller(case: Case) -> Iterator[Case]:
    """Fewer options, one parameter, fewer steps, one entry, a steady rate."""
    options: Mapping[str, Any] = case["options"]
    if options:
        yield _with(case, options={})
        yield from (_with(case, options={k: v for k, v in options.items() if k != name}) for name in options)
    parameters, gradients = case["parameters"], case["gradients"]
    if len(parameters) > 1:
        yield from (_only(case, index) for index in range(len(parameters)))
    steps = len(gradients[0])
    for fewer in dict.fromkeys((1, 2, 4, 8, steps // 2, steps - 1)):
        if 0 < fewer < steps:
            yield _until(case, fewer)
    if "rates" in case and not bool((case["rates"] == 1).all()):
        yield _with(case, rates=torch.ones_like(case["rates"]))
    if len(parameters) == 1 and parameters[0].dim() == 1 and parameters[0].numel() > 1 and "present" not in case:
        for i in range(parameters[0].numel()):
            yield _with(case, parameters=[parameters[0][i : i + 1]], gradients=[gradients[0][:, i : i + 1]])


@examines("optimizer", smaller=smaller)
def revealing_cases(subject: Any, run: Run) -> list[Case]:  # noqa: ANN401
    """The defaults in both dtypes, each value of each option, then all pairs of these."""
    law = subject.law
    if law.wants == "function":
        return []
    make = functools.partial(_case, subject)
    trials = {name: values for name, values in law.trials.items() if len(values) > 1}
    legal: Callable[[dict[str, Any]], bool] = law.legal
    alone = every_value(trials, legal)
    together = [row for row in every_pair(trials, legal) if row not in alone]
    found = [make({}, torch.float64), make({}, torch.float32)]
    found += [make(options, torch.float64) for options in alone]
    return found + [make(options, torch.float32 if n % 2 else torch.float64) for n, options in enumerate(together)]


def _case(subject: Any, options: Mapping[str, Any], dtype: torch.dtype) -> Case:  # noqa: ANN401
    wants = subject.law.wants
    shapes = REVEALING.get(wants, REVEALING[""])
    stream = (revealing_rows if wants == "sparse" else revealing)(
        shapes, dtype=dtype, rate="rate" in subject.convention.capabilities
    )
    values: dict[str, Any] = {"parameters": list(stream.parameters), "gradients": list(stream.gradients)}
    if stream.sparse:
        values |= {"present": list(stream.present), "sparse": True}
    return Case(values={**values, "rates": stream.rates, "options": dict(options)})


def _with(case: Case, **values: Any) -> Case:  # noqa: ANN401 - anything that a case holds
    return Case(values={**case.values, **values}, seed=case.seed)


def _only(case: Case, index: int) -> Case:
    lists = ("parameters", "gradients", "present")
    return _with(case, **{name: [case[name][index]] for name in lists if name in case})


def _until(case: Case, steps: int) -> Case:
    cut: dict[str, Any] = {name: [x[:steps] for x in case[name]] for name in ("gradients", "present") if name in case}
    return _with(case, **cut, **({"rates": case["rates"][:steps]} if "rates" in case else {}))
