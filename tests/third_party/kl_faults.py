"""What torch.distributions.kl gets wrong, each with a witness: code that anybody can run, and the exact value."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import distributions
from torch.distributions.kl import kl_divergence

from genverify.oracles import kl_pairs, kl_vector

__all__ = ["FAULTS", "Fault"]

Numbers = dict[str, float]


@dataclass(frozen=True, kw_only=True, eq=False)
class Fault:
    """A wrong divergence.

    Attributes:
        reason: What goes wrong, in words.
        pairs: The registered pairs that it concerns; the witness is of the first.
        code: A Python expression in torch's terms, in float32.
        exact: What its value should be; where it is None the closed form says.
        law: The parameters of p and q, where the closed form is asked.
    """

    reason: str
    pairs: tuple[tuple[str, str], ...]
    code: str
    exact: float | None = None
    law: tuple[Numbers, Numbers] = ({}, {})

    @functools.cached_property
    def value(self) -> float:
        """What torch says."""
        known = {name: getattr(distributions, name) for name in distributions.__all__}
        found = eval(self.code, {**known, "kl": kl_divergence, "torch": torch, "tensor": torch.tensor})
        return float(found.detach())

    @functools.cached_property
    def truth(self) -> float:
        """What it should be, at the parameters as float32 has them."""
        if self.exact is not None:
            return self.exact
        numbers = [float(torch.tensor(v)) for one in self.law for v in one.values()]
        import mpmath

        return float(kl_pairs.closed(*self.pairs[0]).mpmath(*(mpmath.mpf(v) for v in numbers), dps=20))

    @property
    def wrong(self) -> bool:
        """Whether torch is off by more than one part in a thousand."""
        return not math.isclose(self.value, self.truth, rel_tol=1e-3)


def _pairs(*names: str) -> tuple[tuple[str, str], ...]:
    made = []
    for name in names:
        p, q = name.split("-")
        made.append((p, q))
    return tuple(made)


def _by_law(reason: str, names: str, first: Numbers, second: Numbers) -> Fault:
    """A fault of scalar laws: its code is written from the parameters, and its exact value is the closed form's."""
    pairs = _pairs(*names.split())

    def written(law: str, parameters: Numbers) -> str:
        if law == "Binomial":
            return f"Binomial({parameters['total_count']:.0f}, tensor({parameters['probs']!r}))"
        return f"{law}({', '.join(repr(float(v)) for v in parameters.values())})"

    (p, q), *_ = pairs
    return Fault(reason=reason, pairs=pairs, code=f"kl({written(p, first)}, {written(q, second)})", law=(first, second))


def _wishart(df: torch.Tensor, scale: float) -> torch.Tensor:
    """KL of Wishart(ν, I) from Wishart(4, cI) at k = 2."""
    one = torch.eye(2, dtype=df.dtype)
    return torch.stack(kl_vector.wishart(df, one, torch.tensor(4.0, dtype=df.dtype), scale * one)).sum()


_SUPPORT = (
    Fault(
        reason="the ends of the support count as outside, so that the commonest uniform law is infinitely far",
        pairs=_pairs("ContinuousBernoulli-Uniform"), code="kl(ContinuousBernoulli(0.3), Uniform(0.0, 1.0))",
        exact=float(kl_pairs.closed("ContinuousBernoulli", "Uniform")(float(torch.tensor(0.3)), 0.0, 1.0)),
    ),
    Fault(
        reason="the same the other way round",
        pairs=_pairs("Uniform-ContinuousBernoulli"), code="kl(Uniform(0.0, 1.0), ContinuousBernoulli(0.3))",
        exact=-math.log(2 * math.atanh(0.4) / 0.4) - (math.log(0.3) + math.log(0.7)) / 2,
    ),
    Fault(
        reason="0 log 0 is not 0: a Poisson law of rate 0, which torch admits, has one outcome",
        pairs=_pairs("Poisson-Poisson"), code="kl(Poisson(0.0), Poisson(2.0))", exact=2.0,
    ),
    Fault(
        reason="that outcome lies in the support of a Bernoulli law, and is not infinitely far from it",
        pairs=_pairs("Poisson-Bernoulli", "Poisson-Binomial"), code="kl(Poisson(0.0), Bernoulli(0.5))",
        exact=math.log(2),
    ),
    Fault(
        reason="log(1 − p) is taken at p = 1: a divergence of minus infinity (NaN between equal laws)",
        pairs=_pairs("Binomial-Binomial"), code="kl(Binomial(5, tensor(1.0)), Binomial(5, tensor(0.5)))",
        exact=5 * math.log(2),
    ),
    Fault(
        reason="logits are clamped: what the second law holds impossible is at a finite distance",
        pairs=_pairs("Binomial-Binomial"), code="kl(Binomial(5, tensor(0.5)), Binomial(5, tensor(0.0)))",
        exact=math.inf,
    ),
    Fault(
        reason="0 log 0 again, where both laws have the outcome 0 alone",
        pairs=_pairs("Bernoulli-Poisson"), code="kl(Bernoulli(0.0), Poisson(0.0))", exact=0.0,
    ),
)  # fmt: skip

