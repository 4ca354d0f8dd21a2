"""Objects and modules with tables of a whole schedule, in both precisions: right at every step, or at the first few."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from genverify.subjects.formula import Formula
from tests.mutants.mutant import Mutant, Twin


def _at(table: Tensor, t: Tensor, like: Tensor) -> Tensor:
    return table.gather(-1, t).reshape(len(t), *[1] * (like.dim() - 1))


class Process:
    """Tables of a linear schedule, the cumulated one a step back among them; made in one precision, kept in another."""

    def __init__(self, steps: int = 1000, *, made: torch.dtype = torch.float64, kept: torch.dtype = torch.float64):
        betas = torch.linspace(1e-4, 0.02, steps, dtype=made)
        level = torch.cumprod(1 - betas, 0)
        self.betas, self.alphas_cumprod = betas.to(kept), level.to(kept)
        self.alphas_cumprod_prev = F.pad(level[:-1], (1, 0), value=1.0).to(kept)

    def q_sample(self, x_start, t, noise):
        """Right."""
        level = _at(self.alphas_cumprod, t, x_start)
        return level.sqrt() * x_start + (1 - level).sqrt() * noise

    def q_sample_up_to_fifty(self, x_start, t, noise):
        """No step beyond the fiftieth."""
        return self.q_sample(x_start, t.clamp(max=50), noise)

    def mean(self, xt, t, eps):
        """Right."""
        beta, level = _at(self.betas, t, xt), _at(self.alphas_cumprod, t, xt)
        return (xt - beta / (1 - level).sqrt() * eps) / (1 - beta).sqrt()

    def mean_without_root(self, xt, t, eps):
        """Divided by α_t: at the first of a thousand steps that is nearly one."""
        beta, level = _at(self.betas, t, xt), _at(self.alphas_cumprod, t, xt)
        return (xt - beta / (1 - level).sqrt() * eps) / (1 - beta)

    def posterior(self, x0, xt, t, root: float = 0.5, first: float = 0.5):
        """Right by its defaults."""
        beta, level, before = (
            _at(table, t, xt) for table in (self.betas, self.alphas_cumprod, self.alphas_cumprod_prev)
        )
        mean = beta * before**first / (1 - level) * x0 + (1 - before) * (1 - beta) ** root / (1 - level) * xt
        return mean, beta * (1 - before) / (1 - level)


def _posterior(process: Process, **powers: float) -> Callable[..., Any]:
    class Own(Process):
        def __init__(self) -> None:
            self.__dict__.update(process.__dict__)

        def own(self, x0, xt, t):
            return self.posterior(x0, xt, t, **powers)

    return Own().own


class Held(nn.Module):
    """The same tables as buffers of a module."""

    def __init__(self, process: Process, wrong: bool = False):
        super().__init__()
        self.wrong = wrong
        for name, table in vars(process).items():
            self.register_buffer(name, table)


class HeldMean(Held):
    """The mean of a step; one of the tables it does not look at."""

    def forward(self, xt, t, eps):
        """Right, or without the root."""
        return (Process.mean_without_root if self.wrong else Process.mean)(self, xt, t, eps)


class HeldPosterior(Held):
    """Mean and variance."""

    def forward(self, x0, xt, t):
        """Right, or without the root."""
        return Process.posterior(self, x0, xt, t, root=1.0 if self.wrong else 0.5)


def posterior_by_tables(x_start, x_t, t, betas, alphas_cumprod_prev):
    """Given two tables that belong together."""
    level = _at((1 - betas).cumprod(0), t, x_t)
    beta, before = _at(betas, t, x_t), _at(alphas_cumprod_prev, t, x_t)
    mean = beta * before.sqrt() / (1 - level) * x_start + (1 - before) * (1 - beta).sqrt() / (1 - level) * x_t
    return mean, beta * (1 - before) / (1 - level)


def posterior_of_the_level(x_start, x_t, t, betas, alphas_cumprod_prev):
    """1 − ᾱ_t where 1 − ᾱ_{t−1} belongs."""
    level = _at((1 - betas).cumprod(0), t, x_t)
    beta, before = _at(betas, t, x_t), _at(alphas_cumprod_prev, t, x_t)
    return beta * before.sqrt() / (1 - level) * x_start + (1 - beta).sqrt() * x_t, beta * (1 - before) / (1 - level)


_KINDS = {
    "float64": {}, "made in float64, kept in float32": {"kept": torch.float32},
    "float32": {"made": torch.float32, "kept": torch.float32},
}  # fmt: skip
MUTANTS: list[Mutant] = [
    Mutant(
        name="diffusion.q_sample: a method, up to fifty", killed_by="formula.value",
        make=lambda: Formula(Process().q_sample_up_to_fifty, like="diffusion.q_sample"),
    ),
    Mutant(
        name="diffusion.posterior: tables, of the level", killed_by="formula.dialect",
        make=lambda: Formula(posterior_of_the_level, like="diffusion.posterior"),
    ),
]  # fmt: skip
TWINS: list[Twin] = [
    Twin(name="diffusion.q_sample: a method", make=lambda: Formula(Process().q_sample, like="diffusion.q_sample")),
    Twin(
        name="diffusion.posterior: tables that belong together",
        make=lambda: Formula(posterior_by_tables, like="diffusion.posterior"),
    ),
]
for _steps, _name in [*((100, one) for one in _KINDS), (1000, "float32")]:
    _how, _of = _KINDS[_name], f"{_steps} steps, {_name}"

    def _process(steps: int = _steps, how: dict[str, Any] = _how) -> Process:
        return Process(steps, **how)

    TWINS += [
        Twin(
            name=f"diffusion.ddpm_mean: a method, {_of}",
            make=lambda made=_process: Formula(made().mean, like="diffusion.ddpm_mean"),
        ),
        Twin(
            name=f"diffusion.posterior: a method, {_of}",
            make=lambda made=_process: Formula(_posterior(made()), like="diffusion.posterior"),
        ),
        Twin(
            name=f"diffusion.ddpm_mean: a module, {_of}",
            make=lambda made=_process: Formula(HeldMean(made()), like="diffusion.ddpm_mean"),
        ),
        Twin(
            name=f"diffusion.posterior: a module, {_of}",
            make=lambda made=_process: Formula(HeldPosterior(made()), like="diffusion.posterior"),
        ),
    ]
    MUTANTS += [
        Mutant(
            name=f"diffusion.ddpm_mean: a method without the root, {_of}", killed_by="formula.dialect",
            make=lambda made=_process: Formula(made().mean_without_root, like="diffusion.ddpm_mean"),
        ),
        Mutant(
            name=f"diffusion.posterior: a method without the root of α, {_of}", killed_by="formula.dialect",
            make=lambda made=_process: Formula(_posterior(made(), root=1.0), like="diffusion.posterior"),
        ),
        Mutant(
            name=f"diffusion.posterior: a method without the root of ᾱ, {_of}", killed_by="formula.dialect",
            make=lambda made=_process: Formula(_posterior(made(), first=1.0), like="diffusion.posterior"),
        ),
        Mutant(
            name=f"diffusion.ddpm_mean: a module without the root, {_of}", killed_by="formula.dialect",
            make=lambda made=_process: Formula(HeldMean(made(), True), like="diffusion.ddpm_mean"),
        ),
        Mutant(
            name=f"diffusion.posterior: a module without the root of α, {_of}", killed_by="formula.dialect",
            make=lambda made=_process: Formula(HeldPosterior(made(), True), like="diffusion.posterior"),
        ),
    ]  # fmt: skip
