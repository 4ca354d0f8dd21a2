import subprocess
import sys

import mpmath
import pytest
import sympy
import torch

from genverify.errors import UsageError
from genverify.numerics import conditioned_allowance, ulp_error
from genverify.oracles.closed_form import ClosedForm, Derivation, DerivationError, closed_form, step
from genverify.oracles.computable import computable, sigmoid, softplus


def _form(expression, **arguments):
    """A closed form of the given expression, a function of the symbols in order."""
    return ClosedForm(
        name="test.form", arguments=arguments, source="-", derive=lambda *s: Derivation(value=expression(*s))
    )


def _range(dtype, *, signed):
    """Numbers from the smallest to the largest of a type, geometrically, subnormals and both ends included."""
    info = torch.finfo(dtype)
    low, high = torch.tensor([info.tiny * info.eps, info.max], dtype=torch.float64).log2().tolist()
    points = torch.logspace(low, high, 25, base=2.0, dtype=torch.float64).to(dtype)
    points = points[(points > 0) & torch.isfinite(points)]
    points = torch.cat([points, torch.tensor([info.tiny, 0.5, 1.0, 2.0, info.max], dtype=dtype)])
    return torch.cat([points, -points, torch.zeros(1, dtype=dtype)]) if signed else points


COMPUTABLE = {
    "log of a power": (lambda s, t: sympy.log(s ** (2 * t**2)), {"s": "positive", "t": "positive"}),
    "ratio of squares": (lambda s, t: s**2 / t**2, {"s": "positive", "t": "positive"}),
    "expm1": (lambda x: sympy.exp(x) - 1, {"x": "real"}),
    "minus expm1": (lambda x: 1 - sympy.exp(-x), {"x": "positive"}),
    "log1p": (lambda x: sympy.log(1 + x), {"x": "positive"}),
    "softplus": (lambda x: sympy.log(1 + sympy.exp(x)), {"x": "real"}),
    "softplus reversed": (lambda x: sympy.log(1 + sympy.exp(-x)), {"x": "real"}),
    "sigmoid": (lambda x: 1 / (1 + sympy.exp(-x)), {"x": "real"}),
    "log of a quotient": (lambda s, t: sympy.log(s / t), {"s": "positive", "t": "positive"}),
    "inverse root": (lambda s: 1 / sympy.sqrt(s), {"s": "positive"}),
    "third root": (lambda s: sympy.root(s, 3), {"s": "positive"}),
    "fourth power over a cube": (lambda s, t: s**4 / t**3, {"s": "positive", "t": "positive"}),
    "pieces": (lambda x: sympy.Piecewise((x**2 / 2, sympy.Abs(x) <= 1), (sympy.Abs(x) - sympy.Rational(1, 2), True)),
               {"x": "real"}),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", COMPUTABLE)
def test_torch_agrees_with_mpmath_over_the_whole_range(name, dtype):
    expression, arguments = COMPUTABLE[name]
    form = _form(expression, **arguments)
    columns = [_range(dtype, signed="positive" not in words) for words in arguments.values()]
    if len(columns) == 2:
        columns = [columns[0][::3], columns[1][::3]]
    points = torch.cartesian_prod(*columns).reshape(-1, len(columns))
    args = list(points.unbind(1))
    found = form.torch(*args)
    assert found.dtype == dtype
    allowed = conditioned_allowance(form.terms, args, dtype=dtype, operations=24, flushed=True)
    exact = []
    for row in points.tolist():
        exact.append(form.mpmath(*row, dps=20))
    examined = 0
    inside = allowed.examined.tolist()
    for i, (point, got, true) in enumerate(zip(points.tolist(), found.tolist(), exact, strict=True)):
        if not inside[i]:
            continue
        examined, widest = examined + 1, allowed.allowed[i].item()
        assert abs(mpmath.mpf(got) - true) <= widest, (point, got, true)
    assert examined >= len(points) // 5


def test_every_rewriting_is_what_it_says():
    x = sympy.Symbol("x", real=True)
    s, t = sympy.symbols("s t", positive=True)
    assert computable(sympy.log(s ** (2 * t**2))) == 2 * t**2 * sympy.log(s)
    assert computable(sympy.log(1 + sympy.exp(-x))) == softplus()(-x)
    assert computable(1 / (1 + sympy.exp(-x))) == sigmoid()(x)
    assert computable(((x - s) / t) ** 2) == ((x - s) / t) ** 2  # not distributed
    assert "expm1" in str(computable(3 * sympy.exp(x) - 3))
    assert "log1p" in str(computable(sympy.log(1 + s)))


def test_derivatives_of_rewritten_functions_are_those_of_the_originals():
    x = sympy.Symbol("x", real=True)
    assert sympy.simplify(sigmoid()(x).diff(x).rewrite(sympy.exp) - (1 / (1 + sympy.exp(-x))).diff(x)) == 0
    assert softplus()(x).diff(x) == sigmoid()(x)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_dtype_shape_and_gradient_are_torch_like(dtype):
    form = _form(lambda x, s: sympy.exp(-((x / s) ** 2)) * s, x="real", s="positive")
    x = torch.linspace(-1, 1, 3, dtype=dtype)[:, None].requires_grad_()
    s = torch.tensor([0.5, 2.0], dtype=dtype)
    value = form(x, s)
    assert value.dtype == dtype
    assert value.shape == (3, 2)
    value.sum().backward()
    assert torch.allclose(x.grad, form.derivative("x")(x.detach(), s).sum(1, keepdim=True), rtol=4e-2, atol=1e-2)
    assert form(x, 2).shape == (3, 1)


def test_it_runs_under_vmap_and_jacrev():
    form = _form(lambda x, s: (x / s) ** 3 / 3 + sympy.log(s), x="real", s="positive")
    x = torch.linspace(1, 2, 4, dtype=torch.float64)
    slopes = torch.func.vmap(torch.func.grad(lambda v: form(v, torch.ones_like(v))))(x)
    assert torch.allclose(slopes, x**2)


def test_a_constant_takes_the_shape_of_the_arguments():
    form = _form(lambda x, s: x + s, x="real", s="real")
    slope = form.derivative("x")
    assert torch.equal(slope(torch.zeros(2, 1), torch.zeros(3)), torch.ones(2, 3))


def test_terms_add_up_and_constants_are_one_term():
    form = _form(lambda x, s: sympy.log(2 * sympy.pi) / 2 + sympy.log(s) + x**2 / 2 - 1, x="real", s="positive")
    x, s = torch.tensor([3.0, 0.0], dtype=torch.float64), torch.tensor(2.0, dtype=torch.float64)
    terms = form.terms(x, s)
    assert len(terms) == 3
    assert torch.allclose(sum(terms), form(x, s), rtol=1e-15)


def test_mpmath_gives_as_many_digits_as_asked_also_where_the_expression_cancels():
    form = _form(lambda x: sympy.exp(x) - 1, x="real")
    for exponent in (-300, -20, 0):
        with mpmath.workdps(60):
            x = mpmath.mpf(10) ** exponent
            assert abs(form.mpmath(x, dps=50) - mpmath.expm1(x)) <= mpmath.mpf(10) ** (exponent - 48)
    with mpmath.workdps(40):
        assert abs(form(mpmath.mpf(1)) - mpmath.expm1(1)) <= 2 * mpmath.eps


def test_numbers_give_a_correctly_rounded_float():
    form = _form(lambda x: sympy.exp(x) - 1, x="real")
    value = form(1e-10)
    assert type(value) is float
    assert ulp_error(torch.tensor(value), torch.special.expm1(torch.tensor(1e-10).double()), torch.float64) < 1e9
    assert value == float(mpmath.expm1(mpmath.mpf(1e-10)))


def test_the_domain_comes_from_the_assumptions_and_the_conditions():
    def derive(x, n, p):
        return Derivation(value=x * n * p, conditions=(sympy.Lt(x, p),))

    form = ClosedForm(
        name="t", arguments={"x": "real", "n": "positive integer", "p": "positive"}, source="-", derive=derive
    )
    inside = form.domain(
        torch.tensor([0.0, 2.0, 0.0, 0.0, torch.inf]),
        torch.tensor([1.0, 1.0, 1.5, 0.0, 1.0]),
        torch.tensor(1.0),
    )
    assert inside.tolist() == [True, False, False, False, False]
    assert form.domain(0, 1, 1) is True
    assert form.domain(mpmath.mpf(2), 1, 1) is False


def test_a_derivation_runs_once_and_not_before_it_is_needed():
    ran = []

    @closed_form("t.counted", arguments={"x": "real"}, source="-")
    def counted(x):
        """Counts."""
        ran.append(x)
        return Derivation(value=x)

    assert not ran
    assert counted.__doc__ == "Counts."
    counted(torch.ones(1))
    counted(1.0)
    assert len(ran) == 1


def test_a_wrong_step_is_refused():
    x = sympy.Symbol("x", real=True)
    with pytest.raises(DerivationError, match="half"):
        step("half", sympy.Derivative(x**2, x), x, "wrong by two")


def test_several_outputs_come_as_a_tuple():
    form = _form(lambda x: (x, x**2), x="real")
    first, second = form(torch.tensor(3.0))
    assert (first, second) == (3.0, 9.0)
    assert form(2) == (2.0, 4.0)
    assert form.derivative("x")(torch.tensor(3.0))[1] == 6.0
    with pytest.raises(UsageError, match="outputs"):
        form.terms(torch.tensor(1.0))


def test_keywords_work_and_bad_calls_say_what_to_do():
    form = _form(lambda mu, sigma: mu / sigma, mu="real", sigma="positive")
    assert form(sigma=2, mu=3) == 1.5
    with pytest.raises(UsageError, match="did you mean 'sigma'"):
        form(1, sigm=2)
    with pytest.raises(UsageError, match="mu, sigma"):
        form(1)
    with pytest.raises(UsageError, match="did you mean 'positive'"):
        _form(lambda x: x, x="positiv")
    with pytest.raises(UsageError, match="did you mean 'sigma'"):
        form.derivative("sigm")
    unknown = _form(lambda x: sympy.besselj(0, x), x="real")
    with pytest.raises(UsageError, match="besselj"):
        unknown(torch.ones(1))


def test_importing_an_oracle_imports_no_sympy():
    code = "import sys, genverify.oracles.gaussian as g; g.kl_divergence.__doc__; assert 'sympy' not in sys.modules"
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


def test_a_value_that_is_lost_beside_one_is_not_zero():
    @closed_form("t.softplus", arguments={"x": "real"}, source="-")
    def form(x: sympy.Symbol) -> Derivation:
        return Derivation(value=sympy.log(1 + sympy.exp(x)))

    assert 0 < form.mpmath(-710.0, dps=20) < 1e-300
