"""Recording and replaying every draw, and noticing those that cannot be controlled."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable

import pytest
import torch
import torch.distributions as td
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from genverify.errors import UsageError
from genverify.noise import Tape, TapeMismatch, record, replay, sample

t = torch.tensor

DISTRIBUTIONS: dict[str, Callable[[], td.Distribution]] = {
    "Bernoulli": lambda: td.Bernoulli(t([0.2, 0.7])),
    "Beta": lambda: td.Beta(t(2.0), t(3.0)),
    "Binomial": lambda: td.Binomial(5, t([0.3, 0.5])),
    "Categorical": lambda: td.Categorical(t([0.2, 0.8])),
    "Cauchy": lambda: td.Cauchy(t(0.0), t(1.0)),
    "Chi2": lambda: td.Chi2(t(3.0)),
    "ContinuousBernoulli": lambda: td.ContinuousBernoulli(t(0.3)),
    "Dirichlet": lambda: td.Dirichlet(t([1.0, 2.0])),
    "Exponential": lambda: td.Exponential(t(2.0)),
    "FisherSnedecor": lambda: td.FisherSnedecor(t(3.0), t(4.0)),
    "Gamma": lambda: td.Gamma(t(2.0), t(1.0)),
    "GeneralizedPareto": lambda: td.GeneralizedPareto(t(0.0), t(1.0), t(0.1)),
    "Geometric": lambda: td.Geometric(t(0.3)),
    "Gumbel": lambda: td.Gumbel(t(0.0), t(1.0)),
    "HalfCauchy": lambda: td.HalfCauchy(t(1.0)),
    "HalfNormal": lambda: td.HalfNormal(t(1.0)),
    "InverseGamma": lambda: td.InverseGamma(t(2.0), t(1.0)),
    "Kumaraswamy": lambda: td.Kumaraswamy(t(2.0), t(3.0)),
    "LKJCholesky": lambda: td.LKJCholesky(3, 1.0),
    "Laplace": lambda: td.Laplace(t(0.0), t(1.0)),
    "LogNormal": lambda: td.LogNormal(t(0.0), t(1.0)),
    "LogisticNormal": lambda: td.LogisticNormal(torch.zeros(2), torch.ones(2)),
    "LowRankMultivariateNormal": lambda: td.LowRankMultivariateNormal(torch.zeros(2), torch.ones(2, 1), torch.ones(2)),
    "MixtureSameFamily": lambda: td.MixtureSameFamily(td.Categorical(torch.ones(2)), td.Normal(torch.ones(2), 1.0)),
    "Multinomial": lambda: td.Multinomial(4, t([0.3, 0.7])),
    "MultivariateNormal": lambda: td.MultivariateNormal(torch.zeros(2), torch.eye(2)),
    "NegativeBinomial": lambda: td.NegativeBinomial(t(3.0), t(0.4)),
    "Normal": lambda: td.Normal(t([0.0, 1.0]), t(1.0)),
    "OneHotCategorical": lambda: td.OneHotCategorical(t([0.2, 0.8])),
    "OneHotCategoricalStraightThrough": lambda: td.OneHotCategoricalStraightThrough(t([0.2, 0.8])),
    "Pareto": lambda: td.Pareto(t(1.0), t(2.0)),
    "Poisson": lambda: td.Poisson(t([3.0, 1.0])),
    "RelaxedBernoulli": lambda: td.RelaxedBernoulli(t(0.5), t(0.3)),
    "RelaxedOneHotCategorical": lambda: td.RelaxedOneHotCategorical(t(0.5), t([0.3, 0.7])),
    "StudentT": lambda: td.StudentT(t(3.0)),
    "TransformedDistribution": lambda: td.TransformedDistribution(td.Normal(0.0, 1.0), td.ExpTransform()),
    "Uniform": lambda: td.Uniform(t(0.0), t(2.0)),
    "VonMises": lambda: td.VonMises(t(0.0), t(1.0)),
    "Weibull": lambda: td.Weibull(t(1.0), t(2.0)),
    "Wishart": lambda: td.Wishart(t(4.0), torch.eye(2)),
}


def test_no_distribution_of_torch_is_forgotten():
    abstract = {"Distribution", "ExponentialFamily", "Independent"}
    classes = {
        name
        for name in td.__all__
        if isinstance(getattr(td, name), type) and issubclass(getattr(td, name), td.Distribution)
    }
    assert classes - abstract <= set(DISTRIBUTIONS)


@pytest.mark.filterwarnings("ignore:Singular sample detected")
@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_every_distribution_is_seen_and_replayed_exactly(name):
    law = DISTRIBUTIONS[name]()
    with record() as recorder:
        first = law.sample((3,))
    tape = recorder.tape
    assert tape.draws
    assert tape.uncontrolled == ()
    assert all(draw.law != "unknown" for draw in tape.draws)
    state = torch.get_rng_state()
    with replay(Tape.from_json(json.loads(json.dumps(tape.to_json())))):
        second = law.sample((3,))
    assert torch.equal(first, second)
    assert torch.equal(state, torch.get_rng_state())


INPUT = torch.linspace(-1, 1, 6).reshape(2, 3)
CALLS: dict[str, Callable[[], Tensor]] = {
    "rand": lambda: torch.rand(2, 3),
    "rand_like": lambda: torch.rand_like(INPUT),
    "randn out": lambda: torch.randn(3, out=torch.empty(0)),
    "randint_like": lambda: torch.randint_like(INPUT, 5),
    "random_": lambda: torch.empty(4, dtype=torch.int32).random_(),
    "random_ to": lambda: torch.empty(4).random_(7),
    "random_ from": lambda: torch.empty(4).random_(3, 7),
    "randperm": lambda: torch.randperm(5),
    "cauchy_": lambda: torch.empty(4).cauchy_(),
    "geometric_": lambda: torch.empty(4).geometric_(0.3),
    "log_normal_": lambda: torch.empty(4).log_normal_(),
    "exponential_": lambda: torch.empty(4).exponential_(),
    "bernoulli_ tensor": lambda: torch.empty(2, 3).bernoulli_(INPUT.abs()),
    "bernoulli p": lambda: torch.bernoulli(INPUT, 0.3),
    "normal sized": lambda: torch.normal(1.0, 2.0, (3,)),
    "normal float tensor": lambda: torch.normal(1.0, INPUT.abs()),
    "gamma": lambda: torch._standard_gamma(INPUT.abs() + 1),
    "dropout": lambda: F.dropout(INPUT, 0.4),
    "native_dropout": lambda: torch.native_dropout(INPUT, 0.4, True)[0],
    "alpha_dropout": lambda: F.alpha_dropout(INPUT, 0.4, training=True),
    "dropout2d": lambda: F.dropout2d(INPUT.reshape(1, 2, 3, 1), 0.4),
    "rrelu": lambda: F.rrelu(INPUT, training=True),
    "gumbel_softmax": lambda: F.gumbel_softmax(INPUT),
    "multinomial rows": lambda: torch.multinomial(INPUT.abs() + 0.1, 2),
    "complex": lambda: torch.randn(3, dtype=torch.complex64),
    "attention": lambda: F.scaled_dot_product_attention(
        INPUT[None, None], INPUT[None, None], INPUT[None, None], dropout_p=0.5
    ),
}


@pytest.mark.parametrize("inference", [False, True])
@pytest.mark.parametrize("name", CALLS)
def test_every_sampler_is_seen_and_replayed_exactly(name, inference):
    with torch.inference_mode(inference):
        with record() as recorder:
            first = CALLS[name]()
        assert [draw.law for draw in recorder.tape.draws] != []
        with replay(Tape.from_json(recorder.tape.to_json())):
            second = CALLS[name]()
    assert torch.equal(first, second)


def test_replay_in_another_dtype_feeds_the_same_standard_noise():
    mean = torch.tensor([1.0, -2.0], dtype=torch.float64)
    with record() as recorder:
        first = torch.normal(mean, 3.0)
    with replay(recorder.tape):
        second = torch.normal(mean.float(), 3.0)
    assert second.dtype == torch.float32
    assert torch.allclose(first.float(), second, rtol=4 * torch.finfo(torch.float32).eps)
    with replay(recorder.tape):
        moved = torch.normal(mean + 10, 3.0)
    assert torch.allclose(moved, first + 10)
    assert recorder.tape.to(dtype=torch.float32).draws[0].value.dtype == torch.float32


@pytest.mark.parametrize(
    "other",
    [
        lambda: torch.randn(3),
        lambda: torch.rand(2),
        lambda: (torch.randn(2), torch.randn(2)),
        lambda: None,
    ],
    ids=["shape", "law", "one more", "one less"],
)
def test_a_program_that_draws_otherwise_is_a_mismatch(other):
    with record() as recorder:
        torch.randn(2)
    with pytest.raises(TapeMismatch), replay(recorder.tape):
        other()


def test_draws_name_their_place_and_parameters():
    with record() as recorder:
        F.dropout(torch.ones(3), 0.25)
        torch.normal(torch.zeros(2), 2.0)
    dropout, normal = recorder.tape.draws
    assert "test_replay.py" in dropout.site
    assert "test_draws_name_their_place" in dropout.site
    assert dropout.parameters["p"] == 0.75
    assert normal.parameters["std"] == 2.0
    assert normal.standardised is not None


def test_a_redraw_in_the_backward_pass_is_marked():
    x = torch.ones(3, requires_grad=True)
    with record() as recorder:
        checkpoint(lambda v: F.dropout(v, 0.5).sum(), x, use_reentrant=False, preserve_rng_state=False).backward()
    assert [draw.in_backward for draw in recorder.tape.draws] == [False, True]


def test_other_generators_are_named(monkeypatch):
    # beartype, on in tests, draws from `random` for itself; the program below does so, too.
    monkeypatch.delitem(sys.modules, "beartype", raising=False)
    with record() as recorder:
        torch.randn(2)
        random.random()
    assert "Python's random" in recorder.tape.uncontrolled
    with record() as recorder:
        torch.randn(2)
        torch.default_generator.manual_seed(0)
    assert any("moved without a draw" in name for name in recorder.tape.uncontrolled)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: [],
        lambda data: {**data, "version": 99},
        lambda data: {**data, "draws": [{}]},
        lambda data: {**data, "draws": [{**data["draws"][0], "law": "nonsense"}]},
        lambda data: {**data, "draws": [{**data["draws"][0], "value": {"dtype": "float32", "shape": [9], "data": []}}]},
        lambda data: {**data, "draws": [{**data["draws"][0], "value": {"dtype": "f", "shape": [0], "data": []}}]},
    ],
)
def test_a_damaged_tape_is_refused(spoil):
    with record() as recorder:
        torch.randn(2)
    with pytest.raises(UsageError):
        Tape.from_json(spoil(recorder.tape.to_json()))


def test_samples_are_independent_seeded_and_leave_the_generator_alone():
    before = torch.get_rng_state()
    own = torch.Generator().manual_seed(0)
    first = sample(lambda: (torch.randn(2), torch.rand(1, generator=own)), 4, seed=1)
    second = sample(lambda: (torch.randn(2), torch.rand(1, generator=own)), 4, seed=1)
    assert torch.equal(first[0], second[0])
    assert torch.equal(first[1], second[1])
    assert first[0].shape == (4, 2)
    assert len(first[0].unique()) == 8
    assert torch.equal(before, torch.get_rng_state())


def test_a_program_that_reseeds_itself_cannot_be_sampled():
    with pytest.raises(UsageError, match="manual_seed"):
        sample(lambda: (torch.default_generator.manual_seed(0), torch.randn(2))[1], 3, seed=0)
