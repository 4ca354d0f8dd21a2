"""Calling a stranger's sampler on a case, and the law that its output should follow."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, cast

import torch
from torch import Tensor

from genverify.errors import GenverifyError, SubjectRaised
from genverify.noise import Tape, record
from genverify.noise.generators import preserved_generators
from genverify.subjects.calling import subject_code
from genverify.subjects.case import Case, render
from genverify.subjects.formula import Bound, Place
from genverify.subjects.formula_case import build
from genverify.subjects.modes import in_mode
from genverify.subjects.sampler import JointLaw, Sampler
from genverify.subjects.specification import Layout

__all__ = [
    "Drawn",
    "arguments_of",
    "call",
    "canonical_parameters",
    "identify",
    "joint_law",
    "law_of_raw",
    "probe",
    "raw_parameters",
    "record_draws",
    "sizes_of",
    "witness",
]

_GOLDEN = 0.6180339887498949
# Pairwise different, so that an axis taken for another shows.
_PROBE_SIZES = {"batch": 2, "latent": 3, "dim": 3, "outcomes": 3, "channel": 3}


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """One output of the sampler.

    Attributes:
        output: The draws, as a tensor; integers stay integers.
        leaves: Parameter of the law → the tensor that was passed; leaves of the graph when gradients were asked for.
        changed: Parameters of the subject that the call overwrote.
    """

    output: Tensor
    leaves: Mapping[str, Tensor] = field(default_factory=dict)
    changed: tuple[str, ...] = ()


def sizes_of(subject: Sampler, layout: Layout) -> dict[str, tuple[int, ...]]:
    """The axes of the parameters in this layout, with the sizes that cases give them."""
    assert subject.named is not None
    found: dict[str, tuple[int, ...]] = {}
    for argument in subject.named.specification.arguments:
        for axis in layout.axes(argument):
            found[axis] = subject.named.specification.sizes.get(axis, (2, 1))
    return found


def arguments_of(
    subject: Sampler,
    case: Case,
    fixed: Mapping[str, Any],
    copied: Callable[[Bound, Tensor], Tensor],
    *,
    training: bool = True,
) -> tuple[dict[str, Any], list[Any], dict[str, Any]]:
    """What the constructor is given, what the call is given by place, and what by name; `copied` makes its tensors."""
    assert subject.match is not None
    named: dict[str, Any] = dict(fixed)
    made_with: dict[str, Any] = {name: named.pop(name) for name in subject.memory.get("constructor", ())}
    if flag := subject.memory.get("flag"):
        named[flag[0]] = flag[1] is training
    positional: list[Any] = []
    for bound in subject.match.bound:
        if bound.argument.name not in case:
            continue
        value = case[bound.argument.name]
        if isinstance(value, Tensor):
            value = copied(bound, value)
        elif bound.form.name == "sample_shape":
            value = tuple(value)
        if bound.place is Place.CONSTRUCTOR:
            made_with[bound.parameter] = value
        elif bound.keyword:
            named[bound.parameter] = value
        else:
            positional.append(value)
    return made_with, positional, named


def call(subject: Sampler, case: Case, *, gradients: bool = False, training: bool = True) -> Drawn:
    """Calls the subject once, on copies of the case's parameters; where its law has modes, in one of them.

    Raises:
        SubjectRaised: The subject raised, or returned no tensor.
    """
    assert subject.match is not None
    leaves: dict[str, Tensor] = {}

    def copied(bound: Bound, value: Tensor) -> Tensor:
        moves = value.is_floating_point() and bound.argument.differentiable
        value = value.detach().clone().requires_grad_(gradients and moves)
        if moves or not gradients:
            leaves[bound.argument.name] = value
        return value * 1 if subject.writes_input and gradients else value  # no leaf of a graph may be overwritten

    made_with, positional, given = arguments_of(subject, case, subject.fixed, copied, training=training)
    before = {name: leaf._version for name, leaf in leaves.items()}
    f: Any = subject.f
    with torch.set_grad_enabled(gradients), subject_code():
        if inspect.isclass(f):
            f = f(**made_with)
        with in_mode(f, training) if subject.has_modes else nullcontext():
            output = f(*positional, **given)
        output = subject.output(output) if subject.output is not None else output
        if not isinstance(output, Tensor):
            output = torch.as_tensor(output)
    changed = tuple(
        b.parameter
        for b in subject.match.bound
        if b.argument.name in leaves and leaves[b.argument.name]._version != before[b.argument.name]
    )
    return Drawn(output=output, leaves=leaves, changed=changed)


def record_draws(subject: Sampler, case: Case, *, gradients: bool = False) -> tuple[Drawn, Tape]:
    """One call, and the draws that it made; torch's generators stay where they were."""
    with preserved_generators(case.seed), record() as recorder:
        drawn = call(subject, case, gradients=gradients)
    return drawn, recorder.tape


def raw_parameters(subject: Sampler, case: Case) -> dict[str, Tensor]:
    """The floating parameters of a case in the subject's parametrisation, in float64."""
    return {name: value.detach().to(torch.float64) for name, value in case.tensors() if value.is_floating_point()}


