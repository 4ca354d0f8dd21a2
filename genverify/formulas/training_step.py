"""What the gradient of a training step is held against: the slopes of the named losses of adversarial games."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from genverify.formulas.references import declares_reference
from genverify.oracles import adversarial as oracle
from genverify.oracles import penalties
from genverify.reference.adversarial import conditional
from genverify.reference.adversarial import steps as reference
from genverify.subjects.training_step import LossFamily, StepOracles, TrainingStep

__all__ = ["introduce"]

Loss = Callable[..., tuple[Tensor, ...]]
Reading = Callable[[Sequence[float]], tuple[bool, str]]
# Inside a logarithm, against log 0.
_SHIFTS = (1e-12, 1e-10, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3)


def introduce(subject: TrainingStep) -> TrainingStep:
    """The step with the oracles of the losses that it may follow."""
    oracles = StepOracles(
        families=_families(False), probability_families=_families(True), penalties={
            "(‖∇D‖ − 1)² between": lambda critic, *x: ((_norms(critic, *x) - 1) ** 2).mean(),
            "max(0, ‖∇D‖ − 1)² between": lambda critic, *x: (torch.relu(_norms(critic, *x) - 1) ** 2).mean(),
            "‖∇D‖²": lambda critic, *x: (_row_slopes(critic, *x) ** 2).sum() / len(x[0]),
        },
    )  # fmt: skip
    return replace(subject, oracles=oracles, memory={})


def _norms(critic: Callable[..., Tensor], *x: Tensor) -> Tensor:
    return _row_slopes(critic, *x).flatten(1).norm(dim=1)


def _row_slopes(critic: Callable[..., Tensor], *x: Tensor) -> Tensor:
    """The slope at each row, also of a critic that looks at numbers one by one, which vmap does not let it do."""
    try:
        return penalties.slopes(critic, *x)
    except RuntimeError:
        found = []
        with torch.enable_grad():
            for row in range(len(x[0])):
                at, *beside = (part[row : row + 1] for part in x)
                at = at.detach().requires_grad_(True)
                found.append(torch.autograd.grad(critic(at, *beside).sum(), at, create_graph=True)[0])
        return torch.cat(found)


def _slope(total: Tensor, x: Tensor) -> Tensor:
    if not total.requires_grad:
        return torch.zeros_like(x)
    (found,) = torch.autograd.grad(total, x, retain_graph=True, allow_unused=True)
    return torch.zeros_like(x) if found is None else found


def _slopes(loss: Loss, real: Tensor, fake: Tensor, labels: Sequence[float], paired: bool) -> tuple[Tensor, Tensor]:
    """The slopes of the summed loss in the two, at these labels; each by itself, where it is a sum of one of each."""
    r, f = real.detach().requires_grad_(True), fake.detach().requires_grad_(True)

    def total(r: Tensor, f: Tensor) -> Tensor:
        return torch.stack([term.sum() for term in loss(r, f, *labels)]).sum()

    with torch.enable_grad():
        if paired:
            both = total(r, f)
            return _slope(both, r), _slope(both, f)
        return _slope(total(r, torch.full_like(r, 0.5)), r), _slope(total(torch.full_like(f, 0.5), f), f)


def _columns(loss: Loss, labels: int, paired: bool) -> Callable[[Tensor, Tensor], Sequence[tuple[Tensor, Tensor]]]:
    """The slope at labels of zero, and how it changes with each label: a slope is affine in the labels."""

    def columns(real: Tensor, fake: Tensor) -> list[tuple[Tensor, Tensor]]:
        none = [0.0] * labels
        plain = _slopes(loss, real, fake, none, paired)
        found = [plain]
        for place in range(labels):
            moved = _slopes(loss, real, fake, [float(i == place) for i in range(labels)], paired)
            found.append((moved[0] - plain[0], moved[1] - plain[1]))
        return found

    return columns


def _logit(p: Tensor) -> Tensor:
    return torch.log(p) - torch.log1p(-p)


def _by(probability: bool, loss: Loss, shift: float = 0.0) -> Loss:
    """The loss of probabilities, as a loss of their logits; a shift is added inside each logarithm."""
    if not probability and not shift:
        return loss

    def of(real: Tensor, fake: Tensor, *labels: float) -> tuple[Tensor, ...]:
        p, q = (real, fake) if probability else (torch.sigmoid(real), torch.sigmoid(fake))
        return loss(_logit(p + shift), _logit(q - shift), *labels)

    return of


def _discriminates(coefficients: Sequence[float], high: float = 1.0, low: float = 0.0) -> tuple[bool, str]:
    factor, first, second = coefficients
    real, fake = high - first / factor, low + second / factor
    said = f"labels {real:.3g} for real samples and {fake:.3g} for generated ones"
    if factor < 0:
        return False, f"it goes up this loss ({said})"
    if real <= fake:
        return False, f"{said}: the labels are exchanged"
    return True, "" if (round(real, 6), round(fake, 6)) == (high, low) else said


def _factor(coefficients: Sequence[float]) -> tuple[bool, str]:
    return (True, "") if coefficients[0] > 0 else (False, "it goes up this loss")


def _sigmoid_twice(coefficients: Sequence[float]) -> tuple[bool, str]:
    return False, "but of a sigmoid taken twice: a probability is taken for a logit"


def _critic(coefficients: Sequence[float]) -> tuple[bool, str]:
    """A critic's sign is a convention, of which one half is the generator's step."""
    if coefficients[0] > 0:
        return True, ""
    return False, (
        "it goes up this loss; where the generator's step does, too, state that convention: "
        "loss=lambda real, fake: real.mean() - fake.mean()"
    )


def _generates(coefficients: Sequence[float]) -> tuple[bool, str]:
    factor, moved = coefficients
    label = 1.0 - moved / factor
    if factor < 0:
        return False, "it goes up this loss: G is trained to be recognised"
    if label <= 0.5:
        return False, f"the label is {label:.3g}: G is trained to be recognised as generated"
    return True, "" if round(label, 6) == 1.0 else f"label {label:.3g}"


def _aims(coefficients: Sequence[float]) -> tuple[bool, str]:
    factor, moved = coefficients
    label = 1.0 - moved / factor
    if factor < 0 or label < -0.5:
        return False, f"it moves D's results away from {label:.3g}" if factor < 0 else f"it aims at {label:.3g}"
    if label < 0.5:
        return (
            True,
            f"it aims at {label:.3g}, as Mao et al. 2017, eq. 8, where the labels are −1 and 1; not with 0 and 1",
        )
    return True, "" if round(label, 6) == 1.0 else f"label {label:.3g}"


def _least_squares(real: Tensor, fake: Tensor, first: float, second: float) -> tuple[Tensor, ...]:
    return (*oracle.least_squares.terms(real, 1.0 - first), *oracle.least_squares.terms(fake, second))


def _against_mean(real: Tensor, fake: Tensor) -> tuple[Tensor, ...]:
    return (*oracle.relativistic.terms(real, fake.mean()), *oracle.relativistic.terms(real.mean(), fake))


def _shapes_agree(loss: Loss) -> Loss:
    """A loss of pairs, which is none where they do not pair."""
    return lambda real, fake: loss(real, fake) if real.shape == fake.shape else (0.0 * fake,)


def _families(probability: bool) -> tuple[LossFamily, ...]:
    made: list[LossFamily] = []

    def add(name: str, side: str, loss: Loss, labels: int, reading: Reading) -> None:
        columns = _columns(loss, labels, "relativistic" in name)
        made.append(LossFamily(name=name, side=side, columns=columns, reading=reading, terms=loss))

    for shift in (0.0, *_SHIFTS):
        beside = f" with {shift:g} inside the logarithm" if shift else ""
        add(f"minimax{beside}", "discriminator", _by(probability, oracle.minimax_discriminator.terms, shift), 2,
            _discriminates)  # fmt: skip
        add(f"non-saturating{beside}", "generator",
            _by(probability, lambda r, f, s: oracle.minimax_discriminator.terms(f, f.detach() * 0 - 1e3, s, 0.0),
                -shift), 1, _generates)  # fmt: skip
        add(f"saturating{beside}", "generator", _by(probability, lambda r, f: oracle.saturating_generator.terms(f),
            shift), 0, _factor)  # fmt: skip
    twice = (lambda x: x) if probability else torch.sigmoid
    add("minimax", "discriminator", lambda r, f, s, n: oracle.minimax_discriminator.terms(twice(r), twice(f), s, n), 2,
        _sigmoid_twice)  # fmt: skip
    add("non-saturating", "generator", lambda r, f: oracle.nonsaturating_generator.terms(twice(f)), 0, _sigmoid_twice)
    add("least squares", "discriminator", _least_squares, 2, _discriminates)
    add("Wasserstein", "discriminator", lambda r, f: (-r, f), 0, _critic)
    add("hinge", "discriminator", oracle.hinge_discriminator.terms, 0, _factor)
    add("relativistic", "discriminator", _shapes_agree(oracle.relativistic.terms), 0, _factor)
    add("relativistic average", "discriminator", _against_mean, 0, _factor)
    add("least squares", "generator", lambda r, f, s: oracle.least_squares.terms(f, 1.0 - s), 1, _aims)
    add("Wasserstein", "generator", lambda r, f: (-f,), 0, _factor)
    add("relativistic", "generator", _shapes_agree(lambda r, f: oracle.relativistic.terms(f, r)), 0, _factor)
    add("relativistic average", "generator", lambda r, f: _against_mean(f, r), 0, _factor)
    return tuple(made)


@declares_reference
def discriminator_step() -> TrainingStep:
    """The reference discriminator's step."""
    return TrainingStep(
        reference.discriminator_step, like="gan.discriminator_step", loss="minimax", beside=reference.generator_step
    )


