"""Which rule, in which dialect, does somebody's optimizer follow? Or: at which step does the nearest part company?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from genverify.adapters.adapter import adapt
from genverify.errors import SubjectRaised, UsageError
from genverify.formulas.optimizer import RuleLaw, introduce
from genverify.formulas.optimizer_rules import RULES, find_rule
from genverify.subjects.calling import subject_code
from genverify.subjects.optimizer import Optimizer
from genverify.subjects.optimizer_run import Finding, Stream, Trajectory, drive, flat, start
from genverify.subjects.optimizer_stream import REVEALING, revealing, revealing_rows

__all__ = ["Identification", "identify"]


@dataclass(frozen=True, kw_only=True)
class Identification:
    """What an optimizer was found to follow.

    Attributes:
        subject: How it is called.
        rule: The rule that it follows, or the nearest one; ``optimizer.adam``, say.
        words: The dialect in words.
        choices: The dialect as axis → value.
        standing: accepted, recognised or slip; "" when it follows nothing that is known.
        hyper: The hyperparameters with which it does.
        others: Further rules that its trajectory cannot be told from.
        finding: The comparison with the nearest rule when it follows none.
    """

    subject: str
    rule: str
    words: str
    choices: Mapping[str, str]
    standing: str
    hyper: Mapping[str, Any]
    others: tuple[str, ...] = ()
    finding: Finding | None = None

    @property
    def known(self) -> bool:
        """Whether it follows a legitimate convention."""
        return self.standing in ("accepted", "recognised")

    def __str__(self) -> str:
        name = self.rule.removeprefix("optimizer.")
        values = ", ".join(f"{key}={value!r}" for key, value in self.hyper.items())
        if self.known:
            also = f"; the same as {', '.join(self.others)} here" if self.others else ""
            aside = "" if self.standing == "accepted" else " (recognised: not what that name stands for)"
            return f"{self.subject}: {name}: {self.words or 'the rule itself'}{aside}, with {values}{also}"
        slip = f"; probably {self.words}" if self.standing == "slip" else ""
        found = self.finding
        assert found is not None
        return (
            f"{self.subject}: follows no rule that is known; the nearest is {name}{slip}, from which it parts at step "
            f"{found.step}, {found.where}: moved by {found.observed - found.before:.9g}, "
            f"{name} moves it by {found.expected - found.before:.9g} (with {values})"
        )


def identify(optimizer: Any, *, rule: str | None = None, **hyper: Any) -> Identification:  # noqa: ANN401
    """Names the rule and dialect that an optimizer follows, or the first step where the nearest parts company.

    Args:
        optimizer: A class, instance, factory or update function, or an Optimizer subject.
        rule: Look at this rule only.
        hyper: Hyperparameters to build it with; others are read from it.

    Raises:
        UsageError: No adapter knows the object, it cannot be built, or there is no such rule.

    >>> str(identify(torch.optim.Adam, lr=1e-3, weight_decay=0.1)).split(", with")[0]
    'Adam: adam: ε outside the root, both moments corrected, coupled decay'
    """
    label = optimizer.label if isinstance(optimizer, Optimizer) else ""
    f = optimizer.f if isinstance(optimizer, Optimizer) else optimizer
    claims = {**optimizer.hyper, **hyper} if isinstance(optimizer, Optimizer) else hyper
    rules = [find_rule(rule)] if rule is not None else list(RULES.values())
    ready: list[tuple[Optimizer, Trajectory]] = []
    driven: dict[str, Trajectory] = {}
    refusal: Exception | None = None
    searching = False
    for one in rules:
        try:
            subject = introduce(adapt(Optimizer(f, rule=one.name, hyper={**claims}, name=label)))
            searching = searching or _law(subject).wants == "function"
            if rule is not None or _means_it(subject, claims):
                ready.append((subject, _driven(subject, driven)))
        except (UsageError, SubjectRaised) as error:
            refusal = refusal or error
    if searching:
        raise UsageError(
            given="an optimizer that searches along a line",
            expected="one whose steps follow from its gradients",
            do="verify it: Optimizer(f, rule='lbfgs', …) judges the line search, too",
        )
    if not ready:
        assert refusal is not None
        raise refusal
    asking = [pair for pair in ready if _asks_elsewhere(pair[0])]
    ready = asking or [pair for pair in ready if _law(pair[0]).wants != "closure"] or ready
    for look in (_accepted, _near, _far):  # the dear looks only where the cheap ones found nothing
        tried = [(subject, look(subject, trajectory)) for subject, trajectory in ready]
        if any(found.standing in ("accepted", "recognised") for _, found in tried):
            break
    return _concluded(tried)


def _law(subject: Optimizer) -> RuleLaw:
    assert isinstance(subject.law, RuleLaw)
    return subject.law


def _driven(subject: Optimizer, known: dict[str, Trajectory]) -> Trajectory:
    """The subject along the first of the streams that it takes, once for all rules that start and feed it alike."""
    law = _law(subject)
    assert subject.convention is not None
    like = repr((law.wants == "sparse", sorted(law.arguments({}).items()), sorted(subject.convention.capabilities)))
    if like not in known:
        known[like] = _along(subject, _streams(subject))
    return known[like]


def _along(subject: Optimizer, streams: Sequence[Stream]) -> Trajectory:
    for stream in streams[:-1]:
        try:
            return drive(subject, stream)
        except SubjectRaised:  # an optimizer of matrices, perhaps
            continue
    return drive(subject, streams[-1])


def _asks_elsewhere(subject: Optimizer) -> bool:
    """Whether an optimizer has a second gradient evaluated where its parameters were not."""
    if _law(subject).wants != "closure":
        return False
    parameters = [torch.ones(2, 2, dtype=torch.float64)]
    session: Any = start(subject, parameters, _law(subject).arguments({}))
    if not hasattr(session, "ask"):
        return False
    points: list[torch.Tensor] = []

    def evaluate() -> torch.Tensor:
        points.append(flat(session.parameters))
        session.put([torch.ones_like(parameters[0])])
        return torch.zeros(())

    session.put([torch.ones_like(parameters[0])])
    with subject_code():
        session.ask(evaluate)
    # A quasi-Newton method asks where it has come to; only a detour is asked for and left again.
    stations = (flat(parameters), flat(session.parameters))
    return bool(points) and not any(torch.equal(points[-1], one) for one in stations)


def _means_it(subject: Optimizer, claims: Mapping[str, Any]) -> bool:
    """Whether what the rule's name switches on is on in the code, where the code has such a switch."""
    law = subject.law
    assert isinstance(law, RuleLaw)
    assert subject.convention is not None
    shown = {**subject.convention.arguments, **subject.convention.fixed, **claims}
    switches = {law.about.canonical(name): value for name, value in shown.items()}
    return all(bool(switches.get(flag, True)) for flag in law.about.implied)


