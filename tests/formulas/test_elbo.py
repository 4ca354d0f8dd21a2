"""How bounds are matched and laid out, and what is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional as F

import genverify as gv
from genverify.oracles import importance_bound, linear_gaussian


def _kl(mu, logvar):
    return -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())


def _dialect(f, like):
    (verdict,) = gv.verify(gv.Formula(f, like=like), checks=["formula.dialect"], budget="quick")
    return verdict


def test_the_loss_that_is_written_for_28_by_28_pixels():
    def loss_function(recon_x, x, mu, logvar):
        return F.binary_cross_entropy(recon_x, x.view(-1, 784), reduction="sum") + _kl(mu, logvar)

    def per_pixel(recon_x, x, mu, logvar):
        return F.binary_cross_entropy(recon_x, x.view(-1, 784)) + _kl(mu, logvar) / len(x)

    right, wrong = _dialect(loss_function, "elbo.bernoulli"), _dialect(per_pixel, "elbo.bernoulli")
    assert right.outcome is gv.Outcome.PASS
    assert any("28 × 28" in note for note in right.evidence.notes)
    assert wrong.outcome is gv.Outcome.FAIL
    assert "averaged over the D pixels" in wrong.evidence.message


def test_a_bare_sigma_is_the_encoders_unless_it_has_another():
    def of_the_encoder(x, x_hat, mu, sigma):
        return 0.5 * ((x - x_hat) ** 2).sum(-1) + 0.5 * (mu**2 + sigma**2 - 1 - 2 * sigma.log()).sum(-1)

    def of_the_decoder(x, x_hat, mu, logvar, sigma):
        square = ((x - x_hat) ** 2).sum(-1) / (2 * sigma**2) + x.shape[-1] * math.log(sigma)
        return square - 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(-1)

    for f, words in ((of_the_encoder, "sigma → std as std"), (of_the_decoder, "sigma → noise as std")):
        verdict = _dialect(f, "elbo.gaussian")
        assert verdict.outcome is gv.Outcome.PASS, str(verdict)
        assert any(words in note for note in verdict.evidence.notes), verdict.evidence.notes


def test_the_scale_of_the_decoder_has_no_free_factor():
    """Σ (x − x̂)² without ½ is a decoder of variance ½ where no scale is given, and a slip where one is."""

    def no_half(x, x_hat, mu, logvar, sigma):
        square = ((x - x_hat) ** 2).sum(-1) / sigma**2 + x.shape[-1] * torch.log(sigma)
        return square - 0.5 * (1 + logvar - mu**2 - logvar.exp()).sum(-1)

    assert _dialect(no_half, "elbo.gaussian").outcome is gv.Outcome.FAIL


def test_a_slip_of_levels_is_told_from_a_likelihood_of_integers():
    def of_integers(log_px, D):
        return -log_px / (D * math.log(2))

    def forgotten(log_px, D, levels=256):
        return -log_px / (D * math.log(2))

    assert _dialect(of_integers, "likelihood.bits_per_dimension").outcome is gv.Outcome.PASS
    assert _dialect(forgotten, "likelihood.bits_per_dimension").outcome is gv.Outcome.FAIL


def test_parts_that_make_no_weight_are_refused():
    def bound(log_px_z, log_pz):
        return torch.logsumexp(log_px_z + log_pz, -1)

    with pytest.raises(gv.UsageError, match="log_posterior"):
        gv.verify(gv.Formula(bound, like="iwae.bound"))


@pytest.mark.parametrize(
    ("weight", "noise", "words"),
    [((2, 3), (3,), r"weight \[observed, latent\]"), ((3, 2), (3,), "above 0")],
)
def test_what_is_no_model_is_refused(weight, noise, words):
    with pytest.raises(gv.UsageError, match=words):
        linear_gaussian.Model(weight=torch.ones(weight), bias=torch.zeros(3), noise=torch.zeros(noise))


def test_too_many_nodes_are_refused():
    with pytest.raises(gv.UsageError, match="by_laplace_transform"):
        importance_bound.by_tensor_rule(lambda e: e, 8, 40)
