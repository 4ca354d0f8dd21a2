"""Wrong diffusion processes: one bug each in a step back, in a loss, or in a whole sampler."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tests.mutants.diffusion_whole import Process, marks
from tests.mutants.diffusion_whole_twins import RATES, GaussianDiffusion, Improved, ModelMeanType, Unet
from tests.mutants.mutant import Mutant

MUTANTS: list[Mutant] = []
TWINS: list[Any] = []
mutant = marks(MUTANTS)


@mutant("p_sample")
class NoiseAtTheEnd(Process):
    """√β z at the last step, too. Met in a widely copied notebook."""

    def deviation(self, t: Tensor, x: Tensor) -> Tensor:
        return self.at(self.betas, t, x).sqrt()


@mutant("p_sample")
class VarianceForDeviation(Process):
    """β̃ z for √β̃ z. Met in several tutorials."""

    def deviation(self, t: Tensor, x: Tensor) -> Tensor:
        return self.at(self.posterior_variance, t, x)


@mutant("p_sample")
class TooWide(Process):
    """√(1 − ᾱ) z: the noise of all steps for that of one. Met where sigma_t has two meanings."""

    def deviation(self, t: Tensor, x: Tensor) -> Tensor:
        return self.at(self.sqrt_one_minus_alphas_cumprod, t, x) * (t > 0).reshape(-1, 1, 1, 1)


@mutant("p_sample")
class StraightToTheMean(Process):
    """μ = (x_t − β_t/(1 − ᾱ_t) ε)/√α_t, without the root. Met in course work."""

    def p_sample(self, model: Any, x: Tensor, t: Tensor) -> Tensor:
        left = 1 - self.at(self.alphas_cumprod, t, x)
        mean = (x - self.at(self.betas, t, x) / left * model(x, t)) / self.at(self.alphas, t, x).sqrt()
        return mean + self.deviation(t, x) * torch.randn_like(x)


@mutant("p_sample", prediction="v")
class NoiseTakenForVelocity(Process):
    """The network predicts v, and the sampler takes it for ε. Met where the objective was changed in one place."""


@mutant("p_sample", clip=True)
class NotClipped(Process):
    """x̂_0 is meant to be clipped, and is not. Met where `clamp` lost its underscore."""

    def predicted(self, model: Any, x: Tensor, t: Tensor) -> Tensor:
        found = super().predicted(model, x, t)
        found.clamp(-1.0, 1.0)
        return found


@mutant("p_sample")
class ClippedTooEarly(Process):
    """x̂_0 is clipped to (−0.1, 0.1): a range in other units. Met where data were scaled twice."""

    def predicted(self, model: Any, x: Tensor, t: Tensor) -> Tensor:
        return super().predicted(model, x, t).clamp(-0.1, 0.1)


@mutant("p_sample")
class SaysOneTakesAnother(GaussianDiffusion):
    """`objective` says v, and the prediction is taken for ε. Met in a fork."""

    def __init__(self) -> None:
        super().__init__(Unet(), image_size=2, timesteps=10)

    def model_predictions(self, x: Tensor, t: Tensor, x_self_cond: Any = None, clip_x_start: bool = False) -> Any:
        out = self.model(x, t, x_self_cond)
        return out, self.predict_start_from_noise(x, t, out)


@mutant("p_mean_variance")
class LogVarianceOfRates(Improved):
    """The large variance with the small one's logarithm. Met where two tables were paired by hand."""

    def __init__(self) -> None:
        super().__init__(RATES, ModelMeanType.EPSILON, "large")

    def p_mean_variance(self, model: Any, x: Tensor, t: Tensor, clip_denoised: bool = True) -> dict[str, Tensor]:
        found = super().p_mean_variance(model, x, t, clip_denoised)
        return {**found, "log_variance": found["log_variance"] - 0.1}


class _Ddim(Improved):
    """A DDIM step whose parts can be exchanged."""

    def __init__(self) -> None:
        super().__init__(RATES, ModelMeanType.EPSILON)

    def sigma(self, now: Tensor, before: Tensor, eta: float) -> Tensor:
        return eta * torch.sqrt((1 - before) / (1 - now) * (1 - now / before))

    def direction(self, before: Tensor, sigma: Tensor) -> Tensor:
        return torch.sqrt(1 - before - sigma**2)

    def ddim_sample(self, model: Any, x: Tensor, t: Tensor, clip_denoised: bool = True,
                    eta: float = 0.0) -> dict[str, Tensor]:  # fmt: skip
        start = self.p_mean_variance(model, x, t, clip_denoised)["pred_xstart"]
        eps = self._predict_eps_from_xstart(x, t, start)
        now, before = (torch.from_numpy(one)[t].float().reshape(-1, 1, 1, 1)
                       for one in (self.alphas_cumprod, self.alphas_cumprod_prev))  # fmt: skip
        sigma = self.sigma(now, before, eta)
        mean = torch.sqrt(before) * start + self.direction(before, sigma) * eps
        return {"sample": mean + (t > 0).reshape(-1, 1, 1, 1) * sigma * torch.randn_like(x)}


