"""Wild pairs of Lipschitz constraints: what people wrote, wrong and right."""

import math

import torch
import torch.nn.functional as F
from tests.wild.pair import Pair
from torch import nn

from genverify.subjects.formula import Formula


def lipschitz_bound(weights):
    """Upper bound of a ReLU network: the product of the layers' norms."""
    return torch.stack([torch.linalg.matrix_norm(w, 2) for w in weights]).prod()


def lipschitz_bound_max(weights):
    """WRONG: the maximum of the layers' norms.

    Source: classical.  Symptom: not an upper bound when norms exceed 1; hides for one layer and when all
    but one norm equal one.
    """
    return torch.stack([torch.linalg.matrix_norm(w, 2) for w in weights]).max()


class SNLinear(nn.Module):
    """y = x (W/sigma)^T, sigma = u^T W v by power iteration; (u, v) persistent, updated in train mode only."""

    def __init__(self, din, dout, n_iter=1):
        super().__init__()
        self.weight, self.n_iter = nn.Parameter(torch.randn(dout, din) / math.sqrt(din)), n_iter
        self.register_buffer("u", F.normalize(torch.randn(dout), dim=0))
        self.register_buffer("v", F.normalize(torch.randn(din), dim=0))

    def power(self, n):
        with torch.no_grad():
            u, v = self.u, self.v
            for _ in range(n):
                v = F.normalize(self.weight.T @ u, dim=0)
                u = F.normalize(self.weight @ v, dim=0)
            return u, v

    def normalized(self):
        if self.training:
            self.u, self.v = self.power(self.n_iter)
        return self.weight / (self.u @ self.weight @ self.v)

    def forward(self, x):
        return x @ self.normalized().T


class SNLinearSigmaDetached(SNLinear):
    """WRONG GRADIENT: sigma is treated as a constant.

    Right: dL/dW = (G - <G, W_sn> u v^T)/sigma.  Source: pytorch/pytorch#7298, #6929 (weight.data /= sigma),
    rdevon/cortex#57.  Symptom: value exact; the gradient keeps a component that rescales W, so the norm
    of the raw weight drifts.
    """

    def normalized(self):
        if self.training:
            self.u, self.v = self.power(self.n_iter)
        return self.weight / (self.u @ self.weight @ self.v).detach()


def ortho_reg_grad_added(w, lr):
    """One descent step on 0.5*||offdiag(W W^T)||_F^2: W - lr * grad, grad = 2 (W W^T o (1-I)) W."""
    off = (w @ w.T) * (1 - torch.eye(len(w), dtype=w.dtype))
    return w - lr * 2 * off @ w


def ortho_reg_grad_diag_kept(w, lr):
    """WRONG: forgets the mask, so the diagonal (row norms) is penalised too.

    Source: classical (BigGAN's modified regulariser drops the diagonal; cf. ajbrock/BigGAN-PyTorch#90).
    Symptom: all rows shrink to zero; direction right for the off-diagonal part.
    """
    return w - lr * 2 * (w @ w.T) @ w


def made(layer):
    """An instance, as it stands in somebody's network."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Formula(layer(4, 3), like="spectral_norm.dense")


PAIRS = [
    Pair(name="sn_sigma_detached", wrong=lambda: made(SNLinearSigmaDetached), right=lambda: made(SNLinear)),
    Pair(
        name="ortho_reg_diag",
        wrong=lambda: Formula(ortho_reg_grad_diag_kept, like="orthogonality.offdiagonal_step"),
        right=lambda: Formula(ortho_reg_grad_added, like="orthogonality.offdiagonal_step"),
    ),
    Pair(
        name="lip_max_not_product",
        wrong=lambda: Formula(lipschitz_bound_max, like="lipschitz.product_bound"),
        right=lambda: Formula(lipschitz_bound, like="lipschitz.product_bound"),
    ),
]
