"""How far rounding can move what a program computes, measured by stochastic arithmetic on the program itself.

For a black box there is no formula whose terms could be bounded. But every operation that torch dispatches can be given
inputs with a relative error of ±ε, drawn uniformly, and the run repeated. To first order the output moves by
Σ_i (∂out/∂v_i) v_i ε ξ_i over all intermediate values v_i: exactly what rounding does with ε = u, so that

    allowed = λ c (u / ε) max_r |out_r − out|  +  c u |out|

bounds the rounding error of a program whose operations are good to c half units (c = 4), in the model of independent
rounding errors: error and runs are then about normal with one spread, and the bound fails with the probability that one
normal number exceeds λ = 8 times the largest of r others, E[(2Φ(|Z|/λ) − 1)^r] = 2e-3 for r = 3 runs and 2e-7 for 9, if
every operation is c half units off, and 2e-5 and 1e-12 if they are correctly rounded (λ c for λ). So a caller that is
about to accuse asks for more runs. What it misses: an error below about λ c = 32 spreads of the rounding passes. Sums
of L terms get ε L. ε is far above u and far below the scale on which a smooth program bends, so that neither the
rounding of the run nor its curvature matters. The unit u is that of the narrowest floating type in which the program
computes, which the first run finds out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from genverify.numerics.rounding import subnormal_spacing, unit_roundoff

__all__ = [
    "EXACT", "HALF_UNITS", "PATIENCE", "SLACK", "Perturbed", "Spread", "TooLong", "is_float", "narrowest_dtype",
    "rounding_spread",
]  # fmt: skip

_AMPLITUDE = {torch.float64: 2.0**-30, torch.float32: 2.0**-14, torch.float16: 2.0**-6, torch.bfloat16: 2.0**-5}
_DEVIATIONS, HALF_UNITS = 8.0, 4.0
# A perturbed run may take another number of steps (an iteration that stops by tolerance), but not forever.
PATIENCE, SLACK = 4, 256

# Operations that move or compare numbers and round nothing.
EXACT = frozenset(
    "clone _to_copy copy_ copy cat stack index index_select gather where masked_fill flip roll constant_pad_nd "
    "index_put index_put_ scatter scatter_ eq ne lt le gt ge floor ceil round trunc sign bucketize searchsorted argmax "
    "argmin argsort sort isnan isfinite isinf logical_and logical_or logical_not any all equal allclose "
    "is_nonzero _local_scalar_dense item fill_ zero_ detach max min maximum minimum clamp clamp_min clamp_max relu abs "
    "neg tril triu lift_fresh nonzero slice_scatter select_scatter slice_backward select_backward masked_select "
    "masked_scatter repeat new_zeros new_ones new_full zeros_like ones_like empty_like full_like".split()
)
_PRODUCTS = frozenset("mm addmm bmm baddbmm mv addmv dot vdot".split())
_FACTORISATIONS = frozenset(
    "_linalg_slogdet _linalg_det linalg_inv_ex linalg_lu_factor_ex _linalg_solve_ex linalg_solve_triangular "
    "triangular_solve linalg_cholesky_ex linalg_qr linalg_lu linalg_lu_solve _linalg_svd _linalg_eigh "
    "linalg_matrix_exp".split()
)


class TooLong(BaseException):
    """A signal, out of reach of a stranger's `except Exception`."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """What rounding may do to the outputs of one program at one input.

    Attributes:
        values: The outputs of the plain run.
        allowed: For each output, element by element, how far rounding may move it; infinite where that is not known.
        moved: For each output, element by element, how far it moved in a run at most.
        dtype: The narrowest floating type in which the program computes.
        operations: How many operations it dispatched.
        problem: Why the spread could not be measured; empty when it was.
    """

    values: tuple[Tensor, ...]
    allowed: tuple[Tensor, ...]
    moved: tuple[Tensor, ...]
    dtype: torch.dtype
    operations: int
    problem: str = ""


class _Watched(TorchDispatchMode):
    """Counts operations and finds the narrowest type in which any of them rounds."""

    def __init__(self) -> None:
        super().__init__()
        self.operations, self.narrowest = 0, torch.float64

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Says no: torch would load its compiler, for a second, only to keep it away from the function below."""
        return False

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - as torch calls it
        types: Any,  # noqa: ANN401
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        out = func(*args, **(kwargs or {}))
        self.operations += 1
        if any(is_float(a) or _is_complex(a) for a in args):
            for one in out if isinstance(out, (tuple, list)) else (out,):
                if is_float(one) or _is_complex(one):
                    dtype = one.dtype.to_real()
                    self.narrowest = dtype if unit_roundoff(dtype) > unit_roundoff(self.narrowest) else self.narrowest
        return out


