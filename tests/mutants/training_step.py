"""Training steps with one bug each, declared as a stranger would."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from genverify.subjects.training_step import TrainingStep
from tests.mutants.mutant import Mutant, Twin
from tests.mutants.training_step_twins import critic_loss, d_loss, g_loss, seeded, slope_penalty

D_STEP, G_STEP, CRITIC = "gan.discriminator_step", "gan.generator_step", "wgan.critic_step_clipped"


def detached_generator(G, D, z):
    """The fake batch is detached in the generator's step, too: nikhilsinghmus/image2reverb#37, wangle53/CSA-CDGAN#5."""
    loss = g_loss(D(G(z).detach()))
    loss.backward()
    return loss


def generator_under_no_grad(G, D, z, opt_G):
    """`with torch.no_grad()` around the generator, copied from the discriminator's step."""
    opt_G.zero_grad()
    with torch.no_grad():
        fake = G(z)
    loss = g_loss(D(fake))
    loss.backward()
    opt_G.step()
    return loss.item()


def never_steps(D, G, real, z, opt_D):
    """Everything but `optimizer.step()`; met in trainers of two methods, of which one forgets it."""
    opt_D.zero_grad()
    loss = d_loss(D(real), D(G(z).detach()))
    loss.backward()
    return loss.item()


def cleared_after_backward(D, G, real, z, opt_D):
    """`zero_grad` between `backward` and `step`: classical."""
    loss = d_loss(D(real), D(G(z).detach()))
    loss.backward()
    opt_D.zero_grad()
    opt_D.step()
    return loss.item()


def steps_before_backward(D, G, real, z, opt_D):
    """`step` before `backward`: the gradient is of the batch before, and cleared by then."""
    loss = d_loss(D(real), D(G(z).detach()))
    opt_D.zero_grad()
    opt_D.step()
    loss.backward()
    return loss.item()


def never_cleared(D, G, real, z, opt_D):
    """No `zero_grad` at all: gradients add up over the steps."""
    loss = d_loss(D(real), D(G(z).detach()))
    loss.backward()
    opt_D.step()
    return loss.item()


def clears_the_other(netD, netG, real, noise, optimizerD, optimizerG):
    """The generator's gradients are cleared in the discriminator's step."""
    optimizerG.zero_grad()
    loss = d_loss(netD(real), netD(netG(noise).detach()))
    loss.backward()
    optimizerD.step()
    return loss.item()


def shared_optimizer() -> TrainingStep:
    """One optimizer for both networks, and nothing detached: the generator moves toward being recognised."""

    class Trainer:
        def __init__(self) -> None:
            self.G, self.D = seeded(nn.Linear, 2, 3), seeded(nn.Linear, 3, 1)
            self.optimizer = torch.optim.Adam([*self.G.parameters(), *self.D.parameters()], lr=1e-2)

        def train_discriminator(self, real: torch.Tensor) -> float:
            self.optimizer.zero_grad()
            loss = d_loss(self.D(real), self.D(self.G(torch.randn(len(real), 2))))
            loss.backward()
            self.optimizer.step()
            return loss.item()

    return TrainingStep(Trainer().train_discriminator, like=D_STEP)


def generator_moves_with_it(D, G, real, z, opt_D, opt_G):
    """Both optimizers step in the discriminator's step, whose loss was not detached."""
    opt_D.zero_grad()
    opt_G.zero_grad()
    loss = d_loss(D(real), D(G(z)))
    loss.backward()
    opt_D.step()
    opt_G.step()


def with_the_generators_loss(D, G, real, z, opt_D):
    """The discriminator descends −E log D(G(z))."""
    opt_D.zero_grad()
    loss = g_loss(D(G(z).detach()))
    loss.backward()
    opt_D.step()


def labels_exchanged(D, G, real, z, opt_D):
    """Ones for generated samples and zeros for those of the data, in the discriminator's step alone."""
    opt_D.zero_grad()
    r, f = D(real), D(G(z).detach())
    loss = F.binary_cross_entropy_with_logits(r, torch.zeros_like(r))
    loss = loss + F.binary_cross_entropy_with_logits(f, torch.ones_like(f))
    loss.backward()
    opt_D.step()


def generator_toward_fake(G, D, z, opt_G):
    """The generator's label is that of generated samples: it learns to be recognised."""
    opt_G.zero_grad()
    out = D(G(z))
    loss = F.binary_cross_entropy_with_logits(out, torch.zeros_like(out))
    loss.backward()
    opt_G.step()


def generated_alone(D, G, real, z, opt_D):
    """The loss on the data is computed, and never added."""
    opt_D.zero_grad()
    loss_real = F.softplus(-D(real)).mean()
    loss_fake = F.softplus(D(G(z).detach())).mean()
    loss_fake.backward()
    opt_D.step()
    return loss_real.item() + loss_fake.item()


