"""Principal components by singular values, the tied autoencoder as sums of products, and contractive penalties.

Source: Baldi & Hornik 1989; Rifai et al. 2011; Bishop 2006, section 12.1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from genverify.numerics.forward_mode import load_forward_mode
from genverify.oracles.closed_form import Derivation, closed_form
from genverify.oracles.dense import affine

if TYPE_CHECKING:
    import sympy

__all__ = ["jacobian_penalty", "principal", "sigmoid_penalty", "sigmoid_slope", "tied"]

_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda z: z,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": lambda z: torch.where(z > 0, z, torch.zeros_like(z)),
}


def tied(
    x: Tensor, weight: Tensor, bias: Tensor | None = None, bias_out: Tensor | None = None, *,
    activation: str = "identity", last: str = "identity",
) -> tuple[Tensor, ...] | Tensor:  # fmt: skip
    """The terms of Wᵀ σ(W x + b) + c, one for each product, and what `last` makes of their sum.

    Shapes: x [..., in], weight [hidden, in], bias [hidden], bias_out [in]; the result [..., in].

    >>> sum(tied(torch.tensor([3.0, 4.0]), torch.tensor([[1.0, 0.0]]))).tolist()
    [3.0, 0.0]
    """
    inner = affine(x, weight, bias)
    if activation == "identity":  # every product of three by itself, since their sum may cancel
        terms = [part[..., h, None] * weight[h] for part in inner for h in range(len(weight))]
    else:
        hidden = _ACTIVATIONS[activation](torch.stack(inner).sum(0))
        terms = [hidden[..., h, None] * weight[h] for h in range(len(weight))]
    if bias_out is not None:
        terms.append(bias_out.expand_as(terms[0]))
    return tuple(terms) if last == "identity" else _ACTIVATIONS[last](torch.stack(terms).sum(0))


def principal(
    x: Tensor, components: int | None, *, yields: str = "scores", centred: bool = True, standardised: bool = False,
    lost: int = 1,
) -> Tensor:  # fmt: skip
    """What principal components have in common whatever their signs are, by the singular values of the data.

    "scores": t_j t_jᵀ for each component, [components, n, n]; "whitened": the same with unit variance over n − `lost`;
    "directions": v_j v_jᵀ, [components, features, features]; "projector": Σ_j v_j v_jᵀ; "reconstruction": the mean plus
    Σ_j t_j v_jᵀ, [n, features]; "centred reconstruction": without the mean; "variances": over n − `lost`; "ratios": of
    their sum.

    Shapes: x [n, features].

    >>> principal(torch.tensor([[0.0, 5.0], [2.0, 5.0]]), 1, yields="projector").abs().tolist()
    [[1.0, 0.0], [0.0, 0.0]]
    """
    k = min(x.shape) if components is None else int(components)
    mean = x.mean(0) if centred else torch.zeros_like(x[0])
    data = x - mean
    if standardised:
        data = data / data.square().mean(0).sqrt()
    u, s, v = torch.linalg.svd(data, full_matrices=False)
    u, values, v = u[:, :k], s[:k], v[:k]
    if yields in ("scores", "whitened"):
        t = u * (values if yields == "scores" else (len(x) - lost) ** 0.5)
        return torch.einsum("nk,mk->knm", t, t)
    if yields in ("directions", "projector"):
        each = torch.einsum("ki,kj->kij", v, v)
        return each if yields == "directions" else each.sum(0)
    if yields.endswith("reconstruction"):
        found = (u * values) @ v
        return found if yields.startswith("centred") else found + mean
    return values**2 / (s**2).sum() if yields == "ratios" else values**2 / (len(x) - lost)


@closed_form(
    "autoencoder.sigmoid_slope", arguments={"x": "real", "w": "real", "b": "real"},
    source="Rifai et al. 2011, section 2",
)  # fmt: skip
def sigmoid_slope(x: sympy.Symbol, w: sympy.Symbol, b: sympy.Symbol) -> Derivation:
    """∂h/∂x for h = sigmoid(w x + b): h (1 − h) w.

    >>> sigmoid_slope(0.0, 4.0, 0.0)
    1.0
    """
    import sympy

    h = 1 / (1 + sympy.exp(-w * x - b))
    value = w / (1 + sympy.exp(-w * x - b)) / (1 + sympy.exp(w * x + b))
    assert sympy.simplify(sympy.diff(h, x) - value) == 0
    return Derivation(value=value)


def sigmoid_penalty(hidden: Tensor, weight: Tensor, *, slip: str = "") -> tuple[Tensor, ...]:
    """(h_k (1 − h_k) W_ki)² as terms, one for each k and i.

    The slips: "summed first" ((Σ_i W_ki)²), "slope not squared", "weights alone", "root" (of the sum).

    Shapes: hidden [..., hidden], weight [hidden, in]; each term [...].

    >>> float(sum(sigmoid_penalty(torch.tensor([0.5]), torch.tensor([[4.0]]))))
    1.0
    """
    slope = hidden * (1 - hidden)
    if slip == "summed first":
        return tuple(((slope * weight.sum(1)) ** 2).unbind(-1))
    factor = {"slope not squared": slope, "weights alone": torch.ones_like(slope)}.get(slip, slope**2)
    terms = tuple((factor[..., k] * weight[k, i] ** 2) for k in range(len(weight)) for i in range(weight.shape[1]))
    return (torch.stack(terms).sum(0).sqrt(),) if slip == "root" else terms


def jacobian_penalty(encoder: Callable[[Tensor], Tensor], x: Tensor, *, slip: str = "") -> tuple[Tensor, ...]:
    """(∂h_k/∂x_i)² as terms, one for each k and i, by forward differentiation.

    The slips: "summed first" (Σ_i (∂ Σ_k h_k/∂x_i)²) and "root".

    Shapes: x [..., in], the encoder's result [..., hidden]; each term [...].

    >>> [float(term) for term in jacobian_penalty(lambda x: 3 * x, torch.zeros(2))]
    [9.0, 0.0, 0.0, 9.0]
    """
    load_forward_mode()
    columns = [
        torch.func.jvp(encoder, (x,), (torch.zeros_like(x).index_fill(-1, torch.tensor(i), 1.0),))[1]
        for i in range(x.shape[-1])
    ]
    if slip == "summed first":
        return tuple(column.sum(-1) ** 2 for column in columns)
    terms = tuple(column[..., k] ** 2 for k in range(columns[0].shape[-1]) for column in columns)
    return (torch.stack(terms).sum(0).sqrt(),) if slip == "root" else terms
