"""Vector quantisation: each vector is replaced with the nearest of a codebook, and gradients pass by.

Source: van den Oord, Vinyals & Kavukcuoglu 2017, "Neural Discrete Representation Learning".
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["EMACodebook", "VectorQuantizer", "nearest_code", "perplexity", "straight_through", "vq_loss"]


def nearest_code(z: Tensor, codebook: Tensor) -> Tensor:
    """The index of the code nearest to each vector.

    k = argmin_j ‖z − e_j‖₂

    Shapes: z [..., dim]; codebook [codes, dim]; k [...], integers.

    Source: van den Oord et al. 2017, eq. 1.

    >>> nearest_code(torch.tensor([[0.9], [-3.0]]), torch.tensor([[0.0], [1.0]]))
    tensor([1, 0])
    """
    differences = z.unsqueeze(-2) - codebook
    return differences.square().sum(-1).argmin(-1)


def straight_through(z: Tensor, quantized: Tensor) -> Tensor:
    """The quantised vector forward; backward, its gradient goes to z as if nothing had been quantised.

    y = z + sg(e − z)

    Shapes: z, quantized and y [..., dim].

    Source: Bengio, Léonard & Courville 2013; van den Oord et al. 2017, section 3.2.

    >>> z = torch.tensor([0.75], requires_grad=True)
    >>> y = straight_through(z, torch.tensor([1.0]))
    >>> (3 * y).backward()
    >>> y.item(), z.grad.item()
    (1.0, 3.0)
    """
    return z + (quantized - z).detach()


def vq_loss(z: Tensor, quantized: Tensor, beta: float = 0.25) -> Tensor:
    """What moves the codes to the encoder's outputs, and the outputs to their codes.

    L = ‖sg(z) − e‖² + β ‖z − sg(e)‖², averaged over all entries

    Shapes: z and quantized [..., dim]; L a scalar. `quantized` carries the codebook's gradient.

    Source: van den Oord et al. 2017, eq. 3, the last two terms.

    >>> vq_loss(torch.tensor([[0.0, 0.0]]), torch.tensor([[2.0, 0.0]]))
    tensor(2.5000)
    """
    codebook = (z.detach() - quantized).square().mean()
    commitment = (z - quantized.detach()).square().mean()
    return codebook + beta * commitment


def perplexity(indices: Tensor, codes: int) -> Tensor:
    """How many codes are in use: the exponential of the entropy of how often each is chosen.

    exp(−Σ_k p_k log p_k)

    Shapes: indices [...], integers below `codes`; a scalar.

    Source: van den Oord et al. 2017; the perplexity of a distribution, Jelinek et al. 1977.

    >>> perplexity(torch.tensor([0, 0, 2, 2]), 4)
    tensor(2.)
    """
    p = torch.bincount(indices.reshape(-1), minlength=codes) / indices.numel()
    return torch.exp(torch.special.entr(p).sum())


class EMACodebook(nn.Module):
    """A codebook that follows the vectors which it is chosen for, without a gradient.

    N_k ← γ N_k + (1 − γ) n_k,  m_k ← γ m_k + (1 − γ) Σ_{i: k_i = k} z_i,  e_k = m_k / N_k

    n_k counts the vectors of the batch whose nearest code is k. A code begins as if it had been chosen once, N_k = 1.

    Shapes: codebook [codes, dim]; z [..., dim].

    Source: van den Oord et al. 2017, appendix A.1, eqs. 6–8.
    """

    codebook: Tensor
    count: Tensor
    total: Tensor

    def __init__(self, codebook: Tensor, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("codebook", codebook.detach().clone())
        self.register_buffer("count", codebook.detach().new_ones(len(codebook)))
        self.register_buffer("total", codebook.detach().clone())

    @torch.no_grad()
    def update(self, z: Tensor) -> None:
        """Moves each code towards the mean of the vectors that it is nearest to."""
        z = z.reshape(-1, z.shape[-1])
        chosen = nn.functional.one_hot(nearest_code(z, self.codebook), len(self.codebook)).to(z)
        self.count.mul_(self.decay).add_((1 - self.decay) * chosen.sum(0))
        self.total.mul_(self.decay).add_((1 - self.decay) * chosen.mT @ z)
        self.codebook.copy_(self.total / self.count.unsqueeze(-1))

    def forward(self, z: Tensor) -> Tensor:
        """The code nearest to each vector, before the codebook moves; while training, moves it."""
        quantized = self.codebook[nearest_code(z, self.codebook)]
        if self.training:
            self.update(z)
        return quantized


class VectorQuantizer(nn.Module):
    """The layer between an encoder and a decoder: z [batch, dim, …] → (quantised z, loss, indices [batch, …]).

    With `decay` the codebook is a running mean and the loss has only the commitment term, β ‖z − sg(e)‖²; without, the
    codebook is a parameter and the loss is `vq_loss`.

    Source: van den Oord et al. 2017, section 3 and appendix A.1.
    """

    def __init__(self, codes: int, dim: int, beta: float = 0.25, decay: float | None = None) -> None:
        super().__init__()
        self.beta = beta
        codebook = (2 * torch.rand((codes, dim)) - 1) / codes
        self.average = None if decay is None else EMACodebook(codebook, decay)
        self.weight = nn.Parameter(codebook) if decay is None else None

    @property
    def codebook(self) -> Tensor:
        """The codes, [codes, dim]."""
        if self.average is not None:
            return self.average.codebook
        assert self.weight is not None
        return self.weight

    def forward(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Quantises each vector along dimension 1."""
        z = z.movedim(1, -1)
        indices = nearest_code(z, self.codebook)
        quantized = self.codebook[indices]
        if self.average is not None:
            loss = self.beta * (z - quantized).square().mean()
            if self.training:
                self.average.update(z)
        else:
            loss = vq_loss(z, quantized, self.beta)
        return straight_through(z, quantized).movedim(-1, 1), loss, indices