def backward_twice(D, G, real, z, opt_D):
    """The real loss is backpropagated by itself, and again within the sum, with retain_graph=True."""
    opt_D.zero_grad()
    loss_real = F.softplus(-D(real)).mean()
    loss_real.backward(retain_graph=True)
    loss = loss_real + F.softplus(D(G(z).detach())).mean()
    loss.backward()
    opt_D.step()


def graph_used_again(D, G, real, z, opt_D):
    """The same without retain_graph: torch raises, as it does in many a question on forums."""
    opt_D.zero_grad()
    loss_real = F.softplus(-D(real)).mean()
    loss_real.backward()
    loss = loss_real + F.softplus(D(G(z).detach())).mean()
    loss.backward()
    opt_D.step()


def steps_twice(D, G, real, z, opt_D):
    """A second `optimizer.step()` left over from the two-part loss."""
    opt_D.zero_grad()
    loss = d_loss(D(real), D(G(z).detach()))
    loss.backward()
    opt_D.step()
    opt_D.step()


def _critic(critic, G, real, z, opt):
    opt.zero_grad()
    critic_loss(critic(real), critic(G(z).detach())).backward()
    opt.step()


def clips_gradients(critic, G, real, z, opt_critic, clip_value=0.01):
    """The gradient is clipped, and not the weights."""
    opt_critic.zero_grad()
    critic_loss(critic(real), critic(G(z).detach())).backward()
    nn.utils.clip_grad_value_(critic.parameters(), clip_value)
    opt_critic.step()


def clips_weights_not_biases(critic, G, real, z, opt_critic, clip_value=0.01):
    """Only matrices are clipped."""
    _critic(critic, G, real, z, opt_critic)
    for p in critic.parameters():
        if p.dim() > 1:
            p.data.clamp_(-clip_value, clip_value)


def critic_upside_down(critic, G, real, z, opt_critic, clip_value=0.01):
    """The critic descends E C(x) − E C(G(z)): a sign that is right in the paper's ascent."""
    opt_critic.zero_grad()
    (critic(real).mean() - critic(G(z).detach()).mean()).backward()
    opt_critic.step()
    for p in critic.parameters():
        p.data.clamp_(-clip_value, clip_value)


def penalty_without_graph(critic, G, real, z, opt_critic, lambda_gp=10.0):
    """create_graph=False: the value is right, and the penalty moves nothing; brownvc/R3GAN#20 has this effect."""
    opt_critic.zero_grad()
    fake = G(z).detach()
    loss = critic_loss(critic(real), critic(fake)) + lambda_gp * slope_penalty(critic, real, fake, graph=False)
    loss.backward()
    opt_critic.step()


def penalty_never_added(critic, G, real, z, opt_critic, lambda_gp=10.0):
    """The penalty is computed, and not part of the loss: LixiangHan/GANs-for-1D-Signal#7."""
    opt_critic.zero_grad()
    fake = G(z).detach()
    _ = lambda_gp * slope_penalty(critic, real, fake)
    critic_loss(critic(real), critic(fake)).backward()
    opt_critic.step()


def penalty_subtracted(critic, G, real, z, opt_critic, lambda_gp=10.0):
    """The penalty with the sign of the objective that is maximised."""
    opt_critic.zero_grad()
    fake = G(z).detach()
    (critic_loss(critic(real), critic(fake)) - lambda_gp * slope_penalty(critic, real, fake)).backward()
    opt_critic.step()


