"""Wild pairs: clipping. What people wrote, wrong and right."""

import torch
from tests.wild.pair import Pair

from genverify.subjects.formula import Formula


@torch.no_grad()
def clip_grad_norm(params, max_norm):
    """Scale all gradients by min(1, max_norm/total); returns the total norm before clipping."""
    ps = [p for p in params if p.grad is not None]
    total = torch.stack([p.grad.norm() for p in ps]).norm()
    k = torch.clamp(max_norm / (total + 1e-6), max=1.0)
    for p in ps:
        p.grad.mul_(k)
    return total


@torch.no_grad()
def clip_grad_norm_always(params, max_norm):
    """WRONG: no min(1, .): small gradients are scaled UP to max_norm.

    Source: classical.  Symptom: only when the norm is below the bound; near convergence it never stops.
    """
    ps = [p for p in params if p.grad is not None]
    total = torch.stack([p.grad.norm() for p in ps]).norm()
    for p in ps:
        p.grad.mul_(max_norm / (total + 1e-6))
    return total


PAIRS = [
    Pair(
        name="clip_always",
        wrong=lambda: Formula(clip_grad_norm_always, like="clipping.global_norm"),
        right=lambda: Formula(clip_grad_norm, like="clipping.global_norm"),
    ),
]
