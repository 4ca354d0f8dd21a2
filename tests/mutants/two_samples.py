"""Mutants of maximum mean discrepancy, Fréchet's distance, conditional normal laws and the β-NLL; and twins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
FRECHET, MMD, BETA = "divergence.frechet", "divergence.mmd", "normal.beta_nll"
CONDITIONAL, POSTERIOR = "gaussian.conditional", "gaussian.linear_posterior"


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


def root_of(matrix: torch.Tensor) -> torch.Tensor:
    """The symmetric square root."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T


def gram(x, y, sigma):
    """The Gaussian kernel by expanded squares, as most code has it."""
    squares = (x**2).sum(1)[:, None] + (y**2).sum(1)[None, :] - 2 * x @ y.T
    return torch.exp(-squares.clamp(min=0) / (2 * sigma**2))


@mutant(FRECHET)
def roots_multiplied(mu1, sigma1, mu2, sigma2):
    """tr Σ₁^½ Σ₂^½ for tr (Σ₁Σ₂)^½: met as a wrong root in a FID (k-diffusion, pull request 78)."""
    covmean = root_of(sigma1) @ root_of(sigma2)
    return ((mu1 - mu2) ** 2).sum() + torch.trace(sigma1 + sigma2 - 2 * covmean)


@mutant(FRECHET)
def root_of_every_entry(mu1, sigma1, mu2, sigma2):
    """torch.sqrt of the product is taken entry by entry."""
    covmean = torch.sqrt((sigma1 @ sigma2).clamp(min=0))
    return ((mu1 - mu2) ** 2).sum() + torch.trace(sigma1 + sigma2 - 2 * covmean)


@mutant(FRECHET)
def symmetric_root_of_the_product(mu1, sigma1, mu2, sigma2):
    """eigh of Σ₁Σ₂, which is not symmetric: the half above the diagonal is not looked at."""
    return ((mu1 - mu2) ** 2).sum() + torch.trace(sigma1 + sigma2 - 2 * root_of(sigma1 @ sigma2))


@mutant(FRECHET)
def distance_of_means_not_squared(mu1, sigma1, mu2, sigma2):
    """‖μ₁ − μ₂‖ for its square."""
    values = torch.linalg.eigvals(sigma1 @ sigma2).real.clamp(min=0)
    return (mu1 - mu2).norm() + torch.trace(sigma1) + torch.trace(sigma2) - 2 * values.sqrt().sum()


@mutant(FRECHET)
def covariance_of_covariances(mu1, sigma1, mu2, sigma2):
    """np.cov(Σ₁, Σ₂) put in the place of the root because it raised no error (HiGANplus, issue 12)."""
    covmean = torch.cov(torch.cat((sigma1, sigma2)))
    return ((mu1 - mu2) ** 2).sum() + torch.trace(sigma1) + torch.trace(sigma2) - 2 * torch.trace(covmean)


@mutant(FRECHET)
def cross_term_once(mu1, sigma1, mu2, sigma2):
    """The factor 2 is lost: equal laws are not at distance 0."""
    values = torch.linalg.eigvals(sigma1 @ sigma2).real.clamp(min=0)
    return ((mu1 - mu2) ** 2).sum() + torch.trace(sigma1 + sigma2) - values.sqrt().sum()


@mutant(MMD)
def diagonal_kept(x, y, sigma=1.0):
    """Divided by n(n − 1), with k(x_i, x_i) = 1 in the sum (shogun, issue 5133)."""
    n, m = len(x), len(y)
    within = gram(x, x, sigma).sum() / (n * (n - 1)) + gram(y, y, sigma).sum() / (m * (m - 1))
    return within - 2 * gram(x, y, sigma).mean()


@mutant(MMD)
def cross_term_once_over(x, y, sigma=1.0):
    """The factor 2 of the mixed term is lost."""
    return gram(x, x, sigma).mean() + gram(y, y, sigma).mean() - gram(x, y, sigma).mean()


@mutant(MMD)
def matched_pairs_only(x, y, sigma=1.0):
    """k(x_i, y_i) alone, of samples cut to one length, beside quadratic sums (asked of Xlearn, issue 29)."""
    n = min(len(x), len(y))
    paired = torch.exp(-((x[:n] - y[:n]) ** 2).sum(1) / (2 * sigma**2))
    return gram(x, x, sigma).mean() + gram(y, y, sigma).mean() - 2 * paired.mean()


@mutant(MMD)
def without_half(x, y, sigma=1.0):
    """exp(−d²/σ²)."""
    width = sigma / 2**0.5
    return gram(x, x, width).mean() + gram(y, y, width).mean() - 2 * gram(x, y, width).mean()


