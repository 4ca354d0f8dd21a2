"""Wild pairs of the KL term: what people wrote, wrong and right."""

import torch
from tests.wild.pair import Pair

from genverify.subjects.formula import Formula


def kl_standard(mu, logvar):
    """KL(N(mu, diag e^logvar) || N(0, I)) per sample, mean over the batch: sum over latents."""
    return (0.5 * (mu**2 + logvar.exp() - 1 - logvar)).sum(-1).mean()


def kl_standard_missing_half(mu, logvar):
    """WRONG: the factor 1/2 is lost.

    Source: classical (deepmind/torch-distributions#33 lost a 1/2 in one term).  Symptom: factor 2, i.e.
    beta = 2; zero at the prior, gradient direction right, so training still works.
    """
    return (mu**2 + logvar.exp() - 1 - logvar).sum(-1).mean()


def kl_standard_over_pixels(mu, logvar, n_pixels=784):
    """WRONG: divides by the number of pixels to 'match' an averaged reconstruction term.

    Source: pytorch/examples#290, #234 (fixed in #296).  Symptom: beta = 1/784.
    """
    return (0.5 * (mu**2 + logvar.exp() - 1 - logvar)).sum(-1).mean() / n_pixels


def kl_full(m0, L0, m1, L1):
    """KL(N(m0, L0 L0^T) || N(m1, L1 L1^T)), L lower triangular."""
    A = torch.linalg.solve_triangular(L1, L0, upper=False)
    d = torch.linalg.solve_triangular(L1, (m1 - m0)[:, None], upper=False)
    ld = torch.log(torch.diagonal(L1)).sum() - torch.log(torch.diagonal(L0)).sum()
    return 0.5 * ((A**2).sum() + (d**2).sum() - len(m0)) + ld


def kl_full_diag_trace(m0, L0, m1, L1):
    """WRONG: trace term from the diagonal of the factor only.

    Right: tr(S1^-1 S0) = sum of ALL squared entries of L1^-1 L0.  Source: the change proposed in
    GPflow/GPflow#2130 (the library's sum over all entries is right).  Symptom: too small, KL can turn
    negative; hides for diagonal covariances.
    """
    A = torch.linalg.solve_triangular(L1, L0, upper=False)
    d = torch.linalg.solve_triangular(L1, (m1 - m0)[:, None], upper=False)
    ld = torch.log(torch.diagonal(L1)).sum() - torch.log(torch.diagonal(L0)).sum()
    return 0.5 * ((torch.diagonal(A) ** 2).sum() + (d**2).sum() - len(m0)) + ld


def kl_full_swapped(m0, L0, m1, L1):
    """WRONG: KL in the other direction.

    Source: classical; the same confusion is pytorch/pytorch#57459 (argument order of F.kl_div).
    Symptom: both are non-negative and zero together; equal for equal covariances.
    """
    return kl_full(m1, L1, m0, L0)


STANDARD, FULL = "kl.diagonal_to_standard_normal", "kl.mvn_cholesky"
PAIRS = [
    Pair(
        name="kl_missing_half",
        wrong=lambda: Formula(kl_standard_missing_half, like=STANDARD),
        right=lambda: Formula(kl_standard, like=STANDARD),
    ),
    Pair(
        name="kl_over_pixels",
        wrong=lambda: Formula(kl_standard_over_pixels, like=STANDARD),
        right=lambda: Formula(kl_standard, like=STANDARD),
    ),
    Pair(
        name="kl_full_diag_trace",
        wrong=lambda: Formula(kl_full_diag_trace, like=FULL),
        right=lambda: Formula(kl_full, like=FULL),
    ),
    Pair(
        name="kl_full_swapped",
        wrong=lambda: Formula(kl_full_swapped, like=FULL),
        right=lambda: Formula(kl_full, like=FULL),
    ),
]
