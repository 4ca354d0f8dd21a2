"""Wild pairs of Lipschitz constraints: what people wrote, wrong and right."""

import torch
from tests.wild.pair import Pair

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


PAIRS = [
    Pair(
        name="lip_max_not_product",
        wrong=lambda: Formula(lipschitz_bound_max, like="lipschitz.product_bound"),
        right=lambda: Formula(lipschitz_bound, like="lipschitz.product_bound"),
    ),
]