@mutant(MMD)
def mean_over_coordinates(x, y, sigma=1.0):
    """mean(-1) for sum(-1) in the squared distance: the bandwidth grows with the dimension."""

    def kernel(a, b):
        return torch.exp(-((a[:, None] - b[None]) ** 2).mean(-1) / (2 * sigma**2))

    return kernel(x, x).mean() + kernel(y, y).mean() - 2 * kernel(x, y).mean()


@mutant(CONDITIONAL)
def regressed_the_wrong_way(mu_a, mu_b, Sigma_aa, Sigma_ab, Sigma_bb, x_b):
    """Σ_ab x_b without Σ_bb⁻¹."""
    return mu_a + Sigma_ab @ (x_b - mu_b), Sigma_aa - Sigma_ab @ torch.linalg.inv(Sigma_bb) @ Sigma_ab.T


@mutant(CONDITIONAL)
def mean_not_taken_off(mu_a, mu_b, Sigma_aa, Sigma_ab, Sigma_bb, x_b):
    """x_b for x_b − μ_b: right for centred data only."""
    gain = Sigma_ab @ torch.linalg.inv(Sigma_bb)
    return mu_a + gain @ x_b, Sigma_aa - gain @ Sigma_ab.T


@mutant(CONDITIONAL)
def covariance_grows(mu_a, mu_b, Sigma_aa, Sigma_ab, Sigma_bb, x_b):
    """+ for −: knowing more makes it less certain."""
    gain = Sigma_ab @ torch.linalg.inv(Sigma_bb)
    return mu_a + gain @ (x_b - mu_b), Sigma_aa + gain @ Sigma_ab.T


@mutant(POSTERIOR)
def prior_forgotten(x, W, b, sigma2):
    """(WᵀW)⁻¹: least squares, without the prior's identity."""
    covariance = sigma2 * torch.linalg.pinv(W.T @ W)
    return (x - b) @ W @ covariance / sigma2, covariance


@mutant(POSTERIOR)
def inner_matrix_as_covariance(x, W, b, sigma2):
    """M⁻¹ of probabilistic PCA, M = WᵀW + σ²I, for the covariance σ²M⁻¹: not scaled by the noise (mr.ash, issue 3)."""
    inner = torch.linalg.inv(W.T @ W + sigma2 * torch.eye(W.shape[1], dtype=W.dtype))
    return (x - b) @ W @ inner, inner


@mutant(POSTERIOR, "value")
def by_the_reduced_svd(x, W, b, sigma2):
    """With fewer data than latents the directions that are not seen keep the prior's variance; a reduced SVD has none.

    Met in scikit-learn's BayesianRidge, issue 31093: right until there are more features than samples.
    """
    _, values, vectors = torch.linalg.svd(W, full_matrices=False)
    covariance = vectors.T @ torch.diag(1 / (1 + values**2 / sigma2)) @ vectors
    return (x - b) @ W @ covariance / sigma2, covariance


@mutant(POSTERIOR, "gradient")
def noise_outside_the_graph(x, W, b, sigma2):
    """σ²M⁻¹ with the factor σ² from a buffer: right in value, and the noise is learnt from M alone (classical)."""
    inner = torch.linalg.inv(W.T @ W + sigma2 * torch.eye(W.shape[1], dtype=W.dtype))
    return (x - b) @ W @ inner, sigma2.detach() * inner


@mutant(POSTERIOR)
def bias_forgotten(x, W, b, sigma2):
    """x for x − b."""
    covariance = torch.linalg.inv(torch.eye(W.shape[1], dtype=W.dtype) + W.T @ W / sigma2)
    return x @ W @ covariance / sigma2, covariance


@mutant(BETA, "gradient")
def weight_not_detached(x, mean, variance, beta=0.5):
    """The gradient flows through the weight, too: variances are pushed towards 0 or up by it."""
    return (variance**beta * 0.5 * ((x - mean) ** 2 / variance + variance.log())).mean()


@mutant(BETA)
def power_of_the_deviation(x, mean, std, beta=0.5):
    """σ^β for σ^(2β)."""
    return (std.detach() ** beta * 0.5 * (((x - mean) / std) ** 2 + 2 * std.log())).mean()


@mutant(BETA)
def weight_on_the_square_only(x, mean, variance, beta=0.5):
    """The logarithm is left without the weight: the variance is fitted to another optimum."""
    return 0.5 * (variance.detach() ** beta * (x - mean) ** 2 / variance + variance.log()).mean()


# Twins: none of these may be accused.


@twin(FRECHET)
def by_eigenvalues(mu1, sigma1, mu2, sigma2):
    """Eigenvalues of the unsymmetric product are real and positive; their imaginary parts are rounding."""
    shared = torch.linalg.eigvals(sigma1 @ sigma2).real.clamp(min=0).sqrt().sum()
    return (mu1 - mu2).dot(mu1 - mu2) + sigma1.trace() + sigma2.trace() - 2 * shared


