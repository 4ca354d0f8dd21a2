"""Spectral normalisation, written out: the power iteration as a step, the weight over its norm, and a layer.

Shapes: weights [out, in], kernels [out, in, kh, kw], u [out], v [in].
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = [
    "SpectralNormDense", "circular_norm", "conv_matrix", "conv_transpose_matrix", "dense_norm", "normalize",
    "power_iteration", "zero_padded_norm",
]  # fmt: skip


def power_iteration(weight: Tensor, u: Tensor, steps: int = 1, eps: float = 1e-12) -> tuple[Tensor, Tensor]:
    """So many steps ``v ← Wᵀu/‖Wᵀu‖, u ← Wv/‖Wv‖`` from u; returns u and v.

    Source: Miyato et al. 2018, algorithm 1.

    >>> power_iteration(torch.diag(torch.tensor([3.0, 1.0])), torch.tensor([1.0, 0.0]))
    (tensor([1., 0.]), tensor([1., 0.]))
    """
    v = functional.normalize(weight.mT @ u, dim=0, eps=eps)
    for _ in range(steps):
        v = functional.normalize(weight.mT @ u, dim=0, eps=eps)
        u = functional.normalize(weight @ v, dim=0, eps=eps)
    return u, v


def normalize(weight: Tensor, u: Tensor, v: Tensor) -> Tensor:
    """``W/σ`` with ``σ = uᵀWv``; the gradient goes through σ, and not through u and v.

    Source: Miyato et al. 2018, eq. 8 and 12.

    >>> normalize(2 * torch.eye(2), torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0]))
    tensor([[1., 0.],
            [0., 1.]])
    """
    return weight / torch.dot(u.detach(), weight @ v.detach())


class SpectralNormDense(nn.Module):
    """``y = x (W/σ)ᵀ + b``: u and v move by one step before each call in training, and stay in evaluation.

    Source: Miyato et al. 2018, algorithm 1.

    >>> SpectralNormDense(3, 2)(torch.zeros(4, 3)).shape
    torch.Size([4, 2])
    """

    u: Tensor
    v: Tensor

    def __init__(self, in_features: int, out_features: int, n_iter: int = 1) -> None:
        super().__init__()
        self.n_iter = n_iter
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / in_features**0.5)
        self.bias = nn.Parameter(torch.zeros(out_features))
        self.register_buffer("u", functional.normalize(torch.randn(out_features), dim=0))
        self.register_buffer("v", functional.normalize(torch.randn(in_features), dim=0))

    def forward(self, x: Tensor) -> Tensor:
        """The image of each row."""
        if self.training:
            with torch.no_grad():
                self.u, self.v = power_iteration(self.weight, self.u, self.n_iter)
        return x @ normalize(self.weight, self.u, self.v).mT + self.bias


def conv_matrix(kernel: Tensor) -> Tensor:
    """The kernel of a convolution as a matrix [out, in·kh·kw], which is what spectral normalisation divides by.

    Source: Miyato et al. 2018, section 2.1.

    >>> conv_matrix(torch.zeros(4, 2, 3, 3)).shape
    torch.Size([4, 18])
    """
    return kernel.flatten(1)


def conv_transpose_matrix(kernel: Tensor) -> Tensor:
    """The same for a transposed convolution, whose kernel is [in, out, kh, kw]: outputs come first.

    >>> conv_transpose_matrix(torch.zeros(2, 4, 3, 3)).shape
    torch.Size([4, 18])
    """
    return kernel.transpose(0, 1).flatten(1)


def dense_norm(weight: Tensor) -> Tensor:
    """The norm of x ↦ Wx: its largest singular value.

    >>> dense_norm(torch.diag(torch.tensor([3.0, -4.0])))
    tensor(4.)
    """
    return torch.linalg.svdvals(weight).max()


def _norm_of(operator: Callable[[Tensor], Tensor], kernel: Tensor, height: int, width: int) -> Tensor:
    """The largest singular value of the matrix whose columns are the images of all unit images."""
    pixels = kernel.shape[1] * height * width
    units = torch.eye(pixels, dtype=kernel.dtype).reshape(pixels, kernel.shape[1], height, width)
    return torch.linalg.svdvals(operator(units).flatten(1)).max()


def circular_norm(kernel: Tensor, height: int, width: int) -> Tensor:
    """The norm of a convolution with circular padding on images of a size.

    Source: Sedghi, Gupta & Long 2019, section 2.

    >>> round(float(circular_norm(torch.ones(1, 1, 3, 3), 4, 4)), 5)
    9.0
    """

    def operator(x: Tensor) -> Tensor:
        # Rolled and summed: a kernel may be larger than the torus.
        images = torch.zeros(len(x), len(kernel), height, width, dtype=x.dtype)
        for i in range(kernel.shape[2]):
            for j in range(kernel.shape[3]):
                images = images + torch.einsum("oi,nihw->nohw", kernel[:, :, i, j], x.roll((-i, -j), (2, 3)))
        return images

    return _norm_of(operator, kernel, height, width)


def zero_padded_norm(kernel: Tensor, height: int, width: int, padding: int) -> Tensor:
    """The norm of a convolution with so many zeros around images of a size.

    >>> round(float(zero_padded_norm(torch.ones(1, 1, 3, 3), 1, 1, 1)), 5)
    1.0
    """
    return _norm_of(lambda x: functional.conv2d(x, kernel, padding=padding), kernel, height, width)