def law_of_raw(subject: Sampler, case: Case, raw: Mapping[str, Tensor]) -> JointLaw:
    """The law that the output should follow at these raw parameters; differentiable in them."""
    assert subject.named is not None
    return subject.named.specification.oracle(**canonical_parameters(subject, case, raw))


def canonical_parameters(subject: Sampler, case: Case, raw: Mapping[str, Tensor]) -> dict[str, Any]:
    """The law's own parameters, from these raw ones in the subject's parametrisation."""
    assert subject.named is not None
    assert subject.match is not None
    forms = {bound.argument.name: bound.form for bound in subject.match.bound}
    given: dict[str, Any] = {}
    for argument in subject.named.specification.arguments:
        name = argument.name
        if name in subject.at:
            value = subject.at[name]
            given[name] = value if name == "n" else torch.as_tensor(value, dtype=torch.float64)
        elif name in raw:
            given[name] = forms[name].canonical(raw[name])
        elif name in case:
            given[name] = forms[name].canonical(case[name])
        elif name in forms and forms[name] is not None:
            default = next(b.default for b in subject.match.bound if b.argument.name == name)
            given[name] = (
                forms[name].canonical(default) if name == "n" else torch.as_tensor(default, dtype=torch.float64)
            )
    return given


def joint_law(subject: Sampler, case: Case) -> JointLaw:
    """The law that the output should follow."""
    return law_of_raw(subject, case, raw_parameters(subject, case))


def witness(subject: Sampler, case: Case) -> dict[str, str]:
    """The case under the subject's own parameter names."""
    assert subject.match is not None
    return {b.parameter: render(case[b.argument.name]) for b in subject.match.bound if b.argument.name in case}


def probe(subject: Sampler, layout: Layout, dtype: torch.dtype) -> Case:
    """A generic case: axes of different sizes, parameters that differ from each other."""
    state = {"at": 0.1}

    def numbers(name: str, domain: Any, count: int) -> Tensor:  # noqa: ANN401 - a Domain
        points = []
        for _ in range(count):
            state["at"] = (state["at"] + _GOLDEN) % 1.0
            points.append(domain.low + (domain.high - domain.low) * state["at"])
        return torch.tensor(points, dtype=torch.float64)

    sizes = {axis: _PROBE_SIZES.get(axis, 2) for axis in sizes_of(subject, layout)}
    # Only the match of the subject is read, which a Sampler has as a Formula has.
    case = build(cast(Any, subject), layout, sizes, dtype, numbers, leave=lambda name: False)
    if "n" in case:
        as_shape = next(b for b in subject.match.bound if b.argument.name == "n").form.name != "n"  # type: ignore[union-attr]
        case = Case(values={**case.values, "n": (5,) if as_shape else 5}, seed=case.seed)
    return case


def identify(subject: Sampler) -> None:
    """Finds, once, the layout and the dtype that the subject takes; remembered with the subject.

    Parameters given once for several draws are tried first where the subject says how many draws it makes.
    """
    if "layout" in subject.memory:
        return
    layouts = list(subject.layouts())
    if any(bound.argument.name == "n" for bound in subject.match.bound):  # type: ignore[union-attr]
        layouts = sorted(layouts, key=lambda one: not one.drop)
    runs: list[tuple[int, Layout, torch.dtype]] = []
    for layout in layouts:
        for dtype in (torch.float64, torch.float32):
            case = probe(subject, layout, dtype)
            try:
                # A layout that a subject warns of is one that it is not meant for, where another fits.
                with warnings.catch_warnings(record=True) as warned:
                    drawn, _ = record_draws(subject, case)
                    law = joint_law(subject, case)
                    right = _shape(drawn.output, law) == law.shape and _possible(subject, case, law)
            except (SubjectRaised, GenverifyError):
                continue
            runs.append((0 if right and not warned else 1 if right else 2, layout, dtype))
            if runs[-1][0] == 0:
                break
        else:
            continue
        break
    best = min(runs, key=lambda one: one[0], default=(2, layouts[0], torch.float64))
    subject.memory.update(layout=best[1], dtype=best[2])


# Draws by which a layout is told from another: a channel, say, that is dropped as a whole, or in parts.
_LOOKS = 32


def _possible(subject: Sampler, case: Case, law: JointLaw) -> bool:
    """Whether the law can give what some draws are, where it says so and there is a choice of layouts."""
    if law.possible is None or len(subject.layouts()) < 2:
        return True
    looks = [record_draws(subject, replace(case, seed=seed))[0].output for seed in range(_LOOKS)]
    return law.possible(torch.stack([one.detach().to(torch.float64).reshape(-1) for one in looks]))


def _shape(output: Tensor, law: JointLaw) -> tuple[int, ...]:
    """The shape of the output, without the last axis where that is a one-hot code of a discrete outcome."""
    shape = tuple(output.shape)
    if law.probabilities is not None and shape == (*law.shape, law.probabilities.shape[-1]):
        return shape[:-1]
    return shape