_STRUCTURE = (
    Fault(
        reason="the divergence of the base laws is returned although |x| is not injective: both are one folded law",
        pairs=_pairs("TransformedDistribution-TransformedDistribution"),
        code="kl(TransformedDistribution(Normal(1.0, 1.0), AbsTransform()), "
        "TransformedDistribution(Normal(-1.0, 1.0), AbsTransform()))",
        exact=0.0,
    ),
    Fault(
        reason="in a batch of Wishart laws the term of the degrees of freedom is summed over the batch: the first "
        "of two divergences is not what it is alone",
        pairs=_pairs("ExponentialFamily-ExponentialFamily"),
        code="kl(Wishart(tensor([3.0, 5.0]), torch.eye(2).expand(2, 2, 2)), "
        "Wishart(tensor([4.0, 4.0]), 2 * torch.eye(2).expand(2, 2, 2)))[0]",
        exact=float(_wishart(torch.tensor(3.0, dtype=torch.float64), 2.0)),
    ),
    Fault(
        reason="natural parameters of the first law are detached, and no gradient reaches its own parameters",
        pairs=_pairs("ExponentialFamily-ExponentialFamily"),
        code="torch.autograd.functional.jacobian(lambda d: kl(Wishart(d, torch.eye(2)), "
        "Wishart(tensor(4.0), torch.eye(2))), tensor(3.0))",
        exact=float(torch.func.grad(_wishart)(torch.tensor(3.0, dtype=torch.float64), 1.0)),
    ),
    Fault(
        reason="a mask over the second law alone is applied to the rows of the result: the impossible outcome of "
        "the first column makes the first row infinite, the others (here) finite",
        pairs=_pairs("Bernoulli-Bernoulli"),
        code="kl(Bernoulli(torch.full((3, 3), 0.5)), Bernoulli(tensor([0.0, 0.5, 0.5])))[0, 1]", exact=0.0,
    ),
)  # fmt: skip

_CANCELLED = (
    _by_law(
        "mean and variance beside p = ½ are differences of numbers of the size of 1/(2p − 1)², in float32 hundreds",
        "ContinuousBernoulli-Normal", {"probs": 0.5015}, {"loc": 0.0, "scale": 0.1},
    ),
    _by_law(
        "the same, through the mean alone", "ContinuousBernoulli-Exponential", {"probs": 0.5015}, {"rate": 100.0}
    ),
    _by_law(
        "probabilities are clamped to the machine epsilon before the logit is taken",
        "ContinuousBernoulli-ContinuousBernoulli Uniform-ContinuousBernoulli Beta-ContinuousBernoulli",
        {"probs": 0.3}, {"probs": 1e-12},
    ),
    Fault(
        reason="given by logits, which are not clamped as the probabilities are: a negative divergence (pytorch issue "
        "72525)",
        pairs=_pairs("ContinuousBernoulli-ContinuousBernoulli"),
        code="kl(ContinuousBernoulli(logits=tensor(-500.0)), ContinuousBernoulli(logits=tensor(20.0)))",
        # A(20) − A(−500) − 520 A′(−500), with A(η) = log (e^η − 1)/η
        exact=20 + math.log1p(-math.exp(-20)) - math.log(20) + math.log(500) - 520 / 500,
    ),
    _by_law("the same clamp", "Bernoulli-Bernoulli", {"probs": 0.3}, {"probs": 1e-12}),
    _by_law(
        "the same clamp", "Binomial-Binomial",
        {"total_count": 5.0, "probs": 0.3}, {"total_count": 5.0, "probs": 1e-12},
    ),
    _by_law("the same clamp", "Geometric-Geometric", {"probs": 1e-6}, {"probs": 1e-12}),
    _by_law("the same clamp, in the entropy", "Bernoulli-Poisson", {"probs": 1e-12}, {"rate": 1e-10}),
    _by_law(
        "squares are written out: m²/2 − mn + n²/2 for (m − n)²/2",
        "Laplace-Normal Gamma-Normal Beta-Normal",
        {"loc": 10000.0, "scale": 1.0}, {"loc": 10001.0, "scale": 1.0},
    ),
    _by_law(
        "the exponentials at the ends of a short interval cancel: all digits are lost",
        "Uniform-Gumbel", {"low": 0.25, "high": 0.75}, {"loc": -1.0, "scale": 1e10},
    ),
    _by_law(
        "so do the x log x at the ends of an interval", "Uniform-Gamma Uniform-Beta Uniform-Pareto",
        {"low": 0.7, "high": 0.7000002}, {"concentration": 1e6, "rate": 1.0},
    ),
)  # fmt: skip

_OVERFLOWN = (
    _by_law(
        "scale^α underflows before its logarithm is taken", "Uniform-Pareto",
        {"low": 0.125, "high": 0.25}, {"scale": 0.0625, "alpha": 50.0},
    ),
    _by_law("squares overflow", "Cauchy-Cauchy", {"loc": 0.0, "scale": 1e20}, {"loc": 0.0, "scale": 2e20}),
    _by_law(
        "the square of a ratio underflows before its logarithm is taken", "Normal-Normal HalfNormal-HalfNormal",
        {"loc": 0.0, "scale": 1e-25}, {"loc": 0.0, "scale": 1.0},
    ),
    _by_law(
        "squares overflow before they are divided", "Exponential-Normal Gamma-Normal",
        {"rate": 1e10}, {"loc": 0.0, "scale": 1e10},
    ),
    _by_law(
        "a product of an overflow with an underflow: NaN", "Gamma-Gumbel",
        {"concentration": 1000.0, "rate": 1.0}, {"loc": 100.0, "scale": 1.0},
    ),
)  # fmt: skip

FAULTS: tuple[Fault, ...] = (*_SUPPORT, *_STRUCTURE, *_CANCELLED, *_OVERFLOWN)
