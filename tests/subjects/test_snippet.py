"""Snippets: what can be written down is, what cannot is named."""

from __future__ import annotations

import functools

import pytest
import torch

from genverify.subjects.snippet import snippet
from tests.toy_kind import Toy, square


def lines(subject):
    return snippet(subject, "gv1.token").splitlines()


def test_a_function_is_imported_by_its_own_name():
    assert lines(Toy(square, event_shape=(2,))) == [
        "import genverify as gv",
        "from tests.toy_kind import square",
        "from tests.toy_kind import Toy",
        "",
        'print(gv.replay("gv1.token", Toy(square, event_shape=(2,))))',
    ]


def test_a_subject_of_ours_is_written_as_the_user_wrote_it():
    from genverify.subjects.bijection import Bijection

    made = lines(Bijection(torch.distributions.ExpTransform, event_shape=(3,)))
    assert "from torch.distributions.transforms import ExpTransform" in made
    assert made[-1] == 'print(gv.replay("gv1.token", gv.Bijection(ExpTransform, event_shape=(3,))))'


def test_a_target_of_the_command_line_is_found_the_same_way():
    assert "from math import sqrt" in lines(Toy(None, reference="math:sqrt"))
    made = lines(Toy(torch.nn.Identity(), reference="torch.nn:Identity"))
    assert "Toy(Identity())" in made[-1]  # the command line made the object


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1, "0.1"),
        (float("inf"), 'float("inf")'),
        (torch.float64, "torch.float64"),
        (torch.tensor([1.0, float("nan")]), 'torch.tensor([1.0, float("nan")], dtype=torch.float32)'),
        (functools.partial(square, x=2), "partial(square, x=2)"),
        ({"a": (1, [2])}, "{'a': (1, [2])}"),
    ],
)
def test_values_are_written_exactly(value, text):
    assert f"slope={text}" in lines(Toy(square, slope=value))[-1]


def test_what_lives_in_the_session_only_is_named():
    made = lines(Toy(lambda x: x, name="my flow"))
    assert "# my_flow: your builtins.function, made as in your own code" in made
    assert "Toy(my_flow, name='my flow')" in made[-1]


def test_the_text_makes_the_same_subject_again():
    subject = Toy(square, slope=0.1, settings={"a": "b"}, event_shape=(2, 3))
    declaration = snippet(subject, "gv1.token").replace("print(gv.replay(", "made = ((")
    namespace = {}
    exec(declaration, namespace)
    assert namespace["made"] == ("gv1.token", subject)
