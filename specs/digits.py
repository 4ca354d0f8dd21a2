"""The small pictures that the autoencoders learn, what simple models know of them, and the training of the others.

1797 handwritten digits of 8 × 8 pixels, which scikit-learn ships (``pip install genverify[data]``): nothing is
downloaded. A pixel is a count of 0 to 16 strokes. For the Bernoulli decoders it becomes 1 from 8 on, and 0 below, so
that log p(x) is the logarithm of a probability; for the Gaussian ones a uniform number is added to each count, so
that it is that of a density of numbers in [0, 1) (Uria, Murray & Larochelle 2013, section 4).

Source: Alpaydin & Kaynak 1998, "Optical recognition of handwritten digits" (UCI machine learning repository).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from genverify.errors import UsageError
from genverify.reference.autoencoders.training import fit

Model = TypeVar("Model", bound=nn.Module)

SIDE, PIXELS, CLASSES = 8, 64, 10
HELD_OUT = 360
STEPS, BATCH, RATE, HIDDEN = 1000, 64, 2e-2, 64
SURE = 5.0  # standard errors: a normal deviate exceeds them with probability 3e-7


@dataclass(frozen=True, kw_only=True)
class Digits:
    """Pictures as rows.

    Attributes:
        grey: Numbers in [0, 1), [n, 64].
        binary: The same, zeros and ones.
        label: Which digit, [n].
    """

    grey: Tensor
    binary: Tensor
    label: Tensor

    @property
    def one_hot(self) -> Tensor:
        """The label as a vector."""
        return nn.functional.one_hot(self.label, CLASSES).to(self.binary)


@functools.cache
def digits() -> tuple[Digits, Digits]:
    """Those to learn from, and those held out.

    Raises:
        UsageError: scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise UsageError(
            given="no scikit-learn", expected="scikit-learn, which ships the digits", do="pip install genverify[data]"
        ) from error
    shipped = load_digits()
    generator = torch.Generator().manual_seed(0)
    count, label = torch.from_numpy(shipped.data), torch.from_numpy(shipped.target)
    order = torch.randperm(len(count), generator=generator)
    noise = torch.rand(count.shape, dtype=count.dtype, generator=generator)
    grey, binary = ((count + noise) / 17).float(), (count >= 8).float()

    def part(rows: Tensor) -> Digits:
        return Digits(grey=grey[rows], binary=binary[rows], label=label[rows])

    return part(order[HELD_OUT:]), part(order[:HELD_OUT])


# ── What simple models know: the bars to clear ───────────────────────────────────────────────────────────────────────


def independent_pixels(x: Tensor) -> Tensor:
    """Log p(x) of each row when each pixel is on with its own probability, whatever the others do."""
    train, _ = digits()
    on = (train.binary.sum(0) + 0.5) / (len(train.binary) + 1)
    return (x * on.log() + (1 - x) * (1 - on).log()).sum(-1)


def given_class(x: Tensor) -> Tensor:
    """Log p(x|c) for each row and class when the pixels are independent within a class: [n, 10]."""
    train, _ = digits()
    on = (train.one_hot.mT @ train.binary + 0.5) / (train.one_hot.sum(0)[:, None] + 1)
    return x @ on.log().mT + (1 - x) @ (1 - on).log().mT


def mixture_of_classes(x: Tensor) -> Tensor:
    """Log p(x) of the mixture of these, a tenth each."""
    return torch.logsumexp(given_class(x), -1) - math.log(CLASSES)


def recognised(x: Tensor) -> Tensor:
    """The class that the mixture finds most probable: a judge who has not seen any autoencoder."""
    return given_class(x).argmax(-1)


# ── Training and measuring ───────────────────────────────────────────────────────────────────────────────────────────


def trained(
    make: Callable[[], Model], loss: Callable[..., Tensor], *data: Tensor, seed: int = 0, steps: int = STEPS
) -> Model:
    """A model after training with ``loss(model, *rows, step)``; torch's own state of random numbers stays as it was.

    In one thread: the tensors are so small that threads would only wait for each other.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = make()
            fit(functools.partial(loss, model), model.parameters(), data, steps=steps, batch=BATCH, rate=RATE)
    finally:
        torch.set_num_threads(threads)
    return model.eval().requires_grad_(False)


def measured(estimate: Callable[..., Tensor], *arguments: Tensor | int, draws: int = 20) -> Tensor:
    """The mean of several estimates, row by row, with noise that is the same every time."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(1)
        return torch.stack([estimate(*arguments) for _ in range(draws)]).mean(0)


def lead(one: Tensor, other: Tensor | float = 0.0) -> tuple[float, float]:
    """By how much one is above the other on average over the held-out pictures, and the standard error of that."""
    gap = one - other
    return gap.mean().item(), gap.std().item() / math.sqrt(len(gap))


def surely_above(one: Tensor, other: Tensor | float, by: float = 0.0) -> bool:
    """Whether one is above the other by more than `by`, picture by picture on average, and not by luck."""
    gap, error = lead(one, other)
    return gap - SURE * error > by
