"""A network, layer or function x → y, and what is claimed of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from genverify.errors import UsageError, nearest
from genverify.subjects.bijection import shape
from genverify.subjects.region import Region, region
from genverify.subjects.subject import Subject

__all__ = ["ACTIONS", "Map", "MapCalls"]

# (points, context or None) → images
Function = Callable[[Tensor, Tensor | None], Tensor]
ACTIONS = ("translation", "permutation")


@dataclass(frozen=True, kw_only=True)
class MapCalls:
    """A map as its checks call it, whatever convention it follows.

    Attributes:
        f: (x, context) → y: of a copy in float64 where the subject can be moved there, else in its own dtype.
        dtype: In which `f` is called.
        device: Where the tensors of `f` are, and the points are brought.
        output_event: The shape of the image of one event; None where the first call raised.
        others: Further functions of the declaration by field name (adjoint, equals, residual_of), moved along.
        own: As `f`, of the subject's own dtype.
        own_dtypes: The dtypes in which the subject is meant to run.
        mixed: Whether it has no floating dtype of its own, or several.
        parameters: Name → trainable parameter of the copy that `f` calls; empty where there is no copy.
        state: Tensors of that copy that a call may change, in training mode, with the values that each call starts at.
        module: The copy that `f` calls, if it is a module.
        notes: What a reader should know of how it is called.
    """

    f: Function
    dtype: torch.dtype = torch.float64
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    output_event: tuple[int, ...] | None = None
    others: Mapping[str, Function] = field(default_factory=dict)
    own: Function | None = None
    own_dtypes: tuple[torch.dtype, ...] = ()
    mixed: bool = True
    parameters: Mapping[str, Tensor] = field(default_factory=dict)
    state: tuple[tuple[Tensor, Tensor], ...] = ()
    module: torch.nn.Module | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Map(Subject):
    """Any map of a batch of events, ``f(x) → y`` with x [batch, *event_shape]; what is claimed is judged, no more.

    Of every map it is asked that it is deterministic, treats rows apart, leaves its input alone, gives finite numbers
    in the dtype and on the device of its input, and that its derivatives are those of its values. These can be opted
    out of: `stochastic`, `batch_independent=False`, `writes_input`, `keeps_dtype=False`, `gradient=False`.

    Attributes:
        event_shape: Shape of one event, without the batch; found by trying where a layer tells its size.
        domain: Where x lives: (low, high), or a constraint of torch.distributions; all of space by default.
        context_shape: Shape of one row of context, for a conditional map ``f(x, context)``.
        batched: Whether `f` takes a batch of events; if not, it is called row by row.
        output: Which of several results is the image: an index, or a key.
        training: Judges it in training mode; by default a copy in evaluation mode is judged.
        stochastic: It draws noise; each evaluation is made under the same seed.
        batch_independent: Whether a row depends on that row alone; False for batch norm in training mode.
        writes_input: It is meant to work in place on its input.
        keeps_dtype: Whether the image has the dtype of the input; False under autocast, say.
        gradient: Whether its derivatives are those of its values; False for a straight-through or another surrogate,
            and for what stands still in the backward pass alone (spectral norm's power iteration in training mode).
        linear: Claims f(ax + bz) = a f(x) + b f(z).
        affine: Claims the same of f − f(0); with it `matrix` and `adjoint` speak of f − f(0).
        matrix: The dense operator W [outputs, inputs], or (W, b): f(x) = W vec(x) + b.
        adjoint: y → x with ⟨f(x), y⟩ = ⟨x, adjoint(y)⟩; the parts at zero, f(0) and adjoint(0), are subtracted.
        equals: Another implementation of the same map.
        equivariant: ``"translation"``, ``"permutation"``, or a pair (g, h) of functions of a batch: f(g x) = h f(x).
        invariant: The same words, or a function g of a batch: f(g x) = f(x).
        axes: Along which axes of an event a named group acts; all but the first (the channels) for translations, the
            first for permutations.
        shift: (s, t): a translation of the input by s moves the output by t; (2, 1) for stride 2.
        margin: Judges translations away from the border only, leaving out so many positions of the output at each end,
            and what a cyclic shift wraps around; None claims equivariance to cyclic shifts everywhere.
        output_shape: Shape of the image of one event, or a function event shape → shape.
        event_shapes: Further event shapes that it takes, all held against `output_shape`.
        refuses: Event shapes that it must refuse by an exception.
        ignores: Claims ∂y_i/∂x_j = 0 for every x: a mask [outputs, inputs], or a function (i, j) → bool.
        depends_on: Claims that y_i depends on x_j, likewise: somewhere the derivative is not zero.
        residual_of: F with f(x) = x + F(x).
        identity_path: Claims y = c x + F(x), where F is constant once all parameters are zero; True is c = 1.
        accuracy: Stated relative accuracy of `equals`, `matrix`, `residual_of`, `lipschitz`; 0 claims rounding error.
        lipschitz: Claims |f(x) − f(y)| ≤ K |x − y| for all points, in the Euclidean norm, for this K; up to `accuracy`.
        prepared: How the checks call it; filled in by an adapter.
    """

    kind: ClassVar[str] = "map"

    event_shape: tuple[int, ...] | int | None = field(default=None, kw_only=True)
    domain: Any = field(default=None, kw_only=True)
    context_shape: tuple[int, ...] | int | None = field(default=None, kw_only=True)
    batched: bool = field(default=True, kw_only=True)
    output: int | str | None = field(default=None, kw_only=True)
    training: bool = field(default=False, kw_only=True)
    stochastic: bool = field(default=False, kw_only=True)
    batch_independent: bool = field(default=True, kw_only=True)
    writes_input: bool = field(default=False, kw_only=True)
    keeps_dtype: bool = field(default=True, kw_only=True)
    gradient: bool = field(default=True, kw_only=True)
    linear: bool = field(default=False, kw_only=True)
    affine: bool = field(default=False, kw_only=True)
    matrix: Any = field(default=None, kw_only=True)
    adjoint: Callable[..., Any] | None = field(default=None, kw_only=True)
    equals: Callable[..., Any] | None = field(default=None, kw_only=True)
    equivariant: Any = field(default=None, kw_only=True)
    invariant: Any = field(default=None, kw_only=True)
    axes: tuple[int, ...] | int | None = field(default=None, kw_only=True)
    shift: tuple[int, int] = field(default=(1, 1), kw_only=True)
    margin: int | None = field(default=None, kw_only=True)
    output_shape: Any = field(default=None, kw_only=True)
    event_shapes: Any = field(default=(), kw_only=True)
    refuses: Any = field(default=(), kw_only=True)
    ignores: Any = field(default=None, kw_only=True)
    depends_on: Any = field(default=None, kw_only=True)
    residual_of: Callable[..., Any] | None = field(default=None, kw_only=True)
    identity_path: bool | float = field(default=False, kw_only=True)
    accuracy: float = field(default=0.0, kw_only=True)
    lipschitz: float | None = field(default=None, kw_only=True)
    prepared: MapCalls | None = field(default=None, kw_only=True, repr=False, compare=False)
    memory: dict[str, Any] = field(default_factory=dict, kw_only=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("event_shape", "context_shape"):
            object.__setattr__(self, name, shape(name, getattr(self, name)))
        for name in ("event_shapes", "refuses"):
            object.__setattr__(self, name, _shapes(name, getattr(self, name)))
        if self.output_shape is not None and not callable(self.output_shape):
            object.__setattr__(self, "output_shape", _output_shape(self.output_shape))
        if isinstance(self.axes, int):
            object.__setattr__(self, "axes", (self.axes,))
        region(self.domain)
        _check_group("equivariant", self.equivariant, pair=True)
        _check_group("invariant", self.invariant, pair=False)
        _check_numbers(self)

    @property
    def where(self) -> Region:
        """The domain as a region."""
        return region(self.domain)

    @property
    def event(self) -> tuple[int, ...]:
        """The shape of one event; the adapter has settled it by the time that a check asks."""
        assert isinstance(self.event_shape, tuple)
        return self.event_shape

    def acting(self, word: str) -> tuple[int, ...]:
        """The axes of an event along which a named group acts."""
        if isinstance(self.axes, tuple):
            return tuple(axis % len(self.event) for axis in self.axes)
        if word == "permutation" or len(self.event) == 1:
            return (0,)
        return tuple(range(1, len(self.event)))

    @property
    def calls(self) -> MapCalls:
        """How the checks call it.

        Raises:
            UsageError: No adapter has prepared the subject.
        """
        return self.settled(self.prepared)


def _shapes(name: str, given: Any) -> tuple[tuple[int, ...], ...]:  # noqa: ANN401 - what a person typed
    if isinstance(given, int):
        given = [given]
    if not isinstance(given, (tuple, list)):
        raise UsageError(
            given=f"{name}={given!r}",
            expected="a list of event shapes",
            do=f"for example {name}=[(1, 8, 8), (1, 9, 7)]",
        )
    return tuple(found for one in given if (found := shape(name, one)) is not None)


def _output_shape(given: Any) -> tuple[int, ...]:  # noqa: ANN401 - what a person typed
    axes = (given,) if isinstance(given, int) else given
    if not isinstance(axes, (tuple, list)) or not all(isinstance(n, int) and n > 0 for n in axes):
        raise UsageError(
            given=f"output_shape={given!r}", expected="a tuple of positive integers, or a function of the event shape",
            do="for example output_shape=(10,), () for one number a row, or output_shape=lambda event: event",
        )  # fmt: skip
    return tuple(axes)


def _check_group(name: str, given: Any, *, pair: bool) -> None:  # noqa: ANN401 - what a person typed
    fine = given is None or given in ACTIONS if isinstance(given, (str, type(None))) else False
    if isinstance(given, (tuple, list)):
        fine = pair and len(given) == 2 and all(callable(one) for one in given)
    elif callable(given):
        fine = not pair
    if fine:
        return
    functions = "a pair of functions (g, h)" if pair else "a function g"
    raise UsageError(
        given=f"{name}={given!r}", expected=f"{' or '.join(repr(one) for one in ACTIONS)}, or {functions} of a batch",
        do=nearest(given, ACTIONS) if isinstance(given, str) else f"for example {name}='translation'",
    )  # fmt: skip


def _check_numbers(subject: Map) -> None:
    if not 0.0 <= subject.accuracy < 1.0:
        raise UsageError(
            given=f"accuracy={subject.accuracy}", expected="a relative accuracy from 0 up to 1",
            do="for example accuracy=1e-6",
        )  # fmt: skip
    if len(subject.shift) != 2 or not all(isinstance(n, int) and n > 0 for n in subject.shift):
        raise UsageError(
            given=f"shift={subject.shift!r}", expected="two positive integers (of the input, of the output)",
            do="for example shift=(2, 1) for a convolution of stride 2",
        )  # fmt: skip
    claimed = subject.lipschitz
    number = isinstance(claimed, (int, float)) and not isinstance(claimed, bool)
    if claimed is not None and not (number and 0.0 <= claimed < math.inf):
        raise UsageError(
            given=f"lipschitz={claimed!r}", expected="a constant K ≥ 0 with |f(x) − f(y)| ≤ K |x − y|",
            do="for example lipschitz=1.0",
        )  # fmt: skip
    if subject.margin is not None and subject.margin < 0:
        raise UsageError(
            given=f"margin={subject.margin}", expected="a number of positions, at least 0",
            do="how many outputs at each border see the padding, for example margin=1 for a kernel of 3 with padding 1",
        )  # fmt: skip
