"""Mutants of spectral normalisation and of operator norms, each with one bug, and twins in other styles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import normalize

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
STEP, WEIGHT, LAYER = "spectral_norm.power_iteration", "spectral_norm.normalize", "spectral_norm.dense"


def mutant(like: str, killed_by: str = "dialect", *given: Any) -> Callable[[Any], Any]:
    """Declares the decorated function, or an instance of the class, as a stranger would, as a wrong one."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        make = lambda: Formula(_instance(f, given), like=like)  # noqa: E731
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, *given: Any) -> Callable[[Any], Any]:
    """Declares the decorated function, or an instance of the class, as a right one."""

    def declare(f: Any) -> Any:
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=lambda: Formula(_instance(f, given), like=like)))
        return f

    return declare


def _instance(f: Any, given: tuple[Any, ...]) -> Any:
    if not given:
        return f
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return f(*given)


@mutant(STEP)
def u_is_not_renewed(W, u):
    """The old u is returned with the new v: every call begins where the first one did."""
    return u, normalize(W.T @ u, dim=0)


@mutant(STEP)
def v_has_its_length(W, u):
    """v is not normalised: σ is too large by its length."""
    v = W.T @ u
    return normalize(W @ v, dim=0), v


@mutant(STEP)
def value_by_old_vectors(W, u, n_iter=1):
    """σ from the u before the step."""
    before = u
    for _ in range(n_iter):
        v = normalize(W.T @ u, dim=0)
        u = normalize(W @ v, dim=0)
    return before @ W @ v, u


@mutant(STEP)
def one_step_too_many(W, u, n_iter=1):
    """n + 1 steps for n."""
    for _ in range(n_iter + 1):
        v = normalize(W.T @ u, dim=0)
        u = normalize(W @ v, dim=0)
    return u, v


@mutant(WEIGHT, "gradient")
def sigma_detached(W, u, v):
    """σ is a constant for the gradient. Met as `weight.data /= sigma` (pytorch/pytorch#6929)."""
    return W / (u @ W @ v).detach()


@mutant(WEIGHT)
def over_its_frobenius_norm(W):
    """The norm of all entries for the spectral norm."""
    return W / W.norm()


@mutant("spectral_norm.conv_transpose_matrix")
def inputs_first(weight):
    """The kernel of a transposed convolution is reshaped as that of a convolution."""
    return weight.reshape(weight.shape[0], -1)


@mutant("spectral_norm.conv_matrix")
def mixed_places(weight):
    """Reshaped before its axes are exchanged: rows of the matrix mix the outputs."""
    return weight.permute(2, 3, 1, 0).reshape(weight.shape[0], -1)


@mutant("operator_norm.conv2d_circular")
def of_the_reshaped_kernel(kernel, n):
    """The norm of the matrix [out, in·kh·kw], which spectral normalisation divides by."""
    return torch.linalg.matrix_norm(kernel.flatten(1), 2)


@mutant("operator_norm.conv2d_circular")
def largest_transform_of_any_channel(kernel, n):
    """max |k̂| over frequencies and channels: right for one channel, where Sedghi's matrices are numbers."""
    return torch.fft.fft2(kernel, s=(n, n)).abs().max()


@mutant("operator_norm.conv2d_zero_padded")
def of_the_torus(kernel, n, padding):
    """The norm with circular padding, for zeros around."""
    return torch.linalg.svdvals(torch.fft.fft2(kernel, s=(n, n)).permute(2, 3, 0, 1)).max()


@mutant("operator_norm.dense")
def spectral_radius(W):
    """The largest |eigenvalue| of WᵀW, without its root; of W itself it would be no norm."""
    return torch.linalg.eigvalsh(W.mT @ W).abs().max()


class Dense(nn.Module):
    """Right: u and v are kept, move in training alone, and are constants for the gradient."""

    def __init__(self, din, dout, n_iter=1):
        super().__init__()
        self.weight, self.n_iter = nn.Parameter(torch.randn(dout, din)), n_iter
        self.register_buffer("u", normalize(torch.randn(dout), dim=0))
        self.register_buffer("v", normalize(torch.randn(din), dim=0))

    def step(self):
        with torch.no_grad():
            for _ in range(self.n_iter):
                self.v = normalize(self.weight.T @ self.u, dim=0)
                self.u = normalize(self.weight @ self.v, dim=0)

    def forward(self, x):
        if self.training:
            self.step()
        return x @ (self.weight / (self.u @ self.weight @ self.v)).T


