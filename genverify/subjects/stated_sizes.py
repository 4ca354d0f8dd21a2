"""Sizes that an object was made with and tells: a loss for `num_classes` classes takes no other number of them."""

from __future__ import annotations

from typing import Any

__all__ = ["stated_sizes"]

# Named axis → what objects call its size; names that also mean something else (dim, size, n) are left out.
_NAMES = {
    "class": (
        "num_classes", "n_classes", "nb_classes", "classes", "class_num", "num_class", "n_class", "nclass", "nclasses",
        "cls", "num_labels", "n_labels", "vocab_size", "n_vocab", "tgt_vocab_size", "num_categories", "n_categories",
    ),
    "feature": (
        "d_model", "hidden_size", "hidden_dim", "num_features", "n_features", "emb_dim", "embed_dim", "embedding_dim",
        "model_dim", "feature_dim", "n_embd",
    ),
    "latent": (
        "latent_dim", "latent_dims", "latent_size", "n_latent", "num_latents", "z_dim", "dim_z", "nz", "zdim", "z_size",
    ),
}  # fmt: skip


def stated_sizes(f: Any) -> dict[str, int]:  # noqa: ANN401 - a function, a module, a method, an object
    """Named axis → its size, for what the object itself, or that of a method, has under a usual name.

    >>> class Smoothing:
    ...     def __init__(self, classes): self.classes = classes
    >>> stated_sizes(Smoothing(7))
    {'class': 7}
    """
    own = getattr(getattr(f, "__self__", f), "__dict__", {})
    found: dict[str, int] = {}
    for axis, names in _NAMES.items():
        for name in names:
            size = own.get(name)
            if isinstance(size, int) and not isinstance(size, bool) and size > 0:
                found.setdefault(axis, size)
    return found
