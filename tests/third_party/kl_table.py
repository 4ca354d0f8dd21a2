"""Every divergence that torch.distributions registers, pair by pair: ``python -m tests.third_party.kl_table``.

Prints the table; with ``--write`` it goes to specs/kl_pairs.md, whose test fails when it is stale. Each pair is held
against the closed form of `genverify.oracles.kl_pairs` (which the quadrature of its definition confirms) at moderate
parameters: value and gradient in float64 and float32, within the rounding allowance of the closed form, and the shape
of a batch of pairs. What torch gets wrong there or elsewhere stands in `tests.third_party.kl_faults`.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch import distributions as torch_laws
from torch.distributions.kl import _KL_REGISTRY, kl_divergence

from genverify.numerics.rounding import Allowance, conditioned_allowance, gradient_allowance
from genverify.oracles import divergence, gaussian, kl_pairs, kl_vector
from tests.third_party.kl_faults import FAULTS

PAGE = Path(__file__).resolve().parents[2] / "specs" / "kl_pairs.md"
REGISTERED = sorted((p.__name__, q.__name__) for p, q in _KL_REGISTRY)
INFINITE = {
    pair for (p, q), f in _KL_REGISTRY.items() if "infinity" in f.__name__ for pair in [(p.__name__, q.__name__)]
}
DTYPES = {"float64": torch.float64, "float32": torch.float32}
OPERATIONS = 64

# Three parameter values for the first law, three for the second; both laws of a pair are drawn from here.
MODERATE: dict[str, tuple[dict[str, list[float]], dict[str, list[float]]]] = {
    "Bernoulli": ({"probs": [0.3, 0.5, 0.9]}, {"probs": [0.6, 0.25, 0.7]}),
    "Beta": (
        {"concentration1": [1.5, 0.75, 3.0], "concentration0": [2.5, 1.25, 0.5]},
        {"concentration1": [2.0, 1.0, 0.75], "concentration0": [1.25, 2.0, 1.5]},
    ),
    "Binomial": (
        {"total_count": [5, 3, 1], "probs": [0.3, 0.5, 0.9]},
        {"total_count": [5, 3, 1], "probs": [0.6, 0.25, 0.7]},
    ),
    "Cauchy": (
        {"loc": [0.5, -1.0, 0.0], "scale": [1.5, 0.75, 1.0]},
        {"loc": [-0.25, 1.0, 0.5], "scale": [0.75, 2.0, 1.0]},
    ),
    "ContinuousBernoulli": ({"probs": [0.3, 0.2, 0.9]}, {"probs": [0.8, 0.35, 0.7]}),
    "Exponential": ({"rate": [1.5, 0.5, 2.0]}, {"rate": [0.75, 2.5, 1.0]}),
    "Gamma": (
        {"concentration": [1.75, 0.75, 3.0], "rate": [1.5, 0.5, 2.0]},
        {"concentration": [2.5, 1.25, 0.5], "rate": [0.75, 1.5, 1.0]},
    ),
    "Geometric": ({"probs": [0.3, 0.5, 0.9]}, {"probs": [0.6, 0.25, 0.7]}),
    "Gumbel": (
        {"loc": [0.5, -1.0, 0.0], "scale": [1.5, 0.75, 1.0]},
        {"loc": [-0.25, 1.0, 0.5], "scale": [1.25, 2.0, 1.0]},
    ),
    "HalfNormal": ({"scale": [1.5, 0.75, 1.0]}, {"scale": [0.75, 2.0, 1.25]}),
    "Laplace": (
        {"loc": [0.5, -1.0, 0.25], "scale": [1.5, 0.75, 1.0]},
        {"loc": [-0.25, 1.0, 0.5], "scale": [0.75, 2.0, 1.0]},
    ),
    "Normal": (
        {"loc": [0.5, -1.0, 0.0], "scale": [1.5, 0.75, 1.0]},
        {"loc": [-0.25, 1.0, 0.5], "scale": [0.75, 2.0, 1.0]},
    ),
    "Pareto": (
        {"scale": [1.5, 2.0, 1.0], "alpha": [3.5, 2.5, 4.0]},
        {"scale": [1.25, 0.5, 0.75], "alpha": [2.5, 1.0, 3.0]},
    ),
    "Poisson": ({"rate": [1.5, 0.5, 4.0]}, {"rate": [0.75, 2.5, 3.0]}),
    "Uniform": (
        {"low": [0.25, 0.125, 0.5], "high": [0.75, 0.5, 0.875]},
        {"low": [-1.0, -0.5, -2.0], "high": [2.5, 1.5, 1.0]},
    ),
}  # fmt: skip
_ABOVE_ONE = {"low": [1.5, 2.0, 1.0], "high": [2.5, 2.25, 3.0]}  # a uniform law within a Pareto law's support

Call = Callable[..., Tensor]


def _normals(loc_p: Tensor, scale_p: Tensor, loc_q: Tensor, scale_q: Tensor) -> Any:
    return tuple(term.sum(-1) for term in gaussian.kl_divergence.terms(loc_p, scale_p, loc_q, scale_q))


def _classes(first: Tensor, second: Tensor) -> Any:
    return tuple(term.sum(-1) for term in divergence.kl_categorical(first, second))


def _low_rank(factor: Tensor, diagonal: Tensor) -> Tensor:
    return factor @ factor.mT + torch.diag_embed(diagonal)


def _vectors() -> dict[tuple[str, str], tuple[Call, Call, list[list[Any]]]]:
    """Pairs that are no scalar laws: torch's divergence and the oracle as functions of tensors, and the tensors."""
    mvn, low, terms = torch_laws.MultivariateNormal, torch_laws.LowRankMultivariateNormal, gaussian.mvn_kl.terms
    kl, log_normal, normal, independent = kl_divergence, torch_laws.LogNormal, torch_laws.Normal, torch_laws.Independent
    wishart = torch_laws.Wishart
    m, n = [0.5, -1.0], [-0.25, 1.0]
    s, t = [[2.0, 0.5], [0.5, 1.0]], [[1.0, -0.25], [-0.25, 0.75]]
    w, d, v, e = [[1.0], [0.5]], [0.5, 1.25], [[-0.5], [1.0]], [1.0, 0.75]
    a, b = [0.5, -1.0, 0.25], [0.0, 1.0, -0.5]
    both = [m, [1.5, 0.75], n, [0.75, 2.0]]
    return {
        ("Categorical", "Categorical"): (
            lambda p, q: kl(torch_laws.Categorical(logits=p), torch_laws.Categorical(logits=q)), _classes, [a, b]),
        ("OneHotCategorical", "OneHotCategorical"): (
            lambda p, q: kl(torch_laws.OneHotCategorical(logits=p), torch_laws.OneHotCategorical(logits=q)),
            _classes, [a, b]),
        ("Dirichlet", "Dirichlet"): (
            lambda p, q: kl(torch_laws.Dirichlet(p), torch_laws.Dirichlet(q)),
            lambda p, q: tuple(term.sum(-1) for term in kl_vector.dirichlet(p, q)),
            [[0.75, 2.0, 1.5], [1.25, 0.5, 3.0]]),
        ("MultivariateNormal", "MultivariateNormal"): (
            lambda m, s, n, t: kl(mvn(m, s), mvn(n, t)), terms, [m, s, n, t]),
        ("MultivariateNormal", "LowRankMultivariateNormal"): (
            lambda m, s, n, v, e: kl(mvn(m, s), low(n, v, e)),
            lambda m, s, n, v, e: terms(m, s, n, _low_rank(v, e)), [m, s, n, v, e]),
        ("LowRankMultivariateNormal", "MultivariateNormal"): (
            lambda m, w, d, n, t: kl(low(m, w, d), mvn(n, t)),
            lambda m, w, d, n, t: terms(m, _low_rank(w, d), n, t), [m, w, d, n, t]),
        ("LowRankMultivariateNormal", "LowRankMultivariateNormal"): (
            lambda m, w, d, n, v, e: kl(low(m, w, d), low(n, v, e)),
            lambda m, w, d, n, v, e: terms(m, _low_rank(w, d), n, _low_rank(v, e)), [m, w, d, n, v, e]),
        ("Independent", "Independent"): (
            lambda m, s, n, t: kl(independent(normal(m, s), 1), independent(normal(n, t), 1)), _normals, both),
        ("TransformedDistribution", "TransformedDistribution"): (
            lambda m, s, n, t: kl(independent(log_normal(m, s), 1), independent(log_normal(n, t), 1)), _normals, both),
        # Of the families without a formula of their own, Wishart alone is left to the general one.
        ("ExponentialFamily", "ExponentialFamily"): (
            lambda f, s, g, t: kl(wishart(f, covariance_matrix=s), wishart(g, covariance_matrix=t)),
            kl_vector.wishart, [3.0, s, 4.0, t]),
    }  # fmt: skip


