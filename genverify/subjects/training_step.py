"""A training step given as a function or a method, and what is claimed of it: what moves, what stays, by which loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from genverify.errors import UsageError, nearest
from genverify.subjects.case import Case
from genverify.subjects.subject import Subject

__all__ = ["LIKES", "Claimed", "LossFamily", "StepCalls", "StepOracles", "TrainingStep", "World"]


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """What a named step is.

    Attributes:
        statement: In one sentence.
        source: Author, year, algorithm.
        moves: Roles whose parameters are updated.
        stays: Roles whose parameters are not.
        side: Whose losses are meant: discriminator or generator.
        losses: Names of the families of losses that are accepted; all of the side for none.
        clipped: Whether the weights that move lie in [−c, c] afterwards.
        unrolled: Whether the gradient goes through steps of the network that stays.
    """

    statement: str
    source: str
    moves: tuple[str, ...]
    stays: tuple[str, ...]
    side: str
    losses: tuple[str, ...] = ()
    clipped: bool = False
    unrolled: bool = False


LIKES = {
    "gan.discriminator_step": Claimed(
        statement="D moves down its loss on real and on generated samples; G stays",
        source="Goodfellow et al. 2014, algorithm 1", moves=("D",), stays=("G",), side="discriminator",
    ),
    "gan.generator_step": Claimed(
        statement="G moves down its loss through D; D stays",
        source="Goodfellow et al. 2014, algorithm 1", moves=("G",), stays=("D",), side="generator",
    ),
    "gan.unrolled_step": Claimed(
        statement="G moves down its loss at D as it is K steps of gradient descent later, through these steps; D stays",
        source="Metz et al. 2017, eq. 3 to 7", moves=("G",), stays=("D",), side="generator", unrolled=True,
    ),
    "wgan.critic_step_clipped": Claimed(
        statement="the critic moves up E C(x) − E C(G(z)), and is clipped to [−c, c]; G stays",
        source="Arjovsky et al. 2017, algorithm 1", moves=("D",), stays=("G",), side="discriminator",
        losses=("wasserstein",), clipped=True,
    ),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class World:
    """Networks, optimizers and arguments of one run, which nothing else holds: a run may change them.

    Attributes:
        networks: Role → network.
        optimizers: Those that the step can reach.
        call: The step with its arguments.
        batch: The tensors of the data that the step is given.
        fakes: The generated samples that it is given.
        copies: Id of an object that the step reaches → its copy.
        parts: From which the arguments of another step on the same networks are made.
    """

    networks: Mapping[str, nn.Module]
    optimizers: tuple[torch.optim.Optimizer, ...]
    call: Callable[[], Any]
    batch: tuple[Tensor, ...] = ()
    fakes: tuple[Tensor, ...] = ()
    copies: dict[int, Any] = field(default_factory=dict)
    parts: Any = None


@dataclass(frozen=True, kw_only=True)
class StepCalls:
    """A step as its checks call it.

    Attributes:
        world: Case → a world in which nothing has happened yet.
        beside: The same world's other step, where one was declared.
        shapes: Argument → shape of one event, of the tensors that a case holds.
        dtype: In which it computes.
        bound: Parameter → what it was taken for, in words.
        clip: The bound of the weights, where it is known.
        unroll: How many steps of the discriminator are unrolled, where it is known.
        probabilities: Whether the discriminator that was made ends in a sigmoid.
        made: Whether networks were made.
        alternative: The same on networks of which the discriminator ends in a sigmoid, where it takes these, too.
        notes: What a reader should know of how it is called.
    """

    world: Callable[[Case], World]
    beside: Callable[[World], Callable[[], Any]] | None
    shapes: Mapping[str, tuple[int, ...]]
    dtype: torch.dtype
    bound: Mapping[str, str]
    clip: float | None = None
    unroll: int | None = None
    probabilities: bool = False
    made: bool = False
    alternative: StepCalls | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LossFamily:
    """Losses with one slope in the discriminator's results, up to a factor and labels.

    Attributes:
        name: The loss.
        side: discriminator or generator.
        columns: (results on real, on generated samples) → slopes whose sum, with some coefficients, is the loss's: a
            pair of tensors each. The first coefficient is the factor.
        reading: Coefficients → (whether they make a loss of this side, what they say in words).
        terms: (results on real, on generated samples, labels) → the loss's terms, to be differentiated twice.
    """

    name: str
    side: str
    columns: Callable[[Tensor, Tensor], Sequence[tuple[Tensor, Tensor]]]
    reading: Callable[[Sequence[float]], tuple[bool, str]]
    terms: Callable[..., tuple[Tensor, ...]] | None = None


@dataclass(frozen=True, kw_only=True)
class StepOracles:
    """What a step's gradient is held against.

    Attributes:
        families: Losses of logits.
        probability_families: Losses of probabilities, for networks that end in a sigmoid.
        penalties: Name → (critic, points, what is beside each) → the penalty on the critic's slope in these points,
            differentiable in its weights.
    """

    families: tuple[LossFamily, ...]
    probability_families: tuple[LossFamily, ...]
    penalties: Mapping[str, Callable[..., Tensor]]


@dataclass(frozen=True)
class TrainingStep(Subject):
    r"""One step of training: a function or method that runs forward and backward passes, and perhaps an optimizer.

        $$ \theta \leftarrow \theta - \eta \, \nabla_\theta L(\theta, \phi), \qquad \phi \leftarrow \phi $$

    Networks, optimizers, noise and data are matched by the names of parameters and attributes, and made where none are
    given: small networks, plain gradient descent, batches of a few rows. What a step reaches by itself (the attributes
    of a trainer, a closure, globals) is copied for each run.

    Attributes:
        like: A named step: gan.discriminator_step, gan.generator_step, gan.unrolled_step, wgan.critic_step_clipped.
        moves: Which networks move; by default those of the named step.
        stays: Which networks do not; by default those of the named step.
        gradient_only: Networks that are to get a gradient and stay as they are: the caller makes the update.
        zeroes: Claims that gradients from before do not matter; by default so wherever the step makes an update.
        accumulates: Declares that gradients from before are meant to be added to.
        loss: The loss by name (minimax, non-saturating, saturating, hinge, least squares, Wasserstein, relativistic),
            or a function: results of the discriminator on (real, generated) samples → loss; on generated ones alone
            for a generator.
        second_order: Claims that the gradient has a term of second order (a gradient penalty's).
        clip: The bound c of the weights of a clipped critic; by default found among the parameters.
        unroll: How many steps of the discriminator an unrolled step looks ahead; by default found among the parameters.
        steps: How many updates one call makes; by default any number, each by a gradient of its own.
        modules: Role or parameter → network, instead of made ones: ``{"G": net_g, "D": net_d}``.
        optimizers: Role or parameter → optimizer over the parameters of those networks.
        batch: What a parameter for data is given, instead of what is made.
        arguments: Parameter → any other argument.
        beside: The other step of the game, taking the same networks: what one leaves must not enter the other.
        event_shape: Shape of one sample of the data, where it is made.
        latent_shape: Shape of the noise of one sample, where it is made.
        prepared: How the checks call it; filled in by an adapter.
    """

    kind: ClassVar[str] = "training_step"
    catalogue: ClassVar[str] = "training_step"
    own_names: ClassVar[tuple[str, ...]] = tuple(LIKES)

    # The first field is what the command line guesses a kind from, and `like` is a formula's.
    moves: tuple[str, ...] = field(default=(), kw_only=True)
    like: str = field(default="", kw_only=True)
    stays: tuple[str, ...] = field(default=(), kw_only=True)
    gradient_only: tuple[str, ...] = field(default=(), kw_only=True)
    zeroes: bool | None = field(default=None, kw_only=True)
    accumulates: bool = field(default=False, kw_only=True)
    loss: Any = field(default=None, kw_only=True)
    second_order: bool = field(default=False, kw_only=True)
    clip: float | None = field(default=None, kw_only=True)
    unroll: int | None = field(default=None, kw_only=True)
    steps: int | None = field(default=None, kw_only=True)
    modules: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    optimizers: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    batch: Any = field(default=None, kw_only=True)
    arguments: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    beside: Callable[..., Any] | None = field(default=None, kw_only=True)
    event_shape: tuple[int, ...] | int | None = field(default=None, kw_only=True)
    latent_shape: tuple[int, ...] | int | None = field(default=None, kw_only=True)
    prepared: StepCalls | None = field(default=None, kw_only=True, repr=False, compare=False)
    oracles: StepOracles | None = field(default=None, kw_only=True, repr=False, compare=False)
    memory: dict[str, Any] = field(default_factory=dict, kw_only=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("moves", "stays", "gradient_only"):
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given))
        for name in ("event_shape", "latent_shape"):
            given = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, int) else given)
        if self.like and self.like not in LIKES:
            raise UsageError(
                given=f"like={self.like!r}", expected="the name of a training step", do=nearest(self.like, LIKES)
            )
        if not self.like and not (self.moves or self.stays or self.gradient_only):
            raise UsageError(
                given=f"{self.label} without like=, moves=, stays= or gradient_only=", expected="what is claimed of it",
                do="for example TrainingStep(d_step, like='gan.discriminator_step'), or moves=('D',), stays=('G',)",
            )  # fmt: skip
        if self.clip is not None and not 0 < self.clip < float("inf"):
            raise UsageError(
                given=f"clip={self.clip!r}", expected="a positive bound of the weights",
                do="a critic clipped to 0 is constant; state the c of [−c, c], for example clip=0.01",
            )  # fmt: skip
        if self.unroll is not None and self.unroll < 1:
            raise UsageError(
                given=f"unroll={self.unroll!r}", expected="the number of steps that are unrolled, one or more",
                do="without any it is gan.generator_step",
            )  # fmt: skip
        both = {*self.moving, *self.gradient_only} & {*self.staying}
        if both:
            raise UsageError(
                given=f"{', '.join(sorted(both))} among what moves and among what stays", expected="one of the two",
                do="leave it out of stays=, or of moves= and gradient_only=",
            )  # fmt: skip

    @property
    def claimed(self) -> Claimed | None:
        """The named step that it is said to be."""
        return LIKES.get(self.like)

    @property
    def moving(self) -> tuple[str, ...]:
        """Roles that are to be updated."""
        named = self.claimed.moves if self.claimed is not None and not self.moves else self.moves
        return tuple(role for role in named if role not in self.gradient_only)

    @property
    def staying(self) -> tuple[str, ...]:
        """Roles that are not to be updated."""
        return self.claimed.stays if self.claimed is not None and not self.stays else self.stays

    @property
    def trained(self) -> tuple[str, ...]:
        """Roles that get a gradient."""
        return (*self.moving, *self.gradient_only)

    @property
    def calls(self) -> StepCalls:
        """How the checks call it.

        Raises:
            UsageError: No adapter has prepared the subject.
        """
        return self.settled(self.prepared)

    @property
    def against(self) -> StepOracles:
        """What its gradient is held against; filled in by the catalogue."""
        assert self.oracles is not None
        return self.oracles