@twin(LAYER, 4, 3, 2)
class Kept(Dense):
    pass


@twin(LAYER, 3, 4)
class InPlace(Dense):
    """Buffers are overwritten where they are, and copied for the graph, as torch does."""

    def forward(self, x):
        if self.training:
            with torch.no_grad():
                self.v.copy_(normalize(self.weight.T @ self.u, dim=0))
                self.u.copy_(normalize(self.weight @ self.v, dim=0))
        u, v = self.u.clone(), self.v.clone()
        return torch.nn.functional.linear(x, self.weight / torch.dot(u, self.weight.mv(v)))


@mutant(LAYER, "dialect", 4, 3)
class MovesInEvaluation(Dense):
    """The power iteration runs in evaluation, too: what is evaluated changes the model."""

    def forward(self, x):
        self.step()
        return x @ (self.weight / (self.u @ self.weight @ self.v)).T


@mutant(LAYER, "value", 4, 3)
class NotPersistent(Dense):
    """u starts from the same vector at every call, so that σ never converges. Met as u redrawn at every call."""

    def step(self):
        self.u = torch.ones_like(self.u) / len(self.u) ** 0.5
        super().step()


@mutant(LAYER, "gradient", 4, 3)
class GraphOverwritten(Dense):
    """u and v are overwritten through `.data`, behind autograd's back: after two calls and one backward, as in
    D(real) − D(fake), the first call's gradient has the second's vectors. Met in wrappers with `u.data = …`."""

    def forward(self, x):
        if self.training:
            self.v.data = normalize(self.weight.data.T @ self.u.data, dim=0)
            self.u.data = normalize(self.weight.data @ self.v.data, dim=0)
        return x @ (self.weight / self.u.dot(self.weight.mv(self.v))).T


@mutant(LAYER, "gradient", 4, 3)
class SigmaDetached(Dense):
    """The gradient does not go through σ."""

    def forward(self, x):
        if self.training:
            self.step()
        return x @ (self.weight / (self.u @ self.weight @ self.v).detach()).T


class Kernel(nn.Module):
    """Right: a kernel over the norm of its matrix."""

    def __init__(self, cin, cout):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(cout, cin, 2, 2))
        self.register_buffer("u", normalize(torch.randn(cout), dim=0))
        self.register_buffer("v", normalize(torch.randn(cin * 4), dim=0))

    def matrix(self):
        return self.weight.flatten(1)

    def forward(self, x):
        m = self.matrix()
        if self.training:
            with torch.no_grad():
                self.v = normalize(m.T @ self.u, dim=0)
                self.u = normalize(m @ self.v, dim=0)
        return torch.nn.functional.conv2d(x, self.weight / (self.u @ m @ self.v))


@twin("spectral_norm.convolution", 1, 2)
class KernelOverItsNorm(Kernel):
    pass


@mutant("spectral_norm.convolution", "gradient", 1, 2)
class KernelDetached(Kernel):
    """The matrix is detached: σ is a constant for the gradient."""

    def matrix(self):
        return self.weight.detach().flatten(1)


# Correct, in other styles.


@twin(STEP)
def with_an_added_epsilon(W, u=None, Ip=1):
    u = torch.randn(1, W.size(0), dtype=W.dtype) if u is None else u
    for _ in range(Ip):
        v = u @ W.data
        v = v / (v.norm() + 1e-12)
        u = v @ W.data.t()
        u = u / (u.norm() + 1e-12)
    return torch.sum((u @ W) * v), u


@twin("spectral_norm.power_iteration_from_v")
def from_the_right(W, v, n_iter=1):
    for _ in range(n_iter):
        u = normalize(W @ v, dim=0)
        v = normalize(W.T @ u, dim=0)
    return u @ W @ v, u, v


@twin(WEIGHT)
def by_the_exact_norm(W):
    return W / torch.linalg.matrix_norm(W, 2)


@twin(WEIGHT)
def softly(w, coeff=0.97):
    return w / torch.clamp(torch.linalg.svdvals(w)[0] / coeff, min=1.0)


@twin("spectral_norm.conv_matrix")
def in_another_order(w):
    return w.permute(2, 3, 1, 0).reshape(-1, w.shape[0]).t()


@twin("operator_norm.conv2d_circular")
def by_numpy(kernel, input_size):
    transform = np.fft.fft2(kernel.detach().numpy().transpose(2, 3, 0, 1), (input_size, input_size), axes=[0, 1])
    return float(np.linalg.svd(transform, compute_uv=False).max())
