"""Vector quantisation: distances to codes, the losses that move codes and vectors, and codes that are running means.

A code is chosen by comparing distances. Where the two smallest are equal to rounding the choice is not determined, and
what follows from it is no number here.

Source: van den Oord, Vinyals & Kavukcuoglu 2017, "Neural Discrete Representation Learning".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from genverify.numerics.rounding import gamma
from genverify.oracles.closed_form import Derivation, closed_form

if TYPE_CHECKING:
    import sympy

__all__ = ["ema_code", "followed", "gathered", "laplace", "loss", "nearest", "nearest_distance", "perplexity",
           "quantized", "smooth", "stepped"]  # fmt: skip

Number = float | Tensor


def _distances(z: Tensor, codebook: Tensor) -> Tensor:
    """‖z − e_k‖², [..., code], as a sum over the entries: no large numbers cancel."""
    return ((z[..., None, :] - codebook) ** 2).sum(-1)


def _scales(z: Tensor, codebook: Tensor) -> Tensor:
    """(‖z‖ + ‖e_k‖)², [..., code], the size of what cancels in ‖z‖² + ‖e_k‖² − 2 z·e_k."""
    return (z.norm(dim=-1, keepdim=True) + codebook.norm(dim=-1)) ** 2


def nearest(z: Tensor, codebook: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The index of the nearest code, and whether float32 tells it from the next.

    Where codes have a `state`, those that are alike in it need not be told apart: one may stand for the other.

    Shapes: z [..., dim], codebook [code, dim], state [code, any]; both results [...].

    >>> index, told = nearest(torch.tensor([[1.0], [0.5]]), torch.tensor([[0.0], [1.0]]))
    >>> index[0].item(), told.tolist()
    (1, [True, False])
    """
    z, codebook = z.detach(), codebook.detach()
    distances, room = _distances(z, codebook), gamma(8 * (z.shape[-1] + 3), torch.float32) * _scales(z, codebook)
    index = distances.argmin(-1, keepdim=True)
    # The farthest that the nearest may seem to be, against the nearest that any other may.
    farthest = distances.gather(-1, index) + room.gather(-1, index)
    others = (distances - room).scatter(-1, index, torch.inf)
    if state is not None:
        alike = (state.detach()[:, None] == state.detach()).all(-1)
        others = torch.where(alike[index[..., 0]], torch.inf, others)
    return index[..., 0], (others > farthest).all(-1)


def nearest_distance(z: Tensor, codebook: Tensor) -> tuple[Tensor, ...]:
    """min_k ‖z − e_k‖² as terms; two more of the size of what cancels when the square is multiplied out.

    Shapes: z [..., dim], codebook [code, dim]; each term [...].

    >>> sum(nearest_distance(torch.tensor([[1.0]]), torch.tensor([[0.0], [3.0]]))).tolist()
    [1.0]
    """
    index = _distances(z.detach(), codebook.detach()).argmin(-1)
    parts = (z - codebook[index]) ** 2
    # A code that is about as near is at most ‖z‖ and its distance long.
    cancelled = 4 * (z.norm(dim=-1) + parts.sum(-1).sqrt()).detach() ** 2
    return (*parts.unbind(-1), cancelled, -cancelled)


def quantized(z: Tensor, codebook: Tensor, *, alike: bool = False) -> Tensor:
    """The nearest code; no number where none is determined.

    Of equal codes the value is determined, and which of them has the gradient is not; with `alike` that counts as told.

    Shapes: z [..., dim], codebook [code, dim]; the result as z.
    """
    index, told = nearest(z, codebook, codebook if alike else None)
    # No number, and no gradient to any code that may be meant.
    doubt = torch.where(told, 0.0, torch.nan).to(z)[..., None]
    return codebook[index] + doubt * codebook.sum()


@closed_form(
    "vq.loss", arguments={"z": "real", "e": "real", "beta": "positive"},
    source="van den Oord et al. 2017, eq. 3",
)  # fmt: skip
def _entry(z: sympy.Symbol, e: sympy.Symbol, beta: sympy.Symbol) -> Derivation:
    """The value of both terms at one entry: (z − e)² + β (z − e)².

    >>> float(_entry(1.0, 3.0, 0.25))
    5.0
    """
    return Derivation(value=(z - e) ** 2 + beta * (z - e) ** 2)


def loss(z: Tensor, e: Tensor, beta: Number, *, stops: str = "") -> tuple[Tensor, ...]:
    """The entries of ‖sg(z) − e‖² + β ‖z − sg(e)‖², as two terms with their gradients.

    `stops` says where gradients stop otherwise: "exchanged" (β weighs the codebook's term), "nowhere", "codebook alone"
    and "commitment alone" (one term), "straight through" (the codebook's term has z + sg(e − z) for e).

    Shapes: z and e [...], as each term.

    >>> sum(loss(torch.tensor(1.0), torch.tensor(3.0), 0.25)).item() == float(_entry(1.0, 3.0, 0.25))
    True
    """
    to_code, to_vector = (z.detach() - e) ** 2, (z - e.detach()) ** 2
    if stops == "exchanged":
        return beta * to_code, to_vector
    if stops == "nowhere":
        return (z - e) ** 2, beta * (z - e) ** 2
    if stops == "straight through":
        return (z - z.detach() + e.detach() - z.detach()) ** 2, beta * to_vector
    return {"codebook alone": (to_code,), "commitment alone": (beta * to_vector,)}.get(
        stops, (to_code, beta * to_vector)
    )


