"""Mutants of adversarial models from issue trackers, each beside its mended twin; and twins of published styles.

Rewritten from what the issues say: nothing is pasted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin

MUTANTS: list[Mutant] = []
TWINS: list[Twin] = []
RELATIVISTIC, GENERATOR = "gan.relativistic_discriminator_loss", "gan.relativistic_generator_loss"
HINGE, PLAIN = "gan.discriminator_loss_hinge", "gan.generator_loss_nonsaturating"
DEFECT, COSINES = "orthogonality.frobenius_defect", "orthogonality.cosine_l1"
DEVIATION = "gan.minibatch_standard_deviation"
IMAGES = {"shapes": {"real": "batch c h w", "fake": "batch c h w"}}


def mutant(like: str, killed_by: str = "dialect", **how: Any) -> Callable[[Any], Any]:
    """Declares the decorated function, as a stranger would, as a wrong one."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f, like=like, **how)  # noqa: E731
        MUTANTS.append(Mutant(name=f"{like}: {f.__name__}", make=make, killed_by=f"formula.{killed_by}"))
        return f

    return declare


def twin(like: str, **how: Any) -> Callable[[Any], Any]:
    """Declares the decorated function, or an instance of the class, as a right one."""

    def declare(f: Any) -> Any:
        make = lambda: Formula(f() if isinstance(f, type) else f, like=like, **how)  # noqa: E731
        TWINS.append(Twin(name=f"{like}: {f.__name__}", make=make))
        return f

    return declare


def against(outputs, label):
    return F.binary_cross_entropy_with_logits(outputs, torch.full_like(outputs, float(label)))


# Relativistic losses.


@mutant(RELATIVISTIC)
def turned_inside(real, fake):
    """The second half compares the mean of the generated with each real one: AlexiaJM/RelativisticGAN#2."""
    return (against(real - fake.mean(), 1) + against(fake.mean() - real, 0)) / 2


@twin(RELATIVISTIC)
def both_sides(real, fake):
    return (against(real - fake.mean(), 1) + against(fake - real.mean(), 0)) / 2


@mutant(RELATIVISTIC)
def overwritten_before_the_second_half(real, fake):
    """`real` is overwritten by its relative score before the other half reads it: kozistr/ESRGAN-tensorflow#4."""
    real = real - fake.mean()
    fake = fake - real.mean()
    return (F.softplus(-real).mean() + F.softplus(fake).mean()) / 2


@twin(RELATIVISTIC)
def under_two_names(real, fake):
    against_fake, against_real = real - fake.mean(), fake - real.mean()
    return (F.softplus(-against_fake).mean() + F.softplus(against_real).mean()) / 2


@twin(RELATIVISTIC)
def mean_of_each_place(real_pred, fake_pred):
    """`mean(0, keepdim=True)` of a map of scores, as ESRGAN and eriklindernoren/PyTorch-GAN write it."""
    on_real = against(real_pred - fake_pred.mean(0, keepdim=True), 1)
    return 0.5 * (on_real + against(fake_pred - real_pred.mean(0, keepdim=True), 0))


@twin(RELATIVISTIC)
def names_of_the_paper(y_pred, y_pred_fake):
    """As in the author's own README: AlexiaJM/RelativisticGAN."""
    return against(y_pred - y_pred_fake, 1)


@mutant(GENERATOR)
def overwritten_by_the_plain_one(real_pred, fake_pred):
    """The relativistic loss is overwritten two lines below: eriklindernoren/PyTorch-GAN#52."""
    loss = against(fake_pred - real_pred, 1)
    loss = against(fake_pred, 1)
    return loss


@twin(GENERATOR)
def kept(real_pred, fake_pred):
    return against(fake_pred - real_pred.detach(), 1)


@mutant(GENERATOR)
def half_of_the_average_form(real_pred, fake_pred):
    """Of the average form only the half on generated samples: eriklindernoren/PyTorch-GAN#92, mended in #93."""
    return against(fake_pred - real_pred.detach().mean(), 1)


@twin(GENERATOR)
def whole_average_form(real_pred, fake_pred):
    real_pred = real_pred.detach()
    return (against(fake_pred - real_pred.mean(), 1) + against(real_pred - fake_pred.mean(), 0)) / 2