def _concluded(tried: list[tuple[Optimizer, Finding]]) -> Identification:
    ranks = {"accepted": 0, "recognised": 1}
    seen = max(found.examined for _, found in tried)
    # What leaves most increments unexamined explains nothing.
    followed = sorted(
        (pair for pair in tried if pair[1].standing in ranks and 2 * pair[1].examined >= max(1, seen)),
        key=lambda pair: (ranks[pair[1].standing], not pair[1].plain, _strangeness(pair[0])),
    )
    if followed:
        (subject, found), *rest = followed
        others = tuple(s.rule.removeprefix("optimizer.") for s, other in rest if other.standing == "accepted")
        return _said(subject, found, others)
    subject, found = min(tried, key=lambda pair: (pair[1].standing != "slip", -pair[1].step, pair[1].ratio))
    return _said(subject, found, ())


def _strangeness(subject: Optimizer) -> tuple[int, int]:
    """How many of the rule's hyperparameters the code does not have, then how many of the code's the rule does not."""
    law = subject.law
    assert isinstance(law, RuleLaw)
    assert subject.convention is not None
    names = {*subject.convention.arguments, *subject.convention.fixed, *(law.shown or {})}
    if "betas" in names:
        names |= {"beta1", "beta2"}
    matched = {law.about.canonical(name) for name in names} - {None}
    unknown = sum(law.about.canonical(name) is None and name != "betas" for name in names)
    return unknown, len(law.about.hypers) - len(matched)


def _said(subject: Optimizer, found: Finding, others: tuple[str, ...]) -> Identification:
    law = subject.law
    assert isinstance(law, RuleLaw)
    words = found.distinct if found.standing == "slip" else found.words
    return Identification(
        subject=subject.label,
        rule=law.rule,
        words=words,
        choices=found.choices,
        standing=found.standing,
        hyper={k: v for k, v in law.values({}).items() if isinstance(v, (int, float)) and v},
        others=others,
        finding=found,
    )


def _streams(subject: Optimizer) -> tuple[Stream, ...]:
    """Streams on which all dialects differ, in the shapes that most optimizers take, then in matrices alone."""
    assert subject.convention is not None
    rate = "rate" in subject.convention.capabilities
    if _law(subject).wants == "sparse":
        return (revealing_rows(rate=rate),)
    return revealing(rate=rate), revealing(REVEALING["matrices"], rate=rate)


def _accepted(subject: Optimizer, trajectory: Trajectory) -> Finding:
    """The accepted dialects alone."""
    assert isinstance(subject.law, RuleLaw)
    return subject.law.judge(trajectory, {}, explain=False)


def _near(subject: Optimizer, trajectory: Trajectory) -> Finding:
    """Those that are one departure away, and known slips, too."""
    assert isinstance(subject.law, RuleLaw)
    return subject.law.judge(trajectory, {})


def _far(subject: Optimizer, trajectory: Trajectory) -> Finding:
    """Dialects several departures away from the accepted ones."""
    law = subject.law
    assert isinstance(law, RuleLaw)
    found = law.judge(trajectory, {})
    for dialect in law.about.dialects(law.values({}), law.words, whole=True):
        if dialect.standing == "accepted" or found.standing == "slip":
            continue
        comparison = law.compare(trajectory, {}, dialect)
        if comparison.step == 0 and comparison.examined >= found.examined:
            return replace(
                found,
                standing=dialect.standing,
                words=dialect.words,
                distinct=dialect.distinct,
                choices=dialect.choices,
            )
    return found