@declares_reference
def generator_step() -> TrainingStep:
    """The reference generator's step."""
    return TrainingStep(
        reference.generator_step, like="gan.generator_step", loss="non-saturating", beside=reference.discriminator_step
    )


def _conditional(step: Callable[..., float], beside: Callable[..., float], like: str, loss: str) -> TrainingStep:
    """A conditional step, on three classes of a small batch."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        networks = {
            "G": conditional.ConditionalGenerator(latent=4, classes=3, event=2),
            "D": conditional.ConditionalDiscriminator(classes=3, event=2),
        }
    batch = (torch.linspace(-1.5, 1.0, 12).cos().reshape(6, 2), torch.tensor([0, 1, 2, 1, 0, 2]))
    return TrainingStep(
        step, like=like, loss=loss, beside=beside, modules=networks, batch=batch, arguments={"latent_dim": 4}
    )  # fmt: skip


@declares_reference
def conditional_discriminator_step() -> TrainingStep:
    """The reference discriminator's step of a conditional game."""
    return _conditional(
        conditional.conditional_discriminator_step, conditional.conditional_generator_step, "gan.discriminator_step",
        "minimax",
    )  # fmt: skip


@declares_reference
def conditional_generator_step() -> TrainingStep:
    """The reference generator's step of a conditional game."""
    return _conditional(
        conditional.conditional_generator_step, conditional.conditional_discriminator_step, "gan.generator_step",
        "non-saturating",
    )  # fmt: skip


@declares_reference
def unrolled_step() -> TrainingStep:
    """The reference unrolled step of a generator."""
    return TrainingStep(reference.unrolled_step, like="gan.unrolled_step", loss="non-saturating")


@declares_reference
def critic_step_clipped() -> TrainingStep:
    """The reference step of a clipped critic."""
    return TrainingStep(reference.critic_step_clipped, like="wgan.critic_step_clipped")


@declares_reference
def critic_step_penalised() -> TrainingStep:
    """The reference step of a critic with a gradient penalty."""
    return TrainingStep(
        reference.critic_step_penalised, like="gan.discriminator_step", loss="Wasserstein", second_order=True
    )
