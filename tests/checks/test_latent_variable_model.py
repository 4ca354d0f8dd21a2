"""Whole variational autoencoders: what is said of a loss, what is refused, what is left as it was."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

import genverify as gv
from genverify.adapters.latent_rebinding import mentions, rebound
from genverify.checks.latent_variable_model_fit import fit
from genverify.cli.declaring import declare
from tests.mutants.flow import seeded
from tests.mutants.latent_twins import Conditional, D, H, Vae, kl_sum, loss_function
from tests.mutants.latent_wild import Logits as Unbounded
from tests.mutants.latent_wild import (
    NotHalved,
    OverRows,
    OwnPrior,
    PriorOfCondition,
    WithoutPrior,
    broadcast,
    capacity,
    exchanged,
    first_row,
    free_bits,
    free_nats,
    heavy_tailed,
    mixed_errors,
    of_the_batch,
    root,
)

DIALECT = "latent_variable_model.dialect"


def judged(check, loss=loss_function, model=Vae, **declared):
    subject = gv.LatentVariableModel(seeded(model), loss=loss, **{"event_shape": D, **declared})
    (verdict,) = gv.verify(subject, checks=[f"latent_variable_model.{check}"], budget="quick")
    return verdict


def squared(scale=1.0, beta=1.0, over=lambda x: len(x)):
    def loss(recon_x, x, mu, logvar):
        return (scale * F.mse_loss(recon_x, x, reduction="sum") + beta * kl_sum(mu, logvar)) / over(x)

    return loss


def averaged(recon_x, x, mu, logvar):
    return F.mse_loss(recon_x, x) + kl_sum(mu, logvar) / len(x)


def per_pixel(recon_x, x, mu, logvar):
    return F.binary_cross_entropy(recon_x, x) + 0.25 * kl_sum(mu, logvar) / x.numel()


def bound(x_hat, x, mean, log_var):
    return -F.l1_loss(x_hat, x, reduction="sum") - 3 * kl_sum(mean, log_var)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        (loss_function, "the negative ELBO with the Bernoulli cross-entropy of probabilities, β = 1; summed over"),
        (
            averaged,
            "Gaussian decoder with variance 0.5·d = 2 (d = 4 numbers an observation), i.e. β = 0.5·d = 2 at unit",
        ),
        (squared(0.5), "the negative ELBO of a Gaussian decoder with unit variance, β = 1; averaged over the batch"),
        (
            squared(1.0, 0.3, lambda x: 1),
            "variance 0.15 (d = 4 numbers an observation), i.e. β = 0.15 at unit variance",
        ),
        (per_pixel, "of probabilities, β = 1/d = 0.25; averaged over the batch"),
        (squared(1.0, 1.0, lambda x: len(x) ** 2), "weighed 0.1111 as the batch grows"),
    ],
    ids=["sum", "mean", "half", "beta", "pixels", "squared"],
)
def test_the_dialect_is_said_in_words(loss, said):
    verdict = judged("dialect", loss)
    assert verdict.outcome is gv.Outcome.PASS, str(verdict)
    assert any(said in note for note in verdict.evidence.notes), verdict.evidence.notes


def test_a_bound_is_declared_as_one():
    subject = gv.LatentVariableModel(seeded(Vae), elbo=bound, event_shape=D)
    (verdict,) = gv.verify(subject, checks=[DIALECT], budget="quick")
    assert verdict.outcome is gv.Outcome.PASS, str(verdict)
    assert "this loss is minus the absolute error (a Laplace decoder) and 3 KL" in verdict.evidence.notes[0]


@pytest.mark.parametrize(
    ("declared", "loss", "outcome"),
    [
        ({"beta": 1.0}, loss_function, "PASS"),
        ({"beta": 2.0}, loss_function, "FAIL"),
        ({"decoder_variance": 2.0}, averaged, "PASS"),
        ({"decoder_variance": 1.0, "beta": 2.0}, averaged, "PASS"),
        ({"decoder_variance": 1.0}, averaged, "FAIL"),
        ({"beta": 1.0}, averaged, "PASS"),  # some variance it has at β = 1
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_what_is_claimed_of_the_weights_is_held_against_them(declared, loss, outcome):
    assert judged("dialect", loss, **declared).outcome == outcome


class Extent(Vae):
    """One kind of trouble each."""

    latents = 0

    def __init__(self):
        super().__init__()
        self.fc21, self.fc22 = nn.Linear(H, self.latents, bias=False), nn.Linear(H, self.latents, bias=False)
        self.fc3 = nn.Linear(self.latents, H)


class NoSpread(Vae):
    def reparameterize(self, mu, logvar):
        return mu + 0 * torch.randn_like(mu)


class OneStill(Vae):
    def reparameterize(self, mu, logvar):
        z = super().reparameterize(mu, logvar)
        return torch.cat([z[:, :1], mu[:, 1:]], 1)


class Logits(Vae):
    def decode(self, z):
        return 9 * self.fc4(self.fc3(z))


@pytest.mark.filterwarnings("ignore:Initializing zero-element")
@pytest.mark.parametrize(
    ("check", "model", "message"),
    [
        ("sample_law", Extent, "the latent dimension is 0"),
        ("sample_law", NoSpread, "nothing that the model makes moves with it: σ = 0"),
        ("sample_law", OneStill, "2 of 4 numbers of z do not move with the noise: σ = 0 there"),
        ("finite", Logits, "all elements of input should be between 0 and 1"),
    ],
)
def test_bad_models_fail_with_a_witness(check, model, message):
    verdict = judged(check, model=model)
    assert verdict.outcome is gv.Outcome.FAIL, str(verdict)
    assert message in verdict.evidence.message
    assert verdict.evidence.witness


def test_one_pixel_and_a_prior_of_its_own():
    class OnePixel(nn.Module):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = nn.Linear(1, 2), nn.Linear(1, 1)

        def loss(self, x):
            mu, s = self.encoder(x).chunk(2, 1)
            out = self.decoder(mu + s.exp() * torch.randn_like(mu))
            prior = torch.distributions.Normal(torch.ones_like(mu), 2.0)
            kl = torch.distributions.kl_divergence(torch.distributions.Normal(mu, s.exp()), prior)
            return (0.5 * (out - x) ** 2 + kl).sum()

    prior = torch.distributions.Normal(1.0, 2.0)
    subject = gv.LatentVariableModel(seeded(OnePixel), event_shape=1, prior=prior, decoder_variance=1.0)
    report = gv.verify(subject, budget="quick")
    assert not report.failures, str(report)
    assert report.count(gv.Outcome.PASS) == 8
    (wrong,) = gv.verify(
        gv.LatentVariableModel(seeded(OnePixel), event_shape=1),
        checks=["latent_variable_model.kl_term"],
        budget="quick",
    )
    assert wrong.outcome is gv.Outcome.FAIL


class Silent(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(D, D)

    def loss(self, x):
        return self.layer(x).sum()


@pytest.mark.parametrize(
    ("declare_it", "words"),
    [
        (lambda: gv.LatentVariableModel(Vae()), "event_shape"),
        (lambda: gv.LatentVariableModel(Vae, loss=loss_function, event_shape=D), "construct it"),
        (lambda: gv.LatentVariableModel(loss_function, event_shape=D), "gather encoder, decoder and loss"),
        (lambda: gv.LatentVariableModel(Silent(), event_shape=D), "it has layer, loss"),
        (lambda: gv.LatentVariableModel(Vae(), event_shape=D), "a function outside the model, too"),
        (lambda: gv.LatentVariableModel(Vae(), loss="los", event_shape=D), "expected a method of Vae"),
        (lambda: gv.LatentVariableModel(Vae(), loss=lambda q: q, event_shape=D), "'q' says nothing"),
        (lambda: gv.LatentVariableModel(Vae(), loss=lambda x: x, event_shape=D), "a tensor of shape (3, 4)"),
        (lambda: gv.LatentVariableModel(Vae(), loss=loss_function, event_shape=D, decoder="dec"), "'decode'?"),
        (lambda: gv.LatentVariableModel(Vae(), loss=loss_function, event_shape=9), "mat1 and mat2"),
        (lambda: gv.LatentVariableModel(Vae(), loss=loss_function, event_shape=D, data="bits"), "unit or binary"),
        (lambda: gv.LatentVariableModel(Vae(), loss=loss_function, event_shape=D, beta=-1.0), "a positive number"),
        (lambda: gv.LatentVariableModel(Vae(), loss="a", elbo="b", event_shape=D), "one of them"),
    ],
)
def test_what_cannot_be_understood_is_refused_in_words(declare_it, words):
    with pytest.raises(gv.UsageError, match="got") as refused:
        gv.verify(declare_it(), budget="quick")
    assert words in str(refused.value)


def test_the_model_is_left_as_it_was():
    model = seeded(Vae)
    model.fc1.weight.grad = torch.ones_like(model.fc1.weight)
    model.train()
    before, names, state = copy.deepcopy(model.state_dict()), set(vars(model)), torch.get_rng_state()
    gv.verify(gv.LatentVariableModel(model, loss=loss_function, event_shape=D), budget="quick")
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert set(vars(model)) == names
    assert model.training
    assert bool((model.fc1.weight.grad == 1).all())
    assert torch.equal(state, torch.get_rng_state())
    assert not model._forward_hooks
    assert all(p.dtype == torch.float32 for p in model.parameters())


@pytest.mark.parametrize("loss", [heavy_tailed, mixed_errors, root])
def test_a_likelihood_that_is_not_known_is_neither_accused_nor_passed(loss):
    verdict = judged("reconstruction_term", loss)
    assert verdict.outcome is gv.Outcome.INCONCLUSIVE, str(verdict)
    assert "say likelihood=lambda out, x" in verdict.evidence.message
    assert judged("kl_term", loss).outcome is gv.Outcome.NOT_APPLICABLE


def test_a_prior_that_depends_on_the_condition_is_asked_for():
    declared = {"model": PriorOfCondition, "loss": None, "condition_shape": 3, "data": "real"}
    verdict = judged("kl_term", **declared)
    assert verdict.outcome is gv.Outcome.INCONCLUSIVE, str(verdict)
    assert "say prior=lambda model, condition" in verdict.evidence.message
    wrong = judged("kl_term", **declared, prior=lambda model, c: torch.distributions.Normal(0 * c[:, :2], 1.0))
    assert wrong.outcome is gv.Outcome.FAIL


def test_a_prior_that_the_model_keeps_is_said():
    verdict = judged("dialect", None, OwnPrior)
    assert any("what the model keeps as 'prior'" in note for note in verdict.evidence.notes)
    assert judged("kl_term", None, OwnPrior, prior="prior").outcome is gv.Outcome.PASS


@pytest.mark.parametrize("loss", [free_bits, free_nats, capacity])
def test_a_kl_term_below_a_threshold_is_said_to_be_one(loss):
    verdict = judged("dialect", loss)
    assert verdict.outcome is gv.Outcome.NOT_APPLICABLE
    assert "a threshold such as free bits, or a capacity" in verdict.evidence.message


@pytest.mark.parametrize(
    ("loss", "model", "words"),
    [
        (of_the_batch, Unbounded, "the reconstruction of row 1 of a batch is compared with x of row 0"),
        (broadcast, Vae, "the reconstruction of row 1 of a batch is compared with x of row 0"),
        (first_row, Vae, "of row 1 of a batch does not enter the loss"),
        (exchanged, Vae, "a cross-entropy whose arguments are exchanged"),
        (None, NotHalved, "the squared error over σ² has weight 0.5 and log σ 2"),
        (None, WithoutPrior, "log q(z|x) has weight 1 and log p(z) 0,"),
        ("negative_iwae_bound", OverRows, "whose weights are averaged over rows"),
    ],
)
def test_what_no_likelihood_does_is_named(loss, model, words):
    verdict = judged("reconstruction_term", loss, model, data="real" if model is NotHalved else None)
    assert verdict.outcome is gv.Outcome.FAIL, str(verdict)
    assert words in verdict.evidence.message


def test_noise_that_is_none_of_torchs_is_refused_in_words():
    class Foreign(Vae):
        def reparameterize(self, mu, logvar):
            noise = torch.from_numpy(np.random.randn(*mu.shape)).to(mu)  # noqa: NPY002 - as people write it
            return mu + noise * torch.exp(0.5 * logvar)

    with pytest.raises(gv.UsageError, match="none of torch's"):
        judged("sample_law", model=Foreign)


def test_an_encoder_that_sees_nothing_leaves_beta_open():
    def blind():
        model = Vae()
        nn.init.zeros_(model.fc1.weight)
        return model

    verdict = judged("dialect", model=blind, beta=3.0)
    assert verdict.outcome is gv.Outcome.PASS
    assert any("whose β cannot be told" in note for note in verdict.evidence.notes)
    assert judged("kl_term", model=blind).outcome is gv.Outcome.NOT_APPLICABLE


def test_a_condition_may_be_given_as_vectors():
    class Vectors(Conditional):
        def loss(self, x, c):
            return super().forward(x, c.argmax(1))["loss"]

    subject = gv.LatentVariableModel(seeded(Vectors), event_shape=D, condition_shape=3, loss="loss")
    report = gv.verify(subject, checks=["latent_variable_model.kl_term", DIALECT], budget="quick")
    assert report.count(gv.Outcome.PASS) == 2, str(report)


def test_the_command_line_declares_one(tmp_path):
    path = tmp_path / "my_vae.py"
    path.write_text("from tests.mutants.latent_twins import MeanAndVariance\nmodel = MeanAndVariance()\n")
    subject = declare(f"{path}:model", "latent_variable_model", [("event_shape", "4"), ("data", "real"), ("beta", "1")])
    assert isinstance(subject, gv.LatentVariableModel)
    (verdict,) = gv.verify(subject, checks=[DIALECT], budget="quick")
    assert verdict.outcome is gv.Outcome.PASS, str(verdict)


def test_a_fit_is_judged_by_what_rounding_leaves():
    x = torch.linspace(0.1, 1, 9, dtype=torch.float64)
    columns = [x.tolist(), (x * x).tolist(), [1.0] * 9]
    good = fit((3 * x - 2 * x * x + 5).tolist(), columns, columns, operations=4, dtype=torch.float64)
    assert good.holds
    assert all(abs(w - v) <= e for w, v, e in zip(good.weights, (3.0, -2.0, 5.0), good.error, strict=True))
    assert not fit((3 * x - 2 * x**2.001).tolist(), columns, columns, operations=64, dtype=torch.float64).holds
    twice = [columns[0], [2 * v for v in columns[0]]]
    assert fit(columns[0], twice, twice, operations=4, dtype=torch.float64).error == (float("inf"), float("inf"))


def test_closures_methods_and_partials_are_rebound():
    one, two = nn.Linear(1, 1), nn.Linear(1, 1)

    def outer(x):
        return one(x)

    again = rebound(lambda x: outer(x), {id(one): two})
    x = torch.ones(1)
    assert torch.equal(again(x), two(x))
    assert torch.equal(outer(x), one(x))
    assert mentions(one.forward, one)
    assert not mentions(torch.tanh, one)
