r"""Every path of a program through its draws, each with its exact weight.

A program that draws is a tree: at each coordinate it takes one of finitely many branches, either an outcome of a
discrete law with its probability, or a node of a quadrature rule with its weight. Walking the tree depth first
evaluates

    $$ E[f] = \sum_{\text{paths}} \Big( \prod_i w_i \Big) f(\text{path}). $$

Weights come from the parameters of the draw on its own path, so laws may depend on earlier draws; so may the number and
shape of discrete draws. When a *continuous* draw decides what is drawn next, the integrand is not smooth, and
quadrature over it is not to be trusted: `Tree.decided_by_nodes` names the draws.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from genverify.noise.draw import Request
from genverify.noise.integrand import Integrand, Traced
from genverify.noise.laws import Base

__all__ = ["BudgetSpent", "NotReproducible", "Rule", "Tree"]

Rule = Callable[[int, Base], tuple[Sequence[float], Sequence[float]]]
"""Nodes and weights for the i-th continuous coordinate of the program."""


class BudgetSpent(Exception):
    """The tree has more paths than evaluations were allowed."""


class NotReproducible(Exception):
    """The same choices led to different draws: something else than torch's draws is random."""


class Tree:
    """The paths of one program under one quadrature rule."""

    def __init__(self, integrand: Integrand, rule: Rule, budget: int) -> None:
        self.integrand, self.rule, self.budget = integrand, rule, budget
        self.path: list[tuple[int, int]] = []
        self.decided_by_nodes: dict[str, str] = {}
        self.continuous_counts: set[int] = set()
        self._children: dict[tuple[int, object], int] = {}
        self._expected: dict[int, str] = {}

    def walk(self) -> Iterator[tuple[float, Tensor, Branch]]:
        """Every path: its weight, the program's output, and the branch taken.

        Raises:
            BudgetSpent: there are more paths than the budget.
        """
        spent = 0
        while True:
            if spent >= self.budget:
                raise BudgetSpent
            branch = Branch(self)
            output = self.integrand(branch)
            spent += 1
            yield branch.weight, output, branch
            while self.path and self.path[-1][0] + 1 == self.path[-1][1]:
                self.path.pop()
            if not self.path:
                return
            choice, count = self.path[-1]
            self.path[-1] = (choice + 1, count)

    def step(self, node: int, edge: object) -> int:
        """The tree without its continuous coordinates: where the program stands after this edge."""
        return self._children.setdefault((node, edge), len(self._children) + 1)

    def compare(self, node: int, what: str) -> None:
        """After the same discrete choices, the same must come next; else continuous draws decide it."""
        expected = self._expected.setdefault(node, what)
        if expected != what:
            self.decided_by_nodes.setdefault(f"{expected} or {what}", what)


class Branch(Traced):
    """One path: answers the program's coordinates and multiplies their weights."""

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.weight = 1.0
        self.position = 0
        self.bases: list[Base] = []
        self._node = 0

    def begin(self, request: Request) -> None:
        what = f"{request.law} {request.shape} by {request.op}"
        self.tree.compare(self._node, what)
        self._node = self.tree.step(self._node, what)

    def finish(self) -> None:
        self.tree.compare(self._node, "the end of the program")
        if self.position < len(self.tree.path):
            raise NotReproducible
        self.tree.continuous_counts.add(len(self.bases))

    def _branch(self, count: int) -> int:
        path = self.tree.path
        if self.position == len(path):
            if len(path) >= self.tree.budget:  # every coordinate adds a path at least: there are more than allowed
                raise BudgetSpent
            path.append((0, count))
        choice, known = path[self.position]
        if known != count:
            raise NotReproducible
        self.position += 1
        return choice

    def nodes(self, base: Base, count: int) -> Tensor:
        values = []
        for _ in range(count):
            points, weights = self.tree.rule(len(self.bases), base)
            choice = self._branch(len(points))
            self.bases.append(base)
            self.weight *= weights[choice]
            values.append(points[choice])
            self._node = self.tree.step(self._node, None)
        return torch.tensor(values, dtype=torch.float64)

    def choose(self, probabilities: Sequence[float]) -> int:
        support = [index for index, p in enumerate(probabilities) if p > 0]
        if len(support) == 1:
            return support[0]
        outcome = support[self._branch(len(support))]
        self.weight *= probabilities[outcome]
        self._chose(outcome)
        return outcome

    def choose_evenly(self, count: int) -> int:
        if count == 1:
            return 0
        outcome = self._branch(count)
        self.weight /= count
        self._chose(outcome)
        return outcome

    def _chose(self, outcome: int) -> None:
        self._node = self.tree.step(self._node, outcome)
