r"""A test of a whole law through bounded functions of the draws, for samplers whose noise cannot be integrated out.

If x follows the claimed law, then E g(x) is known for every bounded g whose expectation can be written down; and g(x)
is bounded *whatever the subject does*, so the test needs no trust in the subject: ``Bounded`` holds by construction.
The usual choice is :math:`\cos\langle w, x\rangle` and :math:`\sin\langle w, x\rangle`, whose expectations are the
real and imaginary part of the characteristic function at w: two laws that agree at every w are equal (Lévy 1925). A
finite test sees finitely many w, so "no bias" means that the law agrees at *these* frequencies to the resolution, and
no more; "bias" means that the law is not the claimed one, with probability at most alpha of saying so wrongly.

A joint law across rows (independence, a permutation) is tested by giving several rows to one w.

Source: Feuerverger & Mureika 1977, "The empirical characteristic function and its applications"; the sequential part is
``mean_test`` with ``bounded_mean``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from genverify.errors import UsageError
from genverify.statistics.assumptions import Bounded
from genverify.statistics.mean_test import MeanTest
from genverify.statistics.mean_test_result import MeanTestResult

__all__ = ["LawTest", "characteristic_test", "random_frequencies"]


@dataclass(frozen=True, kw_only=True)
class LawTest:
    """Do bounded functions of the draws have the expectations that the claimed law gives them?

    Args:
        functions: maps n draws to [n, k] values, row by row.
        expectations: what their means [k] are under the claimed law, exactly.
        low: a bound below all values, whatever the draws.
        high: a bound above all values, whatever the draws.
        resolution: the difference in expectation that must be seen, in the units of the values.
        alpha: probability of "bias" when the draws follow the law.
        beta: probability of "no bias" when some expectation is off by the resolution or more.
        max_samples: where the test gives up.

    Example: is a square root of a uniform draw uniform?
        >>> generator = torch.Generator().manual_seed(0)
        >>> test = LawTest(functions=lambda x: torch.stack([x, x**2], 1), expectations=torch.tensor([1 / 2, 1 / 3]),
        ...                low=0, high=1, resolution=0.05, alpha=1e-6, beta=1e-6, max_samples=100_000)
        >>> test.run(lambda n: torch.rand(n, generator=generator).sqrt()).outcome
        'bias'
        >>> test.run(lambda n: torch.rand(n, generator=generator)).outcome
        'no bias'
    """

    functions: Callable[[Tensor], Tensor]
    expectations: Tensor
    low: float | int
    high: float | int
    resolution: Tensor | float | int
    alpha: float
    beta: float
    max_samples: int

    def run(self, sample: Callable[[int], Tensor]) -> MeanTestResult:
        """Draw until settled; ``sample(n)`` returns n new independent draws along the first axis.

        Draws that are not finite make every bounded function of them meaningless and end the test, undecided, with the
        reason.

        Raises:
            UsageError: functions whose values have another shape than [n, k].
        """
        test = MeanTest(
            target=self.expectations,
            resolution=self.resolution,
            alpha=self.alpha,
            beta=self.beta,
            assumption=Bounded(self.low, self.high, origin="bounded functions of the draws, whatever their law"),
            max_samples=self.max_samples,
        )
        return test.run(lambda n: self.functions(sample(n)))


def characteristic_test(
    characteristic: Callable[[Tensor], Tensor],
    frequencies: Tensor,
    *,
    resolution: float | int,
    alpha: float,
    beta: float,
    max_samples: int,
) -> LawTest:
    r"""The law test that compares characteristic functions: :math:`E e^{i\langle w, x\rangle}` at fixed frequencies.

    Args:
        characteristic: the exact characteristic function of the claimed law, frequencies [k, d] to complex values [k].
        frequencies: w [k, d], one row a projection, fixed before any draw; the scale of 1/(spread of x) sees most.
        resolution: the difference in the real or imaginary part that must be seen; values lie in [-1, 1].
        alpha: probability of "bias" when the draws follow the law.
        beta: probability of "no bias" when a real or imaginary part is off by the resolution or more.
        max_samples: where the test gives up.

    Returns:
        A ``LawTest`` whose draws have d numbers each; coordinates 0..k-1 are cosines, k..2k-1 sines.

    Raises:
        UsageError: frequencies that are not a [k, d] matrix, or values that are no characteristic function there.

    Example: Laplace draws with the variance of a standard normal are told from it.
        >>> generator = torch.Generator().manual_seed(0)
        >>> test = characteristic_test(lambda w: torch.exp(-0.5 * w.square().sum(1)), torch.tensor([[1.0], [2.0]]),
        ...                            resolution=0.05, alpha=1e-6, beta=1e-6, max_samples=100_000)
        >>> def laplace(n):
        ...     two = torch.empty(2, n, 1).exponential_(generator=generator)
        ...     return (two[0] - two[1]) / 2**0.5
        >>> test.run(laplace).outcome, test.run(lambda n: torch.randn(n, 1, generator=generator)).outcome
        ('bias', 'no bias')
    """
    if frequencies.ndim != 2 or frequencies.numel() == 0 or not bool(frequencies.isfinite().all()):
        raise UsageError(
            given=f"frequencies of shape {tuple(frequencies.shape)}",
            expected="a finite matrix [k, d]",
            do="give one row for each projection",
        )
    w = frequencies.detach().to(device="cpu", dtype=torch.float64)
    given = characteristic(w)
    values = given.detach().to(device="cpu", dtype=torch.complex128)
    # A modulus of 1 is rounded three times at most: twice in its parts, once in their root of squares.
    modulus = values.abs().max().item() if values.numel() else 0.0
    slack = 1.5 * torch.finfo(given.dtype).eps
    if tuple(values.shape) != (w.shape[0],) or not modulus <= 1 + slack:
        raise UsageError(
            given=f"characteristic values of shape {tuple(values.shape)}, largest modulus {modulus:g}",
            expected=f"{w.shape[0]} values of modulus at most 1",
            do="map frequencies [k, d] to E exp(i <w, x>)",
        )

    def waves(x: Tensor) -> Tensor:
        if x.ndim == 0 or x[0].numel() != w.shape[1]:
            raise UsageError(
                given=f"draws of shape {tuple(x.shape)}",
                expected=f"{w.shape[1]} numbers a draw, the length of a frequency",
                do="return n draws along the first axis",
            )
        angle = x.detach().to(device="cpu", dtype=torch.float64).reshape(x.shape[0], -1) @ w.T
        return torch.cat([angle.cos(), angle.sin()], 1)

    return LawTest(
        functions=waves,
        expectations=torch.cat([values.real, values.imag]),
        low=-1,
        high=1,
        resolution=resolution,
        alpha=alpha,
        beta=beta,
        max_samples=max_samples,
    )


def random_frequencies(count: int, dimension: int, *, spread: float | int = 1.0, seed: int = 0) -> Tensor:
    """Frequencies [count, dimension] in random directions, of normal size, in units of 1/``spread``.

    ``spread`` is the typical size of <w, x> / |w| under the claimed law. The seed is part of the test: frequencies are
    fixed before any draw.

    >>> random_frequencies(3, 2).shape
    torch.Size([3, 2])
    """
    if count < 1 or dimension < 1 or not spread > 0:
        raise UsageError(
            given=f"count={count}, dimension={dimension}, spread={spread}",
            expected="positive numbers",
            do="pass the length of a draw and the spread of its projections",
        )
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(count, dimension, dtype=torch.float64, generator=generator)
    size = torch.randn(count, 1, dtype=torch.float64, generator=generator)
    return direction / direction.norm(dim=1, keepdim=True) * size / spread
