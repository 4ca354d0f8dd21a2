"""The codebook that follows the vectors it is chosen for: one step, and a module over several calls."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from genverify.formulas.catalogue import formula
from genverify.formulas.hyperparameter import hyperparameter
from genverify.formulas.plain_numbers import number
from genverify.formulas.references import declares_reference
from genverify.formulas.vq_arguments import SIZES, SOURCE, codebook, vectors
from genverify.oracles import vector_quantisation as oracle
from genverify.reference.autoencoders import vector_quantisation as reference
from genverify.subjects.domains import Domain, one_hot, positive
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Axis, Form, Layout, Option, Specification

__all__ = ["EMA_CODEBOOK", "EMA_CODEBOOK_OVER_STEPS"]

_DECAY = Argument(
    name="decay", differentiable=False,
    forms=(
        Form(name="decay", domain=number(0.3, 0.97), aliases=(
            "gamma", "ema_decay", "_decay", "mu", "momentum", "ema_gamma", "alpha", "g",
        )),
        Form(name="rate", domain=number(0.03, 0.7), aliases=("one_minus_decay", "tau"), canonical=lambda r: 1.0 - r),
    ),
)  # fmt: skip
_EPSILON = hyperparameter("epsilon", "eps", "_epsilon", "laplace_alpha", "laplace", "smoothing", "_eps",
                          default=None, low=1e-4, high=0.1)  # fmt: skip
_COUNT = ("cluster_size", "ema_cluster_size", "N", "counts", "ema_count", "ema_counts", "cluster_sizes", "N_k",
          "_ema_cluster_size", "ema_n", "cluster_count", "usage", "n_ema", "counts_ema", "ema_size")  # fmt: skip
_TOTAL = ("ema_w", "embed_avg", "embedding_avg", "m", "ema_dw", "ema_sum", "ema_embed", "_ema_w", "ema_weight", "m_k",
          "cluster_sum", "embed_ema", "sums", "ema_sums", "ema_embedding", "w_avg", "ema_weights")  # fmt: skip
_INDEX = Domain(name="index of a code", low=0.0, high=1.0, make=lambda raw, shape, dtype: raw.reshape(shape).argmax(-1))
_HOW_MANY = Domain(
    name="how many", low=0, high=4, integral=True, make=lambda raw, shape, dtype: raw.reshape(shape).to(dtype)
)
_CHOSEN = Argument(
    name="encodings", axes="batch code", default=None, differentiable=False,
    forms=(
        Form(name="one_hot", domain=one_hot(), aliases=(
            "encodings", "onehot", "embed_onehot", "assignments", "encoding", "min_encodings", "encodings_onehot",
        )),
        Form(name="index", domain=_INDEX, without=("code",), aliases=(
            "indices", "encoding_indices", "idx", "embed_ind", "codes", "ids", "k", "code_indices", "inds",
        )),
    ),
)  # fmt: skip


def _constant(epsilon: Any) -> Any:  # noqa: ANN401
    return 1e-5 if epsilon is None else epsilon


_SMOOTHING = Axis(
    name="counts",
    options=(
        Option(name=""),
        Option(name="Laplace smoothing", keywords={"smoothing": "laplace"}),
        Option(name="counts clamped at ε", keywords={"smoothing": "clamped"}),
        Option(name="ε added to the counts", keywords={"smoothing": "added"}),
    ),
)


def _slips(*further: Option) -> Axis:
    return Axis(
        name="slip",
        options=(
            Option(name=""),
            Option(name="γ weighs the new", keywords={"slip": "exchanged"}, accepted=False,
                   note="the codebook forgets all but the last batch"),
            Option(name="a running mean of the batches' means", keywords={"slip": "means"}, accepted=False,
                   note="each batch counts alike, however many vectors it has for a code"),
            Option(name="counts do not decay", keywords={"slip": "sums alone"}, accepted=False,
                   note="N grows with every batch while m does not: the codes shrink to zero"),
            Option(name="sums do not decay", keywords={"slip": "counts alone"}, accepted=False,
                   note="m grows with every batch while N does not: the codes grow"),
            *further,
        ),
    )  # fmt: skip


def _step(
    z: Tensor | None, encodings: Tensor | None, batch_count: Tensor | None, batch_sum: Tensor | None, count: Tensor,
    total: Tensor, codebook: Tensor | None, decay: Any, epsilon: Any, smoothing: str = "", slip: str = "",  # noqa: ANN401
) -> tuple[Tensor, ...]:  # fmt: skip
    n, s, told = batch_count, batch_sum, torch.tensor(True)
    if n is None or s is None:
        assert z is not None
        if encodings is None:
            found = total / count[:, None] if codebook is None else codebook
            encodings, every = oracle.nearest(z, found)
            told = every.all()
        chosen = encodings if encodings.is_floating_point() else torch.nn.functional.one_hot(encodings, len(count))
        n, s = oracle.gathered(z, chosen.to(z))
    moved, old, new = oracle.stepped(n, s, count, total, decay, codebook, slip=slip)
    smoothed = oracle.smooth(moved, _constant(epsilon), smoothing)[:, None]
    return tuple(torch.where(told, part / smoothed, torch.nan) for part in (old, new))


_COLUMNS = {name: "latent code" for name in ("total", "codebook", "batch_sum", "return")}

EMA_CODEBOOK = formula(
    Specification(
        name="vq.ema_codebook",
        statement="e_k = (γ m_k + (1 − γ) Σ_{i: k_i = k} z_i) / (γ N_k + (1 − γ) n_k)",
        source=f"{SOURCE}, eqs. 6–8",
        arguments=(
            vectors("batch latent", default=None),
            _CHOSEN,
            plain("batch_count", "code", _HOW_MANY, ("n", "batch_counts", "bins", "embed_onehot_sum", "new_counts",
                  "n_k", "hits"), default=None),
            any_real("batch_sum", "code latent", "dw", "embed_sum", "batch_sums", "s", "s_k", "new_sums", "sum_z",
                     default=None),
            plain("count", "code", positive(low=0.5, high=4.0, tiny=1e-3, huge=1e3), _COUNT),
            any_real("total", "code latent", *_TOTAL),
            codebook("e", default=None),
            _DECAY,
            _EPSILON,
        ),
        oracle=_step,
        output="code latent",
        gradient=False,
        dialects=(_SMOOTHING, _slips()),
        layouts=(Layout(name="codes as rows"), Layout(name="codes as columns", shapes=_COLUMNS)),
        sizes={**SIZES, "batch": (4, 6, 3, 1), "code": (3, 2, 4)},
        operations=64,
        derivation="vq.ema_codebook.running_mean",
    )
)  # fmt: skip


def _state(module: nn.Module, training: bool) -> Mapping[str, Any]:
    """The codebook that a module begins with, its counts and its sums: by their dimensions and names."""
    tensors = {name: one.detach().clone() for name, one in [*module.named_parameters(), *module.named_buffers()]}
    tensors = {name: one for name, one in tensors.items() if one.is_floating_point() and one.dim() in (1, 2)}
    matrices = {name: one for name, one in tensors.items() if one.dim() == 2}
    sums = [name for name in matrices if re.search(r"avg|ema|sum|total|mean|dw|_w$|(^|\.)m$", name.lower())]
    codes = [name for name in matrices if name not in sums]
    found: dict[str, Any] = {}
    if len(sums) == 1 and len(codes) == 1:
        found = {"codebook": matrices[codes[0]], "total": matrices[sums[0]]}
        counts = [one for one in tensors.values() if one.dim() == 1 and len(one) in matrices[codes[0]].shape]
        if len(counts) == 1:
            found["count"] = counts[0]
    return found


def _over_steps(
    z: Tensor, codebook: Tensor, count: Tensor, total: Tensor, decay: Any, epsilon: Any, **how: Any  # noqa: ANN401
) -> Tensor:  # fmt: skip
    calls = [one.reshape(-1, one.shape[-1]) for one in z]
    return oracle.followed(calls, codebook, count, total, decay, _constant(epsilon), **how).reshape(z[-1].shape)


_OVER_STEPS = {
    "vectors [batch, dim]": {},
    "sequences [batch, position, dim]": {},
    "images [batch, dim, height, width]": {
        "z": "call batch latent height width", "return": "batch latent height width",
    },
    "signals [batch, dim, position]": {"z": "call batch latent position", "return": "batch latent position"},
}  # fmt: skip


def _layouts() -> tuple[Layout, ...]:
    columns = {"codebook": "latent code", "total": "latent code"}
    return tuple(
        Layout(name=name + word, shapes={**shapes, **more}, drop=("position",) if name.startswith("vectors") else ())
        for word, more in (("", {}), (", codes as columns", columns))
        for name, shapes in _OVER_STEPS.items()
    )


EMA_CODEBOOK_OVER_STEPS = formula(
    Specification(
        name="vq.ema_codebook_over_steps",
        statement="the nearest of the codes e_k = m_k / N_k, where N and m are running means over the calls before",
        source=f"{SOURCE}, eqs. 6–8",
        arguments=(
            vectors("call batch position latent", reach=8.0),
            codebook(),
            plain("count", "code", positive(), _COUNT),
            any_real("total", "code latent", *_TOTAL),
            _DECAY,
            _EPSILON,
        ),
        oracle=_over_steps,
        output="batch position latent",
        gradient=False,
        dialects=(
            Axis(name="counts", options=(
                *_SMOOTHING.options,
                Option(name="Laplace smoothing, and the smoothed counts kept", keywords={"smoothing": "laplace kept"}),
                Option(name="Laplace smoothing of corrected means",
                       keywords={"smoothing": "laplace", "corrected": True}),
            )),
            _slips(Option(name="codes without vectors do not decay", keywords={"slip": "present alone"}, accepted=False,
                          note="what a code followed long ago weighs as much as what it follows now")),
        ),
        layouts=_layouts(),
        sizes={**SIZES, "batch": (4, 6, 3), "call": (3, 4, 2)},
        modes=("train", "eval"),
        anatomy=_state,
        operations=96,
        derivation="vq.ema_codebook.running_mean",
    )
)  # fmt: skip


@declares_reference
def ema_codebook_over_steps() -> Formula:
    """The reference codebook, called in training and then asked in evaluation."""
    begun = torch.tensor([[-1.0, 0.5], [0.25, -0.75], [1.0, 1.0]])
    return Formula(reference.EMACodebook(begun, decay=0.75), like="vq.ema_codebook_over_steps")
