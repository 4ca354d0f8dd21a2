"""The usual parametrisations of an argument, so that each formula states them in one line."""

from __future__ import annotations

import torch

from genverify.subjects.domains import Domain, lower_triangular, positive, real, spd
from genverify.subjects.specification import Argument, Form, Role

__all__ = ["any_real", "plain", "positive_scale", "scale_matrix"]

# Half the largest exponent: the variance, its reciprocal and products of the two stay normal numbers.
_LOG_VARIANCE = real(low=-2.0, high=2.0, extreme=180.0, narrow=30.0)


def plain(name: str, axes: str, domain: Domain, aliases: tuple[str, ...] = (), **rest: object) -> Argument:
    """An argument with one parametrisation."""
    # Of a pair (mean_p, mean_q) the parametrisation has the name that both share.
    shared = aliases[0] if rest.get("group") and aliases else name
    return Argument(name=name, axes=axes, forms=(Form(name=shared, aliases=aliases, domain=domain),), **rest)  # type: ignore[arg-type]


def any_real(name: str, axes: str, *aliases: str, **rest: object) -> Argument:
    """A real argument."""
    return plain(name, axes, real(), aliases, **rest)


def positive_scale(name: str, axes: str, group: str = "", *exact: str, **rest: object) -> Argument:
    """A standard deviation, as such or as variance, log-variance, log standard deviation or precision.

    `exact` are further names of the standard deviation that stand for this argument alone (``"=tau"``).
    """
    forms = (
        Form(
            name="std", domain=positive(tiny=1e-40, huge=1e40),
            aliases=("std", "sigma", "scale", "stddev", "stdev", "sd", "sig", "s", "stds", "sigmas", *exact),
        ),
        Form(
            name="variance", domain=positive(tiny=1e-80, huge=1e80), canonical=torch.sqrt,
            aliases=("var", "variance", "sigma2", "sigma_sq", "sigma_squared", "sigmasq", "v", "std2", "vars"),
        ),
        Form(
            name="log_variance", domain=_LOG_VARIANCE, canonical=lambda x: torch.exp(0.5 * x),
            aliases=(
                "logvar", "log_var", "logv", "lv", "log_sigma2", "logsigma2", "log_sigma_sq", "log_sigma_squared",
                "ln_var", "log_vars", "logvars", "z_log_var", "z_logvar", "log_variances",
            ),
        ),
        Form(
            name="log_std", domain=real(extreme=90.0, narrow=15.0), canonical=torch.exp,
            aliases=("log_std", "logstd", "log_sigma", "logsigma", "log_scale", "logs", "ln_sigma", "log_stddev"),
        ),
        Form(
            name="precision", domain=positive(tiny=1e-80, huge=1e80), canonical=torch.rsqrt,
            aliases=("precision", "prec", "lambda_", "inv_var", "inverse_variance"),
        ),
    )  # fmt: skip
    return Argument(name=name, axes=axes, forms=forms, group=group, **rest)  # type: ignore[arg-type]


def scale_matrix(name: str, axes: str, group: str = "", *, written: str = "covariance", **rest: object) -> Argument:
    """A covariance matrix, as such, by its lower Cholesky factor or by its inverse; the oracle takes the covariance.

    `written` is the parametrisation that the formula's name speaks of, to which a doubtful name belongs.
    """

    def from_cholesky(factor: torch.Tensor) -> torch.Tensor:
        lower = torch.tril(factor)
        return lower @ lower.mT

    forms = {
        "covariance": Form(
            name="covariance", domain=spd(),
            aliases=(
                "cov", "covariance", "Sigma", "sigma", "S", "C", "covar", "cov_matrix", "covariance_matrix", "sig",
                "covs",
            ),
        ),
        "cholesky": Form(
            name="cholesky", domain=lower_triangular(), canonical=from_cholesky,
            aliases=("L", "chol", "cholesky", "scale_tril", "tril", "cholesky_factor", "Lchol", "chol_factor"),
        ),
        "precision": Form(
            name="precision", domain=spd(), canonical=torch.linalg.inv,
            aliases=("precision", "prec", "Lambda", "P", "inv_cov", "precision_matrix", "cov_inv", "sigma_inv"),
        ),
    }  # fmt: skip
    ordered = (forms.pop(written), *forms.values())
    return Argument(name=name, axes=axes, forms=ordered, group=group, normwise=True, **rest)  # type: ignore[arg-type]


def draw(name: str, axes: str, law: str, domain: Domain, *aliases: str) -> Argument:
    """A random draw of the formula, passed in or made inside; its standardised value is what the oracle takes."""
    form = Form(name=name, aliases=aliases, domain=domain)
    return Argument(name=name, axes=axes, forms=(form,), role=Role.DRAW, law=law, differentiable=False)
