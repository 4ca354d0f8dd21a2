"""Vector quantisation: the nearest code, the output that gradients pass by, the losses, the perplexity."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.catalogue import formula, reduction
from genverify.formulas.references import declares_reference
from genverify.formulas.vq_arguments import BETA, CODE_SIZES, LAYOUTS, QUANTIZED, SIZES, SOURCE, codebook, vectors
from genverify.numerics.rounding import unit_roundoff
from genverify.oracles import vector_quantisation as oracle
from genverify.reference.autoencoders import vector_quantisation as reference
from genverify.subjects.domains import Domain, one_hot, simplex
from genverify.subjects.formula import Formula
from genverify.subjects.specification import Argument, Axis, Form, Option, Specification

__all__ = ["CODEBOOK_LOSS", "COMMITMENT_LOSS", "LOSS", "NEAREST_CODE", "PERPLEXITY", "STRAIGHT_THROUGH"]


def _distance_of(got: Tensor, z: Tensor, codebook: Tensor) -> Tensor | None:
    """How far from each vector the code is that was chosen: by index, by a one-hot row, or by the code itself.

    Infinitely far is what is no code. Where a result may be read in two ways the one that chooses well counts.
    """
    count, dim = len(codebook), z.shape[-1]
    rows = z.reshape(-1, dim)
    readings = []
    if got.numel() == len(rows) and bool((got == got.round()).all()):
        readings.append(got.reshape(-1))
    if got.numel() == len(rows) * count and bool(((got == 0) | (got == 1)).all()):
        hot = got.reshape(-1, count)
        readings.append(torch.where(hot.sum(-1) == 1, hot.to(torch.int64).argmax(-1), -1))
    if got.is_floating_point() and got.numel() == z.numel():
        turned = (got, got.movedim(1, -1)) if got.dim() > 2 else (got,)
        readings += [_index_of(one.reshape(-1, dim), rows, codebook) for one in turned]
    found = [_squared(rows, codebook, index.to(torch.int64)) for index in readings]
    if not found:
        return None
    return min(found, key=lambda one: float(one.sum())).reshape(z.shape[:-1])


def _index_of(got: Tensor, rows: Tensor, codebook: Tensor) -> Tensor:
    """The code that each row is, −1 where it is none; z + (e − z) is e to rounding."""
    room = 8 * unit_roundoff(got.dtype) * (rows[:, None].abs() + codebook.abs())
    same = ((got.to(rows)[:, None] - codebook).abs() <= room).all(-1)
    distances = torch.where(same, ((rows[:, None] - codebook) ** 2).sum(-1), torch.inf)
    return torch.where(same.any(-1), distances.argmin(-1), -1)


def _squared(rows: Tensor, codebook: Tensor, index: Tensor) -> Tensor:
    legal = (index >= 0) & (index < len(codebook))
    chosen = codebook[torch.where(legal, index, 0)]
    return torch.where(legal, ((rows - chosen) ** 2).sum(-1), torch.inf)


NEAREST_CODE = formula(
    Specification(
        name="vq.nearest_code",
        statement="argmin_k ‖z − e_k‖₂ for each vector z, as an index, one-hot, or the code itself",
        source=f"{SOURCE}, eqs. 1 and 2",
        arguments=(vectors(), codebook("e", "codes"), *CODE_SIZES),
        oracle=lambda z, codebook: oracle.nearest_distance(z, codebook),
        invariant=_distance_of,
        output="batch position",
        gradient=False,
        layouts=LAYOUTS,
        sizes=SIZES,
        operations=64,
        derivation="vq.nearest_code.expanded_square",
    )
)


def _code_for(z: Tensor, quantized: Tensor | None, codebook: Tensor | None) -> Tensor:
    """The code that is given, or the nearest one."""
    if quantized is not None:
        return quantized
    assert codebook is not None, "neither quantised vectors nor a codebook"
    return oracle.quantized(z, codebook)


def _passed(z: Tensor, quantized: Tensor | None, codebook: Tensor | None, through: bool = False) -> tuple[Tensor, ...]:
    found = _code_for(z, quantized, codebook)
    # Two terms: z + (e − z) is rounded on the scale of z.
    return found - z, z


def _straight(z: Tensor, quantized: Tensor | None, codebook: Tensor | None, through: bool = False) -> Tensor:
    return z + (_code_for(z, quantized, codebook) if through else 0)


STRAIGHT_THROUGH = formula(
    Specification(
        name="vq.straight_through",
        statement="e forward; backward the identity to z, and nothing to the codebook",
        source=f"{SOURCE}, section 3.2; Bengio, Léonard & Courville 2013",
        arguments=(vectors(), QUANTIZED, codebook(default=None), *CODE_SIZES),
        oracle=_passed,
        surrogate=_straight,
        output="batch position latent",
        dialects=(
            Axis(name="gradient", options=(
                Option(name=""),
                Option(name="the codebook's gradient passes, too", keywords={"through": True}, accepted=False,
                       note="e + (z − sg(z)): the decoder's loss moves the codes"),
            )),
        ),
        layouts=LAYOUTS,
        sizes=SIZES,
        kinks=True,
        derivation="vq.straight_through.gradient",
    )
)  # fmt: skip

# Fewer than for the other formulas: each is tried under every reduction.
_OF_A_LOSS = tuple(one for one in LAYOUTS if "width, dim]" not in one.name and "width], codes" not in one.name)


def _weight(beta: Any, assumed: float | None, usual: float) -> Any:  # noqa: ANN401
    """The β that is given, or the constant that is assumed; no number where both are."""
    if beta is None:
        return usual if assumed is None else assumed
    return beta if assumed is None else torch.tensor(torch.nan, dtype=torch.float64)


def _loss(
    z: Tensor, quantized: Tensor | None, codebook: Tensor | None, beta: Any, assumed: float | None = None,  # noqa: ANN401
    stops: str = "",
) -> tuple[Tensor, ...]:  # fmt: skip
    return oracle.loss(z, _code_for(z, quantized, codebook), _weight(beta, assumed, 0.25), stops=stops)


def _stops(name: str, note: str, stops: str) -> Option:
    return Option(name=name, keywords={"stops": stops}, accepted=False, note=note)


_ALONE = "right where the codebook is a running mean; declare it as vq.commitment_loss"
_REDUCTIONS = (
    reduction("batch", ("mean", "sum", "none")), reduction("position", ("mean", "sum")),
    reduction("latent", ("mean", "sum")),
)  # fmt: skip
_ARGUMENTS = (vectors(), QUANTIZED, codebook(default=None), BETA, *CODE_SIZES)

LOSS = formula(
    Specification(
        name="vq.loss",
        statement="‖sg(z) − e‖² + β ‖z − sg(e)‖²",
        source=f"{SOURCE}, eq. 3",
        arguments=_ARGUMENTS,
        oracle=_loss,
        output="batch position latent",
        dialects=(
            *_REDUCTIONS,
            Axis(name="terms", options=(
                Option(name=""),
                Option(name="β = 1", keywords={"assumed": 1.0}),
                _stops("β on the codebook's term", "β weighs the commitment; written so in the first VQGAN code, and "
                       "kept there as legacy", "exchanged"),
                _stops("no stop-gradient", "z is pulled with 1 + β, and so is the code", "nowhere"),
                _stops("the codebook's term of the straight-through output", "no gradient reaches the codebook, and z "
                       "is pushed away from its code", "straight through"),
                _stops("commitment alone", f"the codebook's term is missing; {_ALONE}", "commitment alone"),
                _stops("codebook alone", "the commitment's term is missing", "codebook alone"),
            )),
        ),
        layouts=_OF_A_LOSS,
        sizes=SIZES,
        kinks=True,
        trains=True, derivation="vq.loss.which_term_moves_what",
    )
)  # fmt: skip


def _alone(stops: str) -> Any:  # noqa: ANN401 - an oracle
    def terms(
        z: Tensor, quantized: Tensor | None, codebook: Tensor | None, beta: Any, assumed: float | None = None,  # noqa: ANN401
        nowhere: bool = False,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        e, weight = _code_for(z, quantized, codebook), _weight(beta, assumed, 1.0)
        if nowhere:
            return (weight * (z - e) ** 2,)
        return tuple(
            term * (1 if stops == "commitment alone" else weight) for term in oracle.loss(z, e, weight, stops=stops)
        )

    return terms


def _one_term(name: str, statement: str, stops: str, *constants: float) -> Specification:
    return Specification(
        name=name, statement=statement, source=f"{SOURCE}, eq. 3", arguments=_ARGUMENTS, oracle=_alone(stops),
        output="batch position latent",
        dialects=(
            *_REDUCTIONS,
            Axis(name="terms", options=(
                Option(name=""),
                *(Option(name=f"β = {one:g}", keywords={"assumed": one}) for one in constants),
                Option(name="no stop-gradient", keywords={"nowhere": True}, accepted=False,
                       note="both vector and code are moved"),
            )),
        ),
        layouts=_OF_A_LOSS, sizes=SIZES, kinks=True, trains=True,
        derivation="vq.loss.which_term_moves_what",
    )  # fmt: skip


COMMITMENT_LOSS = formula(_one_term("vq.commitment_loss", "β ‖z − sg(e)‖²", "commitment alone", 0.25))
CODEBOOK_LOSS = formula(_one_term("vq.codebook_loss", "‖sg(z) − e‖²", "codebook alone"))


def _usage(encodings: Tensor | None, z: Tensor | None, codebook: Tensor | None) -> Tensor:
    """How often each code is chosen; no number where that is not determined."""
    if encodings is None:
        assert z is not None
        assert codebook is not None
        index, told = oracle.nearest(z, codebook)
        hot = torch.nn.functional.one_hot(index, len(codebook)).to(z)
        encodings = torch.where(told.all(), hot, torch.nan)
    elif not encodings.is_floating_point():
        encodings = torch.nn.functional.one_hot(encodings).to(torch.float64)
    return encodings.reshape(-1, encodings.shape[-1]).mean(0)


def _perplexity(
    encodings: Tensor | None, z: Tensor | None, codebook: Tensor | None, **how: Any  # noqa: ANN401
) -> Tensor:  # fmt: skip
    return oracle.perplexity(_usage(encodings, z, codebook), **how)


_INDEX = Domain(name="index of a code", low=0.0, high=1.0, make=lambda raw, shape, dtype: raw.reshape(shape).argmax(-1))
_USAGE = replace(
    simplex(), make=lambda raw, shape, dtype: torch.softmax(raw.reshape(-1, shape[-1]).mean(0), -1).to(dtype)
)
_ENCODINGS = Argument(
    name="encodings", axes="batch position code", default=None, differentiable=False,
    forms=(
        Form(name="index", domain=_INDEX, without=("code",), aliases=(
            "indices", "encoding_indices", "idx", "codes", "embed_ind", "tokens", "ids", "min_encoding_indices", "k",
            "code_indices", "codes_idx", "inds", "embed_idx", "code_idx", "embedding_indices", "assignments",
        )),
        Form(name="one_hot", domain=one_hot(), aliases=(
            "encodings", "onehot", "min_encodings", "encoding", "embed_onehot", "encodings_one_hot", "code_onehot",
        )),
        Form(name="usage", domain=_USAGE, without=("batch", "position"), aliases=(
            "avg_probs", "probs", "p", "e_mean", "probabilities", "mean_encodings", "frequencies", "avg_usage",
            "code_probs", "usage_probs", "hist",
        )),
    ),
)  # fmt: skip

PERPLEXITY = formula(
    Specification(
        name="vq.perplexity",
        statement="exp(−Σ_k p_k log p_k), p_k how often code k is chosen",
        source="Jelinek, Mercer, Bahl & Baker 1977",
        arguments=(
            _ENCODINGS, vectors(default=None, differentiable=False), codebook(default=None, differentiable=False),
            *CODE_SIZES,
        ),
        oracle=_perplexity,
        output="",
        gradient=False,
        dialects=(
            Axis(name="logarithm", options=(
                Option(name=""),
                *(Option(name=f"{word} added in the logarithm", keywords={"epsilon": float(word)})
                  for word in ("1e-10", "1e-7", "1e-6", "1e-5")),
                Option(name="of a binary entropy", keywords={"base": 2.0}, accepted=False,
                       note="bits are exponentiated with 2"),
                Option(name="the entropy itself", keywords={"yields": "entropy"}, accepted=False,
                       note="without the exponential"),
                Option(name="as a fraction of the codes", keywords={"yields": "fraction"}, accepted=False,
                       note="divided by how many codes there are"),
            )),
        ),
        layouts=tuple(
            replace(one, shapes={k: v for k, v in one.shapes.items() if k != "return"}) for one in LAYOUTS
        ),
        sizes=SIZES,
        derivation="vq.perplexity.range",
    )
)  # fmt: skip


@declares_reference
def nearest_code() -> Formula:
    """The reference's nearest code."""
    return Formula(reference.nearest_code, like="vq.nearest_code")


@declares_reference
def straight_through() -> Formula:
    """The reference's straight-through output."""
    return Formula(reference.straight_through, like="vq.straight_through")


@declares_reference
def loss() -> Formula:
    """The reference's loss."""
    return Formula(reference.vq_loss, like="vq.loss")


@declares_reference
def layer() -> Formula:
    """The loss of the reference's layer, made by its constructor."""
    return Formula(reference.VectorQuantizer, like="vq.loss", output=lambda found: found[1])


@declares_reference
def perplexity() -> Formula:
    """The reference's perplexity of indices."""
    return Formula(reference.perplexity, like="vq.perplexity")
