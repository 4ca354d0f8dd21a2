"""Functions of vectors as arguments of a formula: critics, energies, matrix-vector products."""

from __future__ import annotations

import torch

from genverify.subjects.domains import function_of_vector, linear_map
from genverify.subjects.parametrisation import any_real, plain
from genverify.subjects.specification import Layout, Role
from tests.checks.toy_formula import known, right, wrong


def test_critics_and_linear_maps_as_arguments():
    def squared_norm(x, critic):
        slope = 1 - torch.tanh(x @ critic.weight.mT) ** 2
        return ((slope @ critic.weight) ** 2).sum(-1)

    def by_autograd(critic, x):
        x = x.clone() if x.requires_grad else x.clone().requires_grad_()
        (g,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
        return g.flatten(1).norm(2, dim=1) ** 2

    function = {"role": Role.FUNCTION, "differentiable": False}
    with known(
        arguments=(
            any_real("x", "batch event"),
            plain("critic", "hidden event", function_of_vector(), ("D", "c"), **function),
        ),
        oracle=squared_norm, output="batch", layouts=(Layout(name="batched"),), operations=64,
    ) as like:  # fmt: skip
        right(by_autograd, like)
        wrong(lambda critic, x: by_autograd(critic, x).sqrt(), like, "dialect")
        wrong(lambda critic, x: by_autograd(critic, x).sum().expand(len(x)), like, "dialect")
    with known(
        arguments=(any_real("v", "batch event"), plain("matvec", "event event", linear_map(), ("A", "f"), **function)),
        oracle=lambda v, matvec: tuple((v * matvec(v)).unbind(-1)), output="batch", layouts=(Layout(name="batched"),),
    ) as like:  # fmt: skip
        right(lambda v, matvec: torch.einsum("bi,bi->b", v, matvec(v)), like)
        wrong(lambda v, matvec: (matvec(v) ** 2).sum(-1), like, "dialect")
