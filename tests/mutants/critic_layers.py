"""Mutants of layers of critics and discriminators, each with one bug, and twins in other styles."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import torch
from scipy.optimize import linprog

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
SORT, DEVIATION = "lipschitz.group_sort", "gan.minibatch_standard_deviation"
HIDDEN = "lipschitz.one_hidden_relu"


def mutant(like: str, killed_by: str = "dialect") -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong one."""

    def declare(f: Callable[..., Any]) -> Callable[..., Any]:
        make = lambda: Formula(f, like=like)  # noqa: E731
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str) -> Callable[[Any], Any]:
    """Declares the decorated function as a right one."""

    def declare(f: Any) -> Any:
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=lambda: Formula(f, like=like)))
        return f

    return declare


@mutant(SORT)
def maximum_twice(x):
    """Both places of a pair get the maximum: half of what comes in is lost."""
    a, b = x.chunk(2, dim=1)
    return torch.cat([torch.maximum(a, b), torch.maximum(b, a)], dim=1)


@mutant(SORT)
def sorted_over_the_batch(x):
    """The samples are sorted, and not the features."""
    return x.sort(dim=0).values


def grouped(x, group_size):
    """[groups of samples i, i + M, …] less their means."""
    size = min(group_size, x.shape[0])
    parts = x.reshape(size, -1, *x.shape[1:])
    return size, parts - parts.mean(0, keepdim=True)


@mutant(DEVIATION)
def of_all_numbers(x):
    """One deviation of everything: pixels differ in a batch that has collapsed, too."""
    return torch.cat([x, x.std().expand(x.shape[0], 1, *x.shape[2:])], dim=1)


@mutant(DEVIATION)
def spread_to_other_groups(x, group_size=4):
    """Groups are every M-th sample, and their deviation is appended to neighbours. Met as repeat_interleave."""
    size, centred = grouped(x, group_size)
    found = (centred.square().mean(0) + 1e-8).sqrt().mean([1, 2, 3], keepdim=True)
    return torch.cat([x, found.repeat_interleave(size, 0).expand(-1, 1, *x.shape[2:])], dim=1)


@mutant(DEVIATION)
def deviation_over_places(x):
    """The deviation over the pixels of each sample, which knows nothing of the others."""
    found = x.flatten(1).std(dim=1, unbiased=False)[:, None, None, None]
    return torch.cat([x, found.expand(-1, 1, *x.shape[2:])], dim=1)


@mutant(DEVIATION, "gradient")
def detached_deviation(x, group_size=4):
    """The discriminator sees a collapse, and the generator learns nothing from it."""
    size, centred = grouped(x.detach(), group_size)
    found = (centred.square().mean(0) + 1e-8).sqrt().mean([1, 2, 3], keepdim=True)
    return torch.cat([x, found.repeat(size, 1, *x.shape[2:])], dim=1)


@mutant(HIDDEN)
def over_all_patterns(W1, b1, W2):
    """Patterns that no input has are counted."""
    patterns = itertools.product([0.0, 1.0], repeat=len(W1))
    norms = [torch.linalg.matrix_norm(W2 @ (torch.tensor(p).to(W1)[:, None] * W1), 2) for p in patterns]
    return torch.stack(norms).max()


@mutant(HIDDEN, "value")
def where_all_units_are_active(W1, b1, W2):
    """The slope of the network without its ReLU."""
    return torch.linalg.matrix_norm(W2 @ W1, 2)


# Correct, in other styles.


@twin(SORT)
def halves_largest_first(x):
    a, b = torch.split(x, x.shape[1] // 2, dim=1)
    return torch.cat([torch.max(a, b), torch.min(a, b)], dim=1)


@twin(SORT)
def pairs_by_views(x):
    pairs = x.reshape(x.shape[0], -1, 2, *x.shape[2:])
    return torch.stack([pairs.amin(2), pairs.amax(2)], dim=2).reshape(x.shape)


@twin(DEVIATION)
def in_groups(x, group_size=4):
    size, centred = grouped(x, group_size)
    found = (centred.square().mean(0) + 1e-8).sqrt().mean([1, 2, 3], keepdim=True)
    return torch.cat([x, found.repeat(size, 1, *x.shape[2:])], dim=1)


@twin(HIDDEN)
def by_linear_programmes(W1, b1, W2):
    best = torch.zeros((), dtype=W1.dtype)
    lengths = W1.norm(dim=1).tolist()
    for pattern in itertools.product([0.0, 1.0], repeat=len(W1)):
        active = torch.tensor(pattern).to(W1)
        sign = 2 * active - 1
        rows = [[*row, length] for row, length in zip((-sign[:, None] * W1).tolist(), lengths, strict=True)]
        bounds = [*[(None, None)] * W1.shape[1], (None, 1)]
        found = linprog([0.0] * W1.shape[1] + [-1.0], A_ub=rows, b_ub=(sign * b1).tolist(), bounds=bounds)
        if found.status == 0 and -found.fun > 1e-7:
            best = torch.maximum(best, torch.linalg.matrix_norm(W2 @ (active[:, None] * W1), 2))
    return best