@mutant(GENERATOR, "gradient")
def generated_detached_in_a_mean(real_pred, fake_pred):
    """The mean of the generated is detached with the real ones: half of the gradient is lost."""
    return (against(fake_pred - real_pred.mean(), 1) + against(real_pred - fake_pred.detach().mean(), 0)) / 2


# Other losses.


@mutant("gan.generator_loss_hinge")
def rectified(d_fake):
    """−relu(D(G(z))): no gradient where the generator loses: zurutech/ashpy#23, mended in #24."""
    return -F.relu(d_fake).mean()


@twin("gan.generator_loss_hinge")
def not_rectified(d_fake):
    return torch.mean(-d_fake)


@mutant(PLAIN, "gradient")
def detached(fake_logits):
    """The score is detached, so that the generator never learns: wangle53/CSA-CDGAN#5."""
    return F.softplus(-fake_logits.detach()).mean()


@mutant("loss.mse", "gradient")
@torch.no_grad()
def without_gradients(pred, target):
    """Under the no_grad of the evaluation from which it was copied. Classical."""
    return F.mse_loss(pred, target)


@twin(PLAIN, arguments={"prediction": "fake"}, fixed={"target_is_real": True})
class Called(nn.Module):
    """Overrides `__call__`, and has no `forward`: junyanz/pytorch-CycleGAN-and-pix2pix's first GANLoss."""

    def __init__(self):
        super().__init__()
        self.register_buffer("real_label", torch.tensor(1.0))
        self.register_buffer("fake_label", torch.tensor(0.0))

    def __call__(self, prediction, target_is_real):
        label = self.real_label if target_is_real else self.fake_label
        return F.binary_cross_entropy_with_logits(prediction, label.expand_as(prediction))


@twin(HINGE)
def two_halves(dis_fake, dis_real):
    """Both halves, for the caller to add: ajbrock/BigGAN-PyTorch's loss_hinge_dis."""
    return F.relu(1 - dis_real).mean(), F.relu(1 + dis_fake).mean()


@mutant(HINGE)
def two_halves_of_one_sign(dis_fake, dis_real):
    """Of the two halves that the caller adds, both have the margin of the real ones."""
    return F.relu(1 - dis_real).mean(), F.relu(1 - dis_fake).mean()


@twin("wgan.critic_loss")
def halved(real_validity, fake_validity):
    """The mean of the two means, as for any other discriminator."""
    return 0.5 * (fake_validity.mean() - real_validity.mean())


@mutant("wgan.dual_value")
def half_of_the_distance(real_validity, fake_validity):
    """The halved loss, read as a distance: half of it."""
    return 0.5 * (real_validity.mean() - fake_validity.mean())


@mutant("gan.feature_matching")
def means_forgotten(real_features, fake_features):
    """Each generated sample is drawn to the real one beside it: the means over the batch are forgotten. Classical."""
    return F.mse_loss(fake_features, real_features.detach())


@twin("gan.feature_matching")
def of_pairs(real_features, fake_features):
    """Wang et al. 2018, eq. 4: L1, where each generated image has a real one of its own (pix2pixHD)."""
    return F.l1_loss(fake_features, real_features.detach())


# Penalties.


@mutant("penalty.r1")
def of_the_softplus(D, real_images):
    """The slope of softplus(D), and not of D: rosinality/style-based-gan-pytorch#34."""
    x = real_images.detach().requires_grad_(True)
    (g,) = torch.autograd.grad(F.softplus(D(x)).sum(), x, create_graph=True)
    return 0.5 * g.flatten(1).square().sum(1).mean()