def penalty_of_the_whole_batch(critic, G, real, z, opt_critic, lambda_gp=10.0):
    """One norm over the batch, and not one a sample: a recurring bug, `gradients.norm(2)` without dim."""
    opt_critic.zero_grad()
    fake = G(z).detach()
    share = torch.rand(len(real), 1)
    x = (share * real + (1 - share) * fake).requires_grad_(True)
    (g,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
    (critic_loss(critic(real), critic(fake)) + lambda_gp * (g.norm(2) - 1) ** 2).backward()
    opt_critic.step()


def sigmoid_twice(D, G, real, z, opt_D):
    """`binary_cross_entropy_with_logits` of what a sigmoid made."""
    opt_D.zero_grad()
    r, f = torch.sigmoid(D(real)), torch.sigmoid(D(G(z).detach()))
    loss = F.binary_cross_entropy_with_logits(r, torch.ones_like(r))
    (loss + F.binary_cross_entropy_with_logits(f, torch.zeros_like(f))).backward()
    opt_D.step()


def leaves_gradients_to_the_other() -> TrainingStep:
    """D's step clears at its end, G's clears its own alone: what G's leaves in D enters D's next update."""

    def d_step(D, G, real, z, opt_D):
        d_loss(D(real), D(G(z).detach())).backward()
        opt_D.step()
        opt_D.zero_grad()

    def g_step(D, G, z, opt_G):
        opt_G.zero_grad()
        g_loss(D(G(z))).backward()
        opt_G.step()

    return TrainingStep(d_step, like=D_STEP, beside=g_step)


def missing_detach_between_steps() -> TrainingStep:
    """D's loss runs through G, and G's step clears nothing before its backward pass."""

    def d_step(D, G, real, z, opt_D):
        opt_D.zero_grad()
        d_loss(D(real), D(G(z))).backward()
        opt_D.step()

    def g_step(D, G, z, opt_G):
        g_loss(D(G(z))).backward()
        opt_G.step()
        opt_G.zero_grad()

    return TrainingStep(d_step, like=D_STEP, beside=g_step)


def leaves_recording_off(D, G, real, z, opt_D):
    """`torch.set_grad_enabled(False)` for a metric, and never back."""
    opt_D.zero_grad()
    d_loss(D(real), D(G(z).detach())).backward()
    opt_D.step()
    torch.set_grad_enabled(False)


def another_hook_each_time(D, G, real, z, opt_D):
    """A hook for feature matching is registered in every step."""
    features = []
    next(D.children()).register_forward_hook(lambda module, args, output: features.append(output))
    opt_D.zero_grad()
    d_loss(D(real), D(G(z).detach())).backward()
    opt_D.step()


def moves_its_own_loss_only() -> TrainingStep:
    """Declared as minimax, and hinge in fact."""

    def d_step(D, G, real, z, opt_D):
        opt_D.zero_grad()
        (torch.relu(1 - D(real)).mean() + torch.relu(1 + D(G(z).detach())).mean()).backward()
        opt_D.step()

    return TrainingStep(d_step, like=D_STEP, loss="minimax")


def unrelated_step() -> TrainingStep:
    """A classifier whose loss is that of its own predictions, detached: nothing moves; general claims."""

    def train_step(model, batch, optimizer):
        x, y = batch
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x).detach().requires_grad_(True), y)
        loss.backward()
        optimizer.step()

    model = seeded(nn.Linear, 4, 3)
    batch = (torch.linspace(-1, 1, 20).reshape(5, 4), torch.tensor([0, 1, 2, 1, 0]))
    return TrainingStep(train_step, moves=("model",), modules={"model": model}, batch=batch)


def _of(f: Callable[..., Any], like: str, **rest: Any) -> Callable[[], TrainingStep]:
    return lambda: TrainingStep(f, like=like, **rest)


_KILLED: list[tuple[Any, str, str]] = [
    (detached_generator, G_STEP, "moves"),
    (generator_under_no_grad, G_STEP, "gradient"),
    (never_steps, D_STEP, "moves"),
    (cleared_after_backward, D_STEP, "moves"),
    (steps_before_backward, D_STEP, "moves"),
    (never_cleared, D_STEP, "zeroed"),
    (clears_the_other, D_STEP, "zeroed"),
    (shared_optimizer, "", "stays"),
    (generator_moves_with_it, D_STEP, "stays"),
    (with_the_generators_loss, D_STEP, "gradient"),
    (labels_exchanged, D_STEP, "gradient"),
    (generator_toward_fake, G_STEP, "gradient"),
    (generated_alone, D_STEP, "gradient"),
    (backward_twice, D_STEP, "gradient"),
    (graph_used_again, D_STEP, "moves"),
    (steps_twice, D_STEP, "once"),
    (clips_gradients, CRITIC, "clipped"),
    (clips_weights_not_biases, CRITIC, "clipped"),
    (critic_upside_down, CRITIC, "gradient"),
    (penalty_without_graph, D_STEP, "second_order"),
    (penalty_never_added, D_STEP, "second_order"),
    (penalty_subtracted, D_STEP, "second_order"),
    (penalty_of_the_whole_batch, D_STEP, "second_order"),
    (sigmoid_twice, D_STEP, "gradient"),
    (leaves_gradients_to_the_other, "", "no_leak"),
    (missing_detach_between_steps, "", "no_leak"),
    (leaves_recording_off, D_STEP, "preserves"),
    (another_hook_each_time, D_STEP, "preserves"),
    (moves_its_own_loss_only, "", "gradient"),
    (unrelated_step, "", "moves"),
]

MUTANTS = [
    Mutant(name=f.__name__, make=_of(f, like) if like else f, killed_by=f"training_step.{by}")
    for f, like, by in _KILLED
]
TWINS: list[Twin] = []
