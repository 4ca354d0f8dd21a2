"""`flow.continuous`: where a field takes a sample, with the integral of its divergence as logabsdet."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from genverify.formulas.field_arguments import VELOCITY
from genverify.formulas.flow_arguments import ROWS, point, slip, transform
from genverify.formulas.plain_numbers import choice
from genverify.formulas.probe_arguments import COUNT, PROBE, SEVERAL
from genverify.formulas.references import declares_reference
from genverify.oracles import flow_continuous as oracle
from genverify.reference.flows import continuous as reference
from genverify.subjects.bijection import Bijection
from genverify.subjects.domains import integer
from genverify.subjects.formula import Formula
from genverify.subjects.parametrisation import plain
from genverify.subjects.specification import Argument, Axis, Layout, Option
from genverify.subjects.timed_functions import TimedWaves

__all__ = ["CONTINUOUS"]


def _calm(argument: Argument) -> Argument:
    """A field of small numbers: errors grow by the exponential of its Lipschitz constant."""
    (form,) = argument.forms
    aliases = tuple(one for one in form.aliases if one not in ("v", "v_fn", "u_theta"))
    more = ("odefunc", "ode_func", "dynamics", "diffeq", "rhs", "ode_fn", "vector_field_fn", "ode", "gradient_net")
    domain = replace(form.domain, low=-0.6, high=0.6)
    return replace(argument, forms=(replace(form, aliases=(*aliases, *more), domain=domain),), differentiable=False)


_FIELD = _calm(VELOCITY)
_STEPS = (
    "n_steps", "num_steps", "n", "N", "nsteps", "n_iter", "steps_n", "K", "num_euler_steps", "n_timesteps", "timesteps",
    "k", "num_timesteps", "ode_steps", "n_ode_steps",
)  # fmt: skip
# So many steps are drawn. A number that is fixed, and larger, is one of a method that comes near the limit.
_FEW = 4
_START = ("t0", "t_start", "start_time", "t_0", "tstart", "time_start", "t_begin", "from_t", "ta", "t_init")
_END = ("t1", "t_end", "end_time", "T", "t_1", "tend", "time_end", "t_final", "to_t", "tb", "integration_time", "tf",
        "time_length", "t_max", "span")  # fmt: skip


def _flowed(
    weight: Tensor, x: Tensor, probe: Tensor | None, start: float, end: float, steps: int | None, method: str
) -> tuple[Tensor, Tensor]:
    """The oracle's solution: dialects that differ in the reading alone have it in common, which saves most of a search.

    Where it is differentiated it is made anew.
    """
    given = [weight, x] if probe is None else [weight, x, probe]
    if any(one.requires_grad for one in given):
        return oracle.flowed(weight, x, start, end, steps=steps, method=method, probe=probe)
    try:
        data = tuple((tuple(one.shape), one.contiguous().numpy().tobytes()) for one in given)
    except RuntimeError:  # under a transform of torch.func
        return oracle.flowed(weight, x, start, end, steps=steps, method=method, probe=probe)
    return _of_data(data, start, end, steps, method)


@functools.lru_cache(maxsize=256)
def _of_data(data: Any, start: float, end: float, steps: int | None, method: str) -> tuple[Tensor, Tensor]:  # noqa: ANN401
    weight, x, *probe = (torch.frombuffer(bytearray(raw), dtype=torch.float64).reshape(shape) for shape, raw in data)
    return oracle.flowed(weight, x, start, end, steps=steps, method=method, probe=probe[0] if probe else None)


def _slipped(
    solve: Callable[..., tuple[Tensor, Tensor]], x: Tensor, probe: Tensor | None, slip: str
) -> tuple[Tensor, Tensor]:
    """The sample, and its logabsdet with a slip."""
    if slip == "entries":
        return solve(torch.ones_like(x))
    made, logabsdet = solve(probe)
    return made, logabsdet / x.shape[-1] if slip == "dimension" else logabsdet


def _continuous(
    *, x: Tensor, velocity: TimedWaves, start: Any = 0.0, end: Any = 1.0, steps: Any = None,  # noqa: ANN401
    probe: Tensor | None = None, method: str = "", backward: bool = False, slip: str = "",
) -> tuple[Any, Any]:  # fmt: skip
    alone = x.dim() == 1
    rows = x[None] if alone else x
    if alone and probe is not None:
        probe = probe[..., None, :]
    start, end = (float(end), float(start)) if backward else (float(start), float(end))
    few = steps is not None and int(steps) <= _FEW
    if few != bool(method):
        nothing = torch.full_like(x, torch.nan)
        return (nothing,), (nothing[..., 0],)

    count = None if steps is None else int(steps)

    def solve(one: Tensor | None) -> tuple[Tensor, Tensor]:
        return _flowed(velocity.weight, rows, one, start, end, count, method)

    made, logabsdet = _slipped(solve, rows, probe, slip)
    lost = oracle.lost(velocity.weight, rows, end - start)
    parts = [(found, size, -size) for found, size in zip((made, logabsdet), lost, strict=True)]
    if alone:
        parts = [tuple(term[0] for term in one) for one in parts]
    return parts[0], parts[1]


CONTINUOUS = transform(
    "continuous",
    "x(t₁) of dx/dt = f(x, t) from x(t₀), logabsdet = ∫ tr ∂f/∂x dt; by n equal steps of "
    "a named method where n is taken; in the limit, to the accuracy= that is stated, where n is fixed (fixed=) to more "
    "than 4 or not taken; tr is the trace or vᵀ(∂f/∂x)v",
    "Chen et al. 2018, theorem 1; Grathwohl et al. 2019, eqs. 4 and 7",
    (
        _FIELD, point(without=("t", "u", "v", "eps", "noise", "h", "data")),
        plain("start", "", choice(0.0, 0.25, 1.0), _START, differentiable=False, default=0.0),
        plain("end", "", choice(1.0, 0.5, 0.0), _END, differentiable=False, default=1.0),
        plain("steps", "", integer(1, _FEW), _STEPS, differentiable=False, default=None),
        PROBE, COUNT,
    ),
    _continuous, separable=False, operations=256, derivation="continuous_flows.change_of_variables",
    dialects=(
        Axis(name="method", options=(
            Option(name=""),
            Option(name="Euler", keywords={"method": "euler"}),
            Option(name="midpoint", keywords={"method": "midpoint"}),
            Option(name="Heun", keywords={"method": "heun"}),
            Option(name="Runge–Kutta", keywords={"method": "rk4"}, note="the classical one of order four"),
            Option(name="3/8 rule", keywords={"method": "three eighths"}, note="what torchdiffeq calls rk4"),
        )),
        Axis(name="direction", options=(
            Option(name=""), Option(name="inverse", keywords={"backward": True}, note="from t₁ back to t₀"),
        )),
    ),
    log=(
        Option(name="the change of log p", keywords={"log": "reversed"}, 
               note="−∫ tr ∂f/∂x dt: Chen et al. 2018, eq. 8"),
        slip("all entries of the Jacobian", "∂/∂x of the sum of f adds up the columns: Σ_ij ∂f_i/∂x_j for the trace",
             slip="entries"),
        slip("divided by the dimension", "a mean for a sum over the coordinates", slip="dimension"),
    ),
    layouts=(
        ROWS, Layout(name="one event at a time", drop=("batch", "row")),
        Layout(name="images", shapes=dict.fromkeys(("x", "probe"), "batch channel height width")), *SEVERAL,
    ),
    sizes={"batch": (3, 2, 4, 1), "event": (2, 3, 5), "channel": (2, 1), "height": (2,), "width": (1, 2),
           "hidden": (2, 1), "pair": (2,), "probe": (2, 3, 1)},
    drawn=(("probe",), ()),
)  # fmt: skip


def _seeded() -> torch.nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        return reference.ContinuousFlow(2)


@declares_reference
def continuous_formula() -> Formula:
    """The reference function, with a number of steps."""
    return Formula(reference.continuous, like="flow.continuous")


@declares_reference
def continuous() -> Bijection:
    """The reference flow of a network; its steps leave an error that is stated."""
    return Bijection(_seeded(), event_shape=(2,), accuracy=1e-4, name="ContinuousFlow")
