"""Principal components: scores, directions, reconstructions and variances, each up to the signs of the directions."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genverify.formulas.catalogue import formula
from genverify.formulas.references import declares_reference
from genverify.oracles import linear_autoencoder as oracle
from genverify.reference.autoencoders import linear_autoencoder as reference
from genverify.subjects.domains import Domain, integer
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Axis, Layout, Option, Specification

__all__ = ["PCA"]


def _data(raw: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Data whose variances are far apart along directions that are no axes, with a mean, and moved by the numbers.

    Where two variances are equal no direction is determined; a reflection turns the axes.
    """
    n, d = shape
    at, axis = torch.arange(n, dtype=torch.float64), torch.arange(d, dtype=torch.float64)
    waves = torch.cos(math.pi * (at[:, None] + 0.5) * (axis + 1) / n) * math.sqrt(2 / n)
    spread = waves * 6.0 * 0.5**axis
    normal = axis + 1
    turned = spread - 2 * (spread @ normal)[:, None] * normal / (normal @ normal)
    return (turned + 1.0 + 0.5 * axis + raw.reshape(shape)).to(dtype)


_DATA = Domain(name="data matrix", low=-0.15, high=0.15, make=_data)


def _common(got: Tensor, x: Tensor, components: int | None) -> Tensor | None:
    """What a result has in common with those of other signs; its shape says what it is.

    Scores [n, k] and directions, as rows or as columns, give t tᵀ and v vᵀ for each component.
    """
    n, d = x.shape
    k = d if components is None else int(components)
    shape, got = tuple(got.shape), got.to(torch.float64)
    if shape == (n, k):
        return torch.einsum("nk,mk->knm", got, got)
    if shape == (k, d):
        return torch.einsum("ki,kj->kij", got, got)
    if shape == (d, k):
        return torch.einsum("ik,jk->kij", got, got)
    if k == 1 and shape in ((n,), (d,)):
        return (got[:, None] * got)[None]
    return got if shape in ((n, d), (d, d), (k,)) else None


_YIELDS = Axis(
    name="result",
    options=(
        Option(name="scores"),
        Option(name="directions", keywords={"yields": "directions"}),
        Option(name="reconstruction", keywords={"yields": "reconstruction"}),
        Option(name="projector", keywords={"yields": "projector"}),
        Option(name="whitened scores, over n − 1", keywords={"yields": "whitened"}),
        Option(name="whitened scores, over n", keywords={"yields": "whitened", "lost": 0}),
        Option(name="variances over n − 1", keywords={"yields": "variances"}),
        Option(name="variances over n", keywords={"yields": "variances", "lost": 0}),
        Option(name="ratios of the variance", keywords={"yields": "ratios"}),
        Option(name="reconstruction without the mean", keywords={"yields": "centred reconstruction"}, accepted=False,
               note="the mean is not added back: it reconstructs the centred data"),
    ),
)  # fmt: skip
_CENTRED = Axis(
    name="data",
    options=(
        Option(name=""),
        Option(name="not centred", keywords={"centred": False}, accepted=False,
               note="the first direction is that of the mean; a truncated singular value decomposition"),
        Option(name="standardised", keywords={"standardised": True}, accepted=False,
               note="principal components of the correlations: each feature is divided by its deviation"),
    ),
)  # fmt: skip

PCA = formula(
    Specification(
        name="autoencoder.pca",
        statement="t_ij = v_j · (x_i − x̄) with the eigenvectors v_1 … v_k of the covariance that have the largest "
        "eigenvalues",
        source="Hotelling 1933; Bishop 2006, section 12.1",
        arguments=(
            plain("x", "sample feature", _DATA, ("X", "data", "inputs", "input", "features", "samples", "embeddings",
                  "matrix", "A", "D", "train_data", "activations", "points", "feats", "Z", "M"), normwise=True,
                  differentiable=False),
            plain("components", "", integer(1, 2), ("n_components", "k", "num_components", "dim", "q", "n_dims", "d",
                  "out_dim", "rank", "n_comp", "num_dims", "n_components_", "ncomp", "latent_dim", "r", "dims", "K"),
                  differentiable=False, default=None),
        ),
        oracle=oracle.principal,
        invariant=_common,
        output="sample component",
        gradient=False,
        dialects=(_YIELDS, _CENTRED),
        layouts=(Layout(name="rows are samples"), Layout(name="columns are samples", shapes={"x": "feature sample"})),
        sizes={"sample": (6, 7, 5), "feature": (3, 4)},
        operations=256,
        derivation="autoencoder.pca.best_subspace",
    )
)  # fmt: skip


@declares_reference
def pca() -> Formula:
    """The reference's scores."""
    return Formula(reference.pca, like="autoencoder.pca")


@declares_reference
def principal_directions() -> Formula:
    """The reference's directions."""
    return Formula(reference.principal_directions, like="autoencoder.pca", dialect="directions")
