"""Masks with one bug each, and right ones in the styles of others."""

from __future__ import annotations

import numpy as np
import torch

from tests.mutants.flow_functions import declarers
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
mutant, twin = declarers(MUTANTS, TWINS)


@mutant("mask.made_output")
def output_not_strict(in_degrees, out_degrees):
    """≥ for > in the output layer."""
    return (out_degrees[:, None] >= in_degrees).float()


@mutant("mask.made_output")
def output_reversed(in_degrees, out_degrees):
    """< for >."""
    return (out_degrees[:, None] < in_degrees).float()


@mutant("mask.made")
def hidden_strict(in_degrees, out_degrees):
    """> for ≥ in a hidden layer: fewer connections than there may be."""
    return (out_degrees[:, None] > in_degrees).float()


@mutant("mask.made")
def hidden_equal(in_degrees, out_degrees):
    """= for ≥."""
    return (out_degrees[:, None] == in_degrees).float()


@mutant("mask.made")
def hidden_last_is_not_strict(in_degrees, out_degrees, is_output=False):
    """The flag of the output layer is not used."""
    return (out_degrees[:, None] >= in_degrees).float()


@twin("mask.made")
def karpathy(m_prev, m_next):
    """[in, out], by broadcasting."""
    return (m_prev[:, None] <= m_next[None, :]).int()


@twin("mask.made")
def nflows_style(in_degrees, out_degrees, is_output=False):
    """As nflows' MaskedLinear."""
    if is_output:
        return (out_degrees[..., None] > in_degrees).float()
    return (out_degrees[..., None] >= in_degrees).float()


@mutant("mask.made_conditional")
def context_hidden(in_degrees, out_degrees, n_context):
    """Zeros for the context: the condition is not seen."""
    mask = (out_degrees[:, None] >= in_degrees).float()
    return torch.cat([torch.zeros(len(mask), n_context), mask], 1)


@mutant("mask.made_conditional")
def context_by_degree(in_degrees, out_degrees, n_context):
    """The context has degrees of its own, from one."""
    degrees = torch.cat([torch.arange(1, n_context + 1), in_degrees])
    return (out_degrees[:, None] >= degrees).float()


@mutant("mask.made_conditional")
def context_strict(in_degrees, out_degrees, n_context):
    """> for ≥."""
    mask = (out_degrees[:, None] > in_degrees).float()
    return torch.cat([torch.ones(len(mask), n_context), mask], 1)


@mutant("mask.made_conditional")
def context_everything(in_degrees, out_degrees, n_context):
    """Ones everywhere."""
    return torch.ones(len(out_degrees), n_context + len(in_degrees))


@twin("mask.made_conditional")
def context_after(in_degrees, out_degrees, cond_dim):
    """The context last."""
    return torch.cat([(out_degrees[:, None] >= in_degrees).float(), torch.ones(len(out_degrees), cond_dim)], 1)


@mutant("mask.checkerboard")
def stripes(h, w):
    """i mod 2."""
    return (torch.arange(h)[:, None] % 2).expand(h, w).float()


@mutant("mask.checkerboard")
def counted_through(h, w):
    """arange(h w) mod 2: stripes for an even width."""
    return (torch.arange(h * w) % 2).reshape(h, w).float()


@mutant("mask.checkerboard")
def both_odd(h, w):
    """i and j odd: a quarter of the board."""
    return ((torch.arange(h)[:, None] % 2) * (torch.arange(w) % 2)).float()


@mutant("mask.checkerboard", "value")
def reverse_ignored(h, w, reverse=False):
    """The flag is not used."""
    return ((torch.arange(h)[:, None] + torch.arange(w)) % 2).float()


@twin("mask.checkerboard")
def by_lists(height, width, reverse=False):
    """As chrischute/real-nvp: nested lists, with two leading axes."""
    mask = torch.tensor([[((i % 2) + j) % 2 for j in range(width)] for i in range(height)], dtype=torch.float32)
    return (1 - mask if reverse else mask).view(1, 1, height, width)


@twin("mask.checkerboard")
def by_indices(h, w):
    """numpy's indices, the first one kept."""
    return 1 - np.indices((h, w)).sum(0) % 2


@mutant("mask.pixelcnn")
def rows_below(mask_type, kernel_size):
    """The rows below are not hidden."""
    mask = torch.ones(kernel_size, kernel_size)
    mask[kernel_size // 2, kernel_size // 2 + (mask_type == "B") :] = 0
    return mask


@mutant("mask.pixelcnn")
def types_exchanged(mask_type, kernel_size):
    """Type A shows the centre."""
    mask = torch.ones(kernel_size, kernel_size)
    mask[kernel_size // 2, kernel_size // 2 + (mask_type == "A") :] = 0
    mask[kernel_size // 2 + 1 :] = 0
    return mask


@mutant("mask.pixelcnn")
def row_of_the_centre(mask_type, kernel_size):
    """What lies right of the centre is not hidden."""
    mask = torch.ones(kernel_size, kernel_size)
    mask[kernel_size // 2 + 1 :] = 0
    if mask_type == "A":
        mask[kernel_size // 2, kernel_size // 2] = 0
    return mask


@mutant("mask.pixelcnn")
def turned(mask_type, kernel_size):
    """Columns for rows."""
    mask = torch.ones(kernel_size, kernel_size)
    mask[kernel_size // 2, kernel_size // 2 + (mask_type == "B") :] = 0
    mask[kernel_size // 2 + 1 :] = 0
    return mask.T


@twin("mask.pixelcnn")
def of_a_convolution(mask_type, in_channels, out_channels, kernel_size):
    """[out, in, k, k], as jzbontar/pixelcnn-pytorch."""
    mask = torch.ones(out_channels, in_channels, kernel_size, kernel_size)
    middle = kernel_size // 2
    mask[:, :, middle, middle + (mask_type == "B") :] = 0
    mask[:, :, middle + 1 :] = 0
    return mask


@twin("mask.pixelcnn")
def by_a_flag(k, mask_center):
    """By a flag that hides the centre."""
    flat = torch.zeros(k * k)
    flat[: k * k // 2 + (not mask_center)] = 1
    return flat.view(k, k)
