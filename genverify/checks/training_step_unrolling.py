"""A generator's step through steps of the discriminator, made again: D as a function of G's parameters.

The discriminator's parameters are the same in all calls of one inner step, and change from one to the next. How they
change says which loss they descend, and at which rate; then the inner steps are made again with their graph.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from genverify.checks.training_step_fit import Fit, first_fit
from genverify.checks.training_step_replay import (
    Flags,
    Played,
    Unplayable,
    by_side,
    called,
    flags_of,
    from_generator,
    leaves_of,
)
from genverify.subjects.case import Case
from genverify.subjects.training_observation import NetworkCall, Observed, in_dtype
from genverify.subjects.training_step import LossFamily, TrainingStep

__all__ = ["HELD", "SLOPES", "THROUGH", "Unrolling", "inner_fits", "unrolling"]

# What of the inner steps the derivative goes through: all, the slope of each at parameters that are held, or nothing.
THROUGH, SLOPES, HELD = "through", "slopes", "held"


@dataclass(frozen=True, kw_only=True, eq=False)
class Unrolling:
    """The calls of one unrolled step.

    Attributes:
        subject: Whose.
        nets: Copies of the networks, as they were before the step.
        made: The generator's calls.
        groups: The discriminator's calls, those of one inner step together; the last ones are the generator's loss.
        flags: Place of a call → which of its rows are data, generated, between.
        places: Place of each call of `groups`.
    """

    subject: TrainingStep
    nets: dict[str, nn.Module]
    made: tuple[NetworkCall, ...]
    groups: tuple[tuple[NetworkCall, ...], ...]
    flags: dict[int, Flags]
    places: tuple[tuple[int, ...], ...]

    @property
    def steps(self) -> int:
        """How many inner steps there are."""
        return len(self.groups) - 1

    @property
    def reach(self) -> float:
        """How far the inner steps move the discriminator at most, relative to its parameters."""
        first = self.parameters(0)
        size = max(sum(float((t**2).sum()) for t in first.values()), torch.finfo(torch.float64).tiny)
        later = [self.parameters(group) for group in range(1, len(self.groups))]
        moved = (sum(float(((first[name] - one[name]) ** 2).sum()) for name in first) for one in later)
        return math.sqrt(max(moved, default=0.0) / size)

    def parameters(self, group: int) -> dict[str, Tensor]:
        """The discriminator's parameters in a group, as they were."""
        return {name: self.groups[group][0].state[name] for name, _ in self.nets["D"].named_parameters()}

    def moved(self, group: int) -> tuple[Tensor, float]:
        """By how much an inner step lowers the parameters, flat; and how large the rounding of that difference is."""
        now, then = self.parameters(group), self.parameters(group + 1)
        gaps = torch.cat([(now[name] - then[name]).double().reshape(-1) for name in now])
        largest = max(float(t.abs().max()) for t in (*now.values(), *then.values()) if t.numel())
        return gaps, 2.0 * torch.finfo(self.subject.calls.dtype).eps * largest

    def inner(self, group: int) -> Played:
        """The discriminator's results in an inner step, as functions of its parameters there."""
        theta = {name: t.clone().requires_grad_(True) for name, t in self.parameters(group).items()}
        with torch.random.fork_rng(devices=[]), in_dtype(self.subject.calls.dtype):
            real, fake = self._results(group, theta, [])
        return Played(real=real, fake=fake, leaves=theta)

    def outer(self, how: str, fits: Sequence[Fit], first: int = 0) -> Played:
        """The results that the generator's loss is made of, as functions of its parameters.

        Args:
            how: What of the inner steps the derivative goes through.
            fits: The loss of each inner step; not needed where the discriminator is held.
            first: The inner step from which on it goes through them.
        """
        leaves = leaves_of(list(self.made), self.nets["G"])
        with torch.random.fork_rng(devices=[]), in_dtype(self.subject.calls.dtype):
            outputs = self._outputs(leaves)
            theta = self.parameters(self.steps if how == HELD else first)
            for group in range(first, 0 if how == HELD else self.steps):
                theta = self._stepped(group, theta, outputs, fits[group], how)
            real, fake = self._results(self.steps, theta, outputs)
        if not fake.requires_grad:
            raise Unplayable("between generator and discriminator the samples are transformed")
        return Played(real=real, fake=fake, leaves=leaves)

    def _outputs(self, leaves: dict[str, Tensor]) -> list[tuple[Tensor, Tensor]]:
        found = []
        for call in self.made:
            if call.output is not None:
                buffers = {name: t.clone() for name, t in call.state.items() if name not in leaves}
                again = called(self.nets["G"], call, {**buffers, **leaves}, call.args, dict(call.kwargs))
                found.append((call.output, again))
        return found

    def _results(
        self, group: int, theta: dict[str, Tensor], outputs: list[tuple[Tensor, Tensor]]
    ) -> tuple[Tensor, Tensor]:
        parts = []
        for place, call in zip(self.places[group], self.groups[group], strict=True):
            args = tuple(from_generator(value, outputs) for value in call.args)
            kwargs = {name: from_generator(value, outputs) for name, value in call.kwargs.items()}
            buffers = {name: t.clone() for name, t in call.state.items() if name not in theta}
            parts.append((called(self.nets["D"], call, {**buffers, **theta}, args, kwargs), self.flags[place]))
        return by_side(parts)

    def _stepped(
        self, group: int, theta: dict[str, Tensor], outputs: list[tuple[Tensor, Tensor]], fit: Fit, how: str
    ) -> dict[str, Tensor]:
        """The parameters after one inner step, by the loss and the rate that were found."""
        held = how == SLOPES or not all(t.requires_grad for t in theta.values())
        at = {name: t.detach().requires_grad_(True) for name, t in theta.items()} if held else theta
        real, fake = self._results(group, at, outputs)
        slopes = torch.autograd.grad(_loss(fit, real, fake), list(at.values()), create_graph=True, allow_unused=True)
        return {
            name: t if slope is None else t - slope
            for (name, t), slope in zip(theta.items(), slopes, strict=True)
        }  # fmt: skip