@twin(FRECHET)
def by_complex_eigenvectors(mu_r, sigma_r, mu_g, sigma_g):
    """The principal root of the product by its eigenvectors, which are complex in type; no gradient."""
    with torch.no_grad():
        values, vectors = torch.linalg.eig(sigma_r @ sigma_g)
        root = (vectors @ torch.diag(values.sqrt()) @ torch.linalg.inv(vectors)).real
        return (mu_r - mu_g) @ (mu_r - mu_g) + torch.trace(sigma_r + sigma_g - 2 * root)


@twin(FRECHET)
def by_symmetric_roots(m1, C1, m2, C2):
    """(Σ₁^½ Σ₂ Σ₁^½)^½, and the distance itself."""
    half = root_of(C1)
    inner = half @ C2 @ half
    squared = (m1 - m2).square().sum() + torch.trace(C1 + C2 - 2 * root_of(0.5 * (inner + inner.T)))
    return squared.clamp(min=0).sqrt()


@twin(FRECHET)
def by_nuclear_norm(mean_r, cov_r, mean_g, cov_g):
    """tr (Σ₁Σ₂)^½ is the nuclear norm of L₂ᵀL₁."""
    one, other = torch.linalg.cholesky(cov_r), torch.linalg.cholesky(cov_g)
    shared = torch.linalg.svdvals(other.T @ one).sum()
    return functional.mse_loss(mean_r, mean_g, reduction="sum") + torch.trace(cov_r) + torch.trace(cov_g) - 2 * shared


@twin(MMD)
def by_expanded_squares(x, y, sigma=1.0):
    """Squares expanded and clamped."""
    return gram(x, x, sigma).mean() + gram(y, y, sigma).mean() - 2 * gram(x, y, sigma).mean()


@twin(MMD)
def one_kernel_matrix(X, Y, gamma=0.5):
    """One matrix for both samples, quadratic form of the weights; γ = 1/(2σ²)."""
    z = torch.cat((X, Y))
    weights = torch.cat((X.new_full((len(X),), 1 / len(X)), Y.new_full((len(Y),), -1 / len(Y))))
    return weights @ torch.exp(-gamma * torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist") ** 2) @ weights


@twin(MMD)
def unbiased_by_traces(source, target, sigma=1.0):
    """Traces taken off."""
    k, h, both = gram(source, source, sigma), gram(target, target, sigma), gram(source, target, sigma)
    n, m = len(source), len(target)
    return (k.sum() - k.trace()) / (n * (n - 1)) + (h.sum() - h.trace()) / (m * (m - 1)) - 2 * both.sum() / (n * m)


@twin(CONDITIONAL)
def by_cholesky(mu1, mu2, S11, S12, S22, x2):
    """Triangular solves."""
    shared = torch.cholesky_solve(S12.mT, torch.linalg.cholesky(S22))
    return mu1 + (x2 - mu2) @ shared, torch.addmm(S11, S12, shared, alpha=-1)


@twin(POSTERIOR)
def by_conditioning(x, W, b, sigma):
    """Through the covariance of the data."""
    marginal = W @ W.T + sigma**2 * torch.eye(len(W), dtype=W.dtype)
    gain = torch.linalg.solve(marginal, W).T
    return (x - b) @ gain.T, torch.eye(W.shape[1], dtype=W.dtype) - gain @ W


@twin(POSTERIOR)
def probabilistic_pca(x, W, mu, noise_var):
    """Tipping & Bishop's M = WᵀW + σ²I, and the precision M/σ²."""
    inner = W.T @ W + noise_var * torch.eye(W.shape[1], dtype=W.dtype)
    return torch.linalg.solve(inner, W.T @ (x - mu).T).T, inner / noise_var


@twin(POSTERIOR)
def probabilistic_pca_covariance(x, W, mu, noise_var):
    """σ²M⁻¹: where W is zero its derivative in σ² is a difference of two numbers that cancel up to rounding."""
    inner = torch.linalg.inv(W.T @ W + noise_var * torch.eye(W.shape[1], dtype=W.dtype))
    return (x - mu) @ W @ inner, noise_var * inner


@twin(BETA)
def as_published(mean, variance, target, beta=0.5):
    """The authors' order of arguments; no constant; a number for each sample."""
    loss = 0.5 * ((target - mean) ** 2 / variance + variance.log())
    if beta > 0:
        loss = loss * (variance.detach() ** beta)
    return loss.sum(axis=-1)


@twin(BETA)
def by_torchs_loss(input, target, log_var, beta=0.5):
    """torch's Gaussian loss, weighted under no_grad."""
    with torch.no_grad():
        weight = torch.exp(beta * log_var)
    return (weight * functional.gaussian_nll_loss(input, target, log_var.exp(), full=True, reduction="none")).mean()
