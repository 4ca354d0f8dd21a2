"""The optimizer catalogue: introduces a subject to the rule that it is held against."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from genverify.errors import UsageError
from genverify.formulas.optimizer_comparison import Comparison
from genverify.formulas.optimizer_declared import canonical_values, claimed_values
from genverify.formulas.optimizer_rule import Dialect, Rule
from genverify.formulas.optimizer_rules import find_rule
from genverify.formulas.optimizer_scaling import DEGREES, UNITS
from genverify.formulas.optimizer_sharing import SharedLines
from genverify.oracles.recurrences import Recurrence
from genverify.oracles.recurrences_reductions import Layout
from genverify.subjects.optimizer import Convention, Optimizer
from genverify.subjects.optimizer_run import Finding, Trajectory

__all__ = ["RuleLaw", "introduce"]

# The rate that is passed to an optimizer that asks for one when nobody declared it.
_RATE = 0.01
# Steps at which a long trajectory is looked at first.
_GLANCE = 64
_CLOCK = "one step count for all parameters"


def introduce(subject: Optimizer) -> Optimizer:
    """The subject with the law of its rule.

    Raises:
        UsageError: The rule, a dialect or a hyperparameter is unknown, or the implementation cannot be built.
    """
    rule = find_rule(subject.rule)
    convention = subject.convention
    assert convention is not None, "adapters come before the catalogue"
    law = RuleLaw(
        about=rule,
        convention=convention,
        claimed=claimed_values(subject, rule, convention),
        words=rule.declared(subject.dialect),
    )
    arguments = law.arguments({})
    shown: Mapping[str, Any] = {}
    try:
        session = convention.start([torch.zeros(2, 2)], arguments)
        assert session is not None
        if convention.read is not None:
            shown = convention.read(arguments)
    except Exception as error:
        raise UsageError(
            given=f"{subject.label}({', '.join(f'{k}={v!r}' for k, v in arguments.items())}), which raised "
            f"{type(error).__name__}: {error}",
            expected="arguments that it can be built with",
            do="declare them, for example Optimizer(f, rule=…, lr=1e-3)",
        ) from error
    _refuse_unusable(subject, law, shown, session)
    groups = getattr(getattr(session, "optimizer", None), "param_groups", None)
    unable = set()
    if not (isinstance(groups, list) and groups and any(rule.canonical(str(name)) == "lr" for name in groups[0])):
        unable |= {
            "rate",
            "groups",
        }  # a learning rate that is kept elsewhere can be neither scheduled nor given to one group
    if not any(rule.canonical(name) == "lr" for name in convention.arguments):
        unable |= {"groups"}  # nothing to compare a group's own rate with
    able = {"always_closure"} if rule.wants == "closure" and "closure" in convention.capabilities else set()
    convention = replace(convention, capabilities=(convention.capabilities | able) - unable)
    return replace(subject, convention=convention, law=replace(law, shown=shown))


def _refuse_unusable(subject: Optimizer, law: RuleLaw, shown: Mapping[str, Any], session: Any) -> None:  # noqa: ANN401
    """What an implementation shows of itself that nothing can be verified with."""
    rate = replace(law, shown=shown).values({})["lr"]
    if not (isinstance(rate, (int, float)) and math.isfinite(rate) and rate > 0):
        raise UsageError(
            given=f"{subject.label}, whose learning rate is {rate!r}",
            expected="a finite and positive learning rate",
            do="declare one, for example Optimizer(f, rule=…, lr=1e-3); maximize=True ascends",
        )
    if law.wants == "closure" and not hasattr(session, "ask"):
        raise UsageError(
            given=f"{subject.label}, a function of a gradient, under the rule {law.rule!r}",
            expected="an optimizer that has gradients evaluated: step(closure), or first_step() and second_step()",
            do="pass the optimizer itself, or a function params -> optimizer",
        )
    groups = getattr(getattr(session, "optimizer", None), "param_groups", None)
    if isinstance(groups, list) and groups and all(isinstance(one, dict) and "params" in one for one in groups):
        held = {id(p) for group in groups for p in group["params"]}
        if not held & {id(p) for p in session.parameters}:
            raise UsageError(
                given=f"{subject.label}, which holds {len(held)} parameters, none of which it was given",
                expected="an optimizer of the parameters that it is given",
                do="use the argument: lambda params: torch.optim.SGD(params, lr=0.1)",
            )


def _joined(*words: str) -> str:
    return ", ".join(word for word in words if word)


@dataclass(frozen=True, kw_only=True)
class RuleLaw:
    """A rule with the hyperparameters of one subject; satisfies `genverify.subjects.optimizer.Law`."""

    about: Rule
    convention: Convention
    claimed: Mapping[str, Any]
    words: Mapping[str, str]
    shown: Mapping[str, Any] | None = None

    @property
    def rule(self) -> str:
        """The rule's name."""
        return self.about.name

    @property
    def elementwise(self) -> bool:
        """Whether no entry of a parameter influences another."""
        return self.about.elementwise

    @property
    def source(self) -> str:
        """Where the rule comes from."""
        return self.about.source

    @property
    def partition(self) -> str:
        """What the rule mixes: nothing ("entries"), "tensors", the rows and columns of "matrices", or "everything"."""
        if self.about.wants in ("matrices", "iterates"):
            return "everything" if self.about.wants == "iterates" else "matrices"
        return "entries" if self.about.elementwise else "tensors"

    @property
    def wants(self) -> str:
        """What the rule's implementations must be fed; see `Rule`. A line search asks for a whole function."""
        return "function" if self._searches else self.about.wants

    @cached_property
    def _searches(self) -> bool:
        """Whether a line search is switched on, which code does with a word."""
        raw = {**self.convention.arguments, **self.convention.fixed, **(self.shown or {}), **self.claimed}
        return any(self.about.canonical(name) == "line_search" and bool(value) for name, value in raw.items())

    @property
    def degree(self) -> int | None:
        """The power of a positive factor of the gradients by which the steps grow; None where there is no such law."""
        return DEGREES.get(self.rule.removeprefix("optimizer."))

    def unitless(self, options: Mapping[str, Any]) -> dict[str, Any] | None:
        """The options with everything that has a unit at zero; None where the code does not let it."""
        found, free = {name: value for name, value in options.items() if name not in UNITS}, self.trials
        for name in UNITS:
            if self.values({}).get(name):
                if name not in free:
                    return None
                found[name] = 0.0
        return found

    @cached_property
    def _own(self) -> Mapping[str, Any]:
        """What the implementation uses when nobody tells it otherwise, under the rule's names."""
        found: dict[str, Any] = {one.name: one.default for one in self.about.hypers if one.default is not None}
        found.update(canonical_values(self.about, self.shown or {}))
        found.update(canonical_values(self.about, self.convention.fixed))
        found.update(canonical_values(self.about, self.convention.arguments))
        return {"lr": _RATE, **found, **self.about.implied}

    @cached_property
    def _claims(self) -> Mapping[str, Any]:
        return canonical_values(self.about, self.claimed)

    @cached_property
    def _recurrences(self) -> dict[Any, Any]:
        """The recurrences that were made so far: SymPy is slow, and the same few are wanted again and again."""
        return {}

    @cached_property
    def _shared(self) -> SharedLines:
        return SharedLines()

    def values(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Every hyperparameter of the rule under these options."""
        searching = {"line_search": True} if self._searches else {}
        return {**self._own, **self._claims, **options, **searching}

    @cached_property
    def rate(self) -> float:
        """The learning rate when no option says another."""
        return float(self.values({})["lr"])

    @cached_property
    def trials(self) -> Mapping[str, tuple[Any, ...]]:
        """Hyperparameter → its own value, then others worth drawing, where the code takes it."""
        own, claimed = self._own, self._claims
        takes = {self.about.canonical(name) for name in self.convention.arguments}
        takes |= {
            one for name, parts in self.about.tuples.items() if name in self.convention.arguments for one in parts
        }
        found = {}
        for one in self.about.hypers:
            if one.name in takes and one.name not in claimed and one.name not in self.about.implied and one.trials:
                mine = own.get(one.name)
                found[one.name] = (mine, *(value for value in one.trials if value != mine))
        return found

    def legal(self, options: Mapping[str, Any]) -> bool:
        """Whether the rule allows these values together."""
        return self.about.legal(self.values(options)) and not (options.get("foreach") and options.get("fused"))

    def decays(self, options: Mapping[str, Any]) -> bool:
        """Whether the parameters move without a gradient under these options."""
        values = self.values(options)
        return any(bool(values.get(name)) for name in self.about.decaying)

    def arguments(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What the implementation is called with: what was claimed, the options, what the rule's name implies."""
        takes = self.convention.arguments
        by_canonical: dict[str, str] = {}
        for name in takes:
            canonical = self.about.canonical(name)
            if canonical is not None:
                by_canonical.setdefault(canonical, name)
        passed = {name: value for name, value in self.claimed.items() if name in takes or self.convention.open_ended}
        wanted = {**self.about.implied, **self._claims, **options}
        for name, default in takes.items():
            canonical = self.about.canonical(name)
            if default is None and canonical is not None and canonical not in wanted:
                value = self._own.get(canonical)
                wanted.update({} if value is None else {canonical: value})
        for canonical, value in wanted.items():
            if canonical in by_canonical and (canonical in options or by_canonical[canonical] not in passed):
                passed[by_canonical[canonical]] = value
        values = self.values(options)
        for name, parts in self.about.tuples.items():
            in_tuple = name in takes and isinstance(takes[name], tuple | list | None)
            if in_tuple and any(one in wanted and one not in by_canonical for one in parts):
                passed[name] = tuple(values.get(one) for one in parts)
        return passed

    def judge(self, trajectory: Trajectory, options: Mapping[str, Any], *, explain: bool = True) -> Finding:
        """Which dialect the trajectory follows; accepted ones first, and others only to `explain`."""
        best: tuple[Dialect, Comparison] | None = None
        told: list[tuple[Dialect, Comparison]] = []
        for number, dialect in enumerate(self._candidates(trajectory, options, explain)):
            comparison = self._glance(trajectory, options, dialect, best[1].step if best is not None else 0)
            # What leaves more unexamined than the accepted dialect did explains nothing.
            explains = dialect.standing == "accepted" or best is None or comparison.examined >= best[1].examined
            if told and dialect.standing != told[0][0].standing:
                break
            if comparison.step == 0 and explains:
                if dialect.standing == "accepted":
                    return self._finding(dialect, comparison, best, trajectory, plain=number == 0)
                told.append((dialect, comparison))
                if dialect.standing == "slip":
                    break
            if dialect.standing == "accepted" and (best is None or comparison.later_than(best[1])):
                best = (dialect, comparison)
        assert best is not None, "a rule has an accepted dialect"
        if told:
            names = list(dict.fromkeys(one.distinct for one, _ in told))[:3]
            first = replace(told[0][0], distinct=" or ".join(names))
            return self._finding(first, told[0][1], best, trajectory, plain=False)
        return self._finding(best[0], best[1], best, trajectory, plain=False, unknown=True)

    def _candidates(self, trajectory: Trajectory, options: Mapping[str, Any], explain: bool) -> Iterator[Dialect]:
        values = self.values(options)
        clocks = (False,) if bool(trajectory.stream.flat_present().all()) else (False, True)
        first: Dialect | None = None
        for dialect in self.about.dialects(values, self.words):
            if dialect.standing != "accepted" and not explain:
                return
            first = first or dialect
            for shared in clocks:
                yield (
                    replace(dialect, shared_clock=True, distinct=_joined(dialect.distinct, _CLOCK))
                    if shared
                    else dialect
                )
        moves = bool((trajectory.observed[1:] != trajectory.observed[:-1]).any())
        if first is not None and explain and moves:  # who stands still gives no hint why
            from genverify.formulas.optimizer_slips import slips

            own = self._own
            for name in {**self._claims, **options}:
                if name in own and values[name] != own[name]:
                    yield replace(first, standing="slip", distinct=f"{name}, which is ignored", ignored=(name,))
            if hasattr(first.make(values), "theta_first"):
                yield from slips(first, values)

    def _glance(self, trajectory: Trajectory, options: Mapping[str, Any], dialect: Dialect, until: int) -> Comparison:
        """The whole trajectory beside the dialect, or its beginning where they part in that: a thousand steps are dear.

        Most explanations part where the accepted dialects do, which is at step `until`.
        """
        beginning = until or _GLANCE
        if trajectory.stream.steps > beginning:
            found = self.compare(trajectory.until(beginning), options, dialect)
            if found.step:
                return found
        return self.compare(trajectory, options, dialect)

    def compare(self, trajectory: Trajectory, options: Mapping[str, Any], dialect: Dialect) -> Comparison:
        """The trajectory beside what that dialect expects of it."""
        values = {**self.values(options), **{name: self._own[name] for name in dialect.ignored}}
        stream = trajectory.stream
        numbers: dict[str, Any] = {name: float(x) for name, x in values.items() if not isinstance(x, bool)}
        numbers["machine_epsilon"] = torch.cat(
            [torch.full((p.numel(),), torch.finfo(p.dtype).eps, dtype=torch.float64) for p in stream.parameters]
        )
        key = (tuple(dialect.choices.items()), dialect.distinct, dialect.shared_clock, tuple(values.items()))
        if key not in self._recurrences:
            self._recurrences[key] = dialect.make(values)
        recurrence = self._recurrences[key]
        sharing = {"known": self._shared.known(trajectory, (dialect.shared_clock, *values.items()))}
        expected, allowed = recurrence.follow(
            trajectory.observed,
            stream.flat_gradients(),
            stream.flat_present(),
            numbers,
            stream.rates,
            trajectory.dtype,
            layout=Layout(tuple(tuple(p.shape) for p in stream.parameters)),
            shared_clock=dialect.shared_clock,
            **(sharing if isinstance(recurrence, Recurrence) else {}),
        )
        return Comparison.of(trajectory.observed[1:], expected, allowed)

    def perturbed(
        self, trajectory: Trajectory, gradients: Tensor, options: Mapping[str, Any]
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """Where the second gradient of a step is due, and how nearly, [T, n]: the rule's own way, then mistakes."""
        values = self.values(options)
        numbers = {name: float(value) for name, value in values.items() if not isinstance(value, bool)}
        own = next(iter(self.about.dialects(values, self.words))).make(values)
        ways = {
            "": {},
            "divides by the norm of each parameter, not of all": {"norm": "each"},
            "goes down the gradient, not up": {"sign": -1.0},
        }
        rest = (trajectory.observed[:-1], gradients, numbers, trajectory.dtype, Layout(trajectory.stream.shapes))
        return {words: replace(own, **changes).perturbed(*rest) for words, changes in ways.items()}

    def allowance(self, trajectory: Trajectory, options: Mapping[str, Any]) -> Tensor:
        """How far sensible increments may be from exact ones, [T, n]; from the rule's own dialect."""
        dialect = next(iter(self.about.dialects(self.values(options), self.words)))
        return self.compare(trajectory, options, dialect).allowed

    def _finding(
        self,
        dialect: Dialect,
        comparison: Comparison,
        nearest_accepted: tuple[Dialect, Comparison] | None,
        trajectory: Trajectory,
        *,
        plain: bool,
        unknown: bool = False,
    ) -> Finding:
        found = Finding(
            standing="" if unknown else dialect.standing,
            words=dialect.words,
            distinct=dialect.distinct,
            plain=plain,
            choices=dict(dialect.choices),
            examined=comparison.examined,
            ratio=comparison.ratio,
        )
        if nearest_accepted is None or (not unknown and dialect.standing == "accepted"):
            return found
        parted = nearest_accepted[1]
        k, flat = parted.step - 1, parted.element
        return replace(
            found,
            step=parted.step,
            where=trajectory.stream.where(flat),
            before=float(trajectory.observed[k, flat]),
            observed=float(trajectory.observed[k + 1, flat]),
            expected=float(parted.expected[k, flat]),
            allowed=float(parted.allowed[k, flat]),
            ratio=parted.at_parting,
        )