def _loss(fit: Fit, real: Tensor, fake: Tensor) -> Tensor:
    """The loss of a fit, times its factor: each of its terms is a mean over the results of one side, or a sum."""
    assert fit.family is not None
    assert fit.family.terms is not None
    factor, *labels = fit.coefficients
    constants = [one / factor for one in labels]
    # A loss of pairs has as many on both sides; of any other, each side's terms stand by themselves.
    whole = real.shape == fake.shape
    pairs = [(real, fake)] if whole else [(real, torch.full_like(real, 0.5)), (torch.full_like(fake, 0.5), fake)]
    terms = [term for r, f in pairs for term in fit.family.terms(r, f, *constants)]
    return factor * torch.stack([term.sum() / (1 if fit.summed else max(1, term.numel())) for term in terms]).sum()


def unrolling(subject: TrainingStep, case: Case, seen: Observed) -> Unrolling:
    """The calls of a run's first update of the generator, in inner steps.

    Raises:
        Unplayable: The calls cannot be made again, or are not understood.
    """
    count = seen.phase("G")
    flags = flags_of(subject, case, seen, count)
    nets: dict[str, Any] = {n: net for n, net in subject.calls.world(case).networks.items() if n in ("D", "G")}
    made = tuple(call for call in seen.calls[:count] if call.role == "G")
    if not made or "G" not in nets:
        raise Unplayable("the generator is not called")
    names = [name for name, _ in nets["D"].named_parameters()]
    groups: list[list[int]] = []
    for place in flags:
        state = seen.calls[place].state
        last = seen.calls[groups[-1][-1]].state if groups else None
        if last is None or any(not torch.equal(state[name], last[name]) for name in names):
            groups.append([])
        groups[-1].append(place)
    return Unrolling(
        subject=subject, nets=nets, made=made, flags=flags, places=tuple(map(tuple, groups)),
        groups=tuple(tuple(seen.calls[place] for place in group) for group in groups),
    )  # fmt: skip


def inner_fits(one: Unrolling, families: Sequence[LossFamily]) -> list[Fit | None]:
    """For each inner step the loss that the discriminator descends there, or None where none of these explains it."""
    found: list[Fit | None] = []
    for group in range(one.steps):
        moved, slack = one.moved(group)
        play: Callable[[], Played] = lambda group=group: one.inner(group)  # noqa: E731
        fits = first_fit(moved, play, families, one.subject.calls.dtype, slack)
        found.append(next((fit for fit in fits if fit.accepted), fits[0] if fits else None))
    return found