@twin("penalty.r1")
def of_the_score(D, real_images):
    x = real_images.detach().requires_grad_(True)
    (g,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return 0.5 * g.flatten(1).square().sum(1).mean()


def slope_between(D, real, fake, share):
    x = (share * real + (1 - share) * fake).requires_grad_(True)
    return torch.autograd.grad(D(x).sum(), x, create_graph=True)[0]


@mutant("penalty.wgan_gp", **IMAGES)
def norm_over_channels(D, real, fake):
    """norm(2, dim=1) of [batch, channel, h, w]: caogang/wgan-gp#27, Zeleni9/pytorch-wgan#40, PyTorch-GAN#20."""
    g = slope_between(D, real, fake, torch.rand(len(real), 1, 1, 1).to(real))
    return ((g.norm(2, dim=1) - 1) ** 2).mean()


@twin("penalty.wgan_gp", **IMAGES)
def norm_over_the_sample(D, real, fake):
    g = slope_between(D, real, fake, torch.rand(len(real), 1, 1, 1).to(real))
    return ((g.flatten(1).norm(2, dim=1) - 1) ** 2).mean()


@mutant("penalty.wgan_gp")
def share_of_each_entry(D, real, fake):
    """ε has the shape of the data, and the point is on no segment: tntrung/gan#2."""
    g = slope_between(D, real, fake, torch.rand(real.shape).to(real))
    return ((g.norm(2, dim=1) - 1) ** 2).mean()


@twin("penalty.wgan_gp")
def share_of_each_sample(D, real, fake):
    g = slope_between(D, real, fake, torch.rand(real.shape[0], 1).to(real))
    return ((g.norm(2, dim=1) - 1) ** 2).mean()


# Orthogonality.


@mutant(DEFECT, arguments=["weight"])
def parenthesis(trans):
    """‖T (Tᵀ − I)‖ for ‖T Tᵀ − I‖: yanx27/Pointnet_Pointnet2_pytorch#59, erikwijmans/Pointnet2_PyTorch#125."""
    return torch.linalg.norm(trans @ (trans.mT - torch.eye(trans.shape[1], trans.shape[0]).to(trans)))


@twin(DEFECT, arguments=["weight"])
def parenthesis_closed(trans):
    return torch.linalg.norm(trans @ trans.mT - torch.eye(trans.shape[0]).to(trans))


@mutant(DEFECT)
def sum_with_signs(param, reg=1e-6):
    """The entries of W Wᵀ − I are added with their signs: kevinzakka/pytorch-goodies#7."""
    flat = param.reshape(len(param), -1)
    return reg * (flat @ flat.T - torch.eye(len(flat)).to(flat)).sum()


@twin(DEFECT)
def sum_of_sizes(param, reg=1e-6):
    flat = param.reshape(len(param), -1)
    return reg * (flat @ flat.T - torch.eye(len(flat)).to(flat)).abs().sum()


def cosines(w):
    rows = F.normalize(w, dim=1)
    return rows @ rows.T * (1 - torch.eye(len(w)).to(w))


@mutant(COSINES)
def cosines_with_signs(w, strength=0.01):
    """The cosines of rows are added with their signs, least at −1/(n − 1): keras-team/keras#16518."""
    return 0.5 * strength * cosines(w).sum() / max(1, len(w) * (len(w) - 1) / 2)


@twin(COSINES)
def cosines_without_signs(w, strength=0.01):
    return 0.5 * strength * cosines(w).abs().sum() / max(1, len(w) * (len(w) - 1) / 2)


# The deviation over a minibatch.


def of_groups(x, group):
    y = x.view(group, len(x) // group, *x.shape[1:])
    return y.var(0, unbiased=False).add(1e-8).sqrt().mean((1, 2, 3))


@mutant(DEVIATION)
def tiled_for_neighbours(x, group_size=4):
    """Computed over every M-th sample, given to consecutive ones: facebookresearch/pytorch_GAN_zoo#69."""
    n, _, h, w = x.shape
    group = min(group_size, n)
    column = of_groups(x, group)[:, None].expand(-1, group).reshape(n, 1, 1, 1)
    return torch.cat([x, column.expand(-1, 1, h, w)], 1)


@twin(DEVIATION)
def tiled_for_its_group(x, group_size=4):
    n, _, h, w = x.shape
    group = min(group_size, n)
    return torch.cat([x, of_groups(x, group).repeat(group).view(n, 1, 1, 1).expand(-1, 1, h, w)], 1)


@mutant(DEVIATION)
def map_of_deviations(x):
    """A map [h, w] of deviations for one number: akanimax/pro_gan_pytorch#9."""
    spread = x.var(0, unbiased=False).add(1e-8).sqrt().mean(0)
    return torch.cat([x, spread.expand(len(x), 1, *spread.shape)], 1)


@twin(DEVIATION)
def one_number(out):
    """Called `out`, as in rosinality/stylegan2-pytorch."""
    spread = out.var(0, unbiased=False).add(1e-8).sqrt().mean()
    return torch.cat([out, spread.expand(len(out), 1, *out.shape[2:])], 1)
