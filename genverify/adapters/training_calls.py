"""A stranger's training step: networks, optimizers and data matched by name, made where there are none."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from genverify.adapters.adapter import adapter
from genverify.adapters.training_networks import Plan
from genverify.adapters.training_world import WorldMaker, key, tensors_of
from genverify.errors import SubjectRaised, UsageError
from genverify.subjects.training_observation import observe
from genverify.subjects.training_step import StepCalls, TrainingStep

__all__ = ["training_calls"]

# Networks with which a step must run: logits may lie in [0, 1] by chance.
_TRIALS = 4

# What autograd says of the step itself, whatever the networks are.
_OWN_FAULTS = (
    "backward through the graph a second time", "does not require grad and does not have a grad_fn",
    "modified by an inplace operation", "can't optimize a non-leaf", "One of the differentiated Tensors",
)  # fmt: skip


@adapter("function or method that makes a step of training", "training_step", callable, rank=50)
def training_calls(subject: TrainingStep) -> TrainingStep:
    """Functions, methods of trainers, and callable objects.

    Raises:
        UsageError: A parameter is not understood, a network is missing, or it raises on all that was tried.
    """
    if isinstance(subject.f, type):
        raise UsageError(
            given=f"the class {subject.label}", expected="a function, or a method of an instance",
            do=f"construct it, and name the method: TrainingStep({subject.label}(…).train_step, …)",
        )  # fmt: skip
    if any(not t.numel() for t in tensors_of(subject.batch)):
        shapes = ", ".join(str(tuple(t.shape)) for t in tensors_of(subject.batch))
        raise UsageError(
            given=f"a batch with no samples (of shape {shapes})", expected="one sample or more",
            do="give batch= with samples in it, or leave it out: then one is made",
        )  # fmt: skip
    subject = replace(
        subject, moves=tuple(map(key, subject.moves)), stays=tuple(map(key, subject.stays)),
        gradient_only=tuple(map(key, subject.gradient_only)),
    )  # fmt: skip
    problem: SubjectRaised | None = None
    own: StepCalls | None = None
    for plan, kind in _plans(subject):
        maker = WorldMaker(subject, plan, kind)
        _refuse_missing(subject, maker)
        try:
            maker = _tried(subject, maker)
        except SubjectRaised as raised:
            fault = any(words in str(raised.error) for words in _OWN_FAULTS)
            if own is None and (fault or not maker.makes):
                own = _calls(subject, maker)
            problem = problem or raised
            continue
        made = _calls(subject, maker)
        return replace(subject, prepared=replace(made, alternative=_alternative(subject, maker, made)), memory={})
    if own is not None:
        return replace(subject, prepared=own, memory={})
    assert problem is not None
    raise UsageError(
        given=f"{subject.label} on networks and batches that were made for it, where it raises "
        f"{type(problem.error).__name__}: {str(problem.error).strip().partition(chr(10))[0][:200]}",
        expected="a step that takes small networks",
        do="give it its own: modules={'G': …, 'D': …}, batch=…, arguments={…}, or event_shape= and latent_shape=",
    ) from problem  # fmt: skip


def _alternative(subject: TrainingStep, maker: WorldMaker, made: StepCalls) -> StepCalls | None:
    """The same with a discriminator of probabilities, where it may be that, or runs with one, too."""
    if "D" not in maker.made_roles:
        # Whether the user's own discriminator gives logits or probabilities is for the gradient to tell.
        return None if made.probabilities else replace(made, probabilities=True)
    if maker.plan.probability:
        return None
    try:
        return _calls(subject, _tried(subject, WorldMaker(subject, replace(maker.plan, probability=True), maker.kind)))
    except SubjectRaised:
        return None


def _plans(subject: TrainingStep) -> Iterator[tuple[Plan, str]]:
    """What is tried in turn: float64 before the step's own dtype, logits before probabilities, tensors before pairs."""
    events = [subject.event_shape] if isinstance(subject.event_shape, tuple) else [(3,), (1, 4, 4)]
    latent = subject.latent_shape if isinstance(subject.latent_shape, tuple) else (4,)
    for dtype in (torch.float64, torch.float32):
        for event in events:
            for kind in ("tensor", "pair"):
                for probability in (False, True):
                    for column in (True, False):
                        yield (
                            Plan(event=event, latent=latent, column=column, probability=probability, dtype=dtype),
                            kind,
                        )


def _refuse_missing(subject: TrainingStep, maker: WorldMaker) -> None:
    known = maker.roles()
    for role in (*subject.trained, *subject.staying):
        if role not in known and role in subject.trained:
            raise UsageError(
                given=f"{subject.label}, in which no network {role!r} was found (found: {', '.join(known) or 'none'})",
                expected="every network that is claimed to move", do=f"name it: modules={{{role!r}: net}}",
            )  # fmt: skip


def _tried(subject: TrainingStep, maker: WorldMaker) -> WorldMaker:
    """The maker with which the step runs: noise of the size that it draws.

    Raises:
        SubjectRaised: It raises, or its gradients are not finite.
    """
    for _ in range(3):
        latent = _latent_after(subject, maker)
        if latent is None:
            return maker
        maker = WorldMaker(subject, replace(maker.plan, latent=latent), maker.kind)
    return maker


def _latent_after(subject: TrainingStep, maker: WorldMaker) -> tuple[int, ...] | None:
    """The shape of the noise that it draws where that is another one; else it runs at every case that is tried."""
    calls = _calls(subject, maker)
    for number in range(_TRIALS if maker.makes_networks else 1):
        world = calls.world(maker.case(number))
        try:
            run = _quiet(calls, world, subject)
        except SubjectRaised:
            seen = [getattr(net, "seen", None) for net in world.networks.values()]
            latent = next((one for one in seen if isinstance(one, tuple)), None)
            if latent is None or latent == maker.plan.latent:
                raise
            return latent
        grads = [g for role in subject.trained for g in run.gradient(role).values()]
        if not all(bool(torch.isfinite(g).all()) for g in grads):
            raise SubjectRaised(ArithmeticError("its gradients are not finite"))
    return None


def _quiet(calls: StepCalls, world: Any, subject: TrainingStep) -> Any:  # noqa: ANN401
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        run = observe(calls, world, roles=subject.trained)
    if any("target size" in str(one.message) for one in said):
        raise SubjectRaised(ValueError("the labels have another shape than the discriminator's results"))
    return run


def _calls(subject: TrainingStep, maker: WorldMaker) -> StepCalls:
    notes = list(maker.notes())
    if maker.plan.dtype != torch.float64:
        notes.append(f"judged in {str(maker.plan.dtype).removeprefix('torch.')}: it does not run in float64")
    return StepCalls(
        world=maker.world, beside=maker.beside if subject.beside is not None else None, shapes=maker.shapes(),
        dtype=maker.plan.dtype, bound=maker.bound(), clip=maker.clip(), unroll=maker.unroll(),
        probabilities=maker.probabilities(), made=maker.makes_networks, notes=tuple(notes),
    )  # fmt: skip
