"""A whole variational autoencoder of somebody else's: encoder, decoder, and a loss that is claimed to be an ELBO."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from genverify.errors import UsageError, nearest
from genverify.subjects.bijection import shape
from genverify.subjects.region import REAL, Region
from genverify.subjects.subject import Subject

__all__ = ["DATA", "LatentCalls", "LatentOracles", "LatentVariableModel", "Site"]

DATA = ("unit", "binary", "real")


@dataclass(frozen=True, kw_only=True)
class Site:
    """A place where the model can be watched at work.

    Attributes:
        name: What the model calls it.
        role: encoder, decoder, latent (what draws z), part (a layer, where none draws z by a usual name), or forward.
        owner: The object whose attribute it is.
        module: The module that is hooked; None for a method, which is shadowed while a run lasts.
    """

    name: str
    role: str
    owner: Any
    module: torch.nn.Module | None = None


@dataclass(frozen=True, kw_only=True)
class LatentCalls:
    """A model as its checks call it.

    Attributes:
        loss: (x, condition or None) → the loss, one number, to be minimised unless `maximised`.
        forward: (x, condition or None) → whatever the model itself returns; None where it is not called with data.
        sites: Where it is watched.
        dtype: In which it is called.
        module: The copy that is called, or the model itself where it cannot be copied.
        parameters: Name → trainable parameter of that copy.
        maximised: Whether the loss is an ELBO, to be maximised; None where its sign is to tell.
        data: Where the numbers of an event lie: unit, binary or real.
        mode: (training?) → None: puts the copy into the mode in which it is judged, or into evaluation mode throughout.
        draws_in_evaluation: Whether the loss draws noise in evaluation mode.
        notes: What a reader should know of how it is called.
    """

    loss: Callable[[Tensor, Tensor | None], Tensor]
    forward: Callable[[Tensor, Tensor | None], Any] | None
    sites: tuple[Site, ...]
    dtype: torch.dtype
    module: torch.nn.Module
    parameters: Mapping[str, Tensor]
    maximised: bool | None
    data: str
    mode: Callable[[bool], None]
    draws_in_evaluation: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LatentOracles:
    """The closed forms that the loss is held against, elementwise where nothing else is said.

    Attributes:
        kl: (mean, std, prior mean, prior std) → KL of the second normal from the first.
        kl_full: (mean, covariance, prior mean, prior covariance) → its additive terms for whole vectors.
        log_normal: (z, mean, std) → log density.
        bernoulli: (probability, label) → negative log-likelihood.
        bernoulli_logits: (logit, label) → negative log-likelihood.
    """

    kl: Callable[..., Tensor]
    kl_full: Callable[..., tuple[Tensor, ...]]
    log_normal: Callable[..., Tensor]
    bernoulli: Callable[..., Tensor]
    bernoulli_logits: Callable[..., Tensor]


@dataclass(frozen=True)
class LatentVariableModel(Subject):
    r"""A model with a latent variable whose loss is claimed to be a negative evidence lower bound.

        $$ L = a \, E_q[-\log p(x \mid z)] + b \, \mathrm{KL}(q(z \mid x) \| p(z)) + c, \qquad a, b > 0, $$

    with a and b that depend on sizes alone. Which likelihood, which reductions and which β that is, is found and said;
    what draws z is watched, so that the KL term is held against the law that z really follows.

    Attributes:
        event_shape: Shape of one observation, without the batch.
        loss: The loss: the name of an attribute, or a callable; its arguments are matched by name to x, to what the
            model returns, and to the model itself. By default found: `loss_function`, `loss`, …, or forward's result.
        elbo: Instead of `loss`: the same for a bound that is to be maximised.
        encoder: Name of what makes q(z|x); by default found (`encode`, `encoder`, …).
        decoder: Name of what makes p(x|z); by default found (`decode`, `decoder`, …).
        latent: Name of what draws z; by default found (`reparameterize`, …), else the decoder's argument is z.
        condition_shape: Shape of one row of the condition, for conditional models: ``loss(x, c)``.
        classes: Instead of `condition_shape`: the condition is a class index below this number.
        data: Where the numbers of x lie: "unit", "binary" or "real"; by default the first of these that it takes.
        beta: The weight of the KL term that is claimed; any positive one is accepted, and said, by default. A squared
            error has some variance at every β, so that of such a loss it claims something beside `decoder_variance`.
        decoder_variance: The variance of a Gaussian decoder that is claimed, at that β (1 by default).
        prior: p(z): a torch distribution, the name of an attribute that holds one, or a function model → distribution,
            or (model, condition) → distribution; by default the standard normal, or one kept under a usual name.
        likelihood: −log p(x|z) of a decoder that is none of the usual ones: (what the decoder returned, x) → numbers.
        output: Which of several results of the loss is meant: an index, or a key.
        fixed: Further arguments of the loss or of the model, by name: ``{"M_N": 0.005}``.
        training: Judges it in training mode; by default dropout and batch norm are in evaluation mode.
        batch_independent: Whether a row of the model depends on that row alone; False for batch norm in training mode.
        eval_deterministic: Claims that in evaluation mode nothing is drawn.
        prepared: How the checks call it; filled in by an adapter.
    """

    kind: ClassVar[str] = "latent_variable_model"
    catalogue: ClassVar[str] = "latent_variable_model"

    event_shape: tuple[int, ...] | int | None = field(default=None, kw_only=True)
    loss: Any = field(default=None, kw_only=True)
    elbo: Any = field(default=None, kw_only=True)
    encoder: Any = field(default=None, kw_only=True)
    decoder: Any = field(default=None, kw_only=True)
    latent: Any = field(default=None, kw_only=True)
    condition_shape: tuple[int, ...] | int | None = field(default=None, kw_only=True)
    classes: int | None = field(default=None, kw_only=True)
    data: str | None = field(default=None, kw_only=True)
    beta: float | None = field(default=None, kw_only=True)
    decoder_variance: float | None = field(default=None, kw_only=True)
    prior: Any = field(default=None, kw_only=True)
    likelihood: Callable[..., Any] | None = field(default=None, kw_only=True)
    output: int | str | None = field(default=None, kw_only=True)
    fixed: Mapping[str, Any] = field(default_factory=dict, kw_only=True)
    training: bool = field(default=False, kw_only=True)
    batch_independent: bool = field(default=True, kw_only=True)
    eval_deterministic: bool | None = field(default=None, kw_only=True)
    prepared: LatentCalls | None = field(default=None, kw_only=True, repr=False, compare=False)
    oracles: LatentOracles | None = field(default=None, kw_only=True, repr=False, compare=False)
    memory: dict[str, Any] = field(default_factory=dict, kw_only=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("event_shape", "condition_shape"):
            object.__setattr__(self, name, shape(name, getattr(self, name)))
        if self.event_shape is None:
            raise UsageError(
                given=f"{self.label} without event_shape", expected="the shape of one observation, without the batch",
                do="for example LatentVariableModel(vae, event_shape=(1, 28, 28))",
            )  # fmt: skip
        if self.data is not None and self.data not in DATA:
            raise UsageError(given=f"data={self.data!r}", expected=" or ".join(DATA), do=nearest(str(self.data), DATA))
        if self.loss is not None and self.elbo is not None:
            raise UsageError(
                given="both loss= and elbo=", expected="one of them", do="a bound to be maximised is elbo=, else loss="
            )
        for name in ("beta", "decoder_variance", "classes"):
            given = getattr(self, name)
            if given is not None and not 0 < given < float("inf"):
                raise UsageError(
                    given=f"{name}={given!r}", expected="a positive number", do="leave it out to have it found"
                )

    @property
    def where(self) -> Region:
        """The region in which the numbers of an event lie."""
        return REAL if self.calls.data == "real" else Region(low=0.0, high=1.0)

    @property
    def event(self) -> tuple[int, ...]:
        """The shape of one event."""
        assert isinstance(self.event_shape, tuple)
        return self.event_shape

    @property
    def conditional(self) -> bool:
        """Whether it takes a condition."""
        return self.classes is not None or self.condition_shape is not None

    @property
    def calls(self) -> LatentCalls:
        """How the checks call it.

        Raises:
            UsageError: No adapter has prepared the subject.
        """
        return self.settled(self.prepared)

    @property
    def against(self) -> LatentOracles:
        """What it is held against; filled in by the catalogue."""
        assert self.oracles is not None
        return self.oracles