def is_float(value: Any) -> bool:  # noqa: ANN401
    """Whether it is a tensor of real numbers that are there to be perturbed."""
    # Forward-mode differentiation runs its bookkeeping on tensors without numbers; of a sparse tensor the values are
    # perturbed where something is computed with them.
    dense = isinstance(value, Tensor) and value.layout is torch.strided
    return dense and value.dtype in _AMPLITUDE and value.device.type != "meta"


def _is_complex(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, Tensor) and value.is_complex() and value.device.type != "meta"


class Perturbed(TorchDispatchMode):
    """Gives every rounding operation inputs with a small relative error."""

    def __init__(self, amplitude: float, seed: int, limit: int) -> None:
        super().__init__()
        self.amplitude, self.seed, self.left = amplitude, seed, limit
        self._generators: dict[torch.device, torch.Generator] = {}

    def noisy(self, value: Tensor, scale: float = 1.0) -> Tensor:
        """The value with an independent relative error in each entry."""
        if value.is_complex():
            return torch.view_as_complex(self.noisy(torch.view_as_real(value.resolve_conj()), scale))
        if value.device not in self._generators:
            self._generators[value.device] = torch.Generator(value.device).manual_seed(self.seed)
        noise = torch.empty_like(value).uniform_(-1.0, 1.0, generator=self._generators[value.device])
        return value + value * noise * min(self.amplitude * scale, 0.125)

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Says no: torch would load its compiler, for a second, only to keep it away from the function below."""
        return False

    def __torch_dispatch__(
        self,
        func: Any,  # noqa: ANN401 - as torch calls it
        types: Any,  # noqa: ANN401
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401
        kwargs = kwargs or {}
        self.left -= 1
        if self.left < 0:
            raise TooLong
        name = func._schema.name.partition("::")[2]
        if func.is_view or name in EXACT or torch.Tag.nondeterministic_seeded in func.tags:
            return func(*args, **kwargs)
        scale = _length(name, args)
        declared = func._schema.arguments
        fed = [
            a if i < len(declared) and declared[i].alias_info is not None and declared[i].alias_info.is_write
            else self.noisy(a, scale) if is_float(a) or _is_complex(a)
            else [self.noisy(b, scale) if is_float(b) else b for b in a] if isinstance(a, (list, tuple)) else a
            for i, a in enumerate(args)
        ]  # fmt: skip
        return func(*fed, **kwargs)


def _length(name: str, args: Sequence[Any]) -> float:
    """How many terms an element of the result adds up: by so much more can its rounding grow."""
    tensors = [a for a in args if is_float(a)]
    if not tensors:
        return 1.0
    if name in _PRODUCTS:
        return float(tensors[-1].shape[-2] if tensors[-1].ndim > 1 else tensors[-1].shape[0])
    if name.startswith("convolution") and len(tensors) > 1:
        return float(tensors[1][0].numel())
    if name in _FACTORISATIONS:
        return float(tensors[0].shape[-1])
    if name in ("sum", "mean", "cumsum", "logsumexp", "_softmax", "_log_softmax", "linalg_vector_norm", "norm", "prod"):
        return (
            float(max(1, tensors[0].numel() // max(1, tensors[0].shape[0])))
            if tensors[0].ndim > 1
            else float(max(1, tensors[0].numel()))
        )
    return 1.0


def narrowest_dtype(compute: Callable[[], object]) -> torch.dtype:
    """The narrowest floating type in which a program rounds; float64 where it has none narrower.

    >>> narrowest_dtype(lambda: torch.tensor(0.1).log() + torch.zeros(2, dtype=torch.float64))
    torch.float32
    """
    with _Watched() as watch:
        compute()
    return watch.narrowest


def rounding_spread(
    compute: Callable[[], tuple[Tensor, ...]], *, repeats: int = 3, first: int = 0, amplitude: float | None = None
) -> Spread:
    """The rounding allowance of each output of a program, found by perturbing every operation in it.

    Runs are numbered from `first`; those of another number have other noise. `amplitude` is ε, by default 2^-30 in
    float64 and 2^-14 in float32: nearer to u it shows what a program does that is not smooth on that scale.
    See the module's docstring for the formula. The random state of torch is the same at the start of each run, so
    that draws of the program repeat. What the program raises in its plain run passes.

    Source: Parker 1997, Monte Carlo arithmetic; Vignes 1974 (CESTAC); Higham & Mary 2019, theorem 2.4 (probabilistic
    error analysis).

    >>> x = torch.tensor([1.0, 1e8], dtype=torch.float64)
    >>> spread = rounding_spread(lambda: ((x + 1e8) - 1e8,))
    >>> spread.dtype, bool(1e-9 < spread.allowed[0][0] < 1e-5)
    (torch.float64, True)
    """
    state = torch.get_rng_state()
    with _Watched() as watch:
        values = tuple(compute())
    for value in values:
        if is_float(value) and unit_roundoff(value.dtype) > unit_roundoff(watch.narrowest):
            watch.narrowest = value.dtype
    amplitude = _AMPLITUDE[watch.narrowest] if amplitude is None else amplitude
    unit = unit_roundoff(watch.narrowest)
    worst = [torch.zeros_like(value, dtype=torch.float64) for value in values]
    problem = ""
    for repeat in range(first, first + repeats):
        torch.set_rng_state(state)
        mode = Perturbed(amplitude, repeat, PATIENCE * watch.operations + SLACK)
        try:
            with mode:
                moved = tuple(compute())
        except TooLong:
            problem = "under perturbed arithmetic the program does not come to an end (it iterates to a tolerance)"
            break
        except Exception as error:  # whatever a stranger's code does with slightly other numbers
            problem = f"under perturbed arithmetic the program raised {type(error.__cause__ or error).__name__}"
            break
        if any(a.shape != b.shape for a, b in zip(moved, values, strict=True)):
            problem = "under perturbed arithmetic the program returns other shapes"
            break
        worst = [
            torch.maximum(w, (m.detach().double() - v.detach().double()).abs())
            for w, m, v in zip(worst, moved, values, strict=True)
        ]
    torch.set_rng_state(state)
    scale = _DEVIATIONS * HALF_UNITS * unit / amplitude
    floor = watch.operations * subnormal_spacing(watch.narrowest)
    allowed = []
    for value, deviation in zip(values, worst, strict=True):
        bound = scale * deviation + HALF_UNITS * unit * value.detach().double().abs() + floor
        allowed.append(torch.full_like(bound, math.inf) if problem else _never_nan(bound))
    return Spread(
        values=values, allowed=tuple(allowed), moved=tuple(worst), dtype=watch.narrowest,
        operations=watch.operations, problem=problem,
    )  # fmt: skip


def _never_nan(bound: Tensor) -> Tensor:
    return torch.where(torch.isnan(bound), torch.full_like(bound, math.inf), bound)
