"""Cases are data: written down and read back bit for bit."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import genverify as gv
from genverify.subjects.case import Case, decode, encode, render
from genverify.subjects.functions import Quadratic, Sine, Table

SHAPES = st.lists(st.integers(0, 3), max_size=3)
DTYPES = st.sampled_from([torch.float64, torch.float32, torch.float16, torch.bfloat16])


def same(a, b):
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and a.shape == b.shape and a.stride() == b.stride() and bool(
            ((a == b) | ((a != a) & (b != b))).all()
        )  # fmt: skip
    return type(a) is type(b) and a == b


def again(value):
    return decode(json.loads(json.dumps(encode(value), allow_nan=False)))


@given(st.data(), SHAPES, DTYPES)
def test_floating_tensors_come_back_bit_for_bit(data, shape, dtype):
    number = torch.Size(shape).numel()
    items = data.draw(st.lists(st.floats(width=16), min_size=number, max_size=number))
    tensor = torch.tensor(items, dtype=torch.float64).reshape(shape).to(dtype)
    assert same(again(tensor), tensor)


@pytest.mark.parametrize(
    "value",
    [
        0.1, float("inf"), -0.0, 3, True, None, "μ", [1.5, "a"], (1, (2.5,)), {"a": torch.ones(2)}, [],
        torch.tensor([True, False]), torch.tensor([[1, 2]], dtype=torch.int8), torch.tensor(5),
        torch.tensor([1 + 2j, complex("nan")]), torch.tensor([5e-324, 1.7976931348623157e308]), torch.empty(0, 3),
        torch.arange(6.0).reshape(2, 3).t(),
    ],
    ids=str,
)  # fmt: skip
def test_every_kind_of_value_comes_back(value):
    found = again(value)
    if isinstance(value, dict):
        assert found.keys() == value.keys()
        assert same(found["a"], value["a"])
    else:
        assert same(found, value)


def test_nan_keeps_its_place():
    found = again(torch.tensor([float("nan"), 1.0]))
    assert found.isnan().tolist() == [True, False]


@pytest.mark.parametrize("function", [Quadratic(1.0, 0.1, -2.0), Sine(3.0, 0.5), Table(torch.tensor([1.0, -2.0, 0.5]))])
def test_functions_come_back_as_functions(function):
    z = torch.tensor([[0.0, 1.0], [2.0, 1.0]]) if not isinstance(function, Table) else torch.tensor([2, 0])
    assert torch.equal(again(function)(z), function(z))


def test_a_case_comes_back_and_names_its_tensors():
    case = Case(values={"x": torch.ones(2, 2), "n": 3}, seed=5)
    found = Case.from_data(json.loads(json.dumps(case.to_data())))
    assert found.seed == 5
    assert found["n"] == 3
    assert [name for name, _ in found.tensors()] == ["x"]
    assert "x" in found
    assert "y" not in found
    assert found.rendered() == case.rendered()


@pytest.mark.parametrize(
    "data",
    [
        {}, {"values": {}}, {"values": [], "seed": 0}, {"values": {}, "seed": "a"},
        {"values": {"x": {"tensor": ["0x1p0"], "dtype": "float99", "shape": [1]}}, "seed": 0},
        {"values": {"x": {"tensor": ["0x1p0"], "dtype": "float64", "shape": [2]}}, "seed": 0},
        {"values": {"x": {"tensor": ["one"], "dtype": "float64", "shape": [1]}}, "seed": 0},
        {"values": {"x": {"float": 1}}, "seed": 0},
        {"values": {"x": {"function": "os.system", "data": "ls"}}, "seed": 0},
        {"values": {"x": {"unknown": 1}}, "seed": 0},
    ],
    ids=range(10),
)  # fmt: skip
def test_what_is_no_case_is_refused_in_words(data):
    with pytest.raises(gv.UsageError, match="expected"):
        Case.from_data(data)


def test_what_cannot_be_written_down_is_refused_in_words():
    with pytest.raises(gv.UsageError, match="a value of type object in a case"):
        encode(object())


def test_a_large_tensor_is_rendered_short():
    assert len(render(torch.zeros(1000, 1000))) < 400
    assert "0" in render(torch.zeros(1))