@mutant("ddim_step")
class SigmaWithoutItsFactor(_Ddim):
    """σ = η √((1 − ᾱ')/(1 − ᾱ)), the second factor forgotten. Met in course work."""

    def sigma(self, now: Tensor, before: Tensor, eta: float) -> Tensor:
        return eta * torch.sqrt((1 - before) / (1 - now)) * 0.5

    def direction(self, before: Tensor, sigma: Tensor) -> Tensor:
        return torch.sqrt((1 - before - sigma**2).clamp(min=0.0))


@mutant("ddim_step")
class DirectionNotReduced(_Ddim):
    """√(1 − ᾱ') ε beside σ z: the variance is then too large. Met in course work."""

    def direction(self, before: Tensor, sigma: Tensor) -> Tensor:
        return torch.sqrt(1 - before)


@mutant("ddim_step")
class SigmaForItsSquare(_Ddim):
    """√(1 − ᾱ' − σ) for √(1 − ᾱ' − σ²). Met in course work."""

    def direction(self, before: Tensor, sigma: Tensor) -> Tensor:
        return torch.sqrt((1 - before - sigma).clamp(min=0.0))


@mutant("ddim_step", eta=1.0)
class NoiseByTheOldLevel(_Ddim):
    """σ² = η² (1 − ᾱ_t), the level of the step that is left. Met in a course's comparison with diffusers."""

    def sigma(self, now: Tensor, before: Tensor, eta: float) -> Tensor:
        return 0.3 * eta * torch.sqrt(1 - now)


@mutant("loss")
class AsksForVelocity(Process):
    """The loss asks for v, the sampler takes ε. Met where the objective was changed in one place."""

    def p_losses(self, model: Any, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        target = (
            self.at(self.sqrt_alphas_cumprod, t, x_start) * noise
            - self.at(self.sqrt_one_minus_alphas_cumprod, t, x_start) * x_start
        )
        return (target - model(self.q_sample(x_start, t, noise), t)).square().mean()


@mutant("loss")
class AsksForTheInput(Process):
    """The target is x_t itself. Met where a name was used twice."""

    def p_losses(self, model: Any, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        x = self.q_sample(x_start, t, noise)
        return (x - model(x, t)).square().mean()


@mutant("loss")
class ShowsAnotherStep(Process):
    """The network is told t and shown x_{t+1}. Met in a loop that counted from one."""

    def p_losses(self, model: Any, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        return (noise - model(self.q_sample(x_start, (t + 1) % self.steps, noise), t)).square().mean()


@mutant("moments")
class FirstStepLeftOut(Process):
    """The loop ends at t = 1, so that a step's noise is left. Met in a widely copied repository."""

    def p_sample_loop(self, model: Any, shape: Any) -> Tensor:
        x = torch.randn(shape, dtype=torch.float64)
        for i in reversed(range(1, self.steps)):
            x = self.p_sample(model, x, torch.full((shape[0],), i))
        return x


@mutant("moments")
class BegunTooNarrow(Process):
    """The loop begins with half the noise. Met where a temperature was left in."""

    def p_sample_loop(self, model: Any, shape: Any) -> Tensor:
        x = 0.5 * torch.randn(shape, dtype=torch.float64)
        for i in reversed(range(self.steps)):
            x = self.p_sample(model, x, torch.full((shape[0],), i))
        return x


@mutant("moments")
class StepsSkippedAndNotKnown(Process):
    """Every second step is left out, and the step back goes one step alone. Met where sampling was to be faster."""

    def p_sample_loop(self, model: Any, shape: Any) -> Tensor:
        x = torch.randn(shape, dtype=torch.float64)
        for i in reversed(range(0, self.steps, 2)):
            x = self.p_sample(model, x, torch.full((shape[0],), i))
        return x


@mutant("moments")
class RowsShareTheirNoise(Process):
    """One draw for all rows of a batch. Met where the shape of the noise was taken from one sample."""

    def p_sample(self, model: Any, x: Tensor, t: Tensor) -> Tensor:
        mean, _ = self.q_posterior(self.predicted(model, x, t), x, t)
        return mean + self.deviation(t, x) * torch.randn_like(x[:1])


@mutant("p_sample")
class MaskAtTheWrongEnd(Process):
    """No noise at the first step back, and noise at the last. Met where steps were counted the other way."""

    def deviation(self, t: Tensor, x: Tensor) -> Tensor:
        return self.at(self.betas, t, x).sqrt() * (t < self.steps - 1).reshape(-1, 1, 1, 1)


@mutant("p_sample")
class LevelOfTheStepBefore(Process):
    """x̂_0 of the sampler by ᾱ_{t−1}. Met in an index that was moved for the posterior alone."""

    def predicted(self, model: Any, x: Tensor, t: Tensor) -> Tensor:
        before = self.at(self.alphas_cumprod_prev, t, x)
        return (x - (1 - before).sqrt() * model(x, t)) / before.sqrt()


@mutant("moments")
class ResultScaled(Process):
    """The result is stretched by a hundredth. Met where an image was saved with another range."""

    def p_sample_loop(self, model: Any, shape: Any) -> Tensor:
        return 1.01 * super().p_sample_loop(model, shape)


@mutant("conversions")
class VelocityTurned(Process):
    """v = √(1 − ᾱ) x_0 − √ᾱ ε, the other way around. Met in a port of progressive distillation."""

    def predict_v(self, x_start: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        scale = self.at(self.sqrt_one_minus_alphas_cumprod, t, x_start)
        return scale * x_start - self.at(self.sqrt_alphas_cumprod, t, x_start) * noise