def perplexity(p: Tensor, *, epsilon: float = 0.0, yields: str = "", base: float | None = None) -> Tensor:
    """exp(−Σ p log(p + ε)) over the codes; `yields` the "entropy" instead, or a "fraction" of the codes.

    With a `base`, the entropy is taken with its logarithm and exponentiated with e.

    Shapes: p [..., code]; the result [...].

    >>> perplexity(torch.tensor([0.5, 0.5, 0.0])).item()
    2.0
    """
    used = torch.where(p > 0, p, torch.ones_like(p))
    entropy = -(p * torch.log(used + (epsilon if epsilon else 0.0) * (p > 0))).sum(-1)
    if base is not None:
        entropy = entropy / torch.log(torch.tensor(base, dtype=p.dtype))
    if yields == "entropy":
        return entropy
    return torch.exp(entropy) / (p.shape[-1] if yields == "fraction" else 1)


@closed_form(
    "vq.ema_code",
    arguments={"m": "real", "s": "real", "N": "positive", "n": "nonnegative", "gamma": "positive"},
    source="van den Oord et al. 2017, eqs. 6–8",
)  # fmt: skip
def ema_code(
    m: sympy.Symbol, s: sympy.Symbol, N: sympy.Symbol, n: sympy.Symbol, gamma: sympy.Symbol
) -> Derivation:  # fmt: skip
    """An entry of a code after one step: (γ m + (1 − γ) s) / (γ N + (1 − γ) n).

    s is the sum of the n vectors that the code was nearest to.

    >>> ema_code(2.0, 6.0, 1.0, 2.0, 0.5)
    2.6666666666666665
    """
    return Derivation(value=(gamma * m + (1 - gamma) * s) / (gamma * N + (1 - gamma) * n))


def laplace(count: Tensor, epsilon: Number) -> Tensor:
    """(N_k + ε) / (Σ N + K ε) · Σ N: no count is zero, and their sum stays.

    >>> laplace(torch.tensor([0.0, 2.0]), 1.0).tolist()
    [0.5, 1.5]
    """
    total = count.sum()
    return (count + epsilon) / (total + len(count) * epsilon) * total


def stepped(
    n: Tensor, s: Tensor, count: Tensor, total: Tensor, decay: Number, codebook: Tensor | None = None, *, slip: str = ""
) -> tuple[Tensor, Tensor, Tensor]:
    """N, and the two parts of m, after a step with n vectors a code, whose sum is s.

    The slips: "exchanged" (γ weighs the new), "means" (m follows the mean of a code's vectors, and N is one), "sums
    alone" or "counts alone" (only that decays), "present alone" (codes without vectors keep what they have).

    Shapes: n and count [code]; s, total and codebook [code, dim].
    """
    kept, new = (1 - decay, decay) if slip == "exchanged" else (decay, 1 - decay)
    if slip == "means":
        met = (n > 0)[:, None]
        old = total / count[:, None] if codebook is None else codebook
        parts = torch.where(met, kept * old, old), torch.where(met, new * s / n.clamp(min=1)[:, None], 0 * s)
        return torch.ones_like(count), *parts
    counts = (1.0, 1.0) if slip == "sums alone" else (kept, new)
    sums = (1.0, 1.0) if slip == "counts alone" else (kept, new)
    moved, parts = counts[0] * count + counts[1] * n, (sums[0] * total, sums[1] * s)
    if slip == "present alone":
        absent = n == 0
        return torch.where(absent, count, moved), torch.where(absent[:, None], total, parts[0]), parts[1]
    return moved, *parts


def gathered(z: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """How many vectors each code is chosen for, and their sum.

    Shapes: z [batch, dim]; chosen [batch, code], one-hot; the results [code] and [code, dim].

    >>> gathered(torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    (tensor([0., 2.]), tensor([[0.],
            [3.]]))
    """
    return chosen.sum(0), (chosen[:, :, None] * z[:, None, :]).sum(0)


def followed(
    calls: Sequence[Tensor], codebook: Tensor, count: Tensor, total: Tensor, decay: Number, epsilon: Number,
    *, smoothing: str = "", slip: str = "", corrected: bool = False,
) -> Tensor:  # fmt: skip
    """The code of each vector of the last call, after the codebook has followed those of all calls before.

    `smoothing`: "laplace", "laplace kept" (the smoothed counts are what decays next), "clamped" or "added". With
    `corrected` counts and sums are divided by 1 − γᵗ before the smoothing.

    Shapes: each call [batch, dim]; the others as in `stepped`; the result as the last call.
    """
    all_told = torch.tensor(True)
    for step, z in enumerate(calls[:-1], 1):
        index, told = nearest(z, codebook, torch.cat([codebook, total, count[:, None]], 1))
        all_told = all_told & told.all()
        chosen = torch.nn.functional.one_hot(index, len(codebook)).to(z)
        count, *parts = stepped(*gathered(z, chosen), count, total, decay, codebook, slip=slip)
        total = parts[0] + parts[1]
        weight = 1 - decay**step if corrected else 1.0
        smoothed = smooth(count / weight, epsilon, smoothing)
        if smoothing == "laplace kept":
            count = smoothed
        codebook = total / weight / smoothed[:, None]
    found = quantized(calls[-1], codebook, alike=True)
    return torch.where(all_told, found, torch.full_like(found, torch.nan))


def smooth(count: Tensor, epsilon: Number, how: str) -> Tensor:
    """The counts that sums are divided by."""
    if how.startswith("laplace"):
        return laplace(count, epsilon)
    if how == "clamped":
        return torch.maximum(count, torch.as_tensor(epsilon, dtype=count.dtype))
    return count + epsilon if how == "added" else count