VECTORS = _vectors()


def torchs(pair: tuple[str, str]) -> Call:
    """Torch's divergence as a function of the parameters of both laws."""
    if pair in VECTORS:
        return VECTORS[pair][0]
    one, other = (getattr(torch_laws, name) for name in pair)
    first, second = (list(kl_pairs.laws()[name].parameters) for name in pair)

    def divergence_of(*values: Tensor) -> Tensor:
        p = dict(zip(first, values, strict=False))
        q = dict(zip(second, values[len(first) :], strict=True))
        return kl_divergence(one(**p), other(**q))

    return divergence_of


def oracle(pair: tuple[str, str]) -> Call:
    """The closed form, in additive terms."""
    return VECTORS[pair][1] if pair in VECTORS else kl_pairs.closed(*pair).terms


def arguments(pair: tuple[str, str], dtype: torch.dtype) -> list[Tensor]:
    """Moderate parameters, as the dtype has them."""
    if pair in VECTORS:
        return [torch.tensor(value, dtype=dtype) for value in VECTORS[pair][2]]
    first = _ABOVE_ONE if pair == ("Uniform", "Pareto") else MODERATE[pair[0]][0]
    return [torch.tensor(v, dtype=dtype) for v in (*first.values(), *MODERATE[pair[1]][1].values())]


