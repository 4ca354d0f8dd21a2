"""The subject Optimizer: a rule that moves parameters along their gradients, and how to start and drive it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, runtime_checkable

from torch import Tensor

from genverify.errors import UsageError
from genverify.subjects.subject import Subject

__all__ = ["Convention", "Law", "Optimizer", "Session"]


@runtime_checkable
class Session(Protocol):
    """One implementation at work on its own parameters."""

    @property
    def parameters(self) -> Sequence[Tensor]:
        """The parameters as they are now."""
        ...

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        """Carries out one step with these gradients, one for each parameter."""
        ...


@dataclass(frozen=True, kw_only=True)
class Convention:
    """How a foreign optimizer is started, found by an adapter.

    Attributes:
        name: The convention, for example ``"torch.optim.Optimizer"``.
        start: (parameters, arguments under the implementation's own names) → a session.
        grouped: (parameters, one mapping of overrides for each, arguments) → a session with one group for each
            parameter.
        arguments: The implementation's own argument names with their defaults; what has no default maps to `None`.
        fixed: Values that an existing object carries; they are no longer free.
        read: Arguments → the hyperparameters that one built from them shows; None when nothing can be read.
        open_ended: Whether it takes arguments beyond those listed (``**defaults``).
        capabilities: Which of ``groups``, ``state``, ``closure``, ``none``, ``rate`` it has (rate: the learning rate
            stands
            in its parameter groups, where a scheduler writes it).
    """

    name: str
    start: Callable[[Sequence[Tensor], Mapping[str, Any]], Session]
    grouped: Callable[[Sequence[Tensor], Sequence[Mapping[str, Any]], Mapping[str, Any]], Session] | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    fixed: Mapping[str, Any] = field(default_factory=dict)
    read: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None = None
    open_ended: bool = False
    capabilities: frozenset[str] = frozenset()


@runtime_checkable
class Law(Protocol):
    """The rule that a subject is held against, as the catalogue introduces it."""

    @property
    def rule(self) -> str:
        """The rule's name."""
        ...

    @property
    def source(self) -> str:
        """Where the rule comes from."""
        ...

    @property
    def wants(self) -> str:
        """What implementations must be fed: "" (any gradients), matrices, sparse, closure or iterates."""
        ...

    @property
    def partition(self) -> str:
        """What the rule mixes: entries (nothing), tensors, matrices or everything."""
        ...

    @property
    def degree(self) -> int | None:
        """The power of a positive factor of the gradients by which the steps grow; None where there is no such law."""
        ...

    def unitless(self, options: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The options with everything that has a unit at zero; None where the code does not let it."""
        ...

    @property
    def trials(self) -> Mapping[str, tuple[Any, ...]]:
        """Hyperparameter → values worth drawing, the subject's own first; of those that nobody declared."""
        ...

    @property
    def rate(self) -> float:
        """The learning rate when no option says another."""
        ...

    def legal(self, options: Mapping[str, Any]) -> bool:
        """Whether the rule allows these values together."""
        ...

    def arguments(self, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """The options, and what was declared, under the implementation's own names."""
        ...

    def decays(self, options: Mapping[str, Any]) -> bool:
        """Whether the parameters move without a gradient under these options."""
        ...

    def judge(self, trajectory: Any, options: Mapping[str, Any], *, explain: bool = True) -> Any:  # noqa: ANN401 - Finding
        """Which accepted dialect the trajectory follows, or where the nearest one parts company with it."""
        ...


@dataclass(frozen=True, init=False)
class Optimizer(Subject):
    """A gradient-based optimizer is claimed to follow a named rule.

    `f` is an optimizer class, an instance (its hyperparameters are read, and it is never stepped), a factory
    ``parameters → optimizer``, an object with ``step(params, grads)``, or an update function
    ``f(w, g, state) → w`` or ``(w, state)``; see `genverify.adapters`.

    Attributes:
        rule: Name of a rule of the catalogue, for example ``"adam"`` or ``"optimizer.adam"``.
        dialect: Axis → value where the code follows a convention other than the rule's own,
            for example ``{"epsilon": "hat"}``; a single word is looked up in all axes.
        hyper: Hyperparameters that are claimed, under the implementation's own names or the rule's; passed to a
            class that takes them. What is not claimed is read from the implementation, and varied where it may be.

    Raises:
        UsageError: A hyperparameter is not a number, flag, word or tuple of these, or lr is not finite and positive.

    >>> import torch
    >>> Optimizer(torch.optim.Adam, rule="adam", lr=1e-3).hyper
    {'lr': 0.001}
    """

    kind: ClassVar[str] = "optimizer"
    catalogue: ClassVar[str] = "optimizer"

    rule: str = field(default="", kw_only=True)
    dialect: Mapping[str, str] = field(default_factory=dict, kw_only=True)
    hyper: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    convention: Convention | None = field(default=None, kw_only=True, repr=False)
    law: Law | None = field(default=None, kw_only=True, repr=False)

    def __init__(
        self,
        f: Any,  # noqa: ANN401 - anything that optimises
        *,
        rule: str,
        dialect: Mapping[str, str] | str | None = None,
        name: str = "",
        reference: str = "",
        hyper: Mapping[str, Any] | None = None,
        convention: Convention | None = None,
        law: Any = None,  # noqa: ANN401 - a Law; the catalogue's own type is richer
        **claimed: Any,  # noqa: ANN401 - numbers, flags, tuples
    ) -> None:
        if not isinstance(rule, str):
            raise UsageError(given=f"rule={rule!r}", expected="the name of a rule", do='for example rule="adam"')
        claims = {**(hyper or {}), **claimed}
        for key, value in claims.items():
            _reject_unusable(key, value)
        words = {"": dialect} if isinstance(dialect, str) else dict(dialect or {})
        for key, value in {
            "f": f,
            "rule": rule,
            "dialect": words,
            "hyper": claims,
            "name": name,
            "reference": reference,
            "convention": convention,
            "law": law,
        }.items():
            object.__setattr__(self, key, value)


_RATES = ("lr", "learning_rate", "step_size")


def _reject_unusable(key: str, value: Any) -> None:  # noqa: ANN401
    numbers = value if isinstance(value, (tuple, list)) else (value,)
    for number in numbers:
        if isinstance(number, Tensor) and number.numel() == 1:
            number = number.item()
        if number is not None and not isinstance(number, (bool, int, float, str)):
            raise UsageError(
                given=f"{key}={value!r}",
                expected="a number, a flag, a word, or a tuple of these",
                do="pass the value itself; a schedule is verified by itself",
            )
        if isinstance(number, float) and not number - number == 0:
            raise UsageError(
                given=f"{key}={value!r}", expected="a finite number", do=f"declare {key} as the code uses it"
            )
        if key in _RATES and (isinstance(number, str) or number is None or number <= 0):
            raise UsageError(
                given=f"{key}={value!r}",
                expected="a positive learning rate",
                do="for example lr=1e-3; maximize=True ascends",
            )
