"""torch.func and torch.autograd.functional as their users call them, against the catalogue."""

from __future__ import annotations

import pytest
import torch
from torch.autograd import functional
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

import genverify as gv

SUBJECTS: dict[str, gv.Formula] = {
    "func.grad": gv.Formula(lambda f, x: grad(f)(x), like="calculus.gradient"),
    "vmap(func.grad)": gv.Formula(lambda f, x: vmap(grad(f))(x), like="calculus.gradient"),
    "func.jacrev": gv.Formula(lambda f, x: jacrev(f)(x), like="calculus.jacobian"),
    "func.jacfwd": gv.Formula(lambda f, x: jacfwd(f)(x), like="calculus.jacobian"),
    "functional.jacobian": gv.Formula(functional.jacobian, like="calculus.jacobian", arguments=("f", "x")),
    "functional.jacobian(vectorize=True)": gv.Formula(
        lambda f, x: functional.jacobian(f, x, vectorize=True), like="calculus.jacobian"
    ),
    "vmap(func.jacrev)": gv.Formula(lambda f, x: vmap(jacrev(f))(x), like="calculus.batch_jacobian"),
    "vmap(func.jacfwd)": gv.Formula(lambda f, x: vmap(jacfwd(f))(x), like="calculus.batch_jacobian"),
    "func.jvp": gv.Formula(lambda f, x, v: jvp(f, (x,), (v,))[1], like="calculus.jvp"),
    "functional.jvp": gv.Formula(lambda f, x, v: functional.jvp(f, x, v)[1], like="calculus.jvp"),
    "func.vjp": gv.Formula(lambda f, x, u: vjp(f, x)[1](u)[0], like="calculus.vjp"),
    "functional.vjp": gv.Formula(lambda f, x, v: functional.vjp(f, x, v)[1], like="calculus.vjp"),
    "func.hessian": gv.Formula(lambda f, x: hessian(f)(x), like="calculus.hessian"),
    "vmap(func.hessian)": gv.Formula(
        lambda f, x: vmap(hessian(f))(x), like="calculus.hessian", layout="a batch of points"
    ),
    "jacrev(jacrev)": gv.Formula(lambda f, x: jacrev(jacrev(f))(x), like="calculus.hessian"),
    "functional.hessian": gv.Formula(functional.hessian, like="calculus.hessian", arguments=("f", "x")),
    "functional.hvp": gv.Formula(lambda f, x, v: functional.hvp(f, x, v)[1], like="calculus.hvp"),
    "functional.vhp": gv.Formula(lambda f, x, v: functional.vhp(f, x, v)[1], like="calculus.hvp"),
    "jvp(grad)": gv.Formula(lambda f, x, v: jvp(grad(f), (x,), (v,))[1], like="calculus.hvp"),
    "trace(hessian)": gv.Formula(lambda f, x: torch.trace(hessian(f)(x)), like="calculus.laplacian"),
    "diagonal(hessian)": gv.Formula(lambda f, x: torch.diagonal(hessian(f)(x)), like="calculus.hessian_diagonal"),
    "jvp(jvp)": gv.Formula(
        lambda f, x, v: jvp(lambda y: jvp(f, (y,), (v,))[1], (x,), (v,))[1],
        like="calculus.directional_second_derivative",
    ),
    "slogdet(jacrev)": gv.Formula(lambda f, x: torch.linalg.slogdet(jacrev(f)(x))[1], like="calculus.logabsdet"),
    "slogdet(vmap(jacfwd))": gv.Formula(
        lambda f, x: torch.linalg.slogdet(vmap(jacfwd(f))(x)).logabsdet, like="calculus.logabsdet"
    ),
    "exp(-cdist²)": gv.Formula(
        lambda x, y, sigma: torch.exp(-(torch.cdist(x, y) ** 2) / (2 * sigma**2)), like="kernel.rbf"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SUBJECTS)
def test_torch(name: str) -> None:
    report = gv.verify(SUBJECTS[name], budget="quick", checks=["formula.dialect", "formula.value"])
    bad = [str(v) for v in report if v.outcome not in (gv.Outcome.PASS, gv.Outcome.NOT_APPLICABLE)]
    assert not bad, "\n".join(bad)
    assert report.count(gv.Outcome.PASS)