def _worst(found: Allowance, got: Tensor | None) -> float:
    if got is None:
        return float("inf")
    return float(found.excess(got).nan_to_num(nan=float("inf")).max())


@functools.cache
def value_error(pair: tuple[str, str], dtype: torch.dtype) -> float:
    """The largest error of the value over the rounding allowance; above 1 is wrong."""
    given = arguments(pair, dtype)
    elementwise = pair not in VECTORS
    found = conditioned_allowance(
        oracle(pair), given, dtype=dtype, operations=OPERATIONS, elementwise=elementwise,
        normwise=[i for i, x in enumerate(given) if x.ndim > 1],
    )  # fmt: skip
    return _worst(found, torchs(pair)(*given))


@functools.cache
def gradient_error(pair: tuple[str, str], dtype: torch.dtype) -> float:
    """The largest error of the gradient with respect to any parameter, over its allowance."""
    given = [x.requires_grad_() for x in arguments(pair, dtype)]
    value = torchs(pair)(*given)
    got = torch.autograd.grad(value.sum(), given, allow_unused=True)
    worst = 0.0
    for i, slope in enumerate(got):
        if pair[0] == "Binomial" and i in (0, 2):
            continue  # a count
        found = gradient_allowance(
            oracle(pair), given, wrt=i, dtype=dtype, operations=2 * OPERATIONS, elementwise=pair not in VECTORS,
            normwise=[i for i, x in enumerate(given) if x.ndim > 1],
        )  # fmt: skip
        expected = found.value
        if given[i].ndim > 1 and given[i].shape[-1] == given[i].shape[-2] and slope is not None:
            # Of a symmetric matrix the symmetric part of the gradient is determined.
            slope = (slope + slope.mT) / 2
            symmetric = (expected + expected.mT) / 2
            slope = slope.to(expected) + expected - symmetric
        worst = max(worst, _worst(found, slope))
    return worst


