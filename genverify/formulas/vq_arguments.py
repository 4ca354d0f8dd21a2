"""The arguments of vector quantisation as people name them, and the layouts in which vectors come."""

from __future__ import annotations

from genverify.formulas.hyperparameter import hyperparameter
from genverify.subjects.domains import integer, real
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Argument, Layout, Role

__all__ = ["BETA", "CODE_SIZES", "LAYOUTS", "QUANTIZED", "SIZES", "SOURCE", "codebook", "vectors"]

SOURCE = "van den Oord, Vinyals & Kavukcuoglu 2017"

_Z = (
    "z_e", "ze", "inputs", "input", "x", "latents", "latent", "z_e_x", "flat_input", "flat_inputs", "flat_x", "x_flat",
    "z_flat", "z_flattened", "flatten", "encoder_output", "encoder_outputs", "enc_out", "hidden_states", "h",
    "features", "feats", "encoded", "vectors", "data", "inp", "X", "latent_vectors", "encodings_in", "z_enc", "zs",
)  # fmt: skip
_CODEBOOK = (
    "codebook", "embedding", "embeddings", "embed", "emb", "weight", "weights", "centroids", "E", "dictionary",
    "code_vectors", "codebook_weight", "embedding_weight", "embedding.weight", "embeddings.weight", "codebook.weight",
    "_embedding.weight", "_embeddings.weight", "embed.weight", "emb.weight", "quantizer.weight", "_codebook.weight",
    "average.codebook", "_w", "embeds", "code_book", "e_k", "vq.weight", "codebooks", "embed_weight",
)  # fmt: skip

QUANTIZED = any_real(
    "quantized", "batch position latent", "z_q", "zq", "quant", "quantize", "quantised", "z_q_x", "e", "q", "code",
    "quantized_latents", "quantized_latent", "embedded", "quantized_x", "e_q", "x_q", "xq", "z_quantized", "z_quant",
    "nearest", "quants", "embedding", "quantized_vectors", "selected", default=None,
)  # fmt: skip

BETA = hyperparameter(
    "beta", "commitment_cost", "commitment_weight", "commit_weight", "commitment", "commitment_loss_weight", "b",
    "_commitment_cost", "commitment_beta", "commit_cost", "_beta", "beta_commit", "commit_loss_weight", "coef",
    "weight",
    default=None, low=0.05, high=3.0, apart=(0.0,),
)  # fmt: skip


def vectors(axes: str = "batch position latent", *, reach: float = 1e6, **rest: object) -> Argument:
    """What the encoder gives; far from a codebook that is kept no code is the nearest to rounding."""
    return plain("z", axes, real(extreme=reach), _Z, **rest)


def codebook(*more: str, **rest: object) -> Argument:
    """All codes, a row for each."""
    return any_real("codebook", "code latent", *_CODEBOOK, *more, **rest)


# Of a class: how many codes it is made with, and of how many numbers each.
CODE_SIZES = (
    plain("num_embeddings", "code", integer(2, 5), (
        "n_e", "n_embed", "K", "codebook_size", "num_codes", "n_codes", "num_code", "n_embeddings", "_num_embeddings",
        "k", "codes", "num_embed", "embedding_num", "n_code", "num_tokens", "size", "num_vectors", "num_categories",
    ), role=Role.SIZE, differentiable=False, default=None),
    plain("embedding_dim", "latent", integer(1, 3), (
        "e_dim", "dim", "D", "d", "code_dim", "embed_dim", "codebook_dim", "dimension", "_embedding_dim", "emb_dim",
        "latent_dim", "channels", "hidden_dim", "dim_embeddings", "n_dim", "edim", "token_size", "n_hid", "code_size",
    ), role=Role.SIZE, differentiable=False, default=None),
)  # fmt: skip

SIZES = {"batch": (3, 2, 4, 1), "position": (2, 3, 1), "latent": (2, 3, 1), "code": (4, 3, 5, 2), "height": (2, 1, 3),
         "width": (3, 2, 1), "call": (3, 2)}  # fmt: skip


def _layouts() -> tuple[Layout, ...]:
    """Rows, sequences, images, signals; codes as rows, or as columns."""
    inner = {
        "vectors [batch, dim]": "", "sequences [batch, position, dim]": "",
        "images [batch, dim, height, width]": "batch latent height width",
        "signals [batch, dim, position]": "batch latent position",
        "images [batch, height, width, dim]": "batch height width latent",
    }  # fmt: skip
    made = []
    for columns in (False, True):
        for name, axes in inner.items():
            if columns and name.startswith(("sequences", "signals")):
                continue
            shapes: dict[str, str] = {one: axes for one in ("z", "quantized", "return") if axes}
            shapes |= {"codebook": "latent code"} if columns else {}
            drop = ("position",) if name.startswith("vectors") else ()
            made.append(Layout(name=name + (", codes as columns" if columns else ""), drop=drop, shapes=shapes))
    return tuple(made)


LAYOUTS = _layouts()
