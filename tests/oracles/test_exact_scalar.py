"""The compiled closed forms agree with the ones that double their precision, over the whole range of float64."""

from __future__ import annotations

import math

import mpmath as mp
import pytest

from genverify.oracles import activation, loss
from genverify.oracles.exact_scalar import exact_scalar, exact_softmax

NUMBERS = (0.0, 5e-324, -1e-300, 1e-17, -0.3, 1.0, -8.5, 36.9, -38.5, 709.9, -745.2, 1e4, -1e4)
FORMS = {
    "sigmoid": (activation.sigmoid, ()),
    "log_sigmoid": (activation.log_sigmoid, ()),
    "tanh": (activation.tanh, ()),
    "gelu": (activation.gelu, ()),
    "silu": (activation.silu, ()),
    "softplus": (activation.softplus, (0.7,)),
    "elu": (activation.elu, (1.5,)),
    "huber": (loss.huber, (0.25, 1.0)),
    "bce_with_logits": (loss.bce_with_logits, (1.0, 2.0)),
}


@pytest.mark.parametrize("name", FORMS)
def test_fixed_precision_is_enough(name):
    form, rest = FORMS[name]
    exact = exact_scalar(form)
    for number in NUMBERS:
        found, want = exact(number, *rest), form.mpmath(mp.mpf(number), *rest, dps=400)
        # 1 + e^x is 1 to fewer digits; what is smaller than every floating-point number need not be more than small.
        if abs(want) > mp.mpf(10) ** -330:
            assert abs(found - want) <= abs(want) * mp.mpf(10) ** -24, (number, found, want)
        else:
            assert abs(found) <= mp.mpf(10) ** -320


def test_beyond_every_type_the_exponential_is_saturated_and_quick():
    assert exact_scalar(activation.softplus)(1e300, 1.0) == mp.mpf(1e300)
    assert float(exact_scalar(activation.sigmoid)(-1e300)) == 0.0
    assert float(exact_scalar(activation.gelu)(1e300)) == 1e300


def test_rows_sum_to_one_whatever_their_size():
    for row in ([0.0, 1.0, -1.0], [1e300, -1e300, 0.0], [5e-324, 0.0, 745.0]):
        with mp.workprec(160):
            assert abs(sum(exact_softmax(log=False)(row)) - 1) < mp.mpf(2) ** -150
        logs = exact_softmax(log=True)(row)
        assert max(logs) <= 0
        assert all(math.isfinite(float(one)) or one < -(10**300) for one in logs)
