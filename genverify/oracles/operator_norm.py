"""Operator norms in float64: of matrices by their Gram matrix, of convolutions by frequency or written out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .closed_form import Derivation, closed_form, step

if TYPE_CHECKING:
    import sympy

__all__ = ["circular", "frobenius", "isolated", "spectral", "two_by_two", "zero_padded"]


@closed_form(
    "operator_norm.two_by_two", arguments={"a": "real", "b": "real", "c": "real", "d": "real"}, source="derived here"
)
def two_by_two(a: sympy.Symbol, b: sympy.Symbol, c: sympy.Symbol, d: sympy.Symbol) -> Derivation:
    """The largest singular value of [[a, b], [c, d]]: half the sum of two lengths.

    ½ (√((a + d)² + (b − c)²) + √((a − d)² + (b + c)²))

    Shapes: broadcast.

    Source: derived here from σ₁² + σ₂² = ‖A‖_F² and σ₁σ₂ = |det A|.

    >>> two_by_two(torch.tensor(3.0), torch.tensor(0.0), torch.tensor(0.0), torch.tensor(-4.0))
    tensor(4.)
    """
    import sympy

    plus = sympy.sqrt((a + d) ** 2 + (b - c) ** 2)
    minus = sympy.sqrt((a - d) ** 2 + (b + c) ** 2)
    matrix = sympy.Matrix([[a, b], [c, d]])
    steps = (
        step("σ₁² + σ₂²", ((plus + minus) ** 2 + (plus - minus) ** 2) / 4, (matrix.T * matrix).trace(), "the trace"),
        step("σ₁σ₂", (plus**2 - minus**2) / 4, matrix.det(), "up to its sign"),
    )
    return Derivation(value=(plus + minus) / 2, steps=steps)


def spectral(matrix: Tensor) -> Tensor:
    """The largest singular value ‖A‖ = √λ_max(AᵀA), over the last two axes; of the smaller of the two Gram matrices.

    Shapes: [..., out, in] → [...]; real or complex.

    >>> spectral(torch.diag(torch.tensor([3.0, -4.0])))
    tensor(4.)
    """
    gram = matrix @ matrix.mH if matrix.shape[-2] <= matrix.shape[-1] else matrix.mH @ matrix
    largest = torch.linalg.eigvalsh(gram)[..., -1]
    above = largest > 0
    return torch.where(above, torch.where(above, largest, 1.0).sqrt(), 0.0)


def isolated(matrix: Tensor, by: float = 0.05) -> Tensor:
    """Whether the largest singular value is so far above the next that it has a derivative: 1, and NaN where not."""
    values = torch.linalg.svdvals(matrix.detach())
    second = values[..., 1] if values.shape[-1] > 1 else torch.zeros_like(values[..., 0])
    return torch.where(values[..., 0] - second > by * values[..., 0], 1.0, torch.nan)


def frobenius(matrix: Tensor) -> Tensor:
    """The root of the sum of all squares: at least the operator norm, and at most √rank times it."""
    squares = (matrix**2).sum((-2, -1))
    above = squares > 0
    return torch.where(above, torch.where(above, squares, 1.0).sqrt(), 0.0)


def circular(kernel: Tensor, height: int, width: int) -> Tensor:
    """The matrices [out, in] of a circular cross-correlation, one a frequency: its norm is the largest of theirs.

    Shapes: kernel [out, in, kh, kw] → [height·width, out, in], complex.

    Source: Sedghi, Gupta & Long 2019, theorem 6.

    >>> round(float(spectral(circular(torch.ones(1, 1, 3, 3), 4, 4)).max()), 5)
    9.0
    """
    rows, columns = (_waves(n, k, kernel.dtype) for n, k in zip((height, width), kernel.shape[2:], strict=True))
    spectrum = torch.einsum("oiyx,fy,gx->fgoi", kernel.to(rows.dtype), rows, columns)
    return spectrum.reshape(-1, *kernel.shape[:2])


def _waves(length: int, reach: int, dtype: torch.dtype) -> Tensor:
    """exp(2πi f y / length) for each frequency f and place y of the kernel."""
    phases = torch.outer(torch.arange(length), torch.arange(reach)).to(dtype) * (2 * math.pi / length)
    return torch.complex(torch.cos(phases), torch.sin(phases))


def zero_padded(kernel: Tensor, height: int, width: int, padding: tuple[int, int]) -> Tensor:
    """The matrix of a cross-correlation with zeros around: entry (o, y′, x′; i, y, x) is k[o, i, y − y′ + p, …].

    Shapes: kernel [out, in, kh, kw] → [out·h′·w′, in·h·w].

    >>> round(float(spectral(zero_padded(torch.ones(1, 1, 1, 3), 1, 2, (0, 1)))), 5)
    2.0
    """
    tall, wide = (n + 2 * p - k + 1 for n, p, k in zip((height, width), padding, kernel.shape[2:], strict=True))
    down = _shifts(tall, height, kernel.shape[2], padding[0], kernel.dtype)
    across = _shifts(wide, width, kernel.shape[3], padding[1], kernel.dtype)
    whole = torch.einsum("oiab,apq,brs->oprisq", kernel, down, across).permute(0, 1, 2, 3, 5, 4)
    return whole.reshape(kernel.shape[0] * tall * wide, kernel.shape[1] * height * width)


def _shifts(outputs: int, inputs: int, reach: int, padding: int, dtype: torch.dtype) -> Tensor:
    """[k, output, input]: one where that output reads that input with the kernel's place k."""
    place = torch.arange(inputs)[None] - torch.arange(outputs)[:, None] + padding
    return torch.stack([(place == k) for k in range(reach)]).to(dtype)