@functools.cache
def shape_of_a_batch(pair: tuple[str, str]) -> str:
    """What becomes of p in a column and q in a row: their divergences, one for each pair of them."""
    given, count = arguments(pair, torch.float64), len(kl_pairs.laws()[pair[0]].parameters)
    if pair[0] == "Binomial":
        given[0], given[2] = (torch.full_like(x, 5) for x in (given[0], given[2]))
    column, row = [x[:2, None] for x in given[:count]], given[count:]
    whole = torchs(pair)(*(x.expand(2, 3).contiguous() for x in (*column, *row)))
    try:
        found = torchs(pair)(*column, *row)
    except IndexError:
        return "IndexError"
    if found.shape != whole.shape:
        return f"{list(found.shape)}, not {list(whole.shape)}"
    return "ok" if torch.equal(found, whole) else "wrong"


def finite(pair: tuple[str, str]) -> bool:
    """Whether any pair of moderate laws has a finite divergence, by supports and moments."""
    first, second = MODERATE[pair[0]][0], MODERATE[pair[1]][1]
    p, q = ({name: values[0] for name, values in one.items()} for one in (first, second))
    return kl_pairs.contained(*pair, p, q)


def row(pair: tuple[str, str]) -> dict[str, str]:
    """The cells of a pair."""
    if pair in INFINITE:
        same = all(torch.isinf(torchs(pair)(*arguments(pair, dtype))).all() for dtype in DTYPES.values())
        cells = {"exact": "∞", **dict.fromkeys(DTYPES, "ok" if same and not finite(pair) else "wrong"), "gradient": "–"}
    else:
        worst = {name: value_error(pair, dtype) for name, dtype in DTYPES.items()}
        slopes = max(gradient_error(pair, dtype) for dtype in DTYPES.values())
        cells = {"exact": "closed form", **{name: _word(error) for name, error in worst.items()}}
        cells["gradient"] = _word(slopes)
    cells["batch"] = "–" if pair in VECTORS else shape_of_a_batch(pair)
    return cells


def _word(error: float) -> str:
    return "ok" if error <= 1 else "wrong"


def table() -> Iterator[str]:
    """The lines of the page."""
    yield "| p | q | KL(p ‖ q) | float64 | float32 | gradient | batch of pairs | known faults |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for pair in REGISTERED:
        cells = row(pair)
        faults = ", ".join(str(i) for i, one in enumerate(FAULTS, 1) if pair in one.pairs)
        yield "| " + " | ".join((*pair, *cells.values(), faults or "–")) + " |"
    yield ""
    for i, fault in enumerate(FAULTS, 1):
        yield f"{i}. {fault.reason}. `{fault.code}` is {fault.value:.4g}; it should be {fault.truth:.4g}."


_HEAD = f"""\
# torch's Kullback–Leibler divergences, pair by pair

<!-- Written by `python -m tests.third_party.kl_table --write`; a test fails when it is stale. -->

Every pair that torch {torch.__version__.split("+")[0]} registers. The columns float64, float32 and gradient say whether
the value and its derivatives are the closed form to rounding at moderate parameters; "batch of pairs" what becomes of
p in a column and q in a row. The numbers in the last column are those of the witnesses below the table.

"""


def page() -> str:
    """The text of specs/kl_pairs.md."""
    return _HEAD + "\n".join(table()) + "\n"


if __name__ == "__main__":
    text = page()
    if "--write" in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(text)
