"""Wild pairs of adversarial games: what people wrote, wrong and right."""

import torch
import torch.nn.functional as F
from tests.wild.pair import Pair

from genverify.subjects.formula import Formula
from genverify.subjects.training_step import TrainingStep


def optimal_discriminator(log_pd, log_pg):
    """D*(x) = p_d/(p_d + p_g)."""
    return torch.sigmoid(log_pd - log_pg)


def optimal_discriminator_swapped(log_pd, log_pg):
    """WRONG: p_g/(p_d + p_g).

    Source: classical.  Symptom: 1 - D*; hides where the densities agree.
    """
    return torch.sigmoid(log_pg - log_pd)


def js_divergence(p, q):
    """0.5 KL(p||m) + 0.5 KL(q||m), m = (p+q)/2; in [0, log 2]."""
    m = 0.5 * (p + q)
    return 0.5 * (torch.special.xlogy(p, p / m) + torch.special.xlogy(q, q / m)).sum(-1)


def js_divergence_no_half(p, q):
    """WRONG: the halves are lost, so the maximum is 2 log 2 and the GAN value is -log 4 + JSD, not + 2 JSD.

    Source: classical.  Symptom: factor 2; zero at p = q.
    """
    m = 0.5 * (p + q)
    return (torch.special.xlogy(p, p / m) + torch.special.xlogy(q, q / m)).sum(-1)


def _interp(real, fake):
    a = torch.rand(real.shape[0], *[1] * (real.dim() - 1), dtype=real.dtype, device=real.device)
    return (a * real + (1 - a) * fake).detach().requires_grad_()


def _grad(critic, x, create_graph=True):
    return torch.autograd.grad(critic(x).sum(), x, create_graph=create_graph)[0]


def gradient_penalty(critic, real, fake):
    """E (||grad C(x_hat)||_2 - 1)^2, one interpolation coefficient and one norm per sample."""
    g = _grad(critic, _interp(real, fake))
    return ((g.flatten(1).norm(2, dim=1) - 1) ** 2).mean()


def gradient_penalty_no_graph(critic, real, fake):
    """WRONG GRADIENT: create_graph=False, so the penalty is a constant for the optimiser.

    Source: classical; the thread brownvc/R3GAN#20 proposes a detach with this effect, and
    LixiangHan/GANs-for-1D-Signal#7 never adds the term.  Symptom: value exact, parameter gradient zero.
    """
    g = _grad(critic, _interp(real, fake), create_graph=False)
    return ((g.flatten(1).norm(2, dim=1) - 1) ** 2).mean()


def g_loss_nonsaturating(d_fake):
    """-E log D(G(z))."""
    return F.softplus(-d_fake).mean()


def g_step(G, D, z):
    """Generator update."""
    loss = g_loss_nonsaturating(D(G(z)))
    loss.backward()
    return loss


def g_step_detached(G, D, z):
    """WRONG: the fake batch is detached in the generator step too.

    Source: nikhilsinghmus/image2reverb#37, wangle53/CSA-CDGAN#5.  Symptom: the loss value is right, G
    gets no gradient from the adversarial term.
    """
    loss = g_loss_nonsaturating(D(G(z).detach()))
    loss.backward()
    return loss


PAIRS = [
    Pair(
        name="gan_g_step_detached",
        wrong=lambda: TrainingStep(g_step_detached, like="gan.generator_step"),
        right=lambda: TrainingStep(g_step, like="gan.generator_step"),
    ),
    Pair(
        name="gp_no_graph",
        wrong=lambda: Formula(gradient_penalty_no_graph, like="penalty.wgan_gp"),
        right=lambda: Formula(gradient_penalty, like="penalty.wgan_gp"),
    ),
    Pair(
        name="gan_optimal_d_swapped",
        wrong=lambda: Formula(optimal_discriminator_swapped, like="gan.optimal_discriminator"),
        right=lambda: Formula(optimal_discriminator, like="gan.optimal_discriminator"),
    ),
    Pair(
        name="gan_jsd_no_half",
        wrong=lambda: Formula(js_divergence_no_half, like="divergence.jensen_shannon_categorical"),
        right=lambda: Formula(js_divergence, like="divergence.jensen_shannon_categorical"),
    ),
]
