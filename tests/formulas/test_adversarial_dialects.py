"""What adversarial formulas accept, under which name, and what they ask for."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import genverify as gv
from tests.checks.toy_formula import outcome, right, wrong

RELATIVISTIC, GENERATOR = "gan.relativistic_discriminator_loss", "gan.relativistic_generator_loss"


def dialect(f, like):
    """The dialect that a right subject is said to follow."""
    (verdict,) = gv.verify(gv.Formula(f, like=like), budget="quick", checks=["formula.dialect"])
    assert verdict.outcome is gv.Outcome.PASS, str(verdict)
    return verdict.evidence.message


def against(outputs, label):
    return F.binary_cross_entropy_with_logits(outputs, torch.full_like(outputs, float(label)))


@pytest.mark.parametrize("average", [lambda t: t.mean(0, keepdim=True), lambda t: t.mean()])
def test_the_mean_of_the_opponents_is_over_everything_or_over_the_batch_at_each_place(average):
    def loss(real_pred, fake_pred):
        return 0.5 * (against(real_pred - average(fake_pred), 1) + against(fake_pred - average(real_pred), 0))

    found = dialect(loss, RELATIVISTIC)
    assert "the average one" in found
    assert ("per place" in found) == (average(torch.zeros(2, 3)).dim() > 0)
    right(loss, RELATIVISTIC)


def test_a_mean_over_the_places_of_a_sample_is_no_mean_of_opponents():
    def loss(real_pred, fake_pred):
        on_real = against(real_pred - fake_pred.mean(1, keepdim=True), 1)
        return 0.5 * (on_real + against(fake_pred - real_pred.mean(1, keepdim=True), 0))

    assert outcome(loss, RELATIVISTIC, "dialect") == "FAIL"


def test_a_relativistic_generator_may_detach_the_data_and_nothing_else():
    right(lambda real, fake: against(fake - real.detach(), 1), GENERATOR)
    right(lambda real, fake: against(fake - real, 1), GENERATOR)
    assert "gradient" in wrong(lambda real, fake: against(fake.detach() - real, 1), GENERATOR, "gradient")


def test_a_discriminator_may_detach_neither():
    assert outcome(lambda real, fake: against(real.detach() - fake, 1), RELATIVISTIC, "gradient") == "FAIL"


def test_half_of_a_critics_loss_is_a_dialect_and_half_of_a_distance_is_wrong():
    assert "halved" in dialect(lambda real, fake: 0.5 * (fake.mean() - real.mean()), "wgan.critic_loss")
    assert "0.5 times" in wrong(lambda real, fake: 0.5 * (real.mean() - fake.mean()), "wgan.dual_value", "dialect")


def test_feature_matching_is_of_means_or_of_pairs_in_l1():
    like = "gan.feature_matching"
    message = wrong(lambda real, fake: F.mse_loss(fake, real), like, "dialect")
    assert "the means over the batch are missing" in message
    assert "absolute, sample by sample" in dialect(lambda real, fake: F.l1_loss(fake, real), like)
    right(lambda real, fake: F.mse_loss(fake, real), like, dialect="sample by sample")


def test_a_generator_that_aims_at_zero_is_told_beside_which_discriminator():
    found = dialect(lambda fake: 0.5 * (fake**2).mean(), "gan.generator_loss_least_squares")
    assert "aims at 0, for labels −1 and 1" in found


def test_a_parts_kink_that_the_loss_does_not_have_is_wrong_at_it_and_said_to_be_right_beside_it():
    """As the claim loss.bce.split_at_zero has it: a head whose weights start at zero starts there."""

    def loss(logits_real, logits_fake):
        def split(x, y):
            return (x.clamp(min=0) - x * y + (1 + (-x.abs()).exp()).log()).mean()

        return split(logits_real, 1.0) + split(logits_fake, 0.0)

    message = wrong(loss, "gan.discriminator_loss_minimax", "gradient")
    assert "beside this point it is right" in message


def test_an_integer_default_stays_an_integer():
    def norm(kernel, height, width, padding=1):
        channels = kernel.size(1)
        units = torch.eye(channels * height * width, dtype=kernel.dtype).view(-1, channels, height, width)
        return torch.linalg.matrix_norm(F.conv2d(units, kernel, padding=padding).flatten(1), 2)

    right(norm, "operator_norm.conv2d_zero_padded")


class Normalised(nn.Module):
    """A layer with a vector u of a size."""

    def __init__(self, inputs, outputs, size):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3))
        self.register_buffer("u", F.normalize(torch.randn(size), dim=0))

    def forward(self, x):
        return F.conv2d(x, self.weight)


def test_a_vector_that_fits_no_matrix_of_the_weight_is_refused():
    with pytest.raises(gv.UsageError, match=r"u of 5 numbers beside a weight of shape \(3, 2, 3, 3\)") as refused:
        gv.verify(gv.Formula(Normalised(2, 3, 5), like="spectral_norm.convolution"))
    assert "expected 3 for the matrix [out, in·…], or 2 for [in, out·…]" in str(refused.value)


def test_a_class_with_vectors_of_its_own_has_to_be_constructed():
    with pytest.raises(gv.UsageError, match="construct it") as refused:
        gv.verify(gv.Formula(Normalised, like="spectral_norm.dense"))
    assert "the class Normalised" in str(refused.value)
