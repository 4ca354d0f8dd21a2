"""Wild pairs of calculus: what people wrote, wrong and right."""

import torch
from tests.wild.pair import Pair

from genverify.subjects.formula import Formula


def batch_jacobian(f, x):
    """(B, m, n): Jacobian of each output row with respect to its own input row; f may couple rows."""
    J = torch.autograd.functional.jacobian(f, x)  # (B, m, B, n)
    return torch.stack([J[i, :, i] for i in range(len(x))])


def batch_jacobian_summed(f, x):
    """WRONG when rows interact: differentiates the batch sum of each output.

    Source: tensorflow/tensorflow#38428 (GradientTape.batch_jacobian).  Symptom: exact for row-wise f (the
    usual case, and faster); with batch norm or attention over the batch it returns sum_j dy_j/dx_i.
    """
    x = x.detach().requires_grad_()
    y = f(x)
    return torch.stack([torch.autograd.grad(y[:, k].sum(), x, retain_graph=True)[0] for k in range(y.shape[1])], 1)


def gauss_newton(J, H_out):
    """J^T H J."""
    return J.T @ H_out @ J


def gauss_newton_no_output_hessian(J, H_out):
    """WRONG for losses other than squared error: J^T J.

    Source: classical.  Symptom: right for H_out = I.
    """
    return J.T @ J


PAIRS = [
    Pair(
        name="jac_batch_summed",
        wrong=lambda: Formula(batch_jacobian_summed, like="calculus.batch_jacobian"),
        right=lambda: Formula(batch_jacobian, like="calculus.batch_jacobian"),
    ),
    Pair(
        name="ggn_no_output_hessian",
        wrong=lambda: Formula(gauss_newton_no_output_hessian, like="calculus.gauss_newton"),
        right=lambda: Formula(gauss_newton, like="calculus.gauss_newton"),
    ),
]
