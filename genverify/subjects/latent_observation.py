"""One run of a latent-variable model's loss, with what its encoder, its sampling step and its decoder did."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution

from genverify.noise import Tape, record, replay
from genverify.subjects.calling import subject_code
from genverify.subjects.latent_variable_model import LatentCalls, Site

__all__ = ["Event", "Observation", "observe", "tensors_of", "watched"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Event:
    """One call of a site.

    Attributes:
        site: Which.
        inputs: Its positional and named arguments, in order.
        output: What it returned.
        depth: In how many other sites of the same role it was called.
    """

    site: Site
    inputs: tuple[Any, ...]
    output: Any
    depth: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Observation:
    """One run.

    Attributes:
        loss: What it returned.
        events: The calls of the sites, in the order in which they returned.
        tape: The draws that it made.
    """

    loss: Tensor
    events: tuple[Event, ...]
    tape: Tape

    def of(self, role: str, name: str | None = None) -> list[Event]:
        """The calls of the sites of that role (and name), none of them inside another of that role."""
        found = [one for one in self.events if one.site.role == role and (name is None or one.site.name == name)]
        return found if name is not None else [one for one in found if one.depth == 0]


def tensors_of(thing: Any) -> list[Tensor]:  # noqa: ANN401 - whatever a stranger returns
    """The floating tensors in a result, in order: of tuples, mappings, records, and of normal distributions (μ, σ)."""
    if isinstance(thing, Tensor):
        return [thing] if thing.is_floating_point() else []
    if isinstance(thing, Distribution):
        base = thing
        while hasattr(base, "base_dist"):
            base = base.base_dist  # type: ignore[attr-defined]
        for names in (("loc", "scale_tril"), ("loc", "scale"), ("logits",), ("probs",)):
            if all(name in vars(base) or (name in ("scale_tril",) and hasattr(type(base), name)) for name in names):
                return [value for name in names if isinstance(value := getattr(base, name), Tensor)]
        return []
    if isinstance(thing, Mapping):
        return [found for value in thing.values() for found in tensors_of(value)]
    if isinstance(thing, (tuple, list)):
        return [found for value in thing for found in tensors_of(value)]
    if hasattr(thing, "__dict__") and not isinstance(thing, (torch.nn.Module, type)):
        return [found for value in vars(thing).values() if isinstance(value, Tensor) for found in tensors_of(value)]
    return []


@dataclass
class _Log:
    events: list[Event] = field(default_factory=list)
    inside: dict[str, int] = field(default_factory=dict)

    def enter(self, role: str) -> None:
        self.inside[role] = self.inside.get(role, 0) + 1

    def leave(self, site: Site, inputs: tuple[Any, ...], output: object) -> None:
        self.inside[site.role] -= 1
        self.events.append(Event(site=site, inputs=inputs, output=output, depth=self.inside[site.role]))


@contextmanager
def watched(sites: tuple[Site, ...]) -> Iterator[list[Event]]:
    """Records the calls of the sites while the block lasts; leaves nothing behind."""
    log = _Log()
    with ExitStack() as stack:
        for site in sites:
            stack.enter_context(_hooked(site, log) if site.module is not None else _shadowed(site, log))
        yield log.events


@contextmanager
def _hooked(site: Site, log: _Log) -> Iterator[None]:
    def before(module: object, args: object) -> None:
        log.enter(site.role)

    def after(module: object, args: tuple[Any, ...], kwargs: dict[str, Any], output: object) -> None:
        log.leave(site, (*args, *kwargs.values()), output)

    assert site.module is not None
    handles = [
        site.module.register_forward_pre_hook(before), site.module.register_forward_hook(after, with_kwargs=True)
    ]  # fmt: skip
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _shadowed(site: Site, log: _Log) -> Iterator[None]:
    method: Callable[..., Any] = getattr(site.owner, site.name)
    own = vars(site.owner)
    before = own.get(site.name, log)

    def watching(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - as the method
        log.enter(site.role)
        try:
            output = method(*args, **kwargs)
        except BaseException:
            log.inside[site.role] -= 1
            raise
        log.leave(site, (*args, *kwargs.values()), output)
        return output

    own[site.name] = watching
    try:
        yield
    finally:
        if before is log:
            own.pop(site.name, None)
        else:
            own[site.name] = before


def _numbers(part: torch.nn.Module) -> dict[str, int | float]:
    return {name: value for name, value in vars(part).items() if type(value) in (int, float)}


def observe(calls: LatentCalls, x: Tensor, condition: Tensor | None, tape: Tape | None = None) -> Observation:
    """The loss at x on the draws of a tape (fresh ones where there is none), in the mode in which it is judged.

    Raises:
        SubjectRaised: The model raised.
        TapeMismatch: It drew otherwise than the tape.
    """
    calls.mode(True)
    kept = [(b, b.detach().clone()) for b in calls.module.buffers()]
    counters = [(vars(part), _numbers(part)) for part in calls.module.modules()]
    given = x.detach().clone()
    beside = None if condition is None else condition.detach().clone()
    try:
        with watched(calls.sites) as events, subject_code(), torch.enable_grad():
            if tape is None:
                with record() as recorder:
                    loss = calls.loss(given, beside)
                tape = recorder.tape
            else:
                with replay(tape):
                    loss = calls.loss(given, beside)
    finally:
        calls.mode(False)
        for live, before in kept:
            if not torch.equal(live, before):
                live.data.copy_(before)  # running statistics; a graph may hold on to the tensor
        for own, numbers in counters:  # an annealed weight: every run is the same step
            for name in [n for n, value in own.items() if type(value) in (int, float) and n not in numbers]:
                del own[name]
            own.update(numbers)
    return Observation(loss=loss, events=tuple(events), tape=tape)
