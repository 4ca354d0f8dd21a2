"""A whole diffusion process of somebody else's: a schedule, and whichever of its functions there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from genverify.errors import UsageError, nearest
from genverify.subjects.bijection import shape
from genverify.subjects.diffusion_network import Network
from genverify.subjects.subject import Subject

__all__ = ["PREDICTIONS", "VARIANCES", "DiffusionCalls", "DiffusionOracles", "DiffusionProcess", "Role"]

PREDICTIONS = ("eps", "x0", "v")
VARIANCES = ("small", "large", "learned", "learned range", "ddim")


@dataclass(frozen=True, kw_only=True)
class Role:
    """A function of the process, as its checks call it.

    Attributes:
        name: What it is: q_sample, posterior, p_sample, …
        spelt: What the process calls it, with what was taken for what.
        call: Its arguments by role (x0, xt, t, noise, prediction, …) → what it returns.
        takes: The roles of its arguments.
        per_row: Whether each row of a batch may be at another step.
        number: Whether the step is a number, and no tensor.
        broken: What it raised when it was tried; empty where it runs.
    """

    name: str
    spelt: str
    call: Callable[..., Any]
    takes: frozenset[str]
    per_row: bool = True
    number: bool = False
    broken: str = ""


@dataclass(frozen=True, kw_only=True)
class DiffusionCalls:
    """A process as its checks call it.

    Attributes:
        tables: What a table is → the table [T], or [T + 1] with an entry for the data in front.
        alphas: 1 − β of each step, float64 [T].
        origin: The table that they were read from.
        unit: The dtype in which the schedule was reckoned: the narrowest of that table's and the samples'.
        roles: The functions that there are.
        network: What stands for the network; None where the process has none that can be replaced.
        event: The shape of one sample that it takes.
        dtype: Of the samples.
        stated: What its network predicts, by its own word: eps, x0 or v; "" where it says nothing.
        path: The steps that a sampler was set to take, from noise to data, as it calls them; () for all of them.
        final: ᾱ behind the last of these steps: 1 for the data.
        notes: What a reader should know of how it is called.
    """

    tables: Mapping[str, Tensor]
    alphas: Tensor
    origin: str
    unit: torch.dtype
    roles: Mapping[str, Role]
    network: Network | None
    event: tuple[int, ...]
    dtype: torch.dtype
    stated: str = ""
    path: tuple[int, ...] = ()
    final: float = 1.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DiffusionOracles:
    """The closed forms that a process is held against: additive terms, elementwise.

    Attributes:
        q_sample: (x_0, ε, √ᾱ, √(1 − ᾱ)).
        posterior_mean: (x_0, x_t, ᾱ_t, ᾱ_{t−1}).
        posterior_variance: (ᾱ_t, ᾱ_{t−1}), one value.
        x0_from_eps: (x_t, ε, √ᾱ, √(1 − ᾱ)).
        eps_from_x0: (x_t, x_0, √ᾱ, √(1 − ᾱ)).
        v_target: (x_0, ε, √ᾱ, √(1 − ᾱ)).
        x0_from_v: (x_t, v, √ᾱ, √(1 − ᾱ)).
        eps_from_v: (x_t, v, √ᾱ, √(1 − ᾱ)).
        ddim_variance: (ᾱ_t, ᾱ', η), one value.
        ddim_step: (x_t, ε, z, ᾱ_t, ᾱ', σ²).
    """

    q_sample: Callable[..., tuple[Tensor, ...]]
    posterior_mean: Callable[..., tuple[Tensor, ...]]
    posterior_variance: Callable[..., Tensor]
    x0_from_eps: Callable[..., tuple[Tensor, ...]]
    eps_from_x0: Callable[..., tuple[Tensor, ...]]
    v_target: Callable[..., tuple[Tensor, ...]]
    x0_from_v: Callable[..., tuple[Tensor, ...]]
    eps_from_v: Callable[..., tuple[Tensor, ...]]
    ddim_variance: Callable[..., Tensor]
    ddim_step: Callable[..., tuple[Tensor, ...]]


@dataclass(frozen=True)
class DiffusionProcess(Subject):
    r"""A Gaussian diffusion whose parts are claimed to belong to one schedule.

        $$ q(x_t \mid x_0) = N(\sqrt{\bar\alpha_t} x_0, (1 - \bar\alpha_t) I),
           \qquad \bar\alpha_t = \prod_{i \le t} (1 - \beta_i) $$

    and everything else follows: tables, the posterior of the step before, what one prediction says of another, the
    steps of a sampler, and the law that the whole sampler reaches. An object or a module with the usual names, a
    mapping or a namespace of tables and functions, or nothing but the functions, by role.

    Attributes:
        roles: What a part is → its name in `f`, or the part itself: ``{"q_sample": "noising", "betas": table}``.
        arguments: Parameter → what it is, where its name does not say so: ``{"p_sample.y": "xt"}``, or ``{"y": "xt"}``.
        fixed: Parameter → value that every function which has it is given.
        event_shape: Shape of one sample, without the batch; by default the first of some usual ones that it takes.
        first_step: 0 or 1: what the first step is called, counted from the data; by default found.
        prediction: What the network predicts: eps, x0 or v; by default found.
        variance: The variance of a step back that is claimed: small (β̃), large (β), learned, "learned range" or
            ddim; by default found.
        clip: Whether the predicted x_0 is claimed to be clipped to [−1, 1]; by default found, and said.
        terminal_snr: What ᾱ_T/(1 − ᾱ_T) is claimed not to exceed.
        steps: Of a sampler that can be set to take some of the T steps: how many.
        eta: The η of a DDIM step, where it is a parameter.
        prepared: How the checks call it; filled in by an adapter.
    """

    kind: ClassVar[str] = "diffusion_process"
    catalogue: ClassVar[str] = "diffusion_whole"

    roles: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    arguments: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    fixed: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    event_shape: tuple[int, ...] | int | None = field(default=None, kw_only=True)
    first_step: int | None = field(default=None, kw_only=True)
    prediction: str | None = field(default=None, kw_only=True)
    variance: str | None = field(default=None, kw_only=True)
    clip: bool | None = field(default=None, kw_only=True)
    terminal_snr: float | None = field(default=None, kw_only=True)
    steps: int | None = field(default=None, kw_only=True)
    eta: float | None = field(default=None, kw_only=True)
    prepared: DiffusionCalls | None = field(default=None, kw_only=True, repr=False, compare=False)
    oracles: DiffusionOracles | None = field(default=None, kw_only=True, repr=False, compare=False)
    memory: dict[str, Any] = field(default_factory=dict, kw_only=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.event_shape is not None:
            object.__setattr__(self, "event_shape", shape("event_shape", self.event_shape))
        for name, known in (("prediction", PREDICTIONS), ("variance", VARIANCES)):
            given = getattr(self, name)
            if given is not None and given not in known:
                raise UsageError(
                    given=f"{name}={given!r}", expected=" or ".join(known), do=nearest(str(given), list(known))
                )
        if self.first_step not in (None, 0, 1):
            raise UsageError(
                given=f"first_step={self.first_step!r}", expected="0 or 1",
                do="say what t is at the step next to the data",
            )  # fmt: skip
        for name in ("terminal_snr", "steps", "eta"):
            given = getattr(self, name)
            if given is not None and not 0 <= given < float("inf"):
                raise UsageError(given=f"{name}={given!r}", expected="a number of at least 0", do="leave it out")

    @property
    def calls(self) -> DiffusionCalls:
        """How the checks call it.

        Raises:
            UsageError: No adapter has prepared the subject.
        """
        return self.settled(self.prepared)

    @property
    def against(self) -> DiffusionOracles:
        """What it is held against; filled in by the catalogue."""
        assert self.oracles is not None
        return self.oracles

    @property
    def event(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return self.calls.event
